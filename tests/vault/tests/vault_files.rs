//! The whole program on a real OpenBao with PostgreSQL: credentials reach a file, its reader is told, and not one login fails
//! meanwhile.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use serde_json::json;
use svidgate_tests::{Programs, SUPERUSER_PASSWORD};
use svidgate_vault_tests::{Setup, UserWatch, until};

#[tokio::test(flavor = "multi_thread")]
async fn h12_h13_credentials_in_a_file_rotate_under_logins_and_none_fails() {
    let setup = Arc::new(Setup::with_database());
    setup.dynamic_role("8s", "8s");
    let users = UserWatch::start(setup.postgres()).await;
    let folder = setup.folder().path().to_owned();
    let mut settings = setup.controller_settings("app");
    settings["vault"]["grace"] = json!("1s");
    settings["vault"]["at_shutdown"] = json!("revoke");
    settings["secrets"] = json!({"db": {"database": {"role": "app"}}});
    let told = folder.join("told");
    let tell = format!("cp \"$SVIDGATE_FILE\" {0}.new && mv {0}.new {0}", told.display());
    settings["files"] = json!([{
        "path": folder.join("db"),
        "template": "{{ secrets.db.username }}\n{{ secrets.db.password }}\n",
        "hook": {"command": ["/bin/sh", "-c", tell], "on_first_write": true},
    }]);
    let mut controller = setup.start_controller(&settings);

    // The reader knows of a credential what it was told, and logs in with it all the time.
    until("the first credential", 60, || told.exists()).await;
    let (stop, logins) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let reader = std::thread::spawn({
        let (setup, told, stop, logins) =
            (Arc::clone(&setup), told.clone(), Arc::clone(&stop), Arc::clone(&logins));
        move || {
            let mut seen = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let text = std::fs::read_to_string(&told).expect("it stays");
                let (user, password) = text.trim_end().split_once('\n').expect("two lines");
                let answer = setup.postgres().ask(user, password, "SELECT session_user");
                assert_eq!(answer.as_deref(), Ok(user), "after {} logins", logins.load(Ordering::Relaxed));
                logins.fetch_add(1, Ordering::Relaxed);
                if seen.last().map(String::as_str) != Some(user) {
                    seen.push(user.to_owned());
                }
            }
            seen
        }
    });
    until("five credentials were made", 120, || users.ever() >= 5 || reader.is_finished()).await;
    stop.store(true, Ordering::Relaxed);
    let seen = reader.join().expect("no login failed");
    assert!(seen.len() >= 4, "{seen:?}");
    assert!(users.most().len() <= 2, "at one time: {:?}", users.most());

    controller.stop();
    until("no user is left", 10, || users.now().is_empty()).await;
    let log = std::fs::read_to_string(controller.log()).expect("a log");
    assert!(!log.contains(&seen[0]) && !log.contains("hvs."), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hives_services_get_their_files_with_their_own_policies_and_settings() {
    let setup = Setup::with_database();
    let sql = "CREATE DATABASE temporal";
    setup.postgres().ask("postgres", SUPERUSER_PASSWORD, sql).expect("the superuser may");
    setup.postgres().ask("postgres", SUPERUSER_PASSWORD, "CREATE ROLE temporal").expect("the superuser may");
    let script = Command::new(Programs::shipped("deploy/examples/hive/vault/setup.sh"))
        .env("BAO", Programs::bao())
        .env("BAO_ADDR", setup.bao.address())
        .env("BAO_CACERT", setup.bao.ca_file())
        .env("BAO_TLS_SERVER_NAME", setup.bao.server_name())
        .env("BAO_TOKEN", setup.bao.root_token())
        // Not in a cluster: nobody logs in by Kubernetes here.
        .env("KUBERNETES_CA_CERT", setup.bao.ca_file())
        .env("TEMPORAL_URL", setup.postgres().connection_url())
        .env("TEMPORAL_ADMIN", "postgres")
        .env("TEMPORAL_PASSWORD", SUPERUSER_PASSWORD)
        .env("HOME", setup.folder().path())
        .output()
        .expect("bash");
    assert!(script.status.success(), "{}", String::from_utf8_lossy(&script.stderr));
    let password = r#"p@s:s"w\ö/rd"#;
    let kafka = json!({"data": {"username": "orchestrator", "password": password, "ttl": 3600}});
    setup.bao.write("secret/data/orchestrator/kafka", &kafka);
    setup.bao.write("secret/data/orchestrator/redis", &json!({"data": {"password": password, "ttl": 3600}}));

    let worker = json!({"data": {"username": "worker", "password": password}});
    setup.bao.write("secret/data/worker/kafka", &worker);
    let deploy = json!({"data": {"registry_user": "deployer", "registry_password": "it's"}});
    setup.bao.write("secret/data/worker/tasks/deploy", &deploy);
    setup.bao.write("secret/data/service-registry/redis", &json!({"data": {"password": "of-registry"}}));
    let etcd = json!({"data": {"username": "registry", "password": "of-etcd"}});
    setup.bao.write("secret/data/service-registry/etcd", &etcd);

    // As shipped, but for where things are, the login (no Kubernetes here), and MongoDB, which cannot be had.
    let folder = setup.folder().path().to_owned();
    let write_once = |service: &str| {
        let mut shipped = setup.hive(service);
        let own = setup.controller_settings(service);
        for part in ["workload_api", "server", "vault", "log"] {
            shipped[part] = own[part].clone();
        }
        if service == "orchestrator-dynamic" {
            shipped["secrets"].as_object_mut().expect("secrets").remove("mongodb").expect("it is there");
            shipped["files"].as_array_mut().expect("files").retain(|file| file.get("mongodb_uri").is_none());
        }
        let output = setup.controller(&shipped, &["--once"]).output().expect("svidgate");
        assert!(output.status.success(), "{service}: {}", String::from_utf8_lossy(&output.stderr));
    };
    write_once("orchestrator-dynamic");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).expect("it was written");
    let uri = read("temporal.uri");
    let (user, rest) =
        uri.strip_prefix("postgresql://").and_then(|rest| rest.split_once(':')).expect("a URI");
    let (user_password, rest) = rest.split_once('@').expect("a host");
    assert_eq!(rest, "postgres.neural-hive-orchestration.svc:5432/temporal?sslmode=verify-full\n");
    assert_eq!(setup.postgres().ask(user, user_password, "SELECT session_user").as_deref(), Ok(user));
    assert!(
        read("redis.uri").starts_with("rediss://:p%40s%3As%22w%5C%C3%B6%2Frd@redis."),
        "{}",
        read("redis.uri")
    );
    assert!(read("kafka.properties").contains("username=\"orchestrator\""));
    assert_eq!(setup.bao.leases("database/creds/temporal-orchestrator").len(), 1, "it is used now");

    std::fs::create_dir(folder.join("tasks")).expect("its own folder");
    write_once("worker-agents");
    assert!(read("kafka.properties").contains("username=\"worker\""));
    let script = format!(
        ". {}; printf '%s %s' \"$REGISTRY_USER\" \"$REGISTRY_PASSWORD\"",
        folder.join("tasks/deploy.env").display()
    );
    let shell = Command::new("/bin/sh").arg("-c").arg(script).output().expect("a shell");
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "deployer it's");

    write_once("service-registry");
    assert!(read("redis.uri").starts_with("rediss://:of-registry@redis.neural-hive-registry.svc"));
    assert!(read("etcd.yaml").contains("of-etcd"), "{}", read("etcd.yaml"));
}
