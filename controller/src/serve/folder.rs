//! Whether a folder is a safe place for a socket: whoever can replace the socket by their own hands out keys to every
//! filter, so nobody but root and ourselves may be able to.

use std::fs::{DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Component, Path, PathBuf};

use super::SocketError;

/// Makes the folder if only its last part is missing, and checks it.
///
/// The folder itself must be writable by its owner alone; the sticky bit does not help, since it lets others put
/// something in place before us. Each folder above may also be writable by others if it is sticky (`/tmp`), since
/// what is ours in it cannot be moved away. Each of them, and each link on the way, must belong to root or to us. An
/// access list counts as well: what it grants beyond the owner shows in the bits of the group.
///
/// Not checked: whether the owner root is another one than ours, as in a container with users of its own.
pub(crate) fn prepare(folder: &Path) -> Result<(), SocketError> {
    if let Some(above) = folder.parent() {
        walk(above)?;
        match DirBuilder::new().mode(0o755).create(folder) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(system(folder, "creating it")(error));
            }
            _ => {}
        }
    }
    let folder = walk(folder)?;
    judge(&folder, &look(&folder)?, Place::Own)
}

/// Checks each folder and each link on the way to `path`, which it returns without links.
fn walk(path: &Path) -> Result<PathBuf, SocketError> {
    let mut reached = PathBuf::from("/");
    judge(&reached, &look(&reached)?, Place::Above)?;
    let mut ahead = reversed(path);
    let mut links = 0_u32;
    while let Some(part) = ahead.pop() {
        if part == Path::new("/") {
            reached = part;
            continue;
        }
        if part == Path::new("..") {
            reached.pop();
            continue;
        }
        let next = reached.join(part);
        let found = look(&next)?;
        if found.file_type().is_symlink() {
            judge(&next, &found, Place::Link)?;
            links = links.saturating_add(1);
            if links > MAX_LINKS {
                return Err(system(path, "following its links")(io::Error::other("there are too many")));
            }
            let target = std::fs::read_link(&next).map_err(system(&next, "reading the link"))?;
            ahead.extend(reversed(&target));
        } else {
            judge(&next, &found, Place::Above)?;
            reached = next;
        }
    }
    Ok(reached)
}

/// The parts of a path, the last one first.
fn reversed(path: &Path) -> Vec<PathBuf> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts.rev().map(|part| PathBuf::from(part.as_os_str())).collect()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The folder of the socket.
    Own,
    /// A folder above it.
    Above,
    /// A symbolic link on the way; its mode means nothing.
    Link,
}

fn judge(path: &Path, found: &Metadata, place: Place) -> Result<(), SocketError> {
    let us = rustix::process::geteuid().as_raw();
    judge_as(us, path, found.uid(), found.mode(), place)
}

fn judge_as(us: u32, path: &Path, uid: u32, mode: u32, place: Place) -> Result<(), SocketError> {
    if uid != 0 && uid != us {
        return Err(SocketError::OwnedByAnother { path: path.to_owned(), uid });
    }
    let open = match place {
        Place::Link => false,
        Place::Own => mode & OTHERS_WRITE != 0,
        Place::Above => mode & OTHERS_WRITE != 0 && mode & STICKY == 0,
    };
    if open {
        return Err(SocketError::WritableByOthers { path: path.to_owned(), mode: mode & 0o7777 });
    }
    Ok(())
}

fn look(path: &Path) -> Result<Metadata, SocketError> {
    std::fs::symlink_metadata(path).map_err(system(path, "looking at it"))
}

fn system<'a>(path: &'a Path, action: &'static str) -> impl FnOnce(io::Error) -> SocketError + 'a {
    move |source| SocketError::System { path: path.to_owned(), action, source }
}

/// A group is refused too: that it is ours does not tell who else is in it.
const OTHERS_WRITE: u32 = 0o022;
const STICKY: u32 = 0o1000;

/// As many as the kernel follows.
const MAX_LINKS: u32 = 40;

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn folder_with(mode: u32, path: &Path) {
        std::fs::create_dir(path).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_sockets_own_folder_is_writable_by_its_owner_alone() {
        let temp = tempfile::tempdir().unwrap();
        for (number, mode) in [0o777, 0o1777, 0o775, 0o1770, 0o757].into_iter().enumerate() {
            let path = temp.path().join(number.to_string());
            folder_with(mode, &path);
            let error = prepare(&path).unwrap_err();
            assert!(matches!(&error, SocketError::WritableByOthers { mode: m, .. } if *m == mode), "{error}");
            assert!(!error.to_string().contains("sticky"), "{error}");
        }
        for mode in [0o700, 0o755, 0o2750] {
            let path = temp.path().join(format!("good{mode:o}"));
            folder_with(mode, &path);
            prepare(&path).unwrap();
        }
    }

    #[test]
    fn a_folder_above_may_be_open_to_others_only_if_it_is_sticky() {
        let temp = tempfile::tempdir().unwrap();
        folder_with(0o777, &temp.path().join("open"));
        let error = prepare(&temp.path().join("open/run")).unwrap_err();
        assert!(matches!(error, SocketError::WritableByOthers { mode: 0o777, .. }), "{error}");
        assert!(!temp.path().join("open/run").exists());
        folder_with(0o1777, &temp.path().join("sticky"));
        prepare(&temp.path().join("sticky/run")).unwrap();
        assert_eq!(std::fs::metadata(temp.path().join("sticky/run")).unwrap().mode() & 0o022, 0);
    }

    #[test]
    fn links_are_followed_and_what_they_lead_through_is_checked() {
        let temp = tempfile::tempdir().unwrap();
        folder_with(0o755, &temp.path().join("good"));
        folder_with(0o777, &temp.path().join("open"));
        folder_with(0o755, &temp.path().join("open/inner"));
        symlink("good/../good", temp.path().join("to_good")).unwrap();
        symlink(temp.path().join("open/inner"), temp.path().join("to_inner")).unwrap();
        symlink("loop", temp.path().join("loop")).unwrap();
        prepare(&temp.path().join("to_good")).unwrap();
        let error = prepare(&temp.path().join("to_inner")).unwrap_err();
        assert!(matches!(error, SocketError::WritableByOthers { .. }), "{error}");
        assert!(matches!(prepare(&temp.path().join("loop")).unwrap_err(), SocketError::System { .. }));
    }

    #[test]
    fn what_belongs_to_another_user_is_refused_whatever_its_mode() {
        let path = Path::new("/somewhere");
        for place in [Place::Own, Place::Above, Place::Link] {
            let error = judge_as(1000, path, 1001, 0o1700, place).unwrap_err();
            assert_eq!(
                error.to_string(),
                "/somewhere: belongs to user 1001, who could replace the socket: it must belong to root or to the \
                 user that serves on the socket"
            );
            judge_as(1000, path, 0, 0o755, place).unwrap();
            judge_as(1000, path, 1000, 0o755, place).unwrap();
        }
    }
}
