use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use crate::error::{Error, Errors};
use crate::field::Field;
use crate::kind::{self, Kind};
use crate::schema::{Constraint, Presence, Schema};
#[cfg(feature = "describe")]
use crate::schema::{FieldSchema, ObjectSchema};

/// Reads `root` with `build` and returns what it built, or every error that was met.
///
/// `build` returns `None` exactly when it recorded an error. It reads every field before it looks at any of them, so
/// that all mistakes are found, and so that it can be described.
///
/// # Errors
/// All mistakes of the object at once; also when `root` is no object.
pub fn read<T>(root: &Value, build: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Result<T, Errors> {
    let errors = RefCell::new(Vec::new());
    let built = match root.as_object() {
        Some(map) => Object::new(String::new(), map, &errors).read(build),
        None => {
            errors.borrow_mut().push(Error { path: String::new(), message: expected("an object", root) });
            None
        }
    };
    let errors = errors.into_inner();
    match built {
        Some(built) if errors.is_empty() => Ok(built),
        _ if errors.is_empty() => Err(Errors::one("", "invalid settings")),
        _ => Err(Errors(errors)),
    }
}

/// What `build` reads: it is run over nothing, and what it asks for is noted.
#[cfg(feature = "describe")]
pub fn describe<T>(build: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Schema {
    let (empty, errors) = (Map::new(), RefCell::new(Vec::new()));
    let mut object = Object::new(String::new(), &empty, &errors);
    object.noted = Some(ObjectSchema::default());
    let _ = build(&mut object);
    object.noted.take().map_or(Schema::Any, Schema::Object)
}

/// One JSON object under reading. Fields that were not read by the end are reported as unknown.
#[derive(Debug)]
pub struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
    seen: BTreeSet<&'static str>,
    errors: &'a RefCell<Vec<Error>>,
    /// What was asked for, when that is the question.
    #[cfg(feature = "describe")]
    noted: Option<ObjectSchema>,
}

impl<'a> Object<'a> {
    /// A field that must be there.
    pub fn required<T>(&mut self, field: impl Into<Field>, kind: impl Kind<T>) -> Option<T> {
        let field = field.into();
        self.note(field, || (Presence::Required, kind.schema()));
        match self.take(field.name) {
            Some(value) => self.parsed(field.name, kind.parse(value)),
            None => {
                self.error(field.name, "is required");
                None
            }
        }
    }

    /// A field that may be absent (or `null`). The outer `None` means that it was there and wrong.
    pub fn optional<T>(&mut self, field: impl Into<Field>, kind: impl Kind<T>) -> Option<Option<T>> {
        let field = field.into();
        self.note(field, || (Presence::Optional, kind.schema()));
        match self.take(field.name) {
            Some(value) => self.parsed(field.name, kind.parse(value)).map(Some),
            None => Some(None),
        }
    }

    /// A field with a default, which is written as in the settings and read in the same way.
    pub fn default<T>(
        &mut self,
        field: impl Into<Field>,
        default: impl Into<Value>,
        kind: impl Kind<T>,
    ) -> Option<T> {
        let (field, default) = (field.into(), default.into());
        self.note(field, || (Presence::Default(default.clone()), kind.schema()));
        let value = self.take(field.name);
        self.parsed(field.name, kind.parse(value.unwrap_or(&default)))
    }

    /// A field with a default that is no text of settings; [`Self::default`] can be described better.
    pub fn or<T>(&mut self, field: impl Into<Field>, default: T, kind: impl Kind<T>) -> Option<T> {
        self.optional(field, kind).map(|value| value.unwrap_or(default))
    }

    /// A list in which every item is parsed, so that every bad item is reported with its index. An empty one is a
    /// mistake, and an item that stands twice (checklist P3). The outer `None` means that it was there and wrong.
    pub fn list<T>(&mut self, field: impl Into<Field>, kind: impl Kind<T>) -> Option<Option<Vec<T>>> {
        let field = field.into();
        self.note(field, || (Presence::Optional, list_of(kind.schema(), None, true)));
        let mut before = BTreeSet::new();
        self.items(field.name, usize::MAX, |object, path, item| {
            if !before.insert(item.to_string()) {
                object.error(path, "stands twice");
                return None;
            }
            kind.parse(item).map_err(|message| object.error(path, message)).ok()
        })
    }

    /// As [`Self::list`], but an item may stand twice, as in the arguments of a program.
    pub fn sequence<T>(&mut self, field: impl Into<Field>, kind: impl Kind<T>) -> Option<Option<Vec<T>>> {
        let field = field.into();
        self.note(field, || (Presence::Optional, list_of(kind.schema(), None, false)));
        self.items(field.name, usize::MAX, |object, path, item| {
            kind.parse(item).map_err(|message| object.error(path, message)).ok()
        })
    }

    /// A list that must be there and must have at least one item.
    pub fn required_list<T>(&mut self, field: impl Into<Field>, kind: impl Kind<T>) -> Option<Vec<T>> {
        let field = field.into();
        let items = self.list(field, kind);
        self.presence(field.name, || Presence::Required);
        let items = items?;
        if items.is_none() {
            self.error(field.name, "is required");
        }
        items
    }

    /// A list of objects, each read by `build`, of at most `most`. The outer `None` means that something was wrong.
    pub fn objects<T>(
        &mut self,
        field: impl Into<Field>,
        most: usize,
        build: impl Fn(&mut Object<'_>) -> Option<T>,
    ) -> Option<Option<Vec<T>>> {
        let field = field.into();
        self.note(field, || (Presence::Optional, list_of(described(&build), Some(most), false)));
        self.items(field.name, most, |object, path, item| object.child(path, item, &build))
    }

    /// An object whose members are named by the operator: every name is read by `key`, every value by `kind`. An empty
    /// one is a mistake, as with lists.
    pub fn map<K: Ord, T>(
        &mut self,
        field: impl Into<Field>,
        key: impl Kind<K>,
        kind: impl Kind<T>,
    ) -> Option<Option<BTreeMap<K, T>>> {
        let field = field.into();
        self.note(field, || {
            let map = Schema::Map { key: Box::new(key.schema()), value: Box::new(kind.schema()) };
            (Presence::Optional, map)
        });
        let Some(members) = self.members(field.name)? else { return Some(None) };
        let parsed: Vec<_> = members
            .iter()
            .map(|(name, value)| {
                let path = join(field.name, &printable(name));
                let name = key.parse(&Value::from(name.as_str()));
                let name = name.map_err(|message| self.error(&path, message)).ok();
                let value = kind.parse(value).map_err(|message| self.error(&path, message)).ok();
                Some((name?, value?))
            })
            .collect();
        parsed.into_iter().collect::<Option<_>>().map(Some)
    }

    /// An object inside this one, read by `build`. An absent one is read as an empty object, so that its
    /// defaults apply and its required fields are reported.
    pub fn object<T>(
        &mut self,
        field: impl Into<Field>,
        build: impl Fn(&mut Object<'_>) -> Option<T>,
    ) -> Option<T> {
        let field = field.into();
        self.note(field, || {
            let schema = described(&build);
            (if schema.is_required() { Presence::Required } else { Presence::Optional }, schema)
        });
        let empty = Value::Object(Map::new());
        let value = self.take(field.name).unwrap_or(&empty);
        self.child(field.name, value, &build)
    }

    /// An object inside this one, read by `build`, that may be absent (or `null`). The outer `None` means that it was there
    /// and wrong.
    pub fn optional_object<T>(
        &mut self,
        field: impl Into<Field>,
        build: impl Fn(&mut Object<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        let field = field.into();
        self.note(field, || (Presence::Optional, described(&build)));
        match self.take(field.name) {
            Some(value) => self.child(field.name, value, &build).map(Some),
            None => Some(None),
        }
    }

    /// Objects that are named by the operator, at most `most`: every name is read by `key`, every object by `build`. An
    /// empty one is a mistake, as with lists. Absent: `None` inside.
    pub fn named<K: Ord, T>(
        &mut self,
        field: impl Into<Field>,
        key: impl Kind<K>,
        most: usize,
        build: impl Fn(&mut Object<'_>) -> Option<T>,
    ) -> Option<Option<BTreeMap<K, T>>> {
        let field = field.into();
        self.note(field, || {
            let map = Schema::Map { key: Box::new(key.schema()), value: Box::new(described(&build)) };
            (Presence::Optional, map)
        });
        let members = match self.members(field.name)? {
            None => return Some(None),
            Some(members) if members.len() > most => {
                self.error(field.name, format!("must have at most {most} members, has {}", members.len()));
                return None;
            }
            Some(members) => members,
        };
        let read: Vec<_> = members
            .iter()
            .map(|(name, value)| {
                let path = join(field.name, &printable(name));
                let name = key.parse(&Value::from(name.as_str()));
                let name = name.map_err(|message| self.error(&path, message)).ok();
                let value = self.child(&path, value, &build);
                Some((name?, value?))
            })
            .collect();
        read.into_iter().collect::<Option<_>>().map(Some)
    }

    /// An object inside this one that must be written, even when it is empty; `otherwise` says what an empty one means.
    pub fn required_object<T>(
        &mut self,
        field: impl Into<Field>,
        otherwise: &str,
        build: impl Fn(&mut Object<'_>) -> Option<T>,
    ) -> Option<T> {
        let field = field.into();
        self.note(field, || (Presence::Required, described(&build)));
        match self.take(field.name) {
            Some(value) => self.child(field.name, value, &build),
            None => {
                self.error(field.name, format!("is required; {otherwise}"));
                None
            }
        }
    }

    /// An object, read by `build`, or a shorter spelling of it, read by `kind`. Absent: `None` inside.
    pub fn object_or<T>(
        &mut self,
        field: impl Into<Field>,
        kind: impl Kind<T>,
        build: impl Fn(&mut Object<'_>) -> Option<T>,
    ) -> Option<Option<T>> {
        let field = field.into();
        self.note(field, || (Presence::Optional, Schema::Either(vec![kind.schema(), described(&build)])));
        match self.take(field.name) {
            None => Some(None),
            Some(value @ Value::Object(_)) => self.child(field.name, value, &build).map(Some),
            Some(value) => self.parsed(field.name, kind.parse(value)).map(Some),
        }
    }

    /// Demands that one of these fields is there, and no second; `None` when that is not so. The first of them names
    /// the error when none is.
    pub fn exactly_one(&mut self, names: &'static [&'static str]) -> Option<()> {
        self.constrain(|| Constraint::ExactlyOne(names));
        let mut present = names.iter().copied().filter(|name| self.has(name));
        let first = present.next();
        let second = present.next();
        let wanted = kind::either(names.iter().copied());
        match (first, second) {
            (Some(_), None) => return Some(()),
            (_, Some(second)) => self.error(second, format!("only one may be there of {wanted}")),
            (None, None) => {
                self.error(names.first().copied().unwrap_or_default(), format!("is required: {wanted}"));
            }
        }
        None
    }

    /// Demands that one of these fields or more are there; `None`, and `message` for this object, when none is.
    pub fn at_least_one(&mut self, names: &'static [&'static str], message: &str) -> Option<()> {
        self.constrain(|| Constraint::AtLeastOne(names));
        if names.iter().any(|name| self.has(name)) {
            return Some(());
        }
        self.error("", message);
        None
    }

    /// Demands that these two fields are not both there; `None` when they are.
    pub fn not_together(&mut self, one: &'static str, other: &'static str) -> Option<()> {
        self.constrain(|| Constraint::NotTogether(one, other));
        if self.has(one) && self.has(other) {
            self.error(other, format!("cannot be there together with `{one}`"));
            return None;
        }
        Some(())
    }

    /// Whether the field is there and not `null`; does not count as reading it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether nothing stands in this object, not even `null`.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.map.is_empty()
    }

    /// Records a mistake of the field `name` (or of this object, with an empty name). A message may show what stands in
    /// the settings; control characters in it are replaced, so that it stays one line and acts on no terminal.
    pub fn error(&mut self, name: &str, message: impl Into<String>) {
        let path = if name.is_empty() { self.path.clone() } else { join(&self.path, name) };
        let message = message.into().replace(char::is_control, REPLACEMENT);
        self.errors.borrow_mut().push(Error { path, message });
    }

    fn new(path: String, map: &'a Map<String, Value>, errors: &'a RefCell<Vec<Error>>) -> Self {
        Self {
            path,
            map,
            seen: BTreeSet::new(),
            errors,
            #[cfg(feature = "describe")]
            noted: None,
        }
    }

    fn read<T>(mut self, build: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Option<T> {
        let built = build(&mut self);
        self.finish();
        built
    }

    /// Reads `value`, which stands at `path` below this object, as an object.
    fn child<T>(
        &mut self,
        path: &str,
        value: &Value,
        build: impl FnOnce(&mut Object<'_>) -> Option<T>,
    ) -> Option<T> {
        let Some(map) = value.as_object() else {
            self.error(path, expected("an object", value));
            return None;
        };
        Object::new(join(&self.path, path), map, self.errors).read(build)
    }

    fn items<T>(
        &mut self,
        name: &'static str,
        most: usize,
        mut read: impl FnMut(&mut Self, &str, &Value) -> Option<T>,
    ) -> Option<Option<Vec<T>>> {
        let Some(value) = self.take(name) else { return Some(None) };
        let Some(items) = value.as_array() else {
            self.error(name, expected("a list", value));
            return None;
        };
        if items.is_empty() {
            self.error(name, "must have at least one item");
            return None;
        }
        if items.len() > most {
            self.error(name, format!("must have at most {most} items, has {}", items.len()));
            return None;
        }
        let read: Vec<_> = items
            .iter()
            .enumerate()
            .map(|(index, item)| read(self, &format!("{name}[{index}]"), item))
            .collect();
        read.into_iter().collect::<Option<Vec<_>>>().map(Some)
    }

    fn members(&mut self, name: &'static str) -> Option<Option<&'a Map<String, Value>>> {
        let Some(value) = self.take(name) else { return Some(None) };
        let Some(members) = value.as_object() else {
            self.error(name, expected("an object", value));
            return None;
        };
        if members.is_empty() {
            self.error(name, "must have at least one member");
            return None;
        }
        Some(Some(members))
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.seen.insert(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn parsed<T>(&mut self, name: &'static str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|message| self.error(name, message)).ok()
    }

    fn finish(mut self) {
        let unknown: Vec<&String> =
            self.map.keys().filter(|key| !self.seen.contains(key.as_str())).take(MAX_UNKNOWN).collect();
        for key in unknown {
            let known = self.seen.iter().copied().collect::<Vec<_>>();
            let message = match closest(key, &known) {
                Some(name) => format!("unknown field; did you mean `{name}`?"),
                None => format!("unknown field; known here: {}", known.join(", ")),
            };
            self.error(&printable(key), message);
        }
    }
}

/// What is asked for is noted while describing, and only then; without the feature none of it is compiled in.
#[cfg(feature = "describe")]
impl Object<'_> {
    fn note(&mut self, field: Field, asked: impl FnOnce() -> (Presence, Schema)) {
        if let Some(noted) = &mut self.noted {
            let (presence, schema) = asked();
            noted.fields.push(FieldSchema { name: field.name, about: field.about, presence, schema });
        }
    }

    fn presence(&mut self, name: &str, presence: impl FnOnce() -> Presence) {
        let fields = self.noted.iter_mut().flat_map(|noted| &mut noted.fields);
        if let Some(field) = fields.rev().find(|field| field.name == name) {
            field.presence = presence();
        }
    }

    fn constrain(&mut self, constraint: impl FnOnce() -> Constraint) {
        if let Some(noted) = &mut self.noted {
            noted.constraints.push(constraint());
        }
    }
}

#[cfg(not(feature = "describe"))]
#[expect(clippy::unused_self, reason = "nothing is noted")]
impl Object<'_> {
    fn note(&self, _: Field, _: impl FnOnce() -> (Presence, Schema)) {}

    fn presence(&self, _: &str, _: impl FnOnce() -> Presence) {}

    fn constrain(&self, _: impl FnOnce() -> Constraint) {}
}

#[cfg(feature = "describe")]
fn described<T>(build: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Schema {
    describe(build)
}

/// Never called.
#[cfg(not(feature = "describe"))]
fn described<T>(_: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Schema {
    Schema::Any
}

fn list_of(item: Schema, most: Option<usize>, unique: bool) -> Schema {
    Schema::List { item: Box::new(item), most, unique }
}

pub(crate) fn expected(what: &str, found: &Value) -> String {
    let found = match found {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    format!("expected {what}, found {found}")
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// A key as it can be shown in a terminal: no control characters, no wall of text.
pub(crate) fn printable(key: &str) -> String {
    key.replace(char::is_control, REPLACEMENT).chars().take(64).collect()
}

/// The known name that one or two slips of the keyboard away; none if nothing is near.
fn closest<'n>(key: &str, known: &[&'n str]) -> Option<&'n str> {
    if key.len() > 64 {
        return None;
    }
    let folded = |s: &str| s.to_ascii_lowercase().replace('-', "_");
    let key = folded(key);
    known
        .iter()
        .map(|name| (distance(key.as_bytes(), folded(name).as_bytes()), *name))
        .min()
        .filter(|(distance, name)| *distance <= 2 && *distance < name.len())
        .map(|(_, name)| name)
}

/// Levenshtein distance, one row at a time.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut left = i.saturating_add(1);
        let mut diagonal = i;
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal.saturating_add(usize::from(x != y));
            diagonal = *cell;
            left = replaced.min(left.saturating_add(1)).min(cell.saturating_add(1));
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i.saturating_add(1);
        }
    }
    row.last().copied().unwrap_or(a.len())
}

/// U+FFFD, for what cannot be shown.
const REPLACEMENT: &str = "\u{fffd}";

/// How many unknown fields of one object are listed: a wrong file must not print pages.
const MAX_UNKNOWN: usize = 20;
