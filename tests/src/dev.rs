//! The embedded trust domain, as `svidgate dev run`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::folder::Folder;
use crate::process::Process;
use crate::programs::Programs;
use crate::slice::{CLIENT_ID, OTHER_ID, TRUST_DOMAIN, TrustSource};

/// A running `svidgate dev`.
#[derive(Debug)]
pub struct Dev {
    process: Process,
    socket: PathBuf,
}

impl Dev {
    /// Starts a trust domain whose callers are `spiffe://<trust domain>/client` and these; its files in `folder` are
    /// called `<name>.*`. `more` goes to the command line as it is.
    pub fn start(name: &str, folder: &Path, trust_domain: &str, identities: &[&str], more: &[&str]) -> Self {
        let socket = folder.join(format!("{name}.sock"));
        let mut command = Command::new(Programs::svidgate());
        command.args(["dev", "run", "--trust-domain", trust_domain, "--socket"]).arg(&socket).args(more);
        for identity in identities {
            command.args(["--entry", identity]);
        }
        let mut process = Process::start(name, command, folder);
        process.poll("the Workload API's socket", START, || {
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
        Self { process, socket }
    }

    /// The process: its log, and ways to stop it.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A token of any identity in this trust domain, with any lifetime and age, such as `"5m"`.
    pub fn mint(&self, spiffe_id: &str, audience: &str, ttl: &str, issued_ago: &str) -> String {
        let asked =
            ["--spiffe-id", spiffe_id, "--audience", audience, "--ttl", ttl, "--issued-ago", issued_ago];
        self.command("mint", &asked).trim().to_owned()
    }

    /// Runs `svidgate dev <command>` against it and returns what it prints.
    pub fn command(&self, command: &str, arguments: &[&str]) -> String {
        let mut program = Command::new(Programs::svidgate());
        program.args(["dev", command, "--socket"]).arg(&self.socket).args(arguments);
        let output = program.output().expect("svidgate");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "svidgate dev {command}: {errors}");
        String::from_utf8(output.stdout).expect("text")
    }
}

impl TrustSource for Dev {
    fn launch(folder: &Folder) -> Self {
        Self::start("dev", folder.path(), TRUST_DOMAIN, &[OTHER_ID], &[])
    }

    fn socket(&self) -> PathBuf {
        self.socket.clone()
    }

    fn prepare(&mut self) {
        self.command("rotate", &["--phase", "prepare"]);
    }

    fn activate(&mut self) {
        self.command("rotate", &["--phase", "activate"]);
    }

    fn revoke_old(&mut self) {
        self.command("revoke", &["--all-old"]);
    }

    fn expiring_token(&mut self, audience: &str) -> String {
        self.mint(CLIENT_ID, audience, "1m", "2m")
    }
}

const START: Duration = Duration::from_secs(30);
