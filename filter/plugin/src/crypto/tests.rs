use std::cell::RefCell;

use svidgate_forge::{Key, RsaKey, Token, jwks};
use svidgate_jwt_svid::{
    Algorithm, Bundle, BundleLimits, RustCrypto, SignatureError, SignatureVerifier as _, VerificationKey,
    ecdsa_p1363_to_der,
};

use super::{Backend, Checked, Crypto, HostError, SignatureHost};

/// A host that answers always the same, and notes what it is asked.
struct Fake {
    answer: Result<Vec<u8>, HostError>,
    asked: RefCell<Vec<Vec<u8>>>,
}

impl SignatureHost for &Fake {
    fn verify_signature(&self, arguments: &[u8]) -> Result<Vec<u8>, HostError> {
        self.asked.borrow_mut().push(arguments.to_vec());
        self.answer.clone()
    }
}

impl Fake {
    fn answering(answer: Result<&[u8], HostError>) -> Self {
        Self { answer: answer.map(<[u8]>::to_vec), asked: RefCell::default() }
    }

    fn calls(&self) -> usize {
        self.asked.borrow().len()
    }
}

/// A key, and a signature of it over an input.
struct Signed {
    key: VerificationKey,
    algorithm: Algorithm,
    input: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    fn new(key: &Key, algorithm: &str) -> Self {
        let jwks = jwks([key.jwk()]);
        let bundle = Bundle::from_jwks(&jwks, &BundleLimits::default()).unwrap();
        let token = Token::new(key).sign_as(key, algorithm);
        let dot = token.iter().rposition(|byte| *byte == b'.').unwrap();
        let signature = svidgate_jwt_svid::unverified::Compact::parse(&token).unwrap().signature;
        Self {
            key: bundle.key(key.kid()).unwrap().clone(),
            algorithm: Algorithm::parse(algorithm).unwrap(),
            input: token[..dot].to_vec(),
            signature,
        }
    }

    fn every() -> Vec<Self> {
        let (p256, p384, p521) = (Key::p256("a"), Key::p384("b"), Key::p521("c"));
        let rsa = Key::rsa(RsaKey::Bits2048, "d");
        let ecdsa = [(&p256, "ES256"), (&p384, "ES384"), (&p521, "ES512")];
        let rsa = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map(|algorithm| (&rsa, algorithm));
        ecdsa.into_iter().chain(rsa).map(|(key, algorithm)| Self::new(key, algorithm)).collect()
    }

    fn ask(&self, crypto: &Crypto<&Fake>) -> Result<(), SignatureError> {
        crypto.verify_signature(&self.key, self.algorithm, &self.input, &self.signature)
    }

    fn is_pss(&self) -> bool {
        self.algorithm.as_str().starts_with("PS")
    }
}

const VALID: &[u8] = &[0x08, 0x01];
const FALSE: &[u8] = b"\x12\x20Failed to verify digital signatu";

#[test]
fn the_hosts_word_counts_for_all_but_pss_and_in_one_form_only() {
    for signed in Signed::every() {
        let altered = Signed { input: b"something else".to_vec(), ..Signed::new(&Key::p256("a"), "ES256") };
        for (answer, expected) in [
            (Ok(VALID), Ok(())),
            (Ok(FALSE), Err(SignatureError::Invalid)),
            (Ok(b"".as_slice()), Err(SignatureError::Invalid)),
            (Err(HostError::Failed), Err(SignatureError::Unavailable)),
        ] {
            let host = Fake::answering(answer);
            let crypto = Crypto::new(Backend::Host, &host);
            let (result, checked) = (signed.ask(&crypto), crypto.take_checked());
            if signed.is_pss() {
                assert_eq!((result, host.calls()), (Ok(()), 0), "{}", signed.algorithm);
                assert_eq!(checked, Some(Checked::By(Backend::Wasm)));
            } else {
                assert_eq!((result, host.calls()), (expected, 1), "{}: {answer:?}", signed.algorithm);
                let by_host = Checked::By(Backend::Host);
                let checked_as = if answer.is_err() { Checked::HostFailed } else { by_host };
                assert_eq!(checked, Some(checked_as));
            }
            assert_eq!(crypto.take_checked(), None);
            // The host is believed in both directions: RustCrypto would refuse this one.
            if answer == Ok(VALID) {
                assert_eq!(altered.ask(&crypto), Ok(()));
            }
        }
    }
}

/// Protobuf has many ways to say "true", and a host that is out of order has more.
#[test]
fn a_result_in_any_other_form_never_accepts() {
    let malformed: &[&[u8]] = &[
        b"\x08",
        b"\x08\x00",
        b"\x08\x02",
        b"\x08\x7f",
        b"\x08\x81\x00",
        b"\x08\x81\x80\x00",
        b"\x08\x01\x08\x01",
        b"\x08\x00\x08\x01",
        b"\x08\x01\x12\x00",
        b"\x08\x01\x12\x01x",
        b"\x12\x01x\x08\x01",
        b"\x12\x05x",
        b"\x12",
        b"\x12\x80\x00",
        b"\x12\x81\x00x",
        b"\x0a\x01\x01",
        b"\x0d\x01\x00\x00\x00",
        b"\x88\x00\x01",
        b"\x01",
        b"true",
        b"\x08\x01\x00",
        b"\x00\x08\x01",
        &[0xff; 300],
    ];
    let signed = Signed::new(&Key::p256("a"), "ES256");
    for answer in malformed {
        let host = Fake::answering(Ok(answer));
        let crypto = Crypto::new(Backend::Host, &host);
        assert_eq!(signed.ask(&crypto), Err(SignatureError::Unavailable), "{answer:02x?}");
        assert_eq!(crypto.take_checked(), Some(Checked::HostFailed));
    }
    for length in 0..1000 {
        let mut text = vec![b'x'; length];
        let head: &[u8] = match length {
            0..128 => &[u8::try_from(length).unwrap()],
            _ => &[u8::try_from(length & 0x7f).unwrap() | 0x80, u8::try_from(length >> 7).unwrap()],
        };
        text.splice(0..0, [&[0x12], head].concat());
        let host = Fake::answering(Ok(&text));
        assert_eq!(signed.ask(&Crypto::new(Backend::Host, &host)), Err(SignatureError::Invalid), "{length}");
    }
}

#[test]
fn a_host_without_the_function_is_asked_once_and_rust_crypto_answers_from_then_on() {
    let host = Fake::answering(Err(HostError::NotFound));
    let crypto = Crypto::new(Backend::Host, &host);
    for (at, signed) in Signed::every().into_iter().enumerate() {
        let forged = Signed { input: b"something else".to_vec(), ..Signed::new(&Key::p256("a"), "ES256") };
        assert_eq!(signed.ask(&crypto), Ok(()), "{}", signed.algorithm);
        let missing = if at == 0 { Checked::HostMissing } else { Checked::By(Backend::Wasm) };
        assert_eq!(crypto.take_checked(), Some(missing));
        assert_eq!(forged.ask(&crypto), Err(SignatureError::Invalid));
        assert_eq!(host.calls(), 1);
    }
}

#[test]
fn where_the_settings_say_wasm_the_host_is_never_called() {
    let host = Fake::answering(Ok(VALID));
    let crypto = Crypto::new(Backend::Wasm, &host);
    for signed in Signed::every() {
        assert_eq!(signed.ask(&crypto), Ok(()));
        let forged = Signed { input: b"something else".to_vec(), ..signed };
        assert_eq!(forged.ask(&crypto), Err(SignatureError::Invalid));
        assert_eq!(crypto.take_checked(), Some(Checked::By(Backend::Wasm)));
    }
    assert_eq!(host.calls(), 0);
}

/// A host that accepts everything does not get to see what is out of form, or for another kind of key.
#[test]
fn v13_v14_j05_j06_form_and_algorithm_are_not_left_to_the_host() {
    let host = Fake::answering(Ok(VALID));
    let crypto = Crypto::new(Backend::Host, &host);
    for signed in Signed::every() {
        let good = &signed.signature;
        let width = good.len() / 2;
        let mut bad = vec![
            vec![],
            good[1..].to_vec(),
            [good.as_slice(), &[0]].concat(),
            [&[0], good.as_slice()].concat(),
            vec![0; good.len() + 1],
        ];
        if signed.algorithm.as_str().starts_with("ES") {
            bad.push(vec![0; good.len()]);
            bad.push([&vec![0; width], &good[width..]].concat());
            bad.push([&good[..width], &vec![0; width]].concat());
            bad.push(vec![0xff; good.len()]);
            bad.push([&vec![0xff; width], &good[width..]].concat());
            bad.push(ecdsa_p1363_to_der(good).unwrap());
        }
        for signature in bad {
            let altered =
                Signed { signature, key: signed.key.clone(), input: signed.input.clone(), ..signed };
            assert_eq!(altered.ask(&crypto), Err(SignatureError::Invalid), "{}", signed.algorithm);
        }
        for other in Algorithm::ALL.iter().filter(|other| !signed.key.may_verify(**other)) {
            let result = crypto.verify_signature(&signed.key, *other, &signed.input, good);
            assert_eq!(result, Err(SignatureError::Invalid), "{} as {other}", signed.algorithm);
        }
    }
    assert_eq!(host.calls(), 0);
}

/// The bytes that protobuf would write, field by field.
#[test]
fn the_message_carries_hash_key_signature_and_input() {
    for signed in Signed::every().into_iter().filter(|signed| !signed.is_pss()) {
        let host = Fake::answering(Ok(FALSE));
        let crypto = Crypto::new(Backend::Host, &host);
        // Twice, because the buffer is used again.
        for _ in 0..2 {
            let _ = signed.ask(&crypto);
        }
        let name = signed.algorithm.as_str();
        let signature = match ecdsa_p1363_to_der(&signed.signature) {
            Some(der) if name.starts_with("ES") => der,
            _ => signed.signature.clone(),
        };
        let hash = format!("sha{}", name.trim_start_matches(char::is_alphabetic));
        let expected = vec![
            (1, hash.into_bytes()),
            (2, signed.key.spki_der().to_vec()),
            (3, signature),
            (4, signed.input.clone()),
        ];
        for asked in host.asked.borrow().iter() {
            assert_eq!(fields(asked), expected, "{name}");
        }
    }
}

/// What RustCrypto says of the same: the doubles of this file stand for a host that can be wrong, this for one that is right.
#[test]
fn the_keys_and_signatures_of_these_tests_are_good() {
    for signed in Signed::every() {
        let result =
            RustCrypto.verify_signature(&signed.key, signed.algorithm, &signed.input, &signed.signature);
        assert_eq!(result, Ok(()), "{}", signed.algorithm);
    }
}

/// Length-delimited fields of a protobuf message. Test code: what does not fit stops it.
#[allow(clippy::arithmetic_side_effects, reason = "lengths of a few hundred bytes")]
fn fields(mut message: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let Some((tag, rest)) = message.split_first() {
        assert_eq!(tag & 7, 2, "wire type");
        let (mut length, mut shift, mut rest) = (0_usize, 0, rest);
        loop {
            let (byte, after) = rest.split_first().unwrap();
            rest = after;
            length |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let (value, after) = rest.split_at(length);
        found.push((tag >> 3, value.to_vec()));
        message = after;
    }
    found
}
