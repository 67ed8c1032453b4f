//! Parts go away and come back.

use std::time::Duration;

use crate::http::Request;
use crate::slice::{AUDIENCE, CLIENT_ID, Slice, TRUST_DOMAIN, TrustSource, assert_admitted};

/// Requests go on without the controller; after its restart it is found again.
pub fn controller_gone_and_back<S: TrustSource>(mut slice: Slice<S>) {
    let mut workers = slice.envoy.connection_to_each_worker();
    slice.controller.take().expect("the controller runs").kill();
    for connection in &mut workers {
        for _ in 0..50 {
            assert_admitted(connection, &slice.workload.fresh_token(AUDIENCE, CLIENT_ID));
        }
    }

    slice.start_controller();
    let before = slice.controller().key_ids(TRUST_DOMAIN);
    slice.source.prepare();
    let after = crate::poll("the controller learns the next key", Duration::from_secs(60), || {
        Some(slice.controller().key_ids(TRUST_DOMAIN)).filter(|ids| !ids.is_empty() && *ids != before)
    });
    slice.controller().await_enforced(TRUST_DOMAIN, &after);
    for connection in &mut workers {
        assert_admitted(connection, &slice.token());
    }
}

/// A restarted Envoy serves again without any help.
pub fn envoy_restarted<S: TrustSource>(mut slice: Slice<S>) {
    for _ in 0..2 {
        slice.restart_envoy();
        slice.await_admitted();
    }
    slice.envoy.assert_healthy();
}

/// Without a controller everything is refused with 503; as soon as it appears good tokens pass.
///
/// Takes a slice that was launched without a controller.
pub fn no_controller_at_start<S: TrustSource>(mut slice: Slice<S>) {
    let good = slice.token();
    let mut workers = slice.envoy.connection_to_each_worker();
    for connection in &mut workers {
        for _ in 0..20 {
            let answer = connection.send(&Request::get("/").bearer(&good)).expect("an answer from Envoy");
            assert_eq!((answer.status, answer.reason()), (503, "no_trust".to_owned()), "{answer:?}");
        }
        let answer = connection.send(&Request::get("/")).expect("an answer from Envoy");
        assert!([401, 503].contains(&answer.status), "{answer:?}");
    }
    assert_eq!(slice.upstream.requests(), 0);
    slice.envoy.assert_healthy();

    slice.start_controller();
    for connection in &mut workers {
        slice.await_admitted_on(connection);
    }
}
