//! What reached the services behind Envoy.

use std::sync::{Arc, Mutex};

use hyper::HeaderMap;
use hyper::http::request::Parts;

/// A list that services write and tests read; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Recorder(Arc<Mutex<Vec<Seen>>>);

/// A request as a service got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Method.
    pub method: String,
    /// Path and query; the authority of a CONNECT.
    pub target: String,
    /// Headers in order, and behind them the trailers.
    pub headers: Vec<(String, Vec<u8>)>,
}

impl Recorder {
    /// Notes a request.
    pub fn note(&self, head: &Parts, trailers: Option<&HeaderMap>) {
        let pairs = |map: &HeaderMap| -> Vec<_> {
            map.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect()
        };
        let mut headers = pairs(&head.headers);
        headers.extend(trailers.map(pairs).unwrap_or_default());
        // Over HTTP/2 the URI has scheme and authority; CONNECT has nothing else.
        let target = head.uri.path_and_query().map_or_else(|| head.uri.to_string(), ToString::to_string);
        let seen = Seen { method: head.method.to_string(), target, headers };
        self.0.lock().expect("the list").push(seen);
    }

    /// Takes out the requests whose header `name` is `value`.
    pub fn take(&self, name: &str, value: &str) -> Vec<Seen> {
        let mut list = self.0.lock().expect("the list");
        let (taken, rest) = list.drain(..).partition(|seen| seen.values(name) == [value.as_bytes()]);
        *list = rest;
        taken
    }
}

impl Seen {
    /// Every value of a header, by its name in lower case.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_slice()).collect()
    }
}
