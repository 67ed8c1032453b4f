//! What a plugin needs that asks for the identity of TLS peers.

use serde_json::{Value, json};

use super::*;

pub(super) fn cases() -> Vec<Broken> {
    const TLS: &str = "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config";
    const COMMON: &str =
        "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context";
    let context = |name: &str| format!("{COMMON}.{name}");
    let peer = |value: Value| {
        set(
            "~.http_filters[1].typed_config.config.configuration.value",
            &settings(&json!({"peer": value,
            "name": "edge", "allowed_spiffe_ids": null, "rules": [{"name": "all", "match": {"paths": ["/**"]},
                "require": "mtls", "trust_domains": ["example.org"]}]})),
        )
    };
    let proxy = || peer(json!({"source": "proxy_xfcc", "trusted_proxies": ["spiffe://example.org/ingress"]}));
    let details = |value: &str| set("~.forward_client_cert_details", &json!(value));
    vec![
        broken(
            "nobody sets the peer",
            [remove("~.http_filters[0]")],
            "peer_source",
            "~.http_filters[0]",
            "%DOWNSTREAM_PEER_URI_SAN%",
        ),
        broken(
            "the peer set too late",
            [
                remove("~.http_filters[0]"),
                insert(
                    "~.http_filters",
                    2,
                    &set_filter_state("svidgate.peer_uri_sans", "%DOWNSTREAM_PEER_URI_SAN%"),
                ),
            ],
            "peer_source",
            "~.http_filters[2]",
            "before the plugin",
        ),
        broken(
            "the client says who it is",
            [set("~.http_filters[0]", &set_filter_state("svidgate.peer_uri_sans", "%REQ(x-peer)%"))],
            "peer_forged",
            "~.http_filters[0].typed_config.on_request_headers[0]",
            "%DOWNSTREAM_PEER_URI_SAN%",
        ),
        broken(
            "Envoy's header without Envoy",
            [peer(json!({"source": "envoy_xfcc"})), details("FORWARD_ONLY")],
            "peer_header",
            "~.forward_client_cert_details",
            "SANITIZE_SET",
        ),
        broken(
            "Envoy's header without the URI",
            [peer(json!({"source": "envoy_xfcc"})), remove("~.set_current_client_cert_details")],
            "peer_header",
            "~",
            "{uri: true}",
        ),
        broken(
            "the proxy's header removed",
            [proxy(), remove("~.forward_client_cert_details")],
            "peer_header",
            "~",
            "FORWARD_ONLY",
        ),
        broken(
            "the proxy's header behind our own",
            [proxy(), details("APPEND_FORWARD")],
            "peer_hops",
            "~.forward_client_cert_details",
            "FORWARD_ONLY",
        ),
        broken(
            "no TLS",
            [remove("static_resources.listeners[0].filter_chains[0].transport_socket")],
            "peer_no_tls",
            "static_resources.listeners[0].filter_chains[0]",
            "DownstreamTlsContext",
        ),
        broken(
            "certificates not asked for",
            [remove(&format!("{TLS}.require_client_certificate"))],
            "peer_optional",
            TLS,
            "`require_client_certificate: true`",
        ),
        broken(
            "certificates not validated",
            [remove(&context("validation_context_sds_secret_config"))],
            "peer_not_validated",
            COMMON,
            "name: ALL",
        ),
        broken(
            "certificates validated by nobody",
            [
                remove(&context("validation_context_sds_secret_config")),
                set(&context("validation_context"), &json!({"trust_chain_verification": "ACCEPT_UNTRUSTED"})),
            ],
            "peer_not_validated",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context.trust_chain_verification",
            "take `trust_chain_verification` out",
        ),
        broken(
            "one CA for two trust domains",
            [
                remove(&context("validation_context_sds_secret_config")),
                set(&context("validation_context"), &json!({"trusted_ca": {"filename": "/ca.pem"}})),
            ],
            "peer_plain_ca",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context",
            "SPIFFECertValidatorConfig",
        ),
        broken(
            "SPIRE's own bundle for two trust domains",
            [set(&context("validation_context_sds_secret_config.name"), &json!("ROOTCA"))],
            "peer_plain_ca",
            "static_resources.listeners[0].filter_chains[0].transport_socket.typed_config.common_tls_context.validation_context_sds_secret_config",
            "name: ALL",
        ),
    ]
}
