//! The report takes the way of verification.

use super::*;

#[test]
fn explain_walks_every_step_of_a_good_token() {
    let explanation = verifier().explain(&signed(&good()), &bundles(&[&key()]), &RustCrypto, AT);
    let steps: Vec<_> = explanation.steps.iter().map(|report| report.step).collect();
    assert_eq!(steps, Step::ALL);
    assert!(explanation.steps.iter().all(|report| report.outcome == Outcome::Passed));
    assert!(explanation.result.is_ok());
    let facts: Vec<_> = explanation.steps.into_iter().flat_map(|report| report.facts).collect();
    for fact in [
        Fact::KeyId("key-1".into()),
        Fact::Algorithm(Algorithm::Es256),
        Fact::Subject(SUBJECT.into()),
        Fact::BundleKeyIds(vec!["key-1".into()]),
        Fact::ExpiresAt(UnixTime(NOW + 240)),
        Fact::Now(AT),
    ] {
        assert!(facts.contains(&fact), "{fact:?}");
    }
}

#[test]
fn explain_stops_where_verify_stops() {
    let cases: Vec<(Step, Vec<u8>)> = vec![
        (Step::Size, vec![b'a'; 9000]),
        (Step::Structure, compact(&[b"{}", b"{}"])),
        (Step::Header, signed(&good().header("crit", json!([])))),
        (Step::Algorithm, signed(&good().header("alg", json!("none")))),
        (Step::Claims, signed(&good().raw_payload(b"[]"))),
        (Step::SpiffeId, signed(&good().claim("sub", json!("x")))),
        (Step::Bundle, signed(&good().claim("sub", json!("spiffe://other.org/x")))),
        (Step::Key, signed(&good().header("kid", json!("other")))),
        (Step::KeyAlgorithm, signed(&good().header("alg", json!("RS256")))),
        (Step::Audience, signed(&good().claim("aud", json!("other")))),
        (Step::Times, signed(&good().claim("exp", json!(1)))),
        (Step::Signature, good().with_signature(&[1; 64])),
    ];
    assert_eq!(cases.iter().map(|(step, _)| *step).collect::<Vec<_>>(), Step::ALL);
    for (failing, token) in cases {
        let explanation = verifier().explain(&token, &bundles(&[&key()]), &RustCrypto, AT);
        let error = refusal(&token);
        assert_eq!(explanation.result.unwrap_err(), error);
        for report in explanation.steps {
            let expected = match report.step.cmp(&failing) {
                std::cmp::Ordering::Less => Outcome::Passed,
                std::cmp::Ordering::Equal => Outcome::Failed(error),
                std::cmp::Ordering::Greater => Outcome::NotReached,
            };
            assert_eq!(report.outcome, expected, "{failing:?}");
        }
    }
}
