//! The operator's file of revocations.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use svidgate_snapshot::{Limits, Revocations};

use super::document;

/// The file with the list that is in force of it.
#[derive(Clone, Debug)]
pub(super) struct ListFile {
    pub(super) path: PathBuf,
    pub(super) list: Revocations,
    /// When the content was written, by the file system; Unix milliseconds.
    pub(super) modified_at: u64,
    /// The text of the list.
    text: String,
}

/// What another look found.
#[derive(Debug)]
pub(super) enum Look {
    /// What is in force.
    Same,
    /// Another text, which is good.
    Another(ListFile),
    /// What is in force, after something was wrong.
    GoodAgain,
    /// What is wrong, with the path.
    Bad(String),
}

impl ListFile {
    /// Reads the file.
    ///
    /// # Errors
    /// Every mistake, with its path in the file.
    pub(super) fn read(path: &Path, limits: &Limits) -> Result<Self, String> {
        let origin = path.display().to_string();
        let (text, modified_at) =
            content(path).map_err(|error| format!("{origin}: cannot be read: {error}"))?;
        let list = document::list(&origin, &text, limits).map_err(|error| error.to_string())?;
        Ok(Self { path: path.to_owned(), list, modified_at, text })
    }

    /// Reads it again. Its content counts and not its time: what replaces a file may be older than it, and a mounted
    /// folder may change all at once.
    pub(super) fn look_again(&self, limits: &Limits, was_bad: bool) -> Look {
        match content(&self.path) {
            Ok((text, _)) if text == self.text && !was_bad => Look::Same,
            Ok((text, _)) if text == self.text => Look::GoodAgain,
            _ => match Self::read(&self.path, limits) {
                Ok(file) => Look::Another(file),
                Err(error) => Look::Bad(error),
            },
        }
    }
}

fn content(path: &Path) -> std::io::Result<(String, u64)> {
    let file = File::open(path)?;
    let modified = file.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut text = String::new();
    file.take(MAX_BYTES).read_to_string(&mut text)?;
    Ok((text, u64::try_from(modified.as_millis()).unwrap_or(u64::MAX)))
}

/// More than is read as YAML, which says so.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
