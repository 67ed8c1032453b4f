//! `svidgate run`: sources, store and server in one process, from start to a graceful end.

mod delivery;
mod once;
mod part;

use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::config::{Config, WorkloadApi};
use crate::credentials;
use crate::serve::{self, Admin, Socket};
use crate::sink::{Hooks, Sink};
use crate::source::revocations::Revoker;
use crate::source::{self, workload_api};
use crate::store::{Event, Store};
use delivery::Delivery;
pub use once::{Once, once};

/// Runs until SIGTERM or SIGINT. A second signal ends the process at once.
///
/// # Errors
/// When a socket cannot be bound, a list of revocations or a key is there and cannot be used, or a part ends that should not.
pub async fn until_signal(config: Config) -> anyhow::Result<()> {
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    raise_file_limit();
    until(config, stop).await
}

/// Runs until `stop`. When this returns, held requests were answered and the socket's file is gone.
///
/// # Errors
/// As for [`until_signal`].
pub async fn until(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    let socket = Socket::bind(&config.server).await?;
    let admin_socket = match &config.server.admin_socket {
        Some(path) => Some(Socket::bind_admin(path).await?),
        None => None,
    };
    // Before anything is served: no filter may get a state in which what was revoked is not. After the sockets are ours: a
    // predecessor that ends may have changed the list until then.
    let limits = svidgate_snapshot::Limits::default();
    let store = Arc::new(Store::new(limits));
    let revoker = Revoker::start(&config.revocations, limits, Arc::clone(&store), clock::unix_millis())?;
    let keys = credentials::Keys::read(&config.credentials.keys)?;
    let now = clock::unix_millis();
    let credentials = Arc::new(credentials::Store::new(&config.credentials.entries, keys, now));
    let admin = admin_socket.zip(revoker.clone()).map(|(socket, revoker)| Admin { socket, revoker });
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        socket = %socket.path().display(),
        admin_socket = admin.as_ref().map(|admin| admin.socket.path().display().to_string()),
        workload_api = config.workload_api.as_ref().map(WorkloadApi::address),
        "svidgate serves snapshots"
    );
    let sink = Sink::prepare(&config)?;
    let delivery = Delivery::start(&config, sink, Arc::clone(&store), Hooks::Run, None, &stop).await?;
    let fetched =
        credentials::run(config.clone(), Arc::clone(&credentials), delivery.secrets.clone(), stop.clone());
    let fetched = part::start("the sources of credentials", fetched, &stop);
    let bundles = bundles(config.workload_api, Arc::clone(&store), stop.clone());
    let bundles = part::start("the source of bundles", bundles, &stop);
    let listed = stop.clone();
    let revocations = async move {
        if let Some(revoker) = revoker {
            revoker.run(listed).await;
        }
    };
    let revocations = part::start("the source of revocations", revocations, &stop);
    let served = serve::run(socket, admin, store, credentials, delivery.shown(), stop.clone()).await;
    stop.cancel();
    delivery.end().await;
    served.context("the server ended")?;
    for part in [bundles, revocations, fetched] {
        part.end().await?;
    }
    tracing::info!("svidgate ended");
    Ok(())
}

/// Keeps the store up to date until `stop`; without a Workload API it says so, and there is nothing to keep.
async fn bundles(workload_api: Option<WorkloadApi>, store: Arc<Store>, stop: CancellationToken) {
    match workload_api {
        Some(WorkloadApi { endpoint, probe }) => {
            workload_api::run(endpoint, probe, source::Limits::default(), store, stop).await;
        }
        None => {
            tracing::info!("no workload_api.socket is configured: filters are given no bundles");
            store.apply(Event::Off, clock::unix_millis());
        }
    }
}

/// Each held request is an open file, and the usual soft limit of 1024 is there for programs that use `select`.
fn raise_file_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "the limit on open files stays as it was");
    }
}

fn stop_on_signal(stop: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    tokio::spawn(async move {
        for first in [true, false] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if first {
                tracing::info!("ending; another signal ends at once");
                stop.cancel();
            }
        }
        std::process::exit(1);
    });
    Ok(())
}
