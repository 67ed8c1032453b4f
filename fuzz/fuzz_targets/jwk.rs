//! One entry of a JWKS.
#![no_main]

use libfuzzer_sys::fuzz_target;
use p256::pkcs8::DecodePublicKey as _;
use svidgate_jwt_svid::{Algorithm, Bundle, BundleLimits, VerificationKey};

fuzz_target!(|data: &[u8]| {
    let document = [b"{\"keys\":[", data, b"]}"].concat();
    let limits = BundleLimits::default();
    let workload_api = Bundle::from_jwks(&document, &limits);
    let spiffe = Bundle::from_spiffe_bundle(&document, &limits);
    assert_eq!(workload_api.is_ok(), spiffe.is_ok());
    let (Ok(workload_api), Ok(spiffe)) = (workload_api, spiffe) else { return };
    for ignored in workload_api.ignored() {
        assert!(!ignored.reason.to_string().is_empty());
    }

    for kid in spiffe.kids() {
        let key = spiffe.key(kid).unwrap();
        is_sound(key);
        // Without the demand for `use` more entries count, which can only make a `kid` ambiguous.
        match workload_api.key(kid) {
            Some(same) => assert_eq!(same, key),
            None => assert!(workload_api.ignored().iter().any(|entry| entry.kid.as_deref() == Some(kid))),
        }
    }

    let canonical = workload_api.jwks();
    let text = canonical.to_string();
    for again in
        [Bundle::from_jwks(text.as_bytes(), &limits), Bundle::from_spiffe_bundle(text.as_bytes(), &limits)]
    {
        let again = again.unwrap();
        assert!(again.ignored().is_empty());
        assert!(again.kids().eq(workload_api.kids()));
        assert_eq!(again.jwks(), canonical);
    }
    for entry in canonical["keys"].as_array().unwrap() {
        let members = entry.as_object().unwrap();
        assert!(members.keys().all(|name| PUBLIC.contains(&name.as_str())));
    }
});

/// Another parser takes the DER for the same kind of key, and the key is bound to one family of algorithms.
fn is_sound(key: &VerificationKey) {
    let der = key.spki_der();
    let allowed: Vec<_> = key.algorithms().iter().collect();
    match allowed.first().unwrap() {
        Algorithm::Es256 => assert!(p256::PublicKey::from_public_key_der(der).is_ok()),
        Algorithm::Es384 => assert!(p384::PublicKey::from_public_key_der(der).is_ok()),
        Algorithm::Es512 => assert!(p521::PublicKey::from_public_key_der(der).is_ok()),
        _ => assert!(rsa::PublicKey::from_public_key_der(der).is_ok()),
    }
    let is_ecdsa = |algorithm: &Algorithm| algorithm.as_str().starts_with("ES");
    assert!(allowed.len() == 1 || !allowed.iter().any(is_ecdsa));
    assert!(!key.admits_form_of(&[]) && !key.admits_form_of(&[0; 64]));
}

const PUBLIC: [&str; 9] = ["kid", "use", "alg", "kty", "crv", "x", "y", "n", "e"];
