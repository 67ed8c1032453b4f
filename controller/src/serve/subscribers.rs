//! Who asks for snapshots: one entry for each subscription of an Envoy, by what it says about itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::{HeaderMap, HeaderValue};
use svidgate_snapshot::Revision;
use svidgate_snapshot::http::{
    INSTANCE_HEADER, MAX_HEADER_BYTES, NODE_HEADER, PLUGIN_VERSION_HEADER, REVISION_HEADER,
};

/// What a subscriber says about itself. Nobody vouches for it: it is shown, and decides nothing.
#[derive(Debug)]
pub(super) struct Introduction {
    key: Key,
    plugin_version: String,
    revision: Option<Revision>,
}

impl Introduction {
    /// `None` for a caller that names no node, such as a person with curl.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).map(shown).unwrap_or_default();
        let node = text(NODE_HEADER);
        (!node.is_empty()).then(|| Self {
            key: Key { node, instance: text(INSTANCE_HEADER) },
            plugin_version: text(PLUGIN_VERSION_HEADER),
            revision: Revision::parse(&text(REVISION_HEADER)),
        })
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    node: String,
    instance: String,
}

/// A subscriber as it is shown. Times are Unix times in milliseconds.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) node: String,
    pub(super) instance: String,
    pub(super) plugin_version: String,
    /// What it enforces, by its own last word.
    pub(super) revision: Option<Revision>,
    /// Now for one that has a request open.
    pub(super) last_seen: u64,
    /// Requests that are open now.
    pub(super) held: usize,
}

/// The table. Bounded: see [`MAX_SUBSCRIBERS`].
#[derive(Debug, Default)]
pub(super) struct Subscribers(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Key, Entry>,
    /// Open requests, those of callers without an entry included.
    held: usize,
    last_sweep: u64,
    not_recorded: u64,
}

#[derive(Debug, Default)]
struct Entry {
    plugin_version: String,
    revision: Option<Revision>,
    last_seen: u64,
    held: usize,
}

impl Subscribers {
    /// Records a request; it counts as held until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, introduction: Option<Introduction>, now: u64) -> Held {
        let mut table = self.lock();
        table.held = table.held.saturating_add(1);
        let key = introduction.and_then(|introduction| table.record(introduction, now));
        Held { subscribers: Arc::clone(self), key }
    }

    /// Everyone who was seen lately, by node and instance.
    pub(super) fn list(&self, now: u64) -> Vec<Subscriber> {
        let mut table = self.lock();
        table.sweep(now);
        let mut list: Vec<Subscriber> = table
            .entries
            .iter()
            .map(|(key, entry)| Subscriber {
                node: key.node.clone(),
                instance: key.instance.clone(),
                plugin_version: entry.plugin_version.clone(),
                revision: entry.revision.clone(),
                last_seen: if entry.held > 0 { now } else { entry.last_seen },
                held: entry.held,
            })
            .collect();
        drop(table);
        list.sort_by(|a, b| (&a.node, &a.instance).cmp(&(&b.node, &b.instance)));
        list
    }

    /// Requests that are open now.
    pub(super) fn held(&self) -> usize {
        self.lock().held
    }

    /// Requests of subscribers for which there was no room.
    pub(super) fn not_recorded(&self) -> u64 {
        self.lock().not_recorded
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn record(&mut self, introduction: Introduction, now: u64) -> Option<Key> {
        if now.abs_diff(self.last_sweep) >= SWEEP_MILLIS {
            self.sweep(now);
        }
        if self.entries.len() >= MAX_SUBSCRIBERS && !self.entries.contains_key(&introduction.key) {
            self.not_recorded = self.not_recorded.saturating_add(1);
            return None;
        }
        let entry = self.entries.entry(introduction.key.clone()).or_default();
        entry.plugin_version = introduction.plugin_version;
        entry.revision = introduction.revision;
        entry.last_seen = now;
        entry.held = entry.held.saturating_add(1);
        Some(introduction.key)
    }

    fn sweep(&mut self, now: u64) {
        self.last_sweep = now;
        self.entries.retain(|_, entry| entry.held > 0 || now.abs_diff(entry.last_seen) < FORGET_MILLIS);
    }
}

/// An open request. Dropped when it is answered or its connection ends.
#[derive(Debug)]
pub(super) struct Held {
    subscribers: Arc<Subscribers>,
    key: Option<Key>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.subscribers.lock();
        table.held = table.held.saturating_sub(1);
        if let Some(entry) = self.key.as_ref().and_then(|key| table.entries.get_mut(key)) {
            entry.held = entry.held.saturating_sub(1);
            entry.last_seen = crate::clock::unix_millis();
        }
    }
}

/// A header's value as it can be shown: bounded, printable ASCII.
fn shown(value: &HeaderValue) -> String {
    let printable = |b: &u8| if b.is_ascii_graphic() || *b == b' ' { char::from(*b) } else { '\u{fffd}' };
    value.as_bytes().iter().take(MAX_HEADER_BYTES).map(printable).collect()
}

/// Ten times what one controller is meant to serve: about 50 MB if every name has full length.
const MAX_SUBSCRIBERS: usize = 100_000;

/// Longer than any wait and any backoff of a filter, so that only the dead are forgotten.
const FORGET_MILLIS: u64 = 5 * 60_000;

/// The table is walked at most this often while requests come in.
const SWEEP_MILLIS: u64 = 30_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn introduction(node: &str, instance: &str) -> Option<Introduction> {
        let mut headers = HeaderMap::new();
        headers.insert(NODE_HEADER, HeaderValue::from_str(node).unwrap());
        headers.insert(INSTANCE_HEADER, HeaderValue::from_str(instance).unwrap());
        headers.insert(REVISION_HEADER, HeaderValue::from_str(&"a".repeat(64)).unwrap());
        Introduction::of(&headers)
    }

    #[test]
    fn requests_are_counted_for_each_node_and_instance_while_they_are_held() {
        let subscribers = Arc::new(Subscribers::default());
        let now = crate::clock::unix_millis();
        let first = subscribers.enter(introduction("n", "1"), now);
        let second = subscribers.enter(introduction("n", "1"), now);
        let other = subscribers.enter(introduction("n", "2"), now);
        let unnamed = subscribers.enter(None, now);
        let held = |subscribers: &Subscribers| {
            subscribers.list(now).iter().map(|s| (s.instance.clone(), s.held)).collect::<Vec<_>>()
        };
        assert_eq!(held(&subscribers), [("1".to_owned(), 2), ("2".to_owned(), 1)]);
        assert_eq!(subscribers.held(), 4);
        drop((first, other, unnamed));
        assert_eq!(held(&subscribers), [("1".to_owned(), 1), ("2".to_owned(), 0)]);
        drop(second);
        assert_eq!(subscribers.held(), 0);
    }

    #[test]
    fn who_was_not_seen_for_minutes_is_forgotten_unless_a_request_is_held() {
        let subscribers = Arc::new(Subscribers::default());
        let now = crate::clock::unix_millis();
        drop(subscribers.enter(introduction("gone", ""), now));
        let _held = subscribers.enter(introduction("here", ""), now);
        assert_eq!(subscribers.list(now + FORGET_MILLIS / 2).len(), 2);
        let later = subscribers.list(now + 2 * FORGET_MILLIS);
        assert_eq!(later.iter().map(|s| s.node.as_str()).collect::<Vec<_>>(), ["here"]);
        assert_eq!(later[0].last_seen, now + 2 * FORGET_MILLIS);
    }

    #[test]
    fn the_table_is_bounded_and_says_how_many_had_no_room() {
        let mut table = Table::default();
        for number in 0..MAX_SUBSCRIBERS + 3 {
            table.record(introduction("n", &number.to_string()).unwrap(), 1);
        }
        assert_eq!(table.entries.len(), MAX_SUBSCRIBERS);
        assert_eq!(table.not_recorded, 3);
        assert!(table.record(introduction("n", "5").unwrap(), 2).is_some(), "known ones stay");
    }

    #[test]
    fn what_subscribers_say_is_bounded_and_printable() {
        let mut headers = HeaderMap::new();
        headers.insert(NODE_HEADER, HeaderValue::from_bytes(b"a\tb\xff").unwrap());
        headers.insert(INSTANCE_HEADER, HeaderValue::from_str(&"x".repeat(1000)).unwrap());
        headers.insert(REVISION_HEADER, HeaderValue::from_static("not hex"));
        let introduction = Introduction::of(&headers).unwrap();
        assert_eq!(introduction.key.node, "a\u{fffd}b\u{fffd}");
        assert_eq!(introduction.key.instance.len(), MAX_HEADER_BYTES);
        assert_eq!(introduction.revision, None);
        assert!(Introduction::of(&HeaderMap::new()).is_none());
    }
}
