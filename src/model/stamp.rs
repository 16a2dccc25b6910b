//! What is known of an object beside what it says: where it comes from, when it was made and changed, and its revision.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A moment, as microseconds of Unix time: what the original's times show.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct UnixMicros(pub u64);

impl UnixMicros {
    /// A time of the wall clock; those before 1970 are 1970.
    pub fn of(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
    }

    /// The same as a time of the wall clock; what is beyond its range is its beginning.
    pub fn time(self) -> SystemTime {
        let since = Duration::from_micros(self.0);
        SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// The version of one object: the generation that last changed it. An object that is made anew has another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Where an object comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Provenance {
    /// A configuration file declares it, which is the only place where it can be changed.
    Declared {
        /// The file, as messages name it.
        file: Arc<str>,
    },
    /// It was made through the API.
    Stored,
}

/// What is known of one object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stamp<I> {
    /// The object's id.
    pub id: I,
    /// Where it comes from.
    pub provenance: Provenance,
    /// When it was made; when it was first declared, as far as this process knows.
    pub created: UnixMicros,
    /// When it last changed.
    pub modified: UnixMicros,
    /// Its version.
    pub revision: Revision,
    /// Since when it and parts of it are disabled.
    pub disabled: Disabled,
}

/// Since when a pool and its origins are disabled; empty for nearly all, and then it costs a pointer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Disabled(Option<Box<DisabledSince>>);

/// The times of [`Disabled`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct DisabledSince {
    /// Of the object itself.
    whole: Option<UnixMicros>,
    /// Of its origins, by name.
    origins: Vec<(String, UnixMicros)>,
}

impl Disabled {
    /// What is disabled since these times: the object itself, and origins by name.
    pub fn new(whole: Option<UnixMicros>, origins: Vec<(String, UnixMicros)>) -> Self {
        let is_empty = whole.is_none() && origins.is_empty();
        Self((!is_empty).then(|| Box::new(DisabledSince { whole, origins })))
    }

    /// What is disabled at `now`; what was disabled `before` keeps its time.
    pub fn since<'n>(
        before: Option<&Self>,
        is_disabled: bool,
        origins: impl Iterator<Item = &'n str>,
        now: UnixMicros,
    ) -> Self {
        let whole = is_disabled.then(|| before.and_then(Self::whole).unwrap_or(now));
        let since = |name: &str| before.and_then(|before| before.origin(name)).unwrap_or(now);
        Self::new(whole, origins.map(|name| (name.to_owned(), since(name))).collect())
    }

    /// Since when the object itself is disabled.
    pub fn whole(&self) -> Option<UnixMicros> {
        self.0.as_ref()?.whole
    }

    /// Since when an origin is disabled.
    pub fn origin(&self, name: &str) -> Option<UnixMicros> {
        self.origins().find(|(other, _)| *other == name).map(|(_, since)| since)
    }

    /// All origins that are disabled, and since when.
    pub fn origins(&self) -> impl Iterator<Item = (&str, UnixMicros)> {
        self.0.iter().flat_map(|since| since.origins.iter().map(|(name, since)| (name.as_str(), *since)))
    }
}

impl<I> Stamp<I> {
    /// The file that declares the object; none if the API made it.
    pub const fn file(&self) -> Option<&Arc<str>> {
        match &self.provenance {
            Provenance::Declared { file } => Some(file),
            Provenance::Stored => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stays_disabled_keeps_its_time() {
        let first = Disabled::since(None, true, ["a", "b"].into_iter(), UnixMicros(1));
        let second = Disabled::since(Some(&first), true, ["b", "c"].into_iter(), UnixMicros(2));
        assert_eq!(second.whole(), Some(UnixMicros(1)));
        assert_eq!(
            (second.origin("a"), second.origin("b"), second.origin("c")),
            (None, Some(UnixMicros(1)), Some(UnixMicros(2)))
        );
        assert_eq!(Disabled::since(Some(&second), false, [].into_iter(), UnixMicros(3)), Disabled::default());
    }
}
