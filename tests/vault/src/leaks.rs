//! Looks for secrets where everybody can look: in the process list, and in logs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinHandle;

/// Reads the process list all the time.
#[derive(Debug)]
pub struct ArgumentWatch {
    found: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

impl ArgumentWatch {
    /// Notes every command line with this word in it.
    pub fn start(word: &'static str) -> Self {
        let found = Arc::new(Mutex::new(BTreeSet::new()));
        let noted = found.clone();
        let task = tokio::spawn(async move {
            loop {
                let lines = command_lines();
                noted.lock().expect("whole").extend(lines.into_iter().filter(|line| line.contains(word)));
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Self { found, task }
    }

    /// What it found so far.
    pub fn found(&self) -> BTreeSet<String> {
        self.found.lock().expect("whole").clone()
    }
}

impl Drop for ArgumentWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Logs in a folder with this word in them; there must be some that one could look into.
pub fn logs_with(folder: &Path, word: &str) -> Vec<PathBuf> {
    let mut logs: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    logs.retain(|path| path.extension().is_some_and(|extension| extension == "log"));
    assert!(!logs.is_empty(), "no log in {}", folder.display());
    let text = |log: &PathBuf| String::from_utf8_lossy(&fs::read(log).expect("a log")).into_owned();
    logs.retain(|log| text(log).contains(word));
    logs
}

fn command_lines() -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("Linux").flatten();
    // One that has ended meanwhile cannot be read.
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}
