//! One file, or folder of files, for as long as the controller runs.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use svidgate_vault::Hold;
use tokio::time::{Instant, sleep_until};

use super::board::{Board, Phase};
use super::folder::{self, Member};
use super::hook;
use super::sources::Sources;
use super::template::{RenderError, Rendered, Template};
use super::write::{self, Outcome};
use crate::config::{File, Hook, Target};

/// By name, as the target has them.
type Contents = Vec<(String, Rendered)>;

pub(super) struct Task {
    file: File,
    templates: Vec<(String, Template)>,
    hook: Option<Hook>,
    sources: Sources,
    board: Arc<Board>,
    state: State,
}

struct State {
    /// What is in force where the readers were told last.
    told: Vec<Hold>,
    /// What is in the file; the same, unless a hook is due.
    written: Vec<Hold>,
    /// Whether a hook is due.
    due: bool,
    /// Whether the file was there once: then somebody may have read it, and not know that it was removed since.
    was_there: bool,
    /// When to try again what failed.
    again: Option<Instant>,
    backoff: ExponentialBackoff,
}

impl Task {
    pub(super) fn new(
        file: File,
        templates: Vec<(String, Template)>,
        hook: Option<Hook>,
        sources: Sources,
        board: Arc<Board>,
    ) -> Self {
        // What a process before us left to do.
        let due = hook.is_some() && write::has_note(&file.target);
        let state = State {
            told: Vec::new(),
            written: Vec::new(),
            due,
            was_there: false,
            again: None,
            backoff: backoff(),
        };
        Self { file, templates, hook, sources, board, state }
    }

    pub(super) async fn run(mut self) {
        let path = self.file.target.path().to_owned();
        if let Some(folder) = path.parent().filter(|folder| write::is_open_to_others(folder)) {
            tracing::warn!(
                folder = %folder.display(),
                "others may write to the folder of a file: they can put one of theirs in its place"
            );
        }
        let target = self.file.target.clone();
        // What it cannot do, it says itself.
        let _ = tokio::task::spawn_blocking(move || write::clean(&target)).await;
        let mut changes = self.sources.changes();
        loop {
            changes.seen();
            let written = self.write().await;
            if written && self.state.due {
                self.tell().await;
            } else if written {
                self.settle();
            }
            tokio::select! {
                () = changes.next() => {}
                () = due(self.state.again) => {}
            }
        }
    }

    /// Renders, and writes what is different. Whether the file holds what is in force.
    async fn write(&mut self) -> bool {
        let path = self.file.target.path().to_owned();
        let (rendered, holds) = match self.render() {
            Ok(rendered) => rendered,
            Err(error) => {
                // A change is waited for, and nothing else: there is nothing to try again.
                self.state.again = None;
                self.board.set(
                    &path,
                    match error {
                        RenderError::Waiting(_) => Phase::Waiting(error.to_string()),
                        RenderError::Failed(error) => Phase::Failing(error),
                    },
                );
                return false;
            }
        };
        let (file, has_hook) = (self.file.clone(), self.hook.is_some());
        let outcome = tokio::task::spawn_blocking(move || put(&file, rendered, has_hook)).await;
        match outcome.unwrap_or_else(|error| Err(std::io::Error::other(error))) {
            Ok(outcome) => {
                if outcome != Outcome::Unchanged {
                    self.board.wrote(&path, true);
                    tracing::info!(file = %path.display(), "a file was written");
                    // Another content, another try.
                    self.state.backoff = backoff();
                }
                let first = outcome == Outcome::Made && !self.state.was_there;
                self.state.was_there = true;
                self.state.due |= match &self.hook {
                    Some(hook) => outcome != Outcome::Unchanged && (!first || hook.on_first_write),
                    None => false,
                };
                if first && !self.state.due {
                    forget_note(&self.file.target);
                }
                self.state.written = holds;
                self.state.again = None;
                true
            }
            Err(error) => {
                self.board.wrote(&path, false);
                self.board.set(&path, Phase::Failing(error.to_string()));
                // It may show already, and have failed at what comes after.
                self.state.due |= self.hook.is_some() && write::has_note(&self.file.target);
                // The holds are dropped, those of what is in the file stay.
                self.later();
                false
            }
        }
    }

    fn render(&self) -> Result<(Contents, Vec<Hold>), RenderError> {
        let inputs = self.sources.inputs();
        let mut all = Vec::new();
        for (name, template) in &self.templates {
            all.push((name.clone(), template.render(&inputs)?));
        }
        let secrets = all.iter().flat_map(|(_, rendered)| &rendered.secrets);
        let holds = secrets.filter_map(|secret| secret.hold()).collect();
        Ok((all, holds))
    }

    /// Runs the hook. The credentials of before are let go when it has succeeded.
    async fn tell(&mut self) {
        let Some(hook) = self.hook.clone() else { return };
        let path = self.file.target.path().to_owned();
        self.board.set(&path, Phase::Hook(None));
        let result = hook::run(&hook, &path).await;
        self.board.hooked(&path, result.is_ok());
        match result {
            Ok(()) => {
                tracing::info!(file = %path.display(), "a hook succeeded");
                self.state.due = false;
                forget_note(&self.file.target);
                self.settle();
            }
            Err(error) => {
                self.board.set(&path, Phase::Hook(Some(error)));
                self.later();
            }
        }
    }

    /// What is in the file is what its readers know.
    fn settle(&mut self) {
        self.state.told = std::mem::take(&mut self.state.written);
        self.state.again = None;
        self.state.backoff = backoff();
        self.board.set(self.file.target.path(), Phase::Current);
    }

    fn later(&mut self) {
        let pause = self.state.backoff.next().unwrap_or(MAX_PAUSE);
        self.state.again = Some(Instant::now() + pause);
    }
}

fn put(file: &File, rendered: Contents, has_hook: bool) -> std::io::Result<Outcome> {
    let note = write::note(&file.target);
    let before = || {
        if has_hook { write::take_note(&note) } else { Ok(()) }
    };
    match &file.target {
        Target::File { path, mode, .. } => {
            let Some((_, content)) = rendered.into_iter().next() else {
                return Err(std::io::Error::other("there is no content"));
            };
            write::file(path, &content.bytes, *mode, file.owner, before)
        }
        Target::Folder { path, contents } => {
            let members = rendered.into_iter().filter_map(|(name, content)| {
                let (_, mode) = contents.get(&name)?;
                Some(Member { name, bytes: content.bytes, mode: *mode })
            });
            folder::set(path, &members.collect::<Vec<_>>(), file.owner, before)
        }
    }
}

fn forget_note(target: &Target) {
    if let Err(error) = std::fs::remove_file(write::note(target))
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(file = %target.path().display(), %error, "the note of a hook that is due stays: it will run once more");
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(Duration::from_secs(1))
        .with_max_delay(MAX_PAUSE)
        .without_max_times()
        .with_jitter()
        .build()
}

const MAX_PAUSE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
