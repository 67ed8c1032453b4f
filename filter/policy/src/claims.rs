//! Claims as values of headers.

use serde_json::{Map, Value};

use crate::settings::{ClaimHeader, ClaimKind};

/// The value of the header; none when the claim is absent, of another type, too long, or would be no header value.
pub(crate) fn value(claims: &Map<String, Value>, wanted: &ClaimHeader) -> Option<String> {
    let claim = claims.get(&wanted.claim)?;
    let text = match (wanted.kind, claim) {
        (ClaimKind::String, Value::String(text)) => plain(text)?.to_owned(),
        (ClaimKind::Integer, Value::Number(number)) if number.is_i64() || number.is_u64() => {
            number.to_string()
        }
        (ClaimKind::Boolean, Value::Bool(value)) => value.to_string(),
        (ClaimKind::StringList, Value::Array(items)) => {
            let items: Option<Vec<_>> = items
                .iter()
                .map(|item| item.as_str().filter(|text| !text.contains(',')).and_then(plain))
                .collect();
            items?.join(",")
        }
        (ClaimKind::Json, claim) => ascii(&serde_json::to_string(claim).ok()?),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= wanted.max_bytes).then_some(text)
}

/// Visible ASCII with spaces inside: nothing that ends a header or is read in another way.
fn plain(text: &str) -> Option<&str> {
    let visible = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (visible && !text.is_empty() && text.trim() == text).then_some(text)
}

/// JSON stays the same value when what is no ASCII is escaped; control characters are escaped already.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() && c != '\u{7f}' {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::value;
    use crate::settings::{ClaimHeader, ClaimKind};

    #[test]
    fn claims_become_headers_only_in_their_type_and_within_their_size() {
        let claims = json!({
            "s": "web 1", "nl": "a\r\nx: y", "uni": "é", "pad": " a", "empty": "", "n": 42, "neg": -1, "f": 1.5, "b": true,
            "l": ["a", "b"], "lc": ["a,b"], "o": {"k": "é\u{7f}"}, "long": "x".repeat(17)
        });
        let claims = claims.as_object().unwrap();
        let cases = [
            ("s", ClaimKind::String, Some("web 1")),
            ("nl", ClaimKind::String, None),
            ("uni", ClaimKind::String, None),
            ("pad", ClaimKind::String, None),
            ("empty", ClaimKind::String, None),
            ("n", ClaimKind::String, None),
            ("n", ClaimKind::Integer, Some("42")),
            ("neg", ClaimKind::Integer, Some("-1")),
            ("f", ClaimKind::Integer, None),
            ("b", ClaimKind::Boolean, Some("true")),
            ("s", ClaimKind::Boolean, None),
            ("l", ClaimKind::StringList, Some("a,b")),
            ("lc", ClaimKind::StringList, None),
            ("s", ClaimKind::StringList, None),
            ("o", ClaimKind::Json, None),
            ("l", ClaimKind::Json, Some(r#"["a","b"]"#)),
            ("uni", ClaimKind::Json, Some(r#""\u00e9""#)),
            ("long", ClaimKind::String, None),
            ("absent", ClaimKind::Json, None),
        ];
        for (claim, kind, expected) in cases {
            let wanted = ClaimHeader {
                claim: claim.to_owned(),
                header: "x-claim".to_owned(),
                kind,
                max_bytes: 16,
                required: false,
            };
            assert_eq!(value(claims, &wanted).as_deref(), expected, "{claim} {kind:?}");
        }
    }
}
