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
