//! What a process takes of memory and CPU, as the kernel counts.

use std::time::Duration;

/// A process.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    process: u32,
}

impl Cost {
    /// The process of this id.
    pub fn of(process: u32) -> Self {
        Self { process }
    }

    /// Memory that it has now, in bytes.
    pub fn resident_bytes(self) -> u64 {
        let text = self.read("statm");
        let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("statm");
        pages.saturating_mul(rustix::param::page_size() as u64)
    }

    /// CPU time that it has taken, in user and kernel mode.
    pub fn cpu(self) -> Duration {
        let text = self.read("stat");
        // The name in parentheses may have spaces.
        let (_, behind) = text.rsplit_once(')').expect("stat");
        let ticks = behind.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok());
        let per_second = rustix::param::clock_ticks_per_second();
        Duration::from_micros(ticks.sum::<u64>().saturating_mul(1_000_000) / per_second)
    }

    fn read(self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.process);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}
