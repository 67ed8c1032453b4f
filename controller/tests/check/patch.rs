//! Changes to a configuration, at paths as `svidgate check` writes them.

use serde_json::Value;

/// What `~` stands for.
pub(crate) const MANAGER: &str = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";

pub(crate) struct Patch {
    path: String,
    change: Change,
}

enum Change {
    Set(Value),
    Remove,
    Insert(usize, Value),
}

pub(crate) fn set(path: &str, value: &Value) -> Patch {
    Patch { path: path.to_owned(), change: Change::Set(value.clone()) }
}

pub(crate) fn remove(path: &str) -> Patch {
    Patch { path: path.to_owned(), change: Change::Remove }
}

/// Into the list at this path.
pub(crate) fn insert(path: &str, index: usize, value: &Value) -> Patch {
    Patch { path: path.to_owned(), change: Change::Insert(index, value.clone()) }
}

pub(crate) fn patched(config: &Value, patches: &[Patch]) -> Value {
    let mut config = config.clone();
    for patch in patches {
        let steps = steps(&patch.path);
        let (last, parents) = steps.split_last().unwrap();
        let parent = parents.iter().fold(&mut config, |node, step| match step {
            Step::Field(name) => node.get_mut(name).unwrap_or_else(|| panic!("no {name} in {}", patch.path)),
            Step::Item(index) => &mut node[*index],
        });
        match (&patch.change, last) {
            (Change::Set(value), Step::Field(name)) => parent[name] = value.clone(),
            (Change::Set(value), Step::Item(index)) => parent[*index] = value.clone(),
            (Change::Remove, Step::Field(name)) => {
                parent.as_object_mut().unwrap().remove(name).unwrap();
            }
            (Change::Remove, Step::Item(index)) => {
                parent.as_array_mut().unwrap().remove(*index);
            }
            (Change::Insert(index, value), Step::Field(name)) => {
                parent[name].as_array_mut().unwrap().insert(*index, value.clone());
            }
            (Change::Insert(..), Step::Item(_)) => panic!("insert into the list: {}", patch.path),
        }
    }
    config
}

enum Step {
    Field(String),
    Item(usize),
}

fn steps(path: &str) -> Vec<Step> {
    let path = path.replace('~', MANAGER);
    let mut steps = Vec::new();
    for part in path.split(['.', '[']).filter(|part| !part.is_empty()) {
        let part = part.trim_end_matches(']');
        steps.push(match part.parse() {
            Ok(index) => Step::Item(index),
            Err(_) => Step::Field(part.trim_matches('"').to_owned()),
        });
    }
    steps
}
