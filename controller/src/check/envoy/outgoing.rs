//! Routes around a plugin that puts credentials on requests: where they go must not change once the credential is there.

use serde_json::Value;

use super::filter::is_svidgate;
use super::finding::Finding;
use super::kinds;
use super::node::Node;
use super::plugin::{self, Plugin};
use super::resources::{Resources, Scope};
use super::settings::Settings;

/// Checks the manager's routes, as far as they are given.
pub(super) fn check(
    manager: &Node<'_>,
    plugin: &Plugin<'_>,
    scope: Scope<'_, '_>,
    findings: &mut Vec<Finding>,
) {
    let mut headers = headers(&plugin.settings);
    if headers.is_empty() {
        return;
    }
    if plugin.judges() {
        headers.extend(of_callers(&plugin.settings));
    }
    let given = manager.get("rds").and_then(|rds| scope.routes(rds.string("route_config_name")));
    for routes in manager.get("route_config").into_iter().chain(given) {
        routes.each(&mut |node| {
            for matcher in node.list("match.headers") {
                let name = matcher.string("name").to_ascii_lowercase();
                if headers.contains(&name) {
                    let what = format!("this route looks at {name:?}, which the plugin sets or removes");
                    let mend = "route by something else; or put the plugin into the cluster itself, among `http_filters` of \
                        its HttpProtocolOptions";
                    findings.push(Finding::new(kinds::CREDENTIAL_REROUTED, &matcher, what, mend));
                }
            }
            for mirror in node.list("request_mirror_policies") {
                let what = "this route mirrors requests to another cluster, with the credential";
                let mend = "take it out; or put the plugin into the cluster itself, among `http_filters` of its \
                    HttpProtocolOptions";
                findings.push(Finding::new(kinds::CREDENTIAL_MIRRORED, &mirror, what, mend));
            }
        });
    }
}

/// The plugins of a way out that stand among the filters of a cluster, their settings checked: their other place.
pub(super) fn in_clusters<'a>(files: &[Resources<'a>], findings: &mut Vec<Finding>) -> Vec<Node<'a>> {
    let mut found = Vec::new();
    for cluster in files.iter().flat_map(|file| &file.clusters) {
        cluster.each(&mut |node| {
            let is_ours = node.has("vm_config") && is_svidgate("", node);
            if is_ours && !Settings::of(node).value.get("inbound").is_none_or(Value::is_null) {
                plugin::check_wasm(node, findings);
                found.push(node.clone());
            }
        });
    }
    found
}

/// The headers that it sets or removes where it judges callers, in lower case.
fn of_callers(settings: &Value) -> Vec<String> {
    let upstream = settings.get("upstream").unwrap_or(&Value::Null);
    let named = |name: &str, default: Option<&str>| {
        upstream.get(name).and_then(Value::as_str).or(default).map(str::to_ascii_lowercase)
    };
    let claims = upstream.get("claims").and_then(Value::as_array).into_iter().flatten();
    let claims = claims.filter_map(|claim| Some(claim.get("header")?.as_str()?.to_ascii_lowercase()));
    let own = [
        named("spiffe_id_header", Some("x-spiffe-id")),
        named("trust_domain_header", None),
        named("audit_header", Some("x-svidgate-audit")),
    ];
    let tokens = super::manager::token_headers(settings);
    own.into_iter().flatten().chain(claims).chain(tokens).collect()
}

/// The headers in which its settings put credentials, in lower case.
pub(super) fn headers(settings: &Value) -> Vec<String> {
    let rules = settings.get("outgoing").and_then(Value::as_array).into_iter().flatten();
    let header = |rule: &Value| match rule.get("as")? {
        Value::Object(named) => Some(named.get("header")?.as_str()?.to_ascii_lowercase()),
        _ => Some("authorization".to_owned()),
    };
    rules.filter_map(header).collect()
}
