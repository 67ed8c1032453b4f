//! A controller that answers with whatever a test wants the filters to get.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Serves one body after the other at `/v1/snapshot`: each once, then it holds requests until the next is set. Who has
/// nothing yet gets the body at once.
#[derive(Debug)]
pub struct FakeController {
    state: Arc<(Mutex<State>, Condvar)>,
}

#[derive(Debug, Default)]
struct State {
    body: Vec<u8>,
    version: u64,
    given: u64,
    requests: u64,
}

impl FakeController {
    /// Serves `body` on `socket`.
    pub fn start(socket: &Path, body: &[u8]) -> Self {
        let _ = std::fs::remove_file(socket);
        let listener = UnixListener::bind(socket).expect("a socket for the fake controller");
        let state = State { body: body.to_vec(), version: 1, ..State::default() };
        let state = Arc::new((Mutex::new(state), Condvar::new()));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let state = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { state }
    }

    /// Answers with `body` from now on, the request that is held first.
    pub fn give(&self, body: &[u8]) {
        let mut state = self.state.0.lock().expect("the state");
        state.body = body.to_vec();
        state.version += 1;
        self.state.1.notify_all();
    }

    /// Number of requests so far.
    pub fn requests(&self) -> u64 {
        self.state.0.lock().expect("the state").requests
    }
}

/// Answers the requests of one connection until the peer goes.
fn serve(stream: UnixStream, state: &(Mutex<State>, Condvar)) {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    let mut has_one = false;
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) {
        has_one |= line.to_ascii_lowercase().starts_with("if-none-match:");
        if line == "\r\n" && answer(reader.get_mut(), state, std::mem::take(&mut has_one)).is_err() {
            return;
        }
        line.clear();
    }
}

fn answer(
    stream: &mut UnixStream,
    (state, changed): &(Mutex<State>, Condvar),
    has_one: bool,
) -> std::io::Result<()> {
    let mut state = state.lock().expect("the state");
    state.requests += 1;
    let nothing_new = |state: &mut State| has_one && state.given == state.version;
    let (mut state, _) = changed.wait_timeout_while(state, HOLD, nothing_new).expect("the state");
    if nothing_new(&mut state) {
        return stream.write_all(b"HTTP/1.1 304 Not Modified\r\n\r\n");
    }
    state.given = state.version;
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", state.body.len());
    stream.write_all(head.as_bytes())?;
    stream.write_all(&state.body)
}

/// Shorter than the wait that the plugin asks for.
const HOLD: Duration = Duration::from_secs(5);
