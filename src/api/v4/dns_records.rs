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
use crate::api::v4::body::{self, Parsed, parsed};
use crate::api::v4::code::Code;
use crate::api::v4::context::{Committed, Context, random_bits};
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::object::{Deleted, changeable, deletion};
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema::{self, Whole};
use crate::api::v4::paging::Paging;
use crate::api::v4::request::{JsonBody, Parameters, PathId, Writing};
use crate::api::v4::route::Route;
use crate::api::v4::zones;
use crate::model::dns_record::DnsRecord;
use crate::model::hosting::Hosting;
use crate::model::id::{ObjectId, RecordId, ZoneId};
use crate::model::inventory::{Change, Contradiction, Inventory, Step};
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
        Route::get(ALL, list),
        Route::post(ALL, create),
        Route::get(ONE, details),
        Route::put(ONE, replace),
        Route::patch(ONE, edit),
        Route::delete(ONE, remove),
    ]
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let one = || schema::of("Record");
    let mut list = Operation::new(Method::GET, ALL, "Lists the records of a zone.").lists(one());
    for (parameter, description) in filter::PARAMETERS {
        list = list.query(parameter, schema::text(), description);
    }
    let operations = vec![
        list,
        Operation::new(Method::POST, ALL, "Makes a record.").takes(one()).gives(one()).tagged().writes(),
        Operation::new(Method::GET, ONE, "Shows a record.").gives(one()).tagged(),
        Operation::new(Method::PUT, ONE, "Replaces a record.").takes(one()).gives(one()).tagged().writes(),
        Operation::new(Method::PATCH, ONE, "Changes some of a record.")
            .takes(schema::of("RecordChange"))
            .gives(one())
            .tagged()
            .writes(),
        Operation::new(Method::DELETE, ONE, "Deletes a record.").gives(schema::deleted()).writes(),
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
    let mut messages = vec![];
    let committed = context.commit(&writing, |inventory| {
        let hosting = writable(inventory, zone)?;
        let parsed = parsed(|faults| parse_json(&body, id, InZone { id: zone, apex: &hosting.apex }, faults))?;
        messages = parsed.messages;
        Ok(vec![Step { change: Change::PutRecord(parsed.object), expected }])
    });
    let committed = committed.await?;
    reply(zone, id, messages, committed)
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
        return reply(zone, id, vec![], Committed { inventory, messages: vec![] });
    }
    let line = lines(&inventory, zone, None).into_iter().find(|line| line.id() == id);
    let line = line.ok_or_else(|| ApiError::not_found("dns_record", id))?;
    // Without `ETag`: nobody keeps a revision of it.
    Ok(Reply::new(line.shown(&hosting.apex, stamp)))
}

/// `PUT .../dns_records/{dns_record_id}`
async fn replace(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<RecordId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    let make = |_: &Table, zone: InZone<'_>| parsed(|faults| parse_json(&body, id, zone, faults));
    rewrite(&context, &writing, (zone, id), make, |_| true).await
}

/// `PATCH .../dns_records/{dns_record_id}`
async fn edit(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<RecordId>,
    writing: Writing,
    JsonBody(body): JsonBody,
) -> Answer<Table> {
    let said = body::table(&body)?;
    let make = |current: &Table, zone: InZone<'_>| {
        let node = Node::built(Value::Table(patch(current, said)));
        parsed(|faults| parse_json(&node, id, zone, faults))
    };
    rewrite(&context, &writing, (zone, id), make, |message| body::is_about(message, said)).await
}

/// Writes a record anew, if that changes it. `make` gives the new one, from what the present one says; of what there is to
/// tell, `is_told` says what is told.
async fn rewrite(
    context: &Context,
    writing: &Writing,
    (zone, id): (ZoneId, RecordId),
    make: impl Fn(&Table, InZone<'_>) -> Result<Parsed<DnsRecord>, ApiError> + Send + Sync,
    is_told: impl Fn(&Message) -> bool + Send,
) -> Answer<Table> {
    let mut messages = vec![];
    let committed = context.commit(writing, |inventory| {
        let hosting = writable(inventory, zone)?;
        let record = find(inventory, zone, id)?;
        let expected = changeable(inventory, ObjectId::Record(zone, id), &writing.precondition)?;
        let parsed = make(&build_json(record, &hosting.apex), InZone { id: zone, apex: &hosting.apex })?;
        messages = parsed.messages;
        // Times and revision are for the commit to set.
        let DnsRecord { created, modified, revision, .. } = **record;
        let object = DnsRecord { created, modified, revision, ..parsed.object };
        let changes = object != **record;
        Ok(changes.then_some(Step { change: Change::PutRecord(object), expected }).into_iter().collect())
    });
    let committed = committed.await?;
    messages.retain(is_told);
    reply(zone, id, messages, committed)
}

/// `DELETE .../dns_records/{dns_record_id}`
async fn remove(
    State(context): State<Arc<Context>>,
    PathId(zone): PathId<ZoneId>,
    PathId(id): PathId<RecordId>,
    writing: Writing,
) -> Answer<Deleted> {
    let object = ObjectId::Record(zone, id);
    let committed = context.commit(&writing, |inventory| {
        writable(inventory, zone)?;
        find(inventory, zone, id)?;
        Ok(vec![deletion(inventory, object, &writing.precondition)?])
    });
    let committed = committed.await?;
    Ok(Reply::new(Deleted::of(object)).with_messages(committed.messages))
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
        Some(file) => Err(Contradiction::ReadOnly { object, file: Arc::clone(file) }.into()),
        None => Ok(hosting),
    }
}

/// A record of a zone that is made here.
fn find(inventory: &Inventory, zone: ZoneId, id: RecordId) -> Result<&Arc<DnsRecord>, ApiError> {
    let record = inventory.records.find(zone).and_then(|records| records.records.find(id));
    let shown = record.filter(|record| record.rtype != Rtype::SOA);
    shown.ok_or_else(|| ApiError::not_found("dns_record", id))
}

/// A record after a commit.
fn reply(zone: ZoneId, id: RecordId, messages: Vec<Message>, committed: Committed) -> Answer<Table> {
    let Committed { inventory, messages: more } = committed;
    let (hosting, _) = zones::find(&inventory, zone)?;
    let record = find(&inventory, zone, id)?;
    let reply = Reply::new(build_json(record, &hosting.apex)).at(record.revision);
    Ok(reply.with_messages(messages).with_messages(more))
}

#[cfg(test)]
mod tests;
