//! Verification of SPIFFE JWT-SVIDs against the bundles of their trust domains.
//!
//! A pure core: no clock, no randomness, no I/O, no host, no `std`. Time is passed in, bundles are passed in, the
//! signature backend is a [trait](SignatureVerifier) with one [implementation](RustCrypto) in pure Rust. It runs
//! natively and as Wasm.
//!
//! ```
//! use svidgate_jwt_svid::{
//!     Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, Verifier, VerifierConfig,
//!     VerifyError,
//! };
//!
//! let jwks = br#"{"keys": []}"#; // as the Workload API gives it
//! let bundle = Bundle::from_jwks(jwks, &BundleLimits::default())?;
//! let bundles = BundleSet::from_iter([(TrustDomain::parse("example.org")?, bundle)]);
//!
//! let verifier = Verifier::new(VerifierConfig::new(Audiences::new(["backend.example.org"])?))?;
//! let result = verifier.verify(b"not.a.token", &bundles, &RustCrypto, UnixTime(1_700_000_000));
//! assert!(matches!(result, Err(VerifyError::Base64(_))));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is validated
//! In this order, cheap before dear; [`Step`] names the steps, [`VerifyError`] each way to fail, and
//! [`Verifier::explain`] reports them by the same code. `V…`, `B…` and `J…` are the numbers of the project's
//! verification checklist, which the names of the tests begin with.
//!
//! | step | rule | source |
//! | --- | --- | --- |
//! | size | at most so many bytes, before anything is decoded (V2) | – |
//! | structure | compact serialization of three parts (V1), strict base64url (V3) | JWT-SVID §2, RFC 7515 §7.1 |
//! | header | strict JSON; only `alg`, `kid`, `typ`, none twice (V4); `kid` of 1 to 512 bytes (V6); `typ` JWT or JOSE (V7) | JWT-SVID §2, RFC 8725 §3 |
//! | algorithm | one of nine in exact case, and allowed (V5) | JWT-SVID §2.1, RFC 7518 §3.1 |
//! | claims | strict JSON of bounded depth; registered claims of the right type; times from 1970 to 9999 (V12) | RFC 7519 §4.1, §7.2 |
//! | SPIFFE ID | `sub` is one (V8) | SPIFFE-ID §2 |
//! | bundle, key | the bundle of the trust domain of `sub`, and in it the `kid` (V9) | JWT-SVID §4, SPIFFE Trust Domain and Bundle §4 |
//! | key algorithm | the key's `kty`, `crv`, `alg` bind it (V13) | RFC 8725 §3.1 |
//! | audience | one of ours, byte for byte (V10) | JWT-SVID §3.2 |
//! | times | `exp`, `nbf`, and `iat` where a maximum age is set (V11) | JWT-SVID §3.3, RFC 7519 §4.1.4 |
//! | signature | its form (V14), and itself | RFC 7518 §3.3–§3.5 |
//!
//! Keys are checked when their bundle is read ([`Bundle`]): full-width coordinates and points on their curve, RSA
//! moduli of 2048 to 8192 bits, exponents from 65537 to 33 bits, no fingerprint of a broken generator, `use`,
//! `key_ops`, one key for each `kid` (V14, B1–B4). What does not fit is left out and
//! [listed with its reason](Bundle::ignored).
//!
//! # What is not validated
//! - **Where bundles come from.** Whoever fills the [`BundleSet`] answers for it, for its age, and for refusing an
//!   older one (P12).
//! - **Authorization.** A [`VerifiedSvid`] says who the caller is, not what it may do.
//! - **Replay and revocation.** `jti` is typed but not tracked; a bearer token serves whoever holds it until it
//!   expires. Revocation lists must key on `jti`, `sub` or `kid`, for the bytes of an ECDSA token can be changed by
//!   anyone without making it invalid (V19).
//! - **`iss`** has its type checked and no meaning; the standard gives it none. `iat` counts only for a maximum age.
//! - **Lifetimes.** A token of ten years is valid for ten years, unless a maximum age is set.
//! - **X.509-SVIDs**, and members of a JWK that carry certificates.
//! - **The caller's transport**: that there is only one `Authorization` header, and that it came over TLS.
//!
//! # Costs
//! Refusing is bounded by the size limit and at most one signature check: memory is linear in the token, JSON is
//! read once with bounded depth and number of values, duplicates are found in a sorted map. Nothing panics: the
//! lints forbid what could. A [`TokenCache`] spares the signature of tokens that come again, and all else is asked
//! again of them (B8).

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
mod bytes;
mod cache;
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
pub use bytes::{ByteSet, Segments};
pub use cache::{CacheLimits, CacheUse, TokenCache};
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
