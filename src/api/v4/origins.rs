//! `pools/{pool_id}/origins/{name}`: one origin as an object of its own, which the original does not have. Its `ETag` is its
//! pool's: whoever changes two origins of a pool at one time changes one object.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;
use utoipa::openapi::{RefOr, Schema};

use crate::api::v4::body::{self, Edit, Parsed};
use crate::api::v4::code::Code;
use crate::api::v4::context::{Committed, Context};
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::changeable;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::plan::Plan;
use crate::api::v4::pools;
use crate::api::v4::pools::shown::{ORIGINS, ShownPool};
use crate::api::v4::precondition::Precondition;
use crate::api::v4::request::{PathId, PathParts, Writing};
use crate::api::v4::route::{Route, in_both_views};
use crate::model::id::{ObjectId, PoolId};
use crate::model::inventory::{Change, Inventory};
use crate::model::pool::Pool;
use crate::model::tree::{Node, Table, Value};
use crate::spec::dialect::Dialect;
use crate::spec::fault::{Fault, Faults, Severity};
use crate::spec::pool::{ORIGIN_KEYS, build_json, kept_origin_properties, parse_json};

/// One origin.
const ONE: &str = "/load_balancers/pools/{pool_id}/origins/{origin_name}";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::get(ONE, details).for_its_pool(),
        Route::put(ONE, write).for_its_pool(),
        Route::patch(ONE, write).for_its_pool(),
        Route::delete(ONE, remove).for_its_pool(),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let removed = schema::object([("name", schema::text())], []);
    let operations = vec![
        Operation::show(ONE, "Shows an origin of a pool.", "Origin"),
        Operation::write(
            Method::PUT,
            ONE,
            "Puts an origin into a pool, or in the place of the one with its name.",
            "OriginChange",
            "Origin",
        ),
        Operation::write(Method::PATCH, ONE, "Changes some of an origin.", "OriginChange", "Origin"),
        Operation::new(Method::DELETE, ONE, "Takes an origin out of its pool.").gives(removed).writes(),
    ];
    let said = |whole| schema::keyed(ORIGIN_KEYS, &kept_origin_properties(), property, whole);
    Description {
        tag: "Origins",
        operations,
        schemas: vec![("Origin", said(Whole::Yes)), ("OriginChange", said(Whole::No))],
    }
}

/// The schema of a key that is not only kept.
fn property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "name" => schema::text_about("No other origin of the pool has it."),
        "address" => schema::text_about("An IPv4 or IPv6 address, or the name of a host."),
        "probe_address" => schema::text_about("The address to probe instead; beyond the original."),
        "enabled" => schema::boolean_or(true),
        "weight" => schema::number(0.0, 1.0),
        "header" => schema::object([], [("Host", schema::list(schema::text()))]),
        "healthy" => schema::boolean(),
        "failure_reason" => schema::text(),
        "lever" => schema::of("Lever"),
        "disabled_at" => schema::time(),
        _ => return None,
    })
}

/// What is shown of an origin that is gone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Removed {
    /// The name that it had.
    name: String,
}

/// An origin in its pool, which it is shown from.
#[derive(Debug)]
struct Shown {
    /// The pool.
    pool: ShownPool,
    /// The origin's place in it.
    index: usize,
}

impl Serialize for Shown {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.pool.origin(self.index).serialize(serializer)
    }
}

/// `GET .../origins/{name}`
async fn details(State(context): State<Arc<Context>>, PathId(id): PathId<PoolId>, path: PathParts) -> Answer<Shown> {
    reply(&context, &context.inventory(), id, path.part("origin_name")?)
}

/// `PUT` and `PATCH .../origins/{name}`. PUT puts it in the place of the origin with that name, or else as the pool's last;
/// PATCH can change the name too.
async fn write(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    path: PathParts,
    writing: Writing,
    edit: Edit,
) -> Answer<Shown> {
    let name = path.part("origin_name")?;
    let said = match &edit {
        Edit::Whole(body) => &named(body::table(body)?, name)?,
        Edit::Part(said) => said,
    };
    // The origin is what the path names. A pool that was not there would have none.
    let is_new = writing.precondition == Precondition::Absent;
    let writing = if is_new { Writing { precondition: Precondition::None, ..writing } } else { writing };
    let mut committed = rewrite(&context, &writing, id, &|pool, origins| {
        if is_new && position(pool, name).is_some() {
            let text = format!("origin {name:?} is there already, and If-None-Match says that it must not be");
            return Err(ApiError::new(Code::Stale, text));
        }
        let index = match edit {
            Edit::Whole(_) => position(pool, name).unwrap_or(origins.len()),
            Edit::Part(_) => found(pool, name)?,
        };
        let new = match (&edit, origins.get(index)) {
            (Edit::Part(said), Some(Node { value: Value::Table(current), .. })) => body::overlaid(current, said),
            _ => Node::built(Value::Table(said.clone())),
        };
        match origins.get_mut(index) {
            Some(origin) => *origin = new,
            None => origins.push(new),
        }
        Ok(Some(index))
    })
    .await?;
    committed.messages.retain(|message| edit.tells(message));
    let name = match said.value("name") {
        Some(Value::String(name)) => name,
        _ => name,
    };
    committed.reply(|inventory| reply(&context, inventory, id, name))
}

/// `DELETE .../origins/{name}`
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    path: PathParts,
    writing: Writing,
) -> Answer<Removed> {
    let name = path.part("origin_name")?;
    let committed = rewrite(&context, &writing, id, &|pool, origins| {
        let index = found(pool, name)?;
        if origins.len() == 1 {
            let text = "a pool has at least one origin, and this is its last: delete the pool, or add another first";
            return Err(ApiError::invalid(text));
        }
        if origins.len() <= usize::try_from(pool.minimum_origins).unwrap_or(usize::MAX) {
            let text = format!(
                "the pool has {} origins and needs {} of them healthy: lower its minimum_origins, or add another first",
                origins.len(),
                pool.minimum_origins
            );
            return Err(ApiError::invalid(text));
        }
        origins.remove(index);
        Ok(None)
    })
    .await?;
    committed.reply(|inventory| {
        let (_, stamp) = pools::find(inventory, id)?;
        Ok(Reply::new(Removed { name: name.to_owned() }).at(stamp.revision))
    })
}

/// The body with the path's name, which it need not repeat and must not contradict.
fn named(said: &Table, name: &str) -> Result<Table, ApiError> {
    match said.value("name") {
        None => Ok(said.clone().without("name").with("name", Node::text(name))),
        Some(Value::String(given)) if given == name => Ok(said.clone()),
        Some(_) => {
            let text = format!("name: the path names the origin {name:?}; PATCH can change its name");
            Err(ApiError::invalid(text).at("/name"))
        }
    }
}

/// Edits the origins of a pool, as JSON, and gives the place of the one that the body is about.
type EditOrigins<'e> = &'e (dyn Fn(&Pool, &mut Vec<Node>) -> Result<Option<usize>, ApiError> + Sync);

/// Changes the origins of a pool, if they are others then.
async fn rewrite(
    context: &Context,
    writing: &Writing,
    id: PoolId,
    edit: EditOrigins<'_>,
) -> Result<Committed, ApiError> {
    let committed = context.commit(writing, |inventory| {
        let (pool, stamp) = pools::find(inventory, id)?;
        let expected = changeable(inventory, ObjectId::Pool(id), &writing.precondition)?;
        let new = edited(&build_json(pool, stamp), pool, inventory, edit)?;
        Ok(Plan::rewrite(new, pool, Change::PutPool, expected))
    });
    committed.await
}

/// The pool with edited origins.
fn edited(
    current: &Table,
    pool: &Pool,
    inventory: &Inventory,
    edit: EditOrigins<'_>,
) -> Result<Parsed<Pool>, ApiError> {
    let mut origins = match current.value(ORIGINS) {
        Some(Value::Array(origins)) => origins.clone(),
        _ => vec![],
    };
    let index = edit(pool, &mut origins)?;
    let said = Table::default().with(ORIGINS, Node::built(Value::Array(origins)));
    let mut faults = Faults::of(Dialect::Json);
    let object = parse_json(&body::overlaid(current, &said), pool.id, inventory, &mut faults);
    body::finished(object, told(&faults, index))
}

/// The faults of a pool as those of the one origin that a body has: their paths begin there. So do those at another origin,
/// which was without fault before: it has now what the body says too. What the pool has been warned of otherwise is not
/// told again.
fn told(faults: &Faults, index: Option<usize>) -> Faults {
    let mut told = Faults::of(Dialect::Json);
    for severity in [Severity::Fault, Severity::Warning] {
        for fault in faults.listed(severity).kept() {
            match index.and_then(|index| Some((index, inside(&fault.path)?))) {
                Some((index, (at, path))) if severity == Severity::Fault || at == index => {
                    told.add(severity, Fault { path: path.to_owned(), ..fault.clone() });
                }
                _ if severity == Severity::Fault => told.push(fault.clone()),
                _ => {}
            }
        }
    }
    told
}

/// The place of the origin that a path of a pool leads into, and the path from there on.
fn inside(path: &str) -> Option<(usize, &str)> {
    let (index, rest) = path.strip_prefix(ORIGINS)?.strip_prefix('[')?.split_once(']')?;
    Some((index.parse().ok()?, rest.strip_prefix('.').unwrap_or(rest)))
}

/// The place of an origin in its pool.
fn position(pool: &Pool, name: &str) -> Option<usize> {
    pool.origins.iter().position(|origin| origin.name == name)
}

/// The same for an origin that has to be there.
fn found(pool: &Pool, name: &str) -> Result<usize, ApiError> {
    let missing = || ApiError::not_found("origin", format_args!("{name:?} in pool {}", pool.id));
    position(pool, name).ok_or_else(missing)
}

/// The answer that shows an origin.
fn reply(context: &Context, inventory: &Inventory, id: PoolId, name: &str) -> Answer<Shown> {
    let (pool, stamp) = pools::find(inventory, id)?;
    let index = found(pool, name)?;
    let pool = ShownPool::of(pool, stamp, &context.assigned(), inventory);
    let seen = pool.seen();
    Ok(Reply::new(Shown { pool, index }).at_seen(stamp.revision, seen))
}

#[cfg(test)]
mod tests;
