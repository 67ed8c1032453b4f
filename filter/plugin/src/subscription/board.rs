use crate::shared_data::{CREATE_ONLY, SharedData};
use crate::subscription::keys::Keys;

/// Where the state in force hangs for all VMs to read: two slots for each writer, and one epoch entry that points to
/// the slot in force. Shared data has no transactions, so a writer fills its idle slot first and then moves the
/// pointer by compare-and-set; a reader always finds a whole snapshot.
///
/// Each writer has slots of its own: if two believe for a moment that they hold the lease, neither overwrites what
/// the other just made the workers read.
#[derive(Clone, Debug)]
pub struct Board {
    keys: Keys,
    epoch_key: String,
}

/// Which snapshot is in force; changes with every posting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    count: u64,
    writer: u64,
    slot: u8,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Nothing was posted, or it was retracted.
    Nothing,
    /// Something is there that no writer of ours wrote: an unreadable epoch, or one that points to nothing.
    Garbage(Option<Epoch>),
    /// The epoch and the bytes of its snapshot.
    Bytes(Epoch, Vec<u8>),
}

impl Board {
    /// The board of a subscription.
    #[must_use]
    pub fn new(keys: Keys) -> Self {
        let epoch_key = keys.name("epoch");
        Self { keys, epoch_key }
    }

    /// The epoch in force; cheap enough to be read for each request. `None` when there is none or it is garbage.
    pub fn epoch(&self, shared: &impl SharedData) -> Option<Epoch> {
        shared.get(&self.epoch_key).and_then(|(value, _)| Epoch::decode(&value))
    }

    /// The snapshot in force.
    pub fn load(&self, shared: &impl SharedData) -> Loaded {
        let mut seen = None;
        // The pointer may move between the two reads, and a slot is emptied when its writer was followed by another.
        for _ in 0..ATTEMPTS {
            let Some((value, _)) = shared.get(&self.epoch_key) else { return Loaded::Nothing };
            if value.is_empty() {
                return Loaded::Nothing;
            }
            let Some(epoch) = Epoch::decode(&value) else { return Loaded::Garbage(None) };
            match shared.get(&self.slot_key(epoch.writer, epoch.slot)) {
                Some((bytes, _)) if !bytes.is_empty() => return Loaded::Bytes(epoch, bytes),
                _ if seen == Some(epoch) => return Loaded::Garbage(seen),
                _ => seen = Some(epoch),
            }
        }
        Loaded::Garbage(seen)
    }

    /// Posts `bytes` as `writer` (its lease id) after `based_on`, the epoch that they were made from. `None` when the
    /// board has moved on since: load, merge and post again.
    pub fn post(
        &self,
        shared: &impl SharedData,
        writer: u64,
        based_on: Option<Epoch>,
        bytes: &[u8],
    ) -> Option<Epoch> {
        let current = shared.get(&self.epoch_key);
        let (found, cas) = match &current {
            Some((value, cas)) => (Epoch::decode(value), *cas),
            None => (None, CREATE_ONLY),
        };
        if found.is_some() && found != based_on {
            return None;
        }
        // After garbage the count goes on from what we know, or a reader might take the new epoch for one it has.
        let former = found.or(based_on);
        let slot = match former {
            Some(epoch) if epoch.writer == writer => epoch.slot ^ 1,
            _ => 0,
        };
        let count = former.map_or(0, |epoch| epoch.count).wrapping_add(1);
        self.write(shared, &self.slot_key(writer, slot), bytes);
        let epoch = Epoch { count, writer, slot };
        if !shared.compare_and_set(&self.epoch_key, &epoch.encode(), cas) {
            return None;
        }
        if let Some(former) = former.filter(|former| former.writer != writer) {
            // There is no delete; empty slots keep a line of dead writers from piling up memory.
            for slot in 0..2 {
                self.write(shared, &self.slot_key(former.writer, slot), b"");
            }
        }
        Some(epoch)
    }

    /// Takes down what turned out to be bad, so that the holder of the lease posts its state anew. Does nothing when
    /// the board has moved on from `bad` (`None`: from garbage).
    pub fn retract(&self, shared: &impl SharedData, bad: Option<Epoch>) {
        if let Some((value, cas)) = shared.get(&self.epoch_key)
            && Epoch::decode(&value) == bad
        {
            shared.compare_and_set(&self.epoch_key, b"", cas);
        }
    }

    /// Slots belong to one writer, so there is nobody to be faster.
    fn write(&self, shared: &impl SharedData, key: &str, bytes: &[u8]) {
        let cas = shared.get(key).map_or(CREATE_ONLY, |(_, cas)| cas);
        shared.compare_and_set(key, bytes, cas);
    }

    fn slot_key(&self, writer: u64, slot: u8) -> String {
        self.keys.name(&format!("slot.{writer}.{slot}"))
    }
}

impl Epoch {
    fn encode(self) -> [u8; EPOCH_BYTES] {
        let mut bytes = [self.slot; EPOCH_BYTES];
        for (place, value) in bytes.chunks_exact_mut(8).zip([self.count, self.writer]) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (count, rest) = bytes.split_at_checked(8)?;
        let (writer, slot) = rest.split_at_checked(8)?;
        let &[slot @ (0 | 1)] = slot else { return None };
        let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_le_bytes);
        Some(Self { count: number(count)?, writer: number(writer)?, slot })
    }
}

const EPOCH_BYTES: usize = 17;
const ATTEMPTS: usize = 4;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Board, Loaded};
    use crate::config::Controller;
    use crate::shared_data::SharedData;
    use crate::shared_data::fake::FakeSharedData;
    use crate::subscription::keys::Keys;

    fn board() -> Board {
        Board::new(Keys::new(&Controller { cluster: "c".to_owned(), wait: Duration::from_secs(1) }))
    }

    #[test]
    fn what_is_posted_last_is_what_every_reader_loads() {
        let (shared, board) = (FakeSharedData::default(), board());
        assert_eq!(board.load(&shared), Loaded::Nothing);
        let mut based_on = None;
        for text in ["one", "two", "three", "four"] {
            let epoch = board.post(&shared, 7, based_on, text.as_bytes()).unwrap();
            assert_eq!(board.load(&shared), Loaded::Bytes(epoch, text.into()));
            assert_eq!(board.epoch(&shared), Some(epoch));
            based_on = Some(epoch);
        }
    }

    #[test]
    fn a_writer_that_did_not_see_the_last_posting_is_refused_and_spoils_nothing() {
        let (shared, board) = (FakeSharedData::default(), board());
        let first = board.post(&shared, 1, None, b"first").unwrap();
        let second = board.post(&shared, 2, Some(first), b"second").unwrap();
        for (writer, based_on) in [(1, None), (1, Some(first)), (3, None)] {
            assert_eq!(board.post(&shared, writer, based_on, b"late"), None);
            assert_eq!(board.load(&shared), Loaded::Bytes(second, b"second".to_vec()));
        }
        assert!(board.post(&shared, 1, Some(second), b"merged").is_some());
    }

    #[test]
    fn slots_of_former_writers_are_emptied() {
        let (shared, board) = (FakeSharedData::default(), board());
        let mut based_on = None;
        for writer in 1..50 {
            for _ in 0..3 {
                based_on = board.post(&shared, writer, based_on, &[b'x'; 100]);
            }
        }
        let total: usize = shared.map.borrow().values().map(|(value, _)| value.len()).sum();
        assert!(total < 300, "{total}");
    }

    #[test]
    fn garbage_is_seen_as_such_and_can_be_posted_over() {
        for garbage in [&b"x"[..], &[0xff; 17], &[0; 16], &[0; 17]] {
            let (shared, board) = (FakeSharedData::default(), board());
            shared.vandalize(&board.epoch_key, garbage);
            let Loaded::Garbage(bad) = board.load(&shared) else { panic!("{garbage:?}") };
            board.retract(&shared, bad);
            assert_eq!(board.load(&shared), Loaded::Nothing, "{garbage:?}");
            let epoch = board.post(&shared, 1, board.epoch(&shared), b"good").unwrap();
            assert_eq!(board.load(&shared), Loaded::Bytes(epoch, b"good".to_vec()));
            assert!(shared.get(&board.epoch_key).is_some());
        }
    }

    #[test]
    fn what_was_posted_meanwhile_is_not_taken_down_with_what_was_bad() {
        let (shared, board) = (FakeSharedData::default(), board());
        let bad = board.post(&shared, 1, None, b"bad").unwrap();
        let good = board.post(&shared, 1, Some(bad), b"good").unwrap();
        board.retract(&shared, Some(bad));
        board.retract(&shared, None);
        assert_eq!(board.load(&shared), Loaded::Bytes(good, b"good".to_vec()));
    }

    #[test]
    fn an_epoch_is_never_used_twice_even_after_garbage() {
        let (shared, board) = (FakeSharedData::default(), board());
        let first = board.post(&shared, 7, None, b"first").unwrap();
        shared.vandalize(&board.epoch_key, b"garbage");
        let second = board.post(&shared, 7, Some(first), b"second").unwrap();
        assert_ne!(first, second);
        assert_eq!(board.load(&shared), Loaded::Bytes(second, b"second".to_vec()));
    }
}
