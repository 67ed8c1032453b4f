//! A policy that changes in a running Envoy, and callers that know at each moment which policies can be in force.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::bootstrap::Bootstrap;
use crate::envoy::Envoy;
use crate::folder::Folder;
use crate::http::{Address, Connection, Request, Response};
use crate::poll::poll;
use crate::programs::free_port;

/// How Envoy learns of a change.
pub trait Channel {
    /// Makes the shipped bootstrap one that can change.
    fn adapt(&self, shipped: Bootstrap) -> Bootstrap {
        shipped
    }
    /// Takes from the file what [`Channel::publish`] puts there.
    fn subscribe(&self, bootstrap: Bootstrap) -> Bootstrap;
    /// Puts it into the file at once, by a rename.
    fn publish(&mut self, bootstrap: &Bootstrap);
    /// To be called before a load begins.
    fn ready(&mut self, _envoy: &Envoy) {}
    /// Waits until no request meets what was in force before.
    fn await_in_force(&mut self, envoy: &Envoy, guest: &str, admits: Admits);
    /// Whether connections outlive a change. Where they do not, one may end with a request on its way that nobody answers;
    /// the client then sends it anew (RFC 9110 section 9.2.2).
    const KEEPS_CONNECTIONS: bool;
    /// How often Envoy refused what was published.
    fn refused(&self, envoy: &Envoy) -> u64;
}

/// ECDS: the plugin's filter alone. A new root context in the same VM, in force at once for every connection.
#[derive(Debug)]
pub struct Plugin {
    file: Discovery,
    workers: Vec<Connection>,
}

/// LDS: the whole listener. Connections keep the policy under which they came in until they are drained.
#[derive(Debug)]
pub struct Listener {
    file: Discovery,
    port: u16,
}

impl Plugin {
    /// Its file has a folder of its own.
    pub fn new() -> Self {
        Self { file: Discovery::new(), workers: Vec::new() }
    }
}

impl Channel for Plugin {
    const KEEPS_CONNECTIONS: bool = true;

    fn subscribe(&self, bootstrap: Bootstrap) -> Bootstrap {
        bootstrap.plugin_from(&self.file.path())
    }

    fn publish(&mut self, bootstrap: &Bootstrap) {
        let filter = bootstrap.plugin_filter();
        self.file.replace(json!({
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": filter["name"],
            "typed_config": filter["typed_config"],
        }));
    }

    fn ready(&mut self, envoy: &Envoy) {
        self.workers = envoy.connection_to_each_worker();
    }

    fn await_in_force(&mut self, envoy: &Envoy, guest: &str, admits: Admits) {
        if self.workers.is_empty() {
            self.workers = envoy.connection_to_each_worker();
        }
        for connection in &mut self.workers {
            poll("the new policy is in force on a worker", PATIENCE, || {
                let answer = connection.send(&request(Some(guest))).expect("an answer from Envoy");
                assert!(Admits::Either.agrees_with(&answer), "{answer:?}");
                admits.agrees_with(&answer).then_some(())
            });
        }
    }

    fn refused(&self, envoy: &Envoy) -> u64 {
        sum(envoy, "extension_config_discovery.*(config_fail|update_rejected|update_failure)$")
    }
}

impl Listener {
    /// Its file has a folder of its own.
    pub fn new() -> Self {
        // A port that Envoy chose would be another one for each listener.
        Self { file: Discovery::new(), port: free_port() }
    }
}

impl Channel for Listener {
    const KEEPS_CONNECTIONS: bool = false;

    fn adapt(&self, shipped: Bootstrap) -> Bootstrap {
        shipped.ports(self.port, 0)
    }

    fn subscribe(&self, bootstrap: Bootstrap) -> Bootstrap {
        bootstrap.listeners_from(&self.file.path())
    }

    fn publish(&mut self, bootstrap: &Bootstrap) {
        let mut listener = bootstrap.listener_config().clone();
        listener["@type"] = json!("type.googleapis.com/envoy.config.listener.v3.Listener");
        self.file.replace(listener);
    }

    fn await_in_force(&mut self, envoy: &Envoy, guest: &str, admits: Admits) {
        let version = format!("listener_manager.lds.version_text: \"{}\"", self.file.version);
        poll("the listener is replaced, and its former connections are gone", PATIENCE, || {
            let taken = envoy.ask_admin("GET", "/stats?filter=lds.version_text").text().contains(&version);
            (taken && sum(envoy, "listener_manager.total_.*(warming|draining)$") == 0).then_some(())
        });
        for _ in 0..NEW_CONNECTIONS {
            let answer = envoy.send(&request(Some(guest)));
            assert!(admits.agrees_with(&answer), "{admits:?}: {answer:?}");
        }
    }

    fn refused(&self, envoy: &Envoy) -> u64 {
        sum(envoy, "listener_manager.lds.(update_rejected|update_failure)$")
    }
}

impl Default for Plugin {
    fn default() -> Self {
        Self::new()
    }
}

impl Default for Listener {
    fn default() -> Self {
        Self::new()
    }
}

/// A file with a discovery response of one resource.
#[derive(Debug)]
struct Discovery {
    folder: Folder,
    version: u64,
}

impl Discovery {
    fn new() -> Self {
        Self { folder: Folder::new(), version: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("discovery.json")
    }

    fn replace(&mut self, resource: Value) {
        self.version += 1;
        let response = json!({"version_info": self.version.to_string(), "resources": [resource]});
        let new = self.folder.write("new", &response.to_string());
        std::fs::rename(new, self.path()).expect("the file in its place");
    }
}

/// Whom the policies admit that can be in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admits {
    /// Between two policies.
    Either,
    /// The guest.
    Guest,
    /// No guest.
    NoGuest,
}

impl Admits {
    /// Whether an answer to the guest is one that these policies can give.
    pub fn agrees_with(self, answer: &Response) -> bool {
        let (admitted, refused) = (answer.status == 200, answer.reason() == "caller_not_allowed");
        match self {
            Self::Either => admitted || refused,
            Self::Guest => admitted,
            Self::NoGuest => refused,
        }
    }
}

/// Which policies can be in force now.
#[derive(Debug, Default)]
pub struct Phase {
    /// Number of the phase, and whom it admits as the last digit.
    now: AtomicU64,
    judged: [AtomicU64; 3],
}

impl Phase {
    /// Begins a phase.
    pub fn enter(&self, admits: Admits) {
        let number = self.now.load(Ordering::SeqCst) / 10 + 1;
        self.now.store(number * 10 + admits as u64, Ordering::SeqCst);
    }

    /// Number of answers that came wholly in phases of this kind.
    pub fn judged(&self, admits: Admits) -> u64 {
        self.judged[admits as usize].load(Ordering::SeqCst)
    }

    /// Whom the policies admitted between two moments.
    fn between(&self, before: u64, after: u64) -> Admits {
        let admits = match after % 10 {
            _ if before != after => Admits::Either,
            1 => Admits::Guest,
            2 => Admits::NoGuest,
            _ => Admits::Either,
        };
        self.judged[admits as usize].fetch_add(1, Ordering::SeqCst);
        admits
    }
}

/// A caller with one connection, which it opens anew only when Envoy has said that it closes it.
#[derive(Debug)]
pub struct Caller {
    address: Address,
    connection: Option<Connection>,
    request: Request,
    resends: bool,
}

impl Caller {
    /// A caller with a token, or none, where changes arrive over `C`.
    pub fn new<C: Channel>(_: &C, address: &Address, token: Option<String>) -> Self {
        let request = request(token.as_deref());
        Self { address: address.clone(), connection: None, request, resends: !C::KEEPS_CONNECTIONS }
    }

    /// Sends one request a call; what comes back must be `right`. A connection that ends without a word is a failure too,
    /// unless it was used before and is of a kind that ends with a change.
    pub fn expects(
        mut self,
        phase: &Arc<Phase>,
        right: fn(Admits, &Response) -> bool,
    ) -> Box<dyn FnMut() -> Result<(), String> + Send> {
        let phase = Arc::clone(phase);
        Box::new(move || {
            let before = phase.now.load(Ordering::SeqCst);
            let answer = self.send()?;
            let admits = phase.between(before, phase.now.load(Ordering::SeqCst));
            right(admits, &answer).then_some(()).ok_or_else(|| format!("{admits:?}: {answer:?}"))
        })
    }

    fn send(&mut self) -> Result<Response, String> {
        let used = self.connection.take();
        let may_end = self.resends && used.is_some();
        let open = || Connection::open(&self.address).map_err(|e| format!("no connection: {e}"));
        let mut connection = used.map_or_else(open, Ok)?;
        let mut answer = connection.send(&self.request);
        if may_end && answer.is_err() {
            connection = open()?;
            answer = connection.send(&self.request);
        }
        let answer = answer.map_err(|e| format!("no answer: {e}"))?;
        self.connection = (!answer.closes()).then_some(connection);
        Ok(answer)
    }
}

fn request(token: Option<&str>) -> Request {
    token.into_iter().fold(Request::get("/shared/x"), Request::bearer)
}

fn sum(envoy: &Envoy, pattern: &str) -> u64 {
    envoy.stats_like(pattern).into_iter().map(|(_, value)| value).sum()
}

const PATIENCE: Duration = Duration::from_secs(30);
/// Enough to reach every worker, almost surely.
const NEW_CONNECTIONS: usize = 16;
