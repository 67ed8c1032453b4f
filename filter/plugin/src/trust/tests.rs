use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::{
    Credential, CredentialKey, CredentialKind, Credentials, Limits, NONCE_BYTES, Observed, Revocations,
    SealedCredentials, Snapshot, TrustBundle,
};

use super::{Adopted, MAX_CLOCK_AHEAD, Refusal, Trust};
use crate::config::{Config, Controller};
use crate::outgoing::Wanted;
use crate::shared_data::fake::FakeSharedData;
use crate::subscription::{Board, Keys};

pub(crate) fn td(name: &str) -> TrustDomain {
    TrustDomain::parse(name).unwrap()
}

/// A snapshot of one trust domain with one P-256 key under `kid`, observed at `at`.
pub(crate) fn snapshot(kid: &str, at: u64) -> Snapshot {
    let jwks = json!({"keys": [{
        "kty": "EC", "crv": "P-256", "kid": kid,
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }]});
    with_jwks(&jwks, at)
}

fn with_jwks(jwks: &serde_json::Value, at: u64) -> Snapshot {
    let bundle = TrustBundle::new(jwks, None, None, "test").unwrap();
    Snapshot::new(BTreeMap::from([(td("a.test"), bundle)]), Observed { at, ..Observed::default() }).unwrap()
}

pub(crate) fn board() -> Board {
    Board::new(keys())
}

pub(crate) fn keys() -> Keys {
    Keys::new(&controller())
}

pub(crate) fn controller() -> Controller {
    Controller { cluster: "c".to_owned(), wait: Duration::from_secs(30) }
}

pub(crate) fn kids(trust: &Trust) -> Vec<String> {
    let Some(bundles) = trust.bundles() else { return Vec::new() };
    bundles.get(&td("a.test")).unwrap().kids().map(ToOwned::to_owned).collect()
}

#[test]
fn what_one_vm_posts_every_vm_enforces() {
    let (shared, board) = (FakeSharedData::default(), board());
    let (mut holder, mut other) = (Trust::default(), Trust::default());
    assert!(other.bundles().is_none());
    for (kid, at) in [("k1", 1), ("k2", 2), ("k3", 3)] {
        assert_eq!(holder.adopt(snapshot(kid, at), 10), Ok(Adopted::Changed));
        assert!(holder.post(&shared, &board, 1, 10));
        assert_eq!(other.refresh(&shared, &board, 10), Ok(Some(Adopted::Changed)));
        assert_eq!(kids(&other), [kid]);
        assert_eq!(other.refresh(&shared, &board, 10), Ok(None), "read once, not again");
    }
}

#[test]
fn b08_a_key_that_left_the_bundle_is_gone_and_never_comes_back_from_an_older_snapshot() {
    let mut trust = Trust::default();
    trust.adopt(snapshot("old", 1), 10).unwrap();
    trust.adopt(snapshot("new", 5), 10).unwrap();
    assert_eq!(trust.adopt(snapshot("old", 4), 10), Ok(Adopted::PartlyOlder));
    assert_eq!(kids(&trust), ["new"]);
}

#[test]
fn a_bad_update_never_replaces_a_good_state() {
    let mut trust = Trust::default();
    trust.adopt(snapshot("good", 1), 10).unwrap();
    let revision = trust.snapshot().unwrap().revision().clone();
    for jwks in [json!({}), json!([]), json!({"keys": 1}), json!("x")] {
        assert_eq!(trust.adopt(with_jwks(&jwks, 2), 10), Err(Refusal::Bundle), "{jwks}");
    }
    assert_eq!(trust.adopt(snapshot("later", 11 + MAX_CLOCK_AHEAD), 10), Err(Refusal::Future));
    assert_eq!(kids(&trust), ["good"]);
    assert_eq!(trust.snapshot().unwrap().revision(), &revision);
}

#[test]
fn b03_an_empty_key_set_is_taken_and_makes_every_svid_invalid() {
    let mut trust = Trust::default();
    trust.adopt(snapshot("k", 1), 10).unwrap();
    assert_eq!(trust.adopt(with_jwks(&json!({"keys": []}), 2), 10), Ok(Adopted::Changed));
    assert_eq!(kids(&trust), Vec::<String>::new());
}

#[test]
fn garbage_on_the_board_is_reported_once_taken_down_and_posted_over() {
    let (shared, board) = (FakeSharedData::default(), board());
    let (mut holder, mut fresh) = (Trust::default(), Trust::default());
    holder.adopt(snapshot("k", 1), 10).unwrap();
    holder.post(&shared, &board, 1, 10);
    shared.vandalize_all("slot", b"{\"format\":1}");
    assert_eq!(fresh.refresh(&shared, &board, 10), Err(Refusal::Snapshot("malformed")));
    assert_eq!(fresh.refresh(&shared, &board, 10), Ok(None));
    assert_eq!(holder.refresh(&shared, &board, 10), Ok(None));
    assert_eq!(kids(&holder), ["k"], "the last good state stays");
    assert!(board.epoch(&shared).is_none(), "by which the holder knows to post again");
    assert!(holder.post(&shared, &board, 1, 10));
    assert_eq!(fresh.refresh(&shared, &board, 10), Ok(Some(Adopted::Changed)));
}

#[test]
fn two_writers_at_once_end_with_the_newer_state_everywhere() {
    let (shared, board) = (FakeSharedData::default(), board());
    let mut vms = [Trust::default(), Trust::default(), Trust::default()];
    vms[0].adopt(snapshot("newer", 9), 10).unwrap();
    vms[1].adopt(snapshot("older", 8), 10).unwrap();
    assert!(vms[0].post(&shared, &board, 1, 10));
    assert!(vms[1].post(&shared, &board, 2, 10), "merges with what it finds");
    for vm in &mut vms {
        vm.refresh(&shared, &board, 10).unwrap();
        assert_eq!(kids(vm), ["newer"]);
    }
}

#[test]
fn p12_staleness_counts_from_the_last_good_observation() {
    let mut trust = Trust::default();
    let minute = Duration::from_secs(60);
    assert!(trust.is_stale(&td("a.test"), minute, 0), "never observed");
    trust.adopt(snapshot("k", 1_000), 1_000).unwrap();
    assert!(!trust.is_stale(&td("a.test"), minute, 61_000));
    assert!(trust.is_stale(&td("a.test"), minute, 61_001));
    assert!(trust.is_stale(&td("b.test"), minute, 1_000));
    assert_eq!(trust.adopt(snapshot("k", 60_000), 61_000), Ok(Adopted::Confirmed));
    assert!(!trust.is_stale(&td("a.test"), minute, 61_001));
}

#[test]
fn p12_when_the_clock_steps_back_the_held_times_do_not_pin_a_revoked_key() {
    let hour = 3_600_000;
    let minute = Duration::from_secs(60);
    let (shared, board) = (FakeSharedData::default(), board());
    let (mut holder, mut other) = (Trust::default(), Trust::default());
    holder.adopt(snapshot("revoked", 5 * hour), 5 * hour).unwrap();
    assert!(holder.post(&shared, &board, 1, 5 * hour));
    other.refresh(&shared, &board, 5 * hour).unwrap();

    let now = 4 * hour;
    assert!(holder.is_stale(&td("a.test"), minute, now), "a time in the future confirms nothing");
    assert!(!holder.post(&shared, &board, 1, now), "nor is it given to others");
    assert_eq!(holder.adopt(snapshot("fresh", now), now), Ok(Adopted::Changed));
    assert!(holder.post(&shared, &board, 1, now));
    for _ in 0..3 {
        other.refresh(&shared, &board, now).unwrap();
        let mut reloaded = Trust::default();
        reloaded.refresh(&shared, &board, now).unwrap();
        assert_eq!([kids(&other), kids(&reloaded), kids(&holder)], [["fresh"], ["fresh"], ["fresh"]]);
    }
}

#[test]
fn b09_a_bundle_that_would_make_every_worker_pay_is_refused() {
    let entry = json!({"kty": "oct", "kid": "k"});
    let mut trust = Trust::default();
    assert_eq!(
        trust.adopt(with_jwks(&json!({"keys": vec![entry.clone(); 65]}), 1), 10),
        Err(Refusal::Bundle)
    );
    let padded = json!({"keys": [], "pad": "x".repeat(64 * 1024)});
    assert_eq!(trust.adopt(with_jwks(&padded, 1), 10), Err(Refusal::Bundle));
    assert_eq!(trust.adopt(with_jwks(&json!({"keys": vec![entry; 64]}), 1), 10), Ok(Adopted::Changed));
}

#[test]
fn b08_a_change_in_one_trust_domain_keeps_the_others_and_takes_the_new_keys() {
    let two = |kid: &str, at| {
        let (one, other) = (snapshot(kid, at), snapshot("stays", at));
        let bundle = |snapshot: &Snapshot| snapshot.trust()[&td("a.test")].clone();
        let trust = BTreeMap::from([(td("a.test"), bundle(&one)), (td("b.test"), bundle(&other))]);
        Snapshot::new(trust, Observed { at, ..Observed::default() }).unwrap()
    };
    let mut trust = Trust::default();
    for (kid, at) in [("k1", 1), ("k2", 2), ("k1", 3)] {
        assert_eq!(trust.adopt(two(kid, at), 10), Ok(Adopted::Changed));
        assert_eq!(kids(&trust), [kid]);
        let other = trust.bundles().unwrap().get(&td("b.test")).unwrap();
        assert_eq!(other.kids().collect::<Vec<_>>(), ["stays"]);
    }
}

/// A snapshot with these kids revoked as of `changed_at`.
fn revoking(revoked: &[&str], changed_at: u64, at: u64) -> Snapshot {
    let mut list = Revocations::default();
    for kid in revoked {
        list.add_kid(td("a.test"), kid).unwrap();
    }
    snapshot("k", at).revoking(&list, changed_at, &Limits::default()).unwrap()
}

fn revoked(trust: &Trust) -> Vec<&str> {
    trust.revocations().kids().map(|(_, kid)| kid).collect()
}

#[test]
fn what_is_revoked_is_revoked_in_every_vm_and_in_one_that_starts_later() {
    let (shared, board) = (FakeSharedData::default(), board());
    let (mut holder, mut other) = (Trust::default(), Trust::default());
    assert!(holder.revocations().is_empty());
    for (at, list) in [(1, &["1"][..]), (2, &["1", "2"]), (3, &["2"]), (4, &[])] {
        assert_eq!(holder.adopt(revoking(list, at, at), 10), Ok(Adopted::Changed));
        assert!(holder.post(&shared, &board, 1, 10));
        assert_eq!(other.refresh(&shared, &board, 10), Ok(Some(Adopted::Changed)));
        let mut late = Trust::default();
        late.refresh(&shared, &board, 10).unwrap();
        for vm in [&holder, &other, &late] {
            assert_eq!(revoked(vm), list);
        }
    }
}

#[test]
fn p12_a_replica_that_lags_or_has_no_list_brings_no_revoked_thing_back() {
    let mut trust = Trust::default();
    trust.adopt(revoking(&["1", "2"], 5, 5), 10).unwrap();
    assert_eq!(trust.adopt(revoking(&["1"], 4, 8), 10), Ok(Adopted::PartlyOlder), "newer keys, older list");
    assert_eq!(trust.adopt(snapshot("k", 9), 10), Ok(Adopted::Confirmed));
    assert_eq!(trust.adopt(snapshot("new", 9), 10), Ok(Adopted::Changed));
    assert_eq!((revoked(&trust), kids(&trust)), (vec!["1", "2"], vec!["new".to_owned()]));
    assert_eq!(trust.adopt(revoking(&["1"], 6, 9), 10), Ok(Adopted::Changed), "a pardon");
    assert_eq!(revoked(&trust), ["1"]);
}

#[test]
fn a_bad_list_is_refused_with_all_that_came_with_it_and_the_last_good_state_stays() {
    let mut trust = Trust::default();
    trust.adopt(revoking(&["1"], 1, 1), 10).unwrap();
    let good = revoking(&["2"], 2, 2).encode(&Limits::default()).unwrap();
    let good: serde_json::Value = serde_json::from_slice(&good).unwrap();
    for list in [json!({}), json!(null), json!({"kids": [{"trust_domain": "a.test"}]})] {
        let mut content = good["content"].clone();
        content["revoked"] = list.clone();
        let content = content.to_string();
        let revision = sha256_hex(content.as_bytes());
        let bytes = format!(
            r#"{{"format":1,"revision":"{revision}","observed":{},"content":{content}}}"#,
            good["observed"]
        );
        let decoded = Trust::decode(bytes.as_bytes()).unwrap();
        assert_eq!(trust.adopt(decoded, 10), Err(Refusal::Snapshot("malformed")), "{list}");
        assert_eq!((revoked(&trust), kids(&trust)), (vec!["1"], vec!["k".to_owned()]));
    }
    assert_eq!(trust.adopt(with_jwks(&json!({}), 3), 10), Err(Refusal::Bundle));
    assert_eq!(revoked(&trust), ["1"]);
}

#[test]
fn p12_when_the_clock_steps_back_what_was_revoked_stays_revoked_until_a_list_says_otherwise() {
    let hour = 3_600_000;
    let mut trust = Trust::default();
    trust.adopt(revoking(&["1"], 5 * hour, 5 * hour), 5 * hour).unwrap();
    assert_eq!(trust.adopt(snapshot("fresh", 4 * hour), 4 * hour), Ok(Adopted::Changed));
    assert_eq!((revoked(&trust), kids(&trust)), (vec!["1"], vec!["fresh".to_owned()]));
    assert_eq!(trust.snapshot().unwrap().observed().revoked, Some(4 * hour));
    assert_eq!(trust.adopt(revoking(&["2"], 4 * hour, 4 * hour), 4 * hour), Ok(Adopted::Changed));
    assert_eq!(revoked(&trust), ["2"]);
}

fn sha256_hex(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// `snapshot` with the credential `token` of this value, sealed with the key of this number, which changed at `changed_at`.
fn carrying(snapshot: Snapshot, key: &CredentialKey, value: &str, changed_at: u64) -> Snapshot {
    let mut credentials = Credentials::default();
    let secret = Credential::new(CredentialKind::Secret, value.as_bytes().to_vec(), None).unwrap();
    assert!(credentials.add("token", secret));
    let sealed = SealedCredentials::seal(&credentials, key, changed_at, [1; NONCE_BYTES]).unwrap();
    snapshot.carrying(Some(sealed))
}

fn key(text: &str) -> CredentialKey {
    CredentialKey::parse(text).unwrap()
}

fn asking() -> (Trust, CredentialKey) {
    let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    let config = json!({"inbound": "not_judged", "credentials": {"key": text}, "outgoing": [
        {"match": {"clusters": ["api"]}, "credential": "token", "as": "bearer"}]});
    let outgoing = Config::from_value(&config).unwrap().outgoing.unwrap();
    (Trust::wanting(Some(Wanted::by(&outgoing))), key(text))
}

fn token(trust: &Trust) -> Option<String> {
    let token = trust.credentials().now().get("token")?;
    Some(String::from_utf8(token.expose().to_vec()).unwrap())
}

#[test]
fn p12_credentials_never_go_back_and_do_not_hold_back_trust() {
    let (mut trust, key) = asking();
    assert_eq!(trust.adopt(carrying(snapshot("k1", 1), &key, "new", 50), 100), Ok(Adopted::Changed));
    assert_eq!(trust.adopt(carrying(snapshot("k2", 2), &key, "old", 49), 100), Ok(Adopted::Changed));
    assert_eq!((token(&trust).as_deref(), kids(&trust)), (Some("new"), vec!["k2".to_owned()]));
    assert_eq!(trust.adopt(snapshot("k3", 3), 100), Ok(Adopted::Changed), "a controller that knows of none");
    assert_eq!(token(&trust).as_deref(), Some("new"));
    assert_eq!(trust.adopt(carrying(snapshot("k3", 4), &key, "newer", 51), 100), Ok(Adopted::Changed));
    assert_eq!(token(&trust).as_deref(), Some("newer"));
    assert_eq!(trust.adopt(carrying(snapshot("k3", 5), &key, "newer", 51), 100), Ok(Adopted::Confirmed));
    let ahead = carrying(snapshot("k3", 6), &key, "future", MAX_CLOCK_AHEAD + 101);
    assert_eq!(trust.adopt(ahead, 100), Err(Refusal::Future));
    assert_eq!(token(&trust).as_deref(), Some("newer"));
}

#[test]
fn credentials_that_do_not_open_are_refused_alone_and_the_board_is_repaired() {
    let (shared, board) = (FakeSharedData::default(), board());
    let (mut holder, good) = asking();
    let (mut other, _) = asking();
    let forged = key("BAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
    holder.adopt(carrying(snapshot("k1", 1), &good, "good", 50), 100).unwrap();
    assert!(holder.post(&shared, &board, 1, 100));
    assert_eq!(other.refresh(&shared, &board, 100), Ok(Some(Adopted::Changed)));
    assert_eq!(token(&other).as_deref(), Some("good"));

    let from_controller = carrying(snapshot("k2", 2), &forged, "forged", 60);
    assert_eq!(holder.adopt(from_controller.clone(), 100), Ok(Adopted::CredentialsRefused));
    assert_eq!((token(&holder).as_deref(), kids(&holder)), (Some("good"), vec!["k2".to_owned()]));
    assert!(holder.post(&shared, &board, 1, 100), "with the credentials of before");
    assert_eq!(other.refresh(&shared, &board, 100), Ok(Some(Adopted::Changed)));
    assert_eq!((token(&other).as_deref(), kids(&other)), (Some("good"), vec!["k2".to_owned()]));

    // Whoever else may write there.
    let epoch = board.epoch(&shared);
    let bytes = from_controller.encode(&Limits::default()).unwrap();
    board.post(&shared, 9, epoch, &bytes).unwrap();
    assert_eq!(other.refresh(&shared, &board, 100), Ok(Some(Adopted::CredentialsRefused)));
    assert_eq!(token(&other).as_deref(), Some("good"));
    assert_eq!(board.epoch(&shared), None, "taken down, so that the holder posts again");
}

#[test]
fn nothing_that_rests_in_shared_data_shows_a_credential() {
    let (shared, board) = (FakeSharedData::default(), board());
    let (mut holder, key) = asking();
    holder.adopt(carrying(snapshot("k1", 1), &key, "hush-hush-hush", 50), 100).unwrap();
    assert!(holder.post(&shared, &board, 1, 100));
    let secrets = [b"hush-hush".to_vec(), URL_SAFE_NO_PAD.encode("hush-hush-hush").into_bytes()];
    for (value, _) in shared.map.borrow().values() {
        for secret in &secrets {
            assert!(!value.windows(secret.len()).any(|part| part == secret.as_slice()));
        }
    }
    let shown = format!("{holder:?}");
    assert!(!shown.contains("hush") && !shown.contains("104, 117, 115"), "{shown}");
}
