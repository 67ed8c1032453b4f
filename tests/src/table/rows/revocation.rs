//! Revoked keys, tokens and subjects.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{CLIENT, FORGED, Mint, Signer};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "rules": [
            {"name": "v-open", "match": {"paths": ["/open"]}, "require": "none"},
            {"name": "v-audit", "match": {"paths": ["/audit"]}, "require": "jwt", "mode": "audit",
             "trust_domains": ["example.org"]},
            {"name": "v", "match": {}, "require": "jwt", "trust_domains": ["example.org", "partner.test"]},
        ],
    });
    vec![Config::new("revoked", plugin)]
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    const SUSPECT: &str = "spiffe://example.org/suspect";
    let at = |name, token| get(name, "revoked", "/").bearer(token);
    let revoked = |row: Row| row.deny("v", "token_revoked");
    let jti = |token: svidgate_forge::Token, _: u64| token.claim("jti", json!("stolen-1"));
    vec![
        at("r_nothing_revoked", CLIENT).allow_as("v", ID),
        revoked(at("r_a_revoked_key", Mint::by(Signer::OwnRevoked, |token, _| token))),
        revoked(at("r_a_revoked_token", Mint::new(jti))),
        at("r_another_token", Mint::new(|token, _| token.claim("jti", json!("stolen-2")))).allow_as("v", ID),
        at(
            "r_the_same_jti_in_another_trust_domain",
            Mint::by(Signer::Partner, |token, _| {
                token.claim("sub", json!("spiffe://partner.test/web")).claim("jti", json!("stolen-1"))
            }),
        )
        .allow_as("v", "spiffe://partner.test/web"),
        revoked(at(
            "r_a_subject_with_a_token_of_before",
            Mint::new(|token, now| token.claim("sub", json!(SUSPECT)).claim("iat", json!(now - 3600))),
        )),
        at("r_a_subject_with_a_token_of_after", Mint::new(|token, _| token.claim("sub", json!(SUSPECT))))
            .allow_as("v", SUSPECT),
        revoked(at(
            "r_a_subject_with_a_token_of_no_time",
            Mint::new(|token, _| token.claim("sub", json!(SUSPECT)).without_claim("iat")),
        )),
        at("r_a_forged_token_is_forged_first", FORGED).deny("v", "signature_invalid"),
        get("r_revoked_where_it_is_audited", "revoked", "/audit")
            .bearer(Mint::new(jti))
            .audited("v-audit", "token_revoked"),
        get("r_revoked_where_nothing_is_asked", "revoked", "/open")
            .bearer(Mint::new(jti))
            .expect(Expect::allow("v-open").token_stays()),
    ]
}
