//! `make bench-push`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::process::ExitCode;

use clap::Parser as _;
use svidgate_push_sim::options::Options;
use svidgate_push_sim::report::write_json;
use svidgate_push_sim::run::run;

fn main() -> ExitCode {
    let options = Options::parse();
    let told = run(&options).and_then(|report| {
        print!("{report}");
        write_json(options.json.as_deref(), &report)
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("svidgate-push-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}
