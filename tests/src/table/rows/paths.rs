//! Paths in every spelling, with Envoy's own normalization off and on: what the rule saw is what the upstream got.

use serde_json::{Value, json};

use crate::table::config::Config;
use crate::table::expect::Expect;
use crate::table::row::{Row, get};

pub(super) fn configs() -> Vec<Config> {
    let strict = json!({"rules": [
        {"name": "p-admin", "match": {"paths": ["/admin/**"]}, "require": "jwt",
         "spiffe_ids": ["spiffe://example.org/admin"], "audiences": ["backend.example.org"]},
        {"name": "p-open", "match": {"paths": ["/open/**", "/"]}, "require": "none"},
    ]});
    let loose = json!({"rules": [
        {"name": "l-admin", "match": {"paths": ["/files/admin/**"]}, "require": "jwt",
         "spiffe_ids": ["spiffe://example.org/admin"], "audiences": ["backend.example.org"]},
        {"name": "l-one", "match": {"paths": ["/one/{name}"]}, "require": "none",
         "unsafe_paths": ["encoded_separators"]},
        {"name": "l-separators", "match": {"paths": ["/files/**"]}, "require": "none",
         "unsafe_paths": ["encoded_separators"]},
        {"name": "l-parameters", "match": {"paths": ["/matrix/**"]}, "require": "none",
         "unsafe_paths": ["parameters"]},
        {"name": "l-empty", "match": {"paths": ["/empty/**"]}, "require": "none",
         "unsafe_paths": ["empty_segments"]},
        {"name": "l-pair", "match": {"paths": ["/pair/*/{x}"]}, "require": "jwt",
         "spiffe_ids": ["spiffe://example.org/admin"], "audiences": ["backend.example.org"]},
        {"name": "l-pair-rest", "match": {"paths": ["/pair/**"]}, "require": "none",
         "unsafe_paths": ["encoded_separators", "parameters", "empty_segments"]},
        {"name": "l-strict", "match": {"paths": ["/strict/**"]}, "require": "none"},
    ]});
    vec![
        Config::new("paths", strict.clone()),
        Config::new("paths-normalized", strict.clone())
            .manager(|manager| normalize(manager, "UNESCAPE_AND_FORWARD")),
        Config::new("paths-rejecting", strict).manager(|manager| normalize(manager, "REJECT_REQUEST")),
        Config::new("paths-loose", loose.clone()),
        Config::new("paths-loose-normalized", loose).manager(|manager| normalize(manager, "KEEP_UNCHANGED")),
    ]
}

fn normalize(manager: &mut Value, escaped: &str) {
    manager["normalize_path"] = json!(true);
    manager["merge_slashes"] = json!(true);
    manager["path_with_escaped_slashes_action"] = json!(escaped);
}

pub(super) fn rows() -> Vec<Row> {
    [as_they_come(), normalized(), rejecting(), loose()].concat()
}

fn as_they_come() -> Vec<Row> {
    let bad = |name, target| get(name, "paths", target).deny_unmatched("path_ambiguous");
    let open = |name, target| get(name, "paths", target).allow("p-open");
    vec![
        open("p05_the_root", "/"),
        open("p05_a_trailing_slash", "/open/a/"),
        open("p05_an_encoded_letter", "/open/%61"),
        get("p05_an_encoded_letter_hides_nothing", "paths", "/%61dmin/x").deny("p-admin", "token_missing"),
        open("p05_an_encoded_space", "/open/a%20b"),
        open("p05_utf8", "/open/caf%C3%A9"),
        open("p05_a_query_with_dots_and_slashes", "/open/a?x=/../admin;y=%2f"),
        bad("p05_a_dot_segment", "/open/../admin/x"),
        bad("p05_an_encoded_dot_segment", "/open/%2e%2e/admin/x"),
        bad("p05_a_half_encoded_dot_segment", "/open/.%2E/admin/x"),
        bad("p05_a_single_dot", "/open/./a"),
        bad("p05_a_dot_at_the_end", "/open/."),
        bad("p05_an_encoded_slash", "/open%2fa"),
        bad("p05_an_encoded_slash_before_dots", "/open/..%2fadmin/x"),
        bad("p05_a_backslash", "/open\\..\\admin"),
        bad("p05_an_encoded_backslash", "/open/..%5cadmin"),
        bad("p05_two_slashes", "//open/a"),
        bad("p05_two_slashes_inside", "/open//a"),
        bad("p05_two_slashes_at_the_end", "/open/a//"),
        bad("p05_a_parameter", "/open;v=1/a"),
        bad("p05_a_parameter_behind_dots", "/open/..;/admin/x"),
        bad("p05_an_encoded_semicolon", "/open/a%3bb"),
        bad("p05_a_zero_byte", "/open/a%00"),
        bad("p05_a_line_break", "/open/a%0d%0a"),
        bad("p05_overlong_utf8", "/open/%c0%ae%c0%ae/admin"),
        bad("p05_bad_utf8", "/open/%ff"),
        bad("p05_half_a_percent_code", "/open/%2"),
        bad("p05_no_percent_code", "/open/%zz"),
        bad("p05_double_encoding", "/open/%252e%252e/admin"),
        bad("p05_an_encoded_question_mark", "/open/a%3fb"),
        bad("p05_an_encoded_hash", "/open/a%23b"),
        bad("p05_an_encoded_percent", "/open/100%25"),
        bad("p05_a_pipe", "/open/a|b"),
        bad("p05_a_bad_path_over_h2", "/open/%2e%2e/admin/x").h2(),
        bad("p05_raw_utf8_over_h2", "/open/café").h2(),
        get("p05_raw_utf8_over_http1_is_no_request", "paths", "/open/café").by_envoy(400),
        get("p05_a_fragment_is_no_request", "paths", "/open#/admin").by_envoy(400),
        get("p05_a_target_without_a_slash_is_no_request", "paths", "open").by_envoy(400),
    ]
}

fn normalized() -> Vec<Row> {
    let at = |name, target, seen| get(name, "paths-normalized", target).seen_as(seen);
    let missing = |row: Row| row.deny("p-admin", "token_missing");
    let bad = |row: Row| row.deny_unmatched("path_ambiguous");
    vec![
        missing(at("p05_envoy_resolves_dots", "/open/../admin/x", "/admin/x")),
        missing(at("p05_envoy_resolves_encoded_dots", "/open/%2e%2E/admin/x", "/admin/x")),
        missing(at("p05_envoy_merges_slashes", "//admin//x", "/admin/x")),
        missing(at("p05_envoy_decodes_slashes", "/admin%2fx", "/admin/x")),
        missing(at("p05_envoy_decodes_slashes_then_dots", "/open/..%2fadmin/x", "/admin/x")),
        missing(at("p05_envoy_takes_backslashes_for_slashes", "/open\\..\\admin\\x", "/admin/x")),
        missing(at("p05_envoy_decodes_letters", "/%61dmin/x", "/admin/x")),
        missing(at("p05_envoy_takes_dots_with_a_parameter_for_dots", "/open/..;/admin/x", "/admin/x")),
        at("p05_what_envoy_made_of_it_is_what_the_upstream_gets", "/admin/../open/./a//b", "/open/a/b")
            .allow("p-open"),
        at("p05_letters_that_envoy_decoded_reach_the_upstream_decoded", "/open/%61", "/open/a")
            .allow("p-open"),
        at("p05_the_query_stays_as_it_is", "/admin/../open/a?x=/../%61", "/open/a?x=/../%61").allow("p-open"),
        bad(at("p05_envoy_leaves_parameters", "/open;v=1/a", "/open;v=1/a")),
        bad(at("p05_envoy_leaves_double_encoding", "/open/%252e%252e/x", "/open/%252e%252e/x")),
        bad(at("p05_envoy_leaves_overlong_utf8", "/open/%c0%ae/x", "/open/%c0%ae/x")),
        bad(at("p05_envoy_encodes_a_pipe", "/open/a|b", "/open/a%7Cb")),
        at("p05_envoy_refuses_a_zero_byte", "/open/%00", "").by_envoy(400),
    ]
}

fn rejecting() -> Vec<Row> {
    let at = |name, target| get(name, "paths-rejecting", target);
    vec![
        at("p05_envoy_rejects_an_encoded_slash", "/open/a%2fb").by_envoy(400),
        at("p05_envoy_rejects_an_encoded_backslash", "/open/a%5Cb").by_envoy(400),
        at("p05_envoy_rejects_nothing_else", "/open/../admin/x")
            .seen_as("/admin/x")
            .deny("p-admin", "token_missing"),
        at("p05_a_plain_path_where_envoy_rejects", "/open/a").allow("p-open"),
    ]
}

fn loose() -> Vec<Row> {
    let at = |name, target| get(name, "paths-loose", target);
    let bad = |row: Row| row.deny_unmatched("path_ambiguous");
    vec![
        at("p05_separators_where_admitted", "/files/a%2Fb").allow("l-separators"),
        at("p05_backslashes_where_admitted", "/files/a%5cb").allow("l-separators"),
        bad(at("p05_separators_that_lead_to_another_rule", "/files/admin%2Fx")),
        bad(at("p05_separators_that_lead_to_another_rule_when_decoded", "/files%2Fadmin/x")),
        bad(at("p05_separators_that_lead_out_of_a_template", "/one/a%2Fb")),
        at("p05_a_template_without_oddities", "/one/a").allow("l-one"),
        // A server on Unix takes `%2f` for a slash and `%5c` for a letter; one on Windows takes both for slashes.
        bad(at("p05_separators_of_two_kinds_read_apart", "/pair/a%2Fb%5Cc")),
        bad(at("p05_separators_of_two_kinds_read_apart_raw", "/pair/a%2Fb\\c")),
        at("p05_separators_of_two_kinds_with_one_rule", "/files/a%2Fb%5Cc").allow("l-separators"),
        bad(at("p05_separator_and_parameter", "/pair/a%2Fb;x/c")),
        bad(at("p05_a_separator_in_a_parameter", "/pair/a;x%2Fb/c")),
        bad(at("p05_empty_segment_and_parameter", "/pair//b;x/c")),
        at("p05_all_oddities_with_one_rule", "/pair//b;x%2Fy/c/d/e/f").allow("l-pair-rest"),
        bad(at("p05_dots_behind_a_separator_in_a_parameter", "/pair/a;%2F..%2Fb/c/d/e")),
        bad(at("p05_dots_with_a_parameter_behind_a_separator", "/files/x%2F..;y/a")),
        bad(at("p05_dots_are_never_admitted", "/files/..%2Fadmin/x")),
        bad(at("p05_plain_dots_are_never_admitted", "/files/../strict/x")),
        bad(at("p05_double_encoding_is_never_admitted", "/files/a%252fb")),
        bad(at("p05_bad_utf8_is_never_admitted", "/files/%ff%2f")),
        bad(at("p05_control_bytes_are_never_admitted", "/files/a%2f%00")),
        bad(at("p05_parameters_are_not_admitted_with_separators", "/files/a;b/c")),
        at("p05_parameters_where_admitted", "/matrix/a;v=1/b").allow("l-parameters"),
        at("p05_parameters_at_the_end_where_admitted", "/matrix/a;v=1").allow("l-parameters"),
        bad(at("p05_parameters_that_lead_to_another_rule", "/matrix;v=1/a")),
        bad(at("p05_parameters_that_hide_dots", "/matrix/..;/files/admin/x")),
        bad(at("p05_separators_are_not_admitted_with_parameters", "/matrix/a%2fb")),
        at("p05_empty_segments_where_admitted", "/empty//a").allow("l-empty"),
        bad(at("p05_empty_segments_that_lead_to_another_rule", "//empty/a")),
        bad(at("p05_empty_segments_are_not_admitted_with_parameters", "/matrix//a")),
        bad(at("p05_nothing_is_admitted_elsewhere", "/strict/a%2fb")),
        at("p05_the_query_is_free_in_any_case", "/strict/a?b=//;%2f").allow("l-strict"),
        get("p05_separators_where_admitted_and_normalized", "paths-loose-normalized", "/files/x/../a%2fb")
            .seen_as("/files/a%2fb")
            .allow("l-separators"),
        get("p05_merged_by_envoy_there_is_no_oddity_left", "paths-loose-normalized", "//strict//a")
            .seen_as("/strict/a")
            .expect(Expect::allow("l-strict")),
    ]
}
