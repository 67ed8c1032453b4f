//! The cost of refusing is bounded: memory here, instructions in `examples/refusal_cost.rs`.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use svidgate_allocations::{Counting, measured};
use svidgate_jwt_svid::{Bundle, BundleLimits, VerifyError};
use worst_inputs::{
    LIMIT, ROOM, bundle_documents, bundles_of_size, prepare, refused, refused_of_size, valid,
    valid_and_large, verify,
};

mod worst_inputs;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes asked for in all, over the limit on the token's size. The dearest text is objects of one member, which take a
/// tree node of some 600 bytes each; the bound on the number of values is what keeps them few.
const TOTAL_TO_LIMIT: u64 = 48;

#[test]
fn v02_no_refused_token_takes_memory_beyond_a_multiple_of_the_size_limit() {
    prepare();
    for input in refused().into_iter().chain(refused_of_size(ROOM / 2)) {
        let (result, used) = measured(|| verify(&input.token).map(|_| ()));
        let is_forged = result == Err(VerifyError::SignatureInvalid);
        assert!(result.is_err() && is_forged == input.signature.is_some(), "{}: {result:?}", input.name);
        assert!(used.total <= TOTAL_TO_LIMIT * LIMIT as u64, "{}: {used:?}", input.name);
        println!("{:>8} {:>8} {:>6}  {}", used.total, used.peak, used.count, input.name);
    }
}

#[test]
fn v02_what_is_over_the_limit_takes_no_memory_at_all() {
    prepare();
    let (_, used) = measured(|| verify(&vec![b'A'; LIMIT + 1]).is_err());
    // The token of this test itself.
    assert_eq!((used.total, used.count), (LIMIT as u64 + 1, 1));
}

#[test]
fn the_inputs_that_are_the_measure_are_let_in() {
    for input in valid().iter().chain(&valid_and_large()) {
        assert!(verify(&input.token).is_ok(), "{}: {:?}", input.name, verify(&input.token).err());
        assert!(input.token.len() <= LIMIT);
    }
    let large = valid_and_large();
    assert!(large.iter().all(|input| input.token.len() > LIMIT - 800), "they should use the room");
}

#[test]
fn b09_no_bundle_document_takes_memory_beyond_a_multiple_of_its_limit() {
    let limits = BundleLimits::default();
    for (name, document) in bundle_documents().into_iter().chain(bundles_of_size(256)) {
        let (_, used) = measured(|| Bundle::from_jwks(&document, &limits).map(|bundle| bundle.len()));
        println!("{:>8} {:>8} {:>6}  {name}", used.total, used.peak, used.count);
        assert!(used.total <= 8 * limits.max_bytes as u64, "{name}: {used:?}");
    }
}
