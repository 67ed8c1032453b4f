//! The whole verification of a token, with real signatures.
//!
//! An input is four bytes that choose which bit to flip, and a token. The mutator works on the decoded parts and signs
//! anew half of the time, so that most of the run is spent behind the base64 and not in front of it.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use serde_json::{Value, json};
use svidgate_forge::{Key, Token, compact};
use svidgate_fuzz::{AT, AnySignature, BUNDLES, KEYS, VERIFIER, has_fraction, verify};
use svidgate_jwt_svid::unverified::Compact;
use svidgate_jwt_svid::{RustCrypto, VerifiedSvid};

fuzz_target!(|data: &[u8]| {
    let Some((choice, token)) = data.split_first_chunk::<4>() else { return };
    let explained = VERIFIER.explain(token, &BUNDLES, &RustCrypto, AT);
    match verify(token, &RustCrypto) {
        Ok(svid) => {
            assert!(explained.result.is_ok());
            assert!(verify(token, &AnySignature).is_ok());
            has_one_spelling(token);
            survives_canonical_form(&svid);
            breaks_with_one_bit(token, u32::from_le_bytes(*choice));
        }
        Err(error) => {
            assert_eq!(explained.result.err(), Some(error));
            assert!(!error.likely_cause().is_empty());
        }
    }
});

/// Its parts, decoded and encoded, are the same bytes (V3).
fn has_one_spelling(token: &[u8]) {
    let parts = Compact::parse(token).unwrap();
    assert_eq!(compact(&[&parts.header, &parts.payload, &parts.signature]), token);
}

/// The same header and claims, written plainly and signed by the same key, mean the same.
fn survives_canonical_form(svid: &VerifiedSvid) {
    let claims = Value::Object(svid.claims().clone());
    if has_fraction(&claims) {
        return;
    }
    let key = KEYS.iter().find(|key| key.kid() == svid.key_id()).unwrap();
    let token = Token::new(key)
        .raw_header(json!({"alg": svid.algorithm().as_str(), "kid": svid.key_id()}).to_string().as_bytes())
        .raw_payload(claims.to_string().as_bytes());
    let signature = key.sign_as(svid.algorithm().as_str(), &token.signing_input());
    // Escapes may make the canonical form longer than the limit; that is the one way in which it may be refused.
    let canonical = token.with_signature(&signature);
    if canonical.len() > VERIFIER.config().max_token_bytes {
        return;
    }
    let again = verify(&canonical, &RustCrypto).unwrap();
    assert_eq!(again.spiffe_id(), svid.spiffe_id());
    assert_eq!(again.audiences(), svid.audiences());
    assert_eq!(again.claims(), svid.claims());
    assert_eq!(
        (again.expires_at(), again.issued_at(), again.not_before(), again.jwt_id()),
        (svid.expires_at(), svid.issued_at(), svid.not_before(), svid.jwt_id()),
    );
}

fn breaks_with_one_bit(token: &[u8], choice: u32) {
    let bit = choice as usize % (token.len() * 8);
    let mut flipped = token.to_vec();
    flipped[bit / 8] ^= 1 << (bit % 8);
    assert!(verify(&flipped, &RustCrypto).is_err(), "bit {bit}");
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let Some(mutated) = mutate_part(&data[..size], seed, max_size) else {
        return fuzzer_mutate(data, size, max_size);
    };
    data[..mutated.len()].copy_from_slice(&mutated);
    mutated.len()
});

/// Changes one decoded part; `None` when it is not for this turn, or what comes out does not fit.
fn mutate_part(input: &[u8], seed: u32, max_size: usize) -> Option<Vec<u8>> {
    let part = match seed % 8 {
        0 => return None,
        1 => 2,
        2 | 3 => 0,
        _ => 1,
    };
    let (choice, token) = input.split_first_chunk::<4>()?;
    let mut parts: Vec<Vec<u8>> = Vec::new();
    for text in token.split(|byte| *byte == b'.').take(4) {
        parts.push(URL_SAFE_NO_PAD.decode(text).ok()?);
    }
    let changed = parts.get_mut(part)?;
    let length = changed.len();
    changed.resize(length + 64, 0);
    let length = fuzzer_mutate(changed, length, length + 64);
    changed.truncate(length);
    if seed & 0x100 == 0 && parts.len() == 3 {
        sign(&mut parts);
    }
    let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
    let mutated = [choice, compact(&parts).as_slice()].concat();
    (mutated.len() <= max_size).then_some(mutated)
}

/// Signs with the key that the header names, as the header says, when there is such a key.
fn sign(parts: &mut [Vec<u8>]) -> Option<()> {
    let header: Value = serde_json::from_slice(parts.first()?).ok()?;
    let key: &Key = KEYS.iter().find(|key| header["kid"] == key.kid())?;
    let algorithm = header["alg"].as_str()?;
    let fits = algorithm == key.algorithm()
        || (key.kid() == "rsa" && ["RS384", "RS512", "PS256", "PS384", "PS512"].contains(&algorithm));
    let input = compact(&[&parts[0], &parts[1]]);
    parts[2] = fits.then(|| key.sign_as(algorithm, &input))?;
    Some(())
}
