//! JSON objects, read field by field.

mod inner;
mod list;
mod note;
mod plain;
mod together;
mod unknown;

use std::cell::RefCell;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::error::{Error, Errors};
#[cfg(feature = "describe")]
use crate::schema::{ObjectSchema, Schema};

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

    fn take(&mut self, name: &'static str) -> Option<&'a Value> {
        self.seen.insert(name);
        self.map.get(name).filter(|value| !value.is_null())
    }

    fn parsed<T>(&mut self, name: &'static str, parsed: Result<T, String>) -> Option<T> {
        parsed.map_err(|message| self.error(name, message)).ok()
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
    key.replace(char::is_control, REPLACEMENT).chars().take(64).collect()
}

/// U+FFFD, for what cannot be shown.
const REPLACEMENT: &str = "\u{fffd}";
