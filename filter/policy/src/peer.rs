use svidgate_jwt_svid::SpiffeId;

use crate::headers::Headers;
use crate::settings::{PeerSettings, PeerSource};

/// What Envoy says about the connection.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Whether the peer has shown a certificate that Envoy has validated.
    pub mtls: bool,
    /// All URI SANs of the peer joined by commas, `-` for none; none when nothing in front tells.
    pub uri_sans: Option<Vec<u8>>,
    /// The first URI SAN.
    pub first_uri_san: Option<Vec<u8>>,
}

/// The mTLS peer as it is judged (checklist P10).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peer {
    /// There is none.
    Missing,
    /// There is one, without exactly one SPIFFE ID that counts.
    Invalid,
    /// Who it is.
    Known(SpiffeId),
}

impl Peer {
    /// Reads the peer from what Envoy says.
    #[must_use]
    pub fn read(settings: &PeerSettings, connection: &Connection, headers: &Headers<'_>) -> Self {
        let peer = match &settings.source {
            PeerSource::FilterState => direct(connection),
            PeerSource::EnvoyXfcc => own_element(connection, headers),
            PeerSource::ProxyXfcc { trusted, hops } => match direct(connection) {
                Self::Known(proxy) if trusted.include(&proxy) => forwarded(headers, *hops),
                Self::Known(_) | Self::Missing => Self::Missing,
                Self::Invalid => Self::Invalid,
            },
        };
        match peer {
            Self::Known(id)
                if !settings.trust_domains.is_empty()
                    && !settings.trust_domains.contains(id.trust_domain()) =>
            {
                Self::Invalid
            }
            peer => peer,
        }
    }

    /// Who it is, if anybody.
    #[must_use]
    pub fn id(&self) -> Option<&SpiffeId> {
        match self {
            Self::Known(id) => Some(id),
            Self::Missing | Self::Invalid => None,
        }
    }
}

/// The peer of the connection. A comma parts two URI SANs, or is one that no SPIFFE ID has: invalid both ways.
fn direct(connection: &Connection) -> Peer {
    match (connection.mtls, connection.uri_sans.as_deref()) {
        (false, _) | (true, None) => Peer::Missing,
        (true, Some(sans)) => identity(sans),
    }
}

/// The element that Envoy itself has added, last. Its values are not escaped, so a certificate with an odd SAN could
/// end it early or name two; and in another mode of Envoy the text is the client's own. Both are found out by the one
/// SAN that Envoy tells on another way.
fn own_element(connection: &Connection, headers: &Headers<'_>) -> Peer {
    if !connection.mtls {
        return Peer::Missing;
    }
    match forwarded(headers, 1) {
        Peer::Known(id) if connection.first_uri_san.as_deref() == Some(id.as_str().as_bytes()) => {
            Peer::Known(id)
        }
        _ => Peer::Invalid,
    }
}

/// The element number `hops` from the right of `x-forwarded-client-cert`.
fn forwarded(headers: &Headers<'_>, hops: usize) -> Peer {
    let mut values = headers.values(XFCC);
    let (Some(value), None) = (values.next(), values.next()) else {
        return if headers.values(XFCC).next().is_none() { Peer::Missing } else { Peer::Invalid };
    };
    let Some(elements) = split(value, b',') else { return Peer::Invalid };
    let Some(element) = elements.len().checked_sub(hops).and_then(|at| elements.get(at)) else {
        return Peer::Invalid;
    };
    let Some(fields) = split(element, b';') else { return Peer::Invalid };
    let mut uris = fields.iter().filter_map(|field| {
        let (name, value) = field.split_at_checked(4)?;
        name.eq_ignore_ascii_case(b"URI=").then_some(value)
    });
    match (uris.next(), uris.next()) {
        (Some(uri), None) => identity(uri),
        _ => Peer::Invalid,
    }
}

/// Parts at `separator` outside of double quotes; none when a quote stays open.
fn split(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let mut quoted = false;
    let mut escaped = false;
    let mut parts = vec![0];
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if *byte == separator && !quoted => parts.push(at.saturating_add(1)),
            _ => {}
        }
    }
    if quoted {
        return None;
    }
    let ends = parts.iter().skip(1).map(|start| start.saturating_sub(1)).chain([text.len()]);
    parts.iter().zip(ends).map(|(start, end)| text.get(*start..end)).collect()
}

fn identity(text: &[u8]) -> Peer {
    let id = std::str::from_utf8(text).ok().and_then(|text| SpiffeId::parse(text).ok());
    id.filter(|id| !id.path().is_empty()).map_or(Peer::Invalid, Peer::Known)
}

const XFCC: &str = "x-forwarded-client-cert";

#[cfg(test)]
mod tests {
    use svidgate_jwt_svid::TrustDomain;

    use super::{Connection, Peer};
    use crate::headers::Headers;
    use crate::identity::IdPattern;
    use crate::rule::Callers;
    use crate::settings::{PeerSettings, PeerSource};

    const WEB: &str = "spiffe://a.test/web";

    fn read(source: PeerSource, mtls: bool, sans: Option<&str>, xfcc: &[&str]) -> Result<String, bool> {
        let sans = sans.map(|sans| sans.as_bytes().to_vec());
        let first_uri_san = sans.clone();
        let connection = Connection { mtls, uri_sans: sans, first_uri_san };
        let headers = Headers::new(
            xfcc.iter().map(|value| (&b"x-forwarded-client-cert"[..], value.as_bytes())).collect(),
        );
        let trust_domains = vec![TrustDomain::parse("a.test").unwrap()];
        match Peer::read(&PeerSettings { source, trust_domains }, &connection, &headers) {
            Peer::Known(id) => Ok(id.to_string()),
            peer => Err(peer == Peer::Invalid),
        }
    }

    #[test]
    fn p10_exactly_one_uri_san_that_is_a_spiffe_id() {
        let cases = [
            (true, Some(WEB), Ok(WEB.to_owned())),
            (false, Some(WEB), Err(false)),
            (true, None, Err(false)),
            (true, Some("-"), Err(true)),
            (true, Some("spiffe://a.test/web,spiffe://a.test/db"), Err(true)),
            (true, Some("https://a.test/web"), Err(true)),
            (true, Some("spiffe://a.test"), Err(true)),
            (true, Some("spiffe://b.test/web"), Err(true)),
            (true, Some(""), Err(true)),
        ];
        for (mtls, sans, expected) in cases {
            assert_eq!(
                read(PeerSource::FilterState, mtls, sans, &[&format!("URI={WEB}")]),
                expected,
                "{sans:?}"
            );
        }
    }

    #[test]
    fn p10_the_element_that_envoy_wrote_must_agree_with_the_connection() {
        let own = format!(r#"By=spiffe://a.test/me;Hash=00;Subject="O=x,y;URI=z";URI={WEB}"#);
        let cases = [
            (Some(WEB), vec![own.clone()], Ok(WEB.to_owned())),
            (Some(WEB), vec![format!("URI=spiffe://a.test/admin,{own}")], Ok(WEB.to_owned())),
            (Some(WEB), vec!["URI=spiffe://a.test/admin".to_owned()], Err(true)),
            (Some(WEB), vec![format!("{own};URI=spiffe://a.test/db")], Err(true)),
            (
                Some("https://x/,Hash=0;URI=spiffe://a.test/admin"),
                vec![format!("By=x;URI=https://x/,Hash=0;URI=spiffe://a.test/admin")],
                Err(true),
            ),
            (Some(WEB), vec![format!(r#"URI=spiffe://a.test/admin;Subject=",{own}"#)], Err(true)),
            (Some(WEB), vec![own.clone(), own.clone()], Err(true)),
            (Some(WEB), vec![], Err(true)),
        ];
        for (san, xfcc, expected) in cases {
            let values: Vec<_> = xfcc.iter().map(String::as_str).collect();
            assert_eq!(read(PeerSource::EnvoyXfcc, true, san, &values), expected, "{xfcc:?}");
            assert_eq!(read(PeerSource::EnvoyXfcc, false, san, &values), Err(false));
        }
    }

    #[test]
    fn p10_a_forwarded_certificate_counts_only_behind_a_trusted_proxy() {
        let source = |hops| PeerSource::ProxyXfcc {
            trusted: Callers {
                spiffe_ids: vec![IdPattern::parse("spiffe://a.test/ingress").unwrap()],
                trust_domains: Vec::new(),
            },
            hops,
        };
        let xfcc = format!("URI={WEB},By=x;URI=spiffe://a.test/two");
        let proxy = Some("spiffe://a.test/ingress");
        assert_eq!(read(source(1), true, proxy, &[&xfcc]), Ok("spiffe://a.test/two".to_owned()));
        assert_eq!(read(source(2), true, proxy, &[&xfcc]), Ok(WEB.to_owned()));
        assert_eq!(read(source(3), true, proxy, &[&xfcc]), Err(true));
        assert_eq!(read(source(1), true, proxy, &[]), Err(false));
        assert_eq!(read(source(1), true, Some("spiffe://a.test/other"), &[&xfcc]), Err(false));
        assert_eq!(read(source(1), false, None, &[&xfcc]), Err(false));
    }
}
