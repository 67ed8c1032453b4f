use svidgate_jwt_svid::DenyReason;
use svidgate_policy::{Denial, Outcome, Reason};

use crate::config::Answers;

/// What a refused caller is told: never anything of the token (checklist V16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `www-authenticate` where the status asks for one (RFC 6750 §3).
    pub challenge: Option<String>,
    /// JSON body with the class of the refusal and the reason, or nothing.
    pub body: String,
}

impl Answer {
    /// The answer to a denial.
    #[must_use]
    pub fn new(denial: Denial, settings: &Answers) -> Self {
        let (outcome, reason) = (denial.outcome(), denial.reason());
        let body = format!(r#"{{"error":"{}","reason":"{}"}}"#, outcome.as_str(), reason.as_str());
        Self {
            status: outcome.http_status(),
            challenge: challenge(outcome, reason, &settings.realm),
            body: if settings.body { body } else { String::new() },
        }
    }
}

impl Answer {
    /// The answer of a plugin that was never configured.
    #[must_use]
    pub fn unconfigured() -> Self {
        Self::new(Denial::new(Reason::Internal), &Answers { body: true, realm: String::new() })
    }
}

/// RFC 6750 §3: no error code when the caller gave no credential at all.
fn challenge(outcome: Outcome, reason: Reason, realm: &str) -> Option<String> {
    let scheme = format!(r#"Bearer realm="{realm}""#);
    let error = match (outcome, reason) {
        (Outcome::Unavailable | Outcome::BadRequest, _) => return None,
        // No token would help.
        (_, Reason::NoRule | Reason::PeerMissing | Reason::PeerInvalid) => return None,
        (_, Reason::Svid(DenyReason::TokenMissing)) => return Some(scheme),
        (_, Reason::TokenConflict) => "invalid_request",
        (
            _,
            Reason::Svid(
                DenyReason::AuthorizationRepeated
                | DenyReason::AuthorizationMalformed
                | DenyReason::SchemeNotBearer,
            ),
        ) => "invalid_request",
        (Outcome::Unauthenticated, _) => "invalid_token",
        (Outcome::Forbidden, _) => "insufficient_scope",
    };
    Some(format!(r#"{scheme}, error="{error}", error_description="{}""#, reason.as_str()))
}

#[cfg(test)]
mod tests {
    use svidgate_jwt_svid::DenyReason;
    use svidgate_policy::{Denial, Reason};

    use super::Answer;
    use crate::config::Answers;

    fn settings() -> Answers {
        Answers { body: true, realm: "svidgate".to_owned() }
    }

    #[test]
    fn answers_follow_rfc_6750() {
        let table = [
            (Reason::Svid(DenyReason::TokenMissing), 401, Some(r#"Bearer realm="svidgate""#.to_owned())),
            (
                Reason::Svid(DenyReason::AuthorizationRepeated),
                401,
                Some(with("invalid_request", "authorization_repeated")),
            ),
            (
                Reason::Svid(DenyReason::AuthorizationMalformed),
                401,
                Some(with("invalid_request", "authorization_malformed")),
            ),
            (Reason::CallerNotAllowed, 403, Some(with("insufficient_scope", "caller_not_allowed"))),
            (Reason::TokenRevoked, 401, Some(with("invalid_token", "token_revoked"))),
            (Reason::TokenConflict, 401, Some(with("invalid_request", "token_conflict"))),
            (Reason::NoRule, 403, None),
            (Reason::PeerMissing, 403, None),
            (Reason::PathAmbiguous, 400, None),
            (Reason::NoTrust, 503, None),
            (Reason::TrustStale, 503, None),
            (Reason::Internal, 503, None),
        ];
        for (reason, status, challenge) in table {
            let answer = Answer::new(Denial::new(reason), &settings());
            assert_eq!((answer.status, answer.challenge), (status, challenge), "{reason:?}");
        }
    }

    fn with(error: &str, description: &str) -> String {
        format!(r#"Bearer realm="svidgate", error="{error}", error_description="{description}""#)
    }

    #[test]
    fn v16_bodies_are_small_json_with_a_reason_of_the_closed_list() {
        for reason in Reason::all() {
            let answer = Answer::new(Denial::new(reason), &settings());
            let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!(body["reason"], reason.as_str());
            assert_eq!(body["error"], reason.outcome().as_str());
            assert!(answer.body.len() < 128);
            let silent = Answer::new(Denial::new(reason), &Answers { body: false, ..settings() });
            assert_eq!((silent.body.as_str(), silent.status), ("", answer.status));
        }
    }
}
