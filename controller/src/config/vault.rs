//! `vault`: where Vault or OpenBao is, how to log in there, and how what it gives is kept fresh.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use svidgate_config::{Kind, Object, Schema, field, kind, string};
use svidgate_vault::{AtShutdown, BreakerSettings, Settings, Timing, TlsSettings};

use super::settings::file_path;

/// Vault or OpenBao.
#[derive(Clone, Debug)]
pub struct Vault {
    /// Address, TLS, timeouts, circuit breaker.
    pub settings: Settings,
    /// How to log in.
    pub auth: Auth,
    /// When to renew, retry and revoke.
    pub timing: Timing,
    /// Whether static values stand in for secrets that Vault does not give.
    pub fail_open: bool,
}

/// A login, and where its method is mounted if not at its usual place.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Below `auth/`.
    pub mount: Option<String>,
    /// What it takes.
    pub method: AuthMethod,
}

/// What a login takes.
#[derive(Clone, Debug)]
pub enum AuthMethod {
    /// The pod's service-account token.
    Kubernetes {
        /// Role in Vault.
        role: String,
        /// Read anew at each login.
        token_file: PathBuf,
    },
    /// A JWT.
    Jwt {
        /// Role in Vault.
        role: Option<String>,
        /// Where it comes from.
        token: Jwt,
    },
    /// Role id and secret id.
    AppRole {
        /// Role id.
        role_id: Given,
        /// Secret id.
        secret_id: Option<Given>,
    },
    /// A client certificate.
    Cert {
        /// Role in Vault.
        role: Option<String>,
        /// Where it comes from.
        identity: Identity,
    },
    /// A token that somebody else made.
    Token(Given),
}

/// Where a secret of a login stands; never in the settings themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// In a file, read anew at each login.
    File(PathBuf),
    /// In this environment variable.
    Environment(String),
}

/// Where the JWT of a login comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Jwt {
    /// A file, read anew at each login.
    File(PathBuf),
    /// A JWT-SVID of the Workload API, fetched at each login.
    Svid {
        /// For whom it is meant: what the role in Vault expects.
        audience: String,
    },
}

/// Where the client certificate of a login comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// PEM files, read anew at each login.
    Files {
        /// Chain.
        certificate: PathBuf,
        /// Key.
        key: PathBuf,
    },
    /// The X.509-SVID of the Workload API.
    Svid,
}

pub(super) fn build(section: &mut Object<'_>) -> Option<Vault> {
    let address = section.required(
        field!(
            "address",
            "Where it is. Plain `http` is taken for loopback addresses only: tokens and secrets would cross the network in \
             the clear."
        ),
        kind::new(address, || {
            Schema::text("https:// with host and port (http:// for a loopback address)", "^https?://.")
        }),
    );
    let namespace = section.optional(
        field!("namespace", "Sent as `X-Vault-Namespace` with every request."),
        kind::new(visible, || Schema::text("visible ASCII", "^[!-~]+$")),
    );
    let tls = section.object(field!("tls", "Whom to trust at an `https` address."), tls);
    let auth =
        section.required_object(field!("auth", "How to log in: one of these methods."), "which login?", auth);
    let timing = timing(section);
    let connect_timeout = section.default(
        field!("connect_timeout", "To open a TCP connection."),
        "5s",
        kind::duration(SECOND / 10..=MINUTE),
    );
    let request_timeout = section.default(
        field!("request_timeout", "From the start of a request to the last byte of its answer."),
        "10s",
        kind::duration(SECOND / 10..=MINUTE),
    );
    let breaker = section.object(
        field!(
            "circuit_breaker",
            "After failures in a row nothing is sent for a while, then one request to see whether Vault is well again."
        ),
        breaker,
    );
    let fail_open = section.default(
        field!(
            "fail_open",
            "`false`: without Vault, readiness and health fail and nothing is made up. `true`, for development only: each \
             secret has a `fallback`, static values that are used until Vault is back; logs and metrics say so loudly."
        ),
        false,
        kind::boolean(),
    );
    let mut settings: Settings = address?;
    settings.namespace = namespace?;
    settings.tls = tls?;
    settings.connect_timeout = connect_timeout?;
    settings.request_timeout = request_timeout?;
    settings.breaker = breaker?;
    Some(Vault { settings, auth: auth?, timing: timing?, fail_open: fail_open? })
}

fn tls(section: &mut Object<'_>) -> Option<TlsSettings> {
    let ca_file = section.optional(
        field!(
            "ca_file",
            "Certificates of authorities (PEM), read anew at each login, which follows within seconds of a change. Without it \
             those of the system."
        ),
        file_path(),
    );
    let server_name = section.optional(
        field!("server_name", "Name in Vault's certificate, where it is not the host of the address."),
        host(),
    );
    Some(TlsSettings { ca_file: ca_file?, server_name: server_name? })
}

fn timing(section: &mut Object<'_>) -> Option<Timing> {
    let fraction = section.default(
        field!(
            "renew_at",
            "Tokens, leases and certificates are renewed when this share of their life is over."
        ),
        0.8,
        kind::number(0.1..=0.95),
    );
    let jitter = section.default(
        field!(
            "jitter",
            "Up to this share of the life later, so that replicas do not come in step. Never earlier."
        ),
        0.05,
        kind::number(0.0..=0.5),
    );
    let poll = section.default(
        field!("poll", "How often KV secrets are read that have no `ttl` field and no `poll` of their own."),
        "5m",
        kind::duration(SECOND..=DAY),
    );
    let grace = section.default(
        field!(
            "grace",
            "How long what was replaced lives on, so that its users can change over. For a secret in `files` it begins when \
             the hook has succeeded."
        ),
        "30s",
        kind::duration(Duration::ZERO..=HOUR),
    );
    let at_shutdown = section.default(
        field!(
            "at_shutdown",
            "`leave`: token and leases end by themselves, so that what applications got goes on working while the controller \
             restarts. `revoke`: nothing stays behind in Vault or in databases."
        ),
        "leave",
        kind::choice(&AT_SHUTDOWN),
    );
    Some(Timing {
        fraction: fraction?,
        jitter: jitter?,
        poll: poll?,
        grace: grace?,
        at_shutdown: at_shutdown?,
        ..Timing::default()
    })
}

fn breaker(section: &mut Object<'_>) -> Option<BreakerSettings> {
    let failures = section.default(
        field!("failures", "Failures in a row that open it."),
        5,
        kind::map(kind::integer(1..=100), |failures| u32::try_from(failures).unwrap_or(u32::MAX)),
    );
    let open_for = section.default(
        field!(
            "open_for",
            "How long it stays open at first; twice as long each time that Vault is not well again."
        ),
        "5s",
        kind::duration(SECOND..=HOUR),
    );
    let open_at_most = section.default(
        field!("open_at_most", "The longest that it stays open."),
        "60s",
        kind::duration(SECOND..=HOUR),
    );
    Some(BreakerSettings { failures: failures?, open_for: open_for?, open_at_most: open_at_most? })
}

fn auth(section: &mut Object<'_>) -> Option<Auth> {
    let kubernetes = section.optional_object(
        field!(
            "kubernetes",
            "The pod's service-account token, which Vault has checked by the Kubernetes API server."
        ),
        |section| {
            let mount = mount(section, "kubernetes");
            let role = section.required(field!("role", "Role in Vault."), segment());
            let token_file = section.default(
                field!("token_file", "Read anew at each login: bound tokens expire."),
                "/var/run/secrets/kubernetes.io/serviceaccount/token",
                file_path(),
            );
            let method = AuthMethod::Kubernetes { role: role?, token_file: token_file? };
            Some(Auth { mount: mount?, method })
        },
    );
    let jwt = section.optional_object(field!("jwt", "A JWT: a JWT-SVID, or one in a file."), |section| {
        let mount = mount(section, "jwt");
        let role = section.optional(field!("role", "Role in Vault; the mount's default role without it."), segment());
        let token_file = section.optional(field!("token_file", "Read anew at each login."), file_path());
        let audience = section.optional(
            field!(
                "audience",
                "Audience of a JWT-SVID that is fetched over the Workload API at each login: one of the role's \
                 `bound_audiences`."
            ),
            kind::text(),
        );
        section.exactly_one(&["token_file", "audience"])?;
        let token = match (token_file?, audience?) {
            (Some(file), _) => Jwt::File(file),
            (None, audience) => Jwt::Svid { audience: audience? },
        };
        Some(Auth { mount: mount?, method: AuthMethod::Jwt { role: role?, token } })
    });
    let approle = section.optional_object(field!("approle", "Role id and secret id."), |section| {
        let mount = mount(section, "approle");
        let role_id = section.required_object(field!("role_id", "Role id."), GIVEN, given);
        let secret_id = section
            .optional_object(field!("secret_id", "Secret id; absent for roles that do not bind one."), given);
        let method = AuthMethod::AppRole { role_id: role_id?, secret_id: secret_id? };
        Some(Auth { mount: mount?, method })
    });
    let cert = section.optional_object(
        field!(
            "cert",
            "A client certificate: the X.509-SVID of the Workload API, or one in files. Needs `https`."
        ),
        |section| {
            let mount = mount(section, "cert");
            let role =
                section.optional(field!("role", "Role in Vault; any that matches without it."), segment());
            let certificate = section.optional(
                field!("certificate_file", "Chain, PEM. Without files the X.509-SVID is taken."),
                file_path(),
            );
            let key = section.optional(field!("key_file", "Its key, PEM."), file_path());
            let identity = match (certificate?, key?) {
                (Some(certificate), Some(key)) => Identity::Files { certificate, key },
                (None, None) => Identity::Svid,
                (certificate, _) => {
                    let missing = if certificate.is_some() { "key_file" } else { "certificate_file" };
                    section.error(missing, "is required beside the other one");
                    return None;
                }
            };
            Some(Auth { mount: mount?, method: AuthMethod::Cert { role: role?, identity } })
        },
    );
    let token = section.optional_object(
        field!("token", "A token that somebody else made. It is renewed, never revoked; a new one is taken when it is there."),
        |section| given(section).map(|given| Auth { mount: None, method: AuthMethod::Token(given) }),
    );
    section.exactly_one(&["kubernetes", "jwt", "approle", "cert", "token"])?;
    kubernetes?.or(jwt?).or(approle?).or(cert?).or(token?)
}

fn mount(section: &mut Object<'_>, usual: &'static str) -> Option<Option<String>> {
    let field = field!("mount", "Where the method is mounted below `auth/`, if not under its own name.");
    section.optional(field, mount_path()).map(|mount| mount.filter(|mount| mount != usual))
}

/// A secret's place: a file or an environment variable.
pub(super) fn given(section: &mut Object<'_>) -> Option<Given> {
    let file = section.optional(field!("file", "A file that holds it, read anew each time."), file_path());
    let variable =
        section.optional(field!("environment", "Name of an environment variable that holds it."), variable());
    section.exactly_one(&["file", "environment"])?;
    match (file?, variable?) {
        (Some(file), _) => Some(Given::File(file)),
        (None, variable) => variable.map(Given::Environment),
    }
}

const GIVEN: &str = "where does it stand: file or environment?";

fn address(value: &Value) -> Result<Settings, String> {
    Settings::new(&string(value)?).map_err(|error| error.to_string())
}

fn visible(value: &Value) -> Result<String, String> {
    let text = string(value)?;
    let good = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    if good { Ok(text) } else { Err("expected visible ASCII".to_owned()) }
}

/// A DNS name or an IPv4 address.
pub(super) fn host() -> impl Kind<String> {
    kind::new(
        |value| {
            let text = string(value)?;
            let good = !text.is_empty()
                && text.len() <= 253
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'));
            if good { Ok(text) } else { Err("expected a host name".to_owned()) }
        },
        || Schema::text("host name", "^[A-Za-z0-9._-]+$"),
    )
}

/// A part of a path in Vault, such as a role.
pub(super) fn segment() -> impl Kind<String> {
    kind::new(
        |value| {
            path(value).and_then(|text| {
                if text.contains('/') { Err("must not hold a slash".to_owned()) } else { Ok(text) }
            })
        },
        || Schema::text("name without a slash", "^[^/]+$"),
    )
}

/// A path in Vault, without slashes around it.
pub(super) fn mount_path() -> impl Kind<String> {
    kind::new(path, || Schema::text("path without a slash at its ends", "^[^/]"))
}

fn path(value: &Value) -> Result<String, String> {
    let text = string(value)?;
    let good = text.split('/').all(|part| {
        !matches!(part, "" | "." | "..") && !part.contains(|c: char| c.is_control() || matches!(c, '?' | '#'))
    });
    if good {
        Ok(text)
    } else {
        Err("expected a path such as `team/app`, without a slash at its ends".to_owned())
    }
}

/// The name of an environment variable.
pub(super) fn variable() -> impl Kind<String> {
    kind::new(
        |value| {
            let text = string(value)?;
            let good = !text.is_empty()
                && !text.starts_with(|c: char| c.is_ascii_digit())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if good { Ok(text) } else { Err("expected the name of an environment variable".to_owned()) }
        },
        || Schema::text("name of an environment variable", "^[A-Za-z_][A-Za-z0-9_]*$"),
    )
}

const AT_SHUTDOWN: [(&str, AtShutdown); 2] = [("leave", AtShutdown::Leave), ("revoke", AtShutdown::Revoke)];
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_mins(1);
pub(super) const HOUR: Duration = Duration::from_hours(1);
pub(super) const DAY: Duration = Duration::from_hours(24);
