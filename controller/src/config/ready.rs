//! Contents of files that need no template of the operator's: each a template of ours, with the escapes of its format.

use serde_json::{Map, Value, json};
use svidgate_config::{Kind, Object, Schema, field, integer, kind, string};

use super::secrets;
use super::vault::host;

/// A ready content.
#[derive(Clone, Debug)]
pub struct Ready {
    /// Which one.
    pub format: Format,
    /// The secret in it; the X.509-SVID without one.
    pub secret: Option<String>,
    /// `with` in the template.
    pub with: Value,
}

/// The ready contents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in settings")]
pub enum Format {
    PostgresUri,
    Pgpass,
    MongodbUri,
    KafkaClient,
    RedisUri,
    EtcdClient,
    X509,
}

/// The outer `None`: something was wrong. The inner one: there is none.
pub(super) fn build(section: &mut Object<'_>) -> Option<Option<Ready>> {
    let postgres = section.optional_object(
        field!(
            "postgres_uri",
            "`postgresql://user:password@host:port/database`, for libpq and most drivers."
        ),
        |section| {
            let secret = user_and_password(section);
            let (host, port) = (host_field(section), port(section, 5432));
            let database = section.required(field!("database", "Name of the database."), line());
            let options = options(section, "Parameters of the URI, such as `sslmode`.");
            let mut with = secret?;
            with.set("host", host?);
            with.set("port", port?);
            with.set("database", database?);
            with.set("options", options?);
            Some(with.ready(Format::PostgresUri))
        },
    );
    let pgpass = section.optional_object(
        field!("pgpass", "`.pgpass` of libpq, which takes it with mode 0600 only. `*` stands for any."),
        |section| {
            let secret = user_and_password(section);
            let host = section.default(field!("host", "Host, as the client names it."), "*", line());
            let port = section.optional(field!("port", "Port; any without it."), kind::integer(1..=65535));
            let database = section.default(field!("database", "Name of the database."), "*", line());
            let mut with = secret?;
            with.set("host", host?);
            with.set("port", port?.map_or_else(|| json!("*"), |port| json!(port.to_string())));
            with.set("database", database?);
            Some(with.ready(Format::Pgpass))
        },
    );
    let mongodb = section.optional_object(
        field!("mongodb_uri", "`mongodb://user:password@host,host/database`."),
        |section| {
            let secret = user_and_password(section);
            let hosts = section.required_list(
                field!("hosts", "Members of the replica set, with their ports."),
                host_and_port(),
            );
            let srv = section.default(
                field!("srv", "`mongodb+srv`: one host, whose DNS entry names the members."),
                false,
                kind::boolean(),
            );
            let database =
                section.default(field!("database", "Name of the database."), "", kind::new(string, any));
            let options = options(section, "Parameters of the URI, such as `authSource`.");
            let mut with = secret?;
            let (hosts, srv) = (hosts?, srv?);
            if srv && (hosts.len() != 1 || hosts.iter().any(|host| host.contains(':'))) {
                section.error("hosts", "must be one host without a port, with srv");
                return None;
            }
            with.set("hosts", hosts);
            with.set("srv", srv);
            with.set("database", database?);
            with.set("options", options?);
            Some(with.ready(Format::MongodbUri))
        },
    );
    let kafka = section.optional_object(
        field!("kafka_client", "`client.properties` of Kafka's Java clients and tools, with SASL."),
        |section| {
            let secret = user_and_password(section);
            let mechanism = section.default(
                field!("mechanism", "SASL mechanism."),
                "SCRAM-SHA-512",
                kind::choice(&MECHANISMS),
            );
            let protocol = section.default(
                field!(
                    "protocol",
                    "`security.protocol`. Without TLS a password of PLAIN is read by whoever listens."
                ),
                "SASL_SSL",
                kind::choice(&PROTOCOLS),
            );
            let servers = section.list(field!("bootstrap_servers", "Brokers."), host_and_port());
            let more = section.map(
                field!("properties", "More lines, such as `ssl.truststore.location`."),
                kind::text(),
                kind::new(string, any),
            );
            let mut with = secret?;
            with.set("mechanism", mechanism?);
            with.set("protocol", protocol?);
            with.set("servers", servers?.unwrap_or_default());
            with.set("properties", map(more?));
            Some(with.ready(Format::KafkaClient))
        },
    );
    let redis = section.optional_object(
        field!("redis_uri", "`rediss://user:password@host:port/database`, for Redis and Valkey."),
        |section| {
            let secret = named(section);
            let user = section.optional(
                field!("username_field", "Field with the user; the default user without it."),
                kind::text(),
            );
            let password = password_field(section);
            let (host, port) = (host_field(section), port(section, 6379));
            let database = section.default(field!("database", "Its number."), 0, kind::integer(0..=65535));
            let tls = section.default(field!("tls", "`rediss` instead of `redis`."), true, kind::boolean());
            let mut with = With::new(secret?);
            with.set("username", user?);
            with.set("password", password?);
            with.set("host", host?);
            with.set("port", port?);
            with.set("database", database?);
            with.set("tls", tls?);
            Some(with.ready(Format::RedisUri))
        },
    );
    let etcd = section.optional_object(
        field!(
            "etcd_client",
            "Configuration of an etcd client (JSON, which is YAML): endpoints, user, password."
        ),
        |section| {
            let secret = user_and_password(section);
            let endpoints = section.required_list(
                field!("endpoints", "URLs of the members."),
                kind::new(line_of, || Schema::text("URL", "^https?://.")),
            );
            let ca_file = section.optional(
                field!("trusted_ca_file", "Certificates of authorities, for the client to read."),
                line(),
            );
            let mut with = secret?;
            with.set("endpoints", endpoints?);
            with.set("ca_file", ca_file?);
            Some(with.ready(Format::EtcdClient))
        },
    );
    let x509 = section.optional_object(
        field!(
            "x509",
            "A part of the X.509-SVID of the Workload API, or of a secret of `pki`; PEM. Parts in files of their own belong \
             into a `folder`, so that no reader sees a certificate with another one's key."
        ),
        |section| {
            let secret =
                section.optional(field!("secret", "A secret of kind `pki`; the X.509-SVID without it."), secrets::name());
            let part = section.required(
                field!(
                    "part",
                    "`certificate` with its intermediates; `private_key` (PKCS #8); `bundle`, the authorities to verify peers \
                     with; `pem`, key and certificate in one file."
                ),
                kind::choice(&PARTS),
            );
            let mut with = With { secret: secret?, members: Map::new() };
            with.set("part", part?);
            Some(with.ready(Format::X509))
        },
    );
    let found = [postgres?, pgpass?, mongodb?, kafka?, redis?, etcd?, x509?];
    Some(found.into_iter().flatten().next())
}

/// What becomes `with` in a template.
struct With {
    secret: Option<String>,
    members: Map<String, Value>,
}

impl With {
    fn new(secret: String) -> Self {
        Self { secret: Some(secret), members: Map::new() }
    }

    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.members.insert(name.to_owned(), value.into());
    }

    fn ready(self, format: Format) -> Ready {
        Ready { format, secret: self.secret, with: Value::Object(self.members) }
    }
}

fn user_and_password(section: &mut Object<'_>) -> Option<With> {
    let secret = named(section);
    let user = section.default(
        field!("username_field", "Field of the secret with the user."),
        "username",
        kind::text(),
    );
    let password = password_field(section);
    let mut with = With::new(secret?);
    with.set("username", user?);
    with.set("password", password?);
    Some(with)
}

fn named(section: &mut Object<'_>) -> Option<String> {
    section.required(field!("secret", "Name of the secret, as in `secrets`."), secrets::name())
}

fn password_field(section: &mut Object<'_>) -> Option<String> {
    section.default(
        field!("password_field", "Field of the secret with the password."),
        "password",
        kind::text(),
    )
}

fn host_field(section: &mut Object<'_>) -> Option<String> {
    section.required(field!("host", "Host of the server."), host())
}

fn port(section: &mut Object<'_>, usual: u64) -> Option<u64> {
    section.default(
        field!("port", "Its port."),
        usual,
        kind::new(integer(1..=65535), || Schema::Integer(1..=65535)),
    )
}

fn options(section: &mut Object<'_>, about: &'static str) -> Option<Value> {
    section.map(svidgate_config::Field::new("options", about), kind::text(), kind::new(string, any)).map(map)
}

fn map(members: Option<std::collections::BTreeMap<String, String>>) -> Value {
    Value::Object(
        members.unwrap_or_default().into_iter().map(|(name, value)| (name, Value::from(value))).collect(),
    )
}

fn line() -> impl Kind<String> {
    kind::new(line_of, || Schema::text("one line of text", "."))
}

fn line_of(value: &Value) -> Result<String, String> {
    let text = string(value)?;
    if text.is_empty() || text.contains(char::is_control) {
        Err("expected one line of text".to_owned())
    } else {
        Ok(text)
    }
}

fn host_and_port() -> impl Kind<String> {
    kind::new(
        |value| {
            let text = string(value)?;
            let good = !text.is_empty()
                && text.bytes().all(|byte| {
                    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b':' | b'[' | b']')
                });
            if good { Ok(text) } else { Err("expected host:port".to_owned()) }
        },
        || Schema::text("host:port", r"^[A-Za-z0-9._:\[\]-]+$"),
    )
}

fn any() -> Schema {
    Schema::text("text", "")
}

const MECHANISMS: [(&str, &str); 3] =
    [("SCRAM-SHA-256", "SCRAM-SHA-256"), ("SCRAM-SHA-512", "SCRAM-SHA-512"), ("PLAIN", "PLAIN")];
const PROTOCOLS: [(&str, &str); 2] = [("SASL_SSL", "SASL_SSL"), ("SASL_PLAINTEXT", "SASL_PLAINTEXT")];
const PARTS: [(&str, &str); 4] =
    [("certificate", "certificate"), ("private_key", "private_key"), ("bundle", "bundle"), ("pem", "pem")];
