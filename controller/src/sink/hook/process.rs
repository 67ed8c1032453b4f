use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

/// Runs a program to its end; it is killed when this is dropped. Its environment is not ours: that may hold secrets. What it
/// prints is thrown away: it may have read the file.
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
        .kill_on_drop(true);
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    let status = command.status().await.map_err(|error| format!("{program}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program}: {status}")) }
}
