//! What a good value is: how it is read, and how that is said in a schema.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use crate::schema::Schema;
use crate::value;

/// A kind of value. A plain function or closure is one that says nothing about itself.
pub trait Kind<T> {
    /// Reads a value.
    ///
    /// # Errors
    /// What would be right; never the text of a secret.
    fn parse(&self, value: &Value) -> Result<T, String>;

    /// What [`Self::parse`] takes. A schema may take more than the reading, never less.
    fn schema(&self) -> Schema {
        Schema::Any
    }
}

impl<T, F: Fn(&Value) -> Result<T, String>> Kind<T> for F {
    fn parse(&self, value: &Value) -> Result<T, String> {
        self(value)
    }
}

/// A kind that describes itself. Made by [`new`].
#[derive(Clone, Copy, Debug)]
pub struct Described<P, S> {
    parse: P,
    schema: S,
}

impl<T, P: Fn(&Value) -> Result<T, String>, S: Fn() -> Schema> Kind<T> for Described<P, S> {
    fn parse(&self, value: &Value) -> Result<T, String> {
        (self.parse)(value)
    }

    fn schema(&self) -> Schema {
        (self.schema)()
    }
}

/// A kind of its own: how it is read, and what that takes. `schema` is called only to describe, so that its texts are
/// not compiled in elsewhere.
pub fn new<T, P, S>(parse: P, schema: S) -> Described<P, S>
where
    P: Fn(&Value) -> Result<T, String>,
    S: Fn() -> Schema,
{
    Described { parse, schema }
}

/// A string that is not empty.
#[must_use]
pub fn text() -> impl Kind<String> {
    new(value::non_empty_string, || Schema::text("string, not empty", "."))
}

/// `true` or `false`.
#[must_use]
pub fn boolean() -> impl Kind<bool> {
    new(value::boolean, || Schema::Boolean)
}

/// A whole number within `range`.
#[must_use]
pub fn integer(range: RangeInclusive<u64>) -> impl Kind<u64> {
    let taken = range.clone();
    new(value::integer(range), move || Schema::Integer(taken.clone()))
}

/// A number within `range`.
#[must_use]
pub fn number(range: RangeInclusive<f64>) -> impl Kind<f64> {
    let taken = range.clone();
    new(value::number(range), move || Schema::Number(taken.clone()))
}

/// A duration within `range`, such as `"30s"`.
#[must_use]
pub fn duration(range: RangeInclusive<Duration>) -> impl Kind<Duration> {
    let taken = range.clone();
    new(value::duration(range), move || {
        let (least, most) = (value::duration_text(*taken.start()), value::duration_text(*taken.end()));
        Schema::text(format!("duration from {least} to {most}"), r"^[0-9]+(ms|s|m|h)$")
    })
}

/// One of a closed list of names.
#[must_use]
pub fn choice<T: Copy + 'static>(choices: &'static [(&'static str, T)]) -> impl Kind<T> {
    new(
        move |value| {
            let text = value::string(value)?;
            let found = choices.iter().find(|(name, _)| *name == text).map(|(_, choice)| *choice);
            found.ok_or_else(|| format!("expected {}", either(choices.iter().map(|(name, _)| *name))))
        },
        || Schema::Choice(choices.iter().map(|(name, _)| (*name).to_owned()).collect()),
    )
}

/// The same values as `kind`, made into something else.
pub fn map<T, U>(kind: impl Kind<T>, into: impl Fn(T) -> U) -> impl Kind<U> {
    struct Mapped<K, F, T>(K, F, std::marker::PhantomData<fn(T)>);
    impl<T, U, K: Kind<T>, F: Fn(T) -> U> Kind<U> for Mapped<K, F, T> {
        fn parse(&self, value: &Value) -> Result<U, String> {
            self.0.parse(value).map(&self.1)
        }

        fn schema(&self) -> Schema {
            self.0.schema()
        }
    }
    Mapped(kind, into, std::marker::PhantomData)
}

/// `a, b or c`.
pub(crate) fn either<'n>(names: impl DoubleEndedIterator<Item = &'n str>) -> String {
    let mut names = names.rev();
    let last = names.next().unwrap_or_default();
    let before: Vec<_> = names.rev().collect();
    if before.is_empty() { last.to_owned() } else { format!("{} or {last}", before.join(", ")) }
}
