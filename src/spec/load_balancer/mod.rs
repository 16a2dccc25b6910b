//! `[[load_balancers]]`: parse and build.

mod json;
mod kept;
mod pool_sets;
mod rules;

use std::collections::HashMap;
use std::num::NonZeroU16;

pub(super) use self::json::build_fields;
pub use self::json::{build_json, parse_json};
use crate::model::id::{LoadBalancerId, PoolId};
use crate::model::kept::Kept;
use crate::model::limits::{LOAD_BALANCER_TTL_MAX, POOLS_PER_LOAD_BALANCER_MAX};
use crate::model::load_balancer::{Answers, LoadBalancer, SteeringPolicy};
use crate::model::name::Name;
use crate::model::tree::{Node, Table, Value};
use crate::model::zone::{Cover, Zone};
use crate::spec::fault::{Faults, Place};
use crate::spec::fields::{Fields, Key, Spot, defaulted, kept, read_only, required};
use crate::spec::identity::{self, Identity};
use crate::spec::kept::build_toml;
use crate::spec::references::References;
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
    kept("id"),
    kept("proxied"),
    kept("region_pools"),
    kept("country_pools"),
    kept("pop_pools"),
    kept("random_steering"),
    kept("location_strategy"),
    kept("rules"),
    kept("pool_sets"),
    kept("networks"),
    kept("adaptive_routing"),
    kept("session_affinity"),
    kept("session_affinity_ttl"),
    kept("session_affinity_attributes"),
    read_only("created_on"),
    read_only("modified_on"),
    read_only("zone_name"),
    read_only("tunnel_id"),
];

/// The original's default, in seconds.
const TTL_DEFAULT: u32 = 30;

/// The original's words. An empty one chooses `geo` where there are geographic pools, and otherwise `off`.
const POLICIES: &[Word<Option<SteeringPolicy>>] = &[
    ("off", Ok(Some(SteeringPolicy::Off))),
    ("", Ok(None)),
    ("geo", Ok(Some(SteeringPolicy::Geo))),
    ("random", Ok(Some(SteeringPolicy::Random))),
    ("dynamic_latency", Ok(Some(SteeringPolicy::DynamicLatency))),
    ("proximity", Ok(Some(SteeringPolicy::Proximity))),
    ("least_outstanding_requests", Ok(Some(SteeringPolicy::LeastOutstandingRequests))),
    ("least_connections", Ok(Some(SteeringPolicy::LeastConnections))),
];

/// How many zones a fault lists.
const ZONES_LISTED_MAX: usize = 5;

/// Zones by apex; none for one with faults, or whose records are transferred.
pub(super) type Zones<'z> = HashMap<&'z Name, Option<&'z Zone>>;

/// What a load balancer is read among.
pub(super) struct Surroundings<'s> {
    /// The zones in one of which its name is, if these are known.
    pub(super) zones: Option<&'s Zones<'s>>,
    /// The pools that it can name.
    pub(super) pools: &'s dyn References<PoolId>,
    /// Whether one of them is disabled.
    pub(super) is_disabled: &'s dyn Fn(PoolId) -> bool,
}

/// Parses a load balancer.
pub(super) fn parse(
    spot: Spot<'_, '_>,
    identity: Identity<LoadBalancerId>,
    surroundings: &Surroundings<'_>,
    faults: &mut Faults,
) -> Option<LoadBalancer> {
    let Surroundings { zones, pools, is_disabled } = *surroundings;
    let mut fields = Fields::open(spot, KEYS, faults)?;
    let name = fields.read("name", |spot, faults| parse_name_in(spot, zones, faults)).required();
    let description = fields.read("description", description).or(String::new());
    let enabled = fields.read("enabled", boolean).or(true);
    let default_pools = fields.read("default_pools", |spot, faults| parse_pools(spot, pools, faults)).required();
    let fallback_pool = fields.read("fallback_pool", |spot, faults| pools.resolve(spot, faults)).required();
    let steering_policy = fields.read("steering_policy", word(POLICIES)).or(None);
    let ttl = fields.read("ttl", integer(0, LOAD_BALANCER_TTL_MAX)).or(TTL_DEFAULT);
    let answers = fields.read("answers", parse_answers).or(Answers::All);
    let proxied = fields.read("proxied", parse_proxied).or(());
    let kept = kept::parse(&mut fields, pools);
    let kept = kept?;
    let steering_policy = resolve_policy(&mut fields, steering_policy?, &kept);
    let name = name?;
    proxied?;
    let load_balancer = LoadBalancer {
        id: identity.id(&name.to_string(), &mut fields)?,
        name,
        description: description?,
        enabled: enabled?,
        default_pools: default_pools?,
        fallback_pool: fallback_pool?,
        steering_policy,
        ttl: ttl?,
        answers: answers?,
        kept,
    };
    warn_of_pools(&mut fields, &load_balancer, is_disabled);
    Some(load_balancer)
}

/// The policy that is meant; warns of one that answers do not follow yet.
fn resolve_policy(fields: &mut Fields<'_, '_, '_>, given: Option<SteeringPolicy>, kept: &Kept) -> SteeringPolicy {
    let has_maps = || kept.table().is_some_and(|table| kept::MAPS.iter().any(|key| table.entry(key).is_some()));
    let policy = given.unwrap_or_else(|| if has_maps() { SteeringPolicy::Geo } else { SteeringPolicy::Off });
    if given.is_some() && policy != SteeringPolicy::Off {
        let why = format!("kept, and without effect: answers use `off` until `{}` is built", policy.word());
        let warning = fields.fault_at("steering_policy", why);
        fields.faults.warn(warning);
    }
    policy
}

/// Reads whether requests pass through a proxy; we have none.
fn parse_proxied(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<()> {
    if boolean(spot, faults)? {
        return spot.reject("this server answers DNS and is no proxy; allowed: false", faults);
    }
    Some(())
}

/// Warns of disabled pools that leave an enabled load balancer without what it relies on.
fn warn_of_pools(fields: &mut Fields<'_, '_, '_>, load_balancer: &LoadBalancer, is_disabled: &dyn Fn(PoolId) -> bool) {
    if !load_balancer.enabled || !is_disabled(load_balancer.fallback_pool) {
        return;
    }
    let warning = if load_balancer.default_pools.iter().all(|pool| is_disabled(*pool)) {
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
fn parse_pools(spot: Spot<'_, '_>, pools: &dyn References<PoolId>, faults: &mut Faults) -> Option<Vec<PoolId>> {
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

/// Builds how many addresses an answer has.
fn build_answers(answers: Answers) -> Node {
    match answers {
        Answers::All => Node::text("all"),
        Answers::Count(count) => Node::int(count.get()),
    }
}

/// Builds a load balancer; `pool_name` gives the name of a pool, or none for one that is named by its id.
pub fn build<'n>(load_balancer: &LoadBalancer, pool_name: impl Fn(PoolId) -> Option<&'n str>) -> Table {
    let LoadBalancer {
        id,
        name,
        description,
        enabled,
        default_pools,
        fallback_pool,
        steering_policy,
        ttl,
        answers,
        kept,
    } = load_balancer;
    let pool = |id: PoolId| Node::text(pool_name(id).map_or_else(|| id.to_string(), str::to_owned));
    let default_pools = default_pools.iter().map(|id| pool(*id)).collect();
    let name = name.to_string();
    let table = Table::default()
        .with("name", Node::text(&name))
        .with("description", Node::text(description))
        .with("enabled", Node::built(Value::Bool(*enabled)))
        .with("default_pools", Node::built(Value::Array(default_pools)))
        .with("fallback_pool", pool(*fallback_pool))
        .with("steering_policy", Node::text(steering_policy.word()))
        .with("ttl", Node::int(*ttl))
        .with("answers", build_answers(*answers));
    build_toml(identity::build(table, *id, &name), kept, &pool_name)
}

#[cfg(test)]
mod tests;
