//! Rules of load balancers: what is different for some queries.

use crate::spec::kept::{Absent, Field, Shape};
use crate::spec::load_balancer::kept::{
    ADAPTIVE_ROUTING, COUNTRY_POOLS, LOCATION_STRATEGY, POOL_WEIGHTS, POOLS, POP_POOLS, RANDOM_STEERING, REGION_POOLS,
    SESSION_AFFINITY, SESSION_AFFINITY_ATTRIBUTES, SESSION_AFFINITY_TTL, STEERING_POLICY, TTL, WEIGHT,
};

/// A response in place of an answer from pools; in DNS it is one without records.
pub(super) const FIXED_RESPONSE: Shape = Shape::Object(&[
    Field::omitted("content_type", Shape::Text(32)),
    Field::omitted("location", Shape::Text(2_048)),
    Field::omitted("message_body", Shape::Text(1_024)),
    Field::omitted("status_code", Shape::Int(0, 999)),
]);

/// What a rule changes.
const OVERRIDES: Shape = Shape::Object(&[
    Field::omitted("adaptive_routing", ADAPTIVE_ROUTING),
    Field::omitted("country_pools", COUNTRY_POOLS),
    Field::omitted("default_pools", POOLS),
    Field::omitted("fallback_pool", Shape::Pool),
    Field::omitted("location_strategy", LOCATION_STRATEGY),
    Field::omitted("pools", POOLS),
    Field::omitted("pool_weights", POOL_WEIGHTS),
    Field::omitted("pool_default_weight", WEIGHT),
    Field::omitted("pop_pools", POP_POOLS),
    Field::omitted("random_steering", RANDOM_STEERING),
    Field::omitted("region_pools", REGION_POOLS),
    Field::omitted("session_affinity", SESSION_AFFINITY),
    Field::omitted("session_affinity_attributes", SESSION_AFFINITY_ATTRIBUTES),
    Field::omitted("session_affinity_ttl", SESSION_AFFINITY_TTL),
    Field::omitted("steering_policy", STEERING_POLICY),
    Field::omitted("ttl", TTL),
]);

/// All rules.
pub(super) const RULES: Shape = Shape::List(
    &Shape::Object(&[
        Field::omitted("name", Shape::Text(200)),
        Field::omitted("condition", Shape::Text(4_096)),
        Field::new("disabled", Shape::Bool, Absent::Bool(false)),
        Field::new("priority", Shape::Int(0, 1_000_000_000), Absent::Int(0)),
        Field::omitted("terminates", Shape::Bool),
        Field::omitted("overrides", OVERRIDES),
        Field::omitted("fixed_response", FIXED_RESPONSE),
    ]),
    0,
    1_000,
);
