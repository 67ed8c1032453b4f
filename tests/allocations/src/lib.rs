//! What a thread takes from the allocator. A test program that asks must use [`Counting`] as its global allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// What a thread took; others that run beside it do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Bytes taken, whether given back or not.
    pub total: u64,
    /// Bytes held: negative when the thread gave back what another one took.
    pub live: i64,
    /// The most bytes that were held at once.
    pub peak: i64,
    /// How often something was taken.
    pub count: u64,
}

/// What this thread used since it began.
#[must_use]
pub fn used() -> Used {
    USED.get()
}

/// Runs it and gives what it used.
pub fn measured<T>(run: impl FnOnce() -> T) -> (T, Used) {
    let before = USED.get();
    USED.set(Used { peak: before.live, ..before });
    let result = run();
    let after = USED.get();
    USED.set(Used { peak: after.peak.max(before.peak), ..after });
    let used = Used {
        total: after.total.wrapping_sub(before.total),
        live: after.live.wrapping_sub(before.live),
        peak: after.peak.wrapping_sub(before.live),
        count: after.count.wrapping_sub(before.count),
    };
    (result, used)
}

thread_local! {
    static USED: Cell<Used> = const { Cell::new(Used { total: 0, live: 0, peak: 0, count: 0 }) };
}

/// The system's allocator, counted.
#[derive(Debug)]
pub struct Counting;

#[allow(
    unsafe_code,
    reason = "an allocator cannot be written without; it hands everything on to the system's"
)]
// SAFETY: each call is that of the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(0, layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        note(layout.size(), 0);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(layout.size(), size);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn note(freed: usize, taken: usize) {
    let signed = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
    // At the end of a thread its storage is gone, and nothing is measured any more.
    let _ = USED.try_with(|used| {
        let now = used.get();
        let live = now.live.wrapping_add(signed(taken)).wrapping_sub(signed(freed));
        used.set(Used {
            total: now.total.wrapping_add(u64::try_from(taken).unwrap_or(u64::MAX)),
            live,
            peak: now.peak.max(live),
            count: now.count.wrapping_add(u64::from(taken > 0)),
        });
    });
}
