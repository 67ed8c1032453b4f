//! Where the programs are that the tests start.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Paths of programs and files. Each can be set by an environment variable; otherwise it is where `make` puts it.
#[derive(Clone, Copy, Debug)]
pub struct Programs;

impl Programs {
    /// The controller's program; `SVIDGATE_BIN`.
    pub fn svidgate() -> PathBuf {
        existing("SVIDGATE_BIN", || checkout().join("target/debug/svidgate"))
    }

    /// The plugin as it is shipped; `SVIDGATE_WASM`.
    pub fn wasm() -> PathBuf {
        existing("SVIDGATE_WASM", || checkout().join("target/svidgate.wasm"))
    }

    /// The plugin with faults on demand, for tests only; `SVIDGATE_TEST_WASM`.
    pub fn wasm_with_test_hooks() -> PathBuf {
        existing("SVIDGATE_TEST_WASM", || checkout().join("target/svidgate-test-hooks.wasm"))
    }

    /// Envoy; `SVIDGATE_ENVOY`.
    pub fn envoy() -> PathBuf {
        existing("SVIDGATE_ENVOY", || installed("envoy").join("envoy"))
    }

    /// A program of SPIRE, `spire-server` or `spire-agent`; the folder is `SVIDGATE_SPIRE`.
    pub fn spire(program: &str) -> PathBuf {
        existing("SVIDGATE_SPIRE", || installed("spire")).join(program)
    }

    /// OpenBao; `SVIDGATE_BAO`.
    pub fn bao() -> PathBuf {
        existing("SVIDGATE_BAO", || installed("openbao").join("bao"))
    }

    /// The API server of Kubernetes; `SVIDGATE_KUBE_APISERVER`.
    pub fn kube_apiserver() -> PathBuf {
        existing("SVIDGATE_KUBE_APISERVER", || installed("kube-apiserver").join("kube-apiserver"))
    }

    /// The folder of Kafka's jars; `SVIDGATE_KAFKA`.
    pub fn kafka() -> PathBuf {
        existing("SVIDGATE_KAFKA", || installed("kafka"))
    }

    /// etcd; `SVIDGATE_ETCD`, else Debian's.
    pub fn etcd() -> PathBuf {
        existing("SVIDGATE_ETCD", || PathBuf::from("/usr/bin/etcd"))
    }

    /// Redis, or a Valkey; `SVIDGATE_REDIS`, else Debian's.
    pub fn redis() -> PathBuf {
        existing("SVIDGATE_REDIS", || PathBuf::from("/usr/bin/redis-server"))
    }

    /// The folder of PostgreSQL's programs; `SVIDGATE_POSTGRES`. Distributions keep the server's out of `PATH`.
    pub fn postgres() -> PathBuf {
        existing("SVIDGATE_POSTGRES", || {
            let output = Command::new("pg_config").arg("--bindir").output();
            let told = output.ok().filter(|output| output.status.success());
            let told = told.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
            told.filter(|folder| folder.join("initdb").exists()).or_else(newest_postgres).unwrap_or_else(
                || {
                    panic!(
                        "PostgreSQL is not there: install Debian's `postgresql` (or set SVIDGATE_POSTGRES)"
                    )
                },
            )
        })
    }

    /// A file that we ship, by its path in the checkout.
    pub fn shipped(path: &str) -> PathBuf {
        checkout().join(path)
    }
}

/// A TCP port that was free a moment ago. Only for programs that cannot choose one themselves.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Where Debian puts it: a folder for each major version.
fn newest_postgres() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut folders: Vec<PathBuf> = versions.flatten().map(|version| version.path().join("bin")).collect();
    folders.retain(|folder| folder.join("initdb").exists());
    folders.sort();
    folders.pop()
}

fn existing(variable: &str, default: impl FnOnce() -> PathBuf) -> PathBuf {
    let path = std::env::var_os(variable).map_or_else(default, PathBuf::from);
    assert!(path.exists(), "{} is not there: run 'make test' (or set {variable})", path.display());
    path
}

/// The cache's layout is known to the install script only.
fn installed(tool: &str) -> PathBuf {
    let script = checkout().join("tests/tools/install.sh");
    let output = Command::new(&script).args(["--where", tool]).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}", script.display()));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).expect("a path").trim())
}

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is a folder of the checkout")
}
