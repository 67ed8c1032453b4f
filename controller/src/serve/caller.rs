use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;

use super::Socket;

/// Who is at the other end of a connection, by the kernel's word and not by its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    /// User that the process had when it connected; none when the kernel does not say.
    pub(super) uid: Option<u32>,
}

impl Connected<IncomingStream<'_, Socket>> for Caller {
    fn connect_info(stream: IncomingStream<'_, Socket>) -> Self {
        Self { uid: stream.io().peer_cred().ok().map(|peer| peer.uid()) }
    }
}
