use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use svidgate_tests::{Postgres, SUPERUSER_PASSWORD};
use tokio_postgres::NoTls;

use crate::application::config;

/// Looks all the time which users OpenBao has made in PostgreSQL.
#[derive(Debug)]
pub struct UserWatch {
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Seen {
    most: BTreeSet<String>,
    ever: BTreeSet<String>,
    now: BTreeSet<String>,
}

impl UserWatch {
    /// Starts to look.
    pub async fn start(postgres: &Postgres) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (client, connection) = config(postgres)
            .user("postgres")
            .password(SUPERUSER_PASSWORD)
            .connect(NoTls)
            .await
            .expect("the superuser may");
        tokio::spawn(connection);
        let noted = seen.clone();
        let task = tokio::spawn(async move {
            loop {
                let rows =
                    client.query("SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'v-%'", &[]).await;
                // The server goes before the watch does.
                let Ok(rows) = rows else { return };
                noted.lock().expect("whole").note(rows.iter().map(|row| row.get(0)).collect());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        Self { seen, task }
    }

    /// The most that were there at one time.
    pub fn most(&self) -> BTreeSet<String> {
        self.seen.lock().expect("whole").most.clone()
    }

    /// How many there were in all.
    pub fn ever(&self) -> usize {
        self.seen.lock().expect("whole").ever.len()
    }

    /// Those that are there now.
    pub fn now(&self) -> BTreeSet<String> {
        self.seen.lock().expect("whole").now.clone()
    }
}

impl Seen {
    fn note(&mut self, now: BTreeSet<String>) {
        if now.len() > self.most.len() {
            self.most.clone_from(&now);
        }
        self.ever.extend(now.iter().cloned());
        self.now = now;
    }
}

impl Drop for UserWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}
