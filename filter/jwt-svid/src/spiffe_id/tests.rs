use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use super::*;

#[test]
fn v08_good_ids_are_taken_apart() {
    let id = SpiffeId::parse("spiffe://example.org/ns/Shop_1/sa/cart.v-2").unwrap();
    assert_eq!(id.trust_domain().as_str(), "example.org");
    assert_eq!(id.path(), "/ns/Shop_1/sa/cart.v-2");
    assert_eq!(id.segments().collect::<Vec<_>>(), ["ns", "Shop_1", "sa", "cart.v-2"]);
    assert_eq!(id.to_string(), "spiffe://example.org/ns/Shop_1/sa/cart.v-2");

    let bare = SpiffeId::parse("spiffe://example.org").unwrap();
    assert_eq!((bare.path(), bare.segments().count()), ("", 0));
}

#[test]
fn v08_ids_that_look_special_are_not() {
    for text in [
        "spiffe://127.0.0.1/x",
        "spiffe://1.2.3.4",
        "spiffe://localhost/x",
        "spiffe://a",
        "spiffe://-",
        "spiffe://..",
        "spiffe://_a_.b-c/...",
        "spiffe://example.org/a..b",
        "spiffe://example.org/-",
        "spiffe://example.org./x",
    ] {
        assert!(SpiffeId::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn v08_every_rule_of_the_grammar_has_its_refusal() {
    use SpiffeIdError::*;
    let cases = [
        ("", Empty),
        ("example.org/x", Scheme),
        ("Spiffe://example.org/x", Scheme),
        ("SPIFFE://example.org/x", Scheme),
        (" spiffe://example.org/x", Scheme),
        ("spiffe:/example.org/x", Scheme),
        ("spiffe:example.org/x", Scheme),
        ("https://example.org/x", Scheme),
        ("spiffe://", EmptyTrustDomain),
        ("spiffe:///x", EmptyTrustDomain),
        ("spiffe://Example.org/x", TrustDomainCharacter),
        ("spiffe://example.org:443/x", TrustDomainCharacter),
        ("spiffe://user@example.org/x", TrustDomainCharacter),
        ("spiffe://ex%61mple.org/x", TrustDomainCharacter),
        ("spiffe://exämple.org/x", TrustDomainCharacter),
        ("spiffe://[::1]/x", TrustDomainCharacter),
        ("spiffe://example.org?q", TrustDomainCharacter),
        ("spiffe://example.org#f", TrustDomainCharacter),
        ("spiffe://example.org\\x", TrustDomainCharacter),
        ("spiffe://example.org\0", TrustDomainCharacter),
        ("spiffe://example.org/", TrailingSlash),
        ("spiffe://example.org/x/", TrailingSlash),
        ("spiffe://example.org//", TrailingSlash),
        ("spiffe://example.org//x", EmptySegment),
        ("spiffe://example.org/x//y", EmptySegment),
        ("spiffe://example.org/.", DotSegment),
        ("spiffe://example.org/..", DotSegment),
        ("spiffe://example.org/x/./y", DotSegment),
        ("spiffe://example.org/x/../y", DotSegment),
        ("spiffe://example.org/x%2fy", PathCharacter),
        ("spiffe://example.org/x?q", PathCharacter),
        ("spiffe://example.org/x#f", PathCharacter),
        ("spiffe://example.org/x y", PathCharacter),
        ("spiffe://example.org/x\n", PathCharacter),
        ("spiffe://example.org/x:y", PathCharacter),
        ("spiffe://example.org/x~y", PathCharacter),
        ("spiffe://example.org/ä", PathCharacter),
        ("spiffe://example.org/х", PathCharacter), // Cyrillic
    ];
    for (text, error) in cases {
        assert_eq!(SpiffeId::parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn v08_lengths_are_counted_in_bytes() {
    let id = |path: usize| format!("spiffe://example.org/{}", "a".repeat(path));
    assert!(SpiffeId::parse(&id(2048 - 21)).is_ok());
    assert_eq!(SpiffeId::parse(&id(2048 - 20)), Err(SpiffeIdError::TooLong { limit: 2048, actual: 2049 }));
    let host = "a".repeat(255);
    assert!(TrustDomain::parse(&host).is_ok());
    assert!(SpiffeId::parse(&format!("spiffe://{host}/x")).is_ok());
    let refused = SpiffeIdError::TooLong { limit: 255, actual: 256 };
    assert_eq!(TrustDomain::parse(&(host.clone() + "a")), Err(refused));
    assert_eq!(SpiffeId::parse(&format!("spiffe://{host}a/x")), Err(refused));
}

#[test]
fn v08_every_byte_is_judged_in_both_places() {
    for byte in 0..=127u8 {
        let text = String::from(char::from(byte));
        let in_host = byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let in_path = in_host || byte.is_ascii_uppercase();
        assert_eq!(TrustDomain::parse(&text).is_ok(), in_host, "{text:?}");
        assert_eq!(
            SpiffeId::parse(&format!("spiffe://td/a{text}b")).is_ok(),
            in_path || byte == b'/',
            "{text:?}"
        );
    }
}

#[test]
fn v08_a_trust_domain_is_a_bare_name() {
    for text in
        ["spiffe://example.org", "example.org/", "example.org/x", "Example.org", "example.org:1", "*.org"]
    {
        assert_eq!(TrustDomain::parse(text), Err(SpiffeIdError::TrustDomainCharacter), "{text}");
    }
    assert_eq!(TrustDomain::parse(""), Err(SpiffeIdError::EmptyTrustDomain));
    assert_eq!("example.org".parse::<TrustDomain>().unwrap().to_string(), "example.org");
}
