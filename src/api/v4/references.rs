//! What refers to an object, and what it refers to: `pools/{pool_id}/references` and `monitors/{monitor_id}/references`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::monitors;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::paging::Paging;
use crate::api::v4::pools;
use crate::api::v4::request::PathId;
use crate::api::v4::route::{Route, in_both_views};
use crate::model::id::{MonitorId, ObjectId, PoolId};
use crate::model::inventory::{Inventory, Referrer};
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

    /// The name of the other end.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Somebody who refers to the object that was asked for.
    fn of(referrer: Referrer) -> Self {
        let Referrer { object, name, active: _ } = referrer;
        Self::new(Direction::Referrer, object, name)
    }
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::get("/load_balancers/pools/{pool_id}/references", of_pool).at_length().for_its_pool(),
        Route::get("/load_balancers/monitors/{monitor_id}/references", of_monitor).at_length(),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let reference = schema::object(
        [
            ("reference_type", schema::words(&["referrer", "referral"])),
            ("resource_type", schema::words(&["load_balancer", "pool", "monitor"])),
            ("resource_id", schema::id()),
            ("resource_name", schema::text()),
        ],
        [],
    );
    let list = |path, summary| Operation::new(Method::GET, path, summary).lists(schema::of("Reference"));
    let operations = vec![
        list("/load_balancers/pools/{pool_id}/references", "Lists what refers to a pool, and its monitor."),
        list("/load_balancers/monitors/{monitor_id}/references", "Lists what refers to a monitor."),
    ];
    Description { tag: "References", operations, schemas: vec![("Reference", reference)] }
}

/// `GET .../pools/{pool_id}/references`: load balancers that name it, and its monitor.
async fn of_pool(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    paging: Paging,
) -> Answer<Vec<Reference>> {
    let inventory = context.inventory();
    let (pool, _) = pools::find(&inventory, id)?;
    let referrers = inventory.referrers(ObjectId::Pool(id)).into_iter().map(Reference::of);
    let all: Vec<Reference> = referrers.chain(monitor_of(pool, &inventory)).collect();
    Ok(Reply::page(paging.part(all.into_iter(), |reference| reference)))
}

/// The monitor that a pool refers to.
pub fn monitor_of(pool: &Pool, inventory: &Inventory) -> Option<Reference> {
    let monitor = inventory.monitors.find(pool.monitor?)?;
    Some(Reference::new(Direction::Referral, ObjectId::Monitor(monitor.id), monitors::label(monitor)))
}

/// `GET .../monitors/{monitor_id}/references`: pools that name it.
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

#[cfg(test)]
mod tests;
