//! `zones/{zone_id}/dns_records`: the records of zones that are made here, and, only shown, those of all others.
//!
//! A record of a zone that a file declares, or that is transferred, has no id of its own: it gets one from its owner, type
//! and data, so that it is the same tomorrow. SOA records are not shown and not taken: the server keeps them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use utoipa::openapi::{RefOr, Schema};

use self::filter::Wish;
use self::line::{Line, lines};
use crate::api::v4::body::{Edit, parsed};
use crate::api::v4::code::Code;
use crate::api::v4::context::{Context, random_bits};
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{Deleted, changeable, delete};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::plan::Plan;
use crate::api::v4::request::{JsonBody, Parameters, PathId, Writing};
use crate::api::v4::route::Route;
use crate::api::v4::zones;
use crate::model::dns_record::DnsRecord;
use crate::model::hosting::Hosting;
use crate::model::id::{ObjectId, RecordId, ZoneId};
use crate::model::inventory::{Change, Inventory};
use crate::model::limits::{RECORD_CONTENT_OCTETS_MAX, RECORD_TAG_CHARS_MAX, TTL_MAX};
use crate::model::rrset::Rtype;
use crate::model::tree::{Node, Table, Value};
use crate::spec::dns_record::{InZone, KEYS, build_json, parse_json, patch};

mod filter;
mod line;

/// All records of a zone.
const ALL: &str = "/zones/{zone_id}/dns_records";
/// One record.
const ONE: &str = "/zones/{zone_id}/dns_records/{dns_record_id}";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::get(ALL, list).at_length(),
        Route::post(ALL, create),
        Route::get(ONE, details).at_length(),
        Route::put(ONE, rewrite),
        Route::patch(ONE, rewrite),
        Route::delete(ONE, remove),
    ]
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let mut list = Operation::new(Method::GET, ALL, "Lists the records of a zone.").lists(schema::of("Record"));
    for (parameter, description) in filter::PARAMETERS {
        list = list.query(parameter, schema::text(), description);
    }
    let operations = vec![
        list,
        Operation::write(Method::POST, ALL, "Makes a record.", "Record", "Record"),
        Operation::show(ONE, "Shows a record.", "Record"),
        Operation::write(Method::PUT, ONE, "Replaces a record.", "Record", "Record"),
        Operation::write(Method::PATCH, ONE, "Changes some of a record.", "RecordChange", "Record"),
        Operation::delete(ONE, "Deletes a record."),
    ];
    let said = |whole| schema::keyed(KEYS, &Table::default(), property, whole);
    Description {
        tag: "Records",
        operations,
        schemas: vec![("Record", said(Whole::Yes)), ("RecordChange", said(Whole::No))],
    }
}

/// The schema of a key of a record.
fn property(key: &str) -> Option<RefOr<Schema>> {
    Some(match key {
        "id" | "zone_id" => schema::id(),
        "name" => {
            schema::text_about("The owner: a complete name, one relative to the zone, or `@` for the zone's own.")
        }
        "type" => schema::text_about("A type of record, such as `A`, `AAAA`, `CNAME`, `MX` or `TXT`."),
        "content" => schema::text_to(RECORD_CONTENT_OCTETS_MAX),
        "zone_name" => schema::text(),
        "priority" => schema::integer(0, u16::MAX.into()),
        "ttl" => schema::integer_or(1, TTL_MAX.into(), 1),
        "proxied" => schema::boolean_or(false),
        "comment" => schema::text_or_null(),
        "tags" => schema::list(schema::text_to(RECORD_TAG_CHARS_MAX)),
        "data" | "settings" | "meta" => schema::map(schema::anything()),
        "private_routing" | "proxiable" | "locked" => schema::boolean(),
        "created_on" | "modified_on" | "comment_modified_on" | "tags_modified_on" => schema::time(),
        _ => return None,
    })
}

/// `GET .../dns_records`: those that the parameters say.
async fn list(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    parameters: Parameters,
    paging: Paging,
) -> Answer<Vec<Table>> {
    let inventory = context.inventory();
    let (hosting, stamp) = zones::find(&inventory, zone)?;
    let wish = Wish::parse(&parameters)?;
    let mut found: Vec<Line<'_>> = lines(&inventory, zone, wish.owner().as_ref());
    found.retain(|line| wish.is_for(line));
    wish.sort(&mut found);
    Ok(Reply::page(paging.part(found.into_iter(), |line| line.shown(&hosting.apex, stamp))))
}

/// `POST .../dns_records`
async fn create(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    let id = RecordId::random(random_bits()?);
    let expected = writing.precondition.of_new()?;
    let committed = context.commit(&writing, |inventory| {
        let hosting = writable(inventory, zone)?;
        let new = parsed(|faults| parse_json(&body, id, InZone { id: zone, apex: &hosting.apex }, faults))?;
        Ok(Plan::write(new, Change::PutRecord, expected))
    });
    committed.await?.reply(|inventory| reply(inventory, zone, id))
}

/// `GET .../dns_records/{dns_record_id}`
async fn details(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<RecordId>,
) -> Answer<Table> {
    let inventory = context.inventory();
    let (hosting, stamp) = zones::find(&inventory, zone)?;
    if inventory.records.find(zone).is_some() {
        return reply(&inventory, zone, id);
    }
    let line = lines(&inventory, zone, None).into_iter().find(|line| line.id() == id);
    let line = line.ok_or_else(|| ApiError::not_found("dns_record", id))?;
    // Without `ETag`: nobody keeps a revision of it.
    Ok(Reply::new(line.shown(&hosting.apex, stamp)))
}

/// `PUT` and `PATCH .../dns_records/{dns_record_id}`
async fn rewrite(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<RecordId>,
    writing: Writing,
    edit: Edit,
) -> Answer<Table> {
    let committed = context.commit(&writing, |inventory| {
        let apex = &writable(inventory, zone)?.apex;
        let record = find(inventory, zone, id)?;
        let expected = changeable(inventory, ObjectId::Record(zone, id), &writing.precondition)?;
        let overlaid = |said: &Table| Node::built(Value::Table(patch(&build_json(record, apex), said)));
        let mut new = edit.parsed(overlaid, |body, faults| parse_json(body, id, InZone { id: zone, apex }, faults))?;
        // Times and revision are for the commit to set.
        let DnsRecord { created, modified, revision, .. } = **record;
        new.object = DnsRecord { created, modified, revision, ..new.object };
        Ok(Plan::rewrite(new, record, Change::PutRecord, expected))
    });
    committed.await?.reply(|inventory| reply(inventory, zone, id))
}

/// `DELETE .../dns_records/{dns_record_id}`
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<RecordId>,
    writing: Writing,
) -> Answer<Deleted> {
    let check = |inventory: &Inventory| {
        writable(inventory, zone)?;
        find(inventory, zone, id).map(drop)
    };
    delete(&context, &writing, ObjectId::Record(zone, id), check).await
}

/// The zone with an id, if its records can be changed here.
fn writable(inventory: &Inventory, id: ZoneId) -> Result<&Arc<Hosting>, ApiError> {
    let (hosting, _) = zones::find(inventory, id)?;
    let object = ObjectId::Zone(id);
    match inventory.declared_in(object) {
        Some(file) if hosting.primaries().is_some() => {
            let text = format!(
                "the zone {} is transferred from other servers, as {file} says: change its records there",
                hosting.apex
            );
            Err(ApiError::new(Code::ReadOnly, text))
        }
        _ => {
            inventory.check_writable(object)?;
            Ok(hosting)
        }
    }
}

/// A record of a zone that is made here.
fn find(inventory: &Inventory, zone: ZoneId, id: RecordId) -> Result<&Arc<DnsRecord>, ApiError> {
    let record = inventory.records.find(zone).and_then(|records| records.records.find(id));
    let shown = record.filter(|record| record.rtype != Rtype::SOA);
    shown.ok_or_else(|| ApiError::not_found("dns_record", id))
}

/// The answer that shows a record.
fn reply(inventory: &Inventory, zone: ZoneId, id: RecordId) -> Answer<Table> {
    let (hosting, _) = zones::find(inventory, zone)?;
    let record = find(inventory, zone, id)?;
    Ok(Reply::new(build_json(record, &hosting.apex)).at(record.revision))
}

#[cfg(test)]
mod tests;
