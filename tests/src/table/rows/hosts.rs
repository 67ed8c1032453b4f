//! Hosts: what is judged is what the upstream gets.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::row::{Row, get, send};

pub(super) fn configs() -> Vec<Config> {
    let rule =
        |name: &str, hosts: &[&str]| json!({"name": name, "match": {"hosts": hosts}, "require": "none"});
    let plugin = json!({"rules": [
        rule("h-a", &["a.example.org"]),
        rule("h-port", &["a.example.org:8443"]),
        rule("h-below", &["*.b.example.org"]),
        rule("h-v6", &["[::1]:9000"]),
    ]});
    vec![
        Config::new("hosts", plugin.clone()),
        Config::new("hosts-stripped", plugin).manager(|manager| {
            manager["strip_any_host_port"] = json!(true);
            manager["strip_trailing_host_dot"] = json!(true);
        }),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let host = |name, host| get(name, "hosts", "/").host(host);
    vec![
        host("p04_a_host", "a.example.org").allow("h-a"),
        host("p04_case_makes_no_difference", "A.Example.ORG").allow("h-a"),
        host("p04_a_trailing_dot_makes_no_difference", "a.example.org.").allow("h-a"),
        host("p04_a_default_port_makes_no_difference", "a.example.org:80").allow("h-a"),
        host("p04_the_other_default_port_too", "a.example.org.:443").allow("h-a"),
        host("p04_another_port_is_another_host", "a.example.org:8080").deny_unmatched("no_rule"),
        host("p04_a_port_of_a_rule", "a.example.org:8443").allow("h-port"),
        host("p04_a_longer_host_is_another", "a.example.org.evil.test").deny_unmatched("no_rule"),
        host("p04_a_suffix_of_a_label_is_nothing", "xa.example.org").deny_unmatched("no_rule"),
        host("p04_a_star_takes_one_label", "x.b.example.org").allow("h-below"),
        host("p04_a_star_takes_two_labels", "x.y.b.example.org").allow("h-below"),
        host("p04_a_star_does_not_take_none", "b.example.org").deny_unmatched("no_rule"),
        host("p04_a_star_does_not_take_a_part_of_a_label", "xb.example.org").deny_unmatched("no_rule"),
        host("p04_an_address", "[::1]:9000").allow("h-v6"),
        host("p04_an_address_in_another_spelling", "[0:0:0:0:0:0:0:1]:9000").deny_unmatched("host_invalid"),
        host("p04_user_information", "user@a.example.org").deny_unmatched("host_invalid"),
        host("p04_an_empty_host", "").deny_unmatched("host_invalid"),
        host("p04_two_hosts_in_one", "a.example.org,evil.test").deny_unmatched("host_invalid"),
        host("p04_two_dots", "a..example.org").deny_unmatched("host_invalid"),
        host("p04_a_port_that_is_no_number", "a.example.org:http").deny_unmatched("host_invalid"),
        host("p04_an_encoded_dot", "a%2eexample.org").deny_unmatched("host_invalid"),
        host("p04_two_host_headers", "a.example.org")
            .header("host", "evil.test")
            .seen_host("a.example.org,evil.test")
            .deny_unmatched("host_invalid"),
        host("p04_no_host_is_no_request", "x").edit(|call| call.host = None).by_envoy(400),
        host("p04_an_absolute_target_wins_over_the_host_header", "evil.test")
            .edit(|call| call.target = "http://a.example.org/abs")
            .seen_host("a.example.org")
            .seen_as("/abs")
            .expect(Expect::allow("h-a").has("host", "a.example.org")),
        host("p04_an_absolute_target_to_elsewhere", "a.example.org")
            .edit(|call| call.target = "http://evil.test/abs")
            .seen_host("evil.test")
            .seen_as("/abs")
            .deny_unmatched("no_rule"),
        host("p04_a_host_over_h2", "a.example.org")
            .h2()
            .expect(Expect::allow("h-a").has("host", "a.example.org")),
        host("p04_the_authority_wins_over_a_host_header_over_h2", "a.example.org")
            .h2()
            .header("host", "evil.test")
            .expect(Expect::allow("h-a").has("host", "a.example.org")),
        send("p04_the_host_counts_for_every_method", "hosts", "DELETE", "/")
            .host("evil.test")
            .deny_unmatched("no_rule"),
        get("p04_ports_that_envoy_strips", "hosts-stripped", "/")
            .host("a.example.org:8080")
            .seen_host("a.example.org")
            .expect(Expect::allow("h-a").has("host", "a.example.org")),
        get("p04_dots_that_envoy_strips", "hosts-stripped", "/")
            .host("A.example.org.")
            .seen_host("A.example.org")
            .expect(Expect::allow("h-a").has("host", "A.example.org")),
    ]
}
