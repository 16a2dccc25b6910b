//! Who refers to an object.

use crate::model::id::{ObjectId, PoolId};
use crate::model::inventory::Inventory;
use crate::model::kept::{POOL_MAPS, POOL_RULES};
use crate::model::load_balancer::{LoadBalancer, SteeringPolicy};
use crate::model::pool::Pool;

/// An object that refers to another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Referrer {
    /// It.
    pub object: ObjectId,
    /// Its name.
    pub name: String,
    /// Whether it would be without something that answers may depend on. A pool in a map that the steering policy does
    /// not look at is none, nor is a load balancer of a zone within another.
    pub active: bool,
}

impl Referrer {
    /// A pool.
    fn of_pool(pool: &Pool) -> Self {
        Self { object: ObjectId::Pool(pool.id), name: pool.name.clone(), active: true }
    }

    /// A load balancer.
    pub(super) fn of(load_balancer: &LoadBalancer, active: bool) -> Self {
        Self { object: ObjectId::LoadBalancer(load_balancer.id), name: load_balancer.name.to_string(), active }
    }
}

impl Inventory {
    /// Objects that refer to `object`, in order of kind and name. Looks at each that could.
    pub fn referrers(&self, object: ObjectId) -> Vec<Referrer> {
        let mut referrers: Vec<Referrer> = match object {
            ObjectId::Monitor(id) => {
                let pools = self.pools.iter().filter(|pool| pool.monitor == Some(id));
                let groups = self.monitor_groups.iter().filter(|group| group.names(id));
                let groups = groups.map(|group| Referrer {
                    object: ObjectId::MonitorGroup(group.id),
                    name: group.label().to_owned(),
                    active: true,
                });
                pools.map(|pool| Referrer::of_pool(pool)).chain(groups).collect()
            }
            ObjectId::MonitorGroup(id) => {
                let pools = self.pools.iter().filter(|pool| pool.monitor_group == Some(id));
                pools.map(|pool| Referrer::of_pool(pool)).collect()
            }
            ObjectId::Pool(id) => {
                let uses = |load_balancer: &LoadBalancer| pool_use(load_balancer, id);
                let all = self.load_balancers.iter();
                all.filter_map(|load_balancer| Some(Referrer::of(load_balancer, uses(load_balancer)?))).collect()
            }
            ObjectId::Zone(id) => {
                let in_zone = |load_balancer: &LoadBalancer| {
                    self.hosting_of(&load_balancer.name).is_some_and(|hosting| hosting.id == id)
                };
                let all = self.load_balancers.iter().filter(|load_balancer| in_zone(load_balancer));
                // Without it, they would be in the zone around it.
                let falls_back = || {
                    let apex = &self.hostings.find(id)?.apex;
                    self.hosting_of(&apex.parent()?)
                };
                let active = falls_back().is_none();
                all.map(|load_balancer| Referrer::of(load_balancer, active)).collect()
            }
            ObjectId::LoadBalancer(_) | ObjectId::Record(..) | ObjectId::Levers(_) => vec![],
        };
        referrers.sort_by(|a, b| (a.object.kind(), &a.name).cmp(&(b.object.kind(), &b.name)));
        referrers
    }
}

/// Whether a load balancer names a pool; if so, whether that matters.
fn pool_use(load_balancer: &LoadBalancer, id: PoolId) -> Option<bool> {
    if load_balancer.pools().any(|pool| pool == id) {
        return Some(true);
    }
    let table = load_balancer.kept.table()?;
    let id = id.to_string();
    let mut used = None;
    for entry in table.entries() {
        let key = entry.key.as_ref();
        let active = POOL_RULES.contains(&key)
            || load_balancer.steering_policy == SteeringPolicy::Geo && POOL_MAPS.contains(&key);
        let mut mentioned = false;
        entry.node.texts(&mut |text| mentioned |= text == id);
        if mentioned {
            used = Some(used.unwrap_or(false) || active);
        }
    }
    used
}
