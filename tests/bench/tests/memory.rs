//! A run that is far too short to say anything about growth: every part works, and memory is found at all.

use svidgate_bench::{Burden, measure_memory};

#[test]
fn distinct_tokens_and_changes_pass_and_both_memories_are_found() {
    let report = measure_memory(Burden { tokens: 400, changes: 40 }, |_| {}).unwrap();
    let last = report.moments.last().unwrap();
    assert_eq!((last.tokens, last.changes), (400, 40));
    for at in &report.moments {
        // Base VM, main thread, two workers.
        assert!(at.wasm >= 4 << 20 && at.resident > at.wasm / 2, "{at:?}");
    }
    assert!(report.table().lines().count() > 40, "{}", report.table());
}
