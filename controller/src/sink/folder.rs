//! A folder whose files change all at once, as kubelet does it for a Secret: `NAME` → `..data/NAME`, and `..data` → a folder
//! of its own for each state, replaced by a rename. A reader that opens `..data` once sees files of one state.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::write::{self, Outcome};
use crate::config::Owner;

/// One file of it.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) bytes: Zeroizing<Vec<u8>>,
    pub(super) mode: u32,
}

/// Makes `folder` hold exactly these of our files. `before` is done just before they show.
pub(super) fn set(
    folder: &Path,
    members: &[Member],
    owner: Owner,
    before: impl FnOnce() -> io::Result<()>,
) -> io::Result<Outcome> {
    match DirBuilder::new().mode(0o755).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let data = folder.join(DATA);
    let is_there = fs::symlink_metadata(&data).is_ok();
    let same = |member: &Member| {
        write::is(&data.join(&member.name), &member.bytes, member.mode, owner).unwrap_or(false)
    };
    let is_same = is_there && members.iter().all(same);
    if !is_same {
        change(folder, members, owner, before)?;
        // What was in force before, and what somebody did not come to put in force.
        clean(folder);
    }
    let unlinked: Vec<&Member> = members.iter().filter(|member| !is_linked(folder, &member.name)).collect();
    for member in &unlinked {
        link(folder, &Path::new(DATA).join(&member.name), &member.name)?;
    }
    Ok(match (is_there, is_same && unlinked.is_empty()) {
        (_, true) => Outcome::Unchanged,
        (true, false) => Outcome::Replaced,
        (false, false) => Outcome::Made,
    })
}

/// Removes states that are not in force, and links that were not put in place. What cannot be removed now is tried again at
/// the next change: it is in nobody's way.
pub(super) fn clean(folder: &Path) {
    let current = match fs::read_link(folder.join(DATA)) {
        Ok(current) => current,
        Err(error) if error.kind() == io::ErrorKind::NotFound => PathBuf::new(),
        // Nobody can tell which one is in force.
        Err(_) => return,
    };
    for name in write::names(folder) {
        let path = folder.join(&name);
        let removed = match name.to_str() {
            Some(text) if text.starts_with(STATE) && Path::new(text) != current => fs::remove_dir_all(&path),
            Some(text) if text.starts_with(NEW) => fs::remove_file(&path),
            _ => continue,
        };
        if let Err(error) = removed {
            tracing::warn!(path = %path.display(), %error, "what is not in force any more stays for now");
        }
    }
}

/// Puts another state in force, at once.
fn change(
    folder: &Path,
    members: &[Member],
    owner: Owner,
    before: impl FnOnce() -> io::Result<()>,
) -> io::Result<()> {
    let state = tempfile::Builder::new().prefix(STATE).tempdir_in(folder)?;
    for member in members {
        let mut file: File = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(state.path().join(&member.name))?;
        write::fill(&mut file, &member.bytes, member.mode, owner)?;
    }
    // The files keep out whom they keep out; their folder must be passable for those they let in.
    fs::set_permissions(state.path(), Permissions::from_mode(0o755))?;
    before()?;
    let name = state.path().file_name().ok_or_else(|| io::Error::other("the folder has no name"))?;
    link(folder, Path::new(name), DATA)?;
    // From here on it is in use.
    let _ = state.keep();
    Ok(())
}

fn is_linked(folder: &Path, name: &str) -> bool {
    fs::read_link(folder.join(name)).is_ok_and(|target| target == Path::new(DATA).join(name))
}

/// A link that replaces what is there in one step.
fn link(folder: &Path, target: &Path, name: &str) -> io::Result<()> {
    let new = folder.join(format!("{NEW}{name}"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &new)?;
    fs::rename(&new, folder.join(name))
}

const DATA: &str = "..data";
const STATE: &str = "..state-";
const NEW: &str = "..new-";
