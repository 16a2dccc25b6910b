//! Asking for memory ahead of its use.

/// Octets of a cache line on every processor that we know.
const LINE_OCTETS: usize = 64;
/// Lines of one value that are asked for: what lies further on, the processor fetches by itself.
const LINES_MAX: usize = 2;

/// Asks for the first cache lines of `octets`, and does not wait for them.
pub fn prefetch(octets: &[u8]) {
    for line in octets.chunks(LINE_OCTETS).take(LINES_MAX) {
        prefetch_at(line);
    }
}

/// Asks for the cache line in which a value begins, and does not wait for it.
#[cfg(target_arch = "x86_64")]
pub fn prefetch_at<T: ?Sized>(value: &T) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    let address = std::ptr::from_ref(value).cast::<i8>();
    // SAFETY: the instruction is part of every x86-64 and reads nothing that could be seen; it may be given any
    // address, and this one is a reference's.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

/// Other processors are left to themselves.
#[cfg(not(target_arch = "x86_64"))]
pub fn prefetch_at<T: ?Sized>(_: &T) {}
