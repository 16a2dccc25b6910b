//! What the table's objects are counted by: names, as far as there is room for them.

use std::collections::HashMap;
use std::hash::Hash;

use crate::health::endpoint::ProbedPool;
use crate::model::hosting::Hosting;
use crate::model::id::{LoadBalancerId, PoolId, ZoneId};
use crate::model::load_balancer::LoadBalancer;
use crate::telemetry::Registry;
use crate::telemetry::series::{Kind, Named, SeriesId};

/// The objects that are counted by name.
#[derive(Debug)]
pub(super) struct NamedObjects {
    /// Who gives numbers.
    registry: Registry,
    /// Zones.
    zones: HashMap<ZoneId, Named>,
    /// Load balancers.
    load_balancers: HashMap<LoadBalancerId, Named>,
    /// Pools.
    pools: HashMap<PoolId, Named>,
    /// Names of objects that are gone, while the live table still has their numbers.
    leaving: Vec<Named>,
}

impl NamedObjects {
    /// Nothing is named yet; numbers come from `registry`.
    pub(super) fn new(registry: Registry) -> Self {
        let (zones, load_balancers, pools) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { registry, zones, load_balancers, pools, leaving: Vec::new() }
    }

    /// The number of a zone that is new, has changed or is gone.
    pub(super) fn set_zone(&mut self, id: ZoneId, hosting: Option<&Hosting>) -> SeriesId {
        let Self { registry, zones, leaving, .. } = self;
        let label = hosting.map(|hosting| || hosting.apex.to_string());
        renew(registry, (Kind::Zone, zones, leaving), id, label)
    }

    /// The number of a pool that is new, has changed or is gone.
    pub(super) fn set_pool(&mut self, id: PoolId, probed: Option<&ProbedPool>) {
        let Self { registry, pools, leaving, .. } = self;
        renew(registry, (Kind::Pool, pools, leaving), id, probed.map(|probed| || probed.pool.name.clone()));
    }

    /// The number of a load balancer that is new or has changed.
    pub(super) fn set_load_balancer(&mut self, load_balancer: &LoadBalancer) -> SeriesId {
        let Self { registry, load_balancers, leaving, .. } = self;
        let label = Some(|| load_balancer.name.to_string());
        renew(registry, (Kind::LoadBalancer, load_balancers, leaving), load_balancer.id, label)
    }

    /// A load balancer is gone or disabled.
    pub(super) fn forget_load_balancer(&mut self, id: LoadBalancerId) {
        self.leaving.extend(self.load_balancers.remove(&id));
    }

    /// The number of a load balancer.
    pub(super) fn load_balancer(&self, id: LoadBalancerId) -> SeriesId {
        self.load_balancers.get(&id).map_or(SeriesId::OTHER, Named::id)
    }

    /// The number of a pool.
    pub(super) fn pool(&self, id: PoolId) -> SeriesId {
        self.pools.get(&id).map_or(SeriesId::OTHER, Named::id)
    }

    /// Gives back the numbers of what is gone. No live table has them any more.
    pub(super) fn release(&mut self) {
        self.leaving.clear();
    }
}

/// Gives an object a number under its name, or takes it if there is no such object any more.
fn renew<I: Copy + Eq + Hash>(
    registry: &Registry,
    (kind, named, leaving): (Kind, &mut HashMap<I, Named>, &mut Vec<Named>),
    id: I,
    label: Option<impl Fn() -> String>,
) -> SeriesId {
    let Some(label) = label else {
        leaving.extend(named.remove(&id));
        return SeriesId::OTHER;
    };
    if let Some(known) = named.get(&id).filter(|known| known.label() == label()) {
        return known.id();
    }
    // It is new, or is called something else.
    leaving.extend(named.remove(&id));
    let Some(new) = registry.name(kind, label) else { return SeriesId::OTHER };
    let series = new.id();
    named.insert(id, new);
    series
}
