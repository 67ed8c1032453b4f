//! The vertical slice on a real Envoy, with `svidgate dev` as the trust domain.

use svidgate_tests::{Dev, Slice, scenarios};

type DevSlice = Slice<Dev>;

#[test]
fn v01_to_v18_what_must_be_refused_is_refused_with_its_reason_on_every_worker() {
    scenarios::refusals(DevSlice::start());
}

#[test]
fn v17_identity_headers_of_clients_never_reach_the_service() {
    scenarios::identity_headers(DevSlice::start());
}

#[test]
fn b08_a_rotation_fails_no_request_and_a_revoked_key_is_void_everywhere() {
    scenarios::rotation_under_load(DevSlice::start());
}

#[test]
fn b05_requests_go_on_without_the_controller_and_it_is_found_again() {
    scenarios::controller_gone_and_back(DevSlice::start());
}

#[test]
fn a_restarted_envoy_serves_again() {
    scenarios::envoy_restarted(DevSlice::start());
}

#[test]
fn without_a_controller_everything_is_503_until_it_appears() {
    scenarios::no_controller_at_start(DevSlice::launch(false, |bootstrap| bootstrap));
}

#[test]
fn an_envoy_holds_exactly_one_request_at_the_controller() {
    scenarios::one_subscriber(DevSlice::start());
}
