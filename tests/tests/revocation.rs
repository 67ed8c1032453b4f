//! The shipped controller can revoke: what `svidgate revoke --wait` has done is refused by every worker.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use svidgate_tests::{
    AUDIENCE, Address, CLIENT_ID, Connection, Controller, Dev, Forged, Request, Slice, TRUST_DOMAIN,
    assert_admitted, poll,
};

fn assert_revoked(workers: &mut [Connection], token: &str) {
    for connection in workers {
        let answer = connection.send(&Request::get("/").bearer(token)).expect("an answer from Envoy");
        assert_eq!((answer.status, answer.reason()), (401, "token_revoked".to_owned()));
    }
}

#[test]
fn what_the_operator_revokes_is_refused_by_every_worker_until_it_is_taken_off_and_a_restart_takes_nothing_back()
 {
    let mut slice = Slice::<Dev>::start();
    let mut workers = slice.envoy.connection_to_each_worker();
    let token = slice.token();
    let key = Forged::key_id(&token);
    // Kept as verified on every worker: revocation is asked all the same (P2).
    workers.iter_mut().for_each(|connection| drop(assert_admitted(connection, &token)));

    slice.controller().revoke(&["subject", CLIENT_ID]);
    assert_revoked(&mut workers, &token);
    slice.controller().revoke(&["remove", "subject", CLIENT_ID]);
    workers.iter_mut().for_each(|connection| drop(assert_admitted(connection, &token)));

    slice.controller().revoke(&["kid", "--trust-domain", TRUST_DOMAIN, &key]);
    assert_revoked(&mut workers, &token);
    let mode = |controller: &Controller| {
        let socket = std::fs::metadata(controller.admin_socket()).expect("the admin socket");
        socket.permissions().mode() & 0o777
    };
    assert_eq!(mode(slice.controller()), 0o600);

    slice.controller.take().expect("the controller runs").stop();
    slice.start_controller();
    assert!(slice.controller().revoke(&["list"]).contains(&key));
    slice.restart_envoy();
    let mut workers = slice.envoy.connection_to_each_worker();
    for connection in &mut workers {
        // Never admitted: the list comes with the first keys.
        poll("the new Envoy has keys and the list", PATIENCE, || {
            let answer = connection.send(&Request::get("/").bearer(&token)).expect("an answer from Envoy");
            assert!([401, 503].contains(&answer.status), "{answer:?}");
            (answer.reason() == "token_revoked").then_some(())
        });
    }
    slice.controller().revoke(&["remove", "kid", "--trust-domain", TRUST_DOMAIN, &key]);
    for connection in &mut workers {
        assert_admitted(connection, &slice.workload.fresh_token(AUDIENCE, CLIENT_ID));
    }
}

#[test]
fn envoys_socket_revokes_nothing() {
    let slice = Slice::<Dev>::start();
    let token = slice.token();
    let address = Address::Unix(slice.controller().socket().to_owned());
    let body =
        format!(r#"{{"kids": [{{"trust_domain": "{TRUST_DOMAIN}", "kid": "{}"}}]}}"#, Forged::key_id(&token));
    for method in ["PUT", "POST", "DELETE"] {
        let request = Request::new(method, "/v1/revocations").body(&body);
        let answer = Connection::open(&address).and_then(|mut c| c.send(&request)).expect("an answer");
        assert_eq!(answer.status, 404, "{method}: {answer:?}");
    }
    assert_admitted(&mut slice.envoy.connect(), &token);
}

const PATIENCE: Duration = Duration::from_secs(30);
