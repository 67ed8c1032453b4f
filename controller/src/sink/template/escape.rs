//! Filters that write a value so that a format reads it back as it is (checklist H14).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::{Environment, Error, ErrorKind};

pub(super) fn add_to(engine: &mut Environment<'_>) {
    engine.add_filter("percent", |text: String| percent(&text));
    engine.add_filter("pgpass", |text: String| pgpass(&text));
    engine.add_filter("properties", |text: String| properties(&text));
    engine.add_filter("properties_key", |text: String| properties_key(&text));
    engine.add_filter("jaas", |text: String| jaas(&text));
    engine.add_filter("shell", |text: String| shell(&text));
    engine.add_filter("json", |text: String| json(&text));
    engine.add_filter("base64", |text: String| STANDARD.encode(text.as_bytes()));
}

/// Percent-encoding of everything that RFC 3986 does not leave unreserved: right in each part of a URI, user and password
/// included.
fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// A field of `.pgpass`: `\` and `:` behind a `\`. A line break cannot be written there.
fn pgpass(text: &str) -> Result<String, Error> {
    if text.contains(['\n', '\r', '\0']) {
        return Err(cannot("a line of .pgpass cannot hold a line break"));
    }
    Ok(text.replace('\\', "\\\\").replace(':', "\\:"))
}

/// A value of a `.properties` file, as `java.util.Properties` reads it: in ISO 8859-1, so all beyond ASCII as UTF-16
/// escapes.
fn properties(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut leading = true;
    for c in text.chars() {
        match c {
            ' ' if leading => out.push_str("\\ "),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04X}");
                }
            }
        }
        leading = leading && c == ' ';
    }
    out
}

/// A key of a `.properties` file: as a value, and with what would end it escaped.
fn properties_key(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in properties(text.trim_start_matches(' ')).chars() {
        if matches!(c, ' ' | '=' | ':' | '#' | '!') {
            out.push('\\');
        }
        out.push(c);
    }
    let leading = text.len().saturating_sub(text.trim_start_matches(' ').len());
    "\\ ".repeat(leading) + &out
}

/// Between the quotes of a JAAS option, which `java.io.StreamTokenizer` reads with escapes as in C.
fn jaas(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            c => out.push(c),
        }
    }
    out
}

/// One word of a POSIX shell, in single quotes.
fn shell(text: &str) -> Result<String, Error> {
    if text.contains('\0') {
        return Err(cannot("a word of a shell cannot hold a zero byte"));
    }
    Ok(format!("'{}'", text.replace('\'', r"'\''")))
}

/// A JSON string with its quotes, in ASCII: right in YAML too.
fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len().saturating_add(2));
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// `why` is ours and holds no value.
fn cannot(why: &'static str) -> Error {
    Error::new(super::context::OURS, why)
}

/// So that a reader of this file sees that the kind above is one of the engine's.
const _: ErrorKind = super::context::OURS;
