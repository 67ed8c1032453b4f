//! Headers by which a client could pass for somebody else.

use serde_json::{Value, json};

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::CLIENT;
use crate::table::row::{Row, get, send};

pub(super) fn configs() -> Vec<Config> {
    let rules = json!([
        {"name": "i-open", "match": {"paths": ["/open"]}, "require": "none"},
        {"name": "i-jwt", "match": {}, "require": "jwt", "trust_domains": ["example.org"]},
    ]);
    let plain = json!({"audiences": ["backend.example.org"], "rules": rules});
    let renamed = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            {"name": "i2-open", "match": {"paths": ["/open"]}, "require": "none"},
            {"name": "i2-jwt", "match": {}, "require": "jwt", "trust_domains": ["example.org"]},
        ],
        "upstream": {
            "token": "forward",
            "spiffe_id_header": "x-caller",
            "trust_domain_header": "x-caller-domain",
            "audit_header": "x-would-refuse",
        },
    });
    vec![
        Config::new("headers", plain.clone()),
        Config::new("headers-renamed", renamed),
        Config::new("headers-rejecting", plain.clone())
            .manager(|manager| underscores(manager, "REJECT_REQUEST")),
        Config::new("headers-dropping", plain).manager(|manager| underscores(manager, "DROP_HEADER")),
    ]
}

fn underscores(manager: &mut Value, action: &str) {
    manager["common_http_protocol_options"] = json!({"headers_with_underscores_action": action});
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    const FORGED: &str = "spiffe://example.org/admin";
    let open = |name| get(name, "headers", "/open");
    let stripped = |count| Expect::allow("i-open").stripped(count);
    let renamed = || Expect::allow("i2-jwt").edit(|expect| expect.identity_header = "x-caller").token_stays();
    vec![
        open("p08_the_header_itself").header("x-spiffe-id", FORGED).expect(stripped(1)),
        open("p08_in_another_case").header("X-SPIFFE-ID", FORGED).expect(stripped(1)),
        open("p08_with_underscores").header("x_spiffe_id", FORGED).expect(stripped(1)),
        open("p08_with_dots").header("x.spiffe.id", FORGED).expect(stripped(1)),
        open("p08_with_odd_punctuation").header("x!spiffe~id", FORGED).expect(stripped(1)),
        open("p08_mixed").header("X_Spiffe-Id", FORGED).expect(stripped(1)),
        open("p08_twice").header("x-spiffe-id", FORGED).header("x-spiffe-id", ID).expect(stripped(2)),
        open("p08_in_two_spellings")
            .header("x-spiffe-id", FORGED)
            .header("x_spiffe_id", ID)
            .expect(stripped(2)),
        open("p08_empty").header("x-spiffe-id", "").expect(stripped(1)),
        open("p08_not_text").bytes("x-spiffe-id", b"\xff\xfe").expect(stripped(1)),
        open("p08_over_h2")
            .h2()
            .header("x-spiffe-id", FORGED)
            .header("x_spiffe_id", FORGED)
            .expect(stripped(2)),
        open("p08_a_longer_name_is_another_header")
            .header("x-spiffe-id-hint", "mine")
            .expect(Expect::allow("i-open").has("x-spiffe-id-hint", "mine")),
        open("p08_the_mark_of_audit_is_ours")
            .header("x-svidgate-audit", "no_rule")
            .expect(stripped(1).lacks("x-svidgate-audit")),
        open("p08_the_mark_of_audit_in_another_spelling")
            .header("X_Svidgate_Audit", "no_rule")
            .expect(stripped(1).lacks("x-svidgate-audit")),
        get("p08_underscores_that_envoy_rejects", "headers-rejecting", "/open")
            .header("x_spiffe_id", FORGED)
            .by_envoy(400),
        get("p08_underscores_that_envoy_drops", "headers-dropping", "/open")
            .header("x_spiffe_id", FORGED)
            .header("x.spiffe.id", FORGED)
            .expect(stripped(1)),
        // Envoy takes out what `connection` names before the plugin sees it.
        get("p08_a_connection_header_that_names_ours", "headers", "/")
            .header("connection", "x-spiffe-id")
            .header("x-spiffe-id", FORGED)
            .bearer(CLIENT)
            .allow_as("i-jwt", ID),
        get("p08_a_connection_header_that_names_ours_in_an_upgrade", "headers", "/")
            .websocket()
            .header("connection", "x-spiffe-id")
            .bearer(CLIENT)
            .allow_as("i-jwt", ID),
        get("p08_a_connection_header_that_names_the_token", "headers", "/")
            .header("connection", "authorization")
            .bearer(CLIENT)
            .deny("i-jwt", "token_missing"),
        get("v17_beside_a_good_token", "headers", "/")
            .header("x-spiffe-id", FORGED)
            .bearer(CLIENT)
            .expect(Expect::allow("i-jwt").identity(ID).stripped(1)),
        get("v17_with_a_refused_request", "headers", "/")
            .header("x-spiffe-id", FORGED)
            .expect(Expect::deny("i-jwt", "token_missing").stripped(1)),
        send("v17_in_trailers", "headers", "POST", "/")
            .bearer(CLIENT)
            .edit(|call| call.trailers = vec![("x-spiffe-id", FORGED), ("x-other", "stays")])
            .expect(Expect::allow("i-jwt").identity(ID).stripped(1).has("x-other", "stays")),
        send("v17_in_trailers_over_h2", "headers", "POST", "/")
            .h2()
            .bearer(CLIENT)
            .edit(|call| call.trailers = vec![("x_spiffe_id", FORGED)])
            .expect(Expect::allow("i-jwt").identity(ID).stripped(1)),
        get("v17_a_header_that_is_not_text_is_none_of_ours", "headers", "/")
            .bytes("x-note", b"caf\xe9")
            .bearer(CLIENT)
            .allow_as("i-jwt", ID),
        get("p08_other_names_for_the_headers", "headers-renamed", "/")
            .bearer(CLIENT)
            .expect(renamed().identity(ID).has("x-caller-domain", "example.org").lacks("x-spiffe-id")),
        get("p08_other_names_are_stripped_too", "headers-renamed", "/")
            .bearer(CLIENT)
            .header("x_caller", FORGED)
            .header("X-Caller-Domain", "evil.test")
            .header("x-would-refuse", "no")
            .expect(
                renamed()
                    .identity(ID)
                    .stripped(3)
                    .has("x-caller-domain", "example.org")
                    .lacks("x-would-refuse"),
            ),
        get("p08_the_default_name_is_free_when_another_is_used", "headers-renamed", "/open")
            .header("x-spiffe-id", "mine")
            .expect(
                Expect::allow("i2-open")
                    .edit(|expect| expect.identity_header = "x-caller")
                    .has("x-spiffe-id", "mine"),
            ),
    ]
}
