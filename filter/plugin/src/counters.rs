//! Metrics as Envoy keeps them. Defined at their first use and once in each VM: every definition allocates an id in Envoy
//! for ever, and a VM outlives its configurations.

use std::cell::RefCell;

use hashbrown::HashMap;
use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;

use crate::config::Config;
use crate::metrics::{Counter, Gauge};

/// The counters that one configuration has used so far. Envoy is told of them in [`flush`](Self::flush), so that under
/// load a request does not pay for a call of the host for each.
#[derive(Default)]
pub(crate) struct Counters(RefCell<State>);

#[derive(Default)]
struct State {
    known: HashMap<Counter, usize>,
    pending: Vec<Pending>,
    /// Those of `pending` that have a count.
    touched: Vec<usize>,
}

struct Pending {
    id: Option<u32>,
    count: i64,
}

impl Counters {
    pub(crate) fn increment(&self, counter: Counter, config: &Config) {
        let State { known, pending, touched } = &mut *self.0.borrow_mut();
        let slot = *known.entry(counter).or_insert_with(|| {
            let id = counter.name(config).and_then(|name| id(MetricType::Counter, &name));
            pending.push(Pending { id, count: 0 });
            pending.len().saturating_sub(1)
        });
        if let Some(pending) = pending.get_mut(slot) {
            if pending.count == 0 {
                touched.push(slot);
            }
            pending.count = pending.count.saturating_add(1);
        }
    }

    /// Tells Envoy what was counted since the last time.
    pub(crate) fn flush(&self) {
        let State { pending, touched, .. } = &mut *self.0.borrow_mut();
        for slot in touched.drain(..) {
            let Some(pending) = pending.get_mut(slot) else { continue };
            let count = std::mem::take(&mut pending.count);
            if let Some(id) = pending.id {
                let _ = hostcalls::increment_metric(id, count);
            }
        }
    }
}

impl Drop for Counters {
    /// Requests that came before a new configuration are counted too.
    fn drop(&mut self) {
        self.flush();
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
