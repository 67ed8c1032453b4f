//! A real SPIRE: one server, one agent, this user as the workload.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::folder::Folder;
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
