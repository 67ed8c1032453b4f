//! What must come of a row.

/// The end of a request: what the client, the upstream, the metrics and the access log must show.
#[derive(Clone, Debug)]
pub struct Expect {
    /// Who answers, and how.
    pub answer: Answer,
    /// `status` label: `allowed`, `audited`, `failed_open`, `unauthenticated`, `forbidden`, `unavailable`,
    /// `bad_request`. None: the plugin never saw the request.
    pub status: Option<&'static str>,
    /// `rule` label.
    pub rule: &'static str,
    /// Reason of a refusal, or of what would have been one.
    pub reason: Option<&'static str>,
    /// Declared gRPC method, for gRPC rules.
    pub grpc_method: Option<&'static str>,
    /// Identity that the upstream is told; none: no header that an upstream could take for one.
    pub identity: Option<&'static str>,
    /// Header for the identity.
    pub identity_header: &'static str,
    /// Headers that the upstream gets exactly once, with this value.
    pub has: Vec<(&'static str, &'static str)>,
    /// Headers that the upstream must not get.
    pub lacks: Vec<&'static str>,
    /// Whether the upstream gets the token.
    pub token_stays: bool,
    /// Identity headers of the client that are removed.
    pub stripped: u64,
    /// Text in `www-authenticate`; none: not looked at.
    pub challenge: Option<&'static str>,
    /// Whether a refusal has a JSON body, or message.
    pub body: bool,
    /// Content type of a refusal in the form of gRPC-Web, by HTTP 200.
    pub grpc_web: Option<&'static str>,
    /// Whether the access log tells of the decision; not that of a first plugin of two.
    pub logged: bool,
    /// Identity in dynamic metadata, in the access log.
    pub metadata: Option<&'static str>,
    /// Further counters and by how much they grow.
    pub counters: Vec<(&'static str, u64)>,
}

/// Who answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The upstream.
    Upstream,
    /// The plugin, with this HTTP status.
    Plugin(u16),
    /// Envoy, before the plugin or instead of it.
    Envoy(u16),
    /// Nobody: the connection or the stream ends.
    Nobody,
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            answer: Answer::Nobody,
            status: None,
            rule: "none",
            reason: None,
            grpc_method: None,
            identity: None,
            identity_header: "x-spiffe-id",
            has: Vec::new(),
            lacks: Vec::new(),
            token_stays: false,
            stripped: 0,
            challenge: None,
            body: true,
            grpc_web: None,
            logged: true,
            metadata: None,
            counters: Vec::new(),
        }
    }
}

impl Expect {
    /// It passes by `rule`.
    pub fn allow(rule: &'static str) -> Self {
        Self { answer: Answer::Upstream, status: Some("allowed"), rule, ..Self::default() }
    }

    /// `rule` refuses it.
    pub fn deny(rule: &'static str, reason: &'static str) -> Self {
        let (http, status) = outcome(reason);
        Self {
            answer: Answer::Plugin(http),
            status: Some(status),
            rule,
            reason: Some(reason),
            ..Self::default()
        }
    }

    /// It passes, because `rule` only audits.
    pub fn audited(rule: &'static str, reason: &'static str) -> Self {
        Self {
            status: Some("audited"),
            reason: Some(reason),
            has: vec![("x-svidgate-audit", reason)],
            token_stays: true,
            ..Self::allow(rule)
        }
    }

    /// It passes, because nobody can be judged and the configuration says to let pass then.
    pub fn failed_open(rule: &'static str, reason: &'static str) -> Self {
        Self { status: Some("failed_open"), counters: vec![(FAIL_OPEN, 1)], ..Self::audited(rule, reason) }
    }

    /// Envoy answers before the plugin sees it.
    pub fn by_envoy(status: u16) -> Self {
        Self { answer: Answer::Envoy(status), ..Self::default() }
    }

    /// The connection or stream ends without an answer.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// With this identity for the upstream.
    pub fn identity(mut self, id: &'static str) -> Self {
        self.identity = Some(id);
        self
    }

    /// The upstream gets this header once.
    pub fn has(mut self, name: &'static str, value: &'static str) -> Self {
        self.has.push((name, value));
        self
    }

    /// The upstream does not get this header.
    pub fn lacks(mut self, name: &'static str) -> Self {
        self.lacks.push(name);
        self
    }

    /// The upstream gets the token.
    pub fn token_stays(mut self) -> Self {
        self.token_stays = true;
        self
    }

    /// So many identity headers of the client are removed.
    pub fn stripped(mut self, count: u64) -> Self {
        self.stripped = count;
        self
    }

    /// The answer's challenge has this in it.
    pub fn challenge(mut self, text: &'static str) -> Self {
        self.challenge = Some(text);
        self
    }

    /// It is counted for this method of a gRPC rule too.
    pub fn grpc(mut self, method: &'static str) -> Self {
        self.grpc_method = Some(method);
        self
    }

    /// The refusal has the form of gRPC-Web, with this content type.
    pub fn grpc_web(mut self, content_type: &'static str) -> Self {
        self.grpc_web = Some(content_type);
        self
    }

    /// Envoy makes dynamic metadata of the identity.
    pub fn metadata(mut self, id: &'static str) -> Self {
        self.metadata = Some(id);
        self
    }

    /// Envoy answers in its own way, after the plugin has let the request pass.
    pub fn answered_by_envoy(mut self, status: u16) -> Self {
        self.answer = Answer::Envoy(status);
        self
    }

    /// This counter grows too, or does not, by 0.
    pub fn counts(mut self, name: &'static str, by: u64) -> Self {
        self.counters.push((name, by));
        self
    }

    /// Any other change.
    pub fn edit(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Whether the plugin lets it pass.
    pub fn passes(&self) -> bool {
        matches!(self.status, Some("allowed" | "audited" | "failed_open"))
    }

    /// Every counter that must grow, and by how much, for a request that is sent so many times.
    pub fn growth(&self, times: u64) -> Vec<(String, u64)> {
        let Some(status) = self.status else { return Vec::new() };
        let Self { rule, grpc_method, .. } = self;
        let mut growth =
            vec![(format!("rule=.={rule};.;status=.={status};.;svidgate_auth_attempts_total"), times)];
        if let Some(method) = grpc_method {
            growth.push((format!("method=.={method};.;status=.={status};.;grpc_auth_attempts_total"), times));
        }
        if let Some(reason) = self.reason {
            growth.push((format!("rule=.={rule};.;reason=.={reason};.;svidgate_auth_failures_total"), times));
            if let Some(method) = grpc_method {
                growth.push((
                    format!("method=.={method};.;reason=.={reason};.;grpc_auth_failures_total"),
                    times,
                ));
            }
        }
        if self.stripped > 0 {
            growth.push((STRIPPED.to_owned(), self.stripped * times));
        }
        growth.extend(self.counters.iter().map(|(name, by)| ((*name).to_owned(), *by)));
        growth.retain(|(_, by)| *by > 0);
        growth.sort();
        growth
    }
}

/// HTTP status and `status` label of a reason, as the documentation promises them; written down apart from the code
/// under test.
fn outcome(reason: &str) -> (u16, &'static str) {
    match reason {
        "no_rule" | "caller_not_allowed" | "peer_missing" | "peer_invalid" | "peer_not_allowed"
        | "claim_unusable" => (403, "forbidden"),
        "host_invalid" | "path_ambiguous" => (400, "bad_request"),
        "no_trust" | "trust_stale" | "internal" | "crypto_unavailable" => (503, "unavailable"),
        _ => (401, "unauthenticated"),
    }
}

/// gRPC status that Envoy makes of an HTTP status.
pub fn grpc_status(http: u16) -> i32 {
    match http {
        400 => 13,
        401 => 16,
        403 => 7,
        503 => 14,
        _ => 2,
    }
}

/// Counter of requests that passed unjudged.
pub const FAIL_OPEN: &str = "svidgate_fail_open_total";
/// Counter of identity headers removed from requests.
pub const STRIPPED: &str = "svidgate_identity_headers_stripped_total";
