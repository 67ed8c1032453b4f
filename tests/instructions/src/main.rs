//! `make bench-instructions`: counts the instructions of one verification and one decision by valgrind, and fails when one
//! takes more than the checked-in baseline allows. `--update` makes the baseline anew.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::arithmetic_side_effects,
    reason = "a development tool may stop at the first surprise"
)]

mod baseline;
mod calls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser;
use svidgate_callgrind::{count, is_measured, profile};

use baseline::{Baseline, Change};

/// Counts instructions and compares them with the baseline.
#[derive(Debug, Parser)]
struct Options {
    /// The file with the counts that are agreed on.
    #[arg(long, value_name = "FILE")]
    baseline: PathBuf,
    /// Where the profiles of the calls go.
    #[arg(long, value_name = "FOLDER")]
    profiles: PathBuf,
    /// Write the counts to the file instead of comparing.
    #[arg(long)]
    update: bool,
}

fn main() -> ExitCode {
    if is_measured() {
        calls::make();
        return ExitCode::SUCCESS;
    }
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    if !options.update {
        let baseline = Baseline::read(&options.baseline)?;
        if baseline.architecture != std::env::consts::ARCH {
            println!("nothing is compared: the baseline is that of {}", baseline.architecture);
            return Ok(());
        }
        baseline.check_compiler()?;
        return compare(&baseline, &counts(&options.profiles), &options.profiles);
    }
    let counts = counts(&options.profiles);
    for name in calls::NAMES {
        println!("{:>10}  {name}", counts[name]);
    }
    Baseline::of(counts).write(&options.baseline)
}

fn counts(profiles: &Path) -> BTreeMap<String, u64> {
    let counts = count("svidgate_instructions::calls::measured", calls::NAMES.len(), Some(profiles));
    calls::NAMES.iter().map(|name| (*name).to_owned()).zip(counts).collect()
}

fn compare(baseline: &Baseline, counts: &BTreeMap<String, u64>, profiles: &Path) -> anyhow::Result<()> {
    let mut complaints = Vec::new();
    println!("| call | instructions | baseline | |\n| --- | ---: | ---: | ---: |");
    for (index, name) in calls::NAMES.into_iter().enumerate() {
        let (count, agreed) = (counts[name], baseline.instructions.get(name).copied().unwrap_or_default());
        let percent = (count as f64 / agreed.max(1) as f64 - 1.0) * 100.0;
        println!("| {name} | {count} | {agreed} | {percent:+.2} % |");
        match baseline.change(name, count) {
            Change::Within => {}
            Change::New => complaints.push(format!("{name}: the baseline does not have it")),
            Change::Fell => println!(
                "{name}: {:.1} % less than the baseline; write it down (make bench-instructions UPDATE=1), or it may \
                 grow back unseen",
                -percent
            ),
            Change::Grew => complaints.push(format!(
                "{name}: {count} instructions, {percent:.1} % more than the baseline of {agreed} (at most {} %); \
                 where they go: callgrind_annotate --inclusive=yes {}",
                baseline.tolerance_percent,
                profile(profiles, index + 1).display()
            )),
        }
    }
    ensure!(
        complaints.is_empty(),
        "\n{}\nIf that is worth it, say why in the commit with a new baseline: make bench-instructions UPDATE=1",
        complaints.join("\n")
    );
    Ok(())
}
