use std::fmt;

use tonic::{Code, Status};

use crate::printable::escaped;
use crate::store::Event;

/// How a stream ended.
#[derive(Debug)]
pub(super) enum Outcome {
    /// By the server, without an error.
    Ended { good: bool },
    /// With an error, or it could not be opened.
    Failed { status: Status, good: bool },
}

/// When to open the next stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Retry {
    AtOnce,
    Later,
    Never,
}

impl Outcome {
    /// SPIFFE Workload API, section 6.1 and the error codes of section 5 (checklist B5, B6).
    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::Ended { .. } => Retry::AtOnce,
            Self::Failed { status, .. } => match status.code() {
                // The client is at fault, or the server does not know the call: repeating it changes nothing.
                Code::InvalidArgument | Code::Unimplemented => Retry::Never,
                _ => Retry::Later,
            },
        }
    }

    pub(super) fn event(&self) -> Event {
        let reason = self.to_string();
        match self {
            Self::Ended { .. } => Event::Down(reason),
            Self::Failed { status, .. } => match status.code() {
                Code::PermissionDenied => Event::NoIdentity(reason),
                Code::InvalidArgument | Code::Unimplemented => Event::Stopped(reason),
                _ => Event::Down(reason),
            },
        }
    }

    /// Whether the stream brought a message that was taken.
    pub(super) fn was_good(&self) -> bool {
        match self {
            Self::Ended { good } | Self::Failed { good, .. } => *good,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { .. } => f.write_str("the server ended the stream"),
            Self::Failed { status, .. } => {
                // The message comes from the other side: bounded, and nothing that acts on a terminal.
                let message: String = status.message().chars().take(MAX_MESSAGE_CHARS).collect();
                let message = escaped(&message);
                write!(f, "{:?}: {message}", status.code())
            }
        }
    }
}

const MAX_MESSAGE_CHARS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(code: Code) -> Outcome {
        Outcome::Failed { status: Status::new(code, "why\n"), good: false }
    }

    #[test]
    fn b6_invalid_argument_and_unimplemented_are_not_retried() {
        for code in [Code::InvalidArgument, Code::Unimplemented] {
            assert_eq!(failed(code).retry(), Retry::Never);
            assert!(matches!(failed(code).event(), Event::Stopped(_)));
        }
    }

    #[test]
    fn b6_every_other_error_backs_off_and_a_clean_end_does_not() {
        for code in
            [Code::Unavailable, Code::PermissionDenied, Code::Internal, Code::Unknown, Code::Cancelled]
        {
            assert_eq!(failed(code).retry(), Retry::Later);
        }
        assert_eq!(Outcome::Ended { good: true }.retry(), Retry::AtOnce);
    }

    #[test]
    fn b5_only_permission_denied_drops_what_is_held() {
        assert!(matches!(failed(Code::PermissionDenied).event(), Event::NoIdentity(_)));
        for code in [Code::Unavailable, Code::Unauthenticated, Code::OutOfRange, Code::Internal] {
            assert!(matches!(failed(code).event(), Event::Down(_)));
        }
    }

    #[test]
    fn the_reason_is_fit_for_a_log_line() {
        assert_eq!(failed(Code::Unavailable).to_string(), "Unavailable: why\\u{a}");
    }
}
