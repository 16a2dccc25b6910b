//! The tests of RFC 8906 §8, each with the command of the document, and with octets where `dig` does not show enough.

use crate::harness::{TestServer, ZONE};
use crate::query::{IN, query};
use crate::tools::expect;

/// SOA.
const SOA: u16 = 6;
/// The zone, with keys that do not fit 512 octets.
fn zone() -> String {
    let key = |number: u8| format!("  \"@ 300 DNSKEY 256 3 13 {}AA{number}A\",\n", "AAAA".repeat(60));
    let keys: String = (0..4).map(key).collect();
    ZONE.replace("  \"static 60", &format!("{keys}  \"static 60"))
}

/// Runs `dig` with the arguments of the document; the output contains `present`, and nothing of `absent`.
#[track_caller]
fn dig(arguments: &str, present: &[&str], absent: &[&str]) {
    if !crate::harness::tools::installed("dig") {
        return;
    }
    expect(&TestServer::start(&zone()), "dig", &[(arguments, present, absent)]);
}

/// Sends a query for the SOA record that `edit` has changed; gives the answer's octets.
#[track_caller]
fn exchange(additional: &[u8], edit: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut octets = query("example.test", SOA, IN, additional);
    edit(&mut octets);
    TestServer::start(&zone()).dns().exchange(&octets)
}

/// A record in the answer section: the question has no data after the type.
const SOA_RECORD: &str = "IN\tSOA\t";
/// What a good answer has.
const GOOD: &[&str] = &["status: NOERROR", SOA_RECORD, "flags: qr aa;"];
/// What a good answer with EDNS has.
const GOOD_EDNS: &[&str] = &["status: NOERROR", SOA_RECORD, "flags: qr aa;", "EDNS: version: 0, flags:;"];
/// What the answer to an unknown version has.
const BADVERS: &[&str] = &["status: BADVERS", "flags: qr;", "EDNS: version: 0, flags:;"];

#[test]
fn section_8_1_1_is_the_server_configured_for_the_zone() {
    dig("+noedns +noad +norec soa example.test", GOOD, &["OPT PSEUDOSECTION"]);
}

#[test]
fn section_8_1_2_unknown_types() {
    let present = ["status: NOERROR", "flags: qr aa;", "ANSWER: 0, AUTHORITY: 1"];
    dig("+noedns +noad +norec type1000 example.test", &present, &[]);
}

#[test]
fn section_8_1_3_1_cd_queries() {
    dig("+noedns +noad +norec +cd soa example.test", GOOD, &[]);
    let answer = exchange(b"", |octets| octets[3] |= 0x10);
    assert_eq!((answer[2], answer[3]), (0x84, 0), "RFC 4035 §3.1.6: CD is cleared");
}

#[test]
fn section_8_1_3_2_ad_queries() {
    dig("+noedns +norec +ad soa example.test", GOOD, &[]);
    assert_eq!(exchange(b"", |octets| octets[3] |= 0x20)[3], 0);
}

#[test]
fn section_8_1_3_3_reserved_bit() {
    dig("+noedns +noad +norec +zflag soa example.test", GOOD, &["MBZ"]);
    assert_eq!(exchange(b"", |octets| octets[3] |= 0x40)[3], 0);
}

#[test]
fn section_8_1_3_4_recursive_queries() {
    dig("+noedns +noad +rec soa example.test", &["status: NOERROR", SOA_RECORD, "flags: qr aa rd;"], &[" ra"]);
    // The flags that a query has no business with.
    let answer = exchange(b"", |octets| {
        octets[2] |= 0x06;
        octets[3] |= 0x8f;
    });
    assert_eq!((answer[2], answer[3], answer[7]), (0x84, 0, 1), "AA, TC, RA and an rcode in a query mean nothing");
}

#[test]
fn section_8_1_4_unknown_opcodes() {
    let present = ["opcode: RESERVED15", "status: NOTIMP", "flags: qr;"];
    dig("+noedns +noad +opcode=15 +norec +header-only", &present, &[SOA_RECORD]);
    // As nothing is known of them, nothing that they look like changes that.
    let server = TestServer::start(&zone());
    for opcode in [1_u8, 3, 6, 15] {
        for body in [&b""[..], b"\xff\xff\xff", b"\xc0\x0c\0\x01\0\x01"] {
            let octets = [&[1, 2, opcode << 3, 0, 0, 1, 0, 9, 0, 0, 0, 0], body].concat();
            assert_eq!(server.dns().exchange(&octets)[..4], [1, 2, 0x80 | opcode << 3, 4], "{opcode}: {body:?}");
        }
    }
}

#[test]
fn section_8_1_5_tcp() {
    dig("+noedns +noad +norec +tcp soa example.test", GOOD, &["(UDP)"]);
}

#[test]
fn section_8_2_1_minimal_edns() {
    dig("+nocookie +edns=0 +noad +norec soa example.test", GOOD_EDNS, &["COOKIE"]);
}

#[test]
fn section_8_2_2_version_negotiation() {
    dig("+nocookie +edns=1 +noednsneg +noad +norec soa example.test", BADVERS, &[SOA_RECORD]);
}

#[test]
fn section_8_2_3_unknown_options() {
    dig("+nocookie +edns=0 +noad +norec +ednsopt=100 soa example.test", GOOD_EDNS, &["OPT=100"]);
}

#[test]
fn section_8_2_4_unknown_flags() {
    dig("+nocookie +edns=0 +noad +norec +ednsflags=0x40 soa example.test", GOOD_EDNS, &["MBZ"]);
    let answer = exchange(b"\0\0\x29\x04\xd0\0\0\x7f\xff\0\0", |_| {});
    assert_eq!(answer[answer.len() - 11..], *b"\0\0\x29\x04\xd0\0\0\0\0\0\0", "RFC 6891 §6.1.4: zero in answers");
}

#[test]
fn section_8_2_5_version_negotiation_with_unknown_flags() {
    let arguments = "+nocookie +edns=1 +noednsneg +noad +norec +ednsflags=0x40 soa example.test";
    dig(arguments, BADVERS, &[SOA_RECORD, "MBZ"]);
}

#[test]
fn section_8_2_6_version_negotiation_with_unknown_options() {
    let arguments = "+nocookie +edns=1 +noednsneg +noad +norec +ednsopt=100 soa example.test";
    dig(arguments, BADVERS, &[SOA_RECORD, "OPT=100"]);
    // Another version may have other options: nothing is read into them.
    let answer = exchange(b"\0\0\x29\x04\xd0\0\x01\0\0\0\x04\0\x0a\0\x09", |_| {});
    assert_eq!((answer[3], answer[answer.len() - 6]), (0, 1), "BADVERS is 16: 0 here, 1 in OPT");
}

#[test]
fn section_8_2_7_truncated_responses() {
    let present = ["status: NOERROR", "flags: qr aa tc;", "EDNS: version: 0, flags: do;"];
    dig("+norec +dnssec +bufsize=512 +ignore dnskey example.test", &present, &[]);
    dig("+norec +dnssec +bufsize=512 dnskey example.test", &["ANSWER: 4", "(TCP)"], &["flags: qr aa tc"]);
}

#[test]
fn section_8_2_8_do_handling() {
    let present = ["status: NOERROR", SOA_RECORD, "flags: qr aa;", "EDNS: version: 0, flags: do;"];
    dig("+nocookie +edns=0 +noad +norec +dnssec soa example.test", &present, &[]);
}

#[test]
fn section_8_2_9_version_negotiation_with_do() {
    let present = ["status: BADVERS", "flags: qr;", "EDNS: version: 0, flags: do;"];
    dig("+nocookie +edns=1 +noednsneg +noad +norec +dnssec soa example.test", &present, &[SOA_RECORD]);
}

#[test]
fn section_8_2_10_multiple_defined_options() {
    let arguments = "+edns=0 +noad +norec +cookie +nsid +expire +subnet=0.0.0.0/0 soa example.test";
    // dig checks that its cookie came back with a server's.
    let present = [GOOD_EDNS, &["(good)"]].concat();
    dig(arguments, &present, &["NSID", "EXPIRE", "CLIENT-SUBNET"]);
}
