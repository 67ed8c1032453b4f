//! Who checks signatures: the host, by Envoy's `verify_signature`, or RustCrypto in the module.

mod message;

use std::cell::{Cell, RefCell};

use svidgate_jwt_svid::{
    Algorithm, RustCrypto, SignatureError, SignatureVerifier, VerificationKey, ecdsa_p1363_to_der,
};

/// Who is asked to check signatures, by configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Backend {
    /// The host's own crypto, in native code. RustCrypto for what it has not: RSA-PSS.
    Host,
    /// RustCrypto, compiled into the module.
    Wasm,
}

impl Backend {
    /// The word of settings and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Wasm => "wasm",
        }
    }
}

/// The host's function `verify_signature`: message in, message out.
pub trait SignatureHost {
    /// Calls it with a serialized `VerifySignatureArguments`, and returns the serialized `VerifySignatureResult`.
    ///
    /// # Errors
    /// [`HostError`]; then nothing is known about the signature.
    fn verify_signature(&self, arguments: &[u8]) -> Result<Vec<u8>, HostError>;
}

/// Why the host did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostError {
    /// It has no such function.
    NotFound,
    /// Any other status.
    Failed,
}

/// What came of a signature check, to be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Checked {
    /// This backend gave its answer.
    By(Backend),
    /// The host did not; the token is refused.
    HostFailed,
    /// The host has no such function; RustCrypto gave the answer, and gives all of them from now on.
    HostMissing,
}

/// The backend of a plugin instance in one VM.
///
/// Whatever the host says, `Ok` comes only of the one message that means "valid", for a signature whose form and whose
/// algorithm the core has found to fit the key: nothing is left to the host's leniency (V13, V14).
#[derive(Debug)]
pub struct Crypto<H> {
    host: H,
    backend: Cell<Backend>,
    last: Cell<Option<Checked>>,
    /// Grown once to the usual size of a message.
    arguments: RefCell<Vec<u8>>,
}

impl<H: SignatureHost> Crypto<H> {
    /// The configured backend; `host` is not called for [`Backend::Wasm`], because there are hosts that trap on a
    /// function that they do not know.
    pub fn new(backend: Backend, host: H) -> Self {
        Self { host, backend: Cell::new(backend), last: Cell::default(), arguments: RefCell::default() }
    }

    /// What came of the last check, once.
    pub fn take_checked(&self) -> Option<Checked> {
        self.last.take()
    }

    fn check(
        &self,
        key: &VerificationKey,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> (Result<(), SignatureError>, Checked) {
        let in_module = || RustCrypto.verify_signature(key, algorithm, signing_input, signature);
        if self.backend.get() == Backend::Wasm {
            return (in_module(), Checked::By(Backend::Wasm));
        }
        let Some((hash, form)) = known_to_the_host(algorithm) else {
            return (in_module(), Checked::By(Backend::Wasm));
        };
        if !key.may_verify(algorithm) || !key.admits_form_of(signature) {
            return (Err(SignatureError::Invalid), Checked::By(Backend::Host));
        }
        let der;
        let signature = match form {
            Form::Octets => signature,
            Form::Der => {
                let Some(encoded) = ecdsa_p1363_to_der(signature) else {
                    return (Err(SignatureError::Invalid), Checked::By(Backend::Host));
                };
                der = encoded;
                der.as_slice()
            }
        };
        let mut arguments = self.arguments.borrow_mut();
        message::arguments(&mut arguments, hash, key.spki_der(), signature, signing_input);
        match self.host.verify_signature(&arguments).map(|result| message::is_valid(&result)) {
            Ok(Some(true)) => (Ok(()), Checked::By(Backend::Host)),
            Ok(Some(false)) => (Err(SignatureError::Invalid), Checked::By(Backend::Host)),
            Ok(None) | Err(HostError::Failed) => (Err(SignatureError::Unavailable), Checked::HostFailed),
            Err(HostError::NotFound) => {
                self.backend.set(Backend::Wasm);
                (in_module(), Checked::HostMissing)
            }
        }
    }
}

impl<H: SignatureHost> SignatureVerifier for Crypto<H> {
    fn verify_signature(
        &self,
        key: &VerificationKey,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureError> {
        let (result, checked) = self.check(key, algorithm, signing_input, signature);
        self.last.set(Some(checked));
        result
    }
}

/// How the host takes a signature.
enum Form {
    /// As JOSE has it.
    Octets,
    /// ECDSA as DER.
    Der,
}

/// Hash and form in which the host takes signatures of an algorithm; none for RSA-PSS, which it would read as PKCS #1 v1.5.
fn known_to_the_host(algorithm: Algorithm) -> Option<(&'static str, Form)> {
    match algorithm {
        Algorithm::Rs256 => Some(("sha256", Form::Octets)),
        Algorithm::Rs384 => Some(("sha384", Form::Octets)),
        Algorithm::Rs512 => Some(("sha512", Form::Octets)),
        Algorithm::Es256 => Some(("sha256", Form::Der)),
        Algorithm::Es384 => Some(("sha384", Form::Der)),
        Algorithm::Es512 => Some(("sha512", Form::Der)),
        Algorithm::Ps256 | Algorithm::Ps384 | Algorithm::Ps512 => None,
    }
}

#[cfg(test)]
mod tests;
