//! Who asks for snapshots: one entry for each subscription of an Envoy, by what it says about itself.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::http::header::IF_NONE_MATCH;
use axum::http::{HeaderMap, HeaderValue};
use svidgate_snapshot::http::{
    INSTANCE_HEADER, MAX_HEADER_BYTES, NODE_HEADER, PLUGIN_VERSION_HEADER, REVISION_HEADER,
};
use svidgate_snapshot::{ETag, Revision};

/// What a subscriber says about itself. Nobody vouches for it: it is shown, and decides nothing.
#[derive(Debug)]
pub(super) struct Introduction {
    key: Key,
    plugin_version: String,
    enforced: Option<Enforced>,
}

/// The state that a subscriber enforces, by its own word.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Enforced {
    revision: Revision,
    /// When the sources were last known to stand behind it, as far as the subscriber was told; Unix milliseconds.
    observed_at: Option<u64>,
}

impl Introduction {
    /// `None` for a caller that says nothing of the kind, such as a person with curl. An Envoy without a node id
    /// counts as one that is named by nothing.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).map(shown).unwrap_or_default();
        // A tag of another revision is what it was last sent, and not what it made of it.
        let tag = headers.get(IF_NONE_MATCH).and_then(|tag| tag.to_str().ok()).and_then(ETag::parse);
        let enforced = Revision::parse(&text(REVISION_HEADER)).map(|revision| Enforced {
            observed_at: tag.filter(|tag| tag.revision == revision).map(|tag| tag.observed_at),
            revision,
        });
        let introduction = Self {
            key: Key { node: text(NODE_HEADER), instance: text(INSTANCE_HEADER) },
            plugin_version: text(PLUGIN_VERSION_HEADER),
            enforced,
        };
        let is_filter = !introduction.key.node.is_empty()
            || !introduction.plugin_version.is_empty()
            || introduction.enforced.is_some();
        is_filter.then_some(introduction)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Key {
    node: String,
    instance: String,
}

/// A subscriber as it is shown. Times are Unix times in milliseconds.
///
/// Several Envoys may have the same name. As long as they have requests open that tell different revisions they are
/// shown apart, so that one of them cannot hide that another is behind.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) node: String,
    pub(super) instance: String,
    pub(super) plugin_version: String,
    /// What it enforces, by its own last word.
    pub(super) revision: Option<Revision>,
    /// When the sources were last known to stand behind that; none where it does not say.
    pub(super) observed_at: Option<u64>,
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
    requests: u64,
    /// Open requests, those of callers without an entry included.
    held: usize,
    last_sweep: u64,
    not_recorded: u64,
}

#[derive(Debug, Default)]
struct Entry {
    plugin_version: String,
    /// The last word.
    enforced: Option<Enforced>,
    last_seen: u64,
    /// Open requests by their number, each with what it says is enforced.
    open: Vec<(u64, Option<Enforced>)>,
}

impl Entry {
    /// The revisions enforced under this name, each with the oldest time of its observation and the number of open
    /// requests that say so. Never empty.
    fn enforced(&self) -> BTreeMap<Option<&Revision>, (Option<u64>, usize)> {
        let mut enforced = BTreeMap::new();
        for (_, word) in &self.open {
            let observed_at = word.as_ref().and_then(|word| word.observed_at);
            let (oldest, held) =
                enforced.entry(word.as_ref().map(|word| &word.revision)).or_insert((observed_at, 0_usize));
            // None is the least: who does not say may be older than any.
            *oldest = (*oldest).min(observed_at);
            *held = held.saturating_add(1);
        }
        if enforced.is_empty() {
            let word = self.enforced.as_ref();
            enforced.insert(word.map(|word| &word.revision), (word.and_then(|word| word.observed_at), 0));
        }
        enforced
    }
}

impl Subscribers {
    /// Records a request; it counts as held until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, introduction: Option<Introduction>, now: u64) -> Held {
        let mut table = self.lock();
        table.held = table.held.saturating_add(1);
        let entry = introduction.and_then(|introduction| table.record(introduction, now));
        Held { subscribers: Arc::clone(self), entry }
    }

    /// Everyone who was seen lately, by node and instance.
    pub(super) fn list(&self, now: u64) -> Vec<Subscriber> {
        let mut table = self.lock();
        table.sweep(now);
        let mut list: Vec<Subscriber> =
            table.entries.iter().flat_map(|(key, entry)| rows(key, entry, now)).collect();
        drop(table);
        list.sort_by(|a, b| (&a.node, &a.instance, &a.revision).cmp(&(&b.node, &b.instance, &b.revision)));
        list
    }

    /// Requests that are open now, those of callers that are not shown included.
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

fn rows(key: &Key, entry: &Entry, now: u64) -> impl Iterator<Item = Subscriber> {
    entry.enforced().into_iter().map(move |(revision, (observed_at, held))| Subscriber {
        node: key.node.clone(),
        instance: key.instance.clone(),
        plugin_version: entry.plugin_version.clone(),
        revision: revision.cloned(),
        observed_at,
        last_seen: if held > 0 { now } else { entry.last_seen },
        held,
    })
}

impl Table {
    /// The entry, and the number of the request in it.
    fn record(&mut self, introduction: Introduction, now: u64) -> Option<(Key, u64)> {
        if now.abs_diff(self.last_sweep) >= SWEEP_MILLIS {
            self.sweep(now);
        }
        if self.entries.len() >= MAX_SUBSCRIBERS && !self.entries.contains_key(&introduction.key) {
            self.not_recorded = self.not_recorded.saturating_add(1);
            return None;
        }
        self.requests = self.requests.wrapping_add(1);
        let entry = self.entries.entry(introduction.key.clone()).or_default();
        entry.plugin_version = introduction.plugin_version;
        entry.open.push((self.requests, introduction.enforced.clone()));
        entry.enforced = introduction.enforced;
        entry.last_seen = now;
        Some((introduction.key, self.requests))
    }

    fn sweep(&mut self, now: u64) {
        self.last_sweep = now;
        self.entries
            .retain(|_, entry| !entry.open.is_empty() || now.abs_diff(entry.last_seen) < FORGET_MILLIS);
    }
}

/// An open request. Dropped when it is answered or its connection ends.
#[derive(Debug)]
pub(super) struct Held {
    subscribers: Arc<Subscribers>,
    /// Key of its entry and its number there.
    entry: Option<(Key, u64)>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut table = self.subscribers.lock();
        table.held = table.held.saturating_sub(1);
        let Some((key, number)) = &self.entry else { return };
        if let Some(entry) = table.entries.get_mut(key) {
            entry.open.retain(|(open, _)| open != number);
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
    fn equal_names_hide_no_one_who_is_behind() {
        let subscribers = Arc::new(Subscribers::default());
        let now = crate::clock::unix_millis();
        let with = |revision: &str| {
            let mut introduction = introduction("n", "1").unwrap();
            let revision = Revision::parse(&revision.repeat(64)).unwrap();
            introduction.enforced = Some(Enforced { revision, observed_at: None });
            Some(introduction)
        };
        let behind = subscribers.enter(with("a"), now);
        let current = [subscribers.enter(with("b"), now), subscribers.enter(with("b"), now)];
        let list = || {
            let list = subscribers.list(now);
            list.iter()
                .map(|s| (s.revision.as_ref().unwrap().as_str().chars().next().unwrap(), s.held))
                .collect::<Vec<_>>()
        };
        assert_eq!(list(), [('a', 1), ('b', 2)]);
        drop(behind);
        assert_eq!(list(), [('b', 2)]);
        drop(current);
        assert_eq!(list(), [('b', 0)]);
    }

    #[test]
    fn the_age_of_a_state_is_that_of_the_revision_that_is_enforced_and_the_oldest_under_one_name() {
        let subscribers = Arc::new(Subscribers::default());
        let enter = |tagged: &str, observed_at: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(NODE_HEADER, HeaderValue::from_static("n"));
            headers.insert(REVISION_HEADER, HeaderValue::from_str(&"a".repeat(64)).unwrap());
            let tag = format!("\"{}.{observed_at}\"", tagged.repeat(64));
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(&tag).unwrap());
            subscribers.enter(Introduction::of(&headers), 100)
        };
        let observed = || subscribers.list(100).iter().map(|s| s.observed_at).collect::<Vec<_>>();
        let _first = enter("a", "90");
        assert_eq!(observed(), [Some(90)]);
        let _second = enter("a", "80");
        assert_eq!(observed(), [Some(80)]);
        let _other = enter("b", "95");
        assert_eq!(observed(), [None]);
    }

    #[test]
    fn an_envoy_without_a_node_id_is_shown_too() {
        let subscribers = Arc::new(Subscribers::default());
        let mut headers = HeaderMap::new();
        headers.insert(PLUGIN_VERSION_HEADER, HeaderValue::from_static("0.1.0"));
        let _held = subscribers.enter(Introduction::of(&headers), 1);
        let list = subscribers.list(1);
        assert_eq!((list.len(), list[0].node.as_str(), list[0].held), (1, "", 1));
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
        assert_eq!(introduction.enforced, None);
        assert!(Introduction::of(&HeaderMap::new()).is_none());
    }
}
