//! Every attack of the J list from the forge, one suite for each class, and the tokens that must get in.

use svidgate_forge::{
    ATTACK_CLASSES, AUDIENCE, Key, NOW, RsaKey, SUBJECT, TRUST_DOMAIN, Token, attacks, jwks,
};

use crate::case::{Case, Expected, Suite};
use crate::judge;
use crate::question::Question;

pub(super) fn suites() -> Vec<Suite> {
    let all = attacks();
    let mut suites = vec![good_tokens()];
    suites.extend(ATTACK_CLASSES.iter().map(|(class, title)| {
        let cases = all.iter().filter(|attack| attack.class == *class).map(|attack| {
            let trust = judge::trust(attack.trust.iter().map(|(name, jwks)| (*name, jwks.as_slice())));
            let mut judged = judge::svid(&attack.token, &trust, NOW);
            // The keys as the attacker left them, not as they look once they are read.
            if let Some(Question::Svid { trust, .. }) = &mut judged.question {
                let text = |jwks: &[u8]| String::from_utf8(jwks.to_vec()).unwrap();
                *trust = attack.trust.iter().map(|(name, jwks)| ((*name).to_owned(), text(jwks))).collect();
            }
            Case::new(&attack.name, Expected::InvalidFor(attack.reason), judged)
        });
        Suite::new(format!("{} {title}", class.to_uppercase()), cases.collect())
    }));
    suites
}

/// Without these, a core that refuses everything would pass.
fn good_tokens() -> Suite {
    let keys = [
        Key::p256("p256"),
        Key::p384("p384"),
        Key::p521("p521"),
        Key::rsa(RsaKey::Bits2048, "rsa2048"),
        Key::rsa(RsaKey::Bits3072, "rsa3072"),
        Key::rsa(RsaKey::Bits4096, "rsa4096"),
    ];
    let jwks = jwks(keys.iter().map(Key::jwk));
    let trust = judge::trust([(TRUST_DOMAIN, jwks.as_slice())]);
    let mut cases = Vec::new();
    let mut good = |id: String, token: Vec<u8>| {
        cases.push(Case::new(id, Expected::Valid, judge::svid(&token, &trust, NOW)));
    };
    for key in &keys {
        let algorithms: &[_] = match key.algorithm() {
            "RS256" => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
            _ => &[key.algorithm()],
        };
        for algorithm in algorithms {
            good(format!("{} {algorithm}", key.kid()), Token::new(key).sign_as(key, algorithm));
        }
    }
    let key = &keys[0];
    let token = || Token::new(key);
    let edges = [
        ("one second before the end of the skew", token().claim("exp", (NOW - 4).into())),
        ("a fraction before the end of the skew", token().claim_text("exp", &format!("{}.001", NOW - 4))),
        ("nbf at the end of the skew", token().claim("nbf", (NOW + 5).into())),
        ("iat to come", token().claim("iat", (NOW + 3600).into())),
        ("no iat", token().without_claim("iat")),
        ("no typ", token().without_header("typ")),
        ("typ JOSE", token().header("typ", "JOSE".into())),
        ("aud a string", token().claim("aud", AUDIENCE.into())),
        ("aud of several", token().claim("aud", vec!["other", AUDIENCE].into())),
        ("sub of the trust domain itself", token().claim("sub", "spiffe://example.org".into())),
        ("sub with a long path", token().claim("sub", format!("{SUBJECT}/{}", "a".repeat(2000)).into())),
        ("times with an exponent", token().claim_text("exp", "1.8e9")),
        ("claims nested to the limit", token().claim_text("x", &["[".repeat(15), "]".repeat(15)].concat())),
        (
            "white space in header and payload",
            token().raw_header(b" {\"alg\":\"ES256\" ,\n\"kid\":\"p256\"}\t"),
        ),
    ];
    for (name, token) in edges {
        good(name.into(), token.sign(key));
    }
    Suite::new("tokens that are good", cases)
}
