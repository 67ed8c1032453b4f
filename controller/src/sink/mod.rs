//! Files that applications read: rendered from secrets, SVIDs and bundles, replaced whole, and who is told of a change.
//!
//! A failing hook is tried again by itself and makes nobody fetch a secret anew (checklist H13); the credential that was in
//! the file before is held alive meanwhile.

mod board;
mod folder;
mod hook;
mod sources;
mod task;
pub mod template;
mod write;

use std::collections::HashMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use board::{Board, Phase};
pub use sources::Sources;
use task::Task;
use template::Template;

use crate::config::{Config, ConfigError, Content, File};

/// Files that are ready to be kept up to date.
#[derive(Debug)]
pub struct Sink {
    files: Vec<Prepared>,
    board: Arc<Board>,
}

/// A file with its templates read.
#[derive(Clone, Debug)]
struct Prepared {
    file: File,
    /// By name, as [`crate::config::Target::contents`] gives them.
    templates: Vec<(String, Template)>,
}

/// How hooks are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hooks {
    /// They run.
    Run,
    /// They do not: nobody can have read the files yet.
    Skip,
}

impl Sink {
    /// Reads the templates that lie in files.
    ///
    /// # Errors
    /// Every mistake at once, with its path.
    pub fn prepare(config: &Config) -> Result<Self, ConfigError> {
        let (mut files, mut mistakes) = (Vec::new(), Vec::new());
        for (index, file) in config.files.iter().enumerate() {
            let mut templates = Vec::new();
            for (name, content) in file.target.contents() {
                match read(content, config) {
                    Ok(template) => templates.push((name.to_owned(), template)),
                    Err(mistake) => mistakes.push(format!("files[{index}].{mistake}")),
                }
            }
            files.push(Prepared { file: file.clone(), templates });
        }
        if mistakes.is_empty() {
            let board = Arc::new(Board::new(files.iter().map(|prepared| prepared.file.target.path())));
            Ok(Self { files, board })
        } else {
            Err(ConfigError { origin: "settings".to_owned(), mistakes })
        }
    }

    /// Mistakes in templates that lie in files, as far as those are there: they may be elsewhere than where settings are
    /// checked.
    #[must_use]
    pub fn check(config: &Config) -> Vec<String> {
        let of_files = |content: &Content| matches!(content, Content::TemplateFile(path) if path.exists());
        let mut mistakes = Vec::new();
        for (index, file) in config.files.iter().enumerate() {
            for (_, content) in file.target.contents().filter(|(_, content)| of_files(content)) {
                mistakes
                    .extend(read(content, config).err().map(|mistake| format!("files[{index}].{mistake}")));
            }
        }
        mistakes
    }

    /// Whether any file needs the X.509-SVID or a bundle.
    #[must_use]
    pub fn needs_workload_api(&self) -> bool {
        self.files.iter().flat_map(|file| &file.templates).any(|(_, template)| template.needs_workload_api())
    }

    /// How each file is.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// Keeps the files up to date until `stop`. A hook that runs then is ended.
    pub async fn run(self, sources: Sources, hooks: Hooks, stop: CancellationToken) {
        let (mut tasks, mut paths) = (JoinSet::new(), HashMap::new());
        for Prepared { file, templates } in self.files {
            let path = file.target.path().to_owned();
            let board = Arc::clone(&self.board);
            let hook = file.hook.clone().filter(|_| hooks == Hooks::Run);
            let task = Task::new(file, templates, hook, sources.clone(), board);
            let stop = stop.clone();
            let started = tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = task.run() => {}
                }
            });
            paths.insert(started.id(), path);
        }
        while let Some(ended) = tasks.join_next_with_id().await {
            // One that fails takes none of the others with it. What it says of itself may have a value in it.
            if let Err(error) = ended
                && let Some(path) = paths.get(&error.id())
            {
                self.board.set(path, Phase::Failing("nothing looks after it any more: restart".to_owned()));
            }
        }
    }
}

fn read(content: &Content, config: &Config) -> Result<Template, String> {
    match content {
        Content::Ready(ready) => Ok(Template::ready(ready)),
        Content::Template(text) => Template::compile(text).map_err(|error| format!("template: {error}")),
        Content::TemplateFile(path) => {
            let bad = |error: &str| format!("template_file: {}: {error}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| bad(&error.to_string()))?;
            let template = Template::compile(&text).map_err(|error| bad(&error))?;
            if config.workload_api.is_none() && template.needs_workload_api() {
                return Err(bad("uses `svid` or `bundles`, for which workload_api.socket is required"));
            }
            match template.secrets().into_iter().find(|name| !config.secrets.contains_key(name)) {
                Some(name) => Err(bad(&format!("uses secrets.{name}, which is not among `secrets`"))),
                None => Ok(template),
            }
        }
    }
}

#[cfg(test)]
mod tests;
