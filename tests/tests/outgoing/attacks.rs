//! What must never get a credential, by whatever the caller says or the upstream answers.

use serde_json::{Value, json};
use svidgate_tests::{AUDIENCE, Bootstrap, Programs, Request, Upstream};

use crate::site::{API_KEY, BILLING, LEGACY, Site, ask, values};

fn routes(config: &mut Value) -> &mut Value {
    let manager =
        &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
    &mut manager["route_config"]["virtual_hosts"]
}

/// Without the guard, so that what the plugin lets pass arrives somewhere.
fn open(bootstrap: Bootstrap, change: impl FnOnce(&mut Value)) -> Bootstrap {
    bootstrap.without_guard().edit(|config| change(routes(config)))
}

#[test]
fn a_matched_host_that_is_routed_to_another_cluster_gets_no_credential() {
    let site = Site::start(|bootstrap| {
        open(bootstrap, |hosts| {
            let evil = json!({
                "match": {"prefix": "/", "headers": [{"name": "x-shard", "string_match": {"exact": "evil"}}]},
                "route": {"cluster": "legacy"},
            });
            hosts[0]["routes"].as_array_mut().expect("routes").insert(0, evil);
            hosts[1]["domains"] = json!(["*"]);
        })
    });
    site.await_set(BILLING);
    site.await_set(LEGACY);
    let elsewhere = site.envoy.send(&ask(BILLING).header("x-shard", "evil"));
    assert_eq!(elsewhere.status, 200);
    assert_eq!(values(&elsewhere, "authorization"), Vec::<String>::new());
    assert_eq!(values(&elsewhere, API_KEY), Vec::<String>::new());
    for host in ["legacy.example.net.evil.test", "evil.test", "LEGACY.example.net.", "legacy.example.net:443"]
    {
        let answer = site.envoy.send(&ask(host));
        let is_it = host.to_ascii_lowercase().trim_end_matches('.').trim_end_matches(":443") == LEGACY;
        assert_eq!(!values(&answer, API_KEY).is_empty(), is_it, "{host}: {}", answer.text());
    }
}

#[test]
fn a_header_of_the_callers_that_is_kept_goes_as_it_is_and_ours_is_not_beside_it() {
    let site = Site::start(|bootstrap| {
        let bootstrap = bootstrap.plugin_config(|config| config["outgoing"][0]["existing"] = json!("keep"));
        open(bootstrap, |_| {})
    });
    site.await_set(BILLING);
    let answer = site.envoy.send(&ask(BILLING).header("authorization", "Basic bWU6bWU="));
    assert_eq!(values(&answer, "authorization"), ["Basic bWU6bWU="]);
    let ours = site.envoy.send(&ask(BILLING));
    assert!(values(&ours, "authorization")[0].starts_with("Bearer ey"));
}

/// Envoy follows the redirect itself, with the headers of the first request.
#[test]
fn a_redirect_that_envoy_follows_takes_no_credential_to_the_next_host() {
    let elsewhere = Upstream::start();
    let address = elsewhere.address();
    let site = Site::start(|bootstrap| {
        bootstrap.without_guard().edit(|config| {
            let cluster = json!({"name": "elsewhere", "type": "STATIC", "connect_timeout": "1s", "load_assignment": {
                "cluster_name": "elsewhere", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {
                    "address": address.ip().to_string(), "port_value": address.port()}}}}]}]}});
            config["static_resources"]["clusters"].as_array_mut().expect("clusters").push(cluster);
            let hosts = routes(config);
            hosts[0]["routes"][0]["route"]["internal_redirect_policy"] = json!({"max_internal_redirects": 1});
            let other = json!({"name": "elsewhere", "domains": ["api.example.org"],
                "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "elsewhere"}}]});
            hosts.as_array_mut().expect("hosts").push(other);
        })
    });
    site.await_set(BILLING);
    let answer = site.envoy.send(&Request::bare("GET", "/redirect/x").header("host", BILLING));
    assert_eq!((answer.status, elsewhere.requests()), (200, 1), "Envoy followed: {}", answer.text());
    assert_eq!(values(&answer, "authorization"), Vec::<String>::new(), "{}", answer.text());
    let own = Request::bare("GET", "/redirect/x").header("host", BILLING).header("x-own", "1");
    assert_eq!(values(&site.envoy.send(&own), "x-own"), ["1"], "all else goes on");
}

/// A route that looks at the very header that the plugin sets is chosen anew once it is there, which no plugin can see. What
/// Envoy does is shown first, so that this test fails when that changes and the documentation can be mended.
#[test]
fn a_route_that_looks_at_the_header_takes_it_elsewhere_but_not_from_the_clusters_own_filters_and_check_says_so()
 {
    let by_header = |hosts: &mut Value| {
        let evil = json!({
            "match": {"prefix": "/", "headers": [{"name": "authorization", "present_match": true}]},
            "route": {"cluster": "legacy"},
        });
        hosts[0]["routes"].as_array_mut().expect("routes").insert(0, evil);
    };
    let open_to_it = Site::start(|bootstrap| open(bootstrap, by_header));
    open_to_it.await_set(LEGACY);
    open_to_it.await_set(BILLING);
    let answer = open_to_it.envoy.send(&ask(BILLING));
    assert_eq!((values(&answer, "authorization").len(), open_to_it.billing.requests()), (1, 0));
    let mut check = std::process::Command::new(Programs::svidgate());
    check.args(["check", "--envoy"]).arg(open_to_it.folder.join("envoy.json"));
    let output = check.output().expect("svidgate");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("error[credential_rerouted]"), "{said}");

    let closed = Site::start(|bootstrap| in_the_cluster(bootstrap).edit(|config| by_header(routes(config))));
    closed.await_set(BILLING);
    assert!(
        closed.header(&ask(BILLING), "authorization").is_some_and(|value| value.starts_with("Bearer ey"))
    );
    let mut check = std::process::Command::new(Programs::svidgate());
    check.args(["check", "--strict", "--envoy"]).arg(closed.folder.join("envoy.json"));
    let output = check.output().expect("svidgate");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let elsewhere = closed.envoy.send(&ask(BILLING).header("authorization", "own"));
    assert_eq!(values(&elsewhere, "authorization"), ["own"], "to the other cluster goes what the caller has");
}

#[test]
fn a_plugin_of_the_way_out_opens_nothing_on_the_way_in() {
    let site = Site::start(|bootstrap| {
        let guard = json!({"key": "wasm.svidgate", "string_match": {"exact": "verified"}});
        bootstrap.edit(|config| {
            let manager =
                &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
            let rules = &mut manager["http_filters"][1]["typed_config"]["rules"];
            rules["policies"]["has-its-credential"]["principals"][0]["filter_state"] = guard;
        })
    });
    let token = site.dev.mint("spiffe://example.org/client", AUDIENCE, "5m", "0s");
    // Once the credential is there, it is the guard that refuses.
    svidgate_tests::poll("the guard refuses", crate::site::PATIENCE, || {
        (site.envoy.send(&ask(BILLING)).status == 403).then_some(())
    });
    for request in
        [ask(BILLING), ask(BILLING).bearer(token), ask(LEGACY), ask(BILLING).header("x-svidgate", "verified")]
    {
        assert_eq!(site.envoy.send(&request).status, 403);
    }
    assert_eq!(site.billing.requests() + site.legacy.requests(), 0);
}

#[test]
fn one_plugin_may_judge_the_caller_and_give_the_upstream_its_own_credential() {
    let site = Site::start(|bootstrap| {
        bootstrap.plugin_config(|config| {
            config.as_object_mut().expect("an object").remove("inbound");
            config["audiences"] = json!([AUDIENCE]);
            config["allowed_spiffe_ids"] = json!(["spiffe://example.org/client"]);
        })
    });
    let token = site.dev.mint("spiffe://example.org/client", AUDIENCE, "5m", "0s");
    let answer = svidgate_tests::poll("it passes", crate::site::PATIENCE, || {
        let answer = site.envoy.send(&ask(BILLING).bearer(&token));
        (answer.status == 200).then_some(answer)
    });
    let carried = values(&answer, "authorization");
    assert_eq!(carried.len(), 1);
    assert!(!carried[0].contains(&token), "the caller's token ends here");
    let reached = site.billing.requests();
    for request in [ask(BILLING), ask(BILLING).bearer("junk")] {
        assert_eq!(site.envoy.send(&request).status, 401);
    }
    assert_eq!(site.billing.requests(), reached, "nobody who was not judged uses our credential");
}

/// Where the route cannot be changed any more: as a filter of the cluster.
#[test]
fn the_plugin_stands_in_an_upstream_cluster_as_well() {
    let site = Site::start(in_the_cluster);
    site.await_set(BILLING);
    assert!(site.header(&ask(BILLING), "authorization").is_some_and(|value| value.starts_with("Bearer ey")));
    assert_eq!(site.header(&ask(LEGACY), API_KEY), None, "of no cluster but its own");
}

/// The plugin as a filter of the cluster `billing`, and no plugin or guard in the listener.
fn in_the_cluster(bootstrap: Bootstrap) -> Bootstrap {
    bootstrap.edit(|config| {
            let manager =
                &mut config["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"];
            let filters = manager["http_filters"].as_array_mut().expect("filters");
            let plugin = filters.remove(0);
            filters.remove(0);
            let codec = json!({"name": "codec", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"}});
            let options = json!({"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http_protocol_options": {}},
                "http_filters": [plugin, codec]}});
            for cluster in config["static_resources"]["clusters"].as_array_mut().expect("clusters") {
                if cluster["name"] == "billing" {
                    cluster["typed_extension_protocol_options"] = options.clone();
                }
            }
        })
}
