//! Whether the memory of an Envoy with svidgate stays flat, over distinct tokens and over changes of the snapshot.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde::Serialize;
use serde_json::json;
use svidgate_forge::{Key, Token, jwks};
use svidgate_jwt_svid::TrustDomain;
use svidgate_snapshot::{Limits, Observed, Snapshot, TrustBundle};
use svidgate_tests::{Connection, Controller, Envoy, FakeController, Folder, Launch, Request, poll};

use crate::filter::{Filter, MEASURED};
use crate::site;
use crate::traffic::{CALLERS, DAY};

/// How much is asked of it.
#[derive(Clone, Copy, Debug)]
pub struct Burden {
    /// Requests, each with a valid token of its own.
    pub tokens: u64,
    /// Changes of the snapshot, each with another key.
    pub changes: u64,
}

/// Memory at one moment.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Memory {
    /// Distinct tokens so far.
    pub tokens: u64,
    /// Changes so far.
    pub changes: u64,
    /// Resident memory of the process, bytes.
    pub resident: u64,
    /// Linear memory of all Wasm VMs, bytes. It never shrinks.
    pub wasm: u64,
}

/// What was seen.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryReport {
    /// In the order of time, at least ten of each part.
    pub moments: Vec<Memory>,
}

/// Sends the tokens, then makes the changes, and looks at the memory now and then.
///
/// # Errors
/// When a good token is refused, or a change does not arrive.
pub fn measure(burden: Burden, progress: impl Fn(&Memory)) -> anyhow::Result<MemoryReport> {
    let folder = Folder::new();
    let now = svidgate_tests::unix_seconds();
    let controller = FakeController::start(&Controller::socket_in(folder.path()), &snapshot(now, 0));
    let bootstrap = site::bootstrap(Filter::Svidgate(1), folder.path(), &[]);
    let mut envoy =
        Envoy::launch("memory", &bootstrap, folder.path(), Launch { workers: WORKERS, core: None });
    let mut workers = envoy.connection_to_each_worker();
    let fixed = Key::p256(FIXED);
    for (n, connection) in workers.iter_mut().enumerate() {
        poll("the first snapshot is in force", START, || {
            (ask(connection, &fixed, now, u64::MAX - n as u64).ok()? == 200).then_some(())
        });
    }

    let mut moments = Vec::new();
    let mut look = |envoy: &mut Envoy, tokens, changes| {
        let memory = Memory::of(envoy.process().id(), tokens, changes);
        progress(&memory);
        moments.push(memory);
    };
    look(&mut envoy, 0, 0);
    let step = (burden.tokens / LOOKS).max(1);
    for first in (0..burden.tokens).step_by(usize::try_from(step)?) {
        let upto = (first + step).min(burden.tokens);
        std::thread::scope(|scope| {
            let halves: Vec<_> = workers
                .iter_mut()
                .enumerate()
                .map(|(worker, connection)| {
                    let own = (first..upto).filter(move |n| n % WORKERS as u64 == worker as u64);
                    let fixed = &fixed;
                    scope.spawn(move || all_pass(connection, fixed, now, own))
                })
                .collect();
            halves.into_iter().try_for_each(|half| half.join().expect("no panic"))
        })?;
        look(&mut envoy, upto, 0);
    }
    let step = (burden.changes / LOOKS).max(1);
    for change in 1..=burden.changes {
        let asked = controller.requests();
        controller.give(&snapshot(now, change));
        poll("the plugin asks for the next snapshot", START, || {
            (controller.requests() > asked).then_some(())
        });
        if change % step == 0 || change == burden.changes {
            for (worker, connection) in workers.iter_mut().enumerate() {
                in_force(connection, change, now).with_context(|| format!("worker {worker}"))?;
            }
            look(&mut envoy, burden.tokens, change);
        }
    }
    Ok(MemoryReport { moments })
}

impl Memory {
    fn of(pid: u32, tokens: u64, changes: u64) -> Self {
        let maps = fs::read_to_string(format!("/proc/{pid}/maps")).expect("the process runs");
        Self { tokens, changes, resident: resident(pid), wasm: linear_memories(&maps) }
    }
}

/// Resident memory of a process, bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().expect("a number");
    kib * 1024
}

/// The readable parts at the beginning of reservations: V8 reserves gigabytes behind each linear memory, so that no
/// access needs a check of its bounds.
fn linear_memories(maps: &str) -> u64 {
    let region = |line: &str| {
        let (range, rest) = line.split_once(' ')?;
        let (start, end) = range.split_once('-')?;
        let address = |hex| u64::from_str_radix(hex, 16).ok();
        Some((address(start)?, address(end)?, rest.starts_with("rw"), rest.starts_with("---")))
    };
    let regions: Vec<_> = maps.lines().filter_map(region).collect();
    let is_memory = |pair: &&[(u64, u64, bool, bool)]| {
        let [(_, end, writable, _), (start, reserved, _, forbidden)] = pair else { return false };
        *writable && *forbidden && end == start && reserved - start > RESERVED
    };
    regions.windows(2).filter(is_memory).map(|pair| pair[0].1 - pair[0].0).sum()
}

/// Every token is one that nobody has seen.
fn all_pass(
    connection: &mut Connection,
    key: &Key,
    now: u64,
    mut tokens: impl Iterator<Item = u64>,
) -> anyhow::Result<()> {
    tokens.try_for_each(|n| {
        let status = ask(connection, key, now, n)?;
        ensure!(status == 200, "token {n} got {status}");
        Ok(())
    })
}

/// The key of this change admits, that of the one before does not any more.
fn in_force(connection: &mut Connection, change: u64, now: u64) -> anyhow::Result<()> {
    poll("the change is in force", START, || {
        (ask(connection, &changing(change), now, change).ok()? == 200).then_some(())
    });
    let before = ask(connection, &changing(change - 1), now, change)?;
    ensure!(before == 401, "a key that is gone got {before}");
    Ok(())
}

fn ask(connection: &mut Connection, key: &Key, now: u64, n: u64) -> anyhow::Result<u16> {
    let token = Token::at(now, key)
        .claim("sub", json!(format!("{CALLERS}{:05}", n % 10_000)))
        .claim("exp", json!(now + DAY))
        .claim("jti", json!(n.to_string()))
        .sign(key);
    Ok(connection.send(&Request::get(MEASURED).bearer(String::from_utf8(token)?))?.status)
}

fn changing(change: u64) -> Key {
    Key::p256(&format!("change-{change}"))
}

fn snapshot(now: u64, change: u64) -> Vec<u8> {
    let keys = jwks([Key::p256(FIXED), changing(change)].map(|key| key.jwk()));
    let keys = serde_json::from_slice(&keys).expect("JSON");
    let domain = TrustDomain::parse(svidgate_forge::TRUST_DOMAIN).expect("a trust domain");
    let bundle = TrustBundle::new(&keys, None, None, "memory").expect("a bundle");
    // Each a millisecond after the one before: an older one would not be taken.
    let observed = Observed { at: now * 1000 + change, ..Observed::default() };
    let snapshot = Snapshot::new(BTreeMap::from([(domain, bundle)]), observed).expect("a snapshot");
    snapshot.encode(&Limits::AGREED).expect("a snapshot")
}

impl MemoryReport {
    /// For a terminal.
    pub fn table(&self) -> String {
        let mut table =
            "| tokens | changes | resident MiB | Wasm MiB |\n| ---: | ---: | ---: | ---: |\n".to_owned();
        for at in &self.moments {
            let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
            table += &format!(
                "| {} | {} | {:.1} | {:.1} |\n",
                at.tokens,
                at.changes,
                mib(at.resident),
                mib(at.wasm)
            );
        }
        table
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(fs::write(path, serde_json::to_vec_pretty(self)?)?)
    }
}

const FIXED: &str = "fixed";
const WORKERS: usize = 2;
const LOOKS: u64 = 20;
const START: Duration = Duration::from_secs(30);
const RESERVED: u64 = 1 << 30;

#[cfg(test)]
mod tests {
    use super::linear_memories;

    #[test]
    fn a_linear_memory_is_what_is_writable_before_a_large_reservation() {
        let maps = "\
            1000-3000 rw-p 00000000 00:00 0 \n\
            3000-4000 ---p 00000000 00:00 0 \n\
            100000-130000 rw-p 00000000 00:00 0 \n\
            130000-280000000 ---p 00000000 00:00 0 \n\
            280000000-280010000 rw-p 00000000 00:00 0 \n\
            290000000-500000000 ---p 00000000 00:00 0 \n";
        assert_eq!(linear_memories(maps), 0x30000);
    }
}
