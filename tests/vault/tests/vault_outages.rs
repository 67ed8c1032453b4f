//! What OpenBao depends on, and what leads to it, fails while OpenBao is well. docs/vault-faults.md has the table.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use svidgate_tests::{Controller, poll};
use svidgate_vault::{BreakerState, Spec};
use svidgate_vault_tests::{Case, Relay, Setup, next, text, until};
use tokio::time::Instant;

#[tokio::test(flavor = "multi_thread")]
async fn h04_postgresql_is_away_while_openbao_is_well() {
    let mut case = Case::start("8s", false, |_| {}).await;
    let bao = &case.setup.bao;
    bao.enable("mounts", "secret", &json!({"type": "kv", "options": {"version": "2"}}));
    bao.write("secret/data/app", &json!({"data": {"value": "one"}}));
    // Has nothing to do with PostgreSQL.
    let poll = Some(Duration::from_secs(1));
    let kv = Spec::Kv { mount: "secret".to_owned(), path: "app".to_owned(), poll };
    let mut others = case.vault.keep("other", kv).expect("a free name");
    next("the other secret", 20, &mut others).await;

    let (left, away) = {
        let user = case.vault.get("db").expect("in force");
        (user.remaining().expect("an end"), Instant::now())
    };
    case.setup.postgres_mut().kill();
    let mut said = String::new();
    until("the failure is visible", 30, || {
        said = case.error();
        said.contains("Vault answered 500")
    })
    .await;
    case.is_withdrawn().await;
    assert!(away.elapsed() + Duration::from_secs(1) > left, "not before its end");
    // More failures in a row than open the breaker, but of one engine: OpenBao is well, and so are its other secrets.
    let asked = |case: &Case| case.proxy.count("GET database/creds");
    let before = asked(&case);
    until("it is asked again and again", 60, || asked(&case) >= before + 4).await;
    case.setup.bao.write("secret/data/app", &json!({"data": {"value": "two"}}));
    let changed = next("a change of the other secret", 10, &mut others).await;
    assert_eq!(text(&changed, "value"), "two");
    assert_eq!(case.vault.status().breaker, BreakerState::Closed);
    case.setup.postgres_mut().start_again();
    case.comes_back().await;
    let seen = case.end().await;
    assert_eq!((seen.refused.len(), seen.breaker), (0, vec![BreakerState::Closed]));
}

/// The whole program, in a mount namespace of its own, where a name is what the test says.
#[test]
fn h04_the_name_of_vault_does_not_resolve() {
    let setup = Setup::with_database();
    setup.dynamic_role("8s", "8s");
    let relay = Relay::start(setup.bao.port());
    let mut vault = setup.vault_section("app");
    vault["address"] = json!(format!("https://{}:{}", setup.bao.server_name(), relay.port()));
    vault["tls"].as_object_mut().expect("an object").remove("server_name");
    vault["circuit_breaker"] = json!({"failures": 3, "open_for": "1s", "open_at_most": "2s"});
    vault["grace"] = json!("1s");
    vault["at_shutdown"] = json!("revoke");
    let (names, nobody) = (Names::new(&setup), setup.folder().join("no-agent.sock"));
    let user = setup.folder().join("user");
    let controller = Controller::under(names.namespace(), setup.folder().path(), &nobody, |config| {
        config["vault"] = vault;
        config["secrets"] = json!({"db": {"database": {"role": "app"}}});
        config["files"] = json!([{
            "path": user, "template": "{{ secrets.db.username }}:{{ secrets.db.password }}",
        }]);
    });
    let check = || controller.ask("/health").json()["checks"]["vault"].clone();
    let says = |what: &str, condition: &dyn Fn(&Value) -> bool| {
        poll(what, PATIENCE, || Some(check()).filter(|check| condition(check)));
    };
    let unknown =
        |error: &Value| error.as_str().is_some_and(|e| e.contains("the host name does not resolve"));
    let in_file = || std::fs::read_to_string(&user).expect("a file");
    let log_in = |user: &str| {
        let (name, password) = user.split_once(':').expect("a user");
        setup.postgres().ask(name, password, "SELECT 1")
    };

    says("there is no such name", &|check| unknown(&check["error"]) && check["logged_in"] == false);
    assert!(!user.exists());
    names.set(setup.bao.server_name());
    says("it logs in by itself", &|check| check["status"] == "healthy");
    poll("a user in the file", PATIENCE, || user.exists().then_some(()));

    let first = in_file();
    names.clear();
    // As an idle time, a balancer or a restart does; without it the connection that is there goes on.
    relay.cut();
    says("the name is missed", &|check| unknown(&check["secrets"]["db"]["error"]));
    poll("the user is used to its end", PATIENCE, || {
        let last = in_file();
        let good = log_in(&last).is_ok();
        let left = check()["secrets"]["db"]["expires_in_seconds"].as_u64();
        assert!(good || left.is_none_or(|left| left < 1), "with {left:?} s left");
        left.is_none().then_some(())
    });
    says("the breaker opens", &|check| check["circuit_breaker_state"] == "open");
    assert_eq!((controller.ask("/readyz").status, controller.ask("/health").status), (503, 503));
    let metrics = controller.ask("/metrics").text();
    let counted = "vault_requests_total{operation=\"database_creds\",status=\"dns\"}";
    assert!(metrics.lines().any(|line| line.starts_with(counted)), "{metrics}");

    names.set(setup.bao.server_name());
    says("it is back by itself", &|check| check["status"] == "healthy");
    poll("another user in the file", PATIENCE, || {
        let now = in_file();
        (now != first && log_in(&now).is_ok()).then_some(())
    });
    controller.stop();
    poll("no lease is left", PATIENCE, || setup.bao.leases("database/creds/app").is_empty().then_some(()));
}

/// Names of hosts in a mount namespace; nobody is asked for others.
struct Names {
    hosts: std::path::PathBuf,
    resolver: std::path::PathBuf,
}

impl Names {
    fn new(setup: &Setup) -> Self {
        // Nobody answers there, so that no test waits for a network that is not there.
        let resolver = "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n";
        Self { hosts: setup.file("hosts", ""), resolver: setup.file("resolv.conf", resolver) }
    }

    /// In place: the file itself is what the namespace shows.
    fn set(&self, name: &str) {
        std::fs::write(&self.hosts, format!("127.0.0.1 {name}\n")).expect("a file");
    }

    fn clear(&self) {
        std::fs::write(&self.hosts, "").expect("a file");
    }

    fn namespace(&self) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--map-root-user", "--", "/bin/sh", "-c", INSIDE, "sh"]);
        command.arg(&self.hosts).arg(&self.resolver);
        command
    }
}

const INSIDE: &str =
    "mount --bind \"$1\" /etc/hosts && mount --bind \"$2\" /etc/resolv.conf && shift 2 && exec \"$@\"";
const PATIENCE: Duration = Duration::from_secs(60);
