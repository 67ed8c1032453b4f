//! A connection to one worker, and the thread that asks on it.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use svidgate_tests::{Connection, Request};
use tokio::time::Instant;

/// What a probe is to see: the first answer is `before`, until one is `after`, which stays.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) request: Request,
    pub(super) before: u16,
    pub(super) after: u16,
}

/// One worker's.
#[derive(Debug)]
pub(super) struct Probe {
    tasks: Sender<Task>,
    ready: Receiver<()>,
    seen: Receiver<Instant>,
}

impl Probe {
    /// A thread that asks on `connection`.
    pub(super) fn start(connection: Connection) -> Self {
        let (tasks, inbox) = channel();
        let (told_ready, ready) = channel();
        let (told_seen, seen) = channel();
        std::thread::spawn(move || ask(connection, &inbox, &told_ready, &told_seen));
        Self { tasks, ready, seen }
    }

    /// Lets it begin.
    pub(super) fn begin(&self, task: Task) {
        self.tasks.send(task).expect("the probe's thread lives");
    }

    /// Waits for its first answer, which is that of before.
    pub(super) fn await_ready(&self) {
        self.ready.recv_timeout(PATIENCE).expect("an answer from before the change");
    }

    /// When it got the first answer of after.
    pub(super) fn await_seen(&self) -> Instant {
        self.seen.recv_timeout(PATIENCE).expect("the change arrives, and stays")
    }
}

fn ask(mut connection: Connection, tasks: &Receiver<Task>, ready: &Sender<()>, seen: &Sender<Instant>) {
    for Task { request, before, after } in tasks {
        let mut status = || connection.send(&request).expect("an answer from Envoy").status;
        assert_eq!(status(), before, "the worker is ahead of the change");
        if ready.send(()).is_err() {
            return;
        }
        loop {
            let found = status();
            let at = Instant::now();
            if found == after {
                // What is enforced stays so.
                assert_eq!(status(), after, "the worker went back");
                if seen.send(at).is_err() {
                    return;
                }
                break;
            }
            assert_eq!(found, before);
            pause();
        }
    }
}

/// Without it the probes would be the load.
#[allow(clippy::disallowed_methods, reason = "it paces a measurement and waits for nothing")]
fn pause() {
    std::thread::sleep(PAUSE);
}

/// Between two questions of a probe.
pub(super) const PAUSE: Duration = Duration::from_micros(300);
const PATIENCE: Duration = Duration::from_secs(30);
