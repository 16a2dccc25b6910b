//! Records in presentation form (RFC 1035 §5.1): one line, one record. `domain` reads and writes nearly all types;
//! hickory-proto reads a few more; every type can be written as RFC 3597 has it, `TYPE256 \# 4 C0000201`.

use std::fmt::Write as _;

use domain::base::iana::{Class, Rtype as DomainRtype};
use domain::base::name::{Name as DomainName, ToName};
use domain::base::rdata::{ComposeRecordData, ParseRecordData};
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::base::{ParsedName, Record as DomainRecord};
use domain::dep::octseq::Parser;
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{Entry, Zonefile};
use hickory_proto::rr::{RData, RecordType};
use hickory_proto::serialize::binary::BinEncodable;

use crate::model::limits::TTL_MAX;
use crate::model::name::Name;
use crate::model::rrset::{Record, Rtype};
use crate::spec::auto_hint::{self, Hints};
use crate::spec::line::Expanded;

/// Why a line is not a record, and where: an offset into the line where that is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RecordFault {
    /// Octets in front of the place.
    pub offset: Option<usize>,
    /// What is wrong there.
    pub why: String,
}

impl RecordFault {
    /// A fault of the line as a whole.
    fn whole(why: impl Into<String>) -> Self {
        Self { offset: None, why: why.into() }
    }
}

/// Parses one record. Names without a final dot are relative to `apex`; without a TTL it gets `ttl`.
pub fn parse(line: &str, apex: &Name, ttl: u32) -> Result<Record, RecordFault> {
    check_shape(line)?;
    let Some(Hints { line, autos }) = auto_hint::take(line) else { return parse_expanded(line, apex, ttl) };
    let mut record = parse_expanded(&line, apex, ttl)?;
    record.rdata = auto_hint::put(&record.rdata, &autos)?;
    Ok(record)
}

/// Parses one record in whose data `@` may stand for the origin.
fn parse_expanded(line: &str, apex: &Name, ttl: u32) -> Result<Record, RecordFault> {
    let expanded = Expanded::new(line, apex);
    parse_plain(&expanded.line, apex, ttl)
        .map_err(|fault| RecordFault { offset: fault.offset.map(|offset| expanded.original(offset)), ..fault })
}

/// Parses one record that `domain` or hickory-proto knows.
fn parse_plain(line: &str, apex: &Name, ttl: u32) -> Result<Record, RecordFault> {
    let default_ttl = format!("$TTL {ttl}\n");
    let mut zonefile = Zonefile::with_capacity(default_ttl.len() + line.len() + 1);
    if let Ok(origin) = DomainName::from_octets(apex.wire().to_vec().into()) {
        zonefile.set_origin(origin);
    }
    zonefile.set_default_class(Class::IN);
    zonefile.extend_from_slice(default_ttl.as_bytes());
    zonefile.extend_from_slice(line.as_bytes());
    zonefile.extend_from_slice(b"\n");
    let entry = match zonefile.next_entry() {
        Ok(Some(Entry::Record(entry))) => entry,
        Ok(_) => return Err(RecordFault::whole("it is not a record")),
        Err(error) => {
            let (offset, message) = split_position(&error.to_string());
            if message == "unknown record type with concrete data" {
                return parse_rare(line, apex, ttl);
            }
            let end = line.trim_end().len();
            // The reader notices a record that ends too early, or whose last word is wrong, on the next line.
            let offset = match offset {
                _ if is_early_end(&message) => end,
                Some(offset) => word_start(line, offset.min(end)),
                None => word_start(line, end),
            };
            let offset = Some(offset);
            return Err(RecordFault { offset, why: explained(&message) });
        }
    };
    let owner =
        Name::from_wire(entry.owner().to_vec().as_slice()).ok_or_else(|| RecordFault::whole("its owner is no name"))?;
    let rtype = Rtype(entry.rtype().to_int());
    let rdata = octets_of(entry.data())?;
    let ttl = entry.ttl().as_secs();
    check_data(rtype, &rdata)?;
    check_ttl(ttl)?;
    Ok(Record { owner, rtype, ttl, rdata })
}

/// One line, one record, nothing that refers to another line.
fn check_shape(line: &str) -> Result<(), RecordFault> {
    let fault = |offset: usize, why: &str| Err(RecordFault { offset: Some(offset), why: why.to_owned() });
    if let Some(offset) = line.find(|char: char| char.is_control() && char != '\t') {
        return fault(offset, "each text holds one record on one line; it has a line end or another control character");
    }
    if let Some(offset) = line.find(|char: char| !char.is_ascii()) {
        return fault(
            offset,
            "records are ASCII; write other octets as \\DDD, and names in their A-label form (xn--...)",
        );
    }
    match line.bytes().next() {
        None => Err(RecordFault::whole("it is empty; write an owner, a type and data, such as \"www A 192.0.2.1\"")),
        Some(b' ' | b'\t') => fault(0, "it starts with a space; each record names its owner (@ is the zone itself)"),
        Some(b'$') => fault(0, "directives such as $ORIGIN or $TTL are not allowed in inline records"),
        Some(b';') => fault(0, "it is a comment only; use # outside the text for comments"),
        Some(_) => check_closed(line),
    }
}

/// What is opened is closed. The reader would look for the end on the next line, and can run off its buffer there.
fn check_closed(line: &str) -> Result<(), RecordFault> {
    let fault = |offset: usize, why: &str| Err(RecordFault { offset: Some(offset), why: why.to_owned() });
    let (mut quote, mut open) = (None, Vec::new());
    let mut octets = line.bytes().enumerate();
    while let Some((offset, octet)) = octets.next() {
        match octet {
            b'\\' if octets.next().is_none() => return fault(offset, "nothing follows this backslash"),
            b'"' => quote = if quote.is_some() { None } else { Some(offset) },
            _ if quote.is_some() => {}
            b';' => break,
            b'(' => open.push(offset),
            b')' if open.pop().is_none() => return fault(offset, "this parenthesis was not opened"),
            _ => {}
        }
    }
    match (quote, open.pop()) {
        (Some(offset), _) => fault(offset, "this quotation mark is not closed"),
        (None, Some(offset)) => fault(offset, "this parenthesis is not closed"),
        (None, None) => Ok(()),
    }
}

/// A TTL has 31 bits (RFC 2181 §8).
fn check_ttl(ttl: u32) -> Result<(), RecordFault> {
    if ttl <= TTL_MAX {
        return Ok(());
    }
    Err(RecordFault::whole(format!("its TTL is {ttl}; allowed: 0 to {TTL_MAX} (RFC 2181 §8)")))
}

/// The line of the record in what the reader gets: the first sets the default TTL.
const RECORD_LINE: &str = "2";

/// Splits `line:column: message`, the only form in which domain gives the position. None if it is behind the record.
fn split_position(text: &str) -> (Option<usize>, String) {
    let mut parts = text.splitn(3, ':');
    let (Some(line), Some(column), Some(message)) = (parts.next(), parts.next(), parts.next()) else {
        return (None, text.to_owned());
    };
    let column = column.parse::<usize>().ok().filter(|_| line == RECORD_LINE);
    (column.map(|column| column.saturating_sub(1)), message.trim_start().to_owned())
}

/// The start of the word that an offset is in or right behind: the reader notices some faults at a word's end.
fn word_start(line: &str, offset: usize) -> usize {
    let before = line.get(..offset).unwrap_or_default();
    before.rfind([' ', '\t']).map_or(0, |space| space + 1)
}

/// Whether the reader wanted more.
fn is_early_end(message: &str) -> bool {
    matches!(message, "unexpected end of entry" | "short buffer")
}

/// The reader's terse words in ours.
fn explained(message: &str) -> String {
    match message {
        "expected rtype" => "a record type such as A, AAAA, MX or TXT belongs here".to_owned(),
        message if is_early_end(message) => "the record ends too early; data is missing".to_owned(),
        "trailing tokens" => "the record has more data than its type takes".to_owned(),
        message if message.starts_with("different class") => "only class IN is allowed".to_owned(),
        message => format!("it cannot be read: {message}"),
    }
}

/// Types that only hickory-proto reads. None of them has names in its data, which it would not make absolute.
const RARE: &[(&str, RecordType)] =
    &[("CERT", RecordType::CERT), ("CSYNC", RecordType::CSYNC), ("SMIMEA", RecordType::SMIMEA)];

/// Parses a record of a type that domain has no presentation form for.
fn parse_rare(line: &str, apex: &Name, ttl: u32) -> Result<Record, RecordFault> {
    let mut rest = line;
    let mut word = || {
        let start = rest.trim_start_matches([' ', '\t']);
        let (word, tail) = start.split_once([' ', '\t']).unwrap_or((start, ""));
        rest = tail;
        word
    };
    let owner = Name::parse(word(), Some(apex)).map_err(|error| RecordFault::whole(format!("its owner: {error}")))?;
    let mut ttl = ttl;
    let rtype = loop {
        let head = word();
        if let Ok(number) = head.parse() {
            ttl = number;
        } else if !head.eq_ignore_ascii_case("IN") {
            break head.to_ascii_uppercase();
        }
    };
    let Some((_, rtype)) = RARE.iter().find(|(name, _)| *name == rtype) else {
        let number = rtype.parse().map_or(0, |rtype: DomainRtype| rtype.to_int());
        return Err(RecordFault::whole(format!(
            "{rtype} has no readable form here; write it in the form of RFC 3597: TYPE{number} \\# <octets> <hexadecimal>"
        )));
    };
    let data = RData::try_from_str(*rtype, rest).map_err(|error| RecordFault::whole(format!("its data: {error}")))?;
    let rdata = data.to_bytes().map_err(|error| RecordFault::whole(format!("its data: {error}")))?;
    check_ttl(ttl)?;
    Ok(Record { owner, rtype: Rtype(u16::from(*rtype)), ttl, rdata })
}

/// Data in uncompressed wire form.
fn octets_of(data: &impl ComposeRecordData) -> Result<Vec<u8>, RecordFault> {
    let mut octets = Vec::new();
    let composed = data.compose_rdata(&mut octets);
    if composed.is_err() || octets.len() > usize::from(u16::MAX) {
        return Err(RecordFault::whole("its data is longer than 65,535 octets"));
    }
    Ok(octets)
}

/// Data of a known type is well-formed, also where it was written in hexadecimal.
fn check_data(rtype: Rtype, rdata: &[u8]) -> Result<(), RecordFault> {
    auto_hint::check_none(rtype, rdata)?;
    // Secondaries refuse it, ours among them.
    if rtype == Rtype::TXT && rdata.is_empty() {
        return Err(RecordFault::whole(
            "a TXT record has at least one character string (RFC 1035 §3.3.14), such as \"\"",
        ));
    }
    match read_data(rtype, rdata) {
        // Equal after a round trip: nothing was compressed and nothing left over.
        Some(data) if octets_of(&data).is_ok_and(|octets| octets == rdata) => Ok(()),
        _ => Err(RecordFault::whole("its data is not what its type has")),
    }
}

/// Data as domain has it.
type Data<'r> = ZoneRecordData<&'r [u8], ParsedName<&'r [u8]>>;

/// Reads data from wire form.
fn read_data(rtype: Rtype, rdata: &[u8]) -> Option<Data<'_>> {
    let mut parser = Parser::from_ref(rdata);
    let data = Data::parse_rdata(DomainRtype::from_int(rtype.0), &mut parser).ok()??;
    (parser.remaining() == 0).then_some(data)
}

/// What a type is called.
pub fn type_name(rtype: Rtype) -> String {
    DomainRtype::from_int(rtype.0).to_string()
}

/// The type that a text names: by its mnemonic, or as RFC 3597 has it.
pub fn parse_type(text: &str) -> Option<Rtype> {
    text.parse().ok().map(|rtype: DomainRtype| Rtype(rtype.to_int()))
}

/// Parses the data of a record alone; an error says what is wrong with it. Names in it are absolute.
pub fn parse_data(rtype: Rtype, text: &str) -> Result<Vec<u8>, String> {
    let line = format!("@ 0 IN {} {text}", type_name(rtype));
    let record = parse(&line, &Name::root(), 0).map_err(|fault| fault.why)?;
    // The text may have brought a type of its own.
    if record.rtype == rtype { Ok(record.rdata) } else { Err("it is of another type".to_owned()) }
}

/// Builds the line of a record, its owner relative to `apex`.
pub fn build(record: &Record, apex: &Name) -> String {
    let Record { owner, rtype, ttl, rdata } = record;
    let owner = build_owner(owner, apex);
    // What the reader does not know is written behind what it does.
    let (rdata_known, words) = auto_hint::split(*rtype, rdata);
    let readable = read_data(*rtype, &rdata_known).map(|data| {
        let data = DomainRecord::new(DomainName::root_slice(), Class::IN, domain::base::Ttl::from_secs(*ttl), data);
        let text = data.data().display_zonefile(DisplayKind::Simple).to_string();
        format!("{owner} {ttl} {} {text}{words}", DomainRtype::from_int(rtype.0))
    });
    // What people can read, if it means the same.
    match readable {
        Some(line) if parse(&line, apex, 0).is_ok_and(|parsed| parsed == *record) => line,
        _ => {
            let mut line = format!("{owner} {ttl} TYPE{} \\# {} ", rtype.0, rdata.len());
            for octet in rdata {
                // Writing to a string cannot fail.
                let _infallible = write!(line, "{octet:02X}");
            }
            line.trim_end().to_owned()
        }
    }
}

/// An owner as short as it can be written.
fn build_owner(owner: &Name, apex: &Name) -> String {
    if owner == apex {
        return "@".to_owned();
    }
    let (text, suffix) = (owner.to_string(), format!(".{apex}"));
    let relative = if owner.is_at_or_below(apex) { text.strip_suffix(&suffix) } else { None };
    relative.map_or_else(|| if text == "." { text.clone() } else { format!("{text}.") }, str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn apex() -> Name {
        Name::parse("example.com", None).unwrap()
    }

    #[test]
    fn records_of_every_kind_are_read_and_written_back() {
        for (line, rtype, ttl) in [
            ("@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 300", 6, 3600),
            ("@ NS ns1", 2, 77),
            ("www 300 A 192.0.2.1", 1, 300),
            ("www IN 300 AAAA 2001:db8::1", 28, 300),
            ("www 300 IN CNAME web", 5, 300),
            ("@ MX 10 mail.example.net.", 15, 77),
            (r#"@ TXT "v=spf1 -all" two ; a comment"#, 16, 77),
            (r#"@ CAA 0 issue "ca.example.net""#, 257, 77),
            ("_sip._tcp SRV 0 5 5060 sip", 33, 77),
            ("old DNAME @", 39, 77),
            ("@ HTTPS 1 . alpn=h2,h3", 65, 77),
            ("@ HTTPS 1 . ipv6hint=auto alpn=h2 port=8443 ipv4hint=auto", 65, 77),
            ("@ 60 IN SVCB 2 svc ipv4hint=auto ; ipv6hint=auto", 64, 60),
            ("@ TXT HTTPS ipv4hint=auto", 16, 77),
            (r#"n NAPTR 100 10 "u" "sip+E2U" "!^.*$!sip:info@example.com!" ."#, 35, 77),
            ("s SSHFP 1 1 123456789abcdef67890123456789abcdef67890", 44, 77),
            ("t TLSA 3 1 1 D2ABDE240D7CD3EE6B4B28C54DF034B97983A1D16E8A410E4561CB106618E971", 52, 77),
            ("c CERT 1 12345 8 MxFcby9k", 37, 77),
            ("c 60 IN CSYNC 66 3 A NS AAAA", 62, 60),
            ("m SMIMEA 3 0 0 aabbcc", 53, 77),
            (r"u TYPE65400 \# 3 abcdef", 65400, 77),
            (r"u TYPE1 \# 4 C0000201", 1, 77),
            (r"l LOC \# 0", 29, 77),
            (r"a\.b A 192.0.2.1", 1, 77),
            ("1 2 A 192.0.2.1", 1, 2),
            ("300 A 192.0.2.1", 1, 77),
        ] {
            let record = parse(line, &apex(), 77).unwrap_or_else(|fault| panic!("{line}: {fault:?}"));
            assert_eq!((record.rtype.0, record.ttl), (rtype, ttl), "{line}");
            let built = build(&record, &apex());
            assert_eq!(parse(&built, &apex(), 0).as_ref(), Ok(&record), "{built}");
        }
        let record = parse("www A 192.0.2.1", &apex(), 77).unwrap();
        assert_eq!(build(&record, &apex()), "www 77 A 192.0.2.1");
    }

    #[test]
    fn faults_point_into_the_line() {
        for (line, offset, why) in [
            ("", None, "it is empty"),
            (" A 192.0.2.1", Some(0), "starts with a space"),
            ("$TTL 300", Some(0), "directives"),
            ("; nothing", Some(0), "a comment only"),
            ("a A 192.0.2.1\nb A 192.0.2.2", Some(13), "one record on one line"),
            ("ä A 192.0.2.1", Some(0), "ASCII"),
            ("www A", Some(5), "ends too early"),
            ("www 300 AX 192.0.2.1", Some(8), "a record type"),
            ("www A 192.0.2.256", Some(6), "cannot be read"),
            ("www A 192.0.2.1 192.0.2.2", Some(16), "more data"),
            ("www CH A 192.0.2.1", None, "class IN"),
            ("www TXT (x", Some(8), "not closed"),
            ("www TXT x)", Some(9), "not opened"),
            (r#"www TXT "x\""#, Some(8), "not closed"),
            ("www TXT x\\", Some(9), "backslash"),
            ("www URI 10 1 \"https://example.com\"", None, "TYPE256 \\#"),
            (r"www A \# 3 C00002", None, "not what its type has"),
            (r"www TXT \# 0", None, "character string"),
            ("www 4294967295 A 192.0.2.1", None, "RFC 2181"),
            ("www HTTPS 0 web ipv4hint=auto", None, "AliasMode"),
            ("www HTTPS 1 . mandatory=ipv4hint ipv4hint=auto", None, "mandatory"),
            ("www HTTPS 1 . ipv4hint=192.0.2.1 ipv4hint=auto", Some(33), "twice"),
            ("www HTTPS 1 . ipv4hint=auto ipv4hint=auto", Some(28), "twice"),
            ("www HTTPS 1 . ipv4hint=auto alpn", Some(28), ""),
            (r"www HTTPS \# 7 0001 00 0004 0000", None, "auto"),
            (r"www TYPE65 \# 7 0001 00 0006 0000", None, "auto"),
        ] {
            let fault = parse(line, &apex(), 77).unwrap_err();
            assert!(fault.why.contains(why), "{line}: {fault:?}");
            if offset.is_some() {
                assert_eq!(fault.offset, offset, "{line}: {fault:?}");
            }
        }
    }

    /// Words that a reader of records may stumble over.
    fn word() -> impl Strategy<Value = String> {
        let words = [
            "@",
            "www",
            "IN",
            "CH",
            "300",
            "A",
            "TXT",
            "MX",
            "NS",
            "SOA",
            "CAA",
            "HTTPS",
            "NAPTR",
            "CERT",
            "CSYNC",
            "SMIMEA",
            "URI",
            "TLSA",
            "DS",
            "OPT",
            "TYPE1",
            "TYPE65400",
            "\\#",
            "0",
            "4",
            "C0000201",
            "192.0.2.1",
            "\"\"",
            "\"a b\"",
            "(",
            ")",
            ";",
            "\\",
            "\\000",
            "\\256",
            "\"",
            ".",
            "..",
            "a.",
            "$TTL",
            "alpn=h2",
            "ipv4hint=auto",
            "ipv6hint=auto",
            "mandatory=ipv4hint",
            "1",
            "\t",
            "ä",
        ];
        prop_oneof![4 => prop::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => "[ -~]{0,80}", 1 => ".{0,4}"]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn any_line_is_a_record_or_has_a_fault(words in prop::collection::vec(word(), 0..8), glue in "[ \t]?") {
            let line = words.join(if glue.is_empty() { " " } else { &glue });
            match parse(&line, &apex(), 77) {
                Ok(record) => {
                    let built = build(&record, &apex());
                    prop_assert_eq!(parse(&built, &apex(), 0), Ok(record), "{}", built);
                }
                Err(fault) => prop_assert!(fault.offset.is_none_or(|offset| line.is_char_boundary(offset))),
            }
        }
    }
}
