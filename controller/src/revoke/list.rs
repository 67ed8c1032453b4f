//! `svidgate revoke list`.

use hyper::Method;
use serde_json::Value;
use svidgate_snapshot::{Limits, Revocations};

use super::client::Client;
use crate::clock;
use crate::printable::{self, escaped};
use crate::serve::admin::REVOCATIONS_PATH;
use crate::status::aligned;

/// The list as a table or as the controller's JSON.
pub(super) async fn shown(client: &Client, json: bool) -> anyhow::Result<String> {
    let answer: Value = client.call(Method::GET, REVOCATIONS_PATH, "").await?;
    if json {
        return Ok(printable::json(&serde_json::to_string_pretty(&answer)?));
    }
    table(&answer)
}

fn table(answer: &Value) -> anyhow::Result<String> {
    let mut rows = vec![["KIND", "WHAT", "WHEN", "SOURCE"].map(str::to_owned)];
    for (source, member) in [("admin socket", "state"), ("file", "file")] {
        let Some(list) = answer.get(member).filter(|list| !list.is_null()) else { continue };
        let list = Revocations::from_json(&list.to_string(), &Limits::AGREED)?;
        let row = |kind: &str, what: String, when: String| [kind.to_owned(), what, when, source.to_owned()];
        let moment = |at: svidgate_jwt_svid::UnixTime| clock::rfc3339(at.as_secs().saturating_mul(1000));
        rows.extend(
            list.kids()
                .map(|(domain, kid)| row("key", format!("{} of {domain}", escaped(kid)), "-".to_owned())),
        );
        rows.extend(list.jtis().map(|(domain, jti, expires_at)| {
            row("token", format!("{} of {domain}", escaped(jti)), format!("expires {}", moment(expires_at)))
        }));
        rows.extend(list.subjects().map(|(subject, issued_before)| {
            row("subject", subject.to_string(), format!("issued before {}", moment(issued_before)))
        }));
    }
    if rows.len() == 1 {
        return Ok("nothing is revoked".to_owned());
    }
    Ok(aligned(&rows).join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_table_tells_what_is_revoked_and_by_which_source() {
        let answer = json!({
            "state": {"kids": [{"trust_domain": "a.test", "kid": "k\u{1b}"}],
                "jtis": [{"trust_domain": "a.test", "jti": "j", "expires_at": 1_764_072_000}]},
            "file": {"subjects": [{"spiffe_id": "spiffe://a.test/x", "issued_before": 1_764_072_001}]},
        });
        assert_eq!(
            table(&answer).unwrap(),
            "KIND     WHAT               WHEN                                SOURCE\n\
             key      k\\u{1b} of a.test  -                                   admin socket\n\
             token    j of a.test        expires 2025-11-25T12:00:00Z        admin socket\n\
             subject  spiffe://a.test/x  issued before 2025-11-25T12:00:01Z  file"
        );
        assert_eq!(table(&json!({"state": {}, "file": null})).unwrap(), "nothing is revoked");
    }
}
