use std::fmt;

use hashbrown::Equivalent;
use svidgate_jwt_svid::ByteSet;

/// The host of a request as it is judged: lower case, without a trailing dot and without a default port
/// (checklist P4).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host {
    name: String,
    port: Option<u16>,
}

/// Text that is no host, or could be read as more than one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadHost;

impl Host {
    /// Reads an `:authority` or `host` value: a name, an IPv4 address or a bracketed IPv6 address, and perhaps a port.
    ///
    /// # Errors
    /// [`BadHost`] for anything else: user information, empty labels, a port that is no number, other bytes.
    pub fn parse(authority: &str) -> Result<Self, BadHost> {
        let (name, port) = match LABEL_OR_DOT.has_all(authority.as_bytes()) {
            true => (authority, None),
            false => split_port(authority)?,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let valid = if name.starts_with('[') { is_ip_literal(&name) } else { is_name(&name) };
        if !valid {
            return Err(BadHost);
        }
        Ok(Self { name, port: port.filter(|port| !DEFAULT_PORTS.contains(port)) })
    }

    /// The name, or the address as it was written.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hosts without the first label, the first two, and so on, on the same port; none for an address or a single label.
    pub(crate) fn parents(&self) -> impl Iterator<Item = HostRef<'_>> {
        let first = Some(self.name.as_str()).filter(|name| !name.starts_with('[')).and_then(parent);
        std::iter::successors(first, |name| parent(name)).map(|name| HostRef { name, port: self.port })
    }

    /// The port, if it is none of the default ones.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.port
    }
}

/// A [`Host`] that borrows its name, to look others up by.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct HostRef<'h> {
    name: &'h str,
    port: Option<u16>,
}

impl HostRef<'_> {
    pub(crate) fn to_host(self) -> Host {
        Host { name: self.name.to_owned(), port: self.port }
    }
}

impl Equivalent<Host> for HostRef<'_> {
    fn equivalent(&self, host: &Host) -> bool {
        self.name == host.name && self.port == host.port
    }
}

/// What a rule says about the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// This host and no other.
    Exact(Host),
    /// `*.example.org`: one or more labels before `example.org`; never `example.org` itself, never `badexample.org`.
    Below(Host),
}

impl HostPattern {
    /// Reads a pattern of the configuration.
    ///
    /// # Errors
    /// What would be right: patterns must be written as they are compared, so that no rule is silently dead (P3).
    pub fn parse(text: &str) -> Result<Self, String> {
        let (below, rest) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        if rest.contains('*') {
            return Err(
                "`*` may stand only for whole labels at the beginning, as in `*.example.org`".to_owned()
            );
        }
        let host =
            Host::parse(rest).map_err(|BadHost| "is no host name, with or without a port".to_owned())?;
        if host.to_string() != rest {
            return Err(format!(
                "would never match as written; write `{}{host}`",
                if below { "*." } else { "" }
            ));
        }
        if below && host.name.starts_with('[') {
            return Err("an address has no labels for `*` to stand for".to_owned());
        }
        Ok(if below { Self::Below(host) } else { Self::Exact(host) })
    }

    /// Whether the host is one of those meant.
    #[must_use]
    pub fn matches(&self, host: &Host) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::Below(parent) => host.parents().any(|candidate| candidate.equivalent(parent)),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => host.fmt(f),
            Self::Below(host) => write!(f, "*.{host}"),
        }
    }
}

fn parent(name: &str) -> Option<&str> {
    let dot = name.bytes().position(|byte| byte == b'.')?;
    name.get(dot.saturating_add(1)..)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), BadHost> {
    let after_address = authority.rfind(']').unwrap_or_default();
    let colon = authority.rfind(':').filter(|colon| *colon > after_address);
    let Some(colon) = colon else { return Ok((authority, None)) };
    let (name, port) = authority.split_at_checked(colon).ok_or(BadHost)?;
    let digits = port.strip_prefix(':').ok_or(BadHost)?;
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(BadHost);
    }
    Ok((name, Some(digits.parse().map_err(|_| BadHost)?)))
}

/// Letters, digits, `-` and `_` in labels that are not empty.
fn is_name(name: &str) -> bool {
    let mut label: usize = 0;
    for byte in name.bytes() {
        label = match byte {
            b'.' if label > 0 => 0,
            _ if label < 63 && LABEL.has(byte) => label.saturating_add(1),
            _ => return false,
        }
    }
    label > 0 && name.len() <= 253
}

static LABEL: ByteSet = ByteSet::alphanumerics_and(b"-_");
static LABEL_OR_DOT: ByteSet = ByteSet::alphanumerics_and(b"-_.");

fn is_ip_literal(name: &str) -> bool {
    name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some_and(|address| {
        address.parse::<std::net::Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address)
    })
}

/// Whether a request came over TLS is not part of its host.
const DEFAULT_PORTS: [u16; 2] = [80, 443];

#[cfg(test)]
mod tests {
    use super::{Host, HostPattern};

    fn matches(pattern: &str, host: &str) -> bool {
        HostPattern::parse(pattern).unwrap().matches(&Host::parse(host).unwrap())
    }

    #[test]
    fn p04_case_default_port_and_trailing_dot_make_no_difference() {
        for host in ["a.test", "A.Test", "a.test.", "a.test:80", "a.test:443", "A.TEST.:443"] {
            assert!(matches("a.test", host), "{host}");
        }
        for host in ["a.test:8080", "b.test", "a.test.b", "xa.test", "sub.a.test"] {
            assert!(!matches("a.test", host), "{host}");
        }
        assert!(matches("a.test:8080", "A.test:8080"));
        assert!(matches("[::1]:8080", "[::1]:8080"));
    }

    #[test]
    fn p04_a_star_stands_for_whole_labels_never_for_a_part_of_one() {
        for host in ["x.a.test", "x.y.a.test", "X.A.TEST.:443"] {
            assert!(matches("*.a.test", host), "{host}");
        }
        for host in ["a.test", "xa.test", "x.a.test:8080", "x.a.test.b"] {
            assert!(!matches("*.a.test", host), "{host}");
        }
    }

    #[test]
    fn p04_what_is_no_host_is_refused() {
        for host in [
            "",
            ".",
            "a..test",
            ".a",
            "user@a.test",
            "a.test:",
            "a.test:x",
            "a.test:99999",
            "a b",
            "a/b",
            "[::1",
            "::1",
            "[0:0:0:0:0:0:0:1]",
            "a.test..",
            "ä.test",
            "a.test:80:80",
            "a%2etest",
        ] {
            assert!(Host::parse(host).is_err(), "{host:?}");
        }
    }

    #[test]
    fn p03_patterns_that_could_never_match_are_errors_with_the_mend() {
        for (pattern, hint) in [
            ("A.test", "write `a.test`"),
            ("a.test:443", "write `a.test`"),
            ("*.a.test.", "write `*.a.test`"),
            ("a.*.test", "whole labels"),
            ("*a.test", "whole labels"),
            ("*", "whole labels"),
            ("https://a.test", "no host name"),
            ("", "no host name"),
        ] {
            let error = HostPattern::parse(pattern).unwrap_err();
            assert!(error.contains(hint), "{pattern}: {error}");
        }
    }
}
