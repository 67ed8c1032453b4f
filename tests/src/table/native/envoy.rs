//! What Envoy gives to the plugin for a row, as it was measured on Envoy 1.40.

use serde_json::{Value, json};
use svidgate_policy::Connection;

use crate::table::call::{Protocol, Wire};
use crate::table::config::{Config, Tls};
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
    if matches!(wire.protocol, Protocol::Grpc | Protocol::GrpcStream) {
        add("content-type", b"application/grpc");
        add("te", b"trailers");
    }
    for (name, value) in &wire.headers {
        let name = name.to_ascii_lowercase();
        // It became `:authority`, or is dropped beside it.
        if name != "host" {
            join(&mut map, name, value, wire.protocol);
        }
    }
    forward_certificate(&mut map, row, config);
    map
}

/// What Envoy says about the connection.
pub(super) fn connection(row: &Row, config: &Config) -> Connection {
    let uris = peer(row, config).map(Peer::uris).unwrap_or_default();
    let all = if uris.is_empty() { "-".to_owned() } else { uris.join(",") };
    Connection {
        mtls: peer(row, config).is_some(),
        // The one configuration without the filter that tells.
        uri_sans: (config.name != "mtls-untold").then(|| all.into_bytes()),
        first_uri_san: uris.first().map(|uri| uri.as_bytes().to_vec()),
    }
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

fn forward_certificate(map: &mut Vec<(String, Vec<u8>)>, row: &Row, config: &Config) {
    let client = map.iter().position(|(name, _)| name == XFCC).map(|at| map.remove(at).1);
    let Some(peer) = peer(row, config) else { return };
    let mut manager = json!({"http_filters": [{}]});
    config.change_manager(&mut manager);
    let details = match &manager["forward_client_cert_details"] {
        Value::String(details) => details.as_str(),
        _ => "SANITIZE",
    };
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
