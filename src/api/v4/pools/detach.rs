//! Taking a pool out of the load balancers that name it, so that it can be deleted in the same commit.

use std::sync::Arc;

use crate::api::v4::code::{Code, Note};
use crate::api::v4::envelope::Message;
use crate::api::v4::error::ApiError;
use crate::model::id::{ObjectId, PoolId};
use crate::model::inventory::{Change, Expected, Inventory, Step};
use crate::model::load_balancer::LoadBalancer;

/// The steps that take a pool out of all load balancers, and what there is to tell of them. Refused if one of them would
/// be left without a pool; nothing is done to the others then either.
pub(super) fn steps(inventory: &Inventory, pool: PoolId) -> Result<(Vec<Step>, Vec<Message>), ApiError> {
    let (mut steps, mut done, mut stuck) = (vec![], vec![], vec![]);
    for referrer in inventory.referrers(ObjectId::Pool(pool)) {
        let ObjectId::LoadBalancer(id) = referrer.object else { continue };
        let present = inventory.load_balancers.find(id).zip(inventory.revision(referrer.object));
        let Some((load_balancer, revision)) = present else { continue };
        let Some(detached) = without(load_balancer, pool) else {
            stuck.push(referrer.name);
            continue;
        };
        done.push(told(load_balancer, &detached, &referrer.name));
        steps.push(Step { change: Change::PutLoadBalancer(detached), expected: Expected::At(revision) });
    }
    if stuck.is_empty() {
        return Ok((steps, done));
    }
    let text = format!(
        "pool {pool} cannot be taken out of load balancer {}, which would have no pool left: give it another pool, or \
         delete it",
        stuck.join(", ")
    );
    Err(ApiError::new(Code::InUse, text))
}

/// A load balancer without a pool; none if that leaves it without any.
///
/// The last default pool takes the place of a fallback pool that goes, as in the original's dashboard. A fallback pool that
/// alone is left is the default pool from then on.
fn without(load_balancer: &Arc<LoadBalancer>, pool: PoolId) -> Option<LoadBalancer> {
    let fallback = Some(load_balancer.fallback_pool).filter(|fallback| *fallback != pool);
    let mut default_pools: Vec<PoolId> =
        load_balancer.default_pools.iter().copied().filter(|other| *other != pool).collect();
    if default_pools.is_empty() {
        default_pools.extend(fallback);
    }
    let fallback_pool = fallback.or_else(|| default_pools.last().copied())?;
    let kept = load_balancer.kept.without(&pool.to_string());
    Some(LoadBalancer { default_pools, fallback_pool, kept, ..LoadBalancer::clone(load_balancer) })
}

/// What is told of a load balancer that has lost a pool.
fn told(before: &LoadBalancer, after: &LoadBalancer, name: &str) -> Message {
    let fallback = match before.fallback_pool == after.fallback_pool {
        true => String::new(),
        false => format!("; its fallback pool is {} now", after.fallback_pool),
    };
    Message::of(Note::Done, format!("taken out of load balancer {name}{fallback}"))
}
