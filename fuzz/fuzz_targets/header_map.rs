//! A request as Envoy hands it over: the serialized header map, and the judgement on it.
#![no_main]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use svidgate_forge::{AUDIENCE, Key, NOW, SUBJECT, TRUST_DOMAIN};
use svidgate_fuzz::{AnySignature, KEYS};
use svidgate_jwt_svid::{CacheLimits, DenyReason, TokenCache, TrustDomain};
use svidgate_plugin::config::Config;
use svidgate_plugin::request::{Answer, Court, Form, parse_headers};
use svidgate_plugin::trust::Trust;
use svidgate_policy::{Connection, Headers, Judge, Passage, Reason};
use svidgate_snapshot::{Observed, Snapshot, TrustBundle};

static CONFIG: LazyLock<Config> = LazyLock::new(|| {
    let config = json!({"audiences": [AUDIENCE], "allowed_spiffe_ids": [SUBJECT]});
    Config::parse(config.to_string().as_bytes()).unwrap()
});

static JUDGE: LazyLock<Judge> = LazyLock::new(|| Judge::new(CONFIG.settings.clone()));

static TRUST: LazyLock<Trust> = LazyLock::new(|| {
    let jwks = json!({"keys": KEYS.iter().map(Key::jwk).collect::<Vec<_>>()});
    let bundle = TrustBundle::new(&jwks, None, None, "test").unwrap();
    let domains = BTreeMap::from([(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)]);
    let at = NOW * 1000;
    let mut trust = Trust::default();
    trust.adopt(Snapshot::new(domains, Observed { at, ..Observed::default() }).unwrap(), at).unwrap();
    trust
});

fuzz_target!(|data: &[u8]| {
    let Some(headers) = parse_headers(data) else { return };
    let names: Vec<_> = headers.names().collect();
    if let Some(pairs) = pairs(&headers)
        && !data.is_empty()
    {
        assert_eq!(serialize(&pairs), data);
    }
    for name in &names {
        let _ = JUDGE.owns_header(name);
    }

    let given = names.iter().filter(|name| **name == b"authorization").count();
    let cache = RefCell::new(TokenCache::new(CacheLimits { max_entries: 0, max_bytes: 0 }, 0));
    let court = Court {
        trust: &TRUST,
        cache: &cache,
        verifier: &CONFIG.verifier,
        crypto: &AnySignature,
        cache_use: Cell::new(None),
    };
    let verdict = JUDGE.decide(&headers, &Connection::default(), &court, NOW * 1000);
    let _ = JUDGE.edits(&headers, &verdict);
    match verdict.outcome {
        Ok(Passage::Admitted(caller)) => {
            assert_eq!(given, 1);
            assert_eq!(caller.spiffe_id().as_str(), SUBJECT);
        }
        Ok(_) => panic!("nothing else passes here"),
        Err(denial) => {
            if verdict.rule.is_some() {
                match given {
                    0 => assert_eq!(denial.reason(), Reason::Svid(DenyReason::TokenMissing)),
                    1 => {}
                    _ => assert_eq!(denial.reason(), Reason::Svid(DenyReason::AuthorizationRepeated)),
                }
            }
            let form = Form::of(&headers);
            let answer = Answer::new(denial, &CONFIG.answers, form);
            assert!(matches!(
                (form, answer.status),
                (Form::Http, 400 | 401 | 403 | 503) | (Form::GrpcWeb(_), 200)
            ));
            assert!(answer.body.len() < 256);
        }
    }
});

/// Names with values, in order. The reader gives values by name, and names as text: `None` where one is no text.
fn pairs<'a>(headers: &Headers<'a>) -> Option<Vec<(&'a [u8], &'a [u8])>> {
    let mut seen: BTreeMap<&[u8], usize> = BTreeMap::new();
    let mut pairs = Vec::new();
    for name in headers.names() {
        let nth = seen.entry(name).or_default();
        pairs.push((name, headers.values(std::str::from_utf8(name).ok()?).nth(*nth).unwrap()));
        *nth += 1;
    }
    Some(pairs)
}

fn serialize(pairs: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut buffer = u32::try_from(pairs.len()).unwrap().to_le_bytes().to_vec();
    for (name, value) in pairs {
        for part in [name, value] {
            buffer.extend(u32::try_from(part.len()).unwrap().to_le_bytes());
        }
    }
    for (name, value) in pairs {
        for part in [name, value] {
            buffer.extend_from_slice(part);
            buffer.push(0);
        }
    }
    buffer
}
