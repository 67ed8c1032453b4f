use std::fmt;

use svidgate_jwt_svid::{ByteSet, Segments};

/// The path of a request as it is judged: its segments, decoded (RFC 3986 §6.2.2), when there is one way only to read
/// it (checklist P5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// Each segment behind a `/`; none for `/`.
    text: String,
}

/// A path that the proxy and the service could read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AmbiguousPath;

impl Path {
    /// Reads a request target in origin form; query is left out.
    ///
    /// A slash at the end makes no difference, because services differ about it: `/a/` is judged as `/a`.
    ///
    /// # Errors
    /// [`AmbiguousPath`] for dot segments, empty segments, parameters (`;`), backslashes, fragments, control bytes and
    /// bytes outside of RFC 3986, each in any encoding; for encoded reserved characters; for broken or double
    /// encoding; for what is no UTF-8 once decoded; and for targets in another form.
    pub fn parse(target: &str) -> Result<Self, AmbiguousPath> {
        let path = without_query(target);
        if path == "/" {
            return Ok(Self { text: String::new() });
        }
        let path = path.strip_suffix('/').unwrap_or(path);
        if !path.starts_with('/') {
            return Err(AmbiguousPath);
        }
        let mut text = String::with_capacity(path.len());
        for raw in Segments::of(path) {
            text.push('/');
            if PLAIN.has_all(raw.as_bytes()) && !matches!(raw, "" | "." | "..") {
                text.push_str(raw);
            } else {
                text.push_str(&segment(raw)?);
            }
        }
        Ok(Self { text })
    }

    /// The decoded segments; none for `/`.
    #[must_use]
    pub fn segments(&self) -> Segments<'_> {
        Segments::of(&self.text)
    }
}

fn without_query(target: &str) -> &str {
    let end = target.bytes().position(|byte| byte == b'?').unwrap_or(target.len());
    target.get(..end).unwrap_or(target)
}

/// Ways in which a path may be odd: servers read it differently, and a rule may admit that.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Oddities {
    /// `%2F`, `%5C` and `\\`: a separator, or a part of a segment.
    pub encoded_separators: bool,
    /// `;` and what follows it up to the next `/`: a part of a segment, or dropped.
    pub parameters: bool,
    /// `//`: an empty segment, or one slash.
    pub empty_segments: bool,
}

/// A path in every way in which a server may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readings {
    /// What makes it odd.
    pub oddities: Oddities,
    /// At least one; more than one only for an odd path.
    pub paths: Vec<Path>,
}

impl Oddities {
    /// Whether everything that is odd in `found` is admitted here.
    #[must_use]
    pub fn cover(self, found: Self) -> bool {
        (self.encoded_separators || !found.encoded_separators)
            && (self.parameters || !found.parameters)
            && (self.empty_segments || !found.empty_segments)
    }
}

impl Readings {
    /// Reads a request target in origin form in every way.
    ///
    /// Where a part stays a part of its segment, it stands as a character that no pattern can have, so that only
    /// wildcards match it.
    ///
    /// # Errors
    /// [`AmbiguousPath`] when any of the readings is odd in yet another way: dot segments in any encoding, parameters
    /// behind dots, control bytes, broken or double encoding.
    pub fn parse(target: &str) -> Result<Self, AmbiguousPath> {
        if let Ok(path) = Path::parse(target) {
            return Ok(Self { oddities: Oddities::default(), paths: vec![path] });
        }
        let raw = without_query(target);
        if raw.chars().any(char::is_control) {
            return Err(AmbiguousPath);
        }
        // One server takes `%2f` for a separator and `\` for a letter, another one the other way round.
        let mut texts = vec![raw.to_owned()];
        let mut oddities = Oddities { parameters: raw.contains(';'), ..Oddities::default() };
        for spellings in SEPARATORS {
            if spellings.iter().any(|spelling| raw.contains(spelling)) {
                oddities.encoded_separators = true;
                let read = |text: &String, as_what| {
                    spellings.iter().fold(text.clone(), |text, spelling| text.replace(spelling, as_what))
                };
                texts = texts.iter().flat_map(|text| [read(text, "/"), read(text, OPAQUE)]).collect();
            }
        }
        if oddities.parameters {
            texts =
                texts.iter().flat_map(|text| [without_parameters(text), text.replace(';', OPAQUE)]).collect();
        }
        // With two slashes in front it may be read as a reference with an authority (RFC 3986 §4.2): `//x/admin` as
        // `/admin`.
        if texts.iter().any(|text| text.starts_with("//")) {
            return Err(AmbiguousPath);
        }
        oddities.empty_segments = texts.iter().any(|text| text.contains("//"));
        if oddities.empty_segments {
            texts = texts.iter().flat_map(|text| [merged(text), filled(text)]).collect();
        }
        if oddities == Oddities::default() {
            return Err(AmbiguousPath);
        }
        let paths = texts.iter().map(|text| Path::parse(text)).collect::<Result<_, _>>()?;
        Ok(Self { oddities, paths })
    }

    /// The path, unless it is odd.
    #[must_use]
    pub fn into_plain(mut self) -> Option<Path> {
        self.paths.pop().filter(|_| self.oddities == Oddities::default())
    }
}

fn without_parameters(path: &str) -> String {
    let kept: Vec<_> = path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()).collect();
    kept.join("/")
}

fn merged(path: &str) -> String {
    let mut merged = path.to_owned();
    while merged.contains("//") {
        merged = merged.replace("//", "/");
    }
    merged
}

fn filled(path: &str) -> String {
    let mut filled = path.to_owned();
    while filled.contains("//") {
        filled = filled.replace("//", concat!("/", "%EF%BF%BD", "/"));
    }
    filled
}

/// What some servers take for a slash, each in every spelling that they know.
const SEPARATORS: [&[&str]; 3] = [&["%2f", "%2F"], &["%5c", "%5C"], &["\\"]];
/// U+FFFD, encoded.
const OPAQUE: &str = "%EF%BF%BD";

/// What a rule says about the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PathPattern {
    /// Segment by segment; `None` stands for exactly one segment, whatever it is.
    Exact(Vec<Option<String>>),
    /// The same, and anything below it.
    Below(Vec<Option<String>>),
}

impl PathPattern {
    /// Reads `/a/b` (this path), `/a/{id}` or `/a/*` (one segment), `/a/**` (`/a` and everything below it).
    ///
    /// # Errors
    /// What would be right: a pattern is written as it is compared, so that no rule is silently dead (P3).
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('/').ok_or("must begin with `/`")?;
        let (below, rest) = match rest.strip_suffix("**") {
            Some("") => (true, ""),
            Some(rest) => (true, rest.strip_suffix('/').ok_or("`**` must be a whole segment at the end")?),
            None => (false, rest),
        };
        let segments = match rest {
            "" => Vec::new(),
            rest => rest.split('/').map(pattern_segment).collect::<Result<Vec<_>, _>>()?,
        };
        Ok(if below { Self::Below(segments) } else { Self::Exact(segments) })
    }

    /// Whether the path is one of those meant.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let (Self::Exact(pattern) | Self::Below(pattern)) = self;
        let mut segments = path.segments();
        let matched = pattern.iter().all(|pattern| {
            segments.next().is_some_and(|segment| pattern.as_ref().is_none_or(|literal| literal == segment))
        });
        matched && (matches!(self, Self::Below(_)) || segments.next().is_none())
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "/" } else { &self.text })
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (segments, end) = match self {
            Self::Exact(segments) => (segments, if segments.is_empty() { "/" } else { "" }),
            Self::Below(segments) => (segments, "/**"),
        };
        segments.iter().try_for_each(|segment| write!(f, "/{}", segment.as_deref().unwrap_or("*")))?;
        f.write_str(end)
    }
}

fn pattern_segment(text: &str) -> Result<Option<String>, String> {
    if text == "*" || (text.len() > 2 && text.starts_with('{') && text.ends_with('}')) {
        return Ok(None);
    }
    if text.contains(['*', '{', '}']) {
        return Err(format!("`{text}`: `*` and `{{name}}` stand for a whole segment"));
    }
    if text.contains('\u{fffd}') {
        return Err(format!("`{text}` is a segment that no request can have"));
    }
    match segment(text) {
        Ok(decoded) if decoded == text => Ok(Some(decoded)),
        Ok(decoded) => Err(format!("`{text}` would never match as written; write `{decoded}`")),
        Err(AmbiguousPath) => Err(format!("`{text}` is a segment that no request can have")),
    }
}

/// Decodes one segment. Only unreserved characters and UTF-8 may be encoded: whatever has a meaning in a path must
/// be written plainly, or stays ambiguous.
fn segment(raw: &str) -> Result<String, AmbiguousPath> {
    let mut decoded = Vec::with_capacity(raw.len());
    let mut bytes = raw.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let byte = hex(bytes.next())?.wrapping_shl(4) | hex(bytes.next())?;
                if !(is_unreserved(byte) || byte == b' ' || byte >= 0x80) {
                    return Err(AmbiguousPath);
                }
                decoded.push(byte);
            }
            _ if PLAIN.has(byte) => decoded.push(byte),
            _ => return Err(AmbiguousPath),
        }
    }
    let decoded = String::from_utf8(decoded).map_err(|_| AmbiguousPath)?;
    if matches!(decoded.as_str(), "" | "." | "..") || decoded.chars().any(char::is_control) {
        return Err(AmbiguousPath);
    }
    Ok(decoded)
}

fn hex(digit: Option<u8>) -> Result<u8, AmbiguousPath> {
    let digit = digit.and_then(|digit| char::from(digit).to_digit(16)).ok_or(AmbiguousPath)?;
    u8::try_from(digit).map_err(|_| AmbiguousPath)
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

/// What stands for itself in a segment, here (RFC 3986 §3.3 has `;` too).
static PLAIN: ByteSet = ByteSet::alphanumerics_and(b"-._~!$&'()*+,=:@");

#[cfg(test)]
mod tests {
    use super::{Oddities, Path, PathPattern, Readings};

    fn readings(target: &str) -> Vec<String> {
        Readings::parse(target).map_or_else(|_| Vec::new(), |r| r.paths.iter().map(Path::to_string).collect())
    }

    #[test]
    fn p05_an_odd_path_is_read_in_every_way_in_which_a_server_may_read_it() {
        assert_eq!(readings("/a%2Fb"), ["/a/b", "/a\u{fffd}b"]);
        assert_eq!(readings("/a%5cb"), ["/a/b", "/a\u{fffd}b"]);
        assert_eq!(readings("/a\\b"), ["/a/b", "/a\u{fffd}b"]);
        assert_eq!(readings("/a;x=1/b"), ["/a/b", "/a\u{fffd}x=1/b"]);
        assert_eq!(readings("/a//b"), ["/a/b", "/a/\u{fffd}/b"]);
        assert_eq!(readings("/a%2f;x").len(), 4);
        assert_eq!(
            readings("/a%2Fb%5cc"),
            ["/a/b/c", "/a/b\u{fffd}c", "/a\u{fffd}b/c", "/a\u{fffd}b\u{fffd}c"]
        );
        assert_eq!(readings("/a%2Fb%5cc\\d").len(), 8);
        let plain = Readings::parse("/a/b?c=//;%2f").unwrap();
        assert_eq!((plain.oddities, plain.paths.len()), (Oddities::default(), 1));
        assert_eq!(plain.into_plain(), Path::parse("/a/b").ok());
        assert_eq!(Readings::parse("/a//b").unwrap().into_plain(), None);
    }

    #[test]
    fn p05_no_rule_can_admit_dot_segments_broken_encoding_or_control_bytes() {
        for target in [
            "/a/..%2fb",
            "/a%2f..%2fb",
            "/a/..;/b",
            "/a/%2e%2e;x/b",
            "/a/.;x",
            "//..",
            "/a%252fb",
            "/a%2f%00",
            "/a;%zz",
            "/a;%c0%af",
            "/\u{1}",
            "/a%2f%23",
            "a;b",
            "//x/admin",
            "//",
            "///a",
            "/%2fx/admin",
            "/\\x/admin",
            "/;p/x/admin",
        ] {
            assert_eq!(readings(target), Vec::<String>::new(), "{target:?}");
        }
    }

    fn matches(pattern: &str, target: &str) -> bool {
        PathPattern::parse(pattern).unwrap().matches(&Path::parse(target).unwrap())
    }

    #[test]
    fn p05_paths_are_judged_without_query_and_after_decoding() {
        for target in ["/a/b", "/a/b?x=/c", "/%61/b", "/a/b/", "/a/%62/?"] {
            assert!(matches("/a/b", target), "{target}");
        }
        assert_eq!(Path::parse("/").unwrap().to_string(), "/");
        assert_eq!(Path::parse("/caf%C3%A9/x%20y").unwrap().segments().collect::<Vec<_>>(), ["café", "x y"]);
        assert_eq!(
            Path::parse("/pkg.Service/Method").unwrap().segments().collect::<Vec<_>>(),
            ["pkg.Service", "Method"]
        );
    }

    #[test]
    fn p05_what_stays_ambiguous_is_refused() {
        for target in [
            "",
            "a",
            "*",
            "http://a.test/x",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/%2E%2e/a",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;x=1/b",
            "/a%3Bx",
            "/a%25b",
            "/a%252fb",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a%00",
            "/a%0a",
            "/a#b",
            "/a%23",
            "/a%3fb",
            "/caf\u{e9}",
            "/%ff",
            "/%c3",
            "/%C2%85",
            "/a b",
            "/a\tb",
            "/<",
            "/{x}",
            "/a|b",
            "/a^",
            "/a`",
            "/a\"",
        ] {
            assert!(Path::parse(target).is_err(), "{target:?}");
        }
    }

    #[test]
    fn patterns_match_on_segment_boundaries() {
        let cases = [
            ("/a", "/a", true),
            ("/a", "/ab", false),
            ("/a", "/a/b", false),
            ("/a/**", "/a", true),
            ("/a/**", "/a/b/c", true),
            ("/a/**", "/ab", false),
            ("/a/{id}", "/a/1", true),
            ("/a/*", "/a/1", true),
            ("/a/*", "/a", false),
            ("/a/*/c", "/a/b/c", true),
            ("/a/*", "/a/1/2", false),
            ("/**", "/", true),
            ("/**", "/x/y", true),
            ("/", "/", true),
            ("/", "/x", false),
            ("/A", "/a", false),
        ];
        for (pattern, target, expected) in cases {
            assert_eq!(matches(pattern, target), expected, "{pattern} {target}");
        }
    }

    #[test]
    fn p03_patterns_that_could_never_match_are_errors() {
        for pattern in [
            "", "a", "/a//b", "/a/", "/a/../b", "/a%41", "/a*", "/a/**/b", "/a/x**", "/{a}b", "/a?x", "/a;b",
            "/%2f",
        ] {
            assert!(PathPattern::parse(pattern).is_err(), "{pattern}");
        }
    }
}
