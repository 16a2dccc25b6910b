//! Everything the operator declared, as one value that never changes: a new generation shares with the one before
//! whatever did not change, so that a difference costs what changed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::model::hosting::{Hosting, TsigKey};
use crate::model::id::{LoadBalancerId, MonitorId, PoolId, ZoneId};
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor::Monitor;
use crate::model::name::Name;
use crate::model::pool::Pool;
use crate::model::shard_map::ShardMap;
use crate::model::zone::Zone;

/// Version of the inventory; only grows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Generation(pub u64);

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// Keys, zones, monitors, pools and load balancers. Every reference in it leads somewhere.
#[derive(Clone, Debug, Default)]
pub struct Inventory {
    /// Version; one more with each commit.
    pub generation: Generation,
    /// Keys that servers prove themselves with, by name.
    pub keys: Arc<HashMap<Name, TsigKey>>,
    /// How zones are hosted, by the zone's id.
    pub hostings: IdMap<Hosting>,
    /// Zones by id. One that is transferred from elsewhere is not here before it has been, nor when it has expired.
    pub zones: IdMap<Zone>,
    /// Zones that were transferred once, and that no primary has confirmed for too long. They are not in `zones`.
    pub expired: Arc<HashSet<ZoneId>>,
    /// Monitors by id.
    pub monitors: IdMap<Monitor>,
    /// Pools by id.
    pub pools: IdMap<Pool>,
    /// Load balancers by id.
    pub load_balancers: IdMap<LoadBalancer>,
    /// Hosted zones by apex.
    apexes: Arc<HashMap<Name, ZoneId>>,
}

/// All declared objects of a configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Declared {
    /// Keys that servers prove themselves with.
    pub keys: Vec<TsigKey>,
    /// How zones are hosted. A zone without one is hosted plainly: for everybody to ask and nobody to transfer.
    pub hostings: Vec<Hosting>,
    /// Zones whose records are declared.
    pub zones: Vec<Arc<Zone>>,
    /// Monitors.
    pub monitors: Vec<Monitor>,
    /// Pools.
    pub pools: Vec<Pool>,
    /// Load balancers.
    pub load_balancers: Vec<LoadBalancer>,
}

/// What a commit changes.
#[derive(Clone, Debug)]
pub enum Change {
    /// The declared objects are now these; what is equal stays the same value.
    Declare(Declared),
    /// One pool is new or edited.
    PutPool(Pool),
    /// A zone of which we are a secondary has been transferred.
    PutZone(Arc<Zone>),
    /// A zone of which we are a secondary has expired (RFC 1035 §3.3.13, EXPIRE).
    DropZone(ZoneId),
}

/// A change that would leave a reference leading nowhere, or two objects with one name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Contradiction {
    /// A pool's monitor.
    #[error("pool {pool} names monitor {monitor}, which does not exist")]
    MonitorMissing {
        /// The pool's name.
        pool: String,
        /// The monitor's id.
        monitor: MonitorId,
    },
    /// A load balancer's pool.
    #[error("load balancer {load_balancer} names pool {pool}, which does not exist")]
    PoolMissing {
        /// The load balancer's name.
        load_balancer: Name,
        /// The pool's id.
        pool: PoolId,
    },
    /// A load balancer in no zone.
    #[error("load balancer {0} is in none of the zones")]
    OutsideZones(Name),
    /// A key that a zone's hosting names.
    #[error("zone {zone} names key {key}, which does not exist")]
    KeyMissing {
        /// The zone's apex.
        zone: Name,
        /// The key's name.
        key: Name,
    },
    /// A transferred zone of which we are no secondary, perhaps no longer.
    #[error("zone {0} is not transferred from other servers")]
    NotSecondary(ZoneId),
    /// A load balancer whose name a declared zone delegates or redirects.
    #[error("load balancer {load_balancer} is covered by the NS or DNAME records of {cover}")]
    Covered {
        /// The load balancer's name.
        load_balancer: Name,
        /// The owner of those records.
        cover: Name,
    },
    /// Two objects of one kind with one name.
    #[error("two objects of one kind have the name {0}")]
    NotUnique(String),
}

impl Inventory {
    /// The inventory after `change`, one generation later.
    pub fn apply(&self, change: Change) -> Result<Self, Contradiction> {
        let mut next = self.clone();
        next.generation = Generation(self.generation.0 + 1);
        match change {
            Change::Declare(declared) => next.declare(declared)?,
            Change::PutPool(pool) => {
                next.check_pool(&pool)?;
                next.pools.put(pool);
            }
            Change::PutZone(zone) => {
                next.check_secondary(zone.id)?;
                next.set_expired(zone.id, false);
                next.zones.put_shared(zone);
            }
            Change::DropZone(id) => {
                next.check_secondary(id)?;
                next.set_expired(id, true);
                next.zones.remove(id);
            }
        }
        Ok(next)
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
            if let Some(id) = self.apexes.get(&apex) {
                return self.hostings.find(*id);
            }
            candidate = apex.parent();
        }
        None
    }

    /// The zone that a name belongs to; none if it is not there yet.
    pub fn zone_of(&self, name: &Name) -> Option<&Arc<Zone>> {
        self.zones.find(self.hosting_of(name)?.id)
    }

    /// Replaces everything that is declared.
    fn declare(&mut self, declared: Declared) -> Result<(), Contradiction> {
        let Declared { keys, mut hostings, mut zones, monitors, pools, load_balancers } = declared;
        let hosted: HashSet<ZoneId> = hostings.iter().map(|hosting| hosting.id).collect();
        let plain = zones.iter().filter(|zone| !hosted.contains(&zone.id));
        hostings.extend(plain.map(|zone| Hosting::declared(zone.id, zone.apex().clone())));
        // What has been transferred stays as long as we are a secondary of it. What was declared was never its primaries'
        // word: such a zone is not there until it has been transferred.
        let stays = |hosting: &&Hosting| hosting.primaries().is_some() && self.check_secondary(hosting.id).is_ok();
        zones.extend(hostings.iter().filter(stays).filter_map(|hosting| self.zones.find(hosting.id)).cloned());
        self.apexes = Arc::new(hostings.iter().map(|hosting| (hosting.apex.clone(), hosting.id)).collect());
        self.keys = Arc::new(keys.into_iter().map(|key| (key.name.clone(), key)).collect());
        self.hostings = self.hostings.replaced(hostings.into_iter().map(Arc::new))?;
        self.zones = self.zones.replaced(zones.into_iter())?;
        let is_secondary = |id: &&ZoneId| self.check_secondary(**id).is_ok();
        self.expired = Arc::new(self.expired.iter().filter(is_secondary).copied().collect());
        self.monitors = self.monitors.replaced(monitors.into_iter().map(Arc::new))?;
        self.pools = self.pools.replaced(pools.into_iter().map(Arc::new))?;
        self.load_balancers = self.load_balancers.replaced(load_balancers.into_iter().map(Arc::new))?;
        self.hostings.iter().try_for_each(|hosting| self.check_hosting(hosting))?;
        self.pools.iter().try_for_each(|pool| self.check_pool(pool))?;
        self.load_balancers.iter().try_for_each(|load_balancer| self.check_load_balancer(load_balancer))
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

    /// A pool's references lead somewhere.
    fn check_pool(&self, pool: &Pool) -> Result<(), Contradiction> {
        match pool.monitor {
            Some(monitor) if self.monitors.find(monitor).is_none() => {
                Err(Contradiction::MonitorMissing { pool: pool.name.clone(), monitor })
            }
            _ => Ok(()),
        }
    }

    /// A load balancer's references lead somewhere, and its name is in a zone, which answers for it.
    fn check_load_balancer(&self, load_balancer: &LoadBalancer) -> Result<(), Contradiction> {
        let name = &load_balancer.name;
        let mut pools = load_balancer.default_pools.iter().chain([&load_balancer.fallback_pool]);
        if let Some(pool) = pools.find(|pool| self.pools.find(**pool).is_none()) {
            return Err(Contradiction::PoolMissing { load_balancer: name.clone(), pool: *pool });
        }
        let hosting = self.hosting_of(name).ok_or_else(|| Contradiction::OutsideZones(name.clone()))?;
        // A transferred zone is its primaries' word, and may say something else tomorrow. Refusing it would leave us with an
        // old version until that expires: what it covers is not served, and publish says so.
        let zone = self.zones.find(hosting.id).filter(|_| hosting.primaries().is_none());
        match zone.and_then(|zone| zone.cover_of(name)) {
            Some((cover, _)) => Err(Contradiction::Covered { load_balancer: name.clone(), cover }),
            None => Ok(()),
        }
    }
}

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

identified!(Hosting: ZoneId, Zone: ZoneId, Monitor: MonitorId, Pool: PoolId, LoadBalancer: LoadBalancerId);

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
    /// A map of `objects`, in which those equal to ours are ours; an error names an id that occurs twice.
    fn replaced(&self, objects: impl ExactSizeIterator<Item = Arc<T>>) -> Result<Self, Contradiction> {
        // Start from our own shards, so that those without a change stay shared.
        let mut next = if self.is_empty() { Self(ShardMap::with_capacity(objects.len())) } else { self.clone() };
        let mut kept = HashSet::with_capacity(objects.len());
        for object in objects {
            let id = object.id();
            if !kept.insert(id) {
                return Err(Contradiction::NotUnique(id.to_string()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::hosting::{Peer, ZoneOrigin};
    use crate::model::load_balancer::{Answers, SteeringPolicy};
    use crate::model::pool::{Origin, Weight};
    use crate::model::rrset::{Record, Rtype};

    fn pool(name: &str, address: [u8; 4]) -> Pool {
        let origin =
            Origin { name: "o".into(), address: address.into(), enabled: true, weight: Weight::ONE, host: None };
        Pool {
            id: PoolId::declared(name),
            name: name.into(),
            description: String::new(),
            enabled: true,
            minimum_origins: 1,
            monitor: None,
            origins: vec![origin],
        }
    }

    fn zone() -> Zone {
        zone_with(&[])
    }

    fn zone_with(cuts: &[&str]) -> Zone {
        let apex = Name::parse("example.com", None).unwrap();
        let record = |rtype, rdata: &[u8]| Record { owner: apex.clone(), rtype, ttl: 60, rdata: rdata.to_vec() };
        let mut records = vec![record(Rtype::SOA, &[0; 22]), record(Rtype::NS, b"\0")];
        let cut = |owner: &&str| Record { owner: Name::parse(owner, Some(&apex)).unwrap(), ..record(Rtype::NS, b"\0") };
        records.extend(cuts.iter().map(cut));
        Zone::try_new(ZoneId::declared("example.com"), apex.clone(), records).unwrap()
    }

    fn load_balancer(name: &str, pool: &str) -> LoadBalancer {
        LoadBalancer {
            id: LoadBalancerId::declared(name),
            name: Name::parse(name, None).unwrap(),
            description: String::new(),
            enabled: true,
            default_pools: vec![PoolId::declared(pool)],
            fallback_pool: PoolId::declared(pool),
            steering_policy: SteeringPolicy::Off,
            ttl: 30,
            answers: Answers::All,
        }
    }

    fn declared(pools: Vec<Pool>) -> Change {
        let load_balancers = vec![load_balancer("www.example.com", "p0")];
        Change::Declare(Declared { zones: vec![Arc::new(zone())], pools, load_balancers, ..Declared::default() })
    }

    #[test]
    fn equal_objects_stay_the_same_value_and_differences_name_the_rest() {
        let pools: Vec<Pool> = (0..100).map(|i| pool(&format!("p{i}"), [192, 0, 2, i])).collect();
        let first = Inventory::default().apply(declared(pools.clone())).unwrap();
        let same = first.apply(declared(pools.clone())).unwrap();
        assert_eq!(same.generation, Generation(2));
        assert!(same.pools.differences(&first.pools).is_empty());
        assert!(same.zones.differences(&first.zones).is_empty());

        let mut edited = pools;
        edited.pop();
        edited[1] = pool("p1", [192, 0, 2, 200]);
        edited.push(pool("new", [192, 0, 2, 201]));
        let next = same.apply(declared(edited)).unwrap();
        let mut found = next.pools.differences(&same.pools);
        let mut expected = ["p1", "new", "p99"].map(PoolId::declared).to_vec();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_reference_leads_nowhere() {
        let empty = Inventory::default();
        assert!(matches!(empty.apply(declared(vec![])), Err(Contradiction::PoolMissing { .. })));
        let mut monitored = pool("p0", [192, 0, 2, 1]);
        monitored.monitor = Some(MonitorId::declared("m"));
        let missing = empty.apply(Change::PutPool(monitored));
        assert!(matches!(missing, Err(Contradiction::MonitorMissing { .. })));
        let twice = declared(vec![pool("p0", [192, 0, 2, 1]), pool("p0", [192, 0, 2, 2])]);
        assert!(matches!(empty.apply(twice), Err(Contradiction::NotUnique(_))));
        let outside = Declared {
            pools: vec![pool("p0", [192, 0, 2, 1])],
            load_balancers: vec![load_balancer("www.example.net", "p0")],
            zones: vec![Arc::new(zone())],
            ..Declared::default()
        };
        assert!(matches!(empty.apply(Change::Declare(outside)), Err(Contradiction::OutsideZones(_))));
        let covered = Declared {
            pools: vec![pool("p0", [192, 0, 2, 1])],
            load_balancers: vec![load_balancer("www.sub.example.com", "p0")],
            zones: vec![Arc::new(zone_with(&["sub"]))],
            ..Declared::default()
        };
        assert!(matches!(empty.apply(Change::Declare(covered)), Err(Contradiction::Covered { .. })));
    }

    #[test]
    fn a_transferred_zone_stays_as_long_as_we_are_its_secondary() {
        let zone = Arc::new(zone());
        let put = || Change::PutZone(Arc::clone(&zone));
        assert_eq!(Inventory::default().apply(put()).unwrap_err(), Contradiction::NotSecondary(zone.id));
        let peer = Peer { address: ([192, 0, 2, 1], 53).into(), key: None, source: None };
        let origin = ZoneOrigin::Primaries(vec![peer]);
        let secondary = Hosting { origin, ..Hosting::declared(zone.id, zone.apex().clone()) };
        let declare = |hostings| Change::Declare(Declared { hostings, ..Declared::default() });
        let empty = Inventory::default().apply(declare(vec![secondary.clone()])).unwrap();
        assert!(empty.zone_of(zone.apex()).is_none() && empty.hosting_of(zone.apex()).is_some());
        let transferred = empty.apply(put()).unwrap();
        let again = transferred.apply(declare(vec![secondary.clone()])).unwrap();
        assert!(Arc::ptr_eq(again.zone_of(zone.apex()).unwrap(), &zone));
        let www = Declared {
            hostings: vec![secondary],
            pools: vec![pool("p0", [192, 0, 2, 1])],
            load_balancers: vec![load_balancer("www.sub.example.com", "p0")],
            ..Declared::default()
        };
        // What a primary delegates is not refused: neither with the transfer, nor when the names are declared again.
        let with_www = again.apply(Change::Declare(www.clone())).unwrap();
        let covering = with_www.apply(Change::PutZone(Arc::new(zone_with(&["sub"])))).unwrap();
        assert!(covering.zone_of(zone.apex()).unwrap().has_covers());
        assert!(covering.apply(Change::Declare(www)).is_ok());
        assert!(again.apply(Change::DropZone(zone.id)).unwrap().zone_of(zone.apex()).is_none());
        assert!(again.apply(declare(vec![])).unwrap().zones.is_empty());
    }

    #[test]
    fn what_was_declared_is_not_kept_as_if_it_had_been_transferred() {
        let zone = Arc::new(zone());
        let plain = Declared { zones: vec![Arc::clone(&zone)], ..Declared::default() };
        let peer = Peer { address: ([192, 0, 2, 1], 53).into(), key: None, source: None };
        let origin = ZoneOrigin::Primaries(vec![peer]);
        let hostings = vec![Hosting { origin, ..Hosting::declared(zone.id, zone.apex().clone()) }];
        let secondary = Declared { hostings, ..Declared::default() };
        let primary = Inventory::default().apply(Change::Declare(plain.clone())).unwrap();
        assert!(primary.zone_of(zone.apex()).is_some());
        let turned = primary.apply(Change::Declare(secondary.clone())).unwrap();
        assert!(turned.is_absent(zone.id) && turned.expired.is_empty());
        let transferred = turned.apply(Change::PutZone(Arc::new(zone_with(&["sub"])))).unwrap();
        let kept = transferred.apply(Change::Declare(secondary)).unwrap();
        assert!(kept.zone_of(zone.apex()).unwrap().has_covers());
        let back = kept.apply(Change::Declare(plain)).unwrap();
        assert_eq!(back.zone_of(zone.apex()), Some(&zone));
    }
}
