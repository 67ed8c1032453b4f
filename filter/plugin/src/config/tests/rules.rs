use serde_json::{Value, json};

use svidgate_jwt_svid::SpiffeId;
use svidgate_policy::{Match, Mode, Oddities, Requirement};

use super::{Config, errors, rule, ruled, with};

/// Mistakes of the good rule with some settings changed; `null` removes one.
fn changed(changes: Value) -> Vec<String> {
    let mut value = ruled();
    for (name, to) in changes.as_object().unwrap() {
        value["rules"][0][name] = to.clone();
    }
    errors(&value)
}

#[test]
fn rules_of_each_kind_are_taken() {
    for changes in [
        json!({}),
        json!({"require": "none", "spiffe_ids": null}),
        json!({"spiffe_ids": null, "trust_domains": ["a.test"]}),
        json!({"require": "mtls"}),
        json!({"require": "either", "max_token_age": "5m", "audiences": ["x"]}),
        json!({"require": "both", "peer_trust_domains": ["a.test"]}),
        json!({"require": "both", "bind": "mtls"}),
        json!({"bind": "mtls"}),
        json!({"match": {"mtls": false}}),
        json!({"match": {}}),
        json!({"match": {"mtls": true}, "require": "mtls"}),
        json!({"match": {"grpc": [{"service": "pkg.v1.Registry", "methods": ["List"]}, {"service": "Ping"}]}}),
        json!({"match": {"hosts": ["*.a.test"], "methods": ["GET", "M-SEARCH"], "paths": ["/a/{id}", "/b/**"]}}),
        json!({"cors_preflight": "allow", "match": {"methods": ["OPTIONS", "GET"]}}),
        json!({"unsafe_paths": ["encoded_separators", "parameters", "empty_segments"], "mode": "audit"}),
    ] {
        assert_eq!(changed(changes.clone()), Vec::<String>::new(), "{changes}");
    }
}

#[test]
fn p03_settings_that_mean_nothing_beside_the_others_are_errors() {
    for (changes, expected) in [
        (json!({"require": "none"}), "spiffe_ids: means nothing where `require` is `none`"),
        (
            json!({"require": "none", "spiffe_ids": null, "audiences": ["x"]}),
            "audiences: means nothing where `require` is `none`",
        ),
        (
            json!({"require": "none", "spiffe_ids": null, "max_token_age": "1m"}),
            "max_token_age: means nothing where `require` is `none`",
        ),
        (
            json!({"require": "none", "spiffe_ids": null, "bind": "mtls"}),
            "bind: means nothing where `require` is `none`",
        ),
        (
            json!({"peer_spiffe_ids": ["spiffe://a.test/x"]}),
            "peer_spiffe_ids: means nothing where `require` is `jwt`",
        ),
        (
            json!({"require": "either", "peer_trust_domains": ["a.test"]}),
            "peer_trust_domains: means nothing where `require` is `either`",
        ),
        (json!({"require": "either", "bind": "mtls"}), "bind: means nothing where `require` is `either`"),
        (json!({"require": "mtls", "bind": "mtls"}), "bind: means nothing where `require` is `mtls`"),
        (
            json!({"require": "mtls", "audiences": ["x"]}),
            "audiences: means nothing where `require` is `mtls`",
        ),
        (
            json!({"require": "mtls", "max_token_age": "5m"}),
            "max_token_age: means nothing where `require` is `mtls`",
        ),
        (
            json!({"match": {"methods": ["OPTIONS"]}, "cors_preflight": "allow"}),
            "cors_preflight: means nothing where only `OPTIONS` is matched: a preflight asks about another method",
        ),
        (
            json!({"match": {"grpc": [{"service": "a.B"}]}, "unsafe_paths": ["parameters"]}),
            "unsafe_paths: means nothing beside `match.grpc`: such paths have no oddities",
        ),
    ] {
        assert_eq!(changed(changes), [format!("rules[0].{expected}")]);
    }
}

#[test]
fn p03_rules_that_could_never_let_anyone_in_are_errors() {
    for (changes, expected) in [
        (
            json!({"spiffe_ids": null}),
            "spiffe_ids: is required, or `trust_domains`: otherwise nobody could ever come in",
        ),
        (
            json!({"require": "both"}),
            "peer_spiffe_ids: is required, or `peer_trust_domains`, or `bind`: who may the peer be?",
        ),
        (
            json!({"require": "mtls", "match": {"mtls": false}}),
            "match.mtls: `false` leaves only requests without a peer, for which the rule asks",
        ),
        (
            json!({"bind": "mtls", "match": {"mtls": false}}),
            "match.mtls: `false` leaves only requests without a peer, for which the rule asks",
        ),
        (json!({"spiffe_ids": ["spiffe://*/x"]}), "spiffe_ids[0]: "),
        (json!({"spiffe_ids": ["spiffe://a.test/**/x"]}), "spiffe_ids[0]: "),
        (json!({"trust_domains": ["spiffe://a.test"]}), "trust_domains[0]: "),
        (json!({"trust_domains": ["*.a.test"]}), "trust_domains[0]: "),
    ] {
        let found = changed(changes);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("rules[0].{expected}")), "{found:?}");
    }
}

#[test]
fn p03_p10_peers_of_trust_domains_without_an_identity_are_errors() {
    let peers = json!({"trust_domains": ["a.test"]});
    for (changes, path) in [
        (json!({"require": "mtls", "spiffe_ids": ["spiffe://b.test/x"]}), Some("spiffe_ids")),
        (json!({"require": "mtls", "trust_domains": ["b.test"]}), Some("trust_domains")),
        (json!({"require": "both", "peer_spiffe_ids": ["spiffe://b.test/x"]}), Some("peer_spiffe_ids")),
        (json!({"bind": "mtls", "spiffe_ids": ["spiffe://b.test/x"]}), Some("spiffe_ids")),
        (json!({"spiffe_ids": ["spiffe://b.test/x"]}), None),
        (json!({"require": "either", "trust_domains": ["b.test"]}), None),
        (json!({"require": "both", "trust_domains": ["b.test"], "peer_trust_domains": ["a.test"]}), None),
    ] {
        let mut value = with(ruled(), "/peer", peers.clone());
        for (name, to) in changes.as_object().unwrap() {
            value["rules"][0][name] = to.clone();
        }
        let expected = path.map(|path| {
            format!("rules[0].{path}: `b.test` is not in `peer.trust_domains`: nobody could ever match")
        });
        assert_eq!(errors(&value), Vec::from_iter(expected), "{changes}");
    }
}

#[test]
fn p03_matches_that_could_never_match_or_match_everything_by_accident_are_errors() {
    for (matches, expected) in [
        (json!(null), ": is required; `{}` is about every request"),
        (
            json!({"paths": null, "hosts": null}),
            ": has no condition; where every request is meant, write `{}`",
        ),
        (json!({"methods": ["get"]}), ".methods[0]: must be an HTTP method in upper case"),
        (json!({"methods": ["*"]}), ".methods[0]: must be an HTTP method in upper case"),
        (json!({"methods": ["GET", "GET"]}), ".methods[1]: stands twice"),
        (json!({"hosts": ["A.test"]}), ".hosts[0]: would never match as written; write `a.test`"),
        (json!({"hosts": ["*"]}), ".hosts[0]: `*` may stand only"),
        (json!({"paths": ["a"]}), ".paths[0]: must begin with `/`"),
        (json!({"paths": ["/a*"]}), ".paths[0]: `a*`"),
        (json!({"paths": ["/**/a"]}), ".paths[0]: `**`"),
        (
            json!({"grpc": [{"service": "a.B"}], "paths": ["/a"]}),
            ".paths: cannot be there together with `grpc`",
        ),
        (
            json!({"grpc": [{"service": "a.B"}], "methods": ["POST"]}),
            ".methods: cannot be there together with `grpc`",
        ),
        (
            json!({"methods": ["CONNECT"], "paths": ["/**"]}),
            ".paths: would never match: `CONNECT` has no path",
        ),
        (json!({"grpc": [{"service": "/a.B"}]}), ".grpc[0].service: must be a full name"),
        (json!({"grpc": [{"service": "a.*"}]}), ".grpc[0].service: must be a full name"),
        (
            json!({"grpc": [{"service": "a.B", "methods": ["*"]}]}),
            ".grpc[0].methods[0]: must be an identifier",
        ),
        (json!({"grpc": [{"service": "a.B"}, {"service": "a.B"}]}), ".grpc[1].service: `a.B` stands twice"),
        (json!({"mtls": "yes"}), ".mtls: expected true or false, found a string"),
        (json!({"path": ["/a"], "mtls": true}), ".path: unknown field; did you mean `paths`?"),
    ] {
        let found = changed(json!({"match": matches}));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("rules[0].match{expected}")), "{found:?} {expected}");
    }
}

#[test]
fn p03_a_claim_that_no_caller_of_a_rule_can_have_cannot_be_required() {
    let claims = json!({"claims": [{"claim": "tenant", "header": "x-tenant", "required": true}]});
    let value = with(ruled(), "/upstream", claims);
    assert_eq!(errors(&value), Vec::<String>::new());
    for require in ["mtls", "either"] {
        let value = with(value.clone(), "/rules/0/require", json!(require));
        let found = errors(&value);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("upstream.claims[0].required: rule `r` lets in peers"), "{found:?}");
    }
}

#[test]
fn p10_who_is_bound_to_the_peer_needs_no_list_of_peers() {
    let ids = |value: &Value| {
        let config = Config::from_value(value).unwrap();
        let [rule] = config.settings.policy.rules() else { panic!("{config:?}") };
        let Requirement::Both(demands, peers) = &rule.require else { panic!("{rule:?}") };
        let id = |path: &str| SpiffeId::parse(&format!("spiffe://a.test/{path}")).unwrap();
        (demands.bound_to_peer, peers.include(&id("client")), peers.include(&id("proxy")))
    };
    let both = with(ruled(), "/rules/0/require", json!("both"));
    let bound = with(both.clone(), "/rules/0/bind", json!("mtls"));
    assert_eq!(ids(&bound), (true, true, false));
    assert_eq!(
        ids(&with(both, "/rules/0/peer_spiffe_ids", json!(["spiffe://a.test/proxy"]))),
        (false, false, true)
    );
}

#[test]
fn each_setting_of_a_rule_reaches_it() {
    let value = json!({"audiences": ["a"], "rules": [{
        "name": "r", "require": "either", "trust_domains": ["a.test"], "audiences": ["b"], "max_token_age": "5m",
        "match": {"hosts": ["a.test"], "methods": ["GET"], "paths": ["/x"], "mtls": true}, "mode": "audit",
        "unsafe_paths": ["parameters", "empty_segments"], "cors_preflight": "allow",
    }]});
    let config = Config::from_value(&value).unwrap();
    let [rule] = config.settings.policy.rules() else { panic!("{config:?}") };
    let Match { hosts, methods, paths, grpc, mtls } = &rule.matches;
    assert_eq!((hosts.len(), paths.len(), grpc.len(), *mtls), (1, 1, 0, Some(true)));
    assert_eq!(*methods, ["GET"]);
    assert_eq!(rule.mode, Some(Mode::Audit));
    assert_eq!(rule.admits, Oddities { encoded_separators: false, parameters: true, empty_segments: true });
    assert!(rule.lets_preflights_pass);
    let Requirement::Either(demands) = &rule.require else { panic!("{rule:?}") };
    assert_eq!((demands.max_token_age, demands.bound_to_peer), (Some(300), false));
    assert_eq!(demands.audiences.iter().collect::<Vec<_>>(), ["b"]);
}

#[test]
fn names_of_rules_are_unique_and_fit_for_labels() {
    for name in ["", "A", "_a", "none", "a b", &"a".repeat(65)] {
        assert_eq!(changed(json!({"name": name})).len(), 1, "{name}");
    }
    for name in ["a", "0", "a_b.c-d", "none2", &"a".repeat(64)] {
        assert_eq!(changed(json!({"name": name})), Vec::<String>::new(), "{name}");
    }
    let value = json!({"audiences": ["x"], "rules": [rule(), with(json!({"r": rule()}), "/r/name", json!("s"))["r"], rule()]});
    assert_eq!(errors(&value), ["rules[2].name: is the name of rules[0] already"]);
}

#[test]
fn every_mistake_of_every_rule_is_reported_and_rules_and_shorthand_exclude_each_other() {
    let value = json!({
        "audiences": ["x"],
        "rules": [
            {"name": "a", "require": "jwt", "match": {"paths": ["x"]}, "spiffe_ids": ["x"], "mode": "dry"},
            7,
            {"name": "b", "requires": "jwt", "match": {"paths": ["/"]}},
        ],
    });
    let found = errors(&value);
    let paths: Vec<_> = found.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "rules[0].match.paths[0]",
            "rules[0].spiffe_ids[0]",
            "rules[0].mode",
            "rules[1]",
            "rules[2].require",
            "rules[2].requires",
        ],
        "{found:#?}"
    );
    assert_eq!(
        errors(&with(ruled(), "/allowed_spiffe_ids", json!(["spiffe://a.test/x"]))),
        ["allowed_spiffe_ids: only one may be there of rules, allowed_spiffe_ids or inbound"]
    );
}

#[test]
fn there_are_at_most_10_000_rules() {
    let rules = |count: usize| {
        let rules: Vec<_> = (0..count)
            .map(|at| json!({"name": format!("r{at}"), "match": {"paths": [format!("/{at}")]}, "require": "none"}))
            .collect();
        json!({"rules": rules})
    };
    assert_eq!(errors(&rules(10_000)), Vec::<String>::new());
    assert_eq!(errors(&rules(10_001)), ["rules: must have at most 10000 items, has 10001"]);
}
