use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::Method;
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Envelope, Leased};
use crate::client::{Call, Client};
use crate::error::Error;
use crate::operation::Operation;
use crate::secret::secret;

/// What a certificate is asked for with; the role in Vault decides what of it is granted.
#[derive(Clone, Debug, Default)]
pub struct CertificateRequest {
    /// Common name.
    pub common_name: String,
    /// DNS names beside it.
    pub dns_names: Vec<String>,
    /// IP addresses.
    pub ip_addresses: Vec<String>,
    /// URIs, such as a SPIFFE ID.
    pub uris: Vec<String>,
    /// Wished lifetime; the role's own without it.
    pub ttl: Option<Duration>,
}

/// A certificate as Vault gives it.
#[derive(Clone, Debug, Deserialize)]
pub struct Certificate {
    /// The certificate, PEM.
    pub certificate: String,
    /// Who issued it, PEM.
    #[serde(default)]
    pub issuing_ca: String,
    /// From the issuer up, PEM.
    #[serde(default)]
    pub ca_chain: Option<Vec<String>>,
    /// Its key, PEM, when Vault made it.
    #[serde(default, deserialize_with = "optional_secret")]
    pub private_key: Option<SecretString>,
    /// Serial number, in hexadecimal with colons.
    pub serial_number: String,
    /// End of validity, seconds since 1970.
    pub expiration: u64,
}

impl Certificate {
    /// End of validity.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        UNIX_EPOCH.checked_add(Duration::from_secs(self.expiration)).unwrap_or(UNIX_EPOCH)
    }
}

#[derive(Serialize)]
struct Wire<'a> {
    common_name: &'a str,
    #[serde(skip_serializing_if = "String::is_empty")]
    alt_names: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    ip_sans: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    uri_sans: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    csr: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_key_format: Option<&'a str>,
}

impl Client {
    /// `POST <mount>/issue/<role>`: Vault makes the key. It comes as PKCS #8.
    ///
    /// # Errors
    /// When no certificate came.
    pub async fn pki_issue(
        &self,
        mount: &str,
        role: &str,
        request: &CertificateRequest,
    ) -> Result<Leased<Certificate>, Error> {
        self.certificate(Operation::PkiIssue, &format!("{mount}/issue/{role}"), request, None).await
    }

    /// `POST <mount>/sign/<role>`: the key stays with whoever made the certificate signing request (PEM).
    ///
    /// # Errors
    /// When no certificate came.
    pub async fn pki_sign(
        &self,
        mount: &str,
        role: &str,
        csr: &str,
        request: &CertificateRequest,
    ) -> Result<Leased<Certificate>, Error> {
        self.certificate(Operation::PkiSign, &format!("{mount}/sign/{role}"), request, Some(csr)).await
    }

    async fn certificate(
        &self,
        operation: Operation,
        path: &str,
        request: &CertificateRequest,
        csr: Option<&str>,
    ) -> Result<Leased<Certificate>, Error> {
        let wire = Wire {
            common_name: &request.common_name,
            alt_names: request.dns_names.join(","),
            ip_sans: request.ip_addresses.join(","),
            uri_sans: request.uris.join(","),
            ttl: request.ttl.map(|ttl| format!("{}s", ttl.as_secs())),
            csr,
            private_key_format: csr.is_none().then_some("pkcs8"),
        };
        let answer = self.call(Call::new(operation, Method::POST, path).json(&wire)?).await?;
        let envelope = Envelope::of(&answer, operation)?;
        Ok(Leased { lease: envelope.lease(), content: envelope.data(operation)? })
    }
}

fn optional_secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SecretString>, D::Error> {
    secret(from).map(Some)
}
