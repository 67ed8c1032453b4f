//! What outgoing requests are given.

use svidgate_config::{Kind, Object, Schema, field, kind, non_empty_string};
use svidgate_policy::Match;
use svidgate_snapshot::{CredentialKey, MAX_CREDENTIALS, is_credential_name};

use super::kinds::{self, spelled};
use super::matching;
use crate::outgoing::{Carrier, Existing, Outgoing, OutgoingRule};

/// Reads `credentials` and `outgoing`; the outer `None` means that something was wrong.
pub(super) fn read(object: &mut Object<'_>) -> Option<Option<Outgoing>> {
    let key = object.object(
        field!("credentials", "How the credentials for `outgoing` come to the plugin."),
        |object| {
            object.optional(
                field!(
                    "key",
                    "The key with which the controller seals them (a file of its `credential_keys`): 32 bytes in base64url, \
                     43 characters. It is a secret, and whoever may read Envoy's configuration or its `/config_dump` has it. \
                     Needed with `outgoing`."
                ),
                key(),
            )
        },
    );
    let rules = object.objects(
        field!(
            "outgoing",
            "Which requests are given a credential on their way to the upstream. The first rule that matches decides; what \
             none matches passes as it is. Without the credential, or past its end, a request that matches is refused (503)."
        ),
        MAX_RULES,
        rule,
    );
    let has_rules = object.has("outgoing");
    match (&key, has_rules) {
        (Some(None), true) => {
            object.error("credentials.key", "is required: `outgoing` needs credentials, which come sealed");
            return None;
        }
        (Some(Some(_)), false) => {
            object.error("credentials.key", "means nothing without `outgoing`");
            return None;
        }
        _ => {}
    }
    let (key, rules) = (key?, rules?);
    let Some(rules) = rules else { return Some(None) };
    let mut names: Vec<&str> = rules.iter().map(|rule| rule.credential.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() > MAX_CREDENTIALS {
        let actual = names.len();
        object.error("outgoing", format!("may name at most {MAX_CREDENTIALS} credentials, names {actual}"));
        return None;
    }
    Some(Some(Outgoing::new(key?, rules)))
}

fn rule(object: &mut Object<'_>) -> Option<OutgoingRule> {
    let matched = object.required_object(
        field!("match", "Which requests the rule is about. All conditions must hold."),
        "`clusters` must be named",
        matches,
    );
    let credential = object.required(
        field!("credential", "Name of the credential, as in the controller's `credentials`."),
        spelled(
            "1 to 64 of a-z, 0-9, `_`, `.` and `-`, the first a letter or digit",
            "^[a-z0-9][a-z0-9_.-]{0,63}$",
            64,
            is_credential_name,
        ),
    );
    let carrier = object.object_or(
        field!(
            "as",
            "How the request carries it. `bearer`: `authorization: Bearer …`, for a JWT-SVID or a token (RFC 6750). `basic`: \
             `authorization: Basic …`, for a user and a password (RFC 7617). Or a header of another name."
        ),
        kind::map(kind::choice(&SCHEMES), |is_basic| if is_basic { Carrier::Basic } else { Carrier::Bearer }),
        header,
    );
    let existing = object.default(
        field!(
            "existing",
            "What becomes of such a header that the caller set. `replace`: it is removed, in any spelling that an upstream \
             could take for it. `keep`: it goes on, and the credential is not added. `refuse`: the request is refused (400)."
        ),
        "replace",
        kind::choice(&EXISTING),
    );
    if carrier == Some(None) {
        object.error("as", "is required: bearer, basic or {header: NAME}");
        return None;
    }
    let (clusters, matches) = matched?;
    Some(OutgoingRule { clusters, matches, credential: credential?, carrier: carrier??, existing: existing? })
}

fn matches(object: &mut Object<'_>) -> Option<(Vec<String>, Match)> {
    let clusters = object.required_list(
        field!(
            "clusters",
            "Clusters of Envoy to which the credential may go, by the route of the request. Always needed: a host is what \
             the caller says, and does not tell where the request goes."
        ),
        kind::text(),
    );
    let hosts = object.list(
        field!(
            "hosts",
            "Hosts of the request, as in `rules`. Needed where the cluster goes wherever the host says."
        ),
        matching::host(),
    );
    let paths = object.list(field!("paths", "Paths, as in `rules`."), matching::path());
    let matches =
        Match { hosts: hosts?.unwrap_or_default(), paths: paths?.unwrap_or_default(), ..Match::default() };
    Some((clusters?, matches))
}

fn header(object: &mut Object<'_>) -> Option<Carrier> {
    let name =
        object.required(field!("header", "Name of the header, in lower case."), kinds::outgoing_header());
    let prefix = object.default(
        field!("prefix", "What stands before the value, such as `token `."),
        "",
        kind::new(
            |value| {
                let text = value.as_str().ok_or("expected a string")?;
                let good = text.len() <= 64
                    && text.bytes().all(|b| (b' '..=b'~').contains(&b))
                    && !text.starts_with(' ');
                if good {
                    Ok(text.to_owned())
                } else {
                    Err("must be at most 64 printable ASCII characters".to_owned())
                }
            },
            || Schema::text("at most 64 printable ASCII characters", "^([!-~][ -~]{0,63})?$"),
        ),
    );
    Some(Carrier::Header { name: name?, prefix: prefix? })
}

/// Its errors do not show what stands there.
fn key() -> impl Kind<CredentialKey> {
    kind::new(
        |value| CredentialKey::parse(&non_empty_string(value)?).map_err(|error| error.to_string()),
        || Schema::text("32 bytes in base64url without padding", "^[A-Za-z0-9_-]{43}$"),
    )
}

const SCHEMES: [(&str, bool); 2] = [("bearer", false), ("basic", true)];
const EXISTING: [(&str, Existing); 3] =
    [("replace", Existing::Replace), ("keep", Existing::Keep), ("refuse", Existing::Refuse)];
const MAX_RULES: usize = 1000;
