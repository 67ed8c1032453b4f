//! `secrets`: what is fetched from Vault and kept fresh, by names of the operator's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use svidgate_config::{Kind, Object, Schema, field, kind, string};
use svidgate_vault::{CertificateRequest, Key, Spec};

use super::settings::file_path;
use super::vault::{DAY, SECOND, mount_path, segment, variable};

/// One secret.
#[derive(Clone, Debug)]
pub struct Secret {
    /// What it is in Vault.
    pub spec: Spec,
    /// Fields that it must have; others are not given to anyone. None: as it comes.
    pub fields: Option<Vec<String>>,
    /// Static values for when Vault gives none; only with `vault.fail_open`.
    pub fallback: Option<Fallback>,
}

/// Where static values stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// A JSON or YAML object of fields, in a file.
    File(PathBuf),
    /// Field → environment variable.
    Environment(BTreeMap<String, String>),
}

/// At most so many.
pub(super) const MOST: usize = 256;

pub(super) fn build(section: &mut Object<'_>) -> Option<Secret> {
    let kv = section.optional_object(
        field!("kv", "A secret of the KV engine, version 2. It is published when its version changed."),
        |section| {
            let mount = section.default(field!("mount", "Where the engine is mounted."), "secret", mount_path());
            let path = section.required(field!("path", "Path below the mount, without `data/`."), mount_path());
            let fields = section.list(
                field!(
                    "fields",
                    "Fields that must be there; a version without one of them does not replace a good one. Other fields are \
                     given to nobody."
                ),
                kind::text(),
            );
            let poll = section.optional(
                field!(
                    "poll",
                    "How often it is read; `vault.poll` without it. A field `ttl` in the secret (seconds, `90s`, `5m`, `1h`) \
                     goes before."
                ),
                kind::duration(SECOND..=DAY),
            );
            let spec = Spec::Kv { mount: mount?, path: path?, poll: poll? };
            Some((spec, fields?))
        },
    );
    let database = section.optional_object(
        field!(
            "database",
            "A user of a database that Vault makes for us, with a lease: `username`, `password`."
        ),
        |section| {
            let (mount, role) = engine(section, "database");
            Some((Spec::Database { mount: mount?, role: role? }, None))
        },
    );
    let fixed = section.optional_object(
        field!(
            "database_static",
            "A user that stays, whose password Vault changes: `username`, `password`. Read right after each change."
        ),
        |section| {
            let (mount, role) = engine(section, "database");
            Some((Spec::StaticDatabase { mount: mount?, role: role? }, None))
        },
    );
    let pki = section.optional_object(
        field!(
            "pki",
            "A certificate: `certificate`, `private_key`, `issuing_ca`, `ca_chain`, `serial_number`, all PEM."
        ),
        pki,
    );
    let fallback = section.optional_object(
        field!("fallback", "Static values for when Vault gives none. Needs `vault.fail_open: true`."),
        fallback,
    );
    section.exactly_one(&["kv", "database", "database_static", "pki"])?;
    let (spec, fields) = kv?.or(database?).or(fixed?).or(pki?)?;
    Some(Secret { spec, fields, fallback: fallback? })
}

fn engine(section: &mut Object<'_>, usual: &'static str) -> (Option<String>, Option<String>) {
    let mount = section.default(field!("mount", "Where the engine is mounted."), usual, mount_path());
    let role = section.required(field!("role", "Role in it."), segment());
    (mount, role)
}

fn pki(section: &mut Object<'_>) -> Option<(Spec, Option<Vec<String>>)> {
    let (mount, role) = engine(section, "pki");
    let common_name = section.required(field!("common_name", "Common name of the subject."), kind::text());
    let dns_names = section.list(field!("dns_names", "DNS names beside it."), kind::text());
    let ip_addresses = section.list(
        field!("ip_addresses", "IP addresses."),
        kind::new(ip_address, || Schema::text("IP address", "^[0-9A-Fa-f.:]+$")),
    );
    let uris = section.list(field!("uris", "URIs, such as a SPIFFE ID."), kind::text());
    let ttl = section.optional(
        field!("ttl", "Wished lifetime; the role's own without it."),
        kind::duration(SECOND..=DAY.saturating_mul(3650)),
    );
    let key = section.default(
        field!(
            "key",
            "Who makes the key. `own`: we do, and it never leaves this process but in `files` (`pki/sign`). `vault`: Vault \
             does (`pki/issue`)."
        ),
        "own",
        kind::choice(&[("own", Key::Ours), ("vault", Key::Vaults)]),
    );
    let request = CertificateRequest {
        common_name: common_name?,
        dns_names: dns_names?.unwrap_or_default(),
        ip_addresses: ip_addresses?.unwrap_or_default(),
        uris: uris?.unwrap_or_default(),
        ttl: ttl?,
    };
    Some((Spec::Pki { mount: mount?, role: role?, request, key: key? }, None))
}

fn fallback(section: &mut Object<'_>) -> Option<Fallback> {
    let file = section.optional(
        field!("file", "A JSON or YAML object of fields and their values. Its mode must keep others out."),
        file_path(),
    );
    let environment = section.map(
        field!("environment", "For each field the environment variable that holds its value."),
        kind::text(),
        variable(),
    );
    section.exactly_one(&["file", "environment"])?;
    match (file?, environment?) {
        (Some(file), _) => Some(Fallback::File(file)),
        (None, environment) => environment.map(Fallback::Environment),
    }
}

fn ip_address(value: &Value) -> Result<String, String> {
    let text = string(value)?;
    match text.parse::<std::net::IpAddr>() {
        Ok(_) => Ok(text),
        Err(_) => Err("expected an IP address".to_owned()),
    }
}

/// A name: in templates (`secrets.NAME`), in metrics.
pub(super) fn name() -> impl Kind<String> {
    kind::new(
        |value| {
            let text = string(value)?;
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            let good = text.starts_with(|c: char| c.is_ascii_lowercase())
                && text.len() <= 64
                && text.bytes().all(plain);
            match text.as_str() {
                // The metric of the token of Vault has it.
                "token" => Err("`token` is the name of the token of Vault; take another one".to_owned()),
                _ if good => Ok(text),
                _ => Err(
                    "a name begins with a lower-case letter and has only those, digits and `_`, 64 at most"
                        .to_owned(),
                ),
            }
        },
        || {
            Schema::text(
                "lower-case letters, digits and `_`, beginning with a letter, at most 64",
                "^[a-z][a-z0-9_]*$",
            )
        },
    )
}

/// How long a secret may be missing before its fallback is used: a start, and a replacement, take a moment.
pub const FALLBACK_AFTER: Duration = Duration::from_secs(5);
