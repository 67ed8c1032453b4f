use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use svidgate_snapshot::{CredentialKey, CredentialKind};

use super::*;
use crate::config::{CredentialFile, CredentialSource, FileForm};

fn key(byte: u8) -> CredentialKey {
    let mut bytes = [byte; 32];
    bytes[0] = !byte;
    CredentialKey::parse(&URL_SAFE_NO_PAD.encode(bytes)).unwrap()
}

/// `a` for user 7 with any key, `b` for user 7 with the key `one`, `c` for user 8.
fn store() -> Arc<Store> {
    let entry = |uid, key: Option<&str>| CredentialEntry {
        source: CredentialSource::File(CredentialFile {
            path: "/x".into(),
            form: FileForm::Text,
            lifetime: None,
        }),
        subscribers: vec![CredentialSubscriber { uid, key: key.map(str::to_owned) }],
    };
    let entries = [("a", entry(7, None)), ("b", entry(7, Some("one"))), ("c", entry(8, None))];
    let entries = entries.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect();
    let keys = [("one".to_owned(), key(1)), ("two".to_owned(), key(2))].into_iter().collect();
    Arc::new(Store::new(&entries, keys, 1000))
}

fn secret(value: &str, not_after: Option<u64>) -> Credential {
    Credential::new(CredentialKind::Secret, value.as_bytes().to_vec(), not_after).unwrap()
}

fn asked(names: &str, key: &CredentialKey) -> Asked {
    Asked::read(Some(names), Some(key.id())).unwrap().unwrap()
}

fn given(store: &Store, names: &str, key: &CredentialKey, uid: Option<u32>) -> Vec<(String, Option<String>)> {
    let sealed = store.given(&asked(names, key), uid).unwrap();
    let opened = sealed.open(key).unwrap();
    let value = |one: &Credential| String::from_utf8(one.expose().to_vec()).unwrap();
    opened.iter().map(|(name, one)| (name.to_owned(), one.map(value))).collect()
}

fn some(pairs: &[(&str, &str)]) -> Vec<(String, Option<String>)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned()))).collect()
}

fn publish(store: &Arc<Store>, name: &str, value: &str) {
    store.publisher(name).unwrap().publish(secret(value, None));
}

#[test]
fn a_subscriber_gets_what_its_user_and_its_key_may_have_and_nothing_else() {
    let store = store();
    for name in ["a", "b", "c"] {
        publish(&store, name, &format!("of-{name}"));
    }
    let names = "a,b,c,none";
    assert_eq!(given(&store, names, &key(1), Some(7)), some(&[("a", "of-a"), ("b", "of-b")]));
    assert_eq!(given(&store, names, &key(2), Some(7)), some(&[("a", "of-a")]));
    assert_eq!(given(&store, names, &key(1), Some(8)), some(&[("c", "of-c")]));
    assert_eq!(given(&store, "b", &key(1), Some(7)), some(&[("b", "of-b")]), "only what was asked for");
    assert_eq!(given(&store, names, &key(1), Some(0)), [], "root is a user as any other");
    assert_eq!(given(&store, names, &key(1), None), []);
    assert!(store.given(&asked(names, &key(3)), Some(7)).is_none(), "no key of ours");
    assert!(store.publisher("none").is_none());
}

#[test]
fn what_is_not_given_is_counted_once_a_request() {
    let store = store();
    store.note_refusals(&asked("a,b", &key(1)), Some(7), 1);
    assert_eq!(store.refused(), 0);
    store.note_refusals(&asked("a,b", &key(2)), Some(7), 1);
    store.note_refusals(&asked("a", &key(3)), Some(7), 1);
    store.note_refusals(&asked("a", &key(1)), Some(9), 1);
    assert_eq!(store.refused(), 3);
}

#[test]
fn the_same_state_gives_the_same_bytes_and_a_change_another_revision_and_a_later_time() {
    let store = store();
    publish(&store, "a", "1");
    let ask = || store.given(&asked("a", &key(1)), Some(7)).unwrap();
    let first = ask();
    assert_eq!(ask().as_str(), first.as_str());
    publish(&store, "c", "of somebody else");
    publish(&store, "a", "1");
    assert_eq!(ask().as_str(), first.as_str(), "nothing changed for it");
    publish(&store, "a", "2");
    let second = ask();
    assert_ne!(second.revision(), first.revision());
    assert!(second.changed_at() > first.changed_at());
    publish(&store, "a", "1");
    assert_eq!(ask().revision(), first.revision());
    assert!(ask().changed_at() > second.changed_at());
}

#[test]
fn replicas_with_the_same_credentials_agree_on_the_revision() {
    let (one, two) = (store(), store());
    for store in [&one, &two] {
        publish(store, "a", "1");
    }
    let revision = |store: &Store| store.given(&asked("a", &key(1)), Some(7)).unwrap().revision().clone();
    assert_eq!(revision(&one), revision(&two));
}

#[test]
fn before_its_first_word_a_source_takes_nothing_from_anybody() {
    let store = store();
    assert_eq!(given(&store, "a", &key(1), Some(7)), [("a".to_owned(), None)]);
    store.publisher("a").unwrap().failed("down");
    assert_eq!(given(&store, "a", &key(1), Some(7)), [("a".to_owned(), None)]);
    store.publisher("a").unwrap().withdraw("is not there");
    assert_eq!(given(&store, "a", &key(1), Some(7)), []);
}

#[test]
fn h13_what_cannot_be_fetched_again_is_given_until_its_end_and_taken_away_then() {
    let store = store();
    let publisher = store.publisher("a").unwrap();
    let end = clock::unix_millis() / 1000 + 1000;
    publisher.publish(secret("1", Some(end)));
    publisher.failed("down");
    let mut changes = store.changes();
    changes.mark_unchanged();
    assert_eq!(store.expire(end * 1000 - 1), Some(end));
    assert_eq!(given(&store, "a", &key(1), Some(7)), some(&[("a", "1")]));
    assert!(!changes.has_changed().unwrap());
    assert_eq!(store.expire(end * 1000), None);
    assert!(changes.has_changed().unwrap());
    assert_eq!(given(&store, "a", &key(1), Some(7)), []);
    let status = &store.statuses()[0];
    assert_eq!((status.state, status.error.as_deref()), (CredentialState::Missing, Some("down")));
    publisher.publish(secret("old", Some(1)));
    assert_eq!(given(&store, "a", &key(1), Some(7)), [], "one that has ended is none");
}

#[test]
fn nothing_that_is_shown_has_a_value_in_it() {
    let store = store();
    publish(&store, "a", "hush-hush");
    let shown = format!("{store:?} {:?} {:?}", store.statuses(), store.publisher("a"));
    assert!(!shown.contains("hush") && !shown.contains("104, 117"), "{shown}");
}

#[test]
fn p12_after_a_clock_was_set_back_by_much_each_change_is_given_all_the_same() {
    let store = store();
    let good = |value: &str| Held::Good(Arc::new(secret(value, None)));
    let then = 2_000_000_000_000;
    store.put("a", good("1"), then);
    store.put("b", good("1"), then);
    assert_eq!(given(&store, "a,b", &key(1), Some(7)), some(&[("a", "1"), ("b", "1")]));
    let now = then - 3_600_000;
    for value in ["2", "3"] {
        store.put("a", good(value), now);
        assert_eq!(given(&store, "a,b", &key(1), Some(7)), some(&[("a", value), ("b", "1")]));
        let sealed = store.given(&asked("a,b", &key(1)), Some(7)).unwrap();
        assert!(sealed.changed_at() <= now + 1, "not in the future");
    }
}
