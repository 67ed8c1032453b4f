//! The controller, as `svidgate run`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::http::{Address, Connection, Request, Response};
use crate::poll::within;
use crate::process::Process;
use crate::programs::Programs;

/// A running controller.
#[derive(Debug)]
pub struct Controller {
    process: Process,
    socket: PathBuf,
}

impl Controller {
    /// Where the controller of a test folder serves, whether it runs or not.
    pub fn socket_in(folder: &Path) -> PathBuf {
        folder.join("controller.sock")
    }

    /// Starts it from the shipped `envoy/controller.yaml` with the paths of a test, and waits until it answers.
    pub fn start(folder: &Path, workload_api: &Path) -> Self {
        Self::start_on(None, folder, workload_api)
    }

    /// The same on one core, where one is given.
    pub fn start_on(core: Option<usize>, folder: &Path, workload_api: &Path) -> Self {
        // From its first instruction on: it starts as many threads as there are cores for it.
        let wrapper = core.map(|core| {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", &core.to_string()]);
            command
        });
        Self::launch(wrapper, folder, workload_api, |_| {})
    }

    /// The same with other settings.
    pub fn configured(folder: &Path, workload_api: &Path, change: impl FnOnce(&mut Value)) -> Self {
        Self::launch(None, folder, workload_api, change)
    }

    /// The same, started by a command that becomes it: its words come behind those of the command.
    pub fn under(
        wrapper: Command,
        folder: &Path,
        workload_api: &Path,
        change: impl FnOnce(&mut Value),
    ) -> Self {
        Self::launch(Some(wrapper), folder, workload_api, change)
    }

    fn launch(
        wrapper: Option<Command>,
        folder: &Path,
        workload_api: &Path,
        change: impl FnOnce(&mut Value),
    ) -> Self {
        let socket = Self::socket_in(folder);
        let shipped = Programs::shipped("envoy/controller.yaml");
        let yaml = std::fs::read_to_string(&shipped).expect("envoy/controller.yaml");
        let mut config: Value = serde_saphyr::from_str(&yaml).expect("envoy/controller.yaml is YAML");
        config["workload_api"]["socket"] = json!(format!("unix://{}", workload_api.display()));
        config["server"]["socket"] = json!(socket);
        for (section, setting, name) in
            [("server", "admin_socket", "admin.sock"), ("revocations", "state_file", "revocations.json")]
        {
            let path = config[section].get_mut(setting).expect("a setting of envoy/controller.yaml");
            *path = json!(folder.join(name));
        }
        config["log"]["format"] = json!("text");
        change(&mut config);
        let file = folder.join("controller.yaml");
        // JSON is YAML.
        std::fs::write(&file, serde_json::to_string_pretty(&config).expect("JSON"))
            .expect("a configuration file");

        let mut command = match wrapper {
            Some(mut command) => {
                command.arg(Programs::svidgate());
                command
            }
            None => Command::new(Programs::svidgate()),
        };
        command.arg("run").arg("--config").arg(&file);
        let mut process = Process::start("controller", command, folder);
        let address = Address::Unix(socket.clone());
        process.poll("the controller answers", START, || {
            let answer = Connection::open(&address).ok()?.send(&Request::get("/livez")).ok()?;
            (answer.status == 200).then_some(())
        });
        Self { process, socket }
    }

    /// Its Unix socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The socket to which `svidgate revoke` speaks.
    pub fn admin_socket(&self) -> PathBuf {
        self.socket.with_file_name("admin.sock")
    }

    /// Runs `svidgate revoke` with these words and waits until every Envoy enforces the change; returns what it prints.
    pub fn revoke(&self, words: &[&str]) -> String {
        let mut command = Command::new(Programs::svidgate());
        command.arg("revoke").args(words).args(["--wait", "20s", "--admin-socket"]).arg(self.admin_socket());
        let output = command.output().expect("svidgate");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "svidgate revoke {words:?}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// The process: its log, and ways to stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        self.process.stop();
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.process.kill();
    }

    /// A request to it.
    pub fn ask(&self, path: &str) -> Response {
        let address = Address::Unix(self.socket.clone());
        let answer = Connection::open(&address).and_then(|mut c| c.send(&Request::get(path)));
        answer.unwrap_or_else(|e| panic!("the controller's {path}: {e}"))
    }

    /// `/status`.
    pub fn status(&self) -> Value {
        self.ask("/status").json()
    }

    /// Requests of subscribers that it holds open now.
    pub fn held(&self) -> u64 {
        self.status()["summary"]["held"].as_u64().expect("summary.held")
    }

    /// Waits until it holds this number of requests.
    pub fn await_held(&self, wanted: u64) {
        let held = within(START, || (self.held() == wanted).then_some(()));
        assert!(held.is_some(), "not {wanted} held requests within {START:?}: {}", self.status());
    }

    /// Key ids that it gives out for a trust domain, sorted.
    pub fn key_ids(&self, trust_domain: &str) -> Vec<String> {
        let status = self.status();
        let domains = status["trust_domains"].as_array().expect("trust_domains");
        let Some(domain) = domains.iter().find(|d| d["trust_domain"] == trust_domain) else {
            return Vec::new();
        };
        let ids = domain["kids"].as_array().expect("kids").iter();
        let mut ids: Vec<String> = ids.map(|k| k.as_str().expect("a key id").to_owned()).collect();
        ids.sort();
        ids
    }

    /// Waits until every subscriber says that it enforces what is in force here, with exactly these keys: what an
    /// operator waits for between the steps of a rotation.
    pub fn await_enforced(&self, trust_domain: &str, key_ids: &[String]) {
        let mut status = Value::Null;
        let enforced = within(START, || {
            status = self.status();
            let summary = &status["summary"];
            let all = summary["current"] == summary["subscribers"] && summary["current"] != 0;
            (all && self.key_ids(trust_domain) == key_ids).then_some(())
        });
        assert!(enforced.is_some(), "not every Envoy enforces {key_ids:?} within {START:?}: {status}");
    }
}

const START: Duration = Duration::from_secs(30);
