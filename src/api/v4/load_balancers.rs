//! `zones/{zone_id}/load_balancers`; and `accounts/{account_id}/load_balancers`, which has those of all zones. The original
//! has private load balancers there, which are something else and not ours: here the name decides which zone it is in.
//!
//! A load balancer is in the zone that answers for its name, and nowhere else is it found. PUT replaces: what the body
//! leaves out goes back to its default. PATCH keeps it. What changes nothing is no commit.

use std::sync::Arc;

use axum::extract::{FromRequestParts, State};
use axum::http::Method;
use axum::http::request::Parts;
use utoipa::openapi::{RefOr, Schema};

use crate::api::v4::body::{self, Edit, parsed};
use crate::api::v4::context::{Context, random_bits};
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{self, Deleted, Found, changeable, delete, in_order};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::plan::Plan;
use crate::api::v4::request::{JsonBody, PathId, PathIdentifier as _, PathParts, Writing};
use crate::api::v4::route::{Route, in_account};
use crate::api::v4::zones;
use crate::model::id::{LoadBalancerId, ObjectId, ZoneId};
use crate::model::inventory::{Change, Inventory};
use crate::model::limits::{DESCRIPTION_CHARS_MAX, LOAD_BALANCER_TTL_MAX};
use crate::model::load_balancer::LoadBalancer;
use crate::model::name::Name;
use crate::model::stamp::Stamp;
use crate::model::tree::Table;
use crate::spec::load_balancer::{KEYS, build_json, kept_properties, parse_json};

/// All load balancers of a zone.
const IN_ZONE: &str = "/zones/{zone_id}/load_balancers";
/// One of them.
const ONE_IN_ZONE: &str = "/zones/{zone_id}/load_balancers/{load_balancer_id}";
/// All load balancers, below the account.
const ALL: &str = "/load_balancers";
/// One of them.
const ONE: &str = "/load_balancers/{load_balancer_id}";

/// A key that a PATCH clears with an empty list alone.
const POOL_SETS: &str = "pool_sets";
/// Words for steering policies; an empty one chooses.
const STEERING_WORDS: [&str; 8] =
    ["", "off", "geo", "random", "dynamic_latency", "proximity", "least_outstanding_requests", "least_connections"];

/// The routes: the same below the account and in a zone.
pub(super) fn routes() -> Vec<Route> {
    let routes = |all, one| {
        [
            Route::get(all, list).at_length(),
            Route::post(all, create),
            Route::get(one, details),
            Route::put(one, rewrite),
            Route::patch(one, rewrite),
            Route::delete(one, remove),
        ]
    };
    [in_account(&routes(ALL, ONE)), routes(IN_ZONE, ONE_IN_ZONE).to_vec()].concat()
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let (one, change) = ("LoadBalancer", "LoadBalancerChange");
    let list = |path, summary| Operation::new(Method::GET, path, summary).lists(schema::of(one));
    let operations = vec![
        list(ALL, "Lists the load balancers of all zones."),
        Operation::write(Method::POST, ALL, "Makes a load balancer in the zone of its name.", one, one),
        Operation::show(ONE, "Shows a load balancer, whatever its zone.", one),
        Operation::write(Method::PUT, ONE, "Replaces a load balancer, whatever its zone.", one, one),
        Operation::write(Method::PATCH, ONE, "Changes some of a load balancer, whatever its zone.", change, one),
        Operation::delete(ONE, "Deletes a load balancer, whatever its zone."),
        list(IN_ZONE, "Lists the load balancers of a zone."),
        Operation::write(Method::POST, IN_ZONE, "Makes a load balancer.", one, one),
        Operation::show(ONE_IN_ZONE, "Shows a load balancer.", one),
        Operation::write(Method::PUT, ONE_IN_ZONE, "Replaces a load balancer.", one, one),
        Operation::write(Method::PATCH, ONE_IN_ZONE, "Changes some of a load balancer.", change, one),
        Operation::delete(ONE_IN_ZONE, "Deletes a load balancer."),
    ];
    let said = |whole| schema::keyed(KEYS, &kept_properties(), property, whole);
    let schemas = vec![(one, said(Whole::Yes)), (change, said(Whole::No))];
    Description { tag: "Load balancers", operations, schemas }
}

/// The schema of a key that is not only kept.
fn property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "id" | "fallback_pool" => schema::id(),
        "name" => schema::text_about("A host name in the zone, perhaps a wildcard."),
        "zone_name" => schema::text(),
        "description" => schema::text_to(DESCRIPTION_CHARS_MAX),
        "enabled" => schema::boolean_or(true),
        "proxied" => schema::boolean_or(false),
        "default_pools" => schema::list(schema::id()),
        "steering_policy" => schema::words(&STEERING_WORDS),
        "ttl" => schema::integer_or(0, LOAD_BALANCER_TTL_MAX.into(), 30),
        "answers" => schema::anything_about("How many addresses an answer has: `all`, or a whole number from 1 on."),
        "created_on" | "modified_on" => schema::time(),
        _ => return None,
    })
}

/// Where a load balancer has to be for a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Where {
    /// In this zone.
    Zone(ZoneId),
    /// In any zone of ours.
    Anywhere,
}

impl Where {
    /// The zone of a path is one of ours.
    fn check(self, inventory: &Inventory) -> Result<(), ApiError> {
        match self {
            Self::Zone(zone) => zones::find(inventory, zone).map(drop),
            Self::Anywhere => Ok(()),
        }
    }

    /// A name belongs to the zone of the path; without one, the commit finds that it is in some zone.
    fn check_name(self, inventory: &Inventory, name: &Name) -> Result<(), ApiError> {
        let Self::Zone(zone) = self else { return Ok(()) };
        let (hosting, _) = zones::find(inventory, zone)?;
        let apex = &hosting.apex;
        match inventory.hosting_of(name) {
            Some(other) if other.id == zone => Ok(()),
            Some(other) if name.is_at_or_below(apex) => {
                let text = format!("name: {name} belongs to the zone {} ({}), not to {apex}", other.apex, other.id);
                Err(ApiError::invalid(text).at("/name"))
            }
            _ => Err(ApiError::invalid(format!("name: {name} is not in the zone {apex}")).at("/name")),
        }
    }

    /// Whether a load balancer is here.
    fn has(self, inventory: &Inventory, load_balancer: &LoadBalancer) -> bool {
        match self {
            Self::Zone(zone) => inventory.hosting_of(&load_balancer.name).is_some_and(|hosting| hosting.id == zone),
            Self::Anywhere => true,
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Where {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = PathParts::from_request_parts(parts, state).await?;
        if path.find(ZoneId::PART).is_none() {
            return Ok(Self::Anywhere);
        }
        PathId::from_request_parts(parts, state).await.map(|PathId(zone)| Self::Zone(zone))
    }
}

/// `GET .../load_balancers`
async fn list(State(context): State<Arc<Context>>, place: Where, paging: Paging) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    place.check(&inventory)?;
    let here = inventory.load_balancers.iter().filter(|load_balancer| place.has(&inventory, load_balancer));
    let sorted = in_order(here, &inventory.stamps.load_balancers, |load_balancer| &load_balancer.name);
    Ok(Reply::page(paging.part(sorted.into_iter(), |(one, stamp)| shown(&inventory, one, stamp))))
}

/// `POST .../load_balancers`
async fn create(
    State(context): State<Arc<Context>>,
    place: Where,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    let id = LoadBalancerId::random(random_bits()?);
    let expected = writing.precondition.of_new()?;
    let committed = context.commit(&writing, |inventory| {
        place.check(inventory)?;
        let new = parsed(|faults| parse_json(&body, id, inventory, faults))?;
        place.check_name(inventory, &new.object.name)?;
        Ok(Plan::write(new, Change::PutLoadBalancer, expected))
    });
    committed.await?.reply(|inventory| reply(inventory, Where::Anywhere, id))
}

/// `GET .../load_balancers/{load_balancer_id}`
async fn details(
    State(context): State<Arc<Context>>,
    place: Where,
    PathId(id): PathId<LoadBalancerId>,
) -> Answer<Table> {
    reply(&context.inventory(), place, id)
}

/// `PUT` and `PATCH .../load_balancers/{load_balancer_id}`
async fn rewrite(
    State(context): State<Arc<Context>>,
    place: Where,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
    edit: Edit,
) -> Answer<Table> {
    let committed = context.commit(&writing, |inventory| {
        let (load_balancer, stamp) = find(inventory, place, id)?;
        let expected = changeable(inventory, ObjectId::LoadBalancer(id), &writing.precondition)?;
        let overlaid = |said: &Table| body::overlaid(&shown(inventory, load_balancer, stamp), &changing(said));
        let new = edit.parsed(overlaid, |body, faults| parse_json(body, id, inventory, faults))?;
        place.check_name(inventory, &new.object.name)?;
        Ok(Plan::rewrite(new, load_balancer, Change::PutLoadBalancer, expected))
    });
    committed.await?.reply(|inventory| reply(inventory, Where::Anywhere, id))
}

/// The part of a PATCH that changes something: of pool sets, null is no default but leaves them, as in the original.
fn changing(said: &Table) -> Table {
    let said = said.clone();
    if said.value(POOL_SETS).is_none() { said.without(POOL_SETS) } else { said }
}

/// `DELETE .../load_balancers/{load_balancer_id}`
async fn remove(
    State(context): State<Arc<Context>>,
    place: Where,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
) -> Answer<Deleted> {
    let check = |inventory: &Inventory| match inventory.load_balancers.find(id) {
        Some(_) => find(inventory, place, id).map(drop),
        // One that is set aside is in no zone.
        None => Ok(()),
    };
    delete(&context, &writing, ObjectId::LoadBalancer(id), check).await
}

/// A load balancer, if it is where the path says.
fn find(inventory: &Inventory, place: Where, id: LoadBalancerId) -> Result<Found<'_, LoadBalancer>, ApiError> {
    place.check(inventory)?;
    let found = object::find(&inventory.load_balancers, &inventory.stamps.load_balancers, id)?;
    if place.has(inventory, found.0) { Ok(found) } else { Err(ApiError::not_found(LoadBalancerId::KIND, id)) }
}

/// A load balancer as it is shown.
fn shown(inventory: &Inventory, load_balancer: &LoadBalancer, stamp: &Stamp<LoadBalancerId>) -> Table {
    let zone = inventory.hosting_of(&load_balancer.name);
    build_json(load_balancer, stamp, &zone.map(|zone| zone.apex.to_string()).unwrap_or_default())
}

/// The answer that shows a load balancer. One that has just been written is shown wherever it is: a zone that is newer still
/// may have taken its name over.
fn reply(inventory: &Inventory, place: Where, id: LoadBalancerId) -> Answer<Table> {
    let (load_balancer, stamp) = find(inventory, place, id)?;
    Ok(Reply::new(shown(inventory, load_balancer, stamp)).at(stamp.revision))
}

#[cfg(test)]
mod tests;
