use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;
use spiffe::transport::Endpoint;
use svidgate_config::{Errors, Object, integer, read, string};
use tracing::level_filters::LevelFilter;

use crate::source::workload_api::Probe;
use crate::workload_api::SOCKET_ENV;

/// Settings of `svidgate run`, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where bundles come from.
    pub workload_api: WorkloadApi,
    /// Where filters get them.
    pub server: Server,
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
        read(root, |root| {
            let workload_api = root.object("workload_api", workload_api);
            let server = root.object("server", server);
            let log = root.object("log", log);
            Some(Self { workload_api: workload_api?, server: server?, log: log? })
        })
    }
}

/// Under `/run`, which is empty after a boot and on which no socket file can outlive it. Envoy's cluster and
/// `svidgate status` name the same path.
pub const DEFAULT_SERVER_SOCKET: &str = "/run/svidgate/controller.sock";

/// Envoy often runs as another user than the controller: both share a group. Nobody else needs it.
const DEFAULT_MODE: u32 = 0o660;

impl Default for Log {
    /// JSON because a container's log is read by machines first; `info` tells each change of state and no more.
    fn default() -> Self {
        Self { format: LogFormat::Json, level: LevelFilter::INFO }
    }
}

fn workload_api(section: &mut Object<'_>) -> Option<WorkloadApi> {
    // No default path: a wrong agent would be as bad as none, and SPIRE's own paths differ by installation.
    if !section.has("socket") {
        section.error("socket", format!("is required, or ${SOCKET_ENV} in the environment"));
        return None;
    }
    section.required("socket", endpoint).map(|endpoint| WorkloadApi { endpoint, probe: Probe::default() })
}

fn server(section: &mut Object<'_>) -> Option<Server> {
    let socket = section.or("socket", PathBuf::from(DEFAULT_SERVER_SOCKET), socket_path);
    let mode = section.or("mode", DEFAULT_MODE, mode);
    // No default list: uids differ by installation, and the mode already keeps others out.
    let allowed_uids = section.list("allowed_uids", uid);
    if let Some(Some(uids)) = &allowed_uids
        && uids.is_empty()
    {
        section
            .error("allowed_uids", "must have at least one item; leave it out to admit whom the mode admits");
    }
    Some(Server { socket: socket?, mode: mode?, allowed_uids: allowed_uids?.map(BTreeSet::from_iter) })
}

fn log(section: &mut Object<'_>) -> Option<Log> {
    let default = Log::default();
    let format = section.or("format", default.format, log_format);
    let level = section.or("level", default.level, log_level);
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

fn socket_path(value: &Value) -> Result<PathBuf, String> {
    let text = string(value)?;
    let path = PathBuf::from(unix_path(&text));
    let plain = path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !path.is_absolute() || !plain || path.file_name().is_none() {
        return Err(
            "expected an absolute path without `..`, such as /run/svidgate/controller.sock".to_owned()
        );
    }
    check_socket_length(&path).map(|()| path)
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

fn uid(value: &Value) -> Result<u32, String> {
    let number = integer(0..=u64::from(u32::MAX))(value)?;
    u32::try_from(number).map_err(|error| error.to_string())
}

fn log_format(value: &Value) -> Result<LogFormat, String> {
    match string(value)?.as_str() {
        "json" => Ok(LogFormat::Json),
        "text" => Ok(LogFormat::Text),
        _ => Err("expected json or text".to_owned()),
    }
}

fn log_level(value: &Value) -> Result<LevelFilter, String> {
    match string(value)?.as_str() {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        "trace" => Ok(LevelFilter::TRACE),
        _ => Err("expected error, warn, info, debug or trace".to_owned()),
    }
}

/// `sun_path` has 108 bytes on Linux, the last of them zero.
const MAX_SOCKET_PATH: usize = 107;

const ENDPOINT_FORM: &str = "unix: with an absolute path (unix:///run/spire/sockets/agent.sock) or tcp: with IP and port (tcp:127.0.0.1:8081)";
