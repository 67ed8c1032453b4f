use std::ops::RangeInclusive;

use serde_json::{Map, Value, json};

/// What a setting may be: the source of its JSON Schema and of its line in the reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Schema {
    /// Anything; only of a kind that does not describe itself.
    Any,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer(RangeInclusive<u64>),
    /// A number.
    Number(RangeInclusive<f64>),
    /// A string.
    Text {
        /// Its form in words.
        form: String,
        /// Regular expression (ECMA-262) that each such string matches.
        pattern: String,
    },
    /// One of these strings.
    Choice(Vec<String>),
    /// A list with at least one item.
    List {
        /// Each of its items.
        item: Box<Self>,
        /// Most items; none: no limit.
        most: Option<usize>,
        /// Whether no item may stand twice.
        unique: bool,
    },
    /// An object whose members are named by the operator.
    Map {
        /// What a name is; a [`Schema::Text`].
        key: Box<Self>,
        /// Each of its members.
        value: Box<Self>,
    },
    /// An object with these fields and no others.
    Object(ObjectSchema),
    /// Any one of these.
    Either(Vec<Self>),
}

/// The fields of an object, in the order in which they are read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ObjectSchema {
    /// What may stand in it.
    pub fields: Vec<FieldSchema>,
    /// What holds between them.
    pub constraints: Vec<Constraint>,
}

/// One field of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldSchema {
    /// Its name.
    pub name: &'static str,
    /// What it is for; Markdown.
    pub about: &'static str,
    /// Whether it must be there, and what stands for it otherwise.
    pub presence: Presence,
    /// What it may be.
    pub schema: Schema,
}

/// Whether a field must be there.
#[derive(Clone, Debug, PartialEq)]
pub enum Presence {
    /// It must.
    Required,
    /// It may be left out, or be `null`, which says the same.
    Optional,
    /// It may be left out; then this value counts.
    Default(Value),
}

/// What holds between fields of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraint {
    /// One of these is there, and no second.
    ExactlyOne(&'static [&'static str]),
    /// One of these is there, or more.
    AtLeastOne(&'static [&'static str]),
    /// These two are not both there.
    NotTogether(&'static str, &'static str),
}

impl Schema {
    /// A string of a form that `pattern` (ECMA-262) may only outline.
    pub fn text(form: impl Into<String>, pattern: impl Into<String>) -> Self {
        Self::Text { form: form.into(), pattern: pattern.into() }
    }

    /// The JSON Schema (draft 2020-12), without the root's `$schema`.
    #[must_use]
    pub fn to_json(&self) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Boolean => json!({"type": "boolean"}),
            // JSON Schema counts 30.0 as an integer, as the reading does.
            Self::Integer(range) => {
                json!({"type": "integer", "minimum": range.start(), "maximum": range.end()})
            }
            Self::Number(range) => {
                json!({"type": "number", "minimum": range.start(), "maximum": range.end()})
            }
            Self::Text { pattern, .. } => json!({"type": "string", "pattern": pattern}),
            Self::Choice(names) => json!({"type": "string", "enum": names}),
            Self::List { item, most, unique } => {
                let mut list = json!({"type": "array", "items": item.to_json(), "minItems": 1});
                if let Some(list) = list.as_object_mut() {
                    list.extend(most.map(|most| ("maxItems".to_owned(), json!(most))));
                    list.extend(unique.then(|| ("uniqueItems".to_owned(), json!(true))));
                }
                list
            }
            Self::Map { key, value } => json!({
                "type": "object",
                "minProperties": 1,
                "propertyNames": key.to_json(),
                "additionalProperties": value.to_json(),
            }),
            Self::Object(object) => object.to_json(),
            Self::Either(choices) => {
                json!({"anyOf": choices.iter().map(Self::to_json).collect::<Vec<_>>()})
            }
        }
    }

    /// Whether nothing at all is too little for it.
    pub(crate) fn is_required(&self) -> bool {
        let Self::Object(ObjectSchema { fields, constraints }) = self else { return false };
        fields.iter().any(|field| field.presence == Presence::Required)
            || constraints.iter().any(|constraint| !matches!(constraint, Constraint::NotTogether(..)))
    }

    /// The form in words, where the pattern does not say all.
    fn form(&self) -> Option<&str> {
        match self {
            Self::Text { form, .. } => Some(form),
            Self::List { item, .. } => item.form(),
            _ => None,
        }
    }
}

impl ObjectSchema {
    fn to_json(&self) -> Value {
        let properties: Map<_, _> =
            self.fields.iter().map(|field| (field.name.to_owned(), field.to_json())).collect();
        let mut object = json!({"type": "object", "additionalProperties": false, "properties": properties});
        let required: Vec<_> = self
            .fields
            .iter()
            .filter(|field| field.presence == Presence::Required)
            .map(|field| field.name)
            .collect();
        let constraints: Vec<_> = self.constraints.iter().map(Constraint::to_json).collect();
        if let Some(object) = object.as_object_mut() {
            if !required.is_empty() {
                object.insert("required".to_owned(), json!(required));
            }
            if !constraints.is_empty() {
                object.insert("allOf".to_owned(), Value::Array(constraints));
            }
        }
        object
    }
}

impl FieldSchema {
    fn to_json(&self) -> Value {
        let mut schema = self.schema.to_json();
        if self.presence != Presence::Required {
            schema = nullable(schema);
        }
        if let Some(members) = schema.as_object_mut() {
            let form = self.schema.form().map(|form| format!("\n\nForm: {form}.")).unwrap_or_default();
            members.insert("description".to_owned(), Value::String(format!("{}{form}", self.about)));
            if let Presence::Default(default) = &self.presence {
                members.insert("default".to_owned(), default.clone());
            }
        }
        schema
    }
}

impl Constraint {
    fn to_json(&self) -> Value {
        let each = |names: &[&str]| names.iter().map(|name| present(name)).collect::<Vec<_>>();
        match self {
            Self::ExactlyOne(names) => json!({"oneOf": each(names)}),
            Self::AtLeastOne(names) => json!({"anyOf": each(names)}),
            Self::NotTogether(one, other) => json!({"not": {"allOf": [present(one), present(other)]}}),
        }
    }
}

/// `null` says the same as nothing, to the reading as well.
fn present(name: &str) -> Value {
    json!({"required": [name], "properties": {name: {"not": {"type": "null"}}}})
}

fn nullable(mut schema: Value) -> Value {
    let Some(members) = schema.as_object_mut() else { return schema };
    if let Some(Value::Array(choices)) = members.get_mut("anyOf") {
        choices.push(json!({"type": "null"}));
    }
    if let Some(Value::Array(choices)) = members.get_mut("enum") {
        choices.push(Value::Null);
    }
    if let Some(kind) = members.get_mut("type") {
        *kind = json!([kind.take(), "null"]);
    }
    schema
}
