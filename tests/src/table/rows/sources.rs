//! Where a token may stand, and that there is only one.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{CLIENT, EXPIRED, OTHER};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let rules =
        |name: &str| json!([{"name": name, "match": {}, "require": "jwt", "trust_domains": ["example.org"]}]);
    let all = json!([
        {"header": "authorization", "scheme": "Bearer"},
        {"header": "x-jwt"},
        {"header": "x-service-token", "scheme": "Token"},
        {"cookie": "svid"},
        {"query": "access_token"},
    ]);
    let plugin = |name: &str, sources: serde_json::Value| json!({"audiences": ["backend.example.org"], "rules": rules(name), "token_sources": sources});
    let mut forwarding = plugin("sf", all.clone());
    forwarding["upstream"] = json!({"token": "forward"});
    vec![
        Config::new("sources", plugin("s", all)),
        Config::new("sources-forward", forwarding),
        Config::new("sources-header", plugin("sh", json!([{"header": "x-jwt"}]))),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    const ID: &str = "spiffe://example.org/client";
    let at = |name| get(name, "sources", "/");
    let conflict = |row: Row| row.deny("s", "token_conflict");
    vec![
        at("s_authorization").bearer(CLIENT).allow_as("s", ID),
        at("s_another_header")
            .token("x-jwt", "", CLIENT, "")
            .expect(Expect::allow("s").identity(ID).lacks("x-jwt")),
        at("s_another_header_with_a_scheme")
            .token("x-service-token", "Token ", CLIENT, "")
            .expect(Expect::allow("s").identity(ID).lacks("x-service-token")),
        at("s_another_header_with_a_wrong_scheme")
            .token("x-service-token", "Bearer ", CLIENT, "")
            .deny("s", "scheme_not_bearer"),
        at("s_a_bare_header_with_a_scheme")
            .token("x-jwt", "Bearer ", CLIENT, "")
            .deny("s", "authorization_malformed"),
        at("s_a_cookie").token("cookie", "svid=", CLIENT, "").allow_as("s", ID),
        at("s_a_cookie_among_others")
            .token("cookie", "a=1; svid=", CLIENT, "; b=2")
            .expect(Expect::allow("s").identity(ID).has("cookie", "a=1; b=2")),
        at("s_another_cookie_is_no_token")
            .token("cookie", "xsvid=", CLIENT, "")
            .expect(Expect::deny("s", "token_missing")),
        at("s_a_cookie_twice").token("cookie", "svid=", CLIENT, "; svid=x").deny("s", "token_conflict"),
        at("s_a_query").query("?access_token=", CLIENT).allow_as("s", ID),
        at("s_a_query_among_others").query("?a=1&access_token=", CLIENT).allow_as("s", ID),
        at("s_another_parameter_is_no_token").query("?xaccess_token=", CLIENT).deny("s", "token_missing"),
        at("s_a_bad_token_in_a_query").query("?access_token=", EXPIRED).deny("s", "token_expired"),
        at("s_an_empty_parameter")
            .edit(|call| call.target = "/?access_token=")
            .deny("s", "authorization_malformed"),
        at("s_an_encoded_token")
            .edit(|call| call.target = "/?access_token=a%2Eb")
            .deny("s", "authorization_malformed"),
        at("s_a_parameter_twice").query("?access_token=x&access_token=", CLIENT).deny("s", "token_conflict"),
        at("s_a_cookie_in_quotes")
            .token("cookie", "svid=\"", CLIENT, "\"")
            .deny("s", "authorization_malformed"),
        at("s_an_empty_cookie").header("cookie", "svid=").deny("s", "authorization_malformed"),
        at("s_two_cookie_headers")
            .header("cookie", "a=1")
            .token("cookie", "svid=", CLIENT, "")
            .expect(Expect::allow("s").identity(ID).has("cookie", "a=1")),
        at("s_two_cookie_headers_over_h2")
            .h2()
            .header("cookie", "a=1")
            .token("cookie", "svid=", CLIENT, "")
            .expect(Expect::allow("s").identity(ID).has("cookie", "a=1")),
        at("s_two_cookie_headers_with_two_tokens")
            .token("cookie", "svid=", CLIENT, "")
            .token("cookie", "svid=", OTHER, "")
            .deny("s", "token_conflict"),
        at("s_an_empty_header").header("x-jwt", "").deny("s", "authorization_malformed"),
        at("s_a_good_token_beside_an_empty_header")
            .bearer(CLIENT)
            .header("x-jwt", "")
            .deny("s", "authorization_malformed"),
        at("s_the_same_token_in_two_places")
            .bearer(CLIENT)
            .token("x-jwt", "", CLIENT, "")
            .expect(Expect::allow("s").identity(ID).lacks("x-jwt").lacks("authorization")),
        conflict(at("s_two_tokens_in_two_headers").bearer(CLIENT).token("x-jwt", "", OTHER, "")),
        conflict(at("s_a_good_token_and_a_bad_one").bearer(CLIENT).token("cookie", "svid=", EXPIRED, "")),
        conflict(at("s_header_and_query").bearer(CLIENT).query("?access_token=", OTHER)),
        at("s_one_header_twice")
            .token("x-jwt", "", CLIENT, "")
            .token("x-jwt", "", OTHER, "")
            .expect(Expect::deny("s", "authorization_repeated")),
        get("s_forwarded_where_it_was", "sources-forward", "/")
            .token("x-jwt", "", CLIENT, "")
            .expect(Expect::allow("sf").identity(ID).token_stays()),
        get("s_forwarded_in_its_cookie", "sources-forward", "/")
            .token("cookie", "svid=", CLIENT, "")
            .expect(Expect::allow("sf").identity(ID).token_stays()),
        get("s_only_where_configured", "sources-header", "/").bearer(CLIENT).deny("sh", "token_missing"),
        get("s_a_foreign_authorization_is_not_looked_at", "sources-header", "/")
            .header("authorization", "Basic dXNlcjpwYXNz")
            .token("x-jwt", "", CLIENT, "")
            .expect(Expect::allow("sh").identity(ID).has("authorization", "Basic dXNlcjpwYXNz")),
    ]
}
