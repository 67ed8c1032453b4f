//! A secret in a file that somebody else renews.

use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use svidgate_snapshot::{Credential, CredentialKind, MAX_CREDENTIAL_BYTES};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::Publisher;
use super::keys::secret_file;
use crate::config::{CredentialFile, FileForm};

/// Looks at the file each second, until `stop`. What cannot be used leaves what is in force until that ends; a file that
/// is gone takes it away.
pub(super) async fn watch(file: CredentialFile, publisher: Publisher, stop: CancellationToken) {
    let mut last: Option<(SystemTime, Zeroizing<Vec<u8>>)> = None;
    let mut was_gone = false;
    loop {
        // A small file on a local disk.
        match content(&file.path) {
            // Its content counts, and its time where its life counts from that.
            Ok(found)
                if last.as_ref().is_some_and(|last| {
                    last.1 == found.1 && (file.lifetime.is_none() || last.0 == found.0)
                }) => {}
            Ok(found) => match read(&file, &found.1, found.0) {
                Ok(credential) => {
                    publisher.publish(credential);
                    last = Some(found);
                }
                Err(reason) => publisher.failed(format!("{}: {reason}", file.path.display())),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && was_gone => {
                publisher.withdraw(format!("{}: is not there", file.path.display()));
                last = None;
            }
            // Once may be the moment at which it is replaced.
            Err(error) if error.kind() == io::ErrorKind::NotFound => was_gone = true,
            Err(error) => publisher.failed(format!("{}: {error}", file.path.display())),
        }
        was_gone = was_gone && !file.path.exists();
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

fn content(path: &Path) -> io::Result<(SystemTime, Zeroizing<Vec<u8>>)> {
    let modified = std::fs::metadata(path)?.modified()?;
    Ok((modified, secret_file(path, MAX_FILE_BYTES)?))
}

/// The credential in the text. Errors say nothing of it.
fn read(file: &CredentialFile, text: &[u8], modified: SystemTime) -> Result<Credential, String> {
    let by_age = file.lifetime.map(|lifetime| {
        let written = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        written.saturating_add(lifetime).as_secs()
    });
    let (kind, value, not_after) = match file.form {
        FileForm::Text => (CredentialKind::Secret, plain(text), None),
        FileForm::UserPassword => (CredentialKind::UserPassword, plain(text), None),
        FileForm::Json => json(text)?,
    };
    let not_after = [by_age, not_after].into_iter().flatten().min();
    Credential::new(kind, value, not_after).map_err(|error| error.to_string())
}

/// Without the line end with which editors close a file.
fn plain(text: &[u8]) -> Zeroizing<Vec<u8>> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    Zeroizing::new(text.strip_suffix(b"\r").unwrap_or(text).to_vec())
}

type Parts = (CredentialKind, Zeroizing<Vec<u8>>, Option<u64>);

fn json(text: &[u8]) -> Result<Parts, String> {
    // The parser's own words may show what it read.
    let document: Document = serde_json::from_slice(text)
        .map_err(|error| format!("is not of the form, at line {} column {}", error.line(), error.column()))?;
    let (kind, value) = match (document.value, document.user, document.password) {
        (Some(value), None, None) => (CredentialKind::Secret, Zeroizing::new(value.as_bytes().to_vec())),
        (None, Some(user), Some(_)) if user.contains(':') => return Err("`user` has a `:`".to_owned()),
        (None, Some(user), Some(password)) => {
            let joined = [user.as_bytes(), b":", password.as_bytes()].concat();
            (CredentialKind::UserPassword, Zeroizing::new(joined))
        }
        _ => return Err("needs either `value`, or `user` and `password`".to_owned()),
    };
    Ok((kind, value, document.not_after))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    value: Option<Zeroizing<String>>,
    user: Option<Zeroizing<String>>,
    password: Option<Zeroizing<String>>,
    /// Unix seconds.
    not_after: Option<u64>,
}

const INTERVAL: Duration = Duration::from_secs(1);
/// A value, and what JSON makes of it at worst.
const MAX_FILE_BYTES: usize = 8 * MAX_CREDENTIAL_BYTES;

#[cfg(test)]
mod tests {
    use super::*;

    fn file(form: FileForm, lifetime: Option<u64>) -> CredentialFile {
        CredentialFile { path: "/x".into(), form, lifetime: lifetime.map(Duration::from_secs) }
    }

    fn read_as(form: FileForm, lifetime: Option<u64>, text: &str) -> Result<(Vec<u8>, Option<u64>), String> {
        let modified = UNIX_EPOCH + Duration::from_secs(1000);
        let credential = read(&file(form, lifetime), text.as_bytes(), modified)?;
        Ok((credential.expose().to_vec(), credential.not_after()))
    }

    #[test]
    fn a_text_is_the_value_without_the_last_line_end() {
        for (text, value) in [("abc", "abc"), ("abc\n", "abc"), ("abc\r\n", "abc"), (" a b ", " a b ")] {
            assert_eq!(read_as(FileForm::Text, None, text), Ok((value.into(), None)), "{text:?}");
        }
        for bad in ["", "\n", "a\nb", "a\n\n", "a\tb"] {
            assert!(read_as(FileForm::Text, None, bad).is_err(), "{bad:?}");
        }
        assert_eq!(read_as(FileForm::Text, Some(60), "abc"), Ok((b"abc".to_vec(), Some(1060))));
        assert!(read_as(FileForm::UserPassword, None, "nobody").is_err());
    }

    #[test]
    fn json_gives_a_value_or_a_user_with_a_password_and_an_end() {
        let json = |text: &str| read_as(FileForm::Json, Some(60), text);
        assert_eq!(json(r#"{"value":"a","not_after":1050}"#), Ok((b"a".to_vec(), Some(1050))));
        assert_eq!(json(r#"{"value":"a","not_after":2000}"#), Ok((b"a".to_vec(), Some(1060))));
        assert_eq!(json(r#"{"user":"me","password":"a:b"}"#), Ok((b"me:a:b".to_vec(), Some(1060))));
        for bad in [
            "hush",
            "{}",
            r#"{"value":"hush","user":"hush"}"#,
            r#"{"user":"hush"}"#,
            r#"{"user":"hu:sh","password":"hush"}"#,
            r#"{"value":"hush","more":"hush"}"#,
            r#"{"value":["hush"]}"#,
            r#"{"value":"hush\n"}"#,
        ] {
            let error = json(bad).unwrap_err();
            assert!(!error.contains("hush"), "{bad}: {error}");
        }
    }
}
