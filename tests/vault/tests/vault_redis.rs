//! Redis as a second database: an application with a pool works without a pause while its user changes. It knows nothing of
//! Vault: it reads a file when it is told to.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::json;
use svidgate_tests::{Controller, Load, Redis, RedisConnection, RedisReply, poll};
use svidgate_vault_tests::Setup;

#[test]
fn h07_h12_redis_users_rotate_under_work_and_no_command_fails() {
    let setup = Setup::start();
    let redis = Redis::start(setup.folder());
    database_engine(&setup, &redis);
    let users = Users::watch(&redis);
    let folder = setup.folder().path();
    let pool_file = folder.join("redis.uri");
    let pool = Pool::start(&pool_file);
    let mut vault = setup.vault_section("app");
    vault["grace"] = json!("1s");
    vault["at_shutdown"] = json!("revoke");
    let controller = Controller::configured(folder, &folder.join("no-agent.sock"), |config| {
        config["vault"] = vault;
        config["secrets"] = json!({"redis": {"database": {"role": "app"}}});
        config["files"] = json!([{
            "path": pool_file,
            "redis_uri": {
                "secret": "redis", "username_field": "username", "host": "127.0.0.1", "port": redis.port(), "tls": false,
            },
            "hook": {"http": {"url": format!("http://{}/reload", pool.reload_at)}, "on_first_write": true},
        }]);
    });
    poll("the pool has its first user", PATIENCE, || (pool.generation() > 0).then_some(()));

    let worker = |number: usize| {
        let pool = Arc::clone(&pool);
        let key = format!("work:{number}");
        let mut done = 0;
        move || {
            let (generation, mut connection) = pool.take()?;
            done += 1;
            let reply = connection.ask(&["INCR", &key])?;
            pool.give(generation, connection);
            if reply == RedisReply::Number(done) { Ok(()) } else { Err(format!("{reply:?} and not {done}")) }
        }
    };
    let load = Load::start((0..WORKERS).map(worker).collect());
    poll("six rotations", PATIENCE * 3, || (pool.generation() > 6).then_some(()));
    load.await_requests(100);
    let report = load.finish();
    report.assert_no_failure();
    let sum = (0..WORKERS).map(|number| match redis.admin().ask(&["GET", &format!("work:{number}")]) {
        Ok(RedisReply::Text(count)) => count.parse::<u64>().expect("a number"),
        other => panic!("{other:?}"),
    });
    assert_eq!(sum.sum::<u64>(), report.requests, "nothing is lost");
    assert!(users.ever() > 6, "{}", users.ever());
    assert!(users.most().len() <= 2, "at one time: {:?}", users.most());

    controller.stop();
    poll("no user is left", PATIENCE, || users_of(&mut redis.admin()).is_empty().then_some(()));
    poll("no lease is left", PATIENCE, || setup.bao.leases("database/creds/app").is_empty().then_some(()));
}

/// Users live for 8 s, without renewals; they may do what the work needs, on its keys.
fn database_engine(setup: &Setup, redis: &Redis) {
    let bao = &setup.bao;
    bao.enable("mounts", "database", &json!({ "type": "database" }));
    bao.write(
        "database/config/redis",
        &json!({
            "plugin_name": "redis-database-plugin",
            "allowed_roles": "app",
            "host": "127.0.0.1",
            "port": redis.port(),
            "username": Redis::USER,
            "password": Redis::PASSWORD,
        }),
    );
    let rules = json!(["~work:*", "+incr"]).to_string();
    bao.write(
        "database/roles/app",
        &json!({ "db_name": "redis", "creation_statements": rules, "default_ttl": "8s", "max_ttl": "8s" }),
    );
}

/// Connections that are used in turn. Who reads the file anew makes others, and the old ones are closed when they come back.
struct Pool {
    file: PathBuf,
    reload_at: SocketAddr,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Counts the reloads.
    generation: u64,
    /// Port, user, password.
    login: (u16, String, String),
    idle: Vec<RedisConnection>,
}

impl Pool {
    /// Empty until it is told, by `POST /reload`, that there is something in `file`.
    fn start(file: &Path) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let reload_at = listener.local_addr().expect("its address");
        let pool = Arc::new(Self { file: file.to_owned(), reload_at, inner: Mutex::default() });
        let told = Arc::clone(&pool);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let mut request = Vec::new();
                let mut buffer = [0; 1024];
                while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                    let read = stream.read(&mut buffer).expect("a request");
                    request.extend_from_slice(&buffer[..read]);
                }
                assert!(request.starts_with(b"POST /reload "), "{}", String::from_utf8_lossy(&request));
                told.reload();
                let answer = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
                stream.write_all(answer).expect("it waits for the answer");
            }
        });
        pool
    }

    fn reload(&self) {
        let uri = fs::read_to_string(&self.file).expect("it is there before anybody is told");
        let (user, rest) =
            uri.trim().strip_prefix("redis://").and_then(|uri| uri.split_once(':')).expect("a URI");
        let (password, host) = rest.split_once('@').expect("a password");
        let port = host.strip_prefix("127.0.0.1:").and_then(|rest| rest.strip_suffix("/0")).expect("a port");
        let mut inner = self.inner.lock().expect("whole");
        inner.generation += 1;
        inner.login = (port.parse().expect("a port"), user.to_owned(), password.to_owned());
        inner.idle.clear();
    }

    fn generation(&self) -> u64 {
        self.inner.lock().expect("whole").generation
    }

    fn take(&self) -> Result<(u64, RedisConnection), String> {
        let mut inner = self.inner.lock().expect("whole");
        let idle = inner.idle.pop();
        let (port, user, password) = &inner.login;
        let connection = idle.map_or_else(|| RedisConnection::open(*port, user, password), Ok)?;
        Ok((inner.generation, connection))
    }

    fn give(&self, generation: u64, connection: RedisConnection) {
        let mut inner = self.inner.lock().expect("whole");
        if generation == inner.generation {
            inner.idle.push(connection);
        }
    }
}

/// Looks all the time which users OpenBao has made.
struct Users {
    seen: Arc<Mutex<(BTreeSet<String>, BTreeSet<String>)>>,
    /// Dropped, it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Users {
    fn watch(redis: &Redis) -> Self {
        let seen = Arc::<Mutex<(BTreeSet<_>, BTreeSet<_>)>>::default();
        let (noted, mut admin) = (Arc::clone(&seen), redis.admin());
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                let now = users_of(&mut admin);
                let mut seen = noted.lock().expect("whole");
                seen.0.extend(now.iter().cloned());
                if now.len() > seen.1.len() {
                    seen.1 = now;
                }
            }
        });
        Self { seen, stop: Some(stop), thread: Some(thread) }
    }

    /// How many there were in all.
    fn ever(&self) -> usize {
        self.seen.lock().expect("whole").0.len()
    }

    /// The most that were there at one time.
    fn most(&self) -> BTreeSet<String> {
        self.seen.lock().expect("whole").1.clone()
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn users_of(admin: &mut RedisConnection) -> BTreeSet<String> {
    let Ok(RedisReply::List(users)) = admin.ask(&["ACL", "USERS"]) else { panic!("the first user may") };
    let names = users.into_iter().filter_map(|user| match user {
        RedisReply::Text(name) => Some(name),
        _ => None,
    });
    names.filter(|name| name != Redis::USER).collect()
}

const WORKERS: usize = 4;
/// Between two looks at the users.
const PAUSE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(60);
