//! Properties over generated input. Short runs; the fuzz targets look longer.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use svidgate_plugin::config::Config;
use svidgate_plugin::request::parse_headers;
use svidgate_policy::Settings;

fn serialize(pairs: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut buffer = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        buffer.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
    }
    for part in pairs.iter().flat_map(|(name, value)| [name, value]) {
        buffer.extend_from_slice(part);
        buffer.push(0);
    }
    buffer
}

fn pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    let name = "(authorization|x-spiffe-id|[a-z-]{1,6})".prop_map(String::into_bytes);
    prop::collection::vec((name, prop::collection::vec(any::<u8>(), 0..20)), 0..8)
}

/// A value that a setting may have, right or wrong.
fn setting() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "([0-9]{0,22}(ms|s|m|h)|ES256|spiffe://a/b|.{0,12})".prop_map(Value::from),
        prop::collection::vec("(ES256|spiffe://[a-c]{0,2}/?[a-c.]{0,3}|.{0,5})", 0..4).prop_map(Value::from),
        prop::collection::btree_map(MEMBER, "([0-9]{1,3}s|none|[a-z.-]{1,5}|.{0,5})", 0..3)
            .prop_map(|members| json!(members)),
        prop::collection::vec(prop::collection::btree_map(MEMBER, "(none|[A-Za-z./-]{1,5})", 0..3), 0..3)
            .prop_map(|items| json!(items)),
    ]
}

/// Some names of members.
const MEMBER: &str = "(cluster|wait|default|source|header|cookie|name|require|token|body|realm|[a-z]{1,3})";

const SETTINGS: [&str; 20] = [
    "name",
    "controller",
    "audiences",
    "algorithms",
    "clock_skew",
    "max_token_bytes",
    "max_staleness",
    "mode",
    "fail_open",
    "token_sources",
    "peer",
    "rules",
    "allowed_spiffe_ids",
    "upstream",
    "answers",
    "log",
    "token_cache",
    "identity_header",
    "other",
    "",
];

/// What a configuration says; the compiled form of its rules has no order in which it could be printed.
fn shown(config: &Config) -> String {
    let Config { name, controller, verifier, settings, answers, log, token_cache, .. } = config;
    let Settings { policy, mode, fail_open, sources, peer, upstream, staleness, clock_skew } =
        settings.as_ref();
    format!(
        "{name} {controller:?} {verifier:?} {:?} {mode:?} {fail_open} {sources:?} {peer:?} {upstream:?} {staleness:?} \
         {clock_skew} {answers:?} {log:?} {token_cache:?}",
        policy.rules()
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn v18_every_header_is_seen_in_order(pairs in pairs()) {
        let buffer = serialize(&pairs);
        let headers = parse_headers(&buffer).unwrap();
        prop_assert!(headers.names().eq(pairs.iter().map(|(name, _)| name.as_slice())));
        for (name, _) in &pairs {
            let expected = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_slice());
            prop_assert!(headers.values(std::str::from_utf8(name).unwrap()).eq(expected));
        }
    }

    #[test]
    fn v18_a_buffer_cut_short_or_too_long_is_refused(pairs in pairs(), index: prop::sample::Index, octet: u8) {
        let buffer = serialize(&pairs);
        let index = index.index(buffer.len());
        // Nothing at all is how Envoy says that there are no headers.
        prop_assert!(index == 0 || parse_headers(&buffer[..index]).is_none());
        prop_assert!(parse_headers(&[buffer.as_slice(), &[octet]].concat()).is_none());
    }

    #[test]
    fn v18_no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        if let Some(headers) = parse_headers(&bytes) {
            prop_assert!(headers.names().count() * 10 <= bytes.len());
        }
        let _ = Config::parse(&bytes).is_ok();
    }

    #[test]
    fn p03_a_setting_is_taken_as_it_is_or_named_in_the_error(which in 0..SETTINGS.len(), value in setting()) {
        let name = SETTINGS[which];
        let mut config = json!({"audiences": ["b.test"], "allowed_spiffe_ids": ["spiffe://a.test/x"]});
        config[name] = value;
        match Config::parse(config.to_string().as_bytes()) {
            Ok(parsed) => {
                prop_assert!(!["identity_header", "other", ""].contains(&name));
                let again = Config::from_value(&config).unwrap();
                prop_assert_eq!(shown(&again), shown(&parsed));
                config["unknown"] = json!(1);
                prop_assert!(Config::from_value(&config).is_err());
            }
            Err(errors) => {
                prop_assert!(errors.iter().next().is_some());
                // Of the two ways to say who may come in, the one that is wrong may not be the one that is named.
                let who = ["rules", "allowed_spiffe_ids"];
                prop_assert!(errors.iter().all(|error| !error.message.is_empty()));
                let named = |path: &str| path.starts_with(name) || (who.contains(&name) && who.contains(&path));
                let all_named = errors.iter().all(|error| named(&error.path));
                prop_assert!(all_named, "{errors}");
            }
        }
    }
}
