//! The bootstraps that we ship, with the paths and ports of a test: what is tested is what people copy.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::programs::Programs;

/// An Envoy configuration, made from a shipped file.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    config: Value,
}

impl Bootstrap {
    /// `envoy/envoy.yaml`: listener, plugin, guard, one service. All ports are chosen by Envoy, on loopback.
    pub fn shipped() -> Self {
        Self::from_file("envoy/envoy.yaml")
    }

    /// Any shipped bootstrap, by its path in the checkout.
    pub fn from_file(path: &str) -> Self {
        let path = Programs::shipped(path);
        let yaml = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let config = serde_saphyr::from_str(&yaml).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut bootstrap = Self { config };
        bootstrap.listener()["address"] = socket_address(SocketAddr::from(([127, 0, 0, 1], 0)));
        bootstrap.config["admin"]["address"] = socket_address(SocketAddr::from(([127, 0, 0, 1], 0)));
        bootstrap.wasm(&Programs::wasm())
    }

    /// A configuration of a test's own.
    pub fn custom(config: Value) -> Self {
        Self { config }
    }

    /// Takes the plugin from another file.
    pub fn wasm(mut self, path: &Path) -> Self {
        self.plugin()["vm_config"]["code"]["local"]["filename"] = json!(path);
        self
    }

    /// The port of the listener, and of the admin interface, instead of free ones.
    pub fn ports(mut self, listener: u16, admin: u16) -> Self {
        self.listener()["address"]["socket_address"]["port_value"] = json!(listener);
        self.config["admin"]["address"]["socket_address"]["port_value"] = json!(admin);
        self
    }

    /// The controller's socket.
    pub fn controller(mut self, socket: &Path) -> Self {
        *self.address_of("svidgate_controller") = json!({"pipe": {"path": socket}});
        self
    }

    /// The service behind Envoy.
    pub fn service(self, address: SocketAddr) -> Self {
        self.cluster("service", address)
    }

    /// Any other upstream.
    pub fn cluster(mut self, name: &str, address: SocketAddr) -> Self {
        *self.address_of(name) = socket_address(address);
        self
    }

    /// Changes the plugin's configuration.
    pub fn plugin_config(self, change: impl FnOnce(&mut Value)) -> Self {
        let text = self.plugin_config_text().to_owned();
        let mut config = serde_json::from_str(&text).expect("the shipped plugin configuration is JSON");
        change(&mut config);
        self.raw_plugin_config(&config.to_string())
    }

    /// Sets the plugin's configuration to any text, broken ones too.
    pub fn raw_plugin_config(mut self, text: &str) -> Self {
        self.plugin()["configuration"]["value"] = json!(text);
        self
    }

    /// The plugin's configuration.
    pub fn plugin_config_text(&self) -> &str {
        let config = &self.plugin_filter()["typed_config"]["config"];
        config["configuration"]["value"].as_str().expect("a StringValue")
    }

    /// Sets `failure_policy`.
    pub fn failure_policy(mut self, policy: &str) -> Self {
        self.plugin()["failure_policy"] = json!(policy);
        self
    }

    /// Takes the guard out, to show what it is for.
    ///
    /// # Panics
    /// When the file has none, so that a test cannot be about a guard that was never there.
    pub fn without_guard(mut self) -> Self {
        let filters = self.http_filters();
        let before = filters.len();
        filters.retain(|f| f["name"] != GUARD);
        assert_eq!(filters.len() + 1, before, "the shipped bootstrap has exactly one guard");
        self
    }

    /// Any other change.
    pub fn edit(mut self, change: impl FnOnce(&mut Value)) -> Self {
        change(&mut self.config);
        self
    }

    /// Its first listener, as it is.
    pub fn listener_config(&self) -> &Value {
        &self.config["static_resources"]["listeners"][0]
    }

    /// The filter of the plugin, as it is.
    pub fn plugin_filter(&self) -> &Value {
        let manager = &self.listener_config()["filter_chains"][0]["filters"][0]["typed_config"];
        let filters = manager["http_filters"].as_array().expect("http_filters");
        filters.iter().find(|f| f["name"] == PLUGIN).expect("the plugin")
    }

    /// Takes all listeners from a file of discovery responses (LDS).
    pub fn listeners_from(self, file: &Path) -> Self {
        self.edit(|config| {
            config["static_resources"].as_object_mut().expect("an object").remove("listeners");
            let source = json!({"resource_api_version": "V3", "path_config_source": {"path": file}});
            config["dynamic_resources"]["lds_config"] = source;
        })
    }

    /// Takes the plugin's filter from a file of discovery responses (ECDS).
    pub fn plugin_from(mut self, file: &Path) -> Self {
        let filter = self.http_filters().iter_mut().find(|f| f["name"] == PLUGIN).expect("the plugin");
        *filter = json!({"name": PLUGIN, "config_discovery": {
            "config_source": {"resource_api_version": "V3", "path_config_source": {"path": file}},
            "type_urls": ["type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"],
        }});
        self
    }

    /// The file's content.
    pub fn render(&self) -> String {
        serde_json::to_string_pretty(&self.config).expect("JSON")
    }

    fn plugin(&mut self) -> &mut Value {
        let plugin = self.http_filters().iter_mut().find(|f| f["name"] == PLUGIN).expect("the plugin");
        &mut plugin["typed_config"]["config"]
    }

    fn http_filters(&mut self) -> &mut Vec<Value> {
        let manager = &mut self.listener()["filter_chains"][0]["filters"][0]["typed_config"];
        manager["http_filters"].as_array_mut().expect("http_filters")
    }

    fn listener(&mut self) -> &mut Value {
        &mut self.config["static_resources"]["listeners"][0]
    }

    fn address_of(&mut self, cluster: &str) -> &mut Value {
        let clusters = self.config["static_resources"]["clusters"].as_array_mut().expect("clusters");
        let found = clusters.iter_mut().find(|c| c["name"] == cluster).expect(cluster);
        &mut found["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    }
}

fn socket_address(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}

const PLUGIN: &str = "svidgate";
const GUARD: &str = "svidgate-guard";
