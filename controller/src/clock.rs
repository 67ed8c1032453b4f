//! The one place that reads the wall clock. Everything else is told the time, so that tests can choose it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, by the wall clock.
#[allow(clippy::disallowed_methods, reason = "the one reader of the clock")]
#[must_use]
pub fn now() -> SystemTime {
    SystemTime::now()
}

/// Now in milliseconds since 1970; 0 for a clock that is set before that.
#[must_use]
pub fn unix_millis() -> u64 {
    millis_of(now())
}

/// `moment` in milliseconds since 1970; 0 for one before that.
#[must_use]
pub fn millis_of(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// `millis` since 1970 as RFC 3339 in UTC; empty when it is past the year 9999.
#[must_use]
pub fn rfc3339(millis: u64) -> String {
    let nanos = i128::from(millis).saturating_mul(1_000_000);
    time::OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|moment| moment.format(&time::format_description::well_known::Rfc3339).ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn milliseconds_are_written_as_rfc3339() {
        assert_eq!(super::rfc3339(1_764_072_000_250), "2025-11-25T12:00:00.25Z");
        assert_eq!(super::rfc3339(u64::MAX), "");
    }
}
