//! `load_balancers/pools`: at user level and at account level the same.
//!
//! Lists have the oldest pool first. PUT replaces: what the body leaves out goes back to its default. PATCH keeps it. What
//! changes nothing is no commit, so that revision and `modified_on` stay.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use utoipa::openapi::{RefOr, Schema};

use crate::api::v4::body::{self, Edit, parsed};
use crate::api::v4::code::Note;
use crate::api::v4::context::{Committed, Context, random_bits};
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{self, Deleted, Found, changeable, deletion, in_order};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::plan::Plan;
use crate::api::v4::precondition::Precondition;
use crate::api::v4::request::{JsonBody, Parameters, PathId, PathIdentifier as _, Writing};
use crate::api::v4::route::{Route, in_both_views};
use crate::model::id::{MonitorId, ObjectId, PoolId};
use crate::model::inventory::{Change, Inventory};
use crate::model::limits::{DESCRIPTION_CHARS_MAX, ORIGINS_PER_POOL_MAX};
use crate::model::pool::Pool;
use crate::model::tree::{Table, Value};
use crate::spec::pool::{KEYS, build_json, kept_properties, parse_json};

pub use self::shown::ShownPool;

mod detach;
pub mod shown;

/// All pools.
const ALL: &str = "/load_balancers/pools";
/// One pool.
const ONE: &str = "/load_balancers/pools/{pool_id}";
/// The only key that can be set of many pools at a time, and only to nothing.
const EMAIL: &str = "notification_email";
/// How many pools a PATCH of many changes, unless it says so: the original's number.
const PATCHED_DEFAULT: usize = 25;
/// How many it changes at most: they are one commit.
const PATCHED_MAX: usize = 1_000;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::get(ALL, list).at_length(),
        Route::post(ALL, create),
        Route::patch(ALL, reset_emails),
        Route::get(ONE, details).for_its_pool(),
        Route::put(ONE, rewrite).for_its_pool(),
        Route::patch(ONE, rewrite).for_its_pool(),
        Route::delete(ONE, remove),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let one = || schema::of("Pool");
    let detach = "Take the pool out of the load balancers that name it first.";
    let operations = vec![
        Operation::new(Method::GET, ALL, "Lists pools.")
            .lists(one())
            .query("monitor", schema::text(), "Only pools with this monitor.")
            .query("name", schema::text(), "Only the pool with this name."),
        Operation::write(Method::POST, ALL, "Makes a pool.", "Pool", "Pool"),
        Operation::new(Method::PATCH, ALL, "Takes the addresses that are told of events from many pools.")
            .takes(schema::object([(EMAIL, schema::words(&[""]))], []))
            .lists(one())
            .writes(),
        Operation::show(ONE, "Shows a pool.", "Pool"),
        Operation::write(Method::PUT, ONE, "Replaces a pool.", "Pool", "Pool"),
        Operation::write(Method::PATCH, ONE, "Changes some of a pool.", "PoolChange", "Pool"),
        Operation::new(Method::DELETE, ONE, "Deletes a pool; refused while load balancers name it.")
            .gives(schema::deleted())
            .query("detach", schema::boolean(), detach)
            .writes(),
    ];
    let said = |whole| schema::keyed(KEYS, &kept_properties(), property, whole);
    Description { tag: "Pools", operations, schemas: vec![("Pool", said(Whole::Yes)), ("PoolChange", said(Whole::No))] }
}

/// The schema of a key that is not only kept.
fn property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "id" | "monitor" | "monitor_group" => schema::id(),
        "name" => schema::text_about("Letters, digits, hyphens and underscores; no other pool has it."),
        "description" => schema::text_to(DESCRIPTION_CHARS_MAX),
        "enabled" => schema::boolean_or(true),
        "minimum_origins" => schema::integer_or(0, i64::try_from(ORIGINS_PER_POOL_MAX).unwrap_or(i64::MAX), 1),
        "origins" => schema::list(schema::of("Origin")),
        "healthy" => schema::boolean(),
        "lever" => schema::of("Lever"),
        "slow_start" => schema::text_about("Seconds, or a text with a unit; beyond the original."),
        "created_on" | "modified_on" | "disabled_at" => schema::time(),
        _ => return None,
    })
}

/// `GET .../pools`: those with the monitor and the name that the parameters say.
async fn list(State(context): State<Arc<Context>>, parameters: Parameters, paging: Paging) -> Answer<Vec<ShownPool>> {
    let monitor = parameters.text("monitor")?;
    // What is no id is no pool's monitor.
    let monitor_id = monitor.and_then(MonitorId::parse_part);
    let name = parameters.text("name")?;
    let (inventory, assigned) = (context.inventory(), context.assigned());
    let is_wanted = |pool: &&Arc<Pool>| {
        (monitor.is_none() || monitor_id.is_some() && pool.monitor == monitor_id)
            && name.is_none_or(|name| pool.name == name)
    };
    let pools = inventory.pools.iter().filter(is_wanted);
    let pools = in_order(pools, &inventory.stamps.pools, |pool| &pool.name);
    Ok(Reply::page(paging.part(pools.into_iter(), |(pool, stamp)| ShownPool::of(pool, stamp, &assigned, &inventory))))
}

/// `POST .../pools`
async fn create(State(context): State<Arc<Context>>, writing: Writing, JsonBody(body): JsonBody) -> Answer<ShownPool> {
    let id = PoolId::random(random_bits()?);
    let expected = writing.precondition.of_new()?;
    let committed = context.commit(&writing, |inventory| {
        let new = parsed(|faults| parse_json(&body, id, inventory, faults))?;
        Ok(Plan::write(new, Change::PutPool, expected))
    });
    committed.await?.reply(|inventory| reply(&context, inventory, id))
}

/// `GET .../pools/{pool_id}`
async fn details(State(context): State<Arc<Context>>, PathId(id): PathId<PoolId>) -> Answer<ShownPool> {
    reply(&context, &context.inventory(), id)
}

/// `PUT` and `PATCH .../pools/{pool_id}`
async fn rewrite(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    writing: Writing,
    edit: Edit,
) -> Answer<ShownPool> {
    let committed = context.commit(&writing, |inventory| rewritten(inventory, id, &writing.precondition, &edit));
    committed.await?.reply(|inventory| reply(&context, inventory, id))
}

/// The plan by which a pool is written anew.
fn rewritten(inventory: &Inventory, id: PoolId, precondition: &Precondition, edit: &Edit) -> Result<Plan, ApiError> {
    let (pool, stamp) = find(inventory, id)?;
    let expected = changeable(inventory, ObjectId::Pool(id), precondition)?;
    let overlaid = |said: &Table| body::overlaid(&build_json(pool, stamp), said);
    let new = edit.parsed(overlaid, |body, faults| parse_json(body, id, inventory, faults))?;
    Ok(Plan::rewrite(new, pool, Change::PutPool, expected))
}

/// `PATCH .../pools`: takes the addresses that are told of events from many pools, in order of their names.
async fn reset_emails(
    State(context): State<Arc<Context>>,
    writing: Writing,
    paging: Paging,
    JsonBody(body): JsonBody,
) -> Answer<Vec<ShownPool>> {
    if writing.precondition != Precondition::None {
        return Err(ApiError::invalid("If-Match is for single objects, and this is a list"));
    }
    let said = body::table(&body)?;
    if !is_reset(said) {
        let text = format!("of many pools at a time only {EMAIL:?} can be set, and only to \"\"");
        return Err(ApiError::invalid(text).at(format!("/{EMAIL}")));
    }
    let paging = match paging {
        Paging::Everything => Paging::Part { offset: 0, limit: PATCHED_DEFAULT },
        Paging::Part { offset, limit } => Paging::Part { offset, limit: limit.min(PATCHED_MAX) },
    };
    let edit = Edit::Part(said.clone());
    let mut page = None;
    let committed = context.commit(&writing, |inventory| {
        let mut pools: Vec<&Arc<Pool>> = inventory.pools.iter().collect();
        pools.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        let ids = paging.part(pools.into_iter(), |pool| pool.id);
        let mut plan = Plan::default();
        for id in ids.items.iter().filter(|id| has_emails(inventory, **id)) {
            if let Some(file) = inventory.declared_in(ObjectId::Pool(*id)) {
                let text = format!("pool {id} is left as it is: {file} declares it, and only there it can be changed");
                plan.messages.push(Message::of(Note::Warning, text));
                continue;
            }
            plan.steps.extend(rewritten(inventory, *id, &Precondition::None, &edit)?.steps);
        }
        page = Some(ids);
        Ok(plan)
    });
    let Committed { inventory, messages } = committed.await?;
    let page = page.ok_or_else(|| ApiError::internal("no page was made"))?;
    let assigned = context.assigned();
    let found = page.items.iter().filter_map(|id| find(&inventory, *id).ok());
    let shown = found.map(|(pool, stamp)| ShownPool::of(pool, stamp, &assigned, &inventory));
    Ok(Reply::new(shown.collect()).with_info(page.info).with_messages(messages))
}

/// Whether a body says the only thing that can be said of many pools.
fn is_reset(said: &Table) -> bool {
    let keys: BTreeSet<&str> = said.entries().iter().map(|entry| entry.key.as_ref()).collect();
    keys == BTreeSet::from([EMAIL]) && said.value(EMAIL) == Some(&Value::String(String::new()))
}

/// Whether a pool has such addresses. A declared pool without any is no hindrance.
fn has_emails(inventory: &Inventory, id: PoolId) -> bool {
    let kept = inventory.pools.find(id).and_then(|pool| pool.kept.table());
    kept.and_then(|kept| kept.entry(EMAIL)).is_some()
}

/// `DELETE .../pools/{pool_id}`: refused while others refer to it, unless `detach` takes it out of them first.
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    writing: Writing,
    parameters: Parameters,
) -> Answer<Deleted> {
    let object = ObjectId::Pool(id);
    let detaches = parameters.boolean("detach")?.unwrap_or(false);
    let committed = context.commit(&writing, |inventory| {
        let deletion = deletion(inventory, object, &writing.precondition)?;
        let mut plan = if detaches {
            detach::plan(inventory, id)?
        } else {
            Plan { steps: vec![], messages: detach::mentions(inventory, id) }
        };
        plan.steps.push(deletion);
        Ok(plan)
    });
    committed.await?.reply(|_| Ok(Reply::new(Deleted::of(object))))
}

/// A pool with its stamp.
pub fn find(inventory: &Inventory, id: PoolId) -> Result<Found<'_, Pool>, ApiError> {
    object::find(&inventory.pools, &inventory.stamps.pools, id)
}

/// The answer that shows a pool.
fn reply(context: &Context, inventory: &Inventory, id: PoolId) -> Answer<ShownPool> {
    let (pool, stamp) = find(inventory, id)?;
    let shown = ShownPool::of(pool, stamp, &context.assigned(), inventory);
    let seen = shown.seen();
    Ok(Reply::new(shown).at_seen(stamp.revision, seen))
}

#[cfg(test)]
mod tests;
