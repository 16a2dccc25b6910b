//! `[[zones]]`: parse and build. This file has the records; how a zone is hosted has its own, and so have zone files.

use std::sync::Arc;

use crate::model::hosting::Hosting;
use crate::model::id::ZoneId;
use crate::model::limits::TTL_MAX;
use crate::model::name::Name;
use crate::model::rrset::Record;
use crate::model::zone::{Zone, ZoneFault};
use crate::spec::fault::{Fault, Faults, Place};
use crate::spec::fields::{Fields, Key, Spot, defaulted, optional, required};
use crate::spec::hosting::{self, KeyNames};
use crate::spec::record;
use crate::spec::tree::{Node, Table, Value};
use crate::spec::value::integer;
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
];

/// TTL of records that have none: an hour, as a static record seldom changes.
pub const TTL_DEFAULT: u32 = 3600;

/// Parses a zone: how it is hosted, and its records unless they are transferred.
pub(super) fn parse(
    spot: Spot<'_, '_>,
    keys: KeyNames<'_>,
    zone_files: &mut dyn ZoneFiles,
    faults: &mut Faults,
) -> Option<(Hosting, Option<Arc<Zone>>)> {
    let mut fields = Fields::open(spot, KEYS, faults)?;
    // Without a name nothing can be said of the rest.
    let apex = fields.read("name", parse_name).required()?;
    let hosting = hosting::parse(&mut fields, &apex, keys);
    let given: Vec<&str> = CONTENT_KEYS.into_iter().filter(|key| fields.node(key).is_some()).collect();
    match given.as_slice() {
        ["primaries"] => return Some((hosting?, None)),
        ["records"] => {
            let zone = parse_content(&mut fields, apex);
            return Some((hosting?, Some(Arc::new(zone?))));
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
        zone_files.zone(&Wanted { spot, file, apex: &apex, ttl: ttl? }, faults)
    });
    Some((hosting?, Some(zone.required()?)))
}

/// The keys of which a zone has one.
const CONTENT_KEYS: [&str; 3] = ["file", "records", "primaries"];

/// Parses the records of a zone.
fn parse_content(fields: &mut Fields<'_, '_, '_>, apex: Name) -> Option<Zone> {
    let ttl = fields.read("ttl", integer(0, TTL_MAX)).or(TTL_DEFAULT);
    let default_ttl = ttl.unwrap_or(TTL_DEFAULT);
    let read = fields.read("records", |spot, faults| parse_records(spot, &apex, default_ttl, faults));
    let Lines { records, nodes, all_read } = read.required()?;
    let id = ZoneId::declared(&apex.to_string());
    let zone_faults = match Zone::try_new(id, apex, records) {
        // Something else was wrong with it, and has been said.
        Ok(zone) => return (all_read && ttl.is_some()).then_some(zone),
        Err(zone_faults) => zone_faults,
    };
    // What seems to be missing may stand in a line that cannot be read.
    for fault in zone_faults.iter().filter(|fault| all_read || fault.record.is_some()) {
        report(fields, fault, &nodes);
    }
    None
}

/// The lines of a zone.
struct Lines<'t> {
    /// The records that could be read.
    records: Vec<Record>,
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
    let mut records = Vec::with_capacity(items.len());
    let mut nodes = Vec::with_capacity(items.len());
    for (index, node) in items.iter().enumerate() {
        let path = spot.path.index(index);
        let item = spot.inner(&path, node);
        let Some(line) = item.text(faults) else { continue };
        match record::parse(line, apex, ttl) {
            Ok(record) => {
                records.push(record);
                nodes.push((index, node));
            }
            Err(fault) => {
                let at = fault.offset.map_or_else(|| item.place(), |offset| place_in(&item, line, offset));
                faults.push(Fault { at, ..item.fault(fault.why) });
            }
        }
    }
    let all_read = records.len() == items.len();
    Some(Lines { records, nodes, all_read })
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

/// Adds a fault of a zone at the record that shows it, or at the zone's name where one is missing.
fn report(fields: &mut Fields<'_, '_, '_>, fault: &ZoneFault, nodes: &[(usize, &Node)]) {
    let ZoneFault { record, why } = fault;
    let fault = match record.and_then(|record| nodes.get(record)) {
        Some((index, node)) => {
            let records = fields.spot.path.key("records");
            fields.spot.inner(&records.index(*index), node).fault(why.to_string())
        }
        None => fields.fault_at("name", why.to_string()),
    };
    fields.faults.push(fault);
}

/// Builds a zone; one that is transferred has no records here. Every record gets its TTL, so the zone needs none.
pub(super) fn build(hosting: &Hosting, zone: Option<&Zone>) -> Table {
    let table = Table::default().with("name", Node::text(hosting.apex.to_string()));
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
