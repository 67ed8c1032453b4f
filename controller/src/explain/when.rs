//! Moments as people write and read them.

use svidgate_jwt_svid::UnixTime;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970, or RFC 3339; a fraction of a second is cut off.
pub(super) fn parse(text: &str) -> Result<UnixTime, String> {
    if let Ok(seconds) = text.parse() {
        return Ok(UnixTime(seconds));
    }
    let moment = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "expected seconds since 1970, or a time such as 2026-01-31T12:00:00Z".to_owned())?;
    u64::try_from(moment.unix_timestamp()).map(UnixTime).map_err(|_| "is before 1970".to_owned())
}

/// The moment in UTC, and how far it is from `now`: `2026-01-31T12:00:00Z (3 min ago)`.
pub(super) fn both(moment: UnixTime, now: UnixTime) -> String {
    format!("{} ({})", utc(moment), relative(moment, now))
}

/// The moment in UTC.
pub(super) fn utc(moment: UnixTime) -> String {
    let written = i64::try_from(moment.as_secs())
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|moment| moment.format(&Rfc3339).ok());
    written.unwrap_or_else(|| format!("{moment} s after 1970"))
}

/// How far the moment is from `now`, in one rounded-down unit.
pub(super) fn relative(moment: UnixTime, now: UnixTime) -> String {
    let (moment, now) = (moment.as_secs(), now.as_secs());
    match moment.checked_sub(now) {
        Some(0) => "now".to_owned(),
        Some(ahead) => format!("in {}", span(ahead)),
        None => format!("{} ago", span(now.abs_diff(moment))),
    }
}

/// A length of time in the unit that keeps two digits.
pub(super) fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
