//! Segmented LRU: two lists by last use, threaded through one slab.

use slab::Slab;

use super::CacheLimits;

/// Entries in the order of their use: new ones on probation, those used again protected, up to a share.
pub(super) struct Segments<T> {
    nodes: Slab<Node<T>>,
    lists: Lists,
    /// The most that is protected.
    share: CacheLimits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// Used once, or not for long.
    Probation,
    /// Used at least twice.
    Protected,
}

pub(super) struct Node<T> {
    value: T,
    bytes: usize,
    segment: Segment,
    newer: Option<usize>,
    older: Option<usize>,
}

#[derive(Default)]
struct Lists {
    probation: List,
    protected: List,
}

#[derive(Default)]
struct List {
    newest: Option<usize>,
    oldest: Option<usize>,
    len: usize,
    bytes: usize,
}

impl<T> Segments<T> {
    /// Nothing, and of what comes at most `share` protected.
    pub(super) fn new(share: CacheLimits) -> Self {
        Self { nodes: Slab::new(), lists: Lists::default(), share }
    }

    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// The bytes of all entries, as given to [`add`](Self::add).
    pub(super) fn bytes(&self) -> usize {
        self.lists.probation.bytes.saturating_add(self.lists.protected.bytes)
    }

    pub(super) fn get(&self, slot: usize) -> Option<&T> {
        self.nodes.get(slot).map(|node| &node.value)
    }

    /// The entry of a segment that was not used for longest.
    pub(super) fn oldest(&self, segment: Segment) -> Option<usize> {
        match segment {
            Segment::Probation => self.lists.probation.oldest,
            Segment::Protected => self.lists.protected.oldest,
        }
    }

    /// Puts a new entry on probation; gives back its slot.
    pub(super) fn add(&mut self, value: T, bytes: usize) -> usize {
        let node = Node { value, bytes, segment: Segment::Probation, newer: None, older: None };
        let slot = self.nodes.insert(node);
        self.attach(slot, Segment::Probation);
        slot
    }

    /// Notes a use. What is too much for the share of the protected goes back on probation, and is newest there.
    pub(super) fn touch(&mut self, slot: usize) {
        self.detach(slot);
        self.attach(slot, Segment::Protected);
        while self.lists.protected.exceeds(self.share)
            && let Some(oldest) = self.lists.protected.oldest
        {
            self.detach(oldest);
            self.attach(oldest, Segment::Probation);
        }
    }

    pub(super) fn remove(&mut self, slot: usize) -> Option<T> {
        self.detach(slot);
        self.nodes.try_remove(slot).map(|node| node.value)
    }

    fn attach(&mut self, slot: usize, segment: Segment) {
        let list = self.lists.of(segment);
        let Some(node) = self.nodes.get_mut(slot) else { return };
        node.segment = segment;
        node.newer = None;
        node.older = list.newest;
        list.len = list.len.saturating_add(1);
        list.bytes = list.bytes.saturating_add(node.bytes);
        match list.newest.replace(slot).and_then(|older| self.nodes.get_mut(older)) {
            Some(older) => older.newer = Some(slot),
            None => list.oldest = Some(slot),
        }
    }

    fn detach(&mut self, slot: usize) {
        let Some(node) = self.nodes.get(slot) else { return };
        let (newer, older) = (node.newer, node.older);
        let list = self.lists.of(node.segment);
        list.len = list.len.saturating_sub(1);
        list.bytes = list.bytes.saturating_sub(node.bytes);
        match newer.and_then(|newer| self.nodes.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => list.newest = older,
        }
        match older.and_then(|older| self.nodes.get_mut(older)) {
            Some(older) => older.newer = newer,
            None => list.oldest = newer,
        }
    }
}

impl Lists {
    fn of(&mut self, segment: Segment) -> &mut List {
        match segment {
            Segment::Probation => &mut self.probation,
            Segment::Protected => &mut self.protected,
        }
    }
}

impl List {
    fn exceeds(&self, share: CacheLimits) -> bool {
        self.len > share.max_entries || self.bytes > share.max_bytes
    }
}

#[cfg(test)]
impl<T> Segments<T> {
    /// Walks both lists in both directions; gives back all slots.
    pub(super) fn check(&self) -> alloc::vec::Vec<usize> {
        let mut slots = alloc::vec::Vec::new();
        for (segment, list) in
            [(Segment::Probation, &self.lists.probation), (Segment::Protected, &self.lists.protected)]
        {
            let (mut newer, mut next, mut len, mut bytes) = (None, list.newest, 0_usize, 0_usize);
            while let Some(slot) = next {
                let node = self.nodes.get(slot).unwrap();
                assert_eq!((node.segment, node.newer), (segment, newer));
                (newer, next) = (Some(slot), node.older);
                (len, bytes) = (len.saturating_add(1), bytes.saturating_add(node.bytes));
                slots.push(slot);
            }
            assert_eq!((list.oldest, list.len, list.bytes), (newer, len, bytes));
        }
        assert!(!self.lists.protected.exceeds(self.share));
        assert_eq!(slots.len(), self.nodes.len());
        slots
    }
}
