//! The report for a terminal.

use std::fmt::Write as _;

use crate::report::{LaneReport, Report};
use crate::targets::{Bound, Target, Verdict};

impl Report {
    /// All of it but the samples.
    pub fn table(&self) -> String {
        let machine = &self.machine;
        let mut out = format!(
            "{}, {} cores, Linux {}; Envoy {}, one worker on a core of its own; {}\nsvidgate {}, plugin of {} KiB ({:.8}…); load {:.1} before, {:.1} after\n",
            machine.cpu,
            machine.cores,
            machine.kernel,
            machine.envoy,
            machine.wrk.split(" Copyright").next().unwrap_or_default(),
            machine.svidgate,
            machine.plugin_bytes / 1024,
            machine.plugin,
            machine.load_before,
            machine.load_after,
        );
        let mut traffic = "";
        for lane in &self.lanes {
            if lane.traffic != traffic {
                traffic = &lane.traffic;
                let _ = write!(out, "\n{traffic}\n{HEAD}");
            }
            out.push_str(&row(lane));
        }
        out.push_str("\nTargets\n");
        self.targets.iter().for_each(|target| out.push_str(&line(target)));
        for warning in &self.warnings {
            let _ = write!(out, "\n! {warning}");
        }
        out
    }
}

fn row(lane: &LaneReport) -> String {
    let number = |number: Option<f64>| number.map_or_else(|| "-".to_owned(), |number| format!("{number:.1}"));
    let latency = lane.latency.as_ref();
    format!(
        "  {:<44} {:>7.1} {:>5.1} {:>7.1} {:>7} {:>7.1} {:>8} {:>8.0} {:>5.0} {:>5.0} {:>6.0} {:>7} {:>7} {:>7}\n",
        lane.filter,
        lane.worker_us.median,
        lane.worker_us.mad,
        lane.worker_us.min,
        number(lane.added_us.map(|added| added.median)),
        lane.process_us,
        number(lane.verifier_us),
        lane.rate,
        lane.idle * 100.0,
        lane.waited * 100.0,
        lane.stolen * 100.0,
        number(latency.map(|latency| latency.p50)),
        number(latency.map(|latency| latency.p99)),
        number(latency.map(|latency| latency.p999)),
    )
}

fn line(target: &Target) -> String {
    let bound = match target.bound {
        Bound::AtMost(limit) => format!("at most {limit}"),
        Bound::AtLeast(limit) => format!("at least {limit}"),
    };
    let unit = if target.unit == "us" { " µs" } else { "" };
    let measured = target.measured.map_or_else(String::new, |measured| {
        let interval =
            measured.interval.map_or_else(String::new, |[low, high]| format!(" ({low:.2} to {high:.2})"));
        format!("{:.2}{unit}{interval}", measured.median)
    });
    let verdict = match target.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "MISSED",
        Verdict::Inconclusive => "spread too wide to conclude",
        Verdict::NotQuiet => "machine not quiet: nothing to conclude",
        Verdict::NotMeasured => "not measured",
    };
    format!("  {:<66} {bound}{unit:<12} {measured:<28} {verdict}\n", target.what)
}

const HEAD: &str = "  \
    filter                                        µs/req   MAD     min   added process verifier    req/s idle% wait% steal%     p50     p99   p99.9\n";
