//! The data of a record in a zone file: the commonest types are read here, all others by way of one line, as records of
//! the configuration are.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::model::name::{Name, append_wire};
use crate::model::rrset::Rtype;
use crate::spec::record;
use crate::spec::zone_file::words::Word;
use crate::spec::zone_file::{EntryFault, octets, read_ttl};

/// Appends the data in `words` to `rdata` and gives its type. Names are relative to `origin`.
pub(super) fn read(
    text: &[u8],
    type_word: &Word,
    words: &[Word],
    origin: &Name,
    rdata: &mut Vec<u8>,
) -> Result<Rtype, EntryFault> {
    if let Some(rtype) = read_common(text, type_word, words, origin, rdata) {
        return Ok(rtype);
    }
    rdata.clear();
    read_line(text, type_word, words, origin, rdata)
}

/// Reads data of the commonest types; none where it is of another type, or faulty.
fn read_common(text: &[u8], type_word: &Word, words: &[Word], origin: &Name, rdata: &mut Vec<u8>) -> Option<Rtype> {
    let plain = |word: &Word| Some(octets(text, word)).filter(|_| !word.is_quoted);
    let ascii = |word: &Word| plain(word).and_then(|word| str::from_utf8(word).ok());
    let written = plain(type_word)?;
    let is = |name: &[u8]| written.eq_ignore_ascii_case(name);
    match words {
        [address] if is(b"A") => {
            rdata.extend_from_slice(&ascii(address)?.parse::<Ipv4Addr>().ok()?.octets());
            Some(Rtype::A)
        }
        [address] if is(b"AAAA") => {
            rdata.extend_from_slice(&ascii(address)?.parse::<Ipv6Addr>().ok()?.octets());
            Some(Rtype::AAAA)
        }
        [target] => {
            let named = [(&b"NS"[..], Rtype::NS), (b"CNAME", Rtype::CNAME), (b"PTR", Rtype::PTR)];
            let (_, rtype) = named.into_iter().find(|(name, _)| is(name))?;
            append_wire(plain(target)?, Some(origin), rdata).ok()?;
            Some(rtype)
        }
        [preference, exchange] if is(b"MX") => {
            rdata.extend_from_slice(&ascii(preference)?.parse::<u16>().ok()?.to_be_bytes());
            append_wire(plain(exchange)?, Some(origin), rdata).ok()?;
            Some(Rtype::MX)
        }
        [mname, rname, serial, times @ ..] if is(b"SOA") && times.len() == 4 => {
            append_wire(plain(mname)?, Some(origin), rdata).ok()?;
            append_wire(plain(rname)?, Some(origin), rdata).ok()?;
            rdata.extend_from_slice(&ascii(serial)?.parse::<u32>().ok()?.to_be_bytes());
            for time in times {
                // With units, as most servers take them.
                rdata.extend_from_slice(&read_ttl(text, time).ok()?.to_be_bytes());
            }
            Some(Rtype::SOA)
        }
        _ => None,
    }
}

/// Reads data by way of one line.
fn read_line(
    text: &[u8],
    type_word: &Word,
    words: &[Word],
    origin: &Name,
    rdata: &mut Vec<u8>,
) -> Result<Rtype, EntryFault> {
    let mut line = "@ 0 IN".to_owned();
    let mut starts = Vec::with_capacity(words.len() + 1);
    for word in std::iter::once(type_word).chain(words) {
        line.push(' ');
        starts.push(line.len());
        push_word(&mut line, octets(text, word), word.is_quoted);
    }
    match record::parse(&line, origin, 0) {
        Ok(record) => {
            rdata.extend_from_slice(&record.rdata);
            Ok(record.rtype)
        }
        Err(fault) => {
            let all = type_word.span.start..words.last().unwrap_or(type_word).span.end;
            let index = fault.offset.map(|offset| starts.partition_point(|start| *start <= offset).saturating_sub(1));
            let word = index.and_then(|index| std::iter::once(type_word).chain(words).nth(index));
            Err((word.map_or(all, |word| word.span.clone()), fault.why))
        }
    }
}

/// Appends a word to a line; what is not printable ASCII becomes `\DDD`.
fn push_word(line: &mut String, word: &[u8], is_quoted: bool) {
    if is_quoted {
        line.push('"');
    }
    let mut octets = word.iter().copied();
    while let Some(octet) = octets.next() {
        match octet {
            // The octet behind a backslash stays with it, unless it has to be written as a number itself.
            b'\\' => match octets.next() {
                Some(next @ b' '..=b'~') => line.extend(['\\', char::from(next)]),
                Some(next) => push_number(line, next),
                None => {}
            },
            b' '..=b'~' => line.push(char::from(octet)),
            _ => push_number(line, octet),
        }
    }
    if is_quoted {
        line.push('"');
    }
}

/// Appends an octet as `\DDD`.
fn push_number(line: &mut String, octet: u8) {
    // Writing to a string cannot fail.
    let _infallible = write!(line, "\\{octet:03}");
}
