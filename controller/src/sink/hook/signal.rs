use std::collections::BTreeMap;
use std::path::Path;

use rustix::process::{Pid, kill_process};

use crate::config::{Process, Signal};

pub(super) fn send(signal: Signal, to: &Process) -> Result<(), String> {
    for process in processes(to)? {
        kill_process(process, of(signal))
            .map_err(|error| format!("process {}: {error}", process.as_raw_nonzero()))?;
    }
    Ok(())
}

fn of(signal: Signal) -> rustix::process::Signal {
    match signal {
        Signal::Hup => rustix::process::Signal::HUP,
        Signal::Usr1 => rustix::process::Signal::USR1,
        Signal::Usr2 => rustix::process::Signal::USR2,
        Signal::Term => rustix::process::Signal::TERM,
        Signal::Int => rustix::process::Signal::INT,
        Signal::Winch => rustix::process::Signal::WINCH,
    }
}

fn processes(to: &Process) -> Result<Vec<Pid>, String> {
    let ours = i32::try_from(std::process::id()).unwrap_or_default();
    match to {
        Process::PidFile(path) => {
            let bad = |why: &str| format!("{}: {why}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| bad(&error.to_string()))?;
            // Zero and below are groups of processes, which are not meant.
            let number = text.trim().parse::<i32>().ok().filter(|number| *number > 0 && *number != ours);
            let process =
                number.and_then(Pid::from_raw).ok_or_else(|| bad("holds no number of a process"))?;
            Ok(vec![process])
        }
        Process::Named(name) => {
            let mut found = named(name);
            found.remove(&ours);
            // A server tells its workers itself, and theirs is often another idea of the signal.
            let top = found.iter().filter(|(_, parent)| !found.contains_key(parent));
            let top: Vec<Pid> = top.filter_map(|(process, _)| Pid::from_raw(*process)).collect();
            if top.is_empty() { Err(format!("no process of program {name} is there")) } else { Ok(top) }
        }
    }
}

/// Processes whose program has this name, with their parents.
fn named(name: &str) -> BTreeMap<i32, i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return BTreeMap::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    numbers
        .filter(|process| is_named(*process, name))
        .filter_map(|process| Some((process, parent(process)?)))
        .collect()
}

/// By the kernel's name, which it cuts after 15 bytes, or by the first word of the command line.
fn is_named(process: i32, name: &str) -> bool {
    let read = |what: &str| std::fs::read(format!("/proc/{process}/{what}")).unwrap_or_default();
    let kernel = read("comm");
    let kernel = String::from_utf8_lossy(&kernel);
    let kernel = kernel.trim_end_matches('\n');
    if name.len() < KERNEL_NAME && kernel == name {
        return true;
    }
    let line = read("cmdline");
    let first =
        String::from_utf8_lossy(line.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned();
    Path::new(&first).file_name().is_some_and(|program| program == name)
}

fn parent(process: i32) -> Option<i32> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// With the zero at its end.
const KERNEL_NAME: usize = 16;
