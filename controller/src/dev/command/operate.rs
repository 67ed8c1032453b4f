//! The commands that change or show a running `svidgate dev`.

use std::fmt::Write as _;
use std::io::Write as _;

use serde::Serialize;
use svidgate_jwt_svid::TrustDomain;

use super::{MintArgs, RevokeArgs, RotateArgs, StatusArgs, Target};
use crate::dev::admin::client::AdminClient;
use crate::dev::admin::{
    ChangeResponse, MINT, MintRequest, MintResponse, REVOKE, ROTATE, RevokeRequest, RotateRequest, STATUS,
    StatusResponse,
};
use crate::dev::authority::KeyState;
use crate::dev::issuer::{KeyStatus, Phase};
use crate::printable::{escaped, json};

pub(super) async fn rotate(args: RotateArgs) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.target.admin_socket()?);
    let request = |phase, key_type| RotateRequest {
        trust_domain: args.of.trust_domain.as_ref().map(ToString::to_string),
        phase: Some(phase),
        key_type,
    };
    if args.phase == Some(Phase::Prepare) {
        let prepared: ChangeResponse = client.post(ROTATE, &request(Phase::Prepare, args.key_type)).await?;
        return print(&args.target, &prepared, || change_text("published, signs nothing yet", &prepared));
    }
    if args.phase.is_none() && !is_prepared(&client, args.of.trust_domain.as_ref()).await? {
        let _: ChangeResponse = client.post(ROTATE, &request(Phase::Prepare, args.key_type)).await?;
        tokio::time::sleep(args.settle).await;
    }
    let active: ChangeResponse = client.post(ROTATE, &request(Phase::Activate, None)).await?;
    print(&args.target, &active, || change_text("signs from now on", &active))
}

pub(super) async fn revoke(args: RevokeArgs) -> anyhow::Result<()> {
    let client = AdminClient::new(&args.target.admin_socket()?);
    let request =
        RevokeRequest { trust_domain: args.of.trust_domain.as_ref().map(ToString::to_string), kid: args.kid };
    let revoked: ChangeResponse = client.post(REVOKE, &request).await?;
    print(&args.target, &revoked, || change_text("revoked: its tokens are void", &revoked))
}

pub(super) async fn status(args: StatusArgs) -> anyhow::Result<()> {
    let status: StatusResponse = AdminClient::new(&args.target.admin_socket()?).get(STATUS).await?;
    print(&args.target, &status, || status_text(&status))
}

pub(super) async fn mint(args: MintArgs) -> anyhow::Result<()> {
    let request = MintRequest {
        spiffe_id: args.spiffe_id.to_string(),
        audience: args.audience,
        ttl_seconds: args.ttl.map(|ttl| ttl.as_secs()),
        issued_ago_seconds: args.issued_ago.as_secs(),
    };
    let minted: MintResponse = AdminClient::new(&args.target.admin_socket()?).post(MINT, &request).await?;
    print(&args.target, &minted, || format!("{}\n", escaped(&minted.token)))
}

async fn is_prepared(client: &AdminClient, domain: Option<&TrustDomain>) -> anyhow::Result<bool> {
    let status: StatusResponse = client.get(STATUS).await?;
    let mut domains = status.trust_domains.iter();
    let found = match domain {
        None => domains.next(),
        Some(name) => domains.find(|found| found.trust_domain == name.as_str()),
    };
    Ok(found.is_some_and(|domain| domain.keys.iter().any(|key| key.state == KeyState::Prepared)))
}

fn print<T: Serialize>(target: &Target, answer: &T, text: impl FnOnce() -> String) -> anyhow::Result<()> {
    // Whoever serves the socket has written it.
    let text = if target.json { json(&format!("{}\n", serde_json::to_string(answer)?)) } else { text() };
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

fn change_text(what: &str, change: &ChangeResponse) -> String {
    let mut text = String::new();
    for kid in &change.changed {
        let _ = writeln!(text, "{} {what}", escaped(kid));
    }
    if change.changed.is_empty() {
        text.push_str("no old key, nothing to revoke\n");
    }
    text.push_str(&domain_text(&change.trust_domain, &change.keys));
    text
}

fn status_text(status: &StatusResponse) -> String {
    let mut text =
        format!("Workload API {}, tokens live {} s\n", escaped(&status.socket), status.ttl_seconds);
    for entry in &status.entries {
        let hint =
            if entry.hint.is_empty() { String::new() } else { format!(" (hint {})", escaped(&entry.hint)) };
        let _ = writeln!(text, "identity {}{hint}", escaped(&entry.spiffe_id));
    }
    for domain in &status.trust_domains {
        text.push_str(&domain_text(&domain.trust_domain, &domain.keys));
    }
    text
}

fn domain_text(domain: &str, keys: &[KeyStatus]) -> String {
    let mut text = format!("{}\n", escaped(domain));
    for key in keys {
        let state = match key.state {
            KeyState::Prepared => "prepared",
            KeyState::Active => "active",
            KeyState::Old => "old",
        };
        let since = crate::clock::rfc3339(key.since.saturating_mul(1000));
        let _ = writeln!(
            text,
            "  {state:<8}  {}  {}  since {since}",
            key.key_type.algorithm(),
            escaped(&key.kid)
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_came_over_the_socket_acts_on_the_terminal() {
        let evil = "x\u{1b}[2J\u{9b}1m\u{202e}y\nforged";
        let keys: Vec<KeyStatus> = serde_json::from_value(serde_json::json!([
            {"kid": evil, "key_type": "es256", "state": "active", "since": 0}
        ]))
        .unwrap();
        let status: StatusResponse = serde_json::from_value(serde_json::json!({
            "socket": evil, "ttl_seconds": 1, "entries": [{"spiffe_id": evil, "hint": evil}],
            "trust_domains": [{"trust_domain": evil, "keys": keys}],
        }))
        .unwrap();
        let change = ChangeResponse { trust_domain: evil.to_owned(), changed: vec![evil.to_owned()], keys };
        for text in [status_text(&status), change_text("signs", &change)] {
            let acts = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!text.contains(acts) && !text.contains("\nforged"), "{text:?}");
        }
    }
}
