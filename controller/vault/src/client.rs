//! Calls to one Vault: headers, redirects, errors, timeouts, retries, the circuit breaker, metrics.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use backon::{ExponentialBuilder, Retryable as _};
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION, RETRY_AFTER, USER_AGENT};
use hyper::{Method, Request};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout};
use url::Url;
use zeroize::Zeroizing;

use crate::breaker::{Breaker, BreakerState};
use crate::clock::{SharedClock, SystemClock};
use crate::error::{Error, Fault, SourceError};
use crate::login::Print;
use crate::metrics::Metrics;
use crate::operation::Operation;
use crate::settings::{RetrySettings, Settings};
use crate::source::Identity;
use crate::tls;
use crate::transport::{Answer, Exchange, Transport};

/// A client of one Vault. Clones share connections, circuit breaker and metrics.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    transport: Transport,
    token: Option<SecretString>,
    namespace: Option<HeaderValue>,
    retry: RetrySettings,
}

struct Shared {
    settings: Settings,
    breaker: Breaker,
    metrics: Metrics,
    clock: SharedClock,
    /// Tests bring their own connections; those are never opened anew.
    fixed: bool,
}

/// One call: what is asked, not how.
pub(crate) struct Call {
    pub(crate) operation: Operation,
    pub(crate) method: Method,
    /// Path segments behind `/v1`, raw.
    pub(crate) path: Vec<String>,
    pub(crate) query: Option<String>,
    pub(crate) body: Option<Zeroizing<Vec<u8>>>,
    pub(crate) content_type: &'static str,
    pub(crate) anonymous: bool,
    /// Statuses beyond 2xx that are answers, not errors.
    pub(crate) accepts: &'static [u16],
}

impl Client {
    /// A client for the Vault of `settings`. The CA file is read now; nothing is sent.
    ///
    /// # Errors
    /// When the CA file or the TLS server name cannot be used.
    pub async fn new(settings: Settings, metrics: Metrics) -> Result<Self, SourceError> {
        Self::with_clock(settings, metrics, Arc::new(SystemClock)).await
    }

    /// As [`Client::new`], with another wall clock.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub async fn with_clock(
        settings: Settings,
        metrics: Metrics,
        clock: SharedClock,
    ) -> Result<Self, SourceError> {
        let transport = connect(&settings, None).await?;
        Self::assemble(settings, metrics, clock, transport, false)
    }

    /// A client over connections of the caller's own, for tests and unusual networks.
    ///
    /// # Errors
    /// When the namespace cannot be sent.
    pub fn over(
        exchange: Exchange,
        settings: Settings,
        metrics: Metrics,
        clock: SharedClock,
    ) -> Result<Self, SourceError> {
        Self::assemble(settings, metrics, clock, Transport::over(exchange), true)
    }

    fn assemble(
        settings: Settings,
        metrics: Metrics,
        clock: SharedClock,
        transport: Transport,
        fixed: bool,
    ) -> Result<Self, SourceError> {
        let namespace = settings.namespace.as_deref().map(namespace_header).transpose()?;
        let breaker = Breaker::new(settings.breaker);
        metrics.watch_breaker(settings.address(), breaker.clone());
        let retry = settings.retry;
        let shared = Arc::new(Shared { settings, breaker, metrics, clock, fixed });
        Ok(Self { shared, transport, token: None, namespace, retry })
    }

    /// The same client with a token for its calls.
    ///
    /// # Errors
    /// When it holds anything but visible ASCII (checklist H6).
    pub fn with_token(&self, token: SecretString) -> Result<Self, SourceError> {
        let text = token.expose_secret();
        if text.is_empty() || text.len() > MAX_TOKEN_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(SourceError::new("the token is empty, too long or holds bytes that cannot be sent"));
        }
        Ok(Self { token: Some(token), ..self.clone() })
    }

    /// The same client in another namespace.
    ///
    /// # Errors
    /// When the name cannot be sent.
    pub fn in_namespace(&self, namespace: &str) -> Result<Self, SourceError> {
        Ok(Self { namespace: Some(namespace_header(namespace)?), ..self.clone() })
    }

    /// The same client with other retries.
    #[must_use]
    pub fn with_retry(&self, retry: RetrySettings) -> Self {
        Self { retry, ..self.clone() }
    }

    /// The same client on new connections, with the TLS files as they are now.
    pub(crate) async fn reconnected(&self, identity: Option<&Identity>) -> Result<Self, SourceError> {
        if self.shared.fixed {
            return Ok(self.clone());
        }
        let transport = connect(&self.shared.settings, identity).await?;
        Ok(Self { transport, ..self.clone() })
    }

    /// A print of the file of authorities as it is now; none without one, and while it cannot be used.
    pub(crate) async fn authorities(&self) -> Option<Print> {
        let path = self.shared.settings.tls.ca_file.as_deref()?;
        tls::authorities(path).await.ok()
    }

    /// State of the circuit breaker.
    #[must_use]
    pub fn breaker(&self) -> BreakerState {
        self.shared.breaker.state()
    }

    /// Where Vault is.
    #[must_use]
    pub fn address(&self) -> &str {
        self.shared.settings.address()
    }

    pub(crate) fn clock(&self) -> &SharedClock {
        &self.shared.clock
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.metrics
    }

    /// Asks, and asks again as the retry settings say.
    pub(crate) async fn call(&self, call: Call) -> Result<Answer, Error> {
        let retry = self.retry;
        let policy = ExponentialBuilder::new()
            .with_min_delay(retry.min_delay)
            .with_max_delay(retry.max_delay)
            .with_max_times(retry.times)
            .with_jitter();
        let again = |error: &Error| {
            error.is_transient()
                && !matches!(error.fault(), Fault::CircuitOpen(_))
                && !(call.operation.creates() && error.may_have_happened())
        };
        (|| self.once(&call))
            .retry(policy)
            .when(again)
            .adjust(|error: &Error, pause| {
                let asked = error.retry_after().unwrap_or_default().min(retry.max_retry_after);
                pause.map(|pause| pause.max(asked))
            })
            .await
    }

    /// Asks once.
    async fn once(&self, call: &Call) -> Result<Answer, Error> {
        let shared = &self.shared;
        let fail = |fault| Error::new(call.operation, fault);
        let begun = Instant::now();
        let result = if call.operation == Operation::Health {
            // Health is for looking at a Vault that is not well.
            self.in_time(call).await
        } else {
            match shared.breaker.admit() {
                Err(wait) => Err(fail(Fault::CircuitOpen(wait))),
                Ok(permit) => {
                    let result = self.in_time(call).await;
                    match &result {
                        Err(error) if error.is_outage() => permit.failed(),
                        Err(error) if error.status().is_none() => drop(permit),
                        _ => permit.succeeded(),
                    }
                    result
                }
            }
        };
        let label = result.as_ref().map_or_else(Error::label, |answer| answer.status.to_string());
        shared.metrics.requested(call.operation, label, begun.elapsed());
        if let Err(error) = &result {
            tracing::debug!(vault = shared.settings.address(), %error, "a call to Vault failed");
        }
        result
    }

    async fn in_time(&self, call: &Call) -> Result<Answer, Error> {
        let limit = self.shared.settings.request_timeout;
        let answer = timeout(limit, self.follow(call)).await;
        let answer = answer.unwrap_or(Err(Fault::Timeout(limit)));
        let answer = answer.map_err(|fault| Error::new(call.operation, fault))?;
        if (200..300).contains(&answer.status) || call.accepts.contains(&answer.status) {
            return Ok(answer);
        }
        let retry_after = retry_after(&answer.headers, self.shared.clock.wall());
        Err(Error::answered(call.operation, answer.status, retry_after, words(&answer.body)))
    }

    /// One redirect is followed, with method and body (checklist H5).
    async fn follow(&self, call: &Call) -> Result<Answer, Fault> {
        let limit = self.shared.settings.max_answer_bytes;
        let target = self.target(call)?;
        let answer = self.transport.exchange(self.request(call, &target)?, limit).await?;
        if !matches!(answer.status, 301 | 302 | 307 | 308) {
            return Ok(answer);
        }
        let next = redirected(&target, &answer.headers)?;
        let answer = self.transport.exchange(self.request(call, &next)?, limit).await?;
        match answer.status {
            301 | 302 | 307 | 308 => Err(Fault::Redirect("twice")),
            _ => Ok(answer),
        }
    }

    fn target(&self, call: &Call) -> Result<Url, Fault> {
        let mut url = self.shared.settings.address.clone();
        for segment in &call.path {
            let bad = segment.is_empty() || matches!(segment.as_str(), "." | "..");
            if bad || segment.contains(|c: char| c.is_control()) {
                return Err(Fault::Input(
                    "a mount, path or role is empty, or holds what cannot be in a path",
                ));
            }
        }
        url.path_segments_mut()
            .map_err(|()| Fault::Input("the address cannot have a path"))?
            .pop_if_empty()
            .push("v1")
            .extend(&call.path);
        url.set_query(call.query.as_deref());
        Ok(url)
    }

    fn request(&self, call: &Call, target: &Url) -> Result<Request<Full<Bytes>>, Fault> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(target.as_str())
            .header(USER_AGENT, "svidgate")
            .header("x-vault-request", "true");
        if let Some(namespace) = &self.namespace {
            request = request.header("x-vault-namespace", namespace);
        }
        if let (Some(token), false) = (&self.token, call.anonymous) {
            let mut value = HeaderValue::from_str(token.expose_secret())
                .map_err(|_| Fault::Input("the token cannot be sent"))?;
            value.set_sensitive(true);
            request = request.header("x-vault-token", value);
        }
        let mut body = Bytes::new();
        if let Some(content) = &call.body {
            request = request.header(CONTENT_TYPE, call.content_type);
            body = Bytes::from_owner(Wiped(content.clone()));
        }
        request.body(Full::new(body)).map_err(|_| Fault::Input("the request cannot be sent"))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("address", &self.address())
            .field("token", &self.token.as_ref().map(|_| "[REDACTED]"))
            .finish_non_exhaustive()
    }
}

impl Call {
    /// A call to `path`, whose parts are separated by `/`.
    pub(crate) fn new(operation: Operation, method: Method, path: &str) -> Self {
        Self {
            operation,
            method,
            path: path.trim_matches('/').split('/').map(str::to_owned).collect(),
            query: None,
            body: None,
            content_type: "application/json",
            anonymous: false,
            accepts: &[],
        }
    }

    pub(crate) fn json(mut self, content: &impl Serialize) -> Result<Self, Error> {
        // Room from the start: a vector that grows leaves copies behind.
        let mut body = Zeroizing::new(Vec::with_capacity(8 * 1024));
        serde_json::to_writer(&mut *body, content)
            .map_err(|_| Error::new(self.operation, Fault::Input("the content has no JSON form")))?;
        self.body = Some(body);
        Ok(self)
    }
}

struct Wiped(Zeroizing<Vec<u8>>);

impl AsRef<[u8]> for Wiped {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

async fn connect(settings: &Settings, identity: Option<&Identity>) -> Result<Transport, SourceError> {
    let tls = match settings.address.scheme() {
        "https" => Some(tls::config(&settings.tls, identity).await?),
        _ if identity.is_some() => {
            return Err(SourceError::new("a client certificate needs an https address"));
        }
        _ => None,
    };
    Transport::network(tls, settings.tls.server_name.as_deref(), settings.connect_timeout)
}

fn redirected(from: &Url, headers: &HeaderMap) -> Result<Url, Fault> {
    let location = headers.get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| from.join(location).ok());
    let Some(next) = next else { return Err(Fault::Redirect("to nowhere")) };
    if from.scheme() == "https" && next.scheme() != "https" {
        return Err(Fault::Redirect("from https to plain http"));
    }
    // The same rule as for the address itself: no secret in the clear, no user and password.
    let mut base = next.clone();
    base.set_query(None);
    base.set_fragment(None);
    crate::settings::check(&base).map_err(|_| Fault::Redirect("to an address that is not allowed"))?;
    if from.scheme() != next.scheme() {
        return Err(Fault::Redirect("from plain http to https, which needs an https address"));
    }
    Ok(next)
}

fn namespace_header(name: &str) -> Result<HeaderValue, SourceError> {
    if name.is_empty() {
        return Err(SourceError::new("the namespace is empty"));
    }
    HeaderValue::from_str(name).map_err(|_| SourceError::new("the namespace holds bytes that cannot be sent"))
}

/// RFC 9110 section 10.2.3: seconds or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok(),
    }
}

/// `{"errors":[…]}`, or nothing for whatever else a proxy may say (checklist H1).
fn words(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Errors {
        errors: Vec<String>,
    }
    let errors: Errors = serde_json::from_slice(body).ok()?;
    let words: String = errors.errors.join("; ").chars().take(MAX_WORDS).collect();
    (!words.is_empty()).then_some(words)
}

/// Of the largest batch token by far.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
const MAX_WORDS: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn to(from: &str, location: &str) -> Result<String, Fault> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.parse().expect("a header"));
        redirected(&Url::parse(from).expect("a URL"), &headers).map(String::from)
    }

    #[test]
    fn h05_a_redirect_never_goes_from_https_into_the_clear() {
        let from = "https://vault:8200/v1/secret/data/a";
        assert_eq!(to(from, "/v1/b").as_deref(), Ok("https://vault:8200/v1/b"));
        assert_eq!(to(from, "https://active:8200/v1/b?c=d").as_deref(), Ok("https://active:8200/v1/b?c=d"));
        for bad in ["http://vault:8200/v1/b", "http://127.0.0.1/v1/b", "ftp://vault/"] {
            assert_eq!(to(from, bad), Err(Fault::Redirect("from https to plain http")), "{bad}");
        }
        assert!(to(from, "https://user:pw@active/v1/b").is_err());
        let agent = to("http://127.0.0.1:8200/v1/a", "https://active:8200/v1/a");
        assert!(matches!(agent, Err(Fault::Redirect(_))), "there is no TLS on this side: {agent:?}");
        assert!(redirected(&Url::parse(from).expect("a URL"), &HeaderMap::new()).is_err());
    }

    #[test]
    fn h03_retry_after_is_seconds_or_a_date() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a header"));
            retry_after(&headers, httpdate::parse_http_date("Sat, 28 Nov 2026 20:00:00 GMT").expect("a date"))
        };
        assert_eq!(read("7"), Some(Duration::from_secs(7)));
        assert_eq!(read("Sat, 28 Nov 2026 20:01:00 GMT"), Some(Duration::from_mins(1)));
        assert_eq!(read("Sat, 28 Nov 2026 19:00:00 GMT"), None);
        assert_eq!(read("soon"), None);
        assert_eq!(read("-1"), None);
    }
}
