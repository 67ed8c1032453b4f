//! Wasm plugins share data by `vm_id`: nothing else may have ours.

use std::collections::BTreeSet;

use super::filter::is_svidgate;
use super::finding::Finding;
use super::kinds;
use super::node::Node;
use super::resources::Resources;

/// Looks through the whole of every file for Wasm plugins beside `ours`.
pub(super) fn check(files: &[Resources<'_>], ours: &[Node<'_>], findings: &mut Vec<Finding>) {
    let ids: BTreeSet<&str> = ours.iter().map(|wasm| wasm.string("vm_config.vm_id")).collect();
    let places: BTreeSet<(&str, &str)> = ours.iter().map(|wasm| (wasm.file, wasm.path.as_str())).collect();
    for root in files.iter().flat_map(places_for_wasm) {
        root.each(&mut |node| {
            if node.has("vm_config") && !places.contains(&(node.file, node.path.as_str())) {
                findings.extend(beside(node, &ids));
            }
        });
    }
}

fn places_for_wasm<'a>(file: &Resources<'a>) -> Vec<Node<'a>> {
    let services = file.bootstrap.as_ref().and_then(|bootstrap| bootstrap.get("bootstrap_extensions"));
    file.everything().cloned().chain(services).collect()
}

fn beside(wasm: &Node<'_>, ids: &BTreeSet<&str>) -> Option<Finding> {
    if is_svidgate("", wasm) {
        let what = "an svidgate plugin stands here, where it judges nothing";
        let mend = "list it among the http_filters of a connection manager, with its guard behind it";
        return Some(Finding::new(kinds::PLUGIN_ELSEWHERE, wasm, what, mend));
    }
    let id = wasm.string("vm_config.vm_id");
    ids.contains(id).then(|| {
        let what = match id {
            "" => "neither this other Wasm plugin nor svidgate has a vm_id".to_owned(),
            id => format!("another Wasm plugin has svidgate's vm_id {id:?}"),
        };
        let mend =
            "give each a vm_id of its own; if this is svidgate under another name, write `root_id: svidgate`";
        Finding::new(
            kinds::VM_SHARED,
            &wasm.at("vm_config.vm_id").unwrap_or_else(|| wasm.clone()),
            what,
            mend,
        )
    })
}
