//! Random worlds and questions, drawn from few names and addresses so that they meet.

use std::collections::HashSet;
use std::net::IpAddr;

use proptest::prelude::*;

use super::expect::is_covered;
use super::plan::{BalancerPlan, Data, OriginPlan, PoolPlan, RecordPlan, World, ZonePlan};

/// A question.
#[derive(Clone, Debug)]
pub struct Question {
    /// QNAME, in any letter case.
    pub name: String,
    /// Mnemonic of QTYPE.
    pub rtype: &'static str,
    /// Whether the client speaks EDNS.
    pub edns: bool,
    /// What is left to chance.
    pub random: u64,
}

/// The addresses of all origins: few, so that pools share them.
pub fn addresses() -> Vec<IpAddr> {
    let texts = [
        "192.0.2.1",
        "192.0.2.2",
        "192.0.2.3",
        "192.0.2.4",
        "2001:db8::1",
        "2001:db8::2",
        "2001:db8::3",
        "2001:db8::4",
    ];
    texts.map(|text| text.parse().unwrap()).to_vec()
}

/// Zero to three labels.
fn labels() -> impl Strategy<Value = String> {
    let label = prop_oneof![4 => Just("a"), 4 => Just("b"), 3 => Just("*"), 2 => Just("sub"), 1 => Just("ns")];
    prop::collection::vec(label, 0..=3).prop_map(|labels| labels.join("."))
}

/// A name below `apex`, or itself.
fn below(labels: &str, apex: &str) -> String {
    if labels.is_empty() { apex.to_owned() } else { format!("{labels}.{apex}") }
}

/// A name in one of our zones, most of the time.
fn any_name() -> impl Strategy<Value = String> {
    let apex = prop_oneof![
        10 => Just("example.com"),
        5 => Just("sub.example.com"),
        1 => Just("example.net"),
        1 => Just("com"),
    ];
    (labels(), apex).prop_map(|(labels, apex)| below(&labels, apex))
}

/// A TTL out of few.
fn ttl() -> impl Strategy<Value = u32> {
    prop::sample::select(vec![0_u32, 20, 60, 300, 3_600])
}

/// Type and data of a record.
fn data() -> impl Strategy<Value = Data> {
    prop_oneof![
        2 => (1_u8..4).prop_map(|last| Data::Address(IpAddr::from([198, 51, 100, last]))),
        1 => (1_u16..4).prop_map(|last| Data::Address(IpAddr::from([0x2001, 0xdb8, 1, 0, 0, 0, 0, last]))),
        2 => "[x-z]{0,2}".prop_map(Data::Txt),
        1 => (1_u16..3, any_name()).prop_map(|(preference, exchange)| Data::Mx(preference, exchange)),
        1 => (1_u16..3, any_name()).prop_map(|(port, target)| Data::Srv(port, target)),
        2 => (0_u16..3, prop::option::weighted(0.7, any_name()), any::<[bool; 2]>()).prop_map(|(priority, target, auto)| {
            // RFC 9460 §2.4.2: no hints in AliasMode.
            Data::Https(priority, target.unwrap_or_default(), auto.map(|auto| auto && priority > 0))
        }),
        4 => any_name().prop_map(Data::Cname),
        3 => any_name().prop_map(Data::Ns),
        2 => (prop::bool::weighted(0.1), any_name()).prop_map(|(long, target)| {
            // A label that soon makes a name too long.
            Data::Dname(if long { format!("{}.{target}", "l".repeat(60)) } else { target })
        }),
        1 => (1_u16..3).prop_map(Data::Ds),
    ]
}

/// Whether a record may be in a zone beside those before it.
fn fits(apex: &str, before: &[RecordPlan], record: &RecordPlan) -> bool {
    let beside = || before.iter().filter(|other| other.owner == record.owner).map(|other| &other.data);
    let is_alias = |data: &Data| matches!(data, Data::Cname(_));
    let is_redirect = |data: &Data| matches!(data, Data::Dname(_));
    let is_server = |data: &Data| matches!(data, Data::Ns(_));
    let is_wild = record.owner.starts_with('*');
    let at_apex = record.owner == apex;
    let same_service = |other: &Data| match (other, &record.data) {
        (Data::Https(a, b, _), Data::Https(c, d, _)) => (a, b) == (c, d),
        _ => false,
    };
    let fits = match &record.data {
        // RFC 2181 §10.1: a CNAME is alone.
        Data::Cname(_) => !at_apex && beside().next().is_none(),
        // RFC 6672 §2.4 and §2.3.
        Data::Dname(_) => !is_wild && !beside().any(is_redirect) && (at_apex || !beside().any(is_server)),
        Data::Ns(_) => !is_wild && (at_apex || !beside().any(is_redirect)),
        _ => true,
    };
    fits && !beside().any(is_alias) && !beside().any(same_service)
}

/// A zone with this apex.
fn zone(apex: &'static str) -> impl Strategy<Value = ZonePlan> {
    let record = (labels(), ttl(), data()).prop_map(move |(labels, ttl, data)| RecordPlan {
        owner: below(&labels, apex),
        ttl,
        data,
    });
    (ttl(), ttl(), prop::collection::vec(record, 0..16)).prop_map(move |(soa_ttl, minimum, records)| {
        let mut kept: Vec<RecordPlan> = Vec::new();
        for record in records {
            if fits(apex, &kept, &record) {
                kept.push(record);
            }
        }
        let records = kept;
        ZonePlan { apex: apex.to_owned(), soa_ttl, minimum, records }
    })
}

/// A pool.
fn pool() -> impl Strategy<Value = PoolPlan> {
    let weight = prop_oneof![1 => Just(0_u32), 1 => Just(50), 3 => Just(100)];
    let origin = (prop::sample::select(addresses()), prop::bool::weighted(0.85), weight)
        .prop_map(|(address, enabled, weight)| OriginPlan { address, enabled, weight });
    let monitor = prop_oneof![1 => Just(None), 4 => Just(Some(0)), 1 => Just(Some(1))];
    let minimum = prop_oneof![2 => Just(0_u32), 5 => Just(1), 2 => Just(2), 1 => Just(3)];
    (prop::bool::weighted(0.85), monitor, minimum, prop::collection::vec(origin, 1..=4)).prop_map(
        |(enabled, monitor, minimum, mut origins)| {
            let mut seen = HashSet::new();
            origins.retain(|origin| seen.insert(origin.address));
            PoolPlan { enabled, monitor, minimum, origins }
        },
    )
}

/// A load balancer over `pools` pools.
fn balancer(pools: usize) -> impl Strategy<Value = BalancerPlan> {
    let name = (labels(), prop::bool::weighted(0.3))
        .prop_map(|(labels, sub)| below(&labels, if sub { "sub.example.com" } else { "example.com" }));
    let order = prop::sample::subsequence((0..pools).collect::<Vec<_>>(), 1..=pools).prop_shuffle();
    (name, prop::bool::weighted(0.85), order, 0..pools, ttl(), prop::option::of(1_u16..=3)).prop_map(
        |(name, enabled, pools, fallback, ttl, answers)| BalancerPlan {
            id: 0,
            name,
            enabled,
            pools,
            fallback,
            ttl,
            answers,
        },
    )
}

/// A world.
pub fn world() -> impl Strategy<Value = World> {
    let zones = prop_oneof![
        1 => zone("example.com").prop_map(|zone| vec![zone]),
        1 => (zone("example.com"), zone("sub.example.com")).prop_map(|(one, other)| vec![one, other]),
    ];
    let pools = prop::collection::vec(pool(), 1..=3);
    (zones, pools).prop_flat_map(|(zones, pools)| {
        let balancers = prop::collection::vec(balancer(pools.len()), 0..=4);
        balancers.prop_map(move |mut balancers| {
            let mut names = HashSet::new();
            balancers.retain(|balancer| names.insert(balancer.name.clone()) && !is_covered(&zones, &balancer.name));
            balancers.iter_mut().enumerate().for_each(|(id, balancer)| balancer.id = id);
            World { zones: zones.clone(), pools: pools.clone(), balancers }
        })
    })
}

/// Questions near the names of worlds.
pub fn questions() -> impl Strategy<Value = Vec<Question>> {
    let rtype = prop::sample::select(vec![
        "A", "A", "AAAA", "AAAA", "TXT", "MX", "CNAME", "SOA", "NS", "ANY", "SRV", "HTTPS", "HTTPS", "DNAME", "DS",
    ]);
    let name = (prop::option::weighted(0.4, prop::sample::select(vec!["a", "c", "*"])), any_name())
        .prop_map(|(label, name)| label.map_or_else(|| name.clone(), |label| below(label, &name)));
    let case = |name: String, upper: u64| {
        let letter = |(at, letter): (usize, char)| {
            if upper >> (at % 64) & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
        };
        name.chars().enumerate().map(letter).collect()
    };
    let question = (name, any::<u64>(), rtype, any::<bool>(), any::<u64>())
        .prop_map(move |(name, upper, rtype, edns, random)| Question { name: case(name, upper), rtype, edns, random });
    prop::collection::vec(question, 30)
}
