//! Writes zones as master files (RFC 1035 §5) in as many ways as the format allows.

use std::fmt::Write as _;

use super::message::type_text;
use super::name::{Name, labels_text};
use super::zone::{Data, Record, Zone};
use crate::harness::Random;

/// A file under way.
struct Writer<'z> {
    zone: &'z Zone,
    /// Small decisions out of one number.
    dice: Random,
    /// What relative names are relative to.
    origin: Name,
    /// What `$TTL` says.
    ttl: u32,
    /// The owner of the last record.
    last: Option<Name>,
    text: String,
}

/// The master file of a zone.
pub fn master_file(zone: &Zone) -> String {
    let mut writer = Writer {
        zone,
        dice: Random(zone.style),
        origin: zone.apex.clone(),
        ttl: zone.soa_ttl,
        last: None,
        text: String::new(),
    };
    writer.head();
    for record in &zone.records {
        writer.record(record);
    }
    writer.text
}

impl Writer<'_> {
    /// Directives and the SOA.
    fn head(&mut self) {
        let apex = self.zone.apex.clone();
        if self.dice.once_in(2) {
            writeln!(self.text, "; a zone\n\n$ORIGIN {apex}").unwrap();
        }
        writeln!(self.text, "$TTL {}", self.ttl).unwrap();
        let mname = self.name(&apex.below(&[b"ns".to_vec()]));
        let numbers = format!("7 7200 900 1209600 {}", self.zone.minimum);
        if self.dice.once_in(2) {
            writeln!(self.text, "@ {} IN SOA {mname} root {numbers}", self.zone.soa_ttl).unwrap();
        } else {
            let lines = numbers.replace(' ', "\n\t");
            writeln!(self.text, "@\tSOA\t{mname} root (\t; serial first\n\t{lines} )").unwrap();
        }
        self.last = Some(apex);
    }

    /// A record, and perhaps a new origin before it.
    fn record(&mut self, record: &Record) {
        if self.dice.once_in(12) {
            self.turn_to(record.owner.without(1));
        }
        let same = self.last.as_ref() == Some(&record.owner);
        let owner = if same && !self.dice.once_in(3) { String::new() } else { self.name(&record.owner) };
        self.last = Some(record.owner.clone());
        let ttl = if record.ttl == self.ttl && self.dice.once_in(2) { String::new() } else { record.ttl.to_string() };
        let class = if self.dice.once_in(2) { "IN" } else { "" };
        let (first, second) = if self.dice.once_in(2) { (ttl.as_str(), class) } else { (class, ttl.as_str()) };
        let mut line = owner;
        for word in [first, second].into_iter().filter(|word| !word.is_empty()) {
            write!(line, "\t{word}").unwrap();
        }
        let (rtype, data) = self.data(&record.data);
        writeln!(self.text, "{line}\t{rtype} {data}").unwrap();
    }

    /// Changes the origin to a name in the zone. It is absolute: Knot takes no other.
    fn turn_to(&mut self, origin: Name) {
        if origin.is_in(&self.zone.apex) {
            writeln!(self.text, "$ORIGIN {origin}").unwrap();
            self.origin = origin;
        }
    }

    /// A name: absolute or relative, in any letter case.
    fn name(&mut self, name: &Name) -> String {
        let upper = if self.dice.once_in(3) { self.dice.next() } else { 0 };
        let cased = name.with_case(upper);
        if !name.is_in(&self.origin) || self.dice.once_in(4) {
            return cased.to_string();
        }
        match name.0.len() - self.origin.0.len() {
            0 => "@".to_owned(),
            labels => labels_text(&cased.0[..labels]),
        }
    }

    /// Type and data.
    fn data(&mut self, data: &Data) -> (String, String) {
        let rtype = type_text(data.rtype());
        let words = match data {
            Data::A(address) if self.dice.once_in(10) => return (rtype, generic(address)),
            Data::A([a, b, c, d]) => vec![format!("{a}.{b}.{c}.{d}")],
            Data::Aaaa(last) => vec![format!("2001:db8::{last:x}")],
            Data::Ns(name) | Data::Cname(name) | Data::Dname(name) | Data::Ptr(name) => vec![self.name(name)],
            Data::Mx(preference, name) => vec![preference.to_string(), self.name(name)],
            Data::Srv(port, name) => vec!["10".into(), "5".into(), port.to_string(), self.name(name)],
            Data::Service(_, 0, name) => vec!["0".into(), self.name(name)],
            Data::Service(_, priority, name) => {
                vec![priority.to_string(), self.name(name), "alpn=h2".into(), "ipv4hint=192.0.2.200".into()]
            }
            Data::Txt(strings) => strings.iter().map(|string| quoted(string)).collect(),
            Data::Ds(tag) => vec![tag.to_string(), "13".into(), "2".into(), format!("{tag:0>64x}")],
            Data::Private(octets) => return (rtype, generic(octets)),
        };
        if self.dice.once_in(6) {
            return (rtype, format!("( ; one by one\n\t{}\n\t)", words.join("\n\t")));
        }
        (rtype, words.join(" "))
    }
}

/// Data in the form for unknown types (RFC 3597 §5).
fn generic(octets: &[u8]) -> String {
    let digits: String = data_encoding::HEXLOWER.encode(octets);
    format!("\\# {} {digits}", octets.len())
}

/// A character string in quotes.
fn quoted(string: &[u8]) -> String {
    let escaped: String = string
        .iter()
        .map(|octet| match octet {
            b'"' | b'\\' => format!("\\{}", char::from(*octet)),
            b' '..=b'~' if *octet != b'\'' => char::from(*octet).to_string(),
            _ => format!("\\{octet:03}"),
        })
        .collect();
    format!("\"{escaped}\"")
}
