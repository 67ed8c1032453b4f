//! Runs the conformance suite, prints the table, writes it as JSON to the file given; exit status 1 when anything
//! is wrong.

#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let report = svidgate_conformance::run();
    print!("{report}");
    if let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(&path, format!("{:#}\n", report.to_json()))?;
    }
    Ok(if report.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
