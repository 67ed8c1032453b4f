use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use spiffe::transport::Endpoint;
use svidgate_config::{Errors, Kind, Object, Schema, field, integer, kind, read, string};
use tracing::level_filters::LevelFilter;

use super::across;
use super::credentials::{self, Credentials};
use super::files::{self, File};
use super::secrets::{self, Secret};
use super::vault::{self, Vault};
use crate::source::workload_api::Probe;

/// Settings of `svidgate run`, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where bundles and SVIDs come from; `None` where nothing needs any.
    pub workload_api: Option<WorkloadApi>,
    /// Where filters get them.
    pub server: Server,
    /// What is revoked.
    pub revocations: Revocations,
    /// What outgoing requests are given.
    pub credentials: Credentials,
    /// Vault or OpenBao, where there is one.
    pub vault: Option<Vault>,
    /// What is fetched from Vault, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// What is rendered.
    pub files: Vec<File>,
    /// What is written to standard error.
    pub log: Log,
}

/// The SPIFFE Workload API, served by the SPIRE agent or `svidgate dev`.
#[derive(Clone, Debug)]
pub struct WorkloadApi {
    /// A Unix socket, or an IP address with a port (checklist B7).
    pub endpoint: Endpoint,
    /// How it is asked whether it stands behind its last word; no setting, since the default fits every agent.
    pub probe: Probe,
}

impl WorkloadApi {
    /// The address as it is written in settings.
    #[must_use]
    pub fn address(&self) -> String {
        match &self.endpoint {
            Endpoint::Unix(path) => format!("unix://{}", path.display()),
            Endpoint::Tcp { host, port } => format!("tcp://{}", SocketAddr::new(*host, *port)),
            other => format!("{other:?}"),
        }
    }
}

/// The socket that serves snapshots, health, status and metrics.
#[derive(Clone, Debug)]
pub struct Server {
    /// Absolute path of the Unix socket.
    pub socket: PathBuf,
    /// Permission bits of the socket; who may write to it may connect.
    pub mode: u32,
    /// Users that may connect, by the kernel's word on the peer; `None` leaves it to the mode.
    pub allowed_uids: Option<BTreeSet<u32>>,
    /// Absolute path of the operator's Unix socket, by which revocations are made; none without it.
    pub admin_socket: Option<PathBuf>,
}

/// Where revocations come from, and where they outlive the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Revocations {
    /// A YAML or JSON file that is watched.
    pub file: Option<PathBuf>,
    /// Where revocations made over the admin socket are kept; there whenever that socket is.
    pub state_file: Option<PathBuf>,
}

/// Logging.
#[derive(Clone, Copy, Debug)]
pub struct Log {
    /// Form of a line.
    pub format: LogFormat,
    /// Least severe level that is written.
    pub level: LevelFilter,
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

impl Config {
    /// Reads settings from their JSON form.
    ///
    /// # Errors
    /// Every mistake at once, unknown fields among them.
    pub fn parse(root: &Value) -> Result<Self, Errors> {
        read(root, build)
    }

    /// What [`Self::parse`] reads.
    #[must_use]
    pub fn schema() -> Schema {
        svidgate_config::describe(build)
    }
}

/// Under `/run`, which is empty after a boot and on which no socket file can outlive it. Envoy's cluster and
/// `svidgate status` name the same path.
pub const DEFAULT_SERVER_SOCKET: &str = "/run/svidgate/controller.sock";
/// Where `svidgate revoke` looks for the admin socket. The controller has none unless it is configured.
pub const DEFAULT_ADMIN_SOCKET: &str = "/run/svidgate/admin.sock";
/// Not under `/run`: a boot must take no revocation back.
pub const DEFAULT_STATE_FILE: &str = "/var/lib/svidgate/revocations.json";

impl Default for Log {
    /// JSON because a container's log is read by machines first; `info` tells each change of state and no more.
    fn default() -> Self {
        Self { format: LogFormat::Json, level: LevelFilter::INFO }
    }
}

fn build(root: &mut Object<'_>) -> Option<Config> {
    let workload_api = root.object(
        field!(
            "workload_api",
            "The SPIFFE Workload API, from which bundles come: the SPIRE agent or `svidgate dev`."
        ),
        workload_api,
    );
    let server = root.object(
        field!(
            "server",
            "The Unix socket that serves snapshots to the plugin, and health, status and metrics."
        ),
        server,
    );
    let revocations = root.object(
        field!(
            "revocations",
            "Keys, tokens and subjects that are refused although they verify, pushed to every filter at once. Two \
             sources are joined: a file, and what `svidgate revoke` says over `server.admin_socket`."
        ),
        revocations,
    );
    let credentials = credentials::read(root);
    let vault =
        root.optional_object(field!("vault", "Vault or OpenBao, from which `secrets` come."), vault::build);
    let secrets = root.named(
        field!(
            "secrets",
            "What is fetched from Vault and kept fresh, by names of yours. Each is one of `kv`, `database`, `database_static` \
             and `pki`."
        ),
        secrets::name(),
        secrets::MOST,
        secrets::build,
    );
    let files = root.objects(
        field!(
            "files",
            "Files that are rendered from secrets, SVIDs and bundles, written only when they change, and who is told then."
        ),
        files::MOST,
        files::build,
    );
    let log = root.object(field!("log", "What is written to standard error."), log);
    let templates =
        files.as_ref().and_then(|files| across::check_templates(root, files.as_deref().unwrap_or_default()));
    let offline = match workload_api {
        Some(None) => {
            let vault = vault.as_ref().and_then(Option::as_ref);
            across::without_workload_api(root, vault, credentials.as_ref(), files.as_ref())
        }
        _ => Some(()),
    };
    let (server, mut revocations) = (server?, revocations?);
    let (vault, secrets, files) = (vault?, secrets?.unwrap_or_default(), files?.unwrap_or_default());
    // Each of these looks at everything, so that all mistakes are found at once.
    let together = across::check(root, vault.as_ref(), &secrets, &files);
    if server.admin_socket.is_some() && revocations.state_file.is_none() {
        revocations.state_file = Some(PathBuf::from(DEFAULT_STATE_FILE));
    }
    let sockets = (server.admin_socket.as_ref() != Some(&server.socket)).then_some(());
    if sockets.is_none() {
        root.error(
            "server.admin_socket",
            "is the same as server.socket, to which Envoy connects; take another path",
        );
    }
    let credentials = credentials.and_then(|credentials| {
        let known = across::check_credentials(root, &credentials, &secrets);
        let connected = who_can_connect(root, &credentials, &server);
        known.and(connected).map(|()| credentials)
    });
    templates.and(offline).and(together).and(sockets)?;
    let credentials = credentials?;
    Some(Config {
        workload_api: workload_api?,
        server,
        revocations,
        credentials,
        vault,
        secrets,
        files,
        log: log?,
    })
}

/// Reports subscribers that the socket does not let in; `None` when there are any.
fn who_can_connect(root: &mut Object<'_>, credentials: &Credentials, server: &Server) -> Option<()> {
    let allowed = server.allowed_uids.as_ref();
    let mut good = Some(());
    for (name, entry) in &credentials.entries {
        for (at, subscriber) in entry.subscribers.iter().enumerate() {
            if allowed.is_some_and(|allowed| !allowed.contains(&subscriber.uid)) {
                let path = format!("credentials.{name}.subscribers[{at}].uid");
                root.error(&path, "is not in server.allowed_uids, so it cannot connect");
                good = None;
            }
        }
    }
    good
}

fn workload_api(section: &mut Object<'_>) -> Option<Option<WorkloadApi>> {
    let endpoint = section.optional(
        field!(
            "socket",
            "Address of the Workload API. It has no default: a wrong agent would be as bad as none, and SPIRE's own \
             paths differ by installation. Without it the environment's `SPIFFE_ENDPOINT_SOCKET` counts. Neither is \
             needed where there are `files` or `credentials` and none of them, nor `vault.auth`, takes anything from it; \
             filters then get no bundles."
        ),
        kind::new(endpoint, || Schema::text(ENDPOINT_FORM, "^(unix|tcp):.")),
    )?;
    Some(endpoint.map(|endpoint| WorkloadApi { endpoint, probe: Probe::default() }))
}

fn server(section: &mut Object<'_>) -> Option<Server> {
    let socket = section.default(
        field!(
            "socket",
            "Where the socket is made. Its folder must belong to root or to the controller's user, and nobody else \
             may be able to write to it. Envoy's cluster and `svidgate status` name the same path."
        ),
        DEFAULT_SERVER_SOCKET,
        socket_path(),
    );
    let mode = section.default(
        field!(
            "mode",
            "Permission bits of the socket: who may write to it may connect. Envoy often runs as another user than \
             the controller, so both share a group; nobody else needs it."
        ),
        "0660",
        kind::new(mode, || Schema::text("octal digits in quotes, at least \"0600\"", "^0?[67][0-7]{2}$")),
    );
    let allowed_uids = section.list(
        field!(
            "allowed_uids",
            "Users that may connect, by the kernel's word on the peer, on top of the mode. Without it the mode alone \
             decides."
        ),
        kind::new(uid, || Schema::Integer(0..=u64::from(u32::MAX))),
    );
    let admin_socket = section.optional(
        field!(
            "admin_socket",
            "Where the operator's socket is made, by which `svidgate revoke` changes the list of revocations; none \
             without this setting. Its mode is 0600, so only the controller's user and root may connect, and its folder \
             must be as that of `socket`. `svidgate revoke` looks at /run/svidgate/admin.sock."
        ),
        socket_path(),
    );
    Some(Server {
        socket: socket?,
        mode: mode?,
        allowed_uids: allowed_uids?.map(BTreeSet::from_iter),
        admin_socket: admin_socket?,
    })
}

fn revocations(section: &mut Object<'_>) -> Option<Revocations> {
    let file = section.optional(
        field!(
            "file",
            "A YAML or JSON file with a list of revocations, read each second. A change that cannot be used changes \
             nothing and shows in /health, /status and metrics; at the start it must be there and good."
        ),
        file_path(),
    );
    let state_file = section.optional(
        field!(
            "state_file",
            "Where revocations made over the admin socket are kept, so that no restart takes them back. Its folder must \
             belong to root or to the controller's user, and nobody else may be able to write to it. With \
             `server.admin_socket` the default is /var/lib/svidgate/revocations.json; without that socket, a file named \
             here is still read."
        ),
        file_path(),
    );
    Some(Revocations { file: file?, state_file: state_file? })
}

fn log(section: &mut Object<'_>) -> Option<Log> {
    let format = section.default(
        field!("format", "Form of a line: one JSON object for machines, or text for people."),
        "json",
        kind::choice(&FORMATS),
    );
    let level = section.default(
        field!("level", "Least severe level that is written. `info` tells each change of state and no more."),
        "info",
        kind::choice(&LEVELS),
    );
    Some(Log { format: format?, level: level? })
}

/// `unix:` with an absolute path or `tcp:` with an IP address and a port (SPIFFE Workload Endpoint, section 4).
fn endpoint(value: &Value) -> Result<Endpoint, String> {
    let text = string(value)?;
    let endpoint = Endpoint::parse(&text).map_err(|error| format!("{error}; expected {ENDPOINT_FORM}"))?;
    match &endpoint {
        // The parser follows URL rules, which fold dot segments and escape unusual bytes: the socket would be
        // looked for elsewhere than where the text says.
        Endpoint::Unix(path) if path.to_str() != Some(unix_path(&text)) => {
            Err("the path must have no dot segments and no characters that a URL escapes".to_owned())
        }
        Endpoint::Unix(path) => check_socket_length(path).map(|()| endpoint),
        _ => Ok(endpoint),
    }
}

/// An absolute path for a socket of ours.
fn socket_path() -> impl Kind<PathBuf> {
    let form = format!("absolute path without `..`, at most {MAX_SOCKET_PATH} bytes");
    kind::new(read_socket_path, move || Schema::text(form.as_str(), "^(unix:)?/"))
}

fn read_socket_path(value: &Value) -> Result<PathBuf, String> {
    let text = string(value)?;
    let path = PathBuf::from(unix_path(&text));
    if !is_plain(&path) {
        return Err(
            "expected an absolute path without `..`, such as /run/svidgate/controller.sock".to_owned()
        );
    }
    check_socket_length(&path).map(|()| path)
}

/// An absolute path for a file of ours.
pub(super) fn file_path() -> impl Kind<PathBuf> {
    kind::new(
        |value| {
            let path = PathBuf::from(string(value)?);
            if is_plain(&path) { Ok(path) } else { Err("expected an absolute path without `..`".to_owned()) }
        },
        || Schema::text("absolute path without `..`", "^/"),
    )
}

fn is_plain(path: &Path) -> bool {
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    path.is_absolute() && plain && path.file_name().is_some()
}

/// The path in `unix:/path` or `unix:///path`; other text as it is.
fn unix_path(text: &str) -> &str {
    let path = text.strip_prefix("unix:").unwrap_or(text);
    path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path)
}

fn check_socket_length(path: &Path) -> Result<(), String> {
    let actual = path.as_os_str().len();
    if actual > MAX_SOCKET_PATH {
        return Err(format!("a socket's path has at most {MAX_SOCKET_PATH} bytes, this one has {actual}"));
    }
    Ok(())
}

fn mode(value: &Value) -> Result<u32, String> {
    // YAML 1.1 and 1.2 read a bare 0660 as different numbers, so only a string is taken.
    let text = value.as_str().ok_or("expected octal digits in quotes, such as \"0660\"")?;
    let valid = (3..=4).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| valid && *mode <= 0o777);
    let mode = mode.ok_or("expected octal digits from \"000\" to \"777\", such as \"0660\"")?;
    if mode & 0o600 == 0o600 {
        Ok(mode)
    } else {
        Err("the owner must keep read and write, as in \"0600\"".to_owned())
    }
}

pub(super) fn uid(value: &Value) -> Result<u32, String> {
    let number = integer(0..=u64::from(u32::MAX))(value)?;
    u32::try_from(number).map_err(|error| error.to_string())
}

/// `sun_path` has 108 bytes on Linux, the last of them zero.
const MAX_SOCKET_PATH: usize = 107;

const ENDPOINT_FORM: &str = "unix: with an absolute path (unix:///run/spire/sockets/agent.sock) or tcp: with IP and port (tcp:127.0.0.1:8081)";

const FORMATS: [(&str, LogFormat); 2] = [("json", LogFormat::Json), ("text", LogFormat::Text)];

const LEVELS: [(&str, LevelFilter); 5] = [
    ("error", LevelFilter::ERROR),
    ("warn", LevelFilter::WARN),
    ("info", LevelFilter::INFO),
    ("debug", LevelFilter::DEBUG),
    ("trace", LevelFilter::TRACE),
];
