//! The way of a token through verification, cheap steps before dear ones.

mod config;
mod trace;

use alloc::string::String;

pub use config::{MAX_CLOCK_SKEW, MAX_TOKEN_BYTES, VerifierConfig, VerifierConfigError};
pub use trace::{Explanation, Fact, Outcome, Step, StepReport};

use crate::algorithm::Algorithm;
use crate::bundle::{Bundle, BundleSet};
use crate::error::VerifyError;
use crate::key::VerificationKey;
use crate::signature::{SignatureError, SignatureVerifier};
use crate::spiffe_id::SpiffeId;
use crate::svid::VerifiedSvid;
use crate::unix_time::UnixTime;
use crate::unverified::{Claims, Compact, Header};
use trace::{Recorder, Silent, Trace};

/// Verifies JWT-SVIDs for a fixed set of demands.
#[derive(Clone, Debug)]
pub struct Verifier {
    config: VerifierConfig,
}

impl Verifier {
    /// A verifier with these demands.
    ///
    /// # Errors
    /// When a number is out of its range.
    pub fn new(config: VerifierConfig) -> Result<Self, VerifierConfigError> {
        config.check()?;
        Ok(Self { config })
    }

    /// The demands.
    #[must_use]
    pub fn config(&self) -> &VerifierConfig {
        &self.config
    }

    /// Verifies a token in compact serialization at the moment `now`.
    ///
    /// The cost of a refusal is bounded by the size limit and one signature check.
    ///
    /// # Errors
    /// The first step that failed.
    pub fn verify(
        &self,
        token: &[u8],
        bundles: &BundleSet,
        crypto: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Result<VerifiedSvid, VerifyError> {
        self.walk(token, bundles, crypto, now, &mut Silent)
    }

    /// Does the same as [`verify`](Self::verify), by the same code, and reports each step.
    #[must_use]
    pub fn explain(
        &self,
        token: &[u8],
        bundles: &BundleSet,
        crypto: &dyn SignatureVerifier,
        now: UnixTime,
    ) -> Explanation {
        let mut recorder = Recorder::default();
        let result = self.walk(token, bundles, crypto, now, &mut recorder);
        recorder.finish(result)
    }

    /// Checks again what can change after a token was verified: bundle, key, algorithms, audiences and times, but
    /// not the signature. For holders of a cache (B8): cheap, and with the same rules as [`verify`](Self::verify).
    ///
    /// # Errors
    /// The first step that fails now. [`VerifyError::KeyUnknown`] also when another key has the `kid` by now.
    pub fn revalidate(
        &self,
        svid: &VerifiedSvid,
        bundles: &BundleSet,
        now: UnixTime,
    ) -> Result<(), VerifyError> {
        let trace = &mut Silent;
        self.check_algorithm(svid.algorithm)?;
        let bundle = find_bundle(&svid.spiffe_id, bundles, trace)?;
        let key = find_key(&svid.key_id, bundle, trace)?;
        if *key.thumbprint() != svid.key_thumbprint {
            return Err(VerifyError::KeyUnknown);
        }
        check_binding(key, svid.algorithm, trace)?;
        self.check_audience(&svid.claims, trace)?;
        self.check_times(&svid.claims, now, trace).map(|_| ())
    }

    fn walk(
        &self,
        token: &[u8],
        bundles: &BundleSet,
        crypto: &dyn SignatureVerifier,
        now: UnixTime,
        trace: &mut impl Trace,
    ) -> Result<VerifiedSvid, VerifyError> {
        trace.enter(Step::Size);
        trace.fact(|| Fact::TokenBytes(token.len()));
        let limit = self.config.max_token_bytes;
        if token.len() > limit {
            return Err(VerifyError::TokenTooLarge { limit, actual: token.len() });
        }

        trace.enter(Step::Structure);
        let compact = Compact::parse(token)?;

        trace.enter(Step::Header);
        let header = Header::parse(&compact.header)?;
        trace.fact(|| Fact::KeyId(header.key_id().into()));

        trace.enter(Step::Algorithm);
        let algorithm = header.algorithm()?;
        trace.fact(|| Fact::Algorithm(algorithm));
        self.check_algorithm(algorithm)?;

        trace.enter(Step::Claims);
        let claims = Claims::parse(&compact.payload)?;

        trace.enter(Step::SpiffeId);
        let subject = claims.subject().ok_or(VerifyError::SubjectMissing)?;
        trace.fact(|| Fact::Subject(subject.into()));
        let spiffe_id = SpiffeId::parse(subject).map_err(VerifyError::SubjectInvalid)?;

        trace.enter(Step::Bundle);
        let bundle = find_bundle(&spiffe_id, bundles, trace)?;

        trace.enter(Step::Key);
        let key = find_key(header.key_id(), bundle, trace)?;

        trace.enter(Step::KeyAlgorithm);
        check_binding(key, algorithm, trace)?;

        trace.enter(Step::Audience);
        self.check_audience(&claims, trace)?;

        trace.enter(Step::Times);
        let expires_at = self.check_times(&claims, now, trace)?;

        trace.enter(Step::Signature);
        if !key.admits_form_of(&compact.signature) {
            return Err(VerifyError::SignatureMalformed);
        }
        crypto.verify_signature(key, algorithm, compact.signing_input, &compact.signature).map_err(
            |error| match error {
                SignatureError::Invalid => VerifyError::SignatureInvalid,
                SignatureError::Unavailable => VerifyError::SignatureUnavailable,
            },
        )?;

        let key_thumbprint = *key.thumbprint();
        Ok(VerifiedSvid {
            spiffe_id,
            key_id: header.into_key_id(),
            key_thumbprint,
            algorithm,
            expires_at,
            claims,
        })
    }

    fn check_algorithm(&self, algorithm: Algorithm) -> Result<(), VerifyError> {
        if self.config.algorithms.contains(algorithm) {
            Ok(())
        } else {
            Err(VerifyError::AlgorithmNotAllowed(algorithm))
        }
    }

    /// V10: at least one of ours, byte for byte.
    fn check_audience(&self, claims: &Claims, trace: &mut impl Trace) -> Result<(), VerifyError> {
        let audiences = claims.audiences().unwrap_or_default();
        trace.fact(|| Fact::TokenAudiences(audiences.to_vec()));
        trace.fact(|| Fact::ExpectedAudiences(self.config.audiences.iter().map(String::from).collect()));
        if audiences.is_empty() {
            return Err(VerifyError::AudienceMissing);
        }
        if !audiences.iter().any(|audience| self.config.audiences.contains(audience)) {
            return Err(VerifyError::AudienceMismatch);
        }
        Ok(())
    }

    /// V11: `exp` always, `nbf` where present, `iat` only for a maximum age. Gives back `exp`.
    fn check_times(
        &self,
        claims: &Claims,
        now: UnixTime,
        trace: &mut impl Trace,
    ) -> Result<UnixTime, VerifyError> {
        let skew = self.config.clock_skew;
        trace.fact(|| Fact::Now(now));
        trace.fact(|| Fact::ClockSkew(skew));
        let expires_at = claims.expires_at().ok_or(VerifyError::ExpiryMissing)?.floor;
        trace.fact(|| Fact::ExpiresAt(expires_at));
        if now >= expires_at.saturating_add(skew) {
            return Err(VerifyError::Expired);
        }
        if let Some(not_before) = claims.not_before() {
            trace.fact(|| Fact::NotBefore(not_before.ceil));
            if now.saturating_add(skew) < not_before.ceil {
                return Err(VerifyError::NotYetValid);
            }
        }
        if let Some(issued_at) = claims.issued_at() {
            trace.fact(|| Fact::IssuedAt(issued_at.floor));
        }
        if let Some(max_age) = self.config.max_age {
            trace.fact(|| Fact::MaxAge(max_age));
            let issued_at = claims.issued_at().ok_or(VerifyError::IssuedAtMissing)?;
            if now.saturating_add(skew) < issued_at.ceil {
                return Err(VerifyError::IssuedInFuture);
            }
            if now >= issued_at.floor.saturating_add(max_age).saturating_add(skew) {
                return Err(VerifyError::TooOld);
            }
        }
        Ok(expires_at)
    }
}

/// V9: the bundle is that of the trust domain of `sub`, and no other is looked at.
fn find_bundle<'a>(
    spiffe_id: &SpiffeId,
    bundles: &'a BundleSet,
    trace: &mut impl Trace,
) -> Result<&'a Bundle, VerifyError> {
    trace.fact(|| Fact::SpiffeId(spiffe_id.clone()));
    trace.fact(|| {
        Fact::TrustDomains(bundles.iter().map(|(trust_domain, _)| trust_domain.as_str().into()).collect())
    });
    bundles.get(spiffe_id.trust_domain()).ok_or(VerifyError::TrustDomainUnknown)
}

fn find_key<'a>(
    key_id: &str,
    bundle: &'a Bundle,
    trace: &mut impl Trace,
) -> Result<&'a VerificationKey, VerifyError> {
    trace.fact(|| Fact::BundleKeyIds(bundle.kids().map(String::from).collect()));
    bundle.key(key_id).ok_or(VerifyError::KeyUnknown)
}

/// V13: one algorithm family for each key.
fn check_binding(
    key: &VerificationKey,
    algorithm: Algorithm,
    trace: &mut impl Trace,
) -> Result<(), VerifyError> {
    trace.fact(|| Fact::KeyAlgorithms(key.algorithms().iter().collect()));
    if key.may_verify(algorithm) { Ok(()) } else { Err(VerifyError::KeyAlgorithmMismatch) }
}

#[cfg(test)]
mod tests;
