//! What can be kept fresh, and how one of it is fetched.

use std::time::Duration;

use secrecy::SecretString;

use crate::api::{Certificate, CertificateRequest, KvRead, Lease};
use crate::client::Client;
use crate::clock::{Life, Moment};
use crate::error::{Error, Fault};
use crate::operation::Operation;
use crate::secret::Secrets;

/// A credential to keep fresh.
#[derive(Clone, Debug)]
pub enum Spec {
    /// A secret of the KV engine, version 2, as stored.
    Kv {
        /// Mount of the engine.
        mount: String,
        /// Path below it, without `data/`.
        path: String,
        /// How often it is read; [`super::Timing::poll`] without it. A member named `ttl` (seconds, or `90s`, `5m`, `1h`)
        /// goes before: then it is read at the usual fraction of that, and ends when it could not be read for so long.
        poll: Option<Duration>,
    },
    /// A user of a database that Vault makes for us: `username`, `password`.
    Database {
        /// Mount of the engine.
        mount: String,
        /// Role in it.
        role: String,
    },
    /// A user whose password Vault changes: `username`, `password`. Read again right after each change, and every
    /// [`super::Timing::poll`]; it has no end of its own, because without Vault there is no change either.
    StaticDatabase {
        /// Mount of the engine.
        mount: String,
        /// Static role in it.
        role: String,
    },
    /// A certificate: `certificate`, `private_key`, `issuing_ca`, `ca_chain` (one PEM text), `serial_number`.
    Pki {
        /// Mount of the engine.
        mount: String,
        /// Role in it.
        role: String,
        /// What to ask for.
        request: CertificateRequest,
        /// Who makes the key.
        key: Key,
    },
}

/// Who makes the key of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// We do, anew for each certificate (P-256); it never leaves this process. `pki/sign`.
    Ours,
    /// Vault does, and sends it. `pki/issue`.
    Vaults,
}

/// What a fetch gave.
pub(super) enum Fetched {
    Found(Found),
    /// A KV secret that was removed: Vault's word, not a failure.
    Gone,
}

pub(super) struct Found {
    pub(super) secrets: Secrets,
    pub(super) version: Option<u64>,
    pub(super) lease: Option<Lease>,
    pub(super) life: Life,
    pub(super) next: Next,
}

/// When to look again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At the usual fraction of this lifetime.
    Lifetime(Duration),
    /// After about this time.
    Poll(Duration),
    /// Right after this time, when Vault will have changed it.
    Change(Duration),
}

impl Spec {
    /// For the label `credential_type` of metrics.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Kv { .. } => "kv",
            Self::Database { .. } => "database",
            Self::StaticDatabase { .. } => "database_static",
            Self::Pki { .. } => "pki",
        }
    }

    pub(super) async fn fetch(&self, client: &Client, poll: Duration) -> Result<Fetched, Error> {
        let begun = Moment::now(&**client.clock());
        let found = match self {
            Self::Kv { mount, path, poll: own } => match client.kv(mount).read(path).await? {
                KvRead::Deleted { .. } | KvRead::Absent => return Ok(Fetched::Gone),
                KvRead::Found(value) => {
                    let ttl = value.secrets.text("ttl").and_then(|text| lifetime(&text));
                    Found {
                        version: Some(value.version),
                        secrets: value.secrets,
                        lease: None,
                        life: ttl.map_or(Life::endless(begun), |ttl| Life::new(begun, ttl)),
                        next: ttl.map_or(Next::Poll(own.unwrap_or(poll)), Next::Lifetime),
                    }
                }
            },
            Self::Database { mount, role } => {
                let leased = client.database_creds(mount, role).await?;
                let mut secrets = Secrets::default();
                secrets.insert("username", &leased.content.username);
                secrets.insert("password", &leased.content.password);
                // A user without a lease that ends would stay for ever: nothing to renew, nothing to hand out safely.
                let lease = leased.lease.filter(|lease| !lease.lasts.is_zero()).ok_or_else(|| {
                    Error::new(Operation::DatabaseCreds, Fault::Malformed("credentials without a lease"))
                })?;
                let lasts = lease.lasts;
                let (life, next) = (Life::new(begun, lasts), Next::Lifetime(lasts));
                Found { secrets, version: None, lease: Some(lease), life, next }
            }
            Self::StaticDatabase { mount, role } => {
                let found = client.database_static_creds(mount, role).await?;
                let mut secrets = Secrets::default();
                secrets.insert("username", &found.credentials.username);
                secrets.insert("password", &found.credentials.password);
                let (life, next) = (Life::endless(begun), Next::Change(found.rotates_in));
                Found { secrets, version: None, lease: None, life, next }
            }
            Self::Pki { mount, role, request, key } => {
                let (operation, leased, own) = match key {
                    Key::Vaults => (Operation::PkiIssue, client.pki_issue(mount, role, request).await?, None),
                    Key::Ours => {
                        let (csr, key) = signing_request(request)?;
                        (Operation::PkiSign, client.pki_sign(mount, role, &csr, request).await?, Some(key))
                    }
                };
                let certificate = leased.content;
                let valid = certificate.not_after().duration_since(client.clock().wall()).unwrap_or_default();
                if valid.is_zero() {
                    return Err(Error::new(operation, Fault::Malformed("a certificate that has expired")));
                }
                let secrets = certificate_secrets(certificate, own).ok_or_else(|| {
                    Error::new(operation, Fault::Malformed("a certificate without its key"))
                })?;
                let lasts = leased.lease.as_ref().map_or(valid, |lease| lease.lasts.min(valid));
                let (life, next) = (Life::new(begun, lasts), Next::Lifetime(lasts));
                // Renewing the lease would not make the certificate longer.
                let lease = leased.lease.map(|lease| Lease { renewable: false, ..lease });
                Found { secrets, version: None, lease, life, next }
            }
        };
        Ok(Fetched::Found(found))
    }
}

fn signing_request(request: &CertificateRequest) -> Result<(String, SecretString), Error> {
    let make = || -> Result<(String, SecretString), rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let mut params = rcgen::CertificateParams::new(request.dns_names.clone())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, request.common_name.as_str());
        for uri in &request.uris {
            params.subject_alt_names.push(rcgen::SanType::URI(uri.as_str().try_into()?));
        }
        for address in &request.ip_addresses {
            if let Ok(address) = address.parse() {
                params.subject_alt_names.push(rcgen::SanType::IpAddress(address));
            }
        }
        let csr = params.serialize_request(&key)?.pem()?;
        Ok((csr, SecretString::from(key.serialize_pem())))
    };
    make().map_err(|_| Error::new(Operation::PkiSign, Fault::Input("the names cannot be in a certificate")))
}

fn certificate_secrets(certificate: Certificate, own: Option<SecretString>) -> Option<Secrets> {
    let key = own.or(certificate.private_key)?;
    let chain = certificate.ca_chain.unwrap_or_default().join("\n");
    let mut secrets = Secrets::default();
    secrets.insert("private_key", &key);
    for (name, text) in [
        ("certificate", certificate.certificate),
        ("issuing_ca", certificate.issuing_ca),
        ("ca_chain", chain),
        ("serial_number", certificate.serial_number),
    ] {
        secrets.insert(name, &SecretString::from(text));
    }
    Some(secrets)
}

/// `3600`, `3600s`, `60m`, `1h`.
fn lifetime(text: &SecretString) -> Option<Duration> {
    use secrecy::ExposeSecret as _;
    let text = text.expose_secret().trim();
    let digits = text.trim_end_matches(['s', 'm', 'h']);
    let unit = match text.strip_prefix(digits)? {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return None,
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(unit)?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h08_the_ttl_field_is_read_as_people_write_it() {
        let read = |text: &str| lifetime(&SecretString::from(text)).map(|lasts| lasts.as_secs());
        assert_eq!(read("3600"), Some(3600));
        assert_eq!(read("90s"), Some(90));
        assert_eq!(read("5m"), Some(300));
        assert_eq!(read("1h"), Some(3600));
        for bad in ["", "0", "-1", "h", "1hh", "1d", "soon", "99999999999999999999"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
