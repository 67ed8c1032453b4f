//! Claims that the upstream is told as headers.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{CLIENT, Mint};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            {"name": "k-open", "match": {"paths": ["/open"]}, "require": "none"},
            {"name": "k", "match": {}, "require": "jwt", "trust_domains": ["example.org"]},
        ],
        "upstream": {"claims": [
            {"claim": "tenant", "header": "x-tenant", "type": "string", "max_bytes": 16},
            {"claim": "level", "header": "x-level", "type": "integer"},
            {"claim": "beta", "header": "x-beta", "type": "boolean"},
            {"claim": "groups", "header": "x-groups", "type": "string_list", "max_bytes": 32},
            {"claim": "extra", "header": "x-extra", "type": "json", "max_bytes": 64},
        ]},
    });
    let required = json!({
        "audiences": ["backend.example.org"],
        "rules": [{"name": "kr", "match": {}, "require": "jwt", "trust_domains": ["example.org"]}],
        "upstream": {"claims": [{"claim": "tenant", "header": "x-tenant", "type": "string", "required": true}]},
    });
    vec![Config::new("claims", plugin), Config::new("claims-required", required)]
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    let at = |name, edit| get(name, "claims", "/").bearer(Mint::new(edit));
    let told = |header, value| Expect::allow("k").identity(ID).has(header, value);
    // Only a required claim refuses; without the header the service knows nothing rather than something wrong.
    let unusable = |row: Row| {
        row.expect(
            Expect::allow("k")
                .identity(ID)
                .lacks("x-tenant")
                .lacks("x-level")
                .lacks("x-beta")
                .lacks("x-groups"),
        )
    };
    vec![
        at("k_a_string", |t, _| t.claim("tenant", json!("acme"))).expect(told("x-tenant", "acme")),
        at("k_an_integer", |t, _| t.claim("level", json!(7))).expect(told("x-level", "7")),
        at("k_a_negative_integer", |t, _| t.claim("level", json!(-7))).expect(told("x-level", "-7")),
        at("k_a_boolean", |t, _| t.claim("beta", json!(true))).expect(told("x-beta", "true")),
        at("k_a_list", |t, _| t.claim("groups", json!(["a", "b"]))).expect(told("x-groups", "a,b")),
        at("k_json", |t, _| t.claim("extra", json!({"a": [1, "x"]})))
            .expect(told("x-extra", r#"{"a":[1,"x"]}"#)),
        at("k_json_that_is_not_ascii", |t, _| t.claim("extra", json!("é")))
            .expect(told("x-extra", r#""\u00e9""#)),
        at("k_an_integer_as_large_as_they_get", |t, _| t.claim_text("level", "18446744073709551615"))
            .expect(told("x-level", "18446744073709551615")),
        unusable(at("k_an_integer_that_is_larger", |t, _| t.claim_text("level", "18446744073709551616"))),
        unusable(at("k_a_string_that_is_not_ascii", |t, _| t.claim("tenant", json!("é")))),
        unusable(at("k_an_empty_string", |t, _| t.claim("tenant", json!("")))),
        get("k_absent_claims_give_no_header", "claims", "/").bearer(CLIENT).expect(
            Expect::allow("k")
                .identity(ID)
                .lacks("x-tenant")
                .lacks("x-level")
                .lacks("x-beta")
                .lacks("x-groups"),
        ),
        unusable(at("k_a_number_where_a_string_is_asked", |t, _| t.claim("tenant", json!(5)))),
        unusable(at("k_a_string_where_a_number_is_asked", |t, _| t.claim("level", json!("7")))),
        unusable(at("k_a_fraction_where_an_integer_is_asked", |t, _| t.claim_text("level", "7.5"))),
        unusable(at("k_a_string_where_a_boolean_is_asked", |t, _| t.claim("beta", json!("true")))),
        unusable(at("k_a_string_where_a_list_is_asked", |t, _| t.claim("groups", json!("a")))),
        unusable(at("k_a_list_with_a_number", |t, _| t.claim("groups", json!(["a", 1])))),
        unusable(at("k_a_list_with_a_comma_in_a_name", |t, _| t.claim("groups", json!(["a,admin"])))),
        unusable(at("k_a_string_beyond_its_cap", |t, _| t.claim("tenant", json!("x".repeat(17))))),
        unusable(at("k_a_list_beyond_its_cap", |t, _| t.claim("groups", json!(vec!["group"; 9])))),
        unusable(at("k_a_line_break", |t, _| t.claim("tenant", json!("a\r\nx-a: b")))),
        unusable(at("k_a_zero_byte", |t, _| t.claim("tenant", json!("a\u{0}b")))),
        get("p08_claim_headers_of_the_client_are_stripped", "claims", "/open")
            .header("x-tenant", "evil")
            .header("X_Groups", "admin")
            .expect(Expect::allow("k-open").stripped(2).lacks("x-tenant").lacks("x-groups")),
        get("p08_a_claim_replaces_what_the_client_says", "claims", "/")
            .header("x-tenant", "evil")
            .bearer(Mint::new(|t, _| t.claim("tenant", json!("acme"))))
            .expect(told("x-tenant", "acme").stripped(1)),
        get("p08_an_absent_claim_leaves_nothing_of_what_the_client_says", "claims", "/")
            .header("x-level", "9")
            .bearer(CLIENT)
            .expect(Expect::allow("k").identity(ID).stripped(1).lacks("x-level")),
        get("k_a_required_claim", "claims-required", "/")
            .bearer(Mint::new(|t, _| t.claim("tenant", json!("acme"))))
            .expect(Expect::allow("kr").identity(ID).has("x-tenant", "acme")),
        get("k_a_required_claim_is_absent", "claims-required", "/")
            .bearer(CLIENT)
            .deny("kr", "claim_unusable"),
        get("k_a_required_claim_of_another_type", "claims-required", "/")
            .bearer(Mint::new(|t, _| t.claim("tenant", json!(["acme"]))))
            .deny("kr", "claim_unusable"),
        get("k_a_required_claim_with_a_line_break", "claims-required", "/")
            .bearer(Mint::new(|t, _| {
                t.claim("tenant", json!("a\r\nx-spiffe-id: spiffe://example.org/admin"))
            }))
            .deny("kr", "claim_unusable"),
        get("k_a_required_claim_is_null", "claims-required", "/")
            .bearer(Mint::new(|t, _| t.claim("tenant", json!(null))))
            .deny("kr", "claim_unusable"),
    ]
}
