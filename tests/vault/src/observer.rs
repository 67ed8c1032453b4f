//! A consumer that uses what it is given at once, and notes what it saw.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use svidgate_tests::Postgres;
use svidgate_vault::{BreakerState, Vault};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use crate::application::config;
use crate::wait::text;

/// Logs in to PostgreSQL all the time with the credential in force.
#[derive(Debug)]
pub struct Observer {
    seen: Arc<Mutex<Seen>>,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

/// What it saw.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Revisions that PostgreSQL took.
    pub good: BTreeSet<u64>,
    /// Revisions that it refused although they had not ended, and were not about to.
    pub refused: BTreeSet<u64>,
    /// How long there was no credential.
    pub without: Duration,
    /// States of the circuit breaker, one after another.
    pub breaker: Vec<BreakerState>,
}

impl Seen {
    /// Whether the breaker opened, and then closed again.
    pub fn breaker_opened_and_closed(&self) -> bool {
        let opened = self.breaker.iter().position(|state| *state == BreakerState::Open);
        opened.is_some() && self.breaker.last() == Some(&BreakerState::Closed)
    }
}

impl Observer {
    /// Uses the credential `name`. With `refresh` it asks for another one when it was refused, as applications should.
    pub fn start(vault: &Arc<Vault>, name: &'static str, postgres: &Postgres, refresh: bool) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (stop, stopped) = watch::channel(false);
        let task = observe(vault.clone(), name, config(postgres), refresh, seen.clone(), stopped);
        Self { seen, stop, task: tokio::spawn(task) }
    }

    /// So far.
    pub fn seen(&self) -> Seen {
        self.seen.lock().expect("whole").clone()
    }

    /// In all.
    pub async fn stop(self) -> Seen {
        self.stop.send_replace(true);
        self.task.await.expect("no panic");
        Arc::into_inner(self.seen).expect("the task has ended").into_inner().expect("whole")
    }
}

async fn observe(
    vault: Arc<Vault>,
    name: &'static str,
    base: Config,
    refresh: bool,
    seen: Arc<Mutex<Seen>>,
    stopped: watch::Receiver<bool>,
) {
    let mut last = Instant::now();
    while !*stopped.borrow() {
        let breaker = vault.status().breaker;
        let credential = vault.get(name);
        {
            let mut seen = seen.lock().expect("whole");
            if seen.breaker.last() != Some(&breaker) {
                seen.breaker.push(breaker);
            }
            if credential.is_none() {
                seen.without += last.elapsed();
            }
        }
        last = Instant::now();
        // One that ends within the time of a login proves nothing.
        let near = |left: Option<Duration>| left.is_some_and(|left| left < NEAR);
        if let Some(credential) = credential.filter(|credential| !near(credential.remaining())) {
            let mut config = base.clone();
            config.user(text(&credential, "username")).password(text(&credential, "password"));
            let logged_in = timeout(NEAR, config.connect(NoTls)).await;
            let code = match &logged_in {
                Ok(Err(error)) => error.code().cloned(),
                _ => None,
            };
            let refused = [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION];
            let mut seen = seen.lock().expect("whole");
            if matches!(logged_in, Ok(Ok(_))) {
                seen.good.insert(credential.revision());
            } else if code.is_some_and(|code| refused.contains(&code)) && !near(credential.remaining()) {
                seen.refused.insert(credential.revision());
                if refresh {
                    vault.refresh(name);
                }
            }
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Longer than a login takes, also on a busy machine.
const NEAR: Duration = Duration::from_millis(500);
