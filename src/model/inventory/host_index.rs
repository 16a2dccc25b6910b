//! Pools by the hosts that their origins name: what finds those that a load balancer would feed with its own answers.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;

use crate::model::id::PoolId;
use crate::model::inventory::id_map::IdMap;
use crate::model::name::Name;
use crate::model::pool::Pool;
use crate::model::shard_map::ShardMap;

/// The ids of pools, one for each host that one of their origins names. Names stay with the pools.
#[derive(Clone, Debug, Default)]
pub(super) struct HostIndex(ShardMap<PoolId>);

impl HostIndex {
    /// A pool is new, another, or gone.
    pub(super) fn renew(&mut self, before: Option<&Pool>, after: Option<&Pool>) {
        for (pool, name) in before.into_iter().flat_map(hosts) {
            self.0.remove(hash(name), |id| *id == pool.id);
        }
        for (pool, name) in after.into_iter().flat_map(hosts) {
            self.0.insert(hash(name), pool.id, |id| *id == pool.id);
        }
    }

    /// Takes in what differs between two versions of all pools.
    pub(super) fn follow(&mut self, before: &IdMap<Pool>, after: &IdMap<Pool>) {
        for id in after.differences(before) {
            self.renew(before.find(id).map(Arc::as_ref), after.find(id).map(Arc::as_ref));
        }
    }

    /// Whether no origin is a host.
    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A pool of `pools` with an origin that is this host.
    pub(super) fn find<'p>(&self, host: &Name, pools: &'p IdMap<Pool>) -> Option<&'p Arc<Pool>> {
        let names = |id: &PoolId| pools.find(*id).is_some_and(|pool| hosts(pool).any(|(_, name)| name == host));
        pools.find(*self.0.find(hash(host), names)?)
    }

    /// All pools with origins that are hosts; one with several comes as often.
    pub(super) fn all<'p>(&'p self, pools: &'p IdMap<Pool>) -> impl Iterator<Item = &'p Arc<Pool>> {
        self.0.iter().filter_map(|id| pools.find(*id))
    }
}

/// The hosts that a pool's origins name, each with the pool.
fn hosts(pool: &Pool) -> impl Iterator<Item = (&Pool, &Name)> {
    pool.origins.iter().filter_map(move |origin| Some((pool, origin.address.host()?)))
}

/// The hash of a name.
fn hash(name: &Name) -> u64 {
    FixedState::default().hash_one(name)
}
