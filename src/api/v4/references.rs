//! What refers to an object, and what it refers to: `pools/{pool_id}/references` and `monitors/{monitor_id}/references`.

use std::sync::Arc;

use axum::extract::State;
use serde::Serialize;

use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::monitors;
use crate::api::v4::paging::Paging;
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
    reference_type: Direction,
    /// The kind of the other end.
    resource_type: &'static str,
    /// Its id.
    resource_id: String,
    /// Its name.
    resource_name: String,
}

impl Reference {
    /// A reference to or from an object.
    pub fn new(direction: Direction, object: ObjectId, name: impl Into<String>) -> Self {
        Self {
            reference_type: direction,
            resource_type: object.kind(),
            resource_id: object.to_string(),
            resource_name: name.into(),
        }
    }

    /// The name of the other end.
    pub fn name(&self) -> &str {
        &self.resource_name
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
        Route::get("/load_balancers/pools/{pool_id}/references", of_pool),
        Route::get("/load_balancers/monitors/{monitor_id}/references", of_monitor),
    ])
}

/// `GET .../pools/{pool_id}/references`: load balancers that name it, and its monitor.
async fn of_pool(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    paging: Paging,
) -> Answer<Vec<Reference>> {
    let inventory = context.inventory();
    let pool = inventory.pools.find(id).ok_or_else(|| ApiError::not_found("pool", id))?;
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
