//! `pools/{pool_id}/origins/{name}`: one origin as an object of its own, which the original does not have. Its `ETag` is its
//! pool's: whoever changes two origins of a pool at one time changes one object.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use crate::api::v4::body::{self, Parsed};
use crate::api::v4::context::{Committed, Context};
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::pools::rewritten;
use crate::api::v4::pools::shown::{ORIGINS, ShownPool};
use crate::api::v4::request::{JsonBody, PathId, PathParts, Writing};
use crate::api::v4::route::{Route, in_both_views};
use crate::model::id::{ObjectId, PoolId};
use crate::model::inventory::Inventory;
use crate::model::pool::Pool;
use crate::model::tree::{Node, Table, Value};
use crate::spec::dialect::Dialect;
use crate::spec::fault::{Fault, Faults, Severity};
use crate::spec::pool::parse_json;

/// One origin.
const ONE: &str = "/load_balancers/pools/{pool_id}/origins/{origin_name}";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::get(ONE, details),
        Route::put(ONE, put).for_its_pool(),
        Route::patch(ONE, edit).for_its_pool(),
        Route::delete(ONE, remove).for_its_pool(),
    ])
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
    let found = Committed { inventory: context.inventory(), messages: vec![] };
    shown(&context, id, path.part("origin_name")?, vec![], found)
}

/// `PUT .../origins/{name}`: in the place of the origin with that name, or else as the pool's last.
async fn put(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    path: PathParts,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Shown> {
    let name = path.part("origin_name")?;
    let said = named(body::table(&body)?, name)?;
    let (committed, messages) = rewrite(&context, &writing, id, &|pool, origins| {
        let index = position(pool, name).unwrap_or(origins.len());
        let node = Node::built(Value::Table(said.clone()));
        match origins.get_mut(index) {
            Some(origin) => *origin = node,
            None => origins.push(node),
        }
        Ok(Some(index))
    })
    .await?;
    shown(&context, id, name, messages, committed)
}

/// `PATCH .../origins/{name}`; the name can be changed too.
async fn edit(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    path: PathParts,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Shown> {
    let name = path.part("origin_name")?;
    let said = body::table(&body)?;
    let (committed, mut messages) = rewrite(&context, &writing, id, &|pool, origins| {
        let index = found(pool, name)?;
        if let Some(Node { value: Value::Table(current), .. }) = origins.get(index)
            && let patched = body::overlaid(current, said)
            && let Some(origin) = origins.get_mut(index)
        {
            *origin = patched;
        }
        Ok(Some(index))
    })
    .await?;
    messages.retain(|message| body::is_about(message, said));
    let name = match said.value("name") {
        Some(Value::String(name)) => name,
        _ => name,
    };
    shown(&context, id, name, messages, committed)
}

/// `DELETE .../origins/{name}`
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    path: PathParts,
    writing: Writing,
) -> Answer<Removed> {
    let name = path.part("origin_name")?;
    let (Committed { inventory, messages }, _) = rewrite(&context, &writing, id, &|pool, origins| {
        let index = found(pool, name)?;
        if origins.len() == 1 {
            let text = "a pool has at least one origin, and this is its last: delete the pool, or add another first";
            return Err(ApiError::invalid(text));
        }
        origins.remove(index);
        Ok(None)
    })
    .await?;
    let reply = Reply::new(Removed { name: name.to_owned() }).with_messages(messages);
    Ok(match inventory.revision(ObjectId::Pool(id)) {
        Some(revision) => reply.at(revision),
        None => reply,
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
type Edit<'e> = &'e (dyn Fn(&Pool, &mut Vec<Node>) -> Result<Option<usize>, ApiError> + Sync);

/// Changes the origins of a pool, if they are others then.
async fn rewrite(
    context: &Context,
    writing: &Writing,
    id: PoolId,
    edit: Edit<'_>,
) -> Result<(Committed, Vec<Message>), ApiError> {
    let mut messages = vec![];
    let committed = context.commit(writing, |inventory| {
        let make = |current: &Table, inventory: &Inventory| edited(current, id, inventory, edit);
        let parsed = rewritten(inventory, id, &writing.precondition, make)?;
        messages = parsed.messages;
        Ok(parsed.object.into_iter().collect())
    });
    let committed = committed.await?;
    Ok((committed, messages))
}

/// The pool with edited origins.
fn edited(current: &Table, id: PoolId, inventory: &Inventory, edit: Edit<'_>) -> Result<Parsed<Pool>, ApiError> {
    let pool = inventory.pools.find(id).ok_or_else(|| ApiError::not_found("pool", id))?;
    let mut origins = match current.value(ORIGINS) {
        Some(Value::Array(origins)) => origins.clone(),
        _ => vec![],
    };
    let index = edit(pool, &mut origins)?;
    let said = Table::default().with(ORIGINS, Node::built(Value::Array(origins)));
    let mut faults = Faults::of(Dialect::Json);
    let object = parse_json(&body::overlaid(current, &said), id, inventory, &mut faults);
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

/// An origin after a commit.
fn shown(context: &Context, id: PoolId, name: &str, messages: Vec<Message>, committed: Committed) -> Answer<Shown> {
    let Committed { inventory, messages: more } = committed;
    let pool = inventory.pools.find(id).ok_or_else(|| ApiError::not_found("pool", id))?;
    let index = found(pool, name)?;
    let shown = ShownPool::find(&inventory, id, &context.assigned());
    let (pool, stamp) = shown.ok_or_else(|| ApiError::not_found("pool", id))?;
    Ok(Reply::new(Shown { pool, index }).at(stamp.revision).with_messages(messages).with_messages(more))
}

#[cfg(test)]
mod tests;
