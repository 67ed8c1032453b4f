//! The status in the body of a gRPC-Web answer without messages.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a gRPC-Web client learns of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// `grpc-status`.
    pub code: i32,
    /// `grpc-message`, or nothing.
    pub message: String,
}

impl Status {
    /// Reads a body of one frame of trailers, by its content type. None if that is not gRPC-Web, or the body is empty.
    ///
    /// # Errors
    /// When the body is anything else.
    pub fn read(content_type: &str, body: &[u8]) -> io::Result<Option<Self>> {
        if !content_type.starts_with("application/grpc-web") || body.is_empty() {
            return Ok(None);
        }
        let frame = match content_type.starts_with("application/grpc-web-text") {
            true => STANDARD.decode(body).map_err(io::Error::other)?,
            false => body.to_vec(),
        };
        Self::read_frame(&frame).map(Some).ok_or_else(|| io::Error::other(format!("no trailers: {frame:?}")))
    }

    fn read_frame(frame: &[u8]) -> Option<Self> {
        let (head, trailers) = frame.split_first_chunk::<5>()?;
        let [flags, len @ ..] = *head;
        if flags != 0x80 || usize::try_from(u32::from_be_bytes(len)).ok()? != trailers.len() {
            return None;
        }
        let mut lines = std::str::from_utf8(trailers).ok()?.strip_suffix("\r\n")?.split("\r\n");
        let code = lines.next()?.strip_prefix("grpc-status:")?.parse().ok()?;
        let message = match lines.next() {
            Some(line) => line.strip_prefix("grpc-message:")?.to_owned(),
            None => String::new(),
        };
        lines.next().is_none().then_some(Self { code, message })
    }
}
