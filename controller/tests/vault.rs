//! The program with a Vault: what it fetches, writes, tells and shows; with a fake Vault whose faults are on demand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../vault/tests/fake/mod.rs"]
mod fake;
mod support;

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use fake::{Fake, How};
use hyper::StatusCode;
use serde_json::{Value, json};
use support::{Answer, DEADLINE, FakeAgent, eventually, get, jwks};
use svidgate_controller::dev::{Options, TrustDomainServer};
use svidgate_jwt_svid::SpiffeId;
use tokio::net::UnixStream;

/// A folder, an agent, a Vault, and settings for them.
struct Setup {
    folder: tempfile::TempDir,
    vault: Fake,
    address: String,
    _agent: FakeAgent,
}

/// `svidgate run` as a process; it dies with the test.
struct Controller {
    process: Child,
    socket: PathBuf,
    log: PathBuf,
}

impl Setup {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("role-id"), "role").unwrap();
        std::fs::write(folder.path().join("secret-id"), "secret-id-1\n").unwrap();
        let vault = Fake::new();
        let address = vault.listen().await;
        let agent = FakeAgent::start(&folder.path().join("agent.sock"));
        agent.bundles(&[("example.org", &jwks(&["a"]))]);
        Self { folder, vault, address, _agent: agent }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path(name)).ok()
    }

    /// Writes settings with `vault` members and the rest added; DIR stands for the folder.
    fn settings(&self, vault: &str, rest: &str) -> PathBuf {
        let auth = "{approle: {role_id: {file: DIR/role-id}, secret_id: {file: DIR/secret-id}}}";
        self.settings_with(auth, vault, rest)
    }

    fn settings_with(&self, auth: &str, vault: &str, rest: &str) -> PathBuf {
        let text = format!(
            "workload_api: {{socket: 'unix://DIR/agent.sock'}}
server: {{socket: DIR/c.sock}}
log: {{level: debug}}
vault:
  address: {}
  auth: {auth}
  jitter: 0
{vault}
{rest}
",
            self.address
        );
        let path = self.path("controller.yaml");
        std::fs::write(&path, text.replace("DIR", &self.folder.path().display().to_string())).unwrap();
        path
    }

    fn command(&self, settings: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_svidgate"));
        command.arg("run").arg("--config").arg(settings).args(arguments);
        for (name, _) in std::env::vars() {
            if name.starts_with("SVIDGATE_") || name.starts_with("SPIFFE_") {
                command.env_remove(name);
            }
        }
        let log = std::fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        command
    }

    async fn once(&self, settings: &Path, deadline: &str) -> ExitStatus {
        let mut command = self.command(settings, &["--once", "--deadline", deadline]);
        tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap()
    }

    async fn start(&self, settings: &Path, variables: &[(&str, &str)]) -> Controller {
        let process = self.command(settings, &[]).envs(variables.iter().copied()).spawn().unwrap();
        let controller = Controller { process, socket: self.path("c.sock"), log: self.path("log") };
        eventually("the controller serves", || async {
            let log = || std::fs::read_to_string(&controller.log).unwrap_or_default();
            assert!(!log().contains("controller.yaml: "), "{}", log());
            UnixStream::connect(&controller.socket).await.is_ok()
        })
        .await;
        controller
    }
}

impl Controller {
    async fn get(&self, path: &str) -> Answer {
        get(&self.socket, path, &[]).await
    }

    async fn health(&self) -> (StatusCode, Value) {
        let answer = self.get("/health").await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }

    async fn metric(&self, line: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text();
        let found = text.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(' '))?.parse().unwrap();
        Some(found)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// SIGTERM, and the end.
    async fn end(mut self) -> ExitStatus {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(tokio::time::Instant::now() < deadline, "it does not end: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const DB: &str = "secrets: {db: {database: {role: app}}}
files: [{path: DIR/db.uri, postgres_uri: {secret: db, host: pg.test, database: app}}]";

fn uri(number: u32) -> String {
    format!("postgresql://v-user-{number}:v-password-{number}@pg.test:5432/app\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn once_writes_every_file_leaves_the_leases_and_ends() {
    let setup = Setup::new().await;
    setup
        .vault
        .model(|model| model.put("app/kafka", json!({"username": "u", "password": "p\"w", "other": "x"})));
    let settings = setup.settings(
        "  at_shutdown: revoke",
        "secrets:
  db: {database: {role: app}}
  kafka: {kv: {path: app/kafka, fields: [username, password]}}
files:
- path: DIR/db.uri
  postgres_uri: {secret: db, host: pg.test, database: app}
  hook: {command: [/bin/sh, -c, 'touch DIR/hooked'], on_first_write: true}
- folder: DIR/conf
  contents:
    client.properties: {kafka_client: {secret: kafka}}
    bundle.json: {template: '{{ bundles[\"example.org\"].jwt }}', mode: '0644'}",
    );
    assert!(setup.once(&settings, "60s").await.success(), "{:?}", setup.read("log"));
    assert_eq!(setup.read("db.uri").unwrap(), uri(1));
    assert_eq!(std::fs::metadata(setup.path("db.uri")).unwrap().permissions().mode() & 0o7777, 0o600);
    let kafka = setup.read("conf/client.properties").unwrap();
    assert!(kafka.ends_with("password=\"p\\\\\"w\";\n"), "{kafka}");
    assert!(setup.read("conf/bundle.json").unwrap().contains("\"kid\":\"a\""));
    assert!(!setup.path("hooked").exists(), "nobody reads it yet");
    assert_eq!(setup.vault.count("auth/token/revoke-self"), 0, "it is used from now on");
    assert!(setup.vault.model(|model| model.leases.contains_key("database/creds/app/1")));
}

#[tokio::test(flavor = "multi_thread")]
async fn once_says_what_is_missing_at_the_deadline() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.forbidden = vec!["database/creds/app".to_owned()]);
    let settings = setup.settings("", DB);
    assert_eq!(setup.once(&settings, "2s").await.code(), Some(1));
    let log = setup.read("log").unwrap();
    assert!(log.contains("not every file was written within 2s"), "{log}");
    assert!(log.contains("db.uri: waits for secret db"), "{log}");
    assert!(log.contains("secret db: database_creds: Vault answered 403 (permission denied)"), "{log}");
    assert!(setup.read("db.uri").is_none());

    std::fs::remove_file(setup.path("log")).unwrap();
    setup.vault.model(|model| model.sealed = true);
    assert_eq!(setup.once(&settings, "2s").await.code(), Some(1));
    let log = setup.read("log").unwrap();
    assert!(
        log.contains("not logged in to Vault at http://127.0.0.1") && log.contains("503 (sealed)"),
        "{log}"
    );
    let without = setup.settings("", "secrets: {db: {database: {role: app}}}");
    assert_eq!(setup.once(&without, "2s").await.code(), Some(64));
}

/// 20 s of life, of which 4 pass before the next one is fetched, because renewals do not extend it.
fn short_lives(setup: &Setup) {
    let life = Duration::from_secs(20);
    setup.vault.model(|model| (model.lease_ttl, model.lease_max) = (life, life));
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_h13_a_rotation_reaches_the_file_then_the_reader_and_only_then_the_old_lease_ends() {
    let setup = Setup::new().await;
    short_lives(&setup);
    let settings = setup.settings(
        "  renew_at: 0.2\n  grace: 1s\n  at_shutdown: revoke",
        "secrets: {db: {database: {role: app}}}
files:
- path: DIR/db.uri
  postgres_uri: {secret: db, host: pg.test, database: app}
  hook: {command: [/bin/sh, -c, 'test -e DIR/allow && cat $SVIDGATE_FILE >> DIR/seen']}",
    );
    let controller = setup.start(&settings, &[]).await;
    let has = |number| {
        let setup = &setup;
        move || async move { setup.read("db.uri") == Some(uri(number)) }
    };
    eventually("the first credential is written", has(1)).await;
    assert!(!setup.path(".db.uri.svidgate-hook-due").exists());
    // Its reader cannot be told of the second one.
    eventually("the second one is written", has(2)).await;
    let file = setup.path("db.uri").display().to_string();
    let failures = format!("svidgate_file_hook_runs_total{{file=\"{file}\",status=\"error\"}}");
    eventually("the hook fails again and again", || async {
        controller.metric(&failures).await >= Some(2.0)
    })
    .await;
    assert!(setup.path(".db.uri.svidgate-hook-due").exists(), "a restart would know that it is due");
    let lives = |number: u32| {
        setup.vault.model(|model| model.leases.contains_key(&format!("database/creds/app/{number}")))
    };
    assert!(lives(1), "the reader works with it");
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("degraded")), "{health}");
    assert!(
        health["checks"]["files"]["files"][&file].as_str().unwrap().contains("its hook fails"),
        "{health}"
    );

    std::fs::write(setup.path("allow"), "").unwrap();
    eventually("the reader was told", || async { setup.read("seen").is_some() }).await;
    eventually("the first lease is revoked", || async { !lives(1) }).await;
    let revoked = setup.vault.seen().into_iter().filter(|seen| seen.path == "sys/leases/revoke").count();
    assert!(revoked >= 1, "it did not end by itself");
    let first = setup.read("seen").unwrap();
    assert!(!first.contains("v-user-1:"), "{first}");
    let healthy = || async { controller.health().await.1["checks"]["files"]["status"] == "healthy" };
    eventually("all is well", healthy).await;
    assert!(!setup.path(".db.uri.svidgate-hook-due").exists());

    let shown = [
        controller.get("/health").await.text(),
        controller.get("/metrics").await.text(),
        controller.get("/status").await.text(),
        controller.log(),
    ];
    for text in &shown {
        assert!(
            !text.contains("v-password") && !text.contains("hvs.") && !text.contains("secret-id-1"),
            "{text}"
        );
    }
    for name in [
        "vault_requests_total{operation=\"database_creds\",status=\"200\"}",
        "vault_request_duration_seconds_count{operation=\"login\"}",
        "vault_credential_expiry_seconds{credential=\"db\"}",
        "vault_circuit_breaker_state{address=",
        "svidgate_credentials_fetched_total{credential_type=\"database\",status=\"success\"}",
        "svidgate_renewal_task_runs_total{status=\"success\"}",
        "svidgate_file_writes_total{file=",
        "svidgate_file_current{file=",
        "svidgate_fail_open{secret=\"db\"} 0",
        "svidgate_revisions_total",
    ] {
        assert!(shown[1].contains(name), "{name}: {}", shown[1]);
    }
    assert!(controller.end().await.success());
    assert_eq!(setup.vault.count("auth/token/revoke-self"), 1, "as the settings say");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_workload_api_files_are_written_and_filters_are_told_that_there_are_no_bundles() {
    let setup = Setup::new().await;
    let settings = setup.settings("", DB);
    let text = std::fs::read_to_string(&settings).unwrap();
    let (agent, text) = text.split_once('\n').unwrap();
    assert!(agent.starts_with("workload_api:"), "{agent}");
    std::fs::write(&settings, text).unwrap();
    assert!(setup.once(&settings, "60s").await.success(), "{:?}", setup.read("log"));
    std::fs::remove_file(setup.path("db.uri")).unwrap();
    let controller = setup.start(&settings, &[]).await;
    eventually("it is ready", || async { controller.get("/readyz").await.status == StatusCode::OK }).await;
    eventually("the file is written", || async { setup.read("db.uri").is_some() }).await;
    let is_healthy = || async { controller.health().await.1["status"] == "healthy" };
    eventually("all is well", is_healthy).await;
    assert_eq!(controller.health().await.1["checks"]["workload_api"]["status"], "disabled");
    let status: Value = serde_json::from_slice(&controller.get("/status").await.body).unwrap();
    assert_eq!(status["workload_api"]["phase"], "off");
    let snapshot = controller.get("/v1/snapshot?wait=0").await;
    assert_eq!(snapshot.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(snapshot.text().contains("no workload_api.socket is configured"), "{}", snapshot.text());
    assert!(controller.end().await.success());

    // What a template in a file takes is known at the start only.
    std::fs::write(setup.path("svid.tmpl"), "{{ svid.bundle }}").unwrap();
    let file = setup.path("svid.tmpl").display().to_string();
    std::fs::write(
        &settings,
        text.replace("files: [", &format!("files: [{{path: {file}.out, template_file: {file}}}, ")),
    )
    .unwrap();
    assert_eq!(setup.once(&settings, "2s").await.code(), Some(64));
    let log = setup.read("log").unwrap();
    assert!(log.contains("uses `svid` or `bundles`, for which workload_api.socket is required"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn h10_without_vault_the_start_waits_and_bundles_are_served_all_the_same() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.sealed = true);
    let settings = setup.settings("", DB);
    let controller = setup.start(&settings, &[]).await;
    eventually("bundles are served", || async {
        controller.get("/v1/snapshot?wait=0").await.status == StatusCode::OK
    })
    .await;
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("unhealthy")), "{health}");
    assert_eq!(health["checks"]["vault"]["status"], "unhealthy");
    assert_eq!(health["checks"]["vault"]["enabled"], true);
    assert_eq!(controller.get("/readyz").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(controller.get("/livez").await.status, StatusCode::OK);
    assert!(setup.read("db.uri").is_none());
    let opened =
        || async { controller.health().await.1["checks"]["vault"]["circuit_breaker_state"] == "open" };
    eventually("the breaker opens", opened).await;
    setup.vault.model(|model| model.sealed = false);
    eventually("it is ready", || async { controller.get("/readyz").await.status == StatusCode::OK }).await;
    eventually("the file is written", || async { setup.read("db.uri") == Some(uri(1)) }).await;
    let (code, health) = controller.health().await;
    assert_eq!(
        (code, &health["checks"]["vault"]["circuit_breaker_state"]),
        (StatusCode::OK, &json!("closed"))
    );
    assert!(controller.end().await.success());
    assert_eq!(setup.vault.count("auth/token/revoke-self"), 0, "leases are left by default");
}

#[tokio::test(flavor = "multi_thread")]
async fn fail_open_uses_static_values_loudly_until_vault_is_back() {
    let setup = Setup::new().await;
    setup.vault.fault_for_ever("", How::Status(503, "{}"));
    let settings = setup.settings(
        "  fail_open: true",
        &DB.replace(
            "role: app}",
            "role: app}, fallback: {environment: {username: DEV_USER, password: DEV_PASSWORD}}",
        ),
    );
    let controller = setup.start(&settings, &[("DEV_USER", "dev"), ("DEV_PASSWORD", "dev-hush")]).await;
    let fixed = "postgresql://dev:dev-hush@pg.test:5432/app\n";
    eventually("the static value is written", || async { setup.read("db.uri").as_deref() == Some(fixed) })
        .await;
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("healthy")), "{health}");
    assert_eq!(health["checks"]["vault"]["status"], "unhealthy", "what is true is shown");
    assert_eq!(health["checks"]["vault"]["secrets"]["db"]["static"], true);
    assert_eq!(controller.get("/readyz").await.status, StatusCode::OK);
    assert_eq!(controller.metric("svidgate_fail_open{secret=\"db\"}").await, Some(1.0));
    let log = controller.log();
    assert!(log.contains("FAIL OPEN") && !log.contains("dev-hush"), "{log}");
    setup.vault.mend();
    eventually("Vault's value is written", || async { setup.read("db.uri") == Some(uri(1)) }).await;
    assert_eq!(controller.metric("svidgate_fail_open{secret=\"db\"}").await, Some(0.0));
    assert!(controller.end().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn h08_a_version_without_a_field_replaces_no_good_one() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.put("app/redis", json!({"password": "one"})));
    let settings = setup.settings(
        "",
        "secrets: {redis: {kv: {path: app/redis, fields: [password], poll: 1s}}}
files: [{path: DIR/redis.uri, redis_uri: {secret: redis, host: r.test, tls: false}}]",
    );
    let controller = setup.start(&settings, &[]).await;
    let is = |text: &'static str| {
        let setup = &setup;
        move || async move { setup.read("redis.uri").as_deref() == Some(text) }
    };
    eventually("the first version is written", is("redis://:one@r.test:6379/0\n")).await;
    setup.vault.model(|model| model.put("app/redis", json!({"pasword": "two"})));
    let shown =
        || async { controller.health().await.1["checks"]["vault"]["secrets"]["redis"]["error"].is_string() };
    eventually("the bad version shows", shown).await;
    let (code, health) = controller.health().await;
    assert_eq!((code, &health["status"]), (StatusCode::OK, &json!("degraded")), "{health}");
    assert!(health.to_string().contains("version 2 has no field `password`"), "{health}");
    assert_eq!(setup.read("redis.uri").as_deref(), Some("redis://:one@r.test:6379/0\n"));
    setup.vault.model(|model| model.put("app/redis", json!({"password": "three"})));
    eventually("the next good one is written", is("redis://:three@r.test:6379/0\n")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_send_signals_to_a_pid_file_and_to_a_program_and_call_http() {
    let setup = Setup::new().await;
    setup.vault.model(|model| model.put("app/x", json!({"v": "1"})));
    // A program of a name of its own, which notes each signal. Not HUP: where that was ignored at the start, as under
    // `nohup`, a shell cannot trap it.
    let program = setup.path("svidgate-reader");
    std::fs::copy("/bin/sh", &program).unwrap();
    let script =
        "trap 'echo got >> $0' USR2; trap 'echo got >> $1' USR1; echo up > $2; while :; do sleep 0.05; done";
    let reader = |name: &str| {
        let names = ["usr2", "usr1", "up"].map(|what| setup.path(&format!("{name}-{what}")));
        let child = Command::new(&program).arg("-c").arg(script).args(names).spawn().unwrap();
        Reader(child)
    };
    let (by_file, by_name) = (reader("a"), reader("b"));
    std::fs::write(setup.path("pid"), format!("{}\n", by_file.0.id())).unwrap();
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    for name in ["a", "b"] {
        eventually("the reader is up", || async { setup.read(&format!("{name}-up")).is_some() }).await;
    }
    let file = |name: &str, hook: &str| {
        format!(
            "- {{path: DIR/{name}, template: '{{{{ secrets.x.v }}}}', hook: {{on_first_write: true, {hook}}}}}\n"
        )
    };
    let settings = setup.settings(
        "",
        &format!(
            "secrets: {{x: {{kv: {{path: app/x}}}}}}\nfiles:\n{}{}{}",
            file("one", "signal: USR2, pid_file: DIR/pid"),
            file("two", "signal: USR1, process: svidgate-reader"),
            file("three", &format!("http: {{url: 'http://127.0.0.1:{port}/reload?x=1'}}")),
        ),
    );
    let _controller = setup.start(&settings, &[]).await;
    let (mut stream, _) = tokio::time::timeout(DEADLINE, server.accept()).await.unwrap().unwrap();
    let mut line = vec![0; 22];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut line).await.unwrap();
    assert_eq!(String::from_utf8(line).unwrap(), "POST /reload?x=1 HTTP/");
    eventually("USR2 came by the file", || async { setup.read("a-usr2").is_some() }).await;
    eventually("USR1 came by the name", || async { setup.read("b-usr1").is_some() }).await;
    assert!(setup.read("b-usr2").is_none(), "the file names the other one");
    drop(by_name);
}

struct Reader(Child);

impl Drop for Reader {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A trust domain whose SVIDs live for `ttl`, on `dev.sock` in the folder.
async fn trust_domain(setup: &Setup, ttl: Duration) -> TrustDomainServer {
    let id = SpiffeId::parse("spiffe://example.org/app").unwrap();
    let mut options = Options::new(&id, &setup.path("dev.sock"));
    options.settings.ttl = ttl;
    TrustDomainServer::start(options).await.unwrap()
}

fn with_dev(settings: &Path) {
    let text = std::fs::read_to_string(settings).unwrap();
    std::fs::write(settings, text.replace("agent.sock", "dev.sock")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn h09_the_login_takes_a_jwt_svid_for_vaults_audience_or_one_by_environment() {
    let setup = Setup::new().await;
    let _dev = trust_domain(&setup, Duration::from_mins(5)).await;
    let settings = setup.settings_with("{jwt: {audience: vault.test, role: app, mount: spire}}", "", DB);
    with_dev(&settings);
    assert!(setup.once(&settings, "60s").await.success(), "{:?}", setup.read("log"));
    let login = setup.vault.seen().into_iter().find(|seen| seen.path == "auth/spire/login").unwrap();
    assert_eq!(login.body["role"], "app");
    let token = login.body["jwt"].as_str().unwrap();
    let claims = token.split('.').nth(1).unwrap();
    let claims = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, claims).unwrap();
    let claims: Value = serde_json::from_slice(&claims).unwrap();
    assert_eq!(
        (&claims["aud"], &claims["sub"]),
        (&json!(["vault.test"]), &json!("spiffe://example.org/app"))
    );

    let login = "{approle: {role_id: {environment: MY_ROLE}, secret_id: {environment: MY_SECRET}}}";
    let settings = setup.settings_with(login, "", DB);
    let mut command = setup.command(&settings, &["--once", "--deadline", "60s"]);
    command.env("MY_ROLE", "r").env("MY_SECRET", "secret-id-1");
    let status = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
    assert!(status.success(), "{:?}", setup.read("log"));
}

#[tokio::test(flavor = "multi_thread")]
async fn h12_x509_svids_reach_a_folder_with_their_own_key_and_rotate() {
    let setup = Setup::new().await;
    let dev = trust_domain(&setup, Duration::from_mins(5)).await;
    let settings = setup.settings(
        "",
        "files:
- folder: DIR/tls
  contents:
    tls.crt: {x509: {part: certificate}, mode: '0644'}
    tls.key: {x509: {part: private_key}}
    ca.crt: {x509: {part: bundle}}
    id: {template: '{{ svid.spiffe_id }}'}
  hook: {command: [/bin/sh, -c, 'cat $SVIDGATE_FILE/tls.crt >> DIR/seen']}",
    );
    // No Vault at all.
    let text = std::fs::read_to_string(&settings).unwrap();
    let (start, end) = (text.find("vault:").unwrap(), text.find("files:").unwrap());
    std::fs::write(&settings, [text.get(..start).unwrap(), text.get(end..).unwrap()].concat()).unwrap();
    with_dev(&settings);
    let controller = setup.start(&settings, &[]).await;
    eventually("the SVID is written", || async { setup.path("tls/tls.key").exists() }).await;
    assert_eq!(setup.read("tls/id").unwrap(), "spiffe://example.org/app");
    let (_, health) = controller.health().await;
    assert_eq!(
        health["checks"]["vault"],
        json!({"status": "disabled", "enabled": false, "circuit_breaker_state": null})
    );
    // Another agent with another authority; every state that a reader may find has a key that fits.
    let first = setup.read("tls/ca.crt").unwrap();
    dev.shutdown().await;
    let _dev = trust_domain(&setup, Duration::from_mins(5)).await;
    let rotated = || async {
        let state = setup.path("tls").join(std::fs::read_link(setup.path("tls/..data")).unwrap());
        let read = |name: &str| std::fs::read_to_string(state.join(name));
        if let (Ok(certificate), Ok(key)) = (read("tls.crt"), read("tls.key")) {
            let pem = x509_parser::pem::parse_x509_pem(certificate.as_bytes()).unwrap().1;
            let certificate = pem.parse_x509().unwrap();
            let key = rcgen::KeyPair::from_pem(&key).unwrap();
            let public = key.public_key_raw();
            assert_eq!(certificate.public_key().subject_public_key.data.as_ref(), public);
        }
        let told = setup.read("seen").is_some_and(|seen| seen.contains("BEGIN CERTIFICATE"));
        told && setup.read("tls/ca.crt").is_some_and(|authority| authority != first)
    };
    eventually("the next one was written and told", rotated).await;
    assert!(!controller.log().contains("PRIVATE KEY"));
    assert!(controller.end().await.success());
}
