//! `[[load_balancers]]`: parse and build.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU16;

use crate::model::id::{LoadBalancerId, PoolId};
use crate::model::kept::Kept;
use crate::model::limits::{LOAD_BALANCER_TTL_MAX, POOLS_PER_LOAD_BALANCER_MAX};
use crate::model::load_balancer::{Answers, LoadBalancer, SteeringPolicy};
use crate::model::name::Name;
use crate::model::tree::{Node, Table, Value};
use crate::model::zone::{Cover, Zone};
use crate::spec::declared::Names;
use crate::spec::fault::{Faults, Place};
use crate::spec::fields::{Fields, Key, Spot, defaulted, required};
use crate::spec::value::{Word, boolean, description, integer, word};

/// The keys of a load balancer.
pub const KEYS: &[Key] = &[
    required("name"),
    defaulted("description"),
    defaulted("enabled"),
    required("default_pools"),
    required("fallback_pool"),
    defaulted("steering_policy"),
    defaulted("ttl"),
    defaulted("answers"),
];

/// The original's default, in seconds.
const TTL_DEFAULT: u32 = 30;

/// The original's words. An empty one chooses `off` there as well, where no geographic pools are given.
const POLICIES: &[Word<SteeringPolicy>] = &[
    ("off", Ok(SteeringPolicy::Off)),
    ("", Ok(SteeringPolicy::Off)),
    ("geo", Err(POLICY_UNSUPPORTED)),
    ("random", Err(POLICY_UNSUPPORTED)),
    ("dynamic_latency", Err(POLICY_UNSUPPORTED)),
    ("proximity", Err(POLICY_UNSUPPORTED)),
    ("least_outstanding_requests", Err(POLICY_UNSUPPORTED)),
    ("least_connections", Err(POLICY_UNSUPPORTED)),
];

/// Why a word of the original is refused.
const POLICY_UNSUPPORTED: &str = "this steering policy is not supported yet";

/// How many zones a fault lists.
const ZONES_LISTED_MAX: usize = 5;

/// Zones by apex; none for one with faults, or whose records are transferred.
pub(super) type Zones<'z> = HashMap<&'z Name, Option<&'z Zone>>;

/// Parses a load balancer. Its pools are among `pools`, those of `disabled` being so, and its name is in one of `zones`,
/// if these are known.
pub(super) fn parse(
    spot: Spot<'_, '_>,
    zones: Option<&Zones<'_>>,
    pools: &Names<'_, PoolId>,
    disabled: &HashSet<PoolId>,
    faults: &mut Faults,
) -> Option<LoadBalancer> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    let name = fields.read("name", |spot, faults| parse_name_in(spot, zones, faults)).required();
    let description = fields.read("description", description).or(String::new());
    let enabled = fields.read("enabled", boolean).or(true);
    let default_pools = fields.read("default_pools", |spot, faults| parse_pools(spot, pools, faults)).required();
    let fallback_pool = fields.read("fallback_pool", |spot, faults| pools.resolve(spot, faults)).required();
    let steering_policy = fields.read("steering_policy", word(POLICIES)).or(SteeringPolicy::Off);
    let ttl = fields.read("ttl", integer(0, LOAD_BALANCER_TTL_MAX)).or(TTL_DEFAULT);
    let answers = fields.read("answers", parse_answers).or(Answers::All);
    let name = name?;
    let load_balancer = LoadBalancer {
        id: LoadBalancerId::declared(&name.to_string()),
        name,
        description: description?,
        enabled: enabled?,
        default_pools: default_pools?,
        fallback_pool: fallback_pool?,
        steering_policy: steering_policy?,
        ttl: ttl?,
        answers: answers?,
        kept: Kept::default(),
    };
    warn_of_pools(&mut fields, &load_balancer, disabled);
    Some(load_balancer)
}

/// Warns of disabled pools that leave an enabled load balancer without what it relies on.
fn warn_of_pools(fields: &mut Fields<'_, '_, '_>, load_balancer: &LoadBalancer, disabled: &HashSet<PoolId>) {
    let is_disabled = |pool: &PoolId| disabled.contains(pool);
    if !load_balancer.enabled || !is_disabled(&load_balancer.fallback_pool) {
        return;
    }
    let warning = if load_balancer.default_pools.iter().all(is_disabled) {
        fields.fault_at("default_pools", "none of its pools is enabled, so there is no address to answer with")
    } else {
        fields.fault_at("fallback_pool", "this pool is disabled, so there is no address when no default pool is usable")
    };
    fields.faults.warn(warning);
}

/// Reads a host name, perhaps a wildcard.
pub fn parse_name(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Name> {
    let name = match Name::parse(spot.text(faults)?, None) {
        Ok(name) => name,
        Err(error) => return spot.reject(format!("allowed: a host name; {error}"), faults),
    };
    let labels = name.labels().skip(usize::from(name.is_wildcard()));
    if labels.clone().flatten().any(|octet| *octet == b'*') {
        return spot.reject("an asterisk is allowed only as the whole first label, as in \"*.example.com\"", faults);
    }
    let legal = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'-' || *octet == b'_';
    if !labels.flatten().all(legal) {
        return spot.refuse("a host name of letters, digits, hyphens and underscores", faults);
    }
    Some(name)
}

/// Reads a host name that is in one of the zones, which answers for it.
fn parse_name_in(spot: Spot<'_, '_>, zones: Option<&Zones<'_>>, faults: &mut Faults) -> Option<Name> {
    let name = parse_name(spot, faults)?;
    let Some(zones) = zones else { return Some(name) };
    let mut candidate = Some(name.clone());
    while let Some(apex) = candidate {
        if let Some(zone) = zones.get(&apex) {
            return match zone.and_then(|zone| zone.cover_of(&name)) {
                Some((owner, cover)) => spot.reject(covered(&owner, cover), faults),
                None => Some(name),
            };
        }
        candidate = apex.parent();
    }
    let mut listed: Vec<String> = zones.keys().take(ZONES_LISTED_MAX + 1).map(ToString::to_string).collect();
    listed.sort_unstable();
    let why = match listed.len() {
        0 => "it is in no zone; none is declared in [[zones]]".to_owned(),
        1..=ZONES_LISTED_MAX => format!("it is in none of the zones; they are: {}", listed.join(", ")),
        _ => format!("it is in none of the {} zones", zones.len()),
    };
    spot.reject(why, faults)
}

/// Why a name that is covered takes no load balancer.
fn covered(owner: &Name, cover: Cover) -> String {
    match cover {
        Cover::Cut => format!("{owner} is delegated by its NS records, so other servers answer for this name"),
        Cover::Dname => format!("names below {owner} are redirected by its DNAME record, this one too"),
    }
}

/// Reads the pools in order of failover.
fn parse_pools(spot: Spot<'_, '_>, pools: &Names<'_, PoolId>, faults: &mut Faults) -> Option<Vec<PoolId>> {
    let items = spot.items(faults)?;
    if items.is_empty() {
        faults.push(spot.fault("a load balancer has at least one default pool"));
        return None;
    }
    if items.len() > POOLS_PER_LOAD_BALANCER_MAX {
        faults.push(spot.fault(format!("{} pools; allowed: at most {POOLS_PER_LOAD_BALANCER_MAX}", items.len())));
        return None;
    }
    let mut ids = Vec::with_capacity(items.len());
    let mut firsts: HashMap<PoolId, &Node> = HashMap::new();
    for (index, item) in items.iter().enumerate() {
        let path = spot.path.index(index);
        let item = spot.inner(&path, item);
        let Some(id) = pools.resolve(item, faults) else { continue };
        // One pool is the usual case, and needs no look at others.
        let first = if items.len() == 1 { item.node } else { *firsts.entry(id).or_insert(item.node) };
        if std::ptr::eq(first, item.node) {
            ids.push(id);
        } else {
            let fault = item.fault("this pool is in the list already").found(item.node.shown());
            faults.push(fault.first(Place { source: spot.source, span: first.span.clone() }));
        }
    }
    (ids.len() == items.len()).then_some(ids)
}

/// Reads how many addresses an answer has.
fn parse_answers(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Answers> {
    let count = match &spot.node.value {
        Value::String(text) if text == "all" => return Some(Answers::All),
        Value::Int(count) => u16::try_from(*count).ok().and_then(NonZeroU16::new),
        _ => None,
    };
    count.map(Answers::Count).or_else(|| spot.refuse("\"all\", or a whole number from 1 to 65535", faults))
}

/// Builds a load balancer; `pool_name` gives the name of a pool.
pub fn build<'n>(load_balancer: &LoadBalancer, pool_name: impl Fn(PoolId) -> &'n str) -> Table {
    // The id of a declared load balancer follows from its name.
    let LoadBalancer {
        id: _,
        name,
        description,
        enabled,
        default_pools,
        fallback_pool,
        steering_policy,
        ttl,
        answers,
        kept: _,
    } = load_balancer;
    let default_pools = default_pools.iter().map(|pool| Node::text(pool_name(*pool))).collect();
    let answers = match answers {
        Answers::All => Node::text("all"),
        Answers::Count(count) => Node::int(count.get()),
    };
    Table::default()
        .with("name", Node::text(name.to_string()))
        .with("description", Node::text(description))
        .with("enabled", Node::built(Value::Bool(*enabled)))
        .with("default_pools", Node::built(Value::Array(default_pools)))
        .with("fallback_pool", Node::text(pool_name(*fallback_pool)))
        .with("steering_policy", Node::text(steering_policy.word()))
        .with("ttl", Node::int(*ttl))
        .with("answers", answers)
}
