//! `svidgate`: the controller and its tools.

use std::process::ExitCode;

fn main() -> ExitCode {
    svidgate_controller::cli::main()
}
