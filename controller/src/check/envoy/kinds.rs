//! Every kind of finding, defined once; docs/check.md explains them one by one.

use super::finding::{Kind, Severity};

macro_rules! kinds {
    ($($name:ident $severity:ident $id:literal $why:literal)*) => {
        $(pub(super) const $name: &Kind = &Kind { id: $id, severity: Severity::$severity, why: $why };)*
        #[cfg(test)]
        pub(super) const ALL: &[&Kind] = &[$($name),*];
    };
}

kinds! {
    NO_PLUGIN Error "no_plugin"
        "Without the plugin nobody's token is looked at."
    PLUGIN_OFF Error "plugin_off"
        "Requests there are not judged: the guard refuses all of them, and without it all of them pass."
    PLUGIN_CONFIG Error "plugin_config"
        "Envoy refuses to start with it, or goes on with the listener that it has."
    PLUGIN_FAIL_OPEN Error "plugin_fail_open"
        "What cannot be judged passes, as when no bundle has come yet: for development only."
    AUDIT_MODE Warning "audit_mode"
        "Audit lets pass what would be refused; it only counts and logs it."
    RULE_UNREACHABLE Warning "rule_unreachable"
        "The first rule that matches decides, so this one never does: what it asks is asked of nobody."
    RULE_OVERLAPS Warning "rule_overlaps"
        "The first rule that matches decides. This one looks closer to these requests, and asks something else."
    RULES_MORE Warning "rules_more"
        "What is not shown or not compared may be a mistake too."
    NAME_SHARED Warning "name_shared"
        "In logs and metrics nobody can tell the two apart, and they count together; behind either one the mark \
            of the other means the same."
    WASM_FAIL_OPEN Error "wasm_fail_open"
        "When the plugin traps or does not load, Envoy lets every request through unverified."
    NO_RELOAD Warning "no_reload"
        "After one trap the worker answers 503 until Envoy is restarted."
    OPTIONAL Error "optional"
        "An Envoy that does not know this filter leaves it out, and goes on without."
    PRECOMPILED Warning "precompiled"
        "Machine code in a Wasm file runs as it is, without V8's checks: it has all of Envoy's rights."
    VM_SHARED Error "vm_shared"
        "Plugins with one vm_id share their data: the other one can say which keys are trusted."
    VM_ID_MISSING Warning "vm_id_missing"
        "Every plugin without a vm_id shares its data with this one, and can say which keys are trusted."
    PLUGIN_ELSEWHERE Warning "plugin_elsewhere"
        "The plugin judges requests only as an HTTP filter of a connection manager."
    PLUGIN_CONDITIONAL Warning "plugin_conditional"
        "A matcher in front of the plugin decides which requests it judges; the guard refuses the others."

    CREDENTIAL_REROUTED Error "credential_rerouted"
        "Envoy chooses the route anew once the header is set: the credential may go to another cluster than the one that \
            its rule names."
    CREDENTIAL_MIRRORED Error "credential_mirrored"
        "The copy of a request has its headers as they are after the plugin: another cluster gets the credential."

    GUARD_MISSING Error "guard_missing"
        "Envoy runs on without a plugin that failed to start on a worker, whatever its failure_policy \
            says. Without a guard every request then passes unverified."
    GUARD_MISPLACED Error "guard_misplaced"
        "The guard sees the plugin's mark only behind it, and keeps a request back only in front of the router."
    GUARD_WEAK Error "guard_weak"
        "This lets requests pass that the plugin did not admit, when it failed to start on a worker."
    GUARD_OFF Error "guard_off"
        "There every request passes unverified when the plugin failed to start on a worker."
    GUARD_SHARED Error "guard_shared"
        "When one of the plugins fails to start, the mark of the other one satisfies both guards."
    GUARD_DISTANT Warning "guard_distant"
        "What stands between plugin and guard sees requests that may not be verified, and may answer them \
            itself."
    MARK_FORGED Error "mark_forged"
        "The mark says that the plugin admitted this request. Set by anyone else it opens the guard."
    UPGRADE_UNJUDGED Error "upgrade_unjudged"
        "An upgrade with filters of its own, such as a websocket, does not go through http_filters."
    NOT_JUDGED Warning "not_judged"
        "Requests that come in there reach services without a token, or with any."

    PATH_NOT_NORMALIZED Error "path_not_normalized"
        "The path that was judged and the one that the service reads can differ: /public/../admin."
    SLASHES_NOT_MERGED Warning "slashes_not_merged"
        "Servers differ in what //admin means; what was judged may not be what is served."
    ESCAPED_SLASHES Warning "escaped_slashes"
        "Servers differ in whether %2F separates segments; what was judged may not be what is served."
    HEADER_UNDERSCORES Warning "header_underscores"
        "Many servers read x_spiffe_id as x-spiffe-id: a client could name itself to them."
    REMOTE_ADDRESS Warning "remote_address"
        "Without use_remote_address Envoy believes the client's x-forwarded-for and x-envoy- headers."
    EARLY_DATA Warning "early_data"
        "Who records 0-RTT data can send it again, token and all."
    TOKEN_LOGGED Warning "token_logged"
        "A token is a password until it expires; whoever reads the log can use it."
    ADMIN_OPEN Warning "admin_open"
        "Whoever reaches the admin port can stop Envoy and read its whole configuration."

    CONTROLLER_MISSING Error "controller_missing"
        "The plugin gets no bundles, and answers every request with 503."
    CONTROLLER_UNTRUSTED Error "controller_untrusted"
        "Anybody on the way could say which keys are trusted."
    CONTROLLER_LOOSE Warning "controller_loose"
        "Whoever can pass for the controller says which keys are trusted."

    PEER_SOURCE Error "peer_source"
        "The plugin learns the TLS peer's URI SANs from filter state; without them no peer has an identity."
    PEER_FORGED Error "peer_forged"
        "A client could name itself: what is set there is taken for the identity of the TLS peer."
    PEER_HEADER Error "peer_header"
        "The plugin reads x-forwarded-client-cert as this Envoy leaves it: other settings remove it, or \
            leave a client's own words."
    PEER_HOPS Warning "peer_hops"
        "This Envoy's own element stands at the right end of the header, and counts as a hop."
    PEER_NO_TLS Error "peer_no_tls"
        "Without TLS there is no peer: rules that ask for one refuse everybody."
    PEER_NOT_VALIDATED Error "peer_not_validated"
        "Anyone can make a certificate with any SPIFFE ID in it; only validation tells who issued it."
    PEER_OPTIONAL Warning "peer_optional"
        "Clients without a certificate come as far as the plugin, and are refused there."
    PEER_PLAIN_CA Warning "peer_plain_ca"
        "With a plain list of CAs the CA of one trust domain can vouch for the SPIFFE IDs of another."

    NOT_GIVEN Warning "not_given"
        "It could not be judged, since it arrives over xDS and is in none of the files given."
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ALL, Severity};

    /// One row of the table for each kind, and none for what is no kind.
    #[test]
    fn every_kind_is_explained_in_the_docs_with_its_severity() {
        let docs = include_str!("../../../../docs/check.md");
        let rows = docs.lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split("` | ");
            Some((cells.next()?, cells.next()?.split(' ').next()?))
        });
        let kinds = ALL.iter().map(|kind| match kind.severity {
            Severity::Error => (kind.id, "error"),
            Severity::Warning => (kind.id, "warning"),
        });
        assert_eq!(rows.collect::<BTreeSet<_>>(), kinds.collect::<BTreeSet<_>>());
    }
}
