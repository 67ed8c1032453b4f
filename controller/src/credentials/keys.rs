//! The keys with which credentials are sealed, and secret files in general.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use svidgate_snapshot::CredentialKey;
use thiserror::Error;
use zeroize::Zeroizing;

/// Keys by name.
#[derive(Clone, Debug, Default)]
pub struct Keys(BTreeMap<String, CredentialKey>);

/// Why the keys cannot be used.
#[derive(Debug, Error)]
pub enum KeysError {
    /// A file cannot be read, or should not be.
    #[error("credential_keys.{name}: {}: {reason}", path.display())]
    File {
        /// Name of the key.
        name: String,
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Two names for one key: whoever has it would be two subscribers.
    #[error("credential_keys.{name}: is the same key as {other}")]
    Twice {
        /// A name.
        name: String,
        /// The other.
        other: String,
    },
}

impl Keys {
    /// Reads every file.
    ///
    /// # Errors
    /// [`KeysError`].
    pub fn read(files: &BTreeMap<String, PathBuf>) -> Result<Self, KeysError> {
        let mut keys = BTreeMap::<String, CredentialKey>::new();
        for (name, path) in files {
            let bad = |reason| KeysError::File { name: name.clone(), path: path.clone(), reason };
            let bytes = secret_file(path, MAX_KEY_FILE_BYTES).map_err(|error| bad(error.to_string()))?;
            let text = std::str::from_utf8(&bytes).map_err(|_| bad("is no text".to_owned()))?;
            let key = CredentialKey::parse(text.trim_ascii()).map_err(|error| bad(error.to_string()))?;
            if let Some((other, _)) = keys.iter().find(|(_, known)| **known == key) {
                return Err(KeysError::Twice { name: name.clone(), other: other.clone() });
            }
            keys.insert(name.clone(), key);
        }
        Ok(Self(keys))
    }

    /// The key with this id, and its name.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<(&str, &CredentialKey)> {
        self.0.iter().find(|(_, key)| key.id() == id).map(|(name, key)| (name.as_str(), key))
    }
}

impl FromIterator<(String, CredentialKey)> for Keys {
    fn from_iter<I: IntoIterator<Item = (String, CredentialKey)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// The content of a file that only its owner may change and that others may not read, in memory that is wiped. A group
/// may read it, as mounted secrets need.
///
/// # Errors
/// As for reading; [`io::ErrorKind::PermissionDenied`] for a mode that lets others in, [`io::ErrorKind::FileTooLarge`].
pub(super) fn secret_file(path: &Path, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode() & 0o777;
    if mode & 0o027 != 0 {
        let message =
            format!("has mode {mode:04o}: only its owner may write to it, and others may not read it (0600)");
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    // With room for all of it from the start: a vector that grows leaves copies behind.
    let room = most.saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(u64::try_from(room).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    if bytes.len() > most {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("has more than {most} bytes")));
    }
    Ok(bytes)
}

const MAX_KEY_FILE_BYTES: usize = 1024;

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn key_files_are_read_only_if_others_cannot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let files = BTreeMap::from([("edge".to_owned(), path.clone())]);
        let text = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        std::fs::write(&path, format!("{text}\n")).unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o440, true), (0o604, false), (0o660, false)] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert_eq!(Keys::read(&files).is_ok(), good, "{mode:o}");
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let twice = BTreeMap::from([("a".to_owned(), path.clone()), ("b".to_owned(), path.clone())]);
        assert!(matches!(Keys::read(&twice), Err(KeysError::Twice { .. })));
        std::fs::write(&path, "not a key, and secret").unwrap();
        let error = Keys::read(&files).unwrap_err().to_string();
        assert!(error.contains("credential_keys.edge") && !error.contains("secret"), "{error}");
    }
}
