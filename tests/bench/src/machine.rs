//! Where and with what the numbers were made.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use svidgate_tests::Programs;

/// The machine and the versions.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that may be used.
    pub cores: usize,
    /// Kernel and its version.
    pub kernel: String,
    /// Envoy's version.
    pub envoy: String,
    /// wrk's version.
    pub wrk: String,
    /// svidgate's version.
    pub svidgate: String,
    /// First half of the SHA-256 of the plugin.
    pub plugin: String,
    /// Size of the plugin in bytes.
    pub plugin_bytes: usize,
    /// Load of the machine (average of one minute) before the first and after the last sample. The benchmark's own
    /// load is about two.
    pub load_before: f64,
    /// See `load_before`.
    pub load_after: f64,
}

impl Machine {
    /// This one.
    pub fn here(wrk: &str, cores: usize) -> Self {
        let plugin = fs::read(Programs::wasm()).expect("the plugin");
        let digest: String =
            Sha256::digest(&plugin).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self {
            cpu: cpu_model(),
            cores,
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
            envoy: envoy_version(),
            wrk: wrk.to_owned(),
            svidgate: env!("CARGO_PKG_VERSION").to_owned(),
            plugin: digest,
            plugin_bytes: plugin.len(),
            load_before: load(),
            load_after: 0.0,
        }
    }
}

/// The cores of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cores {
    /// Envoy's.
    pub envoy: usize,
    /// How many may be used.
    pub count: usize,
}

impl Cores {
    /// The first two cores that this process may use; the process itself moves to the second, with all that it starts.
    ///
    /// # Errors
    /// When there is only one.
    pub(crate) fn take() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None).context("the cores of this process")?;
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        let [envoy, load, ..] = cores[..] else {
            bail!("the benchmark needs two cores: one for Envoy, one for the load");
        };
        let mut own = CpuSet::new();
        own.set(load);
        sched_setaffinity(None, &own).context("moving to a core")?;
        Ok(Self { envoy, count: cores.len() })
    }
}

/// The machine's load: average of the last minute.
pub(crate) fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn cpu_model() -> String {
    let text = fs::read_to_string(Path::new("/proc/cpuinfo")).unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("model name"));
    line.and_then(|line| line.split_once(": ")).map_or("unknown", |(_, model)| model).to_owned()
}

fn envoy_version() -> String {
    let output = Command::new(Programs::envoy()).arg("--version").output().expect("Envoy");
    let text = String::from_utf8_lossy(&output.stdout);
    // "envoy  version: <commit>/1.40.0/Clean/RELEASE/BoringSSL"
    text.split('/').nth(1).unwrap_or("unknown").to_owned()
}
