//! One request.

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::{Action, MapType};
use svidgate_policy::{Denial, Edit, Headers, Passage, Reason, Verdict};

use crate::host;
use crate::metrics::Counter;
use crate::outgoing::apply::apply;
use crate::refusal_log;
use crate::request::{Answer, Form, parse_headers};
use crate::root::Gate;

pub(crate) struct Stream {
    gate: Option<Rc<Gate>>,
    /// A second local reply on one stream hangs the client.
    answered: bool,
}

impl Stream {
    /// Without a gate (the plugin was never configured) every request is refused.
    pub(crate) fn new(gate: Option<Rc<Gate>>) -> Self {
        Self { gate, answered: false }
    }

    /// Ends the request. After this no header may be touched and the stream must not go on.
    fn refuse(&mut self, answer: &Answer) -> Action {
        if !self.answered {
            self.answered = true;
            send(answer);
        }
        Action::Pause
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(gate) = self.gate.clone() else {
            return self.refuse(&Answer::unconfigured(form()));
        };
        #[cfg(feature = "test-hooks")]
        if let Some(body) = crate::test_hooks::on_request(&gate) {
            return self.refuse(&Answer {
                status: 200,
                challenge: None,
                content_type: Some("application/json"),
                body: body.into(),
            });
        }
        let judged = if gate.config.judges_inbound { decide(&gate) } else { Ok(()) };
        let sent = judged.and_then(|()| match &gate.config.outgoing {
            Some(outgoing) => apply(&gate, outgoing),
            None => Ok(()),
        });
        match sent {
            Ok(()) => Action::Continue,
            Err((denial, form)) => self.refuse(&Answer::new(denial, &gate.config.answers, form)),
        }
    }

    /// Some upstreams merge trailers into headers, so an identity must not come in that way either.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if self.answered {
            return Action::Pause;
        }
        let Some(gate) = self.gate.clone() else { return Action::Pause };
        if !gate.config.judges_inbound {
            return Action::Continue;
        }
        let stripped = host::header_pairs(MapType::HttpRequestTrailers).is_some_and(|buffer| {
            parse_headers(&buffer)
                .is_some_and(|trailers| strip(&gate, MapType::HttpRequestTrailers, &trailers))
        });
        if stripped {
            Action::Continue
        } else {
            self.refuse(&Answer::new(Denial::new(Reason::Internal), &gate.config.answers, form()))
        }
    }
}

/// Judges the request, and carries out what was judged. An error is a refusal that is not answered yet, and the form in
/// which the client understands it.
fn decide(gate: &Gate) -> Result<(), (Denial, Form)> {
    let unreadable = Denial::new(Reason::Internal);
    let read = host::header_pairs(MapType::HttpRequestHeaders);
    let headers = read.as_deref().and_then(parse_headers);
    let Some(headers) = headers.filter(|headers| strip(gate, MapType::HttpRequestHeaders, headers)) else {
        gate.count_refusal(None, unreadable);
        return Err((unreadable, Form::Http));
    };
    let now = host::now();
    #[cfg(feature = "test-hooks")]
    let now = crate::test_hooks::now(gate).unwrap_or(now);
    let connection = if gate.judge.asks_for_peer() { host::connection() } else { Default::default() };
    let mut verdict = gate.judge(&headers, &connection, now);
    if let Ok(passage) = &verdict.outcome
        && admit(gate, &headers, &verdict, passage).is_none()
    {
        verdict.outcome = Err(unreadable);
    }
    gate.count_verdict(&verdict);
    tell(gate, &verdict);
    gate.tell_counts(now);
    if let Some(level) = gate.config.log.level
        && verdict.denial().is_some()
        && gate.sampling.is_due()
        && let Some(line) = refusal_log::line(&verdict, gate.judge.token(&headers))
    {
        log::log!(host::log_level(level), "{line}");
    }
    verdict.outcome.map(drop).map_err(|denial| (denial, Form::of(&headers)))
}

/// Removes whatever an upstream could take for the verified identity; `false` when that is not certain.
fn strip(gate: &Gate, map: MapType, headers: &Headers<'_>) -> bool {
    for name in headers.names().filter(|name| gate.judge.owns_header(name)) {
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
fn admit(gate: &Gate, headers: &Headers<'_>, verdict: &Verdict<'_>, passage: &Passage) -> Option<()> {
    for edit in gate.judge.edits(headers, verdict) {
        let done = match &edit {
            Edit::Remove(name) => hostcalls::remove_map_value(MapType::HttpRequestHeaders, name),
            Edit::Set(name, value) => {
                hostcalls::set_map_value_bytes(MapType::HttpRequestHeaders, name, Some(value))
            }
        };
        done.ok()?;
    }
    if let Passage::Admitted(identity) = passage {
        host::set_property(&gate.id_property, identity.spiffe_id().as_str().as_bytes())?;
    }
    host::set_property(&gate.mark_property, MARK_VALUE)
}

/// For access logs. What fails here changes nothing for the request.
fn tell(gate: &Gate, verdict: &Verdict<'_>) {
    let rule = verdict.rule.map_or("none", |rule| rule.name.as_str());
    let _ = host::set_property(&gate.rule_property, rule.as_bytes());
    if let Some(denial) = verdict.denial() {
        let reason = denial.reason().as_str();
        let _ = host::set_property(&gate.reason_property, reason.as_bytes());
    }
}

/// The form in which the client of this request understands a refusal, where its headers are not at hand.
fn form() -> Form {
    let read = host::header_pairs(MapType::HttpRequestHeaders);
    read.as_deref().and_then(parse_headers).map_or(Form::Http, |headers| Form::of(&headers))
}

fn send(answer: &Answer) {
    let mut headers = vec![("cache-control", "no-store")];
    headers.extend(answer.content_type.map(|content_type| ("content-type", content_type)));
    if let Some(challenge) = &answer.challenge {
        headers.push(("www-authenticate", challenge));
    }
    // If Envoy does not take the answer the request stays paused and times out; it does not pass.
    let _ = hostcalls::send_http_response(u32::from(answer.status), headers, Some(&answer.body));
}

/// The guard (an RBAC filter) admits requests whose filter state `wasm.svidgate` has this value.
const MARK_VALUE: &[u8] = b"verified";
