//! One counter.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that one thread writes and any may read.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one. A load and a store, not a locked instruction: there is one writer.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`, as [`Counter::increment`] does.
    pub fn add(&self, count: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
    }

    /// Adds one where several threads may write.
    pub fn increment_shared(&self) {
        self.add_shared(1);
    }

    /// Adds `count` where several threads may write.
    pub fn add_shared(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number now.
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
