//! What it costs to start an Envoy with a plugin, and what each further worker adds.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use svidgate_tests::{Controller, Envoy, FakeController, Folder, Launch};

use crate::cpu::Usage;
use crate::filter::Filter;
use crate::memory::resident;
use crate::site;
use crate::stats::Summary;

/// What was seen of one module.
#[derive(Clone, Debug, Serialize)]
pub struct Startup {
    /// Which filter; of another build the file.
    pub filter: String,
    /// Size of the module in bytes; none without one.
    pub module: Option<u64>,
    /// CPU time of the whole process until it takes connections, with one worker, milliseconds.
    pub first_ms: Summary,
    /// What a worker more adds to that, milliseconds.
    pub worker_ms: Summary,
    /// Resident memory of an Envoy with one worker, bytes.
    pub resident: Summary,
    /// What a worker more adds to that, bytes.
    pub worker_resident: Summary,
}

/// Starts Envoys without a filter, with the least Wasm filter, with the plugin and with these builds of it, `rounds` times
/// in turn, each with one worker and with several.
///
/// # Errors
/// When a module cannot be read.
pub fn measure(rounds: usize, builds: &[PathBuf], progress: impl Fn(&str)) -> anyhow::Result<Vec<Startup>> {
    site::need_baseline();
    let folder = Folder::new();
    let now = svidgate_tests::unix_seconds();
    let _controller = FakeController::start(&Controller::socket_in(folder.path()), &site::snapshot(now));
    let filters: Vec<Filter> = [Filter::None, Filter::Header, Filter::Svidgate(1)]
        .into_iter()
        .chain((0..builds.len()).map(Filter::SvidgateBuild))
        .collect();
    let mut seen = vec![Vec::new(); filters.len()];
    for round in 1..=rounds {
        progress(&format!("Round {round} of {rounds}"));
        for (filter, seen) in filters.iter().zip(&mut seen) {
            let [few, many] = WORKERS.map(|workers| start(*filter, folder.path(), builds, workers));
            seen.push((few, many));
        }
    }
    filters.iter().zip(&seen).map(|(filter, seen)| Startup::of(*filter, builds, seen)).collect()
}

/// CPU time in milliseconds, resident memory in bytes.
type Cost = (f64, f64);

fn start(filter: Filter, folder: &Path, builds: &[PathBuf], workers: usize) -> Cost {
    let bootstrap = site::bootstrap(filter, folder, builds);
    let mut envoy =
        Envoy::launch(&filter.slug(), &bootstrap, folder, Launch { workers, ..Launch::default() });
    // Each worker has its VM once it has taken a connection.
    let _each = envoy.connection_to_each_worker();
    let pid = envoy.process().id();
    let cost = (Usage::of(pid).process.as_secs_f64() * 1e3, resident(pid) as f64);
    envoy.stop();
    cost
}

impl Startup {
    fn of(filter: Filter, builds: &[PathBuf], seen: &[(Cost, Cost)]) -> anyhow::Result<Self> {
        let module = match filter {
            Filter::None => None,
            Filter::Header => Some(site::baseline_path()),
            Filter::SvidgateBuild(n) => Some(builds[n].clone()),
            _ => Some(svidgate_tests::Programs::wasm()),
        };
        let name = match filter {
            Filter::SvidgateBuild(n) => builds[n].display().to_string(),
            _ => filter.name(),
        };
        let each = |cost: fn(&Cost) -> f64| {
            let first: Vec<f64> = seen.iter().map(|(few, _)| cost(few)).collect();
            let more = (WORKERS[1] - WORKERS[0]) as f64;
            let further: Vec<f64> = seen.iter().map(|(few, many)| (cost(many) - cost(few)) / more).collect();
            (Summary::of(&first), Summary::of(&further))
        };
        let (first_ms, worker_ms) = each(|cost| cost.0);
        let (resident, worker_resident) = each(|cost| cost.1);
        let module = module.map(|path| fs::metadata(path).map(|file| file.len())).transpose()?;
        Ok(Self { filter: name, module, first_ms, worker_ms, resident, worker_resident })
    }
}

/// For a terminal.
pub fn table(startups: &[Startup]) -> String {
    let mut table =
        "| filter | module bytes | CPU ms, one worker | MAD | ms each further worker | MAD | resident MiB | MiB each further worker |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
            .to_owned();
    for startup in startups {
        let mib = |bytes: f64| bytes / f64::from(1 << 20);
        table += &format!(
            "| {} | {} | {:.0} | {:.0} | {:.1} | {:.1} | {:.1} | {:.1} |\n",
            startup.filter,
            startup.module.map_or_else(|| "–".to_owned(), |bytes| bytes.to_string()),
            startup.first_ms.median,
            startup.first_ms.mad,
            startup.worker_ms.median,
            startup.worker_ms.mad,
            mib(startup.resident.median),
            mib(startup.worker_resident.median),
        );
    }
    table
}

/// The second is with enough more that what one of them costs can be told.
const WORKERS: [usize; 2] = [1, 5];
