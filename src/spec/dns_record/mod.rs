//! Records of zones that are managed through the API, as the original's clients write and read them.

mod data;
mod text;

use crate::model::dns_record::DnsRecord;
use crate::model::id::{RecordId, ZoneId};
use crate::model::limits::{
    RECORD_COMMENT_CHARS_MAX, RECORD_CONTENT_OCTETS_MAX, RECORD_TAG_CHARS_MAX, RECORD_TAGS_MAX, RECORD_TTL_MIN, TTL_MAX,
};
use crate::model::name::Name;
use crate::model::rrset::{Record, Rtype};
use crate::model::stamp::{Revision, UnixMicros};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Given, Key, Path, Spot, defaulted, kept, optional, read_only, required};
use crate::spec::value::{boolean, list, octets};
use crate::spec::{json_text, record, time};

/// The keys of a record.
pub const KEYS: &[Key] = &[
    required("name"),
    required("type"),
    optional("content"),
    optional("data"),
    optional("priority"),
    defaulted("ttl"),
    defaulted("proxied"),
    defaulted("comment"),
    defaulted("tags"),
    kept("settings"),
    kept("private_routing"),
    read_only("id"),
    read_only("zone_id"),
    read_only("zone_name"),
    read_only("proxiable"),
    read_only("locked"),
    read_only("meta"),
    read_only("created_on"),
    read_only("modified_on"),
    read_only("comment_modified_on"),
    read_only("tags_modified_on"),
];

/// The TTL that the original calls automatic.
const AUTOMATIC: i64 = 1;

/// Types with a priority of its own in front of what else they say (RFC 1035 §3.3.9, RFC 2782, RFC 7553 §4.2).
const WITH_PRIORITY: [Rtype; 3] = [Rtype::MX, Rtype::SRV, text::URI];

/// What stands in front of data in hexadecimal (RFC 3597 §5).
const HEXADECIMAL: &str = "\\#";

/// The zone that a record is in.
#[derive(Clone, Copy, Debug)]
pub struct InZone<'z> {
    /// Its id.
    pub id: ZoneId,
    /// Its apex.
    pub apex: &'z Name,
}

/// Parses the body of a request; the record gets `id`. Its times and revision are for the commit to set.
pub fn parse_json(body: &Node, id: RecordId, zone: InZone<'_>, faults: &mut Faults) -> Option<DnsRecord> {
    let before = faults.len();
    let mut fields = Fields::open(Spot { source: 0, path: &Path::ROOT, node: body }, KEYS, faults)?;
    let owner = fields.read("name", |spot, faults| parse_owner(spot, zone.apex, faults)).required();
    let rtype = fields.read("type", parse_type).required();
    let ttl = fields.read("ttl", parse_ttl).or(Ttl(None));
    let priority = fields.read("priority", parse_priority).optional();
    let comment = fields.read("comment", chars(RECORD_COMMENT_CHARS_MAX)).or(String::new());
    let tags = fields.read("tags", list(RECORD_TAGS_MAX, |spot, faults| chars(RECORD_TAG_CHARS_MAX)(spot, faults)));
    let tags = tags.or(vec![]);
    let proxied = fields.read("proxied", boolean).or(false);
    if proxied == Some(true) {
        let fault = fields.fault_at("proxied", "this server answers DNS and is no proxy; allowed: false");
        fields.faults.push(fault);
    }
    let (owner, rtype) = (owner?, rtype?);
    let said = parse_said(&mut fields, rtype, priority?, zone.apex)?;
    if fields.faults.len() != before {
        return None;
    }
    Some(DnsRecord {
        id,
        zone: zone.id,
        owner,
        rtype,
        ttl: ttl?.0,
        rdata: said.rdata,
        content: said.content,
        comment: comment?,
        tags: tags?,
        created: UnixMicros::default(),
        modified: UnixMicros::default(),
        revision: Revision::default(),
    })
}

/// The record that a resource record is, with its content in the original's form.
pub fn of_record(record: Record, id: RecordId, zone: ZoneId) -> DnsRecord {
    let Record { owner, rtype, ttl, rdata } = record;
    let content = content_of(rtype, ttl, &rdata);
    let (created, modified, revision) = <(UnixMicros, UnixMicros, Revision)>::default();
    let (comment, tags) = (String::new(), vec![]);
    DnsRecord { id, zone, owner, rtype, ttl: Some(ttl), rdata, content, comment, tags, created, modified, revision }
}

/// The content of data in the original's form.
fn content_of(rtype: Rtype, ttl: u32, rdata: &[u8]) -> String {
    if rtype == Rtype::TXT {
        return text::build_txt(rdata);
    }
    // With the root as its zone, all names in it are complete.
    let line = record::build(&Record { owner: Name::root(), rtype, ttl, rdata: rdata.to_vec() }, &Name::root());
    let content = line.splitn(4, ' ').nth(3).unwrap_or_default();
    match content.split_once(' ') {
        Some((priority, rest)) if WITH_PRIORITY.contains(&rtype) && priority != HEXADECIMAL => without_dot(rtype, rest),
        _ => without_dot(rtype, content),
    }
}

/// What a PATCH asks for: as for other objects, but what a record says can be written in more than one way, and the way of
/// the body holds.
pub fn patch(current: &Table, body: &Table) -> Table {
    let has = |key: &str| body.value(key).is_some();
    let current = match (has("data"), has("content") || has("priority") || has("type")) {
        (true, _) => current.clone().without("content").without("priority"),
        (false, true) => current.clone().without("data"),
        (false, false) => current.clone(),
    };
    json_text::patch(&current, body)
}

/// Builds a record for a response.
pub fn build_json(record: &DnsRecord, apex: &Name) -> Table {
    let DnsRecord { id, zone, owner, rtype, ttl, rdata, content, comment, tags, created, modified, revision: _ } =
        record;
    let no = || Node::built(Value::Bool(false));
    let nothing = || Node::built(Value::Table(Table::default()));
    let mut table = Table::default()
        .with("id", Node::text(id.to_string()))
        .with("zone_id", Node::text(zone.to_string()))
        .with("zone_name", Node::text(apex.to_string()))
        .with("name", Node::text(owner.to_string()))
        .with("type", Node::text(record::type_name(*rtype)))
        .with("content", Node::text(content))
        .with("proxiable", no())
        .with("proxied", no())
        .with("ttl", ttl.map_or(Node::int(AUTOMATIC), Node::int));
    let priority = match rdata.as_slice() {
        [high, low, ..] if WITH_PRIORITY.contains(rtype) => Some(u16::from_be_bytes([*high, *low])),
        _ => None,
    };
    if let Some(priority) = priority {
        table = table.with("priority", Node::int(priority));
    }
    if let Some(data) = data::build(&record::type_name(*rtype), priority, content) {
        table = table.with("data", Node::built(Value::Table(data)));
    }
    table
        .with("settings", nothing())
        .with("meta", nothing())
        .with("comment", if comment.is_empty() { Node::built(Value::Null) } else { Node::text(comment) })
        .with("tags", Node::built(Value::Array(tags.iter().map(Node::text).collect())))
        .with("created_on", time::build(*created))
        .with("modified_on", time::build(*modified))
}

/// Reads the owner: a complete name, one that is relative to the zone, or `@`.
fn parse_owner(spot: Spot<'_, '_>, apex: &Name, faults: &mut Faults) -> Option<Name> {
    let text = spot.text(faults)?;
    if text == "@" {
        return Some(apex.clone());
    }
    let complete = Name::parse(text, None).ok().filter(|name| name.is_at_or_below(apex));
    let relative = || if text.ends_with('.') { None } else { Some(Name::parse(text, Some(apex))) };
    match complete.map(Ok).or_else(relative) {
        Some(Ok(name)) => Some(name),
        Some(Err(error)) => spot.reject(format!("allowed: a domain name; {error}"), faults),
        None => spot.reject(format!("it is not in the zone {apex}"), faults),
    }
}

/// Reads a type that records can have.
fn parse_type(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Rtype> {
    let rtype = record::parse_type(spot.text(faults)?);
    match rtype.filter(|rtype| !rtype.is_meta()) {
        Some(Rtype::SOA) => spot.reject("the server keeps the zone's SOA record itself", faults),
        Some(rtype) => Some(rtype),
        None => spot.refuse("a type of record, such as \"A\", \"AAAA\", \"CNAME\", \"MX\" or \"TXT\"", faults),
    }
}

/// A TTL in seconds; none for the automatic one.
struct Ttl(Option<u32>);

/// Reads a TTL.
fn parse_ttl(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Ttl> {
    let seconds = match spot.node.value {
        Value::Int(AUTOMATIC) => return Some(Ttl(None)),
        Value::Int(seconds) => u32::try_from(seconds).ok(),
        _ => None,
    };
    match seconds.filter(|seconds| (RECORD_TTL_MIN..=TTL_MAX).contains(seconds)) {
        Some(seconds) => Some(Ttl(Some(seconds))),
        None => spot.refuse(format_args!("1 for automatic, or {RECORD_TTL_MIN} to {TTL_MAX} seconds"), faults),
    }
}

/// Reads a priority.
fn parse_priority(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<u16> {
    crate::spec::value::integer(0, u16::MAX)(spot, faults)
}

/// A reader of texts of at most so many characters.
fn chars(max: usize) -> impl Fn(Spot<'_, '_>, &mut Faults) -> Option<String> {
    move |spot, faults| {
        let text = spot.text(faults)?;
        if text.chars().count() <= max {
            return Some(text.to_owned());
        }
        spot.refuse(format_args!("a text of at most {max} characters"), faults)
    }
}

/// What a record says.
struct Said {
    /// In the original's form.
    content: String,
    /// In wire form.
    rdata: Vec<u8>,
}

/// Reads what a record says, from `data` or else from `content`.
fn parse_said(fields: &mut Fields<'_, '_, '_>, rtype: Rtype, priority: Option<u16>, apex: &Name) -> Option<Said> {
    let name = record::type_name(rtype);
    let has_data =
        fields.node("data").is_some_and(|node| !matches!(&node.value, Value::Table(table) if table.is_empty()));
    let (key, content, priority) = if has_data && data::is_known(&name) {
        let data = fields.read("data", |spot, faults| data::parse(spot, &name, faults)).required()?;
        ("data", data.content, data.priority.or(priority))
    } else {
        match fields.read("content", octets(0, RECORD_CONTENT_OCTETS_MAX)) {
            Given::Value(content) => ("content", content, priority),
            Given::Faulty => return None,
            Given::Absent => {
                let fault = fields.fault_at("content", "it is missing and required");
                fields.faults.push(fault);
                return None;
            }
        }
    };
    if lacks_priority(rtype, content.trim(), priority) {
        let fault = fields.fault_at("priority", format!("it is missing; a record of type {name} has one"));
        fields.faults.push(fault);
        return None;
    }
    match said(rtype, content.trim(), priority, apex) {
        Ok(said) => Some(said),
        Err(why) => {
            let fault = fields.fault_at(key, why);
            fields.faults.push(fault);
            None
        }
    }
}

/// Whether content has the priority in front, as presentation form does.
fn has_priority(rtype: Rtype, content: &str) -> bool {
    let expected = if rtype == Rtype::SRV { 3 } else { 1 };
    WITH_PRIORITY.contains(&rtype) && rtype != text::URI && content.split_ascii_whitespace().count() > expected
}

/// Whether a record of this type and content should have a priority and has none.
fn lacks_priority(rtype: Rtype, content: &str, priority: Option<u16>) -> bool {
    let is_hexadecimal = content.starts_with(HEXADECIMAL);
    priority.is_none() && WITH_PRIORITY.contains(&rtype) && !is_hexadecimal && !has_priority(rtype, content)
}

/// What a record with a content and a priority says; an error says why that is nothing.
fn said(rtype: Rtype, content: &str, priority: Option<u16>, apex: &Name) -> Result<Said, String> {
    if content.starts_with(HEXADECIMAL) {
        return Ok(Said { rdata: record::parse_data(rtype, content)?, content: content.to_owned() });
    }
    if rtype == Rtype::TXT {
        return Ok(Said { rdata: text::parse_txt(content)?, content: content.to_owned() });
    }
    let (priority, content) = match content.split_once([' ', '\t']) {
        Some((first, rest)) if has_priority(rtype, content) => {
            (Some(first.parse().map_err(|_| format!("{first:?} is no priority"))?), rest.trim_start())
        }
        _ => (priority, content),
    };
    let content = if content == "@" { apex.to_string() } else { content.to_owned() };
    let line = match priority {
        Some(priority) if WITH_PRIORITY.contains(&rtype) => format!("{priority} {content}"),
        _ => content.clone(),
    };
    let rdata = if rtype == text::URI { text::parse_uri(&line)? } else { record::parse_data(rtype, &line)? };
    Ok(Said { rdata, content: without_dot(rtype, &content) })
}

/// Content without the dot that ends a complete name: the original has none.
fn without_dot(rtype: Rtype, content: &str) -> String {
    let ends_with_name = matches!(rtype, Rtype::CNAME | Rtype::NS | Rtype::PTR | Rtype::DNAME | Rtype::MX | Rtype::SRV);
    let short =
        content.strip_suffix('.').filter(|short| ends_with_name && !short.is_empty() && !short.ends_with(['.', ' ']));
    short.unwrap_or(content).to_owned()
}

#[cfg(test)]
mod tests;
