//! Asking for memory ahead of its use.

/// Octets of a cache line on every processor that we know.
const LINE_OCTETS: usize = 64;
/// Octets that are asked for at the most: what lies further on, the processor fetches by itself.
const OCTETS_MAX: usize = 2 * LINE_OCTETS;

/// Asks for the cache lines in which the first of `octets` lie, and does not wait for them.
pub fn prefetch(octets: &[u8]) {
    let octets = octets.get(..OCTETS_MAX).unwrap_or(octets);
    octets.chunks(LINE_OCTETS).for_each(prefetch_line);
    // They begin anywhere in a line, so they may end in one more than there are chunks.
    if let Some(last) = octets.last() {
        prefetch_line(last);
    }
}

/// Asks for the cache lines in which a value lies that is no larger than a line, and does not wait for them.
pub fn prefetch_value<T>(value: &T) {
    prefetch_line(value);
    let end = std::ptr::from_ref(value).cast::<u8>().wrapping_add(size_of::<T>().saturating_sub(1));
    prefetch_address(end);
}

/// Asks for the cache line in which a value begins.
fn prefetch_line<T: ?Sized>(value: &T) {
    prefetch_address(std::ptr::from_ref(value).cast());
}

/// Asks for the cache line of an address.
#[cfg(target_arch = "x86_64")]
fn prefetch_address(address: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: the instruction is part of every x86-64, may be given any address, and changes nothing but caches.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
}

/// Other processors are left to themselves.
#[cfg(not(target_arch = "x86_64"))]
fn prefetch_address(_: *const u8) {}
