//! The benchmark from start to end.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use svidgate_tests::{Connection, Folder, Request};

use crate::latency::{self, Latency};
use crate::machine::{self, Cores, Machine};
use crate::plan::{Lane, Plan};
use crate::proof::{expected_status, prove};
use crate::report::Report;
use crate::sample::Sample;
use crate::site::{Setup, Site};
use crate::traffic::Traffic;
use crate::wrk::{CONNECTIONS, Wrk};
use crate::{filter, site};

/// Carries out a plan. `program` is that of this crate; `progress` gets a line now and then.
///
/// # Errors
/// When something is missing on this machine, or a lane is not what its name says.
pub fn run(plan: &Plan, program: &Path, progress: impl Fn(&str)) -> anyhow::Result<Report> {
    let folder = Folder::new();
    let wrk = Wrk::find(folder.path())?;
    let cores = Cores::take()?;
    site::need_baseline();
    let mut machine = Machine::here(wrk.version(), cores.count);
    let now = svidgate_tests::unix_seconds();
    progress("Signing tokens");
    let traffics = Traffics::make(plan, &folder, now);
    let setup = Setup { folder: folder.path(), program, core: cores.envoy, now, builds: &plan.builds };

    let mut samples: BTreeMap<Lane, Vec<Sample>> = BTreeMap::new();
    let mut latencies = BTreeMap::new();
    let mut sent: BTreeMap<Lane, u64> = BTreeMap::new();
    for generation in 1..=plan.generations {
        progress(&format!("Starting {} Envoys ({generation} of {})", plan.filters().len(), plan.generations));
        let mut site = Site::start(&plan.filters(), &setup);
        for filter in plan.filters() {
            prove(filter, site.envoy(filter), now);
        }
        for round in 1..=plan.warm_up + plan.rounds {
            progress(&format!("Round {round} of {}: {} lanes", plan.warm_up + plan.rounds, plan.lanes.len()));
            for lane in in_turn(&plan.lanes, round) {
                let is_warm_up = round <= plan.warm_up;
                if is_warm_up && !lane.filter.is_wasm() {
                    continue;
                }
                let file = &traffics.files[&lane.traffic];
                // Goes on where the last sample ended: tokens that are to be new must not be those of that sample.
                let skip = sent.entry(lane).or_default();
                let mut take = || {
                    traffics.prime(lane, &mut site);
                    let sample = Sample::take(lane, generation, &mut site, &wrk, file, *skip, plan.seconds)?;
                    *skip += sample.requests + IN_FLIGHT;
                    anyhow::Ok(sample)
                };
                let mut sample = take()?;
                for _ in 0..if is_warm_up { 0 } else { plan.retries } {
                    if sample.stolen <= ROBBED {
                        break;
                    }
                    sample = sample.or_less_stolen(take()?);
                }
                if !is_warm_up {
                    samples.entry(lane).or_default().push(sample);
                }
            }
        }
        if generation == plan.generations {
            progress("Latencies");
            latencies = traffics.latencies(plan, &mut site, &sent);
        }
    }
    machine.load_after = machine::load();
    Ok(Report::new(plan, machine, &samples, &latencies))
}

/// Back and forth, so that what drifts falls on all lanes alike.
fn in_turn(lanes: &[Lane], round: usize) -> Vec<Lane> {
    let mut lanes = lanes.to_vec();
    if round.is_multiple_of(2) {
        lanes.reverse();
    }
    lanes
}

/// The headers of each traffic, and the file that wrk reads them from.
struct Traffics {
    values: BTreeMap<Traffic, Vec<String>>,
    files: BTreeMap<Traffic, PathBuf>,
}

impl Traffics {
    fn make(plan: &Plan, folder: &Folder, now: u64) -> Self {
        let mut all = Self { values: BTreeMap::new(), files: BTreeMap::new() };
        for (n, lane) in plan.lanes.iter().enumerate() {
            if !all.values.contains_key(&lane.traffic) {
                let values = lane.traffic.values(now);
                let text: String = values.iter().map(|value| format!("{value}\n")).collect();
                all.files.insert(lane.traffic, folder.write(&format!("traffic-{n}"), &text));
                all.values.insert(lane.traffic, values);
            }
        }
        all
    }

    /// Puts the tokens that are to be cached into the cache.
    fn prime(&self, lane: Lane, site: &mut Site) {
        if lane.filter.caches() && matches!(lane.traffic, Traffic::One(_) | Traffic::Thousand(_)) {
            let mut connection: Connection = site.envoy(lane.filter).connect();
            for value in &self.values[&lane.traffic] {
                let request = Request::get(filter::MEASURED).header("authorization", value);
                assert_eq!(connection.send(&request).expect("an answer from Envoy").status, 200);
            }
        }
    }

    fn latencies(&self, plan: &Plan, site: &mut Site, sent: &BTreeMap<Lane, u64>) -> BTreeMap<Lane, Latency> {
        let Some((rate, length)) = plan.latency else { return BTreeMap::new() };
        let measure = |lane: &Lane| {
            self.prime(*lane, site);
            let to = site.envoy(lane.filter).listener().clone();
            let status = expected_status(lane.filter, lane.traffic);
            let mut values = self.values[&lane.traffic].clone();
            let first = sent[lane] % values.len() as u64;
            values.rotate_left(usize::try_from(first).expect("an index"));
            (*lane, latency::measure(&to, &values, status, rate, length))
        };
        plan.lanes.iter().map(measure).collect()
    }
}

/// From this share on, that the hypervisor took from the core, a sample is taken again.
const ROBBED: f64 = 0.03;
/// No more than this was taken from the list without an answer: what was on its way when a sample ended, and the one
/// that wrk makes at the start to look at.
const IN_FLIGHT: u64 = 2 * CONNECTIONS as u64;
