//! Tests of zone files: every element of the syntax, and what is wrong with one.

use proptest::prelude::*;

use super::*;
use crate::model::rrset::Record;
use crate::spec::{record, strategies};

/// Files that can be included.
struct Shelf(&'static [(&'static str, &'static str)]);

impl Includes for Shelf {
    fn open(&mut self, file: &str) -> Result<Vec<u8>, String> {
        let found = self.0.iter().find(|(name, _)| *name == file);
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| "no such file".to_owned())
    }

    fn close(&mut self) {}

    fn advanced(&mut self, _: usize) {}
}

fn name(text: &str) -> Name {
    Name::parse(text, Some(&Name::parse("example.com", None).unwrap())).unwrap()
}

/// What every zone needs.
const HEAD: &str = "@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 300\n@ 3600 NS ns1\n";

/// The records of a zone file behind a head, as owner, TTL, type and data.
fn records(text: &[u8], files: &'static [(&'static str, &'static str)]) -> Vec<(String, u32, u16, Vec<u8>)> {
    let text = [HEAD.as_bytes(), text].concat();
    let read = read(text, &name("@"), Some(77), &mut Shelf(files));
    assert_eq!(read.faults, []);
    let zone = read.zone.unwrap();
    let all = zone.owners().iter().flat_map(|owner| {
        owner.rrsets().flat_map(move |rrset| {
            rrset.rdatas().map(move |rdata| (owner.name().to_string(), rrset.ttl(), rrset.rtype.0, rdata.to_vec()))
        })
    });
    all.filter(|(owner, _, rtype, _)| owner != "example.com" || ![2, 6].contains(rtype)).collect()
}

#[test]
fn every_element_of_the_syntax() {
    let a = vec![192, 0, 2, 1];
    for (text, owner, ttl, rtype, data) in [
        (&b"www A 192.0.2.1"[..], "www.example.com", 77, 1, a.clone()),
        (b"www.example.com. in a 192.0.2.1\r\n", "www.example.com", 77, 1, a.clone()),
        (b"www\t300\tIN\tA\t192.0.2.1\n", "www.example.com", 300, 1, a.clone()),
        (b"www IN 1h30M A 192.0.2.1", "www.example.com", 5400, 1, a.clone()),
        (b"www 1w2d3s CLASS1 TYPE1 \\# 4 C000 0201", "www.example.com", 777_603, 1, a.clone()),
        (b"$TTL 5m\nwww A 192.0.2.1", "www.example.com", 300, 1, a.clone()),
        (b"$ORIGIN sub\nwww A 192.0.2.1", "www.sub.example.com", 77, 1, a.clone()),
        (b"$ORIGIN sub\n$origin a.example.com.\n@ A 192.0.2.1", "a.example.com", 77, 1, a.clone()),
        (b"www ( ; x\n A ; y (\n 192.0.2.1 )", "www.example.com", 77, 1, a.clone()),
        (b"\\119\\w\\119 A 192.0.2.1", "www.example.com", 77, 1, a.clone()),
        (b"a\\.b A 192.0.2.1", "a\\.b.example.com", 77, 1, a.clone()),
        (b"300 A 192.0.2.1", "300.example.com", 77, 1, a),
        (b"* MX 10 @", "*.example.com", 77, 15, b"\0\x0a\x07example\x03com\0".to_vec()),
        (b"c CNAME Www.Example.net.", "c.example.com", 77, 5, b"\x03Www\x07Example\x03net\0".to_vec()),
        (
            b"t TXT \"a;(\\\"\" b\\032c \"\xc3\xa4\\255\"",
            "t.example.com",
            77,
            16,
            b"\x04a;(\"\x03b c\x03\xc3\xa4\xff".to_vec(),
        ),
        (b"t TXT \"\"", "t.example.com", 77, 16, b"\0".to_vec()),
        (b"s AAAA 2001:db8::1", "s.example.com", 77, 28, b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01".to_vec()),
        (b"_x SRV 0 5 5060 sip", "_x.example.com", 77, 33, b"\0\0\0\x05\x13\xc4\x03sip\x07example\x03com\0".to_vec()),
        // RFC 9460 §14.3.2: hints are keys 4 and 6, ALPN is 1; a hint without addresses is one that follows health.
        (
            b"h HTTPS 1 . ( ipv6hint=auto ; x\n alpn=h2 ipv4hint=auto )",
            "h.example.com",
            77,
            65,
            b"\0\x01\0\0\x01\0\x03\x02h2\0\x04\0\0\0\x06\0\0".to_vec(),
        ),
        (
            b"h 60 SVCB 2 web ipv4hint=auto",
            "h.example.com",
            60,
            64,
            b"\0\x02\x03web\x07example\x03com\0\0\x04\0\0".to_vec(),
        ),
        (b"u TYPE65400 \\# 3 abcdef", "u.example.com", 77, 65400, vec![0xab, 0xcd, 0xef]),
        (b"c CERT 1 12345 8 MxFcby9k", "c.example.com", 77, 37, b"\0\x01\x30\x39\x08\x33\x11\x5c\x6f\x2f\x64".to_vec()),
    ] {
        let expected = (owner.to_owned(), ttl, rtype, data);
        assert_eq!(records(text, &[]), [expected], "{}", String::from_utf8_lossy(text));
    }
}

#[test]
fn an_owner_holds_until_the_next() {
    let owners = |text: &str| records(text.as_bytes(), &[]).into_iter().map(|record| record.0).collect::<Vec<_>>();
    assert_eq!(owners("a A 192.0.2.1\n  A 192.0.2.2\n\n\tTXT x"), ["a.example.com"; 3]);
    // A changed origin does not change it.
    assert_eq!(owners("a A 192.0.2.1\n$ORIGIN sub\n  TXT x"), ["a.example.com"; 2]);
}

#[test]
fn rfc1035_section_5_1_an_include_leaves_origin_and_owner_as_they_were() {
    let files: &[_] = &[
        ("sub.zone", "www A 192.0.2.1\n$ORIGIN deep\nx A 192.0.2.1\n$INCLUDE more.zone\n"),
        ("more.zone", "m A 192.0.2.1"),
    ];
    let read = records(b"a A 192.0.2.1\n$INCLUDE sub.zone sub\n  TXT x\nb A 192.0.2.1\n", files);
    let owners: Vec<&str> = read.iter().map(|record| record.0.as_str()).collect();
    let expected = [
        "a.example.com",
        "a.example.com",
        "b.example.com",
        "m.deep.sub.example.com",
        "x.deep.sub.example.com",
        "www.sub.example.com",
    ];
    assert_eq!(owners, expected);
}

#[test]
fn rfc2308_section_4_ttls_that_are_not_named() {
    let soa = "SOA ns1 hostmaster 1 7200 900 1209600 300\n";
    for (head, ttl, found) in [
        // The configuration's holds until $TTL.
        (format!("@ 60 {soa}"), Some(77), 77),
        (format!("$TTL 50\n@ 60 {soa}"), Some(77), 50),
        (format!("$TTL 50\n@ 60 {soa}"), None, 50),
        // Else the last that was named, and before one is the SOA's MINIMUM.
        (format!("@ 60 {soa}"), None, 60),
        (format!("@ {soa}"), None, 300),
    ] {
        let text = format!("{head}@ NS ns1\nwww A 192.0.2.1\n");
        let zone = read(text.clone().into(), &name("@"), ttl, &mut Shelf(&[])).zone.unwrap();
        assert_eq!(zone.owner(&name("www")).unwrap().rrset(Rtype::A).unwrap().ttl(), found, "{text}");
    }
    let text = format!("www A 192.0.2.1\n@ 60 {soa}@ NS ns1");
    let zone = read(text.into(), &name("@"), None, &mut Shelf(&[])).zone.unwrap();
    assert_eq!(zone.owner(&name("www")).unwrap().rrset(Rtype::A).unwrap().ttl(), TTL_DEFAULT);
}

#[test]
fn each_fault_has_its_place() {
    for (text, marked, why) in [
        (" A 192.0.2.1", "A", "but there is none"),
        ("www 300 AX 192.0.2.1", "AX", "a record type"),
        ("www A 192.0.2.256", "192.0.2.256", "cannot be read"),
        ("www A 192.0.2.1 192.0.2.2", "192.0.2.2", "more data"),
        ("www A", "A", "ends too early"),
        ("www", "www", "its type is missing"),
        ("www 300", "300", "its type is missing"),
        ("www 5x A 192.0.2.1", "5x", "not a TTL"),
        ("www 2147483648 A 192.0.2.1", "2147483648", "RFC 2181 §8"),
        ("www CH A 192.0.2.1", "CH", "class IN"),
        ("a..b A 192.0.2.1", "a..b", "empty label"),
        ("\"www\" A 192.0.2.1", "www", "quotation marks"),
        ("www MX 10 a..b", "MX 10 a..b", "not what its type has"),
        ("www TXT (x", "(", "not closed"),
        ("$GENERATE 1-9 a A 192.0.2.$", "$GENERATE", "not supported"),
        ("$X", "$X", "allowed: $ORIGIN"),
        ("$TTL", "$TTL", "takes a TTL"),
        ("$ORIGIN a b", "a b", "takes a domain name"),
        ("$INCLUDE none", "none", "no such file"),
        ("www.example.net. A 192.0.2.1", "www.example.net. A 192.0.2.1", "not in the zone"),
        ("x A 192.0.2.1\nx CNAME a", "x CNAME a", "CNAME"),
    ] {
        // A sound entry behind the fault shows that reading goes on.
        let whole = format!("{text}\nlast A 192.0.2.9\nlast2 BAD\n{HEAD}");
        let read = read(whole.clone().into(), &name("@"), None, &mut Shelf(&[]));
        assert!(read.zone.is_none(), "{text}");
        let mut faults = read.faults;
        faults.sort_by_key(|fault| fault.span.start);
        assert_eq!(faults.len(), 2, "{text}: {faults:?}");
        assert_eq!(&whole[faults[0].span.clone()], marked, "{text}: {faults:?}");
        assert!(faults[0].why.contains(why), "{text}: {faults:?}");
    }
}

#[test]
fn what_is_missing_is_said_once_all_could_be_read() {
    let whys = |text: &str| {
        let read = read(text.into(), &name("@"), None, &mut Shelf(&[]));
        read.faults.into_iter().map(|fault| fault.why).collect::<Vec<_>>()
    };
    assert_eq!(whys("www A 192.0.2.1").len(), 2);
    assert_eq!(whys("www A 192.0.2.1\n@ SOA x").len(), 1);
}

#[test]
fn reading_ends_after_too_many_faults() {
    let read = read("www BAD\n".repeat(FAULTS_MAX * 2).into(), &name("@"), None, &mut Shelf(&[]));
    assert!(read.is_cut_short && read.faults.len() == FAULTS_MAX);
}

/// A zone as a file: one line a record, its line ends and comments as `style` has them.
fn render(zone: &Zone, style: u8) -> String {
    let records = zone.owners().iter().flat_map(|owner| {
        owner.rrsets().flat_map(move |rrset| {
            let record = move |rdata: &[u8]| Record {
                owner: owner.name(),
                rtype: rrset.rtype,
                ttl: rrset.ttl(),
                rdata: rdata.to_vec(),
            };
            rrset.rdatas().map(record).collect::<Vec<_>>()
        })
    });
    let lines = records.map(|found| {
        let line = record::build(&found, zone.apex());
        match style {
            0 => format!("{line}\n"),
            1 => format!("{line}\r\n\r\n"),
            _ => format!("({line} ; ) \"\n)\n"),
        }
    });
    lines.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_rendered_zone_reads_as_the_same(declared in strategies::declared(), style in 0_u8..3) {
        for zone in &declared.zones {
            let text = render(zone, style);
            let read = read(text.clone().into(), zone.apex(), None, &mut Shelf(&[]));
            prop_assert_eq!(&read.faults, &[], "{}", &text);
            // What a file says has the id that follows from its name.
            let mut expected = Zone::clone(zone);
            expected.id = ZoneId::declared(&zone.apex().to_string());
            prop_assert_eq!(read.zone.as_ref(), Some(&expected), "{}", text);
        }
    }
}
