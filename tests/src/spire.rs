//! A real SPIRE: one server, one agent, this user as the workload.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::folder::Folder;
use crate::pki::pem;
use crate::poll::poll;
use crate::process::Process;
use crate::programs::{Programs, free_port};
use crate::slice::{CLIENT_ID, OTHER_ID, TRUST_DOMAIN, TrustSource};
use crate::workload::Workload;

/// SPIRE server and agent of one trust domain, `example.org` unless told otherwise.
#[derive(Debug)]
pub struct Spire {
    // The agent ends first.
    agent: Option<Process>,
    server: Process,
    folder: PathBuf,
    trust_domain: String,
    federated: Vec<String>,
}

impl Spire {
    /// Starts both, with entries for the callers of the tests.
    pub fn start(folder: &Folder) -> Self {
        Self::start_as(folder, TRUST_DOMAIN, &[])
    }

    /// As [`Spire::start`], in another trust domain, federated with others whose SPIFFE bundle documents are given.
    pub fn start_as(folder: &Folder, trust_domain: &str, federated: &[(&str, &str)]) -> Self {
        let port = free_port();
        folder.write("spire-server.conf", &server_conf(folder.path(), port, trust_domain));
        folder.write("spire-agent.conf", &agent_conf(folder.path(), port, trust_domain));
        folder.subfolder("spire-server");
        folder.subfolder("spire-agent");

        let mut command = Command::new(Programs::spire("spire-server"));
        command.arg("run").arg("-config").arg(folder.join("spire-server.conf"));
        let server = Process::start("spire-server", command, folder.path());
        let mut spire = Self {
            agent: None,
            server,
            folder: folder.path().to_owned(),
            trust_domain: trust_domain.to_owned(),
            federated: federated.iter().map(|(name, _)| format!("spiffe://{name}")).collect(),
        };
        spire.await_server();
        for (name, document) in federated {
            let file = folder.write(&format!("{name}.json"), document).display().to_string();
            let id = format!("spiffe://{name}");
            spire.ask(&["bundle", "set", "-format", "spiffe", "-id", &id, "-path", &file]);
        }

        folder.write("bundle.pem", &spire.ask(&["bundle", "show"]));
        let token = spire.ask_json(&["token", "generate", "-spiffeID", &spire.id(AGENT_ALIAS)]);
        folder.write("join-token", token["value"].as_str().expect("a join token"));
        // Before the agent starts, so that it knows them from its first look.
        spire.register(CLIENT_ID, &[]);
        spire.register(OTHER_ID, &[]);
        spire.register(SHORT_LIVED_ID, &["-jwtSVIDTTL", "1"]);
        spire.start_agent();
        Workload::new(&spire.socket()).await_token("svidgate-tests", &spire.id(CLIENT_ID));
        spire
    }

    /// An ID of the tests' trust domain, moved to this one.
    pub fn id(&self, spiffe_id: &str) -> String {
        spiffe_id.replacen(TRUST_DOMAIN, &self.trust_domain, 1)
    }

    /// Ends the agent.
    pub fn stop_agent(&mut self) {
        self.agent.take().expect("the agent runs").stop();
    }

    /// Starts the agent, anew after [`Spire::stop_agent`]; it keeps its identity and its socket's path.
    pub fn start_agent(&mut self) {
        let mut command = Command::new(Programs::spire("spire-agent"));
        command.arg("run").arg("-config").arg(self.folder.join("spire-agent.conf"));
        let mut agent = Process::start("spire-agent", command, &self.folder);
        let socket = self.socket();
        agent.poll("the agent's socket", START, || std::os::unix::net::UnixStream::connect(&socket).ok());
        self.agent = Some(agent);
    }

    /// An entry whose X.509-SVIDs bear a DNS name, as common name too.
    pub fn register_with_name(&self, spiffe_id: &str, dns_name: &str) {
        self.register(spiffe_id, &["-dns", dns_name]);
    }

    /// An X.509-SVID of this user: chain and key, PEM. Waits for the agent to learn of a new entry.
    pub fn x509_svid(&self, spiffe_id: &str) -> (String, String) {
        poll(&format!("an X.509-SVID for {spiffe_id}"), START, || self.try_x509_svid(spiffe_id))
    }

    fn try_x509_svid(&self, spiffe_id: &str) -> Option<(String, String)> {
        let mut command = Command::new(Programs::spire("spire-agent"));
        command.args(["api", "fetch", "x509", "-output", "json", "-socketPath"]).arg(self.socket());
        let output = command.output().expect("spire-agent");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "spire-agent api fetch x509: {errors}");
        let fetched: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let svids = fetched["svids"].as_array().expect("SVIDs");
        let svid = svids.iter().find(|svid| svid["spiffe_id"] == spiffe_id)?;
        let der = |name: &str| STANDARD.decode(svid[name].as_str().expect("base64")).expect("base64");
        Some((pem_of_each(&der("x509_svid")), pem("PRIVATE KEY", &der("x509_svid_key"))))
    }

    /// The authorities of X.509-SVIDs, PEM.
    pub fn x509_authorities(&self) -> String {
        self.ask(&["bundle", "show"])
    }

    /// The authorities of JWT-SVIDs: JWKs.
    pub fn jwt_authorities(&self) -> Vec<Value> {
        let bundle = self.ask(&["bundle", "show", "-format", "spiffe"]);
        let bundle: Value = serde_json::from_str(&bundle).expect("JSON");
        let keys = bundle["keys"].as_array().expect("keys").iter();
        keys.filter(|key| key["use"] == "jwt-svid").cloned().collect()
    }

    fn await_server(&mut self) {
        let mut health = self.server_command(&["healthcheck"]);
        self.server.poll("the SPIRE server is healthy", START, || {
            health.output().is_ok_and(|o| o.status.success()).then_some(())
        });
    }

    fn register(&self, spiffe_id: &str, more: &[&str]) {
        let selector = format!("unix:uid:{}", rustix::process::getuid().as_raw());
        let (parent, id) = (self.id(AGENT_ALIAS), self.id(spiffe_id));
        let mut entry =
            vec!["entry", "create", "-parentID", &parent, "-spiffeID", &id, "-selector", &selector];
        for federated in &self.federated {
            entry.extend(["-federatesWith", federated]);
        }
        self.ask(&[&entry, more].concat());
    }

    /// Key id in a state: `active`, `prepared` or `old`.
    fn authority(&self, state: &str) -> String {
        let shown = self.ask_json(&["localauthority", "jwt", "show"]);
        shown[state]["authority_id"]
            .as_str()
            .unwrap_or_else(|| panic!("no {state} key in {shown}"))
            .to_owned()
    }

    fn ask_json(&self, arguments: &[&str]) -> Value {
        let answer = self.ask(&[arguments, &["-output", "json"]].concat());
        serde_json::from_str(&answer).unwrap_or_else(|e| panic!("{e} in {answer}"))
    }

    fn ask(&self, arguments: &[&str]) -> String {
        let output = self.server_command(arguments).output().expect("spire-server");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "spire-server {arguments:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn server_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(Programs::spire("spire-server"));
        command.args(arguments).arg("-socketPath").arg(self.folder.join("spire-server.sock"));
        command
    }
}

impl TrustSource for Spire {
    fn launch(folder: &Folder) -> Self {
        Self::start(folder)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("spire-agent.sock")
    }

    fn prepare(&mut self) {
        self.ask(&["localauthority", "jwt", "prepare"]);
    }

    fn activate(&mut self) {
        let prepared = self.authority("prepared");
        self.ask(&["localauthority", "jwt", "activate", "-authorityID", &prepared]);
    }

    fn revoke_old(&mut self) {
        let old = self.authority("old");
        self.ask(&["localauthority", "jwt", "taint", "-authorityID", &old]);
        self.ask(&["localauthority", "jwt", "revoke", "-authorityID", &old]);
    }

    fn expiring_token(&mut self, audience: &str) -> String {
        Workload::new(&self.socket()).await_token(audience, SHORT_LIVED_ID)
    }
}

/// DER certificates one behind the other (Workload API), each longer than 255 bytes.
fn pem_of_each(mut der: &[u8]) -> String {
    let mut out = String::new();
    while let [0x30, 0x82, high, low, ..] = *der {
        let (one, rest) = der.split_at(4 + usize::from(u16::from_be_bytes([high, low])));
        out += &pem("CERTIFICATE", one);
        der = rest;
    }
    out
}

fn server_conf(folder: &Path, port: u16, trust_domain: &str) -> String {
    let folder = folder.display();
    format!(
        r#"server {{
  bind_address = "127.0.0.1"
  bind_port = "{port}"
  socket_path = "{folder}/spire-server.sock"
  trust_domain = "{trust_domain}"
  data_dir = "{folder}/spire-server"
  log_level = "INFO"
}}
plugins {{
  DataStore "sql" {{
    plugin_data {{
      database_type = "sqlite3"
      connection_string = "{folder}/spire-server/datastore.sqlite3"
    }}
  }}
  KeyManager "memory" {{ plugin_data {{}} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
}}
"#
    )
}

fn agent_conf(folder: &Path, port: u16, trust_domain: &str) -> String {
    let folder = folder.display();
    format!(
        r#"agent {{
  server_address = "127.0.0.1"
  server_port = "{port}"
  socket_path = "{folder}/spire-agent.sock"
  trust_domain = "{trust_domain}"
  trust_bundle_path = "{folder}/bundle.pem"
  join_token_file = "{folder}/join-token"
  data_dir = "{folder}/spire-agent"
  log_level = "INFO"
}}
plugins {{
  KeyManager "disk" {{ plugin_data {{ directory = "{folder}/spire-agent" }} }}
  NodeAttestor "join_token" {{ plugin_data {{}} }}
  WorkloadAttestor "unix" {{ plugin_data {{}} }}
}}
"#
    )
}

/// The entries hang below this name; whatever agent joined with our token bears it.
const AGENT_ALIAS: &str = "spiffe://example.org/agent";
/// Its tokens live for a second.
const SHORT_LIVED_ID: &str = "spiffe://example.org/short-lived";
const START: Duration = Duration::from_secs(60);
