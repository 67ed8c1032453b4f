//! TLS early data: what a listener offers to a client that comes again.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::{ClientConnection, HandshakeKind, StreamOwned};

use crate::http::{Connection, PATIENCE, Request};

use super::client::{Target, tls_client};
use super::config::Tls;

/// The second of two sessions.
#[derive(Clone, Copy, Debug)]
pub struct Session {
    /// Whether it resumes the first.
    pub resumed: bool,
    /// How much the client may send before the handshake; none: nothing.
    pub early_data_bytes: Option<usize>,
}

/// Connects, sends a request so that the ticket arrives, and connects again, ready to send early data.
pub fn resume(address: SocketAddr) -> io::Result<Session> {
    let (mut config, name) = tls_client(&Target { address, tls: Tls::PlainCa, peer: None });
    config.enable_early_data = true;
    let config = Arc::new(config);
    let connect = || -> io::Result<_> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let client = ClientConnection::new(Arc::clone(&config), name.clone()).map_err(io::Error::other)?;
        Ok(StreamOwned::new(client, stream))
    };
    Connection::over(connect()?).send(&Request::get("/"))?;

    let mut second = connect()?;
    let early_data_bytes = second.conn.early_data().map(|early| early.bytes_left());
    second.conn.complete_io(&mut second.sock)?;
    Ok(Session { resumed: second.conn.handshake_kind() == Some(HandshakeKind::Resumed), early_data_bytes })
}
