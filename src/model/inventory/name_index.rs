//! Ids by name: what finds an object by what people call it, without a look at all of them.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;

use crate::model::inventory::id_map::{IdMap, Identified};
use crate::model::shard_map::ShardMap;

/// What an object is called, as octets: unique among those of its kind.
pub(super) trait Named {
    /// Its name.
    fn name_octets(&self) -> &[u8];

    /// Its name, for people.
    fn shown_name(&self) -> String;
}

/// The ids of the objects of one kind by name. Names stay with the objects.
#[derive(Clone, Debug)]
pub(super) struct NameIndex<I: Copy + Eq>(ShardMap<I>);

impl<I: Copy + Eq> Default for NameIndex<I> {
    fn default() -> Self {
        Self(ShardMap::default())
    }
}

impl<I: Copy + Eq> NameIndex<I> {
    /// The id of the object of `objects` with a name.
    pub(super) fn find<T: Identified<Id = I> + Named>(&self, name: &[u8], objects: &IdMap<T>) -> Option<I> {
        let is_named = |id: &I| objects.find(*id).is_some_and(|object| object.name_octets() == name);
        self.0.find(hash(name), is_named).copied()
    }

    /// Takes in that an object has a name that nobody has, and no longer the one that it had before.
    pub(super) fn rename<T: Identified<Id = I> + Named>(&mut self, before: Option<&T>, after: &T) {
        if let Some(before) = before {
            self.forget(before);
        }
        self.0.insert(hash(after.name_octets()), after.id(), |_| false);
    }

    /// Takes out the name of an object.
    pub(super) fn forget<T: Identified<Id = I> + Named>(&mut self, object: &T) {
        self.0.remove(hash(object.name_octets()), |id| *id == object.id());
    }

    /// Takes in what differs between two versions of the objects; an error is one whose name another has already.
    pub(super) fn follow<T: Identified<Id = I> + Named>(
        &mut self,
        before: &IdMap<T>,
        after: &IdMap<T>,
    ) -> Result<(), (Arc<T>, I)> {
        let differences = after.differences(before);
        for gone in differences.iter().filter_map(|id| before.find(*id)) {
            self.forget(&**gone);
        }
        for new in differences.iter().filter_map(|id| after.find(*id)) {
            let name = new.name_octets();
            if let Some(holder) = self.find(name, after) {
                return Err((Arc::clone(new), holder));
            }
            self.0.insert(hash(name), new.id(), |_| false);
        }
        Ok(())
    }
}

/// The hash of a name.
fn hash(name: &[u8]) -> u64 {
    FixedState::default().hash_one(name)
}
