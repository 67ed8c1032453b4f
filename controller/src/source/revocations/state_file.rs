//! Where revocations that came over the admin socket outlive the process.

use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use svidgate_snapshot::{Limits, Revocations};

use super::RevokeError;
use crate::serve::{SocketError, prepare_folder};

/// A file with mode 0600 in a folder that nobody else can write to. It is replaced whole.
#[derive(Debug)]
pub(super) struct StateFile {
    path: PathBuf,
}

/// What stands in it.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) list: Revocations,
    /// When it last changed, Unix milliseconds.
    pub(super) changed_at: u64,
}

impl StateFile {
    /// Makes the folder if only its last part is missing, and checks it.
    ///
    /// # Errors
    /// When others could replace the file, and so take revocations back.
    pub(super) fn new(path: PathBuf) -> anyhow::Result<Self> {
        match prepare_folder(folder(&path)) {
            Ok(()) => Ok(Self { path }),
            Err(SocketError::WritableByOthers { path: folder, mode }) => anyhow::bail!(
                "{}: has mode {mode:04o}, so others could replace {} and take revocations back: take a folder that \
                 only its owner can write (revocations.state_file)",
                folder.display(),
                path.display()
            ),
            Err(SocketError::OwnedByAnother { path: folder, uid }) => anyhow::bail!(
                "{}: belongs to user {uid}, who could replace {} and take revocations back: it must belong to root or \
                 to the controller's user (revocations.state_file)",
                folder.display(),
                path.display()
            ),
            Err(error) => Err(error).context("revocations.state_file"),
        }
    }

    /// What was saved last; `None` before the first time.
    ///
    /// # Errors
    /// When it is there and cannot be used.
    pub(super) fn load(&self, limits: &Limits) -> anyhow::Result<Option<Stored>> {
        let mut text = String::new();
        match File::open(&self.path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| self.path.display().to_string())?,
        };
        let read = || -> anyhow::Result<Stored> {
            let saved: Saved<'_> = serde_json::from_str(&text)?;
            anyhow::ensure!(saved.format == FORMAT, "format {}, this version knows {FORMAT}", saved.format);
            let list = Revocations::from_json(saved.revocations.get(), limits)?;
            Ok(Stored { list, changed_at: saved.changed_at })
        };
        let stored = read().with_context(|| {
            format!(
                "{}: cannot be used, and without it revoked tokens would be let in again: mend it, or move it away \
                 and revoke anew",
                self.path.display()
            )
        })?;
        Ok(Some(stored))
    }

    /// Replaces the content. When this returns, it is on disk.
    ///
    /// # Errors
    /// [`RevokeError::NotWritten`]; then the old content is there.
    pub(super) fn save(&self, list: &Revocations, changed_at: u64) -> Result<(), RevokeError> {
        let fail = |action| move |source| RevokeError::NotWritten { path: self.path.clone(), action, source };
        let list = serde_json::value::to_raw_value(list).map_err(|error| fail("writing it")(error.into()))?;
        let saved = Saved { format: FORMAT, changed_at, revocations: &list };
        let text = serde_json::to_vec(&saved).map_err(|error| fail("writing it")(error.into()))?;
        let mut file = tempfile::Builder::new()
            .prefix(".revocations")
            .permissions(Permissions::from_mode(0o600))
            .tempfile_in(folder(&self.path))
            .map_err(fail("creating a file beside it"))?;
        file.write_all(&text).and_then(|()| file.as_file().sync_all()).map_err(fail("writing it"))?;
        file.persist(&self.path).map_err(|error| fail("moving it into place")(error.error))?;
        // The name too.
        File::open(folder(&self.path))
            .and_then(|folder| folder.sync_all())
            .map_err(fail("writing its folder"))
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved<'a> {
    format: u64,
    changed_at: u64,
    #[serde(borrow)]
    revocations: &'a RawValue,
}

const FORMAT: u64 = 1;

/// Above the limit on a list.
const MAX_BYTES: u64 = 4 * 1024 * 1024;
