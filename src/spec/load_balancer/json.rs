//! Load balancers as the original's clients write and read them.

use crate::model::id::{LoadBalancerId, PoolId};
use crate::model::inventory::Inventory;
use crate::model::load_balancer::LoadBalancer;
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Path, Spot};
use crate::spec::identity::Identity;
use crate::spec::kept::build_json as build_kept;
use crate::spec::load_balancer::kept::FIELDS;
use crate::spec::load_balancer::{Surroundings, build_answers, parse};
use crate::spec::references::Known;
use crate::spec::time;

/// Parses the body of a request; the load balancer gets `id`, and its pools are some of the inventory's. Whether its name
/// is in a zone is for the commit to say.
pub fn parse_json(body: &Node, id: LoadBalancerId, inventory: &Inventory, faults: &mut Faults) -> Option<LoadBalancer> {
    let spot = Spot { source: 0, path: &Path::ROOT, node: body };
    let is_disabled = |id: PoolId| inventory.pools.find(id).is_some_and(|pool| !pool.enabled);
    let surroundings = Surroundings { zones: None, pools: &Known(inventory), is_disabled: &is_disabled };
    let before = faults.len();
    parse(spot, Identity::Known(id), &surroundings, faults).filter(|_| faults.len() == before)
}

/// Builds a load balancer for a response; it is in the zone with a name.
pub fn build_json(load_balancer: &LoadBalancer, stamp: &Stamp<LoadBalancerId>, zone_name: &str) -> Table {
    let table = Table::default()
        .with("id", Node::text(load_balancer.id.to_string()))
        .with("created_on", time::build(stamp.created))
        .with("modified_on", time::build(stamp.modified))
        .with("zone_name", Node::text(zone_name));
    build_fields(table, load_balancer)
}

/// Builds what a load balancer says.
pub(in crate::spec) fn build_fields(table: Table, load_balancer: &LoadBalancer) -> Table {
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
        kept,
    } = load_balancer;
    let default_pools = default_pools.iter().map(|pool| Node::text(pool.to_string())).collect();
    let table = table
        .with("name", Node::text(name.to_string()))
        .with("description", Node::text(description))
        .with("enabled", Node::built(Value::Bool(*enabled)))
        .with("proxied", Node::built(Value::Bool(false)))
        .with("ttl", Node::int(*ttl))
        .with("answers", build_answers(*answers))
        .with("steering_policy", Node::text(steering_policy.word()))
        .with("default_pools", Node::built(Value::Array(default_pools)))
        .with("fallback_pool", Node::text(fallback_pool.to_string()));
    build_kept(table, kept, FIELDS)
}
