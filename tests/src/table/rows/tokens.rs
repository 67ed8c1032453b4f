//! The token itself, under the shortest configuration there is.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT, EXPIRED, FORGED, Mint, PARTNER, Signer};
use crate::table::row::{Row, get, send};

pub(super) fn configs() -> Vec<Config> {
    let plugin = json!({
        "audiences": ["backend.example.org"],
        "allowed_spiffe_ids": ["spiffe://example.org/client"],
    });
    let strict = json!({
        "audiences": ["backend.example.org"],
        "algorithms": ["ES384", "RS256"],
        "max_token_bytes": 512,
        "rules": [{"name": "strict", "match": {}, "require": "jwt",
                   "trust_domains": ["example.org", "partner.test"]}],
    });
    vec![Config::new("basic", plugin), Config::new("strict", strict)]
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    vec![
        get("v01_a_good_token_passes", "basic", "/").bearer(CLIENT).allow_as("default", ID),
        get("v01_a_good_token_passes_over_h2", "basic", "/").h2().bearer(CLIENT).allow_as("default", ID),
        get("v18_the_scheme_is_matched_without_case", "basic", "/")
            .token("authorization", "bEARER ", CLIENT, "")
            .allow_as("default", ID),
        get("v01_no_token", "basic", "/")
            .expect(Expect::deny("default", "token_missing").challenge(r#"Bearer realm="svidgate""#)),
        get("v18_another_scheme", "basic", "/")
            .header("authorization", "Basic dXNlcjpwYXNz")
            .expect(Expect::deny("default", "scheme_not_bearer").challenge("invalid_request")),
        get("v18_two_authorization_headers", "basic", "/")
            .bearer(CLIENT)
            .bearer(CLIENT)
            .expect(Expect::deny("default", "authorization_malformed").challenge("invalid_request")),
        get("v18_two_authorization_headers_over_h2", "basic", "/")
            .h2()
            .bearer(CLIENT)
            .bearer(CLIENT)
            .deny("default", "authorization_malformed"),
        get("v18_junk_behind_the_token", "basic", "/")
            .token("authorization", "Bearer ", CLIENT, " x")
            .deny("default", "authorization_malformed"),
        get("v18_two_spaces", "basic", "/")
            .token("authorization", "Bearer  ", CLIENT, "")
            .deny("default", "authorization_malformed"),
        get("v11_an_expired_token", "basic", "/")
            .bearer(EXPIRED)
            .expect(Expect::deny("default", "token_expired").challenge(r#"error="invalid_token""#)),
        get("v11_a_token_before_its_time", "basic", "/")
            .bearer(Mint::new(|token, now| token.claim("nbf", json!(now + 120))))
            .deny("default", "token_not_yet_valid"),
        get("v12_exp_as_text", "basic", "/")
            .bearer(Mint::new(|token, now| token.claim("exp", json!(now.to_string()))))
            .deny("default", "claims_malformed"),
        get("v11_no_exp", "basic", "/")
            .bearer(Mint::new(|token, _| token.without_claim("exp")))
            .deny("default", "claims_malformed"),
        get("v10_another_audience", "basic", "/")
            .bearer(Mint::new(|token, _| token.claim("aud", json!(["elsewhere"]))))
            .deny("default", "audience_mismatch"),
        get("v10_one_audience_of_several_is_enough", "basic", "/")
            .bearer(Mint::new(|token, _| token.claim("aud", json!(["elsewhere", "backend.example.org"]))))
            .allow_as("default", ID),
        get("v08_sub_is_no_spiffe_id", "basic", "/")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("Spiffe://example.org/client"))))
            .deny("default", "subject_invalid"),
        get("v09_a_trust_domain_that_nobody_knows", "basic", "/")
            .bearer(Mint::new(|token, _| token.claim("sub", json!("spiffe://nowhere.test/client"))))
            .deny("default", "trust_domain_unknown"),
        get("v09_a_federated_key_never_speaks_for_our_trust_domain", "basic", "/")
            .bearer(Mint::by(Signer::Partner, |token, _| token))
            .deny("default", "key_unknown"),
        get("v06_an_unknown_kid", "basic", "/")
            .bearer(Mint::new(|token, _| token.header("kid", json!("no-such-key"))))
            .deny("default", "key_unknown"),
        get("v04_a_header_member_too_many", "basic", "/")
            .bearer(Mint::new(|token, _| token.header("jku", json!("https://evil.test/keys"))))
            .deny("default", "header_refused"),
        get("v05_alg_none", "basic", "/")
            .bearer(Mint::new(|token, _| token.header("alg", json!("none"))))
            .deny("default", "algorithm_refused"),
        get("v05_another_key_under_our_kid", "basic", "/")
            .bearer(FORGED)
            .deny("default", "signature_invalid"),
        get("v03_a_token_with_padding", "basic", "/")
            .bearer(CLIENT.finish(|token| format!("{token}=")))
            .deny("default", "token_malformed"),
        get("v02_a_token_beyond_the_cap", "basic", "/")
            .bearer(CLIENT.finish(|token| format!("{token}{}", "A".repeat(9000))))
            .deny("default", "token_too_large"),
        get("p02_a_caller_who_is_not_on_the_list", "basic", "/")
            .bearer(ADMIN)
            .expect(Expect::deny("default", "caller_not_allowed").challenge("insufficient_scope")),
        get("p09_a_federated_caller_who_is_not_on_the_list", "basic", "/")
            .bearer(PARTNER)
            .deny("default", "caller_not_allowed"),
        get("v05_an_rsa_key", "basic", "/")
            .bearer(Mint::by(Signer::OwnRsa, |token, _| token))
            .allow_as("default", ID),
        get("v13_an_rsa_key_verifies_no_other_algorithm", "basic", "/")
            .bearer(Mint::by(Signer::OwnRsa, |token, _| token.header("alg", json!("ES256"))))
            .deny("default", "key_mismatch"),
        get("v05_an_algorithm_that_is_configured", "strict", "/")
            .bearer(PARTNER)
            .allow_as("strict", "spiffe://partner.test/web"),
        get("v05_an_algorithm_that_is_not_configured", "strict", "/")
            .bearer(CLIENT)
            .deny("strict", "algorithm_refused"),
        get("v02_a_smaller_cap", "strict", "/")
            .bearer(Mint::by(Signer::Partner, |token, _| token.claim("x", json!("y".repeat(512)))))
            .deny("strict", "token_too_large"),
        send("v11_a_head_is_refused_without_a_body", "basic", "HEAD", "/")
            .bearer(EXPIRED)
            .deny("default", "token_expired"),
        send("v01_a_post_with_trailers_passes", "basic", "POST", "/form")
            .bearer(CLIENT)
            .edit(|call| call.trailers = vec![("x-checksum", "1")])
            .expect(Expect::allow("default").identity(ID).has("x-checksum", "1")),
    ]
}
