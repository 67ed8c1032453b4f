use svidgate_snapshot::Limits;

use super::{Request, Response, Subscriber};
use crate::shared_data::fake::FakeSharedData;
use crate::subscription::Board;
use crate::trust::tests::{board, controller, keys, kids, snapshot};
use crate::trust::{Adopted, Refusal, Trust};

struct Vm<'s> {
    shared: &'s FakeSharedData,
    board: Board,
    trust: Trust,
    subscriber: Subscriber,
}

impl<'s> Vm<'s> {
    fn new(shared: &'s FakeSharedData) -> Self {
        Self {
            shared,
            board: board(),
            trust: Trust::default(),
            subscriber: Subscriber::new(keys(), &controller()),
        }
    }

    /// What on_tick does, with an Envoy that takes every call.
    fn tick(&mut self, now: u64) -> Option<Request> {
        let _ = self.trust.refresh(self.shared, &self.board, now);
        let request = self.subscriber.tick(self.shared, &self.board, &mut self.trust, "node-1", now);
        if request.is_some() {
            self.subscriber.sent(true, now);
        }
        request
    }

    fn answer(&mut self, response: &Response<'_>, now: u64) -> Result<Option<Adopted>, Refusal> {
        self.subscriber.received(response, self.shared, &self.board, &mut self.trust, now)
    }
}

fn bytes(kid: &str, at: u64) -> Vec<u8> {
    snapshot(kid, at).encode(&Limits::default()).unwrap()
}

fn header<'r>(request: &'r Request, name: &str) -> Option<&'r str> {
    request.headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_str())
}

#[test]
fn exactly_one_request_is_open_however_many_vms_tick() {
    let shared = FakeSharedData::default();
    let mut vms: Vec<_> = (0..4).map(|_| Vm::new(&shared)).collect();
    let mut requests = Vec::new();
    for now in (1_000..10_000).step_by(250) {
        requests.extend(vms.iter_mut().filter_map(|vm| vm.tick(now)));
    }
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0].path, "/v1/snapshot?wait=30");
    assert_eq!(header(&requests[0], "x-svidgate-node"), Some("node-1"));
    assert_eq!(header(&requests[0], "if-none-match"), None);
}

#[test]
fn an_answer_is_enforced_by_all_and_the_next_request_goes_out_at_once() {
    let shared = FakeSharedData::default();
    let (mut holder, mut other) = (Vm::new(&shared), Vm::new(&shared));
    assert!(holder.tick(1_000).is_some());
    assert!(other.tick(1_000).is_none());
    let taken = holder.answer(&Response::Snapshot(&bytes("k1", 900)), 1_010);
    assert_eq!(taken, Ok(Some(Adopted::Changed)));
    let next = holder.tick(1_010).unwrap();
    let revision = snapshot("k1", 900).revision().to_string();
    assert_eq!(header(&next, "x-svidgate-revision"), Some(revision.as_str()));
    assert_eq!(header(&next, "if-none-match"), Some(snapshot("k1", 900).etag().to_string().as_str()));
    other.tick(1_011);
    assert_eq!(kids(&other.trust), ["k1"]);
    assert_eq!(holder.answer(&Response::Status(304), 31_010), Ok(None));
    assert!(holder.tick(31_010).is_some());
}

#[test]
fn when_the_holder_dies_another_vm_asks_within_3_s() {
    let shared = FakeSharedData::default();
    let (mut holder, mut other) = (Vm::new(&shared), Vm::new(&shared));
    assert!(holder.tick(1_000).is_some());
    drop(holder);
    let at = (1_250..).step_by(250).find(|now| other.tick(*now).is_some()).unwrap();
    assert!(at <= 4_000, "{at}");
}

#[test]
fn a_vm_that_leaves_is_followed_at_once() {
    let shared = FakeSharedData::default();
    let (mut holder, mut other) = (Vm::new(&shared), Vm::new(&shared));
    assert!(holder.tick(1_000).is_some());
    holder.subscriber.leave(&shared);
    assert!(other.tick(1_001).is_some());
}

#[test]
fn bad_snapshots_are_refused_whole_and_asked_for_again_only_after_a_pause() {
    let future = bytes("k2", 10_000_000);
    let mut torn = bytes("k2", 900);
    torn.truncate(torn.len() - 2);
    let cases: [(Response<'_>, &str); 5] = [
        (Response::Snapshot(b"junk"), "malformed"),
        (Response::Snapshot(&torn), "malformed"),
        (Response::Snapshot(br#"{"format":99}"#), "unknown_format"),
        (Response::Snapshot(&future), "future"),
        (Response::TooLarge, "too_large"),
    ];
    for (response, label) in cases {
        let shared = FakeSharedData::default();
        let mut vm = Vm::new(&shared);
        vm.tick(1_000);
        vm.answer(&Response::Snapshot(&bytes("k1", 900)), 1_000).unwrap();
        vm.tick(1_000);
        assert_eq!(vm.answer(&response, 1_100).unwrap_err().label(), label);
        assert_eq!(kids(&vm.trust), ["k1"], "{label}");
        assert_eq!(vm.tick(1_101), None, "{label}");
        assert!(vm.tick(1_400).is_some(), "{label}");
    }
}

#[test]
fn pauses_grow_to_two_seconds_and_end_with_the_first_success() {
    let shared = FakeSharedData::default();
    let mut vm = Vm::new(&shared);
    let mut now = 1_000;
    let mut pauses = Vec::new();
    vm.tick(now).unwrap();
    for _ in 0..6 {
        vm.answer(&Response::Failed, now).unwrap();
        let since = now;
        now = (since..).find(|now| vm.tick(*now).is_some()).unwrap();
        pauses.push(now - since);
    }
    for (pause, longest) in pauses.iter().zip([250, 500, 1_000, 2_000, 2_000, 2_000]) {
        assert!((longest * 3 / 4..=longest).contains(pause), "{pauses:?}");
    }
    vm.answer(&Response::Status(503), now).unwrap();
    now += 2_000;
    assert!(vm.tick(now).is_some());
    vm.answer(&Response::Snapshot(&bytes("k", 900)), now).unwrap();
    assert!(vm.tick(now).is_some());
}

#[test]
fn the_holder_posts_its_state_again_when_the_board_was_spoilt_or_lost() {
    let shared = FakeSharedData::default();
    let (mut holder, mut fresh) = (Vm::new(&shared), Vm::new(&shared));
    holder.tick(1_000);
    holder.answer(&Response::Snapshot(&bytes("k1", 900)), 1_000).unwrap();
    holder.tick(1_000);
    shared.map.borrow_mut().retain(|key, _| key.contains("lease") || key.contains("ids"));
    holder.tick(1_250);
    fresh.tick(1_251);
    assert_eq!(kids(&fresh.trust), ["k1"]);
    shared.vandalize_all("slot", b"garbage");
    let mut late = Vm::new(&shared);
    late.tick(1_300);
    assert_eq!(kids(&late.trust), Vec::<String>::new());
    holder.tick(1_500);
    late.tick(1_501);
    assert_eq!(kids(&late.trust), ["k1"]);
}

#[test]
fn an_older_answer_of_another_replica_is_not_asked_for_again_and_again() {
    let shared = FakeSharedData::default();
    let mut vm = Vm::new(&shared);
    vm.tick(1_000);
    vm.answer(&Response::Snapshot(&bytes("new", 900)), 1_000).unwrap();
    vm.tick(1_000);
    let taken = vm.answer(&Response::Snapshot(&bytes("old", 800)), 1_100);
    assert_eq!(taken, Ok(Some(Adopted::PartlyOlder)));
    assert_eq!(kids(&vm.trust), ["new"]);
    let next = vm.tick(1_100).unwrap();
    assert_eq!(header(&next, "if-none-match"), Some(snapshot("old", 800).etag().to_string().as_str()));
    let in_force = snapshot("new", 900).revision().to_string();
    assert_eq!(header(&next, "x-svidgate-revision"), Some(in_force.as_str()));
    assert_eq!(next.path, "/v1/snapshot?wait=1", "but soon, for newer times");
    vm.answer(&Response::Snapshot(&bytes("old", 901)), 2_100).unwrap();
    assert_eq!(kids(&vm.trust), ["old"]);
    assert_eq!(vm.tick(2_100).unwrap().path, "/v1/snapshot?wait=30");
}

#[test]
fn b08_a_vm_that_gets_the_lease_back_does_not_ask_by_what_it_knew_before() {
    let shared = FakeSharedData::default();
    let (mut first, mut second) = (Vm::new(&shared), Vm::new(&shared));
    first.tick(1_000);
    first.answer(&Response::Snapshot(&bytes("a", 900)), 1_000).unwrap();
    // The first VM is stuck for longer than the lease lasts; the second brings another state into force and dies.
    assert!(second.tick(4_000).is_some());
    second.answer(&Response::Snapshot(&bytes("b", 3_900)), 4_000).unwrap();
    assert!(first.tick(4_001).is_none());
    let asked = (4_250..).step_by(250).find_map(|now| first.tick(now)).unwrap();
    let in_force = snapshot("b", 3_900).etag().to_string();
    assert_eq!(header(&asked, "if-none-match"), Some(in_force.as_str()));
}

#[test]
fn a_state_that_cannot_be_posted_for_the_others_is_asked_for_again() {
    struct Full<'s>(&'s FakeSharedData);
    impl crate::shared_data::SharedData for Full<'_> {
        fn get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
            self.0.get(key)
        }
        fn compare_and_set(&self, key: &str, value: &[u8], cas: u32) -> bool {
            !key.contains("epoch") && self.0.compare_and_set(key, value, cas)
        }
    }
    let shared = FakeSharedData::default();
    let mut vm = Vm::new(&shared);
    vm.tick(1_000);
    let body = bytes("k1", 900);
    let taken =
        vm.subscriber.received(&Response::Snapshot(&body), &Full(&shared), &vm.board, &mut vm.trust, 1_000);
    assert_eq!(taken, Err(Refusal::NotPosted));
    assert!(vm.tick(1_001).is_none());
    assert!(vm.tick(1_250).is_some());
}
