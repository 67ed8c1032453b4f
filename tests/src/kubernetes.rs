//! A real API server of Kubernetes on a real etcd, without nodes: enough for service accounts, their tokens and TokenReview.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rcgen::SanType;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::{Value, json};

use crate::folder::Folder;
use crate::http::{Connection, PATIENCE, Request, Response};
use crate::pki::{Authority, san_dns};
use crate::process::Process;
use crate::programs::{Programs, free_port};

/// The API server.
#[derive(Debug)]
pub struct Kubernetes {
    // The API server ends first.
    _api_server: Process,
    _etcd: Process,
    port: u16,
    tls: Arc<ClientConfig>,
    ca: String,
}

impl Kubernetes {
    /// Starts both, and waits until they are ready.
    pub fn start(folder: &Folder) -> Self {
        let (etcd, client_port) = start_etcd(folder);
        let port = free_port();
        let authority = Authority::of("kubernetes");
        let loopback = SanType::IpAddress(Ipv4Addr::LOCALHOST.into());
        let server = authority.issue("kube-apiserver", &[san_dns("kubernetes.default.svc"), loopback]);
        // Any key that signs: the public one is read from its certificate.
        let signer = authority.issue("service-accounts", &[san_dns("service-accounts")]);
        let file = |name: &str, content: &str| folder.write(name, content).display().to_string();
        let arguments = [
            format!("--etcd-servers=http://127.0.0.1:{client_port}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--cert-dir={}", folder.subfolder("kube-apiserver").display()),
            format!("--tls-cert-file={}", file("kube.pem", &server.pem())),
            format!("--tls-private-key-file={}", file("kube.key", &server.key_pem())),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", file("kube-accounts.pem", &signer.pem())),
            format!("--service-account-signing-key-file={}", file("kube-accounts.key", &signer.key_pem())),
            format!(
                "--token-auth-file={}",
                file("kube-tokens.csv", &format!("{ADMIN},admin,admin,system:masters\n"))
            ),
            "--authorization-mode=RBAC".to_owned(),
            "--disable-admission-plugins=ServiceAccount".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        ];
        let mut command = Command::new(Programs::kube_apiserver());
        command.args(arguments);
        let mut api_server = Process::start("kube-apiserver", command, folder.path());
        let tls = Arc::new(trusting(&authority.pem()));
        api_server.poll("the namespace `default` and the usual roles", START, || {
            let ready = |path| send(port, &tls, "GET", path, None).is_some_and(|answer| answer.status == 200);
            (ready("api/v1/namespaces/default") && ready("readyz")).then_some(())
        });
        Self { _api_server: api_server, _etcd: etcd, port, tls, ca: authority.pem() }
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// Certificate of the authority that its own is from.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// Makes a service account in the namespace `default`.
    pub fn service_account(&self, name: &str) {
        self.create("api/v1/namespaces/default/serviceaccounts", &json!({ "metadata": { "name": name } }));
    }

    /// Lets a service account ask for reviews of tokens.
    pub fn may_review_tokens(&self, name: &str) {
        self.create(
            "apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            &json!({
                "metadata": { "name": name },
                "roleRef": {
                    "apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "system:auth-delegator",
                },
                "subjects": [{ "kind": "ServiceAccount", "name": name, "namespace": "default" }],
            }),
        );
    }

    /// A token of a service account, as `kubectl create token` makes it; without audiences for the API server itself.
    pub fn token(&self, name: &str, audiences: &[&str]) -> String {
        let path = format!("api/v1/namespaces/default/serviceaccounts/{name}/token");
        let request = json!({
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": { "audiences": audiences, "expirationSeconds": 600 },
        });
        let answer = self.create(&path, &request);
        answer["status"]["token"].as_str().expect("a token").to_owned()
    }

    /// Deletes a service account: its tokens are void at once.
    pub fn delete_service_account(&self, name: &str) {
        self.ask("DELETE", &format!("api/v1/namespaces/default/serviceaccounts/{name}"), None);
    }

    fn create(&self, path: &str, object: &Value) -> Value {
        self.ask("POST", path, Some(object))
    }

    fn ask(&self, method: &str, path: &str, object: Option<&Value>) -> Value {
        let answer = send(self.port, &self.tls, method, path, object);
        let answer = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!((200..300).contains(&answer.status), "{method} {path}: {}", answer.text());
        answer.json()
    }
}

fn start_etcd(folder: &Folder) -> (Process, u16) {
    let (client, peer) = (free_port(), free_port());
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let mut command = Command::new(Programs::etcd());
    command.arg("--data-dir").arg(folder.join("etcd"));
    command.args(["--listen-client-urls", &url(client), "--advertise-client-urls", &url(client)]);
    command.args(["--listen-peer-urls", &url(peer), "--initial-advertise-peer-urls", &url(peer)]);
    command.args(["--initial-cluster", &format!("default={}", url(peer))]);
    (Process::start("etcd", command, folder.path()), client)
}

fn trusting(ca: &str) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.as_bytes()).expect("PEM")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    builder.expect("TLS").with_root_certificates(roots).with_no_client_auth()
}

fn send(
    port: u16,
    tls: &Arc<ClientConfig>,
    method: &str,
    path: &str,
    object: Option<&Value>,
) -> Option<Response> {
    let name = ServerName::try_from("kubernetes.default.svc").expect("a name");
    let session = ClientConnection::new(tls.clone(), name).expect("TLS");
    let stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut request = Request::new(method, &format!("/{path}")).bearer(ADMIN);
    if let Some(object) = object {
        request = request.header("content-type", "application/json").body(object.to_string());
    }
    Connection::over(StreamOwned::new(session, stream)).send(&request).ok()
}

/// A static token with all rights, on a server that lives for one test.
const ADMIN: &str = "admin-of-a-test";
const START: Duration = Duration::from_secs(120);
