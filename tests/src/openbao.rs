//! A real OpenBao: TLS for those under test, a plain port for the test itself, one key share, its storage in memory.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::folder::Folder;
use crate::http::{Address, Connection, Request, Response};
use crate::pki::{Authority, san_dns};
use crate::process::Process;
use crate::programs::{Programs, free_port};

/// A server that is initialised and unsealed.
#[derive(Debug)]
pub struct OpenBao {
    server: Process,
    folder: PathBuf,
    port: u16,
    /// Where the test itself asks.
    plain: Address,
    plain_port: u16,
    unseal_key: String,
    root_token: String,
}

impl OpenBao {
    /// Starts one on free ports.
    pub fn start(folder: &Folder) -> Self {
        let (port, plain) = (free_port(), free_port());
        let authority = Authority::of("openbao-server");
        let certificate = authority.issue("openbao", &[san_dns(SERVER_NAME)]);
        folder.write("bao-ca.pem", &authority.pem());
        folder.write("bao.pem", &certificate.pem());
        folder.write("bao.key", &certificate.key_pem());
        folder.write("bao.hcl", &configuration(&folder.path().display().to_string(), port, plain));
        let mut bao = Self {
            server: serve(folder.path()),
            folder: folder.path().to_owned(),
            port,
            plain: Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, plain))),
            plain_port: plain,
            unseal_key: String::new(),
            root_token: String::new(),
        };
        bao.initialise();
        bao
    }

    /// Ends it and starts another one in its place, with empty storage.
    pub fn lose_storage(&mut self) {
        self.server.kill();
        self.server = serve(&self.folder);
        self.initialise();
    }

    fn initialise(&mut self) {
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let plain = self.plain.clone();
        let init = self.server.poll("OpenBao takes the initialisation", START, || {
            let answer = send(&plain, "", "PUT", "sys/init", Some(&shares));
            answer.filter(|answer| answer.status == 200)
        });
        self.unseal_key = text(&init.json()["keys_base64"][0]);
        self.root_token = text(&init.json()["root_token"]);
        self.unseal();
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The same without TLS.
    pub fn plain_address(&self) -> String {
        format!("http://127.0.0.1:{}", self.plain_port)
    }

    /// The name in its certificate; the address is an IP address.
    pub fn server_name(&self) -> &'static str {
        SERVER_NAME
    }

    /// Certificate of the authority that its certificate is from.
    pub fn ca_file(&self) -> PathBuf {
        self.folder.join("bao-ca.pem")
    }

    /// For a program that sets it up.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// Seals it: it answers 503 to everything.
    pub fn seal(&self) {
        self.write("sys/seal", &json!({}));
    }

    /// Unseals it, and waits until it is active.
    pub fn unseal(&mut self) {
        let (plain, root, key) =
            (self.plain.clone(), self.root_token.clone(), json!({ "key": self.unseal_key }));
        self.server.poll("OpenBao is unsealed and active", START, || {
            send(&plain, "", "PUT", "sys/unseal", Some(&key))?;
            let known = send(&plain, &root, "GET", "auth/token/lookup-self", None)?;
            (known.status == 200).then_some(())
        });
    }

    /// Turns on an engine (`mounts`) or a method of logging in (`auth`) at a path.
    pub fn enable(&self, what: &str, path: &str, settings: &Value) {
        self.write(&format!("sys/{what}/{path}"), settings);
    }

    /// Writes as root, and gives the whole answer.
    pub fn write(&self, path: &str, content: &Value) -> Value {
        self.ask("POST", path, Some(content))
    }

    /// Reads as root.
    pub fn read(&self, path: &str) -> Value {
        self.ask("GET", path, None)
    }

    /// Deletes as root.
    pub fn delete(&self, path: &str) {
        self.ask("DELETE", path, None);
    }

    /// Ids of the leases below a prefix.
    pub fn leases(&self, prefix: &str) -> Vec<String> {
        let path = format!("sys/leases/lookup/{prefix}/");
        let answer = send(&self.plain, &self.root_token, "LIST", &path, None);
        let answer = answer.unwrap_or_else(|| panic!("LIST {path}: no answer"));
        if answer.status == 404 {
            return Vec::new();
        }
        let answer = answer.json();
        answer["data"]["keys"].as_array().expect("keys").iter().map(text).collect()
    }

    fn ask(&self, method: &str, path: &str, content: Option<&Value>) -> Value {
        let answer = send(&self.plain, &self.root_token, method, path, content);
        let answer = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!(matches!(answer.status, 200 | 204), "{method} {path}: {answer:?}");
        answer.json()
    }
}

fn serve(folder: &Path) -> Process {
    let mut command = Command::new(Programs::bao());
    command.arg("server").arg("-config").arg(folder.join("bao.hcl"));
    Process::start("openbao", command, folder)
}

/// A text in an answer.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

fn send(to: &Address, token: &str, method: &str, path: &str, content: Option<&Value>) -> Option<Response> {
    let mut request = Request::new(method, &format!("/v1/{path}")).header("x-vault-request", "true");
    if !token.is_empty() {
        request = request.header("x-vault-token", token);
    }
    if let Some(content) = content {
        request = request.header("content-type", "application/json").body(content.to_string());
    }
    Connection::open(to).ok()?.send(&request).ok()
}

fn configuration(folder: &str, port: u16, plain: u16) -> String {
    format!(
        r#"ui = false
log_level = "info"
api_addr = "https://127.0.0.1:{port}"
storage "inmem" {{}}
listener "tcp" {{
  address       = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/bao.pem"
  tls_key_file  = "{folder}/bao.key"
}}
listener "tcp" {{
  address     = "127.0.0.1:{plain}"
  tls_disable = true
}}
"#
    )
}

const SERVER_NAME: &str = "vault.example.org";
const START: Duration = Duration::from_secs(120);
