//! How each file is, for health and metrics. No content is seen here.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use tokio::sync::watch;

/// The files of one process, by path.
#[derive(Debug)]
pub struct Board {
    files: Mutex<BTreeMap<String, Phase>>,
    writes: Family<Labels, Counter>,
    hooks: Family<Labels, Counter>,
    current: Family<FileLabel, Gauge>,
    changed: watch::Sender<()>,
}

/// How a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// It needs what is not there; what was written before stays.
    Waiting(String),
    /// It cannot be rendered or written; what was written before stays.
    Failing(String),
    /// It is written, and its readers were not told yet.
    Hook(Option<String>),
    /// It is written, and everybody who is to be told was told.
    Current,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    file: String,
    status: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FileLabel {
    file: String,
}

impl Board {
    pub(super) fn new<'p>(paths: impl Iterator<Item = &'p Path>) -> Self {
        let board = Self {
            files: Mutex::default(),
            writes: Family::default(),
            hooks: Family::default(),
            current: Family::default(),
            changed: watch::Sender::new(()),
        };
        for path in paths {
            let file = path.display().to_string();
            board.current.get_or_create(&FileLabel { file: file.clone() }).set(0);
            board.files().insert(file, Phase::Waiting("not rendered yet".to_owned()));
        }
        board
    }

    pub(super) fn set(&self, path: &Path, phase: Phase) {
        let file = path.display().to_string();
        let current = i64::from(phase == Phase::Current);
        self.current.get_or_create(&FileLabel { file: file.clone() }).set(current);
        let before = self.files().insert(file.clone(), phase.clone());
        if before.as_ref() == Some(&phase) {
            return;
        }
        self.changed.send_replace(());
        match phase {
            Phase::Waiting(reason) => tracing::info!(file, reason, "a file is not written yet"),
            Phase::Failing(reason) => tracing::error!(file, reason, "a file cannot be written"),
            Phase::Hook(Some(reason)) => tracing::error!(file, reason, "a hook failed and is tried again"),
            Phase::Hook(None) | Phase::Current => {}
        }
    }

    pub(super) fn wrote(&self, path: &Path, ok: bool) {
        self.writes.get_or_create(&labels(path, ok)).inc();
    }

    pub(super) fn hooked(&self, path: &Path, ok: bool) {
        self.hooks.get_or_create(&labels(path, ok)).inc();
    }

    /// Puts the metrics into a registry with the prefix `svidgate`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("file_writes", "Files written because their content changed", self.writes.clone());
        registry.register("file_hook_runs", "Runs of hooks, by their end", self.hooks.clone());
        registry.register(
            "file_current",
            "1 while the file holds what is in force and its hook has succeeded",
            self.current.clone(),
        );
    }

    /// Every file with its state.
    #[must_use]
    pub fn list(&self) -> BTreeMap<String, Phase> {
        self.files().clone()
    }

    /// Until every file is written, and every hook has succeeded that is due.
    pub async fn all_current(&self) {
        let mut changed = self.changed.subscribe();
        while !self.is_current() {
            // The sender is ours.
            let _ = changed.changed().await;
        }
    }

    /// Whether that is so now.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.files().values().all(|phase| *phase == Phase::Current)
    }

    /// For `/health`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let files = self.list();
        let status =
            if files.values().all(|phase| *phase == Phase::Current) { "healthy" } else { "degraded" };
        let files = files.into_iter().map(|(file, phase)| (file, json!(phase.to_string())));
        json!({ "status": status, "files": files.collect::<serde_json::Map<_, _>>() })
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, Phase>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(reason) => f.write_str(reason),
            Self::Failing(reason) => write!(f, "failing: {reason}"),
            Self::Hook(None) => f.write_str("written; its hook runs"),
            Self::Hook(Some(reason)) => write!(f, "written; its hook fails: {reason}"),
            Self::Current => f.write_str("current"),
        }
    }
}

fn labels(path: &Path, ok: bool) -> Labels {
    Labels { file: path.display().to_string(), status: if ok { "success" } else { "error" } }
}
