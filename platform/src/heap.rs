//! The program's memory: jemalloc on huge pages, and how often each thread asks for it.
//!
//! A packet of a relay touches the state of everybody who gets it, so memory in many small
//! pages costs the relay more than the allocator itself does: huge ones took a tenth off
//! a forwarded packet (`docs/relay.md`).
//!
//! The counts are there so that a thread whose work should need no memory, such as a
//! relay's, can say so in its metrics. The binary makes [`Counting`] its allocator; where
//! another is used the counts stay 0.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::Cell;

use tikv_jemallocator::Jemalloc;

/// What jemalloc reads before `main`; `_RJEM_MALLOC_CONF` in the environment changes it.
#[expect(unsafe_code, reason = "jemalloc finds its options by the symbol's name")]
// SAFETY: nothing else has this name, and jemalloc reads it as a pointer to a C string.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static OPTIONS: &[u8; 29] = b"thp:always,metadata_thp:auto\0";

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// How often the calling thread has asked for memory since it began.
pub fn allocations() -> u64 {
    ALLOCATIONS.get()
}

/// jemalloc, counted.
#[derive(Debug)]
pub struct Counting;

fn count() {
    // A thread that ends may still allocate after its counter is gone.
    let _ = ALLOCATIONS.try_with(|allocations| allocations.set(allocations.get() + 1));
}

#[expect(unsafe_code, reason = "there is no allocator without; it passes everything on")]
// SAFETY: every call goes to jemalloc unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { Jemalloc.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { Jemalloc.dealloc(at, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { Jemalloc.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { Jemalloc.realloc(at, layout, new_size) }
    }
}
