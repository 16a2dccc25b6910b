//! What the answer has to be, computed the slow way: RFC 1034 §4.3.2, RFC 2308, RFC 4592, RFC 6604, RFC 8482, and the
//! steering rules of the design.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::plan::{BalancerPlan, Data, Health, PoolPlan, RecordPlan, World, ZonePlan};
use super::shown::Shown;

/// Links of a chain that one answer follows.
const CHAIN_MAX: usize = 16;

/// A world, and who is healthy in it.
pub struct Twin<'w> {
    /// The world.
    pub world: &'w World,
    /// Who is healthy.
    pub health: &'w Health,
}

/// What an answer has to say.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The response code.
    pub rcode: u16,
    /// AA.
    pub authoritative: bool,
    /// CNAME records on the way.
    pub chain: BTreeSet<Shown>,
    /// What stands at the end of the chain.
    pub last: Last,
    /// The SOA record of a negative answer.
    pub soa: Option<Shown>,
}

/// What stands at the end of a chain.
#[derive(Clone, Debug)]
pub enum Last {
    /// No record.
    Nothing,
    /// This.
    One(Part),
    /// The answer to ANY: all of these, or, over UDP, one.
    Any(Vec<Part>),
}

/// Records of one owner and type.
#[derive(Clone, Debug)]
pub enum Part {
    /// Exactly these.
    Fixed(BTreeSet<Shown>),
    /// So many of these.
    Some {
        /// Records that may be there.
        allowed: BTreeSet<Shown>,
        /// How many of them have to be.
        count: usize,
    },
}

impl Part {
    /// Those of `records` that belong here.
    pub fn part(&self, records: &BTreeSet<Shown>) -> BTreeSet<Shown> {
        let (Self::Fixed(own) | Self::Some { allowed: own, .. }) = self;
        own.intersection(records).cloned().collect()
    }

    /// Whether `records` are as they have to be.
    pub fn is_met_by(&self, records: &BTreeSet<Shown>) -> bool {
        match self {
            Self::Fixed(own) => own == records,
            Self::Some { allowed, count } => records.is_subset(allowed) && records.len() == *count,
        }
    }
}

/// The name one label up; none for the root.
fn parent(name: &str) -> Option<&str> {
    if name.is_empty() {
        return None;
    }
    Some(name.split_once('.').map_or("", |(_, parent)| parent))
}

/// Whether a name is at or below another.
fn is_at_or_below(name: &str, ancestor: &str) -> bool {
    let mut here = Some(name);
    while let Some(at) = here {
        if at == ancestor {
            return true;
        }
        here = parent(at);
    }
    false
}

impl<'w> Twin<'w> {
    /// The answer to a question of class IN.
    pub fn answer(&self, qname: &str, qtype: &str) -> Expected {
        let mut owner = qname.to_ascii_lowercase();
        let mut expected =
            Expected { rcode: 0, authoritative: true, chain: BTreeSet::new(), last: Last::Nothing, soa: None };
        for link in 0.. {
            let Some(zone) = self.zone_of(&owner) else {
                // Not ours: refused if it is what was asked, otherwise the resolver goes on.
                if link == 0 {
                    expected.rcode = 5;
                    expected.authoritative = false;
                }
                return expected;
            };
            let Some(source) = self.source_of(zone, &owner) else {
                // RFC 2308 §2.1, and RFC 6604 §2.1 at the end of a chain.
                expected.rcode = 3;
                expected.soa = Some(soa_of(zone, u32::MAX));
                return expected;
            };
            let balancer = self.balancer_at(zone, &source);
            let records: Vec<RecordPlan> = zone
                .all_records()
                .into_iter()
                .filter(|record| record.owner == source)
                .filter(|record| balancer.is_none() || !matches!(record.data, Data::Address(_) | Data::Cname(_)))
                .collect();
            let mut parts = self.live_parts(balancer, &owner);
            for rtype in ["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA"] {
                parts.extend(rrset(&records, rtype, &owner).map(|rrset| (rtype, Part::Fixed(rrset))));
            }
            let ours: Vec<Part> = parts
                .iter()
                .filter(|(rtype, _)| qtype == "ANY" || *rtype == qtype)
                .map(|(_, part)| part.clone())
                .collect();
            match ours.as_slice() {
                [] => {}
                [one] => {
                    expected.last = Last::One(one.clone());
                    return expected;
                }
                _ => {
                    expected.last = Last::Any(ours);
                    return expected;
                }
            }
            // RFC 1034 §4.3.2 step 3a: an alias.
            let alias = records.iter().find_map(|record| match &record.data {
                Data::Cname(target) => Some(target.clone()),
                _ => None,
            });
            let Some(target) = alias else {
                // RFC 2308 §2.2. At a live name recovery must not hide behind a long negative TTL.
                expected.soa = Some(soa_of(zone, balancer.map_or(u32::MAX, |balancer| balancer.ttl)));
                return expected;
            };
            expected.chain.extend(rrset(&records, "CNAME", &owner).unwrap());
            if link == CHAIN_MAX {
                return expected;
            }
            owner = target;
        }
        unreachable!("chains end")
    }

    /// RFC 1034 §4.3.2 step 2: the zone that is the nearest ancestor.
    fn zone_of(&self, name: &str) -> Option<&'w ZonePlan> {
        let zones = self.world.zones.iter().filter(|zone| is_at_or_below(name, &zone.apex));
        zones.max_by_key(|zone| zone.apex.len())
    }

    /// The load balancer in force at exactly this name of a zone.
    fn balancer_at(&self, zone: &ZonePlan, name: &str) -> Option<&'w BalancerPlan> {
        let mut balancers = self.world.balancers.iter().filter(|balancer| balancer.enabled && balancer.name == name);
        balancers.find(|balancer| self.zone_of(&balancer.name).is_some_and(|own| own.apex == zone.apex))
    }

    /// Whether a name exists in a zone: something is there or below it (RFC 8020 §2, RFC 4592 §2.2.2).
    fn exists(&self, zone: &ZonePlan, name: &str) -> bool {
        let fixed = zone.all_records().into_iter().map(|record| record.owner);
        let live = self.world.balancers.iter().filter(|balancer| self.balancer_at(zone, &balancer.name).is_some());
        fixed.chain(live.map(|balancer| balancer.name.clone())).any(|owner| is_at_or_below(&owner, name))
    }

    /// The name whose records answer: itself, or the source of synthesis (RFC 4592 §3.3.1).
    fn source_of(&self, zone: &ZonePlan, name: &str) -> Option<String> {
        if self.exists(zone, name) {
            return Some(name.to_owned());
        }
        let mut encloser = parent(name).unwrap();
        while !self.exists(zone, encloser) {
            encloser = parent(encloser).unwrap();
        }
        Some(format!("*.{encloser}")).filter(|wildcard| self.exists(zone, wildcard))
    }

    /// The addresses that a load balancer gives, by type.
    fn live_parts(&self, balancer: Option<&BalancerPlan>, owner: &str) -> Vec<(&'static str, Part)> {
        let Some(balancer) = balancer else { return vec![] };
        let part = |rtype, addresses: Vec<IpAddr>| {
            let count = balancer.answers.map_or(addresses.len(), |answers| addresses.len().min(answers.into()));
            let show = |address| Shown { owner: owner.to_owned(), ttl: balancer.ttl, data: Data::Address(address) };
            (rtype, Part::Some { allowed: addresses.into_iter().map(show).collect(), count })
        };
        let both = [("A", self.steer(balancer, IpAddr::is_ipv4)), ("AAAA", self.steer(balancer, IpAddr::is_ipv6))];
        both.into_iter().filter(|(_, addresses)| !addresses.is_empty()).map(|(rtype, all)| part(rtype, all)).collect()
    }

    /// The addresses of one family that may answer for a load balancer.
    fn steer(&self, balancer: &BalancerPlan, family: impl Fn(&IpAddr) -> bool) -> Vec<IpAddr> {
        let pool = |index: &usize| &self.world.pools[*index];
        for pool in balancer.pools.iter().map(pool) {
            if !self.is_usable(pool) {
                continue;
            }
            // None of that family at all: the pool is chosen and has nothing.
            if !pool.origins.iter().any(|origin| family(&origin.address)) {
                return vec![];
            }
            let addresses: Vec<IpAddr> = self.returnable(pool).into_iter().filter(&family).collect();
            if !addresses.is_empty() {
                return addresses;
            }
        }
        let fallback = pool(&balancer.fallback);
        if !fallback.enabled {
            return vec![];
        }
        let healthy: Vec<IpAddr> = self.returnable(fallback).into_iter().filter(&family).collect();
        if !healthy.is_empty() {
            return healthy;
        }
        let mut in_use = balancer.pools.iter().chain([&balancer.fallback]).map(pool).filter(|pool| pool.enabled);
        if in_use.any(|pool| self.healthy_count(pool) > 0) {
            return vec![];
        }
        let enabled = fallback.origins.iter().filter(|origin| origin.enabled && origin.weight > 0);
        enabled.map(|origin| origin.address).filter(family).collect()
    }

    /// Whether a pool can be chosen at all. Without a monitor its health is not considered.
    fn is_usable(&self, pool: &PoolPlan) -> bool {
        let enough = pool.monitor.is_none() || self.healthy_count(pool) >= pool.minimum as usize;
        pool.enabled && enough && !self.returnable(pool).is_empty()
    }

    /// How many origins are healthy, in both families, those without traffic included.
    fn healthy_count(&self, pool: &PoolPlan) -> usize {
        pool.origins.iter().filter(|origin| origin.enabled && self.is_healthy(pool, origin.address)).count()
    }

    /// Origins that may be in an answer.
    fn returnable(&self, pool: &PoolPlan) -> Vec<IpAddr> {
        let origins = pool.origins.iter().filter(|origin| origin.enabled && origin.weight > 0);
        origins.map(|origin| origin.address).filter(|address| self.is_healthy(pool, *address)).collect()
    }

    /// Whether an address is healthy as far as a pool is concerned.
    fn is_healthy(&self, pool: &PoolPlan, address: IpAddr) -> bool {
        pool.monitor.is_none_or(|monitor| (self.health)(address, monitor))
    }
}

/// The SOA record of a negative answer (RFC 2308 §5), kept no longer than `ttl_max`.
fn soa_of(zone: &ZonePlan, ttl_max: u32) -> Shown {
    let ttl = zone.soa_ttl.min(zone.minimum).min(ttl_max);
    Shown { owner: zone.apex.clone(), ttl, data: Data::Soa(zone.minimum) }
}

/// The records of one type, under another owner; with the lowest of their TTLs (RFC 2181 §5.2). None if there are none.
fn rrset(records: &[RecordPlan], rtype: &str, owner: &str) -> Option<BTreeSet<Shown>> {
    let ours: Vec<&RecordPlan> = records.iter().filter(|record| record.data.rtype() == rtype).collect();
    let ttl = ours.iter().map(|record| record.ttl).min()?;
    Some(ours.into_iter().map(|record| Shown { owner: owner.to_owned(), ttl, data: record.data.clone() }).collect())
}
