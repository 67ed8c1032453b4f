//! `make bench` and `make bench-quick`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the report is for a terminal")]

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use svidgate_bench::{
    Burden, Memory, Plan, measure_memory, measure_startup, run, serve_verifier, startup_table,
};

/// What a request costs in a real Envoy: with svidgate, with what else could verify its token, and with nothing.
#[derive(Debug, Parser)]
#[command(name = "svidgate-bench")]
struct Args {
    /// Less than two minutes: what the targets are about.
    #[arg(long)]
    quick: bool,
    /// Only what another build of the plugin costs beside `target/svidgate.wasm`; may be repeated.
    #[arg(long, value_name = "WASM", conflicts_with = "quick")]
    beside: Vec<PathBuf>,
    /// Only lanes whose name, such as "svidgate, new tokens, ES256", contains this; for profiles.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
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
    /// Whether the memory of an Envoy stays flat.
    Memory {
        /// Requests, each with a valid token of its own.
        #[arg(long, default_value_t = 1_000_000)]
        tokens: u64,
        /// Changes of the snapshot.
        #[arg(long, default_value_t = 10_000)]
        changes: u64,
        /// Where the report goes.
        #[arg(long, default_value = "target/bench/memory.json")]
        report: PathBuf,
    },
    /// What it costs to start an Envoy with the plugin, and what each further worker adds.
    Startup {
        /// How often each Envoy is started.
        #[arg(long, default_value_t = 7)]
        rounds: usize,
        /// Another build of the plugin; may be repeated.
        #[arg(long, value_name = "WASM")]
        beside: Vec<PathBuf>,
    },
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match args.command {
        Some(Command::Verifier { socket, keys }) => return serve_verifier(&socket, &keys),
        Some(Command::Memory { tokens, changes, report }) => {
            let told = |at: &Memory| eprintln!("{} tokens, {} changes", at.tokens, at.changes);
            let found = measure_memory(Burden { tokens, changes }, told)?;
            println!("{}", found.table());
            found.write(&report)?;
            println!("written to {}", report.display());
            return Ok(());
        }
        Some(Command::Startup { rounds, beside }) => {
            let startups = measure_startup(rounds, &beside, |progress| eprintln!("{progress}"))?;
            println!("{}", startup_table(&startups));
            return Ok(());
        }
        None => {}
    }
    let mut plan = match args.beside {
        builds if !builds.is_empty() => Plan::beside(builds),
        _ if args.quick => Plan::quick(),
        _ => Plan::full(),
    };
    if let Some(text) = &args.only {
        plan.keep_only(text)?;
    }
    let program = std::env::current_exe().context("the path of this program")?;
    let report = run(&plan, &program, |progress| eprintln!("{progress}"))?;
    println!("{}", report.table());
    report.write(Path::new(&args.report))?;
    println!("written to {}", args.report.display());
    Ok(())
}
