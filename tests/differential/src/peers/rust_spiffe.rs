//! The `spiffe` crate: `JwtSvid::parse_and_validate`.

use std::error::Error;

use spiffe::{JwtBundle, JwtBundleSet, JwtSvid, TrustDomain};
use svidgate_forge::AUDIENCE;

use super::{Peer, Verdict, refused};
use crate::corpus::Case;

/// The implementation of the standard in Rust.
#[derive(Clone, Copy, Debug)]
pub struct RustSpiffe;

impl Peer for RustSpiffe {
    fn name(&self) -> &'static str {
        "spiffe"
    }

    fn judge(&self, case: &Case, _: u64) -> Verdict {
        if case.to_the_second {
            return Verdict::NotAsked("its clock cannot be set");
        }
        let Ok(token) = std::str::from_utf8(&case.token) else {
            return Verdict::NotAsked("it takes text only");
        };
        let mut bundles = JwtBundleSet::new();
        for (name, jwks) in &case.trust.domains {
            let trust_domain = TrustDomain::new(name).expect("a trust domain");
            match JwtBundle::from_jwt_authorities(trust_domain, jwks) {
                Ok(bundle) => {
                    bundles.add_bundle(bundle);
                }
                // It refuses the whole bundle for one bad entry, so the token finds none.
                Err(error) => return refused(error),
            }
        }
        match JwtSvid::parse_and_validate(token, &bundles, &[AUDIENCE]) {
            Ok(svid) => Verdict::Accepted(svid.spiffe_id().to_string()),
            Err(error) => match error.source() {
                Some(source) => Verdict::Refused(format!("{error}: {source}")),
                None => refused(error),
            },
        }
    }
}
