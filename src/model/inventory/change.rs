//! What a commit changes, and why it may be refused.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use crate::model::dns_record::DnsRecord;
use crate::model::hosting::{Hosting, Sharing, TsigKey};
use crate::model::id::{MonitorGroupId, MonitorId, ObjectId, PoolId, ZoneId};
use crate::model::inventory::Generation;
use crate::model::inventory::referrers::Referrer;
use crate::model::inventory::stored::Stored;
use crate::model::lever::Levers;
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor::Monitor;
use crate::model::monitor_group::MonitorGroup;
use crate::model::name::Name;
use crate::model::pool::Pool;
use crate::model::stamp::{Revision, UnixMicros};
use crate::model::zone::Zone;

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
    /// Monitor groups.
    pub monitor_groups: Vec<MonitorGroup>,
    /// Pools.
    pub pools: Vec<Pool>,
    /// Load balancers.
    pub load_balancers: Vec<LoadBalancer>,
    /// Who has to do with zones that the API makes.
    pub sharing: Sharing,
    /// The file that declares each, as messages name it; one that is missing is declared by the configuration.
    pub files: HashMap<ObjectId, Arc<str>>,
    /// When each file was written, as far as that is known: since then there is what it declares.
    pub written: HashMap<Arc<str>, UnixMicros>,
}

/// What a step of a commit changes.
#[derive(Clone, Debug)]
pub enum Change {
    /// The declared objects are now these; what is equal stays the same value. An object of the API that is declared just
    /// as it is becomes the file's. Refused if one that is live contradicts them.
    Declare(Declared),
    /// The same, but objects of the API that contradict them are set aside: kept, and not served.
    DeclareSettingAside(Declared),
    /// What a store has kept. It waits to be declared over; so this comes first.
    Restore {
        /// The last generation that the store has seen.
        generation: Generation,
        /// The objects.
        objects: Vec<Stored>,
    },
    /// A zone is new, with its first records; or, where the API has it already, these are all of its records. The API makes
    /// them.
    CreateZone {
        /// How it is hosted.
        hosting: Hosting,
        /// Its records.
        records: Vec<DnsRecord>,
    },
    /// A record is new or edited, in a zone of the API.
    PutRecord(DnsRecord),
    /// A monitor is new or edited.
    PutMonitor(Monitor),
    /// A monitor group is new or edited.
    PutMonitorGroup(MonitorGroup),
    /// A pool is new or edited.
    PutPool(Pool),
    /// A load balancer is new or edited.
    PutLoadBalancer(LoadBalancer),
    /// Levers of a pool are pulled or released. The pool may be declared.
    PutLevers(Levers),
    /// An object is gone; nothing may refer to it.
    Delete(ObjectId),
    /// An object of the API that is set aside is gone for good.
    Forget(ObjectId),
    /// A zone of which we are a secondary has been transferred.
    PutZone(Arc<Zone>),
    /// A zone of which we are a secondary has expired (RFC 1035 §3.3.13, EXPIRE).
    DropZone(ZoneId),
}

impl Change {
    /// The object of the API that it changes, if it is one.
    pub const fn object(&self) -> Option<ObjectId> {
        match self {
            Self::CreateZone { hosting, .. } => Some(ObjectId::Zone(hosting.id)),
            Self::PutRecord(record) => Some(ObjectId::Record(record.zone, record.id)),
            Self::PutMonitor(monitor) => Some(ObjectId::Monitor(monitor.id)),
            Self::PutMonitorGroup(group) => Some(ObjectId::MonitorGroup(group.id)),
            Self::PutPool(pool) => Some(ObjectId::Pool(pool.id)),
            Self::PutLoadBalancer(load_balancer) => Some(ObjectId::LoadBalancer(load_balancer.id)),
            Self::PutLevers(levers) => Some(ObjectId::Levers(levers.pool)),
            Self::Delete(id) | Self::Forget(id) => Some(*id),
            Self::Declare(_)
            | Self::DeclareSettingAside(_)
            | Self::Restore { .. }
            | Self::PutZone(_)
            | Self::DropZone(_) => None,
        }
    }
}

/// What an object has to be before it is changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Whatever it is.
    Anything,
    /// Not there.
    Absent,
    /// There, whatever its revision.
    Present,
    /// There, in this revision.
    At(Revision),
}

/// One change, and what has to hold for it.
#[derive(Clone, Debug)]
pub struct Step {
    /// The change.
    pub change: Change,
    /// What its object has to be before.
    pub expected: Expected,
}

/// Changes that are made all together or not at all.
#[derive(Clone, Debug)]
pub struct Commit {
    /// The changes, in order; each sees those before it.
    pub steps: Vec<Step>,
    /// Who makes them; none if it is the server itself.
    pub author: Option<Author>,
}

/// Who changes something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Author {
    /// The name of the token, or of the way in.
    pub name: String,
    /// Where from.
    pub address: Option<IpAddr>,
}

impl From<Change> for Commit {
    fn from(change: Change) -> Self {
        Self { steps: vec![Step { change, expected: Expected::Anything }], author: None }
    }
}

/// A change that would leave a reference leading nowhere, or two objects with one name, or that is made too late.
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
    /// A pool's monitor group.
    #[error("pool {pool} names monitor group {group}, which does not exist")]
    GroupMissing {
        /// The pool's name.
        pool: String,
        /// The group's id.
        group: MonitorGroupId,
    },
    /// A monitor group's member.
    #[error("monitor group {group} names monitor {monitor}, which does not exist")]
    MemberMissing {
        /// The group's name.
        group: String,
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
    /// Levers of a pool that is not there.
    #[error("pool {0}, which levers are pulled of, does not exist")]
    LeversWithoutPool(PoolId),
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
    /// A load balancer whose name a zone of ours delegates or redirects.
    #[error("load balancer {load_balancer} is covered by the NS or DNAME records of {cover}")]
    Covered {
        /// The load balancer's name.
        load_balancer: Name,
        /// The owner of those records.
        cover: Name,
    },
    /// An origin whose addresses would be what a load balancer of ours answers.
    #[error(
        "origin {origin} of pool {pool} is a host that load balancer {load_balancer} answers for: its addresses would \
         come from itself"
    )]
    OwnName {
        /// The pool's name.
        pool: String,
        /// The origin's name.
        origin: String,
        /// The load balancer's name.
        load_balancer: Name,
    },
    /// Two objects of one kind with one name.
    #[error("another {kind} has the {field} {value}: {holder}", kind = .holder.kind())]
    NotUnique {
        /// What they have in common.
        field: &'static str,
        /// Its value.
        value: String,
        /// Who has it already.
        holder: ObjectId,
    },
    /// An object that a configuration file declares.
    #[error("{kind} {name} ({object}) is declared in {file}: change it there and reload", kind = .object.kind())]
    ReadOnly {
        /// The object.
        object: ObjectId,
        /// Its name.
        name: String,
        /// The file.
        file: Arc<str>,
    },
    /// An object that is not there, or no longer.
    #[error("there is no {kind} {0}", kind = .0.kind())]
    NotFound(ObjectId),
    /// An object that was to be new.
    #[error("{kind} {0} exists already", kind = .0.kind())]
    Exists(ObjectId),
    /// An object that others refer to.
    #[error("{kind} {object} is referenced by {by}", kind = .object.kind(), by = listed(.referrers))]
    InUse {
        /// The object.
        object: ObjectId,
        /// Those who do.
        referrers: Vec<Referrer>,
    },
    /// A new zone that would take load balancers out of the zone that they are in.
    #[error(
        "the zone {zone} would take over the name{s} of {names}, in our zone {from}: delete {it} first, make the zone, and \
         make {it} anew in it",
        names = listed(.load_balancers),
        s = if .load_balancers.len() == 1 { "" } else { "s" },
        it = if .load_balancers.len() == 1 { "it" } else { "them" }
    )]
    TakesOver {
        /// Its apex.
        zone: Name,
        /// The apex of the zone that has them.
        from: Name,
        /// The load balancers.
        load_balancers: Vec<Referrer>,
    },
    /// An object that somebody else changed meanwhile.
    #[error("{kind} {object} is at revision {found}, not {expected}: somebody has changed it", kind = .object.kind())]
    Stale {
        /// The object.
        object: ObjectId,
        /// The revision that was expected.
        expected: Revision,
        /// The revision that it has.
        found: Revision,
    },
    /// More objects of a kind than we take.
    #[error("there are {max} objects of the kind {kind} already; more are not taken")]
    TooMany {
        /// The kind.
        kind: &'static str,
        /// How many are.
        max: usize,
    },
    /// Records that make no zone.
    #[error("the zone {zone} would not be valid: {why}")]
    Zone {
        /// Its apex.
        zone: Name,
        /// What is wrong with it.
        why: String,
    },
    /// Objects of the API that what is declared contradicts.
    #[error("{list}", list = set_aside(.0))]
    WouldSetAside(Vec<(ObjectId, String, String)>),
}

/// Names of referrers, in words.
fn listed(referrers: &[Referrer]) -> String {
    let names = referrers.iter().map(|referrer| format!("{} {}", referrer.object.kind(), referrer.name));
    names.collect::<Vec<_>>().join(", ")
}

/// What would be set aside, and why.
fn set_aside(objects: &[(ObjectId, String, String)]) -> String {
    let line = |(object, name, why): &(ObjectId, String, String)| {
        let kind = object.kind();
        format!("{kind} {name} ({object}), made through the API, contradicts what is declared: {why}")
    };
    objects.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl fmt::Display for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address {
            Some(address) => write!(f, "{} at {address}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
