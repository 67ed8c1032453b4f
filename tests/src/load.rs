//! A client that sends without pause.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::poll::poll;

/// Threads that repeat a request until they are told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    requests: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

/// What a load saw.
#[derive(Debug)]
pub struct Report {
    /// Number of requests, failed ones too.
    pub requests: u64,
    /// One text for each failed request.
    pub failures: Vec<String>,
}

impl Load {
    /// Starts one thread for each client; a client sends one request a call and returns why it failed.
    pub fn start<C>(clients: Vec<C>) -> Self
    where
        C: FnMut() -> Result<(), String> + Send + 'static,
    {
        let stop = Arc::new(AtomicBool::new(false));
        let requests = Arc::new(AtomicU64::new(0));
        let run = |mut client: C| {
            let (stop, requests) = (Arc::clone(&stop), Arc::clone(&requests));
            std::thread::spawn(move || {
                let mut failures = Vec::new();
                while !stop.load(Ordering::SeqCst) {
                    failures.extend(client().err());
                    requests.fetch_add(1, Ordering::SeqCst);
                }
                failures
            })
        };
        let threads = clients.into_iter().map(run).collect();
        Self { stop, requests, threads }
    }

    /// Waits until `more` further requests have been answered, so that a test knows that the load was on meanwhile.
    pub fn await_requests(&self, more: u64) {
        let target = self.requests.load(Ordering::SeqCst) + more;
        poll("the load goes on", Duration::from_secs(60), || {
            (self.requests.load(Ordering::SeqCst) >= target).then_some(())
        });
    }

    /// Stops it.
    pub fn finish(mut self) -> Report {
        self.stop.store(true, Ordering::SeqCst);
        let failures = self.threads.drain(..).flat_map(|t| t.join().expect("a client thread")).collect();
        Report { requests: self.requests.load(Ordering::SeqCst), failures }
    }
}

impl Report {
    /// Fails the test when a request failed, or none was sent.
    pub fn assert_no_failure(&self) {
        assert!(self.requests > 0, "the load sent nothing");
        let shown: Vec<_> = self.failures.iter().take(5).collect();
        assert!(self.failures.is_empty(), "{} of {} failed: {shown:?}", self.failures.len(), self.requests);
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // A test that failed meanwhile: let the threads end instead of hammering a port that others may get.
        self.stop.store(true, Ordering::SeqCst);
    }
}
