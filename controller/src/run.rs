//! `svidgate run`: source, store and server in one process, from start to a graceful end.

use std::sync::Arc;

use anyhow::Context as _;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::serve::{self, Socket};
use crate::source::{self, workload_api};
use crate::store::Store;

/// Runs until SIGTERM or SIGINT. A second signal ends the process at once.
///
/// # Errors
/// When the socket cannot be bound, or a part ends that should not.
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
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        socket = %socket.path().display(),
        workload_api = config.workload_api.address(),
        "svidgate serves snapshots"
    );
    let store = Arc::new(Store::new(svidgate_snapshot::Limits::default()));
    let bundles = tokio::spawn(workload_api::run(
        config.workload_api.endpoint,
        config.workload_api.probe,
        source::Limits::default(),
        Arc::clone(&store),
        stop.clone(),
    ));
    let served = serve::run(socket, store, stop.clone()).await;
    stop.cancel();
    served.context("the server ended")?;
    bundles.await.context("the source ended")?;
    tracing::info!("svidgate ended");
    Ok(())
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
