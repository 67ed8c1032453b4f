//! CPU time that a process has used, by the scheduler's own count (nanoseconds, not ticks).

use std::fs;
use std::time::Duration;

/// What the threads of a process have used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// On a CPU: Envoy's workers.
    pub workers: Duration,
    /// Ready, but another process was on the CPU: Envoy's workers.
    pub waited: Duration,
    /// On a CPU: all threads.
    pub process: Duration,
}

impl Usage {
    /// Of this process, as far as its threads still live.
    pub(crate) fn of(pid: u32) -> Self {
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
        let mut usage = Self::default();
        for task in tasks.flatten() {
            let read = |file: &str| fs::read_to_string(task.path().join(file));
            // A thread may end meanwhile.
            let (Ok(name), Ok(stat)) = (read("comm"), read("schedstat")) else { continue };
            let mut numbers = stat.split_whitespace().map(|number| number.parse().expect("nanoseconds"));
            let mut next = || Duration::from_nanos(numbers.next().expect("schedstat has three numbers"));
            let (on_cpu, waited) = (next(), next());
            usage.process += on_cpu;
            if name.starts_with(WORKER) {
                usage.workers += on_cpu;
                usage.waited += waited;
            }
        }
        usage
    }

    /// What was used since.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            workers: self.workers.saturating_sub(earlier.workers),
            waited: self.waited.saturating_sub(earlier.waited),
            process: self.process.saturating_sub(earlier.process),
        }
    }
}

/// Time in which the hypervisor ran something else though this core had work, since the machine started. In steps of ten
/// milliseconds; always zero where the hypervisor does not tell.
pub(crate) fn stolen_from(core: usize) -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let name = format!("cpu{core} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    let ticks = line.and_then(|line| line.split_whitespace().nth(STEAL)).and_then(|ticks| ticks.parse().ok());
    Duration::from_millis(ticks.unwrap_or(0) * MILLISECONDS_PER_TICK)
}

const STEAL: usize = 7;
/// The kernel's `USER_HZ` is 100 on every common architecture.
const MILLISECONDS_PER_TICK: u64 = 10;

/// What Envoy calls its worker threads.
const WORKER: &str = "wrk:worker_";
