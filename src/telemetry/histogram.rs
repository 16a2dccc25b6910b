//! Distributions of times.

use std::time::Duration;

use crate::telemetry::Counter;

/// Upper bounds for the engine's times, in nanoseconds: an answer from the caches, to one that an interrupt held up.
pub const ENGINE_BOUNDS: [u64; 16] = [
    100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, 1_000_000, 2_000_000,
    5_000_000, 10_000_000,
];

/// Upper bounds for probes, in nanoseconds: from a neighbor to the longest time-out that people set.
pub const PROBE_BOUNDS: [u64; 13] = [
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// Times by size: how many were at most each of `N` bounds, and how many above all.
#[derive(Debug)]
pub struct Histogram<const N: usize> {
    /// For each bound, how many times were at most that and above the bound before.
    buckets: [Counter; N],
    /// How many were above all bounds.
    above: Counter,
    /// Their sum, in nanoseconds.
    sum: Counter,
}

impl<const N: usize> Default for Histogram<N> {
    fn default() -> Self {
        Self {
            buckets: std::array::from_fn(|_| Counter::default()),
            above: Counter::default(),
            sum: Counter::default(),
        }
    }
}

impl<const N: usize> Histogram<N> {
    /// Takes a time in, by the one writer.
    pub fn observe(&self, time: Duration, bounds: &[u64; N]) {
        let nanoseconds = nanoseconds(time);
        self.bucket(nanoseconds, bounds).increment();
        self.sum.add(nanoseconds);
    }

    /// Takes a time in where several threads may.
    pub fn observe_shared(&self, time: Duration, bounds: &[u64; N]) {
        let nanoseconds = nanoseconds(time);
        self.bucket(nanoseconds, bounds).increment_shared();
        self.sum.add_shared(nanoseconds);
    }

    /// Where a time is counted.
    fn bucket(&self, nanoseconds: u64, bounds: &[u64; N]) -> &Counter {
        let index = bounds.partition_point(|bound| *bound < nanoseconds);
        self.buckets.get(index).unwrap_or(&self.above)
    }
}

/// A time in nanoseconds; what 64 bits do not hold is longer than anything.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// What a histogram, or several, took in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Observed {
    /// Each bound in nanoseconds, and how many times were at most that.
    pub at_most: Vec<(u64, u64)>,
    /// How many there were.
    pub count: u64,
    /// Their sum, in nanoseconds.
    pub sum: u64,
}

impl Observed {
    /// What one histogram took in.
    pub fn of<const N: usize>(histogram: &Histogram<N>, bounds: &[u64; N]) -> Self {
        let mut observed = Self::default();
        observed.add(histogram, bounds);
        observed
    }

    /// Adds what a histogram with these bounds took in.
    pub fn add<const N: usize>(&mut self, histogram: &Histogram<N>, bounds: &[u64; N]) {
        self.at_most.resize(N, (0, 0));
        let mut count = 0;
        for ((place, bucket), bound) in self.at_most.iter_mut().zip(&histogram.buckets).zip(bounds) {
            count += bucket.value();
            *place = (*bound, place.1 + count);
        }
        // Summed from the same readings, so that no bound has more than there are.
        self.count += count + histogram.above.value();
        self.sum = self.sum.wrapping_add(histogram.sum.value());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_for_its_bound_and_all_above() {
        let bounds = [10, 100];
        let histogram = Histogram::default();
        for time in [0, 10, 11, 100, 101] {
            histogram.observe(Duration::from_nanos(time), &bounds);
        }
        histogram.observe_shared(Duration::from_nanos(5), &bounds);
        let mut observed = Observed::of(&histogram, &bounds);
        assert_eq!(observed, Observed { at_most: vec![(10, 3), (100, 5)], count: 6, sum: 227 });
        observed.add(&histogram, &bounds);
        assert_eq!(observed, Observed { at_most: vec![(10, 6), (100, 10)], count: 12, sum: 454 });
    }

    #[test]
    fn bounds_grow() {
        assert!(ENGINE_BOUNDS.is_sorted() && PROBE_BOUNDS.is_sorted());
    }
}
