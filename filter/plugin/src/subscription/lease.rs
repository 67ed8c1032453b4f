use crate::shared_data::{CREATE_ONLY, SharedData};
use crate::subscription::keys::Keys;

/// The right to talk to the controller for all VMs of the process. It must be renewed; a holder whose VM died
/// loses it after [`TTL_MS`].
#[derive(Debug)]
pub struct Lease {
    key: String,
    me: u64,
}

impl Lease {
    /// Takes part under an id that no other VM of the process has; `None` while shared data does not let us have
    /// one (try again at the next tick).
    pub fn join(shared: &impl SharedData, keys: &Keys) -> Option<Self> {
        let ids = keys.name("ids");
        shared.compare_and_set(&ids, &0_u64.to_le_bytes(), CREATE_ONLY);
        for _ in 0..ATTEMPTS {
            let (value, cas) = shared.get(&ids)?;
            let me = decode_u64(&value).unwrap_or(0).checked_add(1)?;
            if shared.compare_and_set(&ids, &me.to_le_bytes(), cas) {
                return Some(Self { key: keys.name("lease"), me });
            }
        }
        None
    }

    /// Renews or takes the lease; whether it is ours until the next tick. `now` is Unix time in milliseconds.
    pub fn tick(&self, shared: &impl SharedData, now: u64) -> bool {
        shared.compare_and_set(&self.key, &Record::FREE.encode(), CREATE_ONLY);
        let Some((value, cas)) = shared.get(&self.key) else { return false };
        let held = Record::decode(&value).unwrap_or(Record::FREE);
        if held.holder != self.me && held.is_alive(now) {
            return false;
        }
        shared.compare_and_set(&self.key, &Record { holder: self.me, renewed_at: now }.encode(), cas)
    }

    /// Gives the lease back at once, so that nobody waits for it to run out.
    pub fn release(&self, shared: &impl SharedData) {
        if let Some((value, cas)) = shared.get(&self.key)
            && Record::decode(&value).is_some_and(|held| held.holder == self.me)
        {
            shared.compare_and_set(&self.key, &Record::FREE.encode(), cas);
        }
    }

    /// Our id among the VMs of this process.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.me
    }
}

#[derive(Clone, Copy)]
struct Record {
    holder: u64,
    renewed_at: u64,
}

impl Record {
    const FREE: Self = Self { holder: 0, renewed_at: 0 };

    fn encode(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (holder, renewed_at) = bytes.split_at_mut(8);
        holder.copy_from_slice(&self.holder.to_le_bytes());
        renewed_at.copy_from_slice(&self.renewed_at.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (holder, renewed_at) = bytes.split_at_checked(8)?;
        Some(Self { holder: decode_u64(holder)?, renewed_at: decode_u64(renewed_at)? })
    }

    /// A time far in the future (a clock that jumped back, or a vandal) must not keep everybody out for ever.
    fn is_alive(self, now: u64) -> bool {
        self.holder != Self::FREE.holder && now.abs_diff(self.renewed_at) <= TTL_MS
    }
}

fn decode_u64(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// With a tick of 250 ms a successor is at work within 3 s after the holder's last renewal.
const TTL_MS: u64 = 2_000;
const ATTEMPTS: usize = 32;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Lease, TTL_MS};
    use crate::config::Controller;
    use crate::shared_data::fake::FakeSharedData;
    use crate::subscription::keys::Keys;

    fn keys() -> Keys {
        Keys::new(&Controller { cluster: "c".to_owned(), wait: Duration::from_secs(1) })
    }

    #[test]
    fn one_of_many_vms_holds_the_lease_and_keeps_it() {
        let shared = FakeSharedData::default();
        let vms: Vec<_> = (0..5).map(|_| Lease::join(&shared, &keys()).unwrap()).collect();
        for now in (1_000..20_000).step_by(250) {
            let holders: Vec<_> = vms.iter().map(|vm| vm.tick(&shared, now)).collect();
            assert_eq!(holders, [true, false, false, false, false], "at {now}");
        }
    }

    #[test]
    fn a_dead_holder_is_followed_by_exactly_one_within_3_s() {
        let shared = FakeSharedData::default();
        let [dead, a, b] = [(); 3].map(|()| Lease::join(&shared, &keys()).unwrap());
        assert!(dead.tick(&shared, 10_000));
        let taken =
            (10_000..).step_by(250).find(|now| a.tick(&shared, *now) | b.tick(&shared, *now)).unwrap();
        assert!(taken > 10_000 + TTL_MS && taken <= 13_000, "{taken}");
        assert!(a.tick(&shared, taken + 250) ^ b.tick(&shared, taken + 250));
        assert!(!dead.tick(&shared, taken + 500), "one who comes back late finds it taken");
    }

    #[test]
    fn a_released_lease_is_free_at_once_and_only_its_holder_can_release_it() {
        let shared = FakeSharedData::default();
        let [a, b] = [(); 2].map(|()| Lease::join(&shared, &keys()).unwrap());
        assert!(a.tick(&shared, 1_000));
        b.release(&shared);
        assert!(!b.tick(&shared, 1_001));
        a.release(&shared);
        assert!(b.tick(&shared, 1_002));
    }

    #[test]
    fn garbage_and_times_in_the_future_do_not_lock_everybody_out() {
        for garbage in [&b""[..], b"x", &[0xff; 16], &[0xff; 17]] {
            let shared = FakeSharedData::default();
            let lease = Lease::join(&shared, &keys()).unwrap();
            shared.vandalize(&keys().name("lease"), garbage);
            assert!(lease.tick(&shared, 5_000), "{garbage:?}");
            shared.vandalize(&keys().name("ids"), garbage);
            let _ = Lease::join(&shared, &keys());
        }
    }
}
