//! Where a token is found in a request, and how it is taken out again.

use svidgate_jwt_svid::{DenyReason, bearer};

use crate::denial::Reason;
use crate::edit::Edit;
use crate::headers::Headers;
use crate::settings::TokenSource;

/// The one token of a request. Two that differ are a mistake or an attack, whichever of them is good.
///
/// # Errors
/// Why there is none that could be judged.
pub(crate) fn find<'h>(sources: &[TokenSource], headers: &Headers<'h>) -> Result<Option<&'h [u8]>, Reason> {
    let mut found = None;
    for source in sources {
        for token in at(source, headers)? {
            match found {
                Some(other) if other != token => return Err(Reason::TokenConflict),
                _ => found = Some(token),
            }
        }
    }
    Ok(found)
}

/// What takes every token out of the request.
pub(crate) fn removal<'e>(sources: &'e [TokenSource], headers: &Headers<'_>) -> Vec<Edit<'e>> {
    let mut edits = Vec::with_capacity(2);
    for source in sources {
        match source {
            TokenSource::Header { name, .. } => {
                if headers.values(name).next().is_some() {
                    edits.push(Edit::Remove(name));
                }
            }
            TokenSource::Cookie(name) => edits.extend(without_cookie(name, headers)),
            TokenSource::Query(name) => edits.extend(without_parameter(name, headers)),
        }
    }
    edits
}

fn at<'h>(source: &TokenSource, headers: &Headers<'h>) -> Result<Vec<&'h [u8]>, Reason> {
    let malformed = Reason::Svid(DenyReason::AuthorizationMalformed);
    match source {
        TokenSource::Header { name, scheme } => {
            let mut values = headers.values(name);
            let Some(value) = values.next() else { return Ok(Vec::new()) };
            if values.next().is_some() {
                return Err(Reason::Svid(DenyReason::AuthorizationRepeated));
            }
            let token = match scheme {
                None => bearer::bare(value),
                Some(scheme) => bearer::with_scheme(value, scheme.as_bytes()),
            };
            Ok(vec![token.map_err(|error| Reason::Svid(error.reason()))?])
        }
        TokenSource::Cookie(name) => {
            let values = headers.values("cookie").flat_map(cookies);
            let tokens = values.filter(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value);
            tokens.map(|token| bearer::bare(token).map_err(|_| malformed)).collect()
        }
        TokenSource::Query(name) => {
            let values = headers.values(":path").flat_map(parameters);
            let tokens = values.filter(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value);
            tokens.map(|token| bearer::bare(token).map_err(|_| malformed)).collect()
        }
    }
}

fn cookies(value: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    value.split(|byte| *byte == b';').map(|pair| halves(pair.trim_ascii()))
}

fn parameters(path: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    query(path).unwrap_or_default().split(|byte| *byte == b'&').map(halves)
}

fn query(path: &[u8]) -> Option<&[u8]> {
    let mark = path.iter().position(|byte| *byte == b'?')?;
    path.get(mark.saturating_add(1)..)
}

fn halves(pair: &[u8]) -> (&[u8], &[u8]) {
    match pair.iter().position(|byte| *byte == b'=') {
        Some(at) => {
            let (name, value) = pair.split_at_checked(at).unwrap_or((pair, b""));
            (name, value.strip_prefix(b"=").unwrap_or(value))
        }
        None => (pair, b""),
    }
}

fn without_cookie(name: &str, headers: &Headers<'_>) -> Option<Edit<'static>> {
    let values: Vec<_> = headers.values("cookie").collect();
    if !values.iter().flat_map(|value| cookies(value)).any(|(found, _)| found == name.as_bytes()) {
        return None;
    }
    let kept: Vec<&[u8]> = values
        .iter()
        .flat_map(|value| value.split(|byte| *byte == b';'))
        .map(<[u8]>::trim_ascii)
        .filter(|pair| !pair.is_empty() && halves(pair).0 != name.as_bytes())
        .collect();
    Some(rewritten("cookie", kept.join(&b"; "[..])))
}

fn without_parameter(name: &str, headers: &Headers<'_>) -> Option<Edit<'static>> {
    let path = headers.values(":path").next()?;
    let query = query(path)?;
    if !parameters(path).any(|(found, _)| found == name.as_bytes()) {
        return None;
    }
    let kept: Vec<&[u8]> =
        query.split(|byte| *byte == b'&').filter(|pair| halves(pair).0 != name.as_bytes()).collect();
    let before = path.split(|byte| *byte == b'?').next()?;
    let kept = kept.join(&b"&"[..]);
    let path = if kept.is_empty() { before.to_vec() } else { [before, b"?", &kept].concat() };
    Some(rewritten(":path", path))
}

fn rewritten(name: &'static str, value: Vec<u8>) -> Edit<'static> {
    if value.is_empty() {
        return Edit::Remove(name);
    }
    Edit::Set(name, value.into())
}

#[cfg(test)]
mod tests {
    use super::{find, removal};
    use crate::edit::Edit;
    use crate::headers::Headers;
    use crate::settings::TokenSource;

    fn sources() -> Vec<TokenSource> {
        vec![
            TokenSource::Header { name: "authorization".to_owned(), scheme: Some("Bearer".to_owned()) },
            TokenSource::Header { name: "x-jwt".to_owned(), scheme: None },
            TokenSource::Cookie("svid".to_owned()),
            TokenSource::Query("token".to_owned()),
        ]
    }

    fn headers<'a>(pairs: &[(&'a str, &'a str)]) -> Headers<'a> {
        Headers::new(pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect())
    }

    #[test]
    fn v18_a_token_in_two_places_is_refused_unless_it_is_the_same() {
        type Case<'a> = (&'a [(&'a str, &'a str)], Result<Option<&'a str>, &'a str>);
        let cases: [Case<'_>; 12] = [
            (&[], Ok(None)),
            (&[("authorization", "bearer a.b.c")], Ok(Some("a.b.c"))),
            (&[("x-jwt", "a.b.c")], Ok(Some("a.b.c"))),
            (&[("cookie", "x=1; svid=a.b.c")], Ok(Some("a.b.c"))),
            (&[(":path", "/x?y=1&token=a.b.c")], Ok(Some("a.b.c"))),
            (&[("authorization", "Bearer a.b.c"), ("x-jwt", "a.b.c")], Ok(Some("a.b.c"))),
            (&[("authorization", "Bearer a.b.c"), ("x-jwt", "d.e.f")], Err("token_conflict")),
            (&[("cookie", "svid=a.b.c; svid=d.e.f")], Err("token_conflict")),
            (&[("authorization", "Basic a")], Err("scheme_not_bearer")),
            (&[("x-jwt", "a.b.c d")], Err("authorization_malformed")),
            (&[("x-jwt", "a"), ("x-jwt", "a")], Err("authorization_repeated")),
            (&[(":path", "/x?token=a%2Eb")], Err("authorization_malformed")),
        ];
        for (pairs, expected) in cases {
            let headers = headers(pairs);
            let found = find(&sources(), &headers).map_err(super::Reason::as_str);
            assert_eq!(found, expected.map(|token| token.map(str::as_bytes)), "{pairs:?}");
        }
    }

    #[test]
    fn a_removed_token_leaves_the_rest_of_its_place() {
        let headers = headers(&[
            (":path", "/x?y=1&token=a.b.c&z"),
            ("authorization", "Bearer a.b.c"),
            ("cookie", "a=1; svid=a.b.c; b=2"),
        ]);
        assert_eq!(
            removal(&sources(), &headers),
            [
                Edit::Remove("authorization"),
                Edit::Set("cookie", b"a=1; b=2"[..].into()),
                Edit::Set(":path", b"/x?y=1&z"[..].into()),
            ]
        );
    }

    #[test]
    fn what_held_only_the_token_goes_with_it() {
        let headers = headers(&[(":path", "/x?token=a.b.c"), ("cookie", "svid=a.b.c")]);
        assert_eq!(
            removal(&sources(), &headers),
            [Edit::Remove("cookie"), Edit::Set(":path", b"/x"[..].into())]
        );
    }
}
