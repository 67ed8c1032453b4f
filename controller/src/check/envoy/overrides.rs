//! Routes may switch filters off, or give them other settings: `typed_per_filter_config`.

use super::filter::Filter;
use super::finding::Finding;
use super::guard::{self, Strength};
use super::kinds;
use super::node::{Node, Typed};
use super::plugin::Plugin;
use super::resources::Scope;

/// Checks what the manager's routes do to the plugin and to its guards.
pub(super) fn check(
    manager: &Node<'_>,
    plugin: &Plugin<'_>,
    guards: &[&Filter<'_>],
    scope: Scope<'_, '_>,
    findings: &mut Vec<Finding>,
) {
    for place in ["route_config", "scoped_routes.scoped_route_configurations_list"] {
        if let Some(routes) = manager.at(place) {
            check_routes(&routes, plugin, guards, findings);
        }
    }
    if let Some(scoped) = manager.at("scoped_routes.scoped_rds") {
        findings.push(not_given(
            &scoped,
            "the routes arrive over scoped RDS; whether they switch the \
            plugin or its guard off cannot be seen",
        ));
    }
    if let Some(rds) = manager.get("rds") {
        let name = rds.string("route_config_name");
        match scope.routes(name) {
            Some(routes) => check_routes(&routes, plugin, guards, findings),
            None => {
                let what = format!(
                    "the routes {name:?} arrive over RDS; whether they switch the plugin or its guard off \
                        cannot be seen"
                );
                findings.push(not_given(&rds, &what));
            }
        }
    }
}

/// On route configuration, virtual host, route or weighted cluster: wherever it stands, it has the same form.
fn check_routes(routes: &Node<'_>, plugin: &Plugin<'_>, guards: &[&Filter<'_>], findings: &mut Vec<Finding>) {
    if let Some(vhds) = routes.get("vhds") {
        let what =
            "virtual hosts arrive over VHDS; whether they switch the plugin or its guard off cannot be seen";
        findings.push(Finding::new(
            kinds::NOT_GIVEN,
            &vhds,
            what,
            "check a dump of the admin interface instead",
        ));
    }
    routes.each(&mut |node| {
        let overrides = node.get("typed_per_filter_config").map(|map| map.entries()).unwrap_or_default();
        for (name, any) in overrides {
            let Some(change) = Override::of(&any) else { continue };
            if name == plugin.name {
                findings.extend(of_plugin(&any, &change));
            }
            if guards.iter().any(|guard| guard.name == name) {
                findings.extend(of_guard(&any, &change, plugin));
            }
        }
    });
}

#[derive(Debug)]
enum Override<'a> {
    Off,
    Settings(Typed<'a>),
}

impl<'a> Override<'a> {
    /// None when nothing changes, as in a `FilterConfig` that only switches the filter on.
    fn of(any: &Node<'a>) -> Option<Self> {
        let typed = Typed::of(any)?;
        if !typed.is(FILTER_CONFIG) {
            return Some(Self::Settings(typed));
        }
        if typed.config.is_true("disabled") {
            return Some(Self::Off);
        }
        Typed::of(&typed.config.get("config")?).map(Self::Settings)
    }
}

fn of_plugin(at: &Node<'_>, change: &Override<'_>) -> Option<Finding> {
    let what = match change {
        Override::Off => "the plugin is disabled here",
        Override::Settings(_) => "the plugin gets other settings here",
    };
    let mend = "take it out; the plugin's own `rules` tell requests apart, and `require: none` lets chosen \
        ones pass";
    Some(Finding::new(kinds::PLUGIN_OFF, at, what, mend))
}

fn of_guard(at: &Node<'_>, change: &Override<'_>, plugin: &Plugin<'_>) -> Vec<Finding> {
    let off = |what: &str| vec![Finding::new(kinds::GUARD_OFF, at, what, "take it out")];
    match change {
        Override::Off => off("the guard is disabled here"),
        Override::Settings(typed) => match typed.config.get("rbac") {
            None => off("the guard is disabled here: an RBACPerRoute without `rbac` switches it off"),
            Some(rbac) => match Strength::of(&rbac, plugin) {
                Strength::Full => Vec::new(),
                Strength::Weak(weaknesses) => weaknesses,
                Strength::None => {
                    let mend = format!(
                        "take it out, and put rules of your own into another RBAC filter; the guard stays\n{}",
                        guard::snippet(plugin.mark_or_default())
                    );
                    vec![Finding::new(
                        kinds::GUARD_WEAK,
                        at,
                        "other rules take the place of the guard's here",
                        mend,
                    )]
                }
            },
        },
    }
}

fn not_given(at: &Node<'_>, what: &str) -> Finding {
    Finding::new(kinds::NOT_GIVEN, at, what, "give the RDS response too, or a dump, with another --envoy")
}

const FILTER_CONFIG: &str = "envoy.config.route.v3.FilterConfig";
