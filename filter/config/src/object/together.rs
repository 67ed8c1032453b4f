//! Which fields may, must or must not be there.

use super::Object;
use crate::kind;
use crate::schema::Constraint;

impl Object<'_> {
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
}
