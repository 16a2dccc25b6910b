//! `load_balancers/monitors`: at user level and at account level the same. Lists have the oldest monitor first.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use utoipa::openapi::{RefOr, Schema};

use crate::api::v4::body::{self, Edit, Parsed, parsed};
use crate::api::v4::caller::Caller;
use crate::api::v4::context::{Context, random_bits};
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{self, Deleted, Found, changeable, delete, in_order};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::plan::Plan;
use crate::api::v4::request::{JsonBody, PathId, Writing};
use crate::api::v4::route::{Route, in_both_views};
use crate::api::v4::secrets;
use crate::model::id::{MonitorId, ObjectId};
use crate::model::inventory::{Change, Inventory};
use crate::model::limits::{
    CERTIFICATE_DAYS_MAX, CONSECUTIVE_MAX, DAMPING_CHANGES_MAX, DAMPING_SPAN_MAX, DESCRIPTION_CHARS_MAX, INTERVAL_MAX,
    RETRIES_MAX, TIMEOUT_MAX,
};
use crate::model::monitor::{Check, Monitor};
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table, Value};
use crate::spec::monitor::{DAMPING_KEYS, KEYS, build_json, parse_json, types};

/// All monitors.
const ALL: &str = "/load_balancers/monitors";
/// One monitor.
const ONE: &str = "/load_balancers/monitors/{monitor_id}";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::get(ALL, list).at_length(),
        Route::post(ALL, create),
        Route::get(ONE, details).for_all(),
        Route::put(ONE, rewrite),
        Route::patch(ONE, rewrite),
        Route::delete(ONE, remove),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let operations = vec![
        Operation::new(Method::GET, ALL, "Lists monitors.").lists(schema::of("Monitor")),
        Operation::write(Method::POST, ALL, "Makes a monitor.", "Monitor", "Monitor"),
        Operation::show(ONE, "Shows a monitor.", "Monitor"),
        Operation::write(Method::PUT, ONE, "Replaces a monitor.", "Monitor", "Monitor"),
        Operation::write(Method::PATCH, ONE, "Changes some of a monitor.", "Monitor", "Monitor"),
        Operation::delete(ONE, "Deletes a monitor; refused while pools or monitor groups name it."),
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
        "timeout" => schema::duration(TIMEOUT_MAX),
        "interval" => schema::duration(INTERVAL_MAX),
        "retries" => schema::integer(0, RETRIES_MAX.into()),
        "consecutive_up" | "consecutive_down" => schema::integer(0, CONSECUTIVE_MAX.into()),
        "damping" => schema::keyed(DAMPING_KEYS, &Table::default(), damping_property, Whole::Yes),
        "certificate_days_min" => schema::integer(0, CERTIFICATE_DAYS_MAX.into()),
        "follow_redirects" | "allow_insecure" | "tls" => schema::boolean_or(false),
        "created_on" | "modified_on" => schema::time(),
        _ => return None,
    })
}

/// The schema of a key of a monitor's `damping`.
fn damping_property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "changes" => schema::integer(2, DAMPING_CHANGES_MAX.into()),
        // Seconds as a number, or with a unit as a text.
        "within" | "hold" => schema::integer(1, i64::try_from(DAMPING_SPAN_MAX.as_secs()).unwrap_or(i64::MAX)),
        _ => return None,
    })
}

/// `GET .../monitors`
async fn list(State(context): State<Arc<Context>>, caller: Caller, paging: Paging) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    let monitors = in_order(inventory.monitors.iter(), &inventory.stamps.monitors, |monitor| &monitor.name);
    Ok(Reply::page(paging.part(monitors.into_iter(), |(monitor, stamp)| shown(&caller, monitor, stamp))))
}

/// `POST .../monitors`
async fn create(State(context): State<Arc<Context>>, writing: Writing, JsonBody(body): JsonBody) -> Answer<Table> {
    let id = MonitorId::random(random_bits()?);
    secrets::check_whole(&body)?;
    let expected = writing.precondition.of_new()?;
    let committed = context.commit(&writing, |inventory| {
        let new = parsed(|faults| parse_json(&body, id, inventory, faults))?;
        Ok(Plan::write(new, Change::PutMonitor, expected))
    });
    committed.await?.reply(|inventory| reply(&writing.caller, inventory, id))
}

/// `GET .../monitors/{monitor_id}`
async fn details(State(context): State<Arc<Context>>, caller: Caller, PathId(id): PathId<MonitorId>) -> Answer<Table> {
    let inventory = context.inventory();
    caller.check_monitor(id, &inventory)?;
    reply(&caller, &inventory, id)
}

/// `PUT` and `PATCH .../monitors/{monitor_id}`
async fn rewrite(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorId>,
    writing: Writing,
    edit: Edit,
) -> Answer<Table> {
    let committed = context.commit(&writing, |inventory| {
        let (monitor, stamp) = find(inventory, id)?;
        let expected = changeable(inventory, ObjectId::Monitor(id), &writing.precondition)?;
        let new = edited(inventory, monitor, stamp, &edit)?;
        Ok(Plan::rewrite(new, monitor, Change::PutMonitor, expected))
    });
    committed.await?.reply(|inventory| reply(&writing.caller, inventory, id))
}

/// What an edit makes of a monitor.
pub fn edited(
    inventory: &Inventory,
    monitor: &Monitor,
    stamp: &Stamp<MonitorId>,
    edit: &Edit,
) -> Result<Parsed<Monitor>, ApiError> {
    let overlaid = |said: &Table| {
        let current = build_json(monitor, stamp);
        let current = match monitor.check {
            // What stands there for a connection is no method of HTTP, if the body makes it an HTTP check.
            Check::Tcp { .. } => current.without("method"),
            _ => current,
        };
        body::overlaid(&current, said)
    };
    match edit {
        Edit::Whole(body) => secrets::check_whole(body)?,
        Edit::Part(said) => secrets::check_whole(&Node::built(Value::Table(said.clone())))?,
    }
    edit.parsed(overlaid, |body, faults| parse_json(body, monitor.id, inventory, faults))
}

/// `DELETE .../monitors/{monitor_id}`: refused while a pool or a monitor group names it.
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorId>,
    writing: Writing,
) -> Answer<Deleted> {
    delete(&context, &writing, ObjectId::Monitor(id), |_| Ok(())).await
}

/// A monitor with its stamp.
pub fn find(inventory: &Inventory, id: MonitorId) -> Result<Found<'_, Monitor>, ApiError> {
    object::find(&inventory.monitors, &inventory.stamps.monitors, id)
}

/// What a monitor is called where others name it: one without a name of its own, by its description if it has one.
pub fn label(monitor: &Monitor) -> &str {
    let has_name = monitor.name != monitor.id.to_string();
    if has_name || monitor.description.is_empty() { &monitor.name } else { &monitor.description }
}

/// A monitor as it is shown to somebody.
fn shown(caller: &Caller, monitor: &Monitor, stamp: &Stamp<MonitorId>) -> Table {
    let whole = build_json(monitor, stamp);
    if caller.sees_secrets() { whole } else { secrets::hidden(&whole) }
}

/// The answer that shows a monitor.
fn reply(caller: &Caller, inventory: &Inventory, id: MonitorId) -> Answer<Table> {
    let (monitor, stamp) = find(inventory, id)?;
    Ok(Reply::new(shown(caller, monitor, stamp)).at(stamp.revision))
}

#[cfg(test)]
mod tests;
