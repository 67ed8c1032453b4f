//! How to mend what was refused, for whoever runs the caller, the issuer or the filter.

use svidgate_jwt_svid::VerifyError;

/// What to do about it. The likely cause, which goes before it, is the core's.
pub(super) const fn mend(error: VerifyError) -> &'static str {
    match error {
        VerifyError::TokenTooLarge { .. } => {
            "Check what the caller sends; if it is a JWT-SVID, raise max_token_bytes of the plugin."
        }
        VerifyError::PartCount | VerifyError::EmptyPart(_) | VerifyError::Base64(_) => {
            "Send the token as it came from the Workload API: one line, two dots, nothing added or taken away."
        }
        VerifyError::HeaderJson(_) | VerifyError::ClaimsJson(_) => {
            "Look at the issuer: a JWT-SVID from SPIRE never has this. If the issuer is SPIRE, treat it as an attack."
        }
        VerifyError::HeaderMemberRefused(_)
        | VerifyError::HeaderMemberType(_)
        | VerifyError::TypeRefused
        | VerifyError::AlgorithmMissing
        | VerifyError::ClaimType(_)
        | VerifyError::TimeOutOfRange(_)
        | VerifyError::SubjectMissing
        | VerifyError::SubjectInvalid(_)
        | VerifyError::ExpiryMissing => {
            "Have the caller fetch a JWT-SVID (`svidgate token --audience …`) in place of this token."
        }
        VerifyError::KeyIdMissing | VerifyError::KeyIdLength { .. } => {
            "Have the issuer set the kid that its bundle publishes for the key."
        }
        VerifyError::AlgorithmUnsupported => {
            "Have the issuer sign with RSA or ECDSA; nothing here can be set to take it."
        }
        VerifyError::AlgorithmNotAllowed(_) => {
            "Add the algorithm to `algorithms` of the plugin, or leave that list out."
        }
        VerifyError::TrustDomainUnknown => {
            "Federate the trust domains (`spire-server bundle set`, and -federatesWith in the entry of the workload that \
             fetches the bundles), or check that the caller is meant to call here."
        }
        VerifyError::KeyUnknown => {
            "Fetch a new token. If a new one has the same kid, compare it with `spire-server bundle show -format spiffe` \
             of its trust domain, and look at `svidgate status` for what the filters hold."
        }
        VerifyError::KeyAlgorithmMismatch => {
            "Have the issuer use a new kid for each new key; if the issuer is SPIRE, treat it as an attack."
        }
        VerifyError::AudienceMissing | VerifyError::AudienceMismatch => {
            "Have the caller ask for one of the expected audiences, or add its audience to `audiences` of the plugin."
        }
        VerifyError::Expired => {
            "Fetch a token for each call, or let a Workload API library refresh it; check both clocks (NTP)."
        }
        VerifyError::NotYetValid | VerifyError::IssuedInFuture => {
            "Set the clocks right (NTP) on the issuer's and the verifier's host."
        }
        VerifyError::IssuedAtMissing | VerifyError::TooOld => "Fetch a new token, or raise the maximum age.",
        VerifyError::SignatureMalformed => {
            "Copy the token whole; if it is whole, look at how its issuer encodes ECDSA signatures (RFC 7518 §3.4)."
        }
        VerifyError::SignatureInvalid => {
            "Fetch a new token; if that one fails as well, compare the key under this kid with the issuer's."
        }
        VerifyError::SignatureUnavailable => {
            "Choose the other signature backend in the plugin's configuration."
        }
        _ => "Fetch a new token.",
    }
}
