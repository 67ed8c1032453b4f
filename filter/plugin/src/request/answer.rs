use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use svidgate_jwt_svid::DenyReason;
use svidgate_policy::{Denial, Outcome, Reason};

use super::form::{Form, GrpcWeb};
use crate::config::Answers;

/// What a refused caller is told: never anything of the token (checklist V16).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `www-authenticate` where the status asks for one (RFC 6750 §3).
    pub challenge: Option<String>,
    /// `content-type`; none without a body.
    pub content_type: Option<&'static str>,
    /// JSON with the class of the refusal and the reason, or nothing; for gRPC-Web the frame with the status.
    pub body: Vec<u8>,
}

impl Answer {
    /// The answer to a denial, in the client's form.
    #[must_use]
    pub fn new(denial: Denial, settings: &Answers, form: Form) -> Self {
        let (outcome, reason) = (denial.outcome(), denial.reason());
        let text = if settings.body {
            format!(r#"{{"error":"{}","reason":"{}"}}"#, outcome.as_str(), reason.as_str())
        } else {
            String::new()
        };
        // Of use to a gRPC-Web client too: it says that other credentials would help (RFC 9110 §11.6.1).
        let challenge = challenge(outcome, reason, &settings.realm);
        match form {
            Form::Http => Self {
                status: outcome.http_status(),
                challenge,
                content_type: (!text.is_empty()).then_some("application/json"),
                body: text.into_bytes(),
            },
            Form::GrpcWeb(web) => Self {
                status: 200,
                challenge,
                content_type: Some(web.content_type),
                body: last_frame(outcome, &text, web),
            },
        }
    }

    /// The answer of a plugin that was never configured.
    #[must_use]
    pub fn unconfigured(form: Form) -> Self {
        Self::new(Denial::new(Reason::Internal), &Answers { body: true, realm: String::new() }, form)
    }
}

/// The trailers of a gRPC-Web answer, as a frame of its body (gRPC's PROTOCOL-WEB, "Message framing"). They might stand
/// among the headers instead; but Envoy takes the content type from an answer without a body, which gRPC asks for, and
/// scripts of another origin can read a body where they may not read these headers.
///
/// `message` has neither line ends nor `%` in it, nor anything but ASCII, so it is percent-encoded as it stands.
fn last_frame(outcome: Outcome, message: &str, web: GrpcWeb) -> Vec<u8> {
    let mut trailers = format!("grpc-status:{}\r\n", outcome.grpc_status());
    if !message.is_empty() {
        trailers.push_str("grpc-message:");
        trailers.push_str(message);
        trailers.push_str("\r\n");
    }
    let len = u32::try_from(trailers.len()).unwrap_or(0);
    let frame = [&[TRAILERS], &len.to_be_bytes()[..], trailers.as_bytes()].concat();
    if web.is_text { STANDARD.encode(frame).into_bytes() } else { frame }
}

/// First byte of a frame with trailers, not compressed.
const TRAILERS: u8 = 0x80;

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

    use super::{Answer, Form, GrpcWeb};
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
            let answer = Answer::new(Denial::new(reason), &settings(), Form::Http);
            assert_eq!((answer.status, answer.challenge), (status, challenge), "{reason:?}");
        }
    }

    fn with(error: &str, description: &str) -> String {
        format!(r#"Bearer realm="svidgate", error="{error}", error_description="{description}""#)
    }

    #[test]
    fn v16_bodies_are_small_json_with_a_reason_of_the_closed_list() {
        for reason in Reason::all() {
            let answer = Answer::new(Denial::new(reason), &settings(), Form::Http);
            let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(body["reason"], reason.as_str());
            assert_eq!(body["error"], reason.outcome().as_str());
            assert!(answer.body.len() < 128);
            let silent = Answer::new(Denial::new(reason), &silent(), Form::Http);
            assert_eq!((silent.body.as_slice(), silent.status), (&b""[..], answer.status));
        }
    }

    fn silent() -> Answers {
        Answers { body: false, ..settings() }
    }

    #[test]
    fn p07_a_grpc_web_client_gets_the_status_in_the_last_frame() {
        let binary = GrpcWeb { content_type: "application/grpc-web+proto", is_text: false };
        let text = GrpcWeb { content_type: "application/grpc-web-text", is_text: true };
        let denial = Denial::new(Reason::Svid(DenyReason::TokenMissing));
        let answer = Answer::new(denial, &settings(), Form::GrpcWeb(binary));
        assert_eq!((answer.status, answer.content_type), (200, Some("application/grpc-web+proto")));
        assert_eq!(answer.challenge.as_deref(), Some(r#"Bearer realm="svidgate""#));
        let trailers = "grpc-status:16\r\ngrpc-message:\
                        {\"error\":\"unauthenticated\",\"reason\":\"token_missing\"}\r\n";
        assert_eq!(answer.body, [b"\x80\0\0\0", &[83][..], trailers.as_bytes()].concat());

        let denial = Denial::new(Reason::CallerNotAllowed);
        let answer = Answer::new(denial, &silent(), Form::GrpcWeb(text));
        assert_eq!((answer.status, answer.content_type), (200, Some("application/grpc-web-text")));
        assert_eq!(answer.body, b"gAAAAA9ncnBjLXN0YXR1czo3DQo=");
    }

    #[test]
    fn v16_every_reason_is_a_grpc_message_without_encoding() {
        let form = Form::GrpcWeb(GrpcWeb { content_type: "application/grpc-web", is_text: false });
        for reason in Reason::all() {
            let body = Answer::new(Denial::new(reason), &settings(), form).body;
            let (head, trailers) = body.split_at(5);
            assert_eq!(head, [&[0x80], &u32::try_from(trailers.len()).unwrap().to_be_bytes()[..]].concat());
            let trailers = std::str::from_utf8(trailers).unwrap().strip_suffix("\r\n").unwrap();
            let (status, message) = trailers.split_once("\r\ngrpc-message:").unwrap();
            assert_eq!(status, format!("grpc-status:{}", reason.outcome().grpc_status()));
            assert!(message.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'%'), "{message}");
        }
    }
}
