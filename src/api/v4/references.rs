//! What refers to an object, and what it refers to: `pools/{pool_id}/references`,
//! `monitors/{monitor_id}/references` and, at account level, `monitor_groups/{monitor_group_id}/references`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::paging::Paging;
use crate::api::v4::pools;
use crate::api::v4::request::PathId;
use crate::api::v4::route::{Route, in_account, in_both_views};
use crate::api::v4::{monitor_groups, monitors};
use crate::model::id::{MonitorGroupId, MonitorId, ObjectId, PoolId};
use crate::model::inventory::{Inventory, Referrer};
use crate::model::monitor_group::MonitorGroup;
use crate::model::pool::Pool;

/// Which way a reference goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The resource refers to the object that was asked for.
    Referrer,
    /// The object that was asked for refers to the resource.
    Referral,
}

/// A reference, seen from one of its ends.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reference {
    /// Which way it goes.
    #[serde(rename = "reference_type")]
    direction: Direction,
    /// The kind of the other end.
    #[serde(rename = "resource_type")]
    kind: &'static str,
    /// Its id.
    #[serde(rename = "resource_id")]
    id: String,
    /// Its name.
    #[serde(rename = "resource_name")]
    name: String,
}

impl Reference {
    /// A reference to or from an object.
    pub fn new(direction: Direction, object: ObjectId, name: impl Into<String>) -> Self {
        Self { direction, kind: object.kind(), id: object.to_string(), name: name.into() }
    }

    /// What lists of references are sorted by: the kind of the other end, then its name.
    pub fn order(&self) -> (&'static str, &str) {
        (self.kind, &self.name)
    }

    /// Somebody who refers to the object that was asked for.
    fn of(referrer: Referrer) -> Self {
        let Referrer { object, name, active: _ } = referrer;
        Self::new(Direction::Referrer, object, name)
    }
}

/// References of a monitor group.
const OF_GROUP: &str = "/load_balancers/monitor_groups/{monitor_group_id}/references";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    let in_both = in_both_views(&[
        Route::get("/load_balancers/pools/{pool_id}/references", of_pool).at_length().for_its_pool(),
        Route::get("/load_balancers/monitors/{monitor_id}/references", of_monitor).at_length(),
    ]);
    [in_both, in_account(&[Route::get(OF_GROUP, of_group).at_length()])].concat()
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let reference = schema::object(
        [
            ("reference_type", schema::words(&["referrer", "referral"])),
            ("resource_type", schema::words(&["load_balancer", "pool", "monitor", "monitor_group"])),
            ("resource_id", schema::id()),
            ("resource_name", schema::text()),
        ],
        [],
    );
    let list = |path, summary| Operation::new(Method::GET, path, summary).lists(schema::of("Reference"));
    let operations = vec![
        list(
            "/load_balancers/pools/{pool_id}/references",
            "Lists what refers to a pool, and its monitor or monitor group.",
        ),
        list("/load_balancers/monitors/{monitor_id}/references", "Lists what refers to a monitor."),
        list(OF_GROUP, "Lists what refers to a monitor group, and its monitors."),
    ];
    Description { tag: "References", operations, schemas: vec![("Reference", reference)] }
}

/// `GET .../pools/{pool_id}/references`: load balancers that name it, and its monitor or
/// monitor group.
async fn of_pool(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    paging: Paging,
) -> Answer<Vec<Reference>> {
    let inventory = context.inventory();
    let (pool, _) = pools::find(&inventory, id)?;
    let referrers = inventory.referrers(ObjectId::Pool(id)).into_iter().map(Reference::of);
    let all: Vec<Reference> = referrers.chain(checks_of(pool, &inventory)).collect();
    Ok(Reply::page(paging.part(all.into_iter(), |reference| reference)))
}

/// The monitor or the monitor group that a pool refers to.
pub fn checks_of(pool: &Pool, inventory: &Inventory) -> Option<Reference> {
    let monitor = pool.monitor.and_then(|id| monitor(id, inventory));
    monitor.or_else(|| {
        let group = inventory.monitor_groups.find(pool.monitor_group?)?;
        Some(Reference::new(Direction::Referral, ObjectId::MonitorGroup(group.id), group.label()))
    })
}

/// The monitors that a monitor group refers to, in its order.
pub fn monitors_of(group: &MonitorGroup, inventory: &Inventory) -> impl Iterator<Item = Reference> {
    group.members.iter().filter_map(|member| monitor(member.monitor, inventory))
}

/// A monitor that somebody refers to.
fn monitor(id: MonitorId, inventory: &Inventory) -> Option<Reference> {
    let monitor = inventory.monitors.find(id)?;
    Some(Reference::new(Direction::Referral, ObjectId::Monitor(id), monitors::label(monitor)))
}

/// `GET .../monitors/{monitor_id}/references`: monitor groups and pools that name it.
async fn of_monitor(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorId>,
    paging: Paging,
) -> Answer<Vec<Reference>> {
    let inventory = context.inventory();
    monitors::find(&inventory, id)?;
    let referrers = inventory.referrers(ObjectId::Monitor(id));
    Ok(Reply::page(paging.part(referrers.into_iter(), Reference::of)))
}

/// `GET .../monitor_groups/{monitor_group_id}/references`: pools that name it, and its monitors.
async fn of_group(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorGroupId>,
    paging: Paging,
) -> Answer<Vec<Reference>> {
    let inventory = context.inventory();
    let (group, _) = monitor_groups::find(&inventory, id)?;
    let referrers = inventory.referrers(ObjectId::MonitorGroup(id)).into_iter().map(Reference::of);
    let all: Vec<Reference> = referrers.chain(monitors_of(group, &inventory)).collect();
    Ok(Reply::page(paging.part(all.into_iter(), |reference| reference)))
}

#[cfg(test)]
mod tests;
