//! A hash map whose copy is cheap: what lets one name of a million change without rebuilding its zone.
//!
//! About √n shards. A clone copies √n pointers; a write then copies the one shard that it touches, unless nobody shares
//! it. Readers of older clones see nothing. A difference skips the shards that two maps share. The caller gives the hash,
//! so that one pass over a domain name serves all its suffixes.

use crate::model::shard::{Place, Shard};

/// More shards than this would make a clone slow.
const SHARDS_MAX: usize = 4096;

/// A map of values that know their own key.
#[derive(Clone, Debug)]
pub struct ShardMap<T> {
    /// Shards by bits 40 and up of the hash: within a shard, the lowest 32 count.
    shards: Box<[Shard<T>]>,
    /// How many values there are.
    len: usize,
}

impl<T: Clone> ShardMap<T> {
    /// An empty map with as many shards as `expected` values want.
    pub fn with_capacity(expected: usize) -> Self {
        let shards = expected.isqrt().next_power_of_two().min(SHARDS_MAX);
        Self { shards: (0..shards).map(|_| Shard::default()).collect(), len: 0 }
    }

    /// Puts `value` in the place of the one with the same key, which is returned.
    pub fn insert(&mut self, hash: u64, value: T, same_key: impl Fn(&T) -> bool) -> Option<T> {
        // Past four times the square of the shards a shard is large to copy: take more of them.
        if self.len > 4 * self.shards.len() * self.shards.len() && self.shards.len() < SHARDS_MAX {
            self.reshard();
        }
        let index = self.shard_index(hash);
        let before = self.shards.get_mut(index)?.insert(hash, value, same_key);
        self.len += usize::from(before.is_none());
        before
    }

    /// Takes a value out.
    pub fn remove(&mut self, hash: u64, same_key: impl Fn(&T) -> bool) -> Option<T> {
        self.find(hash, &same_key)?;
        let index = self.shard_index(hash);
        let removed = self.shards.get_mut(index)?.remove(hash, same_key);
        self.len -= usize::from(removed.is_some());
        removed
    }

    /// A value to be changed in place, its key not.
    pub fn find_mut(&mut self, hash: u64, same_key: impl Fn(&T) -> bool) -> Option<&mut T> {
        let index = self.shard_index(hash);
        self.shards.get_mut(index)?.find_mut(hash, same_key)
    }

    /// Moves everything into four times the shards.
    fn reshard(&mut self) {
        let mut larger = Self::with_capacity(self.len.saturating_mul(4));
        for (hash, value) in self.shards.iter().flat_map(Shard::iter) {
            let index = larger.shard_index(hash);
            if let Some(shard) = larger.shards.get_mut(index) {
                shard.insert(hash, value.clone(), |_| false);
            }
        }
        self.shards = larger.shards;
    }
}

impl<T> ShardMap<T> {
    /// The value with this hash for which `same_key` holds.
    pub fn find(&self, hash: u64, same_key: impl Fn(&T) -> bool) -> Option<&T> {
        self.shards.get(self.shard_index(hash))?.find(hash, same_key)
    }

    /// Where the search for a hash will begin: memory to ask for ahead.
    pub fn home(&self, hash: u64) -> Option<&Place<T>> {
        self.shards.get(self.shard_index(hash))?.home(hash)
    }

    /// The first value with this hash: nearly always the one that is looked for.
    pub fn likely(&self, hash: u64) -> Option<&T> {
        self.shards.get(self.shard_index(hash))?.likely(hash)
    }

    /// How many values there are.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All values, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.shards.iter().flat_map(Shard::iter).map(|(_, value)| value)
    }

    /// Values of `self` in shards that `other` does not share: all that can differ, and perhaps some that do not.
    pub fn iter_unshared<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a T> {
        let comparable = self.shards.len() == other.shards.len();
        self.shards.iter().enumerate().flat_map(move |(index, shard)| {
            let theirs = other.shards.get(index).filter(|_| comparable);
            let shared = theirs.is_some_and(|theirs| shard.shares(theirs));
            (!shared).then(|| shard.iter()).into_iter().flatten().map(|(_, value)| value)
        })
    }

    /// Which shard a hash belongs to; their number is a power of two.
    fn shard_index(&self, hash: u64) -> usize {
        usize::try_from(hash >> 40).unwrap_or(0) & (self.shards.len() - 1)
    }
}

impl<T: Clone> Default for ShardMap<T> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// Spreads keys over all 64 bits; a few share a hash.
    fn hash(key: u32) -> u64 {
        let key = if key < 200 && key.is_multiple_of(7) { 0 } else { key };
        u64::from(key).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(20).wrapping_mul(0xff51_afd7_ed55_8ccd)
    }

    fn put(map: &mut ShardMap<(u32, u32)>, key: u32, value: u32) -> Option<(u32, u32)> {
        map.insert(hash(key), (key, value), |other| other.0 == key)
    }

    #[test]
    fn a_clone_does_not_see_later_writes_and_shares_the_rest() {
        let mut map = ShardMap::with_capacity(10_000);
        for key in 0..10_000 {
            put(&mut map, key, 0);
        }
        let old = map.clone();
        put(&mut map, 7, 1);
        assert_eq!(old.find(hash(7), |other| other.0 == 7), Some(&(7, 0)));
        assert_eq!(map.find(hash(7), |other| other.0 == 7), Some(&(7, 1)));
        let unshared = map.iter_unshared(&old).count();
        assert!(unshared < 300, "one shard of 128, not {unshared} values");
        assert!(map.iter_unshared(&old).any(|value| *value == (7, 1)));
    }

    #[test]
    fn values_with_one_hash_are_told_apart() {
        let mut map = ShardMap::default();
        for key in 0..100_u32 {
            map.insert(u64::MAX, key, |other| *other == key);
        }
        assert_eq!((map.len(), map.insert(u64::MAX, 7, |other| *other == 7)), (100, Some(7)));
        for key in (0..100).step_by(2) {
            assert_eq!(map.remove(u64::MAX, |other| *other == key), Some(key));
        }
        for key in 0..100 {
            assert_eq!(map.find(u64::MAX, |other| *other == key).is_some(), key % 2 == 1, "{key}");
        }
    }

    proptest! {
        #[test]
        fn behaves_as_a_hash_map(steps in prop::collection::vec((0_u32..200, any::<u32>(), any::<bool>()), 0..600)) {
            let mut map = ShardMap::default();
            let mut twin = HashMap::new();
            for (key, value, is_put) in steps {
                if is_put {
                    prop_assert_eq!(put(&mut map, key, value).map(|old| old.1), twin.insert(key, value));
                } else {
                    let old = map.remove(hash(key), |other| other.0 == key);
                    prop_assert_eq!(old.map(|old| old.1), twin.remove(&key));
                }
                prop_assert_eq!(map.len(), twin.len());
            }
            let mut all: Vec<_> = map.iter().copied().collect();
            let mut expected: Vec<_> = twin.into_iter().collect();
            all.sort_unstable();
            expected.sort_unstable();
            prop_assert_eq!(all, expected);
        }
    }
}
