//! SPIFFE IDs and trust domain names, against the grammar written a second time and against another implementation.
#![no_main]

use libfuzzer_sys::fuzz_target;
use svidgate_jwt_svid::{MAX_SPIFFE_ID_BYTES, MAX_TRUST_DOMAIN_BYTES, SpiffeId, TrustDomain};

fuzz_target!(|text: &str| {
    let id = SpiffeId::parse(text);
    assert_eq!(id.is_ok(), is_spiffe_id(text));
    let other = spiffe::SpiffeId::new(text);
    match &id {
        Ok(id) => {
            assert_eq!(id.to_string(), text);
            assert_eq!(id.as_str(), text);
            assert_eq!(SpiffeId::parse(&id.to_string()).as_ref(), Ok(id));
            assert_eq!(format!("spiffe://{}{}", id.trust_domain(), id.path()), text);
            assert_eq!(id.segments().map(|segment| format!("/{segment}")).collect::<String>(), id.path());
            assert_eq!(TrustDomain::parse(id.trust_domain().as_str()).as_ref(), Ok(id.trust_domain()));
            let other = other.unwrap();
            assert_eq!(other.trust_domain().as_str(), id.trust_domain().as_str());
            assert_eq!(other.path(), id.path());
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            // The other one takes upper case and writes lower case, and has its own idea of sizes.
            assert!(other.is_err() || other.is_ok_and(|other| other.to_string() != text) || is_long(text));
        }
    }

    if let Ok(trust_domain) = TrustDomain::parse(text) {
        assert_eq!(trust_domain.to_string(), text);
        assert!(SpiffeId::parse(&format!("spiffe://{text}")).is_ok());
        assert_eq!(spiffe::TrustDomain::new(text).unwrap().as_str(), text);
    }
});

/// The grammar of SPIFFE-ID §2, from the standard and not from the code under test.
fn is_spiffe_id(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("spiffe://") else { return false };
    let mut parts = rest.split('/');
    let host = parts.next().unwrap_or_default();
    let host_is_good = (1..=255).contains(&host.len())
        && host.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-_".contains(c));
    let path_is_good = parts.all(|segment| {
        !["", ".", ".."].contains(&segment)
            && segment.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c))
    });
    text.len() <= 2048 && host_is_good && path_is_good
}

fn is_long(text: &str) -> bool {
    let host = text.split('/').nth(2).unwrap_or_default();
    text.len() > MAX_SPIFFE_ID_BYTES || host.len() > MAX_TRUST_DOMAIN_BYTES
}
