//! Verdicts that an earlier process left behind: a target that is new in this one starts with its own, as long as that is
//! young.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::health::table::{Inherited, TargetKey};
use crate::model::stamp::UnixMicros;
use crate::model::target::LeftVerdict;

/// What was left behind and nobody has taken yet.
#[derive(Debug, Default)]
pub struct Bequest {
    /// Verdicts by target, each with the end of its youth.
    verdicts: HashMap<TargetKey, (Inherited, Instant)>,
    /// When the last of them is too old.
    until: Option<Instant>,
}

impl Bequest {
    /// Those of `left` that are younger than `lifetime`, at a moment by both clocks. What is stamped with a time to come is left
    /// out: the wall clock was set, and nobody knows how old it is.
    pub fn new(
        left: impl IntoIterator<Item = LeftVerdict>,
        lifetime: Duration,
        wall: UnixMicros,
        now: Instant,
    ) -> Self {
        let young = |LeftVerdict { key, standing, alive }| {
            let age = wall.0.checked_sub(alive.0).map(Duration::from_micros)?;
            let rest = lifetime.checked_sub(age).filter(|rest| !rest.is_zero())?;
            let is_past = standing.since.is_none_or(|since| since <= wall);
            is_past.then(|| (key, (Inherited::from_standing(standing), now + rest)))
        };
        let verdicts: HashMap<_, _> = left.into_iter().filter_map(young).collect();
        let until = verdicts.values().map(|(_, until)| *until).max();
        Self { verdicts, until }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.verdicts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
    }

    /// Takes the verdict of a target, if it is young.
    pub(in crate::health) fn take(&mut self, key: &TargetKey, now: Instant) -> Option<Inherited> {
        self.verdicts.remove(key).filter(|(_, until)| now < *until).map(|(inherited, _)| inherited)
    }

    /// Forgets everything once all of it is too old.
    pub(in crate::health) fn expire(&mut self, now: Instant) {
        if self.until.is_some_and(|until| until <= now) {
            *self = Self::default();
        }
    }
}
