//! What the service behind the filter is told.

use svidgate_config::{Object, field, kind};
use svidgate_policy::{ClaimHeader, ClaimKind, TokenSource, Upstream};

use super::kinds::{self, spelled};
use super::sources;

pub(super) fn read(object: &mut Object<'_>) -> Option<Upstream> {
    let token = object.default(
        field!("token", "Whether a token that was looked at goes on to the service or is removed."),
        "remove",
        kind::choice(&[("remove", false), ("forward", true)]),
    );
    let spiffe_id_header = object.default(
        field!(
            "spiffe_id_header",
            "Header with the verified SPIFFE ID. Like every header here, it is removed from each incoming request, \
             in any spelling that an upstream could take for it."
        ),
        "x-spiffe-id",
        kinds::own_header(),
    );
    let trust_domain_header = object.optional(
        field!("trust_domain_header", "Header with the caller's trust domain."),
        kinds::own_header(),
    );
    let audit_header = object.default(
        field!(
            "audit_header",
            "Header with the reason for which a request in mode `audit` would have been refused."
        ),
        "x-svidgate-audit",
        kinds::own_header(),
    );
    let claims = object.objects(
        field!("claims", "Claims of the token that go to the service, each in a header of its own."),
        MAX_CLAIMS,
        claim,
    );
    Some(Upstream {
        forward_token: token?,
        spiffe_id_header: spiffe_id_header?,
        trust_domain_header: trust_domain_header?,
        audit_header: audit_header?,
        claims: claims?.unwrap_or_default(),
    })
}

/// Reports headers that would overwrite each other, or take the place of a token; `None` when there are any.
pub(super) fn check(object: &mut Object<'_>, upstream: &Upstream, places: &[TokenSource]) -> Option<()> {
    let Upstream { spiffe_id_header, trust_domain_header, audit_header, claims, .. } = upstream;
    let named =
        [("spiffe_id_header", Some(spiffe_id_header)), ("trust_domain_header", trust_domain_header.as_ref())]
            .into_iter()
            .chain([("audit_header", Some(audit_header))])
            .filter_map(|(name, header)| Some((format!("upstream.{name}"), header?.as_str())))
            .chain(
                claims
                    .iter()
                    .enumerate()
                    .map(|(at, claim)| (format!("upstream.claims[{at}].header"), claim.header.as_str())),
            );
    let mut seen = Vec::new();
    let mut good = Some(());
    for (path, header) in named {
        if places.iter().filter_map(sources::header).any(|source| source == header) {
            object.error(&path, format!("`{header}` is where a token is looked for"));
            good = None;
        }
        if seen.contains(&header) {
            object.error(&path, format!("`{header}` carries something else already"));
            good = None;
        }
        seen.push(header);
    }
    good
}

fn claim(object: &mut Object<'_>) -> Option<ClaimHeader> {
    let claim = object.required(
        field!("claim", "Name of the claim, at the top level of the token."),
        spelled("1 to 128 printable ASCII characters", "^[!-~]{1,128}$", 128, |text| {
            text.bytes().all(|b| b.is_ascii_graphic())
        }),
    );
    let header = object.required(field!("header", "Header that it goes into."), kinds::own_header());
    let kind = object.default(
        field!("type", "Type that the claim must have; `string_list` is joined by commas, `json` takes any."),
        "string",
        kind::choice(&CLAIM_KINDS),
    );
    let max_bytes = object.default(
        field!("max_bytes", "Longest value of the header. A longer one is as a claim of another type."),
        256,
        kind::integer(1..=MAX_CLAIM_BYTES),
    );
    let required = object.default(
        field!(
            "required",
            "Whether a request is refused (`claim_unusable`) when the claim is absent, of another type or too long. \
             Otherwise the header is left out."
        ),
        false,
        kind::boolean(),
    );
    Some(ClaimHeader {
        claim: claim?,
        header: header?,
        kind: kind?,
        max_bytes: usize::try_from(max_bytes?).ok()?,
        required: required?,
    })
}

const CLAIM_KINDS: [(&str, ClaimKind); 5] = [
    ("string", ClaimKind::String),
    ("integer", ClaimKind::Integer),
    ("boolean", ClaimKind::Boolean),
    ("string_list", ClaimKind::StringList),
    ("json", ClaimKind::Json),
];

/// Each costs a host call in every request.
const MAX_CLAIMS: usize = 32;
/// Half of what a token may have by default; Envoy takes 60 KiB of headers in all.
const MAX_CLAIM_BYTES: u64 = 4096;
