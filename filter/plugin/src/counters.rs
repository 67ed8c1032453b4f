//! Metrics as Envoy keeps them. Defined at their first use and once in each VM: every definition allocates an id in Envoy
//! for ever, and a VM outlives its configurations.

use std::cell::RefCell;
use std::collections::HashMap;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;
use svidgate_policy::Policy;

use crate::metrics::{Counter, Gauge};

/// Ids of the counters that one configuration has used so far.
#[derive(Default)]
pub(crate) struct Counters(RefCell<HashMap<Counter, Option<u32>>>);

impl Counters {
    pub(crate) fn increment(&self, counter: Counter, policy: &Policy) {
        let mut known = self.0.borrow_mut();
        let id = known
            .entry(counter)
            .or_insert_with(|| counter.name(policy).and_then(|name| id(MetricType::Counter, &name)));
        if let Some(id) = id {
            let _ = hostcalls::increment_metric(*id, 1);
        }
    }
}

pub(crate) fn record(gauge: Gauge, value: u64) {
    record_as(gauge.name(), value);
}

/// `name` must be of a closed list.
pub(crate) fn record_as(name: &str, value: u64) {
    if let Some(id) = id(MetricType::Gauge, name) {
        let _ = hostcalls::record_metric(id, value);
    }
}

/// The id of a counter; `name` must be of a closed list.
pub(crate) fn define_counter(name: &str) -> Option<u32> {
    id(MetricType::Counter, name)
}

/// The id of a metric; none where Envoy refuses it, or this VM has seen too many rules come and go.
fn id(kind: MetricType, name: &str) -> Option<u32> {
    DEFINED.with_borrow_mut(|defined| {
        if let Some(id) = defined.get(name) {
            return Some(*id);
        }
        if defined.len() >= MAX_METRICS {
            return None;
        }
        let id = hostcalls::define_metric(kind, name).ok()?;
        defined.insert(name.to_owned(), id);
        Some(id)
    })
}

thread_local! {
    static DEFINED: RefCell<HashMap<String, u32>> = RefCell::default();
}

/// Two labels of each of 10,000 rules, and room.
const MAX_METRICS: usize = 30_000;
