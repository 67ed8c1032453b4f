//! Kinds of values that several settings have.

use svidgate_config::{Kind, Schema, kind, non_empty_string};
use svidgate_jwt_svid::{Algorithm, SpiffeId, TrustDomain};
use svidgate_policy::IdPattern;

/// A SPIFFE ID of a workload.
pub(super) fn spiffe_id() -> impl Kind<SpiffeId> {
    kind::new(
        |value| {
            let text = non_empty_string(value)?;
            let id = SpiffeId::parse(&text).map_err(|error| error.to_string())?;
            if id.path().is_empty() {
                return Err("names a trust domain, not a workload; a path is needed".to_owned());
            }
            Ok(id)
        },
        || Schema::text("SPIFFE ID with a path", r"^spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)+$"),
    )
}

/// A SPIFFE ID of a workload, as a pattern of itself alone.
pub(super) fn exact_id() -> impl Kind<IdPattern> {
    kind::new(|value| IdPattern::parse(spiffe_id().parse(value)?.as_str()), || spiffe_id().schema())
}

/// SPIFFE IDs, each written out or as a pattern.
pub(super) fn id_pattern() -> impl Kind<IdPattern> {
    kind::new(
        |value| IdPattern::parse(&non_empty_string(value)?),
        || {
            Schema::text(
                "SPIFFE ID; `*` as one whole segment, `**` as one or more at the end",
                r"^spiffe://[a-z0-9._-]+(/(\*|[A-Za-z0-9._-]+))*/(\*\*|\*|[A-Za-z0-9._-]+)$",
            )
        },
    )
}

/// A trust domain, without a scheme.
pub(super) fn trust_domain() -> impl Kind<TrustDomain> {
    kind::new(
        |value| TrustDomain::parse(&non_empty_string(value)?).map_err(|error| error.to_string()),
        || Schema::text("trust domain, such as `example.org`", "^[a-z0-9._-]+$"),
    )
}

/// A signature algorithm of RFC 7518.
pub(super) fn algorithm() -> impl Kind<Algorithm> {
    let names = || Algorithm::ALL.iter().map(|algorithm| algorithm.as_str());
    kind::new(
        move |value| {
            Algorithm::parse(&non_empty_string(value)?).ok_or_else(|| {
                let known: Vec<_> = names().collect();
                format!("unknown algorithm; known, in exactly this spelling: {}", known.join(", "))
            })
        },
        move || Schema::Choice(names().map(str::to_owned).collect()),
    )
}

/// Text of at most `most` characters, each one of which `taken` takes; `form` and `pattern` say the same.
pub(super) fn spelled(
    form: &'static str,
    pattern: &'static str,
    most: usize,
    taken: fn(&str) -> bool,
) -> impl Kind<String> {
    kind::new(
        move |value| {
            let text = non_empty_string(value)?;
            if text.len() <= most && taken(&text) { Ok(text) } else { Err(format!("must be {form}")) }
        },
        move || Schema::text(form, pattern),
    )
}

/// A header that the filter may own: lower case, and none whose meaning belongs to HTTP, Envoy or the caller.
pub(super) fn own_header() -> impl Kind<String> {
    kind::new(
        |value| {
            let name = header_name(&non_empty_string(value)?)?;
            let reserved = RESERVED_HEADERS.contains(&name.as_str())
                || RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
            if reserved { Err(RESERVED.to_owned()) } else { Ok(name) }
        },
        header_schema,
    )
}

/// A header in which the filter puts a credential.
pub(super) fn outgoing_header() -> impl Kind<String> {
    kind::new(
        |value| {
            let name = header_name(&non_empty_string(value)?)?;
            if is_no_place_for_a_secret(&name) { Err(RESERVED.to_owned()) } else { Ok(name) }
        },
        header_schema,
    )
}

/// A header in which a caller may send a token.
pub(super) fn token_header() -> impl Kind<String> {
    kind::new(
        |value| {
            let name = header_name(&non_empty_string(value)?)?;
            match name.as_str() {
                "cookie" => Err("is said with `cookie`, not with `header`".to_owned()),
                name if is_no_place_for_a_secret(name) => Err(RESERVED.to_owned()),
                _ => Ok(name),
            }
        },
        header_schema,
    )
}

/// Neither a token nor a credential may travel in this header.
fn is_no_place_for_a_secret(name: &str) -> bool {
    (name != AUTHORIZATION && RESERVED_HEADERS.contains(&name))
        || TOKEN_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || FORWARDED.contains(&name)
}

fn header_name(name: &str) -> Result<String, String> {
    let well_formed = name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if well_formed {
        Ok(name.to_owned())
    } else {
        Err("must be a header name in lower case: letters, digits and `-`, at most 64".to_owned())
    }
}

fn header_schema() -> Schema {
    Schema::text("header name in lower case", "^[a-z][a-z0-9-]{0,63}$")
}

pub(super) const AUTHORIZATION: &str = "authorization";

const RESERVED: &str = "is a header with a meaning of its own; the filter would break it";

const RESERVED_HEADERS: [&str; 14] = [
    AUTHORIZATION,
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

const RESERVED_PREFIXES: [&str; 6] =
    ["x-envoy-", "x-forwarded-", "sec-", "proxy-", "content-", "access-control-"];

/// Proxies in front may hand a token on in `x-forwarded-access-token` and the like.
const TOKEN_PREFIXES: [&str; 5] = ["x-envoy-", "sec-", "proxy-", "content-", "access-control-"];

const FORWARDED: [&str; 5] = [
    "x-forwarded-client-cert",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
];
