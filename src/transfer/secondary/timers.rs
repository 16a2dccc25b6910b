//! When to ask a primary, and when to give a zone up (RFC 1035 §3.3.13). Time is an argument, as time since 1970: EXPIRE
//! goes on while the server does not run.

use std::time::Duration;

use crate::model::limits::{FIRST_TRANSFER_RETRY_MAX, RETRY_MIN};
use crate::transfer::secondary::serial::SoaTimes;

/// A moment, as time since 1970.
pub type Moment = Duration;

/// The timers of one zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Timers {
    /// Differs from zone to zone, so that zones that were loaded together are not refreshed together.
    spread: u32,
    /// The zone that is held.
    held: Option<Held>,
    /// When to ask next.
    due: Moment,
    /// Attempts in vain since the last success.
    misses: u32,
}

/// A zone that is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Held {
    /// The times of its SOA record.
    times: SoaTimes,
    /// When a primary last confirmed it.
    confirmed: Moment,
}

impl Timers {
    /// Timers of a zone that is not held: to be had at once.
    pub const fn new(spread: u32, now: Moment) -> Self {
        Self { spread, held: None, due: now, misses: 0 }
    }

    /// A copy of the zone from before, confirmed at a moment. It is to be refreshed at once.
    pub fn restore(&mut self, times: SoaTimes, confirmed: Moment, now: Moment) {
        // A clock that has been set back must not make the zone live longer.
        self.held = Some(Held { times, confirmed: confirmed.min(now) });
        self.due = now;
    }

    /// A primary has confirmed what is held, or given something newer, with these times.
    pub fn succeed(&mut self, times: SoaTimes, now: Moment) {
        self.held = Some(Held { times, confirmed: now });
        self.misses = 0;
        // Asked at least twice before it expires, whatever the record says.
        self.due = now + self.earlier(times.refresh.min(times.expire / 2));
    }

    /// No primary could be asked, or none gave what can be taken.
    pub fn fail(&mut self, now: Moment) {
        let wait = match self.held {
            Some(Held { times, .. }) => times.retry,
            // RETRY is not known.
            None => RETRY_MIN.saturating_mul(1 << self.misses.min(16)).min(FIRST_TRANSFER_RETRY_MAX),
        };
        self.misses = self.misses.saturating_add(1);
        self.due = now + self.earlier(wait);
    }

    /// Makes the next attempt due at a moment, if it is not due earlier.
    pub fn hurry(&mut self, at: Moment) {
        self.due = self.due.min(at);
    }

    /// Gives the zone up if its time is over; says whether that happened now.
    pub fn expire(&mut self, now: Moment) -> bool {
        let over = self.expires().is_some_and(|at| at <= now);
        if over {
            self.held = None;
        }
        over
    }

    /// When to ask next.
    pub const fn due(&self) -> Moment {
        self.due
    }

    /// When the zone is given up unless a primary confirms it; none if it is not held.
    pub fn expires(&self) -> Option<Moment> {
        self.held.map(|Held { times, confirmed }| confirmed + times.expire)
    }

    /// When a primary last confirmed the zone; none if it is not held.
    pub fn confirmed(&self) -> Option<Moment> {
        self.held.map(|held| held.confirmed)
    }

    /// Up to a tenth less.
    fn earlier(&self, wait: Duration) -> Duration {
        wait.saturating_sub((wait / 10).mul_f64(f64::from(self.spread) / f64::from(u32::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    const TIMES: SoaTimes = SoaTimes { refresh: seconds(100), retry: seconds(20), expire: seconds(1000) };

    #[test]
    fn a_zone_is_refreshed_retried_and_given_up() {
        let mut timers = Timers::new(0, seconds(1));
        assert_eq!((timers.due(), timers.expires()), (seconds(1), None));
        timers.succeed(TIMES, seconds(10));
        assert_eq!((timers.due(), timers.expires()), (seconds(110), Some(seconds(1010))));
        timers.fail(seconds(110));
        assert_eq!((timers.due(), timers.expires()), (seconds(130), Some(seconds(1010))));
        timers.hurry(seconds(120));
        timers.hurry(seconds(125));
        assert_eq!(timers.due(), seconds(120));
        assert!(!timers.expire(seconds(1009)));
        assert!(timers.expire(seconds(1010)) && !timers.expire(seconds(1011)));
        timers.succeed(TIMES, seconds(2000));
        assert_eq!(timers.expires(), Some(seconds(3000)));
    }

    #[test]
    fn what_has_never_been_had_is_asked_for_less_and_less_often() {
        let mut timers = Timers::new(0, seconds(0));
        let mut now = seconds(0);
        let waits: Vec<u64> = (0..11)
            .map(|_| {
                timers.fail(now);
                let wait = timers.due().abs_diff(now);
                now = timers.due();
                wait.as_secs()
            })
            .collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn expire_goes_on_while_nothing_runs() {
        let mut timers = Timers::new(0, seconds(5000));
        timers.restore(TIMES, seconds(4500), seconds(5000));
        assert_eq!((timers.due(), timers.expires()), (seconds(5000), Some(seconds(5500))));
        timers.restore(TIMES, seconds(4000), seconds(5000));
        assert!(timers.expire(seconds(5000)));
        timers.restore(TIMES, seconds(9000), seconds(5000));
        assert_eq!(timers.expires(), Some(seconds(6000)), "a confirmation in the future counts as now");
    }

    #[test]
    fn a_zone_with_a_short_expire_is_asked_for_before() {
        let times = SoaTimes { refresh: seconds(100), retry: seconds(20), expire: seconds(10) };
        let mut timers = Timers::new(0, seconds(0));
        timers.succeed(times, seconds(0));
        assert_eq!(timers.due(), seconds(5));
    }

    proptest! {
        #[test]
        fn an_attempt_is_never_later_than_asked_nor_a_tenth_earlier(
            spread: u32, refresh in 1_u64..1_000_000, retry in 1_u64..1_000_000, now in 0_u64..1_000_000,
        ) {
            let times = SoaTimes { refresh: seconds(refresh), retry: seconds(retry), expire: seconds(10_000_000) };
            let mut timers = Timers::new(spread, seconds(0));
            timers.succeed(times, seconds(now));
            let wait = timers.due().abs_diff(seconds(now));
            prop_assert!(wait <= times.refresh && wait >= times.refresh.mul_f64(0.899));
            timers.fail(seconds(now));
            let wait = timers.due().abs_diff(seconds(now));
            prop_assert!(wait <= times.retry && wait >= times.retry.mul_f64(0.899));
        }
    }
}
