//! Credentials from their sources to the subscribers that may have them, over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::StatusCode;
use support::{Answer, Setup, eventually, jwks, kids};
use svidgate_snapshot::{CredentialKey, CredentialKind, Credentials};
use tokio::time::timeout;

fn key(byte: u8) -> (String, CredentialKey) {
    let mut bytes = [byte; 32];
    bytes[0] = !byte;
    let text = URL_SAFE_NO_PAD.encode(bytes);
    let key = CredentialKey::parse(&text).unwrap();
    (text, key)
}

fn write(folder: &Path, name: &str, text: &str) {
    let (path, beside) = (folder.join(name), folder.join(format!("{name}.new")));
    std::fs::write(&beside, text).unwrap();
    std::fs::set_permissions(&beside, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(beside, path).unwrap();
}

/// `hush` (a file), `svid` and `other` (JWT-SVIDs) for our own user, `theirs` for another.
async fn start() -> Setup {
    let yaml = format!(
        "
credential_keys: {{edge: FOLDER/edge.key}}
credentials:
  hush: {{file: FOLDER/hush, subscribers: [{{uid: {me}, key: edge}}]}}
  svid: {{jwt_svid: {{audience: api.test}}, subscribers: [{{uid: {me}}}]}}
  again: {{jwt_svid: {{audience: api.test}}, subscribers: [{{uid: {me}}}]}}
  theirs: {{file: FOLDER/hush, subscribers: [{{uid: {other}}}]}}
",
        me = rustix::process::getuid().as_raw(),
        other = rustix::process::getuid().as_raw() + 1,
    );
    let setup = Setup::start_configured(&yaml, |folder| {
        write(folder, "edge.key", &key(1).0);
        write(folder, "hush", "value-1\n");
    })
    .await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    setup.snapshot_with(|snapshot| kids(snapshot, "a.test") == ["1"]).await;
    setup
}

fn path(names: &str, key: &CredentialKey, wait: u64) -> String {
    format!("/v1/snapshot?wait={wait}&credentials={names}&key={}", key.id())
}

fn opened(answer: &Answer) -> Credentials {
    answer.snapshot().credentials().unwrap().open(&key(1).1).unwrap()
}

fn value(answer: &Answer, name: &str) -> Option<String> {
    opened(answer).get(name).map(|one| String::from_utf8(one.expose().to_vec()).unwrap())
}

async fn until(setup: &Setup, name: &str, wanted: impl Fn(Option<String>) -> bool) -> Answer {
    let found = std::sync::Mutex::new(None);
    eventually(name, || async {
        let answer = setup.get(&path(name, &key(1).1, 0)).await;
        let good = wanted(value(&answer, name));
        *found.lock().unwrap() = Some(answer);
        good
    })
    .await;
    found.into_inner().unwrap().unwrap()
}

#[tokio::test]
async fn a_rotated_file_answers_the_held_request_of_who_asks_for_it_and_of_nobody_else() {
    let setup = start().await;
    let first = until(&setup, "hush", |value| value.as_deref() == Some("value-1")).await;
    let plain = setup.get("/v1/snapshot?wait=0").await;
    assert!(plain.snapshot().credentials().is_none());
    assert_eq!(plain.snapshot().revision(), first.snapshot().revision());
    let nobody = setup.held("nobody", &plain.etag(), 60).await;
    let mut etag = first.etag();
    for number in 2..5 {
        let (socket, asked) = (setup.socket.clone(), path("hush", &key(1).1, 60));
        let tag = etag.clone();
        let held = tokio::spawn(async move {
            let headers = [("x-svidgate-node", "holder"), ("if-none-match", tag.as_str())];
            support::get(&socket, &asked, &headers).await
        });
        eventually("it is held", || async { setup.held_by("holder").await > 0 }).await;
        write(setup.folder.path(), "hush", &format!("value-{number}"));
        let answer = timeout(support::DEADLINE / 2, held).await.unwrap().unwrap();
        assert_eq!(
            (answer.status, value(&answer, "hush")),
            (StatusCode::OK, Some(format!("value-{number}")))
        );
        assert_ne!(answer.etag(), etag);
        etag = answer.etag();
    }
    assert!(!nobody.is_finished());
    let headers = [("if-none-match", etag.as_str())];
    let same = support::get(&setup.socket, &path("hush", &key(1).1, 0), &headers).await;
    assert_eq!(same.status, StatusCode::NOT_MODIFIED);
    setup.shutdown().await.unwrap();
}

#[tokio::test]
async fn only_the_kernels_word_on_the_user_and_a_key_of_ours_get_anything() {
    let setup = start().await;
    until(&setup, "hush", |value| value.is_some()).await;
    let headers = [("x-svidgate-node", "theirs"), ("x-svidgate-instance", "theirs")];
    let answer = support::get(&setup.socket, &path("theirs,hush", &key(1).1, 0), &headers).await;
    assert_eq!((value(&answer, "theirs"), value(&answer, "hush")), (None, Some("value-1".to_owned())));
    let stranger = setup.get(&path("hush", &key(2).1, 0)).await;
    assert_eq!(stranger.status, StatusCode::OK, "trust is for everybody");
    assert!(stranger.snapshot().credentials().is_none());
    for bad in ["credentials=hush", "key=0011223344556677", "credentials=HUSH&key=0011223344556677"] {
        assert_eq!(setup.get(&format!("/v1/snapshot?{bad}")).await.status, StatusCode::BAD_REQUEST, "{bad}");
    }
    let metrics = setup.get("/metrics").await.text();
    assert!(metrics.contains("svidgate_credential_requests_refused_total 2"), "{metrics}");
    setup.shutdown().await.unwrap();
}

#[tokio::test]
async fn b10_svids_are_fetched_once_for_all_and_again_within_their_life_and_taken_away_at_its_end() {
    let setup = start().await;
    assert_eq!(value(&setup.get(&path("svid", &key(1).1, 0)).await, "svid"), None);
    setup.agent.jwt_svids(Some(5));
    let first = until(&setup, "svid", |value| value.is_some()).await;
    let calls = setup.agent.svid_calls();
    let held = opened(&first).get("svid").unwrap().clone();
    assert_eq!(held.kind(), CredentialKind::JwtSvid);
    let end = held.not_after().unwrap();
    assert_eq!(value(&until(&setup, "again", |value| value.is_some()).await, "again"), value(&first, "svid"));
    let next = until(&setup, "svid", |other| other.is_some() && other != value(&first, "svid")).await;
    let now = svidgate_controller::clock::unix_millis() / 1000;
    assert!(now <= end, "before the end of the one before");
    assert!(opened(&next).get("svid").unwrap().not_after().unwrap() > end);
    assert_eq!(setup.agent.svid_calls(), calls + 1, "one call for both names");
    setup.agent.jwt_svids(None);
    until(&setup, "svid", |value| value.is_none()).await;
    let now = svidgate_controller::clock::unix_millis() / 1000;
    assert!(now >= opened(&next).get("svid").unwrap().not_after().unwrap());
    let status = setup.json("/status").await;
    let svid =
        status["credentials"].as_array().unwrap().iter().find(|one| one["name"] == "svid").unwrap().clone();
    assert_eq!((svid["state"].as_str(), svid["source"].as_str()), (Some("missing"), Some("jwt_svid")));
    assert!(svid["error"].as_str().unwrap().contains("PermissionDenied"), "{svid}");
    let health = setup.json("/health").await;
    assert_eq!(health["checks"]["credentials"]["status"], "degraded");
    setup.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_one_that_is_gone_takes_it_away() {
    let setup = start().await;
    until(&setup, "hush", |value| value.is_some()).await;
    write(setup.folder.path(), "hush", "two\nlines-of-secret");
    let error = || async {
        let status = setup.json("/status").await;
        let hush =
            status["credentials"].as_array().unwrap().iter().find(|one| one["name"] == "hush").cloned();
        hush.unwrap()["error"].as_str().map(str::to_owned)
    };
    eventually("it is shown", || async {
        error().await.is_some_and(|text| text.contains("control character"))
    })
    .await;
    assert!(!error().await.unwrap().contains("lines-of-secret"));
    assert_eq!(value(&setup.get(&path("hush", &key(1).1, 0)).await, "hush").as_deref(), Some("value-1"));
    std::fs::remove_file(setup.folder.path().join("hush")).unwrap();
    until(&setup, "hush", |value| value.is_none()).await;
    write(setup.folder.path(), "hush", "value-2");
    until(&setup, "hush", |value| value.as_deref() == Some("value-2")).await;
    assert_eq!(error().await, None);
    setup.shutdown().await.unwrap();
}

#[tokio::test]
async fn secrets_are_given_before_the_agent_has_said_a_word_and_trust_comes_when_it_does() {
    let me = rustix::process::getuid().as_raw();
    let yaml = format!(
        "credential_keys: {{edge: FOLDER/edge.key}}\n\
         credentials: {{hush: {{file: FOLDER/hush, subscribers: [{{uid: {me}}}]}}}}\n"
    );
    let prepare = |folder: &Path| {
        write(folder, "edge.key", &key(1).0);
        write(folder, "hush", "value-1");
    };
    let mut setup = Setup::start_beside(&yaml, prepare, support::FakeAgent::down).await;
    assert_eq!(setup.get("/v1/snapshot?wait=0").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let first = until(&setup, "hush", |value| value.as_deref() == Some("value-1")).await;
    let snapshot = first.snapshot();
    assert!(snapshot.trust().is_empty());
    assert_eq!(snapshot.observed().at, 0, "older than any state that a filter may hold");
    let (socket, asked, tag) = (setup.socket.clone(), path("hush", &key(1).1, 60), first.etag());
    let held = tokio::spawn(async move {
        support::get(&socket, &asked, &[("x-svidgate-node", "holder"), ("if-none-match", tag.as_str())]).await
    });
    eventually("it is held", || async { setup.held_by("holder").await > 0 }).await;
    setup.agent.bundles(&[("a.test", &jwks(&["1"]))]);
    setup.agent.up();
    let answer = timeout(support::DEADLINE / 2, held).await.unwrap().unwrap();
    assert_eq!(value(&answer, "hush").as_deref(), Some("value-1"));
    assert!(answer.snapshot().observed().at > 0);
    setup.shutdown().await.unwrap();
}

#[tokio::test]
async fn no_value_is_shown_anywhere() {
    let setup = start().await;
    setup.agent.jwt_svids(Some(60));
    let svid = value(&until(&setup, "svid", |value| value.is_some()).await, "svid").unwrap();
    let answer = until(&setup, "hush", |value| value.is_some()).await;
    let shown = [
        setup.get("/status").await.text(),
        setup.get("/metrics").await.text(),
        setup.get("/health").await.text(),
        answer.text(),
        setup.get(&path("svid,hush", &key(1).1, 0)).await.text(),
    ];
    for text in shown {
        for secret in ["value-1", &svid, &key(1).0, &URL_SAFE_NO_PAD.encode("value-1"), "value-"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    setup.shutdown().await.unwrap();
}
