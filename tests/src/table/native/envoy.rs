//! What Envoy gives to the plugin for a row, as it was measured on Envoy 1.40.

use serde_json::Value;
use svidgate_policy::Connection;

use crate::table::call::{Protocol, Wire};
use crate::table::config::{Config, GRPC_WEB_FILTER, PEER_FILTER, Tls};
use crate::table::peers::Peer;
use crate::table::row::Row;

/// The request headers.
pub(super) fn header_map(row: &Row, wire: &Wire, config: &Config) -> Vec<(String, Vec<u8>)> {
    let method = if wire.protocol == Protocol::H2Websocket { "GET" } else { wire.method };
    let mut map = Vec::new();
    let mut add = |name: &str, value: &[u8]| map.push((name.to_owned(), value.to_vec()));
    add(":method", method.as_bytes());
    add(":authority", row.seen_host.or(wire.host).unwrap_or_default().as_bytes());
    // CONNECT has none.
    if method != "CONNECT" {
        add(":path", row.seen_path.unwrap_or(&wire.target).as_bytes());
    }
    add(":scheme", b"http");
    add("x-forwarded-proto", b"http");
    if wire.protocol.is_grpc() {
        add("content-type", b"application/grpc");
        add("te", b"trailers");
    }
    if wire.protocol == Protocol::GrpcWeb {
        add("content-type", b"application/grpc-web");
        add("te", b"trailers");
    }
    let settings = config.settings();
    let drops_underscores =
        settings["common_http_protocol_options"]["headers_with_underscores_action"] == "DROP_HEADER";
    let named = named_by_connection(wire);
    for (name, value) in &wire.headers {
        let name = name.to_ascii_lowercase();
        // `host` became `:authority`, or is dropped beside it.
        if name == "host" || named.contains(&name) || (drops_underscores && name.contains('_')) {
            continue;
        }
        join(&mut map, name, value, wire.protocol);
    }
    forward_certificate(&mut map, peer(row, config), &settings);
    if is_translated(&settings) {
        let is_web = |value: &[u8]| value.starts_with(b"application/grpc-web");
        for (_, value) in map.iter_mut().filter(|(name, value)| name == "content-type" && is_web(value)) {
            *value = b"application/grpc".to_vec();
        }
    }
    map
}

/// Whether Envoy translates gRPC-Web before the plugin sees it.
fn is_translated(settings: &Value) -> bool {
    let filters = settings["http_filters"].as_array().expect("filters");
    let place = |name: &str| filters.iter().position(|filter| filter["name"] == name);
    place(GRPC_WEB_FILTER).is_some_and(|web| Some(web) < place("svidgate"))
}

/// What Envoy says about the connection.
pub(super) fn connection(row: &Row, config: &Config) -> Connection {
    let uris = peer(row, config).map(Peer::uris).unwrap_or_default();
    let all = if uris.is_empty() { "-".to_owned() } else { uris.join(",") };
    let settings = config.settings();
    let filters = settings["http_filters"].as_array().expect("filters");
    let is_told = filters.iter().any(|filter| filter["name"] == PEER_FILTER);
    Connection {
        mtls: peer(row, config).is_some(),
        uri_sans: is_told.then(|| all.into_bytes()),
        first_uri_san: uris.first().map(|uri| uri.as_bytes().to_vec()),
    }
}

/// What `connection` names is for one hop only (RFC 9110 §7.6.1); in an upgrade Envoy leaves it.
fn named_by_connection(wire: &Wire) -> Vec<String> {
    let values = |wanted: &str| {
        let headers = wire.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        headers.map(|(_, value)| String::from_utf8_lossy(value).to_ascii_lowercase()).collect::<Vec<_>>()
    };
    if !values("upgrade").is_empty() {
        return Vec::new();
    }
    values("connection")
        .iter()
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_owned())
        .collect()
}

fn peer(row: &Row, config: &Config) -> Option<Peer> {
    row.call.peer.filter(|_| config.tls != Tls::None)
}

/// Envoy joins the values of headers that it knows; others stay apart.
fn join(map: &mut Vec<(String, Vec<u8>)>, name: String, value: &[u8], protocol: Protocol) {
    let separator: &[u8] = match name.as_str() {
        "authorization" | XFCC => b",",
        "cookie" if protocol != Protocol::H1 => b"; ",
        _ => return map.push((name, value.to_vec())),
    };
    match map.iter_mut().find(|(found, _)| *found == name) {
        Some((_, held)) => *held = [held.as_slice(), separator, value].concat(),
        None => map.push((name, value.to_vec())),
    }
}

fn forward_certificate(map: &mut Vec<(String, Vec<u8>)>, peer: Option<Peer>, settings: &Value) {
    let client = map.iter().position(|(name, _)| name == XFCC).map(|at| map.remove(at).1);
    let Some(peer) = peer else { return };
    let details = settings["forward_client_cert_details"].as_str().unwrap_or("SANITIZE");
    let value = match (details, client) {
        ("SANITIZE_SET", _) | ("APPEND_FORWARD", None) => Some(element(peer).into_bytes()),
        ("APPEND_FORWARD", Some(client)) => {
            Some([client.as_slice(), b",", element(peer).as_bytes()].concat())
        }
        ("FORWARD_ONLY", client) => client,
        _ => None,
    };
    map.extend(value.map(|value| (XFCC.to_owned(), value)));
}

fn element(peer: Peer) -> String {
    let uris = match peer.uris() {
        [] => "URI=".to_owned(),
        uris => uris.iter().map(|uri| format!("URI={uri}")).collect::<Vec<_>>().join(";"),
    };
    format!("By=spiffe://example.org/server;Hash=00;Subject=\"O={peer:?}\";{uris}")
}

const XFCC: &str = "x-forwarded-client-cert";
