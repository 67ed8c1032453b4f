//! Times from a change to its arrival.

use std::time::Duration;

/// Measured times.
#[derive(Debug, Default)]
pub struct Lags(Vec<Duration>);

/// What is told of them, in milliseconds.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Quantiles {
    /// How many there are.
    pub count: usize,
    /// The median.
    pub p50_ms: f64,
    /// 99 of 100 are at most this.
    pub p99_ms: f64,
    /// 999 of 1000 are at most this.
    pub p999_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

impl Lags {
    /// One more.
    pub fn add(&mut self, lag: Duration) {
        self.0.push(lag);
    }

    /// Their quantiles; zeros when there are none.
    pub fn quantiles(mut self) -> Quantiles {
        self.0.sort_unstable();
        let at = |part: f64| {
            let last = self.0.len().saturating_sub(1);
            let index = (last as f64 * part).ceil() as usize;
            self.0.get(index).map_or(0.0, |lag| millis(*lag))
        };
        Quantiles {
            count: self.0.len(),
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: at(1.0),
        }
    }
}

/// Milliseconds, to the microsecond.
pub fn millis(duration: Duration) -> f64 {
    duration.as_micros() as f64 / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_sorted_times() {
        let mut lags = Lags::default();
        for number in (0..=1_000).rev() {
            lags.add(Duration::from_millis(number));
        }
        let told = lags.quantiles();
        assert_eq!(told.count, 1_001);
        assert_eq!((told.p50_ms, told.p99_ms, told.p999_ms, told.max_ms), (500.0, 990.0, 999.0, 1_000.0));
        assert_eq!(Lags::default().quantiles().max_ms, 0.0);
    }
}
