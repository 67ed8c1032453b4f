//! The subscribers, on one thread.

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::authority::Authority;
use crate::bodies::Bodies;
use crate::lags::Lags;
use crate::subscriber;

/// All subscribers, seen from outside their thread.
#[derive(Clone, Debug)]
pub struct Fleet(Arc<Shared>);

/// What the thread and its user share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) socket: std::path::PathBuf,
    authority: Arc<Authority>,
    pub(crate) subscribers: Vec<Seat>,
    lags: Mutex<Lags>,
    counts: Counts,
}

/// One subscriber.
#[derive(Debug)]
pub(crate) struct Seat {
    /// Tells it to go and come back as an Envoy that has just started.
    pub(crate) restart: Notify,
    /// Whether its request is open.
    pub(crate) is_waiting: AtomicBool,
    /// The newest change that it holds; [`NOTHING`] at first.
    change: AtomicUsize,
}

/// What happened to all of them together.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) connections: AtomicU64,
    pub(crate) refused_connections: AtomicU64,
    pub(crate) failed_requests: AtomicU64,
    /// Answers that are no good snapshot.
    pub(crate) bad: AtomicU64,
    /// Answers that take back a change.
    pub(crate) older: AtomicU64,
}

/// The counts of a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Counted {
    /// Connections that were made.
    pub connections: u64,
    /// Those that could not be made.
    pub refused_connections: u64,
    /// Requests that ended without an answer, or with another status than 200 and 304.
    pub failed_requests: u64,
    /// Answers that are no good snapshot.
    pub bad: u64,
    /// Answers that take back a change.
    pub older: u64,
}

impl Fleet {
    /// Starts `number` subscribers to the controller at `socket`.
    pub fn start(socket: &Path, authority: &Arc<Authority>, number: usize) -> Self {
        let seat = |_| Seat {
            restart: Notify::new(),
            is_waiting: AtomicBool::new(false),
            change: AtomicUsize::new(NOTHING),
        };
        let shared = Arc::new(Shared {
            socket: socket.to_owned(),
            authority: Arc::clone(authority),
            subscribers: (0..number).map(seat).collect(),
            lags: Mutex::default(),
            counts: Counts::default(),
        });
        let fleet = Self(Arc::clone(&shared));
        // It ends with the process.
        std::thread::Builder::new().name("fleet".to_owned()).spawn(move || live(&shared)).expect("a thread");
        fleet
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.subscribers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many have a request open.
    pub fn waiting(&self) -> usize {
        self.0.subscribers.iter().filter(|seat| seat.is_waiting.load(Relaxed)).count()
    }

    /// How many hold this change, or a newer one.
    pub fn holding(&self, change: usize) -> usize {
        let holds = |seat: &&Seat| {
            let held = seat.change.load(Relaxed);
            held != NOTHING && held >= change
        };
        self.0.subscribers.iter().filter(holds).count()
    }

    /// Lets `number` of them go and come back, from the one behind `first` on, in a ring.
    pub fn restart(&self, first: usize, number: usize) {
        for seat in self.0.subscribers.iter().cycle().skip(first % self.len().max(1)).take(number) {
            // Marked here, so that who waits for its return does not take its former request for the new one.
            seat.is_waiting.store(false, Relaxed);
            seat.restart.notify_one();
        }
    }

    /// The lags since the last call.
    pub fn take_lags(&self) -> Lags {
        std::mem::take(&mut *self.0.lags.lock().expect("no panic while it is held"))
    }

    /// What was counted since the start.
    pub fn counted(&self) -> Counted {
        let counts = &self.0.counts;
        Counted {
            connections: counts.connections.load(Relaxed),
            refused_connections: counts.refused_connections.load(Relaxed),
            failed_requests: counts.failed_requests.load(Relaxed),
            bad: counts.bad.load(Relaxed),
            older: counts.older.load(Relaxed),
        }
    }
}

impl Shared {
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Notes that a subscriber holds `change` from now on. One that missed changes in between was behind since the first.
    pub(crate) fn holds(&self, seat: &Seat, change: usize) {
        let now = Instant::now();
        let before = seat.change.load(Relaxed);
        if before == NOTHING {
            seat.change.store(change, Relaxed);
            return;
        }
        if change < before {
            self.counts.older.fetch_add(1, Relaxed);
            return;
        }
        seat.change.store(change, Relaxed);
        let mut lags = self.lags.lock().expect("no panic while it is held");
        for missed in before + 1..=change {
            lags.add(now.saturating_duration_since(self.authority.moment_of(missed)));
        }
    }
}

fn live(shared: &Arc<Shared>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let subscribers = LocalSet::new();
    let bodies = Rc::new(RefCell::new(Bodies::default()));
    for number in 0..shared.subscribers.len() {
        subscribers.spawn_local(subscriber::live(number, Arc::clone(shared), Rc::clone(&bodies)));
    }
    runtime.block_on(subscribers);
}

const NOTHING: usize = usize::MAX;
