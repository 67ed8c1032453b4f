//! wrk: as many requests as Envoy answers, on kept-alive connections.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::filter::MEASURED;

/// The load generator.
#[derive(Debug)]
pub struct Wrk {
    script: PathBuf,
    version: String,
}

/// What came of one run.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Count {
    /// Answers.
    pub requests: u64,
    /// Length of the run.
    pub microseconds: u64,
    /// Answers whose status is an error.
    pub refused: u64,
    /// Requests without an answer.
    pub failed: u64,
}

impl Wrk {
    /// Finds it and puts its script into `folder`.
    ///
    /// # Errors
    /// When it is not installed.
    pub fn find(folder: &Path) -> anyhow::Result<Self> {
        // It prints its version with its usage, and ends with an error.
        let output = Command::new(WRK).arg("--version").output();
        let output = output.context("wrk is not installed: apt-get install wrk")?;
        let version = String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or_default().to_owned();
        let script = folder.join("load.lua");
        std::fs::write(&script, include_str!("load.lua")).with_context(|| script.display().to_string())?;
        Ok(Self { script, version })
    }

    /// What it says of itself.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Sends the lines of `values` as headers for a number of seconds, from the line behind the first `skip` on.
    ///
    /// # Errors
    /// When it fails, or an answer did not come.
    pub fn run(&self, to: SocketAddr, values: &Path, skip: u64, seconds: u64) -> anyhow::Result<Count> {
        let mut command = Command::new(WRK);
        command.args(["--threads", "1", "--connections", &CONNECTIONS.to_string()]);
        command.arg("--duration").arg(format!("{seconds}s")).arg("--script").arg(&self.script);
        command.arg(format!("http://{to}{MEASURED}")).arg("--").arg(values).arg(skip.to_string());
        let output = command.output().context("wrk")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let Some(result) = text.lines().find_map(|line| line.strip_prefix("RESULT ")) else {
            bail!("wrk failed: {text}{}", String::from_utf8_lossy(&output.stderr));
        };
        let count: Count = serde_json::from_str(result).context("wrk's result")?;
        if count.failed > 0 || count.requests == 0 {
            bail!("wrk got no answer to {} of its requests ({} were answered)", count.failed, count.requests);
        }
        Ok(count)
    }
}

/// Connections at once: enough that Envoy always has the next request at hand.
pub(crate) const CONNECTIONS: usize = 16;

const WRK: &str = "wrk";
