use serde_json::json;

use super::{Attack, attack, good, victim};

pub(super) fn attacks(now: u64) -> Vec<Attack> {
    [wrong_types(now), one_second(now)].concat()
}

fn wrong_types(now: u64) -> Vec<Attack> {
    let mut all = Vec::new();
    for claim in ["sub", "aud", "exp"] {
        let reason = if claim == "sub" { "subject_invalid" } else { "claims_malformed" };
        all.push(attack(
            "j17",
            format!("no {claim}"),
            good(now).without_claim(claim).sign(&victim()),
            reason,
        ));
    }
    for claim in ["sub", "aud", "exp", "nbf", "iat", "jti", "iss"] {
        for value in ["null", "true", "{}", "[1]", "[[]]", r#"[null]"#] {
            let token = good(now).claim_text(claim, value).sign(&victim());
            all.push(attack("j17", format!("{claim} is {value}"), token, "claims_malformed"));
        }
    }
    for claim in ["exp", "nbf", "iat"] {
        for value in [r#""1800000000""#, r#""""#, "-1", "1e300", "18446744073709551616", "253402300800"] {
            let token = good(now).claim_text(claim, value).sign(&victim());
            all.push(attack("j17", format!("{claim} is {value}"), token, "claims_malformed"));
        }
        for value in ["1e400", "NaN", "Infinity", "0x7fffffff", "01"] {
            let token = good(now).claim_text(claim, value).sign(&victim());
            all.push(attack("j17", format!("{claim} is {value}"), token, "token_malformed"));
        }
    }
    for (claim, value) in [("sub", "1"), ("aud", "1"), ("jti", "1"), ("iss", "1")] {
        let token = good(now).claim_text(claim, value).sign(&victim());
        all.push(attack("j17", format!("{claim} is {value}"), token, "claims_malformed"));
    }
    all.push(attack(
        "j17",
        "aud is []",
        good(now).claim("aud", json!([])).sign(&victim()),
        "claims_malformed",
    ));
    all.push(attack(
        "j17",
        "aud is another",
        good(now).claim("aud", json!("x")).sign(&victim()),
        "audience_mismatch",
    ));
    all
}

/// The skew is five seconds.
fn one_second(now: u64) -> Vec<Attack> {
    let with = |name: &str, claim: &str, value: String, reason| {
        attack("j19", name, good(now).claim_text(claim, &value).sign(&victim()), reason)
    };
    vec![
        with("expired at the end of the skew", "exp", (now - 5).to_string(), "token_expired"),
        with("expired one second before", "exp", (now - 6).to_string(), "token_expired"),
        with("expired by a fraction", "exp", format!("{}.999", now - 5), "token_expired"),
        with("expired in 1970", "exp", "0".into(), "token_expired"),
        with("valid one second after the skew", "nbf", (now + 6).to_string(), "token_not_yet_valid"),
        with("valid a fraction after the skew", "nbf", format!("{}.001", now + 5), "token_not_yet_valid"),
    ]
}
