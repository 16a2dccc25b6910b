//! Inventories of a given size: one zone, its pools, and load balancers spread evenly over them.

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

use super::address;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Load balancers.
    pub names: usize,
    /// Pools that they are spread over.
    pub pools: usize,
    /// Origins of each pool.
    pub origins: usize,
    /// Static names with an A record each; there is one alias and one wildcard for every hundred.
    pub fixed: usize,
    /// Whether load balancers of one pool share their steering.
    pub steering: Sharing,
}

/// Whether load balancers of one pool share their steering, and with it a prepared answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sharing {
    /// All are alike.
    Equal,
    /// No two are alike.
    Different,
}

/// Between two probes of one origin: nothing happens by itself while a bench runs.
const HOUR: Duration = Duration::from_hours(1);
/// Between two probes of the pool that a script decides: as soon as possible.
const AT_ONCE: Duration = Duration::from_micros(100);

/// The zone of everything.
pub fn apex() -> Name {
    Name::parse("example.com.", None).unwrap()
}

/// The name of a load balancer.
pub fn live_name(number: usize) -> String {
    format!("www{number}.live.example.com.")
}

/// The name of a static host.
pub fn fixed_name(number: usize) -> String {
    format!("host{number}.fixed.example.com.")
}

/// The name of an alias of a load balancer.
pub fn alias_name(number: usize) -> String {
    format!("alias{number}.example.com.")
}

/// A name below a wildcard.
pub fn wildcard_name(number: usize) -> String {
    format!("any{number}.wild{}.example.com.", number % 100)
}

/// Everything of `size`. The first pool has a monitor of its own, which probes as fast as it can.
pub fn declared(size: Size) -> Declared {
    Declared {
        zones: vec![Arc::new(zone(size))],
        monitors: vec![monitor("calm", HOUR), monitor("eager", AT_ONCE)],
        pools: (0..size.pools).map(|number| pool(size, number)).collect(),
        load_balancers: (0..size.names).map(|number| load_balancer(size, number)).collect(),
        ..Declared::default()
    }
}

/// A monitor.
fn monitor(name: &str, interval: Duration) -> Monitor {
    Monitor {
        id: MonitorId::declared(name),
        name: name.to_owned(),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port: 80 },
        source_address: None,
        timeout: Duration::from_secs(1),
        retries: 0,
        interval,
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    }
}

/// A pool with addresses of its own.
pub fn pool(size: Size, number: usize) -> Pool {
    let origin = |index: usize| Origin {
        name: format!("origin-{index}"),
        address: address(number * size.origins + index).into(),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    let name = format!("pool-{number}");
    Pool {
        id: PoolId::declared(&name),
        name,
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: Duration::ZERO,
        monitor: Some(MonitorId::declared(if number == 0 { "eager" } else { "calm" })),
        monitor_group: None,
        origins: (0..size.origins).map(origin).collect(),
        kept: Kept::default(),
    }
}

/// A load balancer; those of one pool are `size.pools` apart.
fn load_balancer(size: Size, number: usize) -> LoadBalancer {
    /// Different TTLs before the number of answers has to differ too.
    const TTLS: usize = 50_000;
    let pool = PoolId::declared(&format!("pool-{}", number % size.pools));
    let turn = number / size.pools;
    let (ttl, answers) = match size.steering {
        Sharing::Equal => (30, Answers::All),
        Sharing::Different => {
            // More answers than origins, so that all have the same addresses.
            let count = NonZeroU16::new(u16::try_from(size.origins + turn / TTLS).unwrap()).unwrap();
            (u32::try_from(1 + turn % TTLS).unwrap(), Answers::Count(count))
        }
    };
    let name = live_name(number);
    LoadBalancer {
        id: LoadBalancerId::declared(&name),
        name: Name::parse(&name, None).unwrap(),
        description: String::new(),
        enabled: true,
        default_pools: vec![pool],
        fallback_pool: pool,
        steering_policy: SteeringPolicy::Off,
        ttl,
        answers,
        kept: Kept::default(),
    }
}

/// The zone with its static records.
fn zone(size: Size) -> Zone {
    let apex = apex();
    let record = |owner: &str, rtype, rdata: &[u8]| Record {
        owner: Name::parse(owner, Some(&apex)).unwrap(),
        rtype,
        ttl: 300,
        rdata: rdata.to_vec(),
    };
    let soa = b"\x03ns1\x07example\x03com\0\x0ahostmaster\x07example\x03com\0\0\0\0\x01\0\0\x1c\x20\0\0\x03\x84\0\x12\x75\0\0\0\x01\x2c";
    let mut records = vec![record("@", Rtype::SOA, soa), record("@", Rtype::NS, b"\x03ns1\x07example\x03com\0")];
    for number in 0..size.fixed {
        records.push(record(&fixed_name(number), Rtype::A, &[192, 0, 2, 1]));
        if number % 100 == 0 {
            let target = Name::parse(&live_name(number % size.names.max(1)), None).unwrap();
            records.push(record(&alias_name(number / 100), Rtype::CNAME, target.wire()));
            records.push(record(&format!("*.wild{}.example.com.", number / 100), Rtype::A, &[192, 0, 2, 2]));
        }
    }
    Zone::try_new(ZoneId::declared("example.com"), apex, records).unwrap()
}
