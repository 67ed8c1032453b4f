//! The JOSE header, compared with what a lenient reader sees.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use svidgate_forge::Token;
use svidgate_fuzz::{AnySignature, KEYS, lenient, verify};
use svidgate_jwt_svid::unverified::{Header, MAX_KEY_ID_BYTES};

fuzz_target!(|data: &[u8]| {
    let parsed = Header::parse(data);
    let whole = verify(&Token::new(&KEYS[0]).raw_header(data).with_signature(&[1; 64]), &AnySignature);
    let Ok(header) = parsed else {
        assert!(whole.is_err());
        return;
    };
    let Some(lenient) = lenient(data) else { return };
    let members = lenient.as_object().unwrap();
    assert!(members.keys().all(|name| ["alg", "kid", "typ"].contains(&name.as_str())));
    assert!(members.get("typ").is_none_or(|typ| typ == "JWT" || typ == "JOSE"));
    assert_eq!(members["kid"], header.key_id());
    assert!((1..=MAX_KEY_ID_BYTES).contains(&header.key_id().len()));
    let algorithm = header.algorithm();
    if let Ok(algorithm) = &algorithm {
        assert_eq!(members["alg"], algorithm.as_str());
        assert!(!members["alg"].as_str().unwrap().to_ascii_uppercase().starts_with("HS"));
    }

    let canonical = json!({"alg": members["alg"], "kid": members["kid"], "typ": "JOSE"}).to_string();
    let again = Header::parse(canonical.as_bytes()).unwrap();
    assert_eq!((again.key_id(), again.algorithm()), (header.key_id(), algorithm));

    if let Ok(svid) = whole {
        let key = KEYS.iter().find(|key| key.kid() == header.key_id()).unwrap();
        assert_eq!(svid.algorithm().as_str(), key.algorithm());
    }
});
