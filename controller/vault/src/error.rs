//! What can go wrong. No error shows what Vault said or what was sent: both may hold secrets.

use std::fmt;
use std::time::Duration;

use secrecy::SecretString;

use crate::operation::Operation;

/// A call that failed.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{operation}: {fault}")]
pub struct Error {
    operation: Operation,
    fault: Fault,
    retry_after: Option<Duration>,
    vault_said: Option<SecretString>,
}

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Vault answered with an error.
    #[error("Vault answered {code}{}", Because(*.reason))]
    Status {
        /// HTTP status.
        code: u16,
        /// What it means, where Vault's words are known.
        reason: Option<Reason>,
    },
    /// No connection.
    #[error("cannot connect: {0}")]
    Connect(ConnectFault),
    /// No whole answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The connection ended before the answer did.
    #[error("the connection ended in the middle")]
    Interrupted,
    /// More than we are willing to hold.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// Largest accepted answer in bytes.
        limit: usize,
    },
    /// The answer is not what the API says.
    #[error("the answer is malformed: {0}")]
    Malformed(&'static str),
    /// Redirected where we do not go.
    #[error("redirected {0}")]
    Redirect(&'static str),
    /// Not tried: the circuit breaker of this Vault is open.
    #[error("not tried for another {0:?}: Vault failed repeatedly (circuit breaker open)")]
    CircuitOpen(Duration),
    /// The caller's input cannot be sent.
    #[error("{0}")]
    Input(&'static str),
    /// The token, certificate or file that a login needs could not be had.
    #[error("{0}")]
    Source(SourceError),
}

/// Where a connection failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectFault {
    /// The name does not resolve.
    #[error("the host name does not resolve")]
    Dns,
    /// TLS failed; the text is rustls' own and holds no secret.
    #[error("TLS: {0}")]
    Tls(String),
    /// TCP failed.
    #[error("{0}")]
    Tcp(std::io::ErrorKind),
    /// Anything else.
    #[error("failed")]
    Other,
}

/// What Vault's words mean, from a closed list: the words themselves may hold what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// "permission denied": the token is bad or expired, or no policy allows it.
    PermissionDenied,
    /// "Vault is sealed", or "OpenBao is sealed".
    Sealed,
    /// "lease not found".
    LeaseNotFound,
    /// "lease is not renewable".
    NotRenewable,
    /// "no handler for route", "unsupported path": nothing is mounted there.
    NoSuchMount,
    /// The role is not known.
    UnknownRole,
    /// "check-and-set parameter did not match the current version".
    CasMismatch,
    /// A quota was exceeded.
    RateLimited,
    /// The namespace is locked.
    NamespaceLocked,
    /// A standby answered that no active node is known to it.
    NoActiveNode,
}

impl Reason {
    /// Reads Vault's words.
    pub(crate) fn of(words: &str) -> Option<Self> {
        let words = words.to_ascii_lowercase();
        let known = [
            ("is sealed", Self::Sealed),
            ("lease not found", Self::LeaseNotFound),
            ("invalid lease", Self::LeaseNotFound),
            ("not renewable", Self::NotRenewable),
            ("check-and-set", Self::CasMismatch),
            ("no handler for route", Self::NoSuchMount),
            ("unsupported path", Self::NoSuchMount),
            ("unknown role", Self::UnknownRole),
            ("invalid role name", Self::UnknownRole),
            ("could not be found", Self::UnknownRole),
            ("quota exceeded", Self::RateLimited),
            ("namespace is locked", Self::NamespaceLocked),
            ("api access to this namespace has been locked", Self::NamespaceLocked),
            ("active cluster node not found", Self::NoActiveNode),
            ("permission denied", Self::PermissionDenied),
        ];
        known.iter().find(|(part, _)| words.contains(part)).map(|(_, reason)| *reason)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PermissionDenied => "permission denied",
            Self::Sealed => "sealed",
            Self::LeaseNotFound => "lease not found",
            Self::NotRenewable => "not renewable",
            Self::NoSuchMount => "nothing is mounted there",
            Self::UnknownRole => "unknown role",
            Self::CasMismatch => "the version is another (check-and-set)",
            Self::RateLimited => "rate limit",
            Self::NamespaceLocked => "the namespace is locked",
            Self::NoActiveNode => "no node is active",
        })
    }
}

struct Because(Option<Reason>);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |reason| write!(f, " ({reason})"))
    }
}

/// What a login needs could not be had. The text names where it should have come from, never what was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SourceError(String);

impl SourceError {
    /// `text` goes into logs and health: no secrets.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Error {
    pub(crate) const fn new(operation: Operation, fault: Fault) -> Self {
        Self { operation, fault, retry_after: None, vault_said: None }
    }

    pub(crate) fn answered(
        operation: Operation,
        code: u16,
        retry_after: Option<Duration>,
        words: Option<String>,
    ) -> Self {
        let reason = words.as_deref().and_then(Reason::of);
        let fault = Fault::Status { code, reason };
        Self { operation, fault, retry_after, vault_said: words.map(SecretString::from) }
    }

    /// What was called.
    #[must_use]
    pub const fn operation(&self) -> Operation {
        self.operation
    }

    /// Why it failed.
    #[must_use]
    pub const fn fault(&self) -> &Fault {
        &self.fault
    }

    /// HTTP status, if Vault answered at all.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self.fault {
            Fault::Status { code, .. } => Some(code),
            _ => None,
        }
    }

    /// What Vault's answer means, if it is known.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        match self.fault {
            Fault::Status { reason, .. } => reason,
            _ => None,
        }
    }

    /// `Retry-After` of the answer.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Vault's own words, for an operator who looks on purpose: they may repeat what was sent.
    #[must_use]
    pub const fn vault_said(&self) -> Option<&SecretString> {
        self.vault_said.as_ref()
    }

    /// 403: the token is bad or expired, or no policy allows it.
    #[must_use]
    pub const fn is_forbidden(&self) -> bool {
        matches!(self.status(), Some(403))
    }

    /// Whether the same call may succeed later by itself (checklist H4): network, 412, 429, a standby, 5xx except 501.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self.fault {
            Fault::Status { code, .. } => matches!(code, 412 | 429 | 472 | 473 | 500 | 502..=599),
            Fault::Connect(_)
            | Fault::Timeout(_)
            | Fault::Interrupted
            | Fault::Malformed(_)
            | Fault::CircuitOpen(_) => true,
            Fault::TooLarge { .. } | Fault::Redirect(_) | Fault::Input(_) | Fault::Source(_) => false,
        }
    }

    /// Whether it shows that Vault as a whole is not well: these open the circuit breaker. A refusal is an answer, and so is
    /// a 500 of an engine whose database is away: other secrets must not wait for that.
    #[must_use]
    pub(crate) const fn is_outage(&self) -> bool {
        match self.fault {
            Fault::Status { code: 500, reason: Some(Reason::NoActiveNode) } => true,
            Fault::Status { code: 500, .. } => !self.operation.needs_another(),
            Fault::Status { code, .. } => matches!(code, 472 | 473 | 502..=599),
            Fault::Connect(_) | Fault::Timeout(_) | Fault::Interrupted => true,
            _ => false,
        }
    }

    /// Whether Vault may have done what was asked, although no good answer came. Asking again for something that Vault
    /// creates would then create it twice.
    #[must_use]
    pub(crate) const fn may_have_happened(&self) -> bool {
        matches!(
            self.fault,
            Fault::Timeout(_)
                | Fault::Interrupted
                | Fault::Malformed(_)
                | Fault::TooLarge { .. }
                | Fault::Status { code: 500 | 502 | 504, .. }
        )
    }

    /// For the label `status` of metrics: the code, or a word from a closed list.
    #[must_use]
    pub(crate) fn label(&self) -> String {
        match &self.fault {
            Fault::Status { code, .. } => code.to_string(),
            Fault::Connect(ConnectFault::Dns) => "dns".to_owned(),
            Fault::Connect(ConnectFault::Tls(_)) => "tls".to_owned(),
            Fault::Connect(_) => "connect".to_owned(),
            Fault::Timeout(_) => "timeout".to_owned(),
            Fault::Interrupted => "interrupted".to_owned(),
            Fault::TooLarge { .. } => "too_large".to_owned(),
            Fault::Malformed(_) => "malformed".to_owned(),
            Fault::Redirect(_) => "redirect".to_owned(),
            Fault::CircuitOpen(_) => "circuit_open".to_owned(),
            Fault::Input(_) | Fault::Source(_) => "input".to_owned(),
        }
    }
}
