//! The temporary folder of a test: configuration, sockets and logs of its processes.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A folder that is deleted when its test passes. When it fails, the folder stays and the ends of the logs are shown.
///
/// Make it the last field of whatever owns the processes: they must be gone before it goes.
#[derive(Debug)]
pub struct Folder {
    // `None` only while it is dropped.
    dir: Option<TempDir>,
    path: PathBuf,
}

impl Folder {
    /// A new folder under the system's temporary folder. The path is short: a Unix socket's path ends at 107 bytes.
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("svidgate-").tempdir().expect("a temporary folder");
        Self { path: dir.path().to_owned(), dir: Some(dir) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of `name` in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Writes a file and returns its path.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.join(name);
        fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }

    /// A new folder in it, readable by the owner only: SPIRE and the controller insist on it for their sockets.
    pub fn subfolder(&self, name: &str) -> PathBuf {
        use std::os::unix::fs::DirBuilderExt as _;
        let path = self.join(name);
        fs::DirBuilder::new().mode(0o700).create(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        path
    }
}

impl Default for Folder {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let Some(dir) = self.dir.take() else { return };
        if std::thread::panicking() {
            let kept = dir.keep();
            show_logs(&kept);
        }
    }
}

#[allow(clippy::print_stderr, reason = "the test runner shows it for a failed test")]
fn show_logs(folder: &Path) {
    eprintln!("\nkept for a look: {}", folder.display());
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut logs: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "log")).collect();
    logs.sort();
    for log in logs {
        eprintln!("---- the end of {}", log.display());
        eprintln!("{}", tail(&log));
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

const TAIL_LINES: usize = 40;
