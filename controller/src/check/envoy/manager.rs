//! The connection manager around a plugin: what is judged must be what the service gets.

use serde_json::Value;

use super::finding::Finding;
use super::kinds;
use super::listener::Manager;
use super::node::{Node, Typed};
use super::outgoing;
use super::plugin::Plugin;

pub(super) fn check(manager: &Manager<'_>, plugins: &[Plugin<'_>], findings: &mut Vec<Finding>) {
    let node = &manager.node;
    let mut unless = |fine: bool, kind, field: &str, what: &str, mend: &str| {
        if !fine {
            findings.push(Finding::new(kind, &node.at(field).unwrap_or_else(|| node.clone()), what, mend));
        }
    };
    let (field, what) = ("normalize_path", "normalize_path is not true");
    unless(node.is_true(field), kinds::PATH_NOT_NORMALIZED, field, what, "write `normalize_path: true`");
    let (field, what) = ("merge_slashes", "merge_slashes is not true");
    unless(node.is_true(field), kinds::SLASHES_NOT_MERGED, field, what, "write `merge_slashes: true`");

    let field = "path_with_escaped_slashes_action";
    let action = node.choice(field, &ESCAPED_SLASHES);
    let fine = matches!(action, "REJECT_REQUEST" | "UNESCAPE_AND_REDIRECT");
    let what = format!("{field} is {}", if node.has(field) { action } else { "not set" });
    unless(fine, kinds::ESCAPED_SLASHES, field, &what, &format!("write `{field}: REJECT_REQUEST`"));

    let field = "common_http_protocol_options.headers_with_underscores_action";
    let action = node.choice(field, &["ALLOW", "REJECT_REQUEST", "DROP_HEADER"]);
    let fine = matches!(action, "REJECT_REQUEST" | "DROP_HEADER");
    let what = "header names with underscores are let through";
    let mend = "write `common_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}`";
    unless(fine, kinds::HEADER_UNDERSCORES, field, what, mend);

    // False is a decision, for an Envoy behind another one; absent is an oversight.
    let field = "use_remote_address";
    let mend = "write `use_remote_address: true`; false only where each client is a proxy of yours";
    unless(node.has(field), kinds::REMOTE_ADDRESS, field, "use_remote_address is not set", mend);

    early_data(manager, findings);
    for plugin in plugins {
        logged_tokens(manager, plugin, findings);
    }
}

fn early_data(manager: &Manager<'_>, findings: &mut Vec<Finding>) {
    let socket = manager.chain.as_ref().and_then(|chain| chain.at("transport_socket.typed_config"));
    let Some(quic) = socket.and_then(|any| Typed::of(&any)).filter(|typed| typed.is(QUIC)) else { return };
    let set = quic.config.get("enable_early_data");
    if set.as_ref().is_none_or(|_| quic.config.is_true("enable_early_data")) {
        let what = "this QUIC listener takes 0-RTT data, as it does unless told otherwise";
        let mend = "write `enable_early_data: false`";
        findings.push(Finding::new(kinds::EARLY_DATA, &set.unwrap_or(quic.config), what, mend));
    }
}

/// Access logs that show where the token stands. Envoy writes `%REQ(NAME)%`, in any case, with an alternative behind `?`.
fn logged_tokens(manager: &Manager<'_>, plugin: &Plugin<'_>, findings: &mut Vec<Finding>) {
    let headers = token_headers(&plugin.settings);
    let logs = manager.node.get("access_log").into_iter();
    for log in logs.chain(manager.listener.as_ref().and_then(|listener| listener.get("access_log"))) {
        log.each(&mut |node: &Node<'_>| {
            let shown = node.text().and_then(|text| shown_header(text, &headers));
            if let Some(header) = shown {
                let what = format!("the access log shows {header:?}, where tokens stand");
                let mend = "log the caller instead: %FILTER_STATE(wasm.svidgate_spiffe_id:PLAIN)%, and \
                    paths without query: %PATH(NQ)%";
                findings.push(Finding::new(kinds::TOKEN_LOGGED, node, what, mend));
            }
        });
    }
}

fn shown_header<'h>(format: &str, headers: &'h [String]) -> Option<&'h String> {
    let format = format.to_ascii_lowercase();
    let operators = format.split("%req(").skip(1).filter_map(|rest| rest.split(')').next());
    let mut names: Vec<&str> = operators.flat_map(|names| names.split('?')).collect();
    names.dedup();
    headers.iter().find(|header| names.contains(&header.as_str()))
}

pub(super) fn token_headers(settings: &Value) -> Vec<String> {
    outgoing::headers(settings).into_iter().chain(incoming_headers(settings)).collect()
}

fn incoming_headers(settings: &Value) -> Vec<String> {
    let Some(sources) = settings.get("token_sources").and_then(Value::as_array) else {
        return vec!["authorization".to_owned()];
    };
    let mut headers = Vec::new();
    for source in sources {
        if let Some(header) = source.get("header").and_then(Value::as_str) {
            headers.push(header.to_ascii_lowercase());
        }
        if source.get("cookie").is_some() {
            headers.push("cookie".to_owned());
        }
        if source.get("query").is_some() {
            headers.extend([":path".to_owned(), "x-envoy-original-path".to_owned()]);
        }
    }
    headers
}

const ESCAPED_SLASHES: [&str; 5] = [
    "IMPLEMENTATION_SPECIFIC_DEFAULT",
    "KEEP_UNCHANGED",
    "REJECT_REQUEST",
    "UNESCAPE_AND_REDIRECT",
    "UNESCAPE_AND_FORWARD",
];
pub(super) const QUIC: &str = "envoy.extensions.transport_sockets.quic.v3.QuicDownstreamTransport";
