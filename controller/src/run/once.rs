//! `svidgate run --once`, for an init container: every file is written, then it ends.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use svidgate_vault::AtShutdown;
use tokio_util::sync::CancellationToken;

use super::Delivery;
use crate::config::{Config, ConfigError};
use crate::sink::{Board, Hooks, Phase, Sink};
use crate::source::{self, workload_api};
use crate::store::Store;

/// How it is done once.
#[derive(Clone, Copy, Debug)]
pub struct Once {
    /// The longest that it may take.
    pub deadline: Duration,
    /// Whether hooks run; usually nobody reads the files yet.
    pub hooks: Hooks,
}

/// Writes every file of the settings. Leases and token are left to end by themselves, because the files are used now.
///
/// # Errors
/// When not every file is there at the deadline; the text says what is missing and why.
pub async fn once(config: Config, once: Once) -> anyhow::Result<()> {
    if config.files.is_empty() {
        return Err(ConfigError::one("settings", "files: is required with --once").into());
    }
    let stop = CancellationToken::new();
    let _ended = stop.clone().drop_guard();
    let sink = Sink::prepare(&config)?;
    let store = Arc::new(Store::new(svidgate_snapshot::Limits::default()));
    if sink.needs_workload_api()
        && let Some(workload_api) = &config.workload_api
    {
        tokio::spawn(workload_api::run(
            workload_api.endpoint.clone(),
            workload_api.probe,
            source::Limits::default(),
            Arc::clone(&store),
            stop.clone(),
        ));
    }
    let leave = Some(AtShutdown::Leave);
    let start = Delivery::start(&config, sink, store, once.hooks, leave, &stop);
    let delivery = start.await.context("Vault cannot be used")?;
    let in_time = tokio::time::timeout(once.deadline, delivery.board.all_current()).await.is_ok();
    let missing = (!in_time).then(|| missing(&delivery.board, &delivery, once.deadline));
    stop.cancel();
    delivery.end().await;
    match missing {
        None => Ok(()),
        Some(text) => Err(anyhow!(text)),
    }
}

/// What is not there, and why; a line each.
fn missing(board: &Board, delivery: &Delivery, deadline: Duration) -> String {
    let mut text = format!("not every file was written within {deadline:?}");
    let mut line = |what: &str| {
        text.push_str("\n  ");
        text.push_str(what);
    };
    for (file, phase) in board.list() {
        if phase != Phase::Current {
            line(&format!("{file}: {phase}"));
        }
    }
    let secrets = delivery.secrets.as_ref().map(|secrets| secrets.status().complaints()).unwrap_or_default();
    for complaint in secrets {
        line(&complaint);
    }
    text
}
