//! A bad snapshot is refused whole and counted, and the last good state stays in force.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use svidgate_snapshot::{Limits, Observed, Snapshot};
use svidgate_tests::{Controller, Dev, FakeController, Request, Slice, assert_admitted, poll};

#[test]
fn b05_b09_malformed_oversized_and_unknown_snapshots_leave_the_last_good_state_in_force() {
    let mut slice = Slice::<Dev>::start();
    let good = slice.controller().ask("/v1/snapshot?wait=0").body;
    slice.controller.take().expect("the controller runs").stop();
    let fake = FakeController::start(&Controller::socket_in(slice.folder.path()), &good);
    poll("the filter finds the controller", PATIENCE, || (fake.requests() > 1).then_some(()));

    let edited = |change: fn(&mut Value)| {
        let mut value = serde_json::from_slice(&good).expect("the snapshot is JSON");
        change(&mut value);
        serde_json::to_vec(&value).expect("JSON")
    };
    let limits = Limits::AGREED;
    let at_most = limits.max_bytes + limits.max_credentials_bytes;
    let padded = [good.as_slice(), &vec![b' '; limits.max_bytes]].concat();
    let cases: [(&str, Vec<u8>); 8] = [
        ("malformed", b"not json".to_vec()),
        ("malformed", good.get(..good.len() - 1).expect("a body").to_vec()),
        ("malformed", edited(|v| v["surprise"] = Value::Bool(true))),
        ("unknown_format", edited(|v| v["format"] = 2.into())),
        ("revision_mismatch", edited(|v| v["content"]["trust"] = serde_json::json!({}))),
        ("future", edited(|v| v["observed"]["at"] = u64::MAX.into())),
        ("too_large", padded),
        // The filter has that much room beside it for the credentials' name; this is not even read.
        ("too_large", vec![b' '; at_most + 1024]),
    ];
    let mut workers = slice.envoy.connection_to_each_worker();
    for (reason, body) in cases {
        let name = format!("wasmcustom.reason=.={reason};.;svidgate_snapshots_refused_total");
        let before = slice.envoy.stat(&name);
        fake.give(&body);
        poll(&format!("{reason} is counted"), PATIENCE, || (slice.envoy.stat(&name) > before).then_some(()));
        for connection in &mut workers {
            assert_admitted(connection, &slice.token());
            let answer = connection.send(&Request::get("/")).expect("an answer from Envoy");
            assert_eq!((answer.status, answer.reason()), (401, "token_missing".to_owned()));
        }
    }
    slice.envoy.assert_healthy();

    // Afterwards a good one is taken as ever: here one that trusts nobody, observed when the last good one was.
    let observed = Snapshot::decode(&good, &Limits::default()).expect("a snapshot").observed().at;
    let empty =
        Snapshot::new(BTreeMap::new(), Observed { at: observed, ..Observed::default() }).expect("a snapshot");
    fake.give(&empty.encode(&Limits::default()).expect("a snapshot"));
    let token = slice.token();
    for connection in &mut workers {
        poll("nobody is trusted any more", PATIENCE, || {
            let answer = connection.send(&Request::get("/").bearer(&token)).expect("an answer from Envoy");
            (answer.status == 503).then(|| assert_eq!(answer.reason(), "no_trust"))
        });
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
