use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use svidgate_tests::{Folder, Process, Programs};

use super::{ask, java};

/// An application that sends numbered messages without a pause. The program is `tests/vault/kafka/Producer.java`.
#[derive(Debug)]
pub struct Producer {
    program: Process,
    port: u16,
}

/// What it has done so far.
#[derive(Debug)]
pub struct Status {
    /// After [`Producer::stop`]: nothing is under way any more.
    pub done: bool,
    /// Messages, numbered from 1.
    pub sent: u64,
    /// Messages that a producer could not send before it was replaced, and that went through the next one.
    pub handed_over: u64,
    /// Messages that a producer in force gave up.
    pub failed: u64,
    /// Changes that the broker did not take: the hook was told so.
    pub refused_reloads: u64,
    /// One for each version of the file that the broker took.
    pub generations: Vec<Generation>,
}

/// What it did with one version of the file.
#[derive(Clone, Copy, Debug)]
pub struct Generation {
    /// Messages that the broker has.
    pub acknowledged: u64,
    /// New connections that logged in.
    pub logins: u64,
    /// Logins on connections that were there.
    pub logins_again: u64,
    /// Logins that the broker refused, of both kinds.
    pub refused: u64,
}

impl Producer {
    /// Starts it with a `client.properties` that is there; svidgate's hook comes to this port.
    pub fn start(folder: &Folder, properties: &Path, topic: &str, port: u16) -> Self {
        let mut command = java();
        command.arg(Programs::shipped("tests/vault/kafka/Producer.java"));
        command.arg(properties).arg(topic).arg(port.to_string());
        let mut program = Process::start("kafka-producer", command, folder.path());
        program.poll("the producer sends", START, || status(port));
        Self { program, port }
    }

    /// Polls until it is so.
    pub fn poll(&mut self, what: &str, condition: impl Fn(&Status) -> bool) -> Status {
        let port = self.port;
        self.program.poll(what, SOON, || status(port).filter(&condition))
    }

    /// Ends the sending, and waits until nothing is under way.
    pub fn stop(&mut self) -> Status {
        ask(self.port, "POST", "/stop", &[]).expect("an answer");
        self.poll("every message has been acknowledged", |status| status.done)
    }
}

impl Status {
    /// The producer of the newest version of the file.
    pub fn current(&self) -> Generation {
        *self.generations.last().expect("there is always one")
    }

    /// Messages that the broker has, by what it told.
    pub fn acknowledged(&self) -> u64 {
        self.generations.iter().map(|generation| generation.acknowledged).sum()
    }

    /// Logins that the broker refused, of all producers that were in force.
    pub fn refused(&self) -> u64 {
        self.generations.iter().map(|generation| generation.refused).sum()
    }
}

fn status(port: u16) -> Option<Status> {
    let answer = ask(port, "GET", "/status", &[])?.json();
    let number = |of: &Value, name: &str| of[name].as_u64().expect("a number");
    let generations = answer["generations"].as_array()?.iter().map(|one| Generation {
        acknowledged: number(one, "acknowledged"),
        logins: number(one, "logins"),
        logins_again: number(one, "logins_again"),
        refused: number(one, "refused"),
    });
    Some(Status {
        done: answer["done"] == true,
        sent: number(&answer, "sent"),
        handed_over: number(&answer, "handed_over"),
        failed: number(&answer, "failed"),
        refused_reloads: number(&answer, "refused_reloads"),
        generations: generations.collect(),
    })
}

const START: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(90);
