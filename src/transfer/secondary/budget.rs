//! What all transfers to us may take together. Each draws from it as it grows, and gives back all of it when the zone has
//! been made.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::transfer::secondary::refusal::Refusal;

/// Octets that are left for transfers. Clones are one.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicUsize>);

/// What one transfer has drawn. It goes back when this is dropped.
#[derive(Debug)]
pub struct Share {
    /// Where from.
    budget: Budget,
    /// Octets.
    drawn: usize,
}

impl Budget {
    /// So many octets for all.
    pub fn new(octets: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(octets)))
    }

    /// A share, of nothing yet.
    pub fn share(&self) -> Share {
        Share { budget: self.clone(), drawn: 0 }
    }
}

impl Share {
    /// Draws what is missing to so many octets; refused if that is not left.
    pub(super) fn grow_to(&mut self, octets: usize) -> Result<(), Refusal> {
        let more = octets.saturating_sub(self.drawn);
        let draw = |left: usize| left.checked_sub(more);
        // Nothing else hangs on the number.
        let drawn = self.budget.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, draw);
        drawn.map_err(|_| Refusal::NoRoom)?;
        self.drawn += more;
        Ok(())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.0.fetch_add(self.drawn, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_gives_back_another_may_draw() {
        let budget = Budget::new(10);
        let (mut one, mut other) = (budget.share(), budget.share());
        assert_eq!([one.grow_to(4), one.grow_to(3), one.grow_to(6), other.grow_to(4)], [const { Ok(()) }; 4]);
        assert_eq!((one.grow_to(7), other.grow_to(5)), (Err(Refusal::NoRoom), Err(Refusal::NoRoom)));
        drop(one);
        assert_eq!((other.grow_to(10), other.grow_to(11)), (Ok(()), Err(Refusal::NoRoom)));
        drop(other);
        assert_eq!(budget.0.load(Ordering::Relaxed), 10);
    }
}
