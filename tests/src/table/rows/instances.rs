//! Two plugins with different configurations in one Envoy do not mix, though they share their VMs.

use serde_json::json;

use crate::table::config::Config;
use crate::table::mint::{ADMIN, CLIENT};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = |name: &str, id: &str| {
        json!({
            "name": name,
            "audiences": ["backend.example.org"],
            "rules": [{"name": format!("e-{name}"), "match": {}, "require": "jwt", "spiffe_ids": [id]}],
        })
    };
    vec![
        Config::new("instance-edge", plugin("edge", "spiffe://example.org/client")),
        Config::new("instance-inner", plugin("inner", "spiffe://example.org/admin")),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let of = |name, config, token| get(name, config, "/").bearer(token);
    vec![
        of("i_edge_lets_its_caller_in", "instance-edge", CLIENT)
            .allow_as("e-edge", "spiffe://example.org/client"),
        of("i_edge_refuses_the_caller_of_the_other", "instance-edge", ADMIN)
            .deny("e-edge", "caller_not_allowed"),
        of("i_inner_lets_its_caller_in", "instance-inner", ADMIN)
            .allow_as("e-inner", "spiffe://example.org/admin"),
        of("i_inner_refuses_the_caller_of_the_other", "instance-inner", CLIENT)
            .deny("e-inner", "caller_not_allowed"),
    ]
}
