//! Asking for memory ahead of its use.

/// Octets of a cache line on every processor that we know.
const LINE_OCTETS: usize = 64;

/// Asks for two cache lines: that of an address and the next one, whatever is there. What lies further on, the processor
/// fetches by itself.
pub fn prefetch_at(address: *const u8) {
    prefetch_address(address);
    prefetch_address(address.wrapping_add(LINE_OCTETS));
}

/// Asks for the cache lines in which a value lies that is no larger than a line, and does not wait for them.
pub fn prefetch_value<T>(value: &T) {
    let start = std::ptr::from_ref(value).cast::<u8>();
    prefetch_address(start);
    // Most are aligned so that they lie in one.
    if align_of::<T>() < size_of::<T>() {
        prefetch_address(start.wrapping_add(size_of::<T>() - 1));
    }
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
