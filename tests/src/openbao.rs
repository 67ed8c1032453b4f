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

/// A server that is initialised and unsealed, or three that are one.
#[derive(Debug)]
pub struct OpenBao {
    /// One, or the members of a cluster; a member that was ended stays in its place.
    nodes: Vec<Node>,
    /// The one that the test itself asks.
    asked: usize,
    folder: PathBuf,
    unseal_key: String,
    root_token: String,
}

#[derive(Debug)]
struct Node {
    server: Process,
    port: u16,
    plain: Address,
    plain_port: u16,
}

impl OpenBao {
    /// Starts one on free ports.
    pub fn start(folder: &Folder) -> Self {
        certificate(folder);
        let (port, plain) = (free_port(), free_port());
        folder.write("bao.hcl", &configuration(folder.path(), port, plain));
        let mut bao = Self::of(vec![Node::start("openbao", "bao.hcl", folder.path(), port, plain)], folder);
        bao.initialise();
        bao
    }

    /// Starts three with a common storage (Raft), of which one is active; the others pass on to it what they are asked, or
    /// say where it is (307) to those who forbid that. They name their plain ports to each other and to clients.
    pub fn start_cluster(folder: &Folder) -> Self {
        certificate(folder);
        let ports: Vec<[u16; 4]> = (0..MEMBERS).map(|_| [(); 4].map(|()| free_port())).collect();
        let first = ports[0][1];
        let nodes = ports.iter().enumerate().map(|(number, ports)| {
            let name = format!("openbao-{number}");
            let (home, file) = (folder.subfolder(&name), format!("{name}.hcl"));
            folder.write(&file, &member(folder.path(), &home, number, ports, first));
            Node::start(&name, &file, folder.path(), ports[0], ports[1])
        });
        let mut bao = Self::of(nodes.collect(), folder);
        bao.initialise();
        for number in 1..MEMBERS {
            bao.asked = number;
            bao.unseal();
        }
        bao.asked = 0;
        bao.await_active();
        // A member has no vote at first, and without votes nobody takes over.
        bao.write(AUTOPILOT, &json!({ "server_stabilization_time": "1s" }));
        crate::poll("each member has a vote", START, || {
            let known = bao.read("sys/storage/raft/configuration");
            let servers = known["data"]["config"]["servers"].as_array()?;
            let all = servers.len() == MEMBERS && servers.iter().all(|server| server["voter"] == true);
            all.then_some(())
        });
        bao
    }

    fn of(nodes: Vec<Node>, folder: &Folder) -> Self {
        let (unseal_key, root_token) = (String::new(), String::new());
        Self { nodes, asked: 0, folder: folder.path().to_owned(), unseal_key, root_token }
    }

    /// Where a member that is not active is, without TLS.
    pub fn standby(&self) -> String {
        let active = self.active().expect("one is active");
        let standby = (0..self.nodes.len()).find(|number| *number != active).expect("there are others");
        format!("http://127.0.0.1:{}", self.nodes[standby].plain_port)
    }

    /// Ends the active member, as a crash would.
    pub fn kill_active(&mut self) {
        let active = self.active().expect("one is active");
        self.nodes[active].server.kill();
        self.asked = (0..self.nodes.len()).find(|number| *number != active).expect("there are others");
    }

    /// Waits until a member is active, and the one that is asked knows it.
    pub fn await_active(&self) {
        crate::poll("a member is active", START, || {
            self.active()?;
            let known = send(&self.node().plain, &self.root_token, "GET", "auth/token/lookup-self", None)?;
            (known.status == 200).then_some(())
        });
    }

    fn active(&self) -> Option<usize> {
        self.nodes.iter().position(|node| {
            let answer = send(&node.plain, "", "GET", "sys/leader", None);
            answer.is_some_and(|answer| answer.json()["is_self"] == true)
        })
    }

    fn node(&self) -> &Node {
        &self.nodes[self.asked]
    }

    /// Ends it and starts another one in its place, with empty storage.
    pub fn lose_storage(&mut self) {
        let node = &mut self.nodes[0];
        node.server.kill();
        node.server = serve("openbao", "bao.hcl", &self.folder);
        self.initialise();
    }

    fn initialise(&mut self) {
        let shares = json!({ "secret_shares": 1, "secret_threshold": 1 });
        let plain = self.node().plain.clone();
        let init = self.nodes[self.asked].server.poll("OpenBao takes the initialisation", START, || {
            let answer = send(&plain, "", "PUT", "sys/init", Some(&shares));
            answer.filter(|answer| answer.status == 200)
        });
        self.unseal_key = text(&init.json()["keys_base64"][0]);
        self.root_token = text(&init.json()["root_token"]);
        self.unseal();
    }

    /// Where it is.
    pub fn address(&self) -> String {
        format!("https://127.0.0.1:{}", self.node().port)
    }

    /// Its port with TLS.
    pub fn port(&self) -> u16 {
        self.node().port
    }

    /// The same as [`OpenBao::address`], without TLS.
    pub fn plain_address(&self) -> String {
        format!("http://127.0.0.1:{}", self.node().plain_port)
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

    /// Unseals it, and waits until it takes requests.
    pub fn unseal(&mut self) {
        let (plain, root, key) =
            (self.node().plain.clone(), self.root_token.clone(), json!({ "key": self.unseal_key }));
        self.nodes[self.asked].server.poll("OpenBao is unsealed and active", START, || {
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
        self.list(&format!("sys/leases/lookup/{prefix}/"))
    }

    /// Names below a path, as root.
    pub fn list(&self, path: &str) -> Vec<String> {
        let answer = send(&self.node().plain, &self.root_token, "LIST", path, None);
        let answer = answer.unwrap_or_else(|| panic!("LIST {path}: no answer"));
        if answer.status == 404 {
            return Vec::new();
        }
        let answer = answer.json();
        answer["data"]["keys"].as_array().expect("keys").iter().map(text).collect()
    }

    fn ask(&self, method: &str, path: &str, content: Option<&Value>) -> Value {
        let answer = send(&self.node().plain, &self.root_token, method, path, content);
        let answer = answer.unwrap_or_else(|| panic!("{method} {path}: no answer"));
        assert!(matches!(answer.status, 200 | 204), "{method} {path}: {answer:?}");
        answer.json()
    }
}

impl Node {
    fn start(name: &str, file: &str, folder: &Path, port: u16, plain_port: u16) -> Self {
        let plain = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, plain_port)));
        Self { server: serve(name, file, folder), port, plain, plain_port }
    }
}

fn serve(name: &str, file: &str, folder: &Path) -> Process {
    let mut command = Command::new(Programs::bao());
    command.arg("server").arg("-config").arg(folder.join(file));
    Process::start(name, command, folder)
}

/// Written for all members.
fn certificate(folder: &Folder) {
    let authority = Authority::of("openbao-server");
    let certificate = authority.issue("openbao", &[san_dns(SERVER_NAME)]);
    folder.write("bao-ca.pem", &authority.pem());
    folder.write("bao.pem", &certificate.pem());
    folder.write("bao.key", &certificate.key_pem());
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

fn configuration(folder: &Path, port: u16, plain: u16) -> String {
    let folder = folder.display();
    format!(
        r#"ui = false
log_level = "info"
api_addr = "https://127.0.0.1:{port}"
storage "inmem" {{}}
{}"#,
        listeners(&folder.to_string(), [port, plain], ["", ""])
    )
}

fn member(folder: &Path, home: &Path, number: usize, ports: &[u16; 4], first: u16) -> String {
    let [port, plain, cluster, other] = ports;
    // Each listener has one for the members; only the first is told to them.
    let addresses = [cluster, other].map(|port| format!("cluster_address = \"127.0.0.1:{port}\""));
    let [one, two] = &addresses;
    format!(
        r#"ui = false
log_level = "info"
api_addr = "http://127.0.0.1:{plain}"
cluster_addr = "https://127.0.0.1:{cluster}"
storage "raft" {{
  path                   = "{home}"
  node_id                = "{number}"
  performance_multiplier = 1
  retry_join {{
    leader_api_addr = "http://127.0.0.1:{first}"
  }}
}}
{}"#,
        listeners(&folder.display().to_string(), [*port, *plain], [one, two]),
        home = home.display(),
    )
}

fn listeners(folder: &str, [port, plain]: [u16; 2], [one, two]: [&str; 2]) -> String {
    format!(
        r#"listener "tcp" {{
  address       = "127.0.0.1:{port}"
  tls_cert_file = "{folder}/bao.pem"
  tls_key_file  = "{folder}/bao.key"
  {one}
}}
listener "tcp" {{
  address     = "127.0.0.1:{plain}"
  tls_disable = true
  {two}
}}
"#
    )
}

const AUTOPILOT: &str = "sys/storage/raft/autopilot/configuration";
const MEMBERS: usize = 3;
const SERVER_NAME: &str = "vault.example.org";
const START: Duration = Duration::from_secs(120);
