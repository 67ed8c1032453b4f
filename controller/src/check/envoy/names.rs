//! Plugins with different settings need names of their own: one `vm_id` and one `name` are one instance to everybody else.

use super::finding::Finding;
use super::kinds;
use super::node::Node;
use super::settings::Settings;

/// Compares each of `ours`, Envoy's `PluginConfig`s, with those before it. Plugins in one chain are told as
/// `guard_shared`, which is worse.
pub(super) fn check(ours: &[Node<'_>], findings: &mut Vec<Finding>) {
    let mut known: Vec<(&Node<'_>, Settings<'_>)> = Vec::new();
    for wasm in ours.iter().filter(|wasm| wasm.has("configuration")) {
        let settings = Settings::of(wasm);
        if settings.value.is_null() {
            continue;
        }
        let twin = known.iter().find(|(other, of_other)| {
            other.string("vm_config.vm_id") == wasm.string("vm_config.vm_id")
                && name(of_other) == name(&settings)
                && of_other.value != settings.value
                && chain(other) != chain(wasm)
        });
        if let Some((other, _)) = twin {
            let named = match name(&settings) {
                "" => "neither of the two has a `name`".to_owned(),
                name => format!("both have the `name` {name:?}"),
            };
            let what = format!("{} has the same vm_id and other settings, and {named}", place(other, wasm));
            let mend = "give each a `name` of its own in its settings, and to its guard the mark with that name \
                        (`wasm.svidgate_NAME`); or give both the same settings, with a rule for each host";
            findings.push(Finding::new(kinds::NAME_SHARED, settings.at.as_ref().unwrap_or(wasm), what, mend));
        }
        known.push((wasm, settings));
    }
}

fn name<'s>(settings: &'s Settings<'_>) -> &'s str {
    settings.value.get("name").and_then(serde_json::Value::as_str).unwrap_or_default()
}

/// The list of HTTP filters that a plugin stands in.
fn chain<'n>(wasm: &'n Node<'_>) -> (&'n str, &'n str) {
    let lists = ["http_filters[", "httpFilters["];
    let end = lists.iter().find_map(|list| wasm.path.rfind(list)).unwrap_or(wasm.path.len());
    (wasm.file, wasm.path.get(..end).unwrap_or_default())
}

fn place(other: &Node<'_>, wasm: &Node<'_>) -> String {
    if other.file == wasm.file { other.path.clone() } else { format!("{} of {}", other.path, other.file) }
}
