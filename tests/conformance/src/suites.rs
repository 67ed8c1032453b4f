//! The suites by origin.

mod attacks;
mod jwt_svid;
mod rfc;
mod rfc8725;
mod spiffe_bundle;
mod spiffe_id;
mod spire;
mod wycheproof_ec_points;
mod wycheproof_ecdsa;
mod wycheproof_jose;
mod wycheproof_rsa;

use crate::case::Suite;

/// All of them, in the order of the report.
pub(crate) fn all() -> Vec<Suite> {
    let mut all = wycheproof_ecdsa::suites();
    all.extend(wycheproof_ec_points::suites());
    all.extend(wycheproof_rsa::suites());
    all.extend(wycheproof_jose::suites());
    all.extend(rfc::suites());
    all.push(rfc8725::suite());
    all.push(spiffe_id::suite());
    all.push(spiffe_bundle::suite());
    all.push(jwt_svid::suite());
    all.extend(attacks::suites());
    all.extend(spire::suites());
    all
}
