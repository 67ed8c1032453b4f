//! What was measured, and what it comes to.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde::Serialize;

use crate::latency::Latency;
use crate::machine::Machine;
use crate::plan::{Lane, Plan};
use crate::sample::Sample;
use crate::stats::Summary;
use crate::targets::{Target, targets};

/// The whole result.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// `full`, `quick` or `smoke`.
    pub plan: &'static str,
    /// Where and with what.
    pub machine: Machine,
    /// Every lane, in the order of the plan.
    pub lanes: Vec<LaneReport>,
    /// The project's targets.
    pub targets: Vec<Target>,
    /// What makes the numbers doubtful.
    pub warnings: Vec<String>,
}

/// One filter under one traffic.
#[derive(Clone, Debug, Serialize)]
pub struct LaneReport {
    /// Which.
    #[serde(skip)]
    pub lane: Lane,
    /// What stands before the router.
    pub filter: String,
    /// What callers send.
    pub traffic: String,
    /// CPU time of Envoy's worker for a request, in microseconds.
    pub worker_us: Summary,
    /// Median CPU time of all of Envoy's threads for a request, in microseconds.
    pub process_us: f64,
    /// Median CPU time of the external verifier for a request, in microseconds.
    pub verifier_us: Option<f64>,
    /// What the filter adds to a request without one, in microseconds: the worker's time less that of the same round
    /// without a filter.
    pub added_us: Option<Summary>,
    /// Median of answers a second.
    pub rate: f64,
    /// Median share of the time in which the worker had nothing to do.
    pub idle: f64,
    /// Median share of the time in which another process was on the worker's core.
    pub waited: f64,
    /// Median share of the time in which the hypervisor had given the worker's core to somebody else.
    pub stolen: f64,
    /// Times of answers at a fixed rate.
    pub latency: Option<Latency>,
    /// Everything that was counted.
    pub samples: Vec<Sample>,
}

impl Report {
    /// Works out what samples come to.
    pub fn new(
        plan: &Plan,
        machine: Machine,
        samples: &BTreeMap<Lane, Vec<Sample>>,
        latencies: &BTreeMap<Lane, Latency>,
    ) -> Self {
        let added = Added { plan, samples };
        let lane = |lane: &Lane| LaneReport::new(*lane, &added, latencies.get(lane).cloned());
        let mut report = Self {
            plan: plan.name,
            machine,
            lanes: plan.lanes.iter().map(lane).collect(),
            targets: targets(&added),
            warnings: Vec::new(),
        };
        if report.contended() > 0 {
            report.targets.iter_mut().for_each(Target::doubt);
        }
        report.warnings = report.doubts();
        report
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, to: &Path) -> anyhow::Result<()> {
        if let Some(folder) = to.parent() {
            std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        }
        let text = serde_json::to_string_pretty(self).context("the report")?;
        std::fs::write(to, text).with_context(|| to.display().to_string())
    }

    /// Number of lanes during which the machine was not quiet.
    fn contended(&self) -> usize {
        self.lanes.iter().filter(|lane| lane.waited > CONTENDED).count()
    }

    fn doubts(&self) -> Vec<String> {
        let mut doubts = Vec::new();
        let contended = self.contended();
        if contended > 0 {
            doubts.push(format!(
                "In {contended} of {} lanes other processes took more than {:.0} % of the time on Envoy's core: \
                 shared caches make every number too high. Measure on a quiet machine.",
                self.lanes.len(),
                CONTENDED * 100.0
            ));
        }
        let robbed = self.lanes.iter().filter(|lane| lane.stolen > CONTENDED).count();
        if robbed > 0 {
            doubts.push(format!(
                "In {robbed} of {} lanes the hypervisor took more than {:.0} % of the time from Envoy's core for others, who \
                 share its caches: numbers are too high, the more so the more code a filter runs.",
                self.lanes.len(),
                CONTENDED * 100.0
            ));
        }
        for lane in &self.lanes {
            let name = lane.lane.name();
            if lane.idle > IDLE && lane.verifier_us.is_none() {
                doubts.push(format!(
                    "{name}: Envoy was idle for {:.0} % of the time, so a request looks dearer than it is.",
                    lane.idle * 100.0
                ));
            }
            let Some(added) = lane.added_us else { continue };
            if lane.worker_us.mad > WIDE * lane.worker_us.median {
                doubts.push(format!(
                    "{name}: the spread is too wide to conclude anything ({:.1} ± {:.1} µs).",
                    added.median, lane.worker_us.mad
                ));
            }
        }
        doubts
    }
}

impl LaneReport {
    fn new(lane: Lane, added: &Added<'_>, latency: Option<Latency>) -> Self {
        let samples = &added.samples[&lane];
        let of = |what: fn(&Sample) -> f64| samples.iter().map(what).collect::<Vec<f64>>();
        let median = |what: fn(&Sample) -> f64| Summary::of(&of(what)).median;
        let verifier: Vec<f64> = samples.iter().filter_map(|sample| sample.verifier_us).collect();
        Self {
            lane,
            filter: lane.filter.name(),
            traffic: lane.traffic.name(),
            worker_us: Summary::of(&of(|sample| sample.worker_us)),
            process_us: median(|sample| sample.process_us),
            verifier_us: (!verifier.is_empty()).then(|| Summary::of(&verifier).median),
            added_us: added.of(lane).map(|samples| Summary::of(&samples)),
            rate: median(|sample| sample.rate),
            idle: median(|sample| sample.idle),
            waited: median(|sample| sample.waited),
            stolen: median(|sample| sample.stolen),
            latency,
            samples: samples.clone(),
        }
    }
}

/// What filters add, round by round.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Added<'a> {
    /// What was to be measured.
    pub plan: &'a Plan,
    /// What was.
    pub samples: &'a BTreeMap<Lane, Vec<Sample>>,
}

impl Added<'_> {
    /// What this lane adds to the same request without a filter, in microseconds, for each round; nothing for lanes
    /// that are that themselves, or are not in the plan.
    pub(crate) fn of(&self, lane: Lane) -> Option<Vec<f64>> {
        let base = self.plan.base_of(lane).filter(|base| *base != lane)?;
        let (own, base) = (self.samples.get(&lane)?, self.samples.get(&base)?);
        Some(own.iter().zip(base).map(|(own, base)| own.worker_us - base.worker_us).collect())
    }
}

/// From this share on the worker's core counts as busy with something else.
const CONTENDED: f64 = 0.05;
/// From this share on the load counts as too weak.
const IDLE: f64 = 0.10;
/// From this share of the median on the median absolute deviation counts as wide.
const WIDE: f64 = 0.10;
