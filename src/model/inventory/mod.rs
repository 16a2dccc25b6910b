//! Everything that is served, as one value that never changes: a new generation shares with the one before whatever did
//! not change, so that a difference costs what changed.
//!
//! It has what configuration files declare, and over it what the API made. An object has one provenance: what is declared
//! can be changed in its file only. What the API made and the files contradict is set aside: kept, and not served.

mod change;
mod declare;
mod edit;
mod host_index;
mod id_map;
mod name_index;
mod noun;
mod referrers;
mod stored;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

pub use self::change::{Author, Change, Commit, Contradiction, Declared, Expected, Step};
use self::declare::Conflicts;
use self::host_index::HostIndex;
pub use self::id_map::{IdMap, Identified};
use self::name_index::NameIndex;
pub use self::referrers::Referrer;
pub use self::stored::{SetAside, Stored, StoredObject, ZoneRecords};
use crate::model::hosting::{Hosting, Sharing, TsigKey};
use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, ZoneId};
use crate::model::lever::Levers;
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor::Monitor;
use crate::model::monitor_group::MonitorGroup;
use crate::model::name::Name;
use crate::model::pool::{Origin, Pool};
use crate::model::stamp::{Stamp, UnixMicros};
use crate::model::zone::Zone;

/// Version of the inventory; only grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Keys, zones, monitors, monitor groups, pools and load balancers. Every reference in it leads somewhere.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Version; one more with each commit.
    pub generation: Generation,
    /// Keys that servers prove themselves with, by name.
    pub keys: Arc<HashMap<Name, TsigKey>>,
    /// How zones are hosted, by the zone's id.
    pub hostings: IdMap<Hosting>,
    /// Who has to do with zones that the API makes.
    pub sharing: Arc<Sharing>,
    /// Zones by id. One that is transferred from elsewhere is not here before it has been, nor when it has expired.
    pub zones: IdMap<Zone>,
    /// The records of those zones that are managed through the API.
    pub records: IdMap<ZoneRecords>,
    /// Zones that were transferred once, and that no primary has confirmed for too long. They are not in `zones`.
    pub expired: Arc<HashSet<ZoneId>>,
    /// Monitors by id.
    pub monitors: IdMap<Monitor>,
    /// Monitor groups by id.
    pub monitor_groups: IdMap<MonitorGroup>,
    /// Pools by id.
    pub pools: IdMap<Pool>,
    /// Load balancers by id.
    pub load_balancers: IdMap<LoadBalancer>,
    /// Levers that are pulled, by pool.
    pub levers: IdMap<Levers>,
    /// What is known of each object.
    pub stamps: Stamps,
    /// Objects of the API that contradict what is declared.
    pub set_aside: Arc<Vec<SetAside>>,
    /// Hosted zones by apex.
    apexes: NameIndex<ZoneId>,
    /// Monitors by name.
    monitor_names: NameIndex<MonitorId>,
    /// Monitor groups by name.
    monitor_group_names: NameIndex<MonitorGroupId>,
    /// Pools by name.
    pool_names: NameIndex<PoolId>,
    /// Load balancers by name.
    load_balancer_names: NameIndex<LoadBalancerId>,
    /// Pools by the hosts that their origins name.
    hosts: HostIndex,
}

/// What is known of each object, by its id.
#[derive(Clone, Debug, Default)]
pub struct Stamps {
    /// Of zones.
    pub zones: IdMap<Stamp<ZoneId>>,
    /// Of monitors.
    pub monitors: IdMap<Stamp<MonitorId>>,
    /// Of monitor groups.
    pub monitor_groups: IdMap<Stamp<MonitorGroupId>>,
    /// Of pools.
    pub pools: IdMap<Stamp<PoolId>>,
    /// Of load balancers.
    pub load_balancers: IdMap<Stamp<LoadBalancerId>>,
    /// Of levers, by pool.
    pub levers: IdMap<Stamp<PoolId>>,
}

impl Inventory {
    /// The inventory after `change`, one generation later, for whom its time does not matter.
    pub fn apply(&self, change: Change) -> Result<Self, Contradiction> {
        self.commit(Commit::from(change), UnixMicros::default())
    }

    /// The inventory after a commit at `now`, one generation later; or why that cannot be, at its first step that cannot.
    pub fn commit(&self, commit: Commit, now: UnixMicros) -> Result<Self, Contradiction> {
        let mut next = self.clone();
        next.generation = Generation(self.generation.0 + 1);
        for Step { change, expected } in commit.steps {
            let object = change.object();
            if let Some(object) = object {
                next.check_expected(object, expected)?;
            }
            next.make(change, now)?;
            // What was made anew under the id of something that waits takes its place: it must not come back.
            if let Some(object) = object {
                next.forget_set_aside(object);
            }
        }
        Ok(next)
    }

    /// Makes a change.
    fn make(&mut self, change: Change, now: UnixMicros) -> Result<(), Contradiction> {
        match change {
            Change::Declare(declared) => self.declare(declared, Conflicts::Refused, now),
            Change::DeclareSettingAside(declared) => self.declare(declared, Conflicts::SetAside, now),
            Change::Restore { generation, objects } => {
                self.restore(generation, objects);
                Ok(())
            }
            Change::CreateZone { hosting, records } => self.create_zone(hosting, records, now),
            Change::PutRecord(record) => self.put_record(record, now),
            Change::PutMonitor(monitor) => self.put_monitor(monitor, now),
            Change::PutMonitorGroup(group) => self.put_monitor_group(group, now),
            Change::PutPool(pool) => self.put_pool(pool, now),
            Change::PutLoadBalancer(load_balancer) => self.put_load_balancer(load_balancer, now),
            Change::PutLevers(levers) => self.put_levers(levers, now),
            Change::Delete(object) => self.delete(object, now),
            Change::Forget(object) if self.forget_set_aside(object) => Ok(()),
            Change::Forget(object) => Err(Contradiction::NotFound(object)),
            Change::PutZone(zone) => {
                self.check_secondary(zone.id)?;
                self.set_expired(zone.id, false);
                self.zones.put_shared(zone);
                Ok(())
            }
            Change::DropZone(id) => {
                self.check_secondary(id)?;
                self.set_expired(id, true);
                self.zones.remove(id);
                Ok(())
            }
        }
    }

    /// Whether a zone is transferred from elsewhere and has no records to answer from.
    pub fn is_absent(&self, id: ZoneId) -> bool {
        self.zones.find(id).is_none() && self.hostings.find(id).is_some()
    }

    /// Notes whether a zone has expired.
    fn set_expired(&mut self, id: ZoneId, expired: bool) {
        if self.expired.contains(&id) != expired {
            let set = Arc::make_mut(&mut self.expired);
            if expired {
                set.insert(id)
            } else {
                set.remove(&id)
            };
        }
    }

    /// How the zone is hosted that a name belongs to: the one with the longest apex (RFC 1034 §4.3.2 step 2).
    pub fn hosting_of(&self, name: &Name) -> Option<&Arc<Hosting>> {
        let mut candidate = Some(name.clone());
        while let Some(apex) = candidate {
            if let Some(hosting) = self.hosting_at(&apex) {
                return Some(hosting);
            }
            candidate = apex.parent();
        }
        None
    }

    /// How the zone with an apex is hosted.
    pub fn hosting_at(&self, apex: &Name) -> Option<&Arc<Hosting>> {
        self.hostings.find(self.apexes.find(apex.wire(), &self.hostings)?)
    }

    /// The zone that a name belongs to; none if it is not there yet.
    pub fn zone_of(&self, name: &Name) -> Option<&Arc<Zone>> {
        self.zones.find(self.hosting_of(name)?.id)
    }

    /// The monitor with a name.
    pub fn monitor_named(&self, name: &str) -> Option<&Arc<Monitor>> {
        self.monitors.find(self.monitor_names.find(name.as_bytes(), &self.monitors)?)
    }

    /// The pool with a name.
    pub fn pool_named(&self, name: &str) -> Option<&Arc<Pool>> {
        self.pools.find(self.pool_names.find(name.as_bytes(), &self.pools)?)
    }

    /// The load balancer with a name.
    pub fn load_balancer_named(&self, name: &Name) -> Option<&Arc<LoadBalancer>> {
        self.load_balancers.find(self.load_balancer_names.find(name.wire(), &self.load_balancers)?)
    }

    /// The keys that a hosting names exist.
    fn check_hosting(&self, hosting: &Hosting) -> Result<(), Contradiction> {
        match hosting.keys().find(|key| !self.keys.contains_key(key)) {
            Some(key) => Err(Contradiction::KeyMissing { zone: hosting.apex.clone(), key: key.clone() }),
            None => Ok(()),
        }
    }

    /// We are a secondary of a zone.
    fn check_secondary(&self, id: ZoneId) -> Result<(), Contradiction> {
        let hosting = self.hostings.find(id).filter(|hosting| hosting.primaries().is_some());
        hosting.map(|_| ()).ok_or(Contradiction::NotSecondary(id))
    }

    /// A monitor group's members are there.
    fn check_monitor_group(&self, group: &MonitorGroup) -> Result<(), Contradiction> {
        let mut monitors = group.members.iter().map(|member| member.monitor);
        match monitors.find(|monitor| self.monitors.find(*monitor).is_none()) {
            Some(monitor) => Err(Contradiction::MemberMissing { group: group.name.clone(), monitor }),
            None => Ok(()),
        }
    }

    /// A pool's references lead somewhere.
    fn check_pool(&self, pool: &Pool) -> Result<(), Contradiction> {
        if let Some(monitor) = pool.monitor.filter(|id| self.monitors.find(*id).is_none()) {
            return Err(Contradiction::MonitorMissing { pool: pool.name.clone(), monitor });
        }
        if let Some(group) = pool.monitor_group.filter(|id| self.monitor_groups.find(*id).is_none()) {
            return Err(Contradiction::GroupMissing { pool: pool.name.clone(), group });
        }
        let own = |origin: &Origin| Some((origin.name.clone(), self.load_balancer_over(origin.address.host()?)?));
        match pool.origins.iter().find_map(own) {
            Some((origin, load_balancer)) => {
                Err(Contradiction::OwnName { pool: pool.name.clone(), origin, load_balancer })
            }
            None => Ok(()),
        }
    }

    /// The name of the load balancer that answers for a host, itself or as a wildcard; none if the host is not ours.
    fn load_balancer_over(&self, host: &Name) -> Option<Name> {
        if self.load_balancer_named(host).is_some() {
            return Some(host.clone());
        }
        self.wildcards_over(host).into_iter().find(|wildcard| self.load_balancer_named(wildcard).is_some())
    }

    /// The wildcards that could answer for a name of ours, up to its closest encloser (RFC 4592 §3.3.1).
    fn wildcards_over(&self, name: &Name) -> Vec<Name> {
        let mut wildcards = Vec::new();
        let Some(hosting) = self.hosting_of(name) else { return wildcards };
        let zone = self.zones.find(hosting.id);
        let mut below = name.clone();
        while below != hosting.apex && !zone.is_some_and(|zone| zone.has_name(&below)) {
            let Some(parent) = below.parent() else { break };
            wildcards.extend(parent.wildcard());
            below = parent;
        }
        wildcards
    }

    /// The pool with an origin that a load balancer would answer for.
    fn pool_below(&self, load_balancer: &Name) -> Option<(&Arc<Pool>, &Origin)> {
        if self.hosts.is_empty() {
            return None;
        }
        let is_ours = |host: &Name| host == load_balancer || self.wildcards_over(host).contains(load_balancer);
        let origin_of =
            |pool: &Arc<Pool>| pool.origins.iter().position(|origin| origin.address.host().is_some_and(is_ours));
        let found = if load_balancer.is_wildcard() {
            self.hosts.all(&self.pools).find_map(|pool| Some((pool, origin_of(pool)?)))
        } else {
            self.hosts.find(load_balancer, &self.pools).and_then(|pool| Some((pool, origin_of(pool)?)))
        };
        found.and_then(|(pool, index)| Some((pool, pool.origins.get(index)?)))
    }

    /// A load balancer's references lead somewhere, and its name is in a zone, which answers for it.
    fn check_load_balancer(&self, load_balancer: &LoadBalancer) -> Result<(), Contradiction> {
        let name = &load_balancer.name;
        if let Some(pool) = load_balancer.pools().find(|pool| self.pools.find(*pool).is_none()) {
            return Err(Contradiction::PoolMissing { load_balancer: name.clone(), pool });
        }
        let hosting = self.hosting_of(name).ok_or_else(|| Contradiction::OutsideZones(name.clone()))?;
        // A transferred zone is its primaries' word, and may say something else tomorrow. Refusing it would leave us with an
        // old version until that expires: what it covers is not served, and publish says so.
        let zone = self.zones.find(hosting.id).filter(|_| hosting.primaries().is_none());
        if let Some((cover, _)) = zone.and_then(|zone| zone.cover_of(name)) {
            return Err(Contradiction::Covered { load_balancer: name.clone(), cover });
        }
        match self.pool_below(name) {
            Some((pool, origin)) => Err(Contradiction::OwnName {
                pool: pool.name.clone(),
                origin: origin.name.clone(),
                load_balancer: name.clone(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
