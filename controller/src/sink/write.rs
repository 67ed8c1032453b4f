//! A file is replaced whole, by a rename, and only if it is to be different (checklist H12).

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::config::{Owner, Target};

/// What became of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was as it is to be.
    Unchanged,
    /// It was not there.
    Made,
    /// Something else was there.
    Replaced,
}

/// Makes `path` hold `bytes`. `before` is done just before it shows.
pub(super) fn file(
    path: &Path,
    bytes: &[u8],
    mode: u32,
    owner: Owner,
    before: impl FnOnce() -> io::Result<()>,
) -> io::Result<Outcome> {
    let there = fs::symlink_metadata(path);
    if let Ok(there) = &there
        && there.is_dir()
    {
        return Err(io::Error::new(io::ErrorKind::IsADirectory, "there is a folder of that name"));
    }
    let is_there = there.is_ok();
    if is_there && is(path, bytes, mode, owner)? {
        return Ok(Outcome::Unchanged);
    }
    let folder = path.parent().ok_or_else(|| io::Error::other("it has no folder"))?;
    // In the same folder, so that the rename is one step; nobody else may open it meanwhile.
    let mut new = tempfile::Builder::new().prefix(&beside(path, NEW)).tempfile_in(folder)?;
    fill(new.as_file_mut(), bytes, mode, owner)?;
    before()?;
    new.persist(path).map_err(|error| error.error)?;
    Ok(if is_there { Outcome::Replaced } else { Outcome::Made })
}

/// Content first, rights last: until then only we can read it.
pub(super) fn fill(file: &mut File, bytes: &[u8], mode: u32, owner: Owner) -> io::Result<()> {
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    if owner != Owner::default() {
        fchown(&*file, owner.user, owner.group)?;
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    file.sync_all()
}

/// Whether `path` is a file with this content, mode and owner. A link is none of ours.
pub(super) fn is(path: &Path, bytes: &[u8], mode: u32, owner: Owner) -> io::Result<bool> {
    let found = fs::symlink_metadata(path)?;
    let same = found.is_file()
        && found.mode() & 0o7777 == mode
        && found.len() == bytes.len() as u64
        && owner.user.is_none_or(|user| user == found.uid())
        && owner.group.is_none_or(|group| group == found.gid());
    if !same {
        return Ok(false);
    }
    let mut held = Zeroizing::new(Vec::with_capacity(bytes.len().saturating_add(1)));
    // One we may not read is replaced.
    match File::open(path).and_then(|file| file.take(found.len().saturating_add(1)).read_to_end(&mut held)) {
        Ok(_) => Ok(held.as_slice() == bytes),
        Err(_) => Ok(false),
    }
}

/// A note beside the file, or in the folder, that its readers were not told yet: it outlives us.
pub(super) fn note(target: &Target) -> PathBuf {
    let path = match target {
        Target::File { path, .. } => path,
        Target::Folder { path, .. } => return path.join("..hook-due"),
    };
    path.with_file_name(beside(path, ".svidgate-hook-due"))
}

/// Makes the note. Whatever others put in its place is neither followed nor changed.
pub(super) fn take_note(note: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(note) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// Whether the note is there.
pub(super) fn has_note(target: &Target) -> bool {
    fs::symlink_metadata(note(target)).is_ok()
}

/// Removes what a process before us did not come to put in place: it holds secrets.
pub(super) fn clean(target: &Target) {
    match target {
        Target::Folder { path, .. } => super::folder::clean(path),
        Target::File { path, .. } => {
            let Some(folder) = path.parent() else { return };
            let prefix = beside(path, NEW);
            let left = |name: &OsStr| name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes());
            for file in names(folder).into_iter().filter(|name| left(name)).map(|name| folder.join(name)) {
                match fs::remove_file(&file) {
                    Ok(()) => {
                        tracing::warn!(file = %file.display(), "what an earlier process left half done was removed")
                    }
                    Err(error) => {
                        tracing::warn!(file = %file.display(), %error, "what was left half done stays")
                    }
                }
            }
        }
    }
}

/// What is in a folder; nothing where that cannot be told.
pub(super) fn names(folder: &Path) -> Vec<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name()).collect()
}

/// A hidden name of ours that goes with the name of a file.
fn beside(path: &Path, what: &str) -> OsString {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(what);
    name
}

const NEW: &str = ".svidgate-new-";

/// Whether others could put a file of theirs in place of ours.
pub(super) fn is_open_to_others(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|found| found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0)
}
