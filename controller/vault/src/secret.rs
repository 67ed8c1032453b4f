//! Secrets as Vault stored them.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::value::RawValue;
use zeroize::Zeroizing;

/// A JSON object of secrets: names in the clear, values hidden, wiped when dropped.
///
/// Each value is kept as the JSON text that Vault sent, so numbers keep their digits (checklist H14).
#[derive(Clone, Default)]
pub struct Secrets(BTreeMap<String, SecretString>);

impl Secrets {
    pub(crate) fn parse(object: &RawValue) -> Option<Self> {
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(object.get()).ok()?;
        Some(Self(members.into_iter().map(|(name, value)| (name, SecretString::from(value.get()))).collect()))
    }

    /// Names of the members, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// The member as JSON text: a string has its quotes, a number its digits.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    /// The member as text: a string decoded, anything else as its JSON.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<SecretString> {
        let json = self.0.get(name)?;
        let decoded = serde_json::from_str::<Zeroizing<String>>(json.expose_secret());
        Some(decoded.map_or_else(|_| json.clone(), |text| SecretString::from(text.as_str())))
    }

    pub(crate) fn insert(&mut self, name: &str, value: &SecretString) {
        // A string always has a JSON form.
        if let Ok(json) = serde_json::to_string(value.expose_secret()) {
            self.0.insert(name.to_owned(), SecretString::from(json));
        }
    }

    /// Whether both hold the same, for "an update that changes nothing".
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.0.len() == other.0.len()
            && self.0.iter().zip(&other.0).all(|((name, value), (other_name, other_value))| {
                name == other_name && value.expose_secret() == other_value.expose_secret()
            })
    }
}

impl<'n> FromIterator<(&'n str, SecretString)> for Secrets {
    /// From texts, for secrets that do not come from Vault.
    fn from_iter<I: IntoIterator<Item = (&'n str, SecretString)>>(texts: I) -> Self {
        let mut secrets = Self::default();
        for (name, text) in texts {
            secrets.insert(name, &text);
        }
        secrets
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// A string of an answer that is wiped.
pub(crate) fn secret<'de, D: serde::Deserializer<'de>>(from: D) -> Result<SecretString, D::Error> {
    Zeroizing::<String>::deserialize(from).map(|text| SecretString::from(text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(json: &str) -> Secrets {
        Secrets::parse(serde_json::from_str(json).expect("JSON")).expect("an object")
    }

    #[test]
    fn h14_values_arrive_as_they_were_stored() {
        let held = secrets(
            r#"{"s":"pä\u0024$w\"\\ö\n🔑","n":12345678901234567890123,"f":1.10,"b":true,"z":null,"o":{"a":[1, 2]}}"#,
        );
        let text = |name: &str| held.text(name).expect(name).expose_secret().to_owned();
        assert_eq!(text("s"), "pä$$w\"\\ö\n🔑");
        assert_eq!(text("n"), "12345678901234567890123");
        assert_eq!(text("f"), "1.10");
        assert_eq!(text("b"), "true");
        assert_eq!(text("z"), "null");
        assert_eq!(text("o"), r#"{"a":[1, 2]}"#);
        assert_eq!(held.names().collect::<Vec<_>>(), ["b", "f", "n", "o", "s", "z"]);
    }

    #[test]
    fn debug_shows_names_only() {
        assert_eq!(format!("{:?}", secrets(r#"{"password":"hush"}"#)), r#"{"password"}"#);
    }
}
