//! A Kafka producer goes on while its password changes, in KV of a real OpenBao and at a real broker with SASL/SCRAM: no
//! message is lost, none fails, and the passwords are nowhere to be seen.
//!
//! Secret, file and policy are those of the orchestrator in `deploy/examples/hive`.

#![allow(clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "test code")]

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};
use svidgate_tests::{Process, Shown, free_port};
use svidgate_vault_tests::kafka::{Broker, Operator, Producer, Status};
use svidgate_vault_tests::{Setup, until};
use tokio::sync::{Mutex, MutexGuard};

/// Two users take turns. The next one is there before KV tells of it, and the former one goes when the hook has
/// succeeded: at each moment what is in the file is good, and so is what the producer has.
#[tokio::test(flavor = "multi_thread")]
async fn h12_three_changes_between_two_users_and_no_login_is_refused() {
    let mut scene = Scene::start().await;
    scene.operator.allow("orchestrator-b", TOPIC);
    let mut former = ("orchestrator", password(0));
    for change in 1..=CHANGES {
        let next = (["orchestrator", "orchestrator-b"][change % 2], password(change));
        scene.operator.set_password(next.0, &next.1);
        scene.tell(next.0, &next.1);
        scene.changed_over(change).await;
        scene.operator.forget(former.0, &former.1);
        // Beyond the time after which each connection has to log in again: nothing has a use for the former user.
        scene.goes_on();
        former = next;
    }
    let (status, twice) = scene.end();
    assert_eq!(status.refused(), 0, "{status:?}");
    assert_eq!(status.refused_reloads, 0, "{status:?}");
    assert_eq!(status.handed_over, 0, "{status:?}");
    assert_eq!(twice, 0, "no message is there twice");
}

/// One user has one password, so there is always a time when the broker and KV say different things. Who logs in then is
/// refused; what the producer has at hand waits, and goes through the next producer.
#[tokio::test(flavor = "multi_thread")]
async fn h13_three_changes_of_one_users_password_and_no_message_is_lost() {
    let mut scene = Scene::start().await;
    for change in 1..=CHANGES {
        scene.operator.set_password("orchestrator", &password(change));
        assert!(!scene.operator.lets_in("orchestrator", &password(change - 1)), "it has one password");
        // As bad as it gets: KV is written only after the producer has lost its connections.
        scene.producer.poll("a login of the producer is refused", |status| status.current().refused > 0);
        scene.tell("orchestrator", &password(change));
        scene.changed_over(change).await;
    }

    // The other way round: the hook is refused and tried again, and the producer goes on as it was.
    scene.tell("orchestrator", &password(CHANGES + 1));
    scene.producer.poll("a reload is refused", |status| status.refused_reloads > 0);
    scene.goes_on();
    scene.operator.set_password("orchestrator", &password(CHANGES + 1));
    scene.changed_over(CHANGES + 1).await;
    assert!(!scene.operator.lets_in("orchestrator", &password(CHANGES)));

    let (status, twice) = scene.end();
    // Those whose acknowledgement was lost with the connection.
    assert!(twice <= status.handed_over, "{twice} are there twice: {status:?}");
}

/// A broker, an OpenBao, svidgate, and a producer that sends.
struct Scene {
    producer: Producer,
    controller: Process,
    operator: Operator,
    _broker: Broker,
    shown: Shown,
    properties: PathBuf,
    setup: Setup,
    _turn: MutexGuard<'static, ()>,
}

impl Scene {
    async fn start() -> Self {
        let turn = TURN.lock().await;
        let shown = Shown::start();
        let setup = Setup::start();
        let folder = setup.folder();
        let broker = Broker::start(folder);
        let operator = Operator::start(folder, &broker);
        operator.topic(TOPIC);
        operator.allow("orchestrator", TOPIC);
        operator.set_password("orchestrator", &password(0));

        setup.bao.enable("mounts", "secret", &json!({ "type": "kv", "options": { "version": "2" } }));
        setup.hive_policy("orchestrator-dynamic");
        tell(&setup, "orchestrator", &password(0));
        let hook = free_port();
        let controller = setup.start_controller(&settings(&setup, &broker, hook));
        let properties = folder.join("kafka.properties");
        until("the first file", 60, || properties.exists()).await;
        let producer = Producer::start(folder, &properties, TOPIC, hook);
        Self { producer, controller, operator, _broker: broker, shown, properties, setup, _turn: turn }
    }

    /// Writes user and password to KV, as one version.
    fn tell(&self, user: &str, password: &str) {
        tell(&self.setup, user, password);
    }

    /// Waits until the producer has taken the file of so many changes: new connections have logged in with what is in it,
    /// have logged in again, and carry messages.
    async fn changed_over(&mut self, changes: usize) {
        let status = self.producer.poll("new connections with the new password", |status| {
            let current = status.current();
            status.generations.len() > changes
                && current.logins > 0
                && current.logins_again > 0
                && current.acknowledged > MANY
        });
        assert_eq!(status.generations.len(), changes + 1, "one for each change: {status:?}");
        let file = std::fs::read_to_string(&self.properties).expect("it stays");
        assert!(file.contains(&format!("{WORD}{changes}-")), "the file holds the password of this change");
        let mode = std::fs::metadata(&self.properties).expect("it stays").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// Waits until the producer's connections have logged in again, and have carried messages since.
    fn goes_on(&mut self) {
        let first = self.producer.poll("it sends", |_| true).current();
        self.producer.poll("it goes on", |status| {
            let now = status.current();
            now.logins_again >= first.logins_again + 2 && now.acknowledged > first.acknowledged + MANY
        });
    }

    /// Ends the sending, and shows that every message has arrived and no password is where all can see it. How many
    /// messages are there more than once.
    fn end(mut self) -> (Status, u64) {
        let status = self.producer.stop();
        assert_eq!(status.failed, 0, "{status:?}");
        assert_eq!(status.acknowledged(), status.sent, "{status:?}");
        let messages = self.operator.read(TOPIC);
        let arrived: BTreeSet<u64> = messages.keys().copied().collect();
        let lost: Vec<u64> = (1..=status.sent).filter(|number| !arrived.contains(number)).collect();
        assert_eq!(lost, Vec::<u64>::new(), "of {}", status.sent);
        assert_eq!(arrived.len() as u64, status.sent, "none that was not sent");

        assert!(self.controller.stop().success());
        self.shown.add_logs(self.setup.folder().path());
        self.shown.assert_without(&BTreeSet::from([ANY_PASSWORD.to_owned()]), &[]);
        (status, messages.values().filter(|times| **times > 1).count() as u64)
    }
}

fn tell(setup: &Setup, user: &str, password: &str) {
    // Read again when 80 % of `ttl` is over.
    let secret = json!({ "data": { "username": user, "password": password, "ttl": 2 } });
    setup.bao.write("secret/data/orchestrator/kafka", &secret);
}

/// As the orchestrator's, but for where things are; Kafka only.
fn settings(setup: &Setup, broker: &Broker, hook: u16) -> Value {
    let hive = setup.hive("orchestrator-dynamic");
    let mut settings = setup.controller_settings("orchestrator-dynamic");
    settings["secrets"] = json!({ "kafka": hive["secrets"]["kafka"] });
    let files = hive["files"].as_array().expect("files");
    let mut file =
        files.iter().find(|file| file.get("kafka_client").is_some()).expect("Kafka's file").clone();
    file["kafka_client"]["bootstrap_servers"] = json!([broker.bootstrap()]);
    file["kafka_client"]["properties"] =
        json!({ "ssl.truststore.type": "PEM", "ssl.truststore.location": broker.ca_file() });
    file["hook"] = json!({ "http": { "url": format!("http://127.0.0.1:{hook}/reload") } });
    settings["files"] = json!([file]);
    settings
}

/// One that has to be quoted for JAAS and for properties. [`WORD`] is left as it is by both.
fn password(change: usize) -> String {
    format!("{WORD}{change}-\"\\'=; ö%/@:#!")
}

const TOPIC: &str = "orders";
const CHANGES: usize = 3;
const WORD: &str = "heron-of-a-test-";
/// Stands in every password here, the broker's own among them.
const ANY_PASSWORD: &str = "-of-a-test-";
/// Messages after a change.
const MANY: u64 = 500;
/// A broker and two more programs in Java are enough for a small machine.
static TURN: Mutex<()> = Mutex::const_new(());
