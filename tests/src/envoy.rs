//! A real Envoy.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::bootstrap::Bootstrap;
use crate::http::{Address, Connection, Request, Response};
use crate::process::Process;
use crate::programs::Programs;

/// Envoy with two workers, unless told otherwise.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    workers: usize,
    admin: Address,
    listener: Address,
}

/// How Envoy runs.
#[derive(Clone, Copy, Debug)]
pub struct Launch {
    /// Number of workers.
    pub workers: usize,
    /// The only core that it may use, if it is bound to one.
    pub core: Option<usize>,
}

impl Default for Launch {
    fn default() -> Self {
        Self { workers: Envoy::WORKERS, core: None }
    }
}

impl Envoy {
    /// Number of workers, so also of the plugin's VMs beside the one on the main thread.
    pub const WORKERS: usize = 2;

    /// Starts it and waits until it takes connections. Its files are `<folder>/<name>.json` and `<name>.log`.
    pub fn start(name: &str, bootstrap: &Bootstrap, folder: &Path) -> Self {
        Self::start_with(name, bootstrap, folder, Self::WORKERS)
    }

    /// The same with any number of workers.
    pub fn start_with(name: &str, bootstrap: &Bootstrap, folder: &Path, workers: usize) -> Self {
        Self::launch(name, bootstrap, folder, Launch { workers, ..Launch::default() })
    }

    /// The same with any number of workers, and perhaps bound to a core.
    pub fn launch(name: &str, bootstrap: &Bootstrap, folder: &Path, launch: Launch) -> Self {
        let launched = Launched::new(name, bootstrap, folder, launch);
        let mut process = launched.process;
        let admin = process.poll("Envoy's admin address", START, || read_address(&launched.admin_file));
        let mut envoy = Self { process, workers: launch.workers, listener: admin.clone(), admin };
        envoy.await_ready();
        envoy.listener = envoy.find_listener();
        envoy
    }

    /// Starts it with a configuration that it must refuse, and returns its log once it has ended.
    ///
    /// # Panics
    /// When it starts after all.
    pub fn refuses(name: &str, bootstrap: &Bootstrap, folder: &Path) -> String {
        let mut launched = Launched::new(name, bootstrap, folder, Launch::default());
        let status = crate::poll("Envoy ends", START, || launched.process.ended());
        assert!(!status.success(), "Envoy took a configuration that it must refuse");
        std::fs::read_to_string(launched.process.log()).expect("Envoy's log")
    }

    /// Where clients come in.
    pub fn listener(&self) -> &Address {
        &self.listener
    }

    /// All listeners by name.
    pub fn listeners(&self) -> BTreeMap<String, SocketAddr> {
        let answer = self.ask_admin("GET", "/listeners?format=json").json();
        let statuses = answer["listener_statuses"].as_array().expect("listener_statuses").iter();
        statuses
            .map(|status| {
                let name = status["name"].as_str().expect("a listener's name").to_owned();
                let Address::Tcp(address) = local_address(status) else { panic!("listeners are on TCP") };
                (name, address)
            })
            .collect()
    }

    /// The admin interface.
    pub fn admin(&self) -> &Address {
        &self.admin
    }

    /// The process: its log, and ways to stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        self.process.stop();
    }

    /// Opens a connection to the listener.
    pub fn connect(&self) -> Connection {
        self.try_connect().expect("a connection to Envoy")
    }

    /// Opens a connection to the listener, which may refuse it.
    pub fn try_connect(&self) -> io::Result<Connection> {
        Connection::open(&self.listener)
    }

    /// Sends a request on a new connection.
    pub fn send(&self, request: &Request) -> Response {
        self.connect().send(request).expect("an answer from Envoy")
    }

    /// One connection to each worker, in their order.
    ///
    /// The kernel spreads connections over the workers. Which one took a connection shows in the listener's counters
    /// for each worker, so nothing else may connect meanwhile.
    pub fn connection_to_each_worker(&self) -> Vec<Connection> {
        self.connection_to_each_worker_at("ingress", &self.listener)
    }

    /// The same at any listener, by its `stat_prefix` and address.
    pub fn connection_to_each_worker_at(&self, listener: &str, address: &Address) -> Vec<Connection> {
        let mut found: Vec<Option<Connection>> = (0..self.workers).map(|_| None).collect();
        crate::poll("a connection to each worker", Duration::from_secs(20), || {
            let before = self.connections_by_worker(listener);
            let connection = Connection::open(address).expect("a connection to Envoy");
            let after = crate::poll("Envoy counts the connection", START, || {
                Some(self.connections_by_worker(listener)).filter(|now| *now != before)
            });
            let taken: Vec<usize> = (0..self.workers).filter(|&w| after[w] > before[w]).collect();
            assert_eq!(taken.len(), 1, "something else connects to Envoy");
            found[taken[0]].get_or_insert(connection);
            found.iter().all(Option::is_some).then_some(())
        });
        found.into_iter().flatten().collect()
    }

    /// Value of a counter or gauge by its exact name; zero while Envoy does not know it.
    pub fn stat(&self, name: &str) -> u64 {
        self.stats().into_iter().find(|(n, _)| n == name).map_or(0, |(_, value)| value)
    }

    /// All counters and gauges.
    pub fn stats(&self) -> Vec<(String, u64)> {
        self.stats_like("")
    }

    /// Counters and gauges in whose name this regular expression is found.
    pub fn stats_like(&self, pattern: &str) -> Vec<(String, u64)> {
        let text = self.ask_admin("GET", &format!("/stats?filter={pattern}")).text();
        let parse = |line: &str| {
            let (name, value) = line.rsplit_once(": ")?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        text.lines().filter_map(parse).collect()
    }

    /// Fails the test unless Envoy runs and says that it is ready.
    pub fn assert_healthy(&mut self) {
        self.process.assert_running();
        assert_eq!(self.ask_admin("GET", "/ready").text().trim(), "LIVE");
    }

    /// A request to the admin interface.
    pub fn ask_admin(&self, method: &str, path: &str) -> Response {
        let answer = Connection::open(&self.admin).and_then(|mut c| c.send(&Request::new(method, path)));
        answer.unwrap_or_else(|e| panic!("Envoy's admin interface: {e}"))
    }

    fn connections_by_worker(&self, listener: &str) -> Vec<u64> {
        let stats = self.stats();
        let of = |worker: usize| {
            let name = format!("listener.{listener}.worker_{worker}.downstream_cx_total");
            stats.iter().find(|(n, _)| *n == name).map_or(0, |(_, value)| *value)
        };
        (0..self.workers).map(of).collect()
    }

    fn await_ready(&mut self) {
        let admin = self.admin.clone();
        self.process.poll("Envoy is ready", START, || {
            let answer = Connection::open(&admin).ok()?.send(&Request::get("/ready")).ok()?;
            (answer.status == 200).then_some(())
        });
    }

    fn find_listener(&self) -> Address {
        let answer = self.ask_admin("GET", "/listeners?format=json").json();
        local_address(&answer["listener_statuses"][0])
    }
}

fn local_address(status: &Value) -> Address {
    let address = &status["local_address"]["socket_address"];
    let (ip, port) = (address["address"].as_str(), address["port_value"].as_u64());
    let address = format!("{}:{}", ip.expect("the listener's IP"), port.expect("the listener's port"));
    Address::Tcp(address.parse().expect("the listener's address"))
}

struct Launched {
    process: Process,
    admin_file: PathBuf,
}

impl Launched {
    fn new(name: &str, bootstrap: &Bootstrap, folder: &Path, launch: Launch) -> Self {
        let config = folder.join(format!("{name}.json"));
        std::fs::write(&config, bootstrap.render()).expect("Envoy's configuration");
        let admin_file = folder.join(format!("{name}.admin"));
        // A file of an earlier start would give that one's port.
        let _ = std::fs::remove_file(&admin_file);
        let mut command = match launch.core {
            None => Command::new(Programs::envoy()),
            Some(core) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &core.to_string()]).arg(Programs::envoy());
                command
            }
        };
        command.arg("-c").arg(&config).arg("--admin-address-path").arg(&admin_file);
        command.args([
            "--concurrency",
            &launch.workers.to_string(),
            "--disable-hot-restart",
            "--log-level",
            "info",
        ]);
        // Access logs of files wait ten seconds otherwise.
        command.args(["--file-flush-interval-msec", "100"]);
        // Connections of a listener that was replaced would stay for ten minutes, and are asked to go one by one.
        command.args(["--drain-time-s", "2", "--drain-strategy", "immediate"]);
        command.args(["--service-node", name, "--service-cluster", "svidgate-tests"]);
        Self { process: Process::start(name, command, folder), admin_file }
    }
}

fn read_address(file: &Path) -> Option<Address> {
    let address: SocketAddr = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    Some(Address::Tcp(address))
}

const START: Duration = Duration::from_secs(30);
