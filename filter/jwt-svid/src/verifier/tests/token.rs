//! Size, structure, header, algorithm (V1–V7).

use super::*;

#[test]
fn a_good_token_gives_everything_it_says() {
    let token =
        good().claim("jti", json!("id-1")).claim("nbf", json!(NOW - 60)).claim("role", json!({"a": [1]}));
    let svid = verify(&signed(&token)).unwrap();
    assert_eq!(svid.spiffe_id().as_str(), SUBJECT);
    assert_eq!(svid.key_id(), "key-1");
    assert_eq!(svid.algorithm(), Algorithm::Es256);
    assert_eq!(svid.audiences(), [AUDIENCE]);
    assert_eq!(svid.expires_at(), UnixTime(NOW + 240));
    assert_eq!(svid.issued_at(), Some(UnixTime(NOW - 60)));
    assert_eq!(svid.not_before(), Some(UnixTime(NOW - 60)));
    assert_eq!(svid.jwt_id(), Some("id-1"));
    assert_eq!(svid.claims()["role"], json!({"a": [1]}));
}

#[test]
fn v05_all_nine_algorithms_verify() {
    let rsa = Key::rsa(RsaKey::Bits2048, "rsa");
    let (p256, p384, p521) = (Key::p256("p256"), Key::p384("p384"), Key::p521("p521"));
    let bundles = bundles(&[&rsa, &p256, &p384, &p521]);
    for algorithm in Algorithm::ALL {
        let key = match algorithm {
            Algorithm::Es256 => &p256,
            Algorithm::Es384 => &p384,
            Algorithm::Es512 => &p521,
            _ => &rsa,
        };
        let token = Token::new(key).sign_as(key, algorithm.as_str());
        let svid = verifier().verify(&token, &bundles, &RustCrypto, AT).unwrap();
        assert_eq!(svid.algorithm(), *algorithm);
    }
}

#[test]
fn v01_exactly_three_parts() {
    let token = signed(&good());
    let with = |tail: &[u8]| [token.as_slice(), tail].concat();
    assert_eq!(refusal(b""), VerifyError::PartCount);
    assert_eq!(refusal(b"."), VerifyError::PartCount);
    assert_eq!(refusal(b"a.b"), VerifyError::PartCount);
    assert_eq!(refusal(&with(b".")), VerifyError::PartCount);
    assert_eq!(refusal(&with(b".AAAA")), VerifyError::PartCount);
    assert_eq!(refusal(&with(b".AAAA.AAAA")), VerifyError::PartCount);
    assert_eq!(refusal(&vec![b'.'; 8192]), VerifyError::PartCount);
    assert_eq!(refusal(b".."), VerifyError::EmptyPart(Part::Header));
    assert_eq!(refusal(b"e30..AAAA"), VerifyError::EmptyPart(Part::Payload));
    assert_eq!(refusal(b"e30.e30."), VerifyError::EmptyPart(Part::Signature));
}

#[test]
fn v02_size_is_judged_before_anything_is_decoded() {
    let token = signed(&good());
    let at = |max_token_bytes| {
        let verifier = verifier_with(|config| config.max_token_bytes = max_token_bytes);
        verifier.verify(&token, &bundles(&[&key()]), &RustCrypto, AT).map(|_| ())
    };
    assert_eq!(at(token.len()), Ok(()));
    let limit = token.len() - 1;
    assert_eq!(at(limit), Err(VerifyError::TokenTooLarge { limit, actual: token.len() }));
    assert_eq!(refusal(&vec![0xff; 8193]), VerifyError::TokenTooLarge { limit: 8192, actual: 8193 });
    assert_eq!(refusal(&vec![0xff; 8192]), VerifyError::PartCount);
}

#[test]
fn v03_each_part_is_strict_base64url() {
    let token = String::from_utf8(signed(&good())).unwrap();
    let parts: Vec<&str> = token.split('.').collect();
    for (index, part) in [Part::Header, Part::Payload, Part::Signature].into_iter().enumerate() {
        for junk in ["=", "==", " ", "\n", "\r\n", "\t", "\0", "+", "/", "?", "%3D", "ä", "A"] {
            for spelling in [format!("{}{junk}", parts[index]), format!("{junk}{}", parts[index])] {
                let mut changed: Vec<String> = parts.iter().map(ToString::to_string).collect();
                changed[index] = spelling;
                let error = refusal(changed.join(".").as_bytes());
                // One more letter of the alphabet may still be base64url, of other bytes.
                assert!(error == VerifyError::Base64(part) || junk == "A", "{part} {junk:?}: {error}");
            }
        }
    }
}

#[test]
fn v03_a_respelt_last_letter_is_refused() {
    // 64 octets leave four bits over, so 15 more letters would decode alike in a lax reader.
    let token = signed(&good());
    let (last, rest) = token.split_last().unwrap();
    let twins = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let accepted: Vec<u8> =
        twins.iter().copied().filter(|letter| verify(&[rest, &[*letter]].concat()).is_ok()).collect();
    assert_eq!(accepted, [*last]);
}

#[test]
fn v04_no_header_member_but_alg_kid_typ() {
    let cases = [
        ("crit", HeaderMember::Crit),
        ("jwk", HeaderMember::Jwk),
        ("jku", HeaderMember::Jku),
        ("x5u", HeaderMember::X5u),
        ("x5c", HeaderMember::X5c),
        ("x5t", HeaderMember::X5t),
        ("x5t#S256", HeaderMember::X5tS256),
        ("b64", HeaderMember::B64),
        ("zip", HeaderMember::Zip),
        ("cty", HeaderMember::Cty),
        ("enc", HeaderMember::Enc),
        ("ALG", HeaderMember::Other),
        ("Kid", HeaderMember::Other),
        ("", HeaderMember::Other),
        ("x", HeaderMember::Other),
    ];
    for (name, member) in cases {
        for value in [json!("x"), json!(null), json!([]), json!({}), json!(true), json!(1)] {
            let token = signed(&good().header(name, value));
            assert_eq!(refusal(&token), VerifyError::HeaderMemberRefused(member), "{name}");
        }
    }
}

#[test]
fn v04_duplicate_header_members_are_refused() {
    for (name, value) in
        [("alg", "ES256"), ("alg", "none"), ("kid", "key-1"), ("kid", "key-2"), ("typ", "JWT")]
    {
        let token = signed(&good().header_again(name, json!(value)));
        assert_eq!(refusal(&token), VerifyError::HeaderJson(JsonError::DuplicateMember), "{name}");
    }
}

#[test]
fn v05_alg_is_of_the_nine_in_exact_case() {
    for alg in [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "",
        "HS256",
        "HS384",
        "HS512",
        "hs256",
        "es256",
        "Es256",
        "ES256 ",
        " ES256",
        "ES256K",
        "ES521",
        "EdDSA",
        "RSA1_5",
        "RSA-OAEP",
        "dir",
        "A128KW",
        "SHA256withECDSA",
        "ES256\0",
    ] {
        assert_eq!(
            refusal(&signed(&good().header("alg", json!(alg)))),
            VerifyError::AlgorithmUnsupported,
            "{alg:?}"
        );
        assert_eq!(Algorithm::parse(alg), None);
    }
    assert_eq!(refusal(&signed(&good().without_header("alg"))), VerifyError::AlgorithmMissing);
    for value in [json!(null), json!(256), json!(["ES256"]), json!({"alg": "ES256"}), json!(true)] {
        let error = refusal(&signed(&good().header("alg", value)));
        assert_eq!(error, VerifyError::HeaderMemberType(HeaderMember::Alg));
    }
}

#[test]
fn v05_the_allowlist_is_asked_before_any_key() {
    let only_rsa = verifier_with(|config| config.algorithms = AlgorithmSet::new([Algorithm::Rs256]).unwrap());
    // Neither claims nor bundles are good, and neither is looked at.
    let token = signed(&good().raw_payload(b"junk"));
    let error = only_rsa.verify(&token, &BundleSet::new(), &RustCrypto, AT).unwrap_err();
    assert_eq!(error, VerifyError::AlgorithmNotAllowed(Algorithm::Es256));
    assert!(AlgorithmSet::new([]).is_err());
    assert_eq!(AlgorithmSet::all().iter().count(), 9);
}

#[test]
fn v06_kid_is_required_bounded_and_exact() {
    assert_eq!(refusal(&signed(&good().without_header("kid"))), VerifyError::KeyIdMissing);
    for value in [json!(null), json!(1), json!(["key-1"])] {
        let error = refusal(&signed(&good().header("kid", value)));
        assert_eq!(error, VerifyError::HeaderMemberType(HeaderMember::Kid));
    }
    let length = |actual| VerifyError::KeyIdLength { limit: 512, actual };
    assert_eq!(refusal(&signed(&good().header("kid", json!("")))), length(0));
    assert_eq!(refusal(&signed(&good().header("kid", json!("k".repeat(513))))), length(513));
    let long = Key::p256(&"k".repeat(512));
    assert!(verifier().verify(&Token::new(&long).sign(&long), &bundles(&[&long]), &RustCrypto, AT).is_ok());
    for kid in ["key-2", "KEY-1", "key-1 ", "key-1\0", "../key-1", "key-1' OR '1'='1"] {
        assert_eq!(refusal(&signed(&good().header("kid", json!(kid)))), VerifyError::KeyUnknown, "{kid:?}");
    }
}

#[test]
fn v07_typ_is_absent_or_jwt_or_jose() {
    assert!(verify(&signed(&good().without_header("typ"))).is_ok());
    assert!(verify(&signed(&good().header("typ", json!("JOSE")))).is_ok());
    for typ in ["jwt", "Jwt", "at+jwt", "JWE", "JOSE+JSON", "application/jwt", ""] {
        assert_eq!(refusal(&signed(&good().header("typ", json!(typ)))), VerifyError::TypeRefused, "{typ}");
    }
    let error = refusal(&signed(&good().header("typ", json!(null))));
    assert_eq!(error, VerifyError::HeaderMemberType(HeaderMember::Typ));
}
