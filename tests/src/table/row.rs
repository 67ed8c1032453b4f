//! One case of the table.

use super::call::{Call, Protocol, Value};
use super::expect::Expect;
use super::mint::Mint;
use super::peers::Peer;

/// A request to a configuration, and what must come of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it shows; begins with the number of the checklist where there is one.
    pub name: &'static str,
    /// Name of the [`Config`](super::Config).
    pub config: &'static str,
    /// What is sent.
    pub call: Call,
    /// What must come of it.
    pub expect: Expect,
    /// Path as the plugin sees it, when Envoy changes it before.
    pub seen_path: Option<&'static str>,
    /// Host as the plugin sees it, when Envoy changes it before.
    pub seen_host: Option<&'static str>,
}

/// A row about `GET target` to a configuration. It expects nothing yet.
pub fn get(name: &'static str, config: &'static str, target: &'static str) -> Row {
    Row { name, config, call: Call::get(target), expect: Expect::default(), seen_path: None, seen_host: None }
}

/// A row about another method.
pub fn send(name: &'static str, config: &'static str, method: &'static str, target: &'static str) -> Row {
    get(name, config, target).edit(|call| call.method = method)
}

/// A row about a gRPC call.
pub fn grpc(name: &'static str, config: &'static str, target: &'static str) -> Row {
    send(name, config, "POST", target).edit(|call| call.protocol = Protocol::Grpc)
}

impl Row {
    /// Adds `authorization: Bearer <token>`.
    pub fn bearer(self, token: Mint) -> Self {
        self.token("authorization", "Bearer ", token, "")
    }

    /// Adds a header with a token and text around it.
    pub fn token(self, name: &'static str, before: &'static str, token: Mint, behind: &'static str) -> Self {
        self.edit(|call| call.headers.push((name, Value::Token(before, token, behind))))
    }

    /// Adds a token to the target, behind a text such as `?access_token=`.
    pub fn query(self, before: &'static str, token: Mint) -> Self {
        self.edit(|call| call.query_token = Some((before, token)))
    }

    /// Adds a header.
    pub fn header(self, name: &'static str, value: &'static str) -> Self {
        self.bytes(name, value.as_bytes())
    }

    /// Adds a header of any bytes.
    pub fn bytes(self, name: &'static str, value: &'static [u8]) -> Self {
        self.edit(|call| call.headers.push((name, Value::Bytes(value))))
    }

    /// Sends another host.
    pub fn host(self, host: &'static str) -> Self {
        self.edit(|call| call.host = Some(host))
    }

    /// Comes with a certificate.
    pub fn peer(self, peer: Peer) -> Self {
        self.edit(|call| call.peer = Some(peer))
    }

    /// Is sent so many times on one connection, over HTTP/1.1.
    pub fn times(self, times: u64) -> Self {
        self.edit(|call| call.times = times)
    }

    /// Every counter that must grow, and by how much: these and no others.
    pub fn growth(&self) -> Vec<(String, u64)> {
        self.expect.growth(self.call.times)
    }

    /// Goes over HTTP/2.
    pub fn h2(self) -> Self {
        self.edit(|call| call.protocol = Protocol::H2)
    }

    /// Asks for a websocket: over HTTP/1.1 by `upgrade`.
    pub fn websocket(self) -> Self {
        self.header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    }

    /// What Envoy makes of the path before the plugin sees it; the upstream gets the same.
    pub fn seen_as(mut self, path: &'static str) -> Self {
        self.seen_path = Some(path);
        self
    }

    /// What Envoy makes of the host before the plugin sees it.
    pub fn seen_host(mut self, host: &'static str) -> Self {
        self.seen_host = Some(host);
        self
    }

    /// Any other change of the request.
    pub fn edit(mut self, change: impl FnOnce(&mut Call)) -> Self {
        change(&mut self.call);
        self
    }

    /// Says what must come of it.
    pub fn expect(mut self, expect: Expect) -> Self {
        self.expect = expect;
        self
    }

    /// Passes by this rule.
    pub fn allow(self, rule: &'static str) -> Self {
        self.expect(Expect::allow(rule))
    }

    /// Passes by this rule, with this identity for the upstream.
    pub fn allow_as(self, rule: &'static str, id: &'static str) -> Self {
        self.expect(Expect::allow(rule).identity(id))
    }

    /// Is refused by this rule for this reason.
    pub fn deny(self, rule: &'static str, reason: &'static str) -> Self {
        self.expect(Expect::deny(rule, reason))
    }

    /// Is refused before any rule was found.
    pub fn deny_unmatched(self, reason: &'static str) -> Self {
        self.expect(Expect::deny("none", reason))
    }

    /// Passes, because this rule only audits; it would have been refused for this reason.
    pub fn audited(self, rule: &'static str, reason: &'static str) -> Self {
        self.expect(Expect::audited(rule, reason))
    }

    /// Is answered by Envoy before the plugin sees it.
    pub fn by_envoy(self, status: u16) -> Self {
        self.expect(Expect::by_envoy(status))
    }
}
