//! Envoy's shared data: a map common to all VMs of a process with the same `vm_id`.

/// The part of shared data that the plugin relies on. There is no delete and no transaction, and anything may be
/// gone or garbage at any time: other plugins can write here, and the map dies with the last VM.
pub trait SharedData {
    /// Value and CAS number of `key`; none if it was never set.
    fn get(&self, key: &str) -> Option<(Vec<u8>, u32)>;

    /// Sets `key` if its CAS number still is `cas`. A key that does not exist is created whatever `cas` says; `false`
    /// when somebody else was faster.
    fn compare_and_set(&self, key: &str, value: &[u8], cas: u32) -> bool;
}

/// A CAS number that no key has in practice: with it `compare_and_set` creates a missing key and leaves an existing
/// one alone.
pub const CREATE_ONLY: u32 = u32::MAX;

#[cfg(test)]
pub(crate) mod fake {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::SharedData;

    /// Behaves as proxy-wasm-cpp-host does.
    #[derive(Default)]
    pub(crate) struct FakeSharedData {
        pub(crate) map: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
        next: RefCell<u32>,
    }

    impl FakeSharedData {
        /// What another plugin in the same space could do.
        pub(crate) fn vandalize(&self, key: &str, value: &[u8]) {
            self.put(key, value);
        }

        /// The same for every key that contains `part`.
        pub(crate) fn vandalize_all(&self, part: &str, value: &[u8]) {
            let keys: Vec<_> = self.map.borrow().keys().filter(|key| key.contains(part)).cloned().collect();
            keys.iter().for_each(|key| self.put(key, value));
        }

        fn put(&self, key: &str, value: &[u8]) {
            let next = self.next.borrow().saturating_add(1);
            self.next.replace(next);
            self.map.borrow_mut().insert(key.to_owned(), (value.to_vec(), next));
        }
    }

    impl SharedData for FakeSharedData {
        fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            self.map.borrow().get(key).cloned()
        }

        fn compare_and_set(&self, key: &str, value: &[u8], cas: u32) -> bool {
            let current = self.get(key).map(|(_, cas)| cas);
            if cas != 0 && current.is_some_and(|current| current != cas) {
                return false;
            }
            self.put(key, value);
            true
        }
    }
}
