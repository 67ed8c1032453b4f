use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use svidgate_jwt_svid::SpiffeId;
use svidgate_policy::{Mode, Oddities, PeerSource, Requirement, Settings, TokenSource};

use super::{Config, Level};

fn errors(value: &Value) -> Vec<String> {
    match Config::from_value(value) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

fn valid() -> Value {
    json!({"audiences": ["backend.test"], "allowed_spiffe_ids": ["spiffe://a.test/client"]})
}

/// `value` with something else at a JSON pointer.
fn with(mut value: Value, pointer: &str, to: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    value.pointer_mut(parent).unwrap()[name] = to;
    value
}

/// One rule that is good.
fn ruled() -> Value {
    json!({"audiences": ["backend.test"], "rules": [rule()]})
}

fn rule() -> Value {
    json!({
        "name": "r", "match": {"paths": ["/**"]}, "require": "jwt", "spiffe_ids": ["spiffe://a.test/client"],
    })
}

#[test]
fn the_two_required_fields_are_enough_and_the_rest_has_safe_defaults() {
    let config = Config::parse(valid().to_string().as_bytes()).unwrap();
    assert_eq!(config.name, "");
    assert_eq!(config.controller.cluster, "svidgate_controller");
    assert_eq!(config.controller.wait, Duration::from_secs(30));
    assert_eq!((config.verifier.config().clock_skew, config.verifier.config().max_token_bytes), (5, 8192));
    let Settings { policy, mode, fail_open, sources, peer, upstream, staleness, clock_skew } =
        Arc::into_inner(config.settings).unwrap();
    assert_eq!((mode, fail_open, clock_skew), (Mode::Enforce, false, 5));
    let bearer = TokenSource::Header { name: "authorization".to_owned(), scheme: Some("Bearer".to_owned()) };
    assert_eq!(sources, [bearer]);
    assert!(matches!(peer.source, PeerSource::FilterState));
    assert!(peer.trust_domains.is_empty());
    assert!(!upstream.forward_token);
    assert_eq!((upstream.spiffe_id_header.as_str(), upstream.trust_domain_header), ("x-spiffe-id", None));
    assert_eq!(upstream.audit_header, "x-svidgate-audit");
    assert_eq!((staleness.default, staleness.trust_domains.len()), (None, 0));
    let [rule] = policy.rules() else { panic!("{policy:?}") };
    assert_eq!((rule.name.as_str(), rule.mode, rule.admits), ("default", None, Oddities::default()));
    assert!(!rule.lets_preflights_pass);
    assert!(rule.matches.hosts.is_empty() && rule.matches.paths.is_empty() && rule.matches.mtls.is_none());
    let Requirement::Jwt(demands) = &rule.require else { panic!("{rule:?}") };
    assert!(demands.audiences.contains("backend.test"));
    assert!(demands.callers.include(&SpiffeId::parse("spiffe://a.test/client").unwrap()));
    assert!(!demands.callers.include(&SpiffeId::parse("spiffe://a.test/other").unwrap()));
    assert!(config.answers.body);
    assert_eq!((config.log.level, config.log.sample), (Some(Level::Info), 1.0));
    assert_eq!(config.answers.realm, "svidgate");
    assert_eq!((config.token_cache.max_entries, config.token_cache.max_bytes), (4096, 8 << 20));
}

#[test]
fn a_missing_configuration_says_what_is_needed() {
    for text in ["", "  \n"] {
        let message = Config::parse(text.as_bytes()).unwrap_err().to_string();
        assert!(message.contains("`audiences` and `allowed_spiffe_ids`"), "{message}");
    }
    assert_eq!(
        errors(&json!({})),
        ["rules: is required: rules, allowed_spiffe_ids or inbound"],
        "an open door is no default"
    );
}

#[test]
fn no_name_makes_a_mark_of_what_another_instance_tells() {
    for (name, count) in [
        ("rule", 1),
        ("edge_rule", 1),
        ("spiffe_id", 1),
        ("a_reason", 1),
        ("rules", 0),
        ("overrule", 0),
        ("reason_a", 0),
    ] {
        let settings = json!({"name": name, "audiences": ["a"], "allowed_spiffe_ids": ["spiffe://a.test/x"]});
        assert_eq!(
            Config::parse(settings.to_string().as_bytes()).map_or_else(|e| e.iter().count(), |_| 0),
            count,
            "{name}"
        );
    }
}

#[test]
fn every_mistake_is_reported_at_once_with_its_path() {
    let found = errors(&json!({
        "name": "Edge",
        "controller": {"cluster": "", "wait": "2h", "port": 1},
        "audience": ["x"],
        "algorithms": ["es256", "HS256", "none"],
        "clock_skew": 5,
        "max_token_bytes": 100,
        "identity_header": "authorization",
        "allowed_spiffe_ids": ["spiffe://a.test/x", "Spiffe://a.test/x", "spiffe://a.test", 7, "spiffe://a.test/*"],
        "max_staleness": {"trust_domains": {"A.test": "1h"}},
        "upstream": {"token": "keep", "spiffe_id_header": "authorization", "claims": [{"claim": "", "header": "te"}]},
        "token_sources": [{}, {"cookie": "a b"}],
        "log": {"refusals": {"level": "loud", "sample": 2}},
        "fail_open": "yes",
        "mode": "dry",
    }));
    let paths: Vec<_> = found.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "name",
            "controller.cluster",
            "controller.wait",
            "controller.port",
            "algorithms[0]",
            "algorithms[1]",
            "algorithms[2]",
            "clock_skew",
            "max_token_bytes",
            "max_staleness.trust_domains.A.test",
            "mode",
            "fail_open",
            "token_sources[0].header",
            "token_sources[1].cookie",
            "allowed_spiffe_ids[1]",
            "allowed_spiffe_ids[2]",
            "allowed_spiffe_ids[3]",
            "allowed_spiffe_ids[4]",
            "upstream.token",
            "upstream.spiffe_id_header",
            "upstream.claims[0].claim",
            "upstream.claims[0].header",
            "log.refusals.level",
            "log.refusals.sample",
            "audiences",
            "audience",
            "identity_header",
        ],
        "{found:#?}"
    );
    assert!(found.iter().any(|error| error.contains("did you mean `audiences`?")), "{found:#?}");
}

#[test]
fn v10_p03_empty_lists_are_errors() {
    for field in ["audiences", "allowed_spiffe_ids", "algorithms", "token_sources"] {
        let value = with(valid(), &format!("/{field}"), json!([]));
        assert_eq!(errors(&value), [format!("{field}: must have at least one item")]);
    }
    assert_eq!(
        errors(&with(valid(), "/audiences", json!(["good", ""]))),
        ["audiences[1]: must not be empty"]
    );
    assert_eq!(errors(&json!({"audiences": ["a"], "rules": []})), ["rules: must have at least one item"]);
    for field in ["spiffe_ids", "audiences", "unsafe_paths", "match/hosts", "match/methods", "match/paths"] {
        let path = format!("rules[0].{}", field.replace('/', "."));
        let value = with(ruled(), &format!("/rules/0/{field}"), json!([]));
        assert_eq!(errors(&value), [format!("{path}: must have at least one item")]);
    }
}

#[test]
fn v10_an_audience_is_needed_where_a_rule_looks_at_tokens_and_names_none() {
    let mut value = ruled();
    value.as_object_mut().unwrap().remove("audiences");
    assert_eq!(errors(&value), ["audiences: is required: rule `r` has none of its own"]);
    value["rules"][0]["audiences"] = json!(["other.test"]);
    let config = Config::from_value(&value).unwrap();
    assert_eq!(config.verifier.config().audiences.iter().collect::<Vec<_>>(), ["other.test"]);

    value["audiences"] = json!(["backend.test"]);
    let config = Config::from_value(&value).unwrap();
    assert!(!config.verifier.config().audiences.contains("backend.test"), "no rule asks for it");
    let mut second = rule();
    second["name"] = json!("s");
    value["rules"].as_array_mut().unwrap().push(second);
    let config = Config::from_value(&value).unwrap();
    assert_eq!(config.verifier.config().audiences.iter().collect::<Vec<_>>(), ["backend.test", "other.test"]);

    let tokenless = json!({"rules": [
        {"name": "m", "match": {"paths": ["/**"]}, "require": "mtls", "trust_domains": ["a.test"]},
    ]});
    assert_eq!(errors(&tokenless), Vec::<String>::new());
}

#[test]
fn p12_staleness_shorter_than_confirmations_take_is_an_error() {
    let least = "must be at least 60s with this `controller.wait`";
    assert_eq!(errors(&with(valid(), "/max_staleness", json!("59s"))), [format!("max_staleness: {least}")]);
    let object = json!({"default": "59s", "trust_domains": {"a.test": "1h", "b.test": "10s"}});
    assert_eq!(
        errors(&with(valid(), "/max_staleness", object)),
        [format!("max_staleness.default: {least}"), format!("max_staleness.trust_domains.b.test: {least}")]
    );
    assert_eq!(errors(&with(valid(), "/max_staleness", json!("60s"))), Vec::<String>::new());
    assert_eq!(errors(&with(valid(), "/max_staleness", json!({}))), ["max_staleness: names no bound"]);
    let fast = with(valid(), "/controller", json!({"wait": "1s"}));
    assert_eq!(
        errors(&with(fast.clone(), "/max_staleness", json!("30s"))),
        ["max_staleness: must be at least 31s with this `controller.wait`"]
    );
    assert_eq!(errors(&with(fast, "/max_staleness", json!("31s"))), Vec::<String>::new());
}

#[test]
fn v17_headers_with_a_meaning_of_their_own_cannot_carry_the_identity() {
    for name in
        ["host", ":path", "X-Spiffe-Id", "x_spiffe_id", "content-length", "x-envoy-x", "", "1x", "cookie"]
    {
        for field in ["spiffe_id_header", "trust_domain_header", "audit_header"] {
            let value = with(valid(), "/upstream", json!({field: name}));
            assert_eq!(errors(&value).len(), 1, "{field} {name}");
        }
        let claims = json!({"claims": [{"claim": "c", "header": name}]});
        assert_eq!(errors(&with(valid(), "/upstream", claims)).len(), 1, "{name}");
    }
}

#[test]
fn v17_headers_that_would_overwrite_each_other_are_errors() {
    for (upstream, expected) in [
        (
            json!({"trust_domain_header": "x-spiffe-id"}),
            "upstream.trust_domain_header: `x-spiffe-id` carries something else already",
        ),
        (
            json!({"audit_header": "x-spiffe-id"}),
            "upstream.audit_header: `x-spiffe-id` carries something else already",
        ),
        (
            json!({"claims": [{"claim": "a", "header": "x-a"}, {"claim": "b", "header": "x-a"}]}),
            "upstream.claims[1].header: `x-a` carries something else already",
        ),
        (
            json!({"claims": [{"claim": "a", "header": "x-svidgate-audit"}]}),
            "upstream.claims[0].header: `x-svidgate-audit` carries something else already",
        ),
        (
            json!({"spiffe_id_header": "x-jwt"}),
            "upstream.spiffe_id_header: `x-jwt` is where a token is looked for",
        ),
    ] {
        let value = with(valid(), "/token_sources", json!([{"header": "x-jwt"}]));
        assert_eq!(errors(&with(value, "/upstream", upstream)), [expected]);
    }
}

#[test]
fn v18_each_token_source_is_one_place_and_none_is_named_twice() {
    for good in [
        json!([{"header": "authorization", "scheme": "Bearer"}]),
        json!([{"header": "x-jwt"}, {"header": "x-token", "scheme": "Token"}, {"cookie": "svid"}, {"query": "t"}]),
        json!([{"header": "x-forwarded-access-token"}]),
    ] {
        assert_eq!(errors(&with(valid(), "/token_sources", good)), Vec::<String>::new());
    }
    for (bad, expected) in [
        (
            json!([{"cookie": "c", "query": "q"}]),
            "token_sources[0].query: only one may be there of header, cookie or query",
        ),
        (
            json!([{"cookie": "c", "scheme": "Bearer"}]),
            "token_sources[0].scheme: cannot be there together with `cookie`",
        ),
        (
            json!([{"query": "q", "scheme": "Bearer"}]),
            "token_sources[0].scheme: cannot be there together with `query`",
        ),
        (
            json!([{"header": "x-jwt"}, {"header": "x-jwt"}]),
            "token_sources[1]: is a place that was named before",
        ),
        (
            json!([{"header": "x-jwt"}, {"header": "x-jwt", "scheme": "T"}]),
            "token_sources[1]: is a place that was named before",
        ),
        (
            json!([{"header": "x-jwt", "scheme": "A"}, {"header": "x-jwt", "scheme": "B"}]),
            "token_sources[1]: is a place that was named before",
        ),
        (json!([{"cookie": "c"}, {"cookie": "c"}]), "token_sources[1]: is a place that was named before"),
        (json!([{"header": "cookie"}]), "token_sources[0].header: is said with `cookie`, not with `header`"),
        (
            json!([{"header": "host"}]),
            "token_sources[0].header: is a header with a meaning of its own; the filter would break it",
        ),
        (
            json!([{"header": "authorization"}]),
            "token_sources[0].scheme: is required for `authorization`, which has a scheme always; usually `Bearer`",
        ),
    ] {
        assert_eq!(errors(&with(valid(), "/token_sources", bad)), [expected]);
    }
}

#[test]
fn p10_whose_word_on_the_peer_counts_must_be_said_whole() {
    for good in [
        json!({"source": "envoy_xfcc"}),
        json!({"source": "proxy_xfcc", "trusted_proxies": ["spiffe://a.test/ingress"], "hops": 2}),
        json!({"trust_domains": ["a.test"]}),
    ] {
        assert_eq!(errors(&with(valid(), "/peer", good)), Vec::<String>::new());
    }
    for (bad, expected) in [
        (json!({"source": "proxy_xfcc"}), "peer.trusted_proxies: is required where `source` is `proxy_xfcc`"),
        (
            json!({"trusted_proxies": ["spiffe://a.test/ingress"]}),
            "peer.trusted_proxies: means nothing unless `source` is `proxy_xfcc`",
        ),
        (
            json!({"source": "envoy_xfcc", "hops": 1}),
            "peer.hops: means nothing unless `source` is `proxy_xfcc`",
        ),
        (json!({"source": "xfcc"}), "peer.source: expected filter_state, envoy_xfcc or proxy_xfcc"),
    ] {
        assert_eq!(errors(&with(valid(), "/peer", bad)), [expected]);
    }
}

#[cfg(feature = "describe")]
#[test]
fn every_setting_is_described() {
    fn walk(path: &str, schema: &svidgate_config::Schema) {
        use svidgate_config::Schema::{Any, Either, List, Map, Object};
        match schema {
            Any => panic!("{path} says nothing about itself"),
            List { item, .. } => walk(path, item),
            Map { key, value } => [key, value].into_iter().for_each(|schema| walk(path, schema)),
            Either(choices) => choices.iter().for_each(|schema| walk(path, schema)),
            Object(object) => {
                for field in &object.fields {
                    let path = format!("{path}.{}", field.name);
                    assert!(field.about.ends_with(['.', '?']), "{path}: {}", field.about);
                    walk(&path, &field.schema);
                }
            }
            _ => {}
        }
    }
    walk("", &Config::schema());
}

mod outgoing;
mod rules;
