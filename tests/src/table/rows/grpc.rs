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
                {"name": rule("read"), "match": {"grpc": [{"service": "hive.Registry", "methods": METHODS}]},
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
    let mut silent = plugin("gs");
    silent["answers"] = json!({"body": "none"});
    let mut audit = plugin("ga");
    audit["mode"] = json!("audit");
    vec![
        Config::new("grpc", plugin("g")).grpc(),
        Config::new("grpc-web", plugin("gw")).grpc().before(grpc_web_filter),
        Config::new("grpc-web-behind", plugin("gb")).grpc().after([grpc_web_filter()]),
        Config::new("grpc-web-silent", silent),
        Config::new("grpc-plain", plugin("gp")),
        Config::new("grpc-mtls", mtls).grpc().tls(Tls::PlainCa),
        Config::new("grpc-audit", audit).grpc(),
    ]
}

pub(super) fn rows() -> Vec<Row> {
    [calls(), streams(), web(), web_refused()].concat()
}

const ID: &str = "spiffe://example.org/client";
const ADMIN_ID: &str = "spiffe://example.org/admin";
const METHODS: [&str; 4] = ["List", "Watch", "Upload", "Chat"];
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

/// Streams of queries: what is refused is told at once, although its stream has no end.
fn streams() -> Vec<Row> {
    const UPLOAD: &str = "/hive.Registry/Upload";
    const CHAT: &str = "/hive.Registry/Chat";
    let upload = |name, config| grpc(name, config, UPLOAD).edit(|call| call.protocol = Protocol::GrpcUpload);
    let chat = |name, config| grpc(name, config, CHAT).edit(|call| call.protocol = Protocol::GrpcChat);
    let allow = |method| Expect::allow("g-read").grpc(method).identity(ID);
    let deny = |method, reason| Expect::deny("g-read", reason).grpc(method);
    let (up, both) = ("hive.Registry/Upload", "hive.Registry/Chat");
    vec![
        upload("p07_a_client_stream", "grpc").bearer(CLIENT).expect(allow(up)),
        upload("p07_a_client_stream_without_a_token", "grpc").expect(deny(up, "token_missing")),
        upload("p07_a_client_stream_with_a_bad_token", "grpc")
            .bearer(EXPIRED)
            .expect(deny(up, "token_expired")),
        upload("p07_a_client_stream_by_another", "grpc").bearer(WEB).expect(deny(up, "caller_not_allowed")),
        upload("p07_a_client_stream_to_a_bad_host", "grpc")
            .host("a..test")
            .bearer(CLIENT)
            .deny_unmatched("host_invalid"),
        upload("p07_a_client_stream_that_is_audited", "grpc-audit")
            .bearer(EXPIRED)
            .expect(Expect::audited("ga-read", "token_expired").grpc(up)),
        chat("p07_two_streams", "grpc").bearer(CLIENT).expect(allow(both)),
        chat("p07_two_streams_without_a_token", "grpc").expect(deny(both, "token_missing")),
        chat("p07_two_streams_with_a_bad_token", "grpc").bearer(EXPIRED).expect(deny(both, "token_expired")),
        chat("p07_two_streams_by_another", "grpc").bearer(WEB).expect(deny(both, "caller_not_allowed")),
        chat("p07_two_streams_with_forged_metadata", "grpc")
            .bearer(CLIENT)
            .header("x-spiffe-id", ADMIN_ID)
            .expect(allow(both).stripped(1)),
        chat("p07_two_streams_that_are_audited", "grpc-audit")
            .expect(Expect::audited("ga-read", "token_missing").grpc(both)),
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
    ]
}

/// Where the plugin answers a gRPC-Web client itself.
fn web_refused() -> Vec<Row> {
    let web = |name, config, content: &'static str| {
        send(name, config, "POST", LIST).header("content-type", content).header("content-length", "0")
    };
    let client = |name, config| grpc(name, config, LIST).edit(|call| call.protocol = Protocol::GrpcWeb);
    let deny = |rule, reason, form| Expect::deny(rule, reason).grpc("hive.Registry/List").grpc_web(form);
    let silent = |expect: Expect| expect.edit(|expect| expect.body = false);
    const BINARY: &str = "application/grpc-web";
    const PROTO: &str = "application/grpc-web+proto";
    const TEXT: &str = "application/grpc-web-text";
    const TEXT_PROTO: &str = "application/grpc-web-text+proto";
    vec![
        web("p07_grpc_web_untranslated_without_a_token", "grpc-plain", PROTO)
            .expect(deny("gp-read", "token_missing", PROTO).challenge(r#"Bearer realm="svidgate""#)),
        web("p07_grpc_web_untranslated_with_a_bad_token", "grpc-plain", BINARY)
            .bearer(EXPIRED)
            .expect(deny("gp-read", "token_expired", BINARY).challenge("invalid_token")),
        web("p07_grpc_web_untranslated_by_another", "grpc-plain", PROTO).bearer(WEB).expect(deny(
            "gp-read",
            "caller_not_allowed",
            PROTO,
        )),
        web("p07_grpc_web_untranslated_over_h2", "grpc-plain", PROTO)
            .edit(|call| call.headers.clear())
            .header("content-type", PROTO)
            .h2()
            .expect(deny("gp-read", "token_missing", PROTO)),
        web("p07_grpc_web_untranslated_text", "grpc-plain", TEXT).expect(deny(
            "gp-read",
            "token_missing",
            TEXT,
        )),
        web("p07_grpc_web_untranslated_text_by_another", "grpc-plain", TEXT_PROTO).bearer(WEB).expect(deny(
            "gp-read",
            "caller_not_allowed",
            TEXT_PROTO,
        )),
        web("p07_grpc_web_that_takes_text_only", "grpc-plain", PROTO).header("accept", TEXT).expect(deny(
            "gp-read",
            "token_missing",
            TEXT,
        )),
        web("p07_grpc_web_with_an_ambiguous_path", "grpc-plain", PROTO)
            .edit(|call| call.target = "/hive.Registry/..%2fList")
            .expect(Expect::deny("none", "path_ambiguous").grpc_web(PROTO)),
        web("p07_grpc_web_without_a_message", "grpc-web-silent", TEXT).expect(silent(deny(
            "gs-read",
            "token_missing",
            TEXT,
        ))),
        web("p07_grpc_web_by_get_is_http", "grpc-plain", PROTO)
            .edit(|call| call.method = "GET")
            .expect(Expect::deny("gp-read", "token_missing").grpc("hive.Registry/List")),
        client("p07_grpc_web_client_before_its_translation", "grpc-web-behind")
            .bearer(CLIENT)
            .expect(Expect::allow("gb-read").grpc("hive.Registry/List").identity(ID)),
        client("p07_grpc_web_client_before_its_translation_without_a_token", "grpc-web-behind").expect(deny(
            "gb-read",
            "token_missing",
            BINARY,
        )),
        client("p07_grpc_web_client_before_its_translation_by_another", "grpc-web-behind")
            .bearer(WEB)
            .expect(deny("gb-read", "caller_not_allowed", BINARY)),
        client("p07_grpc_web_client_behind_its_translation", "grpc-web")
            .bearer(CLIENT)
            .expect(Expect::allow("gw-read").grpc("hive.Registry/List").identity(ID)),
        client("p07_grpc_web_client_behind_its_translation_without_a_token", "grpc-web")
            .expect(Expect::deny("gw-read", "token_missing").grpc("hive.Registry/List")),
        client("p07_grpc_web_client_behind_its_translation_by_another", "grpc-web")
            .bearer(WEB)
            .expect(Expect::deny("gw-read", "caller_not_allowed").grpc("hive.Registry/List")),
    ]
}
