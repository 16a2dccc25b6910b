//! What all transports need: somebody who answers, and time and random numbers for them.

use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::dns::engine::{Client, Reply, UnixTime, Worker};

/// Turns a query's bytes into an answer's. The engine does; tests have simpler ones.
pub trait Responder: Send + 'static {
    /// Answers `query` into `out`. Total: any bytes in, an answer or silence out. `random` decides what is left to chance.
    fn respond(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply;

    /// Tells of the queries that come next, at most a batch: memory that they will need can be asked for ahead.
    fn look_ahead<'q>(&mut self, _queries: impl Iterator<Item = &'q [u8]>) {}
}

impl Responder for Worker {
    fn respond(&mut self, query: &[u8], client: &Client, now: UnixTime, random: u64, out: &mut [u8]) -> Reply {
        self.answer(query, client, now, random, out)
    }

    fn look_ahead<'q>(&mut self, queries: impl Iterator<Item = &'q [u8]>) {
        Self::look_ahead(self, queries);
    }
}

/// What the clock shows. Before 1970 it shows nothing useful, and is taken as that.
pub(super) fn unix_time() -> UnixTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Random numbers of one thread: `SplitMix64`. They spread load and guard nothing.
#[derive(Clone, Debug)]
pub(super) struct Random(u64);

impl Random {
    /// A sequence of its own, seeded from what the standard library seeds its hash tables with.
    pub(super) fn new() -> Self {
        Self(RandomState::new().hash_one(0_u8))
    }

    /// The next number.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Responders for the transports' own tests.
#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// Says back what it hears; nothing if the first octet is `SILENT`.
    pub(in crate::dns) struct Echo;

    /// First octet of a message that gets no answer.
    pub(in crate::dns) const SILENT: u8 = 0xff;

    impl Responder for Echo {
        fn respond(&mut self, query: &[u8], _: &Client, _: UnixTime, _: u64, out: &mut [u8]) -> Reply {
            if query.first() == Some(&SILENT) {
                return Reply { len: 0 };
            }
            let len = query.len().min(out.len());
            out[..len].copy_from_slice(&query[..len]);
            Reply { len }
        }
    }

    #[test]
    fn random_numbers_differ() {
        let (mut one, mut two) = (Random::new(), Random::new());
        let numbers = [one.next(), one.next(), two.next(), two.next()];
        let distinct: std::collections::HashSet<u64> = numbers.into_iter().collect();
        assert_eq!(distinct.len(), numbers.len());
    }
}
