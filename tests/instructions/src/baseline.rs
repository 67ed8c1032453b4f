//! The counts that are agreed on, and what differs from them.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// A checked-in file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// The compiler, as it names itself.
    pub(crate) compiler: String,
    /// Kind of processor.
    pub(crate) architecture: String,
    /// How much more a call may cost, in per cent.
    pub(crate) tolerance_percent: u64,
    /// Instructions of each call.
    pub(crate) instructions: BTreeMap<String, u64>,
}

/// What became of one call.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    Within,
    Grew,
    Fell,
    /// The baseline does not know it.
    New,
}

impl Baseline {
    pub(crate) fn of(counts: BTreeMap<String, u64>) -> Self {
        Self {
            compiler: COMPILER.to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            tolerance_percent: TOLERANCE_PERCENT,
            instructions: counts,
        }
    }

    pub(crate) fn read(file: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        serde_json::from_str(&text).with_context(|| file.display().to_string())
    }

    pub(crate) fn write(&self, file: &Path) -> anyhow::Result<()> {
        std::fs::write(file, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| file.display().to_string())
    }

    /// Whether the counts of this program can be compared with it.
    pub(crate) fn check_compiler(&self) -> anyhow::Result<()> {
        ensure!(
            self.compiler == COMPILER,
            "the baseline was made with {}, and this program with {COMPILER}: make it anew \
             (make bench-instructions UPDATE=1) in the commit that changes the toolchain",
            self.compiler
        );
        Ok(())
    }

    pub(crate) fn change(&self, name: &str, count: u64) -> Change {
        let Some(&agreed) = self.instructions.get(name) else { return Change::New };
        let more = u128::from(self.tolerance_percent).saturating_add(100);
        let less = 100_u128.saturating_sub(self.tolerance_percent.into());
        let (agreed, hundred_times) = (u128::from(agreed), u128::from(count).saturating_mul(100));
        if hundred_times > agreed.saturating_mul(more) {
            Change::Grew
        } else if hundred_times < agreed.saturating_mul(less) {
            Change::Fell
        } else {
            Change::Within
        }
    }
}

const COMPILER: &str = env!("SVIDGATE_RUSTC");
/// Counts of one program differ by far less; processors differ in which way of copying memory they are given.
const TOLERANCE_PERCENT: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_the_tolerance_is_told_apart_in_both_directions() {
        let baseline = Baseline::of([("a".to_owned(), 1_000)].into());
        assert_eq!(baseline.tolerance_percent, 3);
        for (count, expected) in [
            (1_000, Change::Within),
            (1_030, Change::Within),
            (1_031, Change::Grew),
            (970, Change::Within),
            (969, Change::Fell),
            (u64::MAX, Change::Grew),
        ] {
            assert_eq!(baseline.change("a", count), expected, "{count}");
        }
        assert_eq!(baseline.change("b", 1), Change::New);
    }

    #[test]
    fn a_file_is_read_as_it_was_written_and_another_compiler_is_an_error() {
        let folder = std::env::temp_dir().join(format!("svidgate-baseline-{}", std::process::id()));
        let mut baseline = Baseline::of([("a".to_owned(), 7)].into());
        baseline.write(&folder).unwrap();
        let read = Baseline::read(&folder).unwrap();
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(read, baseline);
        assert!(read.check_compiler().is_ok());
        baseline.compiler = "rustc 1.0.0".to_owned();
        let error = baseline.check_compiler().unwrap_err().to_string();
        assert!(error.contains("rustc 1.0.0") && error.contains("UPDATE=1"), "{error}");
    }
}
