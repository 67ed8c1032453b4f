//! A recipe of `envoy/examples`, running: its files as they are shipped, but for paths, ports, and where certificates come
//! from.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bootstrap::Bootstrap;
use crate::controller::Controller;
use crate::dev::Dev;
use crate::envoy::Envoy;
use crate::folder::Folder;
use crate::hive::Hive;
use crate::http::Address;
use crate::poll::poll;
use crate::programs::Programs;
use crate::slice::TrustSource as _;
use crate::table::call::{Protocol, Wire};
use crate::table::client::{self, Reply, Target};
use crate::table::config::Tls;
use crate::table::peers::{Peer, pki};
use crate::upstream::Upstream;

/// Everything that runs for a recipe. Dropping it stops everything, Envoy first.
#[derive(Debug)]
pub struct Recipe {
    /// Envoy.
    pub envoy: Envoy,
    /// The controller.
    pub controller: Controller,
    /// The trust domain.
    pub dev: Dev,
    /// The service behind Envoy, for HTTP.
    pub upstream: Upstream,
    /// The service behind Envoy, for gRPC.
    pub hive: Hive,
    name: &'static str,
    tls: Tls,
    folder: Folder,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Ask {
    wire: Wire,
    peer: Option<Peer>,
}

impl Recipe {
    /// Every file of the folder, in order.
    pub fn files() -> Vec<PathBuf> {
        let folder = std::fs::read_dir(Programs::shipped("envoy/examples")).expect("the folder");
        let mut files: Vec<_> = folder.map(|entry| entry.expect("an entry").path()).collect();
        files.sort();
        files
    }

    /// Starts `envoy/examples/<name>.yaml`, with the files `<name>-….yaml` that it reads.
    pub fn start(name: &'static str, trust_domain: &str) -> Self {
        let folder = Folder::new();
        let dev = Dev::start("dev", folder.path(), trust_domain, &[], &[]);
        let controller = Controller::start(folder.path(), &dev.socket());
        let upstream = Upstream::start();
        let hive = Hive::start(upstream.recorder().clone());
        write_certificates(&folder);
        for file in files_of(name) {
            let text = std::fs::read_to_string(&file).expect("a text");
            let copy = file.file_name().expect("a name").to_string_lossy().into_owned();
            folder.write(&copy, &in_folder(&text, folder.path()));
        }
        let text = std::fs::read_to_string(folder.join(&format!("{name}.yaml"))).expect("the recipe");
        let mut config: Value = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let speaks_grpc = text.contains("\"grpc\":");
        let service = if speaks_grpc { hive.address() } else { upstream.address() };
        adapt(&mut config, service.port(), folder.path());
        let tls = match &config["static_resources"]["listeners"][0]["filter_chains"][0]["transport_socket"] {
            Value::Null => Tls::None,
            _ => Tls::Spiffe,
        };
        let envoy = Envoy::start("envoy", &Bootstrap::custom(config), folder.path());
        Self { envoy, controller, dev, upstream, hive, name, tls, folder }
    }

    /// Sends a request on a new connection. An error means that there was no answer.
    pub fn send(&self, ask: &Ask) -> anyhow::Result<Reply> {
        let Address::Tcp(address) = *self.envoy.listener() else { panic!("listeners are on TCP") };
        client::send(&Target { address, tls: self.tls, peer: ask.peer }, &ask.wire)
    }

    /// What a request comes to.
    pub fn status(&self, ask: &Ask) -> i32 {
        let reply = self.send(ask).expect("an answer from Envoy");
        reply.grpc_status.unwrap_or_else(|| i32::from(reply.status))
    }

    /// Waits until a good request passes: until then the trust bundles are on their way.
    pub fn await_passes(&self, ask: &Ask) {
        poll("a good request passes", PATIENCE, || {
            let reply = self.send(ask).expect("an answer from Envoy");
            let passes = reply.status == 200 && reply.grpc_status.unwrap_or_default() == 0;
            // gRPC's UNAVAILABLE is 14.
            assert!(passes || reply.status == 503 || reply.grpc_status == Some(14), "{reply:?}");
            passes.then_some(())
        });
    }

    /// Puts another version of one of the recipe's files in place, as an operator does.
    pub fn replace(&self, file: &str, change: impl FnOnce(&str) -> String) {
        let path = self.folder.join(file);
        let text = std::fs::read_to_string(&path).expect("the file");
        let changed = change(&text);
        assert_ne!(text, changed, "{file}: nothing changes");
        let new = self.folder.write("new", &changed);
        std::fs::rename(new, path).expect("the file in its place");
    }

    /// Lines of Envoy's access log, as JSON.
    pub fn access_log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.join("envoy.log")).expect("Envoy's output");
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// `svidgate check` of the recipe as it is shipped.
    pub fn check(&self) -> Output {
        let mut command = Command::new(Programs::svidgate());
        command.args(["check", "--strict"]);
        for file in files_of(self.name) {
            command.arg("--envoy").arg(file);
        }
        command.output().expect("svidgate")
    }
}

impl Ask {
    /// A request over HTTP/1.1.
    pub fn new(method: &'static str, target: &str) -> Self {
        let wire = Wire {
            row: "recipe",
            protocol: Protocol::H1,
            method,
            target: target.to_owned(),
            host: Some("api.example.org"),
            headers: Vec::new(),
            trailers: Vec::new(),
            times: 1,
            tokens: Vec::new(),
        };
        Self { wire, peer: None }
    }

    /// A call of a gRPC method with one answer.
    pub fn grpc(target: &str) -> Self {
        let mut ask = Self::new("POST", target);
        ask.wire.protocol = Protocol::Grpc;
        ask
    }

    /// Goes over HTTP/2.
    pub fn h2(mut self) -> Self {
        self.wire.protocol = Protocol::H2;
        self
    }

    /// To another host.
    pub fn host(mut self, host: &'static str) -> Self {
        self.wire.host = Some(host);
        self
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.wire.headers.push((name.to_owned(), value.as_bytes().to_vec()));
        self
    }

    /// With a token.
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", &format!("Bearer {token}"))
    }

    /// With a client certificate.
    pub fn peer(mut self, peer: Peer) -> Self {
        self.peer = Some(peer);
        self
    }
}

/// The recipe and the files that it reads.
fn files_of(name: &str) -> Vec<PathBuf> {
    let belongs = |path: &PathBuf| {
        let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
        stem == name || stem.starts_with(&format!("{name}-"))
    };
    Recipe::files().into_iter().filter(belongs).collect()
}

/// Paths of a machine become those of the test.
fn in_folder(text: &str, folder: &Path) -> String {
    text.replace("/etc/envoy/svidgate.wasm", &Programs::wasm().display().to_string())
        .replace("/run/svidgate/controller.sock", &Controller::socket_in(folder).display().to_string())
        .replace("/etc/envoy/", &format!("{}/", folder.display()))
}

fn adapt(config: &mut Value, service: u16, folder: &Path) {
    let any_port = json!({"socket_address": {"address": "127.0.0.1", "port_value": 0}});
    config["admin"]["address"] = any_port.clone();
    let resources = &mut config["static_resources"];
    for listener in resources["listeners"].as_array_mut().expect("listeners") {
        listener["address"] = any_port.clone();
    }
    for cluster in resources["clusters"].as_array_mut().expect("clusters") {
        if cluster["name"] == "service" {
            let endpoint = &mut cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
            endpoint["address"]["socket_address"]["port_value"] = json!(service);
        }
    }
    take_secrets_from_files(config, folder);
}

/// The agent's SDS gives what stands in these files.
fn take_secrets_from_files(config: &mut Value, folder: &Path) {
    match config {
        Value::Object(members) => {
            if let Some(name) = members.get("name").and_then(Value::as_str).map(str::to_owned)
                && let Some(source) = members.get_mut("sds_config")
            {
                let file = if name == "ALL" { "sds-all.json" } else { "sds-certificate.json" };
                let path = folder.join(file);
                *source = json!({"resource_api_version": "V3", "path_config_source": {"path": path}});
            }
            members.values_mut().for_each(|value| take_secrets_from_files(value, folder));
        }
        Value::Array(items) => items.iter_mut().for_each(|value| take_secrets_from_files(value, folder)),
        _ => {}
    }
}

fn write_certificates(folder: &Folder) {
    let pki = pki();
    let tls = folder.subfolder("tls");
    std::fs::write(tls.join("tls.crt"), pki.server.pem()).expect("a file");
    std::fs::write(tls.join("tls.key"), pki.server.key_pem()).expect("a file");
    let inline = |pem: String| json!({"inline_string": pem});
    let secret = |name: &str, kind: &str, value: Value| {
        json!({"resources": [{
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            "name": name,
            kind: value,
        }]})
        .to_string()
    };
    let certificate = json!({
        "certificate_chain": inline(pki.server.pem()),
        "private_key": inline(pki.server.key_pem()),
    });
    let name = "spiffe://example.org/server";
    folder.write("sds-certificate.json", &secret(name, "tls_certificate", certificate));
    // As SPIRE's agent gives it under the name `ALL`.
    let validator = json!({"custom_validator_config": {
        "name": "envoy.tls.cert_validator.spiffe",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig",
            "trust_domains": [
                {"name": "example.org", "trust_bundle": inline(pki.own.pem())},
                {"name": "partner.test", "trust_bundle": inline(pki.partner.pem())},
            ],
        },
    }});
    folder.write("sds-all.json", &secret("ALL", "validation_context", validator));
}

const PATIENCE: Duration = Duration::from_secs(30);
