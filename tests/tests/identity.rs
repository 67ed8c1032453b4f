//! The identity that Envoy passes on and logs is the verified one, whatever the client says beside it.

#![allow(clippy::expect_used, reason = "test code")]

use std::time::Duration;

use serde_json::json;
use svidgate_tests::{CLIENT_ID, Dev, Request, Slice, assert_admitted, identities, poll};

#[test]
fn v17_identity_in_request_trailers_is_removed() {
    let slice = Slice::<Dev>::launch(true, |bootstrap| {
        bootstrap.edit(|config| {
            let listener = &mut config["static_resources"]["listeners"][0];
            let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
            manager["http_protocol_options"] = json!({"enable_trailers": true});
        })
    });
    slice.await_admitted();
    let request = format!(
        "POST / HTTP/1.1\r\nhost: svidgate.test\r\nauthorization: Bearer {}\r\ntransfer-encoding: chunked\r\n\
         trailer: x-spiffe-id\r\n\r\n2\r\nhi\r\n0\r\nx-spiffe-id: spiffe://example.org/admin\r\n\
         X-Spiffe.Id: spiffe://example.org/admin\r\nx-other: stays\r\n\r\n",
        slice.token()
    );
    let stripped = || slice.envoy.stat("wasmcustom.svidgate_identity_headers_stripped_total");
    for mut connection in slice.envoy.connection_to_each_worker() {
        let before = stripped();
        let answer = connection.send_raw(request.as_bytes()).expect("an answer from Envoy");
        assert_eq!(answer.status, 200, "{answer:?}");
        poll("both spellings are removed", PATIENCE, || (stripped() == before + 2).then_some(()));
    }
}

#[test]
fn a_header_that_is_not_utf8_beside_a_good_token_is_none_of_our_business() {
    let mut slice = Slice::<Dev>::start();
    for mut connection in slice.envoy.connection_to_each_worker() {
        let request = Request::get("/").bearer(slice.token()).header("x-note", b"caf\xe9 \xff\xfe");
        let answer = connection.send(&request).expect("an answer from Envoy");
        assert_eq!((answer.status, identities(&answer)), (200, vec![CLIENT_ID.to_owned()]), "{answer:?}");
    }
    slice.envoy.assert_healthy();
}

#[test]
fn v17_the_access_log_names_verified_callers_only() {
    let slice = Slice::<Dev>::start();
    let mut connection = slice.envoy.connect();
    for target in ["/a%2Fb", "/refused"] {
        let forged = Request::get(target).header("x-spiffe-id", "spiffe://example.org/FORGED");
        let answer = slice.envoy.send(&forged);
        assert!([400, 401].contains(&answer.status), "{answer:?}");
    }
    assert_admitted(&mut connection, &slice.token());

    let log = poll("the log shows the good request", PATIENCE, || {
        let log = std::fs::read_to_string(slice.folder.path().join("envoy.log")).ok()?;
        log.contains(r#""path":"/who""#).then_some(log)
    });
    let verified = format!(r#""spiffe_id":"{CLIENT_ID}""#);
    assert!(log.lines().any(|line| line.contains(r#""path":"/who""#) && line.contains(&verified)), "{log}");
    assert!(!log.contains("FORGED"), "{log}");
}

const PATIENCE: Duration = Duration::from_secs(30);
