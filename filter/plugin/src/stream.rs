//! One request.

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};
use svidgate_jwt_svid::{RustCrypto, VerifiedSvid};
use svidgate_policy::{Denial, Reason};

use crate::host;
use crate::metrics::Counter;
use crate::request::{Answer, Headers};
use crate::root::Gate;

pub(crate) struct Stream {
    gate: Option<Rc<Gate>>,
}

impl Stream {
    /// Without a gate (the plugin was never configured) every request is refused.
    pub(crate) fn new(gate: Option<Rc<Gate>>) -> Self {
        Self { gate }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(gate) = &self.gate else { return refuse(Denial::new(Reason::Internal)) };
        #[cfg(feature = "test-hooks")]
        crate::test_hooks::on_request(gate.judge.config());
        let decided = decide(gate).and_then(|caller| admit(gate, &caller));
        match decided {
            Ok(()) => {
                gate.count(Counter::Attempt(None));
                Action::Continue
            }
            Err(denial) => {
                gate.count(Counter::Attempt(Some(denial.outcome())));
                gate.count(Counter::Failure(denial.reason()));
                refuse(denial)
            }
        }
    }

    /// Some upstreams merge trailers into headers, so an identity must not come in that way either.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        let stripped = self.gate.as_ref().is_some_and(|gate| {
            host::header_pairs(MapType::HttpRequestTrailers).is_some_and(|buffer| {
                Headers::parse(&buffer)
                    .is_some_and(|trailers| strip(gate, MapType::HttpRequestTrailers, &trailers))
            })
        });
        if stripped { Action::Continue } else { Action::Pause }
    }
}

fn decide(gate: &Gate) -> Result<VerifiedSvid, Denial> {
    let unreadable = Denial::new(Reason::Internal);
    let buffer = host::header_pairs(MapType::HttpRequestHeaders).ok_or(unreadable)?;
    let headers = Headers::parse(&buffer).ok_or(unreadable)?;
    if !strip(gate, MapType::HttpRequestHeaders, &headers) {
        return Err(unreadable);
    }
    let now = host::now();
    gate.with_trust(now, |trust| gate.judge.decide(&headers, trust, &RustCrypto, now))
}

/// Removes whatever an upstream could take for the verified identity; `false` when that is not certain.
fn strip(gate: &Gate, map: MapType, headers: &Headers<'_>) -> bool {
    for name in headers.names().filter(|name| gate.judge.is_identity_header(name)) {
        // What is no text cannot be removed by its name.
        let Ok(name) = std::str::from_utf8(name) else { return false };
        if hostcalls::remove_map_value(map, name).is_err() {
            return false;
        }
        gate.count(Counter::HeaderStripped);
    }
    true
}

/// Tells the upstream who calls, and the guard behind us that this request was decided.
fn admit(gate: &Gate, caller: &VerifiedSvid) -> Result<(), Denial> {
    let header = &gate.judge.config().identity_header;
    hostcalls::set_map_value(MapType::HttpRequestHeaders, header, Some(caller.spiffe_id().as_str()))
        .and_then(|()| hostcalls::set_property(vec![ID_NAME], Some(caller.spiffe_id().as_str().as_bytes())))
        .and_then(|()| hostcalls::set_property(vec![MARK_NAME], Some(MARK_VALUE)))
        .map_err(|_| Denial::new(Reason::Internal))
}

/// Ends the request. After this no header may be touched and the stream must not go on.
fn refuse(denial: Denial) -> Action {
    let answer = Answer::new(denial);
    let mut headers = vec![("content-type", "application/json"), ("cache-control", "no-store")];
    if let Some(challenge) = &answer.challenge {
        headers.push(("www-authenticate", challenge));
    }
    // If Envoy does not take the answer the request stays paused and times out; it does not pass.
    let _ = hostcalls::send_http_response(u32::from(answer.status), headers, Some(answer.body.as_bytes()));
    Action::Pause
}

/// Filter state `wasm.svidgate_spiffe_id` is for access logs: a header can be the client's own text when Envoy refuses a
/// request before this filter sees it.
const ID_NAME: &str = "svidgate_spiffe_id";
/// The guard (an RBAC filter) admits requests whose filter state `wasm.svidgate` has this value.
const MARK_NAME: &str = "svidgate";
const MARK_VALUE: &[u8] = b"verified";
