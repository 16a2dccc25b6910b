//! Pool sets of load balancers: pools for queries from some places, ahead of everything else.

use crate::spec::kept::{Absent, Field, Shape};
use crate::spec::load_balancer::kept::{COUNTRY, POOL_WEIGHTS, POOLS, POP, STEERING_POLICY, WEIGHT};
use crate::spec::load_balancer::rules::FIXED_RESPONSE;
use crate::spec::pool::REGIONS;

/// Places of one kind.
const PLACES_MAX: usize = 1_000;

/// The queries that a set is for.
const MATCH: Shape = Shape::Object(&[
    Field::omitted("default", Shape::Bool),
    Field::omitted(
        "topology",
        Shape::Object(&[
            Field::omitted("pops", Shape::List(&POP, 0, PLACES_MAX)),
            Field::omitted("countries", Shape::List(&COUNTRY, 0, PLACES_MAX)),
            Field::omitted("regions", Shape::List(&Shape::Word(&REGIONS), 0, PLACES_MAX)),
        ]),
    ),
]);

/// What is different for them.
const OVERRIDES: Shape = Shape::Object(&[
    Field::omitted("pools", POOLS),
    Field::omitted("pool_weights", POOL_WEIGHTS),
    Field::omitted("pool_default_weight", WEIGHT),
    Field::omitted("fallback_pool", Shape::Pool),
    Field::omitted("steering_policy", STEERING_POLICY),
]);

/// All sets.
pub(super) const POOL_SETS: Shape = Shape::List(
    &Shape::Object(&[
        Field::omitted("name", Shape::Text(200)),
        Field::new("disabled", Shape::Bool, Absent::Bool(false)),
        Field::omitted("match", MATCH),
        Field::omitted("overrides", OVERRIDES),
        Field::omitted("fixed_response", FIXED_RESPONSE),
    ]),
    0,
    1_000,
);
