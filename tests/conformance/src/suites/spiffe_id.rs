//! The SPIFFE IDs of the standard (SPIFFE-ID.md): its examples, and each of its rules kept and broken.

use svidgate_jwt_svid::SpiffeId;

use crate::case::{Case, Expected, Ours, Suite};

/// Examples in the text, of sections 2, 2.1.1, 2.2, and of JWT-SVID §3.2.
const EXAMPLES: &[&str] = &[
    "spiffe://trust-domain-name/path",
    "spiffe://staging.example.com/payments/mysql",
    "spiffe://staging.example.com/payments/web-fe",
    "spiffe://k8s-west.example.com/ns/staging/sa/default",
    "spiffe://example.com/9eebccd2-12bf-40a6-b262-65fe0487d453",
    "spiffe://trust_domain_name.example.com",
    "spiffe://example.org/reports",
];

/// Allowed by the rules of sections 2.1 and 2.2.
const GOOD: &[&str] = &[
    "spiffe://example.com",
    "spiffe://a",
    "spiffe://1.2.3.4/workload",
    "spiffe://1.2.3.4",
    "spiffe://-/-",
    "spiffe://_._-",
    "spiffe://..",
    "spiffe://example.com./a",
    "spiffe://0123456789.abcdefghijklmnopqrstuvwxyz",
    "spiffe://td/ABCDEFGHIJKLMNOPQRSTUVWXYZ/abcdefghijklmnopqrstuvwxyz/0123456789",
    "spiffe://td/.../.a/a./..a/-/_",
    "spiffe://td/spiffe",
];

/// Forbidden by the rule of the section that the first word names.
const BAD: &[(&str, &str)] = &[
    ("2 no scheme", "example.com/path"),
    ("2 no scheme but slashes", "//example.com/path"),
    ("2 another scheme", "https://example.com/path"),
    ("2 scheme with more", "spiffes://example.com/path"),
    ("2 no slashes", "spiffe:example.com/path"),
    ("2 one slash", "spiffe:/example.com/path"),
    ("2 three slashes", "spiffe:///example.com/path"),
    ("2 query", "spiffe://example.com/path?query=1"),
    ("2 empty query", "spiffe://example.com/path?"),
    ("2 query without path", "spiffe://example.com?query=1"),
    ("2 fragment", "spiffe://example.com/path#fragment"),
    ("2 empty fragment", "spiffe://example.com/path#"),
    ("2 empty", ""),
    ("2 scheme only", "spiffe://"),
    ("2 space in front", " spiffe://example.com/path"),
    ("2 space behind", "spiffe://example.com/path "),
    ("2 line break behind", "spiffe://example.com/path\n"),
    ("2 NUL behind", "spiffe://example.com/path\0"),
    ("2.1 empty host", "spiffe:///path"),
    ("2.1 user", "spiffe://user@example.com/path"),
    ("2.1 user and password", "spiffe://user:password@example.com/path"),
    ("2.1 empty user", "spiffe://@example.com/path"),
    ("2.1 port", "spiffe://example.com:8080/path"),
    ("2.1 empty port", "spiffe://example.com:/path"),
    ("2.1 upper case", "spiffe://Example.com/path"),
    ("2.1 percent-encoding", "spiffe://%65xample.com/path"),
    ("2.1 IPv6", "spiffe://[::1]/path"),
    ("2.1 wildcard", "spiffe://*.example.com/path"),
    ("2.1 space", "spiffe://exam ple.com/path"),
    ("2.1 plus", "spiffe://a+b/path"),
    ("2.1 backslash", "spiffe://example.com\\path"),
    ("2.1 not ASCII", "spiffe://exämple.com/path"),
    ("2.1 looks like ASCII", "spiffe://ехаmple.com/path"),
    ("2.2 percent-encoding", "spiffe://example.com/p%61th"),
    ("2.2 encoded slash", "spiffe://example.com/a%2fb"),
    ("2.2 empty segment", "spiffe://example.com/a//b"),
    ("2.2 empty first segment", "spiffe://example.com//a"),
    ("2.2 dot", "spiffe://example.com/./a"),
    ("2.2 dot at the end", "spiffe://example.com/a/."),
    ("2.2 two dots", "spiffe://example.com/a/../b"),
    ("2.2 two dots at the end", "spiffe://example.com/.."),
    ("2.2 trailing slash", "spiffe://example.com/a/"),
    ("2.2 slash only", "spiffe://example.com/"),
    ("2.2 colon", "spiffe://example.com/a:b"),
    ("2.2 at sign", "spiffe://example.com/a@b"),
    ("2.2 sub-delimiters", "spiffe://example.com/a!$&'()*+,;=b"),
    ("2.2 tilde", "spiffe://example.com/~a"),
    ("2.2 brackets", "spiffe://example.com/[a]"),
    ("2.2 wildcard", "spiffe://example.com/*"),
    ("2.2 backslash", "spiffe://example.com/a\\b"),
    ("2.2 space", "spiffe://example.com/a b"),
    ("2.2 tab", "spiffe://example.com/a\tb"),
    ("2.2 not ASCII", "spiffe://example.com/ä"),
];

pub(super) fn suite() -> Suite {
    let case = |id: &str, expected, text: &str| Case::new(id, expected, Ours::of(SpiffeId::parse(text)));
    let mut cases: Vec<_> =
        EXAMPLES.iter().chain(GOOD).map(|text| case(text, Expected::Valid, text)).collect();
    cases.extend(BAD.iter().map(|(id, text)| case(id, Expected::Invalid, text)));
    cases.extend([
        case("2.3 of 2048 bytes", Expected::Valid, &long(2048)),
        case("2.3 trust domain of 255 bytes", Expected::Valid, &format!("spiffe://{}", "a".repeat(255))),
        case("2.3 trust domain of 256 bytes", Expected::Invalid, &format!("spiffe://{}", "a".repeat(256))),
        // The standard forbids to generate them, and does not say what a reader does.
        case("2.3 of 2049 bytes", Expected::Acceptable, &long(2049)),
        // Section 2.4 lets a reader take them, section 2.1 demands lower case of the trust domain.
        case("2.4 scheme in other case", Expected::Valid, "Spiffe://example.com/path"),
        case("2.4 scheme in upper case", Expected::Valid, "SPIFFE://example.com/path"),
    ]);
    Suite::new("SPIFFE ID", cases)
}

fn long(bytes: usize) -> String {
    let front = "spiffe://example.com/";
    format!("{front}{}", "a".repeat(bytes - front.len()))
}
