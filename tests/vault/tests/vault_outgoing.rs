//! The whole way of a secret onto a request: OpenBao, the controller, a real Envoy with the plugin, an upstream that checks
//! what it gets against OpenBao and PostgreSQL at that moment. Nobody is refused while everything rotates, and no secret
//! shows anywhere meanwhile.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeSet;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use svidgate_tests::{Bootstrap, Connection, Controller, Envoy, Load, Programs, Request, Shown, poll};
use svidgate_vault_tests::{Check, Gate, Proxy, Setup, UserWatch};
use tokio::runtime::Runtime;

#[test]
fn h07_h12_ten_rotations_on_outgoing_requests_under_load_none_refused_and_no_secret_shows() {
    let mut shown = Shown::start();
    let site = Site::start();
    let mut workers = site.envoy.connection_to_each_worker_at("egress", site.envoy.listener());
    let load = site.load();
    let mut tokens = vec![token(0)];
    while tokens.len() <= ROTATIONS || site.users.verdicts().taken.len() <= ROTATIONS {
        tokens.push(token(tokens.len()));
        let version = tokens.len().to_string();
        site.put(&json!({"token": tokens.last()}));
        poll("every worker has the new version", PATIENCE, || {
            let has = |connection: &mut Connection| {
                let answer = connection.send(&ask(TOKENS)).expect("an answer from Envoy");
                assert_eq!(answer.status, 200, "{}", answer.text());
                answer.text() == version
            };
            workers.iter_mut().all(has).then_some(())
        });
        load.await_requests(40);
        shown.add_controller(&site.controller);
    }
    load.finish().assert_no_failure();

    let (with_token, with_user) = (site.tokens.verdicts(), site.users.verdicts());
    assert_eq!((with_token.refused, with_user.refused), (Vec::<String>::new(), Vec::new()));
    assert_eq!(with_token.taken.keys().collect::<BTreeSet<_>>(), tokens.iter().collect::<BTreeSet<_>>());
    assert!(site.user_watch.most().len() <= 2, "at one time: {:?}", site.user_watch.most());
    for old in tokens.iter().rev().skip(1) {
        poll("a token that was replaced ends with its grace period", GRACE * 2, || {
            (!site.tokens.would_take(old)).then_some(())
        });
    }
    let in_force = site.envoy.send(&ask(USERS)).text();
    for old in with_user.taken.keys().filter(|user| !user.starts_with(&format!("{in_force}:"))) {
        poll("a user that was replaced is revoked", PATIENCE, || (!site.users.would_take(old)).then_some(()));
    }

    let mut secrets: BTreeSet<String> = tokens.into_iter().collect();
    secrets.extend(with_user.taken.into_keys().filter_map(|user| Some(user.split_once(':')?.1.to_owned())));
    secrets.extend(site.proxy.tokens());
    secrets.insert(site.secret_id.clone());
    secrets.extend(site.provoke_errors());
    assert!(secrets.len() > 2 * ROTATIONS, "tokens, passwords, the token of OpenBao: {}", secrets.len());
    site.show(&mut shown);
    let Site { mut envoy, mut controller, user_watch, setup, .. } = site;
    shown.add_environment("the controller", controller.process().id());
    shown.add_environment("Envoy", envoy.process().id());
    controller.process().stop();
    poll("no user is left", PATIENCE, || user_watch.now().is_empty().then_some(()));
    poll("no lease is left", PATIENCE, || setup.bao.leases("database/creds/app").is_empty().then_some(()));
    envoy.stop();
    shown.add_files(setup.folder().path(), &["secret-id", "edge.key"]);
    for log in ["controller.log", "envoy.log", "openbao.log", "postgres.log", "controller.yaml", "envoy.json"]
    {
        assert!(shown.places().any(|place| place == log), "{log}");
    }
    shown.assert_without(&secrets, &[]);
    let key = BTreeSet::from([KEY.to_owned()]);
    shown.assert_without(&key, &["Envoy's /config_dump", "envoy.json"]);
}

/// Fields are dropped in order: Envoy first.
struct Site {
    envoy: Envoy,
    controller: Controller,
    tokens: Gate,
    users: Gate,
    user_watch: UserWatch,
    proxy: Proxy,
    secret_id: String,
    setup: Arc<Setup>,
    _runtime: Runtime,
}

impl Site {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let setup = Arc::new(Setup::with_database());
        setup.dynamic_role("12s", "12s");
        // The login is renewed, reaches its maximum and is replaced on the way.
        setup.approle("20s", "50s");
        setup.bao.enable("mounts", "secret", &json!({"type": "kv", "options": {"version": "2"}}));
        put(&setup, &json!({"token": token(0)}));
        // Sees the token of the controller, which OpenBao tells nobody else.
        let proxy = runtime.block_on(Proxy::start(&setup.bao.plain_address()));
        let user_watch = runtime.block_on(UserWatch::start(setup.postgres()));
        let mut vault = setup.vault_section("app");
        let secret_id = setup.folder().join("secret-id");
        let secret_id = std::fs::read_to_string(secret_id).expect("vault_section writes it");
        vault["address"] = json!(proxy.url());
        vault.as_object_mut().expect("an object").remove("tls");
        vault["jitter"] = json!(0);
        vault["grace"] = json!("2s");
        vault["at_shutdown"] = json!("revoke");
        let controller = start_controller(&setup, &vault);
        let tokens = Gate::start(Check::Kv { setup: setup.clone(), path: "billing", grace: GRACE });
        let users = Gate::start(Check::Database(setup.clone()));
        let bootstrap = Bootstrap::from_file("envoy/examples/egress.yaml")
            .controller(controller.socket())
            .cluster("billing", tokens.address())
            .cluster("legacy", users.address())
            // The plugin as shipped, with a request that shows what lies in Envoy's shared data.
            .wasm(&Programs::wasm_with_test_hooks())
            .plugin_config(|config| {
                config["test_fault"] = json!("none");
                config["outgoing"][1]["as"] = json!("basic");
            });
        let envoy = Envoy::start("envoy", &bootstrap, setup.folder().path());
        for host in [TOKENS, USERS] {
            poll("a request passes", PATIENCE, || (envoy.send(&ask(host)).status == 200).then_some(()));
        }
        Self { envoy, controller, tokens, users, user_watch, proxy, secret_id, setup, _runtime: runtime }
    }

    fn put(&self, secret: &Value) {
        put(&self.setup, secret);
    }

    /// Requests without a pause, to both upstreams over both workers.
    fn load(&self) -> Load {
        let clients = [TOKENS, USERS].into_iter().flat_map(|host| {
            let connections = self.envoy.connection_to_each_worker_at("egress", self.envoy.listener());
            connections.into_iter().map(move |connection| (host, connection))
        });
        let client = |(host, connection): (&'static str, Connection)| {
            let address = self.envoy.listener().clone();
            let mut connection = Some(connection);
            move || {
                let mut open = match connection.take() {
                    Some(open) => open,
                    None => Connection::open(&address).map_err(|error| error.to_string())?,
                };
                let answer = open.send(&ask(host)).map_err(|error| error.to_string())?;
                connection = Some(open);
                match answer.status {
                    200 => Ok(()),
                    status => Err(format!("{host}: {status} {}", answer.text())),
                }
            }
        };
        Load::start(clients.map(client).collect())
    }

    /// Secrets that cannot be used, which must not show in what is said about that.
    fn provoke_errors(&self) -> [String; 2] {
        let awaits = |path: &str, word: &str| {
            poll(word, PATIENCE, || self.controller.ask(path).text().contains(word).then_some(()));
        };
        let [unfit, lone] = ["hush-of-no-header", "hush-of-another-field"];
        // No header holds it.
        self.put(&json!({"token": format!("{unfit}\n{unfit}")}));
        awaits("/status", "secret billing: ");
        // OpenBao itself refuses.
        let policy = self.setup.bao.read("sys/policies/acl/app")["data"]["policy"].clone();
        let less = r#"path "database/creds/app" { capabilities = ["read"] }"#;
        self.setup.bao.write("sys/policies/acl/app", &json!({"policy": less}));
        awaits("/health", "Vault answered 403");
        self.setup.bao.write("sys/policies/acl/app", &json!({"policy": policy}));
        // Without the field.
        self.put(&json!({"other": lone}));
        awaits("/health", "has no field `token`");
        [unfit.to_owned(), lone.to_owned()]
    }

    /// All that is shown by now, but for the files.
    fn show(&self, shown: &mut Shown) {
        let dump = self.envoy.send(&ask(TOKENS).header("x-test-dump", "1")).text();
        assert!(dump.contains("\"credentials\":\"eyJ"), "what is looked through is what rests there: {dump}");
        shown.add("Envoy's shared data", dump);
        let sealed = shown.add_sealed(&self.controller, KEY, &["billing", "legacy"]);
        let user = sealed.get("legacy").expect("it is sealed there").expose().to_vec();
        let user = String::from_utf8(user).expect("text");
        assert!(user.starts_with("v-"), "the bytes that are looked through");
        shown.add_controller(&self.controller);
        shown.add_envoy(&self.envoy);
        let socket = self.controller.socket().to_str().expect("text");
        for arguments in [&["status", "--socket", socket][..], &["status", "--json", "--socket", socket]] {
            let output = std::process::Command::new(Programs::svidgate()).args(arguments).output();
            let output = output.expect("svidgate");
            let text = [output.stdout, output.stderr].concat();
            shown.add(arguments.join(" "), String::from_utf8_lossy(&text));
        }
    }
}

fn start_controller(setup: &Setup, vault: &Value) -> Controller {
    let folder = setup.folder();
    let key = folder.write("edge.key", KEY);
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).expect("its own file");
    // Envoy is a child of this test.
    let uid = std::fs::metadata(folder.path()).expect("a folder").uid();
    let nobody = folder.join("no-agent.sock");
    Controller::configured(folder.path(), &nobody, |config| {
        let subscribers = json!([{"uid": uid, "key": "edge"}]);
        // Nothing here needs SPIRE.
        config.as_object_mut().expect("an object").remove("workload_api");
        config["log"]["level"] = json!("trace");
        config["vault"] = vault.clone();
        config["secrets"] = json!({
            "billing": {"kv": {"path": "billing", "fields": ["token"], "poll": "1s"}},
            "db": {"database": {"role": "app"}},
        });
        config["credential_keys"] = json!({"edge": folder.join("edge.key")});
        config["credentials"] = json!({
            "billing": {"secret": {"name": "billing", "field": "token"}, "subscribers": subscribers},
            "legacy": {
                "secret": {"name": "db", "field": "password", "user_field": "username"},
                "subscribers": subscribers,
            },
        });
    })
}

fn put(setup: &Setup, secret: &Value) {
    setup.bao.write("secret/data/billing", &json!({"data": secret}));
}

/// The `number`th value of the secret.
fn token(number: usize) -> String {
    format!("hush-{number}-of-the-test")
}

fn ask(host: &str) -> Request {
    Request::bare("GET", "/").header("host", host)
}

const TOKENS: &str = "billing.example.org";
const USERS: &str = "legacy.example.net";
/// That of the example, which `envoy/examples/egress.yaml` has too.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const ROTATIONS: usize = 10;
/// For which the upstream takes a token that was replaced.
const GRACE: Duration = Duration::from_secs(8);
const PATIENCE: Duration = Duration::from_secs(60);
