//! Any octets into the engine: it never panics, never answers a response, never exceeds the client's limit, and what it
//! says can be read.
//!
//! The first octet of the input chooses transport and random number, the rest is the query.

#![no_main]

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hickory_proto::op::{Message, MessageType};
use libfuzzer_sys::fuzz_target;
use pooldns::config::Policy;
use pooldns::config::guard::CookieSecret;
use pooldns::dns::engine::{Client, Engine, Fittings, Transport, UnixTime, Worker};
use pooldns::dns::rrl::RateLimiter;
use pooldns::health::endpoint::{Checks, Endpoint, ProbedOrigin, ProbedPool};
use pooldns::health::schedule::Assigned;
use pooldns::health::table::{HealthTable, Inherited, TargetKey};
use pooldns::model::id::{LoadBalancerId, MonitorId, PoolId, ZoneId};
use pooldns::model::inventory::{Change, Declared, Inventory};
use pooldns::model::kept::Kept;
use pooldns::model::load_balancer::{Answers, LoadBalancer, SteeringPolicy};
use pooldns::model::monitor::{Check, Monitor};
use pooldns::model::name::Name;
use pooldns::model::pool::{Address, Origin, Pool, Weight};
use pooldns::model::rrset::{Record, Rtype};
use pooldns::model::zone::Zone;
use pooldns::steering::publish::Publisher;
use pooldns::steering::table::RecordTable;
use pooldns::telemetry::Counters;
use tokio::time::Instant;

/// The zone of everything.
const APEX: &str = "example.com";
/// Octets of the largest UDP answer under this policy.
const UDP_PAYLOAD_MAX: u16 = 1232;

/// A name below the apex.
fn name(text: &str) -> Name {
    let apex = Name::parse(APEX, None).expect("a name");
    Name::parse(text, Some(&apex)).expect("a name")
}

/// Static records, a wildcard, chains, loops, a cut with glue, hints, and more text than a datagram takes.
fn zone() -> Zone {
    let record = |owner: &str, rtype, rdata: Vec<u8>| Record { owner: name(owner), rtype, ttl: 60, rdata };
    let alias = |owner: &str, target: &str| record(owner, Rtype::CNAME, name(target).wire().to_vec());
    let text = |owner: &str, text: &str| {
        let length = u8::try_from(text.len()).expect("short");
        record(owner, Rtype::TXT, [&[length], text.as_bytes()].concat())
    };
    let soa = [name("ns").wire(), name("hostmaster").wire(), &[0, 0, 0, 1].repeat(5)].concat();
    let mut records = vec![
        record("@", Rtype::SOA, soa),
        record("@", Rtype::NS, name("ns").wire().to_vec()),
        record("static", Rtype::A, vec![192, 0, 2, 9]),
        record("static", Rtype::AAAA, Ipv4Addr::LOCALHOST.to_ipv6_mapped().octets().to_vec()),
        text("*.wild", "wild"),
        text("a.b.c.ent", "deep"),
        alias("chain", "chain2"),
        alias("chain2", "live"),
        alias("out", "www.example.net."),
        alias("nobody", "nothing.there"),
        alias("*.loop", "a.loop"),
        record("cut", Rtype::NS, name("ns.cut").wire().to_vec()),
        record("ns.cut", Rtype::A, vec![192, 0, 2, 53]),
        record("moved", Rtype::DNAME, name("wild").wire().to_vec()),
        record("deeper", Rtype::DNAME, name("a.deeper").wire().to_vec()),
        record("mail", Rtype::MX, [&[0, 10], name("live").wire()].concat()),
        // Hints that follow health: both, with empty values.
        record("live", Rtype::HTTPS, b"\0\x01\0\0\x04\0\0\0\x06\0\0".to_vec()),
    ];
    records.extend((0..60).map(|number| text("large", &format!("a string of some length, number {number}"))));
    Zone::try_new(ZoneId::declared(APEX), name("@"), records).expect("a good zone")
}

/// A pool of origins at these addresses.
fn pool(id: &str, monitor: Option<&str>, addresses: &[&str]) -> Pool {
    let origin = |address: &&str| Origin {
        name: (*address).to_owned(),
        address: Address::Ip(address.parse().expect("an address")),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: PoolId::declared(id),
        name: id.to_owned(),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: std::time::Duration::ZERO,
        monitor: monitor.map(MonitorId::declared),
        monitor_group: None,
        origins: addresses.iter().map(origin).collect(),
        kept: Kept::default(),
    }
}

/// A load balancer with one pool, which is its fallback too.
fn load_balancer(owner: &str, pool: &str, answers: Answers) -> LoadBalancer {
    LoadBalancer {
        id: LoadBalancerId::declared(owner),
        name: name(owner),
        description: String::new(),
        enabled: true,
        default_pools: vec![PoolId::declared(pool)],
        fallback_pool: PoolId::declared(pool),
        steering_policy: SteeringPolicy::Off,
        ttl: 30,
        answers,
        kept: Kept::default(),
    }
}

/// An inventory with its targets: those that are monitored have no verdict, so that they answer by last resort.
fn assigned() -> Assigned {
    let monitor = Monitor {
        id: MonitorId::declared("m"),
        name: "m".to_owned(),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port: 80 },
        source_address: None,
        timeout: Duration::from_secs(1),
        retries: 0,
        interval: Duration::from_secs(1),
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    };
    let pools = vec![
        pool("up", None, &["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1"]),
        pool("v4", None, &["192.0.2.4"]),
        pool("unknown", Some("m"), &["192.0.2.5", "2001:db8::5"]),
    ];
    let load_balancers = vec![
        load_balancer("live", "up", Answers::All),
        load_balancer("two", "up", NonZeroU16::new(2).map_or(Answers::All, Answers::Count)),
        load_balancer("*.live", "v4", Answers::All),
        load_balancer("last", "unknown", Answers::All),
    ];
    let zones = vec![Arc::new(zone())];
    let declared = Declared { zones, monitors: vec![monitor.clone()], pools, load_balancers, ..Declared::default() };
    let inventory = Inventory::default().apply(Change::Declare(declared)).expect("a good inventory");
    let mut table = HealthTable::default();
    let mut assigned = Assigned::default();
    for pool in inventory.pools.iter() {
        let mut origin = |origin: &Origin| {
            let address = origin.address.ip().expect("an address");
            let key = TargetKey::new(origin, address, &monitor);
            let cell = pool.monitor.map(|_| Arc::clone(table.find_or_make(&key, Inherited::default())));
            ProbedOrigin::Address(Endpoint { address, checks: cell.map_or(Checks::None, Checks::One) })
        };
        let origins = pool.origins.iter().map(&mut origin).collect();
        assigned.pools.put(ProbedPool { pool: Arc::clone(pool), origins, levers: None });
    }
    assigned.inventory = Arc::new(inventory);
    assigned
}

/// A worker that answers from all that.
fn worker() -> Worker {
    let policy = Policy {
        udp_payload_max: UDP_PAYLOAD_MAX,
        version_bind: "pooldns".to_owned(),
        id_server: String::new(),
        nsid: "fuzz".to_owned(),
        first_verdict_timeout: Duration::ZERO,
        ..Policy::default()
    };
    let fittings = Fittings {
        limiter: RateLimiter::new(1024, 1),
        cookie_secret: CookieSecret([1; 16]),
        tcp_idle_timeout: Duration::from_secs(10),
    };
    let table = Arc::new(ArcSwap::from_pointee(RecordTable::new(1)));
    let policy = Arc::new(ArcSwap::from_pointee(policy));
    Publisher::new(Arc::clone(&table), Arc::clone(&policy)).apply(Arc::new(assigned()), Instant::now());
    Engine::new(table, policy, Arc::new(fittings)).worker(Arc::new(Counters::default()))
}

thread_local! {
    /// The worker, and the buffer that it answers into.
    static SERVER: RefCell<(Worker, Vec<u8>)> = RefCell::new((worker(), vec![0; 65_535]));
}

/// Checks what can be said of any answer.
fn check(query: &[u8], answer: &[u8], transport: Transport) {
    if answer.is_empty() {
        return;
    }
    assert!(query.len() >= 12 && query[2] & 0x80 == 0, "answers what is no query");
    let message = Message::from_vec(answer).expect("an answer can be read");
    assert_eq!(message.metadata.message_type, MessageType::Response);
    assert_eq!(answer[..2], query[..2], "the id");
    // A header alone is what is left of a query that cannot be read, and a request for a cookie has no question; otherwise
    // the question comes back octet by octet.
    if answer.len() > 12 && answer[5] == 1 {
        let end = 12 + query[12..].iter().position(|octet| *octet == 0).map_or(0, |_| question_octets(&query[12..]));
        assert_eq!(answer[12..end], query[12..end], "the question");
        assert_eq!(message.queries.len(), 1);
    }
    let offered = Message::from_vec(query).ok().and_then(|query| query.edns.map(|edns| edns.max_payload()));
    let limit = match (transport, offered) {
        (Transport::Tcp, _) => 65_535,
        (Transport::Udp, Some(offered)) => usize::from(offered.clamp(512, UDP_PAYLOAD_MAX)),
        // hickory-proto refuses some queries that are good; those may have said anything.
        (Transport::Udp, None) if message.edns.is_some() => usize::from(UDP_PAYLOAD_MAX),
        (Transport::Udp, None) => 512,
    };
    assert!(answer.len() <= limit, "{} octets where {limit} fit", answer.len());
}

/// Octets of the question that starts here: a name without pointers, type and class.
fn question_octets(octets: &[u8]) -> usize {
    let mut at = 0;
    while octets[at] != 0 {
        at += 1 + usize::from(octets[at]);
    }
    at + 5
}

fuzz_target!(|input: &[u8]| {
    let Some((choice, query)) = input.split_first() else { return };
    let transport = if choice & 1 == 0 { Transport::Udp } else { Transport::Tcp };
    let client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport };
    let random = u64::from(choice >> 1).wrapping_mul(0x0204_0810_2040_8102);
    SERVER.with_borrow_mut(|(worker, out)| {
        let len = worker.answer(query, &client, UnixTime(1_700_000_000_000), random, out).len;
        check(query, &out[..len], transport);
    });
});
