//! The cost of refusing is bounded: memory here, instructions in `examples/refusal_cost.rs`.

#![cfg(not(target_arch = "wasm32"))]
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use svidgate_jwt_svid::{Bundle, BundleLimits, VerifyError};
use worst_inputs::{
    LIMIT, ROOM, bundle_documents, bundles_of_size, prepare, refused, refused_of_size, valid,
    valid_and_large, verify,
};

mod worst_inputs;

/// Bytes asked for in all, over the limit on the token's size. The dearest text is objects of one member, which take a
/// tree node of some 600 bytes each; the bound on the number of values is what keeps them few.
const TOTAL_TO_LIMIT: usize = 48;

#[test]
fn v02_no_refused_token_takes_memory_beyond_a_multiple_of_the_size_limit() {
    prepare();
    for input in refused().into_iter().chain(refused_of_size(ROOM / 2)) {
        let (result, used) = measured(|| verify(&input.token).map(|_| ()));
        let is_forged = result == Err(VerifyError::SignatureInvalid);
        assert!(result.is_err() && is_forged == input.signature.is_some(), "{}: {result:?}", input.name);
        assert!(used.total <= TOTAL_TO_LIMIT * LIMIT, "{}: {used:?}", input.name);
        println!("{:>8} {:>8} {:>6}  {}", used.total, used.peak, used.count, input.name);
    }
}

#[test]
fn v02_what_is_over_the_limit_takes_no_memory_at_all() {
    prepare();
    let (_, used) = measured(|| verify(&vec![b'A'; LIMIT + 1]).is_err());
    // The token of this test itself.
    assert_eq!((used.total, used.count), (LIMIT + 1, 1));
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
        assert!(used.total <= 8 * limits.max_bytes, "{name}: {used:?}");
    }
}

#[derive(Debug, Default, Clone, Copy)]
struct Used {
    total: usize,
    live: usize,
    peak: usize,
    count: usize,
}

/// Runs it and gives what it asked the allocator for.
fn measured<T>(run: impl FnOnce() -> T) -> (T, Used) {
    USED.set(Some(Used::default()));
    let result = run();
    (result, USED.take().unwrap())
}

thread_local! {
    /// What this thread uses, while it measures; tests beside it are other threads.
    static USED: Cell<Option<Used>> = const { Cell::new(None) };
}

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[allow(
    unsafe_code,
    reason = "an allocator cannot be written without; it hands everything on to the system's"
)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), 0);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(layout.size(), size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count(freed: usize, taken: usize) {
    // At the end of a thread its storage is gone, and nothing is measured any more.
    let _ = USED.try_with(|used| {
        if let Some(mut now) = used.get() {
            now.total += taken;
            now.live = (now.live + taken).saturating_sub(freed);
            now.peak = now.peak.max(now.live);
            now.count += usize::from(taken > 0);
            used.set(Some(now));
        }
    });
}
