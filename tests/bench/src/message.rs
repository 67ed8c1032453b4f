//! What svidgate asks of the host when it has to check a signature.

use std::cell::RefCell;

use svidgate_forge::jwks;
use svidgate_jwt_svid::unverified::Compact;
use svidgate_jwt_svid::{self as jwt_svid, Bundle, BundleLimits, SignatureVerifier as _};
use svidgate_plugin::crypto::{Backend, Crypto, HostError, SignatureHost};

use crate::traffic::{Algorithm, Traffic};

/// The argument of `verify_signature` for a good token, as the plugin writes it.
pub(crate) fn signature_message(algorithm: Algorithm) -> Vec<u8> {
    let key = algorithm.key();
    let bundle = Bundle::from_jwks(&jwks([key.jwk()]), &BundleLimits::default()).expect("a bundle");
    let value = Traffic::One(algorithm).values(svidgate_tests::unix_seconds()).remove(0);
    let token = value.strip_prefix("Bearer ").expect("a bearer token");
    let (input, _) = token.rsplit_once('.').expect("a token has dots");
    let signature = Compact::parse(token.as_bytes()).expect("a token").signature;
    let heard = Heard::default();
    let algorithm = jwt_svid::Algorithm::parse(algorithm.name()).expect("an algorithm");
    let key = bundle.key(key.kid()).expect("the key");
    Crypto::new(Backend::Host, &heard)
        .verify_signature(key, algorithm, input.as_bytes(), &signature)
        .expect("this host takes every signature for valid");
    heard.0.into_inner()
}

/// A host that notes what it is asked.
#[derive(Debug, Default)]
struct Heard(RefCell<Vec<u8>>);

impl SignatureHost for &Heard {
    fn verify_signature(&self, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        arguments.clone_into(&mut self.0.borrow_mut());
        // Protobuf: field 1, true.
        Ok(vec![8, 1])
    }
}
