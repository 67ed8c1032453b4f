//! What outgoing requests are given, and to whom.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use svidgate_config::{Kind, Object, Schema, field, kind, non_empty_string};
use svidgate_jwt_svid::SpiffeId;
use svidgate_snapshot::is_credential_name;

use super::secrets;
use super::settings::{file_path, uid};

/// The credentials that this controller fetches, and the keys with which they are sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Files of keys, by name.
    pub keys: BTreeMap<String, PathBuf>,
    /// Credentials, by name.
    pub entries: BTreeMap<String, CredentialEntry>,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialEntry {
    /// Where it comes from.
    pub source: CredentialSource,
    /// Who may have it. Never empty.
    pub subscribers: Vec<CredentialSubscriber>,
}

/// Where a credential comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// The Workload API.
    JwtSvid(WantedSvid),
    /// A file.
    File(CredentialFile),
    /// One of `secrets`.
    Secret(WantedSecret),
}

impl CredentialSource {
    /// Its name in the configuration, in `/status` and in metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::JwtSvid(_) => "jwt_svid",
            Self::File(_) => "file",
            Self::Secret(_) => "secret",
        }
    }
}

/// A JWT-SVID of our own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WantedSvid {
    /// Whom it is for.
    pub audience: String,
    /// Which of our identities; none: the default one.
    pub spiffe_id: Option<SpiffeId>,
}

/// One of `secrets`, and what of it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedSecret {
    /// Its name there.
    pub name: String,
    /// Field with the value, or with the password.
    pub field: String,
    /// Field with the user; none: the value is sent alone.
    pub user_field: Option<String>,
}

/// A file with a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialFile {
    /// Absolute path.
    pub path: PathBuf,
    /// What stands in it.
    pub form: FileForm,
    /// How long its content is good after it was written; none: no end by that.
    pub lifetime: Option<Duration>,
}

/// What stands in a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FileForm {
    /// The secret and no more.
    #[default]
    Text,
    /// `user:password`.
    UserPassword,
    /// `{"value": …}` or `{"user": …, "password": …}`, with or without `not_after`.
    Json,
}

/// Who may have a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSubscriber {
    /// User of its process, by the kernel's word on the peer of the socket.
    pub uid: u32,
    /// Name of the key that it must have; none: any.
    pub key: Option<String>,
}

/// Reads `credential_keys` and `credentials`. `allowed_uids` is that of the socket, as far as it is known.
pub(super) fn read(root: &mut Object<'_>) -> Option<Credentials> {
    let keys = root.map(
        field!(
            "credential_keys",
            "Keys with which credentials are sealed for subscribers: a name and a file with 32 random bytes in base64url \
             (`openssl rand 32 | basenc --base64url | tr -d =`), which others may not read (0600). The same text is \
             `credentials.key` in the plugin's configuration. Read at the start."
        ),
        name(),
        file_path(),
    );
    let entries = root.named(
        field!(
            "credentials",
            "What outgoing requests are given by the plugin's `outgoing`: names with one source each. One that is no \
             longer obtainable goes on until its end, and is then taken away."
        ),
        name(),
        MAX_ENTRIES,
        entry,
    );
    let (keys, entries) = (keys?.unwrap_or_default(), entries?.unwrap_or_default());
    let mut good = Some(());
    if !entries.is_empty() && keys.is_empty() {
        root.error("credential_keys", "is required: `credentials` are given to nobody in plain text");
        good = None;
    }
    for (name, entry) in &entries {
        for (at, subscriber) in entry.subscribers.iter().enumerate() {
            if let Some(key) = subscriber.key.as_ref().filter(|key| !keys.contains_key(*key)) {
                root.error(
                    &format!("credentials.{name}.subscribers[{at}].key"),
                    format!("there is no `{key}` in credential_keys"),
                );
                good = None;
            }
        }
    }
    good.map(|()| Credentials { keys, entries })
}

fn entry(object: &mut Object<'_>) -> Option<CredentialEntry> {
    let jwt_svid = object.optional_object(
        field!(
            "jwt_svid",
            "A JWT-SVID of the controller's own identity, from the Workload API; fetched again between 75 and 80 % of its \
             life."
        ),
        wanted_svid,
    );
    let file = object.object_or(
        field!(
            "file",
            "A file with a secret, looked at each second; short for `{path: FILE}`. What cannot be used changes nothing, \
             and a file that is gone takes the credential away. Others may not be able to read it (0600 or 0640)."
        ),
        kind::map(file_path(), |path| CredentialFile { path, form: FileForm::Text, lifetime: None }),
        credential_file,
    );
    let secret = object.optional_object(
        field!(
            "secret",
            "One of `secrets`, which come from Vault; it is sent no longer than until its end there."
        ),
        wanted_secret,
    );
    let subscribers = object.objects(
        field!(
            "subscribers",
            "Who may have it. Any one of these is enough. The node id that an Envoy tells is no authentication and does not \
             count."
        ),
        MAX_SUBSCRIBERS,
        subscriber,
    );
    let one = object.exactly_one(&["jwt_svid", "file", "secret"]);
    let some = object.at_least_one(&["subscribers"], "has no `subscribers`: nobody could ever have it");
    one.and(some)?;
    let source = match (jwt_svid?, file?, secret?) {
        (Some(wanted), ..) => CredentialSource::JwtSvid(wanted),
        (_, Some(file), _) => CredentialSource::File(file),
        (.., secret) => CredentialSource::Secret(secret?),
    };
    Some(CredentialEntry { source, subscribers: subscribers?? })
}

fn wanted_svid(object: &mut Object<'_>) -> Option<WantedSvid> {
    let audience = object
        .required(field!("audience", "Name of the service that it is for, byte for byte."), kind::text());
    let spiffe_id = object.optional(
        field!("spiffe_id", "Which identity, where the controller has several. Absent: the agent's first."),
        kind::new(
            |value| SpiffeId::parse(&non_empty_string(value)?).map_err(|error| error.to_string()),
            || Schema::text("SPIFFE ID", "^spiffe://[a-z0-9._-]+(/[A-Za-z0-9._-]+)*$"),
        ),
    );
    Some(WantedSvid { audience: audience?, spiffe_id: spiffe_id? })
}

fn wanted_secret(object: &mut Object<'_>) -> Option<WantedSecret> {
    let name = object.required(field!("name", "Its name in `secrets`."), secrets::name());
    let field = object.default(
        field!("field", "Its field with the value, or with the password where there is `user_field`."),
        "value",
        kind::text(),
    );
    let user_field = object.optional(
        field!("user_field", "Its field with the user, for `as: basic`. Absent: no user."),
        kind::text(),
    );
    Some(WantedSecret { name: name?, field: field?, user_field: user_field? })
}

fn credential_file(object: &mut Object<'_>) -> Option<CredentialFile> {
    let path = object.required(field!("path", "The file."), file_path());
    let form = object.default(
        field!(
            "form",
            "`text`: the secret and no more; a line end at the end is none of it. `user_password`: `USER:PASSWORD`, for \
             `as: basic`. `json`: `{\"value\": …}` or `{\"user\": …, \"password\": …}`, and perhaps `\"not_after\"` in \
             Unix seconds."
        ),
        "text",
        kind::choice(&FORMS),
    );
    let lifetime = object.optional(
        field!(
            "lifetime",
            "How long its content may be sent after it was written, by the file's time. Absent: until it is replaced, or \
             to its own `not_after`."
        ),
        kind::duration(MIN_LIFETIME..=MAX_LIFETIME),
    );
    Some(CredentialFile { path: path?, form: form?, lifetime: lifetime? })
}

fn subscriber(object: &mut Object<'_>) -> Option<CredentialSubscriber> {
    let uid = object.required(
        field!(
            "uid",
            "User of the Envoy process, by the kernel's word on the peer of the socket; as the controller sees it, where \
             user namespaces differ."
        ),
        kind::new(uid, || Schema::Integer(0..=u64::from(u32::MAX))),
    );
    let key = object.optional(
        field!(
            "key",
            "Name of the key of `credential_keys` that it must have. It tells apart subscribers of one user, such as the \
             sidecars of a node. Absent: any."
        ),
        name(),
    );
    Some(CredentialSubscriber { uid: uid?, key: key? })
}

/// A name of a key or a credential.
fn name() -> impl Kind<String> {
    kind::new(
        |value| {
            let text = non_empty_string(value)?;
            if is_credential_name(&text) { Ok(text) } else { Err(format!("a name must be {NAME_FORM}")) }
        },
        || Schema::text(NAME_FORM, "^[a-z0-9][a-z0-9_.-]{0,63}$"),
    )
}

const NAME_FORM: &str = "1 to 64 of a-z, 0-9, `_`, `.` and `-`, the first a letter or digit";
const FORMS: [(&str, FileForm); 3] =
    [("text", FileForm::Text), ("user_password", FileForm::UserPassword), ("json", FileForm::Json)];
const MAX_ENTRIES: usize = 1000;
const MAX_SUBSCRIBERS: usize = 1000;
const MIN_LIFETIME: Duration = Duration::from_secs(1);
const MAX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 3600);
