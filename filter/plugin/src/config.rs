//! The plugin's configuration, read and checked whole. The same code serves `svidgate check`.

use std::time::Duration;

use serde_json::Value;
use svidgate_config::{Errors, Object, duration, integer, non_empty_string, parse_json, read};
use svidgate_jwt_svid::{Algorithm, AlgorithmSet, Audiences, SpiffeId, Verifier, VerifierConfig};
use svidgate_policy::Allowlist;

/// What one plugin instance enforces.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where snapshots come from.
    pub controller: Controller,
    /// What a token must satisfy.
    pub verifier: Verifier,
    /// How old the last confirmation of a bundle may be; none: the last good bundle serves for ever, so that an
    /// outage of the controller never stops traffic.
    pub max_staleness: Option<Duration>,
    /// Header that carries the verified SPIFFE ID to the upstream; removed from every incoming request.
    pub identity_header: String,
    /// Callers that are let in.
    pub allowlist: Allowlist,
    /// Fault to provoke, in test builds only.
    #[cfg(feature = "test-hooks")]
    pub test_fault: Option<String>,
}

/// The controller as Envoy knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Controller {
    /// Envoy cluster that leads to the controller.
    pub cluster: String,
    /// How long the controller may hold a request for a snapshot.
    pub wait: Duration,
}

impl Config {
    /// Reads the JSON text of the plugin configuration.
    ///
    /// # Errors
    /// Every mistake at once, with the path of each.
    pub fn parse(text: &[u8]) -> Result<Self, Errors> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(Errors::one(
                "",
                "the plugin has no configuration; at least `audiences` and `allowed_spiffe_ids` are needed",
            ));
        }
        Self::from_value(&parse_json(text)?)
    }

    /// Reads a configuration that was parsed already, for example from YAML.
    ///
    /// # Errors
    /// As [`Self::parse`].
    pub fn from_value(value: &Value) -> Result<Self, Errors> {
        read(value, build)
    }
}

fn build(object: &mut Object<'_>) -> Option<Config> {
    let controller = object.object("controller", |controller| {
        let cluster = controller.or("cluster", DEFAULT_CLUSTER.to_owned(), non_empty_string);
        let wait = controller.or("wait", DEFAULT_WAIT, duration(WAIT));
        Some(Controller { cluster: cluster?, wait: wait? })
    });
    let audiences = object
        .required_list("audiences", non_empty_string)
        .and_then(|audiences| noted(object, "audiences", Audiences::new(audiences)));
    let algorithms = match object.list("algorithms", algorithm) {
        Some(None) => Some(AlgorithmSet::all()),
        Some(Some(list)) => noted(object, "algorithms", AlgorithmSet::new(list)),
        None => None,
    };
    let clock_skew = object.or("clock_skew", DEFAULT_SKEW, duration(Duration::ZERO..=MAX_SKEW));
    let max_token_bytes = object.or("max_token_bytes", DEFAULT_TOKEN_BYTES, integer(512..=65536));
    let max_staleness = object.optional("max_staleness", duration(MIN_STALENESS..=MAX_STALENESS));
    let identity_header = object.or("identity_header", DEFAULT_IDENTITY_HEADER.to_owned(), identity_header);
    let allowlist =
        object.required_list("allowed_spiffe_ids", spiffe_id).and_then(|ids| Allowlist::new(ids).ok());
    #[cfg(feature = "test-hooks")]
    let test_fault = object.optional("test_fault", non_empty_string);

    if let (Some(controller), Some(Some(max_staleness))) = (&controller, &max_staleness) {
        // The controller hears from the agent every ten seconds or so, and tells it once a wait; a shorter bound would
        // refuse everybody in between.
        let least = controller.wait.saturating_add(controller.wait.max(CONFIRMATION));
        if *max_staleness < least {
            object.error("max_staleness", format!("must be at least {least:?} with this `controller.wait`"));
            return None;
        }
    }
    let demands = VerifierConfig {
        clock_skew: clock_skew?.as_secs(),
        max_token_bytes: usize::try_from(max_token_bytes?).ok()?,
        algorithms: algorithms?,
        ..VerifierConfig::new(audiences?)
    };
    Some(Config {
        controller: controller?,
        verifier: noted(object, "", Verifier::new(demands))?,
        max_staleness: max_staleness?,
        identity_header: identity_header?,
        allowlist: allowlist?,
        #[cfg(feature = "test-hooks")]
        test_fault: test_fault?,
    })
}

fn noted<T, E: std::fmt::Display>(
    object: &mut Object<'_>,
    name: &'static str,
    result: Result<T, E>,
) -> Option<T> {
    result.map_err(|error| object.error(name, error.to_string())).ok()
}

fn algorithm(value: &Value) -> Result<Algorithm, String> {
    let name = non_empty_string(value)?;
    Algorithm::parse(&name).ok_or_else(|| {
        let known: Vec<_> = Algorithm::ALL.iter().map(|algorithm| algorithm.as_str()).collect();
        format!("unknown algorithm; known, in exactly this spelling: {}", known.join(", "))
    })
}

fn spiffe_id(value: &Value) -> Result<SpiffeId, String> {
    let text = non_empty_string(value)?;
    let id = SpiffeId::parse(&text).map_err(|error| error.to_string())?;
    if id.path().is_empty() {
        return Err("names a trust domain, not a workload; a path is needed".to_owned());
    }
    Ok(id)
}

/// A header that the filter may own: lower case, and none whose meaning belongs to HTTP, Envoy or the caller.
fn identity_header(value: &Value) -> Result<String, String> {
    let name = non_empty_string(value)?;
    let well_formed = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !well_formed {
        return Err("must be a header name in lower case: letters, digits and `-`, at most 64".to_owned());
    }
    let reserved = RESERVED_HEADERS.contains(&name.as_str())
        || ["x-envoy-", "x-forwarded-", "sec-", "proxy-", "content-", "access-control-"]
            .iter()
            .any(|prefix| name.starts_with(prefix));
    if reserved {
        return Err("is a header with a meaning of its own; the filter would break it".to_owned());
    }
    Ok(name)
}

/// Name used in every example of ours.
pub const DEFAULT_CLUSTER: &str = "svidgate_controller";
/// Long enough that idle Envoys cost the controller nothing, short enough that the call of a dead worker ends soon.
const DEFAULT_WAIT: Duration = Duration::from_secs(30);
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(60);
/// Clocks under NTP differ by milliseconds; SPIRE's shortest useful tokens live for a minute.
const DEFAULT_SKEW: Duration = Duration::from_secs(5);
const MAX_SKEW: Duration = Duration::from_secs(300);
/// Checklist V2; SPIRE's largest usual tokens are around 1 KiB.
const DEFAULT_TOKEN_BYTES: u64 = 8192;
const MIN_STALENESS: Duration = Duration::from_secs(1);
/// Longest time between two words of an agent that is well, with room for one that is lost.
const CONFIRMATION: Duration = Duration::from_secs(30);
const MAX_STALENESS: Duration = Duration::from_secs(30 * 24 * 3600);
/// What upstreams of SPIFFE meshes look for.
const DEFAULT_IDENTITY_HEADER: &str = "x-spiffe-id";
const RESERVED_HEADERS: [&str; 14] = [
    "authorization",
    "connection",
    "cookie",
    "date",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-request-id",
];

#[cfg(test)]
mod tests;
