//! What the fake Vault knows and answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Seen, errors};

pub struct Model {
    pub sealed: bool,
    /// Lifetime of new tokens and leases, and of them in all.
    pub token_ttl: Duration,
    pub token_max: Duration,
    pub token_renewable: bool,
    pub lease_ttl: Duration,
    pub lease_max: Duration,
    pub secret_id: String,
    pub logins: u32,
    pub users: u32,
    pub tokens: BTreeMap<String, Entry>,
    pub leases: BTreeMap<String, (String, Entry)>,
    /// Path → version and data; `Value::Null` for a deleted version.
    pub kv: BTreeMap<String, (u64, Value)>,
    /// Password of the static role, and when it is changed.
    pub fixed: Option<(String, Instant)>,
    /// Paths that no policy allows.
    pub forbidden: Vec<String>,
    pub warnings: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct Entry {
    pub made: Instant,
    pub ends: Instant,
    pub last: Instant,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            sealed: false,
            token_ttl: Duration::from_secs(3600),
            token_max: Duration::from_secs(24 * 3600),
            token_renewable: true,
            lease_ttl: Duration::from_secs(1000),
            lease_max: Duration::from_secs(10_000),
            secret_id: "secret-id-1".to_owned(),
            logins: 0,
            users: 0,
            tokens: BTreeMap::new(),
            leases: BTreeMap::new(),
            kv: BTreeMap::new(),
            fixed: None,
            forbidden: Vec::new(),
            warnings: false,
        }
    }
}

impl Entry {
    fn new(ttl: Duration, max: Duration) -> Self {
        let now = Instant::now();
        Self { made: now, ends: now + ttl.min(max), last: now + max }
    }

    fn extend(&mut self, ttl: Duration) {
        self.ends = (Instant::now() + ttl).min(self.last);
    }

    fn left(&self) -> u64 {
        self.ends.saturating_duration_since(Instant::now()).as_secs()
    }

    fn lives(&self) -> bool {
        Instant::now() < self.ends
    }
}

impl Model {
    /// Every token dies, and with it its leases, as `revoke` by an operator does it.
    pub fn revoke_all_tokens(&mut self) {
        self.tokens.clear();
        self.leases.clear();
    }

    pub fn put(&mut self, path: &str, data: Value) {
        let version = self.kv.get(path).map_or(0, |(version, _)| *version) + 1;
        self.kv.insert(path.to_owned(), (version, data));
    }

    pub fn answer(&mut self, seen: &Seen) -> (u16, Value) {
        if self.sealed {
            return (503, errors(&["Vault is sealed"]));
        }
        if seen.path.ends_with("/login") {
            return self.login(seen);
        }
        let token = seen.token.clone().unwrap_or_default();
        let known = self.tokens.get(&token).is_some_and(Entry::lives);
        if !known || self.forbidden.iter().any(|path| seen.path.starts_with(path)) {
            return (403, errors(&["permission denied"]));
        }
        self.leases.retain(|_, (owner, entry)| entry.lives() && self.tokens.contains_key(owner));
        let parts: Vec<&str> = seen.path.splitn(3, '/').collect();
        match parts.as_slice() {
            ["auth", "token", "lookup-self"] => {
                let left = self.tokens[&token].left();
                (
                    200,
                    json!({ "data": { "ttl": left, "renewable": self.token_renewable, "type": "service" } }),
                )
            }
            ["auth", "token", "renew-self"] => {
                let ttl = self.token_ttl;
                let entry = self.tokens.get_mut(&token).expect("known");
                entry.extend(ttl);
                (200, self.auth(&token))
            }
            ["auth", "token", "revoke-self"] => {
                self.tokens.remove(&token);
                self.leases.retain(|_, (owner, _)| *owner != token);
                self.nothing()
            }
            ["sys", "leases", what] => self.lease(what, &seen.body),
            ["database", "creds", role] => {
                self.users += 1;
                let id = format!("database/creds/{role}/{}", self.users);
                let entry = Entry::new(self.lease_ttl, self.lease_max);
                self.leases.insert(id.clone(), (token, entry));
                let (user, password) =
                    (format!("v-user-{}", self.users), format!("v-password-{}", self.users));
                let data = json!({ "username": user, "password": password });
                (
                    200,
                    json!({ "lease_id": id, "lease_duration": entry.left(), "renewable": true, "data": data }),
                )
            }
            ["database", "static-creds", role] => match &self.fixed {
                Some((password, changes)) => {
                    let left = changes.saturating_duration_since(Instant::now()).as_secs();
                    (200, json!({ "data": { "username": role, "password": password, "ttl": left } }))
                }
                None => (400, errors(&["unknown role"])),
            },
            ["secret", "data", path] => self.kv(seen, path),
            _ => (404, errors(&["no handler for route"])),
        }
    }

    fn login(&mut self, seen: &Seen) -> (u16, Value) {
        if seen.path == "auth/approle/login" && seen.body["secret_id"] != self.secret_id.as_str() {
            return (400, errors(&["invalid role or secret ID"]));
        }
        self.logins += 1;
        let token = format!("hvs.token-{}", self.logins);
        self.tokens.insert(token.clone(), Entry::new(self.token_ttl, self.token_max));
        (200, self.auth(&token))
    }

    fn auth(&self, token: &str) -> Value {
        let left = self.tokens[token].left();
        json!({ "auth": { "client_token": token, "lease_duration": left, "renewable": self.token_renewable } })
    }

    fn lease(&mut self, what: &str, body: &Value) -> (u16, Value) {
        let id = body["lease_id"].as_str().unwrap_or_default().to_owned();
        let ttl = self.lease_ttl;
        let Some((_, entry)) = self.leases.get_mut(&id) else {
            return (400, errors(&["lease not found"]));
        };
        match what {
            "renew" => {
                entry.extend(ttl);
                (200, json!({ "lease_id": id, "lease_duration": entry.left(), "renewable": true }))
            }
            "lookup" => (200, json!({ "data": { "id": id, "ttl": entry.left(), "renewable": true } })),
            _ => {
                self.leases.remove(&id);
                self.nothing()
            }
        }
    }

    fn kv(&mut self, seen: &Seen, path: &str) -> (u16, Value) {
        let current = self.kv.get(path).cloned();
        if seen.method == "GET" {
            return match current {
                None => (404, errors(&[])),
                Some((version, data)) => {
                    let status = if data.is_null() { 404 } else { 200 };
                    (status, json!({ "data": { "data": data, "metadata": { "version": version } } }))
                }
            };
        }
        let (version, mut data) = current.unwrap_or((0, json!({})));
        if let Some(cas) = seen.body["options"]["cas"].as_u64()
            && cas != version
        {
            return (400, errors(&["check-and-set parameter did not match the current version"]));
        }
        if seen.method == "PATCH" {
            for (name, value) in seen.body["data"].as_object().expect("an object") {
                data[name] = value.clone();
            }
        } else {
            data = seen.body["data"].clone();
        }
        self.kv.insert(path.to_owned(), (version + 1, data));
        (200, json!({ "data": { "version": version + 1 } }))
    }

    /// 204, which warnings turn into 200.
    fn nothing(&self) -> (u16, Value) {
        if self.warnings { (200, json!({ "warnings": ["be warned"] })) } else { (204, Value::Null) }
    }
}
