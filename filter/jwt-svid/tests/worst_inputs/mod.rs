//! The dearest inputs that an attacker can send, and the valid tokens that they are measured against.

use std::sync::LazyLock;

use serde_json::{Value, json};
use svidgate_forge::{AUDIENCE, Key, NOW, RsaKey, SUBJECT, TRUST_DOMAIN, Token, compact, jwks};
use svidgate_jwt_svid::{
    Audiences, Bundle, BundleLimits, BundleSet, RustCrypto, TrustDomain, UnixTime, VerifiedSvid, Verifier,
    VerifierConfig, VerifyError,
};

/// A token for [`verify`].
#[derive(Clone)]
pub(crate) struct Input {
    /// What it is, in a few words.
    pub(crate) name: String,
    pub(crate) token: Vec<u8>,
    /// The algorithm of the signature that must be checked before it is refused; `None` when it fails before that.
    pub(crate) signature: Option<&'static str>,
}

/// As the filter does it: defaults, all kinds of keys, and the trust domain among a thousand.
pub(crate) fn verify(token: &[u8]) -> Result<VerifiedSvid, VerifyError> {
    VERIFIER.verify(token, &BUNDLES, &RustCrypto, UnixTime(NOW))
}

/// Builds what [`verify`] works with, so that no measurement counts it.
pub(crate) fn prepare() {
    let _ = verify(b"");
}

/// One small token for each algorithm and key size, first the two that serve as the measure.
pub(crate) fn valid() -> Vec<Input> {
    let mut inputs: Vec<_> =
        KEYS.iter().map(|key| input(key.kid(), Token::new(key).sign(key), Some(key.algorithm()))).collect();
    for algorithm in ["RS512", "PS256", "PS512"] {
        let name = format!("{algorithm}, 2048 bits");
        inputs.push(input(name, Token::new(&KEYS[1]).sign_as(&KEYS[1], algorithm), Some(algorithm)));
    }
    inputs
}

/// Valid tokens of almost the largest size, each with the payload of one of [`refused`].
pub(crate) fn valid_and_large() -> Vec<Input> {
    let signed = |(name, token): (&str, Token)| input(name, token.sign(es256()), Some("ES256"));
    large_payloads().into_iter().map(signed).collect()
}

/// Everything here is refused.
pub(crate) fn refused() -> Vec<Input> {
    [shapes(), refused_of_size(ROOM), headers(), payloads(), identities(), signatures()].concat()
}

/// The same junk in a decoded part of about so many bytes, to see how the cost grows with it. All of it is refused.
pub(crate) fn refused_of_size(bytes: usize) -> Vec<Input> {
    let claim = |name: &str, text: String| early(name, es256_token().claim_text("x", &text).sign(es256()));
    let mut tail = members(bytes);
    tail.truncate(tail.len() - 1);
    vec![
        early("letters", vec![b'A'; bytes]),
        early("header: members", {
            Token::new(es256()).raw_header(members(bytes).as_bytes()).with_signature(&[1; 64])
        }),
        claim("payload: members, the last one twice", tail + ",\"000\":0}"),
        claim("payload: one text, never closed", format!("\"{}", "a".repeat(bytes))),
        claim("payload: escapes, never closed", format!("\"{}", r"\u00e9".repeat(bytes / 6))),
        claim("payload: a fraction out of range", "0.".to_owned() + &"1".repeat(bytes) + "e999"),
        early("payload: audiences of others", {
            let others: Vec<_> = (0..bytes / 6).map(|index| format!("{index:03}")).collect();
            es256_token().claim("aud", json!(others)).sign(es256())
        }),
    ]
}

/// A document of so many keys, all sound, and one of so many that are in conflict with each other.
pub(crate) fn bundles_of_size(keys: usize) -> [(String, Vec<u8>); 2] {
    let conflict = |index: usize| KEYS[index % 2 * 2].with_kid(&(index / 4).to_string()).jwk();
    [
        ("keys".into(), jwks((0..keys).map(|index| es256().with_kid(&index.to_string()).jwk()))),
        ("keys, each in conflict".into(), jwks((0..keys).map(conflict))),
    ]
}

/// Bundle documents that are as dear as the limits allow, or just beyond.
pub(crate) fn bundle_documents() -> Vec<(String, Vec<u8>)> {
    let many = |entry: &dyn Fn(usize) -> Value| jwks((0..256).map(entry));
    let x5c: Vec<_> = (0..30).map(|_| "A".repeat(100)).collect();
    let filled = |front: &str, item: &str, end: &str| {
        let front = format!("{{\"keys\":[],\"x\":{front}");
        let times = ((1 << 20) - front.len() - end.len()) / item.len();
        [&front, item.repeat(times).as_str(), end].concat().into_bytes()
    };
    vec![
        ("256 keys".into(), many(&|index| es256().with_kid(&index.to_string()).jwk())),
        ("256 times the same key".into(), many(&|_| es256().jwk())),
        (
            "256 keys, two kids, all in conflict".into(),
            many(&|index| KEYS[index % 4].with_kid(&(index % 2).to_string()).jwk()),
        ),
        ("256 off the curve".into(), many(&|_| es256().jwk_with(json!({"x": "A".repeat(43)})))),
        ("256 with chains".into(), many(&|_| json!({"use": "x509-svid", "x5c": x5c}))),
        ("256 RSA keys of 4096 bits".into(), many(&|index| KEYS[5].with_kid(&index.to_string()).jwk())),
        ("257 keys".into(), jwks((0..257).map(|_| es256().jwk()))),
        ("1 MiB of brackets".into(), filled("", "[", "")),
        ("1 MiB of digits".into(), filled("", "1", "}")),
        ("1 MiB of objects of one".into(), filled("[", "{\"a\":0},", "0]}")),
        ("1 MiB of one text".into(), filled("\"", "a", "\"}")),
        ("1 MiB of escapes".into(), filled("\"", r"\u00e9", "\"}")),
        ("1 MiB and a byte".into(), vec![b' '; (1 << 20) + 1]),
    ]
}

fn shapes() -> Vec<Input> {
    let header = compact(&[&es256_token().header_bytes()]);
    let late = [header.as_slice(), b".", &[b'A'; 7900], b"=.AAAA"].concat();
    vec![
        early("nothing", Vec::new()),
        early("8 KiB of letters", vec![b'A'; LIMIT]),
        early("8 KiB of dots", vec![b'.'; LIMIT]),
        early("8 KiB of zeros", vec![0; LIMIT]),
        early("a megabyte", vec![b'A'; 1 << 20]),
        early("three parts of letters", three(2700)),
        early("base64url wrong at the end of the payload", late),
        early("8 KiB of signature", [compact(&[b"{}", b"{}"]).as_slice(), b".", &[b'A'; 8180]].concat()),
    ]
}

fn headers() -> Vec<Input> {
    let with = |name: &str, header: String| {
        early(name, Token::new(es256()).raw_header(header.as_bytes()).with_signature(&[1; 64]))
    };
    vec![
        with(
            "header: nested to the limit, again and again",
            format!("{{\"alg\":{}}}", array(&nest(), ROOM / 27)),
        ),
        with("header: an open bracket for each byte", "{\"alg\":".to_owned() + &"[".repeat(ROOM)),
        with("header: alg of 5 KiB", format!("{{\"alg\":\"{}\",\"kid\":\"k\"}}", "E".repeat(ROOM))),
        with("header: kid of 5 KiB", format!("{{\"alg\":\"ES256\",\"kid\":\"{}\"}}", "k".repeat(ROOM))),
        with("header: escapes", format!("{{\"alg\":\"{}\"}}", r"\u00e9".repeat(ROOM / 6))),
        with("header: alg none", r#"{"alg":"none","kid":"ES256"}"#.into()),
        with("header: alg HS256", r#"{"alg":"HS256","kid":"ES256"}"#.into()),
    ]
}

/// Refused although the signature is good, or for the signature when there is no other reason.
fn payloads() -> Vec<Input> {
    let with = |name: &str, text: String| early(name, es256_token().claim_text("x", &text).sign(es256()));
    let mut inputs = vec![
        with("payload: an open bracket for each byte", "[".repeat(ROOM)),
        with("payload: nested too deep", "[".repeat(16) + &"]".repeat(16)),
        with("payload: zeros, too many", array("0", ROOM / 2)),
        with("payload: empty texts, too many", array("\"\"", ROOM / 3)),
        with("payload: arrays of one, too many", array("[0]", ROOM / 4)),
        with("payload: objects of one, too many", array("{\"\":0}", ROOM / 7)),
        with("payload: nests, too many", array(&nest(), ROOM / 27)),
        with("payload: a number of digits only", "1".repeat(ROOM)),
        early("payload: an exponent of digits only", {
            es256_token().claim_text("exp", &("1e".to_owned() + &"9".repeat(ROOM))).sign(es256())
        }),
        early("payload: audiences almost ours", {
            let others: Vec<_> = (0..ROOM / 24).map(|_| "backend.example.orG").collect();
            es256_token().claim("aud", json!(others)).sign(es256())
        }),
        early("payload: audiences, the last no text", {
            es256_token().claim_text("aud", &format!("[{}1]", "\"\",".repeat(VALUES))).sign(es256())
        }),
        early("expired", es256_token().claim("exp", json!(NOW - 5)).sign(es256())),
        early("not valid yet", es256_token().claim("nbf", json!(NOW + 6)).sign(es256())),
    ];
    for (name, token) in large_payloads() {
        let name = format!("forged signature, {name}");
        inputs.push(Input { name, token: token.with_signature(&[1; 64]), signature: Some("ES256") });
    }
    inputs
}

/// Payloads that are good, and as dear to read as their size and the bound on the number of values allow.
fn large_payloads() -> Vec<(&'static str, Token)> {
    let with = |text: String| {
        let rest = "a".repeat(ROOM.saturating_sub(text.len()));
        es256_token().claim_text("x", &text).claim("y", json!(rest))
    };
    let several = |item: &str, values: usize| with(array(item, VALUES / values));
    vec![
        ("payload: members", with(members(ROOM))),
        ("payload: members, falling", with(members_falling(ROOM))),
        ("payload: zeros", several("0", 1)),
        ("payload: fractions", with(array("1.5e-300", ROOM / 9))),
        ("payload: empty arrays", several("[]", 1)),
        ("payload: arrays of one", several("[0]", 2)),
        ("payload: objects of one", several("{\"\":0}", 2)),
        ("payload: empty texts", several("\"\"", 1)),
        ("payload: texts of one", several("\"a\"", 1)),
        ("payload: escapes", with(format!("\"{}\"", r"\u00e9".repeat(ROOM / 6)))),
        ("payload: one text", with(String::from("0"))),
        ("payload: nested to the limit, again and again", several(&nest(), 13)),
        ("payload: audiences, ours the last", {
            let mut audiences: Vec<_> = (0..ROOM / 6).map(|index| format!("{index:03}")).collect();
            audiences.push(AUDIENCE.into());
            es256_token().claim("aud", json!(audiences))
        }),
    ]
}

fn identities() -> Vec<Input> {
    let of =
        |name: &str, subject: String| early(name, es256_token().claim("sub", json!(subject)).sign(es256()));
    vec![
        of("sub: no SPIFFE ID, 5 KiB", "a".repeat(ROOM)),
        of("sub: unknown trust domain, longest ID", {
            format!("spiffe://{}/{}", "z".repeat(255), "p".repeat(2048 - 9 - 256))
        }),
        of(
            "sub: longest ID, wrong at its end",
            format!("{SUBJECT}/{}!", "p".repeat(2048 - SUBJECT.len() - 2)),
        ),
        of("sub: as many segments as there can be, the last one a dot", {
            format!("spiffe://{TRUST_DOMAIN}{}/.", "/p".repeat((2048 - 9 - TRUST_DOMAIN.len() - 2) / 2))
        }),
        early("unknown kid", es256_token().header("kid", json!("ES25")).sign(es256())),
        early("unknown kid of 512 bytes", es256_token().header("kid", json!("E".repeat(512))).sign(es256())),
        early("alg of another key", es256_token().header("kid", json!(KEYS[1].kid())).sign(es256())),
    ]
}

fn signatures() -> Vec<Input> {
    let mut inputs = Vec::new();
    for key in KEYS.iter() {
        let token = Token::new(key);
        let mut signature = key.sign(&token.signing_input());
        signature.truncate(signature.len() - 1);
        inputs.push(early(format!("{}: cut signature", key.kid()), token.with_signature(&signature)));
        inputs.push(early(
            format!("{}: signature of zeros", key.kid()),
            match key.algorithm() {
                // To RSA zero is a number like others.
                "RS256" => token.with_signature(&[0; 1]),
                _ => token.with_signature(&vec![0; signature.len() + 1]),
            },
        ));
        signature = key.sign(b"something else");
        let name = format!("{}: signature of something else", key.kid());
        inputs.push(input(name, token.with_signature(&signature), Some(key.algorithm())));
        let ones = token.with_signature(&vec![1; signature.len()]);
        inputs.push(input(format!("{}: signature of ones", key.kid()), ones, Some(key.algorithm())));
    }
    inputs
}

fn input(name: impl Into<String>, token: Vec<u8>, signature: Option<&'static str>) -> Input {
    Input { name: name.into(), token, signature }
}

fn early(name: impl Into<String>, token: Vec<u8>) -> Input {
    input(name, token, None)
}

fn es256() -> &'static Key {
    &KEYS[0]
}

fn es256_token() -> Token {
    Token::new(es256())
}

fn three(letters: usize) -> Vec<u8> {
    let part = "A".repeat(letters);
    [part.as_str(), &part, &part].join(".").into_bytes()
}

fn members(bytes: usize) -> String {
    let members: Vec<_> = (0..bytes / 8).map(|index| format!("\"{index:03}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

fn members_falling(bytes: usize) -> String {
    let members: Vec<_> = (0..bytes / 8).rev().map(|index| format!("\"{index:03}\":0")).collect();
    format!("{{{}}}", members.join(","))
}

fn array(item: &str, times: usize) -> String {
    format!("[{}0]", format!("{item},").repeat(times))
}

fn nest() -> String {
    "[".repeat(13) + &"]".repeat(13)
}

/// The default limit on a token, and what remains of it for junk in one decoded part.
pub(crate) const LIMIT: usize = 8192;
pub(crate) const ROOM: usize = 5700;
/// About as many values as one part may have.
const VALUES: usize = 1000;

/// The `kid` says which.
static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| {
    vec![
        Key::p256("ES256"),
        Key::rsa(RsaKey::Bits2048, "RS256, 2048 bits"),
        Key::p384("ES384"),
        Key::p521("ES512"),
        Key::rsa(RsaKey::Bits3072, "RS256, 3072 bits"),
        Key::rsa(RsaKey::Bits4096, "RS256, 4096 bits"),
    ]
});

static VERIFIER: LazyLock<Verifier> =
    LazyLock::new(|| Verifier::new(VerifierConfig::new(Audiences::new([AUDIENCE]).unwrap())).unwrap());

static BUNDLES: LazyLock<BundleSet> = LazyLock::new(|| {
    let bundle = Bundle::from_jwks(&jwks(KEYS.iter().map(Key::jwk)), &BundleLimits::default()).unwrap();
    let others = (0..999).map(|index| format!("td{index}.example.org"));
    others
        .chain([TRUST_DOMAIN.into()])
        .map(|name| (TrustDomain::parse(&name).unwrap(), bundle.clone()))
        .collect()
});
