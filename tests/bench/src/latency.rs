//! How long answers take at a fixed rate that is below what any of the filters can do.
//!
//! As in wrk2, the time of an answer counts from the moment at which its request was *due*: one slow answer that holds
//! up those behind it shows in all of them.

use std::num::NonZeroU64;
use std::time::Duration;

use rustix::thread::{Timespec, nanosleep, set_current_timer_slack};
use serde::Serialize;
use svidgate_tests::{Address, Connection, Request, Stopwatch};

use crate::filter::MEASURED;

/// Percentiles, in microseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Requests a second that were sent.
    pub rate: u32,
    /// Number of answers.
    pub requests: usize,
    /// The middle.
    pub p50: f64,
    /// Nine of ten are faster.
    pub p90: f64,
    /// 99 of a hundred are faster.
    pub p99: f64,
    /// 999 of a thousand are faster.
    pub p999: f64,
}

/// Sends at `rate` (requests a second) for so long, one `authorization` header after the other, and checks each status.
pub(crate) fn measure(to: &Address, values: &[String], status: u16, rate: u32, length: Duration) -> Latency {
    let start = Stopwatch::start();
    let gap = Duration::from_secs(1) / rate;
    let each = u32::try_from(length.as_nanos() / gap.as_nanos()).expect("few requests") / CONNECTIONS;
    let send = |first: u32| {
        // Sleeps end when they should, and not up to 50 µs later.
        let _ = set_current_timer_slack(NonZeroU64::new(1));
        let mut connection = Connection::open(to).expect("a connection to Envoy");
        let at = |n: u32| first + n * CONNECTIONS;
        let one = |n: u32| {
            let due = gap * at(n) + HEAD_START;
            pause(due.saturating_sub(start.elapsed()));
            let value = &values[at(n) as usize % values.len()];
            let request = Request::get(MEASURED);
            let request = if value.is_empty() { request } else { request.header("authorization", value) };
            let answer = connection.send(&request).expect("an answer from Envoy");
            assert_eq!(answer.status, status, "{answer:?}");
            start.elapsed().saturating_sub(due)
        };
        (0..each).map(one).collect::<Vec<Duration>>()
    };
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS).map(|first| scope.spawn(move || send(first))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a client")).collect()
    });
    times.sort();
    let percentile = |share: f64| {
        let at = (times.len() as f64 * share) as usize;
        times[at.min(times.len() - 1)].as_nanos() as f64 / 1000.0
    };
    Latency {
        rate,
        requests: times.len(),
        p50: percentile(0.5),
        p90: percentile(0.9),
        p99: percentile(0.99),
        p999: percentile(0.999),
    }
}

fn pause(length: Duration) {
    if !length.is_zero() {
        let seconds = i64::try_from(length.as_secs()).expect("a short pause");
        // Woken early by a signal, a request goes out early: its time then counts as zero at the least.
        let _ = nanosleep(&Timespec { tv_sec: seconds, tv_nsec: i64::from(length.subsec_nanos()) });
    }
}

/// Enough that one of them is free when the next request is due.
const CONNECTIONS: u32 = 16;
/// Until all clients are connected.
const HEAD_START: Duration = Duration::from_millis(100);
