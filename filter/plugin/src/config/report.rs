//! What callers and operators are told.

use svidgate_config::{Object, field, kind};

use super::kinds::spelled;

/// What a refused caller is told, apart from the status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Whether there is a small JSON body with the reason; otherwise the body is empty.
    pub body: bool,
    /// Realm of `WWW-Authenticate` (RFC 9110 §11.5): printable ASCII without `"` and `\`.
    pub realm: String,
}

/// Which refusals are logged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Log {
    /// Level of a line for a refusal; none: no lines.
    pub level: Option<Level>,
    /// Share of the refusals that are logged, from 0 to 1.
    pub sample: f64,
}

/// Level of a log line, in Envoy's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Least severe.
    Trace,
    /// For the search for a fault.
    Debug,
    /// In the normal course of things.
    Info,
    /// Should be looked at.
    Warn,
    /// Must be looked at.
    Error,
}

pub(super) fn answers(object: &mut Object<'_>) -> Option<Answers> {
    let body = object.default(
        field!("body", "`json`: a small body with the reason; `none`: empty."),
        "json",
        kind::choice(&[("json", true), ("none", false)]),
    );
    let realm = object.default(
        field!("realm", "Realm of `WWW-Authenticate`."),
        "svidgate",
        spelled(
            "1 to 64 printable ASCII characters without `\"` and `\\`",
            r"^[ !#-\[\]-~]{1,64}$",
            64,
            |text| text.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"' && b != b'\\'),
        ),
    );
    Some(Answers { body: body?, realm: realm? })
}

pub(super) fn log(object: &mut Object<'_>) -> Option<Log> {
    object.object(
        field!("refusals", "One line for a refusal, with rule, reason, trust domain and a hash of the token, never the token: `token_hash` is the first 8 digits of the SHA-256 of the token's last 512 octets."),
        |refusals| {
            let level = refusals.default(
                field!("level", "Level of the line; Envoy's own level must let it through."),
                "info",
                kind::choice(&LEVELS),
            );
            let sample = refusals.default(
                field!("sample", "Share of the refusals that are logged."),
                1.0,
                kind::number(0.0..=1.0),
            );
            Some(Log { level: level?, sample: sample? })
        },
    )
}

const LEVELS: [(&str, Option<Level>); 6] = [
    ("trace", Some(Level::Trace)),
    ("debug", Some(Level::Debug)),
    ("info", Some(Level::Info)),
    ("warn", Some(Level::Warn)),
    ("error", Some(Level::Error)),
    ("off", None),
];
