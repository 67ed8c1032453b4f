//! `make bench` and `make bench-quick`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the report is for a terminal")]

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use svidgate_bench::{Plan, run, serve_verifier};

/// What a request costs in a real Envoy: with svidgate, with what else could verify its token, and with nothing.
#[derive(Debug, Parser)]
#[command(name = "svidgate-bench")]
struct Args {
    /// Less than two minutes: what the targets are about.
    #[arg(long)]
    quick: bool,
    /// Where the report goes.
    #[arg(long, default_value = "target/bench/report.json")]
    report: PathBuf,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serves Envoy's ext_authz over gRPC: the benchmark starts it by itself.
    #[command(hide = true)]
    Verifier {
        /// Unix socket to serve on.
        socket: PathBuf,
        /// File with the JWKS that is trusted.
        keys: PathBuf,
    },
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    if let Some(Command::Verifier { socket, keys }) = &args.command {
        return serve_verifier(socket, keys);
    }
    let plan = if args.quick { Plan::quick() } else { Plan::full() };
    let program = std::env::current_exe().context("the path of this program")?;
    let report = run(&plan, &program, |progress| eprintln!("{progress}"))?;
    println!("{}", report.table());
    report.write(Path::new(&args.report))?;
    println!("written to {}", args.report.display());
    Ok(())
}
