use std::fmt::Write as _;

use svidgate_config::{Constraint, FieldSchema, ObjectSchema, Presence, Schema};

use super::Settings;
use crate::config::VARIABLES;

/// The reference of all settings: `docs/configuration.md`.
pub(super) fn reference() -> String {
    let mut page = INTRODUCTION.to_owned();
    push(&mut page, &format!("## The plugin\n\n{PLUGIN}\n\n```json\n{}```", EXAMPLE));
    object(&mut page, "Plugin", "", &Settings::Plugin.schema());
    push(&mut page, &format!("## The controller\n\n{CONTROLLER}\n\n```yaml\n{}```", CONTROLLER_EXAMPLE));
    object(&mut page, "Controller", "", &Settings::Controller.schema());
    push(&mut page, "### Controller: environment\n\nThese override the file; an empty one counts as unset.");
    let mut table = "| variable | setting |\n| --- | --- |".to_owned();
    for variable in VARIABLES {
        let _ = write!(table, "\n| `{}` | `{}` |", variable.name, variable.setting());
    }
    push(&mut page, &table);
    page
}

/// The table of an object, then those of the objects inside.
fn object(page: &mut String, whose: &str, path: &str, schema: &Schema) {
    let Schema::Object(ObjectSchema { fields, constraints }) = schema else { return };
    let mut table = "| setting | form | default | what it is for |\n| --- | --- | --- | --- |".to_owned();
    for field in fields {
        let default = match &field.presence {
            Presence::Required => "**required**".to_owned(),
            Presence::Optional => "–".to_owned(),
            Presence::Default(value) => format!("`{value}`"),
        };
        let path = inner_path(path, field);
        let form = form(whose, &path, &field.schema);
        let row = [format!("`{}`", field.name), form, default, field.about.to_owned()];
        let _ = write!(table, "\n| {} |", row.map(|cell| cell.replace('|', "\\|")).join(" | "));
    }
    push(page, &table);
    for constraint in constraints {
        push(page, &in_words(constraint));
    }
    for field in fields {
        let path = inner_path(path, field);
        for inner in objects(&field.schema) {
            push(page, &format!("### {whose}: `{path}`"));
            push(page, field.about);
            object(page, whose, &path, inner);
        }
    }
}

/// The objects with a table of their own that a value may be or hold.
fn objects(schema: &Schema) -> Vec<&Schema> {
    match schema {
        Schema::Object(_) => vec![schema],
        Schema::List { item, .. } => objects(item),
        Schema::Map { value, .. } => objects(value),
        Schema::Either(choices) => choices.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

fn form(whose: &str, path: &str, schema: &Schema) -> String {
    match schema {
        Schema::Any => "any value".to_owned(),
        Schema::Boolean => "`true` or `false`".to_owned(),
        Schema::Integer(range) => format!("whole number from {} to {}", range.start(), range.end()),
        Schema::Number(range) => format!("number from {} to {}", range.start(), range.end()),
        Schema::Text { form, .. } => form.clone(),
        Schema::Choice(names) => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
        Schema::List { item, most, .. } => {
            let most = most.map(|most| format!(", at most {most}")).unwrap_or_default();
            format!("list of: {}{most}", form(whose, path, item))
        }
        Schema::Map { key, value } => {
            format!("object; names: {}; values: {}", form(whose, path, key), form(whose, path, value))
        }
        Schema::Object(_) => format!("[object](#{})", anchor(&format!("{whose}: {path}"))),
        Schema::Either(choices) => {
            choices.iter().map(|choice| form(whose, path, choice)).collect::<Vec<_>>().join("; or ")
        }
    }
}

fn inner_path(path: &str, field: &FieldSchema) -> String {
    let list = match &field.schema {
        Schema::List { .. } => "[]",
        Schema::Map { value, .. } if matches!(**value, Schema::Object(_)) => ".NAME",
        _ => "",
    };
    if path.is_empty() { format!("{}{list}", field.name) } else { format!("{path}.{}{list}", field.name) }
}

fn in_words(constraint: &Constraint) -> String {
    let quoted = |names: &[&str]| {
        let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    };
    match constraint {
        Constraint::ExactlyOne(names) => format!("Exactly one of these must be there: {}.", quoted(names)),
        Constraint::AtLeastOne(names) => format!("At least one of these must be there: {}.", quoted(names)),
        Constraint::NotTogether(one, other) => format!("`{one}` and `{other}` cannot be there together."),
    }
}

/// The name by which GitHub links to a heading.
pub(super) fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
            _ => None,
        })
        .collect()
}

fn push(page: &mut String, paragraph: &str) {
    page.push('\n');
    page.push_str(paragraph);
    page.push('\n');
}

/// Shown in the reference, and read by its test.
pub(super) const EXAMPLE: &str = include_str!("plugin.json");

/// Shown in the reference, and read by its test.
pub(super) const CONTROLLER_EXAMPLE: &str = include_str!("controller.yaml");

const INTRODUCTION: &str = "\
<!-- Generated by `svidgate schema --markdown` from the code that reads the settings. Change it there. -->

# Configuration

Settings are read whole before anything starts: every mistake is reported at once with its path, and a setting that nobody
knows is a mistake. `svidgate check --plugin FILE --controller FILE` does so without starting anything, and
`svidgate schema plugin` and `svidgate schema controller` print a JSON Schema (draft 2020-12) for editors. The schema knows
forms; what several settings mean together only `check` knows.

- A duration is a whole number with a unit: `250ms`, `30s`, `5m`, `1h`.
- A setting that may be left out may also be `null`, which says the same.
- A list that is there has at least one item, for an empty one would match nothing or everything, and none twice.
- A member that stands twice in one object is a mistake.
";

const PLUGIN: &str = "\
JSON, as `configuration` of the Wasm filter: a `google.protobuf.StringValue` with this text, or a `google.protobuf.Struct`.
`audiences` and one of `rules` and `allowed_spiffe_ids` are needed; all else has a default.";

const CONTROLLER: &str = "\
YAML, for `svidgate run --config FILE`. The file is not needed when the environment gives enough.";
