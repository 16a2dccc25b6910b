//! dig and kdig transfer zones, with and without keys; what is not allowed is refused.

use std::io::Write as _;
use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use hickory_proto::op::{OpCode, ResponseCode};
use hickory_proto::rr::{RData, RecordType};

use super::secondary::KEY;
use crate::harness::client::{receive_framed, send_framed, with_edns};
use crate::harness::origin::load_balancer;
use crate::harness::tools::installed;
use crate::harness::{PATIENCE, TestServer, extended_error, question, run, wait, wait_for};
use crate::query::OPT;

/// A zone with a live name, which is copied with a key, or without from 127.0.0.2.
fn objects(serial: &str, more: &str) -> String {
    let (key, algorithm, secret) = KEY;
    let pool = "
[[pools]]
name = \"web\"
origins = [{ name = \"a\", address = \"192.0.2.1\" }, { name = \"b\", address = \"2001:db8::2\" }]
";
    format!(
        "
[[keys]]
name = \"{key}\"
algorithm = \"{algorithm}\"
secret = \"{secret}\"
[[zones]]
name = \"example.test\"
serial = \"{serial}\"
transfer_live = \"snapshot\"
allow_transfer = [\"127.0.0.2\", {{ key = \"{key}\" }}]
records = [
  \"@ 3600 SOA ns1 hostmaster 7 7200 900 1209600 300\",
  \"@ 3600 NS ns1\",
  \"ns1 3600 A 192.0.2.53\",
  \"www 60 A 192.0.2.99\",
  \"www 60 TXT beside\",
{more}
]
{pool}{}",
        load_balancer("www.example.test", &["web"])
    )
}

/// Runs a client; gives what it prints.
#[track_caller]
fn ask(server: &TestServer, program: &str, arguments: &str) -> String {
    let address = server.dns().0;
    let mut command = Command::new(program);
    command.arg(format!("@{}", address.ip())).args(["-p", &address.port().to_string()]);
    let ran = run(command.args(arguments.split_whitespace()));
    format!("{}{}", ran.stdout, ran.stderr)
}

/// The option by which both programs take a key.
fn key() -> String {
    let (key, algorithm, secret) = KEY;
    format!("-y {algorithm}:{key}:{secret}")
}

/// Lines of records, without spaces and comments, sorted; SOA records stand at both ends.
fn lines(text: &str) -> Vec<String> {
    let records = text.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    let mut lines: Vec<String> = records.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    lines.sort();
    lines
}

#[test]
fn dig_and_kdig_copy_a_zone() {
    // Glue and what a cut occludes are in a copy; hints are there as addresses.
    let more = "  \"sub 60 NS ns.sub\",\n  \"ns.sub 60 A 192.0.2.77\",\n  \"deep.sub 60 TXT occluded\",
  \"www 60 HTTPS 1 . ipv4hint=auto ipv6hint=auto\",\n  \"svc 60 SVCB 1 www ipv4hint=auto\",";
    let server = TestServer::start(&objects("records", more));
    let soa = "example.test. 3600 IN SOA ns1.example.test. hostmaster.example.test. 7 7200 900 1209600 300";
    let expected = [
        "deep.sub.example.test. 60 IN TXT \"occluded\"",
        "example.test. 3600 IN NS ns1.example.test.",
        soa,
        soa,
        "ns.sub.example.test. 60 IN A 192.0.2.77",
        "ns1.example.test. 3600 IN A 192.0.2.53",
        "sub.example.test. 60 IN NS ns.sub.example.test.",
        "svc.example.test. 5 IN SVCB 1 www.example.test. ipv4hint=192.0.2.1",
        "www.example.test. 5 IN A 192.0.2.1",
        "www.example.test. 5 IN AAAA 2001:db8::2",
        "www.example.test. 5 IN HTTPS 1 . ipv4hint=192.0.2.1 ipv6hint=2001:db8::2",
        "www.example.test. 60 IN TXT \"beside\"",
    ];
    let key = key();
    for (program, arguments) in [
        ("dig", format!("+nocmd +nocomments +nostats +onesoa {key} example.test axfr")),
        ("dig", format!("+nocmd +nocomments +nostats {key} example.test ixfr=3")),
        ("dig", "+nocmd +nocomments +nostats -b 127.0.0.2 example.test axfr".to_owned()),
        ("kdig", format!("+noall +answer {key} example.test axfr")),
        ("kdig", format!("+noall +answer {key} example.test ixfr=3")),
    ] {
        if !installed(program) {
            continue;
        }
        let text = ask(&server, program, &arguments);
        let found: Vec<String> = lines(&text).into_iter().filter(|line| !line.contains("TSIG")).collect();
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.dedup();
        let mut whole = found.clone();
        whole.dedup();
        assert_eq!(whole, expected, "{program} {arguments}: {text}");
        assert!(!text.contains("Couldn't verify") && !text.contains("WARNING"), "{program} {arguments}: {text}");
    }
}

#[test]
fn what_is_not_allowed_is_refused_and_logged_once() {
    let server = TestServer::start(&objects("records", ""));
    for _ in 0..3 {
        let answer = server.dns().ask_tcp(&with_edns(question("example.test.", RecordType::AXFR), |edns| edns));
        assert_eq!((answer.metadata.response_code, extended_error(&answer)), (ResponseCode::Refused, Some(18)));
    }
    let refusals = || server.log().iter().filter(|line| line.contains("transfer refused")).count();
    wait("the line", || refusals() == 1);
    let answer = server.dns().ask_tcp(&question("www.example.test.", RecordType::AXFR));
    assert_eq!(answer.metadata.response_code, ResponseCode::NotAuth, "RFC 5936 §2.2.1: no apex");
    let answer = server.dns().ask_tcp(&question("example.net.", RecordType::AXFR));
    assert_eq!(answer.metadata.response_code, ResponseCode::NotAuth);
    assert_eq!(refusals(), 1);
    assert!(server.status().counters.transfers_refused >= 3);
}

#[test]
fn signed_queries_are_answered_by_the_engine_and_signed() {
    let server = TestServer::start(&objects("records", ""));
    let key = key();
    for (program, arguments, wanted) in [
        ("dig", format!("+norec {key} www.example.test A"), &["192.0.2.1", "status: NOERROR", "NOERROR 0"][..]),
        ("dig", format!("+norec +tcp {key} no.example.test A"), &["status: NXDOMAIN", "NOERROR 0"]),
        ("kdig", format!("{key} example.test SOA"), &["status: NOERROR", "hostmaster"]),
        ("kdig", format!("+tcp {key} example.test SOA"), &["status: NOERROR", "hostmaster"]),
    ] {
        if !installed(program) {
            continue;
        }
        let text = ask(&server, program, &arguments);
        for wanted in wanted {
            assert!(text.contains(wanted), "{program} {arguments}: no {wanted:?} in\n{text}");
        }
        assert!(!text.contains("WARNING: TSIG") && !text.contains("verify"), "{program} {arguments}: {text}");
    }
}

#[test]
fn wrong_signatures_are_told_what_is_wrong() {
    if !installed("dig") {
        return;
    }
    let server = TestServer::start(&objects("records", ""));
    let (key, algorithm, _) = KEY;
    let wrong = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (arguments, wanted) in [
        (format!("-y {algorithm}:{key}:{wrong} example.test SOA"), "BADSIG"),
        (format!("-y {algorithm}:other.key:{wrong} example.test SOA"), "BADKEY"),
        (format!("-y hmac-sha512:{key}:{wrong} +tcp example.test SOA"), "BADKEY"),
    ] {
        let text = ask(&server, "dig", &arguments);
        assert!(text.contains("NOTAUTH") && text.contains(wanted), "{arguments}: {text}");
    }
    assert!(server.status().counters.tsig_rejected >= 3);
    // Over TCP, where addresses are true, it is said once for each.
    let said = || server.log().iter().filter(|line| line.contains("a signature does not hold")).count();
    wait_for(&1, said);
}

#[test]
fn transfers_over_udp() {
    let server = TestServer::start(&objects("records", ""));
    // RFC 5936 §4.2.
    let refused = server.dns().ask(&question("example.test.", RecordType::AXFR));
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused, "without a key, the list comes first");
    if !installed("kdig") {
        return;
    }
    let text = ask(&server, "kdig", &format!("+notcp +noall +answer {} example.test ixfr=3", key()));
    assert_eq!(lines(&text).iter().filter(|line| line.contains(" SOA ")).count(), 1, "{text}");
    assert_eq!(lines(&text).iter().filter(|line| !line.contains("TSIG")).count(), 1, "the SOA alone: {text}");
}

/// A query with a signature of a key that nobody has; with an OPT record before it, or not.
fn signed_by_nobody(rtype: RecordType, has_edns: bool) -> Vec<u8> {
    let mut octets = question("example.test.", rtype).to_vec().unwrap();
    octets[11] = 1;
    if has_edns {
        octets[11] = 2;
        octets.extend_from_slice(OPT);
    }
    octets.extend_from_slice(b"\x04nobo\0\0\xfa\0\xff\0\0\0\0");
    let rdata = [b"\x0bhmac-sha256\0\0\0\0\0\0\x07\x01\x2c\0\x20".as_slice(), &[7; 32], &[0; 6]].concat();
    octets.extend_from_slice(&u16::try_from(rdata.len()).unwrap().to_be_bytes());
    octets.extend_from_slice(&rdata);
    octets
}

#[test]
fn a_flood_over_udp_takes_no_transfers_away() {
    let server = TestServer::start(&objects("records", "").replace("127.0.0.2", "127.0.0.1"));
    let octets = signed_by_nobody(RecordType::SOA, false);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Nobody waits for the answers.
        let flood = scope.spawn(|| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            socket.connect(server.dns().0).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                // More than the kernel keeps may be refused.
                socket.send(&octets).ok();
            }
        });
        wait("datagrams are turned away", || server.status().counters.pass_on_failed > 0);
        let codes: Vec<_> = (0..50)
            .map(|_| server.dns().ask_tcp(&question("example.test.", RecordType::AXFR)).metadata.response_code)
            .collect();
        is_over.store(true, Ordering::Relaxed);
        flood.join().unwrap();
        assert_eq!(codes, [ResponseCode::NoError; 50]);
    });
}

#[test]
fn what_is_passed_on_over_udp_amplifies_nothing() {
    /// An Extended DNS Error, for those who have EDNS.
    const ERROR_OCTETS: usize = 6;
    // Without rate limits, which do not know what an answer will be: it has to be harmless by itself.
    let server = TestServer::start(&format!("[rrl]\nenabled = false\n{}", objects("records", "")));
    let ask_from = |last: u8, query: &[u8]| {
        let socket = UdpSocket::bind((Ipv4Addr::new(127, 0, 0, last), 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.connect(server.dns().0).unwrap();
        socket.send(query).unwrap();
        let mut answer = [0; 4096];
        let length = socket.recv(&mut answer).unwrap();
        (answer[3] & 15, length)
    };
    let notify = |name: &str| {
        let mut message = question(name, RecordType::SOA);
        message.metadata.op_code = OpCode::Notify;
        message
    };
    let query = |rtype| question("example.test.", rtype);
    for (what, message, from, code) in [
        ("a NOTIFY for a zone of ours", notify("example.test."), 1, 9),
        ("a NOTIFY for another zone", notify("example.net."), 1, 9),
        ("AXFR by anybody", query(RecordType::AXFR), 1, 5),
        ("AXFR by an address that may", query(RecordType::AXFR), 2, 1),
        ("IXFR by anybody", query(RecordType::IXFR), 1, 5),
    ] {
        for message in [message.clone(), with_edns(message, |edns| edns)] {
            let octets = message.to_vec().unwrap();
            let more = if message.edns.is_some() { ERROR_OCTETS } else { 0 };
            let (found, length) = ask_from(from, &octets);
            assert_eq!(found, code, "{what}");
            assert!(length <= octets.len() + more, "{what}: {length} octets for {}", octets.len());
        }
    }
    // Signatures of keys that nobody has, over whatever would be large.
    for (rtype, has_edns) in [(RecordType::AXFR, false), (RecordType::ANY, true), (RecordType::SOA, false)] {
        let octets = signed_by_nobody(rtype, has_edns);
        let (found, answered) = ask_from(1, &octets);
        assert_eq!((found, answered > query(rtype).to_vec().unwrap().len()), (9, true), "NOTAUTH, and why");
        assert!(answered <= octets.len(), "{rtype}: {answered} octets for {}", octets.len());
    }
    // Who may transfer is told the serial: one record.
    let mut incremental = query(RecordType::IXFR);
    let soa = server.dns().get("example.test.", RecordType::SOA).answers.remove(0);
    incremental.add_authority(soa);
    let octets = incremental.to_vec().unwrap();
    let (found, length) = ask_from(2, &octets);
    assert_eq!(found, 0);
    assert!(length < octets.len() * 2, "{length} octets for {}", octets.len());
}

#[test]
fn rfc6891_section_6_1_1_who_sends_opt_gets_one() {
    let server = TestServer::start(&objects("records", ""));
    for has_edns in [false, true] {
        let mut stream = server.dns().connect();
        send_framed(&mut stream, &signed_by_nobody(RecordType::SOA, has_edns));
        let answer = receive_framed(&mut stream).unwrap();
        let answer = hickory_proto::op::Message::from_vec(&answer).unwrap();
        assert_eq!((answer.metadata.response_code, answer.edns.is_some()), (ResponseCode::NotAuth, has_edns));
        assert!(answer.signature.is_some(), "TSIG is the last record");
    }
}

#[test]
fn differences_by_ixfr() {
    if !installed("dig") {
        return;
    }
    let with = |serial: u32, more: &str| objects("records", more).replace(" 7 7200", &format!(" {serial} 7200"));
    let server = TestServer::start(&with(7, "\"gone 60 A 192.0.2.1\","));
    let ixfr = |serial: u32| {
        let text = ask(&server, "dig", &format!("+nocmd +nocomments +nostats {} example.test ixfr={serial}", key()));
        let records = text.lines().filter(|line| !line.is_empty() && !line.starts_with(';') && !line.contains("TSIG"));
        let record = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        records.map(record).collect::<Vec<_>>()
    };
    // Whoever has a copy has got it from us.
    assert!(ixfr(1).len() > 5);
    server.reload(&with(8, "\"come 60 A 192.0.2.2\","));
    assert!(ixfr(7).len() > 3);
    server.reload(&with(9, "\"come 60 A 192.0.2.2\",\n\"more 60 A 192.0.2.3\","));
    let soa = |serial| {
        format!("example.test. 3600 IN SOA ns1.example.test. hostmaster.example.test. {serial} 7200 900 1209600 300")
    };
    let (gone, come, more) = (
        "gone.example.test. 60 IN A 192.0.2.1",
        "come.example.test. 60 IN A 192.0.2.2",
        "more.example.test. 60 IN A 192.0.2.3",
    );
    assert_eq!(ixfr(8), [&soa(9), &soa(8), &soa(9), more, &soa(9)]);
    assert_eq!(ixfr(7), [&soa(9), &soa(7), gone, &soa(8), come, &soa(8), &soa(9), more, &soa(9)]);
    assert_eq!(ixfr(9), [soa(9)], "up to date");
    assert_eq!(ixfr(10), [soa(9)], "RFC 1995 §2: ahead of us");
    assert!(ixfr(1).len() > 6, "not in the journal: everything");
}

#[test]
fn a_zone_of_many_messages_is_one_consistent_copy() {
    let more: Vec<String> = (0..3_000).map(|i| format!("  \"n{i} 60 TXT {i:060}\",\n")).collect();
    let server = TestServer::start(&objects("records", &more.concat()).replace("127.0.0.2", "127.0.0.1"));
    let mut stream = server.dns().connect();
    let transfer = question("example.test.", RecordType::AXFR);
    send_framed(&mut stream, &transfer.to_vec().unwrap());
    // What is asked behind it is answered behind it.
    send_framed(&mut stream, &question("ns1.example.test.", RecordType::A).to_vec().unwrap());
    stream.flush().unwrap();
    let (mut found, mut soas, mut messages) = (0, 0, 0);
    while soas < 2 {
        let octets = receive_framed(&mut stream).unwrap();
        assert!(octets.len() <= 16_384, "{}", octets.len());
        let message = hickory_proto::op::Message::from_vec(&octets).unwrap();
        assert!(message.metadata.authoritative && message.metadata.id == transfer.metadata.id);
        soas += message.answers.iter().filter(|record| matches!(record.data, RData::SOA(_))).count();
        found += message.answers.len();
        messages += 1;
    }
    assert_eq!((found, messages > 10), (3_000 + 7, true), "{messages} messages");
    let next = hickory_proto::op::Message::from_vec(&receive_framed(&mut stream).unwrap()).unwrap();
    assert_eq!(next.answers.len(), 1);
    assert_eq!(server.status().counters.transfers, 1);
}

#[test]
fn counted_serials_grow_with_reloads_and_show_in_answers() {
    let server = TestServer::start(&objects("auto", ""));
    let serial = || {
        let answer = server.dns().get("example.test.", RecordType::SOA);
        let negative = server.dns().get("no.example.test.", RecordType::A);
        let of = |records: &[hickory_proto::rr::Record]| match &records[0].data {
            RData::SOA(soa) => soa.serial,
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&answer.answers), of(&negative.authorities));
        of(&answer.answers)
    };
    let first = serial();
    assert!(first > 1_700_000_000, "seconds since 1970");
    assert_eq!(server.status().zones[0].serial, Some(first));
    server.reload(&objects("auto", "\"more 60 A 192.0.2.3\","));
    let second = serial();
    assert!(second > first);
    server.reload(&objects("auto", "\"more 60 A 192.0.2.3\","));
    assert_eq!(serial(), second, "nothing has changed");
    server.reload(&objects("records", "\"more 60 A 192.0.2.3\","));
    assert_eq!(serial(), 7);
}
