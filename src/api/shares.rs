//! Shares: how much each of many has of something, and how much one may have.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// What each has. Nothing is 0, so that there are no more entries than things that are had.
#[derive(Debug)]
pub(super) struct Shares<K> {
    /// Most of one.
    max: usize,
    /// Of each. Held for a few instructions only.
    taken: Mutex<HashMap<K, usize>>,
}

/// A share, until it is dropped.
#[derive(Debug)]
pub(super) struct Share<K: Eq + Hash> {
    /// Of what.
    shares: Arc<Shares<K>>,
    /// Whose.
    key: K,
    /// How much.
    amount: usize,
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// Shares of which nobody has more than `max`.
    pub(super) fn new(max: usize) -> Arc<Self> {
        Arc::new(Self { max, taken: Mutex::default() })
    }

    /// Takes so much more, if that is not too much.
    pub(super) fn take(self: &Arc<Self>, key: K, amount: usize) -> Option<Share<K>> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let has = taken.get(&key).copied().unwrap_or(0);
        if amount > self.max.saturating_sub(has) {
            return None;
        }
        taken.insert(key.clone(), has + amount);
        Some(Share { shares: Arc::clone(self), key, amount })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let mut taken = self.shares.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(has) = taken.get_mut(&self.key) {
            *has = has.saturating_sub(self.amount);
            if *has == 0 {
                taken.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_has_more_than_a_share_and_what_is_given_back_can_be_taken() {
        let shares = Shares::new(3);
        let two = shares.take("one", 2).unwrap();
        assert!(shares.take("one", 2).is_none());
        let one = shares.take("one", 1).unwrap();
        assert!(shares.take("one", 1).is_none());
        let _other = shares.take("other", 3).unwrap();
        drop(two);
        assert!(shares.take("one", 2).is_some());
        drop(one);
        assert_eq!(shares.taken.lock().unwrap().len(), 1);
    }
}
