//! Parsers for single values, each with an error that says what would be right.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::Value;

use crate::object::expected;

/// Any string.
///
/// # Errors
/// When the value is of another type.
pub fn string(value: &Value) -> Result<String, String> {
    value.as_str().map(str::to_owned).ok_or_else(|| expected("a string", value))
}

/// A string that is not empty.
///
/// # Errors
/// When the value is of another type or empty.
pub fn non_empty_string(value: &Value) -> Result<String, String> {
    let text = string(value)?;
    if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text) }
}

/// `true` or `false`, not their spelling in a string.
///
/// # Errors
/// When the value is of another type.
pub fn boolean(value: &Value) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| expected("true or false", value))
}

/// A whole number within `range`. `30.0` counts as 30: a `google.protobuf.Struct` knows only doubles.
///
/// # Errors
/// When the value is of another type, has a fraction, or is out of range.
pub fn integer(range: RangeInclusive<u64>) -> impl Fn(&Value) -> Result<u64, String> {
    move |value| {
        let number = value.as_u64().or_else(|| value.as_f64().and_then(whole));
        match number {
            Some(number) if range.contains(&number) => Ok(number),
            Some(number) => Err(format!("must be from {} to {}, is {number}", range.start(), range.end())),
            None => Err(expected("a whole number that is not negative", value)),
        }
    }
}

/// A number within `range`.
///
/// # Errors
/// When the value is of another type or out of range.
pub fn number(range: RangeInclusive<f64>) -> impl Fn(&Value) -> Result<f64, String> {
    move |value| {
        let number = value.as_f64().ok_or_else(|| expected("a number", value))?;
        if range.contains(&number) {
            Ok(number)
        } else {
            Err(format!("must be from {} to {}, is {number}", range.start(), range.end()))
        }
    }
}

/// A duration such as `"250ms"`, `"30s"`, `"5m"` or `"1h"` within `range`.
///
/// # Errors
/// When the value is no string of that form, or is out of range.
pub fn duration(range: RangeInclusive<Duration>) -> impl Fn(&Value) -> Result<Duration, String> {
    move |value| {
        let text = value.as_str().ok_or_else(|| expected(DURATION_FORM, value))?;
        let parsed = parse_duration(text).ok_or_else(|| format!("expected {DURATION_FORM}"))?;
        if range.contains(&parsed) {
            Ok(parsed)
        } else {
            Err(format!("must be from {:?} to {:?}, is {parsed:?}", range.start(), range.end()))
        }
    }
}

/// The shortest spelling that [`duration`] reads as this; of milliseconds what is shorter is left out.
pub(crate) fn duration_text(duration: Duration) -> String {
    let (seconds, millis) = (duration.as_secs(), duration.as_millis());
    match [(3600, 'h'), (60, 'm')].into_iter().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit))
    {
        _ if duration.subsec_millis() > 0 => format!("{millis}ms"),
        Some((unit, letter)) => format!("{}{letter}", seconds.checked_div(unit).unwrap_or_default()),
        None => format!("{seconds}s"),
    }
}

fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3600).map(Duration::from_secs),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range, as checked")]
fn whole(number: f64) -> Option<u64> {
    (number.fract() == 0.0 && (0.0..=MAX_EXACT).contains(&number)).then_some(number as u64)
}

/// 2^53: above it a double no longer holds every whole number.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

const DURATION_FORM: &str = "a duration such as \"250ms\", \"30s\", \"5m\" or \"1h\"";
