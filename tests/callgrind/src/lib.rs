//! Counts the instructions of calls by valgrind (callgrind), so that figures hardly differ from run to run and do not
//! depend on what else the machine does.
//!
//! A program that measures calls [`count`], which runs the same program again under valgrind with [`MEASURED`] as its only
//! argument. So started, it makes its calls of one function, the measured one, which must not be inlined:
//!
//! ```no_run
//! # fn measured() {}
//! use svidgate_callgrind::{count, is_measured};
//!
//! if is_measured() {
//!     return measured();
//! }
//! let counts = count("my_program::measured", 1, None);
//! println!("{counts:?}");
//! ```
//!
//! It is to be built with symbols and without link-time optimization, or valgrind does not find the function.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a development tool may stop at the first surprise"
)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// The argument of the run under valgrind.
pub const MEASURED: &str = "--measured";

/// Whether this is the run under valgrind.
#[must_use]
pub fn is_measured() -> bool {
    env::args().nth(1).is_some_and(|argument| argument == MEASURED)
}

/// Runs this program again under valgrind, and gives back the instructions of each of its `calls` of `function`, in their
/// order. The profile of each stays in `keep_in` as `call.1`, `call.2` and so on, for `callgrind_annotate`.
#[must_use]
pub fn count(function: &str, calls: usize, keep_in: Option<&Path>) -> Vec<u64> {
    let folder = match keep_in {
        Some(folder) => folder.to_owned(),
        None => env::temp_dir().join(format!("svidgate-callgrind-{}", std::process::id())),
    };
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--toggle-collect={function}"))
        .arg(format!("--dump-after={function}"))
        .arg(format!("--callgrind-out-file={}", folder.join("call").display()))
        .arg(env::current_exe().unwrap())
        .arg(MEASURED)
        .output()
        .unwrap_or_else(|error| panic!("valgrind is needed: {error}"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let counts = (1..=calls).map(|number| total(&profile(&folder, number))).collect();
    // One more would be a call that nobody asked for, and the numbers would be those of others.
    let surplus = profile(&folder, calls.saturating_add(1));
    assert!(!surplus.exists() || is_empty(&surplus), "{function} was called more than {calls} times");
    if keep_in.is_none() {
        fs::remove_dir_all(folder).unwrap();
    }
    counts
}

/// Where [`count`] leaves the profile of a call, from 1 on.
#[must_use]
pub fn profile(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("call.{number}"))
}

fn total(file: &Path) -> u64 {
    let count = total_in(file);
    assert!(count > 0, "{}: nothing was counted", file.display());
    count
}

/// The dump at the end of the program has nothing in it.
fn is_empty(file: &Path) -> bool {
    total_in(file) == 0
}

fn total_in(file: &Path) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let line = text.lines().find_map(|line| line.strip_prefix("totals: ").or(line.strip_prefix("summary: ")));
    line.unwrap_or_else(|| panic!("{}: no total", file.display())).trim().parse().unwrap()
}
