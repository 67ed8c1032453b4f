use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::{Error, Errors};

/// Reads `root` with `build` and returns what it built, or every error that was met.
///
/// `build` returns `None` exactly when it recorded an error.
///
/// # Errors
/// All mistakes of the object at once; also when `root` is no object.
pub fn read<T>(root: &Value, build: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Result<T, Errors> {
    let errors = RefCell::new(Vec::new());
    let built = match root.as_object() {
        Some(map) => {
            let mut object = Object { path: String::new(), map, seen: BTreeSet::new(), errors: &errors };
            let built = build(&mut object);
            object.finish();
            built
        }
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

/// One JSON object under reading. Fields that were not read by the end are reported as unknown.
#[derive(Debug)]
pub struct Object<'a> {
    path: String,
    map: &'a Map<String, Value>,
    seen: BTreeSet<&'static str>,
    errors: &'a RefCell<Vec<Error>>,
}

impl<'a> Object<'a> {
    /// A field that must be there; `parse` says what a good value is.
    pub fn required<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match self.take(name) {
            Some(value) => self.parsed(name, value, parse),
            None => {
                self.error(name, "is required");
                None
            }
        }
    }

    /// A field that may be absent (or `null`). The outer `None` means that it was there and wrong.
    pub fn optional<T>(
        &mut self,
        name: &'static str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<Option<T>> {
        match self.take(name) {
            Some(value) => self.parsed(name, value, parse).map(Some),
            None => Some(None),
        }
    }

    /// A field with a default.
    pub fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        self.optional(name, parse).map(|value| value.unwrap_or(default))
    }

    /// A list in which every item is parsed, so that every bad item is reported with its index.
    ///
    /// `None` when it is absent or wrong in any way; absence is an error only if `required`.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<Option<Vec<T>>> {
        let Some(value) = self.take(name) else { return Some(None) };
        let Some(items) = value.as_array() else {
            self.error(name, expected("a list", value));
            return None;
        };
        let mut parsed = Vec::with_capacity(items.len());
        let mut wrong = false;
        for (index, item) in items.iter().enumerate() {
            match parse(item) {
                Ok(item) => parsed.push(item),
                Err(message) => {
                    wrong = true;
                    self.error(&format!("{name}[{index}]"), message);
                }
            }
        }
        (!wrong).then_some(Some(parsed))
    }

    /// A list that must be there and must have at least one item.
    pub fn required_list<T>(
        &mut self,
        name: &'static str,
        parse: impl Fn(&Value) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        match self.list(name, parse)? {
            Some(items) if items.is_empty() => {
                self.error(name, "must have at least one item");
                None
            }
            Some(items) => Some(items),
            None => {
                self.error(name, "is required");
                None
            }
        }
    }

    /// An object inside this one, read by `build`. An absent one is read as an empty object, so that its
    /// defaults apply and its required fields are reported.
    pub fn object<T>(
        &mut self,
        name: &'static str,
        build: impl FnOnce(&mut Object<'_>) -> Option<T>,
    ) -> Option<T> {
        let empty = Map::new();
        let map = match self.take(name) {
            None => &empty,
            Some(Value::Object(map)) => map,
            Some(other) => {
                self.error(name, expected("an object", other));
                return None;
            }
        };
        let path = join(&self.path, name);
        let mut object = Object { path, map, seen: BTreeSet::new(), errors: self.errors };
        let built = build(&mut object);
        object.finish();
        built
    }

    /// Whether the field is there and not `null`; does not count as reading it.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.map.get(name).is_some_and(|value| !value.is_null())
    }

    /// Records a mistake of the field `name` (or of this object, with an empty name).
    pub fn error(&mut self, name: &str, message: impl Into<String>) {
        let path = if name.is_empty() { self.path.clone() } else { join(&self.path, name) };
        self.errors.borrow_mut().push(Error { path, message: message.into() });
    }

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.seen.insert(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn parsed<T>(
        &mut self,
        name: &'static str,
        value: &Value,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<T> {
        match parse(value) {
            Ok(parsed) => Some(parsed),
            Err(message) => {
                self.error(name, message);
                None
            }
        }
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
    key.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).take(64).collect()
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

/// How many unknown fields of one object are listed: a wrong file must not print pages.
const MAX_UNKNOWN: usize = 20;
