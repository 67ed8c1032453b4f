//! The way from a decision to Envoy's headers.

use proxy_wasm::hostcalls;
use proxy_wasm::types::MapType;
use svidgate_policy::{Denial, Reason};

use super::{Deed, Outgoing, Placed, decide};
use crate::config::Config;
use crate::host;
use crate::metrics::Counter;
use crate::request::{Form, parse_headers};
use crate::root::Gate;

/// Filter state by which a plugin tells what it did, and what it must undo.
pub(crate) struct Marks {
    /// `set`, `kept` or `none`, for access logs and for guards on the way out. Never the value of the guard's mark.
    deed: String,
    /// The header that was set. Outlives an internal redirect: Envoy sends the same headers to another host then.
    header: String,
}

impl Marks {
    pub(crate) fn new(base: &str, config: &Config) -> Self {
        let marks = Self { deed: format!("{base}_outgoing"), header: format!("{base}_outgoing_header") };
        if config.outgoing.is_some() && !host::declare_for_request(&marks.header) {
            log::debug!("filter state of this host ends with a redirect, or was declared before");
        }
        marks
    }

    fn tell(&self, deed: &str) -> Option<()> {
        host::set_property(&self.deed, deed.as_bytes())
    }
}

/// Gives a request its credential. An error is a refusal that is not answered yet.
pub(crate) fn apply(gate: &Gate, outgoing: &Outgoing) -> Result<(), (Denial, Form)> {
    let marks = &gate.outgoing_marks;
    let internal = || (Denial::new(Reason::Internal), Form::Http);
    undo(marks).ok_or_else(internal)?;
    let read = host::header_pairs(MapType::HttpRequestHeaders);
    let headers = read.as_deref().and_then(parse_headers).ok_or_else(internal)?;
    let Some(cluster) = host::cluster_name() else {
        // No route, or one that leads to no cluster.
        return marks.tell("none").ok_or_else(internal);
    };
    let now = host::now();
    #[cfg(feature = "test-hooks")]
    let now = crate::test_hooks::now(gate).unwrap_or(now);
    let seconds = now.checked_div(1000).unwrap_or(0);
    let decided = {
        let trust = gate.trust(now);
        decide(outgoing, &cluster, &headers, trust.credentials(), seconds)
    };
    let count = |rule: usize, status| gate.count(Counter::Outgoing(rule, status));
    let refuse = |reason: Reason| (Denial::new(reason), Form::of(&headers));
    match decided {
        Ok(Deed::Pass) => marks.tell("none").ok_or_else(internal),
        Ok(Deed::Keep(rule)) => {
            count(rule, "kept");
            marks.tell("kept").ok_or_else(internal)
        }
        Ok(Deed::Set(placed)) => {
            place(marks, &placed).ok_or_else(|| refuse(Reason::Internal)).inspect_err(|_| {
                count(placed.rule, Reason::Internal.as_str());
            })?;
            count(placed.rule, "set");
            Ok(())
        }
        Err((rule, reason)) => {
            if let Some(rule) = rule {
                count(rule, reason.as_str());
            }
            let _ = host::set_property(&gate.reason_property, reason.as_str().as_bytes());
            Err(refuse(reason))
        }
    }
}

/// Takes off what was put on before Envoy sent this request elsewhere; none when that is not certain.
fn undo(marks: &Marks) -> Option<()> {
    let Some(header) = hostcalls::get_property(vec![&marks.header]).ok()?.filter(|header| !header.is_empty())
    else {
        return Some(());
    };
    let header = std::str::from_utf8(&header).ok()?;
    hostcalls::remove_map_value(MapType::HttpRequestHeaders, header).ok()?;
    host::set_property(&marks.header, b"")
}

fn place(marks: &Marks, placed: &Placed) -> Option<()> {
    for name in &placed.remove {
        hostcalls::remove_map_value(MapType::HttpRequestHeaders, name).ok()?;
    }
    // Before the header: what is not marked could not be undone.
    host::set_property(&marks.header, placed.header.as_bytes())?;
    hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, &placed.header, Some(&placed.value)).ok()?;
    // Envoy chooses the route anew when it comes to it; the host tells the one of before until then. So no route may look at
    // this header: `svidgate check` says so, and in a cluster's own filters no route is left to choose.
    marks.tell("set")
}
