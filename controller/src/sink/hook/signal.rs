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
        Process::PidFile { path, name } => {
            let bad = |why: &str| format!("{}: {why}", path.display());
            let text = std::fs::read_to_string(path).map_err(|error| bad(&error.to_string()))?;
            // Zero and below are groups of processes, which are not meant.
            let number = text.trim().parse::<i32>().ok().filter(|number| *number > 0 && *number != ours);
            let number = number.ok_or_else(|| bad("holds no number of a process"))?;
            if has_ended(number) {
                return Err(bad("is of a process that has ended"));
            }
            if let Some(name) = name.as_ref().filter(|name| !is_named(number, name)) {
                return Err(bad(&format!("is of a process that is no {name}")));
            }
            Ok(Pid::from_raw(number).into_iter().collect())
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
        .filter(|process| is_named(*process, name) && !has_ended(*process))
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
    status(process, "PPid:")?.parse().ok()
}

/// Whether it is there only until somebody asks how it ended: it takes signals and does nothing.
fn has_ended(process: i32) -> bool {
    status(process, "State:").is_some_and(|state| state.starts_with(['Z', 'X']))
}

fn status(process: i32, what: &str) -> Option<String> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix(what)).map(|value| value.trim().to_owned())
}

/// With the zero at its end.
const KERNEL_NAME: usize = 16;

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_number_that_is_another_programs_or_of_one_that_has_ended_gets_no_signal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pid");
        // It reads until its end, and then stays as it is until it is waited for.
        let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        std::fs::write(&path, format!("{}\n", cat.id())).unwrap();
        let to = |name: Option<&str>| {
            processes(&Process::PidFile { path: path.clone(), name: name.map(str::to_owned) })
        };
        let deadline = std::time::Duration::from_secs(60);
        let started = tokio::time::Instant::now();
        // Until it has become the program.
        while to(Some("cat")).is_err() {
            assert!(started.elapsed() < deadline, "{:?}", to(Some("cat")));
            std::thread::yield_now();
        }
        assert_eq!(to(None).map(|found| found.len()), Ok(1));
        assert!(to(Some("postgres")).unwrap_err().ends_with("is of a process that is no postgres"));
        drop(cat.stdin.take());
        while to(None).is_ok() {
            assert!(started.elapsed() < deadline);
            std::thread::yield_now();
        }
        assert!(to(None).unwrap_err().ends_with("is of a process that has ended"));
        assert!(cat.wait().unwrap().success());
    }
}
