//! The program with a Vault: what it fetches, writes, tells and shows; with a fake Vault whose faults are on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../../vault/tests/fake/mod.rs"]
mod fake;
mod health;
mod hooks;
mod identity;
mod once;
mod rotation;
#[path = "../support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use fake::Fake;
use hyper::StatusCode;
use serde_json::Value;
use support::{Answer, DEADLINE, FakeAgent, eventually, get, jwks};
use tokio::net::UnixStream;

/// A folder, an agent, a Vault, and settings for them.
struct Setup {
    folder: tempfile::TempDir,
    vault: Fake,
    address: String,
    _agent: FakeAgent,
}

/// `svidgate run` as a process; it dies with the test.
struct Controller {
    process: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Setup {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("role-id"), "role").unwrap();
        std::fs::write(folder.path().join("secret-id"), "secret-id-1\n").unwrap();
        let vault = Fake::new();
        let address = vault.listen().await;
        let agent = FakeAgent::start(&folder.path().join("agent.sock"));
        agent.bundles(&[("example.org", &jwks(&["a"]))]);
        Self { folder, vault, address, _agent: agent }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    /// Writes settings with `vault` members and the rest added; DIR stands for the folder.
    fn settings(&self, vault: &str, rest: &str) -> PathBuf {
        let auth = "{approle: {role_id: {file: DIR/role-id}, secret_id: {file: DIR/secret-id}}}";
        self.settings_with(auth, vault, rest)
    }

    fn settings_with(&self, auth: &str, vault: &str, rest: &str) -> PathBuf {
        let text = format!(
            "workload_api: {{socket: 'unix://DIR/agent.sock'}}
server: {{socket: DIR/c.sock}}
log: {{level: debug}}
vault:
  address: {}
  auth: {auth}
  jitter: 0
{vault}
{rest}
",
            self.address
        );
        let path = self.path("controller.yaml");
        std::fs::write(&path, text.replace("DIR", &self.folder.path().display().to_string())).unwrap();
        path
    }

    fn command(&self, settings: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svidgate"));
        command.arg("run").arg("--config").arg(settings).args(arguments);
        for (name, _) in std::env::vars() {
            if name.starts_with("SVIDGATE_") || name.starts_with("SPIFFE_") {
                command.env_remove(name);
            }
        }
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    async fn once(&self, settings: &Path, deadline: &str) -> ExitStatus {
        let mut command = self.command(settings, &["--once", "--deadline", deadline]);
        tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap()
    }

    async fn start(&self, settings: &Path, variables: &[(&str, &str)]) -> Controller {
        let process = self.command(settings, &[]).envs(variables.iter().copied()).spawn().unwrap();
        let controller = Controller { process, socket: self.path("c.sock"), log: self.path("log") };
        eventually("the controller serves", || async {
            let log = || std::fs::read_to_string(&controller.log).unwrap_or_default();
            assert!(!log().contains("controller.yaml: "), "{}", log());
            UnixStream::connect(&controller.socket).await.is_ok()
        })
        .await;
        controller
    }
}

impl Controller {
    async fn get(&self, path: &str) -> Answer {
        get(&self.socket, path, &[]).await
    }

    async fn health(&self) -> (StatusCode, Value) {
        let answer = self.get("/health").await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn metric(&self, line: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text();
        let found = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '))?.parse().unwrap();
        Some(found)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGTERM, and the end.
    async fn end(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const DB: &str = "secrets: {db: {database: {role: app}}}
files: [{path: DIR/db.uri, postgres_uri: {secret: db, host: pg.test, database: app}}]";

fn uri(number: u32) -> String {
    format!("postgresql://v-user-{number}:v-password-{number}@pg.test:5432/app\n")
}
