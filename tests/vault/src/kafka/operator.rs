use std::collections::BTreeMap;
use std::time::Duration;

use svidgate_tests::{Folder, Process, Programs, free_port, poll};

use super::{Broker, ask, java};

/// Who makes topics and users at the broker. The program is `tests/vault/kafka/Operator.java`.
#[derive(Debug)]
pub struct Operator {
    _program: Process,
    port: u16,
}

impl Operator {
    /// Starts it, and waits until the broker answers it.
    pub fn start(folder: &Folder, broker: &Broker) -> Self {
        let port = free_port();
        let mut command = java();
        command.arg(Programs::shipped("tests/vault/kafka/Operator.java"));
        command.arg(broker.superuser(folder)).arg(port.to_string());
        let mut program = Process::start("kafka-operator", command, folder.path());
        program.poll("the broker answers", START, || {
            ask(port, "POST", "/up", &[]).filter(|answer| answer.status == 200)
        });
        Self { _program: program, port }
    }

    /// Makes a topic.
    pub fn topic(&self, name: &str) {
        self.order("/topic", &[name]);
    }

    /// Lets a user write to a topic.
    pub fn allow(&self, user: &str, topic: &str) {
        self.order("/allow", &[user, topic]);
    }

    /// Gives a user this password, and waits until the broker lets it in: it learns of it from its controller.
    pub fn set_password(&self, user: &str, password: &str) {
        self.order("/credential", &[user, password]);
        poll("the broker takes the new password", SOON, || self.lets_in(user, password).then_some(()));
    }

    /// Deletes a user's password, and waits until the broker refuses it.
    pub fn forget(&self, user: &str, password: &str) {
        self.order("/forget", &[user]);
        poll("the broker refuses the old password", SOON, || (!self.lets_in(user, password)).then_some(()));
    }

    /// Whether a user may log in with this password, over a new connection.
    pub fn lets_in(&self, user: &str, password: &str) -> bool {
        match self.order("/login", &[user, password]).as_str() {
            "in" => true,
            "refused" => false,
            other => panic!("{other}"),
        }
    }

    /// What is in a topic: each message, and how often.
    pub fn read(&self, topic: &str) -> BTreeMap<u64, u32> {
        let mut messages = BTreeMap::new();
        for line in self.order("/read", &[topic]).lines() {
            *messages.entry(line.parse().expect("a number")).or_default() += 1;
        }
        messages
    }

    fn order(&self, path: &str, words: &[&str]) -> String {
        let answer = ask(self.port, "POST", path, words).unwrap_or_else(|| panic!("{path}: no answer"));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        answer.text()
    }
}

const START: Duration = Duration::from_secs(120);
const SOON: Duration = Duration::from_secs(20);
