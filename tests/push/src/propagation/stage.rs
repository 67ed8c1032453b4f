//! Authority, controller and Envoy, and the changes that are made.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde_json::{Value, json};
use svidgate_forge::{Key, Token};
use svidgate_tests::{
    Address, Bootstrap, Connection, Controller, Envoy, Folder, Load, Request, Stopwatch, now, poll,
};
use tokio::time::Instant;

use super::probe::{Probe, Task};
use crate::authority::{Authority, CHANGE_PREFIX};

/// What changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A key takes the place of another at the Workload API: from then on its tokens are good. From the moment at which
    /// the API's message is sent.
    Key,
    /// A token is revoked over the admin socket. From the moment at which the request is sent; the list is on disk
    /// before anything else is done with it.
    Revocation,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Key => "new key",
            Self::Revocation => "revocation",
        })
    }
}

/// Everything that runs. Fields are dropped in this order.
pub(super) struct Stage {
    probes: Vec<Probe>,
    admin: Connection,
    envoy: Envoy,
    controller: Controller,
    authority: Authority,
    key: Key,
    serial: u64,
    _folder: Folder,
}

impl Stage {
    /// Starts all of it and waits until every worker lets a good token pass.
    pub(super) fn set(workers: usize) -> Self {
        let folder = Folder::new();
        let authority = Authority::start(folder.path(), 1);
        let controller = Controller::start(folder.path(), authority.socket());
        let bootstrap = Bootstrap::shipped()
            .controller(controller.socket())
            .plugin_config(|config| config["allowed_spiffe_ids"] = json!([SUBJECT]))
            .edit(answer_directly);
        let envoy = Envoy::start_with("envoy", &bootstrap, folder.path(), workers);
        let admin = Connection::open(&Address::Unix(controller.admin_socket()));
        let admin = admin.expect("the admin socket");
        let key = authority.key();
        let mut stage =
            Self { probes: Vec::new(), admin, envoy, controller, authority, key, serial: 0, _folder: folder };
        let mut connections = stage.envoy.connection_to_each_worker();
        let request = stage.request(stage.authority.newest(), "first");
        for connection in &mut connections {
            poll("every worker lets a good token pass", Duration::from_secs(30), || {
                (connection.send(&request).expect("an answer").status == 200).then_some(())
            });
        }
        stage.probes = connections.into_iter().map(Probe::start).collect();
        stage
    }

    /// One change, and the time until the last worker enforces it.
    pub(super) fn change(&mut self, kind: Kind) -> Duration {
        match kind {
            Kind::Key => self.change_key(),
            Kind::Revocation => self.revoke(),
        }
    }

    fn change_key(&mut self) -> Duration {
        let next = self.authority.newest() + 1;
        let request = self.request(next, "key");
        self.measure(Task { request, before: 401, after: 200 }, |stage| {
            let change = stage.authority.change();
            stage.authority.moment_of(change)
        })
    }

    fn revoke(&mut self) -> Duration {
        self.serial += 1;
        let jti = format!("revoked-{}", self.serial);
        let request = self.request(self.authority.newest(), &jti);
        let entry =
            json!({"jtis": [{"trust_domain": "td0.example.org", "jti": jti, "expires_at": seconds() + 300}]});
        let task = Task { request, before: 200, after: 401 };
        let lag = self.measure(task.clone(), |stage| stage.admin("POST", &entry));
        // Off the list again, or it would grow, and each change would be a larger one.
        self.measure(Task { before: 401, after: 200, ..task }, |stage| stage.admin("DELETE", &entry));
        lag
    }

    fn measure(&mut self, task: Task, change: impl FnOnce(&mut Self) -> Instant) -> Duration {
        for probe in &self.probes {
            probe.begin(task.clone());
        }
        for probe in &self.probes {
            probe.await_ready();
        }
        let start = change(self);
        let last = self.probes.iter().map(Probe::await_seen).max().expect("a worker");
        last.saturating_duration_since(start)
    }

    /// A change over the admin socket; when it was sent.
    fn admin(&mut self, method: &str, entry: &Value) -> Instant {
        let request = Request::new(method, "/v1/revocations")
            .header("content-type", "application/json")
            .body(entry.to_string());
        let start = Instant::now();
        let answer = self.admin.send(&request).expect("an answer of the controller");
        assert_eq!((answer.status, &answer.json()["changed"]), (200, &json!(true)), "{answer:?}");
        start
    }

    /// Clients that send a token of another kind of key meanwhile, which no change concerns.
    pub(super) fn load(&self, clients: usize) -> Meanwhile {
        let token = Token::at(seconds(), &self.authority.lasting_key())
            .claim("exp", json!(seconds() + 3_000))
            .claim("sub", json!(SUBJECT));
        let token = String::from_utf8(token.sign(&self.authority.lasting_key())).expect("a token");
        let client = |_| {
            let mut connection = self.envoy.connect();
            let request = Request::get("/").bearer(&token);
            move || match connection.send(&request) {
                Ok(answer) if answer.status == 200 => Ok(()),
                Ok(answer) => Err(format!("{answer:?}")),
                Err(error) => Err(error.to_string()),
            }
        };
        let clients: Vec<_> = (0..clients).map(client).collect();
        Meanwhile { start: Stopwatch::start(), load: (!clients.is_empty()).then(|| Load::start(clients)) }
    }

    /// Ends all of it in order.
    pub(super) fn finish(self) {
        let Self { probes, admin, envoy, controller, .. } = self;
        drop((probes, admin));
        envoy.stop();
        controller.stop();
    }

    fn request(&self, change: usize, jti: &str) -> Request {
        let key = self.key.with_kid(&format!("{CHANGE_PREFIX}{change}"));
        let token = Token::at(seconds(), &key).claim("sub", json!(SUBJECT)).claim("jti", json!(jti));
        Request::get("/").bearer(String::from_utf8(token.sign(&key)).expect("a token"))
    }
}

/// Load that is on.
pub(super) struct Meanwhile {
    start: Stopwatch,
    load: Option<Load>,
}

impl Meanwhile {
    /// Ends it; requests a second, none of which may have failed.
    pub(super) fn finish(self) -> f64 {
        let Some(load) = self.load else { return 0.0 };
        let elapsed = self.start.elapsed();
        let report = load.finish();
        report.assert_no_failure();
        report.requests as f64 / elapsed.as_secs_f64()
    }
}

/// Envoy answers by itself, so that no other process has a part in the times.
fn answer_directly(config: &mut Value) {
    let manager =
        &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    manager["route_config"]["virtual_hosts"][0]["routes"] =
        json!([{"match": {"prefix": "/"}, "direct_response": {"status": 200}}]);
    manager["access_log"] = json!([]);
}

fn seconds() -> u64 {
    now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock after 1970").as_secs()
}

const SUBJECT: &str = "spiffe://td0.example.org/client";
