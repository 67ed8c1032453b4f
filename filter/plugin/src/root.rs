//! The root context: one for each plugin configuration in each VM (base VM, workers, main thread).

use std::cell::{Cell, Ref, RefCell};
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, MapType};

use svidgate_jwt_svid::TokenCache;
use svidgate_policy::{Connection, Denial, Headers, Judge, Verdict};

use crate::bundle_ages::BundleAges;
use crate::config::Config;
use crate::counters::{Counters, record, record_as};
use crate::crypto::{Checked, Crypto};
use crate::host::{self, EnvoySharedData, EnvoySignatures};
use crate::metrics::{CREDENTIALS, Counter, Gauge, GrpcLabel, ROLLBACK, Status};
use crate::outgoing::Wanted;
use crate::outgoing::apply::Marks;
use crate::refusal_log::Sampling;
use crate::request::{Court, parse_headers};
use crate::stream::Stream;
use crate::subscription::{Board, Keys, Request, Response, Subscriber};
use crate::trust::{Adopted, Refusal, Trust};

/// What a configured plugin instance and its requests share.
pub(crate) struct Gate {
    pub(crate) config: Config,
    pub(crate) judge: Judge,
    pub(crate) sampling: Sampling,
    pub(crate) mark_property: String,
    pub(crate) id_property: String,
    pub(crate) rule_property: String,
    pub(crate) reason_property: String,
    pub(crate) outgoing_marks: Marks,
    board: Board,
    trust: RefCell<Trust>,
    cache: RefCell<TokenCache>,
    pub(crate) crypto: Crypto<EnvoySignatures>,
    host_failed: Cell<bool>,
    counters: Counters,
    bundle_ages: RefCell<BundleAges>,
    looked_at: RefCell<u64>,
    told_at: Cell<u64>,
}

/// Starts without a configuration; `on_configure` gives it one.
#[derive(Default)]
pub(crate) struct Root {
    gate: Option<Rc<Gate>>,
    subscription: Option<Subscription>,
}

struct Subscription {
    subscriber: Subscriber,
    cluster: String,
    timeout: Duration,
    node: String,
}

impl Gate {
    fn new(config: Config, board: Board) -> Self {
        let base = if config.name.is_empty() { MARK.to_owned() } else { format!("{MARK}_{}", config.name) };
        Self {
            judge: Judge::new(config.settings.clone()),
            sampling: Sampling::new(config.log.sample),
            id_property: format!("{base}_spiffe_id"),
            rule_property: format!("{base}_rule"),
            reason_property: format!("{base}_reason"),
            outgoing_marks: Marks::new(&base, &config),
            mark_property: base,
            board,
            trust: RefCell::new(Trust::wanting(config.outgoing.as_ref().map(Wanted::by))),
            // The seed only keeps callers from choosing which tokens share a slot.
            cache: RefCell::new(TokenCache::new(config.token_cache, host::nanos())),
            crypto: Crypto::new(config.crypto, EnvoySignatures),
            host_failed: Cell::default(),
            counters: Counters::default(),
            bundle_ages: RefCell::new(BundleAges::new(&config.settings)),
            looked_at: RefCell::default(),
            told_at: Cell::default(),
            config,
        }
    }

    /// Judges a request by the trust in force, after a look at the board unless there was one within the last
    /// millisecond.
    pub(crate) fn judge(&self, headers: &Headers<'_>, connection: &Connection, now: u64) -> Verdict<'_> {
        self.look(now);
        let court = Court {
            trust: &self.trust.borrow(),
            cache: &self.cache,
            verifier: &self.config.verifier,
            crypto: &self.crypto,
            cache_use: Cell::new(None),
        };
        let verdict = self.judge.decide(headers, connection, &court, now);
        if let Some(counter) = court.cache_use.get().and_then(Counter::of_cache) {
            self.count(counter);
        }
        if let Some(checked) = self.crypto.take_checked() {
            self.note_check(checked);
        }
        verdict
    }

    /// A look at the board, unless there was one within the last millisecond.
    fn look(&self, now: u64) {
        if self.looked_at.replace(now) != now {
            self.refresh(now);
        }
    }

    /// The trust in force, with the credentials.
    pub(crate) fn trust(&self, now: u64) -> Ref<'_, Trust> {
        self.look(now);
        self.trust.borrow()
    }

    fn note_check(&self, checked: Checked) {
        self.count(Counter::SignatureCheck(checked));
        match checked {
            Checked::By(_) => {}
            Checked::HostFailed => {
                if !self.host_failed.replace(true) {
                    log::warn!("the host could not check a signature; such tokens are refused, and counted");
                }
            }
            Checked::HostMissing => log::warn!(
                "this host has no `verify_signature`; signatures are checked in the module from now on. Set `crypto` to `wasm`"
            ),
        }
    }

    /// For a test that has put something on the board within this millisecond.
    #[cfg(feature = "test-hooks")]
    pub(crate) fn look_again(&self) {
        self.looked_at.replace(0);
    }

    pub(crate) fn count(&self, counter: Counter) {
        self.counters.increment(counter, &self.config);
    }

    pub(crate) fn count_refusal(&self, rule: Option<usize>, denial: Denial) {
        self.count(Counter::Attempt(rule, Status::Refused(denial.outcome())));
        self.count(Counter::Failure(rule, denial.reason()));
    }

    pub(crate) fn count_verdict(&self, verdict: &Verdict<'_>) {
        let (rule, status) = (verdict.position, Status::of(verdict));
        let denial = verdict.denial();
        self.count(Counter::Attempt(rule, status));
        if let Some(denial) = denial {
            self.count(Counter::Failure(rule, denial.reason()));
        }
        if status == Status::FailedOpen {
            self.count(Counter::FailedOpen);
        }
        if let Some(label) = GrpcLabel::of(verdict) {
            self.count(Counter::GrpcAttempt(label, status));
            if let Some(denial) = denial {
                self.count(Counter::GrpcFailure(label, denial.reason()));
            }
        }
    }

    /// Tells Envoy what was counted, unless that was done within this millisecond: the next request or the tick does it.
    pub(crate) fn tell_counts(&self, now: u64) {
        if self.told_at.replace(now) != now {
            self.counters.flush();
        }
    }

    /// Tells Envoy what was counted and what there is.
    fn report(&self, now: u64) {
        self.counters.flush();
        self.record_gauges(now);
    }

    fn record_gauges(&self, now: u64) {
        let trust = self.trust.borrow();
        if let Some(snapshot) = trust.snapshot() {
            let oldest = snapshot.observed().domains.values().copied().min().unwrap_or(now);
            record(Gauge::BundleAge, now.saturating_sub(oldest).checked_div(1000).unwrap_or(0));
            let bits =
                snapshot.revision().as_str().get(..8).and_then(|hex| u64::from_str_radix(hex, 16).ok());
            record(Gauge::Revision, bits.unwrap_or(0));
            for (gauge, seconds) in self.bundle_ages.borrow_mut().update(&snapshot.observed().domains, now) {
                record_as(gauge, seconds);
            }
        }
        let cache = self.cache.borrow();
        if !cache.is_empty() {
            record(Gauge::CacheEntries, u64::try_from(cache.len()).unwrap_or(u64::MAX));
            record(Gauge::CacheBytes, u64::try_from(cache.bytes()).unwrap_or(u64::MAX));
        }
    }

    fn refresh(&self, now: u64) {
        let refreshed = self.trust.borrow_mut().refresh(&EnvoySharedData, &self.board, now);
        self.note(refreshed, "shared data");
    }

    fn note(&self, taken: Result<Option<Adopted>, Refusal>, origin: &str) {
        match taken {
            Ok(None | Some(Adopted::Confirmed)) => {}
            Ok(Some(Adopted::Changed)) => {
                self.count(Counter::SnapshotApplied);
                let trust = self.trust.borrow();
                if let Some(snapshot) = trust.snapshot() {
                    let (revision, domains) = (snapshot.revision().short(), snapshot.trust().len());
                    log::info!("snapshot {revision} with {domains} trust domains in force (from {origin})");
                }
            }
            Ok(Some(Adopted::PartlyOlder)) => {
                self.count(Counter::SnapshotRefused(ROLLBACK));
                log::warn!("snapshot from {origin} was older in part; the newer state stays in force");
            }
            Ok(Some(Adopted::CredentialsRefused)) => {
                self.count(Counter::SnapshotRefused(CREDENTIALS));
                log::warn!(
                    "the credentials from {origin} do not open with `credentials.key`; those of before stay in force"
                );
            }
            Err(refusal) => {
                self.count(Counter::SnapshotRefused(refusal.label()));
                log::warn!(
                    "snapshot from {origin} refused: {}; the last good state stays in force",
                    refusal.label()
                );
            }
        }
    }
}

impl Context for Root {
    fn on_http_call_response(&mut self, _token: u32, headers: usize, body_size: usize, _trailers: usize) {
        let (Some(gate), Some(subscription)) = (&self.gate, &mut self.subscription) else { return };
        let now = host::now();
        let body;
        let response = match status(headers) {
            None => Response::Failed,
            Some(200) if body_size > Subscriber::max_body_bytes() => Response::TooLarge,
            Some(200) => match hostcalls::get_buffer(BufferType::HttpCallResponseBody, 0, body_size) {
                Ok(bytes) => {
                    body = bytes.unwrap_or_default();
                    Response::Snapshot(&body)
                }
                Err(_) => Response::Failed,
            },
            Some(status) => Response::Status(status),
        };
        let taken = subscription.subscriber.received(
            &response,
            &EnvoySharedData,
            &gate.board,
            &mut gate.trust.borrow_mut(),
            now,
        );
        gate.note(taken, "the controller");
        self.tick();
    }

    fn on_done(&mut self) -> bool {
        if let Some(gate) = &self.gate {
            gate.counters.flush();
        }
        if let Some(subscription) = &mut self.subscription {
            subscription.subscriber.leave(&EnvoySharedData);
        }
        true
    }
}

impl RootContext for Root {
    /// Fails only for what is wrong in the configuration itself, on every VM alike. If it failed on the workers alone,
    /// Envoy would let requests through unfiltered; see `SECURITY.md`.
    fn on_configure(&mut self, size: usize) -> bool {
        let text = match hostcalls::get_buffer(BufferType::PluginConfiguration, 0, size) {
            Ok(text) => text.unwrap_or_default(),
            Err(_) => Vec::new(),
        };
        let config = match Config::parse(&text) {
            Ok(config) => config,
            Err(errors) => {
                for error in errors.iter() {
                    log::error!("configuration: {error}");
                }
                return false;
            }
        };
        #[cfg(feature = "test-hooks")]
        if !crate::test_hooks::may_configure(&config) {
            return false;
        }
        let wanted = config.outgoing.as_ref().map(Wanted::by);
        let keys = Keys::wanting(&config.controller, wanted.as_ref());
        let board = Board::new(keys.clone());
        let node =
            node_id().unwrap_or_else(|| format!("unnamed-{}", host::process_name(&keys.name("process"))));
        self.subscription = Some(Subscription {
            subscriber: Subscriber::new(keys, &config.controller).asking_for(wanted.as_ref()),
            cluster: config.controller.cluster.clone(),
            timeout: config.controller.wait.saturating_add(CALL_GRACE),
            node,
        });
        if config.settings.fail_open {
            log::warn!(
                "fail_open is set: requests that cannot be judged are let in. This is for development only"
            );
        }
        let gate = Gate::new(config, board);
        // After a trap or a new configuration the state is in shared data already; without it requests get 503.
        gate.refresh(host::now());
        self.gate = Some(Rc::new(gate));
        // The controller cannot be called from here: the clusters may not be there yet.
        let _ = hostcalls::set_tick_period(TICK);
        true
    }

    fn on_tick(&mut self) {
        if let Some(gate) = &self.gate {
            let now = host::now();
            gate.refresh(now);
            gate.report(now);
        }
        self.tick();
        #[cfg(feature = "test-hooks")]
        if let (Some(gate), Some(subscription)) = (&self.gate, &self.subscription) {
            let holds = subscription.subscriber.is_subscribed() && gate.trust.borrow().snapshot().is_some();
            crate::test_hooks::on_tick(&gate.config, holds);
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::new(self.gate.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    fn tick(&mut self) {
        let (Some(gate), Some(subscription)) = (&self.gate, &mut self.subscription) else { return };
        let now = host::now();
        let mut trust = gate.trust.borrow_mut();
        let subscriber = &mut subscription.subscriber;
        if let Some(request) =
            subscriber.tick(&EnvoySharedData, &gate.board, &mut trust, &subscription.node, now)
        {
            let sent = send(&subscription.cluster, &request, subscription.timeout);
            if !sent {
                log::warn!("cannot call the controller: is there a cluster {:?}?", subscription.cluster);
            }
            subscription.subscriber.sent(sent, now);
        }
    }
}

fn send(cluster: &str, request: &Request, timeout: Duration) -> bool {
    let mut headers = vec![(":method", "GET"), (":path", &request.path), (":authority", "svidgate")];
    headers.extend(request.headers.iter().map(|(name, value)| (*name, value.as_str())));
    hostcalls::dispatch_http_call(cluster, headers, None, Vec::new(), timeout).is_ok()
}

/// Status of the answer to a call; none when there was no answer.
fn status(header_count: usize) -> Option<u16> {
    if header_count == 0 {
        return None;
    }
    let buffer = host::header_pairs(MapType::HttpCallResponseHeaders)?;
    let headers = parse_headers(&buffer)?;
    let status = headers.values(":status").next()?;
    std::str::from_utf8(status).ok()?.parse().ok()
}

/// Envoy's node id, where it has one: newer versions know it as an xDS attribute, older ones by the bare name. A static
/// bootstrap needs none.
fn node_id() -> Option<String> {
    [vec!["xds", "node", "id"], vec!["node", "id"]]
        .into_iter()
        .find_map(|path| hostcalls::get_property(path).ok().flatten())
        .and_then(|id| String::from_utf8(id).ok())
        .filter(|id| !id.is_empty())
}

/// Filter state `wasm.svidgate` is the mark for the guard. Those with a suffix are for access logs: a header can be the
/// client's own text when Envoy refuses a request before this filter sees it.
const MARK: &str = "svidgate";
/// How often each VM looks at lease and board; a successor takes over within 3 s with it.
const TICK: Duration = Duration::from_millis(250);
/// Time for the answer to travel after the controller's wait has ended.
const CALL_GRACE: Duration = Duration::from_secs(5);
