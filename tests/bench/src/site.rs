//! One Envoy for each filter, on a core of its own, and what they need around them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::{Limits, Observed, Snapshot, TrustBundle};
use svidgate_tests::{Address, Bootstrap, Controller, Envoy, FakeController, Launch, Process, Programs};

use crate::filter::{Filter, MEASURED, PROOF, Parts, VERIFIER};
use crate::traffic::trusted_keys;

/// All Envoys of a generation. Dropping it ends them.
#[derive(Debug)]
pub struct Site {
    envoys: BTreeMap<Filter, Envoy>,
    verifier: Option<Process>,
    core: usize,
    _controller: FakeController,
}

/// Where things are.
#[derive(Clone, Debug)]
pub struct Setup<'a> {
    /// For configurations, sockets, logs.
    pub folder: &'a Path,
    /// This program, which is the external verifier too.
    pub program: &'a Path,
    /// The core of the Envoys.
    pub core: usize,
    /// Seconds since 1970.
    pub now: u64,
    /// Other builds of the plugin.
    pub builds: &'a [PathBuf],
}

impl Site {
    /// Starts an Envoy with one worker for each of the filters.
    pub fn start(filters: &[Filter], setup: &Setup<'_>) -> Self {
        let controller = FakeController::start(&Controller::socket_in(setup.folder), &snapshot(setup.now));
        let verifier = filters.contains(&Filter::ExtAuthz).then(|| start_verifier(setup));
        let launch = Launch { workers: 1, core: Some(setup.core) };
        let start = |filter: &Filter| {
            let bootstrap = bootstrap(*filter, setup.folder, setup.builds);
            (*filter, Envoy::launch(&filter.slug(), &bootstrap, setup.folder, launch))
        };
        Self {
            envoys: filters.iter().map(start).collect(),
            verifier,
            core: setup.core,
            _controller: controller,
        }
    }

    /// The Envoy with this filter.
    pub fn envoy(&mut self, filter: Filter) -> &mut Envoy {
        self.envoys.get_mut(&filter).expect("every filter has an Envoy")
    }

    /// Process id of the Envoy with this filter.
    pub fn pid(&mut self, filter: Filter) -> u32 {
        self.envoy(filter).process().id()
    }

    /// Where it listens.
    pub fn address(&mut self, filter: Filter) -> SocketAddr {
        match self.envoy(filter).listener() {
            Address::Tcp(address) => *address,
            Address::Unix(_) => panic!("the listener is on TCP"),
        }
    }

    /// The core of the Envoys.
    pub fn core(&self) -> usize {
        self.core
    }

    /// Process id of the external verifier.
    pub fn verifier(&self) -> Option<u32> {
        self.verifier.as_ref().map(Process::id)
    }
}

/// The shipped bootstrap with other filters, with an answer of Envoy's own in place of the service, and without an
/// access log.
pub(crate) fn bootstrap(filter: Filter, folder: &Path, builds: &[PathBuf]) -> Bootstrap {
    let shipped = Bootstrap::shipped().controller(&Controller::socket_in(folder));
    let shipped = shipped.plugin_config(|plugin| filter.configure(plugin));
    shipped.edit(|config| {
        let manager =
            &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
        manager.as_object_mut().expect("the connection manager").remove("access_log");
        manager["route_config"]["virtual_hosts"][0]["routes"] =
            json!([route(PROOF, proof_headers()), route(MEASURED, json!([]))]);
        let shipped = manager["http_filters"].as_array_mut().expect("http_filters");
        let router = shipped.pop().expect("the router");
        assert_eq!(shipped.len(), 2, "the shipped filters are the plugin, its guard and the router");
        let baseline = baseline_path();
        let parts = Parts { keys: &trusted_keys(), baseline: &baseline, shipped: shipped.clone(), builds };
        let mut filters = filter.http_filters(&parts);
        filters.push(router);
        manager["http_filters"] = json!(filters);
        let clusters = config["static_resources"]["clusters"].as_array_mut().expect("clusters");
        clusters.retain(|cluster| cluster["name"] != "service");
        clusters.push(verifier_cluster(&verifier_socket(folder)));
    })
}

fn route(path: &str, headers: Value) -> Value {
    json!({
        "match": {"path": path},
        "direct_response": {"status": 200, "body": {"inline_string": "ok"}},
        "response_headers_to_add": headers,
    })
}

/// What the service would see of the request.
fn proof_headers() -> Value {
    let tell =
        |name: &str| json!({"header": {"key": format!("saw-{name}"), "value": format!("%REQ({name})%")}});
    json!([tell("x-bench"), tell("x-spiffe-id")])
}

fn verifier_cluster(socket: &Path) -> Value {
    json!({
        "name": VERIFIER,
        "type": "STATIC",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            },
        },
        "load_assignment": {"cluster_name": VERIFIER, "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": {"pipe": {"path": socket}}}},
        ]}]},
    })
}

fn start_verifier(setup: &Setup<'_>) -> Process {
    let keys = setup.folder.join("keys.json");
    std::fs::write(&keys, trusted_keys()).expect("a file of keys");
    let socket = verifier_socket(setup.folder);
    // Of an earlier generation.
    let _ = std::fs::remove_file(&socket);
    let mut command = Command::new(setup.program);
    command.arg("verifier").arg(&socket).arg(&keys);
    let mut process = Process::start("verifier", command, setup.folder);
    process.poll("the verifier's socket", START, || std::os::unix::net::UnixStream::connect(&socket).ok());
    process
}

fn verifier_socket(folder: &Path) -> PathBuf {
    folder.join("verifier.sock")
}

/// The module that `make bench` puts beside the plugin. It must be there where it is measured.
pub(crate) fn need_baseline() {
    let path = baseline_path();
    assert!(path.exists(), "{} is not there: run 'make bench'", path.display());
}

pub(crate) fn baseline_path() -> PathBuf {
    Programs::shipped("target/bench/baseline.wasm")
}

pub(crate) fn snapshot(now: u64) -> Vec<u8> {
    let keys = serde_json::from_str(&trusted_keys()).expect("JSON");
    let domain = TrustDomain::parse(svidgate_forge::TRUST_DOMAIN).expect("a trust domain");
    let bundle = TrustBundle::new(&keys, None, None, "bench").expect("a bundle");
    let observed = Observed { at: now * 1000, ..Observed::default() };
    let snapshot = Snapshot::new(BTreeMap::from([(domain, bundle)]), observed).expect("a snapshot");
    snapshot.encode(&Limits::AGREED).expect("a snapshot")
}

const START: Duration = Duration::from_secs(30);
