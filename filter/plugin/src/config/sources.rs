//! Where a token and a peer's identity are looked for.

use svidgate_config::{Object, field, kind};
use svidgate_policy::{Callers, PeerSettings, PeerSource, TokenSource};

use super::kinds::{self, AUTHORIZATION, spelled};

/// The token sources, in their order.
pub(super) fn token_sources(object: &mut Object<'_>) -> Option<Vec<TokenSource>> {
    let sources = object.objects(
        field!(
            "token_sources",
            "Where a token is looked for. One found in two places is refused unless it is the same. Absent: the \
             `authorization` header with the scheme `Bearer`."
        ),
        MAX_SOURCES,
        token_source,
    );
    let Some(sources) = sources? else { return Some(default_sources()) };
    let mut good = true;
    for (at, source) in sources.iter().enumerate() {
        if sources.iter().take(at).any(|before| is_same_place(before, source)) {
            object.error(&format!("token_sources[{at}]"), "is a place that was named before");
            good = false;
        }
    }
    good.then_some(sources)
}

/// Whose word on the peer counts.
pub(super) fn peer(object: &mut Object<'_>) -> Option<PeerSettings> {
    let source = object.default(
        field!(
            "source",
            "`filter_state`: the peer of this connection, which a `set_filter_state` filter in front puts under \
             `svidgate.peer_uri_sans` (`%DOWNSTREAM_PEER_URI_SAN%`). `envoy_xfcc`: the last element of \
             `x-forwarded-client-cert`, as this Envoy wrote it (`SANITIZE_SET` or `APPEND_FORWARD`). `proxy_xfcc`: the \
             element that a trusted proxy in front wrote."
        ),
        "filter_state",
        kind::choice(&PEER_SOURCES),
    );
    let proxies = object.list(
        field!(
            "trusted_proxies",
            "For `proxy_xfcc`, and needed there: the SPIFFE IDs of proxies whose header is believed, by the identity \
             of the connection's own peer."
        ),
        kinds::id_pattern(),
    );
    let hops = object.default(
        field!("hops", "For `proxy_xfcc`: which element of the header, counted from the right."),
        1,
        kind::integer(1..=MAX_HOPS),
    );
    let trust_domains = object.list(
        field!(
            "trust_domains",
            "Trust domains whose peers have an identity. Absent: all that Envoy validates."
        ),
        kinds::trust_domain(),
    );
    let (source, proxies, hops) = (source?, proxies?, hops?);
    let idle = ["trusted_proxies", "hops"].into_iter().find(|name| object.has(name));
    let source = match (source, proxies, idle) {
        (Source::ProxyXfcc, None, _) => {
            object.error("trusted_proxies", "is required where `source` is `proxy_xfcc`");
            return None;
        }
        (Source::ProxyXfcc, Some(proxies), _) => {
            let trusted = Callers { spiffe_ids: proxies, trust_domains: Vec::new() };
            PeerSource::ProxyXfcc { trusted, hops: usize::try_from(hops).ok()? }
        }
        (_, _, Some(name)) => {
            object.error(name, "means nothing unless `source` is `proxy_xfcc`");
            return None;
        }
        (Source::FilterState, _, None) => PeerSource::FilterState,
        (Source::EnvoyXfcc, _, None) => PeerSource::EnvoyXfcc,
    };
    Some(PeerSettings { source, trust_domains: trust_domains?.unwrap_or_default() })
}

/// The header that a token is taken from, if it is one.
pub(super) fn header(source: &TokenSource) -> Option<&str> {
    match source {
        TokenSource::Header { name, .. } => Some(name),
        TokenSource::Cookie(_) | TokenSource::Query(_) => None,
    }
}

/// Whether both would look at the same text; in a header there is one token, whatever its scheme.
fn is_same_place(one: &TokenSource, other: &TokenSource) -> bool {
    one == other || header(one).is_some_and(|name| header(other) == Some(name))
}

fn default_sources() -> Vec<TokenSource> {
    vec![TokenSource::Header { name: AUTHORIZATION.to_owned(), scheme: Some("Bearer".to_owned()) }]
}

fn token_source(object: &mut Object<'_>) -> Option<TokenSource> {
    let header = object.optional(field!("header", "A header."), kinds::token_header());
    let scheme = object.optional(
        field!(
            "scheme",
            "For a header: the word before the token, in any case. Absent: the header is the bare token."
        ),
        spelled("1 to 32 letters, digits and `-`, such as `Bearer`", "^[A-Za-z0-9-]{1,32}$", 32, |text| {
            text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }),
    );
    let cookie = object.optional(
        field!("cookie", "A cookie."),
        spelled(
            "the name of a cookie, at most 64 characters",
            "^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$",
            64,
            |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)),
        ),
    );
    let query = object.optional(
        field!("query", "A parameter of the query. Beware: URLs end up in logs."),
        spelled(
            "the name of a parameter: 1 to 64 of A-Z, a-z, 0-9, `-`, `.`, `_`, `~`",
            "^[A-Za-z0-9._~-]{1,64}$",
            64,
            |text| text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)),
        ),
    );
    let one = object.exactly_one(&["header", "cookie", "query"]);
    let schemeless = object.not_together("cookie", "scheme").and(object.not_together("query", "scheme"));
    let (header, scheme, cookie, query) = (header?, scheme?, cookie?, query?);
    one.and(schemeless)?;
    if header.as_deref() == Some(AUTHORIZATION) && scheme.is_none() {
        object
            .error("scheme", "is required for `authorization`, which has a scheme always; usually `Bearer`");
        return None;
    }
    let header = header.map(|name| TokenSource::Header { name, scheme });
    header.or(cookie.map(TokenSource::Cookie)).or(query.map(TokenSource::Query))
}

/// Names of [`PeerSource`].
#[derive(Clone, Copy)]
enum Source {
    FilterState,
    EnvoyXfcc,
    ProxyXfcc,
}

const PEER_SOURCES: [(&str, Source); 3] = [
    ("filter_state", Source::FilterState),
    ("envoy_xfcc", Source::EnvoyXfcc),
    ("proxy_xfcc", Source::ProxyXfcc),
];

/// Each is looked for in every request.
const MAX_SOURCES: usize = 8;
const MAX_HOPS: u64 = 16;
