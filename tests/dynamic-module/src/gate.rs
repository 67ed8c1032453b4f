//! Judges requests as the plugin does, in the same order: read, judge, strip, change headers, mark, count.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher as _, RandomState};
use std::rc::Rc;
use std::sync::{Arc, Weak};

use svidgate_jwt_svid::{CacheUse, RustCrypto, TokenCache};
use svidgate_plugin::metrics::Status;
use svidgate_plugin::refusal_log::{self, Sampling};
use svidgate_plugin::request::{Answer, Court, Form};
use svidgate_policy::{Connection, Denial, Edit, Headers, Passage, Reason};

use crate::abi::{EnvoyConfig, Map};
use crate::configuration::Configuration;
use crate::host::{self, Counter, Request};
use crate::test_faults;

/// One instance of the filter: shared by all workers, read only.
pub(crate) struct Gate {
    configuration: Arc<Configuration>,
    counters: Counters,
}

struct Counters {
    attempts: Counter,
    failures: Counter,
    cache_hits: Counter,
    cache_misses: Counter,
    stripped: Counter,
}

/// What was judged, free of the headers, which change now.
struct Judged {
    denial: Option<Denial>,
    outcome: Result<Passage, Denial>,
    owned: Vec<Vec<u8>>,
    changes: Vec<Change>,
    rule: String,
    status: Status,
    cache_use: Option<CacheUse>,
    /// For Envoy's log.
    line: Option<String>,
}

/// A change of the headers that owns what it sets: no header may be held while one is changed.
enum Change {
    Remove(String),
    Set(String, Vec<u8>),
}

impl Change {
    fn of(edit: &Edit<'_>) -> Self {
        match edit {
            Edit::Remove(name) => Self::Remove((*name).to_owned()),
            Edit::Set(name, value) => Self::Set((*name).to_owned(), value.to_vec()),
        }
    }
}

/// What a worker has of its own for a configuration: its parts are for one thread.
struct Worker {
    cache: RefCell<TokenCache>,
    sampling: Sampling,
}

impl Gate {
    /// Reads the configuration and defines the counters.
    ///
    /// # Safety
    /// `config` must be what Envoy has just given.
    ///
    /// # Errors
    /// What is wrong, for Envoy's log.
    pub(crate) unsafe fn new(config: EnvoyConfig, text: &[u8]) -> Result<Self, String> {
        let configuration = Arc::new(Configuration::parse(text)?);
        // SAFETY: the caller's.
        let define = |name: &str, labels: &[&str]| unsafe {
            Counter::define(config, name, labels).ok_or_else(|| format!("Envoy refuses the counter {name}"))
        };
        let counters = Counters {
            attempts: define("svidgate_auth_attempts_total", &["rule", "status"])?,
            failures: define("svidgate_auth_failures_total", &["rule", "reason"])?,
            cache_hits: define("svidgate_token_cache_hits_total", &[])?,
            cache_misses: define("svidgate_token_cache_misses_total", &[])?,
            stripped: define("svidgate_identity_headers_stripped_total", &[])?,
        };
        Ok(Self { configuration, counters })
    }

    /// Decides about a request; `false` when it was answered and must not go on.
    pub(crate) fn on_headers(&self, request: &mut Request) -> bool {
        if self.configuration.test_faults {
            test_faults::on_request(request);
        }
        let Some(judged) = self.judge(request) else {
            return self.refuse(request, Denial::new(Reason::Internal));
        };
        let mut outcome = judged.outcome;
        if !self.strip(request, Map::RequestHeaders, &judged.owned)
            || outcome.as_ref().is_ok_and(|passage| !admit(request, &judged.changes, passage))
        {
            outcome = Err(Denial::new(Reason::Internal));
        }
        request.count(self.counters.attempts, &[&judged.rule, judged.status.as_str()]);
        request.set_filter_state(RULE, &judged.rule);
        if let Some(denial) = outcome.as_ref().err().copied().or(judged.denial) {
            let reason = denial.reason().as_str();
            request.count(self.counters.failures, &[&judged.rule, reason]);
            request.set_filter_state(REASON, reason);
        }
        match judged.cache_use {
            Some(CacheUse::Hit) => request.count(self.counters.cache_hits, &[]),
            Some(CacheUse::Miss) => request.count(self.counters.cache_misses, &[]),
            Some(CacheUse::Off) | None => {}
        }
        if let (Some(level), Some(line)) = (self.configuration.plugin.log.level, &judged.line) {
            host::log(level, line);
        }
        match outcome {
            Ok(_) => true,
            Err(denial) => self.refuse(request, denial),
        }
    }

    /// Some upstreams merge trailers into headers, so an identity must not come in that way either.
    pub(crate) fn on_trailers(&self, request: &mut Request) -> bool {
        let owned = request.headers(Map::RequestTrailers).map(|pairs| self.owned(&Headers::new(pairs)));
        owned.is_some_and(|owned| self.strip(request, Map::RequestTrailers, &owned))
            || self.refuse(request, Denial::new(Reason::Internal))
    }

    /// Answers in place of the service, in the client's form.
    pub(crate) fn refuse(&self, request: &mut Request, denial: Denial) -> bool {
        let read = request.headers(Map::RequestHeaders);
        let form = read.map_or(Form::Http, |pairs| Form::of(&Headers::new(pairs)));
        let answer = Answer::new(denial, &self.configuration.plugin.answers, form);
        let mut headers = vec![("cache-control", "no-store")];
        headers.extend(answer.content_type.map(|content_type| ("content-type", content_type)));
        if let Some(challenge) = &answer.challenge {
            headers.push(("www-authenticate", challenge));
        }
        request.answer(answer.status, &headers, &answer.body, denial.reason().as_str());
        false
    }

    fn judge(&self, request: &Request) -> Option<Judged> {
        let headers = Headers::new(request.headers(Map::RequestHeaders)?);
        let Configuration { plugin, judge, trust, .. } = &*self.configuration;
        let worker = worker(&self.configuration);
        let court = Court {
            trust,
            cache: &worker.cache,
            verifier: &plugin.verifier,
            crypto: &RustCrypto,
            cache_use: Cell::new(None),
        };
        let verdict = judge.decide(&headers, &Connection::default(), &court, host::now());
        let is_logged = plugin.log.level.is_some() && verdict.denial().is_some() && worker.sampling.is_due();
        Some(Judged {
            denial: verdict.denial(),
            owned: self.owned(&headers),
            changes: judge.edits(&headers, &verdict).iter().map(Change::of).collect(),
            rule: verdict.rule.map_or("none", |rule| rule.name.as_str()).to_owned(),
            status: Status::of(&verdict),
            cache_use: court.cache_use.get(),
            line: is_logged.then(|| refusal_log::line(&verdict, judge.token(&headers))).flatten(),
            outcome: verdict.outcome,
        })
    }

    /// Names of headers that an upstream could take for the verified identity.
    fn owned(&self, headers: &Headers<'_>) -> Vec<Vec<u8>> {
        let owned = headers.names().filter(|name| self.configuration.judge.owns_header(name));
        owned.map(<[u8]>::to_vec).collect()
    }

    fn strip(&self, request: &mut Request, map: Map, names: &[Vec<u8>]) -> bool {
        names.iter().all(|name| {
            request.count(self.counters.stripped, &[]);
            request.remove(map, name)
        })
    }
}

/// Tells the upstream who calls, and the guard behind us that this request was decided.
fn admit(request: &mut Request, changes: &[Change], passage: &Passage) -> bool {
    let edited = changes.iter().all(|change| match change {
        Change::Remove(name) => request.remove(Map::RequestHeaders, name.as_bytes()),
        Change::Set(name, value) => request.set(Map::RequestHeaders, name.as_bytes(), value),
    });
    let named = match passage {
        Passage::Admitted(identity) => request.set_filter_state(SPIFFE_ID, identity.spiffe_id().as_str()),
        _ => true,
    };
    edited && named && request.set_filter_state(MARK, "verified")
}

thread_local! {
    static WORKERS: RefCell<Vec<(Weak<Configuration>, Rc<Worker>)>> = RefCell::default();
}

/// What this worker has for a configuration. Tokens of the cache are behind `Rc`, as those of the judge are, so workers
/// cannot share one. What belongs to configurations that are gone goes when a worker meets the next one.
fn worker(configuration: &Arc<Configuration>) -> Rc<Worker> {
    WORKERS.with_borrow_mut(|workers| {
        let known =
            workers.iter().find(|(owner, _)| std::ptr::eq(owner.as_ptr(), Arc::as_ptr(configuration)));
        if let Some((_, worker)) = known {
            return worker.clone();
        }
        workers.retain(|(owner, _)| owner.strong_count() > 0);
        // The seed only keeps callers from choosing which tokens share a slot.
        let cache = TokenCache::new(configuration.plugin.token_cache, RandomState::new().hash_one(0));
        let sampling = Sampling::new(configuration.plugin.log.sample);
        let worker = Rc::new(Worker { cache: RefCell::new(cache), sampling });
        workers.push((Arc::downgrade(configuration), worker.clone()));
        worker
    })
}

/// After a panic, which may have left a cache half changed, this worker begins anew.
pub(crate) fn forget_worker() {
    let _ = WORKERS.try_with(RefCell::take);
}

/// The keys of the plugin, under which Envoy keeps what a Wasm filter sets: guard and access log need no change.
const MARK: &str = "wasm.svidgate";
const SPIFFE_ID: &str = "wasm.svidgate_spiffe_id";
const RULE: &str = "wasm.svidgate_rule";
const REASON: &str = "wasm.svidgate_reason";
