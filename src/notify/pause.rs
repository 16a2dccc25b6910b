//! How long to wait before a message is tried again.

use std::time::Duration;

/// How patient one is with a receiver.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// How long one delivery may take.
    pub timeout: Duration,
    /// The first pause.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// When a message is given up, after its first delivery began.
    pub total: Duration,
}

impl Patience {
    /// The pause after so many failures, at least 1: twice the one before, of which `random` takes up to a half away, so that
    /// receivers of many servers are not asked by all of them at once.
    pub fn pause(&self, failures: u32, random: u64) -> Duration {
        let doubled = self.pause_min.saturating_mul(1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX));
        let half = doubled.min(self.pause_max) / 2;
        let nanos = u64::try_from(half.as_nanos()).unwrap_or(u64::MAX);
        half + Duration::from_nanos(random % nanos.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let s = Duration::from_secs;
        let patience = Patience { timeout: s(10), pause_min: s(1), pause_max: s(300), total: s(3_600) };
        // Failures, shortest and longest pause in milliseconds.
        for (failures, shortest, longest) in [
            (1, 500, 1_000),
            (2, 1_000, 2_000),
            (5, 8_000, 16_000),
            (9, 128_000, 256_000),
            (10, 150_000, 300_000),
            (33, 150_000, 300_000),
            (u32::MAX, 150_000, 300_000),
        ] {
            let half = shortest * 1_000_000;
            assert_eq!(patience.pause(failures, 0), Duration::from_millis(shortest), "{failures}");
            assert_eq!(patience.pause(failures, half), Duration::from_millis(longest), "{failures}");
            assert_eq!(patience.pause(failures, half + 1), Duration::from_millis(shortest), "{failures}");
        }
    }
}
