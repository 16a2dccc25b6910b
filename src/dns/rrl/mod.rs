//! Response rate limiting: what is sent to one network is bounded for each class of answers, so that queries with a forged
//! source turn no flood against whoever has that address.
//!
//! Names do not count: who has many of them at hand would get the rate of each. A network has all its buckets in one
//! set, which is known before the answer is, so that the set comes from memory meanwhile.
//!
//! One table for all workers, made at the start: atomics only, no lock, no allocation. An entry is one word, a tag of its
//! key and the time until which its bucket is used up, so that tokens and the moment of their count cannot come apart.
//! Sets are cache lines. A new key takes the place of the entry that has been idle longest.

mod notices;

use std::hash::{BuildHasher, Hasher};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::FixedState;

pub use self::notices::{Notice, Notices};
use crate::config::guard::RrlPolicy;
use crate::dns::io::prefetch_value;

/// Entries of a set: a cache line of 64 octets.
const WAYS: usize = 8;
/// Bits of the time in an entry: microseconds, which come round after six days.
const TIME_BITS: u32 = 39;
/// The time in an entry.
const TIME_MASK: u64 = (1 << TIME_BITS) - 1;
/// The bit of an entry that says that its key is being limited.
const LIMITED: u64 = 1 << TIME_BITS;
/// Where the tag begins.
const TAG_SHIFT: u32 = TIME_BITS + 1;
/// Bits of a tag that tell the class.
const CLASS_BITS: u32 = 2;
/// How much a bucket holds: the answers of one second.
const BURST_US: i64 = 1_000_000;
/// How often a worker tries to change an entry that others change too. Whoever loses so often has met several that were
/// counted at the same moment; one more answer does no harm.
const TRIES: usize = 4;

/// Kinds of answers, each with a limit of its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ResponseClass {
    /// Records.
    Answer,
    /// NODATA and NXDOMAIN.
    Negative,
    /// A delegation.
    Referral,
    /// Any other code.
    Error,
}

impl ResponseClass {
    /// All of them, in the order of their numbers.
    const ALL: [Self; 4] = [Self::Answer, Self::Negative, Self::Referral, Self::Error];

    /// The word for it in logs.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Answer => "answers",
            Self::Negative => "negative answers",
            Self::Referral => "referrals",
            Self::Error => "errors",
        }
    }
}

/// A cache line of entries.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Set([AtomicU64; WAYS]);

/// All buckets.
#[derive(Debug)]
pub struct RateLimiter {
    /// Keyed, so that nobody can prepare keys that push others out.
    hashing: FixedState,
    /// The sets; their number is a power of two.
    sets: Box<[Set]>,
    /// Networks that have come to be limited.
    notices: Notices,
}

/// The network that a client belongs to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Prefix {
    /// Upper bits of the address, the others zero: 32 bits of IPv4, 64 bits of IPv6.
    bits: u64,
    /// How many count.
    length: u8,
    /// The family.
    is_ipv4: bool,
}

impl Prefix {
    /// The network of a client.
    const fn of(client: IpAddr, policy: &RrlPolicy) -> Self {
        match client {
            IpAddr::V4(address) => {
                let mask = u32::MAX.unbounded_shl(32_u32.saturating_sub(policy.ipv4_prefix as u32));
                Self { bits: (address.to_bits() & mask) as u64, length: policy.ipv4_prefix, is_ipv4: true }
            }
            IpAddr::V6(address) => {
                let upper = (address.to_bits() >> 64) as u64;
                let mask = u64::MAX.unbounded_shl(64_u32.saturating_sub(policy.ipv6_prefix as u32));
                Self { bits: upper & mask, length: policy.ipv6_prefix, is_ipv4: false }
            }
        }
    }
}

impl RateLimiter {
    /// A table of at least so many entries, at rest. `seed` makes its hashes unpredictable.
    pub fn new(entries: usize, seed: u64) -> Self {
        let sets = entries.div_ceil(WAYS).next_power_of_two();
        let sets = (0..sets).map(|_| Set::default()).collect();
        Self { hashing: FixedState::with_seed(seed), sets, notices: Notices::default() }
    }

    /// Networks that have come to be limited.
    pub const fn notices(&self) -> &Notices {
        &self.notices
    }

    /// Asks for the memory where answers to a client will be counted, and says which network that is.
    pub fn look_ahead(&self, client: IpAddr, policy: &RrlPolicy) -> Network {
        let network = self.network(Prefix::of(client, policy));
        if let Some(set) = self.set(network.hash) {
            prefetch_value(set);
        }
        network
    }

    /// Where answers to a client are counted. Memory is not read. What looking ahead has found need not be found again;
    /// it counts if it is about the network that the client belongs to under this policy.
    pub fn bucket(&self, client: IpAddr, policy: &RrlPolicy, found: Option<Network>) -> Option<Bucket<'_>> {
        let prefix = Prefix::of(client, policy);
        let found = found.filter(|network| network.prefix == prefix);
        let network = found.unwrap_or_else(|| self.network(prefix));
        Some(Bucket { set: self.set(network.hash)?, network, notices: &self.notices })
    }

    /// A network with its hash.
    fn network(&self, prefix: Prefix) -> Network {
        let mut hasher = self.hashing.build_hasher();
        hasher.write_u64(prefix.bits);
        hasher.write_u8(u8::from(prefix.is_ipv4));
        Network { prefix, hash: hasher.finish() }
    }

    /// The set of a hash.
    fn set(&self, hash: u64) -> Option<&Set> {
        let mask = self.sets.len().wrapping_sub(1);
        #[expect(clippy::cast_possible_truncation, reason = "only low bits are wanted")]
        self.sets.get(hash as usize & mask)
    }
}

/// A network of clients, as one limiter sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// The network.
    prefix: Prefix,
    /// Its hash.
    hash: u64,
}

/// Where answers to one network are counted.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'l> {
    /// The set that has an entry for each class.
    set: &'l Set,
    /// The network.
    network: Network,
    /// Where a limit that is reached is told.
    notices: &'l Notices,
}

impl Bucket<'_> {
    /// Whether an answer of a class may go at `now`, in milliseconds, if `rate` may go in a second; counts it if so.
    pub fn admits(&self, class: ResponseClass, now: u64, rate: u32) -> bool {
        // An entry of zeros is free, so no tag is zero.
        let tag = (self.network.hash >> (TAG_SHIFT + CLASS_BITS)).max(1) << CLASS_BITS | class as u64;
        let now = now.wrapping_mul(1000) & TIME_MASK;
        let cost = u64::from(1_000_000 / rate.max(1));
        for _ in 0..TRIES {
            match self.set.count(tag, now, cost) {
                Counted::Admitted => return true,
                Counted::Limited => return false,
                Counted::LimitedNow => {
                    let Prefix { bits, length, is_ipv4 } = self.network.prefix;
                    self.notices.post(Notice { bits, length, is_ipv4, class });
                    return false;
                }
                Counted::Raced => {}
            }
        }
        true
    }
}

/// What came of counting one answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Counted {
    /// It may go.
    Admitted,
    /// It may not, as those before.
    Limited,
    /// It may not, and is the first.
    LimitedNow,
    /// Another worker was faster: once more.
    Raced,
}

impl Set {
    /// Counts an answer at `now` that uses up `cost` of its bucket. Both in microseconds.
    fn count(&self, tag: u64, now: u64, cost: u64) -> Counted {
        let mut idlest: Option<(&AtomicU64, u64, i64)> = None;
        for entry in &self.0 {
            let before = entry.load(Ordering::Relaxed);
            if before >> TAG_SHIFT == tag {
                return count_in(entry, before, now, cost);
            }
            let ahead = ahead(before, now);
            if idlest.is_none_or(|(_, _, least)| ahead < least) {
                idlest = Some((entry, before, ahead));
            }
        }
        let Some((entry, before, _)) = idlest else { return Counted::Admitted };
        let fresh = tag << TAG_SHIFT | (now + cost) & TIME_MASK;
        swap(entry, before, fresh, Counted::Admitted)
    }
}

/// Counts an answer in the entry of its key.
fn count_in(entry: &AtomicU64, before: u64, now: u64, cost: u64) -> Counted {
    let ahead = ahead(before, now);
    let tag = before & !(TIME_MASK | LIMITED);
    let is_full = ahead <= 0;
    if !is_full && ahead + cost.cast_signed() > BURST_US {
        if before & LIMITED != 0 {
            // Nothing is written: a flood costs no cache line.
            return Counted::Limited;
        }
        return swap(entry, before, before | LIMITED, Counted::LimitedNow);
    }
    // Limitation is over once the bucket has been full again; until then it is the same flood.
    let (start, limited) = if is_full { (now, 0) } else { (before, before & LIMITED) };
    let after = tag | limited | (start + cost) & TIME_MASK;
    swap(entry, before, after, Counted::Admitted)
}

/// How far in the future an entry's bucket is full again, in microseconds; negative in the past, and least if nobody has
/// used it or it has been idle for longer than half of what the time in an entry covers.
const fn ahead(entry: u64, now: u64) -> i64 {
    let unused = 64 - TIME_BITS;
    let ahead = (entry.wrapping_sub(now) << unused).cast_signed() >> unused;
    // No bucket is full so late: it was used so long ago that its time has come round, or the clock was set back.
    if entry == 0 || ahead > 2 * BURST_US { i64::MIN } else { ahead }
}

/// Changes an entry, unless another worker has.
fn swap(entry: &AtomicU64, before: u64, after: u64, counted: Counted) -> Counted {
    match entry.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => counted,
        Err(_) => Counted::Raced,
    }
}

#[cfg(test)]
mod tests;
