//! `pools/{pool_id}/levers`, and the lever of a pool or of one of its origins: what operators decide, whatever probes say. The
//! original has nothing like it. Pools that a file declares have levers too: they say how things are just now.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use crate::api::v4::body::parsed;
use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::changeable;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::plan::Plan;
use crate::api::v4::pools;
use crate::api::v4::precondition::Precondition;
use crate::api::v4::request::{JsonBody, PathId, PathParts, Writing};
use crate::api::v4::route::{Route, in_both_views};
use crate::model::id::{ObjectId, PoolId};
use crate::model::inventory::{Change, Expected, Inventory, Step};
use crate::model::lever::{Lever, LeverAction, Levers};
use crate::model::limits::DESCRIPTION_CHARS_MAX;
use crate::model::tree::Table;
use crate::spec::lever::{build_json, parse_json};
use crate::store::now;

/// All levers of a pool.
const ALL: &str = "/load_balancers/pools/{pool_id}/levers";
/// The lever of the whole pool.
const WHOLE: &str = "/load_balancers/pools/{pool_id}/lever";
/// The lever of an origin.
const ORIGIN: &str = "/load_balancers/pools/{pool_id}/origins/{origin_name}/lever";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::get(ALL, list).for_its_pool(),
        Route::put(WHOLE, pull).for_its_pool(),
        Route::delete(WHOLE, release).for_its_pool(),
        Route::put(ORIGIN, pull).for_its_pool(),
        Route::delete(ORIGIN, release).for_its_pool(),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let words = || schema::words(&LeverAction::ALL.map(LeverAction::word));
    let lever = schema::object(
        [("action", words()), ("reason", schema::text()), ("since", schema::time())],
        [("until", schema::time())],
    );
    let change = schema::object(
        [("action", words())],
        [
            ("reason", schema::text_about(&format!("Why, for people: up to {DESCRIPTION_CHARS_MAX} characters."))),
            (
                "for",
                schema::text_about(
                    "Seconds, or a text such as `1h`: when it is released by itself. Without it: by hand.",
                ),
            ),
        ],
    );
    let all = schema::object([("origins", schema::map(schema::of("Lever")))], [("pool", schema::of("Lever"))]);
    let write = |path| Operation::write(Method::PUT, path, "Pulls a lever.", "LeverChange", "Levers");
    let release = |path| Operation::new(Method::DELETE, path, "Releases a lever.").gives(schema::of("Levers")).writes();
    let list = Operation::show(ALL, "Shows the levers of a pool that are in force.", "Levers");
    Description {
        tag: "Levers",
        operations: vec![list, write(WHOLE), release(WHOLE), write(ORIGIN), release(ORIGIN)],
        schemas: vec![("Lever", lever), ("LeverChange", change), ("Levers", all)],
    }
}

/// The levers of a pool as they are shown.
#[derive(Debug, Serialize)]
struct Shown {
    /// That of the whole pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<Table>,
    /// Those of origins, by name.
    origins: BTreeMap<String, Table>,
}

/// `GET .../levers`
async fn list(State(context): State<Arc<Context>>, PathId(id): PathId<PoolId>) -> Answer<Shown> {
    reply(&context.inventory(), id)
}

/// `PUT .../lever`
async fn pull(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    path: PathParts,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Shown> {
    let origin = path.find("origin_name");
    let committed = context.commit(&writing, |inventory| {
        let (pool, _) = pools::find(inventory, id)?;
        let present = inventory.levers.find(id).map_or_else(|| Levers::none(id), |levers| Levers::clone(levers));
        if let Some(name) = origin
            && !pool.origins.iter().any(|origin| origin.name == name)
        {
            return Err(ApiError::not_found("origin", format_args!("{name:?} in pool {}", pool.name)));
        }
        let now = now();
        let lever = parsed(|faults| parse_json(&body, now, faults))?;
        // Those of origins that are gone go along.
        let is_there = |name: &String| pool.origins.iter().any(|origin| origin.name == *name);
        let mut next = present.with(origin, Some(lever.object), now);
        next.origins.retain(|name, _| is_there(name));
        let expected = expected(inventory, id, &writing.precondition)?;
        Ok(Plan { steps: vec![Step { change: Change::PutLevers(next), expected }], messages: lever.messages })
    });
    committed.await?.reply(|inventory| reply(inventory, id))
}

/// `DELETE .../lever`
async fn release(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    path: PathParts,
    writing: Writing,
) -> Answer<Shown> {
    let origin = path.find("origin_name");
    let committed = context.commit(&writing, |inventory| {
        let (pool, _) = pools::find(inventory, id)?;
        let present = inventory.levers.find(id).filter(|levers| levers.in_force(origin, now()).is_some());
        let missing = || {
            let what = origin.map_or_else(|| "the pool".to_owned(), |name| format!("origin {name:?}"));
            ApiError::not_found("lever", format_args!("of {what} in pool {}: none is pulled", pool.name))
        };
        let next = present.ok_or_else(missing)?.with(origin, None, now());
        let expected = expected(inventory, id, &writing.precondition)?;
        let change = if next.is_empty() { Change::Delete(ObjectId::Levers(id)) } else { Change::PutLevers(next) };
        Ok(Plan::from(Step { change, expected }))
    });
    committed.await?.reply(|inventory| reply(inventory, id))
}

/// What a commit is to expect of the levers of a pool, which may have none.
fn expected(inventory: &Inventory, id: PoolId, precondition: &Precondition) -> Result<Expected, ApiError> {
    match inventory.revision(ObjectId::Levers(id)) {
        Some(_) => changeable(inventory, ObjectId::Levers(id), precondition),
        None => Ok(Expected::Absent),
    }
}

/// The answer that shows the levers of a pool that are in force.
fn reply(inventory: &Inventory, id: PoolId) -> Answer<Shown> {
    pools::find(inventory, id)?;
    let now = now();
    let in_force = |lever: &Lever| lever.is_in_force(now).then(|| build_json(lever));
    let levers = inventory.levers.find(id);
    let all = levers.iter().flat_map(|levers| levers.iter());
    let origins = all.filter_map(|(name, lever)| Some((name?.to_owned(), in_force(lever)?))).collect();
    let pool = levers.and_then(|levers| levers.whole.as_ref()).and_then(in_force);
    let reply = Reply::new(Shown { pool, origins });
    Ok(match inventory.revision(ObjectId::Levers(id)) {
        Some(revision) => reply.at(revision),
        None => reply,
    })
}

#[cfg(test)]
mod tests;
