//! What is measured, and how often.

use std::path::PathBuf;
use std::time::Duration;

use crate::filter::Filter;
use crate::traffic::{Algorithm, Traffic};

/// One thing to measure: a filter under some traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lane {
    /// What stands before the router.
    pub filter: Filter,
    /// What callers send.
    pub traffic: Traffic,
}

impl Lane {
    /// A name for messages.
    pub fn name(&self) -> String {
        format!("{}, {}", self.filter.name(), self.traffic.name())
    }
}

/// A run of the benchmark.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `full`, `quick` or `smoke`.
    pub name: &'static str,
    /// In this order, and back again in every other round.
    pub lanes: Vec<Lane>,
    /// How often all Envoys are started anew: where a process lies in memory changes its speed a little.
    pub generations: usize,
    /// Rounds of each generation that only warm up what V8 runs: it compiles what is hot a second time.
    pub warm_up: usize,
    /// Rounds of each generation that count.
    pub rounds: usize,
    /// How often at most a sample is taken again in which the hypervisor gave Envoy's core to somebody else.
    pub retries: usize,
    /// Length of each sample.
    pub seconds: u64,
    /// Rate (requests a second) and length of the look at latencies, if there is one.
    pub latency: Option<(u32, Duration)>,
    /// Other builds of the plugin that are measured beside it.
    pub builds: Vec<PathBuf>,
}

impl Plan {
    /// Everything, in about twenty minutes.
    ///
    /// Not the whole cross product: the number of rules says the same of both algorithms once a token is cached, and
    /// refusals without a token or with junk have no algorithm.
    pub fn full() -> Self {
        let mut lanes = Vec::new();
        for algorithm in Algorithm::ALL {
            lanes.extend(lanes_of(Traffic::One(algorithm), &EVERY_FILTER));
            lanes.extend(lanes_of(Traffic::Thousand(algorithm), &WARM_FILTERS));
            lanes.extend(lanes_of(
                Traffic::Fresh(algorithm),
                &[Filter::None, Filter::CallsAndSignature(algorithm), Filter::JwtAuthn, Filter::Svidgate(1)],
            ));
            lanes.extend(lanes_of(Traffic::BadSignature(algorithm), &REFUSING_FILTERS));
        }
        lanes.extend(lanes_of(Traffic::One(Algorithm::Es256), &MANY_RULES));
        lanes.extend(lanes_of(Traffic::UnknownKid(Algorithm::Es256), &REFUSING_FILTERS));
        lanes.extend(lanes_of(Traffic::NoToken, &REFUSING_FILTERS));
        lanes.extend(lanes_of(Traffic::Junk, &REFUSING_FILTERS));
        Self {
            name: "full",
            lanes,
            generations: 3,
            warm_up: 1,
            rounds: 4,
            retries: 3,
            seconds: 1,
            latency: Some((2_000, Duration::from_secs(3))),
            builds: Vec::new(),
        }
    }

    /// What the targets are about, in less than two minutes.
    pub fn quick() -> Self {
        let mut lanes = Vec::new();
        for algorithm in Algorithm::ALL {
            lanes.extend(lanes_of(Traffic::One(algorithm), &COMPARED_FILTERS));
            lanes.extend(lanes_of(Traffic::Fresh(algorithm), &[Filter::JwtAuthn, Filter::Svidgate(1)]));
        }
        Self {
            name: "quick",
            lanes,
            generations: 1,
            warm_up: 1,
            rounds: 6,
            retries: 0,
            seconds: 1,
            latency: None,
            builds: Vec::new(),
        }
    }

    /// The plugin beside other builds of it, warm and cold: which options of the compiler or which change pays.
    pub fn beside(builds: Vec<PathBuf>) -> Self {
        let own = std::iter::once(Filter::Svidgate(1)).chain((0..builds.len()).map(Filter::SvidgateBuild));
        let filters: Vec<Filter> =
            [Filter::None, Filter::Header, Filter::Calls].into_iter().chain(own).collect();
        let mut lanes = lanes_of(Traffic::One(Algorithm::Es256), &filters);
        lanes.extend(lanes_of(Traffic::Fresh(Algorithm::Es256), filters.get(3..).unwrap_or_default()));
        Self {
            name: "beside",
            lanes,
            generations: 2,
            warm_up: 1,
            rounds: 8,
            retries: 3,
            seconds: 1,
            latency: None,
            builds,
        }
    }

    /// Every kind of part once, far too short to say anything about speed.
    pub fn smoke() -> Self {
        let mut lanes = lanes_of(Traffic::One(Algorithm::Es256), &WARM_FILTERS);
        lanes.extend(lanes_of(Traffic::One(Algorithm::Es256), &[Filter::ExtAuthz, Filter::JwtAuthnRbac]));
        lanes.extend(lanes_of(
            Traffic::Fresh(Algorithm::Es256),
            &[Filter::CallsAndSignature(Algorithm::Es256), Filter::JwtAuthn, Filter::Svidgate(1)],
        ));
        // Before the new tokens, to which it must leave none of its own.
        lanes.insert(0, Lane { filter: Filter::Svidgate(1), traffic: Traffic::Thousand(Algorithm::Es256) });
        lanes.extend(lanes_of(Traffic::NoToken, &[Filter::Svidgate(1)]));
        let latency = Some((500, Duration::from_millis(200)));
        Self {
            name: "smoke",
            lanes,
            generations: 1,
            warm_up: 0,
            rounds: 1,
            retries: 0,
            seconds: 1,
            latency,
            builds: Vec::new(),
        }
    }

    /// Leaves the lanes whose name contains `text`.
    ///
    /// # Errors
    /// When there is none.
    pub fn keep_only(&mut self, text: &str) -> anyhow::Result<()> {
        let names: Vec<String> = self.lanes.iter().map(Lane::name).collect();
        self.lanes.retain(|lane| lane.name().contains(text));
        anyhow::ensure!(
            !self.lanes.is_empty(),
            "no lane has {text:?} in its name; there are:\n{}",
            names.join("\n")
        );
        Ok(())
    }

    /// The filters of all lanes, each once.
    pub fn filters(&self) -> Vec<Filter> {
        let mut filters: Vec<Filter> = self.lanes.iter().map(|lane| lane.filter).collect();
        filters.sort();
        filters.dedup();
        filters
    }

    /// The lane without a filter from which the added cost of this one counts: with the same traffic, or at least with
    /// tokens of the same kind.
    pub fn base_of(&self, lane: Lane) -> Option<Lane> {
        let same = Lane { filter: Filter::None, traffic: lane.traffic };
        let alike = match lane.traffic {
            Traffic::Thousand(algorithm) | Traffic::Fresh(algorithm) => {
                Some(Lane { filter: Filter::None, traffic: Traffic::One(algorithm) })
            }
            _ => None,
        };
        [Some(same), alike].into_iter().flatten().find(|base| self.lanes.contains(base))
    }
}

fn lanes_of(traffic: Traffic, filters: &[Filter]) -> Vec<Lane> {
    filters.iter().map(|filter| Lane { filter: *filter, traffic }).collect()
}

/// Those that the targets name.
const COMPARED_FILTERS: [Filter; 5] =
    [Filter::None, Filter::Header, Filter::JwtAuthn, Filter::JwtAuthnCached, Filter::Svidgate(1)];

const WARM_FILTERS: [Filter; 6] = [
    Filter::None,
    Filter::Header,
    Filter::Calls,
    Filter::JwtAuthn,
    Filter::JwtAuthnCached,
    Filter::Svidgate(1),
];

const EVERY_FILTER: [Filter; 10] = [
    Filter::None,
    Filter::Header,
    Filter::Calls,
    Filter::JwtAuthn,
    Filter::JwtAuthnCached,
    Filter::JwtAuthnRbac,
    Filter::JwtAuthnCachedRbac(1),
    Filter::ExtAuthz,
    Filter::Svidgate(1),
    Filter::SvidgateUnguarded,
];

const REFUSING_FILTERS: [Filter; 4] =
    [Filter::None, Filter::JwtAuthn, Filter::Svidgate(1), Filter::SvidgateQuiet];

const MANY_RULES: [Filter; 4] = [
    Filter::Svidgate(100),
    Filter::Svidgate(5_000),
    Filter::JwtAuthnCachedRbac(100),
    Filter::JwtAuthnCachedRbac(5_000),
];
