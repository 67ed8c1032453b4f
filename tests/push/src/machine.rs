//! Cores and open files.

use anyhow::{Context as _, ensure};
use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Raises the soft limit on open files as far as it goes.
///
/// # Errors
/// When that does not suffice for `wanted` connections in one process. The controller inherits the limit and raises its
/// own, so what is checked here holds for both.
pub fn allow_open_files(wanted: usize) -> anyhow::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    let needed = u64::try_from(wanted)?.saturating_add(SPARE_FILES);
    let hard = limit.maximum.unwrap_or(u64::MAX);
    ensure!(
        hard >= needed,
        "{wanted} subscribers need {needed} open files in each of two processes, and the hard limit is {hard}: raise it \
         (`ulimit -Hn {needed}` as root, or LimitNOFILE= of the service), or take fewer `--subscribers`"
    );
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raising the limit on open files")
}

/// One core for the controller and one for everything else, or none when there are no two.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct Cores {
    /// The controller's.
    pub controller: usize,
    /// The simulator's.
    pub simulator: usize,
}

impl Cores {
    /// Two of those that this process may use; puts this thread, and all that it starts, on the second.
    pub fn share_out() -> Option<Self> {
        let allowed = sched_getaffinity(None).ok()?;
        let mut free = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
        let cores = Self { controller: free.next()?, simulator: free.next()? };
        let mut own = CpuSet::new();
        own.set(cores.simulator);
        sched_setaffinity(None, &own).ok()?;
        Some(cores)
    }
}

/// Load of the machine over the last minute: how far others were in the way.
pub fn load() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or_default()
}

/// Sockets of our own, logs, and the runtime's.
const SPARE_FILES: u64 = 100;
