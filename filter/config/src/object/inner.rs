//! Fields with an object, or with members that the operator names.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::note::described;
use super::{Object, expected, join, printable};
use crate::field::Field;
use crate::kind::Kind;
use crate::schema::{Presence, Schema};

impl<'a> Object<'a> {
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
        let value = |object: &mut Self, path: &str, value: &_| {
            kind.parse(value).map_err(|message| object.error(path, message)).ok()
        };
        self.read_members(field.name, members, &key, value).map(Some)
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
        let value = |object: &mut Self, path: &str, value: &_| object.child(path, value, &build);
        self.read_members(field.name, members, &key, value).map(Some)
    }

    /// All of them are looked at, so that every mistake is reported.
    fn read_members<K: Ord, T>(
        &mut self,
        field: &str,
        members: &Map<String, Value>,
        key: &impl Kind<K>,
        read: impl Fn(&mut Self, &str, &Value) -> Option<T>,
    ) -> Option<BTreeMap<K, T>> {
        let read: Vec<_> = members
            .iter()
            .map(|(name, value)| {
                let path = join(field, &printable(name));
                let name = key.parse(&Value::from(name.as_str()));
                let name = name.map_err(|message| self.error(&path, message)).ok();
                let value = read(self, &path, value);
                Some((name?, value?))
            })
            .collect();
        read.into_iter().collect()
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
}
