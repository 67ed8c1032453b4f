//! gRPC by a real client and server, and gRPC-Web.

use serde_json::json;

use crate::table::call::Protocol;
use crate::table::config::{Config, Tls, grpc_web_filter};
use crate::table::expect::Expect;
use crate::table::mint::{ADMIN, CLIENT, EXPIRED, WEB};
use crate::table::peers::Peer;
use crate::table::row::{Row, grpc, send};

pub(super) fn configs() -> Vec<Config> {
    let plugin = |prefix: &str| {
        let rule = |name: &str| format!("{prefix}-{name}");
        json!({
            "audiences": ["backend.example.org"],
            "rules": [
                {"name": rule("read"), "match": {"grpc": [{"service": "hive.Registry", "methods": ["List", "Watch"]}]},
                 "require": "jwt", "spiffe_ids": ["spiffe://example.org/client", "spiffe://example.org/admin"]},
                {"name": rule("write"), "match": {"grpc": [{"service": "hive.Registry"}]},
                 "require": "jwt", "spiffe_ids": ["spiffe://example.org/admin"]},
                {"name": rule("http"), "match": {"paths": ["/page"]}, "require": "none"},
            ],
        })
    };
    let mtls = json!({
        "audiences": ["backend.example.org"],
        "rules": [{"name": "gm", "match": {"grpc": [{"service": "hive.Registry", "methods": ["List"]}]},
                   "require": "both", "bind": "mtls", "trust_domains": ["example.org"]}],
    });
    let mut audit = plugin("ga");
    audit["mode"] = json!("audit");
    vec![
        Config::new("grpc", plugin("g")).grpc(),
        Config::new("grpc-web", plugin("gw")).grpc().before(grpc_web_filter),
        Config::new("grpc-plain", plugin("gp")),
        Config::new("grpc-mtls", mtls).grpc().tls(Tls::PlainCa),
        Config::new("grpc-audit", audit).grpc(),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    [calls(), web()].concat()
}

const ID: &str = "spiffe://example.org/client";
const ADMIN_ID: &str = "spiffe://example.org/admin";
const LIST: &str = "/hive.Registry/List";
const WATCH: &str = "/hive.Registry/Watch";

fn calls() -> Vec<Row> {
    let list = |name| grpc(name, "grpc", LIST);
    let watch = |name| grpc(name, "grpc", WATCH).edit(|call| call.protocol = Protocol::GrpcStream);
    let delete = |name| grpc(name, "grpc", "/hive.Registry/Delete");
    let allow = |rule, method, id| Expect::allow(rule).grpc(method).identity(id);
    let deny = |rule, method, reason| Expect::deny(rule, reason).grpc(method);
    vec![
        list("p07_a_call").bearer(CLIENT).expect(allow("g-read", "hive.Registry/List", ID)),
        watch("p07_a_stream").bearer(CLIENT).expect(allow("g-read", "hive.Registry/Watch", ID)),
        list("p07_a_call_without_a_token").expect(deny("g-read", "hive.Registry/List", "token_missing")),
        list("p07_a_call_with_a_bad_token").bearer(EXPIRED).expect(deny(
            "g-read",
            "hive.Registry/List",
            "token_expired",
        )),
        list("p07_a_call_by_another").bearer(WEB).expect(deny(
            "g-read",
            "hive.Registry/List",
            "caller_not_allowed",
        )),
        watch("p07_a_stream_without_a_token").expect(deny("g-read", "hive.Registry/Watch", "token_missing")),
        watch("p07_a_stream_by_another").bearer(WEB).expect(deny(
            "g-read",
            "hive.Registry/Watch",
            "caller_not_allowed",
        )),
        delete("p07_a_method_of_another_rule").bearer(CLIENT).expect(deny(
            "g-write",
            "hive.Registry/*",
            "caller_not_allowed",
        )),
        delete("p07_a_method_of_a_whole_service").bearer(ADMIN).expect(allow(
            "g-write",
            "hive.Registry/*",
            ADMIN_ID,
        )),
        grpc("p07_a_service_that_no_rule_names", "grpc", "/hive.Admin/Drop")
            .bearer(ADMIN)
            .deny_unmatched("no_rule"),
        list("p08_a_call_with_forged_metadata")
            .bearer(CLIENT)
            .header("x-spiffe-id", ADMIN_ID)
            .expect(allow("g-read", "hive.Registry/List", ID).stripped(1)),
        list("p04_a_call_to_a_bad_host").host("a..test").bearer(CLIENT).deny_unmatched("host_invalid"),
        grpc("p07_a_call_bound_to_its_peer", "grpc-mtls", LIST)
            .peer(Peer::Client)
            .bearer(CLIENT)
            .expect(allow("gm", "hive.Registry/List", ID)),
        grpc("p07_a_call_bound_to_another_peer", "grpc-mtls", LIST)
            .peer(Peer::Other)
            .bearer(CLIENT)
            .expect(deny("gm", "hive.Registry/List", "token_not_bound")),
        grpc("p07_a_call_without_its_peer", "grpc-mtls", LIST).bearer(CLIENT).expect(deny(
            "gm",
            "hive.Registry/List",
            "peer_missing",
        )),
        grpc("p07_a_call_that_is_audited", "grpc-audit", LIST)
            .bearer(EXPIRED)
            .expect(Expect::audited("ga-read", "token_expired").grpc("hive.Registry/List")),
        grpc("p07_a_stream_that_is_audited", "grpc-audit", WATCH)
            .edit(|call| call.protocol = Protocol::GrpcStream)
            .expect(Expect::audited("ga-read", "token_missing").grpc("hive.Registry/Watch")),
        // A path is a path: the content type neither opens nor closes a rule.
        send("p07_the_path_without_the_content_type", "grpc-plain", "POST", LIST)
            .bearer(CLIENT)
            .expect(allow("gp-read", "hive.Registry/List", ID)),
        send("p07_the_path_without_the_content_type_nor_a_token", "grpc-plain", "POST", LIST).expect(deny(
            "gp-read",
            "hive.Registry/List",
            "token_missing",
        )),
        send("p07_the_content_type_opens_no_rule", "grpc-plain", "GET", "/page")
            .header("content-type", "application/grpc")
            .allow("gp-http"),
        send("p07_a_method_in_another_case", "grpc-plain", "POST", "/hive.Registry/list")
            .bearer(CLIENT)
            .expect(deny("gp-write", "hive.Registry/*", "caller_not_allowed")),
        send("p07_a_method_with_a_slash_behind_it", "grpc-plain", "POST", "/hive.Registry/List/")
            .bearer(WEB)
            .expect(deny("gp-read", "hive.Registry/List", "caller_not_allowed")),
        send("p07_an_encoded_letter_in_the_method", "grpc-plain", "POST", "/hive.Registry/%4cist")
            .bearer(WEB)
            .expect(deny("gp-read", "hive.Registry/List", "caller_not_allowed")),
        send("p07_more_behind_the_method", "grpc-plain", "POST", "/hive.Registry/List/x")
            .bearer(ADMIN)
            .deny_unmatched("no_rule"),
    ]
}

fn web() -> Vec<Row> {
    let web = |name, config, content| {
        send(name, config, "POST", LIST)
            .bytes("content-type", content)
            .header("x-grpc-web", "1")
            .header("content-length", "0")
    };
    vec![
        web("p07_grpc_web", "grpc-web", b"application/grpc-web+proto")
            .bearer(CLIENT)
            .expect(Expect::allow("gw-read").grpc("hive.Registry/List").identity(ID)),
        web("p07_grpc_web_without_a_token", "grpc-web", b"application/grpc-web+proto")
            .expect(Expect::deny("gw-read", "token_missing").grpc("hive.Registry/List")),
        web("p07_grpc_web_text_by_another", "grpc-web", b"application/grpc-web-text")
            .bearer(WEB)
            .expect(Expect::deny("gw-read", "caller_not_allowed").grpc("hive.Registry/List")),
        web("p07_grpc_web_untranslated", "grpc-plain", b"application/grpc-web+proto")
            .bearer(CLIENT)
            .expect(Expect::allow("gp-read").grpc("hive.Registry/List").identity(ID)),
        web("p07_grpc_web_untranslated_without_a_token", "grpc-plain", b"application/grpc-web+proto")
            .expect(Expect::deny("gp-read", "token_missing").grpc("hive.Registry/List")),
    ]
}
