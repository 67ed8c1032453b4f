//! `svidgate status`: asks a running controller who holds which revision.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use clap::Args;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

use crate::clock;
use crate::config::DEFAULT_SERVER_SOCKET;
use crate::credentials::{CredentialState, CredentialStatus};
use crate::printable::{escaped, json};
use crate::serve::report::{KeyHolders, Report, SubscriberStatus, TrustDomain};

/// Arguments of `svidgate status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The controller's socket.
    #[arg(long, value_name = "PATH", env = "SVIDGATE_SERVER_SOCKET", default_value = DEFAULT_SERVER_SOCKET)]
    socket: PathBuf,
    /// The whole report as JSON.
    #[arg(long)]
    json: bool,
}

/// Asks and prints.
///
/// # Errors
/// When the controller does not answer.
pub async fn run(args: StatusArgs) -> anyhow::Result<()> {
    let body = tokio::time::timeout(TIMEOUT, fetch(&args.socket))
        .await
        .with_context(|| format!("{}: no answer within {TIMEOUT:?}", args.socket.display()))?
        .with_context(|| format!("{}: no controller answers there", args.socket.display()))?;
    let report: Report = serde_json::from_slice(&body).context("the answer is not a controller's status")?;
    let text = if args.json { json(&serde_json::to_string_pretty(&report)?) } else { table(&report) };
    let mut stdout = std::io::stdout().lock();
    match writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush()) {
        // The reader, such as `head`, has seen enough.
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

async fn fetch(socket: &Path) -> anyhow::Result<Bytes> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::get("/status").header("host", "localhost").body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    ensure!(response.status() == StatusCode::OK, "it answers with status {}", response.status());
    match Limited::new(response.into_body(), MAX_BODY).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => bail!("reading the answer: {error}"),
    }
}

fn table(report: &Report) -> String {
    let mut out = Vec::new();
    let source = &report.workload_api;
    out.push(format!("controller     svidgate {}", escaped(&report.version)));
    out.push(format!(
        "revision       {}",
        report.revision.as_deref().map_or_else(|| "none yet".to_owned(), short)
    ));
    let since = source.since.as_deref().map(|since| format!(" since {}", escaped(since))).unwrap_or_default();
    out.push(format!("workload api   {}{since}", escaped(&source.phase)));
    if let Some(detail) = &source.detail {
        out.push(format!("               {}", escaped(detail)));
    }
    out.push(String::new());
    out.extend(trust_domains(&report.trust_domains));
    for refused in &report.refused_bundles {
        let what = if refused.left_out { "left out" } else { "refused bundle" };
        out.push(format!("{what:<14} {}: {}", escaped(&refused.name), escaped(&refused.reason)));
    }
    let others = report.refused_bundles_total.saturating_sub(report.refused_bundles.len());
    if others > 0 {
        out.push(format!("refused bundle {others} more, which are not listed"));
    }
    out.extend(revocations(report));
    out.extend(report.credentials.iter().map(credential));
    out.push(String::new());
    if !report.subscribers.is_empty() {
        out.extend(subscribers(&report.subscribers));
        out.push(String::new());
        out.extend(keys(report));
    }
    out.push(verdict(report));
    out.join("\n")
}

fn trust_domains(domains: &[TrustDomain]) -> Vec<String> {
    let mut rows = vec![["TRUST DOMAIN", "SEEN", "KEYS"].map(str::to_owned)];
    let mut notes = Vec::new();
    for domain in domains {
        let name = escaped(&domain.trust_domain);
        let kids: Vec<String> = domain.kids.iter().map(|kid| escaped(kid)).collect();
        let seen =
            format!("{} ago{}", age(domain.observed_age_seconds), if domain.current { "" } else { " (!)" });
        let kids = if kids.is_empty() { "none: every token is refused".to_owned() } else { kids.join(" ") };
        rows.push([name.clone(), seen, kids]);
        for ignored in &domain.ignored_keys {
            let kid = ignored.kid.as_deref().map_or_else(|| "(no kid)".to_owned(), escaped);
            let reason = escaped(&ignored.reason);
            notes.push(format!("ignored key    {kid} of {name}: {reason}"));
        }
    }
    let mut out = aligned(&rows);
    if domains.is_empty() {
        out.push("none: every token is refused".to_owned());
    }
    out.extend(notes);
    out
}

fn subscribers(subscribers: &[SubscriberStatus]) -> Vec<String> {
    let header = ["NODE", "INSTANCE", "PLUGIN", "REVISION", "STATE", "AGE", "REVOKED", "SEEN", "HELD"];
    let header = header.map(str::to_owned);
    let mut rows = vec![header];
    for subscriber in subscribers {
        let state = match (&subscriber.revision, subscriber.current) {
            (_, true) => "current",
            (Some(_), false) => "behind",
            (None, false) => "without",
        };
        rows.push([
            if subscriber.node.is_empty() { "-".to_owned() } else { escaped(&subscriber.node) },
            escaped(&subscriber.instance),
            escaped(&subscriber.plugin_version),
            subscriber.revision.as_deref().map_or_else(|| "-".to_owned(), short),
            state.to_owned(),
            subscriber.observed_age_seconds.map_or_else(|| "-".to_owned(), age),
            subscriber.revocations.map_or_else(|| "-".to_owned(), |count| count.to_string()),
            if subscriber.held > 0 {
                "now".to_owned()
            } else {
                format!("{} ago", age(subscriber.last_seen_seconds))
            },
            subscriber.held.to_string(),
        ]);
    }
    aligned(&rows)
}

fn revocations(report: &Report) -> Vec<String> {
    let list = &report.revocations;
    let mut out = Vec::new();
    if let Some(changed_at) = &list.changed_at {
        out.push(format!(
            "revoked        {} keys, {} tokens, {} subjects; changed {}",
            list.kids,
            list.jtis,
            list.subjects,
            escaped(changed_at)
        ));
    }
    if let Some(error) = &list.file_error {
        out.push(format!("revoked        the file is not taken: {}", escaped(error)));
    }
    out
}

fn credential(one: &CredentialStatus) -> String {
    let state = match one.state {
        CredentialState::Held => "held",
        CredentialState::Pending => "not fetched yet",
        CredentialState::Missing => "missing: requests that need it are refused",
    };
    let end = one.not_after.map(|end| clock::rfc3339(end.saturating_mul(1000)));
    let end = end.map(|end| format!(" until {end}")).unwrap_or_default();
    let error = one.error.as_deref().map(|error| format!(" ({})", escaped(error))).unwrap_or_default();
    format!("credential     {} from {}: {state}{end}{error}", escaped(&one.name), escaped(&one.source))
}

/// Which keys are held by how many: all of them while they are few, else those that need a look.
fn keys(report: &Report) -> Vec<String> {
    let all = report.summary.subscribers;
    let needs_a_look = |key: &&KeyHolders| !key.in_force || key.revoked || key.held_by < all;
    let shown: Vec<&KeyHolders> = if report.keys.len() <= MAX_KEYS {
        report.keys.iter().collect()
    } else {
        report.keys.iter().filter(needs_a_look).take(MAX_KEYS).collect()
    };
    let mut out: Vec<String> = shown.iter().map(|key| holders(key, all)).collect();
    let others = report.keys.len().saturating_sub(shown.len());
    let hidden = report.keys.iter().filter(needs_a_look).count().saturating_sub(shown.len());
    if others > 0 && hidden == 0 {
        out.push(format!("{others} other keys: held by all"));
    } else if others > 0 {
        out.push(format!("{others} other keys, {hidden} of them not held by all: see --json"));
    }
    let unknown = report.revisions.iter().filter(|revision| revision.kids.is_none());
    let unknown = unknown.map(|revision| revision.subscribers).fold(0, usize::saturating_add);
    if unknown > 0 {
        out.push(format!(
            "{unknown} subscribers hold a revision that this controller does not know, counted as without"
        ));
    }
    if !out.is_empty() {
        out.push(String::new());
    }
    out
}

fn holders(key: &KeyHolders, all: usize) -> String {
    let note = match (key.in_force, key.revoked) {
        (_, true) => " (revoked)",
        (true, false) => "",
        (false, false) => " (no longer in the bundle)",
    };
    let (kid, domain) = (escaped(&key.kid), escaped(&key.trust_domain));
    format!("key {kid} of {domain}: held by {} of {all} subscribers{note}", key.held_by)
}

fn verdict(report: &Report) -> String {
    let summary = &report.summary;
    if summary.subscribers == 0 {
        "No Envoy has asked for a snapshot lately.".to_owned()
    } else if summary.current == summary.subscribers {
        format!("All subscribers ({}) enforce the newest revision.", summary.subscribers)
    } else {
        format!(
            "{} of {} subscribers enforce the newest revision; {} are behind, {} have none.",
            summary.current, summary.subscribers, summary.behind, summary.without
        )
    }
}

/// Columns of equal width, two spaces apart.
pub(crate) fn aligned<const N: usize>(rows: &[[String; N]]) -> Vec<String> {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

/// The first 12 digits of a revision.
fn short(revision: &str) -> String {
    escaped(revision.get(..12).unwrap_or(revision))
}

fn age(seconds: f64) -> String {
    if seconds < 120.0 { format!("{seconds:.1}s") } else { format!("{:.0}m", (seconds / 60.0).floor()) }
}

/// About a screen.
const MAX_KEYS: usize = 20;

const TIMEOUT: Duration = Duration::from_secs(10);

/// The table of subscribers is bounded at 100,000 entries of at most 1 KiB.
const MAX_BODY: usize = 128 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn report(subscribers: serde_json::Value) -> Report {
        let current = subscribers.as_array().unwrap().iter().filter(|s| s["current"] == true).count();
        let count = subscribers.as_array().unwrap().len();
        serde_json::from_value(json!({
            "version": "0.1.0", "timestamp": "2025-11-25T12:00:00Z", "revision": "ab".repeat(32),
            "workload_api": {"phase": "up", "since": "2025-11-25T11:00:00Z", "detail": null},
            "trust_domains": [{"trust_domain": "a.test", "kids": ["k\u{1b}[2J"], "observed_age_seconds": 0.25,
                "current": true, "sequence": null, "ignored_keys": [{"kid": "twice", "reason": "two keys"}]}],
            "refused_bundles": [], "refused_bundles_total": 0,
            "summary": {"subscribers": count, "current": current, "behind": count - current, "without": 0, "held": 1},
            "revocations": {"kids": 1, "jtis": 2, "subjects": 3, "changed_at": "2025-11-25T11:30:00Z", "file_error": null},
            "credentials": [
                {"name": "billing", "source": "jwt_svid", "state": "held", "not_after": 1_764_072_000, "changed_at": "",
                    "error": "d\u{1b}own", "fetched": 1, "failed": 1},
                {"name": "legacy", "source": "file", "state": "missing", "not_after": null, "changed_at": "",
                    "error": null, "fetched": 0, "failed": 0},
            ],
            "keys": [
                {"trust_domain": "a.test", "kid": "k\u{1b}[2J", "in_force": true, "revoked": false, "held_by": 1},
                {"trust_domain": "a.test", "kid": "old", "in_force": false, "revoked": false, "held_by": 1},
                {"trust_domain": "a.test", "kid": "stolen", "in_force": true, "revoked": true, "held_by": 2},
            ],
            "revisions": [{"revision": "cd".repeat(32), "in_force": false, "subscribers": 1, "kids": null, "revocations": null}],
            "subscribers": subscribers,
        }))
        .unwrap()
    }

    fn many(count: usize, behind: usize) -> Report {
        let mut report = report(json!([]));
        report.summary.subscribers = 3;
        report.revisions.clear();
        report.keys = (0..count)
            .map(|number| KeyHolders {
                trust_domain: "a.test".to_owned(),
                kid: number.to_string(),
                in_force: true,
                revoked: false,
                held_by: if number < behind { 2 } else { 3 },
            })
            .collect();
        report
    }

    #[test]
    fn of_many_keys_those_are_shown_that_not_all_hold() {
        assert_eq!(keys(&many(20, 0)).len(), 21, "few are all shown, and an empty line");
        assert_eq!(keys(&many(1000, 0)), ["1000 other keys: held by all", ""]);
        let shown = keys(&many(1000, 1));
        assert_eq!(shown, ["key 0 of a.test: held by 2 of 3 subscribers", "999 other keys: held by all", ""]);
        let shown = keys(&many(1000, 50));
        assert_eq!(shown.len(), 22);
        assert_eq!(shown[20], "980 other keys, 30 of them not held by all: see --json");
    }

    #[test]
    fn a_report_of_an_older_controller_is_read() {
        let mut value = serde_json::to_value(report(json!([]))).unwrap();
        for added in ["revocations", "keys", "revisions", "credentials"] {
            value.as_object_mut().unwrap().remove(added).unwrap();
        }
        value["subscribers"] = json!([{"node": "n", "instance": "", "plugin_version": "", "revision": null,
            "current": false, "last_seen_seconds": 0.0, "held": 1}]);
        let text = table(&serde_json::from_value(value).unwrap());
        assert!(text.contains("without  -    -  "), "{text}");
    }

    #[test]
    fn the_table_tells_who_holds_what_and_obeys_no_control_characters() {
        let shown = table(&report(json!([
            {"node": "envoy-1", "instance": "in", "plugin_version": "0.1.0", "revision": "ab".repeat(32),
             "current": true, "observed_age_seconds": 12.5, "revocations": 6, "last_seen_seconds": 0.0, "held": 1},
            {"node": "envoy-longer", "instance": "in", "plugin_version": "0.1.0", "revision": "cd".repeat(32),
             "current": false, "last_seen_seconds": 200.0, "held": 0},
        ])));
        assert_eq!(
            shown,
            "controller     svidgate 0.1.0\n\
             revision       abababababab\n\
             workload api   up since 2025-11-25T11:00:00Z\n\
             \n\
             TRUST DOMAIN  SEEN      KEYS\n\
             a.test        0.2s ago  k\\u{1b}[2J\n\
             ignored key    twice of a.test: two keys\n\
             revoked        1 keys, 2 tokens, 3 subjects; changed 2025-11-25T11:30:00Z\n\
             credential     billing from jwt_svid: held until 2025-11-25T12:00:00Z (d\\u{1b}own)\n\
             credential     legacy from file: missing: requests that need it are refused\n\
             \n\
             NODE          INSTANCE  PLUGIN  REVISION      STATE    AGE    REVOKED  SEEN    HELD\n\
             envoy-1       in        0.1.0   abababababab  current  12.5s  6        now     1\n\
             envoy-longer  in        0.1.0   cdcdcdcdcdcd  behind   -      -        3m ago  0\n\
             \n\
             key k\\u{1b}[2J of a.test: held by 1 of 2 subscribers\n\
             key old of a.test: held by 1 of 2 subscribers (no longer in the bundle)\n\
             key stolen of a.test: held by 2 of 2 subscribers (revoked)\n\
             1 subscribers hold a revision that this controller does not know, counted as without\n\
             \n\
             1 of 2 subscribers enforce the newest revision; 1 are behind, 0 have none."
        );
    }

    #[test]
    fn nothing_that_came_over_the_socket_acts_on_the_terminal() {
        let evil = "x\u{1b}]0;t\u{7}\u{9b}2J\u{202e}y";
        let report: Report = serde_json::from_value(json!({
            "version": evil, "timestamp": evil, "revision": evil,
            "workload_api": {"phase": evil, "since": evil, "detail": evil},
            "trust_domains": [{"trust_domain": evil, "kids": [evil], "observed_age_seconds": 0.25, "current": true,
                "sequence": null, "ignored_keys": [{"kid": evil, "reason": evil}]}],
            "refused_bundles": [{"name": evil, "reason": evil, "left_out": true}], "refused_bundles_total": 3,
            "revocations": {"kids": 1, "jtis": 0, "subjects": 0, "changed_at": evil, "file_error": evil},
            "keys": [{"trust_domain": evil, "kid": evil, "in_force": true, "revoked": false, "held_by": 1}],
            "revisions": [{"revision": evil, "in_force": true, "subscribers": 1, "kids": {evil: [evil]}, "revocations": 1}],
            "summary": {"subscribers": 1, "current": 0, "behind": 1, "without": 0, "held": 0},
            "subscribers": [{"node": evil, "instance": evil, "plugin_version": evil, "revision": evil,
                "current": false, "last_seen_seconds": 0.0, "held": 0}],
        }))
        .unwrap();
        let text = table(&report);
        let json = json(&serde_json::to_string(&report).unwrap());
        for c in ['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'] {
            assert!(!text.contains(c) && !json.contains(c), "{c:?} in {text:?}");
        }
        assert!(text.contains("refused bundle 2 more"), "{text}");
        let again: Report = serde_json::from_str(&json).unwrap();
        assert_eq!(again.version, evil, "JSON means the same");
    }

    #[test]
    fn the_verdict_is_good_only_when_all_are_current() {
        assert_eq!(verdict(&report(json!([]))), "No Envoy has asked for a snapshot lately.");
        let one = json!([{"node": "n", "instance": "", "plugin_version": "", "revision": "ab".repeat(32),
            "current": true, "last_seen_seconds": 0.0, "held": 1}]);
        assert_eq!(verdict(&report(one)), "All subscribers (1) enforce the newest revision.");
    }
}
