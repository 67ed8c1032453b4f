//! One sample of one lane.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use svidgate_tests::within;

use crate::cpu::{Usage, stolen_from};
use crate::plan::Lane;
use crate::site::Site;
use crate::traffic::Traffic;
use crate::wrk::{Count, Wrk};

/// What one run of the load cost.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sample {
    /// Which start of Envoy.
    pub generation: usize,
    /// Answers.
    pub requests: u64,
    /// Answers a second.
    pub rate: f64,
    /// CPU time of Envoy's worker for a request, in microseconds.
    pub worker_us: f64,
    /// CPU time of all of Envoy's threads for a request, in microseconds.
    pub process_us: f64,
    /// CPU time of the external verifier for a request, in microseconds.
    pub verifier_us: Option<f64>,
    /// Share of the time in which the worker had nothing to do.
    pub idle: f64,
    /// Share of the time in which the worker waited because another process was on its core.
    pub waited: f64,
    /// Share of the time in which the hypervisor had given the worker's core to somebody else.
    pub stolen: f64,
    /// Requests whose token was found in the filter's cache.
    pub cache_hits: Option<u64>,
}

impl Sample {
    /// Takes one.
    ///
    /// # Errors
    /// When an answer was not as the lane's name says, or tokens were cached that are to be new, or the other way round.
    pub fn take(
        lane: Lane,
        generation: usize,
        site: &mut Site,
        wrk: &Wrk,
        values: &Path,
        skip: u64,
        seconds: u64,
    ) -> anyhow::Result<Self> {
        let (pid, address) = (site.pid(lane.filter), site.address(lane.filter));
        let before_caching = cache_uses(lane, site);
        let stolen_before = stolen_from(site.core());
        let before = Usage::of(pid);
        let verifier_before = site.verifier().map(Usage::of);
        let count = wrk.run(address, values, skip, seconds)?;
        let used = Usage::of(pid).since(before);
        let stolen = stolen_from(site.core()).saturating_sub(stolen_before);
        let verifier = site.verifier().map(Usage::of);
        let hits = before_caching.map(|before| cache_hits(lane, site, before, count.requests));
        check(lane, &count, hits).with_context(|| lane.name())?;

        let time = Duration::from_micros(count.microseconds);
        let each = |used: Duration| used.as_nanos() as f64 / 1000.0 / count.requests as f64;
        let share = |part: Duration| part.as_secs_f64() / time.as_secs_f64();
        let verifier = verifier.zip(verifier_before).map(|(after, before)| after.since(before).process);
        Ok(Self {
            generation,
            requests: count.requests,
            rate: count.requests as f64 / time.as_secs_f64(),
            worker_us: each(used.workers),
            process_us: each(used.process),
            verifier_us: verifier.filter(|_| lane.filter == crate::Filter::ExtAuthz).map(each),
            idle: (1.0 - share(used.workers + used.waited + stolen)).max(0.0),
            waited: share(used.waited),
            stolen: share(stolen),
            cache_hits: hits,
        })
    }

    /// Of two of the same lane the one of which the hypervisor took less. What is measured has no say in it.
    pub fn or_less_stolen(self, other: Self) -> Self {
        if other.stolen < self.stolen { other } else { self }
    }
}

/// Hits of the token cache since `before`. svidgate counts up to a quarter of a second later.
fn cache_hits(lane: Lane, site: &mut Site, before: CacheUses, requests: u64) -> u64 {
    let mut uses = || cache_uses(lane, site).unwrap_or(before);
    let counted = |uses: &CacheUses| uses.hits + uses.misses - before.hits - before.misses >= requests;
    let settled = lane.traffic.is_good().then(|| within(COUNTED, || Some(uses()).filter(counted))).flatten();
    settled.unwrap_or_else(uses).hits - before.hits
}

/// What the filter says of its token cache.
fn cache_uses(lane: Lane, site: &mut Site) -> Option<CacheUses> {
    if !lane.filter.caches() {
        return None;
    }
    let stats = site.envoy(lane.filter).stats_like("cache_(hit|miss)");
    let sum = |word| stats.iter().filter(|(name, _)| name.contains(word)).map(|(_, uses)| uses).sum();
    Some(CacheUses { hits: sum("cache_hit"), misses: sum("cache_miss") })
}

#[derive(Clone, Copy, Debug)]
struct CacheUses {
    hits: u64,
    misses: u64,
}

const COUNTED: Duration = Duration::from_secs(2);

fn check(lane: Lane, count: &Count, hits: Option<u64>) -> anyhow::Result<()> {
    let refused = if lane.filter.admits(lane.traffic) { 0 } else { count.requests };
    ensure!(count.refused == refused, "{} of {} answers were refusals", count.refused, count.requests);
    let Some(hits) = hits else { return Ok(()) };
    match lane.traffic {
        // At most one miss for each token, and a few requests on the way when the load ends.
        Traffic::One(_) | Traffic::Thousand(_) => {
            ensure!(
                hits * 100 >= count.requests * 98,
                "only {hits} of {} tokens were cached",
                count.requests
            );
        }
        _ => ensure!(hits * 100 <= count.requests, "{hits} of {} tokens were cached", count.requests),
    }
    Ok(())
}
