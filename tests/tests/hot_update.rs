//! The plugin's configuration changes while requests are under way: no good request is refused, no bad one accepted, and
//! a broken configuration never replaces a good one.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use svidgate_tests::hot_update::{Admits, Caller, Channel, Listener, Phase, Plugin};
use svidgate_tests::{AUDIENCE, Bootstrap, Connection, Dev, Load, OTHER_ID, Programs, Request, Slice, poll};

/// Of the same trust domain; no policy admits it.
const STRANGER_ID: &str = "spiffe://example.org/stranger";
const CHANGES: u64 = 12;
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn p01_a_change_of_the_plugins_settings_under_load_refuses_no_good_request_and_admits_no_bad_one() {
    changes_under_load(Plugin::new(), |bootstrap, _| bootstrap);
}

#[test]
fn p01_a_change_of_the_plugins_code_under_load_refuses_no_good_request_and_admits_no_bad_one() {
    // Another file is another VM with the same `vm_id`: it must find the trust that the former one has.
    changes_under_load(Plugin::new(), |bootstrap, round| match round % 2 {
        0 => bootstrap.wasm(&Programs::wasm_with_test_hooks()),
        _ => bootstrap,
    });
}

#[test]
fn p01_a_change_of_the_listeners_filter_chain_under_load_refuses_no_good_request_and_admits_no_bad_one() {
    changes_under_load(Listener::new(), |bootstrap, _| bootstrap);
}

#[test]
fn p01_a_change_of_the_whole_listener_under_load_refuses_no_good_request_and_admits_no_bad_one() {
    changes_under_load(Listener::new(), |bootstrap, round| {
        bootstrap.edit(|config| {
            let limit = &mut config["static_resources"]["listeners"][0]["per_connection_buffer_limit_bytes"];
            *limit = json!(1_000_000 + round);
        })
    });
}

#[test]
fn a_broken_configuration_of_the_plugin_never_replaces_the_good_one() {
    broken_never_replaces(Plugin::new());
}

#[test]
fn a_broken_configuration_of_the_listener_never_replaces_the_good_one() {
    broken_never_replaces(Listener::new());
}

fn changes_under_load(mut channel: impl Channel, variant: impl Fn(Bootstrap, u64) -> Bootstrap) {
    let (slice, base) = launch(&mut channel);
    let phase = Arc::new(Phase::default());
    let address = slice.envoy.listener();
    let guest = slice.workload.token(AUDIENCE, OTHER_ID);
    let stranger = slice.source.mint(STRANGER_ID, AUDIENCE, "1h", "0s");
    let clients = (0..2).flat_map(|_| {
        [
            Caller::new(&channel, address, Some(slice.token()))
                .expects(&phase, |_, answer| answer.status == 200),
            Caller::new(&channel, address, Some(guest.clone())).expects(&phase, Admits::agrees_with),
            Caller::new(&channel, address, Some(stranger.clone()))
                .expects(&phase, |_, answer| answer.reason() == "caller_not_allowed"),
            Caller::new(&channel, address, None)
                .expects(&phase, |_, answer| answer.reason() == "token_missing"),
        ]
    });
    let load = Load::start(clients.collect());
    for round in 0..CHANGES {
        let admits = if round % 2 == 0 { Admits::Guest } else { Admits::NoGuest };
        phase.enter(Admits::Either);
        channel.publish(&variant(policy(base.clone(), admits), round));
        channel.await_in_force(&slice.envoy, &guest, admits);
        // From here on no request may meet the former policy.
        phase.enter(admits);
        load.await_requests(400);
    }
    load.finish().assert_no_failure();
    for admits in [Admits::Guest, Admits::NoGuest] {
        assert!(phase.judged(admits) > 50, "{admits:?} was judged {} times only", phase.judged(admits));
    }
    assert_eq!(channel.refused(&slice.envoy), 0);
}

fn broken_never_replaces(mut channel: impl Channel) {
    let (mut slice, base) = launch(&mut channel);
    let guest = slice.workload.token(AUDIENCE, OTHER_ID);
    let everybody = r#"{"name": "open", "match": {}, "require": "none"}"#;
    let settings = |text: String| base.clone().raw_plugin_config(&text);
    let broken = [
        settings(String::new()),
        settings("{".to_owned()),
        settings(format!(r#"{{"rules": [{everybody}], "surprise": true}}"#)),
        settings(format!(r#"{{"rules": [{everybody}, {everybody}]}}"#)),
        base.clone().wasm(Path::new("/nonexistent/svidgate.wasm")),
    ];
    for config in &broken {
        let before = channel.refused(&slice.envoy);
        channel.publish(config);
        poll("Envoy refuses it", PATIENCE, || (channel.refused(&slice.envoy) > before).then_some(()));
        for mut connection in slice.envoy.connection_to_each_worker() {
            assert_eq!(status(&mut connection, Some(&slice.token())), 200);
            assert_eq!(status(&mut connection, Some(&guest)), 403);
            assert_eq!(status(&mut connection, None), 401);
        }
    }
    slice.envoy.assert_healthy();
    channel.publish(&policy(base, Admits::Guest));
    channel.await_in_force(&slice.envoy, &guest, Admits::Guest);
}

/// Starts everything with the policy that knows no guest, and waits until trust is there on all workers. Also returns the
/// bootstrap from which policies are made.
fn launch(channel: &mut impl Channel) -> (Slice<Dev>, Bootstrap) {
    let mut base = None;
    let slice = Slice::launch(true, |shipped| {
        let shipped = channel.adapt(shipped);
        channel.publish(&policy(shipped.clone(), Admits::NoGuest));
        channel.subscribe(base.insert(shipped).clone())
    });
    slice.await_admitted();
    channel.ready(&slice.envoy);
    (slice, base.expect("a bootstrap"))
}

/// The shipped caller may come in everywhere; a guest, if any, to one path.
fn policy(bootstrap: Bootstrap, admits: Admits) -> Bootstrap {
    bootstrap.plugin_config(|config| {
        let known = config.as_object_mut().expect("an object").remove("allowed_spiffe_ids").expect("callers");
        let mut rules = vec![json!({"name": "known", "match": {}, "require": "jwt", "spiffe_ids": known})];
        if admits == Admits::Guest {
            let mut both = known.as_array().expect("a list").clone();
            both.push(json!(OTHER_ID));
            let guest = json!({"name": "guest", "match": {"paths": ["/shared/**"]}, "require": "jwt", "spiffe_ids": both});
            rules.insert(0, guest);
        }
        config["rules"] = json!(rules);
    })
}

fn status(connection: &mut Connection, token: Option<&str>) -> u16 {
    let request = Request::get("/shared/x");
    let request = token.into_iter().fold(request, Request::bearer);
    connection.send(&request).expect("an answer from Envoy").status
}
