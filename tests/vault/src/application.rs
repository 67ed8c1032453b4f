//! An application: a pool of connections to PostgreSQL, workers that run transactions without a pause, and one task that
//! changes the pool when the credential changes. It is what docs/vault-faults.md recommends to applications.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use deadpool_postgres::{Manager, Pool, PoolError, Runtime, Timeouts};
use svidgate_tests::Postgres;
use svidgate_vault::{Credential, Vault};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls};

use crate::wait::{text, within};

/// The application while it works.
pub struct Application {
    stop: watch::Sender<bool>,
    done: Arc<Mutex<Done>>,
    tasks: JoinSet<()>,
}

/// What it has done.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Committed transactions, by the revision of the credential.
    pub committed: BTreeMap<u64, u64>,
    /// Transactions that failed after they had begun, and connections that could not be had: what its users would see.
    pub failed: Vec<String>,
    /// Logins that PostgreSQL refused and that were repeated with the next password.
    pub refused_logins: u64,
}

impl Done {
    /// Transactions in all.
    pub fn transactions(&self) -> u64 {
        self.committed.values().sum()
    }
}

struct Shared {
    vault: Arc<Vault>,
    name: String,
    /// The pool of the newest credential, with its revision.
    pool: watch::Receiver<Option<(u64, Pool)>>,
    done: Arc<Mutex<Done>>,
}

impl Application {
    /// Starts `workers` that work with the credential `name`. With `reconnect`, each connection is closed after so many
    /// transactions, so that logins go on all the time.
    pub async fn start(
        vault: &Arc<Vault>,
        name: &str,
        channel: watch::Receiver<Option<Arc<Credential>>>,
        postgres: &Postgres,
        workers: usize,
        reconnect: Option<u32>,
    ) -> Self {
        let (stop, stopped) = watch::channel(false);
        let (sender, mut pool) = watch::channel(None);
        let done = Arc::new(Mutex::new(Done::default()));
        let mut tasks = JoinSet::new();
        tasks.spawn(follow(config(postgres), channel, sender, workers));
        within("the first pool", 60, pool.wait_for(Option::is_some)).await.expect("it follows");
        for worker in 0..workers {
            let shared = Shared {
                vault: vault.clone(),
                name: name.to_owned(),
                pool: pool.clone(),
                done: done.clone(),
            };
            let worker = i32::try_from(worker).expect("few");
            tasks.spawn(work(shared, worker, reconnect, stopped.clone()));
        }
        Self { stop, done, tasks }
    }

    /// What it has done so far.
    pub fn done(&self) -> Done {
        self.done.lock().expect("whole").clone()
    }

    /// Ends after the transactions under way.
    pub async fn stop(mut self) -> Done {
        self.stop.send_replace(true);
        let workers = async {
            // All but the one that follows, which goes on as long as the credential is kept.
            while self.tasks.len() > 1 {
                self.tasks.join_next().await.expect("there are some").expect("no panic");
            }
        };
        within("the workers end", 30, workers).await;
        self.tasks.abort_all();
        self.done()
    }
}

/// Where the server is; the user is added.
pub(crate) fn config(postgres: &Postgres) -> Config {
    let mut config = Config::new();
    config.host("127.0.0.1").port(postgres.port()).dbname("postgres").connect_timeout(PATIENCE);
    config
}

/// A new pool for each credential. The old one gives no more connections; those that are out come back and are closed.
async fn follow(
    base: Config,
    mut channel: watch::Receiver<Option<Arc<Credential>>>,
    pools: watch::Sender<Option<(u64, Pool)>>,
    size: usize,
) {
    loop {
        let credential = channel.borrow_and_update().clone();
        if let Some(credential) = credential.filter(|credential| credential.secrets().is_some()) {
            let mut config = base.clone();
            config.user(text(&credential, "username")).password(text(&credential, "password"));
            let timeouts = Timeouts::wait_millis(30_000);
            let pool = Pool::builder(Manager::new(config, NoTls))
                .max_size(size)
                .timeouts(timeouts)
                .runtime(Runtime::Tokio1)
                .build()
                .expect("a pool");
            let old = pools.send_replace(Some((credential.revision(), pool)));
            if let Some((_, old)) = old {
                old.close();
            }
        }
        if channel.changed().await.is_err() {
            return;
        }
    }
}

async fn work(shared: Shared, worker: i32, reconnect: Option<u32>, stopped: watch::Receiver<bool>) {
    let mut used = 0_u32;
    while !*stopped.borrow() {
        let (revision, connection) = match connection(&shared).await {
            Ok(had) => had,
            Err(error) => {
                shared.done.lock().expect("whole").failed.push(error);
                return;
            }
        };
        let mut connection = connection;
        match transaction(&mut connection, worker).await {
            Ok(()) => *shared.done.lock().expect("whole").committed.entry(revision).or_default() += 1,
            Err(error) => shared.done.lock().expect("whole").failed.push(format!("{error:?}")),
        }
        used += 1;
        if reconnect.is_some_and(|after| used.is_multiple_of(after)) {
            drop(deadpool_postgres::Object::take(connection));
        }
    }
}

/// A connection from the newest pool. A pool that was closed meanwhile, and a password that was changed meanwhile, are
/// no failures: nothing has begun yet, and the next one is there at once or after one more look at OpenBao.
async fn connection(shared: &Shared) -> Result<(u64, deadpool_postgres::Object), String> {
    let mut pools = shared.pool.clone();
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < deadline {
        let Some((revision, pool)) = pools.borrow_and_update().clone() else {
            return Err("no pool".to_owned());
        };
        match pool.get().await {
            Ok(connection) => return Ok((revision, connection)),
            Err(PoolError::Closed) => {}
            Err(PoolError::Backend(error)) if error.code() == Some(&SqlState::INVALID_PASSWORD) => {
                shared.done.lock().expect("whole").refused_logins += 1;
                shared.vault.refresh(&shared.name);
                let _ = tokio::time::timeout(Duration::from_millis(200), pools.changed()).await;
            }
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    Err(format!("no connection within {PATIENCE:?}"))
}

async fn transaction(
    connection: &mut deadpool_postgres::Object,
    worker: i32,
) -> Result<(), tokio_postgres::Error> {
    let transaction = connection.transaction().await?;
    transaction.execute("INSERT INTO work (worker) VALUES ($1)", &[&worker]).await?;
    transaction.query("SELECT pg_sleep(0.01)", &[]).await?;
    transaction.execute("INSERT INTO work (worker) VALUES ($1)", &[&worker]).await?;
    transaction.commit().await
}

/// For one connection; an application would rather wait than fail.
const PATIENCE: Duration = Duration::from_secs(20);
