//! Listeners: finds the connection managers in them and checks those that a plugin stands in.

use super::filter::Filter;
use super::finding::Finding;
use super::node::{Node, Typed};
use super::plugin::{self, MARK, Plugin};
use super::resources::{Lookup, Resources, Scope};
use super::{cluster, guard, kinds, manager, mtls, outgoing, overrides};

/// A connection manager and what it stands in.
#[derive(Debug)]
pub(super) struct Manager<'a> {
    pub(super) node: Node<'a>,
    /// None for one that stands alone, or in an API listener.
    pub(super) chain: Option<Node<'a>>,
    pub(super) listener: Option<Node<'a>>,
}

impl<'a> Manager<'a> {
    /// Every one of a file.
    pub(super) fn list(resources: &Resources<'a>) -> Vec<Self> {
        let alone = |node: &Node<'a>| Self { node: node.clone(), chain: None, listener: None };
        let mut managers: Vec<_> = resources.managers.iter().map(alone).collect();
        for listener in &resources.listeners {
            let chains =
                listener.list("filter_chains").into_iter().chain(listener.get("default_filter_chain"));
            for chain in chains {
                let filters = chain.list("filters");
                let typed = filters.iter().filter_map(|filter| Typed::of(&filter.get("typed_config")?));
                managers.extend(typed.filter(|typed| typed.is(MANAGER)).map(|typed| Self {
                    node: typed.config,
                    chain: Some(chain.clone()),
                    listener: Some(listener.clone()),
                }));
            }
            let api = listener.at("api_listener.api_listener").and_then(|any| Typed::of(&any));
            managers.extend(api.filter(|typed| typed.is(MANAGER)).map(|typed| alone(&typed.config)));
        }
        managers
    }

    /// Whether it takes requests from outside, as far as the configuration says.
    fn is_inbound(&self) -> bool {
        let direction = self
            .listener
            .as_ref()
            .map(|listener| listener.choice("traffic_direction", &["UNSPECIFIED", "INBOUND", "OUTBOUND"]));
        direction != Some("OUTBOUND")
    }

    /// The upgrades that go through filters of their own.
    fn upgrades(&self) -> Vec<Node<'a>> {
        let configs = self.node.list("upgrade_configs").into_iter();
        configs.filter(|upgrade| !upgrade.list("filters").is_empty()).collect()
    }
}

/// Checks every connection manager of a file. Returns the Wasm configurations of the plugins in them.
pub(super) fn check<'a>(scope: Scope<'a, '_>, findings: &mut Vec<Finding>) -> Vec<Node<'a>> {
    let mut plugins = Vec::new();
    let mut others = Vec::new();
    for manager in Manager::list(scope.own) {
        let filters = Filter::list(&manager.node, scope);
        let found = Plugin::list(&filters);
        if found.is_empty() {
            others.push(manager);
            continue;
        }
        check_chain(&manager, &filters, &found, scope, findings);
        manager::check(&manager, &found, findings);
        if !found.iter().any(Plugin::judges) && manager.is_inbound() {
            findings.push(way_out_on_the_way_in(&manager));
        }
        check_upgrades(&manager, scope, findings);
        plugins.extend(found.into_iter().map(|plugin| plugin.wasm.unwrap_or(plugin.node)));
    }
    for listener in &scope.own.listeners {
        findings.extend(listener.get("fcds_config").map(|fcds| {
            let what = "filter chains of this listener arrive over xDS, and cannot be seen";
            Finding::new(kinds::NOT_GIVEN, &fcds, what, "check a dump of the admin interface instead")
        }));
    }
    if !plugins.is_empty() {
        findings.extend(others.iter().filter(|manager| manager.is_inbound()).map(not_judged));
    }
    plugins
}

fn check_chain<'a>(
    manager: &Manager<'a>,
    filters: &[Filter<'a>],
    plugins: &[Plugin<'a>],
    scope: Scope<'a, '_>,
    findings: &mut Vec<Finding>,
) {
    for plugin in plugins {
        if let Some(filter) = filters.get(plugin.index) {
            plugin::check_filter(filter, findings);
        }
        if let Some(wasm) = &plugin.wasm {
            plugin::check_wasm(wasm, findings);
            check_cluster(plugin, wasm, scope, findings);
            if plugin.judges() {
                mtls::check(manager, plugin, filters, findings);
            }
        }
        outgoing::check(&manager.node, plugin, scope, findings);
        if !plugin.judges() {
            continue;
        }
        let guards = guard::check(plugin, filters, findings);
        overrides::check(&manager.node, plugin, &guards, scope, findings);
    }
    shared_marks(plugins, findings);
    forged_marks(manager, filters, findings);
}

fn check_cluster(plugin: &Plugin<'_>, wasm: &Node<'_>, scope: Scope<'_, '_>, findings: &mut Vec<Finding>) {
    let name = plugin.cluster();
    let at = wasm.get("configuration").unwrap_or_else(|| wasm.clone());
    match scope.cluster(name) {
        Lookup::Found(found) => cluster::check(&found, findings),
        Lookup::Missing => {
            let what = format!("controller.cluster: Envoy has no cluster {name:?}");
            let mend = format!("add it to static_resources.clusters:\n{}", cluster::snippet(name));
            findings.push(Finding::new(kinds::CONTROLLER_MISSING, &at, what, mend));
        }
        Lookup::NotGiven => {
            let what = format!("controller.cluster: the cluster {name:?} is not in the files given");
            let mend =
                "give the file that has it too (bootstrap, CDS response or dump), with another --envoy";
            findings.push(Finding::new(kinds::NOT_GIVEN, &at, what, mend));
        }
    }
}

fn shared_marks(plugins: &[Plugin<'_>], findings: &mut Vec<Finding>) {
    for (index, plugin) in plugins.iter().enumerate() {
        let twin = plugins.iter().take(index).find(|twin| twin.has_mark(plugin.mark_or_default()));
        if let Some(twin) = twin {
            let what = format!("it sets the same mark {:?} as {}", plugin.mark_or_default(), twin.node.path);
            let mend = "use one plugin a chain; or give each a `name` of its own in its settings, and \
                behind each its guard";
            findings.push(Finding::new(kinds::GUARD_SHARED, &plugin.node, what, mend));
        }
    }
}

/// By the connection's filters too: what they set holds for each of its requests.
fn forged_marks(manager: &Manager<'_>, filters: &[Filter<'_>], findings: &mut Vec<Finding>) {
    let network = manager.chain.iter().flat_map(|chain| chain.list("filters"));
    let network = network.filter_map(|filter| Typed::of(&filter.get("typed_config")?));
    let others =
        network.filter(|typed| !typed.is(MANAGER)).chain(filters.iter().filter_map(|f| f.body.clone()));
    for config in others.map(|typed| typed.config) {
        config.each(&mut |node| {
            let key = node.string("object_key");
            if key.starts_with(MARK) {
                let what = format!("this filter sets the plugin's mark {key:?} itself");
                findings.push(Finding::new(kinds::MARK_FORGED, node, what, "take it out"));
            }
        });
    }
}

fn check_upgrades<'a>(manager: &Manager<'a>, scope: Scope<'a, '_>, findings: &mut Vec<Finding>) {
    for upgrade in manager.upgrades() {
        let filters: Vec<_> = upgrade.list("filters").iter().map(|node| Filter::read(node, scope)).collect();
        let plugins = Plugin::list(&filters);
        if plugins.is_empty() {
            let what = format!(
                "upgrades to {:?} have filters of their own, without the plugin",
                upgrade.string("upgrade_type")
            );
            let mend = "take `filters` out, or put the plugin and its guard there too";
            findings.push(Finding::new(kinds::UPGRADE_UNJUDGED, &upgrade, what, mend));
        } else {
            check_chain(manager, &filters, &plugins, scope, findings);
        }
    }
}

fn way_out_on_the_way_in(manager: &Manager<'_>) -> Finding {
    let what = "callers of this listener are not judged: its plugin has `inbound: not_judged`";
    let mend = "on a way out, write `traffic_direction: OUTBOUND` on the listener; on a way in, give the plugin `rules` \
        instead, and a guard";
    Finding::new(kinds::NOT_JUDGED, &manager.node, what, mend)
}

fn not_judged(manager: &Manager<'_>) -> Finding {
    let name = manager.listener.as_ref().map(|listener| listener.string("name")).unwrap_or_default();
    let what =
        format!("the plugin stands in other connection managers, but not in this one (listener {name:?})");
    let mend = "put the plugin and its guard there too, if clients can reach it";
    Finding::new(kinds::NOT_JUDGED, &manager.node, what, mend)
}

pub(super) const MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
