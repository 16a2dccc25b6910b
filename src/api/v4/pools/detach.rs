//! Taking a pool out of the load balancers that name it, so that it can be deleted in the same commit.

use std::sync::Arc;

use crate::api::v4::code::{Code, Note};
use crate::api::v4::envelope::Message;
use crate::api::v4::error::{ApiError, first_of};
use crate::api::v4::plan::Plan;
use crate::model::id::{ObjectId, PoolId};
use crate::model::inventory::{Change, Expected, Inventory, Step};
use crate::model::kept::POOL_RULES;
use crate::model::load_balancer::LoadBalancer;

/// The plan that takes a pool out of all load balancers. Refused if one of them would be left without a pool, or has a rule or a
/// pool set with it, which would then match as before and do something else; nothing is done to the others then either.
pub(super) fn plan(inventory: &Inventory, pool: PoolId) -> Result<Plan, ApiError> {
    let (mut plan, mut stuck) = (Plan::default(), vec![]);
    for referrer in inventory.referrers(ObjectId::Pool(pool)) {
        let ObjectId::LoadBalancer(id) = referrer.object else { continue };
        let present = inventory.load_balancers.find(id).zip(inventory.revision(referrer.object));
        let Some((load_balancer, revision)) = present else { continue };
        let id = pool.to_string();
        if let Some(key) = POOL_RULES.iter().find(|key| load_balancer.kept.mentions_under(key, &id)) {
            stuck.push(format!("{}, whose {key} name it: change them", referrer.name));
            continue;
        }
        let Some(detached) = without(load_balancer, pool) else {
            stuck.push(format!("{}, which would have no pool left: give it another pool, or delete it", referrer.name));
            continue;
        };
        plan.messages.push(told(load_balancer, &detached, &referrer.name));
        plan.steps.push(Step { change: Change::PutLoadBalancer(detached), expected: Expected::At(revision) });
    }
    if stuck.is_empty() {
        return Ok(plan);
    }
    let text = format!("pool {pool} cannot be taken out of load balancer {}", first_of(&stuck, "; nor out of "));
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
    let kept = load_balancer.kept.without_pool(&pool.to_string());
    Some(LoadBalancer { default_pools, fallback_pool, kept, ..LoadBalancer::clone(load_balancer) })
}

/// What there is to tell of load balancers that lose a pool without any answer depending on it.
pub(super) fn mentions(inventory: &Inventory, pool: PoolId) -> Vec<Message> {
    let losing = inventory.referrers(ObjectId::Pool(pool)).into_iter().filter(|referrer| !referrer.active);
    let told = losing.map(|referrer| {
        let text = format!("taken out of load balancer {}, where no answer depended on it", referrer.name);
        Message::of(Note::Done, text)
    });
    told.collect()
}

/// What is told of a load balancer that has lost a pool.
fn told(before: &LoadBalancer, after: &LoadBalancer, name: &str) -> Message {
    let fallback = if before.fallback_pool == after.fallback_pool {
        String::new()
    } else {
        format!("; its fallback pool is {} now", after.fallback_pool)
    };
    Message::of(Note::Done, format!("taken out of load balancer {name}{fallback}"))
}
