use std::collections::BTreeSet;

use svidgate_snapshot::{MAX_CREDENTIALS, is_credential_name};

/// What a subscriber asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Names of credentials.
    pub names: BTreeSet<String>,
    /// Id of the key with which they are to be sealed.
    pub key_id: String,
}

impl Asked {
    /// Reads the parameters of a query; none when it asks for no credentials.
    ///
    /// # Errors
    /// What would be right.
    pub fn read(credentials: Option<&str>, key: Option<&str>) -> Result<Option<Self>, String> {
        let (list, key) = match (credentials, key) {
            (None, None) => return Ok(None),
            (Some(list), Some(key)) => (list, key),
            _ => return Err("`credentials` and `key` go together".to_owned()),
        };
        let is_id = key.len() == KEY_ID_DIGITS && key.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_id {
            return Err(format!("`key` must be {KEY_ID_DIGITS} hex digits"));
        }
        let names: BTreeSet<String> = list.split(',').map(str::to_owned).collect();
        if names.len() > MAX_CREDENTIALS || !names.iter().all(|name| is_credential_name(name)) {
            return Err(format!("`credentials` must be 1 to {MAX_CREDENTIALS} names, joined by commas"));
        }
        Ok(Some(Self { names, key_id: key.to_owned() }))
    }
}

const KEY_ID_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_key_are_asked_for_together_and_bounded() {
        assert_eq!(Asked::read(None, None), Ok(None));
        let key = "0123456789abcdef";
        let asked = Asked::read(Some("b,a,b"), Some(key)).unwrap().unwrap();
        assert_eq!(asked.names.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        let many = (0..=MAX_CREDENTIALS).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
        for (list, key) in [
            (Some("a"), None),
            (None, Some(key)),
            (Some(""), Some(key)),
            (Some("a,"), Some(key)),
            (Some("A"), Some(key)),
            (Some("a b"), Some(key)),
            (Some(many.as_str()), Some(key)),
            (Some("a"), Some("0123456789ABCDEF")),
            (Some("a"), Some("")),
        ] {
            assert!(Asked::read(list, key).is_err(), "{list:?} {key:?}");
        }
    }
}
