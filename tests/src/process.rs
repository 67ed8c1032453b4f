//! A child process that cannot outlive the test.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use crate::folder::tail;
use crate::poll::within;

/// A running process, its output in a log file. Dropping it stops it and everything that it started.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with its output in `<folder>/<name>.log`, behind what an earlier process of that name wrote.
    pub fn start(name: &str, mut command: Command, folder: &Path) -> Self {
        let log = folder.join(format!("{name}.log"));
        let out = File::options().create(true).append(true).open(&log).expect("a log file");
        let err = out.try_clone().expect("the log file again");
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        // Its own group: Ctrl-C in the terminal reaches the test only, which then stops its children in order.
        command.process_group(0);
        let program = command.get_program().to_owned();
        let child =
            spawn(command).unwrap_or_else(|e| panic!("cannot start {}: {e}", Path::new(&program).display()));
        Self { name: name.to_owned(), child, log }
    }

    /// Name of the process and of its log.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where its output goes.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The status when it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("the child's status")
    }

    /// Fails the test, with the end of the log, when the process has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.ended() {
            panic!(
                "{} has ended ({status}); the end of {}:\n{}",
                self.name,
                self.log.display(),
                tail(&self.log)
            );
        }
    }

    /// Polls until it is ready; a process that ends meanwhile fails the test at once.
    pub fn poll<T>(&mut self, what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
        let found = within(deadline, || {
            self.assert_running();
            condition()
        });
        found.unwrap_or_else(|| {
            panic!("not within {deadline:?}: {what}; the end of {}:\n{}", self.log.display(), tail(&self.log))
        })
    }

    /// Asks it to end (SIGTERM) and waits; one that does not is killed, which fails the test.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        match within(GRACE, || self.ended()) {
            Some(status) => status,
            None => panic!("{} did not end within {GRACE:?} of SIGTERM", self.name),
        }
    }

    /// Ends it the hard way, as a crash would.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }

    /// Freezes it: its sockets stay open and nobody answers.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let _ = kill_process_group(Pid::from_child(&self.child), signal);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            self.signal(Signal::CONT);
            self.signal(Signal::TERM);
            if within(GRACE, || self.ended()).is_none() {
                self.signal(Signal::KILL);
            }
        }
        // The leader is gone; what it left behind goes too.
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

/// Starts a process that the kernel kills when this one dies, even by SIGKILL.
///
/// The kernel looks at the *thread* that started it, and a test's thread ends before fixtures that tests share. So one
/// thread that lives as long as this process starts them all.
fn spawn(command: Command) -> io::Result<Child> {
    type Job = (Command, Sender<io::Result<Child>>);
    static STARTER: OnceLock<Sender<Job>> = OnceLock::new();
    let starter = STARTER.get_or_init(|| {
        let (jobs, inbox) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in inbox {
                let _ = reply.send(die_with_parent(&mut command).spawn());
            }
        });
        jobs
    });
    let (reply, answer) = channel();
    starter.send((command, reply)).expect("the starter thread lives for ever");
    answer.recv().expect("the starter thread answers")
}

#[allow(unsafe_code, reason = "the standard library has no safe way to run code between fork and exec")]
fn die_with_parent(command: &mut Command) -> &mut Command {
    let set =
        || rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from);
    // SAFETY: between fork and exec only this one system call is made: no allocation, no lock.
    unsafe { command.pre_exec(set) }
}

/// How long a process may take to end when asked.
const GRACE: Duration = Duration::from_secs(15);
