//! What a few samples say, and how sure that is.

use serde::Serialize;

/// Numbers that describe samples.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Summary {
    /// The middle.
    pub median: f64,
    /// Median absolute deviation from the median.
    pub mad: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// Where the median lies with a confidence of at least 95 %; absent when there are too few samples.
    pub interval: Option<[f64; 2]>,
}

impl Summary {
    /// Of at least one sample.
    pub fn of(samples: &[f64]) -> Self {
        let sorted = sorted(samples);
        let middle = median(&sorted);
        let deviations: Vec<f64> = sorted.iter().map(|sample| (sample - middle).abs()).collect();
        Self {
            median: middle,
            mad: median(&self::sorted(&deviations)),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            interval: interval(&sorted),
        }
    }
}

/// The narrowest pair of order statistics, equally far from both ends, that holds the median with 95 %. It supposes
/// nothing of the distribution: a sample lies above the median as often as below.
fn interval(sorted: &[f64]) -> Option<[f64; 2]> {
    let n = sorted.len();
    let mut outside = 0.0;
    let mut found = None;
    for k in 0..n / 2 {
        // Both tails with at most `k` samples on one side.
        outside += 2.0 * binomial(n, k) / 2_f64.powi(i32::try_from(n).expect("few samples"));
        if outside > 1.0 - CONFIDENCE {
            break;
        }
        found = Some([sorted[k], sorted[n - 1 - k]]);
    }
    found
}

fn binomial(n: usize, k: usize) -> f64 {
    (0..k).map(|i| (n - i) as f64 / (i + 1) as f64).product()
}

fn sorted(samples: &[f64]) -> Vec<f64> {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

fn median(sorted: &[f64]) -> f64 {
    let n = sorted.len();
    f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2])
}

const CONFIDENCE: f64 = 0.95;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_and_the_spread_of_odd_and_even_numbers_of_samples() {
        let odd = Summary::of(&[3.0, 1.0, 2.0]);
        assert_eq!((odd.median, odd.mad, odd.min, odd.max), (2.0, 1.0, 1.0, 3.0));
        let even = Summary::of(&[4.0, 1.0, 2.0, 3.0]);
        assert_eq!((even.median, even.mad), (2.5, 1.0));
    }

    #[test]
    fn five_samples_are_too_few_for_a_confidence_of_95_percent_and_six_are_enough() {
        assert_eq!(Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0]).interval, None);
        assert_eq!(Summary::of(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).interval, Some([1.0, 6.0]));
    }

    /// The textbook's table for the sign test: with 12 samples the third and the tenth.
    #[test]
    fn the_interval_narrows_with_more_samples() {
        let samples: Vec<f64> = (1..=12).map(f64::from).collect();
        assert_eq!(Summary::of(&samples).interval, Some([3.0, 10.0]));
    }
}
