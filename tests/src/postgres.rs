//! A real PostgreSQL in a folder of its own.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::folder::Folder;
use crate::poll::within;
use crate::process::Process;
use crate::programs::{Programs, free_port};

/// A PostgreSQL server with one superuser, `postgres`, that takes passwords (SCRAM) over TCP.
#[derive(Debug)]
pub struct Postgres {
    // Stops when dropped.
    server: Process,
    folder: PathBuf,
    port: u16,
}

impl Postgres {
    /// Starts one.
    pub fn start(folder: &Folder) -> Self {
        // The server refuses to run as root, and as another user it must be able to get here.
        let home = folder.subfolder("postgres");
        if is_root() {
            fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).expect("its own folder");
            let id = |flag: &str| {
                let output = Command::new("id").args([flag, "postgres"]).output().expect("id");
                String::from_utf8(output.stdout)
                    .expect("text")
                    .trim()
                    .parse::<u32>()
                    .expect("a user postgres")
            };
            chown(&home, Some(id("-u")), Some(id("-g"))).expect("root may");
        }
        let data = home.join("data");
        let password = folder.write("postgres-password", SUPERUSER_PASSWORD);
        fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).expect("its own file");
        let mut initdb = as_postgres("initdb");
        initdb.arg("-D").arg(&data).arg(format!("--pwfile={}", password.display()));
        initdb.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        ]);
        let output = initdb.current_dir("/").output().expect("initdb");
        assert!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));

        let (port, folder) = (free_port(), folder.path().to_owned());
        let mut postgres = Self { server: serve(&folder, port), folder, port };
        postgres.await_up();
        postgres
    }

    /// Ends it at once: connections break, and nobody listens any more.
    pub fn kill(&mut self) {
        self.server.kill();
    }

    /// Starts it again after [`Postgres::kill`], at the same port and with what it had stored.
    pub fn start_again(&mut self) {
        let deadline = Duration::from_secs(60);
        // What the killed one started goes a moment later, and keeps the folder meanwhile.
        let up = within(deadline, || {
            self.server = serve(&self.folder, self.port);
            within(deadline, || {
                let up = self.ask("postgres", SUPERUSER_PASSWORD, "SELECT 1").is_ok();
                (up || self.server.ended().is_some()).then_some(up)
            })
            .filter(|up| *up)
        });
        assert!(up.is_some(), "PostgreSQL did not come up again");
    }

    fn await_up(&mut self) {
        let up = within(Duration::from_secs(60), || {
            self.server.assert_running();
            self.ask("postgres", SUPERUSER_PASSWORD, "SELECT 1").ok()
        });
        assert!(up.is_some(), "PostgreSQL did not come up");
    }

    /// What OpenBao's plugin for databases is told.
    pub fn connection_url(&self) -> String {
        format!(
            "postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{}/postgres?sslmode=disable",
            self.port
        )
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Logs in and asks; the error is PostgreSQL's.
    ///
    /// # Errors
    /// When it does not let the user in, or does not understand.
    pub fn ask(&self, user: &str, password: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(program("psql"));
        psql.args(["-X", "-A", "-t", "-h", "127.0.0.1", "-d", "postgres", "-U", user, "-c", sql, "-p"]);
        psql.arg(self.port.to_string()).env("PGPASSWORD", password).env("PGCONNECT_TIMEOUT", "10");
        let output = psql.output().expect("psql");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }
}

/// Of the superuser `postgres`.
pub const SUPERUSER_PASSWORD: &str = "superuser-of-a-test";

fn serve(folder: &Path, port: u16) -> Process {
    let home = home(folder);
    let mut command = as_postgres("postgres");
    command.arg("-D").arg(home.join("data")).arg("-k").arg(home);
    command.args(["-h", "127.0.0.1", "-c", "fsync=off", "-p", &port.to_string()]).current_dir("/");
    Process::start("postgres", command, folder)
}

fn home(folder: &Path) -> PathBuf {
    folder.join("postgres")
}

fn as_postgres(name: &str) -> Command {
    if !is_root() {
        return Command::new(program(name));
    }
    // setpriv becomes the program: signals go to it.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]).arg(program(name));
    command
}

fn program(name: &str) -> PathBuf {
    let path = Programs::postgres().join(name);
    assert!(Path::new(&path).exists(), "{} is not there", path.display());
    path
}

fn is_root() -> bool {
    rustix::process::getuid().is_root()
}
