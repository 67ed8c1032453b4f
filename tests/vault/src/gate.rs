//! An upstream that lets in only whom OpenBao, or its database, would let in at this very moment.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response};
use svidgate_tests::Stopwatch;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::{Config, NoTls};

use crate::application::config;
use crate::serve;
use crate::setup::Setup;

/// The upstream while it listens. It answers 200 with a name of what was taken that is no secret, or 401.
pub struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
    runtime: Runtime,
}

/// What it was shown in requests.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// How often each credential was taken: a token, or `user:password`.
    pub taken: BTreeMap<String, u64>,
    /// What was not taken, and why.
    pub refused: Vec<String>,
}

/// Who is let in.
#[derive(Clone)]
pub enum Check {
    /// `Bearer` with the field `token` of a secret in KV: of its current version, and of the one before for a grace
    /// period, as services do that rotate.
    Kv {
        /// Where OpenBao is.
        setup: Arc<Setup>,
        /// Path below `secret`.
        path: &'static str,
        /// For the version before.
        grace: Duration,
    },
    /// `Basic` with a user and a password that PostgreSQL takes now.
    Database(Arc<Setup>),
}

struct Shared {
    check: Check,
    /// Version in KV, and when it was first seen.
    newest: Mutex<Option<(u64, Stopwatch)>>,
    verdicts: Mutex<Verdicts>,
}

impl Gate {
    /// Starts it on a free port, in threads of its own.
    pub fn start(check: Check) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("gate")
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("its address");
        let shared = Arc::new(Shared { check, newest: Mutex::default(), verdicts: Mutex::default() });
        runtime.spawn(serve(listener, shared.clone()));
        Self { address, shared, runtime }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was shown in requests so far.
    pub fn verdicts(&self) -> Verdicts {
        self.shared.verdicts.lock().expect("whole").clone()
    }

    /// Whether it would take this now; not one of its verdicts.
    pub fn would_take(&self, credential: &str) -> bool {
        self.runtime.block_on(self.shared.judge(credential)).is_ok()
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gate({})", self.address)
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let shared = shared.clone();
        serve::connection(stream, move |request| answer(shared.clone(), request));
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let judged = match shared.shown(&request) {
        Ok(credential) => shared.judge(&credential).await.map(|name| (credential, name)),
        Err(why) => Err(why),
    };
    let mut verdicts = shared.verdicts.lock().expect("whole");
    let (status, body) = match judged {
        Ok((credential, name)) => {
            *verdicts.taken.entry(credential).or_default() += 1;
            (200, name)
        }
        Err(why) => {
            verdicts.refused.push(why.clone());
            (401, why)
        }
    };
    Ok(Response::builder().status(status).body(Full::new(body.into())).expect("a response"))
}

impl Shared {
    /// The credential of a request, without its scheme.
    fn shown(&self, request: &Request<Incoming>) -> Result<String, String> {
        let mut values = request.headers().get_all("authorization").iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return Err("not one `authorization`".to_owned());
        };
        let value = value.to_str().map_err(|_| "no text")?;
        match &self.check {
            Check::Kv { .. } => Ok(value.strip_prefix("Bearer ").ok_or("no bearer")?.to_owned()),
            Check::Database(_) => {
                let encoded = value.strip_prefix("Basic ").ok_or("no basic")?;
                let decoded = STANDARD.decode(encoded).map_err(|_| "no Base64")?;
                String::from_utf8(decoded).map_err(|_| "no text".to_owned())
            }
        }
    }

    /// What was taken, by a name that is no secret: its version, or the user.
    async fn judge(self: &Arc<Self>, credential: &str) -> Result<String, String> {
        match &self.check {
            Check::Kv { .. } => {
                let (shared, credential) = (self.clone(), credential.to_owned());
                let judged = tokio::task::spawn_blocking(move || shared.judge_token(&credential)).await;
                judged.map_err(|_| "OpenBao could not be asked")?
            }
            Check::Database(setup) => judge_user(config(setup.postgres()), credential).await,
        }
    }

    fn judge_token(&self, token: &str) -> Result<String, String> {
        let Check::Kv { setup, path, grace } = &self.check else { return Err("no token".to_owned()) };
        let read = |query: &str| setup.bao.read(&format!("secret/data/{path}{query}"))["data"].clone();
        let current = read("");
        let version = current["metadata"]["version"].as_u64().expect("a version");
        let since = {
            let mut newest = self.newest.lock().expect("whole");
            match &*newest {
                Some((known, since)) if *known >= version => *since,
                _ => newest.insert((version, Stopwatch::start())).1,
            }
        };
        if current["data"]["token"].as_str() == Some(token) {
            return Ok(version.to_string());
        }
        let before = version - 1;
        if since.elapsed() < *grace
            && before > 0
            && read(&format!("?version={before}"))["data"]["token"].as_str() == Some(token)
        {
            return Ok(before.to_string());
        }
        Err(format!("version {version} is in force, since {:?}, and this is another", since.elapsed()))
    }
}

async fn judge_user(mut config: Config, credential: &str) -> Result<String, String> {
    let (user, password) = credential.split_once(':').ok_or("no user and password")?;
    config.user(user).password(password);
    match timeout(PATIENCE, config.connect(NoTls)).await {
        Ok(Ok(_)) => Ok(user.to_owned()),
        Ok(Err(error)) => Err(format!("PostgreSQL does not take {user}: {error:?}")),
        Err(_) => Err("PostgreSQL does not answer".to_owned()),
    }
}

/// Of PostgreSQL, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
