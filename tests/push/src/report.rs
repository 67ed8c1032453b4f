//! What is told at the end.

use std::fmt;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::lags::Quantiles;
use crate::machine::Cores;
use crate::options::Options;

/// Everything. Memory is what the controller has resident, in bytes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was played.
    pub options: Options,
    /// Who ran where; none when nothing was pinned.
    pub cores: Option<Cores>,
    /// Load of the machine before the start.
    pub load: f64,
    /// Everyone subscribes.
    pub held: Held,
    /// Keys change each second.
    pub steady: Steady,
    /// The controller dies and comes back.
    pub herd: Herd,
    /// An hour of reconnections.
    pub churn: Churn,
    /// Nobody was lost, and nobody got a bad or an older state: a run in which someone does ends without a report.
    pub in_order: bool,
}

/// Everyone has a request open.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "names with units")]
pub struct Held {
    pub snapshot_bytes: usize,
    pub all_after_ms: f64,
    pub controller_bytes_before: u64,
    pub controller_bytes: u64,
    pub bytes_per_subscriber: u64,
}

/// Changes while everyone waits for them.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "names with units")]
pub struct Steady {
    pub seconds: u64,
    pub changes: u64,
    pub reconnections: u64,
    /// From the change at the Workload API to the last octet at each subscriber.
    pub lag: Quantiles,
    pub controller_cpu_percent: f64,
    /// CPU time of the controller for each arrival, what reconnections cost included. Unlike the lag, it hardly depends on
    /// what else the machine does.
    pub controller_cpu_us_per_arrival: f64,
    pub controller_bytes: u64,
}

/// Everyone comes back to a controller that has just started; times from its start.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "names with units")]
pub struct Herd {
    pub away_seconds: u64,
    pub answers_after_ms: f64,
    pub all_served_after_ms: f64,
    pub refused_connections: u64,
    pub connections: u64,
    pub controller_cpu_seconds: f64,
    pub controller_cpu_percent_afterwards: f64,
    pub controller_bytes: u64,
}

/// Connections come and go.
#[derive(Clone, Debug, Serialize)]
#[allow(missing_docs, reason = "names with units")]
pub struct Churn {
    pub cycles: usize,
    pub reconnections: u64,
    pub took_seconds: f64,
    /// Before, at even distances, and at the end.
    pub controller_bytes: Vec<u64>,
}

/// No subscriber may be further behind.
pub const MAX_LAG_MS: f64 = 1_000.0;

impl Report {
    /// Whether no subscriber was further behind than [`MAX_LAG_MS`].
    pub fn is_in_time(&self) -> bool {
        self.steady.lag.max_ms <= MAX_LAG_MS
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (held, steady, herd, churn) = (&self.held, &self.steady, &self.herd, &self.churn);
        let pinned = match self.cores {
            Some(cores) => {
                format!("controller on core {}, the rest on {}", cores.controller, cores.simulator)
            }
            None => "nothing pinned".to_owned(),
        };
        let verdict = if self.is_in_time() { "reached" } else { "MISSED" };
        let memory: Vec<String> = churn.controller_bytes.iter().map(|bytes| mebibytes(*bytes)).collect();
        writeln!(f, "{pinned}; load of the machine before: {:.2}\n", self.load)?;
        writeln!(f, "| what | figure |\n| --- | --- |")?;
        let mut row = |what: &str, figure: String| writeln!(f, "| {what} | {figure} |");
        row("subscribers", self.options.subscribers.to_string())?;
        row("snapshot", format!("{} bytes", held.snapshot_bytes))?;
        row("all subscribed, from nothing", format!("{:.0} ms", held.all_after_ms))?;
        row(
            "controller memory",
            format!(
                "{} before, {} with all: {} bytes for each",
                mebibytes(held.controller_bytes_before),
                mebibytes(held.controller_bytes),
                held.bytes_per_subscriber
            ),
        )?;
        row(
            &format!("lag, {} changes in {} s", steady.changes, steady.seconds),
            format!(
                "p50 {:.0} ms, p99 {:.0} ms, p99.9 {:.0} ms, max {:.0} ms ({} arrivals)",
                steady.lag.p50_ms, steady.lag.p99_ms, steady.lag.p999_ms, steady.lag.max_ms, steady.lag.count
            ),
        )?;
        row(&format!("target: no one more than {MAX_LAG_MS:.0} ms behind"), verdict.to_owned())?;
        row("reconnections meanwhile", steady.reconnections.to_string())?;
        row(
            "controller CPU meanwhile",
            format!(
                "{:.0} % of a core, {:.0} µs for each arrival",
                steady.controller_cpu_percent, steady.controller_cpu_us_per_arrival
            ),
        )?;
        row("controller memory afterwards", mebibytes(steady.controller_bytes))?;
        row(
            &format!("restart of the controller, {} s away", herd.away_seconds),
            format!(
                "it answers after {:.0} ms, all are served after {:.0} ms",
                herd.answers_after_ms, herd.all_served_after_ms
            ),
        )?;
        row(
            "connections meanwhile",
            format!("{} made, {} refused", herd.connections, herd.refused_connections),
        )?;
        row(
            "controller CPU",
            format!(
                "{:.2} s until all are served, {:.1} % of a core afterwards",
                herd.controller_cpu_seconds, herd.controller_cpu_percent_afterwards
            ),
        )?;
        row(
            &format!("{} cycles of reconnection", churn.cycles),
            format!("{} connections in {:.0} s", churn.reconnections, churn.took_seconds),
        )?;
        row("controller memory before, meanwhile, afterwards", memory.join(", "))
    }
}

/// Writes a report to `file`, where one was asked for.
///
/// # Errors
/// When it cannot be written.
pub fn write_json(file: Option<&Path>, report: &impl Serialize) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(file, serde_json::to_string_pretty(report)? + "\n")
        .with_context(|| file.display().to_string())
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / 1_048_576.0)
}
