//! `zones`: those of the files and those that are made here.
//!
//! A zone is shown without `ETag`, since what is shown of it follows its records. A new one begins with the records that it
//! must have; its name servers are in the body, or those of `[api.zones]`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;

use crate::api::v4::accounts;
use crate::api::v4::body::{Parsed, parsed, table};
use crate::api::v4::code::Note;
use crate::api::v4::context::{Context, random_bits};
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{self, Deleted, Found, delete};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::plan::Plan;
use crate::api::v4::request::{JsonBody, Parameters, PathId, Writing};
use crate::api::v4::route::Route;
use crate::config::api::ApiZones;
use crate::model::hosting::Hosting;
use crate::model::id::{ObjectId, ZoneId};
use crate::model::inventory::{Change, Inventory, Referrer};
use crate::model::name::Name;
use crate::model::stamp::Stamp;
use crate::model::tree::{Node, Table, Value};
use crate::spec::warnings;
use crate::spec::zone_json::{self, Account, NewZone};

/// All zones.
const ALL: &str = "/zones";
/// One zone.
const ONE: &str = "/zones/{zone_id}";
/// The only status that zones have.
const ACTIVE: &str = "active";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(ALL, list).at_length(),
        Route::post(ALL, create),
        Route::get(ONE, details),
        Route::delete(ONE, remove),
    ]
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let one = || schema::of("Zone");
    let operations = vec![
        Operation::new(Method::GET, ALL, "Lists zones, by name.")
            .lists(one())
            .query("name", schema::text(), "Only the zone with this name.")
            .query("status", schema::text(), "Only zones with this status; all are `active`.")
            .query("account.id", schema::text(), "Only zones of this account; there is one.")
            .query("account.name", schema::text(), "Only zones of this account; there is one.")
            .query("direction", schema::words(&["asc", "desc"]), "Which way the list goes."),
        Operation::new(Method::POST, ALL, "Makes a zone, with its SOA and NS records.")
            .takes(schema::of("NewZone"))
            .gives(one())
            .writes(),
        Operation::new(Method::GET, ONE, "Shows a zone.").gives(one()),
        Operation::delete(
            ONE,
            "Deletes a zone and its records; refused while it has load balancers, unless another zone of ours is around it.",
        ),
    ];
    let account = || schema::object([("id", schema::id()), ("name", schema::text())], []);
    let zone = schema::object(
        [
            ("id", schema::id()),
            ("name", schema::text()),
            ("status", schema::words(&[ACTIVE])),
            ("paused", schema::boolean()),
            ("type", schema::words(&["full"])),
            ("name_servers", schema::list(schema::text())),
            ("created_on", schema::time()),
            ("modified_on", schema::time()),
            ("activated_on", schema::time()),
            ("account", account()),
        ],
        [],
    );
    let property = |key: &str| {
        Some(match key {
            "name" => schema::text(),
            "name_servers" => schema::list(schema::text_about("The name of a server.")),
            "type" => schema::words(&["full"]),
            "account" => schema::object([], [("id", schema::id()), ("name", schema::text())]),
            "jump_start" => schema::boolean(),
            _ => return None,
        })
    };
    let new = schema::keyed(zone_json::KEYS, &Table::default(), property, Whole::Yes);
    Description { tag: "Zones", operations, schemas: vec![("Zone", zone), ("NewZone", new)] }
}

/// `GET /zones`: those that the parameters say, by name.
async fn list(State(context): State<Arc<Context>>, parameters: Parameters, paging: Paging) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    let mut hostings = wanted(&inventory, &parameters)?;
    // As people read names, not as DNS orders them.
    hostings.sort_by_cached_key(|hosting| hosting.apex.to_string());
    if is_descending(&parameters)? {
        hostings.reverse();
    }
    let stamped =
        |hosting: &'_ Arc<Hosting>| Some((Arc::clone(hosting), Arc::clone(inventory.stamps.zones.find(hosting.id)?)));
    let stamped: Vec<_> = hostings.into_iter().filter_map(stamped).collect();
    Ok(Reply::page(paging.part(stamped.into_iter(), |(hosting, stamp)| shown(&inventory, &hosting, &stamp))))
}

/// The zones that parameters ask for.
fn wanted<'i>(inventory: &'i Inventory, parameters: &Parameters) -> Result<Vec<&'i Arc<Hosting>>, ApiError> {
    let account = accounts::id().to_string();
    for (parameter, only) in [("account.id", account.as_str()), ("account.name", accounts::NAME), ("status", ACTIVE)] {
        if parameters.text(parameter)?.is_some_and(|text| text != only) {
            return Ok(vec![]);
        }
    }
    let Some(name) = parameters.text("name")? else { return Ok(inventory.hostings.iter().collect()) };
    // What is no name is no zone's.
    let apex = Name::parse(name, None).ok();
    Ok(apex.and_then(|apex| inventory.hosting_at(&apex)).into_iter().collect())
}

/// Whether a list begins with what would be its last item.
pub fn is_descending(parameters: &Parameters) -> Result<bool, ApiError> {
    match parameters.text("direction")? {
        None | Some("asc") => Ok(false),
        Some("desc") => Ok(true),
        Some(_) => Err(ApiError::invalid("the parameter direction is asc or desc")),
    }
}

/// `POST /zones`
async fn create(State(context): State<Arc<Context>>, writing: Writing, JsonBody(body): JsonBody) -> Answer<Table> {
    let id = ZoneId::random(random_bits()?);
    let expected = writing.precondition.of_new()?;
    let policy = context.policy.load_full();
    let new = new_zone(&body, id, &policy.api_zones)?;
    let create = |NewZone { hosting, records }| Change::CreateZone { hosting, records };
    let committed = context.commit(&writing, |_| Ok(Plan::write(new.clone(), create, expected)));
    committed.await?.reply(|inventory| Ok(reply(inventory, id)?.with_messages(undelegated(inventory, id))))
}

/// What there is to tell of a zone that is within another of ours, and not delegated there.
fn undelegated(inventory: &Inventory, id: ZoneId) -> Option<Message> {
    let apex = &inventory.hostings.find(id)?.apex;
    let parent = inventory.zone_of(&apex.parent()?)?;
    let text = warnings::undelegated(parent, apex)?;
    Some(Message::of(Note::Warning, text).at("/name"))
}

/// The zone that a body says, with the name servers that the configuration says.
fn new_zone(body: &Node, id: ZoneId, policy: &ApiZones) -> Result<Parsed<NewZone>, ApiError> {
    let said = table(body)?;
    if let Some(Value::Table(account)) = said.value("account")
        && let Some(Value::String(account)) = account.value("id")
        && *account != accounts::id().to_string()
    {
        return Err(ApiError::invalid(format!("account: there is no account {account}")).at("/account/id"));
    }
    let ApiZones { name_servers } = policy;
    if name_servers.is_empty() && said.value("name_servers").is_none() {
        let text = "name_servers: the body names none, and neither does the configuration: set name_servers in [api.zones] \
                    there, or say them here";
        return Err(ApiError::invalid(text).at("/name_servers"));
    }
    let mut failed = None;
    let mut random = || {
        let bits = random_bits();
        bits.unwrap_or_else(|error| {
            failed = Some(error);
            0
        })
    };
    let parsed = parsed(|faults| zone_json::parse_json(body, id, name_servers, &mut random, faults))?;
    if let Some(error) = failed {
        return Err(error);
    }
    Ok(parsed)
}

/// `GET /zones/{zone_id}`
async fn details(State(context): State<Arc<Context>>, PathId(id): PathId<ZoneId>) -> Answer<Table> {
    reply(&context.inventory(), id)
}

/// `DELETE /zones/{zone_id}`: refused while it has load balancers, unless it is within another zone of ours, which they are
/// in from then on. Its records go with it.
async fn remove(State(context): State<Arc<Context>>, PathId(id): PathId<ZoneId>, writing: Writing) -> Answer<Deleted> {
    let object = ObjectId::Zone(id);
    let falling = context.inventory().referrers(object);
    let deleted = delete(&context, &writing, object, |_| Ok(())).await?;
    let inventory = context.inventory();
    let fallen = falling.iter().filter_map(|Referrer { object, name, active: _ }| {
        let zone = &inventory.hosting_of(&Name::parse(name, None).ok()?)?.apex;
        Some(Message::of(Note::Done, format!("{} {name} ({object}) is in the zone {zone} now", object.kind())))
    });
    Ok(deleted.with_messages(fallen))
}

/// The zone with an id: how it is hosted, and what is known of it.
pub fn find(inventory: &Inventory, id: ZoneId) -> Result<Found<'_, Hosting>, ApiError> {
    object::find(&inventory.hostings, &inventory.stamps.zones, id)
}

/// A zone as it is shown.
fn shown(inventory: &Inventory, hosting: &Hosting, stamp: &Stamp<ZoneId>) -> Table {
    let name_servers = inventory.zones.find(hosting.id).map(|zone| zone_json::name_servers(zone)).unwrap_or_default();
    let id = accounts::id().to_string();
    zone_json::build_json(hosting, &name_servers, stamp, Account { id: &id, name: accounts::NAME })
}

/// The answer that shows a zone.
fn reply(inventory: &Inventory, id: ZoneId) -> Answer<Table> {
    let (hosting, stamp) = find(inventory, id)?;
    Ok(Reply::new(shown(inventory, hosting, stamp)))
}

#[cfg(test)]
mod tests;
