//! A file is replaced whole, by a rename, and only if it is to be different (checklist H12).

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
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
    let mut new = tempfile::Builder::new().prefix(".svidgate-").tempfile_in(folder)?;
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
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".svidgate-hook-due");
    path.with_file_name(name)
}

/// Whether others could put a file of theirs in place of ours.
pub(super) fn is_open_to_others(folder: &Path) -> bool {
    fs::metadata(folder).is_ok_and(|found| found.mode() & 0o022 != 0 && found.mode() & 0o1000 == 0)
}
