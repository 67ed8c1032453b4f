//! A folder whose files change all at once, as kubelet does it for a Secret: `NAME` → `..data/NAME`, and `..data` → a folder
//! of its own for each state, replaced by a rename. A reader that opens `..data` once sees files of one state.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use zeroize::Zeroizing;

use super::write::{self, Outcome};
use crate::config::Owner;

/// One file of it.
#[derive(Debug)]
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
    if is_there && members.iter().all(same) && members.iter().all(|member| is_linked(folder, &member.name)) {
        return Ok(Outcome::Unchanged);
    }
    let state = tempfile::Builder::new().prefix("..state-").tempdir_in(folder)?;
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
    let old = fs::read_link(&data).ok();
    before()?;
    let name = state.path().file_name().ok_or_else(|| io::Error::other("the folder has no name"))?;
    link(folder, Path::new(name), DATA)?;
    // From here on it is in use.
    let _ = state.keep();
    for member in members {
        if !is_linked(folder, &member.name) {
            link(folder, &Path::new(DATA).join(&member.name), &member.name)?;
        }
    }
    if let Some(old) =
        old.filter(|old| old.components().count() == 1 && old.to_string_lossy().starts_with("..state-"))
    {
        fs::remove_dir_all(folder.join(old))?;
    }
    Ok(if is_there { Outcome::Replaced } else { Outcome::Made })
}

fn is_linked(folder: &Path, name: &str) -> bool {
    fs::read_link(folder.join(name)).is_ok_and(|target| target == Path::new(DATA).join(name))
}

/// A link that replaces what is there in one step.
fn link(folder: &Path, target: &Path, name: &str) -> io::Result<()> {
    let new = folder.join(format!("..new-{name}"));
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    symlink(target, &new)?;
    fs::rename(&new, folder.join(name))
}

const DATA: &str = "..data";
