//! Objects that the API made: what a store keeps of them, and those that are kept but not served.

use std::sync::Arc;

use crate::model::dns_record::DnsRecord;
use crate::model::hosting::Hosting;
use crate::model::id::{ObjectId, ZoneId};
use crate::model::inventory::id_map::IdMap;
use crate::model::lever::Levers;
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor::Monitor;
use crate::model::monitor_group::MonitorGroup;
use crate::model::pool::Pool;
use crate::model::stamp::{Disabled, Revision, UnixMicros};

/// The records of a zone that is managed through the API.
#[derive(Clone, Debug)]
pub struct ZoneRecords {
    /// The zone.
    pub id: ZoneId,
    /// Its records by id.
    pub records: IdMap<DnsRecord>,
}

/// An object of the API.
#[derive(Clone, Debug)]
pub enum StoredObject {
    /// A zone with its records.
    Zone(Arc<Hosting>, Arc<ZoneRecords>),
    /// A monitor.
    Monitor(Arc<Monitor>),
    /// A monitor group.
    MonitorGroup(Arc<MonitorGroup>),
    /// A pool.
    Pool(Arc<Pool>),
    /// A load balancer.
    LoadBalancer(Arc<LoadBalancer>),
    /// The levers of a pool that are pulled; the pool may be declared.
    Levers(Arc<Levers>),
}

/// An object of the API with what is known of it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The object.
    pub object: StoredObject,
    /// When it was made.
    pub created: UnixMicros,
    /// When it last changed.
    pub modified: UnixMicros,
    /// Its version.
    pub revision: Revision,
    /// Since when it and parts of it are disabled.
    pub disabled: Disabled,
}

/// An object of the API that contradicts what is declared: it is kept, and not served.
#[derive(Clone, Debug)]
pub struct SetAside {
    /// The object.
    pub stored: Stored,
    /// Why it is not served.
    pub why: String,
}

impl StoredObject {
    /// Its id.
    pub fn id(&self) -> ObjectId {
        match self {
            Self::Zone(hosting, _) => ObjectId::Zone(hosting.id),
            Self::Monitor(monitor) => ObjectId::Monitor(monitor.id),
            Self::MonitorGroup(group) => ObjectId::MonitorGroup(group.id),
            Self::Pool(pool) => ObjectId::Pool(pool.id),
            Self::LoadBalancer(load_balancer) => ObjectId::LoadBalancer(load_balancer.id),
            Self::Levers(levers) => ObjectId::Levers(levers.pool),
        }
    }

    /// Its name.
    pub fn name(&self) -> String {
        match self {
            Self::Zone(hosting, _) => hosting.apex.to_string(),
            Self::Monitor(monitor) => monitor.name.clone(),
            Self::MonitorGroup(group) => group.name.clone(),
            Self::Pool(pool) => pool.name.clone(),
            Self::LoadBalancer(load_balancer) => load_balancer.name.to_string(),
            Self::Levers(levers) => levers.pool.to_string(),
        }
    }

    /// Its place in an order in which each comes after what it refers to.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Zone(..) => 0,
            Self::Monitor(_) => 1,
            Self::MonitorGroup(_) => 2,
            Self::Pool(_) => 3,
            Self::LoadBalancer(_) => 4,
            Self::Levers(_) => 5,
        }
    }
}
