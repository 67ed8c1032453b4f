//! What a real SPIRE publishes, for each type of key; see `vectors/spire/README.md`.

use svidgate_forge::TRUST_DOMAIN;
use svidgate_jwt_svid::unverified::{Claims, Compact};
use svidgate_jwt_svid::{Audiences, Bundle, BundleLimits, BundleSet, TrustDomain, VerifierConfig};

use crate::case::{Case, Expected, Judged, Suite};
use crate::judge;

struct Capture {
    key_type: &'static str,
    token: &'static str,
    workload_api: &'static [u8],
    bundle_show: &'static [u8],
    federation: &'static [u8],
    oidc: &'static [u8],
    oidc_with_use: &'static [u8],
}

macro_rules! capture {
    ($($key_type:literal),*) => {
        &[$(Capture {
            key_type: $key_type,
            token: include_str!(concat!("../../vectors/spire/", $key_type, "/token.jwt")),
            workload_api: include_bytes!(concat!("../../vectors/spire/", $key_type, "/workload_api.json")),
            bundle_show: include_bytes!(concat!("../../vectors/spire/", $key_type, "/bundle_show.json")),
            federation: include_bytes!(concat!("../../vectors/spire/", $key_type, "/federation.json")),
            oidc: include_bytes!(concat!("../../vectors/spire/", $key_type, "/oidc.json")),
            oidc_with_use: include_bytes!(concat!("../../vectors/spire/", $key_type, "/oidc_with_use.json")),
        }),*]
    };
}

const CAPTURES: &[Capture] = capture!("ec-p256", "ec-p384", "rsa-2048", "rsa-4096");

pub(super) fn suites() -> Vec<Suite> {
    CAPTURES.iter().map(suite).collect()
}

fn suite(capture: &Capture) -> Suite {
    let token = capture.token.as_bytes();
    let claims = Claims::parse(&Compact::parse(token).unwrap().payload).unwrap();
    let (issued, expires) = (claims.issued_at().unwrap().floor.0, claims.expires_at().unwrap().floor.0);
    let ours = || trust(Bundle::from_jwks, capture.workload_api);
    let case = |id: &str, expected, judged: Judged| Case::new(id, expected, judged);
    let verify = |trust: &BundleSet, now| judge::svid(token, trust, now);
    let other = CAPTURES.iter().find(|other| other.key_type != capture.key_type).unwrap();
    let elsewhere = VerifierConfig::new(Audiences::new(["elsewhere"]).unwrap());
    let shortened = &token[..token.len() - 1];

    let cases = vec![
        case("Workload API", Expected::Valid, verify(&ours(), issued)),
        case(
            "bundle show -format spiffe",
            Expected::Valid,
            verify(&trust(Bundle::from_spiffe_bundle, capture.bundle_show), issued),
        ),
        case(
            "federation endpoint",
            Expected::Valid,
            verify(&trust(Bundle::from_spiffe_bundle, capture.federation), issued),
        ),
        case("OIDC discovery keys", Expected::Valid, verify(&trust(Bundle::from_jwks, capture.oidc), issued)),
        // Their `use` is `sig`, which is no use of a SPIFFE bundle (B1): such a set has no key for us.
        case(
            "OIDC discovery keys with use",
            Expected::InvalidFor("key_unknown"),
            verify(&trust(Bundle::from_jwks, capture.oidc_with_use), issued),
        ),
        case(
            "Workload API keys as a SPIFFE bundle document",
            Expected::InvalidFor("key_unknown"),
            verify(&trust(Bundle::from_spiffe_bundle, capture.workload_api), issued),
        ),
        case("last second", Expected::Valid, verify(&ours(), expires + 4)),
        case("expired", Expected::InvalidFor("token_expired"), verify(&ours(), expires + 5)),
        case(
            "another audience",
            Expected::InvalidFor("audience_mismatch"),
            judge::svid_for(elsewhere, token, &ours(), issued),
        ),
        case(
            "keys of another server",
            Expected::InvalidFor("key_unknown"),
            verify(&trust(Bundle::from_jwks, other.workload_api), issued),
        ),
        case(
            "another trust domain's bundle",
            Expected::InvalidFor("trust_domain_unknown"),
            verify(&judge::trust([("other.org", capture.workload_api)]), issued),
        ),
        case("no bundle", Expected::InvalidFor("trust_domain_unknown"), verify(&BundleSet::new(), issued)),
        case("cut off", Expected::Invalid, judge::svid(shortened, &ours(), issued)),
    ];
    Suite::new(format!("SPIRE {}", capture.key_type), cases)
}

type Reader = fn(&[u8], &BundleLimits) -> Result<Bundle, svidgate_jwt_svid::BundleError>;

fn trust(reader: Reader, document: &[u8]) -> BundleSet {
    let bundle = reader(document, &BundleLimits::default()).unwrap();
    [(TrustDomain::parse(TRUST_DOMAIN).unwrap(), bundle)].into_iter().collect()
}

#[cfg(test)]
mod tests {
    use svidgate_jwt_svid::IgnoredReason;

    use super::*;

    #[test]
    fn b01_all_documents_of_a_server_have_the_same_one_key() {
        let limits = BundleLimits::default();
        for capture in CAPTURES {
            let workload_api = Bundle::from_jwks(capture.workload_api, &limits).unwrap();
            assert_eq!(workload_api.len(), 1, "{}", capture.key_type);
            assert_eq!(workload_api.ignored(), []);
            for document in [capture.bundle_show, capture.federation] {
                let bundle = Bundle::from_spiffe_bundle(document, &limits).unwrap();
                assert_eq!(bundle.jwks(), workload_api.jwks());
                assert_eq!(
                    bundle.ignored().iter().map(|key| &key.reason).collect::<Vec<_>>(),
                    [&IgnoredReason::X509Svid]
                );
            }
            let oidc = Bundle::from_jwks(capture.oidc, &limits).unwrap();
            assert_eq!(oidc.kids().collect::<Vec<_>>(), workload_api.kids().collect::<Vec<_>>());
            let with_use = Bundle::from_jwks(capture.oidc_with_use, &limits).unwrap();
            assert_eq!(
                with_use.ignored().iter().map(|key| &key.reason).collect::<Vec<_>>(),
                [&IgnoredReason::UseUnknown]
            );
        }
    }

    #[test]
    fn b04_a_federation_endpoint_gives_sequence_and_hint() {
        for capture in CAPTURES {
            let bundle = Bundle::from_spiffe_bundle(capture.federation, &BundleLimits::default()).unwrap();
            assert_eq!(
                (bundle.sequence(), bundle.refresh_hint()),
                (Some(1), Some(300)),
                "{}",
                capture.key_type
            );
        }
    }
}
