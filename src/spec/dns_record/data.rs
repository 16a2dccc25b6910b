//! `data`: what records of some types say, in parts.

use crate::model::tree::{Node, Table, Value};
use crate::spec::dns_record::text::{quote, quoted};
use crate::spec::fault::Faults;
use crate::spec::fields::Spot;
use crate::spec::line::words;

/// What a part is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// A whole number.
    Number,
    /// A word.
    Word,
    /// A text that content has in quotation marks.
    Quoted,
    /// Everything that is left, perhaps nothing.
    Rest,
}

use Part::{Number, Quoted, Rest, Word};

/// The parts of each type, in the order of presentation form.
const TYPES: &[(&str, &[(&str, Part)])] = &[
    ("SRV", &[("weight", Number), ("port", Number), ("target", Word)]),
    ("URI", &[("weight", Number), ("target", Quoted)]),
    ("CAA", &[("flags", Number), ("tag", Word), ("value", Quoted)]),
    ("TLSA", &[("usage", Number), ("selector", Number), ("matching_type", Number), ("certificate", Word)]),
    ("SMIMEA", &[("usage", Number), ("selector", Number), ("matching_type", Number), ("certificate", Word)]),
    ("SSHFP", &[("algorithm", Number), ("type", Number), ("fingerprint", Word)]),
    ("DS", &[("key_tag", Number), ("algorithm", Number), ("digest_type", Number), ("digest", Word)]),
    ("DNSKEY", &[("flags", Number), ("protocol", Number), ("algorithm", Number), ("public_key", Word)]),
    ("CERT", &[("type", Number), ("key_tag", Number), ("algorithm", Number), ("certificate", Word)]),
    (
        "NAPTR",
        &[
            ("order", Number),
            ("preference", Number),
            ("flags", Quoted),
            ("service", Quoted),
            ("regex", Quoted),
            ("replacement", Word),
        ],
    ),
    ("HTTPS", &[("priority", Number), ("target", Word), ("value", Rest)]),
    ("SVCB", &[("priority", Number), ("target", Word), ("value", Rest)]),
];

/// Keys that older clients write beside the parts; the record's own name says the same.
const IGNORED: [&str; 4] = ["service", "proto", "name", "content"];

/// What `data` says.
pub(super) struct Data {
    /// As content, without a priority of its own.
    pub(super) content: String,
    /// The priority, if it says one.
    pub(super) priority: Option<u16>,
}

/// The parts of a type.
fn parts_of(rtype: &str) -> Option<&'static [(&'static str, Part)]> {
    TYPES.iter().find(|(name, _)| *name == rtype).map(|(_, parts)| *parts)
}

/// Whether records of a type can be written in parts.
pub(super) fn is_known(rtype: &str) -> bool {
    parts_of(rtype).is_some()
}

/// Reads the parts of a record.
pub(super) fn parse(spot: Spot<'_, '_>, rtype: &str, faults: &mut Faults) -> Option<Data> {
    let parts = parts_of(rtype)?;
    let table = spot.table(faults)?;
    let before = faults.len();
    for entry in table.entries() {
        let is_known = parts.iter().any(|(key, _)| *key == entry.key) || entry.key == "priority";
        if !is_known && !IGNORED.contains(&entry.key.as_ref()) {
            let path = spot.path.key(&entry.key);
            faults.warn(spot.inner(&path, &entry.node).fault("unknown key; it is ignored"));
        }
    }
    let mut words = Vec::with_capacity(parts.len());
    for (key, part) in parts {
        let path = spot.path.key(key);
        match table.entry(key).map(|entry| &entry.node) {
            Some(node) if node.value != Value::Null => words.extend(parse_part(spot.inner(&path, node), *part, faults)),
            _ if *part == Rest => {}
            _ => faults.push(spot.inner(&path, spot.node).fault("it is missing and required")),
        }
    }
    let own_priority = parts.iter().all(|(key, _)| *key != "priority");
    let path = spot.path.key("priority");
    let priority = match table.entry("priority").filter(|entry| own_priority && entry.node.value != Value::Null) {
        Some(entry) => Some(super::parse_priority(spot.inner(&path, &entry.node), faults)?),
        None => None,
    };
    (faults.len() == before).then(|| Data { content: words.join(" "), priority })
}

/// Reads a part into its word of content.
fn parse_part(spot: Spot<'_, '_>, part: Part, faults: &mut Faults) -> Option<String> {
    match (part, &spot.node.value) {
        (Number, Value::Int(number)) if (0..=i64::from(u32::MAX)).contains(number) => Some(number.to_string()),
        (Number, _) => spot.refuse("a whole number", faults),
        (Quoted, _) => spot.text(faults).map(quote),
        (Rest, _) => spot.text(faults).map(str::to_owned),
        (Word, _) => {
            let text = spot.text(faults)?;
            // White space in a certificate or digest means nothing.
            let word: String = text.split_ascii_whitespace().collect();
            if word.is_empty() { spot.refuse("a text that is not empty", faults) } else { Some(word) }
        }
    }
}

/// Builds the parts of a record from its content; none if it is of a type without, or written in another way.
pub(super) fn build(rtype: &str, priority: Option<u16>, content: &str) -> Option<Table> {
    let parts = parts_of(rtype)?;
    let mut table = Table::default();
    if let Some(priority) = priority.filter(|_| rtype == "SRV") {
        table = table.with("priority", Node::int(priority));
    }
    let words = words(content);
    for (index, (key, part)) in parts.iter().enumerate() {
        let (offset, word) = match words.get(index) {
            Some(word) => *word,
            None if *part == Rest => (content.len(), ""),
            None => return None,
        };
        let node = match part {
            Number => Node::int(word.parse::<u32>().ok()?),
            Quoted if word.starts_with('"') => {
                Node::text(String::from_utf8_lossy(quoted(word).ok()?.first()?).into_owned())
            }
            Word | Quoted => Node::text(word),
            Rest => Node::text(content.get(offset..)?),
        };
        table = table.with(*key, node);
    }
    let is_whole = words.len() == parts.len() || parts.last().is_some_and(|(_, part)| *part == Rest);
    is_whole.then_some(table)
}
