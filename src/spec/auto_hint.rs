//! `ipv4hint=auto` and `ipv6hint=auto`: how an SVCB or HTTPS record asks for hints that follow health, in the words of
//! PowerDNS. The reader of records does not know them, so they are taken out of the line before and put into the data
//! after. [`crate::model::svcb`] says what they are inside.

use std::borrow::Cow;
use std::str::FromStr as _;

use domain::base::iana::Rtype as DomainRtype;

use crate::model::rrset::Rtype;
use crate::model::svcb::{IPV4HINT, IPV6HINT, MANDATORY, Svcb};
use crate::spec::record::RecordFault;

/// The words, and the keys that they stand for.
const WORDS: [(&str, u16); 2] = [("ipv4hint=auto", IPV4HINT), ("ipv6hint=auto", IPV6HINT)];

/// A line whose hints have been taken out.
pub(super) struct Hints {
    /// The line with spaces in their place, so that offsets stay what they are.
    pub(super) line: String,
    /// Key and offset of each.
    pub(super) autos: Vec<(u16, usize)>,
}

/// Takes the hints out of the line of an SVCB or HTTPS record; none if it has none or is of another type.
pub(super) fn take(line: &str) -> Option<Hints> {
    let words = words(line);
    // Behind the owner, TTL and class stand before the type, in any order (RFC 1035 §5.1).
    let is_before_type = |word: &str| word.eq_ignore_ascii_case("IN") || word.starts_with(|c: char| c.is_ascii_digit());
    let rtype = words.iter().skip(1).find(|(_, word)| !is_before_type(word)).map(|(_, word)| *word)?;
    let rtype = DomainRtype::from_str(rtype).ok()?;
    if !is_svcb(Rtype(rtype.to_int())) {
        return None;
    }
    let mut hints = Hints { line: line.to_owned(), autos: Vec::new() };
    for (offset, word) in words {
        if let Some((_, key)) = WORDS.iter().find(|(auto, _)| *auto == word) {
            hints.autos.push((*key, offset));
            hints.line.replace_range(offset..offset + word.len(), &" ".repeat(word.len()));
        }
    }
    Some(hints).filter(|hints| !hints.autos.is_empty())
}

/// Puts hints into the data of a record.
pub(super) fn put(rdata: &[u8], autos: &[(u16, usize)]) -> Result<Vec<u8>, RecordFault> {
    let whole = |why: &str| RecordFault { offset: None, why: why.to_owned() };
    let svcb = Svcb::read(rdata).ok_or_else(|| whole("its data is not what its type has"))?;
    if svcb.priority == 0 {
        return Err(whole(
            "a record of AliasMode (priority 0) has no hints (RFC 9460 §2.4.2); allowed: priority 1 and up",
        ));
    }
    let mut params: Vec<(u16, &[u8])> = svcb.params().map(|param| (param.key, param.value)).collect();
    for (key, offset) in autos {
        if params.iter().any(|(other, _)| other == key) {
            return Err(RecordFault { offset: Some(*offset), why: "this hint is there twice".to_owned() });
        }
        params.push((*key, &[]));
    }
    let mandatory = params.iter().filter(|(key, _)| *key == MANDATORY).flat_map(|(_, value)| value.chunks_exact(2));
    let mut listed = mandatory.filter_map(|key| key.try_into().ok()).map(u16::from_be_bytes);
    if listed.any(|listed| autos.iter().any(|(key, _)| *key == listed)) {
        return Err(whole("a hint that is `auto` cannot be mandatory, as it is left out while there is no address"));
    }
    params.sort_unstable();
    Ok(rendered(svcb, &params))
}

/// Data without an empty hint, which stands for `auto` inside and is never valid (RFC 9460 §7.3).
pub(super) fn check_none(rtype: Rtype, rdata: &[u8]) -> Result<(), RecordFault> {
    if !is_svcb(rtype) || !Svcb::read(rdata).is_some_and(Svcb::has_auto) {
        return Ok(());
    }
    let why =
        "an address hint is empty (RFC 9460 §7.3); hints that follow health are written ipv4hint=auto, ipv6hint=auto";
    Err(RecordFault { offset: None, why: why.to_owned() })
}

/// Splits data into what the reader of records knows, and the words for the rest, each with a space in front.
pub(super) fn split(rtype: Rtype, rdata: &[u8]) -> (Cow<'_, [u8]>, String) {
    let Some(svcb) = Svcb::read(rdata).filter(|svcb| is_svcb(rtype) && svcb.has_auto()) else {
        return (Cow::Borrowed(rdata), String::new());
    };
    let (autos, known): (Vec<_>, Vec<_>) = svcb.params().partition(|param| param.is_auto());
    let known: Vec<(u16, &[u8])> = known.iter().map(|param| (param.key, param.value)).collect();
    let words = WORDS.iter().filter(|(_, key)| autos.iter().any(|auto| auto.key == *key));
    let words: Vec<&str> = words.flat_map(|(word, _)| [" ", word]).collect();
    (Cow::Owned(rendered(svcb, &known)), words.concat())
}

/// Whether a type has parameters.
const fn is_svcb(rtype: Rtype) -> bool {
    matches!(rtype, Rtype::SVCB | Rtype::HTTPS)
}

/// Data with these parameters.
fn rendered(svcb: Svcb<'_>, params: &[(u16, &[u8])]) -> Vec<u8> {
    let mut rdata = [&svcb.priority.to_be_bytes(), svcb.target].concat();
    for (key, value) in params {
        rdata.extend_from_slice(&key.to_be_bytes());
        rdata.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes());
        rdata.extend_from_slice(value);
    }
    rdata
}

/// The words of a line outside quotation marks and comments, with their offsets.
fn words(line: &str) -> Vec<(usize, &str)> {
    let (mut words, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), None, false, false);
    for (offset, octet) in line.bytes().enumerate() {
        let ends = !is_quoted && !is_escaped && matches!(octet, b' ' | b'\t' | b'(' | b')' | b';');
        if let (true, Some(start)) = (ends, start) {
            words.extend(line.get(start..offset).map(|word| (start, word)));
        }
        start = if ends { None } else { start.or(Some(offset)) };
        if ends && octet == b';' {
            return words;
        }
        is_quoted ^= octet == b'"' && !is_escaped;
        is_escaped = octet == b'\\' && !is_escaped;
    }
    words.extend(start.and_then(|start| Some((start, line.get(start..)?))));
    words
}
