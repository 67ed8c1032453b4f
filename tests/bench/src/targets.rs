//! The project's targets for a request, and whether they are met.

use serde::Serialize;

use crate::filter::Filter;
use crate::plan::Lane;
use crate::report::Added;
use crate::stats::Summary;
use crate::traffic::{Algorithm, Traffic};

/// A target, and what was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Target {
    /// What is compared.
    pub what: String,
    /// `at_most` or `at_least`.
    #[serde(flatten)]
    pub bound: Bound,
    /// `ratio` or `us`.
    pub unit: &'static str,
    /// Over the rounds; absent when the plan does not measure it.
    pub measured: Option<Summary>,
    /// The end of it.
    pub verdict: Verdict,
}

/// How far the number may go.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
}

/// Whether a target is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// With a confidence of 95 %.
    Met,
    /// With a confidence of 95 %.
    Missed,
    /// The spread is too wide, or the rounds are too few, to tell.
    Inconclusive,
    /// Other processes took Envoy's core for too long: what that adds is no noise, so no interval tells of it.
    NotQuiet,
    /// Not a part of this plan, or not of this benchmark.
    NotMeasured,
}

impl Target {
    fn new(what: String, bound: Bound, unit: &'static str, values: Option<Vec<f64>>) -> Self {
        let measured = values.map(|values| Summary::of(&values));
        Self { what, bound, unit, measured, verdict: bound.verdict(measured) }
    }
}

impl Target {
    /// Takes the verdict back, because the machine was not quiet.
    pub(crate) fn doubt(&mut self) {
        if self.verdict != Verdict::NotMeasured {
            self.verdict = Verdict::NotQuiet;
        }
    }
}

impl Bound {
    fn verdict(self, measured: Option<Summary>) -> Verdict {
        let Some(measured) = measured else { return Verdict::NotMeasured };
        let Some([low, high]) = measured.interval else { return Verdict::Inconclusive };
        let (met, missed) = match self {
            Self::AtMost(limit) => (high <= limit, low > limit),
            Self::AtLeast(limit) => (low >= limit, high < limit),
        };
        match (met, missed) {
            (true, _) => Verdict::Met,
            (_, true) => Verdict::Missed,
            _ => Verdict::Inconclusive,
        }
    }
}

/// Every target that is about a request. All but the third compare what is added to a request without a filter.
pub(crate) fn targets(added: &Added<'_>) -> Vec<Target> {
    Algorithm::ALL.into_iter().flat_map(|algorithm| of(algorithm, added)).collect()
}

fn of(algorithm: Algorithm, added: &Added<'_>) -> [Target; 4] {
    let warm = |filter| added.of(Lane { filter, traffic: Traffic::One(algorithm) });
    let cold = |filter| added.of(Lane { filter, traffic: Traffic::Fresh(algorithm) });
    let name = algorithm.name();
    let svidgate = Filter::Svidgate(1);
    let factor = match algorithm {
        Algorithm::Rs256 => 4.0,
        Algorithm::Es256 => 8.0,
    };
    [
        Target::new(
            format!("{name}: svidgate warm / a Wasm filter that adds a header"),
            Bound::AtMost(1.5),
            RATIO,
            each(warm(svidgate), warm(Filter::Header), |a, b| a / b),
        ),
        Target::new(
            format!("{name}: jwt_authn by default / svidgate warm"),
            Bound::AtLeast(factor),
            RATIO,
            each(warm(Filter::JwtAuthn), warm(svidgate), |a, b| a / b),
        ),
        Target::new(
            format!("{name}: svidgate warm - jwt_authn with its token cache"),
            Bound::AtMost(4.0),
            MICROSECONDS,
            each(warm(svidgate), warm(Filter::JwtAuthnCached), |a, b| a - b),
        ),
        Target::new(
            format!("{name}: svidgate with new tokens / jwt_authn with new tokens"),
            Bound::AtMost(1.15),
            RATIO,
            each(cold(svidgate), cold(Filter::JwtAuthn), |a, b| a / b),
        ),
    ]
}

/// Round by round, so that what troubles a whole round falls out.
fn each(a: Option<Vec<f64>>, b: Option<Vec<f64>>, what: fn(f64, f64) -> f64) -> Option<Vec<f64>> {
    Some(a?.into_iter().zip(b?).map(|(a, b)| what(a, b)).collect())
}

const RATIO: &str = "ratio";
const MICROSECONDS: &str = "us";

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bound: Bound, values: &[f64]) -> Verdict {
        bound.verdict(Some(Summary::of(values)))
    }

    #[test]
    fn a_target_is_met_or_missed_only_when_the_whole_interval_says_so() {
        let limit = Bound::AtMost(1.5);
        assert_eq!(verdict(limit, &[1.1, 1.2, 1.3, 1.1, 1.2, 1.4]), Verdict::Met);
        assert_eq!(verdict(limit, &[1.6, 1.7, 1.8, 1.9, 1.6, 1.7]), Verdict::Missed);
        assert_eq!(verdict(limit, &[1.1, 1.2, 1.3, 1.1, 1.2, 1.6]), Verdict::Inconclusive);
        let least = Bound::AtLeast(4.0);
        assert_eq!(verdict(least, &[4.0, 5.0, 6.0, 5.0, 5.0, 5.0]), Verdict::Met);
        assert_eq!(verdict(least, &[3.0, 3.5, 3.9, 3.0, 3.0, 3.0]), Verdict::Missed);
    }

    #[test]
    fn on_a_machine_that_was_not_quiet_nothing_is_met_or_missed() {
        let mut missed = Target::new(String::new(), Bound::AtMost(1.5), RATIO, Some(vec![2.0; 6]));
        assert_eq!(missed.verdict, Verdict::Missed);
        missed.doubt();
        assert_eq!(missed.verdict, Verdict::NotQuiet);
        let mut absent = Target::new(String::new(), Bound::AtMost(1.5), RATIO, None);
        absent.doubt();
        assert_eq!(absent.verdict, Verdict::NotMeasured);
    }

    #[test]
    fn too_few_rounds_decide_nothing() {
        assert_eq!(verdict(Bound::AtMost(1.5), &[1.0, 1.0, 1.0]), Verdict::Inconclusive);
        assert_eq!(Bound::AtMost(1.5).verdict(None), Verdict::NotMeasured);
    }
}
