//! What the answer has to be, computed the slow way: RFC 1034 §4.3.2, RFC 2308, RFC 4035 §3.1.4.1, RFC 4592, RFC 6604,
//! RFC 6672, RFC 8482, RFC 9460, RFC 9471, and the steering rules of the design.

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
    /// CNAME and DNAME records on the way.
    pub chain: BTreeSet<Shown>,
    /// What stands at the end of the chain.
    pub last: Last,
    /// The authority section: the SOA record of a negative answer, or the NS records of a referral.
    pub authorities: BTreeSet<Shown>,
    /// Addresses without which the answer is useless.
    pub glue: Vec<Part>,
    /// Addresses that come along as far as there is room.
    pub courtesy: Vec<Part>,
    /// What the hints of HTTPS records are made of: for each record that may be there, one part for each hint.
    pub hints: Vec<(Data, Vec<Part>)>,
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

    /// Mnemonic of their type.
    pub fn rtype(&self) -> &'static str {
        let (Self::Fixed(own) | Self::Some { allowed: own, .. }) = self;
        own.first().unwrap().data.rtype()
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
        let mut expected = Expected {
            rcode: 0,
            authoritative: true,
            chain: BTreeSet::new(),
            last: Last::Nothing,
            authorities: BTreeSet::new(),
            glue: vec![],
            courtesy: vec![],
            hints: vec![],
        };
        for link in 0.. {
            let Some(zone) = self.zone_for(&owner, qtype) else {
                // Not ours: refused if it is what was asked, otherwise the resolver goes on.
                if link == 0 {
                    expected.rcode = 5;
                    expected.authoritative = false;
                }
                return expected;
            };
            let source = match cover(zone, &owner) {
                Some((cut, "NS")) if qtype != "DS" || cut != owner => {
                    expected.authoritative = link > 0;
                    self.refer(zone, &cut, &mut expected);
                    return expected;
                }
                Some((top, "DNAME")) => {
                    let dname = rrset(&zone.all_records(), "DNAME", &top, &top).unwrap();
                    let Shown { ttl, data: Data::Dname(target), .. } = dname.first().unwrap() else { panic!() };
                    let name = join(owner.strip_suffix(&top).unwrap(), target);
                    let cname = Shown { owner: owner.clone(), ttl: *ttl, data: Data::Cname(name.clone()) };
                    expected.chain.extend(dname.clone());
                    // RFC 6672 §3.2 step 3c: too long for a name of 255 octets.
                    if name.len() + 2 > 255 {
                        expected.rcode = 6;
                        return expected;
                    }
                    expected.chain.insert(cname);
                    if link == CHAIN_MAX {
                        return expected;
                    }
                    owner = name;
                    continue;
                }
                Some(_) => Some(owner.clone()),
                None => self.source_of(zone, &owner),
            };
            let Some(source) = source else {
                // RFC 2308 §2.1, and RFC 6604 §2.1 at the end of a chain.
                expected.rcode = 3;
                expected.authorities.insert(soa_of(zone, u32::MAX));
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
            for rtype in ["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "SRV", "DNAME", "DS"] {
                parts.extend(rrset(&records, rtype, &source, &owner).map(|rrset| (rtype, Part::Fixed(rrset))));
            }
            parts.extend(self.services(&records, &source, &owner, &mut expected).map(|rrset| ("HTTPS", rrset)));
            let ours: Vec<Part> = parts
                .iter()
                .filter(|(rtype, _)| qtype == "ANY" || *rtype == qtype)
                .map(|(_, part)| part.clone())
                .collect();
            // RFC 2181 §5: what a chain has given on its way is not given again.
            let (passed, ours): (Vec<Part>, Vec<Part>) =
                ours.into_iter().partition(|part| !part.part(&expected.chain).is_empty());
            match ours.as_slice() {
                [] if passed.is_empty() => {}
                [] => return expected,
                [one] => {
                    expected.last = Last::One(one.clone());
                    let named = records.iter().filter(|record| record.data.rtype() == qtype);
                    let hosts: BTreeSet<&str> = named.filter_map(|record| record.data.host(&owner)).collect();
                    expected.courtesy = hosts.into_iter().flat_map(|host| self.addresses(host, false)).collect();
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
                expected.authorities.insert(soa_of(zone, balancer.map_or(u32::MAX, |balancer| balancer.ttl)));
                return expected;
            };
            expected.chain.extend(rrset(&records, "CNAME", &source, &owner).unwrap());
            if link == CHAIN_MAX {
                return expected;
            }
            owner = target;
        }
        unreachable!("chains end")
    }

    /// The zone that answers for a name. RFC 4035 §3.1.4.1: for DS that is the parent, if it delegates.
    fn zone_for(&self, name: &str, qtype: &str) -> Option<&'w ZonePlan> {
        let own = self.zone_of(name)?;
        let above = parent(name).filter(|_| qtype == "DS" && own.apex == name).and_then(|parent| self.zone_of(parent));
        let delegates = |zone: &&ZonePlan| matches!(cover(zone, name), Some((_, "NS")));
        above.filter(delegates).or(Some(own))
    }

    /// A referral to the servers of a cut.
    fn refer(&self, zone: &ZonePlan, cut: &str, expected: &mut Expected) {
        expected.authorities = rrset(&zone.all_records(), "NS", cut, cut).unwrap();
        let hosts: BTreeSet<&str> = expected.authorities.iter().filter_map(|ns| ns.data.host(cut)).collect();
        let (own, others): (Vec<&str>, Vec<&str>) = hosts.into_iter().partition(|host| is_at_or_below(host, cut));
        let addresses = |hosts: Vec<&str>| hosts.into_iter().flat_map(|host| self.addresses(host, true)).collect();
        (expected.glue, expected.courtesy) = (addresses(own), addresses(others));
    }

    /// The addresses of a host, as far as they are ours; `glue` are those below a cut.
    fn addresses(&self, host: &str, glue: bool) -> Vec<Part> {
        let Some(zone) = self.zone_of(host) else { return vec![] };
        let source = match cover(zone, host) {
            Some((_, "NS")) if glue => Some(host.to_owned()),
            Some(_) => None,
            None => self.source_of(zone, host),
        };
        let Some(source) = source else { return vec![] };
        let balancer = self.balancer_at(zone, &source);
        if balancer.is_some() {
            return self.live_parts(balancer, host).into_iter().map(|(_, part)| part).collect();
        }
        let records = zone.all_records();
        ["A", "AAAA"].iter().filter_map(|rtype| rrset(&records, rtype, &source, host)).map(Part::Fixed).collect()
    }

    /// The HTTPS records of a name, without hints; what these have to be goes to `expected`.
    fn services(&self, records: &[RecordPlan], source: &str, owner: &str, expected: &mut Expected) -> Option<Part> {
        let mut rrset = rrset(records, "HTTPS", source, owner)?;
        let mut ttl_max = u32::MAX;
        for record in &rrset {
            let Data::Https(priority, target, auto) = &record.data else { panic!() };
            let host = record.data.host(owner).filter(|_| auto.contains(&true)).unwrap_or("nobody's");
            let all = self.addresses(host, false);
            let live = self.zone_of(host).filter(|zone| cover(zone, host).is_none());
            let live = live.and_then(|zone| self.balancer_at(zone, &self.source_of(zone, host)?));
            ttl_max = ttl_max.min(live.map_or(u32::MAX, |live| live.ttl));
            let wanted = ["A", "AAAA"].into_iter().zip(auto).filter(|(_, auto)| **auto).map(|(rtype, _)| rtype);
            let hints = wanted.filter_map(|rtype| all.iter().find(|part| part.rtype() == rtype).cloned()).collect();
            expected.hints.push((Data::Https(*priority, target.clone(), [false; 2]), hints));
        }
        rrset = rrset
            .into_iter()
            .map(|Shown { owner, ttl, data }| {
                let Data::Https(priority, target, _) = data else { panic!() };
                Shown { owner, ttl: ttl.min(ttl_max), data: Data::Https(priority, target, [false; 2]) }
            })
            .collect();
        Some(Part::Fixed(rrset))
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

/// The topmost owner of NS records below the apex, at or above a name, or of DNAME above it; and which of them it is.
fn cover(zone: &ZonePlan, name: &str) -> Option<(String, &'static str)> {
    let has =
        |owner: &str, rtype| zone.records.iter().any(|record| record.owner == owner && record.data.rtype() == rtype);
    let mut found = None;
    let mut here = Some(name).filter(|name| is_at_or_below(name, &zone.apex));
    while let Some(owner) = here {
        if owner != zone.apex && has(owner, "NS") {
            found = Some((owner.to_owned(), "NS"));
        } else if owner != name && has(owner, "DNAME") {
            found = Some((owner.to_owned(), "DNAME"));
        }
        here = parent(owner).filter(|_| owner != zone.apex);
    }
    found
}

/// Whether a name is delegated or redirected by the zone that it is in.
pub fn is_covered(zones: &[ZonePlan], name: &str) -> bool {
    let own = zones.iter().filter(|zone| is_at_or_below(name, &zone.apex)).max_by_key(|zone| zone.apex.len());
    own.is_some_and(|zone| cover(zone, name).is_some())
}

/// Labels, with their final dot, in front of a name.
fn join(labels: &str, name: &str) -> String {
    format!("{labels}{name}").trim_end_matches('.').to_owned()
}

/// The SOA record of a negative answer (RFC 2308 §5), kept no longer than `ttl_max`.
fn soa_of(zone: &ZonePlan, ttl_max: u32) -> Shown {
    let ttl = zone.soa_ttl.min(zone.minimum).min(ttl_max);
    Shown { owner: zone.apex.clone(), ttl, data: Data::Soa(zone.minimum) }
}

/// The records of one type at a name, under another owner; with the lowest of their TTLs (RFC 2181 §5.2). None if there
/// are none.
fn rrset(records: &[RecordPlan], rtype: &str, source: &str, owner: &str) -> Option<BTreeSet<Shown>> {
    let ours = |record: &&RecordPlan| record.data.rtype() == rtype && record.owner == source;
    let ours: Vec<&RecordPlan> = records.iter().filter(ours).collect();
    let ttl = ours.iter().map(|record| record.ttl).min()?;
    Some(ours.into_iter().map(|record| Shown { owner: owner.to_owned(), ttl, data: record.data.clone() }).collect())
}
