//! What is read, noted to be described.

use super::Object;
#[cfg(feature = "describe")]
use super::describe;
use crate::field::Field;
#[cfg(feature = "describe")]
use crate::schema::FieldSchema;
use crate::schema::{Constraint, Presence, Schema};

/// What is asked for is noted while describing, and only then; without the feature none of it is compiled in.
#[cfg(feature = "describe")]
impl Object<'_> {
    pub(super) fn note(&mut self, field: Field, asked: impl FnOnce() -> (Presence, Schema)) {
        if let Some(noted) = &mut self.noted {
            let (presence, schema) = asked();
            noted.fields.push(FieldSchema { name: field.name, about: field.about, presence, schema });
        }
    }

    pub(super) fn presence(&mut self, name: &str, presence: impl FnOnce() -> Presence) {
        let fields = self.noted.iter_mut().flat_map(|noted| &mut noted.fields);
        if let Some(field) = fields.rev().find(|field| field.name == name) {
            field.presence = presence();
        }
    }

    pub(super) fn constrain(&mut self, constraint: impl FnOnce() -> Constraint) {
        if let Some(noted) = &mut self.noted {
            noted.constraints.push(constraint());
        }
    }
}

#[cfg(not(feature = "describe"))]
#[expect(clippy::unused_self, reason = "nothing is noted")]
impl Object<'_> {
    pub(super) fn note(&self, _: Field, _: impl FnOnce() -> (Presence, Schema)) {}

    pub(super) fn presence(&self, _: &str, _: impl FnOnce() -> Presence) {}

    pub(super) fn constrain(&self, _: impl FnOnce() -> Constraint) {}
}

#[cfg(feature = "describe")]
pub(super) fn described<T>(build: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Schema {
    describe(build)
}

/// Never called.
#[cfg(not(feature = "describe"))]
pub(super) fn described<T>(_: impl FnOnce(&mut Object<'_>) -> Option<T>) -> Schema {
    Schema::Any
}

pub(super) fn list_of(item: Schema, most: Option<usize>, unique: bool) -> Schema {
    Schema::List { item: Box::new(item), most, unique }
}
