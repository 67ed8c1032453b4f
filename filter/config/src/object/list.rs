//! Fields with a list.

use std::collections::BTreeSet;

use serde_json::Value;

use super::note::{described, list_of};
use super::{Object, expected};
use crate::field::Field;
use crate::kind::Kind;
use crate::schema::Presence;

impl Object<'_> {
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
}
