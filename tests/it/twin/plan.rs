//! A world as plain data: what the twin reads, and what the real inventory is made from.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use pooldns::model::id::{LoadBalancerId, MonitorId, PoolId, ZoneId};
use pooldns::model::inventory::Declared;
use pooldns::model::kept::Kept;
use pooldns::model::load_balancer::{Answers, LoadBalancer, SteeringPolicy};
use pooldns::model::monitor::{Check, Monitor};
use pooldns::model::name::Name;
use pooldns::model::pool::{Origin, Pool, Weight};
use pooldns::model::rrset::{Record, Rtype};
use pooldns::model::zone::Zone;

use crate::query::wire_name;

/// Whether probes of an address by a monitor succeed. Not to know is no success.
pub type Health = Box<dyn Fn(IpAddr, u8) -> bool>;

/// Everything declared. Names are absolute, lower case, without a final dot.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// Zones.
    pub zones: Vec<ZonePlan>,
    /// Pools.
    pub pools: Vec<PoolPlan>,
    /// Load balancers; their names are unique.
    pub balancers: Vec<BalancerPlan>,
}

/// A zone; its SOA and its one NS record are implied.
#[derive(Clone, Debug)]
pub struct ZonePlan {
    /// Its top name.
    pub apex: String,
    /// TTL of its SOA record.
    pub soa_ttl: u32,
    /// MINIMUM of its SOA record.
    pub minimum: u32,
    /// The other records.
    pub records: Vec<RecordPlan>,
}

/// A record.
#[derive(Clone, Debug)]
pub struct RecordPlan {
    /// Its owner.
    pub owner: String,
    /// Its TTL.
    pub ttl: u32,
    /// Its type and data.
    pub data: Data,
}

/// Type and data of a record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Data {
    /// A or AAAA.
    Address(IpAddr),
    /// TXT of one string.
    Txt(String),
    /// MX.
    Mx(u16, String),
    /// SRV of a port.
    Srv(u16, String),
    /// HTTPS of a priority; its target, none for the owner itself, and which of its hints are `auto`: IPv4, IPv6.
    Https(u16, String, [bool; 2]),
    /// CNAME.
    Cname(String),
    /// DNAME.
    Dname(String),
    /// DS of a key tag.
    Ds(u16),
    /// NS.
    Ns(String),
    /// SOA: its MINIMUM.
    Soa(u32),
}

/// A pool.
#[derive(Clone, Debug)]
pub struct PoolPlan {
    /// Whether it is in use.
    pub enabled: bool,
    /// Its monitor, if it has one.
    pub monitor: Option<u8>,
    /// Healthy origins that it needs.
    pub minimum: u32,
    /// Its origins, with different addresses.
    pub origins: Vec<OriginPlan>,
}

/// An origin.
#[derive(Clone, Debug)]
pub struct OriginPlan {
    /// Where it is.
    pub address: IpAddr,
    /// Whether it is in use.
    pub enabled: bool,
    /// Its weight in hundredths.
    pub weight: u32,
}

/// A load balancer.
#[derive(Clone, Debug)]
pub struct BalancerPlan {
    /// Number of its id, which stays when the name changes.
    pub id: usize,
    /// Its name.
    pub name: String,
    /// Whether it is in use.
    pub enabled: bool,
    /// Indices of its default pools, in order.
    pub pools: Vec<usize>,
    /// Index of its fallback pool.
    pub fallback: usize,
    /// TTL of its answers.
    pub ttl: u32,
    /// How many addresses an answer has; none is all.
    pub answers: Option<u16>,
}

/// Number of a type, by its mnemonic.
pub fn type_number(rtype: &str) -> u16 {
    match rtype {
        "A" => 1,
        "NS" => 2,
        "CNAME" => 5,
        "SOA" => 6,
        "MX" => 15,
        "TXT" => 16,
        "AAAA" => 28,
        "SRV" => 33,
        "DNAME" => 39,
        "DS" => 43,
        "HTTPS" => 65,
        "ANY" => 255,
        _ => panic!("no test asks for {rtype}"),
    }
}

/// Name of the server that every zone names.
pub fn server_of(apex: &str) -> String {
    format!("ns.{apex}")
}

/// Id of a monitor.
pub fn monitor_id(number: u8) -> MonitorId {
    MonitorId::declared(&format!("m{number}"))
}

impl Data {
    /// Mnemonic of the type.
    pub const fn rtype(&self) -> &'static str {
        match self {
            Self::Address(IpAddr::V4(_)) => "A",
            Self::Address(IpAddr::V6(_)) => "AAAA",
            Self::Txt(_) => "TXT",
            Self::Mx(..) => "MX",
            Self::Srv(..) => "SRV",
            Self::Https(..) => "HTTPS",
            Self::Cname(_) => "CNAME",
            Self::Dname(_) => "DNAME",
            Self::Ds(_) => "DS",
            Self::Ns(_) => "NS",
            Self::Soa(_) => "SOA",
        }
    }

    /// The host whose addresses come along, if the data names one; `owner` is the record's.
    pub fn host<'d>(&'d self, owner: &'d str) -> Option<&'d str> {
        match self {
            Self::Https(0, target, _) if target.is_empty() => None,
            Self::Https(_, target, _) if target.is_empty() => Some(owner),
            Self::Ns(host) | Self::Mx(_, host) | Self::Srv(_, host) | Self::Https(_, host, _) => Some(host),
            _ => None,
        }
    }

    /// Wire form.
    fn wire(&self) -> Vec<u8> {
        match self {
            Self::Address(IpAddr::V4(address)) => address.octets().to_vec(),
            Self::Address(IpAddr::V6(address)) => address.octets().to_vec(),
            Self::Txt(text) => [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat(),
            Self::Mx(preference, exchange) => [preference.to_be_bytes().to_vec(), wire_name(exchange)].concat(),
            Self::Srv(port, target) => [vec![0; 4], port.to_be_bytes().to_vec(), wire_name(target)].concat(),
            Self::Https(priority, target, auto) => {
                // A parameter of no octets for each hint that is `auto`.
                let hints = [4, 6].into_iter().zip(auto).filter(|(_, auto)| **auto).flat_map(|(key, _)| [0, key, 0, 0]);
                [priority.to_be_bytes().to_vec(), wire_name(target), hints.collect()].concat()
            }
            Self::Ds(tag) => [&tag.to_be_bytes()[..], &[8, 2, 0xaa]].concat(),
            Self::Cname(name) | Self::Ns(name) | Self::Dname(name) => wire_name(name),
            Self::Soa(minimum) => {
                let numbers = [1_u32, 7_200, 900, 1_209_600, *minimum].map(u32::to_be_bytes).concat();
                [wire_name("ns.example.net"), wire_name("hostmaster.example.net"), numbers].concat()
            }
        }
    }
}

impl ZonePlan {
    /// All records, those that are implied included.
    pub fn all_records(&self) -> Vec<RecordPlan> {
        let apex = |ttl, data| RecordPlan { owner: self.apex.clone(), ttl, data };
        let implied = [apex(self.soa_ttl, Data::Soa(self.minimum)), apex(3_600, Data::Ns(server_of(&self.apex)))];
        implied.into_iter().chain(self.records.iter().cloned()).collect()
    }

    /// The real zone.
    fn build(&self) -> Zone {
        let record = |record: &RecordPlan| Record {
            owner: Name::parse(&record.owner, None).unwrap(),
            rtype: Rtype(type_number(record.data.rtype())),
            ttl: record.ttl,
            rdata: record.data.wire(),
        };
        let records = self.all_records().iter().map(record).collect();
        Zone::try_new(ZoneId::declared(&self.apex), Name::parse(&self.apex, None).unwrap(), records).unwrap()
    }
}

impl World {
    /// The real objects.
    pub fn declared(&self) -> Declared {
        Declared {
            zones: self.zones.iter().map(|zone| Arc::new(zone.build())).collect(),
            monitors: [0, 1].map(monitor).to_vec(),
            pools: self.pools.iter().enumerate().map(|(index, plan)| pool(index, plan)).collect(),
            load_balancers: self.balancers.iter().map(load_balancer).collect(),
            ..Declared::default()
        }
    }
}

/// A real monitor: one outcome is enough, either way.
fn monitor(number: u8) -> Monitor {
    Monitor {
        id: monitor_id(number),
        name: format!("m{number}"),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port: 80 },
        source_address: None,
        timeout: Duration::from_secs(2),
        retries: 0,
        interval: Duration::from_secs(10),
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    }
}

/// Id of a pool.
fn pool_id(index: usize) -> PoolId {
    PoolId::declared(&format!("p{index}"))
}

/// A real pool.
fn pool(index: usize, plan: &PoolPlan) -> Pool {
    let origin = |(number, origin): (usize, &OriginPlan)| Origin {
        name: format!("o{number}"),
        address: origin.address.into(),
        probe_address: None,
        enabled: origin.enabled,
        weight: Weight::try_new(f64::from(origin.weight) / 100.0).unwrap(),
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: pool_id(index),
        name: format!("p{index}"),
        description: String::new(),
        enabled: plan.enabled,
        minimum_origins: plan.minimum,
        slow_start: Duration::ZERO,
        monitor: plan.monitor.map(monitor_id),
        monitor_group: None,
        origins: plan.origins.iter().enumerate().map(origin).collect(),
        kept: Kept::default(),
    }
}

/// A real load balancer.
fn load_balancer(plan: &BalancerPlan) -> LoadBalancer {
    LoadBalancer {
        id: LoadBalancerId::declared(&plan.id.to_string()),
        name: Name::parse(&plan.name, None).unwrap(),
        description: String::new(),
        enabled: plan.enabled,
        default_pools: plan.pools.iter().copied().map(pool_id).collect(),
        fallback_pool: pool_id(plan.fallback),
        steering_policy: SteeringPolicy::Off,
        ttl: plan.ttl,
        answers: plan.answers.and_then(NonZeroU16::new).map_or(Answers::All, Answers::Count),
        kept: Kept::default(),
    }
}
