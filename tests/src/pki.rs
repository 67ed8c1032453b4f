//! X.509-SVIDs, and certificates that only look like one.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};

use crate::poll::now;

/// The certificate authority of a trust domain.
pub struct Authority {
    issuer: CertifiedIssuer<'static, Key>,
}

/// A certificate with its key.
pub struct Certificate {
    chain: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Authority {
    /// The authority of this trust domain. Its key comes from the name, so that a test repeats exactly.
    pub fn of(trust_domain: &str) -> Self {
        let mut params = params(trust_domain, &[san_uri(&format!("spiffe://{trust_domain}"))]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Self {
            issuer: CertifiedIssuer::self_signed(params, Key::of(trust_domain)).expect("a CA certificate"),
        }
    }

    /// Its certificate, for Envoy.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", self.issuer.der())
    }

    /// A certificate with these names.
    pub fn issue(&self, label: &str, names: &[SanType]) -> Certificate {
        self.sign(label, params(label, names))
    }

    /// A certificate that was good until an hour ago.
    pub fn issue_expired(&self, label: &str, names: &[SanType]) -> Certificate {
        let mut params = params(label, names);
        params.not_after = (now() - HOUR).into();
        self.sign(label, params)
    }

    /// A certificate with this common name, that ends after `lives`.
    pub fn issue_named(&self, label: &str, name: &str, names: &[SanType], lives: Duration) -> Certificate {
        let mut params = params(label, names);
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_after = (now() + lives).into();
        self.sign(label, params)
    }

    fn sign(&self, label: &str, mut params: CertificateParams) -> Certificate {
        let key = Key::of(label);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        let key = key.secret.to_pkcs8_der().expect("a key").as_bytes().to_vec();
        Certificate { chain: certificate.der().clone(), key }
    }
}

impl Certificate {
    /// The certificate, for Envoy.
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.chain)
    }

    /// The key, for Envoy.
    pub fn key_pem(&self) -> String {
        pem("PRIVATE KEY", &self.key)
    }

    /// The certificate, for a client.
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![self.chain.clone()]
    }

    /// The key, for a client.
    pub fn key(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.key.clone()).into()
    }
}

/// A URI in `subjectAltName`, whatever it says.
pub fn san_uri(uri: &str) -> SanType {
    SanType::URI(uri.try_into().expect("ASCII"))
}

/// A DNS name in `subjectAltName`.
pub fn san_dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().expect("ASCII"))
}

fn params(label: &str, names: &[SanType]) -> CertificateParams {
    let now = now();
    let mut params = CertificateParams::default();
    params.key_identifier_method =
        KeyIdMethod::PreSpecified(Sha256::digest(label).iter().take(20).copied().collect());
    // A digest's first bytes are as good as random, and the same each time.
    let digest: Vec<u8> = Sha256::digest(format!("serial {label}")).iter().take(15).copied().collect();
    params.serial_number = Some(SerialNumber::from([&[1], digest.as_slice()].concat()));
    params.not_before = (now - 24 * HOUR).into();
    params.not_after = (now + 24 * HOUR).into();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, label);
    params.subject_alt_names = names.to_vec();
    params
}

/// A P-256 key from a label.
struct Key {
    secret: SigningKey,
    /// The point, uncompressed (SEC 1 section 2.3.3).
    public: Vec<u8>,
}

impl Key {
    fn of(label: &str) -> Self {
        let secret = SigningKey::from_slice(&Sha256::digest(format!("x509 {label}"))).expect("a scalar");
        let public = secret.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { secret, public }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.secret.sign(message);
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64")).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

const HOUR: Duration = Duration::from_secs(3600);
