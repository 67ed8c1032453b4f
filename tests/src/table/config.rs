//! A configuration of the table: one listener of the one Envoy.

use serde_json::{Value, json};

use super::peers::pki;

/// A plugin's configuration, and the listener in which it runs.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the listener; rows refer to it.
    pub name: &'static str,
    /// The plugin's configuration.
    pub plugin: Value,
    /// TLS of the listener.
    pub tls: Tls,
    /// Another plugin in front of this one, with a guard of its own.
    pub first: Option<Value>,
    /// Which upstream is behind it.
    pub upstream: &'static str,
    /// Change of the connection manager.
    manager: fn(&mut Value),
    /// HTTP filter before the plugin, behind the one that notes the peer.
    before: Option<fn() -> Value>,
    /// HTTP filters behind the guard.
    after: Vec<Value>,
}

/// Who may connect to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// No TLS.
    None,
    /// A client certificate of either CA, if any.
    PlainCa,
    /// Envoy's SPIFFE validator: each trust domain with its own CA.
    Spiffe,
}

impl Config {
    /// A listener without TLS, which leaves paths and hosts as they come.
    pub fn new(name: &'static str, plugin: Value) -> Self {
        Self {
            name,
            plugin,
            tls: Tls::None,
            first: None,
            upstream: "echo",
            manager: |_| {},
            before: None,
            after: Vec::new(),
        }
    }

    /// With TLS.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// With the gRPC service behind it.
    pub fn grpc(mut self) -> Self {
        self.upstream = "grpc";
        self
    }

    /// With a change of the connection manager.
    pub fn manager(mut self, change: fn(&mut Value)) -> Self {
        self.manager = change;
        self
    }

    /// Behind another plugin.
    pub fn behind(mut self, first: Value) -> Self {
        self.first = Some(first);
        self
    }

    /// With a filter before the plugin.
    pub fn before(mut self, filter: fn() -> Value) -> Self {
        self.before = Some(filter);
        self
    }

    /// With filters behind the guard.
    pub fn after(mut self, filters: impl IntoIterator<Item = Value>) -> Self {
        self.after.extend(filters);
        self
    }

    /// The listener's connection manager, but for files.
    pub fn settings(&self) -> Value {
        self.connection_manager("", "")
    }

    /// What the keys of the plugin's filter state begin with.
    pub fn state(&self) -> String {
        state(&self.plugin)
    }

    /// Envoy's listener.
    pub fn listener(&self, wasm: &str, access_log: &str) -> Value {
        let mut chain = json!({"filters": [{
            "name": "envoy.filters.network.http_connection_manager",
            "typed_config": self.connection_manager(wasm, access_log),
        }]});
        if self.tls != Tls::None {
            chain["transport_socket"] = self.transport_socket();
        }
        json!({
            "name": self.name,
            "stat_prefix": self.name,
            "address": {"socket_address": {"address": "127.0.0.1", "port_value": 0}},
            "filter_chains": [chain],
        })
    }

    fn connection_manager(&self, wasm: &str, access_log: &str) -> Value {
        let before = [Some(peer_filter()), self.before.map(|filter| filter())].into_iter().flatten();
        let plugins = self.first.iter().chain([&self.plugin]);
        let plugins = plugins.flat_map(|plugin| [self.plugin_filter(plugin, wasm), guard(plugin)]);
        let filters: Vec<Value> =
            before.chain(plugins).chain(self.after.iter().cloned()).chain([router()]).collect();
        let state = self.state();
        let mut manager = json!({
            "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": self.name,
            "http_protocol_options": {"enable_trailers": true},
            "http2_protocol_options": {"allow_connect": true},
            "upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}],
            "http_filters": filters,
            "access_log": [{"name": "file", "typed_config": {
                "@type": format!("{EXTENSIONS}.access_loggers.file.v3.FileAccessLog"),
                "path": access_log,
                "log_format": {"json_format": {
                    "row": "%REQ(x-row)%",
                    "mark": format!("%FILTER_STATE(wasm.{state}:PLAIN)%"),
                    "spiffe_id": format!("%FILTER_STATE(wasm.{state}_spiffe_id:PLAIN)%"),
                    "rule": format!("%FILTER_STATE(wasm.{state}_rule:PLAIN)%"),
                    "reason": format!("%FILTER_STATE(wasm.{state}_reason:PLAIN)%"),
                    "metadata": "%DYNAMIC_METADATA(svidgate:spiffe_id)%",
                }},
            }}],
            "route_config": {"name": self.name, "virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"connect_matcher": {}}, "route": {"cluster": self.upstream, "upgrade_configs": [{"upgrade_type": "CONNECT"}]}},
                {"match": {"prefix": "/"}, "route": {"cluster": self.upstream}},
            ]}]},
        });
        (self.manager)(&mut manager);
        manager
    }

    fn plugin_filter(&self, plugin: &Value, wasm: &str) -> Value {
        json!({"name": "svidgate", "typed_config": {
            "@type": format!("{EXTENSIONS}.filters.http.wasm.v3.Wasm"),
            "config": {
                "name": format!("svidgate-{}-{}", self.name, state(plugin)),
                "root_id": "svidgate",
                "failure_policy": "FAIL_RELOAD",
                // One id for all: their VMs are shared, their configurations must not mix.
                "vm_config": {
                    "vm_id": "svidgate",
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": wasm}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": plugin.to_string(),
                },
            },
        }})
    }

    fn transport_socket(&self) -> Value {
        let pki = pki();
        let inline = |pem: String| json!({"inline_string": pem});
        let validation = match self.tls {
            Tls::Spiffe => json!({"custom_validator_config": {
                "name": "envoy.tls.cert_validator.spiffe",
                "typed_config": {
                    "@type": format!("{EXTENSIONS}.transport_sockets.tls.v3.SPIFFECertValidatorConfig"),
                    "trust_domains": [
                        {"name": "example.org", "trust_bundle": inline(pki.own.pem())},
                        {"name": "partner.test", "trust_bundle": inline(pki.partner.pem())},
                    ],
                },
            }}),
            Tls::PlainCa | Tls::None => {
                json!({"trusted_ca": inline(format!("{}{}", pki.own.pem(), pki.partner.pem()))})
            }
        };
        json!({"name": "envoy.transport_sockets.tls", "typed_config": {
            "@type": format!("{EXTENSIONS}.transport_sockets.tls.v3.DownstreamTlsContext"),
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_certificates": [{
                    "certificate_chain": inline(pki.server.pem()),
                    "private_key": inline(pki.server.key_pem()),
                }],
                "validation_context": validation,
            },
        }})
    }
}

fn state(plugin: &Value) -> String {
    match plugin["name"].as_str() {
        Some(instance) => format!("svidgate_{instance}"),
        None => "svidgate".to_owned(),
    }
}

/// Lets pass what the plugin has marked.
fn guard(plugin: &Value) -> Value {
    let mark = json!({"key": format!("wasm.{}", state(plugin)), "string_match": {"exact": "verified"}});
    json!({"name": "svidgate-guard", "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.http.rbac.v3.RBAC"),
        "rules": {"action": "ALLOW", "policies": {"verified-by-svidgate": {
            "permissions": [{"any": true}],
            "principals": [{"filter_state": mark}],
        }}},
    }})
}

/// Notes all URI SANs of the peer where the plugin finds them.
fn peer_filter() -> Value {
    json!({"name": PEER_FILTER, "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.http.set_filter_state.v3.Config"),
        "on_request_headers": [{
            "object_key": "svidgate.peer_uri_sans",
            "factory_key": "envoy.string",
            "format_string": {"text_format_source": {"inline_string": "%DOWNSTREAM_PEER_URI_SAN%"}},
        }],
    }})
}

/// Envoy's translation of gRPC-Web.
pub fn grpc_web_filter() -> Value {
    json!({"name": GRPC_WEB_FILTER, "typed_config": {"@type": format!("{EXTENSIONS}.filters.http.grpc_web.v3.GrpcWeb")}})
}

fn router() -> Value {
    json!({"name": "router", "typed_config": {"@type": format!("{EXTENSIONS}.filters.http.router.v3.Router")}})
}

/// Name of the filter that translates gRPC-Web.
pub const GRPC_WEB_FILTER: &str = "grpc-web";
/// Name of the filter that tells the plugin who the peer is.
pub const PEER_FILTER: &str = "svidgate-peer";

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";
