use svidgate_policy::Headers;

/// In which form a refusal is understood by the client that gets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As HTTP; for gRPC, Envoy makes the matching gRPC status of it.
    #[default]
    Http,
    /// As gRPC-Web: HTTP 200, and the status in the last frame of the body.
    GrpcWeb(GrpcWeb),
}

/// A form of gRPC-Web.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrpcWeb {
    /// `content-type` of the answer.
    pub content_type: &'static str,
    /// Whether its body is base64.
    pub is_text: bool,
}

impl Form {
    /// The form for a request. It is gRPC-Web for a POST (the only method that gRPC has) with such a content type; where
    /// Envoy's own translation stands in front, the request is gRPC by now and Envoy answers in the client's form.
    #[must_use]
    pub fn of(headers: &Headers<'_>) -> Self {
        if headers.values(":method").next() != Some(b"POST") {
            return Self::Http;
        }
        let Some(asked) = headers.values("content-type").next().and_then(GrpcWeb::read) else {
            return Self::Http;
        };
        // A client that can take text only says so in `accept`, whatever form its own messages have.
        Self::GrpcWeb(headers.values("accept").find_map(GrpcWeb::read).unwrap_or(asked))
    }
}

impl GrpcWeb {
    /// Reads a media type. What stands in the answer is ours, never the client's text.
    fn read(value: &[u8]) -> Option<Self> {
        let end = value.iter().position(|byte| matches!(byte, b';' | b',' | b' ' | b'\t'));
        let (media_type, _) = value.split_at_checked(end.unwrap_or(value.len()))?;
        let (base, subtype) = match media_type.iter().position(|byte| *byte == b'+') {
            Some(plus) => media_type.split_at_checked(plus)?,
            None => (media_type, &b""[..]),
        };
        let is_text = TEXT.iter().any(|text| base.eq_ignore_ascii_case(text.as_bytes()));
        if !is_text && !base.eq_ignore_ascii_case(BINARY.as_bytes()) {
            return None;
        }
        let known = SUBTYPES.iter().find(|(known, ..)| subtype.eq_ignore_ascii_case(known.as_bytes()));
        let (_, binary, text) = known.unwrap_or(&("", BINARY, "application/grpc-web-text"));
        Some(Self { content_type: if is_text { text } else { binary }, is_text })
    }
}

const BINARY: &str = "application/grpc-web";
const TEXT: [&str; 2] = ["application/grpc-web-text", "application/grpc-web-text-base64"];
/// Clients compare the type of the answer with the encoding of messages that they asked for.
const SUBTYPES: [(&str, &str, &str); 3] = [
    ("+proto", "application/grpc-web+proto", "application/grpc-web-text+proto"),
    ("+json", "application/grpc-web+json", "application/grpc-web-text+json"),
    ("+thrift", "application/grpc-web+thrift", "application/grpc-web-text+thrift"),
];

#[cfg(test)]
mod tests {
    use svidgate_policy::Headers;

    use super::{Form, GrpcWeb};

    fn form(method: &str, content_type: &str, accept: Option<&str>) -> Form {
        let mut pairs: Vec<(&[u8], &[u8])> =
            vec![(b":method", method.as_bytes()), (b"content-type", content_type.as_bytes())];
        pairs.extend(accept.map(|accept| (&b"accept"[..], accept.as_bytes())));
        Form::of(&Headers::new(pairs))
    }

    fn web(content_type: &'static str, is_text: bool) -> Form {
        Form::GrpcWeb(GrpcWeb { content_type, is_text })
    }

    #[test]
    fn p07_a_grpc_web_client_is_answered_in_the_encoding_that_it_speaks() {
        let cases = [
            ("application/grpc-web", "application/grpc-web", false),
            ("application/grpc-web+proto", "application/grpc-web+proto", false),
            ("Application/gRPC-Web+JSON; charset=utf-8", "application/grpc-web+json", false),
            ("application/grpc-web+other", "application/grpc-web", false),
            ("application/grpc-web-text", "application/grpc-web-text", true),
            ("application/grpc-web-text+proto", "application/grpc-web-text+proto", true),
            ("application/grpc-web-text-base64", "application/grpc-web-text", true),
        ];
        for (sent, answered, is_text) in cases {
            assert_eq!(form("POST", sent, None), web(answered, is_text), "{sent}");
        }
        let text = web("application/grpc-web-text", true);
        assert_eq!(form("POST", "application/grpc-web+proto", Some("application/grpc-web-text")), text);
        assert_eq!(form("POST", "application/grpc-web-text", Some("*/*")), text);
    }

    #[test]
    fn p07_everything_else_is_answered_as_http() {
        for content_type in [
            "",
            "application/grpc",
            "application/grpc+proto",
            "application/grpc-webx",
            "text/plain",
            "+",
            ";",
        ] {
            assert_eq!(
                form("POST", content_type, Some("application/grpc-web")),
                Form::Http,
                "{content_type}"
            );
        }
        for method in ["GET", "HEAD", "OPTIONS", "post"] {
            assert_eq!(form(method, "application/grpc-web", None), Form::Http, "{method}");
        }
        assert_eq!(Form::of(&Headers::new(Vec::new())), Form::Http);
    }
}
