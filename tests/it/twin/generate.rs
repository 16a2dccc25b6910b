//! Random worlds and questions, drawn from few names and addresses so that they meet.

use std::collections::HashSet;
use std::net::IpAddr;

use proptest::prelude::*;

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
    let label = prop_oneof![4 => Just("a"), 4 => Just("b"), 3 => Just("*"), 1 => Just("sub")];
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
        4 => any_name().prop_map(Data::Cname),
    ]
}

/// A zone with this apex.
fn zone(apex: &'static str) -> impl Strategy<Value = ZonePlan> {
    let record = (labels(), ttl(), data()).prop_map(move |(labels, ttl, data)| RecordPlan {
        owner: below(&labels, apex),
        ttl,
        data,
    });
    (ttl(), ttl(), prop::collection::vec(record, 0..12)).prop_map(move |(soa_ttl, minimum, mut records)| {
        // RFC 2181 §10.1: where the first record is a CNAME it stays alone; elsewhere there is none.
        let mut aliases = HashSet::new();
        let mut others = HashSet::from([apex.to_owned()]);
        records.retain(|record| {
            let (own, against) =
                if record.data.rtype() == "CNAME" { (&mut aliases, &others) } else { (&mut others, &aliases) };
            let taken = against.contains(&record.owner);
            let second = record.data.rtype() == "CNAME" && own.contains(&record.owner);
            if !taken && !second {
                own.insert(record.owner.clone());
            }
            !taken && !second
        });
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
            balancers.retain(|balancer| names.insert(balancer.name.clone()));
            balancers.iter_mut().enumerate().for_each(|(id, balancer)| balancer.id = id);
            World { zones: zones.clone(), pools: pools.clone(), balancers }
        })
    })
}

/// Questions near the names of worlds.
pub fn questions() -> impl Strategy<Value = Vec<Question>> {
    let rtype = prop::sample::select(vec!["A", "A", "AAAA", "AAAA", "TXT", "MX", "CNAME", "SOA", "NS", "ANY"]);
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
