//! A workload's way out: the recipe, a controller with credentials, and two upstreams.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use svidgate_tests::{
    Bootstrap, Controller, Dev, Envoy, Folder, Programs, Request, Response, TrustSource as _, Upstream, poll,
};

pub(crate) const BILLING: &str = "billing.example.org";
pub(crate) const LEGACY: &str = "legacy.example.net";
pub(crate) const API_KEY: &str = "x-api-key";
pub(crate) const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Fields are dropped in order: Envoy first.
pub(crate) struct Site {
    pub(crate) envoy: Envoy,
    pub(crate) controller: Option<Controller>,
    pub(crate) dev: Dev,
    pub(crate) billing: Upstream,
    pub(crate) legacy: Upstream,
    pub(crate) folder: Folder,
}

impl Site {
    pub(crate) fn start(change: impl FnOnce(Bootstrap) -> Bootstrap) -> Self {
        Self::start_living("5m", |bootstrap, _| change(bootstrap))
    }

    /// With JWT-SVIDs that live so long.
    pub(crate) fn start_living(ttl: &str, change: impl FnOnce(Bootstrap, &Upstream) -> Bootstrap) -> Self {
        let folder = Folder::new();
        let dev = Dev::start("dev", folder.path(), "example.org", &[], &["--ttl", ttl]);
        secret(&folder, "edge.key", KEY);
        secret(&folder, "legacy.json", &json!({"value": "key-0"}).to_string());
        // Envoy is a child of this test.
        let uid = std::fs::metadata(folder.path()).expect("a folder").uid();
        let controller = Controller::configured(folder.path(), &dev.socket(), |config| {
            let subscribers = json!([{"uid": uid, "key": "edge"}]);
            config["credential_keys"] = json!({"edge": folder.join("edge.key")});
            config["credentials"] = json!({
                "billing": {"jwt_svid": {"audience": BILLING}, "subscribers": subscribers},
                "legacy": {"file": {"path": folder.join("legacy.json"), "form": "json"}, "subscribers": subscribers},
            });
        });
        let (billing, legacy) = (Upstream::start(), Upstream::start());
        let bootstrap = Bootstrap::from_file("envoy/examples/egress.yaml")
            .controller(controller.socket())
            .cluster("billing", billing.address())
            .cluster("legacy", legacy.address());
        let envoy = Envoy::start("envoy", &change(bootstrap, &legacy), folder.path());
        Self { envoy, controller: Some(controller), dev, billing, legacy, folder }
    }

    pub(crate) fn controller(&self) -> &Controller {
        self.controller.as_ref().expect("a controller")
    }

    pub(crate) fn write_key(&self, value: &str, not_after: Option<u64>) {
        let mut document = json!({"value": value});
        if let Some(end) = not_after {
            document["not_after"] = json!(end);
        }
        secret(&self.folder, "legacy.json", &document.to_string());
    }

    /// Waits until a request passes with its credential.
    pub(crate) fn await_set(&self, host: &str) {
        poll("a request passes", PATIENCE, || {
            let answer = self.envoy.send(&ask(host));
            assert!([200, 503].contains(&answer.status), "{} {}", answer.status, answer.text());
            (answer.status == 200).then_some(())
        });
    }

    /// Waits until the upstream gets this value.
    pub(crate) fn await_value(&self, host: &str, header: &str, value: &str) {
        poll("the value arrives", PATIENCE, || {
            (self.header(&ask(host), header).as_deref() == Some(value)).then_some(())
        });
    }

    /// Status and reason of the first refusal.
    pub(crate) fn await_refusal(&self, host: &str) -> (u16, String) {
        poll("a request is refused", PATIENCE, || {
            let answer = self.envoy.send(&ask(host));
            (answer.status != 200).then(|| (answer.status, answer.reason()))
        })
    }

    /// The only value of a header that the upstream got.
    pub(crate) fn header(&self, request: &Request, name: &str) -> Option<String> {
        self.header_values(request, name).pop()
    }

    pub(crate) fn header_values(&self, request: &Request, name: &str) -> Vec<String> {
        values(&self.envoy.send(request), name)
    }
}

/// A GET to this host.
pub(crate) fn ask(host: &str) -> Request {
    Request::bare("GET", "/").header("host", host)
}

/// The request, to this host instead.
pub(crate) fn to(request: Request, host: &str) -> Request {
    request.with_host(host)
}

/// Values of a header that the upstream saw, by its own answer.
pub(crate) fn values(answer: &Response, name: &str) -> Vec<String> {
    let seen = answer.json();
    let headers = seen["headers"].as_array().cloned().unwrap_or_default();
    let found = headers.iter().filter(|header| header[0].as_str() == Some(name));
    found.map(|header| header[1].as_str().expect("a value").to_owned()).collect()
}

pub(crate) fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).expect("claims");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// Replaced whole, as those do who renew secrets.
fn secret(folder: &Folder, name: &str, text: &str) {
    let new = folder.write(&format!("{name}.new"), text);
    std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    std::fs::rename(new, folder.join(name)).expect("the file in its place");
}

/// What the tests with hooks run.
pub(crate) fn with_hooks(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap
        .wasm(&Programs::wasm_with_test_hooks())
        .plugin_config(|config| config["test_fault"] = json!("none"))
}
