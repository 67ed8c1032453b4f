use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::sealed::decrypt;
use super::*;
use crate::{Limits, SnapshotError};

fn key(byte: u8) -> CredentialKey {
    let mut bytes = [byte; 32];
    bytes[0] = !byte;
    CredentialKey::parse(&URL_SAFE_NO_PAD.encode(bytes)).unwrap()
}

fn secret(value: &str, not_after: Option<u64>) -> Credential {
    Credential::new(CredentialKind::Secret, value.as_bytes().to_vec(), not_after).unwrap()
}

fn credentials(of: &[(&str, &str)]) -> Credentials {
    let mut credentials = Credentials::default();
    for (name, value) in of {
        assert!(credentials.add(name, secret(value, Some(9))));
    }
    credentials
}

fn seal(credentials: &Credentials, key: &CredentialKey, changed_at: u64, nonce: u8) -> SealedCredentials {
    SealedCredentials::seal(credentials, key, changed_at, [nonce; NONCE_BYTES]).unwrap()
}

fn parse(compact: &str) -> Result<SealedCredentials, SnapshotError> {
    SealedCredentials::parse(compact, &Limits::default())
}

#[test]
fn what_is_sealed_opens_with_the_same_key_only() {
    let mut held = credentials(&[("a", "hush"), ("b", "hush\u{fc}\\\"")]);
    let login = Credential::new(CredentialKind::UserPassword, b"me:a:b".to_vec(), None).unwrap();
    assert!(held.add("login", login));
    assert!(held.add_unknown("unknown"));
    let sealed = seal(&held, &key(1), 7, 3);
    let read = parse(sealed.as_str()).unwrap();
    assert_eq!(read, sealed);
    assert_eq!(read.open(&key(1)), Some(held));
    assert_eq!(read.open(&key(2)), None);
    assert_eq!(read.changed_at(), 7);
}

#[test]
fn nothing_of_a_value_stands_in_the_section_or_in_debug() {
    let held = credentials(&[("name", "correct horse battery staple")]);
    let sealed = seal(&held, &key(1), 7, 3);
    let shown = format!("{held:?} {:?} {sealed:?} {:?}", held.get("name"), key(1));
    let plain = [
        "correct".to_owned(),
        URL_SAFE_NO_PAD.encode("correct horse battery staple"),
        URL_SAFE_NO_PAD.encode(key(1).bytes()),
        "99, 111, 114".to_owned(),
        "[254, 1, 1".to_owned(),
    ];
    for text in [sealed.as_str(), &shown] {
        assert!(!plain.iter().any(|secret| text.contains(secret)), "{text}");
    }
    let parts: Vec<_> =
        sealed.as_str().split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap()).collect();
    assert!(!parts.iter().any(|part| part.windows(7).any(|w| w == b"correct" || w == b"\"name\":")));
}

#[test]
fn equal_credentials_have_one_revision_under_a_key_whatever_the_ciphertext() {
    let held = credentials(&[("a", "1"), ("b", "2")]);
    let (one, two) = (seal(&held, &key(1), 7, 3), seal(&held, &key(1), 8, 4));
    assert_eq!(one.revision(), two.revision());
    assert_ne!(one.as_str(), two.as_str());
    for other in [
        seal(&held, &key(2), 7, 3),
        seal(&credentials(&[("a", "1")]), &key(1), 7, 3),
        seal(&credentials(&[("a", "1"), ("b", "3")]), &key(1), 7, 3),
    ] {
        assert_ne!(one.revision(), other.revision());
    }
}

/// With one part of the header replaced, everything else as it was.
fn with_header(sealed: &SealedCredentials, edit: impl FnOnce(&mut Value)) -> String {
    let (header, rest) = sealed.as_str().split_once('.').unwrap();
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    edit(&mut header);
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn what_a_section_says_of_itself_is_bound_to_it() {
    let sealed = seal(&credentials(&[("a", "1")]), &key(1), 7, 3);
    let later = parse(&with_header(&sealed, |header| header["changed_at"] = json!(8))).unwrap();
    let renamed = parse(&with_header(&sealed, |header| header["revision"] = json!("0".repeat(64)))).unwrap();
    let respelled = parse(&with_header(&sealed, |_| {})).unwrap();
    for forged in [later, renamed, respelled] {
        assert_eq!(forged.open(&key(1)), None);
    }
    for edit in [
        (|header| header["alg"] = json!("A256GCMKW")) as fn(&mut Value),
        |header| header["enc"] = json!("A128GCM"),
        |header| header["typ"] = json!("JWT"),
        |header| header["format"] = json!(2),
        |header| header["zip"] = json!("DEF"),
        |header| header["revision"] = json!("x"),
        |header| header["changed_at"] = json!("8"),
        |header| drop(header.as_object_mut().unwrap().remove("kid")),
    ] {
        assert!(matches!(parse(&with_header(&sealed, edit)), Err(SnapshotError::Malformed(_))));
    }
}

#[test]
fn a_section_of_which_any_part_changed_does_not_open() {
    let sealed = seal(&credentials(&[("a", "1")]), &key(1), 7, 3);
    let text = sealed.as_str();
    for at in 0..text.len() {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(parse(&changed).ok().and_then(|read| read.open(&key(1))).is_none(), "{at}");
    }
    for end in 0..text.len() {
        assert!(parse(text.get(..end).unwrap()).ok().and_then(|read| read.open(&key(1))).is_none(), "{end}");
    }
    for odd in [format!("{text}."), format!("{text}.AA"), format!("{text}="), text.replacen("..", ".AA.", 1)]
    {
        assert!(parse(&odd).ok().and_then(|read| read.open(&key(1))).is_none(), "{odd}");
    }
}

#[test]
fn a_text_that_is_no_list_of_credentials_is_refused_though_it_decrypts() {
    let value = URL_SAFE_NO_PAD.encode("v");
    for text in [
        String::new(),
        "[]".to_owned(),
        "{}x".to_owned(),
        format!(r#"{{"a":{{"kind":"secret","value":"{value}"}},"a":{{"kind":"secret","value":"{value}"}}}}"#),
        format!(r#"{{"A":{{"kind":"secret","value":"{value}"}}}}"#),
        format!(r#"{{"a":{{"kind":"other","value":"{value}"}}}}"#),
        format!(r#"{{"a":{{"kind":"secret","value":"{value}","more":1}}}}"#),
        format!(r#"{{"a":{{"kind":"secret","value":"{value}","not_after":null}}}}"#),
        format!(r#"{{"a":{{"kind":"user_password","value":"{value}"}}}}"#),
        r#"{"a":{"kind":"secret","value":""}}"#.to_owned(),
        r#"{"a":{"kind":"secret","value":"dg=="}}"#.to_owned(),
        r#"{"a":{"kind":"secret","value":"DQo"}}"#.to_owned(),
    ] {
        assert_eq!(Credentials::from_json(text.as_bytes()), None, "{text}");
    }
    let good = format!(r#"{{"a":{{"kind":"secret","value":"{value}","not_after":9}}}}"#);
    assert_eq!(Credentials::from_json(good.as_bytes()), Some(credentials(&[("a", "v")])));
}

#[test]
fn what_a_controller_knows_nothing_of_stays_and_what_it_does_not_name_goes() {
    let before = credentials(&[("kept", "1"), ("gone", "2"), ("changed", "3")]);
    let mut after = credentials(&[("changed", "4")]);
    assert!(after.add_unknown("kept") && after.add_unknown("never"));
    let now = after.or_still(&before);
    let value = |name: &str| now.get(name).map(|one| one.expose().to_vec());
    assert_eq!(
        ["kept", "gone", "changed", "never"].map(value),
        [Some(b"1".to_vec()), None, Some(b"4".to_vec()), None]
    );
}

#[test]
fn values_that_could_not_stand_in_a_header_are_refused_whole() {
    let new = |kind, value: &[u8]| Credential::new(kind, value.to_vec(), None).map(drop);
    for byte in (0..0x20_u8).chain([0x7f]) {
        let value = [b"good", &[byte][..], b"more"].concat();
        assert_eq!(new(CredentialKind::Secret, &value), Err(CredentialError::ControlCharacter), "{byte}");
    }
    assert_eq!(new(CredentialKind::Secret, b""), Err(CredentialError::Empty));
    let long = vec![b'a'; MAX_CREDENTIAL_BYTES + 1];
    assert_eq!(new(CredentialKind::Secret, &long), Err(CredentialError::TooLong { actual: long.len() }));
    assert_eq!(new(CredentialKind::Secret, &long[1..]), Ok(()));
    for value in [&b"password"[..], b":password"] {
        assert_eq!(new(CredentialKind::UserPassword, value), Err(CredentialError::NoUser));
    }
    assert_eq!(new(CredentialKind::UserPassword, b"user:"), Ok(()));
}

#[test]
fn a_credential_is_good_up_to_its_end_and_not_in_that_second() {
    let one = secret("x", Some(100));
    assert!(one.is_good_at(99) && !one.is_good_at(100) && !one.is_good_at(u64::MAX));
    assert!(secret("x", None).is_good_at(u64::MAX));
}

#[test]
fn keys_are_32_bytes_of_base64url() {
    let good = URL_SAFE_NO_PAD.encode((0..32).collect::<Vec<u8>>());
    assert_eq!(CredentialKey::parse(&good).unwrap().id().len(), 16);
    assert_ne!(key(1).id(), key(2).id());
    for bad in [
        "",
        "secret",
        good.get(1..).unwrap(),
        &format!("{good}="),
        &format!("{good}A"),
        &good.replace('B', "+"),
        &format!(" {good}"),
        &URL_SAFE_NO_PAD.encode([0; 32]),
        &URL_SAFE_NO_PAD.encode([7; 31]),
    ] {
        assert_eq!(CredentialKey::parse(bad), Err(KeyError), "{bad}");
    }
}

#[test]
fn the_most_that_a_subscriber_can_ask_for_fits_the_share_of_a_snapshot() {
    let mut held = Credentials::default();
    for number in 0..MAX_CREDENTIALS {
        let name = format!("{number:0>64}");
        let value = vec![0xff; MAX_CREDENTIAL_BYTES];
        assert!(held.add(&name, Credential::new(CredentialKind::Secret, value, Some(u64::MAX)).unwrap()));
    }
    assert!(!held.add("one-more", secret("x", None)));
    let sealed = seal(&held, &key(1), u64::MAX, 1);
    assert_eq!(parse(sealed.as_str()).unwrap().open(&key(1)).unwrap().len(), MAX_CREDENTIALS);
    let tight = Limits { max_credentials_bytes: sealed.as_str().len() - 1, ..Limits::default() };
    assert!(matches!(
        SealedCredentials::parse(sealed.as_str(), &tight),
        Err(SnapshotError::CredentialsTooLarge { .. })
    ));
}

/// RFC 7516 appendix A.1, whose content encryption is the same; its encrypted key is for RSA.
#[test]
fn the_content_encryption_is_that_of_rfc_7516() {
    let key = [
        177, 161, 244, 128, 84, 143, 225, 115, 63, 180, 3, 255, 107, 154, 212, 246, 138, 7, 110, 91, 112, 46,
        34, 105, 47, 130, 203, 46, 122, 234, 64, 252,
    ];
    let compact = "eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AA.48V1_ALb6US04U3b.\
                   5eym8TW_c8SuK0ltJ3rpYIzOeDQz7TALvtu6UG9oMo4vpzs9tX_EFShS8iB7j6jiSdiwkIr3ajwQzaBtQD_A.\
                   XFBoMYUZodetZdvTiFvSkQ";
    let text = decrypt(compact, &key).unwrap();
    assert_eq!(text.as_slice(), b"The true sign of intelligence is not knowledge but imagination.");
}

fn snapshot(at: u64) -> crate::Snapshot {
    crate::Snapshot::new(BTreeMap::new(), crate::Observed { at, ..Default::default() }).unwrap()
}

#[test]
fn a_snapshot_carries_them_beside_its_content_and_a_server_can_add_them_to_its_text() {
    let limits = Limits::default();
    let sealed = seal(&credentials(&[("a", "1")]), &key(1), 7, 3);
    let plain = snapshot(5);
    let carrying = plain.clone().carrying(Some(sealed.clone()));
    let bytes = carrying.encode(&limits).unwrap();
    assert_eq!(crate::with_credentials(&plain.encode(&limits).unwrap(), &sealed), bytes);
    let decoded = crate::Snapshot::decode(&bytes, &limits).unwrap();
    assert_eq!(decoded.credentials(), Some(&sealed));
    assert_eq!(decoded.revision(), plain.revision(), "what everybody gets is the same");
    assert_eq!(decoded.etag().credentials.as_ref(), Some(sealed.revision()));
    assert_eq!(decoded.latest_observation(), 7);
    assert_eq!(decoded.encode(&limits).unwrap(), bytes);
}

#[test]
fn credentials_of_a_format_to_come_do_not_hold_back_trust() {
    let limits = Limits::default();
    let sealed = seal(&credentials(&[("a", "1")]), &key(1), 7, 3);
    let text =
        String::from_utf8(snapshot(5).carrying(Some(sealed.clone())).encode(&limits).unwrap()).unwrap();
    let to_come = text.replace(sealed.as_str(), &with_header(&sealed, |header| header["format"] = json!(2)));
    let decoded = crate::Snapshot::decode(to_come.as_bytes(), &limits).unwrap();
    assert!(decoded.has_odd_credentials() && decoded.credentials().is_none());
    for odd in ["null", "1", "{}", r#""""#] {
        let text = text.replace(&format!("\"{}\"", sealed.as_str()), odd);
        let decoded = crate::Snapshot::decode(text.as_bytes(), &limits);
        match odd {
            r#""""# => assert!(decoded.unwrap().has_odd_credentials()),
            _ => assert!(matches!(decoded, Err(SnapshotError::Malformed(_))), "{odd}"),
        }
    }
}

#[test]
fn b09_credentials_have_a_limit_of_their_own_and_take_no_room_from_the_rest() {
    let sealed = seal(&credentials(&[("a", "1")]), &key(1), 7, 3);
    let plain = snapshot(5);
    let size = plain.encode(&Limits::default()).unwrap().len();
    let exact = Limits { max_bytes: size, max_credentials_bytes: sealed.as_str().len(), ..Limits::default() };
    let bytes = plain.carrying(Some(sealed.clone())).encode(&exact).unwrap();
    assert!(crate::Snapshot::decode(&bytes, &exact).unwrap().credentials().is_some());
    let less = Limits { max_bytes: size - 1, ..exact };
    assert!(matches!(
        crate::Snapshot::decode(&bytes, &less),
        Err(SnapshotError::TooLarge { limit, actual }) if limit == size - 1 && actual == size
    ));
    let fewer = Limits { max_credentials_bytes: sealed.as_str().len() - 1, ..Limits::default() };
    assert!(crate::Snapshot::decode(&bytes, &fewer).unwrap().has_odd_credentials());
    let decoded = crate::Snapshot::decode(&bytes, &exact).unwrap();
    assert!(matches!(decoded.encode(&fewer), Err(SnapshotError::CredentialsTooLarge { .. })));
}

#[test]
fn merging_keeps_the_credentials_that_changed_last() {
    let section = |value: &str, at| Some(seal(&credentials(&[("a", value)]), &key(1), at, 3));
    let held = || snapshot(100).carrying(section("held", 50));
    for (name, received, expected, kept) in [
        ("later", section("new", 51), section("new", 51), false),
        ("a tie", section("new", 50), section("new", 50), false),
        ("older", section("old", 49), section("held", 50), true),
        ("a controller that says nothing of them", None, section("held", 50), false),
    ] {
        let merged = held().merge(snapshot(101).carrying(received)).unwrap();
        assert_eq!(
            (merged.snapshot.credentials(), merged.kept_credentials),
            (expected.as_ref(), kept),
            "{name}"
        );
    }
    let first = snapshot(1).merge(held()).unwrap();
    assert_eq!(first.snapshot.credentials(), section("held", 50).as_ref());
}
