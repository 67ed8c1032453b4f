//! `svidgate check` as a process: on good files, and on each way of being wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod envoy;
mod hive;
mod patch;
mod settings;

use std::process::{Command, Output};

/// A finding as it is shown.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) severity: String,
    pub(crate) kind: String,
    pub(crate) at: String,
    /// Its lines joined by blanks.
    pub(crate) mend: String,
}

pub(crate) fn svidgate_check(arguments: &[String]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_svidgate"));
    command.arg("check").args(arguments);
    for (name, _) in std::env::vars() {
        if name.starts_with("SVIDGATE_") || name.starts_with("SPIFFE_") {
            command.env_remove(name);
        }
    }
    command.output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The findings in what was shown: a blank line stands after each.
pub(crate) fn findings(text: &str) -> Vec<Found> {
    let blocks = text.split("\n\n").filter(|block| block.contains("\n  at    "));
    blocks
        .map(|block| {
            let (head, rest) = block.split_once("\n  at    ").unwrap();
            let (severity, kind) = head.split_once(": ").unwrap().1.split_once('[').unwrap();
            let (at, rest) = rest.split_once("\n  why   ").unwrap();
            let mend: Vec<&str> = rest.split_once("\n  mend  ").unwrap().1.lines().map(str::trim).collect();
            Found {
                severity: severity.to_owned(),
                kind: kind.split(']').next().unwrap().to_owned(),
                at: at.to_owned(),
                mend: mend.join(" "),
            }
        })
        .collect()
}
