//! Everything that programs under test write or show, collected to look for secrets in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use svidgate_snapshot::{CredentialKey, Credentials, Limits, SealedCredentials};

use crate::controller::Controller;
use crate::envoy::Envoy;

/// What was written and shown while secrets were in use. From its start on it collects the command lines of all
/// processes of the machine. It does not look at memory: whoever sends a secret has it there.
#[derive(Debug)]
pub struct Shown {
    places: Vec<(String, String)>,
    command_lines: CommandLines,
}

impl Shown {
    /// Nothing yet, but for command lines from now on.
    pub fn start() -> Self {
        Self { places: Vec::new(), command_lines: CommandLines::watch() }
    }

    /// A text, and where it was seen.
    pub fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.places.push((place.into(), text.into()));
    }

    /// What the controller shows to everybody now.
    pub fn add_controller(&mut self, controller: &Controller) {
        for path in ["/status", "/metrics", "/health", "/readyz", "/livez", "/v1/snapshot?wait=0"] {
            self.add(format!("the controller's {path}"), controller.ask(path).text());
        }
    }

    /// The bytes that a plugin with this key gets for these credentials. They must be sealed; what is in them is returned,
    /// so that a test knows that it looked at the right bytes.
    pub fn add_sealed(&mut self, controller: &Controller, key: &str, names: &[&str]) -> Credentials {
        let key = CredentialKey::parse(key).expect("a key");
        let asked = format!("/v1/snapshot?wait=0&credentials={}&key={}", names.join(","), key.id());
        let answer = controller.ask(&asked);
        self.add("the snapshot on its way to the plugin", answer.text());
        let document = answer.json();
        let compact = document["credentials"].as_str().expect("sealed credentials");
        let header = compact.split('.').next().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        self.add("the JWE's header", String::from_utf8(header.expect("base64url")).expect("JSON"));
        let sealed = SealedCredentials::parse(compact, &Limits::default()).expect("a JWE");
        sealed.open(&key).expect("under this key")
    }

    /// What Envoy's admin interface shows.
    pub fn add_envoy(&mut self, envoy: &Envoy) {
        for path in ["/stats", "/config_dump", "/server_info", "/clusters", "/listeners", "/stats/prometheus"]
        {
            self.add(format!("Envoy's {path}"), envoy.ask_admin("GET", path).text());
        }
    }

    /// What stands in the environment of a process.
    pub fn add_environment(&mut self, name: &str, id: u32) {
        let environment = fs::read(format!("/proc/{id}/environ")).expect("its environment");
        self.add(format!("the environment of {name}"), String::from_utf8_lossy(&environment));
    }

    /// The files of a folder, logs among them, but for those that must hold secrets. Folders in it are left out.
    pub fn add_files(&mut self, folder: &Path, but: &[&str]) {
        for entry in fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if path.is_file() && !but.contains(&name.as_str()) {
                self.add_file(&path);
            }
        }
    }

    /// The logs of a folder where other files hold secrets; there must be one.
    pub fn add_logs(&mut self, folder: &Path) {
        let before = self.places.len();
        for entry in fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("an entry").path();
            if path.extension().is_some_and(|extension| extension == "log") {
                self.add_file(&path);
            }
        }
        assert!(self.places.len() > before, "no log in {}", folder.display());
    }

    fn add_file(&mut self, path: &Path) {
        let content = fs::read(path).expect("a file");
        let name = path.file_name().expect("a name").to_string_lossy();
        self.add(name, String::from_utf8_lossy(&content));
    }

    /// Names of the places, to see that what was meant to be looked at was there.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.places.iter().map(|(place, _)| place.as_str())
    }

    /// Fails the test when a secret is in any of it, as it is, in Base64 of either kind, or in hex digits. A place in
    /// `may` is left out.
    pub fn assert_without(&self, secrets: &BTreeSet<String>, may: &[&str]) {
        assert!(!secrets.is_empty(), "there is nothing to look for");
        let forms: Vec<[String; 4]> = secrets.iter().map(|secret| forms(secret)).collect();
        let collected = self.command_lines.all();
        let places = self.places.iter().map(|(place, text)| (place.as_str(), text.as_str()));
        for (place, text) in places.chain([("the process list", collected.as_str())]) {
            let may_be_empty = place.ends_with(".log") || place.ends_with(".stdout");
            assert!(!text.is_empty() || may_be_empty, "{place} is empty");
            if may.contains(&place) {
                continue;
            }
            for form in forms.iter().flatten() {
                assert!(!text.contains(form.as_str()), "{place} shows {form}");
            }
        }
    }
}

fn forms(secret: &str) -> [String; 4] {
    assert!(secret.len() >= 5, "{secret:?} is found by chance");
    let hex = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    // Without the last group, which depends on what follows.
    let whole = secret.as_bytes().chunks_exact(3).flatten().copied().collect::<Vec<u8>>();
    [secret.to_owned(), STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole), hex]
}

/// Every command line that any process has had since the start.
#[derive(Debug)]
struct CommandLines {
    seen: Arc<Mutex<BTreeSet<String>>>,
    /// Dropped, it ends the thread.
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CommandLines {
    fn watch() -> Self {
        let seen = Arc::<Mutex<BTreeSet<String>>>::default();
        let noted = Arc::clone(&seen);
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::spawn(move || {
            while stopped.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
                let now = command_lines();
                noted.lock().expect("a lock").extend(now);
            }
        });
        Self { seen, stop: Some(stop), thread: Some(thread) }
    }

    fn all(&self) -> String {
        let mut all = self.seen.lock().expect("a lock").clone();
        all.extend(command_lines());
        all.into_iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for CommandLines {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn command_lines() -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("/proc").flatten();
    // A process may end while it is looked at.
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}

/// Programs that live for a shorter time may be missed.
const PAUSE: Duration = Duration::from_millis(20);
