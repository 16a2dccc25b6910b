//! `load_balancers/monitors`: at user level and at account level the same. Lists have the oldest monitor first.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use utoipa::openapi::{RefOr, Schema};

use crate::api::v4::body::{self, Parsed, parsed};
use crate::api::v4::context::{Committed, Context, random_bits};
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{Deleted, changeable, deletion, in_order};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::request::{JsonBody, PathId, Writing};
use crate::api::v4::route::{Route, in_both_views};
use crate::model::id::{MonitorId, ObjectId};
use crate::model::inventory::{Change, Inventory, Step};
use crate::model::limits::{CERTIFICATE_DAYS_MAX, DESCRIPTION_CHARS_MAX};
use crate::model::monitor::{Check, Monitor};
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table};
use crate::spec::monitor::{KEYS, build_json, parse_json, types};

/// All monitors.
const ALL: &str = "/load_balancers/monitors";
/// One monitor.
const ONE: &str = "/load_balancers/monitors/{monitor_id}";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::get(ALL, list),
        Route::post(ALL, create),
        Route::get(ONE, details),
        Route::put(ONE, replace),
        Route::patch(ONE, edit),
        Route::delete(ONE, remove),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let one = || schema::of("Monitor");
    let operations = vec![
        Operation::new(Method::GET, ALL, "Lists monitors.").lists(one()),
        Operation::new(Method::POST, ALL, "Makes a monitor.").takes(one()).gives(one()).tagged().writes(),
        Operation::new(Method::GET, ONE, "Shows a monitor.").gives(one()).tagged(),
        Operation::new(Method::PUT, ONE, "Replaces a monitor.").takes(one()).gives(one()).tagged().writes(),
        Operation::new(Method::PATCH, ONE, "Changes some of a monitor.").takes(one()).gives(one()).tagged().writes(),
        Operation::new(Method::DELETE, ONE, "Deletes a monitor; refused while pools name it.")
            .gives(schema::deleted())
            .writes(),
    ];
    // No key has to be there, so that a change has the same schema.
    let monitor = schema::keyed(KEYS, &Table::default(), property, Whole::Yes);
    Description { tag: "Monitors", operations, schemas: vec![("Monitor", monitor)] }
}

/// The schema of a key of a monitor.
fn property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "id" => schema::id(),
        "type" => schema::words(&types()),
        "name" | "method" | "path" | "expected_body" | "probe_zone" | "server_name" | "service" | "source_address"
        | "query_name" | "query_type" | "expected_rcode" | "expected_answer" => schema::text(),
        "ca_file" | "client_certificate" | "client_key" => {
            schema::text_about("A file of the server, which its configuration alone can name.")
        }
        "expected_codes" => schema::text_about("Codes such as `200`, `2xx` or `200,302`."),
        "description" => schema::text_to(DESCRIPTION_CHARS_MAX),
        "port" => schema::integer(0, u16::MAX.into()),
        "header" => schema::map(schema::list(schema::text())),
        "timeout" | "retries" | "interval" | "consecutive_up" | "consecutive_down" => schema::integer(0, i64::MAX),
        "certificate_days_min" => schema::integer(0, CERTIFICATE_DAYS_MAX.into()),
        "follow_redirects" | "allow_insecure" | "tls" => schema::boolean_or(false),
        "created_on" | "modified_on" => schema::time(),
        _ => return None,
    })
}

/// `GET .../monitors`
async fn list(State(context): State<Arc<Context>>, paging: Paging) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    let monitors = in_order(inventory.monitors.iter(), &inventory.stamps.monitors, |monitor| &monitor.name);
    Ok(Reply::page(paging.part(monitors.into_iter(), |(monitor, stamp)| build_json(monitor, stamp))))
}

/// `POST .../monitors`
async fn create(State(context): State<Arc<Context>>, writing: Writing, JsonBody(body): JsonBody) -> Answer<Table> {
    let id = MonitorId::random(random_bits()?);
    let expected = writing.precondition.of_new()?;
    let mut messages = vec![];
    let committed = context.commit(&writing, |inventory| {
        let parsed = parsed(|faults| parse_json(&body, id, inventory, faults))?;
        messages = parsed.messages;
        Ok(vec![Step { change: Change::PutMonitor(parsed.object), expected }])
    });
    let committed = committed.await?;
    shown(id, messages, committed)
}

/// `GET .../monitors/{monitor_id}`
async fn details(State(context): State<Arc<Context>>, PathId(id): PathId<MonitorId>) -> Answer<Table> {
    shown(id, vec![], Committed { inventory: context.inventory(), messages: vec![] })
}

/// `PUT .../monitors/{monitor_id}`
async fn replace(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    rewrite(&context, &writing, id, |_, _| body.clone(), |_| true).await
}

/// `PATCH .../monitors/{monitor_id}`
async fn edit(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    let said = body::table(&body)?;
    let is_told = |message: &Message| body::is_about(message, said);
    rewrite(&context, &writing, id, |monitor, stamp| overlaid(monitor, stamp, said), is_told).await
}

/// What a monitor says with a body laid over it.
pub fn overlaid(monitor: &Monitor, stamp: &Stamp<MonitorId>, said: &Table) -> Node {
    let current = build_json(monitor, stamp);
    let current = match monitor.check {
        // What stands there for a connection is no method of HTTP, if the body makes it an HTTP check.
        Check::Tcp { .. } => current.without("method"),
        _ => current,
    };
    body::overlaid(&current, said)
}

/// Writes a monitor anew, if that changes it. `saying` gives what the new one says, from the present one; of what there
/// is to tell, `is_told` says what is told.
async fn rewrite(
    context: &Context,
    writing: &Writing,
    id: MonitorId,
    saying: impl Fn(&Monitor, &Stamp<MonitorId>) -> Node + Send + Sync,
    is_told: impl Fn(&Message) -> bool + Send,
) -> Answer<Table> {
    let mut messages = vec![];
    let committed = context.commit(writing, |inventory| {
        let expected = changeable(inventory, ObjectId::Monitor(id), &writing.precondition)?;
        let (monitor, stamp) = find(inventory, id)?;
        let body = saying(monitor, stamp);
        let Parsed { object, messages: told } = parsed(|faults| parse_json(&body, id, inventory, faults))?;
        messages = told;
        let changes = object != **monitor;
        Ok(changes.then_some(Step { change: Change::PutMonitor(object), expected }).into_iter().collect())
    });
    let committed = committed.await?;
    messages.retain(is_told);
    shown(id, messages, committed)
}

/// `DELETE .../monitors/{monitor_id}`: refused while a pool names it.
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorId>,
    writing: Writing,
) -> Answer<Deleted> {
    let object = ObjectId::Monitor(id);
    let committed = context.commit(&writing, |inventory| Ok(vec![deletion(inventory, object, &writing.precondition)?]));
    let committed = committed.await?;
    Ok(Reply::new(Deleted::of(object)).with_messages(committed.messages))
}

/// A monitor with its stamp.
pub fn find(inventory: &Inventory, id: MonitorId) -> Result<(&Arc<Monitor>, &Stamp<MonitorId>), ApiError> {
    let found = inventory.monitors.find(id).zip(inventory.stamps.monitors.find(id));
    found.map(|(monitor, stamp)| (monitor, stamp.as_ref())).ok_or_else(|| ApiError::not_found("monitor", id))
}

/// What a monitor is called where others name it: one without a name of its own, by its description if it has one.
pub fn label(monitor: &Monitor) -> &str {
    let has_name = monitor.name != monitor.id.to_string();
    if has_name || monitor.description.is_empty() { &monitor.name } else { &monitor.description }
}

/// A monitor after a commit.
fn shown(id: MonitorId, messages: Vec<Message>, committed: Committed) -> Answer<Table> {
    let Committed { inventory, messages: more } = committed;
    let (monitor, stamp) = find(&inventory, id)?;
    let reply = Reply::new(build_json(monitor, stamp)).at(stamp.revision);
    Ok(reply.with_messages(messages).with_messages(more))
}

#[cfg(test)]
mod tests;
