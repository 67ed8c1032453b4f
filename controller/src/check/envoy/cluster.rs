//! The way to the controller: whoever answers there says which keys are trusted.

use super::finding::Finding;
use super::kinds;
use super::node::{Node, Typed};

pub(super) fn check(cluster: &Node<'_>, findings: &mut Vec<Finding>) {
    let name = cluster.string("name");
    let socket = cluster.get("transport_socket").and_then(|socket| Typed::of(&socket.get("typed_config")?));
    if let Some(tls) = socket.filter(|typed| typed.is(UPSTREAM_TLS)) {
        return check_tls(name, &tls.config, findings);
    }
    let endpoints = endpoints(cluster);
    if endpoints.is_empty() {
        let what = format!("where the cluster {name:?} leads to cannot be seen, and it has no TLS");
        findings.push(Finding::new(
            kinds::CONTROLLER_LOOSE,
            cluster,
            what,
            format!("write it so:\n{}", snippet(name)),
        ));
    }
    for address in endpoints {
        match address.at("pipe.path") {
            // No file, so no folder whose rights keep others out.
            Some(path) if path.text().is_some_and(|path| path.starts_with('@')) => {
                let what = "an abstract socket belongs to whoever takes its name first";
                let mend = format!(
                    "use a socket in a folder that only the controller's user can write to:\n{}",
                    snippet(name)
                );
                findings.push(Finding::new(kinds::CONTROLLER_UNTRUSTED, &path, what, mend));
            }
            Some(_) => {}
            None => {
                let what = format!("the cluster {name:?} leads to the controller over plain TCP");
                let mend = format!(
                    "use the controller's Unix socket, or TLS with certificates on both sides:\n{}",
                    snippet(name)
                );
                findings.push(Finding::new(kinds::CONTROLLER_UNTRUSTED, &address, what, mend));
            }
        }
    }
}

pub(super) fn snippet(name: &str) -> String {
    format!(
        "- name: {name}
  type: STATIC
  connect_timeout: 1s
  load_assignment:
    cluster_name: {name}
    endpoints:
      - lb_endpoints:
          - endpoint: {{address: {{pipe: {{path: {}}}}}}}",
        crate::config::DEFAULT_SERVER_SOCKET
    )
}

fn check_tls(name: &str, tls: &Node<'_>, findings: &mut Vec<Finding>) {
    let common = tls.get("common_tls_context").unwrap_or_else(|| tls.clone());
    let inline = [
        common.get("validation_context"),
        common.at("combined_validation_context.default_validation_context"),
    ];
    let over_sds = common.has("validation_context_sds_secret_config")
        || common.has("combined_validation_context.validation_context_sds_secret_config");
    let inline: Vec<_> = inline.into_iter().flatten().collect();
    if !over_sds && !inline.iter().any(super::mtls::validates) {
        let what = format!("TLS to the controller (cluster {name:?}) accepts any certificate");
        let mend = "give it a validation_context with the CA, and match_typed_subject_alt_names with the \
            controller's SPIFFE ID";
        findings.push(Finding::new(kinds::CONTROLLER_UNTRUSTED, &common, what, mend));
    } else if !inline.iter().any(|context| context.has("match_typed_subject_alt_names")) {
        let what = format!("TLS to the controller (cluster {name:?}) accepts every certificate of the CA");
        let mend =
            "add match_typed_subject_alt_names with the controller's SPIFFE ID to its validation context";
        findings.push(Finding::new(kinds::CONTROLLER_LOOSE, &common, what, mend));
    }
    let certificates =
        ["tls_certificates", "tls_certificate_sds_secret_configs", "tls_certificate_provider_instance"];
    if !certificates.iter().any(|field| common.has(field)) {
        let what = format!("Envoy shows no certificate of its own to the controller (cluster {name:?})");
        let mend = "add tls_certificate_sds_secret_configs, or use the controller's Unix socket";
        findings.push(Finding::new(kinds::CONTROLLER_LOOSE, &common, what, mend));
    }
}

fn endpoints<'a>(cluster: &Node<'a>) -> Vec<Node<'a>> {
    let localities = cluster.list("load_assignment.endpoints");
    let endpoints = localities.iter().flat_map(|locality| locality.list("lb_endpoints"));
    endpoints.filter_map(|endpoint| endpoint.at("endpoint.address")).collect()
}

const UPSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
