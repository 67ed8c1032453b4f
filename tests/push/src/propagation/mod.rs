//! From a change at the controller to the last worker of a real Envoy that enforces it.
//!
//! Each worker has a connection of its own, on which a probe asks again and again with one token. A change counts as
//! there when the last of them gets the other answer. So each time has in it the way of one probe, and a pause of
//! [`probe::PAUSE`] at most.

mod probe;
mod stage;

use clap::Parser;
use serde::Serialize;

use crate::lags::{Lags, Quantiles};
use crate::machine;
use stage::{Kind, Stage};

/// What is played.
#[derive(Clone, Debug, Parser, Serialize)]
#[command(name = "svidgate-propagation")]
pub struct Options {
    /// Numbers of Envoy's workers, each in a run of its own.
    #[arg(long, value_delimiter = ',', default_value = "1,2,4")]
    pub workers: Vec<usize>,
    /// Changes of each kind in each run.
    #[arg(long, default_value_t = 1_000)]
    pub changes: usize,
    /// Clients that send without a pause in the runs under load.
    #[arg(long, default_value_t = 2)]
    pub clients: usize,
    /// Where the figures go, as JSON.
    #[arg(long, value_name = "FILE")]
    pub json: Option<std::path::PathBuf>,
}

/// Everything.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was played.
    pub options: Options,
    /// Load of the machine before the start.
    pub load: f64,
    /// Cores that there are.
    pub cores: usize,
    /// One for each number of workers, kind of change, and load.
    pub rows: Vec<Row>,
}

/// Many changes of one kind.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Envoy's workers.
    pub workers: usize,
    /// What changed.
    pub kind: Kind,
    /// Requests a second that Envoy answered meanwhile, those of the probes left out; 0 when idle.
    pub requests_per_second: f64,
    /// From the change to the last worker's first answer by it.
    pub lag: Quantiles,
}

/// Plays all runs.
///
/// # Errors
/// When the machine does not say how many cores it has.
///
/// # Panics
/// When a change does not arrive, or does not stay.
pub fn run(options: &Options) -> anyhow::Result<Report> {
    let load = machine::load();
    let mut rows = Vec::new();
    for &workers in &options.workers {
        let mut stage = Stage::set(workers);
        for clients in [0, options.clients] {
            for kind in [Kind::Key, Kind::Revocation] {
                let meanwhile = stage.load(clients);
                let mut lags = Lags::default();
                for _ in 0..options.changes {
                    lags.add(stage.change(kind));
                }
                let requests_per_second = meanwhile.finish();
                rows.push(Row { workers, kind, requests_per_second, lag: lags.quantiles() });
            }
        }
        stage.finish();
    }
    let cores = std::thread::available_parallelism()?.get();
    Ok(Report { options: options.clone(), load, cores, rows })
}

/// The share of 1 % may be later.
pub const P99_MS: f64 = 20.0;

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{} cores; load of the machine before: {:.2}\n", self.cores, self.load)?;
        writeln!(
            f,
            "| workers | change | requests/s meanwhile | changes | p50 ms | p99 ms | max ms | p99 under {P99_MS:.0} ms |"
        )?;
        writeln!(f, "| ---: | --- | ---: | ---: | ---: | ---: | ---: | --- |")?;
        for Row { workers, kind, requests_per_second, lag } in &self.rows {
            let verdict = if lag.p99_ms < P99_MS { "yes" } else { "NO" };
            writeln!(
                f,
                "| {workers} | {kind} | {requests_per_second:.0} | {} | {:.1} | {:.1} | {:.1} | {verdict} |",
                lag.count, lag.p50_ms, lag.p99_ms, lag.max_ms
            )?;
        }
        Ok(())
    }
}
