//! Objects for tests, by number.

use crate::model::dns_record::DnsRecord;
use crate::model::hosting::Hosting;
use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, RecordId, ZoneId};
use crate::model::inventory::{Change, Commit, Declared, Expected, Step};
use crate::model::kept::Kept;
use crate::model::load_balancer::{Answers, LoadBalancer, SteeringPolicy};
use crate::model::monitor::{Check, Monitor};
use crate::model::monitor_group::{GroupMember, MonitorGroup};
use crate::model::name::Name;
use crate::model::pool::{Origin, Pool, Weight};
use crate::model::rrset::Rtype;
use crate::model::stamp::{Revision, UnixMicros};
use crate::model::tree::{Node, Table, Value};

/// A name.
pub(super) fn name(text: &str) -> Name {
    Name::parse(text, None).unwrap()
}

/// A monitor of the API.
pub(super) fn monitor(number: u8) -> Monitor {
    Monitor {
        id: MonitorId::random(number.into()),
        name: format!("m{number}"),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port: 80 },
        source_address: None,
        timeout: std::time::Duration::from_secs(2),
        retries: 1,
        interval: std::time::Duration::from_mins(1),
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    }
}

/// A monitor group of the API with one monitor.
pub(super) fn monitor_group(number: u8, monitor: u8) -> MonitorGroup {
    let id = MonitorGroupId::random(number.into());
    let member = GroupMember {
        monitor: MonitorId::random(monitor.into()),
        enabled: true,
        must_be_healthy: number == 1,
        monitoring_only: false,
        created: UnixMicros::default(),
        updated: UnixMicros::default(),
    };
    MonitorGroup { id, name: id.to_string(), description: format!("g{number}"), members: vec![member] }
}

/// A pool of the API.
pub(super) fn pool(number: u128, address: u8) -> Pool {
    let origin = Origin {
        name: "o".into(),
        address: [192, 0, 2, address].into(),
        probe_address: None,
        enabled: !address.is_multiple_of(3),
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: PoolId::random(number),
        name: format!("p{number}"),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: std::time::Duration::ZERO,
        monitor: None,
        monitor_group: None,
        origins: vec![origin],
        kept: Kept::default(),
    }
}

/// A pool of a file, with the name of one of the API.
pub(super) fn declared_pool(number: u128) -> Pool {
    let pool = pool(number, 1);
    Pool { id: PoolId::declared(&pool.name), ..pool }
}

/// A load balancer of the API in zone `api.example`, which names one pool and mentions another.
pub(super) fn load_balancer(number: u8, pool: u128, mentioned: u128) -> LoadBalancer {
    let mentioned = Value::Array(vec![Node::text(PoolId::random(mentioned).to_string())]);
    let countries = Table::default().with("DE", Node::built(mentioned));
    LoadBalancer {
        id: LoadBalancerId::random(number.into()),
        name: name(&format!("l{number}.example.com")),
        description: String::new(),
        enabled: true,
        default_pools: vec![PoolId::random(pool)],
        fallback_pool: PoolId::random(pool),
        steering_policy: SteeringPolicy::Off,
        ttl: 30,
        answers: Answers::All,
        kept: Kept::new(Table::default().with("country_pools", Node::built(Value::Table(countries)))),
    }
}

/// A record of a zone of the API.
pub(super) fn record(zone: u8, number: u8, owner: &str, rtype: Rtype, content: &str, rdata: &[u8]) -> DnsRecord {
    DnsRecord {
        id: RecordId::random(number.into()),
        zone: ZoneId::random(zone.into()),
        owner: name(owner),
        rtype,
        ttl: None,
        rdata: rdata.to_vec(),
        content: content.to_owned(),
        comment: String::new(),
        tags: vec![],
        created: UnixMicros::default(),
        modified: UnixMicros::default(),
        revision: Revision::default(),
    }
}

/// A zone of the API, `example.com` for number 0, with SOA and NS.
pub(super) fn create_zone(number: u8) -> Change {
    let apex = if number == 0 { "example.com".to_owned() } else { format!("z{number}.example") };
    let soa =
        [&b"\x02ns\x07example\x03net\0\x01h\x07example\x03net\0"[..], &[0, 0, 0, 1], &[0, 0, 1, 0].repeat(4)].concat();
    let records = vec![
        record(number, 250, &apex, Rtype::SOA, "ns.example.net. h.example.net. 1 256 256 256 256", &soa),
        record(number, 251, &apex, Rtype::NS, "ns.example.net.", b"\x02ns\x07example\x03net\0"),
    ];
    Change::CreateZone { hosting: Hosting::declared(ZoneId::random(number.into()), name(&apex)), records }
}

/// An address record in a zone of the API.
pub(super) fn address_record(zone: u8, number: u8, address: u8) -> DnsRecord {
    let apex = if zone == 0 { "example.com".to_owned() } else { format!("z{zone}.example") };
    let rdata = [192, 0, 2, address];
    record(zone, number, &format!("r{number}.{apex}"), Rtype::A, &format!("192.0.2.{address}"), &rdata)
}

/// What a file declares: some pools.
pub(super) fn declared(pools: &[u128]) -> Declared {
    Declared { pools: pools.iter().map(|number| declared_pool(*number)).collect(), ..Declared::default() }
}

/// A commit of changes.
pub(super) fn commit(changes: impl IntoIterator<Item = (Change, Expected)>) -> Commit {
    let steps = changes.into_iter().map(|(change, expected)| Step { change, expected }).collect();
    Commit { steps, author: None }
}
