//! The one Envoy of the table: a listener for each configuration, and everything around it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use crate::bootstrap::Bootstrap;
use crate::envoy::Envoy;
use crate::fake_controller::FakeController;
use crate::folder::Folder;
use crate::hive::Hive;
use crate::http::{Address, Connection, Request};
use crate::poll::{poll, unix_seconds};
use crate::programs::Programs;
use crate::recorder::Recorder;
use crate::upstream::Upstream;

use super::config::Config;
use super::{mint, trust};

/// Everything that runs for the table. Dropping it stops everything, Envoy first.
pub struct Gateway {
    envoy: Envoy,
    listeners: BTreeMap<String, SocketAddr>,
    controller: FakeController,
    upstream: Upstream,
    _hive: Hive,
    folder: Folder,
}

impl Gateway {
    /// Starts everything, and waits until a good token passes at the listener `basic`.
    pub fn start(configs: &[Config]) -> Self {
        Self::start_with(configs, &trust::encoded(unix_seconds()))
    }

    /// The same, with this snapshot as the controller's first.
    pub fn start_with(configs: &[Config], snapshot: &[u8]) -> Self {
        let folder = Folder::new();
        let socket = folder.join("controller.sock");
        let controller = FakeController::start(&socket, snapshot);
        let upstream = Upstream::start();
        let hive = Hive::start(upstream.recorder().clone());
        let wasm = Programs::wasm();
        let access_log = folder.join("access.log");
        let listeners: Vec<Value> = configs
            .iter()
            .map(|config| config.listener(&wasm.to_string_lossy(), &access_log.to_string_lossy()))
            .collect();
        let bootstrap = json!({
            "static_resources": {
                "listeners": listeners,
                "clusters": [
                    cluster("svidgate_controller", json!({"pipe": {"path": socket}})),
                    cluster("nobody", json!({"pipe": {"path": folder.join("nobody.sock")}})),
                    speaking(
                        cluster("echo", tcp(upstream.address())),
                        json!({"http_protocol_options": {"enable_trailers": true}}),
                    ),
                    speaking(cluster("grpc", tcp(hive.address())), json!({"http2_protocol_options": {}})),
                ],
            },
            "admin": {"address": tcp(SocketAddr::from(([127, 0, 0, 1], 0)))},
        });
        let envoy = Envoy::start("envoy", &Bootstrap::custom(bootstrap), folder.path());
        let listeners = envoy.listeners();
        let gateway = Self { envoy, listeners, controller, upstream, _hive: hive, folder };
        gateway.await_trust();
        gateway
    }

    /// Where a configuration listens.
    pub fn address(&self, config: &str) -> SocketAddr {
        *self.listeners.get(config).unwrap_or_else(|| panic!("no configuration `{config}`"))
    }

    /// Envoy itself.
    pub fn envoy(&mut self) -> &mut Envoy {
        &mut self.envoy
    }

    /// One connection to each worker, at a configuration without TLS.
    pub fn connection_to_each_worker(&self, config: &str) -> Vec<Connection> {
        self.envoy.connection_to_each_worker_at(config, &Address::Tcp(self.address(config)))
    }

    /// What reached the services.
    pub fn recorder(&self) -> &Recorder {
        self.upstream.recorder()
    }

    /// The controller.
    pub fn controller(&self) -> &FakeController {
        &self.controller
    }

    /// The access log.
    pub fn access_log(&self) -> PathBuf {
        self.folder.join("access.log")
    }

    /// Envoy's own log.
    pub fn log(&self) -> PathBuf {
        self.folder.join("envoy.log")
    }

    /// The plugin's counters and gauges, without Envoy's prefix.
    pub fn counters(&self) -> BTreeMap<String, u64> {
        let all = self.envoy.stats_like("wasmcustom").into_iter();
        all.filter_map(|(name, value)| Some((name.strip_prefix("wasmcustom.")?.to_owned(), value))).collect()
    }

    fn await_trust(&self) {
        let address = Address::Tcp(self.address("basic"));
        poll("a good token passes", Duration::from_secs(30), || {
            let request = Request::get("/").bearer(mint::CLIENT.at(unix_seconds()));
            let answer = Connection::open(&address).and_then(|mut c| c.send(&request)).expect("an answer");
            assert!([200, 503].contains(&answer.status), "while waiting for bundles: {answer:?}");
            (answer.status == 200).then_some(())
        });
    }
}

fn cluster(name: &str, address: Value) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    })
}

fn speaking(mut cluster: Value, protocol: Value) -> Value {
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": protocol,
        },
    });
    cluster
}

fn tcp(address: SocketAddr) -> Value {
    json!({"socket_address": {"address": address.ip().to_string(), "port_value": address.port()}})
}
