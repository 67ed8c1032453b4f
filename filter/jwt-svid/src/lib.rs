//! Verification of SPIFFE JWT-SVIDs against the bundles of their trust domains.
#![no_std]
#![forbid(unsafe_code)]
#![deny(clippy::arithmetic_side_effects)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod algorithm;
mod audiences;
mod base64url;
pub mod bearer;
mod bundle;
mod deny_reason;
mod error;
mod json;
mod key;
mod signature;
mod spiffe_id;
mod svid;
#[cfg(test)]
mod testing;
mod trust_domain;
mod unix_time;
pub mod unverified;
mod verifier;

pub use algorithm::{Algorithm, AlgorithmSet, EmptyAlgorithmSet};
pub use audiences::{Audiences, AudiencesError};
pub use bearer::BearerError;
pub use bundle::{Bundle, BundleError, BundleLimits, BundleSet};
pub use deny_reason::DenyReason;
pub use error::{Claim, HeaderMember, Part, VerifyError};
pub use json::JsonError;
pub use key::{
    IgnoredKey, IgnoredReason, RSA_EXPONENT, RSA_MODULUS_BITS, VerificationKey, ecdsa_p1363_to_der,
};
pub use signature::{RustCrypto, SignatureError, SignatureVerifier};
pub use spiffe_id::{MAX_SPIFFE_ID_BYTES, SpiffeId, SpiffeIdError};
pub use svid::VerifiedSvid;
pub use trust_domain::{MAX_TRUST_DOMAIN_BYTES, TrustDomain};
pub use unix_time::UnixTime;
pub use verifier::{
    Explanation, Fact, MAX_CLOCK_SKEW, MAX_TOKEN_BYTES, Outcome, Step, StepReport, Verifier, VerifierConfig,
    VerifierConfigError,
};
