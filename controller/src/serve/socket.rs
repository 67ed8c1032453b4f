//! The Unix socket: who may reach it, and what becomes of its file.

use std::collections::BTreeSet;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::serve::Listener;
use thiserror::Error;
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::Instant;

use super::folder;
use crate::config::Server;

/// Why there is no socket to serve on.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SocketError {
    /// Another process answers there: a second controller, most likely.
    #[error("{}: another process is serving on this socket", .0.display())]
    InUse(PathBuf),
    /// There is something else under that name; it is left alone.
    #[error("{}: exists and is no socket", .0.display())]
    NotASocket(PathBuf),
    /// Others could put a socket of their own in this place and hand out keys.
    #[error(
        "{}: has mode {mode:04o}, so others could put another socket in place: take a folder that only its owner can \
         write",
        path.display()
    )]
    WritableByOthers {
        /// The folder in question.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Another user could do so.
    #[error(
        "{}: belongs to user {uid}, who could replace the socket: it must belong to root or to the user that serves \
         on the socket",
        path.display()
    )]
    OwnedByAnother {
        /// The folder or link in question.
        path: PathBuf,
        /// Its owner.
        uid: u32,
    },
    /// The system refused.
    #[error("{}: {action}: {source}", path.display())]
    System {
        /// The path in question.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

/// A bound socket. Its file is removed when this is dropped, if it is still ours.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    allowed_uids: Option<BTreeSet<u32>>,
    file: SocketFile,
    last_complaint: Option<Instant>,
}

impl Socket {
    /// Binds the socket with its mode already set: there is no moment at which others could connect. The folder is
    /// made if only its last part is missing, and must be one in which nobody else can put a socket in this place; the
    /// file of a dead process is replaced.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn bind(server: &Server) -> Result<Self, SocketError> {
        Self::bind_at(&server.socket, server.mode, server.allowed_uids.clone()).await
    }

    /// As [`Self::bind`], for the operator: only our own user and root may connect.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn bind_admin(path: &Path) -> Result<Self, SocketError> {
        Self::bind_at(path, ADMIN_MODE, None).await
    }

    /// As [`Self::bind`], by its parts.
    ///
    /// # Errors
    /// [`SocketError`].
    pub async fn bind_at(
        path: &Path,
        mode: u32,
        allowed_uids: Option<BTreeSet<u32>>,
    ) -> Result<Self, SocketError> {
        let folder = path.parent().unwrap_or(Path::new("/"));
        folder::prepare(folder)?;
        check_free(path).await?;

        // Bound in a folder that only we can enter, then moved into place.
        let system = |action| move |source| SocketError::System { path: path.to_owned(), action, source };
        let private = tempfile::Builder::new()
            .prefix(".")
            .permissions(Permissions::from_mode(0o700))
            .tempdir_in(folder)
            .map_err(system("creating a folder beside it"))?;
        let early = private.path().join("s");
        let listener = UnixListener::bind(&early).map_err(system("binding"))?;
        std::fs::set_permissions(&early, Permissions::from_mode(mode)).map_err(system("setting its mode"))?;
        std::fs::rename(&early, path).map_err(system("moving it into place"))?;
        let file = SocketFile::new(path).map_err(system("looking at it"))?;
        Ok(Self { listener, allowed_uids, file, last_complaint: None })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    fn admits(&mut self, stream: &UnixStream) -> bool {
        let Some(allowed) = &self.allowed_uids else { return true };
        // The kernel's word: the uid that the peer had when it connected.
        let uid = stream.peer_cred().map(|peer| peer.uid());
        if uid.as_ref().is_ok_and(|uid| allowed.contains(uid)) {
            return true;
        }
        let now = Instant::now();
        if self.last_complaint.is_none_or(|last| now.duration_since(last) >= COMPLAINT_INTERVAL) {
            self.last_complaint = Some(now);
            tracing::warn!(uid = ?uid.ok(), "a connection was refused: the user is not in server.allowed_uids");
        }
        false
    }
}

impl Listener for Socket {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) if self.admits(&stream) => return (stream, address),
                Ok(_) => {}
                Err(error) => {
                    // Out of file descriptors, most likely: others must end first.
                    tracing::error!(%error, "accepting a connection failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

async fn check_free(path: &Path) -> Result<(), SocketError> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(SocketError::System { path: path.to_owned(), action: "looking at it", source }),
        Ok(found) if !found.file_type().is_socket() => Err(SocketError::NotASocket(path.to_owned())),
        Ok(_) => match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
            Err(source) => Err(SocketError::System {
                path: path.to_owned(),
                action: "asking whether it is in use",
                source,
            }),
            Ok(_) => Err(SocketError::InUse(path.to_owned())),
        },
    }
}

#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

impl SocketFile {
    fn new(path: &Path) -> io::Result<Self> {
        let found = std::fs::symlink_metadata(path)?;
        Ok(Self { path: path.to_owned(), device: found.dev(), inode: found.ino() })
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A successor may have put its own in this place.
        let ours = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (self.device, self.inode));
        if ours {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

const ADMIN_MODE: u32 = 0o600;
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn server(path: &Path) -> Server {
        Server { socket: path.to_owned(), mode: 0o600, allowed_uids: None, admin_socket: None }
    }

    #[tokio::test]
    async fn the_socket_has_its_mode_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run/c.sock");
        let socket = Socket::bind(&Server { mode: 0o640, ..server(&path) }).await.unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        UnixStream::connect(&path).await.unwrap();
        drop(socket);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_file_of_a_dead_process_is_replaced_and_a_live_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let _live = Socket::bind(&server(&path)).await.unwrap();
        let error = Socket::bind(&server(&path)).await.unwrap_err();
        assert!(matches!(error, SocketError::InUse(_)), "{error}");
    }

    #[tokio::test]
    async fn the_file_of_a_successor_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.sock");
        let first = Socket::bind(&server(&path)).await.unwrap();
        std::fs::remove_file(&path).unwrap();
        let _second = Socket::bind(&server(&path)).await.unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn other_files_and_open_folders_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("c.sock");
        std::fs::write(&path, "keep me").unwrap();
        let error = Socket::bind(&server(&path)).await.unwrap_err();
        assert!(matches!(error, SocketError::NotASocket(_)), "{error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "keep me");

        let open = folder.path().join("open");
        std::fs::create_dir(&open).unwrap();
        std::fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
        let error = Socket::bind(&server(&open.join("c.sock"))).await.unwrap_err();
        assert!(matches!(error, SocketError::WritableByOthers { .. }), "{error}");

        let error = Socket::bind(&server(&folder.path().join("a/b/c.sock"))).await.unwrap_err();
        assert!(matches!(error, SocketError::System { .. }), "{error}");
    }
}
