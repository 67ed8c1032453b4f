//! Clients of the rows by their certificates, and what Envoy makes of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use rcgen::SanType;

use crate::pki::{Authority, Certificate, san_dns, san_uri};

/// A client's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// `spiffe://example.org/ns/a/sa/web`.
    Web,
    /// `spiffe://example.org/client`.
    Client,
    /// `spiffe://example.org/other`.
    Other,
    /// `spiffe://example.org/ingress`: a proxy that may speak for others.
    Ingress,
    /// Two URI SANs: web and admin.
    Two,
    /// No SAN at all.
    NoSan,
    /// A DNS name only.
    DnsOnly,
    /// A URI that is no SPIFFE ID.
    NotSpiffe,
    /// One URI with a comma in it, so that a list of URIs looks like two.
    Comma,
    /// One URI made so that `x-forwarded-client-cert` gets another last element, with the identity of an admin.
    ForgedElement,
    /// `spiffe://partner.test/web` by the federated trust domain.
    Partner,
    /// `spiffe://example.org/ns/a/sa/web`, but by the federated trust domain's CA.
    PartnerAsOwn,
    /// `spiffe://example.org/ns/a/sa/web`, expired.
    Expired,
}

impl Peer {
    /// Its URI SANs.
    pub fn uris(self) -> &'static [&'static str] {
        match self {
            Self::Web | Self::PartnerAsOwn | Self::Expired => &["spiffe://example.org/ns/a/sa/web"],
            Self::Client => &["spiffe://example.org/client"],
            Self::Other => &["spiffe://example.org/other"],
            Self::Ingress => &["spiffe://example.org/ingress"],
            Self::Two => &["spiffe://example.org/ns/a/sa/web", "spiffe://example.org/admin"],
            Self::NoSan | Self::DnsOnly => &[],
            Self::NotSpiffe => &["https://example.org/web"],
            Self::Comma => &["spiffe://example.org/ns/a/sa/web,spiffe://example.org/admin"],
            Self::ForgedElement => &["https://x/,Hash=0;URI=spiffe://example.org/admin"],
            Self::Partner => &["spiffe://partner.test/web"],
        }
    }

    /// Its certificate.
    pub fn certificate(self) -> &'static Certificate {
        &pki().peers[&self]
    }

    const ALL: [Self; 13] = [
        Self::Web,
        Self::Client,
        Self::Other,
        Self::Ingress,
        Self::Two,
        Self::NoSan,
        Self::DnsOnly,
        Self::NotSpiffe,
        Self::Comma,
        Self::ForgedElement,
        Self::Partner,
        Self::PartnerAsOwn,
        Self::Expired,
    ];
}

/// What Envoy's listeners are set up with.
pub struct Pki {
    /// CA of example.org.
    pub own: Authority,
    /// CA of partner.test.
    pub partner: Authority,
    /// The listeners' own certificate.
    pub server: Certificate,
    peers: BTreeMap<Peer, Certificate>,
}

/// Made once.
pub fn pki() -> &'static Pki {
    static PKI: OnceLock<Pki> = OnceLock::new();
    PKI.get_or_init(|| {
        let own = Authority::of("example.org");
        let partner = Authority::of("partner.test");
        let server = own.issue("server", &[san_uri("spiffe://example.org/server"), san_dns("localhost")]);
        let issue = |peer: Peer| {
            let label = format!("{peer:?}");
            let mut names: Vec<SanType> = peer.uris().iter().map(|uri| san_uri(uri)).collect();
            if peer == Peer::DnsOnly {
                names.push(san_dns("web.example.org"));
            }
            let certificate = match peer {
                Peer::Partner | Peer::PartnerAsOwn => partner.issue(&label, &names),
                Peer::Expired => own.issue_expired(&label, &names),
                _ => own.issue(&label, &names),
            };
            (peer, certificate)
        };
        let peers = Peer::ALL.into_iter().map(issue).collect();
        Pki { own, partner, server, peers }
    })
}
