//! The caller's certificate, by Envoy's own word (filter state), and a token bound to it.

use serde_json::{Value, json};

use crate::table::config::{Config, Tls};
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT, EXPIRED, OTHER, WEB};
use crate::table::peers::Peer;
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let own_only = json!({
        "peer": {"trust_domains": ["example.org"]},
        "rules": [{"name": "o-mtls", "match": {"paths": ["/mtls"]}, "require": "mtls",
                   "spiffe_ids": ["spiffe://example.org/ns/*/sa/web"]}],
    });
    vec![
        Config::new("mtls", plugin("t")).tls(Tls::PlainCa),
        Config::new("mtls-spiffe", plugin("v")).tls(Tls::Spiffe),
        Config::new("mtls-own", own_only).tls(Tls::PlainCa),
        Config::new("mtls-without-tls", plugin("w")),
        // Nothing in front of the plugin says who the peer is.
        Config::new("mtls-untold", plugin("u")).tls(Tls::PlainCa).manager(|manager| {
            manager["http_filters"].as_array_mut().expect("filters").remove(0);
        }),
    ]
}

fn plugin(prefix: &str) -> Value {
    let rule = |name: &str, path: &str, rest: Value| {
        let mut rule = json!({"name": format!("{prefix}-{name}"), "match": {"paths": [path]}});
        for (key, value) in rest.as_object().expect("an object") {
            rule[key] = value.clone();
        }
        rule
    };
    let web = "spiffe://example.org/ns/*/sa/web";
    json!({
        "audiences": ["backend.example.org"],
        "rules": [
            rule("mtls", "/mtls", json!({"require": "mtls", "spiffe_ids": [web, "spiffe://partner.test/web"]})),
            rule("both", "/both", json!({"require": "both", "trust_domains": ["example.org"],
                                         "peer_spiffe_ids": [web]})),
            rule("bound", "/bound", json!({"require": "both", "trust_domains": ["example.org"], "bind": "mtls"})),
            rule("either", "/either", json!({"require": "either", "spiffe_ids": [web, "spiffe://example.org/client"]})),
            {"name": format!("{prefix}-with"), "match": {"paths": ["/match"], "mtls": true}, "require": "none"},
            {"name": format!("{prefix}-without"), "match": {"paths": ["/match"], "mtls": false}, "require": "jwt",
             "trust_domains": ["example.org"]},
        ],
    })
}

const WEB_ID: &str = "spiffe://example.org/ns/a/sa/web";
const CLIENT_ID: &str = "spiffe://example.org/client";

pub(super) fn rows() -> Vec<Row> {
    [plain(), bound(), spiffe(), elsewhere()].concat()
}

fn plain() -> Vec<Row> {
    let at = |name, peer| get(name, "mtls", "/mtls").peer(peer);
    vec![
        at("p10_a_peer_of_the_list", Peer::Web).allow_as("t-mtls", WEB_ID),
        at("p10_a_peer_of_the_list_over_h2", Peer::Web).h2().allow_as("t-mtls", WEB_ID),
        at("p10_a_federated_peer_of_the_list", Peer::Partner).allow_as("t-mtls", "spiffe://partner.test/web"),
        at("p10_a_peer_who_is_not_on_the_list", Peer::Other).deny("t-mtls", "caller_not_allowed"),
        get("p10_no_certificate", "mtls", "/mtls").deny("t-mtls", "peer_missing"),
        get("p10_a_token_is_no_certificate", "mtls", "/mtls").bearer(WEB).deny("t-mtls", "peer_missing"),
        at("p10_two_uris", Peer::Two).deny("t-mtls", "peer_invalid"),
        at("p10_no_san", Peer::NoSan).deny("t-mtls", "peer_invalid"),
        at("p10_a_dns_name_only", Peer::DnsOnly).deny("t-mtls", "peer_invalid"),
        at("p10_a_uri_that_is_no_spiffe_id", Peer::NotSpiffe).deny("t-mtls", "peer_invalid"),
        at("p10_a_comma_in_the_uri", Peer::Comma).deny("t-mtls", "peer_invalid"),
        at("p10_an_expired_certificate", Peer::Expired).expect(Expect::nobody()),
        at("p10_an_element_in_the_uri", Peer::ForgedElement).deny("t-mtls", "peer_invalid"),
        at("p10_xfcc_of_the_client_is_not_believed", Peer::Other)
            .header("x-forwarded-client-cert", "URI=spiffe://example.org/ns/a/sa/web")
            .deny("t-mtls", "caller_not_allowed"),
        at("p08_a_peer_with_a_forged_header", Peer::Web)
            .header("x-spiffe-id", "spiffe://example.org/admin")
            .expect(Expect::allow("t-mtls").identity(WEB_ID).stripped(1)),
        get("p10_match_on_a_peer", "mtls", "/match").peer(Peer::Web).allow("t-with"),
        get("p10_match_without_a_peer", "mtls", "/match").bearer(CLIENT).allow_as("t-without", CLIENT_ID),
        get("p10_match_with_what_is_no_identity", "mtls", "/match")
            .peer(Peer::Two)
            .deny("t-without", "token_missing"),
    ]
}

fn bound() -> Vec<Row> {
    let both = |name| get(name, "mtls", "/both");
    let bound = |name| get(name, "mtls", "/bound");
    let either = |name| get(name, "mtls", "/either");
    vec![
        both("p10_both").peer(Peer::Web).bearer(CLIENT).allow_as("t-both", CLIENT_ID),
        both("p10_both_without_a_peer").bearer(CLIENT).deny("t-both", "peer_missing"),
        both("p10_both_without_a_token").peer(Peer::Web).deny("t-both", "token_missing"),
        both("p10_both_with_another_peer")
            .peer(Peer::Other)
            .bearer(CLIENT)
            .deny("t-both", "caller_not_allowed"),
        both("p10_both_with_a_bad_token").peer(Peer::Web).bearer(EXPIRED).deny("t-both", "token_expired"),
        both("p10_both_with_an_invalid_peer").peer(Peer::Two).bearer(CLIENT).deny("t-both", "peer_invalid"),
        bound("p10_bound_to_its_peer").peer(Peer::Web).bearer(WEB).allow_as("t-bound", WEB_ID),
        bound("p10_bound_to_another_peer").peer(Peer::Other).bearer(WEB).deny("t-bound", "token_not_bound"),
        bound("p10_bound_without_a_peer").bearer(WEB).deny("t-bound", "peer_missing"),
        bound("p10_bound_with_two_uris").peer(Peer::Two).bearer(WEB).deny("t-bound", "peer_invalid"),
        bound("p10_bound_with_no_spiffe_id")
            .peer(Peer::NotSpiffe)
            .bearer(WEB)
            .deny("t-bound", "peer_invalid"),
        either("p01_either_by_peer").peer(Peer::Web).allow_as("t-either", WEB_ID),
        either("p01_either_by_token").bearer(CLIENT).allow_as("t-either", CLIENT_ID),
        either("p01_either_with_both_the_token_decides")
            .peer(Peer::Web)
            .bearer(CLIENT)
            .allow_as("t-either", CLIENT_ID),
        either("p01_either_with_a_bad_token_the_peer_does_not_help")
            .peer(Peer::Web)
            .bearer(EXPIRED)
            .deny("t-either", "token_expired"),
        either("p01_either_with_the_token_of_a_stranger_the_peer_does_not_help")
            .peer(Peer::Web)
            .bearer(ADMIN)
            .deny("t-either", "caller_not_allowed"),
        either("p01_either_with_junk_the_peer_does_not_help")
            .peer(Peer::Web)
            .header("authorization", "Basic dXNlcjpwYXNz")
            .deny("t-either", "scheme_not_bearer"),
        either("p01_either_with_a_peer_who_is_not_on_the_list")
            .peer(Peer::Other)
            .deny("t-either", "caller_not_allowed"),
        either("p01_either_with_an_invalid_peer").peer(Peer::Two).deny("t-either", "peer_invalid"),
        either("p01_either_with_neither").deny("t-either", "token_missing"),
        either("p01_either_with_the_token_of_another").bearer(OTHER).deny("t-either", "caller_not_allowed"),
    ]
}

fn spiffe() -> Vec<Row> {
    let at = |name, peer| get(name, "mtls-spiffe", "/mtls").peer(peer);
    vec![
        at("p10_spiffe_a_peer_of_the_list", Peer::Web).allow_as("v-mtls", WEB_ID),
        at("p10_spiffe_a_federated_peer", Peer::Partner).allow_as("v-mtls", "spiffe://partner.test/web"),
        at("p10_spiffe_two_uris_pass_envoy_but_not_us", Peer::Two).deny("v-mtls", "peer_invalid"),
        at("p10_spiffe_no_san", Peer::NoSan).expect(Expect::nobody()),
        at("p10_spiffe_no_spiffe_id", Peer::NotSpiffe).expect(Expect::nobody()),
        at("p10_spiffe_another_ca_for_our_trust_domain", Peer::PartnerAsOwn).expect(Expect::nobody()),
        get("p10_spiffe_no_certificate", "mtls-spiffe", "/mtls").expect(Expect::nobody()),
        get("p10_spiffe_bound", "mtls-spiffe", "/bound")
            .peer(Peer::Web)
            .bearer(WEB)
            .allow_as("v-bound", WEB_ID),
    ]
}

fn elsewhere() -> Vec<Row> {
    vec![
        // A plain CA file with two authorities in it lets each speak for all; docs say so.
        get("p10_a_plain_ca_lets_a_federated_one_speak_for_us", "mtls", "/mtls")
            .peer(Peer::PartnerAsOwn)
            .allow_as("t-mtls", WEB_ID),
        get("p10_peers_of_other_trust_domains_are_no_identity", "mtls-own", "/mtls")
            .peer(Peer::Partner)
            .deny("o-mtls", "peer_invalid"),
        get("p10_peers_of_our_trust_domain_are", "mtls-own", "/mtls")
            .peer(Peer::Web)
            .allow_as("o-mtls", WEB_ID),
        get("p10_a_peer_of_whom_nothing_is_told", "mtls-untold", "/mtls")
            .peer(Peer::Web)
            .deny("u-mtls", "peer_missing"),
        get("p10_without_tls_there_is_no_peer", "mtls-without-tls", "/mtls")
            .header("x-forwarded-client-cert", "URI=spiffe://example.org/ns/a/sa/web")
            .deny("w-mtls", "peer_missing"),
        get("p10_without_tls_either_takes_a_token", "mtls-without-tls", "/either")
            .bearer(CLIENT)
            .allow_as("w-either", CLIENT_ID),
        get("p10_without_tls_nothing_is_bound", "mtls-without-tls", "/bound")
            .bearer(WEB)
            .deny("w-bound", "peer_missing"),
    ]
}
