//! `zones/{zone_id}/load_balancers`; and `accounts/{account_id}/load_balancers`, which has those of all zones. The original
//! has private load balancers there, which are something else and not ours: here the name decides which zone it is in.
//!
//! A load balancer is in the zone that answers for its name, and nowhere else is it found. PUT replaces: what the body
//! leaves out goes back to its default. PATCH keeps it. What changes nothing is no commit.

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
use crate::api::v4::route::{Route, in_account};
use crate::api::v4::zones;
use crate::model::id::{LoadBalancerId, ObjectId, ZoneId};
use crate::model::inventory::{Change, Inventory, Step};
use crate::model::limits::{DESCRIPTION_CHARS_MAX, LOAD_BALANCER_TTL_MAX};
use crate::model::load_balancer::LoadBalancer;
use crate::model::name::Name;
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table};
use crate::spec::load_balancer::{KEYS, build_json, kept_properties, parse_json};

/// All load balancers of a zone.
const IN_ZONE: &str = "/zones/{zone_id}/load_balancers";
/// One of them.
const ONE_IN_ZONE: &str = "/zones/{zone_id}/load_balancers/{load_balancer_id}";
/// All load balancers, below the account.
const ALL: &str = "/load_balancers";
/// One of them.
const ONE: &str = "/load_balancers/{load_balancer_id}";

/// Words for steering policies; an empty one chooses.
const STEERING_WORDS: [&str; 8] =
    ["", "off", "geo", "random", "dynamic_latency", "proximity", "least_outstanding_requests", "least_connections"];

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = in_account(&[
        Route::get(ALL, list_all),
        Route::post(ALL, create_anywhere),
        Route::get(ONE, details_of_any),
        Route::put(ONE, replace_any),
        Route::patch(ONE, edit_any),
        Route::delete(ONE, remove_any),
    ]);
    routes.extend([
        Route::get(IN_ZONE, list),
        Route::post(IN_ZONE, create),
        Route::get(ONE_IN_ZONE, details),
        Route::put(ONE_IN_ZONE, replace),
        Route::patch(ONE_IN_ZONE, edit),
        Route::delete(ONE_IN_ZONE, remove),
    ]);
    routes
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let one = || schema::of("LoadBalancer");
    let operations = vec![
        Operation::new(Method::GET, ALL, "Lists the load balancers of all zones.").lists(one()),
        Operation::new(Method::POST, ALL, "Makes a load balancer in the zone of its name.")
            .takes(one())
            .gives(one())
            .tagged()
            .writes(),
        Operation::new(Method::GET, ONE, "Shows a load balancer, whatever its zone.").gives(one()).tagged(),
        Operation::new(Method::PUT, ONE, "Replaces a load balancer, whatever its zone.")
            .takes(one())
            .gives(one())
            .tagged()
            .writes(),
        Operation::new(Method::PATCH, ONE, "Changes some of a load balancer, whatever its zone.")
            .takes(schema::of("LoadBalancerChange"))
            .gives(one())
            .tagged()
            .writes(),
        Operation::new(Method::DELETE, ONE, "Deletes a load balancer, whatever its zone.")
            .gives(schema::deleted())
            .writes(),
        Operation::new(Method::GET, IN_ZONE, "Lists the load balancers of a zone.").lists(one()),
        Operation::new(Method::POST, IN_ZONE, "Makes a load balancer.").takes(one()).gives(one()).tagged().writes(),
        Operation::new(Method::GET, ONE_IN_ZONE, "Shows a load balancer.").gives(one()).tagged(),
        Operation::new(Method::PUT, ONE_IN_ZONE, "Replaces a load balancer.")
            .takes(one())
            .gives(one())
            .tagged()
            .writes(),
        Operation::new(Method::PATCH, ONE_IN_ZONE, "Changes some of a load balancer.")
            .takes(schema::of("LoadBalancerChange"))
            .gives(one())
            .tagged()
            .writes(),
        Operation::new(Method::DELETE, ONE_IN_ZONE, "Deletes a load balancer.").gives(schema::deleted()).writes(),
    ];
    let said = |whole| schema::keyed(KEYS, &kept_properties(), property, whole);
    let schemas = vec![("LoadBalancer", said(Whole::Yes)), ("LoadBalancerChange", said(Whole::No))];
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

/// `GET /zones/{zone_id}/load_balancers`
async fn list(State(context): State<Arc<Context>>, PathId(zone): PathId<ZoneId>, paging: Paging) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    zones::find(&inventory, zone)?;
    let all = inventory.load_balancers.iter();
    Ok(page(&inventory, all.filter(|load_balancer| zone_of(&inventory, load_balancer) == Some(zone)), paging))
}

/// `GET /accounts/{account_id}/load_balancers`
async fn list_all(State(context): State<Arc<Context>>, paging: Paging) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    Ok(page(&inventory, inventory.load_balancers.iter(), paging))
}

/// A page of load balancers.
fn page<'i>(
    inventory: &'i Inventory,
    load_balancers: impl Iterator<Item = &'i Arc<LoadBalancer>>,
    paging: Paging,
) -> Reply<Vec<Table>> {
    let sorted = in_order(load_balancers, &inventory.stamps.load_balancers, |load_balancer| &load_balancer.name);
    Reply::page(paging.part(sorted.into_iter(), |(one, stamp)| shown(inventory, one, stamp)))
}

/// `POST /accounts/{account_id}/load_balancers`
async fn create_anywhere(
    State(context): State<Arc<Context>>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    make(&context, &writing, &body, Where::Anywhere).await
}

/// `POST /zones/{zone_id}/load_balancers`
async fn create(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    make(&context, &writing, &body, Where::Zone(zone)).await
}

/// Where a load balancer has to be for a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Where {
    /// In this zone.
    Zone(ZoneId),
    /// In any zone of ours.
    Anywhere,
}

/// Makes a load balancer.
async fn make(context: &Context, writing: &Writing, body: &Node, place: Where) -> Answer<Table> {
    let id = LoadBalancerId::random(random_bits()?);
    let expected = writing.precondition.of_new()?;
    let mut messages = vec![];
    let committed = context.commit(writing, |inventory| {
        if let Where::Zone(zone) = place {
            zones::find(inventory, zone)?;
        }
        let parsed = parsed(|faults| parse_json(body, id, inventory, faults))?;
        check_zone(inventory, place, &parsed.object.name)?;
        messages = parsed.messages;
        Ok(vec![Step { change: Change::PutLoadBalancer(parsed.object), expected }])
    });
    let committed = committed.await?;
    reply(id, messages, committed)
}

/// `GET /zones/{zone_id}/load_balancers/{load_balancer_id}`
async fn details(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<LoadBalancerId>,
) -> Answer<Table> {
    let inventory = context.inventory();
    find(&inventory, Where::Zone(zone), id)?;
    reply(id, vec![], Committed { inventory, messages: vec![] })
}

/// `GET /accounts/{account_id}/load_balancers/{load_balancer_id}`
async fn details_of_any(State(context): State<Arc<Context>>, PathId(id): PathId<LoadBalancerId>) -> Answer<Table> {
    reply(id, vec![], Committed { inventory: context.inventory(), messages: vec![] })
}

/// `PUT /zones/{zone_id}/load_balancers/{load_balancer_id}`
async fn replace(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    put(&context, &writing, (Where::Zone(zone), id), &body).await
}

/// `PUT /accounts/{account_id}/load_balancers/{load_balancer_id}`
async fn replace_any(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    put(&context, &writing, (Where::Anywhere, id), &body).await
}

/// `PATCH /zones/{zone_id}/load_balancers/{load_balancer_id}`
async fn edit(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    patch(&context, &writing, (Where::Zone(zone), id), &body).await
}

/// `PATCH /accounts/{account_id}/load_balancers/{load_balancer_id}`
async fn edit_any(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    patch(&context, &writing, (Where::Anywhere, id), &body).await
}

/// Replaces a load balancer.
async fn put(context: &Context, writing: &Writing, (place, id): (Where, LoadBalancerId), body: &Node) -> Answer<Table> {
    let make = |_: &Table, inventory: &Inventory| parsed(|faults| parse_json(body, id, inventory, faults));
    rewrite(context, writing, (place, id), make, |_| true).await
}

/// Changes some of a load balancer.
async fn patch(
    context: &Context,
    writing: &Writing,
    (place, id): (Where, LoadBalancerId),
    body: &Node,
) -> Answer<Table> {
    let said = body::table(body)?;
    let make = |current: &Table, inventory: &Inventory| {
        parsed(|faults| parse_json(&body::overlaid(current, said), id, inventory, faults))
    };
    rewrite(context, writing, (place, id), make, |message| body::is_about(message, said)).await
}

/// Writes a load balancer anew, if that changes it. `make` gives the new one, from what the present one says; of what there
/// is to tell, `is_told` says what is told.
async fn rewrite(
    context: &Context,
    writing: &Writing,
    (place, id): (Where, LoadBalancerId),
    make: impl Fn(&Table, &Inventory) -> Result<Parsed<LoadBalancer>, ApiError> + Send + Sync,
    is_told: impl Fn(&Message) -> bool + Send,
) -> Answer<Table> {
    let mut messages = vec![];
    let committed = context.commit(writing, |inventory| {
        let (load_balancer, stamp) = find(inventory, place, id)?;
        let expected = changeable(inventory, ObjectId::LoadBalancer(id), &writing.precondition)?;
        let parsed = make(&shown(inventory, load_balancer, stamp), inventory)?;
        check_zone(inventory, place, &parsed.object.name)?;
        messages = parsed.messages;
        let changes = parsed.object != **load_balancer;
        let step = changes.then_some(Step { change: Change::PutLoadBalancer(parsed.object), expected });
        Ok(step.into_iter().collect())
    });
    let committed = committed.await?;
    messages.retain(is_told);
    reply(id, messages, committed)
}

/// `DELETE /zones/{zone_id}/load_balancers/{load_balancer_id}`
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
) -> Answer<Deleted> {
    take_out(&context, &writing, (Where::Zone(zone), id)).await
}

/// `DELETE /accounts/{account_id}/load_balancers/{load_balancer_id}`
async fn remove_any(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<LoadBalancerId>,
    writing: Writing,
) -> Answer<Deleted> {
    take_out(&context, &writing, (Where::Anywhere, id)).await
}

/// Deletes a load balancer.
async fn take_out(context: &Context, writing: &Writing, (place, id): (Where, LoadBalancerId)) -> Answer<Deleted> {
    let object = ObjectId::LoadBalancer(id);
    let committed = context.commit(writing, |inventory| {
        // One that is set aside is in no zone.
        if inventory.load_balancers.find(id).is_some() {
            find(inventory, place, id)?;
        }
        Ok(vec![deletion(inventory, object, &writing.precondition)?])
    });
    let committed = committed.await?;
    Ok(Reply::new(Deleted::of(object)).with_messages(committed.messages))
}

/// The zone that a load balancer is in.
fn zone_of(inventory: &Inventory, load_balancer: &LoadBalancer) -> Option<ZoneId> {
    inventory.hosting_of(&load_balancer.name).map(|hosting| hosting.id)
}

/// A load balancer, and what is known of it.
type Found<'i> = (&'i Arc<LoadBalancer>, &'i Stamp<LoadBalancerId>);

/// A load balancer, if it is where the path says.
fn find(inventory: &Inventory, place: Where, id: LoadBalancerId) -> Result<Found<'_>, ApiError> {
    if let Where::Zone(zone) = place {
        zones::find(inventory, zone)?;
    }
    let found = inventory.load_balancers.find(id).zip(inventory.stamps.load_balancers.find(id));
    let is_here = |load_balancer: &LoadBalancer| match place {
        Where::Zone(zone) => zone_of(inventory, load_balancer) == Some(zone),
        Where::Anywhere => true,
    };
    let here = found.filter(|(load_balancer, _)| is_here(load_balancer));
    here.map(|(load_balancer, stamp)| (load_balancer, &**stamp)).ok_or_else(|| ApiError::not_found("load_balancer", id))
}

/// A name belongs to the zone of the path; without one, the commit finds that it is in some zone.
fn check_zone(inventory: &Inventory, place: Where, name: &Name) -> Result<(), ApiError> {
    let Where::Zone(zone) = place else { return Ok(()) };
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

/// A load balancer as it is shown.
fn shown(inventory: &Inventory, load_balancer: &LoadBalancer, stamp: &Stamp<LoadBalancerId>) -> Table {
    let zone = inventory.hosting_of(&load_balancer.name);
    build_json(load_balancer, stamp, &zone.map(|zone| zone.apex.to_string()).unwrap_or_default())
}

/// A load balancer after a commit.
fn reply(id: LoadBalancerId, messages: Vec<Message>, committed: Committed) -> Answer<Table> {
    let Committed { inventory, messages: more } = committed;
    let found = inventory.load_balancers.find(id).zip(inventory.stamps.load_balancers.find(id));
    let (load_balancer, stamp) = found.ok_or_else(|| ApiError::not_found("load_balancer", id))?;
    let shown = shown(&inventory, load_balancer, stamp);
    Ok(Reply::new(shown).at(stamp.revision).with_messages(messages).with_messages(more))
}

#[cfg(test)]
mod tests;
