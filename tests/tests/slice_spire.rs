//! The vertical slice on a real Envoy and a real SPIRE. `make e2e` runs it.

use std::sync::Arc;

use svidgate_tests::{
    AUDIENCE, CLIENT_ID, Load, Request, Slice, Spire, TRUST_DOMAIN, TrustSource as _, Workload, scenarios,
};

type SpireSlice = Slice<Spire>;

#[test]
fn v01_to_v18_what_must_be_refused_is_refused_with_its_reason_on_every_worker() {
    scenarios::refusals(SpireSlice::start());
}

#[test]
fn b08_a_rotation_fails_no_request_and_a_revoked_key_is_void_everywhere() {
    scenarios::rotation_under_load(SpireSlice::start());
}

#[test]
fn b05_requests_go_on_without_the_controller_and_it_is_found_again() {
    scenarios::controller_gone_and_back(SpireSlice::start());
}

#[test]
fn without_a_controller_everything_is_503_until_it_appears() {
    scenarios::no_controller_at_start(SpireSlice::launch(false, |bootstrap| bootstrap));
}

#[test]
fn b06_requests_go_on_without_the_agent_and_its_bundles_are_taken_again() {
    let mut slice = SpireSlice::start();
    let token = Arc::new(slice.token());
    let client = |mut connection: svidgate_tests::Connection| {
        let token = Arc::clone(&token);
        move || match connection.send(&Request::get("/load").bearer(token.as_str())) {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{answer:?}")),
            Err(error) => Err(error.to_string()),
        }
    };
    let load = Load::start(slice.envoy.connection_to_each_worker().into_iter().map(client).collect());

    slice.source.stop_agent();
    load.await_requests(500);
    slice.source.start_agent();
    Workload::new(&slice.source.socket()).await_token(AUDIENCE, CLIENT_ID);
    let before = slice.controller().key_ids(TRUST_DOMAIN);
    slice.source.prepare();
    let after = svidgate_tests::poll(
        "the controller hears of the next key",
        std::time::Duration::from_secs(60),
        || Some(slice.controller().key_ids(TRUST_DOMAIN)).filter(|ids| *ids != before),
    );
    slice.controller().await_enforced(TRUST_DOMAIN, &after);
    load.await_requests(500);
    load.finish().assert_no_failure();
}
