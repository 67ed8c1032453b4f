use serde_json::Value;

/// A place in an Envoy configuration: a value, and how one gets to it.
///
/// Names are given as in Envoy's protos. A file may spell them in lower camel case too, as protobuf's JSON form does;
/// the path shows the file's own spelling.
#[derive(Clone, Debug)]
pub(super) struct Node<'a> {
    /// The file it stands in.
    pub(super) file: &'a str,
    /// From the root of the file, as `static_resources.listeners[0].name`; empty for the root.
    pub(super) path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    pub(super) fn root(file: &'a str, value: &'a Value) -> Self {
        Self { file, path: String::new(), value }
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// A field; one that is null is none, as in protobuf.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let object = self.value.as_object()?;
        let (spelling, value) =
            object.get_key_value(name).or_else(|| object.get_key_value(&lower_camel(name)))?;
        (!value.is_null()).then(|| self.child(&format!(".{spelling}"), value))
    }

    /// A field below fields: `vm_config.code.local`.
    pub(super) fn at(&self, names: &str) -> Option<Self> {
        names.split('.').try_fold(self.clone(), |node, name| node.get(name))
    }

    pub(super) fn has(&self, names: &str) -> bool {
        self.at(names).is_some()
    }

    /// The items of a list below these fields; none when there is no list.
    pub(super) fn list(&self, names: &str) -> Vec<Self> {
        self.at(names).map(|list| list.items()).unwrap_or_default()
    }

    pub(super) fn items(&self) -> Vec<Self> {
        let items = self.value.as_array().into_iter().flatten().enumerate();
        items.map(|(index, item)| self.child(&format!("[{index}]"), item)).collect()
    }

    /// The entries of a map.
    pub(super) fn entries(&self) -> Vec<(&'a str, Self)> {
        let entries = self.value.as_object().into_iter().flatten();
        entries.map(|(key, value)| (key.as_str(), self.child(&step(key), value))).collect()
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        self.value.as_str()
    }

    /// The text of a field; empty when there is none, as in protobuf.
    pub(super) fn string(&self, names: &str) -> &'a str {
        self.at(names).and_then(|node| node.text()).unwrap_or_default()
    }

    /// Whether a field is set to true, in each way that Envoy reads so: its YAML is 1.1, where `yes` and `on` count.
    pub(super) fn is_true(&self, names: &str) -> bool {
        self.at(names).is_some_and(|node| match node.value {
            Value::Bool(value) => *value,
            Value::String(text) => {
                matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "y")
            }
            _ => false,
        })
    }

    /// The name of an enum's value, which a file may also give as its number; the first is the default.
    pub(super) fn choice(&self, names: &str, choices: &[&'static str]) -> &'a str {
        match self.at(names).map(|node| node.value) {
            Some(Value::String(text)) => text,
            Some(Value::Number(number)) => number
                .as_u64()
                .and_then(|number| choices.get(usize::try_from(number).ok()?))
                .copied()
                .unwrap_or_default(),
            _ => choices.first().copied().unwrap_or_default(),
        }
    }

    /// Shows this node and everything below it, parents first.
    pub(super) fn each(&self, see: &mut dyn FnMut(&Self)) {
        see(self);
        for item in self.items() {
            item.each(see);
        }
        for (_, entry) in self.entries() {
            entry.each(see);
        }
    }

    fn child(&self, step: &str, value: &'a Value) -> Self {
        let path = format!("{}{step}", self.path);
        Self { file: self.file, path: path.strip_prefix('.').unwrap_or(&path).to_owned(), value }
    }
}

/// An extension's configuration with the type that it says it has.
#[derive(Clone, Debug)]
pub(super) struct Typed<'a> {
    /// Full name of the message, without the URL in front.
    pub(super) name: &'a str,
    pub(super) config: Node<'a>,
}

impl<'a> Typed<'a> {
    /// Reads a `google.protobuf.Any`; what is wrapped in a `TypedStruct`, as Istio likes to do, is unwrapped.
    pub(super) fn of(any: &Node<'a>) -> Option<Self> {
        let name = message(any.get("@type")?.text()?);
        if name.ends_with(".TypedStruct") {
            return Some(Self { name: message(any.string("type_url")), config: any.get("value")? });
        }
        Some(Self { name, config: any.clone() })
    }

    pub(super) fn is(&self, name: &str) -> bool {
        self.name == name
    }
}

pub(super) fn message(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

fn lower_camel(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (index, part) in name.split('_').enumerate() {
        let mut chars = part.chars();
        match chars.next() {
            Some(first) if index > 0 => out.push(first.to_ascii_uppercase()),
            Some(first) => out.push(first),
            None => {}
        }
        out.push_str(chars.as_str());
    }
    out
}

fn step(key: &str) -> String {
    let plain = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'@');
    if plain { format!(".{key}") } else { format!("[{key:?}]") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_found_in_both_spellings_and_paths_show_the_file_s() {
        let value = json!({"httpFilters": [{"name": "a"}], "b_c": null, "m": {"x.y": {"z": 1}}});
        let root = Node::root("f", &value);
        assert_eq!(root.list("http_filters").first().unwrap().path, "httpFilters[0]");
        assert!(!root.has("b_c"));
        let entries = root.get("m").unwrap().entries();
        assert_eq!(entries.first().unwrap().1.get("z").unwrap().path, "m[\"x.y\"].z");
    }

    #[test]
    fn booleans_and_enums_are_read_as_envoy_reads_them() {
        let value = json!({"a": true, "b": "yes", "c": "no", "d": 1, "e": 2, "f": "LOG"});
        let root = Node::root("f", &value);
        assert!(root.is_true("a") && root.is_true("b") && !root.is_true("c") && !root.is_true("d"));
        let actions = ["ALLOW", "DENY", "LOG"];
        assert_eq!(root.choice("e", &actions), "LOG");
        assert_eq!(root.choice("f", &actions), "LOG");
        assert_eq!(root.choice("absent", &actions), "ALLOW");
    }
}
