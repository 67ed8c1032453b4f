use serde_json::{Value, json};

use super::{Attack, against, good, rsa_victim, victim};
use crate::key::{Key, RsaKey, jwks};
use crate::padding::{Pkcs1, Sha, pkcs1};
use crate::token::{SUBJECT, TRUST_DOMAIN, Token, b64};

pub(super) fn attacks(now: u64) -> Vec<Attack> {
    [mismatches(now), bad_points(now), bad_rsa(now), duplicate_kids(now), foreign_keys(now)].concat()
}

fn mismatches(now: u64) -> Vec<Attack> {
    let (p256, p384, p521, rsa) =
        (Key::p256("k"), Key::p384("k"), Key::p521("k"), rsa_victim().with_kid("k"));
    let mut all = Vec::new();
    for (trusted, signer) in
        [(&p256, &p384), (&p256, &p521), (&p384, &p256), (&p521, &p256), (&p256, &rsa), (&rsa, &p256)]
    {
        let name = format!("{} key, {} token", trusted.algorithm(), signer.algorithm());
        let token = Token::at(now, signer).sign(signer);
        all.push(against("j07", name, token, vec![trusted.jwk()], "key_mismatch"));
        let name = format!("{} token that says {}", signer.algorithm(), trusted.algorithm());
        let token = Token::at(now, trusted).sign(signer);
        all.push(against("j07", name, token, vec![trusted.jwk()], "signature_invalid"));
    }
    for (bound, used) in [("RS256", "PS256"), ("PS256", "RS256"), ("RS512", "RS256")] {
        let name = format!("RSA key bound to {bound}, {used} token");
        let token = Token::at(now, &rsa).sign_as(&rsa, used);
        all.push(against("j07", name, token, vec![rsa.jwk_with(json!({"alg": bound}))], "key_mismatch"));
    }
    let renamed = p384.jwk_with(json!({"crv": "P-256"}));
    all.push(against(
        "j07",
        "P-384 numbers under crv P-256",
        Token::at(now, &p256).sign(&p256),
        vec![renamed],
        "key_unknown",
    ));
    all
}

fn bad_points(now: u64) -> Vec<Attack> {
    let key = victim();
    let zero = b64(&[0; 32]);
    let jwk = key.jwk();
    let cases = [
        ("the origin", json!({"x": zero, "y": zero})),
        ("x beyond the field", json!({"x": b64(&[0xff; 32])})),
        ("a point of another curve", json!({"x": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE", "y": zero})),
        ("x and y swapped", json!({"x": jwk["y"], "y": jwk["x"]})),
        ("y changed", json!({"y": jwk["x"]})),
        ("x one octet short", json!({"x": b64(&[1; 31])})),
        ("x one octet long", json!({"x": b64(&[0; 33])})),
        ("no y (compressed)", json!({"y": null})),
        ("crv secp256k1", json!({"crv": "secp256k1"})),
    ];
    cases
        .into_iter()
        .map(|(name, changes)| {
            against("j08", name, good(now).sign(&key), vec![key.jwk_with(changes)], "key_unknown")
        })
        .collect()
}

fn bad_rsa(now: u64) -> Vec<Attack> {
    let small = Key::rsa(RsaKey::Bits1024, "k");
    let three = Key::rsa(RsaKey::ExponentThree, "k");
    // With e = 1 the padded message is its own signature: no secret is needed.
    let sound = rsa_victim().with_kid("k");
    let token = Token::at(now, &sound);
    let padded = pkcs1(Sha::S256, &token.signing_input(), sound.rsa_octets(), Pkcs1::Correct);
    let with = |name: &str, changes: Value| {
        against("j09", name, token.sign(&sound), vec![sound.jwk_with(changes)], "key_unknown")
    };
    vec![
        against("j09", "1024 bits", Token::at(now, &small).sign(&small), vec![small.jwk()], "key_unknown"),
        against("j09", "e = 3", Token::at(now, &three).sign(&three), vec![three.jwk()], "key_unknown"),
        against(
            "j09",
            "e = 1",
            token.with_signature(&padded),
            vec![sound.jwk_with(json!({"e": "AQ"}))],
            "key_unknown",
        ),
        with("e = 0", json!({"e": "AA"})),
        with("e = 2", json!({"e": "Ag"})),
        with("e even", json!({"e": "AQAC"})),
        with("e as large as n", json!({"e": sound.jwk()["n"]})),
        with("n even", json!({"n": b64(&[0xfe; 256])})),
        with("n = 0", json!({"n": "AA"})),
        with(
            "n with a zero octet in front",
            json!({"n": format!("AA{}", sound.jwk()["n"].as_str().unwrap())}),
        ),
        with("n of 16384 bits", json!({"n": b64(&[0xff; 2048])})),
        with("a ROCA key", json!({"n": ROCA_MODULUS})),
    ]
}

fn duplicate_kids(now: u64) -> Vec<Attack> {
    let (victim, mallory) = (victim(), Key::p256("mallory").with_kid("key-1"));
    [(&victim, "the first"), (&mallory, "the second")]
        .into_iter()
        .flat_map(|(signer, which)| {
            [("", vec![victim.jwk(), mallory.jwk()]), (", turned round", vec![mallory.jwk(), victim.jwk()])]
                .map(|(order, entries)| {
                    let name = format!("two keys under one kid, signed by {which}{order}");
                    against("j13", name, good(now).sign(signer), entries, "key_unknown")
                })
        })
        .collect()
}

fn foreign_keys(now: u64) -> Vec<Attack> {
    let (ours, theirs) = (victim(), Key::p256("their-key"));
    let across = |name: &str, sub: &str, signer: &Key, trust: [Vec<Value>; 2], reason| {
        let [example, other] = trust.map(jwks);
        let token = Token::at(now, signer).claim("sub", json!(sub)).sign(signer);
        let trust = vec![(TRUST_DOMAIN, example), ("other.org", other)];
        Attack { class: "j18", name: name.into(), token, trust, reason }
    };
    let apart = || [vec![ours.jwk()], vec![theirs.jwk()]];
    let same_kid = || [vec![ours.jwk()], vec![theirs.with_kid("key-1").jwk()]];
    let renamed = theirs.with_kid("key-1");
    vec![
        across("their key for our identity", SUBJECT, &theirs, apart(), "key_unknown"),
        across("our key for their identity", "spiffe://other.org/client", &ours, apart(), "key_unknown"),
        across("their key under our kid", SUBJECT, &renamed, same_kid(), "signature_invalid"),
        across(
            "a trust domain without a bundle",
            "spiffe://third.org/client",
            &ours,
            apart(),
            "trust_domain_unknown",
        ),
        across("a subdomain", "spiffe://a.example.org/client", &ours, apart(), "trust_domain_unknown"),
        across("a trailing dot", "spiffe://example.org./client", &ours, apart(), "trust_domain_unknown"),
        across(
            "the trust domain in upper case",
            "spiffe://EXAMPLE.ORG/client",
            &ours,
            apart(),
            "subject_invalid",
        ),
        across(
            "the other as user info",
            "spiffe://example.org@other.org/client",
            &theirs,
            apart(),
            "subject_invalid",
        ),
        across("our bundle is empty", SUBJECT, &theirs, [vec![], vec![theirs.jwk()]], "key_unknown"),
    ]
}

/// From Wycheproof's `json_web_key_test.json`, case 7 (Apache-2.0).
const ROCA_MODULUS: &str = "\
    AanFpofbj7KjD4Lf-N2hVMKR7yewSyXhhbirIMTGpfYEhZ_lnt5UoK98DnKIgArXGTu3MaW_HhFw16HGaTDUHqPrId7fe4r1\
    1CqRw09yBFuW79V8sYIwHdzCaWflUI6auImYbVfoN9_nD5n8N8SY9DwXw7mwZM9wREPXoDPgOoIWl6q_MPsp7n0zs3Z5ZaiQ\
    WOOzl1S9OhwAfSiiOwz6efnXEaxuTEtPd7BjSx7NaFka8Dx9U7YqXy2RFj1O9PjyaDGuRh7YXsX3iMUSP_wSyHQg_c_qHRtK\
    UsNSGCT7OZg0hzm2KphtjnayKJvC64vAbROBR4Ubg6Bxg9IQVZ-QYyE";
