//! From the headers of a request and the word of its connection to a verdict.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use svidgate_jwt_svid::{DenyReason, SpiffeId, TrustDomain, UnixTime, VerifiedSvid, VerifyError};

use crate::claims;
use crate::denial::{Denial, Outcome, Reason};
use crate::edit::Edit;
use crate::headers::Headers;
use crate::host::Host;
use crate::path::{Path, Readings};
use crate::peer::{Connection, Peer};
use crate::policy::Call;
use crate::rule::{Callers, Demands, Mode, Requirement, Rule};
use crate::settings::Settings;
use crate::token;

/// Whom the judge asks about tokens.
pub trait Trust {
    /// Whether there is no bundle at all.
    fn is_empty(&self) -> bool;

    /// Verifies a token at `now`.
    ///
    /// # Errors
    /// The first step that failed.
    fn verify(&self, token: &[u8], now: UnixTime) -> Result<Rc<VerifiedSvid>, VerifyError>;

    /// Whether key, token or subject were revoked.
    fn is_revoked(&self, caller: &VerifiedSvid) -> bool;

    /// Whether the bundle of `domain` was last confirmed more than `max` before `now`, Unix time in milliseconds.
    fn is_stale(&self, domain: &TrustDomain, max: Duration, now: u64) -> bool;
}

/// Judges requests by one set of settings.
#[derive(Clone, Debug)]
pub struct Judge {
    settings: Arc<Settings>,
    own_headers: Vec<Vec<u8>>,
    asks_for_peer: bool,
    enforces_any: bool,
}

/// What becomes of a request, and by which rule.
#[derive(Debug)]
pub struct Verdict<'j> {
    /// The rule that decided; none when no rule is about the request, or it could not be found.
    pub rule: Option<&'j Rule>,
    /// Its place in the policy, from 0.
    pub position: Option<usize>,
    /// The path by which it was found; none where that is odd, or there is none.
    pub path: Option<Path>,
    /// Whether it passes.
    pub outcome: Result<Passage, Denial>,
}

/// Why a request passes.
#[derive(Clone, Debug)]
pub enum Passage {
    /// Nothing was asked of it.
    Open,
    /// It is a CORS preflight that its rule lets pass.
    Preflight,
    /// The caller is known and may call.
    Admitted(Identity),
    /// It would have been refused.
    Audited(Denial),
    /// It could not be judged, and `fail_open` is set.
    FailedOpen(Denial),
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Identity {
    spiffe_id: SpiffeId,
    token: Option<Rc<VerifiedSvid>>,
}

impl Identity {
    /// The caller: the subject of the token, or the peer where there is no token.
    #[must_use]
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// The token, where one was asked for.
    #[must_use]
    pub fn token(&self) -> Option<&VerifiedSvid> {
        self.token.as_deref()
    }
}

impl Verdict<'_> {
    /// The refusal, also one that was only audited or failed open.
    #[must_use]
    pub fn denial(&self) -> Option<Denial> {
        match &self.outcome {
            Err(denial) | Ok(Passage::Audited(denial) | Passage::FailedOpen(denial)) => Some(*denial),
            Ok(_) => None,
        }
    }
}

impl Judge {
    /// A judge by `settings`. Whoever keeps them too shares them: 10,000 rules are compiled and held once.
    #[must_use]
    pub fn new(settings: impl Into<Arc<Settings>>) -> Self {
        let settings = settings.into();
        let upstream = &settings.upstream;
        let own_headers = [&upstream.spiffe_id_header, &upstream.audit_header]
            .into_iter()
            .chain(&upstream.trust_domain_header)
            .chain(upstream.claims.iter().map(|claim| &claim.header))
            .map(|name| name.bytes().map(fold).collect())
            .collect();
        let asks_for_peer = settings.policy.rules().iter().any(asks_for_peer);
        let enforces_any = settings.policy.rules().iter().any(|rule| rule.mode == Some(Mode::Enforce));
        Self { settings, own_headers, asks_for_peer, enforces_any }
    }

    /// What it goes by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Whether any rule looks at the peer of the connection.
    #[must_use]
    pub fn asks_for_peer(&self) -> bool {
        self.asks_for_peer
    }

    /// Whether `name` may be taken for one of the headers by which the service is told about the caller, by an upstream
    /// that folds case and takes any punctuation for `_`, as CGI does (checklist P8). Such headers are removed from
    /// every request before anything else (V17).
    #[must_use]
    pub fn owns_header(&self, name: &[u8]) -> bool {
        self.own_headers
            .iter()
            .any(|own| own.len() == name.len() && own.iter().zip(name).all(|(own, byte)| *own == fold(*byte)))
    }

    /// The token of a request as far as it can be told, for a log that may show its hash, never itself.
    #[must_use]
    pub fn token<'h>(&self, headers: &Headers<'h>) -> Option<&'h [u8]> {
        token::find(&self.settings.sources, headers).ok().flatten()
    }

    /// Judges a request at `now`, Unix time in milliseconds.
    pub fn decide(
        &self,
        headers: &Headers<'_>,
        connection: &Connection,
        trust: &dyn Trust,
        now: u64,
    ) -> Verdict<'_> {
        let peer = if self.asks_for_peer {
            Peer::read(&self.settings.peer, connection, headers)
        } else {
            Peer::Missing
        };
        let (found, path, judged) = match self.find(headers, &peer) {
            Err(denial) => (None, None, Err(denial)),
            Ok((found, path, true)) => (Some(found), path, Ok(Passage::Preflight)),
            Ok((found, path, false)) => (Some(found), path, self.judge(found.1, headers, &peer, trust, now)),
        };
        let (position, rule) = (found.map(|(position, _)| position), found.map(|(_, rule)| rule));
        let mode = match (rule, &judged) {
            (Some(rule), _) => rule.mode.unwrap_or(self.settings.mode),
            // Whatever hides which rule it is about may hide one that is enforced: as the service reads it, it could be.
            (None, Err(denial)) if self.enforces_any && denial.reason() != Reason::NoRule => Mode::Enforce,
            (None, _) => self.settings.mode,
        };
        let outcome = match judged {
            Err(denial) if self.settings.fail_open && denial.outcome() == Outcome::Unavailable => {
                Ok(Passage::FailedOpen(denial))
            }
            Err(denial) if mode == Mode::Audit => Ok(Passage::Audited(denial)),
            judged => judged,
        };
        Verdict { rule, position, path, outcome }
    }

    /// The changes to the headers of a request that passes, after those that it [owns](Self::owns_header) were removed.
    #[must_use]
    pub fn edits<'e>(&'e self, headers: &Headers<'_>, verdict: &'e Verdict<'_>) -> Vec<Edit<'e>> {
        let upstream = &self.settings.upstream;
        let set = |name: &'e str, value: &'e str| Edit::Set(name, value.as_bytes().into());
        match &verdict.outcome {
            Ok(Passage::Admitted(identity)) => {
                let mut edits = Vec::new();
                let looked_at = verdict.rule.is_some_and(|rule| looks_at_tokens(&rule.require));
                if looked_at && !upstream.forward_token {
                    edits = token::removal(&self.settings.sources, headers);
                }
                edits.push(set(&upstream.spiffe_id_header, identity.spiffe_id.as_str()));
                if let Some(name) = &upstream.trust_domain_header {
                    edits.push(set(name, identity.spiffe_id.trust_domain().as_str()));
                }
                for wanted in &upstream.claims {
                    let value = identity.token().and_then(|token| claims::value(token.claims(), wanted));
                    edits.extend(value.map(|value| Edit::Set(&wanted.header, value.into_bytes().into())));
                }
                edits
            }
            Ok(Passage::Audited(denial) | Passage::FailedOpen(denial)) => {
                vec![set(&upstream.audit_header, denial.reason().as_str())]
            }
            Ok(Passage::Open | Passage::Preflight) | Err(_) => Vec::new(),
        }
    }

    /// The rule for a request, its path unless that is odd, and whether the rule was found for the request that a
    /// preflight announces.
    fn find(&self, headers: &Headers<'_>, peer: &Peer) -> Result<(Found<'_>, Option<Path>, bool), Denial> {
        let internal = Denial::new(Reason::Internal);
        let method = one(headers, ":method").and_then(|m| std::str::from_utf8(m).ok()).ok_or(internal)?;
        let host = one(headers, ":authority")
            .and_then(|host| std::str::from_utf8(host).ok())
            .and_then(|host| Host::parse(host).ok())
            .ok_or(Denial::new(Reason::HostInvalid))?;
        let readings = match one(headers, ":path") {
            None if method == "CONNECT" => None,
            None => return Err(Denial::new(Reason::PathAmbiguous)),
            Some(path) => Some(
                std::str::from_utf8(path)
                    .ok()
                    .and_then(|path| Readings::parse(path).ok())
                    .ok_or(Denial::new(Reason::PathAmbiguous))?,
            ),
        };
        let mtls = peer.id().is_some();
        let find = |method: &str| self.find_in_every_reading(&host, method, readings.as_ref(), mtls);
        let announced = announced_method(method, headers).and_then(|announced| find(announced).ok());
        let (found, is_preflight) = match announced.filter(|(_, rule)| rule.lets_preflights_pass) {
            Some(found) => (found, true),
            None => (find(method)?, false),
        };
        Ok((found, readings.and_then(Readings::into_plain), is_preflight))
    }

    fn find_in_every_reading(
        &self,
        host: &Host,
        method: &str,
        readings: Option<&Readings>,
        mtls: bool,
    ) -> Result<Found<'_>, Denial> {
        let find = |path: Option<&Path>| self.settings.policy.find(&Call { host, method, path, mtls });
        let no_rule = Denial::new(Reason::NoRule);
        let ambiguous = Denial::new(Reason::PathAmbiguous);
        let Some(readings) = readings else { return find(None).ok_or(no_rule) };
        let mut found = readings.paths.iter().map(|path| find(Some(path)));
        let first = found.next().flatten();
        let odd = readings.paths.len() > 1;
        let (position, rule) = first.ok_or(if odd { ambiguous } else { no_rule })?;
        let same = found.all(|other| other.is_some_and(|(other, _)| other == position));
        if same && rule.admits.cover(readings.oddities) { Ok((position, rule)) } else { Err(ambiguous) }
    }

    fn judge(
        &self,
        rule: &Rule,
        headers: &Headers<'_>,
        peer: &Peer,
        trust: &dyn Trust,
        now: u64,
    ) -> Result<Passage, Denial> {
        let token = || token::find(&self.settings.sources, headers).map_err(Denial::new);
        let known = |demands: &Demands| self.caller(demands, token()?, peer, trust, now);
        let identity = match &rule.require {
            Requirement::None => return Ok(Passage::Open),
            Requirement::Jwt(demands) => known(demands)?,
            Requirement::Mtls(callers) => by_peer(peer, callers)?,
            Requirement::Both(demands, peers) => {
                let identity = known(demands)?;
                by_peer(peer, peers)?;
                identity
            }
            Requirement::Either(demands) => match token()? {
                Some(token) => self.caller(demands, Some(token), peer, trust, now)?,
                None if *peer == Peer::Missing => return Err(missing_token()),
                None => by_peer(peer, &demands.callers)?,
            },
        };
        for wanted in self.settings.upstream.claims.iter().filter(|wanted| wanted.required) {
            let usable = identity.token().and_then(|token| claims::value(token.claims(), wanted));
            usable.ok_or(Denial::new(Reason::ClaimUnusable))?;
        }
        Ok(Passage::Admitted(identity))
    }

    /// The caller by a token. Whether it verified once says nothing about rule, age, binding or revocation (P2).
    fn caller(
        &self,
        demands: &Demands,
        token: Option<&[u8]>,
        peer: &Peer,
        trust: &dyn Trust,
        now: u64,
    ) -> Result<Identity, Denial> {
        let time = UnixTime(now.checked_div(1000).unwrap_or(0));
        if trust.is_empty() {
            // What is false without any key must not pass where an unjudged token may.
            let found_false =
                token.and_then(|token| trust.verify(token, time).err()).map(|error| error.reason());
            return Err(Denial::new(match found_false {
                Some(reason) if self.settings.fail_open && reason != DenyReason::TrustDomainUnknown => {
                    Reason::Svid(reason)
                }
                _ => Reason::NoTrust,
            }));
        }
        let token = token.ok_or_else(missing_token)?;
        let caller = trust.verify(token, time).map_err(|error| Denial::new(Reason::Svid(error.reason())))?;
        if trust.is_revoked(&caller) {
            return Err(Denial::new(Reason::TokenRevoked));
        }
        demands.check(&caller, time, self.settings.clock_skew)?;
        if demands.bound_to_peer {
            match peer {
                Peer::Known(id) if id == caller.spiffe_id() => {}
                Peer::Missing => return Err(Denial::new(Reason::PeerMissing)),
                Peer::Invalid => return Err(Denial::new(Reason::PeerInvalid)),
                Peer::Known(_) => return Err(Denial::new(Reason::TokenNotBound)),
            }
        }
        let domain = caller.spiffe_id().trust_domain();
        if self.settings.staleness.of(domain).is_some_and(|max| trust.is_stale(domain, max, now)) {
            return Err(Denial::new(Reason::TrustStale));
        }
        Ok(Identity { spiffe_id: caller.spiffe_id().clone(), token: Some(caller) })
    }
}

/// A rule with its place in the policy.
type Found<'j> = (usize, &'j Rule);

fn missing_token() -> Denial {
    Denial::new(Reason::Svid(DenyReason::TokenMissing))
}

fn by_peer(peer: &Peer, callers: &Callers) -> Result<Identity, Denial> {
    match peer {
        Peer::Missing => Err(Denial::new(Reason::PeerMissing)),
        Peer::Invalid => Err(Denial::new(Reason::PeerInvalid)),
        Peer::Known(id) if callers.include(id) => Ok(Identity { spiffe_id: id.clone(), token: None }),
        Peer::Known(_) => Err(Denial::new(Reason::CallerNotAllowed)),
    }
}

/// The method of the request that a CORS preflight announces (Fetch standard, CORS-preflight fetch).
fn announced_method<'h>(method: &str, headers: &Headers<'h>) -> Option<&'h str> {
    if method != "OPTIONS" || one(headers, "origin").is_none() {
        return None;
    }
    one(headers, "access-control-request-method").and_then(|method| std::str::from_utf8(method).ok())
}

/// The value of a header that is there once.
fn one<'h>(headers: &Headers<'h>, name: &str) -> Option<&'h [u8]> {
    let mut values = headers.values(name);
    values.next().filter(|_| values.next().is_none())
}

fn looks_at_tokens(require: &Requirement) -> bool {
    matches!(require, Requirement::Jwt(_) | Requirement::Both(..) | Requirement::Either(_))
}

fn asks_for_peer(rule: &Rule) -> bool {
    rule.matches.mtls.is_some()
        || match &rule.require {
            Requirement::None => false,
            Requirement::Jwt(demands) => demands.bound_to_peer,
            Requirement::Mtls(_) | Requirement::Both(..) | Requirement::Either(_) => true,
        }
}

fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() { byte.to_ascii_lowercase() } else { b'-' }
}

#[cfg(test)]
mod tests;
