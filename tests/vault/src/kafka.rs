//! A real Kafka broker with users that log in by SCRAM over TLS, its operator, and an application that writes to it.

mod broker;
mod operator;
mod producer;

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;

use svidgate_tests::{Address, Connection, Programs, Request, Response};

pub use broker::Broker;
pub use operator::Operator;
pub use producer::{Generation, Producer, Status};

/// Starts one of Kafka's own programs, or one of ours from its source, with Kafka's jars.
fn java() -> Command {
    let mut command = Command::new("java");
    // Small and quick to start: several of them share a machine with the tests. The logs are what passwords are looked for in.
    command.args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=INFO"]);
    // `localhost` is the address where the tests find free ports.
    command.args(["-Djava.net.preferIPv4Stack=true", "-cp"]).arg(Programs::kafka().join("*"));
    command
}

/// To one of ours; none while it does not listen.
fn ask(port: u16, method: &str, path: &str, lines: &[&str]) -> Option<Response> {
    let address = Address::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let request = Request::new(method, path).body(lines.join("\n"));
    Connection::open(&address).ok()?.send(&request).ok()
}
