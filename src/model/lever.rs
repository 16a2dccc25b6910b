//! Levers: what operators decide about a pool or an origin, whatever probes say, perhaps for a limited time.

use std::collections::BTreeMap;

use crate::model::id::PoolId;
use crate::model::inventory::Identified;
use crate::model::stamp::UnixMicros;

/// What a lever does. Probes go on meanwhile, so that everybody sees what they would say.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum LeverAction {
    /// It counts as healthy.
    Up,
    /// It counts as unhealthy, and is not answered even as the last resort.
    Down,
    /// It gets no new traffic, and counts as what probes say. A drained pool is still the fallback.
    Drain,
}

impl LeverAction {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Up, Self::Down, Self::Drain];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Drain => "drain",
        }
    }

    /// The one that a word stands for.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.word() == word)
    }
}

/// One lever that is pulled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lever {
    /// What it does.
    pub action: LeverAction,
    /// Why, for people; may be empty.
    pub reason: String,
    /// Since when.
    pub since: UnixMicros,
    /// From when on it does nothing any more; none for until it is released.
    pub until: Option<UnixMicros>,
}

impl Lever {
    /// Whether it does something.
    pub fn is_in_force(&self, now: UnixMicros) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// The levers of a pool that are pulled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Levers {
    /// The pool.
    pub pool: PoolId,
    /// That of the whole pool.
    pub whole: Option<Lever>,
    /// Those of origins, by name. An origin that is not there, or no longer, may have one.
    pub origins: BTreeMap<String, Lever>,
}

impl Identified for Levers {
    type Id = PoolId;

    fn id(&self) -> PoolId {
        self.pool
    }

    fn hash64(id: PoolId) -> u64 {
        id.hash64()
    }
}

impl Levers {
    /// None is pulled.
    pub const fn none(pool: PoolId) -> Self {
        Self { pool, whole: None, origins: BTreeMap::new() }
    }

    /// The lever of an origin, or of the whole pool, that is in force.
    pub fn in_force(&self, origin: Option<&str>, now: UnixMicros) -> Option<&Lever> {
        let lever = match origin {
            Some(name) => self.origins.get(name),
            None => self.whole.as_ref(),
        };
        lever.filter(|lever| lever.is_in_force(now))
    }

    /// All levers, each with the name of its origin unless it is the whole pool's.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&str>, &Lever)> {
        let whole = self.whole.iter().map(|lever| (None, lever));
        whole.chain(self.origins.iter().map(|(name, lever)| (Some(name.as_str()), lever)))
    }

    /// With a lever pulled, or released if there is none. Those that do nothing any more go along.
    #[must_use]
    pub fn with(&self, origin: Option<&str>, lever: Option<Lever>, now: UnixMicros) -> Self {
        let mut next = self.clone();
        match (origin, lever) {
            (None, lever) => next.whole = lever,
            (Some(name), Some(lever)) => drop(next.origins.insert(name.to_owned(), lever)),
            (Some(name), None) => drop(next.origins.remove(name)),
        }
        next.whole = next.whole.filter(|lever| lever.is_in_force(now));
        next.origins.retain(|_, lever| lever.is_in_force(now));
        next
    }

    /// Whether none is pulled.
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.origins.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lever(action: LeverAction, until: Option<u64>) -> Lever {
        Lever { action, reason: String::new(), since: UnixMicros(0), until: until.map(UnixMicros) }
    }

    #[test]
    fn a_lever_ends_by_itself_and_goes_with_the_next_change() {
        let none = Levers::none(PoolId::declared("p"));
        let levers = none.with(None, Some(lever(LeverAction::Drain, Some(10))), UnixMicros(0));
        let levers = levers.with(Some("a"), Some(lever(LeverAction::Down, None)), UnixMicros(0));
        let words = |levers: &Levers, now| {
            let in_force = levers.iter().filter(|(_, lever)| lever.is_in_force(UnixMicros(now)));
            in_force.map(|(name, lever)| format!("{name:?} {}", lever.action.word())).collect::<Vec<_>>()
        };
        assert_eq!(words(&levers, 9), ["None drain", "Some(\"a\") down"]);
        assert_eq!(words(&levers, 10), ["Some(\"a\") down"], "its time has come");
        assert!(levers.in_force(None, UnixMicros(10)).is_none() && levers.whole.is_some());
        let other = levers.with(Some("b"), Some(lever(LeverAction::Up, Some(20))), UnixMicros(10));
        assert!(other.whole.is_none(), "what does nothing goes along");
        let released = other.with(Some("a"), None, UnixMicros(11)).with(Some("b"), None, UnixMicros(11));
        assert!(released.is_empty());
    }

    #[test]
    fn words_lead_back() {
        for action in LeverAction::ALL {
            assert_eq!(LeverAction::of_word(action.word()), Some(action));
        }
        assert_eq!(LeverAction::of_word("Up"), None);
    }
}
