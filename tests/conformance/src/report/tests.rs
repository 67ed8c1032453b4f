use super::*;

fn suite(cases: &[(&str, Expected, Ours)]) -> Suite {
    Suite::new(
        "s",
        cases.iter().map(|(id, expected, ours)| Case::new(*id, *expected, ours.clone())).collect(),
    )
}

fn refused() -> Ours {
    Ours::Refused("why".into())
}

fn file(count: usize, listed: &[(&str, &str, &str, &str)]) -> Dispositions {
    let dispositions = listed
        .iter()
        .map(|(id, vector, ours, reason)| Disposition {
            suite: "s".into(),
            cases: vec![(*id).into()],
            vector: (*vector).into(),
            ours: (*ours).into(),
            reason: (*reason).into(),
        })
        .collect();
    Dispositions { cases: [("s".to_owned(), count)].into(), dispositions }
}

#[test]
fn agreement_is_clean() {
    let all = suite(&[
        ("1", Expected::Valid, Ours::Accepted),
        ("2", Expected::Invalid, refused()),
        ("3", Expected::Acceptable, refused()),
        ("4", Expected::InvalidFor("why"), refused()),
    ]);
    let report = weigh(vec![all], file(4, &[]));
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.total().accepted, report.total().refused), (1, 3));
}

#[test]
fn every_disagreement_is_wrong() {
    for case in [
        ("1", Expected::Valid, refused()),
        ("1", Expected::Invalid, Ours::Accepted),
        ("1", Expected::Acceptable, Ours::Accepted),
        ("1", Expected::InvalidFor("another reason"), refused()),
        ("1", Expected::InvalidFor("why"), Ours::Accepted),
    ] {
        let report = weigh(vec![suite(std::slice::from_ref(&case))], file(1, &[]));
        assert_eq!(report.total().wrong.len(), 1, "{case:?}");
        assert!(!report.is_clean());
    }
}

#[test]
fn a_disposition_covers_its_case_and_no_other_answer() {
    let differs = || vec![suite(&[("1", Expected::Valid, refused())])];
    let report = weigh(differs(), file(1, &[("1", "valid", "refused", "because")]));
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.total().differing, 1);
    for (vector, ours) in [("invalid", "refused"), ("valid", "accepted")] {
        let report = weigh(differs(), file(1, &[("1", vector, ours, "because")]));
        assert_eq!(report.total().wrong.len(), 1);
    }
}

#[test]
fn a_disposition_that_is_stale_unknown_double_or_without_a_reason_fails_the_run() {
    let agrees = || vec![suite(&[("1", Expected::Valid, Ours::Accepted)])];
    let differs = || vec![suite(&[("1", Expected::Valid, refused())])];
    let listed = ("1", "valid", "refused", "because");
    for (suites, file, problem) in [
        (agrees(), file(1, &[listed]), "no longer differs"),
        (differs(), file(1, &[listed, listed]), "listed twice"),
        (differs(), file(1, &[listed, ("2", "valid", "refused", "because")]), "no such case"),
        (differs(), file(1, &[("1", "valid", "refused", " ")]), "no reason"),
        (differs(), file(2, &[listed]), "1 cases, not 2"),
        (vec![], file(1, &[]), "no such suite"),
        (differs(), Dispositions { cases: BTreeMap::new(), ..file(1, &[listed]) }, "does not say"),
        (
            vec![suite(&[("1", Expected::Valid, Ours::Accepted), ("1", Expected::Valid, Ours::Accepted)])],
            file(2, &[]),
            "two cases",
        ),
    ] {
        let report = weigh(suites, file);
        assert!(!report.is_clean());
        assert_eq!(report.problems.len(), 1, "{report}");
        assert!(report.problems[0].contains(problem), "{report}");
    }
}

#[test]
fn a_range_stands_for_its_numbers() {
    let listed = file(0, &[("2..=4", "valid", "refused", "because")]).dispositions;
    assert_eq!(listed[0].ids().collect::<Vec<_>>(), ["2", "3", "4"]);
}
