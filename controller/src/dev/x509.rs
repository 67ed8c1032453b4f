//! The X.509 authority of one trust domain: a self-signed CA and the X.509-SVIDs that it issues.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePrivateKey as _;
use rand_core::{OsRng, RngCore as _};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyIdMethod, KeyUsagePurpose, PublicKeyData, SanType, SerialNumber, SignatureAlgorithm,
};
use sha2::{Digest as _, Sha256};
use svidgate_jwt_svid::{SpiffeId, TrustDomain};

/// A CA of one trust domain.
#[derive(Clone)]
pub struct X509Authority {
    issuer: Arc<CertifiedIssuer<'static, P256Key>>,
}

/// An X.509-SVID and its key.
pub struct X509Svid {
    /// The certificate, in ASN.1 DER.
    pub certificate: Vec<u8>,
    /// Its key: PKCS#8 in ASN.1 DER.
    pub private_key: Vec<u8>,
}

/// A certificate could not be made.
#[derive(Debug, thiserror::Error)]
#[error("issuing a certificate: {0}")]
pub struct X509Error(String);

/// Longer than any development run; the CA is gone with the process anyway.
const CA_LIFETIME: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// A certificate is valid from a little before it was made, for peers whose clock is behind.
const BACKDATE: Duration = Duration::from_secs(60);

impl X509Authority {
    /// A fresh CA. Its one URI SAN is the SPIFFE ID of the trust domain (SPIFFE X509-SVID section 2).
    pub fn generate(trust_domain: &TrustDomain, now: SystemTime) -> Result<Self, X509Error> {
        let key = P256Key::generate();
        let mut params = params(&format!("spiffe://{trust_domain}"), &key, now, CA_LIFETIME)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, key)?;
        Ok(Self { issuer: Arc::new(issuer) })
    }

    /// The CA certificate, in ASN.1 DER: the trust domain's bundle.
    #[must_use]
    pub fn bundle(&self) -> &[u8] {
        self.issuer.der()
    }

    /// An X.509-SVID with a fresh key (SPIFFE X509-SVID section 4: one URI SAN, no CA, digitalSignature).
    pub fn issue(&self, id: &SpiffeId, now: SystemTime, lifetime: Duration) -> Result<X509Svid, X509Error> {
        let key = P256Key::generate();
        let mut params = params(id.as_str(), &key, now, lifetime)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(X509Svid { certificate: certificate.der().to_vec(), private_key: key.pkcs8()? })
    }
}

fn params(
    uri: &str,
    key: &P256Key,
    now: SystemTime,
    lifetime: Duration,
) -> Result<CertificateParams, X509Error> {
    let out_of_range = || X509Error("the lifetime does not fit into a certificate".to_owned());
    let mut params = CertificateParams::default();
    params.not_before = now.checked_sub(BACKDATE).ok_or_else(out_of_range)?.into();
    params.not_after = now.checked_add(lifetime).ok_or_else(out_of_range)?.into();
    params.serial_number = Some(serial());
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "svidgate dev");
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?)];
    params.key_identifier_method = KeyIdMethod::PreSpecified(key.identifier());
    Ok(params)
}

/// Random and positive (RFC 5280 section 4.1.2.2).
fn serial() -> SerialNumber {
    (OsRng.next_u64() | 1).into()
}

struct P256Key {
    secret: SigningKey,
    /// The point, uncompressed (SEC 1 section 2.3.3).
    public: Vec<u8>,
}

impl P256Key {
    fn generate() -> Self {
        loop {
            let mut scalar = [0; 32];
            OsRng.fill_bytes(&mut scalar);
            // About one in 2^32 is no scalar of the curve.
            if let Ok(secret) = SigningKey::from_slice(&scalar) {
                let public = secret.verifying_key().to_sec1_point(false).as_bytes().to_vec();
                return Self { secret, public };
            }
        }
    }

    /// RFC 7093 method 1: the first 160 bits of the key's SHA-256.
    fn identifier(&self) -> Vec<u8> {
        Sha256::digest(&self.public).iter().take(20).copied().collect()
    }

    fn pkcs8(&self) -> Result<Vec<u8>, X509Error> {
        let document = self.secret.to_pkcs8_der().map_err(|error| X509Error(error.to_string()))?;
        Ok(document.as_bytes().to_vec())
    }
}

impl PublicKeyData for P256Key {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for P256Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: Signature = self.secret.try_sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.to_der().as_bytes().to_vec())
    }
}

impl From<rcgen::Error> for X509Error {
    fn from(error: rcgen::Error) -> Self {
        Self(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::VerifyingKey;
    use p256::ecdsa::signature::Verifier as _;
    use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

    use super::*;

    const NOW: Duration = Duration::from_secs(1_800_000_000);

    fn parse(der: &[u8]) -> X509Certificate<'_> {
        let (rest, certificate) = X509Certificate::from_der(der).unwrap();
        assert!(rest.is_empty());
        certificate
    }

    fn uris(certificate: &X509Certificate<'_>) -> Vec<String> {
        let names = certificate.subject_alternative_name().unwrap().unwrap();
        let uris = names.value.general_names.iter().map(|name| match name {
            GeneralName::URI(uri) => (*uri).to_owned(),
            other => panic!("{other:?}"),
        });
        uris.collect()
    }

    fn is_signed_by(certificate: &X509Certificate<'_>, ca: &X509Certificate<'_>) -> bool {
        let key = VerifyingKey::from_sec1_bytes(&ca.public_key().subject_public_key.data).unwrap();
        let signature = Signature::from_der(&certificate.signature_value.data).unwrap();
        key.verify(certificate.tbs_certificate.as_ref(), &signature).is_ok()
    }

    #[test]
    fn an_x509_svid_is_what_the_standard_asks_for() {
        let now = SystemTime::UNIX_EPOCH + NOW;
        let id = SpiffeId::parse("spiffe://example.org/client").unwrap();
        let authority = X509Authority::generate(id.trust_domain(), now).unwrap();
        let svid = authority.issue(&id, now, Duration::from_secs(3600)).unwrap();
        let (ca, leaf) = (parse(authority.bundle()), parse(&svid.certificate));

        assert_eq!(uris(&ca), ["spiffe://example.org"]);
        assert!(ca.is_ca());
        let usage = ca.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.key_cert_sign() && !usage.value.digital_signature());
        assert!(is_signed_by(&ca, &ca));

        assert_eq!(uris(&leaf), [id.as_str()]);
        assert!(!leaf.is_ca());
        let usage = leaf.key_usage().unwrap().unwrap();
        assert!(usage.critical && usage.value.digital_signature());
        assert!(!usage.value.key_cert_sign() && !usage.value.crl_sign());
        assert!(is_signed_by(&leaf, &ca) && !is_signed_by(&leaf, &leaf));
        assert_eq!(leaf.validity().not_before.timestamp(), 1_800_000_000 - 60);
        assert_eq!(leaf.validity().not_after.timestamp(), 1_800_000_000 + 3600);
    }

    #[test]
    fn v09_a_trust_domain_does_not_sign_for_another() {
        let now = SystemTime::UNIX_EPOCH + NOW;
        let id = SpiffeId::parse("spiffe://example.org/client").unwrap();
        let own = X509Authority::generate(id.trust_domain(), now).unwrap();
        let other = X509Authority::generate(&TrustDomain::parse("other.org").unwrap(), now).unwrap();
        let svid = own.issue(&id, now, Duration::from_secs(60)).unwrap();
        assert!(!is_signed_by(&parse(&svid.certificate), &parse(other.bundle())));
    }
}
