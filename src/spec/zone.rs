//! `[[zones]]`: parse and build. This file has the records; how a zone is hosted has its own, and so have zone files.

use std::sync::Arc;

use crate::model::hosting::Hosting;
use crate::model::id::ZoneId;
use crate::model::limits::TTL_MAX;
use crate::model::name::Name;
use crate::model::rrset::Record;
use crate::model::tree::{Node, Table, Value};
use crate::model::zone::builder::ZoneBuilder;
use crate::model::zone::{Zone, ZoneFault};
use crate::spec::fault::{Fault, Faults, Place};
use crate::spec::fields::{Fields, Key, Spot, defaulted, kept, optional, required};
use crate::spec::hosting::{self, KeyNames};
use crate::spec::identity::{self, Identity};
use crate::spec::record;
use crate::spec::value::integer;
use crate::spec::warnings::{self, Surroundings};
use crate::spec::zone_file::{Wanted, ZoneFiles};

/// The keys of a zone.
pub const KEYS: &[Key] = &[
    required("name"),
    defaulted("ttl"),
    optional("records"),
    optional("file"),
    optional("primaries"),
    defaulted("serial"),
    defaulted("allow_query"),
    defaulted("allow_transfer"),
    defaulted("notify"),
    defaulted("transfer_live"),
    kept("id"),
];

/// TTL of records that have none: an hour, as a static record seldom changes.
pub const TTL_DEFAULT: u32 = 3600;

/// Parses a zone: how it is hosted, and its records unless they are transferred.
pub(super) fn parse(
    spot: Spot<'_, '_>,
    keys: KeyNames<'_>,
    surroundings: &Surroundings<'_>,
    zone_files: &mut dyn ZoneFiles,
    faults: &mut Faults,
) -> Option<(Hosting, Option<Arc<Zone>>)> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    // Without a name nothing can be said of the rest.
    let apex = fields.read("name", parse_name).required()?;
    let hosting = hosting::parse(&mut fields, Identity::Declared, &apex, keys);
    let given: Vec<&str> = CONTENT_KEYS.into_iter().filter(|key| fields.node(key).is_some()).collect();
    match given.as_slice() {
        ["primaries"] => return Some((hosting?, None)),
        ["records"] => {
            let zone = parse_content(&mut fields, &apex, surroundings);
            let (hosting, mut zone) = (hosting?, zone?);
            zone.id = hosting.id;
            return Some((hosting, Some(Arc::new(zone))));
        }
        ["file"] => {}
        [] => {
            let why = "the zone has no records; add `records` or `file`, or `primaries` to transfer it from";
            fields.faults.push(fields.fault_at("name", why));
            return None;
        }
        [.., last] => {
            let given = given.join("` and `");
            let why = format!("a zone has one of `file`, `records` and `primaries`, this one has `{given}`");
            fields.faults.push(fields.fault_at(last, why));
            return None;
        }
    }
    let ttl = fields.read("ttl", integer(0, TTL_MAX)).optional();
    let zone = fields.read("file", |spot, faults| {
        let file = spot.text(faults)?;
        if file.is_empty() || file.contains('\0') {
            return spot.refuse("a path, such as \"zones/example.com.zone\"", faults);
        }
        zone_files.zone(&Wanted { spot, file, apex: &apex, ttl: ttl?, surroundings }, faults)
    });
    let (hosting, mut zone) = (hosting?, zone.required()?);
    // Only a zone that says its id is copied.
    if zone.id != hosting.id {
        Arc::make_mut(&mut zone).id = hosting.id;
    }
    Some((hosting, Some(zone)))
}

/// The keys of which a zone has one.
const CONTENT_KEYS: [&str; 3] = ["file", "records", "primaries"];

/// Parses the records of a zone.
fn parse_content(fields: &mut Fields<'_, '_, '_>, apex: &Name, surroundings: &Surroundings<'_>) -> Option<Zone> {
    let ttl = fields.read("ttl", integer(0, TTL_MAX)).or(TTL_DEFAULT);
    let default_ttl = ttl.unwrap_or(TTL_DEFAULT);
    let read = fields.read("records", |spot, faults| parse_records(spot, apex, default_ttl, faults));
    let Lines { mut builder, nodes, all_read } = read.required()?;
    match builder.finish() {
        Ok(zone) if all_read => {
            for (record, why) in warnings::of_built(&builder, &zone, surroundings) {
                let warning = fault_at(fields, record, why, &nodes);
                fields.faults.warn(warning);
            }
            ttl.map(|_| zone)
        }
        // Something else was wrong with it, and has been said.
        Ok(_) => None,
        Err(zone_faults) => {
            // What seems to be missing may stand in a line that cannot be read.
            for ZoneFault { record, why } in zone_faults.iter().filter(|fault| all_read || fault.record.is_some()) {
                let fault = fault_at(fields, *record, why.to_string(), &nodes);
                fields.faults.push(fault);
            }
            None
        }
    }
}

/// The lines of a zone.
struct Lines<'t> {
    /// The zone of those that could be read.
    builder: ZoneBuilder,
    /// The node of each, with its index in the list.
    nodes: Vec<(usize, &'t Node)>,
    /// Whether there are no others.
    all_read: bool,
}

/// Reads a zone's name.
pub fn parse_name(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Name> {
    match Name::parse(spot.text(faults)?, None) {
        Ok(name) => Some(name),
        Err(error) => spot.reject(format!("allowed: a domain name; {error}"), faults),
    }
}

/// Reads the lines of a zone.
fn parse_records<'t>(spot: Spot<'_, 't>, apex: &Name, ttl: u32, faults: &mut Faults) -> Option<Lines<'t>> {
    let items = spot.items(faults)?;
    let mut builder = ZoneBuilder::new(ZoneId::declared(&apex.to_string()), apex.clone());
    let mut nodes = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        let path = spot.path.index(index);
        let item = spot.inner(&path, node);
        let Some(line) = item.text(faults) else { continue };
        match record::parse(line, apex, ttl) {
            Ok(record) => {
                builder.add(&record.owner, record.rtype, record.ttl, &record.rdata);
                nodes.push((index, node));
            }
            Err(fault) => {
                let at = fault.offset.map_or_else(|| item.place(), |offset| place_in(&item, line, offset));
                faults.push(Fault { at, ..item.fault(fault.why) });
            }
        }
    }
    let all_read = nodes.len() == items.len();
    Some(Lines { builder, nodes, all_read })
}

/// The place of an offset within a text: exact where the text is written without escapes on one line, which is so
/// when it takes two octets more than it says.
fn place_in(spot: &Spot<'_, '_>, text: &str, offset: usize) -> Place {
    let place = spot.place();
    if place.span.len() != text.len() + 2 {
        return place;
    }
    let start = place.span.start + 1 + offset;
    let word = text.get(offset..).unwrap_or_default().find([' ', '\t']).unwrap_or(text.len() - offset);
    Place { span: start..start + word.max(1), ..place }
}

/// A fault of a zone at the record that shows it, or at the zone's name where one is missing.
fn fault_at(fields: &Fields<'_, '_, '_>, record: Option<usize>, why: String, nodes: &[(usize, &Node)]) -> Fault {
    match record.and_then(|record| nodes.get(record)) {
        Some((index, node)) => {
            let records = fields.spot.path.key("records");
            fields.spot.inner(&records.index(*index), node).fault(why)
        }
        None => fields.fault_at("name", why),
    }
}

/// Builds a zone; one that is transferred has no records here. Every record gets its TTL, so the zone needs none.
pub(super) fn build(hosting: &Hosting, zone: Option<&Zone>) -> Table {
    let table = Table::default().with("name", Node::text(hosting.apex.to_string()));
    let table = identity::build(table, hosting.id, &hosting.apex.to_string());
    let table = hosting::build(hosting, table);
    match zone.filter(|_| hosting.primaries().is_none()) {
        Some(zone) => table.with("records", build_records(zone)),
        None => table,
    }
}

/// Builds the lines of a zone.
fn build_records(zone: &Zone) -> Node {
    let apex = zone.apex();
    let lines = zone.owners().iter().flat_map(|owner| {
        let name = owner.name();
        owner.rrsets().flat_map(move |rrset| {
            let owner = name.clone();
            rrset.rdatas().map(move |rdata| {
                let record =
                    Record { owner: owner.clone(), rtype: rrset.rtype, ttl: rrset.ttl(), rdata: rdata.to_vec() };
                Node::text(record::build(&record, apex))
            })
        })
    });
    Node::built(Value::Array(lines.collect()))
}
