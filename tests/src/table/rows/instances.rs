//! Two plugins with different configurations in one Envoy do not mix, though they share their VMs.

use serde_json::json;

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT, Mint};
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let plugin = |name: &str, id: &str| {
        json!({
            "name": name,
            "audiences": ["backend.example.org"],
            "rules": [{"name": format!("e-{name}"), "match": {}, "require": "jwt", "spiffe_ids": [id]}],
        })
    };
    let outer = json!({
        "name": "outer",
        "audiences": ["edge.example.org"],
        "token_sources": [{"header": "x-edge-token"}],
        "upstream": {"spiffe_id_header": "x-edge-id"},
        "rules": [{"name": "chain-outer", "match": {}, "require": "jwt", "trust_domains": ["example.org"]}],
    });
    vec![
        Config::new("chain", plugin("chained", "spiffe://example.org/admin")).behind(outer),
        Config::new("instance-edge", plugin("edge", "spiffe://example.org/client")),
        Config::new("instance-inner", plugin("inner", "spiffe://example.org/admin")),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    let of = |name, config, token| get(name, config, "/").bearer(token);
    const EDGE: Mint = Mint::new(|token, _| token.claim("aud", json!("edge.example.org")));
    let passed_outer = |expect: Expect| expect.counts(OUTER_ALLOWED, 1);
    let chain = |name| get(name, "chain", "/");
    vec![
        chain("i_two_in_a_chain_tell_two_identities")
            .token("x-edge-token", "", EDGE, "")
            .bearer(ADMIN)
            .expect(
                passed_outer(Expect::allow("e-chained").identity("spiffe://example.org/admin"))
                    .has("x-edge-id", "spiffe://example.org/client")
                    .lacks("x-edge-token"),
            ),
        chain("i_the_second_of_a_chain_refuses")
            .token("x-edge-token", "", EDGE, "")
            .bearer(CLIENT)
            .expect(passed_outer(Expect::deny("e-chained", "caller_not_allowed"))),
        chain("i_the_second_of_a_chain_asks_for_a_token_of_its_own")
            .token("x-edge-token", "", EDGE, "")
            .expect(passed_outer(Expect::deny("e-chained", "token_missing"))),
        chain("i_the_first_of_a_chain_refuses")
            .bearer(ADMIN)
            .expect(Expect::deny("chain-outer", "token_missing").edit(|expect| expect.logged = false)),
        chain("i_a_token_for_the_second_opens_not_the_first")
            .token("x-edge-token", "", ADMIN, "")
            .bearer(ADMIN)
            .expect(Expect::deny("chain-outer", "audience_mismatch").edit(|expect| expect.logged = false)),
        chain("i_each_of_a_chain_strips_its_own_headers")
            .header("x-edge-id", "spiffe://example.org/forged")
            .header("x_spiffe_id", "spiffe://example.org/forged")
            .token("x-edge-token", "", EDGE, "")
            .bearer(ADMIN)
            .expect(
                passed_outer(Expect::allow("e-chained").identity("spiffe://example.org/admin"))
                    .has("x-edge-id", "spiffe://example.org/client")
                    .stripped(2),
            ),
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

/// The first plugin of the chain has let a request pass.
const OUTER_ALLOWED: &str = "rule=.=chain-outer;.;status=.=allowed;.;svidgate_auth_attempts_total";
