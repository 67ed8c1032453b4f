use std::path::Path;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;

/// Runs a program to its end; when this is dropped it is killed, and what it has started. Its environment is not ours:
/// that may hold secrets. What it prints is thrown away: it may have read the file.
pub(super) async fn run(words: &[String], file: &Path) -> Result<(), String> {
    let Some((program, arguments)) = words.split_first() else {
        return Err("there is no program".to_owned());
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("SVIDGATE_FILE", file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    let bad = |error| format!("{program}: {error}");
    let mut child = command.spawn().map_err(bad)?;
    let mut group = Group(child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)));
    let status = child.wait().await.map_err(bad)?;
    // It has ended by itself: what it left running was meant to run on.
    group.0 = None;
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}

/// Killed when dropped. Its leader is not waited for until then, so the number is no other one's.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended in this moment.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_program_that_is_given_up_goes_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        let script = "sleep 600 & echo $! > $SVIDGATE_FILE; wait";
        let words = ["/bin/sh", "-c", script].map(str::to_owned);
        let file = path.clone();
        let hook = tokio::spawn(async move { run(&words, &file).await });
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let again = async || {
            assert!(tokio::time::Instant::now() < deadline);
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        let started = loop {
            match std::fs::read_to_string(&path).unwrap_or_default().trim().parse::<u32>() {
                Ok(number) => break number,
                Err(_) => again().await,
            }
        };
        hook.abort();
        // A zombie of it may be left where nobody waits for orphans.
        let lives = || {
            let status = std::fs::read_to_string(format!("/proc/{started}/status")).unwrap_or_default();
            status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
        };
        while lives() {
            again().await;
        }
    }
}
