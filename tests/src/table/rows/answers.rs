//! What a refused caller is told.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{CLIENT, EXPIRED, OTHER};
use crate::table::row::{Row, get, send};

pub(super) fn configs() -> Vec<Config> {
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "rules": [{"name": "n", "match": {"paths": ["/x"]}, "require": "jwt",
                   "spiffe_ids": ["spiffe://example.org/client"]}],
        "answers": {"body": "none", "realm": "orders"},
    });
    vec![Config::new("answers", plugin)]
}

pub(super) fn rows() -> Vec<Row> {
    let at = |name| get(name, "answers", "/x");
    let silent = |expect: Expect| expect.edit(|expect| expect.body = false);
    vec![
        at("n_no_body_no_token")
            .expect(silent(Expect::deny("n", "token_missing").challenge(r#"Bearer realm="orders""#))),
        at("n_no_body_a_bad_token").bearer(EXPIRED).expect(silent(
            Expect::deny("n", "token_expired").challenge(r#"realm="orders", error="invalid_token""#),
        )),
        at("n_no_body_another_caller")
            .bearer(OTHER)
            .expect(silent(Expect::deny("n", "caller_not_allowed").challenge("insufficient_scope"))),
        get("n_no_body_no_rule", "answers", "/y").expect(silent(Expect::deny("none", "no_rule"))),
        get("n_no_body_a_bad_path", "answers", "/x/../y")
            .expect(silent(Expect::deny("none", "path_ambiguous"))),
        at("n_no_body_over_h2").h2().expect(silent(Expect::deny("n", "token_missing"))),
        send("n_no_body_to_a_head", "answers", "HEAD", "/x")
            .expect(silent(Expect::deny("n", "token_missing"))),
        at("n_a_good_request").bearer(CLIENT).allow_as("n", "spiffe://example.org/client"),
        send("n_a_body_that_is_never_read", "answers", "POST", "/x")
            .edit(|call| call.trailers = vec![("x-end", "1")])
            .expect(silent(Expect::deny("n", "token_missing"))),
        send("n_trailers_behind_a_refusal_over_h2", "answers", "POST", "/x")
            .h2()
            .edit(|call| call.trailers = vec![("x-spiffe-id", "spiffe://example.org/admin")])
            .expect(silent(Expect::deny("n", "token_missing"))),
    ]
}
