//! Strict JSON (V12, RFC 8259, RFC 7515 §5.2): what two readers could understand in two ways is refused.
//!
//! serde_json takes the last of duplicate members; this visitor refuses them at every depth, bounds depth and
//! number of values, and knows no private magic members. Its cost is linear in the text, times the logarithm
//! of the number of members.

use alloc::string::String;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// Bounds of one document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Arrays and objects inside each other; the outermost is one.
    pub(crate) depth: usize,
    /// Values in all, the outermost and the members' included.
    pub(crate) values: usize,
}

/// Why a text is not strict JSON with an object on the outside. It never holds any of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// Not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Begins with a byte order mark, which RFC 8259 §8.1 forbids to send.
    #[error("begins with a byte order mark")]
    ByteOrderMark,
    /// Not JSON: cut off, a lone surrogate, a number beyond the range of a double, and so on.
    #[error("is not JSON")]
    Syntax,
    /// Something other than whitespace follows the object.
    #[error("has data after its end")]
    TrailingData,
    /// An object, at some depth, has a member twice.
    #[error("has a duplicate member")]
    DuplicateMember,
    /// Arrays or objects are nested too deep.
    #[error("is nested too deep")]
    TooDeep,
    /// Too many values.
    #[error("has too many values")]
    TooManyValues,
    /// JSON, but no object.
    #[error("is not an object")]
    NotAnObject,
}

/// Reads one JSON object that is the whole of `bytes`.
pub(crate) fn object(bytes: &[u8], limits: Limits) -> Result<Map<String, Value>, JsonError> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(JsonError::ByteOrderMark);
    }
    let text = core::str::from_utf8(bytes).map_err(|_| JsonError::NotUtf8)?;
    let state = State { values_left: Cell::new(limits.values), failure: Cell::new(None) };
    let mut reader = serde_json::Deserializer::from_str(text);
    let value = Strict { state: &state, depth_left: limits.depth }
        .deserialize(&mut reader)
        .map_err(|_| state.failure.get().unwrap_or(JsonError::Syntax))?;
    reader.end().map_err(|_| JsonError::TrailingData)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::NotAnObject),
    }
}

struct State {
    values_left: Cell<usize>,
    /// The rule that was broken, when it was one of ours; serde's error could only carry it as text.
    failure: Cell<Option<JsonError>>,
}

impl State {
    fn fail<E: serde::de::Error>(&self, failure: JsonError) -> E {
        self.failure.set(Some(failure));
        E::custom(failure)
    }
}

#[derive(Clone, Copy)]
struct Strict<'a> {
    state: &'a State,
    depth_left: usize,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => Err(self.state.fail(JsonError::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.state.values_left.get().checked_sub(1) {
            Some(left) => self.state.values_left.set(left),
            None => return Err(self.state.fail(JsonError::TooManyValues)),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom(JsonError::Syntax))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.into()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(inner)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            let value = object.next_value_seed(inner)?;
            if members.insert(name, value).is_some() {
                return Err(self.state.fail(JsonError::DuplicateMember));
            }
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests;
