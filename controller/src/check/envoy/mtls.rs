//! Identities of TLS peers: where the plugin gets them from, and whether Envoy proves them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::filter::{Filter, SET_FILTER_STATE};
use super::finding::Finding;
use super::kinds;
use super::listener::Manager;
use super::manager::QUIC;
use super::node::{Node, Typed};
use super::plugin::Plugin;

/// Checks what a plugin needs that asks for the peer's identity; nothing for one that does not.
pub(super) fn check(
    manager: &Manager<'_>,
    plugin: &Plugin<'_>,
    filters: &[Filter<'_>],
    findings: &mut Vec<Finding>,
) {
    let wanted = Wanted::of(&plugin.settings);
    if !wanted.peer {
        return;
    }
    if wanted.source != "envoy_xfcc" {
        filter_state(plugin, filters, findings);
    }
    header(manager, &wanted, findings);
    if let Some(chain) = &manager.chain {
        tls(chain, &wanted, findings);
    }
}

/// Whether this validation context proves who issued a certificate.
pub(super) fn validates(context: &Node<'_>) -> bool {
    let anchors = [
        "trusted_ca",
        "ca_certificate_provider_instance",
        "system_root_certs",
        "custom_validator_config",
        "verify_certificate_spki",
        "verify_certificate_hash",
    ];
    anchors.iter().any(|anchor| context.has(anchor)) && !accepts_untrusted(context)
}

/// What the plugin's settings say about peers.
#[derive(Debug)]
struct Wanted<'s> {
    peer: bool,
    source: &'s str,
    hops: u64,
    /// Whether no request is admitted without a peer.
    always: bool,
    trust_domains: BTreeSet<&'s str>,
}

impl<'s> Wanted<'s> {
    fn of(settings: &'s Value) -> Self {
        let rules: Vec<&Value> =
            settings.get("rules").and_then(Value::as_array).into_iter().flatten().collect();
        let asking: Vec<&Value> = rules.iter().copied().filter(|rule| asks_for_peer(rule)).collect();
        let peer = settings.get("peer");
        let always = !rules.is_empty()
            && rules
                .iter()
                .all(|rule| matches!(text(rule, "require"), "mtls" | "both") || text(rule, "bind") == "mtls");
        let mut trust_domains: BTreeSet<&str> =
            asking.iter().flat_map(|rule| peer_trust_domains(rule)).collect();
        trust_domains.extend(peer.into_iter().flat_map(|peer| texts(peer, "trust_domains")));
        Self {
            peer: peer.is_some() || !asking.is_empty(),
            source: peer
                .map(|peer| text(peer, "source"))
                .filter(|source| !source.is_empty())
                .unwrap_or("filter_state"),
            hops: peer.and_then(|peer| peer.get("hops")).and_then(Value::as_u64).unwrap_or(1),
            always,
            trust_domains,
        }
    }
}

fn asks_for_peer(rule: &Value) -> bool {
    matches!(text(rule, "require"), "mtls" | "both" | "either")
        || text(rule, "bind") == "mtls"
        || rule.get("match").is_some_and(|matches| matches.get("mtls").is_some())
}

fn peer_trust_domains(rule: &Value) -> Vec<&str> {
    let fields: &[_] = match text(rule, "require") {
        "both" => &["peer_trust_domains", "peer_spiffe_ids"],
        _ => &["trust_domains", "spiffe_ids"],
    };
    let names = fields.iter().flat_map(|field| texts(rule, field));
    names
        .map(|name| name.strip_prefix("spiffe://").unwrap_or(name).split('/').next().unwrap_or(name))
        .collect()
}

fn filter_state(plugin: &Plugin<'_>, filters: &[Filter<'_>], findings: &mut Vec<Finding>) {
    let mut set_in_front = false;
    let mut behind = None;
    for (index, filter) in filters.iter().enumerate() {
        let Some(config) = filter.config(SET_FILTER_STATE) else { continue };
        for value in config.list("on_request_headers") {
            if value.string("object_key") != PEER_KEY {
                continue;
            }
            let format = ["format_string.text_format_source.inline_string", "format_string.text_format"]
                .map(|place| value.string(place))
                .join("");
            if format != PEER_FORMAT {
                let what = format!("{PEER_KEY} is set to {format:?}, which is not what TLS proved");
                findings.push(Finding::new(
                    kinds::PEER_FORGED,
                    &value,
                    what,
                    snippet("set it to this and nothing else:"),
                ));
            } else if index > plugin.index {
                behind = Some(filter.node.clone());
            }
            set_in_front |= index < plugin.index && !filter.is_disabled() && !filter.conditional;
        }
    }
    if !set_in_front {
        let what = match behind {
            Some(_) => format!("the filter that sets {PEER_KEY} stands behind the plugin"),
            None => format!("the plugin asks for TLS peers, but no filter in front of it sets {PEER_KEY}"),
        };
        let mend = snippet("put this before the plugin:");
        findings.push(Finding::new(
            kinds::PEER_SOURCE,
            &behind.unwrap_or_else(|| plugin.node.clone()),
            what,
            mend,
        ));
    }
}

fn header(manager: &Manager<'_>, wanted: &Wanted<'_>, findings: &mut Vec<Finding>) {
    let node = &manager.node;
    let field = "forward_client_cert_details";
    let details = node.choice(field, &DETAILS);
    let at = node.get(field).unwrap_or_else(|| node.clone());
    let mut wrong =
        |kind, at: &Node<'_>, what: String, mend: &str| findings.push(Finding::new(kind, at, what, mend));
    let set = |names: &[&str]| names.contains(&details);
    let shown = if node.has(field) { details } else { "not set, which is SANITIZE" };
    match wanted.source {
        "envoy_xfcc" => {
            if !set(&["SANITIZE_SET", "APPEND_FORWARD"]) {
                let what = format!(
                    "peer.source is envoy_xfcc, but {field} is {shown}: Envoy writes no element of its own"
                );
                wrong(
                    kinds::PEER_HEADER,
                    &at,
                    what,
                    "write `forward_client_cert_details: SANITIZE_SET` and \
                        `set_current_client_cert_details: {uri: true}`",
                );
            }
            let uri = "set_current_client_cert_details.uri";
            if !node.is_true(uri) {
                let what = "peer.source is envoy_xfcc, but Envoy does not write the URI SAN into the header"
                    .to_owned();
                wrong(
                    kinds::PEER_HEADER,
                    &node.at(uri).unwrap_or_else(|| node.clone()),
                    what,
                    "write `set_current_client_cert_details: {uri: true}`",
                );
            }
        }
        "proxy_xfcc" => {
            if set(&["SANITIZE", "SANITIZE_SET"]) {
                let what = format!(
                    "peer.source is proxy_xfcc, but {field} is {shown}: Envoy removes what the proxy wrote"
                );
                wrong(kinds::PEER_HEADER, &at, what, "write `forward_client_cert_details: FORWARD_ONLY`");
            }
            if details == "APPEND_FORWARD" && wanted.hops == 1 {
                let what = "peer.hops is 1, the element that this Envoy appends: the proxy itself".to_owned();
                wrong(
                    kinds::PEER_HOPS,
                    &at,
                    what,
                    "write `forward_client_cert_details: FORWARD_ONLY`, or count it in `peer.hops`",
                );
            }
        }
        _ => {}
    }
}

fn tls(chain: &Node<'_>, wanted: &Wanted<'_>, findings: &mut Vec<Finding>) {
    let socket = chain.at("transport_socket.typed_config").and_then(|any| Typed::of(&any));
    let context = socket.and_then(|typed| match typed.name {
        DOWNSTREAM_TLS => Some(typed.config),
        QUIC => typed.config.get("downstream_tls_context"),
        _ => None,
    });
    let Some(context) = context else {
        let what = "the plugin asks for TLS peers, but this filter chain has no TLS";
        let mend = "give it a transport_socket with a DownstreamTlsContext, `require_client_certificate: \
            true` and a validation context";
        findings.push(Finding::new(kinds::PEER_NO_TLS, chain, what, mend));
        return;
    };
    let common = context.get("common_tls_context").unwrap_or_else(|| context.clone());
    let inline = [
        common.get("validation_context"),
        common.at("combined_validation_context.default_validation_context"),
    ];
    let inline: Vec<_> = inline.into_iter().flatten().collect();
    let sds = [
        "validation_context_sds_secret_config",
        "combined_validation_context.validation_context_sds_secret_config",
    ];
    let sds: Vec<_> = sds.into_iter().filter_map(|place| common.at(place)).collect();
    for untrusted in inline.iter().filter(|context| accepts_untrusted(context)) {
        let at = untrusted.get("trust_chain_verification").unwrap_or_else(|| untrusted.clone());
        let what = "certificates that nobody vouches for are accepted";
        findings.push(Finding::new(
            kinds::PEER_NOT_VALIDATED,
            &at,
            what,
            "take `trust_chain_verification` out",
        ));
    }
    if sds.is_empty() && !inline.iter().any(|context| validates(context) || accepts_untrusted(context)) {
        let what = "the certificates of clients are not validated";
        let mend =
            format!("give common_tls_context a validation context, with SPIRE as this:\n{SPIRE_CONTEXT}");
        findings.push(Finding::new(kinds::PEER_NOT_VALIDATED, &common, what, mend));
    }
    if wanted.always && !context.is_true("require_client_certificate") {
        let at = context.get("require_client_certificate").unwrap_or_else(|| context.clone());
        let what = "every rule asks for a TLS peer, but clients need not show a certificate";
        findings.push(Finding::new(
            kinds::PEER_OPTIONAL,
            &at,
            what,
            "write `require_client_certificate: true`",
        ));
    }
    if wanted.trust_domains.len() > 1 {
        let plain = inline
            .iter()
            .filter(|context| context.has("trusted_ca") && !context.has("custom_validator_config"));
        for context in plain.cloned().chain(sds.into_iter().filter(|sds| sds.string("name") == "ROOTCA")) {
            let domains: Vec<_> = wanted.trust_domains.iter().copied().collect();
            let what =
                format!("one list of CAs vouches for peers of several trust domains: {}", domains.join(", "));
            let mend = format!(
                "use the SPIFFE validator (custom_validator_config with SPIFFECertValidatorConfig, a \
                    bundle for each trust domain); SPIRE gives it under this name:\n{SPIRE_CONTEXT}"
            );
            findings.push(Finding::new(kinds::PEER_PLAIN_CA, &context, what, mend));
        }
    }
}

fn accepts_untrusted(context: &Node<'_>) -> bool {
    context.choice("trust_chain_verification", &["VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"])
        == "ACCEPT_UNTRUSTED"
}

fn snippet(lead: &str) -> String {
    format!(
        "{lead}
- name: svidgate-peer
  typed_config:
    \"@type\": type.googleapis.com/{SET_FILTER_STATE}
    on_request_headers:
      - object_key: {PEER_KEY}
        factory_key: envoy.string
        format_string: {{text_format_source: {{inline_string: \"{PEER_FORMAT}\"}}}}"
    )
}

fn text<'s>(object: &'s Value, field: &str) -> &'s str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn texts<'s>(object: &'s Value, field: &str) -> impl Iterator<Item = &'s str> {
    object.get(field).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// Where the plugin looks for the URI SANs of the connection's peer.
const PEER_KEY: &str = "svidgate.peer_uri_sans";
/// Lists every URI SAN of the peer's certificate.
const PEER_FORMAT: &str = "%DOWNSTREAM_PEER_URI_SAN%";
const DOWNSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext";
const DETAILS: [&str; 5] =
    ["SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY"];
/// SPIRE's agent delivers every bundle that it has, in the SPIFFE validator's form, under the name ALL.
const SPIRE_CONTEXT: &str = "  validation_context_sds_secret_config:
    name: ALL
    sds_config: {resource_api_version: V3, api_config_source: {api_type: GRPC, transport_api_version: V3,
      grpc_services: [{envoy_grpc: {cluster_name: spire_agent}}]}}";
