//! Before anything is measured: does each filter do what its name says?

use std::time::Duration;

use svidgate_tests::{Connection, Envoy, Request, Response};

use crate::filter::{Filter, MEASURED, PROOF};
use crate::traffic::{Algorithm, CALLERS, Traffic, of_a_stranger};

/// Sends good and bad tokens and checks every answer.
///
/// # Panics
/// When one is not as the filter's name says.
pub(crate) fn prove(filter: Filter, envoy: &Envoy, now: u64) {
    let mut connection = envoy.connect();
    await_trust(filter, &mut connection, now);
    for algorithm in Algorithm::ALL {
        let good = send(&mut connection, PROOF, &Traffic::One(algorithm).values(now)[0]);
        assert_eq!(good.status, 200, "{}, a good token: {good:?}", filter.name());
        let told = good.header("saw-x-spiffe-id").unwrap_or_default().starts_with(CALLERS);
        assert_eq!(
            told,
            filter.tells_caller(),
            "{}: the caller's SPIFFE ID: {:?}",
            filter.name(),
            good.headers
        );
        let added = good.header("saw-x-bench").is_some_and(|value| value == "1");
        assert_eq!(added, filter.is_baseline(), "{}: the added header: {:?}", filter.name(), good.headers);

        let stranger = send(&mut connection, PROOF, &of_a_stranger(algorithm, now)).status;
        assert_eq!(stranger, if filter.authorizes() { 403 } else { 200 }, "{}, a stranger", filter.name());

        for bad in [
            Traffic::BadSignature(algorithm),
            Traffic::UnknownKid(algorithm),
            Traffic::NoToken,
            Traffic::Junk,
        ] {
            for path in [PROOF, MEASURED] {
                let status = send(&mut connection, path, &bad.values(now)[0]).status;
                assert_eq!(status, expected_status(filter, bad), "{}, {}", filter.name(), bad.name());
            }
        }
    }
}

/// The status with which the filter answers this traffic.
pub(crate) fn expected_status(filter: Filter, traffic: Traffic) -> u16 {
    if filter.admits(traffic) { 200 } else { 401 }
}

/// svidgate answers 503 until its worker has the first snapshot.
fn await_trust(filter: Filter, connection: &mut Connection, now: u64) {
    let token = Traffic::One(Algorithm::Es256).values(now).remove(0);
    svidgate_tests::poll(&format!("{} lets a good token in", filter.name()), Duration::from_secs(30), || {
        (send(connection, PROOF, &token).status != 503).then_some(())
    });
}

fn send(connection: &mut Connection, path: &str, value: &str) -> Response {
    let request = Request::get(path);
    let request = if value.is_empty() { request } else { request.header("authorization", value) };
    connection.send(&request).expect("an answer from Envoy")
}
