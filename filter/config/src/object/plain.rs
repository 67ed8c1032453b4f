//! Fields with a value.

use serde_json::Value;

use super::Object;
use crate::field::Field;
use crate::kind::Kind;
use crate::schema::Presence;

impl Object<'_> {
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
}
