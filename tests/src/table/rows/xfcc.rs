//! The peer by `x-forwarded-client-cert`: as this Envoy wrote it, or as a trusted proxy in front did.

use serde_json::{Value, json};

use crate::table::config::{Config, Tls};
use crate::table::peers::Peer;
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = |rule: &str, peer: Value| {
        json!({
            "peer": peer,
            "rules": [{"name": rule, "match": {}, "require": "mtls",
                       "spiffe_ids": ["spiffe://example.org/ns/*/sa/web", "spiffe://example.org/admin"]}],
        })
    };
    let envoy = json!({"source": "envoy_xfcc"});
    let proxy =
        json!({"source": "proxy_xfcc", "trusted_proxies": ["spiffe://example.org/ingress"], "hops": 1});
    let mut two = proxy.clone();
    two["hops"] = json!(2);
    vec![
        Config::new("xfcc-set", plugin("x-set", envoy.clone()))
            .tls(Tls::PlainCa)
            .manager(|m| forward(m, "SANITIZE_SET")),
        Config::new("xfcc-off", plugin("x-off", envoy.clone())).tls(Tls::PlainCa),
        Config::new("xfcc-careless", plugin("x-careless", envoy.clone()))
            .tls(Tls::PlainCa)
            .manager(|m| forward(m, "FORWARD_ONLY")),
        Config::new("xfcc-append", plugin("x-append", envoy))
            .tls(Tls::PlainCa)
            .manager(|m| forward(m, "APPEND_FORWARD")),
        Config::new("xfcc-proxy", plugin("x-proxy", proxy))
            .tls(Tls::PlainCa)
            .manager(|m| forward(m, "FORWARD_ONLY")),
        Config::new("xfcc-two", plugin("x-two", two))
            .tls(Tls::PlainCa)
            .manager(|m| forward(m, "FORWARD_ONLY")),
    ]
}

fn forward(manager: &mut Value, details: &str) {
    manager["forward_client_cert_details"] = json!(details);
    manager["set_current_client_cert_details"] = json!({"uri": true, "subject": true, "dns": true});
}

pub(super) fn rows() -> Vec<Row> {
    const WEB_ID: &str = "spiffe://example.org/ns/a/sa/web";
    const XFCC: &str = "x-forwarded-client-cert";
    const ADMIN: &str = "By=spiffe://example.org/server;URI=spiffe://example.org/admin";
    let set = |name, peer| get(name, "xfcc-set", "/").peer(peer);
    let append = |name, peer| get(name, "xfcc-append", "/").peer(peer).header(XFCC, ADMIN);
    let proxy = |name, value| get(name, "xfcc-proxy", "/").peer(Peer::Ingress).header(XFCC, value);
    vec![
        set("p10_xfcc_a_peer", Peer::Web).allow_as("x-set", WEB_ID),
        set("p10_xfcc_two_uris", Peer::Two).deny("x-set", "peer_invalid"),
        set("p10_xfcc_no_san", Peer::NoSan).deny("x-set", "peer_invalid"),
        set("p10_xfcc_no_spiffe_id", Peer::NotSpiffe).deny("x-set", "peer_invalid"),
        set("p10_xfcc_an_element_forged_by_a_uri", Peer::ForgedElement).deny("x-set", "peer_invalid"),
        get("p10_xfcc_no_certificate", "xfcc-set", "/").header(XFCC, ADMIN).deny("x-set", "peer_missing"),
        set("p10_xfcc_the_clients_own_is_replaced", Peer::Web).header(XFCC, ADMIN).allow_as("x-set", WEB_ID),
        get("p10_xfcc_where_envoy_writes_none", "xfcc-off", "/")
            .peer(Peer::Web)
            .deny("x-off", "peer_invalid"),
        get("p10_xfcc_where_envoy_forwards_the_clients_own", "xfcc-careless", "/")
            .peer(Peer::Other)
            .header(XFCC, ADMIN)
            .deny("x-careless", "peer_invalid"),
        append("p10_xfcc_the_last_element_counts", Peer::Web).allow_as("x-append", WEB_ID),
        append("p10_xfcc_the_clients_element_does_not", Peer::Other).deny("x-append", "caller_not_allowed"),
        append("p10_xfcc_an_element_forged_by_a_uri_appended", Peer::ForgedElement)
            .deny("x-append", "peer_invalid"),
        get("p10_xfcc_a_quote_left_open", "xfcc-append", "/")
            .peer(Peer::Other)
            .header(XFCC, "URI=spiffe://example.org/admin;Subject=\"")
            .deny("x-append", "peer_invalid"),
        get("p10_xfcc_the_clients_element_without_a_certificate", "xfcc-append", "/")
            .header(XFCC, ADMIN)
            .deny("x-append", "peer_missing"),
        proxy(
            "p10_proxy_a_trusted_one_speaks",
            "By=spiffe://example.org/ingress;URI=spiffe://example.org/ns/a/sa/web",
        )
        .allow_as("x-proxy", WEB_ID),
        get("p10_proxy_another_one_does_not", "xfcc-proxy", "/")
            .peer(Peer::Other)
            .header(XFCC, ADMIN)
            .deny("x-proxy", "peer_missing"),
        get("p10_proxy_without_a_certificate", "xfcc-proxy", "/")
            .header(XFCC, ADMIN)
            .deny("x-proxy", "peer_missing"),
        get("p10_proxy_says_nothing", "xfcc-proxy", "/").peer(Peer::Ingress).deny("x-proxy", "peer_missing"),
        proxy("p10_proxy_two_uris", "URI=spiffe://example.org/ns/a/sa/web;URI=spiffe://example.org/admin")
            .deny("x-proxy", "peer_invalid"),
        proxy(
            "p10_proxy_the_last_of_two_elements",
            "URI=spiffe://example.org/admin,URI=spiffe://example.org/ns/a/sa/web",
        )
        .allow_as("x-proxy", WEB_ID),
        proxy("p10_proxy_a_quote_left_open", "URI=spiffe://example.org/admin;Subject=\"")
            .deny("x-proxy", "peer_invalid"),
        proxy(
            "p10_proxy_a_comma_in_quotes",
            "Subject=\"O=a, URI=spiffe://example.org/admin\";URI=spiffe://example.org/ns/a/sa/web",
        )
        .allow_as("x-proxy", WEB_ID),
        proxy("p10_proxy_names_in_another_case", "by=x;uri=spiffe://example.org/ns/a/sa/web")
            .allow_as("x-proxy", WEB_ID),
        proxy("p10_proxy_a_name_that_ends_in_ours", "XURI=spiffe://example.org/ns/a/sa/web")
            .deny("x-proxy", "peer_invalid"),
        proxy("p10_proxy_a_quoted_uri", "URI=\"spiffe://example.org/ns/a/sa/web\"")
            .deny("x-proxy", "peer_invalid"),
        proxy("p10_proxy_a_space_before_the_name", "By=x; URI=spiffe://example.org/ns/a/sa/web")
            .deny("x-proxy", "peer_invalid"),
        proxy("p10_proxy_an_empty_last_element", "URI=spiffe://example.org/ns/a/sa/web,")
            .deny("x-proxy", "peer_invalid"),
        get("p10_proxy_two_hops", "xfcc-two", "/")
            .peer(Peer::Ingress)
            .header(XFCC, "URI=spiffe://example.org/ns/a/sa/web,URI=spiffe://example.org/edge")
            .allow_as("x-two", WEB_ID),
        get("p10_proxy_fewer_elements_than_hops", "xfcc-two", "/")
            .peer(Peer::Ingress)
            .header(XFCC, "URI=spiffe://example.org/ns/a/sa/web")
            .deny("x-two", "peer_invalid"),
        get("p10_proxy_its_header_twice", "xfcc-proxy", "/")
            .peer(Peer::Ingress)
            .header(XFCC, "URI=spiffe://example.org/admin")
            .header(XFCC, "URI=spiffe://example.org/ns/a/sa/web")
            .allow_as("x-proxy", WEB_ID),
    ]
}
