//! The guard: Envoy's RBAC filter behind the plugin, which admits only requests with the plugin's mark.

use super::filter::{Filter, RBAC, ROUTER};
use super::finding::Finding;
use super::kinds;
use super::node::Node;
use super::plugin::Plugin;

/// Checks that a guard for this plugin stands behind it and is as strong as it must be. Returns what stands guard,
/// weak ones too, so that overrides of it can be looked for.
pub(super) fn check<'f, 'a>(
    plugin: &Plugin<'a>,
    filters: &'f [Filter<'a>],
    findings: &mut Vec<Finding>,
) -> Vec<&'f Filter<'a>> {
    let router = filters.iter().position(|filter| filter.is(ROUTER)).unwrap_or(filters.len());
    let guards: Vec<(usize, &Filter<'_>, Strength)> = filters
        .iter()
        .enumerate()
        .filter_map(|(index, filter)| Some((index, filter, Strength::of(filter.config(RBAC)?, plugin))))
        .filter(|(_, _, strength)| !matches!(strength, Strength::None))
        .collect();
    let behind: Vec<_> = guards.iter().filter(|(index, ..)| (plugin.index..router).contains(index)).collect();
    let strong = behind.iter().find(|(_, filter, strength)| {
        matches!(strength, Strength::Full) && !filter.is_disabled() && !filter.conditional
    });
    // One behind another plugin belongs to that one.
    let strayed = guards
        .iter()
        .find(|(index, ..)| !filters.iter().take(*index).any(Filter::is_plugin) || *index > router);
    match (strong, behind.first(), strayed) {
        (Some((index, guard, _)), ..) => {
            distance(plugin, filters.get(plugin.index..*index).unwrap_or_default(), findings);
            optional(guard, findings);
        }
        (None, Some((_, guard, strength)), _) => {
            weak(guard, strength, plugin, findings);
            optional(guard, findings);
        }
        (None, None, Some((index, guard, _))) => findings.push(misplaced(plugin, guard, *index > router)),
        (None, None, None) => missing(plugin, filters, findings),
    }
    behind.into_iter().map(|(_, guard, _)| *guard).collect()
}

/// The guard as it should be, to copy.
pub(super) fn snippet(mark: &str) -> String {
    format!(
        "- name: svidgate-guard
  typed_config:
    \"@type\": type.googleapis.com/{RBAC}
    rules:
      action: ALLOW
      policies:
        verified-by-svidgate:
          permissions: [{{any: true}}]
          principals:
            - filter_state: {{key: {mark}, string_match: {{exact: verified}}}}"
    )
}

/// What an RBAC filter keeps back.
#[derive(Debug)]
pub(super) enum Strength {
    /// Everything without the mark.
    Full,
    /// It looks at the mark, and lets more pass.
    Weak(Vec<Finding>),
    /// It does not look at this plugin's mark.
    None,
}

impl Strength {
    pub(super) fn of(rbac: &Node<'_>, plugin: &Plugin<'_>) -> Self {
        let mut looks = false;
        rbac.each(&mut |node| looks |= is_mark_of(node, plugin));
        if !looks {
            return Self::None;
        }
        let weaknesses = weaknesses(rbac, plugin);
        if weaknesses.is_empty() { Self::Full } else { Self::Weak(weaknesses) }
    }
}

fn weaknesses(rbac: &Node<'_>, plugin: &Plugin<'_>) -> Vec<Finding> {
    let weak = |node: &Node<'_>, what: &str, mend: &str| Finding::new(kinds::GUARD_WEAK, node, what, mend);
    if let Some(matcher) = rbac.get("matcher") {
        let what = "Envoy ignores `rules` beside a `matcher`";
        return vec![weak(&matcher, what, &like_this(plugin, "write the guard with `rules` alone:"))];
    }
    let Some(rules) = rbac.get("rules") else {
        let shadow = rbac.get("shadow_rules").unwrap_or_else(|| rbac.clone());
        let what = "`shadow_rules` only count what they would refuse, and refuse nothing";
        return vec![weak(&shadow, what, "call it `rules` instead of `shadow_rules`")];
    };
    let action = rules.choice("action", &["ALLOW", "DENY", "LOG"]);
    if action != "ALLOW" {
        let node = rules.get("action").unwrap_or_else(|| rules.clone());
        let what = match action {
            "LOG" => "action LOG lets every request pass",
            _ => "this action refuses the requests that its policies match, and lets all others pass",
        };
        return vec![weak(&node, what, &like_this(plugin, "write `action: ALLOW`, with one policy:"))];
    }
    let policies = rules.get("policies").map(|policies| policies.entries()).unwrap_or_default();
    policies.iter().flat_map(|(_, policy)| policy.list("principals")).filter_map(|principal| {
        (!demands_mark(&principal, plugin)).then(|| {
            let what = format!("this principal {}", excess(&principal, plugin));
            let mend = format!(
                "principals of the guard are exactly this one; take the others, and other policies, out:\n\
                 - filter_state: {{key: {}, string_match: {{exact: verified}}}}\nRules of your own belong into \
                 the plugin's `rules`, or into another RBAC filter behind the guard.",
                plugin.mark_or_default()
            );
            weak(&principal, &what, &mend)
        })
    }).collect()
}

/// Whether who matches this principal has the mark, for sure.
fn demands_mark(principal: &Node<'_>, plugin: &Plugin<'_>) -> bool {
    let set = |name: &str| principal.list(&format!("{name}.ids"));
    if let Some(state) = principal.get("filter_state") {
        return plugin.has_mark(state.string("key")) && state.string("string_match.exact") == VERIFIED;
    }
    let (all, any) = (set("and_ids"), set("or_ids"));
    all.iter().any(|id| demands_mark(id, plugin))
        || (!any.is_empty() && any.iter().all(|id| demands_mark(id, plugin)))
}

fn excess(principal: &Node<'_>, plugin: &Plugin<'_>) -> String {
    if let Some(state) = principal.get("filter_state") {
        let key = state.string("key");
        if plugin.has_mark(key) {
            return "matches more than the exact text `verified`".to_owned();
        }
        return format!("looks at {key:?}; this plugin's mark is {:?}", plugin.mark_or_default());
    }
    match principal.entries().first() {
        Some(("any", _)) => "lets everybody in".to_owned(),
        Some((field, _)) => format!("(`{field}`) lets requests in that do not have the plugin's mark"),
        None => "lets requests in that do not have the plugin's mark".to_owned(),
    }
}

fn is_mark_of(node: &Node<'_>, plugin: &Plugin<'_>) -> bool {
    node.get("filter_state").is_some_and(|state| plugin.has_mark(state.string("key")))
}

fn weak(guard: &Filter<'_>, strength: &Strength, plugin: &Plugin<'_>, findings: &mut Vec<Finding>) {
    if guard.is_disabled() {
        let node = guard.node.get("disabled").unwrap_or_else(|| guard.node.clone());
        findings.push(Finding::new(kinds::GUARD_OFF, &node, "the guard is disabled", "take `disabled` out"));
    }
    if guard.conditional {
        let what = "a matcher decides for which requests the guard runs";
        let mend = like_this(plugin, "put the guard there without a matcher:");
        findings.push(Finding::new(kinds::GUARD_WEAK, &guard.node, what, mend));
    }
    if let Strength::Weak(weaknesses) = strength {
        findings.extend(weaknesses.iter().cloned());
    }
}

fn misplaced(plugin: &Plugin<'_>, guard: &Filter<'_>, behind_router: bool) -> Finding {
    let (what, mend) = if behind_router {
        (
            "the guard stands behind the router, which no request passes",
            "right behind the plugin, before the router",
        )
    } else {
        ("the guard stands before the plugin, where no request has the mark yet", "right behind the plugin")
    };
    let plugin = &plugin.node.path;
    Finding::new(kinds::GUARD_MISPLACED, &guard.node, what, format!("move it {mend}: behind {plugin}"))
}

fn missing(plugin: &Plugin<'_>, filters: &[Filter<'_>], findings: &mut Vec<Finding>) {
    let behind = || filters.iter().skip(plugin.index.saturating_add(1));
    if let Some(unknown) = behind().find(|filter| filter.body.is_none() && filter.is(RBAC)) {
        let what = format!(
            "the RBAC filter {:?} arrives over ECDS; whether it is the guard cannot be seen",
            unknown.name
        );
        findings.push(Finding::new(
            kinds::NOT_GIVEN,
            &unknown.node,
            what,
            "give the ECDS response too, with another --envoy",
        ));
        return;
    }
    // A guard of another instance is the likeliest reason, and the least visible one.
    let mut others = Vec::new();
    for rbac in behind().filter_map(|filter| filter.config(RBAC)) {
        rbac.each(&mut |node| others.extend(node.at("filter_state.key").filter(|key| is_some_mark(key))));
    }
    let (node, what) = match others.first() {
        Some(key) => (
            key,
            format!(
                "the guard looks at {:?}, but this plugin's mark is {:?}",
                key.text().unwrap_or_default(),
                plugin.mark_or_default()
            ),
        ),
        None => (&plugin.node, "the plugin has no guard behind it".to_owned()),
    };
    findings.push(Finding::new(
        kinds::GUARD_MISSING,
        node,
        what,
        like_this(plugin, "put this right behind the plugin:"),
    ));
}

fn is_some_mark(key: &Node<'_>) -> bool {
    let detail = ["_spiffe_id", "_rule", "_reason", "_outgoing", "_outgoing_header"];
    key.text().is_some_and(|key| {
        key.starts_with(super::plugin::MARK) && !detail.iter().any(|suffix| key.ends_with(suffix))
    })
}

fn distance(plugin: &Plugin<'_>, between: &[Filter<'_>], findings: &mut Vec<Finding>) {
    for filter in between.iter().skip(1).filter(|filter| !filter.is(RBAC) && !filter.is_plugin()) {
        let what = format!("the filter {:?} stands between the plugin and its guard", filter.name);
        let mend = format!("move it behind the guard, or before {}", plugin.node.path);
        findings.push(Finding::new(kinds::GUARD_DISTANT, &filter.node, what, mend));
    }
}

fn optional(guard: &Filter<'_>, findings: &mut Vec<Finding>) {
    if let Some(node) = guard.node.get("is_optional").filter(|_| guard.node.is_true("is_optional")) {
        findings.push(Finding::new(
            kinds::OPTIONAL,
            &node,
            "the guard is optional",
            "take `is_optional` out",
        ));
    }
}

fn like_this(plugin: &Plugin<'_>, lead: &str) -> String {
    format!("{lead}\n{}", snippet(plugin.mark_or_default()))
}

const VERIFIED: &str = "verified";
