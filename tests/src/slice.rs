//! The whole way of the data, as small as it gets: source of trust → controller → Envoy → upstream.

use std::path::PathBuf;
use std::time::Duration;

use crate::bootstrap::Bootstrap;
use crate::controller::Controller;
use crate::envoy::Envoy;
use crate::folder::Folder;
use crate::forge::Forged;
use crate::http::{Connection, Request, Response};
use crate::upstream::Upstream;
use crate::workload::Workload;

/// What the shipped bootstrap admits.
pub const CLIENT_ID: &str = "spiffe://example.org/client";
/// A workload of the same trust domain that it does not admit.
pub const OTHER_ID: &str = "spiffe://example.org/other";
/// The trust domain of both.
pub const TRUST_DOMAIN: &str = "example.org";
/// The service's own name in the shipped bootstrap.
pub const AUDIENCE: &str = "backend.example.org";

/// A trust domain with a Workload API: SPIRE or `svidgate dev`.
pub trait TrustSource {
    /// Starts it for [`TRUST_DOMAIN`], with entries for [`CLIENT_ID`] and [`OTHER_ID`].
    fn launch(folder: &Folder) -> Self;
    /// Socket of its Workload API.
    fn socket(&self) -> PathBuf;
    /// Publishes a new signing key that is not used yet.
    fn prepare(&mut self);
    /// Signs with the prepared key from now on.
    fn activate(&mut self);
    /// Takes the key out of the bundle that signed before.
    fn revoke_old(&mut self);
    /// A token that has expired or soon will.
    fn expiring_token(&mut self, audience: &str) -> String;
}

/// Everything that runs for a test. Dropping it stops everything, Envoy first.
#[derive(Debug)]
pub struct Slice<S> {
    /// Envoy with two workers.
    pub envoy: Envoy,
    /// The controller, if it runs.
    pub controller: Option<Controller>,
    /// A caller.
    pub workload: Workload,
    /// SPIRE or `svidgate dev`.
    pub source: S,
    /// The service behind Envoy.
    pub upstream: Upstream,
    /// Envoy's configuration, for a restart.
    pub bootstrap: Bootstrap,
    /// Configuration, sockets, logs.
    pub folder: Folder,
}

impl<S: TrustSource> Slice<S> {
    /// Starts everything from the shipped files and waits until a good token passes on every worker.
    pub fn start() -> Self {
        let slice = Self::launch(true, |bootstrap| bootstrap);
        slice.await_admitted();
        slice
    }

    /// Starts everything, the controller only if asked for, with a changed bootstrap. Waits for Envoy only.
    pub fn launch(with_controller: bool, change: impl FnOnce(Bootstrap) -> Bootstrap) -> Self {
        let folder = Folder::new();
        let upstream = Upstream::start();
        let source = S::launch(&folder);
        let controller = with_controller.then(|| Controller::start(folder.path(), &source.socket()));
        let bootstrap = change(
            Bootstrap::shipped()
                .controller(&Controller::socket_in(folder.path()))
                .service(upstream.address()),
        );
        let envoy = Envoy::start("envoy", &bootstrap, folder.path());
        let workload = Workload::new(&source.socket());
        Self { envoy, controller, workload, source, upstream, bootstrap, folder }
    }

    /// The controller, which must run.
    pub fn controller(&self) -> &Controller {
        self.controller.as_ref().expect("the controller runs")
    }

    /// Starts the controller, anew after it was stopped.
    pub fn start_controller(&mut self) {
        self.controller = Some(Controller::start(self.folder.path(), &self.source.socket()));
    }

    /// Ends Envoy and starts it anew from the same file, on another port.
    pub fn restart_envoy(&mut self) {
        self.envoy.process().stop();
        self.envoy = Envoy::start("envoy", &self.bootstrap, self.folder.path());
    }

    /// A token that the shipped bootstrap admits.
    pub fn token(&self) -> String {
        self.workload.token(AUDIENCE, CLIENT_ID)
    }

    /// Waits until a good token passes on every worker. Until then nothing but 503 may come.
    pub fn await_admitted(&self) {
        for mut connection in self.envoy.connection_to_each_worker() {
            self.await_admitted_on(&mut connection);
        }
    }

    /// As [`Slice::await_admitted`], on one connection.
    pub fn await_admitted_on(&self, connection: &mut Connection) {
        let request = Request::get("/").bearer(self.token());
        crate::poll("a good token passes", Duration::from_secs(30), || {
            let answer = connection.send(&request).expect("an answer from Envoy");
            assert!([200, 503].contains(&answer.status), "while waiting for bundles: {answer:?}");
            (answer.status == 200).then_some(())
        });
    }
}

/// Sends a good token and checks that it passes, and with which identity.
pub fn assert_admitted(connection: &mut Connection, token: &str) -> Response {
    let answer = connection.send(&Request::get("/who").bearer(token)).expect("an answer from Envoy");
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(identities(&answer), [Forged::from(token).claims["sub"].as_str().expect("a sub")]);
    answer
}

/// Values of `x-spiffe-id` that the upstream saw.
pub fn identities(answer: &Response) -> Vec<String> {
    let seen = answer.json();
    let headers = seen["headers"].as_array().expect("the upstream's answer").iter();
    headers.filter(|h| h[0] == "x-spiffe-id").map(|h| h[1].as_str().expect("a value").to_owned()).collect()
}
