//! What load balancers of the original have beyond what answers depend on here.

use crate::model::id::PoolId;
use crate::model::kept::Kept;
use crate::model::limits::{LOAD_BALANCER_TTL_MAX, POOLS_PER_LOAD_BALANCER_MAX};
use crate::spec::fields::Fields;
use crate::spec::kept::{Absent, Field, Shape, parse as parse_kept};
use crate::spec::load_balancer::{pool_sets, rules};
use crate::spec::pool::REGIONS;
use crate::spec::references::References;

/// Pools in order.
pub(super) const POOLS: Shape = Shape::List(&Shape::Pool, 1, POOLS_PER_LOAD_BALANCER_MAX);
/// Pools for each of the original's regions.
pub(super) const REGION_POOLS: Shape = Shape::Map(&Shape::Word(&REGIONS), &POOLS);
/// Pools for each country.
pub(super) const COUNTRY_POOLS: Shape = Shape::Map(&COUNTRY, &POOLS);
/// Pools for each place where servers are.
pub(super) const POP_POOLS: Shape = Shape::Map(&POP, &POOLS);
/// A country.
pub(super) const COUNTRY: Shape = Shape::Code("the code of a country, two capital letters, such as \"DE\"", 2..=2);
/// A place where servers are.
pub(super) const POP: Shape = Shape::Code("the code of a place, capital letters and digits, such as \"FRA\"", 2..=16);
/// A share.
pub(super) const WEIGHT: Shape = Shape::Number(0.0, 1.0);
/// Shares by pool.
pub(super) const POOL_WEIGHTS: Shape = Shape::Map(&Shape::Pool, &WEIGHT);
/// How often pools are drawn.
pub(super) const RANDOM_STEERING: Shape = Shape::Object(&[
    Field::new("default_weight", WEIGHT, Absent::Int(1)),
    Field::omitted("pool_weights", POOL_WEIGHTS),
]);
/// Where a query is thought to come from.
pub(super) const LOCATION_STRATEGY: Shape = Shape::Object(&[
    Field::new("mode", Shape::Word(&["pop", "resolver_ip"]), Absent::Text("pop")),
    Field::new("prefer_ecs", Shape::Word(&["always", "never", "proximity", "geo"]), Absent::Text("proximity")),
]);
/// Whether requests go on to other pools.
pub(super) const ADAPTIVE_ROUTING: Shape =
    Shape::Object(&[Field::new("failover_across_pools", Shape::Bool, Absent::Bool(false))]);
/// How sessions stay where they are.
pub(super) const SESSION_AFFINITY: Shape = Shape::Word(&["none", "cookie", "ip_cookie", "header"]);
/// Seconds that they do.
pub(super) const SESSION_AFFINITY_TTL: Shape = Shape::Int(0, 604_800);
/// TTL of answers.
pub(super) const TTL: Shape = Shape::Int(0, LOAD_BALANCER_TTL_MAX as i64);
/// How a pool is chosen.
pub(super) const STEERING_POLICY: Shape = Shape::Word(&[
    "off",
    "geo",
    "random",
    "dynamic_latency",
    "proximity",
    "least_outstanding_requests",
    "least_connections",
]);
/// More of how sessions stay where they are.
pub(super) const SESSION_AFFINITY_ATTRIBUTES: Shape = Shape::Object(&[
    Field::new("drain_duration", Shape::Int(0, 86_400), Absent::Int(0)),
    Field::omitted("headers", Shape::List(&Shape::Text(100), 0, 5)),
    Field::omitted("require_all_headers", Shape::Bool),
    Field::new("samesite", Shape::Word(&["Auto", "Lax", "None", "Strict"]), Absent::Text("Auto")),
    Field::new("secure", Shape::Word(&["Auto", "Always", "Never"]), Absent::Text("Auto")),
    Field::new("zero_downtime_failover", Shape::Word(&["none", "temporary", "sticky"]), Absent::Text("none")),
]);

/// What a load balancer has.
pub(super) const FIELDS: &[Field] = &[
    Field::new("region_pools", REGION_POOLS, Absent::Table),
    Field::new("country_pools", COUNTRY_POOLS, Absent::Table),
    Field::new("pop_pools", POP_POOLS, Absent::Table),
    Field::new("random_steering", RANDOM_STEERING, Absent::Table),
    Field::new("location_strategy", LOCATION_STRATEGY, Absent::Table),
    Field::new("rules", rules::RULES, Absent::List),
    Field::omitted("pool_sets", pool_sets::POOL_SETS),
    Field::new("networks", Shape::List(&Shape::Text(255), 0, 64), Absent::List),
    Field::new("adaptive_routing", ADAPTIVE_ROUTING, Absent::Table),
    Field::new("session_affinity", SESSION_AFFINITY, Absent::Text("none")),
    Field::new("session_affinity_ttl", SESSION_AFFINITY_TTL, Absent::Int(82_800)),
    Field::new("session_affinity_attributes", SESSION_AFFINITY_ATTRIBUTES, Absent::Table),
];

/// The maps that make an empty steering policy a geographic one.
pub(super) const MAPS: [&str; 3] = ["region_pools", "country_pools", "pop_pools"];

/// Why a key has no effect.
fn warning(key: &str) -> &'static str {
    match key {
        "region_pools" | "country_pools" | "pop_pools" => {
            "kept, and without effect: answers use `off` until geographic steering is built"
        }
        "random_steering" => "kept, and without effect: answers use `off` until random steering is built",
        "location_strategy" => "kept, and without effect: answers do not depend on where a query comes from yet",
        "rules" => "kept, and without effect: rules are not built yet",
        "pool_sets" => "kept, and without effect: pool sets are not built yet",
        _ => "kept, and without effect on answers of DNS",
    }
}

/// Parses what a load balancer has.
pub(super) fn parse(fields: &mut Fields<'_, '_, '_>, pools: &dyn References<PoolId>) -> Option<Kept> {
    parse_kept(fields, FIELDS, pools, |key| Some(warning(key)))
}
