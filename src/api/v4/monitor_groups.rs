//! `accounts/{account_id}/load_balancers/monitor_groups`: the original has them at account level alone. Lists have the oldest
//! group first.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use utoipa::openapi::{RefOr, Schema};

use crate::api::v4::body::{self, Edit, parsed};
use crate::api::v4::context::{Context, random_bits};
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{self, Found, changeable, deletion, in_order};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::plan::Plan;
use crate::api::v4::request::{JsonBody, PathId, Writing};
use crate::api::v4::route::{Route, in_account};
use crate::model::id::{MonitorGroupId, ObjectId};
use crate::model::inventory::{Change, Inventory, Stored, StoredObject};
use crate::model::limits::DESCRIPTION_CHARS_MAX;
use crate::model::monitor_group::MonitorGroup;
use crate::model::stamp::{Provenance, Stamp, UnixMicros};
use crate::model::tree::Table;
use crate::spec::monitor_group::{KEYS, MEMBER_KEYS, build_json, parse_json};

/// All monitor groups.
const ALL: &str = "/load_balancers/monitor_groups";
/// One monitor group.
const ONE: &str = "/load_balancers/monitor_groups/{monitor_group_id}";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_account(&[
        Route::get(ALL, list).at_length(),
        Route::post(ALL, create),
        Route::get(ONE, details),
        Route::put(ONE, rewrite),
        Route::patch(ONE, rewrite),
        Route::delete(ONE, remove),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    const GROUP: &str = "MonitorGroup";
    const CHANGE: &str = "MonitorGroupChange";
    let operations = vec![
        Operation::new(Method::GET, ALL, "Lists monitor groups.").lists(schema::of(GROUP)),
        Operation::write(Method::POST, ALL, "Makes a monitor group.", GROUP, GROUP),
        Operation::show(ONE, "Shows a monitor group.", GROUP),
        Operation::write(Method::PUT, ONE, "Replaces a monitor group.", GROUP, GROUP),
        Operation::write(Method::PATCH, ONE, "Changes some of a monitor group.", CHANGE, GROUP),
        Operation::new(Method::DELETE, ONE, "Deletes a monitor group; refused while pools name it.")
            .gives(schema::of(GROUP))
            .writes(),
    ];
    let said = |whole| schema::keyed(KEYS, &Table::default(), property, whole);
    let member = schema::keyed(MEMBER_KEYS, &Table::default(), member_property, Whole::Yes);
    let schemas = vec![(GROUP, said(Whole::Yes)), (CHANGE, said(Whole::No)), ("MonitorGroupMember", member)];
    Description { tag: "Monitor groups", operations, schemas }
}

/// The schema of a key of a monitor group.
fn property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "id" => schema::id(),
        "name" => schema::text(),
        "description" => schema::text_to(DESCRIPTION_CHARS_MAX),
        "members" => schema::list(schema::of("MonitorGroupMember")),
        "created_on" | "modified_on" => schema::time(),
        _ => return None,
    })
}

/// The schema of a key of a member.
fn member_property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "monitor_id" => schema::id(),
        "enabled" => schema::boolean_or(true),
        "must_be_healthy" | "monitoring_only" => schema::boolean_or(false),
        "created_at" | "updated_at" => schema::time(),
        _ => return None,
    })
}

/// `GET .../monitor_groups`
async fn list(State(context): State<Arc<Context>>, paging: Paging) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    let groups = in_order(inventory.monitor_groups.iter(), &inventory.stamps.monitor_groups, |group| &group.name);
    Ok(Reply::page(paging.part(groups.into_iter(), |(group, stamp)| build_json(group, stamp))))
}

/// `POST .../monitor_groups`
async fn create(State(context): State<Arc<Context>>, writing: Writing, JsonBody(body): JsonBody) -> Answer<Table> {
    let id = MonitorGroupId::random(random_bits()?);
    let expected = writing.precondition.of_new()?;
    let committed = context.commit(&writing, |inventory| {
        let new = parsed(|faults| parse_json(&body, id, inventory, faults))?;
        Ok(Plan::write(new, Change::PutMonitorGroup, expected))
    });
    committed.await?.reply(|inventory| reply(inventory, id))
}

/// `GET .../monitor_groups/{monitor_group_id}`
async fn details(State(context): State<Arc<Context>>, PathId(id): PathId<MonitorGroupId>) -> Answer<Table> {
    reply(&context.inventory(), id)
}

/// `PUT` and `PATCH .../monitor_groups/{monitor_group_id}`
async fn rewrite(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorGroupId>,
    writing: Writing,
    edit: Edit,
) -> Answer<Table> {
    let committed = context.commit(&writing, |inventory| {
        let (group, stamp) = find(inventory, id)?;
        let expected = changeable(inventory, ObjectId::MonitorGroup(id), &writing.precondition)?;
        let overlaid = |said: &Table| body::overlaid(&build_json(group, stamp), said);
        let mut new = edit.parsed(overlaid, |body, faults| parse_json(body, id, inventory, faults))?;
        // Only what is said counts; whoever keeps it sets the times of members that are another.
        new.object = new.object.dated(Some(group), UnixMicros::default());
        Ok(Plan::rewrite(new, group, Change::PutMonitorGroup, expected))
    });
    committed.await?.reply(|inventory| reply(inventory, id))
}

/// `DELETE .../monitor_groups/{monitor_group_id}`: refused while a pool names it. It is shown once more, as in the original.
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorGroupId>,
    writing: Writing,
) -> Answer<Table> {
    let object = ObjectId::MonitorGroup(id);
    let mut gone = Table::default();
    let committed = context.commit(&writing, |inventory| {
        let deletion = deletion(inventory, object, &writing.precondition)?;
        gone = last_seen(inventory, id)?;
        Ok(Plan::from(deletion))
    });
    let committed = committed.await?;
    committed.reply(|_| Ok(Reply::new(gone)))
}

/// A monitor group that is about to go, which may be one that is set aside.
fn last_seen(inventory: &Inventory, id: MonitorGroupId) -> Result<Table, ApiError> {
    let aside = inventory.set_aside.iter().find_map(|aside| match &aside.stored {
        Stored { object: StoredObject::MonitorGroup(group), created, modified, revision, disabled }
            if group.id == id =>
        {
            let (provenance, disabled) = (Provenance::Stored, disabled.clone());
            let stamp = Stamp { id, provenance, created: *created, modified: *modified, revision: *revision, disabled };
            Some(build_json(group, &stamp))
        }
        _ => None,
    });
    let live = || find(inventory, id).map(|(group, stamp)| build_json(group, stamp));
    aside.map_or_else(live, Ok)
}

/// A monitor group with its stamp.
pub fn find(inventory: &Inventory, id: MonitorGroupId) -> Result<Found<'_, MonitorGroup>, ApiError> {
    object::find(&inventory.monitor_groups, &inventory.stamps.monitor_groups, id)
}

/// The answer that shows a monitor group.
fn reply(inventory: &Inventory, id: MonitorGroupId) -> Answer<Table> {
    let (group, stamp) = find(inventory, id)?;
    Ok(Reply::new(build_json(group, stamp)).at(stamp.revision))
}

#[cfg(test)]
mod tests;
