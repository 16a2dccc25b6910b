//! Objects of one kind by id, in a map whose copy is cheap.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use crate::model::dns_record::DnsRecord;
use crate::model::hosting::Hosting;
use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, RecordId, ZoneId};
use crate::model::inventory::stored::ZoneRecords;
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor::Monitor;
use crate::model::monitor_group::MonitorGroup;
use crate::model::pool::Pool;
use crate::model::shard_map::ShardMap;
use crate::model::stamp::Stamp;
use crate::model::zone::Zone;

/// What has an id.
pub trait Identified {
    /// The type of its id.
    type Id: Copy + Eq + std::hash::Hash + fmt::Display;
    /// Its id.
    fn id(&self) -> Self::Id;
    /// Well-distributed bits of an id.
    fn hash64(id: Self::Id) -> u64;
}

/// Implements [`Identified`] for a noun with a public field `id`.
macro_rules! identified {
    ($($noun:ty: $id:ty),*) => {$(
        impl Identified for $noun {
            type Id = $id;
            fn id(&self) -> $id {
                self.id
            }
            fn hash64(id: $id) -> u64 {
                id.hash64()
            }
        }
    )*};
}

identified!(
    Hosting: ZoneId,
    Zone: ZoneId,
    ZoneRecords: ZoneId,
    DnsRecord: RecordId,
    Monitor: MonitorId,
    MonitorGroup: MonitorGroupId,
    Pool: PoolId,
    LoadBalancer: LoadBalancerId,
    Stamp<ZoneId>: ZoneId,
    Stamp<MonitorId>: MonitorId,
    Stamp<MonitorGroupId>: MonitorGroupId,
    Stamp<PoolId>: PoolId,
    Stamp<LoadBalancerId>: LoadBalancerId
);

/// Objects of one kind by id. A clone is cheap, and two generations share what did not change.
#[derive(Debug)]
pub struct IdMap<T: Identified>(ShardMap<Arc<T>>);

impl<T: Identified> Clone for IdMap<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Identified> Default for IdMap<T> {
    fn default() -> Self {
        Self(ShardMap::default())
    }
}

impl<T: Identified> IdMap<T> {
    /// The object with an id.
    pub fn find(&self, id: T::Id) -> Option<&Arc<T>> {
        self.0.find(T::hash64(id), |object| object.id() == id)
    }

    /// All objects, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.0.iter()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What differs from `old`: ids that are new, changed or gone. An object that is the same value in both is not
    /// looked into.
    pub fn differences(&self, old: &Self) -> Vec<T::Id> {
        let changed = self
            .0
            .iter_unshared(&old.0)
            .filter(|object| !old.find(object.id()).is_some_and(|before| Arc::ptr_eq(before, object)));
        let gone = old.0.iter_unshared(&self.0).filter(|object| self.find(object.id()).is_none());
        changed.chain(gone).map(|object| object.id()).collect()
    }

    /// Takes the object with an id out.
    pub fn remove(&mut self, id: T::Id) -> Option<Arc<T>> {
        self.0.remove(T::hash64(id), |other| other.id() == id)
    }

    /// Puts an object in the place of the one with its id.
    pub fn put(&mut self, object: T) {
        self.put_shared(Arc::new(object));
    }

    /// Puts a shared object in the place of the one with its id; says whether there was one.
    pub fn put_shared(&mut self, object: Arc<T>) -> bool {
        let id = object.id();
        self.0.insert(T::hash64(id), object, |other| other.id() == id).is_some()
    }
}

impl<T: Identified + PartialEq> IdMap<T> {
    /// A map of `objects`, in which those equal to ours are ours; an error is an id that occurs twice.
    pub(super) fn replaced(&self, objects: impl ExactSizeIterator<Item = Arc<T>>) -> Result<Self, T::Id> {
        // Start from our own shards, so that those without a change stay shared.
        let mut next = if self.is_empty() { Self(ShardMap::with_capacity(objects.len())) } else { self.clone() };
        let mut kept = HashSet::with_capacity(objects.len());
        for object in objects {
            let id = object.id();
            if !kept.insert(id) {
                return Err(id);
            }
            if self.find(id).is_none_or(|ours| !Arc::ptr_eq(ours, &object) && **ours != *object) {
                next.put_shared(object);
            }
        }
        for ours in self.iter().filter(|ours| !kept.contains(&ours.id())) {
            next.remove(ours.id());
        }
        Ok(next)
    }
}
