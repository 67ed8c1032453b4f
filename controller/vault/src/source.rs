//! Where a login takes its secrets from.

use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use secrecy::SecretString;
use tokio::io::AsyncReadExt as _;
use zeroize::Zeroizing;

use crate::error::SourceError;

/// Gives a secret whenever one is needed: a file that is read anew, or a JWT-SVID fetched for Vault's audience.
pub trait SecretSource: Send + Sync {
    /// The secret as it is now.
    fn secret(&self) -> BoxFuture<'_, Result<SecretString, SourceError>>;

    /// Names it for logs, without what it holds.
    fn describe(&self) -> String;
}

/// The content of a file, without white space around it. Read at each use: bound service-account tokens expire
/// (checklist H9).
#[derive(Clone, Debug)]
pub struct FromFile(pub PathBuf);

impl SecretSource for FromFile {
    fn secret(&self) -> BoxFuture<'_, Result<SecretString, SourceError>> {
        Box::pin(async {
            let bytes = read_file(&self.0).await?;
            let bad = |why: &str| SourceError::new(format!("{}: {why}", self.0.display()));
            let text = std::str::from_utf8(&bytes).map_err(|_| bad("is not text"))?.trim();
            if text.is_empty() {
                return Err(bad("is empty"));
            }
            Ok(SecretString::from(text))
        })
    }

    fn describe(&self) -> String {
        self.0.display().to_string()
    }
}

/// A secret that does not change.
#[derive(Clone, Debug)]
pub struct Fixed(pub SecretString);

impl SecretSource for Fixed {
    fn secret(&self) -> BoxFuture<'_, Result<SecretString, SourceError>> {
        Box::pin(async { Ok(self.0.clone()) })
    }

    fn describe(&self) -> String {
        "a fixed secret".to_owned()
    }
}

/// A source from an async closure; `name` is for logs.
pub struct FromFn<F> {
    name: String,
    fetch: F,
}

impl<F, R> FromFn<F>
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = Result<SecretString, SourceError>> + Send + 'static,
{
    /// From `fetch`.
    pub fn new(name: impl Into<String>, fetch: F) -> Self {
        Self { name: name.into(), fetch }
    }
}

impl<F, R> SecretSource for FromFn<F>
where
    F: Fn() -> R + Send + Sync,
    R: Future<Output = Result<SecretString, SourceError>> + Send + 'static,
{
    fn secret(&self) -> BoxFuture<'_, Result<SecretString, SourceError>> {
        Box::pin((self.fetch)())
    }

    fn describe(&self) -> String {
        self.name.clone()
    }
}

impl<F> fmt::Debug for FromFn<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FromFn({})", self.name)
    }
}

/// A client's certificate chain and its key, PEM, wiped when dropped.
pub struct Identity {
    /// The certificate, then its intermediates.
    pub certificate: Zeroizing<Vec<u8>>,
    /// PKCS #8, PKCS #1 or SEC1.
    pub key: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity")
    }
}

/// Gives a client certificate whenever one is needed, such as the X.509-SVID of now.
pub trait IdentitySource: Send + Sync {
    /// The certificate as it is now.
    fn identity(&self) -> BoxFuture<'_, Result<Identity, SourceError>>;

    /// Names it for logs.
    fn describe(&self) -> String;
}

/// A file with a bound on its size, in memory that is wiped.
pub(crate) async fn read_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, SourceError> {
    let bad = |e: std::io::Error| SourceError::new(format!("{}: {e}", path.display()));
    let file = tokio::fs::File::open(path).await.map_err(bad)?;
    let length = file.metadata().await.map_err(bad)?.len();
    // With room for all of it from the start: a vector that grows leaves copies behind.
    let mut bytes =
        Zeroizing::new(Vec::with_capacity(usize::try_from(length.min(MAX_FILE_BYTES)).unwrap_or(0) + 1));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).await.map_err(bad)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(SourceError::new(format!("{}: is larger than {MAX_FILE_BYTES} bytes", path.display())));
    }
    Ok(bytes)
}

/// Tokens, keys, certificates and whole bundles of authorities fit well.
const MAX_FILE_BYTES: u64 = 1024 * 1024;
