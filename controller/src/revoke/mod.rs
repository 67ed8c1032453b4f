//! `svidgate revoke`: what is refused from now on although it verifies, over the admin socket of a running controller.

mod args;
mod client;
mod list;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use hyper::Method;
use serde_json::{Value, json};
use svidgate_jwt_svid::unverified::{Claims, Compact};
use svidgate_jwt_svid::{SpiffeId, TrustDomain, UnixTime};
use svidgate_snapshot::MAX_REVOKED_ID_BYTES;
use tokio::time::Instant;

use args::{Entry, RevokeCommand};
pub use args::{HELP, RevokeArgs};
use client::Client;

use crate::clock;
use crate::explain::token::{Token, standard_input};
use crate::printable::escaped;
use crate::serve::admin::{Changed, REVOCATIONS_PATH};
use crate::serve::report::Report;

/// Does it and prints what came of it.
///
/// # Errors
/// When the controller does not answer or refuses, or when not all subscribers follow within `--wait`.
pub async fn run(args: RevokeArgs) -> anyhow::Result<()> {
    let client = Client::new(&args.admin_socket);
    let (method, document, what) = match args.command {
        RevokeCommand::List { json } => return print(&list::shown(&client, json).await?),
        RevokeCommand::Token => {
            let (document, what) =
                of_token(&Token::from_text(&standard_input()?).bytes, clock::unix_millis())?;
            (Method::POST, document, format!("revoked {what}"))
        }
        RevokeCommand::Kid { trust_domain, kid } => {
            let (document, what) = kid_of(&trust_domain, &kid);
            (Method::POST, document, format!("revoked {what}"))
        }
        RevokeCommand::Jti { trust_domain, expires_at, jti } => {
            let (document, what) = jti_of(&trust_domain, &jti, Some(expires_at));
            (Method::POST, document, format!("revoked {what}"))
        }
        RevokeCommand::Subject { spiffe_id, issued_before } => {
            let (document, what) = subject_of(&spiffe_id, Some(issued_before));
            (Method::POST, document, format!("revoked {what}"))
        }
        RevokeCommand::Remove { entry } => {
            let (document, what) = match entry {
                Entry::Kid { trust_domain, kid } => kid_of(&trust_domain, &kid),
                Entry::Jti { trust_domain, jti } => jti_of(&trust_domain, &jti, None),
                Entry::Subject { spiffe_id } => subject_of(&spiffe_id, None),
            };
            (Method::DELETE, document, format!("no longer revoked: {what}"))
        }
    };
    let changed: Changed = client.call(method, REVOCATIONS_PATH, &document.to_string()).await?;
    print(&outcome(&changed, &what))?;
    enforced(&client, args.wait).await
}

/// What was done, in the words of the controller's answer.
fn outcome(changed: &Changed, what: &str) -> String {
    let mut lines = Vec::new();
    if changed.expired > 0 {
        lines.push("nothing to do: the token has expired, and every filter refuses it".to_owned());
    } else if changed.changed {
        lines.push(what.to_owned());
    } else {
        lines.push(format!("{what} (as before)"));
    }
    let revision = changed.revision.as_deref().map_or_else(|| "none yet".to_owned(), short);
    lines.push(format!("entries in force: {}; revision: {revision}", changed.entries));
    if changed.left_out_bundles > 0 {
        lines.push(format!(
            "warning: {} trust domains have no room in the snapshot, so their tokens are refused: see `svidgate status`",
            changed.left_out_bundles
        ));
    }
    lines.join("\n")
}

/// Says how many subscribers enforce the revision in force; with a time to wait, once all do.
async fn enforced(client: &Client, wait: Option<Duration>) -> anyhow::Result<()> {
    let deadline = wait.map(|wait| Instant::now().checked_add(wait).unwrap_or_else(Instant::now));
    loop {
        let report: Report = client.call(Method::GET, "/status", "").await?;
        let (all, current) = (report.summary.subscribers, report.summary.current);
        let done = all == current;
        let over = deadline.is_none_or(|deadline| Instant::now() >= deadline);
        if !done && !over {
            tokio::time::sleep(POLL_PAUSE).await;
            continue;
        }
        let line = if all == 0 {
            "no Envoy has asked for a snapshot lately".to_owned()
        } else {
            format!("{current} of {all} subscribers enforce it")
        };
        print(&line)?;
        let Some(wait) = wait.filter(|_| !done) else { return Ok(()) };
        let behind: Vec<String> = report
            .subscribers
            .iter()
            .filter(|subscriber| !subscriber.current)
            .take(MAX_NAMED)
            .map(|subscriber| {
                let node = if subscriber.node.is_empty() { "-" } else { &subscriber.node };
                let seen = if subscriber.held > 0 {
                    "now".to_owned()
                } else {
                    format!("{:.0}s ago", subscriber.last_seen_seconds)
                };
                format!("{} (seen {seen})", escaped(node))
            })
            .collect();
        bail!(
            "not all subscribers followed within {wait:?}: {}; one that is gone is forgotten after some minutes",
            behind.join(", ")
        );
    }
}

/// The entry that revokes a token, and its name for people. The signature is not looked at: who has the token may be
/// anyone, and nothing but its id is taken from it.
fn of_token(token: &[u8], now: u64) -> anyhow::Result<(Value, String)> {
    if token.is_empty() {
        bail!("no token on standard input; try `svidgate revoke token < file`");
    }
    let read = || -> Result<Claims, svidgate_jwt_svid::VerifyError> {
        Claims::parse(&Compact::parse(token)?.payload)
    };
    let claims = read().context("what is on standard input is no JWT")?;
    let subject =
        claims.subject().context("the token has no `sub`, so it is no JWT-SVID and refused anyway")?;
    let subject = SpiffeId::parse(subject)
        .context("`sub` is no SPIFFE ID, so the token is no JWT-SVID and refused anyway")?;
    let instead = || format!("revoke its subject instead: svidgate revoke subject {subject}");
    let jti =
        claims.jwt_id().filter(|jti| !jti.is_empty() && jti.len() <= MAX_REVOKED_ID_BYTES).with_context(
            || format!("the token has no `jti` by which it could be told from others; {}", instead()),
        )?;
    let expires_at = claims.expires_at().context("the token has no `exp`, so it is refused anyway")?.ceil;
    if expires_at.as_secs().saturating_mul(1000) < now.saturating_sub(FIVE_MINUTES_MILLIS) {
        bail!("nothing to do: the token has expired, and every filter refuses it");
    }
    Ok(jti_of(subject.trust_domain(), jti, Some(expires_at)))
}

fn kid_of(trust_domain: &TrustDomain, kid: &str) -> (Value, String) {
    let entry = json!({"trust_domain": trust_domain.as_str(), "kid": kid});
    (json!({ "kids": [entry] }), format!("key {} of {trust_domain}", escaped(kid)))
}

fn jti_of(trust_domain: &TrustDomain, jti: &str, expires_at: Option<UnixTime>) -> (Value, String) {
    let mut entry = json!({"trust_domain": trust_domain.as_str(), "jti": jti});
    if let (Some(entry), Some(at)) = (entry.as_object_mut(), expires_at) {
        entry.insert("expires_at".to_owned(), json!(at.as_secs()));
    }
    (json!({ "jtis": [entry] }), format!("token {} of {trust_domain}", escaped(jti)))
}

fn subject_of(spiffe_id: &SpiffeId, issued_before: Option<UnixTime>) -> (Value, String) {
    let mut entry = json!({"spiffe_id": spiffe_id.as_str()});
    let mut what = format!("tokens of {spiffe_id}");
    if let (Some(entry), Some(at)) = (entry.as_object_mut(), issued_before) {
        entry.insert("issued_before".to_owned(), json!(at.as_secs()));
        what = format!("{what} issued before {}", clock::rfc3339(at.as_secs().saturating_mul(1000)));
    }
    (json!({ "subjects": [entry] }), what)
}

/// The first 12 digits of a revision.
fn short(revision: &str) -> String {
    escaped(revision.get(..12).unwrap_or(revision))
}

fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
        // The reader, such as `head`, has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

const POLL_PAUSE: Duration = Duration::from_millis(50);
/// The largest clock skew that a filter may admit.
const FIVE_MINUTES_MILLIS: u64 = svidgate_jwt_svid::MAX_CLOCK_SKEW.saturating_mul(1000);
const MAX_NAMED: usize = 10;

#[cfg(test)]
mod tests;
