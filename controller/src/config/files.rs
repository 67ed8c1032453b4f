//! `files`: what is rendered from secrets, SVIDs and bundles, and who is told.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use svidgate_config::{Kind, Object, Schema, field, integer, kind, string};

use super::ready::{self, Ready};
use super::settings::file_path;
use super::vault::{MINUTE, SECOND};

/// A file, or a folder of files that change together, and who is told.
#[derive(Clone, Debug)]
pub struct File {
    /// What is written.
    pub target: Target,
    /// Who owns it; those of the controller's process without it.
    pub owner: Owner,
    /// Who is told of a change.
    pub hook: Option<Hook>,
}

/// What is written.
#[derive(Clone, Debug)]
pub enum Target {
    /// One file, replaced by a rename.
    File {
        /// Where.
        path: PathBuf,
        /// What stands in it.
        content: Content,
        /// Permission bits.
        mode: u32,
    },
    /// Files of one folder, replaced all at once by the rename of a link.
    Folder {
        /// Where.
        path: PathBuf,
        /// Name → content and permission bits.
        contents: BTreeMap<String, (Content, u32)>,
    },
}

impl Target {
    /// Its path, by which logs and metrics name it.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::File { path, .. } | Self::Folder { path, .. } => path,
        }
    }

    /// What stands in it, by name.
    pub fn contents(&self) -> impl Iterator<Item = (&str, &Content)> {
        let (one, many) = match self {
            Self::File { content, .. } => (Some(("", content)), None),
            Self::Folder { contents, .. } => (None, Some(contents)),
        };
        let many = many.into_iter().flatten().map(|(name, (content, _))| (name.as_str(), content));
        one.into_iter().chain(many)
    }
}

/// User and group by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub user: Option<u32>,
    /// Group id.
    pub group: Option<u32>,
}

/// What stands in a file.
#[derive(Clone, Debug)]
pub enum Content {
    /// A template in the settings.
    Template(String),
    /// A template in a file, which is read at the start.
    TemplateFile(PathBuf),
    /// A ready one.
    Ready(Ready),
}

/// Who is told of a change, and how.
#[derive(Clone, Debug)]
pub struct Hook {
    /// What is done.
    pub action: Action,
    /// How long it may take.
    pub timeout: Duration,
    /// Also when there was no file before, so that nobody can have read it.
    pub on_first_write: bool,
}

/// What a hook does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Sends a signal.
    Signal {
        /// Which one.
        signal: Signal,
        /// To whom.
        to: Process,
    },
    /// Runs a program, without a shell.
    Command(Vec<String>),
    /// Makes an HTTP request.
    Http {
        /// `http`, on this machine.
        url: String,
        /// `GET`, `POST` or `PUT`.
        method: &'static str,
    },
}

/// Signals that programs take for "read your files again".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as POSIX names them")]
pub enum Signal {
    Hup,
    Usr1,
    Usr2,
    Term,
    Int,
    Winch,
}

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// Whose number stands in this file.
    PidFile {
        /// The file.
        path: PathBuf,
        /// What its program must be called: a number that was left behind may be another one's by now.
        name: Option<String>,
    },
    /// Whose program has this name.
    Named(String),
}

/// At most so many.
pub(super) const MOST: usize = 256;

pub(super) fn build(section: &mut Object<'_>) -> Option<File> {
    let path =
        section.optional(field!("path", "Where the file is written. Its folder must be there."), file_path());
    let folder = section.optional(
        field!(
            "folder",
            "Instead of `path`: a folder whose files (`contents`) change all at once, as a certificate and its key must. They \
             are links through `..data`, as in a Secret that Kubernetes mounts. The folder is made if it is not there."
        ),
        file_path(),
    );
    let single = content(section);
    let mode = mode_field(section);
    let contents = section.named(
        field!("contents", "The files of `folder`, by their names."),
        file_name(),
        64,
        |section| {
            let content = content(section);
            let mode = mode_field(section);
            if !CONTENT.iter().any(|name| section.has(name)) {
                section.error("", format!("has no content: one of {}", CONTENT.join(", ")));
                return None;
            }
            Some((content??, mode?))
        },
    );
    let owner = section.optional(
        field!("owner", "User id that the file gets; changing it needs the right to."),
        kind::new(id, || Schema::Integer(0..=u64::from(u32::MAX))),
    );
    let group = section.optional(
        field!("group", "Group id that the file gets."),
        kind::new(id, || Schema::Integer(0..=u64::from(u32::MAX))),
    );
    let hook = section.optional_object(
        field!(
            "hook",
            "What is done after a change. It is tried again until it succeeds; until then, and for `vault.grace` after, the \
             credential that was in the file before is kept alive."
        ),
        hook,
    );
    section.exactly_one(&["path", "folder"])?;
    let target = match (path?, folder?) {
        (Some(path), _) => {
            if section.has("contents") {
                section.error("contents", "belongs to `folder`, not to `path`");
                return None;
            }
            let Some(content) = single? else {
                section.error("path", format!("has no content: one of {}", CONTENT.join(", ")));
                return None;
            };
            Target::File { path, content, mode: mode? }
        }
        (None, folder) => {
            if let Some(other) = CONTENT.iter().chain(&["mode"]).find(|name| section.has(name)) {
                section.error(other, "belongs to a single file (`path`), or into `contents`");
                return None;
            }
            let Some(contents) = contents? else {
                section.error("contents", "is required with `folder`");
                return None;
            };
            Target::Folder { path: folder?, contents }
        }
    };
    Some(File { target, owner: Owner { user: owner?, group: group? }, hook: hook? })
}

/// Fields of which a file has one.
const CONTENT: [&str; 9] = [
    "template",
    "template_file",
    "postgres_uri",
    "pgpass",
    "mongodb_uri",
    "kafka_client",
    "redis_uri",
    "etcd_client",
    "x509",
];

/// The outer `None`: something was wrong. The inner one: there is none.
fn content(section: &mut Object<'_>) -> Option<Option<Content>> {
    let template = section.optional(
        field!(
            "template",
            "A template: `{{ secrets.NAME.FIELD }}`, `svid.certificate`, `bundles[\"example.org\"].x509` and more; what is not \
             there is an error, never an empty string. docs/vault.md has the language and its filters."
        ),
        kind::text(),
    );
    let file =
        section.optional(field!("template_file", "A file with a template, read at the start."), file_path());
    let ready = ready::build(section);
    let there = CONTENT.iter().filter(|name| section.has(name)).count();
    if there > 1 {
        section
            .error("", format!("has more than one content; only one may be there of {}", CONTENT.join(", ")));
        return None;
    }
    let (template, file, ready) = (template?, file?, ready?);
    let content = template.map(Content::Template).or(file.map(Content::TemplateFile));
    Some(content.or(ready.map(Content::Ready)))
}

fn hook(section: &mut Object<'_>) -> Option<Hook> {
    let signal = section.optional(
        field!("signal", "A signal to send; `pid_file` or `process` says to whom."),
        kind::choice(&SIGNALS),
    );
    let pid_file =
        section.optional(field!("pid_file", "A file with the number of the process."), file_path());
    let process = section.optional(
        field!(
            "process",
            "Name of the program whose process gets the signal; of several, those whose parent is none of them. In Kubernetes \
             the pod needs `shareProcessNamespace`. Beside `pid_file`: nothing is sent if the process of that number is of \
             another program, as where the file was left behind."
        ),
        kind::text(),
    );
    let command = section.sequence(
        field!(
            "command",
            "A program with its arguments, run without a shell and with an empty environment but for `PATH` and \
             `SVIDGATE_FILE`. Exit status 0 is success."
        ),
        kind::text(),
    );
    let http = section.optional_object(
        field!("http", "A request to a server on this machine; an answer of 200 to 299 is success."),
        |section| {
            let url = section.required(
                field!("url", "`http` with a loopback address."),
                kind::new(loopback, || {
                    Schema::text(
                        "http:// with a loopback address, such as http://127.0.0.1:8080/reload",
                        "^http://.",
                    )
                }),
            );
            let method = section.default(field!("method", "Of the request."), "POST", kind::choice(&METHODS));
            Some(Action::Http { url: url?, method: method? })
        },
    );
    let timeout = section.default(
        field!("timeout", "How long it may take; then it has failed."),
        "30s",
        kind::duration(SECOND / 10..=MINUTE.saturating_mul(10)),
    );
    let on_first_write = section.default(
        field!(
            "on_first_write",
            "Whether it is done as well when there was no file before: nobody can have read it then, and a signal may meet a \
             program that is not ready for it."
        ),
        false,
        kind::boolean(),
    );
    section.exactly_one(&["signal", "command", "http"])?;
    let (signal, pid_file, process) = (signal?, pid_file?, process?);
    let action = match (signal, command?, http?) {
        (Some(signal), ..) => {
            let to = match (pid_file, process) {
                (Some(path), name) => Process::PidFile { path, name },
                (None, Some(name)) => Process::Named(name),
                (None, None) => {
                    section.error("signal", "needs pid_file or process");
                    return None;
                }
            };
            Action::Signal { signal, to }
        }
        (None, command, http) => {
            if let Some(name) = ["pid_file", "process"].into_iter().find(|name| section.has(name)) {
                section.error(name, "belongs to `signal`");
                return None;
            }
            http.or(command.map(Action::Command))?
        }
    };
    Some(Hook { action, timeout: timeout?, on_first_write: on_first_write? })
}

fn mode_field(section: &mut Object<'_>) -> Option<u32> {
    section.default(
        field!("mode", "Permission bits. Others than owner and group are kept out unless you say so."),
        "0600",
        kind::new(mode, || Schema::text("octal digits in quotes, such as \"0640\"", "^0?[0-7]{3}$")),
    )
}

fn mode(value: &Value) -> Result<u32, String> {
    const FORM: &str = "expected octal digits in quotes, such as \"0640\"";
    let text = value.as_str().ok_or(FORM)?;
    let valid = (3..=4).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| valid && *mode <= 0o777).ok_or(FORM)?;
    match mode {
        _ if mode & 0o400 == 0 => Err("the owner must be able to read it".to_owned()),
        _ if mode & 0o022 != 0 => Err("nobody but the owner may write to it".to_owned()),
        _ => Ok(mode),
    }
}

fn id(value: &Value) -> Result<u32, String> {
    let number = integer(0..=u64::from(u32::MAX))(value)?;
    u32::try_from(number).map_err(|error| error.to_string())
}

fn file_name() -> impl Kind<String> {
    kind::new(
        |value| {
            let text = string(value)?;
            // Two dots at the start are for what holds the set together.
            let good =
                !text.is_empty() && !text.contains(['/', '\0']) && text != "." && !text.starts_with("..");
            if good { Ok(text) } else { Err("expected the name of a file, without slashes".to_owned()) }
        },
        || Schema::text("file name", "^[^/]+$"),
    )
}

fn loopback(value: &Value) -> Result<String, String> {
    let text = string(value)?;
    let url = url::Url::parse(&text).map_err(|error| error.to_string())?;
    let local = match url.host() {
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "http" && local && url.username().is_empty() && url.password().is_none() {
        // As it was understood here: who connects may read the text in another way.
        Ok(url.into())
    } else {
        Err("expected http:// with a loopback address: files are read on this machine".to_owned())
    }
}

const SIGNALS: [(&str, Signal); 6] = [
    ("HUP", Signal::Hup),
    ("USR1", Signal::Usr1),
    ("USR2", Signal::Usr2),
    ("TERM", Signal::Term),
    ("INT", Signal::Int),
    ("WINCH", Signal::Winch),
];
const METHODS: [(&str, &str); 3] = [("GET", "GET"), ("POST", "POST"), ("PUT", "PUT")];
