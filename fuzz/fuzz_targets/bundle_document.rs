//! Bundle documents of both forms.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use svidgate_fuzz::lenient;
use svidgate_jwt_svid::{Bundle, BundleError, BundleLimits};

type Reader = fn(&[u8], &BundleLimits) -> Result<Bundle, BundleError>;

fuzz_target!(|data: &[u8]| {
    let readers: [Reader; 2] = [Bundle::from_jwks, Bundle::from_spiffe_bundle];
    let limits = BundleLimits { max_keys: 8, ..BundleLimits::default() };
    let [workload_api, spiffe] = readers.map(|read| (read(data, &limits), read));
    assert_eq!(workload_api.0.is_ok(), spiffe.0.is_ok());
    for (bundle, read) in [workload_api, spiffe] {
        let Ok(bundle) = bundle else { continue };
        assert!(bundle.len() <= limits.max_keys);
        is_fixed_point(&bundle);

        let Some(mut document) = lenient(data) else { continue };
        assert_eq!(bundle.sequence(), document.get("spiffe_sequence").and_then(Value::as_u64));
        assert_eq!(bundle.refresh_hint(), document.get("spiffe_refresh_hint").and_then(Value::as_u64));
        // Neither order nor repetition of the entries matters, nor how the document is written (B2).
        let entries = document["keys"].as_array_mut().unwrap();
        entries.reverse();
        assert_eq!(read(document.to_string().as_bytes(), &limits), Ok(bundle.clone()));
        let entries = document["keys"].as_array_mut().unwrap();
        entries.extend(entries.clone());
        let twice = BundleLimits { max_keys: 16, ..limits };
        assert_eq!(read(document.to_string().as_bytes(), &twice), Ok(bundle));
    }
});

/// What we publish of it reads as the same keys.
fn is_fixed_point(bundle: &Bundle) {
    let canonical = bundle.jwks();
    let again =
        Bundle::from_spiffe_bundle(canonical.to_string().as_bytes(), &BundleLimits::default()).unwrap();
    assert!(again.kids().eq(bundle.kids()));
    assert!(again.kids().all(|kid| again.key(kid) == bundle.key(kid)));
    assert!(again.ignored().is_empty());
    assert_eq!(again.jwks(), canonical);
}
