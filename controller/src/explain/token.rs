//! Where the token comes from.

use std::io::{IsTerminal as _, Read as _, Write as _};

use crate::cli::Failure;
use crate::config::ConfigError;

/// The token, and whether it stood in an `Authorization` header.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) bytes: Vec<u8>,
    pub(super) from_header: bool,
}

/// Reads the argument, or standard input when there is none or it is `-`.
pub(super) fn read(argument: Option<&str>) -> Result<Token, Failure> {
    let text = match argument {
        Some(token) if token != "-" => token.as_bytes().to_vec(),
        _ => standard_input().map_err(|error| {
            Failure::Other(anyhow::Error::new(error).context("reading the token from standard input"))
        })?,
    };
    let token = Token::from_text(&text);
    if token.bytes.is_empty() {
        return Err(ConfigError::one("token", "is empty: give it on standard input or as an argument").into());
    }
    Ok(token)
}

impl Token {
    /// Takes off what a shell or a copied header puts around a token; inside it nothing is changed.
    pub(crate) fn from_text(text: &[u8]) -> Self {
        let text = text.trim_ascii();
        let value = strip_word(text, b"authorization:").unwrap_or(text);
        match strip_word(value, b"bearer ") {
            Some(token) => Self { bytes: token.to_vec(), from_header: true },
            None => Self { bytes: value.to_vec(), from_header: false },
        }
    }
}

fn strip_word<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then(|| rest.trim_ascii_start())
}

pub(crate) fn standard_input() -> std::io::Result<Vec<u8>> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        let _ = writeln!(std::io::stderr(), "Paste the token, then press Enter and Ctrl-D.");
    }
    let mut text = Vec::new();
    stdin.lock().take(MAX_BYTES).read_to_end(&mut text)?;
    Ok(text)
}

/// Above every limit that a filter may have, so that too large a token is explained as one.
const MAX_BYTES: u64 = 2 * 1024 * 1024;
