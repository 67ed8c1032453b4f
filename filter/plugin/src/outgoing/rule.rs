use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use svidgate_policy::{Call, Headers, Host, Match, Oddities, Path, Policy, Reason, Requirement, Rule};
use svidgate_snapshot::{Credential, CredentialKey, CredentialKind};
use zeroize::Zeroizing;

/// Which outgoing requests are given what.
#[derive(Clone, Debug)]
pub struct Outgoing {
    key: CredentialKey,
    rules: Vec<OutgoingRule>,
    by_cluster: HashMap<String, OfCluster>,
}

/// One rule. The first that matches decides.
#[derive(Clone, Debug)]
pub struct OutgoingRule {
    /// Clusters of Envoy to which the credential may go. Never empty.
    pub clusters: Vec<String>,
    /// Which requests to these; empty: all.
    pub matches: Match,
    /// Name of the credential.
    pub credential: String,
    /// How it is carried.
    pub carrier: Carrier,
    /// What becomes of a header of the caller.
    pub existing: Existing,
}

/// How a request carries a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// `authorization: Bearer VALUE` (RFC 6750 §2.1).
    Bearer,
    /// `authorization: Basic …` (RFC 7617).
    Basic,
    /// A named header.
    Header {
        /// Its name, in lower case.
        name: String,
        /// What stands before the value.
        prefix: String,
    },
}

/// What becomes of a header of that name that the caller set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// It is removed.
    #[default]
    Replace,
    /// It stays, and no credential is added.
    Keep,
    /// The request is refused.
    Refuse,
}

/// The rule for a request.
#[derive(Clone, Copy, Debug)]
pub struct Found<'o> {
    /// Its position, from 0.
    pub position: usize,
    /// The rule.
    pub rule: &'o OutgoingRule,
}

#[derive(Clone, Debug)]
struct OfCluster {
    policy: Policy,
    /// Positions of its rules in the whole list.
    positions: Vec<usize>,
    by_host: bool,
    by_path: bool,
}

impl Outgoing {
    /// Compiles the rules, in their order; `key` opens the credentials.
    #[must_use]
    pub fn new(key: CredentialKey, rules: Vec<OutgoingRule>) -> Self {
        let mut lists: HashMap<String, Vec<usize>> = HashMap::new();
        for (position, rule) in rules.iter().enumerate() {
            for cluster in &rule.clusters {
                lists.entry(cluster.clone()).or_default().push(position);
            }
        }
        let by_cluster = lists
            .into_iter()
            .map(|(cluster, positions)| (cluster, OfCluster::new(&rules, positions)))
            .collect();
        Self { key, rules, by_cluster }
    }

    /// The rules in their order.
    #[must_use]
    pub fn rules(&self) -> &[OutgoingRule] {
        &self.rules
    }

    /// The key that opens the credentials.
    #[must_use]
    pub fn key(&self) -> &CredentialKey {
        &self.key
    }

    /// The first rule for a request that goes to `cluster`.
    ///
    /// # Errors
    /// Where rules of this cluster look at host or path, and that could be read in more than one way, or is none.
    pub(super) fn find(&self, cluster: &str, headers: &Headers<'_>) -> Result<Option<Found<'_>>, Reason> {
        let Some(of_cluster) = self.by_cluster.get(cluster) else { return Ok(None) };
        let found = of_cluster.find(headers)?;
        Ok(found.and_then(|position| Some(Found { position, rule: self.rules.get(position)? })))
    }
}

impl OfCluster {
    fn new(rules: &[OutgoingRule], positions: Vec<usize>) -> Self {
        let matches: Vec<&Match> =
            positions.iter().filter_map(|position| Some(&rules.get(*position)?.matches)).collect();
        let by_host = matches.iter().any(|m| !m.hosts.is_empty());
        let by_path = matches.iter().any(|m| !m.paths.is_empty() || !m.grpc.is_empty());
        let rule = |matches: &Match| Rule {
            name: String::new(),
            matches: matches.clone(),
            require: Requirement::None,
            mode: None,
            admits: Oddities::default(),
            lets_preflights_pass: false,
        };
        let policy = Policy::new(matches.into_iter().map(rule).collect());
        Self { policy, positions, by_host, by_path }
    }

    fn find(&self, headers: &Headers<'_>) -> Result<Option<usize>, Reason> {
        let text = |name| one(headers, name).and_then(|value| std::str::from_utf8(value).ok());
        let host = text(":authority").and_then(|host| Host::parse(host).ok());
        let host = match host {
            None if self.by_host => return Err(Reason::HostInvalid),
            // No rule looks at it, and this one is in no pattern.
            None => Host::parse("none.invalid").map_err(|_| Reason::Internal)?,
            Some(host) => host,
        };
        let method = text(":method").ok_or(Reason::Internal)?;
        // As for rules about callers: a path that is odd in any way is none that a rule could name.
        let path = if self.by_path && method != "CONNECT" {
            let path = text(":path").and_then(|path| Path::parse(path).ok());
            Some(path.ok_or(Reason::PathAmbiguous)?)
        } else {
            None
        };
        let found = self.policy.find(&Call { host: &host, method, path: path.as_ref(), mtls: false });
        Ok(found.and_then(|(position, _)| self.positions.get(position).copied()))
    }
}

fn one<'h>(headers: &Headers<'h>, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.values(name);
    values.next().filter(|_| values.next().is_none())
}

impl Carrier {
    /// The header, in lower case.
    #[must_use]
    pub fn header(&self) -> &str {
        match self {
            Self::Bearer | Self::Basic => "authorization",
            Self::Header { name, .. } => name,
        }
    }

    /// The value of the header; `None` for a credential that cannot be carried so.
    #[must_use]
    pub fn value(&self, credential: &Credential) -> Option<Zeroizing<Vec<u8>>> {
        let secret = credential.expose();
        let has_user = credential.kind() == CredentialKind::UserPassword;
        let value = match self {
            Self::Bearer if has_user || !is_token(secret) => return None,
            Self::Bearer => joined(b"Bearer ", secret),
            Self::Basic if !has_user => return None,
            Self::Basic => joined(b"Basic ", Zeroizing::new(STANDARD.encode(secret)).as_bytes()),
            Self::Header { .. } if has_user => return None,
            Self::Header { prefix, .. } => joined(prefix.as_bytes(), secret),
        };
        // A value neither begins nor ends with white space (RFC 9110 §5.5), and has no control characters. A credential
        // was read so; whatever stands here could end the header, so it is asked once more.
        let is_space = |byte: Option<&u8>| byte == Some(&b' ');
        let odd = value.iter().any(u8::is_ascii_control) || is_space(value.first()) || is_space(value.last());
        (!odd).then_some(value)
    }
}

fn joined(before: &[u8], secret: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut value = Zeroizing::new(Vec::with_capacity(before.len().saturating_add(secret.len())));
    value.extend_from_slice(before);
    value.extend_from_slice(secret);
    value
}

/// `b64token` of RFC 6750 §2.1.
fn is_token(text: &[u8]) -> bool {
    let end = text.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last.saturating_add(1));
    let body = text.get(..end).unwrap_or_default();
    !body.is_empty() && body.iter().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(b))
}
