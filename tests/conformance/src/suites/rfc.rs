//! The examples of RFC 7515, 7520 and 7797. They are JWS and JWE, not JWT-SVIDs.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use svidgate_jwt_svid::Algorithm;
use svidgate_jwt_svid::unverified::Compact;

use crate::case::{Case, Expected, Judged, Suite};
use crate::judge;

const FILES: &[(&str, &str)] = &[
    ("RFC 7515", include_str!("../../vectors/rfc/rfc7515.json")),
    ("RFC 7520", include_str!("../../vectors/rfc/rfc7520.json")),
    ("RFC 7797", include_str!("../../vectors/rfc/rfc7797.json")),
];

pub(super) fn suites() -> Vec<Suite> {
    FILES.iter().map(|(name, file)| suite(name, file)).collect()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[expect(dead_code, reason = "for the reader of the file")]
    source: String,
    keys: BTreeMap<String, Value>,
    cases: Vec<Example>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Example {
    id: String,
    #[expect(dead_code, reason = "for the reader of the file")]
    title: String,
    keys: Vec<String>,
    token: String,
    expected: Verdict,
    #[serde(default)]
    layer: Layer,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    Valid,
    Invalid,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Layer {
    /// Header, key and signature.
    #[default]
    Jws,
    /// The signature alone: RFC 7515's keys and headers have no `kid`.
    Signature,
}

fn suite(name: &str, file: &str) -> Suite {
    let file: File = serde_json::from_str(file).unwrap();
    let cases = file.cases.iter().map(|example| {
        let keys: Vec<Value> = example.keys.iter().map(|key| file.keys[key].clone()).collect();
        let ours = match example.layer {
            Layer::Jws => judge::jws(example.token.as_bytes(), &judge::bundle(&keys)),
            Layer::Signature => signature(example.token.as_bytes(), &keys[0]),
        };
        let expected = match example.expected {
            Verdict::Valid => Expected::Valid,
            Verdict::Invalid => Expected::Invalid,
        };
        Case::new(&example.id, expected, ours)
    });
    Suite::new(name, cases.collect())
}

fn signature(token: &[u8], jwk: &Value) -> Judged {
    let compact = Compact::parse(token).unwrap();
    let header: Value = serde_json::from_slice(&compact.header).unwrap();
    let algorithm = Algorithm::parse(header["alg"].as_str().unwrap()).unwrap();
    judge::signature(jwk, algorithm, compact.signing_input, &compact.signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file that lost its keys would still be refused to the last case.
    #[test]
    fn every_asymmetric_key_of_the_files_is_usable() {
        for (name, file) in FILES {
            let file: File = serde_json::from_str(file).unwrap();
            for (label, key) in file.keys.iter().filter(|(_, key)| key["kty"] != "oct") {
                assert!(judge::key(key).is_ok(), "{name}: {label}");
            }
        }
    }
}
