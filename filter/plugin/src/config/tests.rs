use std::time::Duration;

use serde_json::json;

use super::Config;

fn errors(value: &serde_json::Value) -> Vec<String> {
    match Config::from_value(value) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn valid() -> serde_json::Value {
    json!({"audiences": ["backend.test"], "allowed_spiffe_ids": ["spiffe://a.test/client"]})
}

#[test]
fn the_two_required_fields_are_enough_and_the_rest_has_safe_defaults() {
    let config = Config::parse(valid().to_string().as_bytes()).unwrap();
    assert_eq!(config.controller.cluster, "svidgate_controller");
    assert_eq!(config.controller.wait, Duration::from_secs(30));
    assert_eq!(config.identity_header, "x-spiffe-id");
    assert_eq!(config.max_staleness, None);
    assert_eq!((config.verifier.config().clock_skew, config.verifier.config().max_token_bytes), (5, 8192));
}

#[test]
fn a_missing_configuration_says_what_is_needed() {
    for text in ["", "  \n"] {
        let message = Config::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("`audiences` and `allowed_spiffe_ids`"), "{message}");
    }
}

#[test]
fn every_mistake_is_reported_at_once_with_its_path() {
    let found = errors(&json!({
        "controller": {"cluster": "", "wait": "2h", "port": 1},
        "audience": ["x"],
        "algorithms": ["es256", "HS256", "none"],
        "clock_skew": 5,
        "max_token_bytes": 100,
        "identity_header": "authorization",
        "allowed_spiffe_ids": ["spiffe://a.test/x", "Spiffe://a.test/x", "spiffe://a.test", 7],
    }));
    let paths: Vec<_> = found.iter().map(|error| error.split(':').next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "controller.cluster",
            "controller.wait",
            "controller.port",
            "audiences",
            "algorithms[0]",
            "algorithms[1]",
            "algorithms[2]",
            "clock_skew",
            "max_token_bytes",
            "identity_header",
            "allowed_spiffe_ids[1]",
            "allowed_spiffe_ids[2]",
            "allowed_spiffe_ids[3]",
            "audience",
        ],
        "{found:#?}"
    );
    assert!(found.last().unwrap().contains("did you mean `audiences`?"), "{found:#?}");
}

#[test]
fn v10_p03_empty_lists_are_errors() {
    for field in ["audiences", "allowed_spiffe_ids", "algorithms"] {
        let mut value = valid();
        value[field] = json!([]);
        assert_eq!(errors(&value).len(), 1, "{field}: {:?}", errors(&value));
    }
    let mut value = valid();
    value["audiences"] = json!(["good", ""]);
    assert_eq!(errors(&value), ["audiences[1]: must not be empty"]);
}

#[test]
fn p12_staleness_shorter_than_confirmations_take_is_an_error() {
    let mut value = valid();
    value["max_staleness"] = json!("59s");
    assert_eq!(errors(&value).len(), 1);
    value["max_staleness"] = json!("60s");
    assert_eq!(errors(&value), Vec::<String>::new());
    value["controller"] = json!({"wait": "1s"});
    value["max_staleness"] = json!("30s");
    assert_eq!(errors(&value), ["max_staleness: must be at least 31s with this `controller.wait`"]);
    value["max_staleness"] = json!("31s");
    assert_eq!(errors(&value), Vec::<String>::new());
}

#[test]
fn v17_headers_with_a_meaning_of_their_own_cannot_carry_the_identity() {
    for name in
        ["host", ":path", "X-Spiffe-Id", "x_spiffe_id", "content-length", "x-envoy-x", "", "1x", "cookie"]
    {
        let mut value = valid();
        value["identity_header"] = json!(name);
        assert_eq!(errors(&value).len(), 1, "{name}");
    }
}
