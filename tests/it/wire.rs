//! Messages: EDNS, truncation, errors, silence, and whatever arrives that is no query.

use std::io::Write;
use std::net::UdpSocket;
use std::time::Duration;

use hickory_proto::op::{Message, OpCode, ResponseCode};
use hickory_proto::rr::RecordType;

use crate::harness::client::{in_chaos, receive_framed, send_framed, with_edns};
use crate::harness::server::Options;
use crate::harness::{Dns, TestServer, big_zone, question, wait};

/// A query for `static.example.test A` in octets.
fn query() -> Vec<u8> {
    question("static.example.test.", RecordType::A).to_vec().unwrap()
}

/// The rcode of an answer in octets.
fn rcode(answer: &[u8]) -> u8 {
    assert_eq!(answer[2] & 0x80, 0x80, "an answer is a response");
    answer[3] & 0x0f
}

#[test]
fn edns() {
    let server = TestServer::start(&big_zone());
    let dns = server.dns();
    let name = "static.example.test.";

    let plain = dns.ask(&question(name, RecordType::A));
    assert!(plain.edns.is_none(), "RFC 6891 §6.1.1: no OPT unless asked with one");
    let answer = dns.ask(&with_edns(question(name, RecordType::A), |edns| edns));
    let edns = answer.edns.unwrap();
    assert_eq!((edns.max_payload(), edns.version(), edns.flags().dnssec_ok), (1232, 0, false));
    let answer = dns.ask(&with_edns(question(name, RecordType::A), |edns| edns.set_dnssec_ok(true)));
    assert!(answer.edns.unwrap().flags().dnssec_ok, "RFC 3225 §3: DO is repeated");
    assert_eq!(answer.answers.len(), 1);

    // RFC 6891 §6.1.3: BADVERS says which version we speak, and nothing else.
    let answer = dns.ask(&with_edns(question(name, RecordType::A), |edns| edns.set_version(1)));
    // hickory-proto calls code 16 by its name in TSIG.
    assert_eq!(u16::from(answer.metadata.response_code), 16);
    assert_eq!((answer.answers.len(), answer.edns.unwrap().version()), (0, 0));

    // RFC 8906 §8.2.2: unknown options are ignored.
    let mut octets = with_edns(question(name, RecordType::A), |edns| edns).to_vec().unwrap();
    let length = octets.len();
    octets[length - 1] = 4 + 3;
    octets.extend([0xfd, 0xe9, 0, 3, 1, 2, 3]);
    let answer = Message::from_vec(&dns.exchange(&octets)).unwrap();
    assert_eq!((answer.metadata.response_code, answer.answers.len()), (ResponseCode::NoError, 1));
    assert!(answer.edns.unwrap().options().options.is_empty());
}

#[test]
fn what_does_not_fit_is_truncated_with_opt_and_whole_over_tcp() {
    let server = TestServer::start(&big_zone());
    let dns = server.dns();
    let big = question("big.example.test.", RecordType::TXT);
    for (asked, size) in [
        (big.clone(), 512),
        (with_edns(big.clone(), |edns| edns), 1232),
        (with_edns(big.clone(), |edns| edns.set_max_payload(65_535)), 1232),
        (with_edns(big, |edns| edns.set_max_payload(100)), 512),
    ] {
        let octets = dns.exchange(&asked.to_vec().unwrap());
        assert!(octets.len() <= size, "{} octets of {size}", octets.len());
        let answer = Message::from_vec(&octets).unwrap();
        assert!(answer.metadata.truncation && answer.answers.is_empty());
        assert_eq!(answer.edns.is_some(), asked.edns.is_some(), "OPT stays");
        let whole = dns.ask_tcp(&asked);
        assert!(!whole.metadata.truncation);
        assert_eq!((whole.answers.len(), whole.edns.is_some()), (40, asked.edns.is_some()));
    }
    assert!(server.status().counters.truncated >= 4);
}

#[test]
fn broken_queries_get_formerr_and_other_opcodes_notimp() {
    let server = TestServer::start(&big_zone());
    let dns = server.dns();
    let edit = |edit: fn(&mut Vec<u8>)| {
        let mut octets = query();
        edit(&mut octets);
        octets
    };
    let opt = [0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0];
    for (what, octets) in [
        (
            "RFC 9619: no question",
            edit(|q| {
                q[5] = 0;
                q.truncate(12);
            }),
        ),
        ("RFC 9619: no question, but octets", edit(|q| q[5] = 0)),
        (
            "RFC 9619: two questions",
            edit(|q| {
                q[5] = 2;
                let again = q[12..].to_vec();
                q.extend(again);
            }),
        ),
        ("a question that is missing", edit(|q| q.truncate(12))),
        ("a question cut off", edit(|q| q.truncate(q.len() - 1))),
        ("octets left over", edit(|q| q.push(0))),
        ("a label of a reserved kind", edit(|q| q[12] = 0x80)),
        (
            "a pointer to itself",
            edit(|q| {
                q[12] = 0xc0;
                q[13] = 12;
            }),
        ),
        ("an additional record that is missing", edit(|q| q[11] = 1)),
        ("RFC 6891 §6.1.1: two OPT", {
            let mut q = query();
            q[11] = 2;
            q.extend(opt);
            q.extend(opt);
            q
        }),
        ("an OPT in the answer section", {
            let mut q = query();
            q[7] = 1;
            q.extend(opt);
            q
        }),
        ("an option longer than OPT", {
            let mut q = query();
            q[11] = 1;
            q.extend(opt);
            let n = q.len();
            q[n - 1] = 4;
            q.extend([0, 10, 0, 9]);
            q
        }),
        ("a type for messages only", question("static.example.test.", RecordType::OPT).to_vec().unwrap()),
    ] {
        let answer = dns.exchange(&octets);
        assert_eq!(rcode(&answer), 1, "{what}");
        assert_eq!(answer[..2], octets[..2], "{what}: the id");
    }
    // Who is told of a zone that is not its own says NOTAUTH, as other servers do.
    for (opcode, number, code) in [(OpCode::Status, 2, 4), (OpCode::Notify, 4, 9), (OpCode::Update, 5, 4)] {
        let mut asked = question("static.example.test.", RecordType::SOA);
        asked.metadata.op_code = opcode;
        let answer = dns.exchange(&asked.to_vec().unwrap());
        assert_eq!((rcode(&answer), answer[2] >> 3 & 0x0f), (code, number), "{opcode:?}");
    }
    for (rtype, code) in [(RecordType::AXFR, 5), (RecordType::IXFR, 5), (RecordType::from(253), 4)] {
        assert_eq!(rcode(&dns.exchange(&question("example.test.", rtype).to_vec().unwrap())), code, "{rtype}");
    }
    // RD is repeated, RA is not ours to set; AD and CD do not come back.
    let mut asked = query();
    asked[2] |= 1;
    asked[3] |= 0x30;
    let answer = dns.exchange(&asked);
    assert_eq!((answer[2] & 1, answer[3] & 0xf0), (1, 0));
}

/// Sends what gets no answer, then a query on the same socket: only the query is answered.
#[track_caller]
fn expect_silence(dns: Dns, octets: &[&[u8]]) {
    let socket = dns.socket();
    for octets in octets {
        socket.send(octets).unwrap();
    }
    let last = query();
    let mut answer = [0; 1500];
    let mut tries = 0;
    let length = loop {
        socket.send(&last).unwrap();
        match socket.recv(&mut answer) {
            Ok(length) => break length,
            Err(error) => assert!(tries < 5, "{error}"),
        }
        tries += 1;
    };
    assert!(length > 12);
    assert_eq!(answer[..2], last[..2]);
}

#[test]
fn responses_and_fragments_of_headers_get_silence() {
    let server = TestServer::start(&big_zone());
    let mut response = query();
    response[2] |= 0x80;
    let mut error = response.clone();
    error[5] = 0;
    let short = &query()[..11];
    expect_silence(server.dns(), &[&response, &error, short, &[], &[0x80; 512]]);
    wait("silences are counted", || server.status().counters.silent >= 4);
}

#[test]
fn identity_is_told_only_if_configured_and_a_reload_changes_it() {
    let server = TestServer::start(&big_zone());
    let names = ["version.bind.", "id.server."];
    let ask = |name| server.dns().ask(&in_chaos(question(name, RecordType::TXT)));
    for name in names {
        assert_eq!(ask(name).metadata.response_code, ResponseCode::Refused, "{name}");
    }
    let lines = "version_bind = \"none of yours\"\nid_server = \"node 7\"".to_owned();
    server.edit_with(&big_zone(), &Options { server: lines, ..Options::default() });
    assert_eq!(server.command("reload").code, Some(0));
    for (name, text) in names.into_iter().zip(["none of yours", "node 7"]) {
        let answer = ask(name);
        assert_eq!(answer.answers.len(), 1, "{name}: {answer}");
        assert_eq!(answer.answers[0].data.to_string().trim_matches('"'), text);
    }
    assert_eq!(ask("authors.bind.").metadata.response_code, ResponseCode::Refused);
}

#[test]
fn tcp_answers_many_queries_of_one_connection_in_pieces_or_at_once() {
    let server = TestServer::start(&big_zone());
    let mut stream = server.dns().connect();
    // RFC 7766 §6.2.1.1: pipelined; all in one segment.
    let queries: Vec<Vec<u8>> = (0..50).map(|_| query()).collect();
    let framed: Vec<u8> =
        queries.iter().flat_map(|query| [&[0, u8::try_from(query.len()).unwrap()], &query[..]].concat()).collect();
    stream.write_all(&framed).unwrap();
    let mut ids: Vec<[u8; 2]> = queries.iter().map(|query| [query[0], query[1]]).collect();
    for _ in &queries {
        let answer = receive_framed(&mut stream).unwrap();
        let at = ids.iter().position(|id| *id == answer[..2]).expect("an id that was sent, once");
        ids.swap_remove(at);
    }
    // Octet by octet.
    let last = query();
    stream.set_nodelay(true).unwrap();
    for octet in [&[0, u8::try_from(last.len()).unwrap()], &last[..]].concat() {
        stream.write_all(&[octet]).unwrap();
    }
    assert_eq!(receive_framed(&mut stream).unwrap()[..2], last[..2]);
    // Errors are answered, too, and what gets silence over UDP ends nothing that others need.
    let mut broken = query();
    broken[5] = 3;
    send_framed(&mut stream, &broken);
    assert_eq!(rcode(&receive_framed(&mut stream).unwrap()), 1);
    server.dns().ask_tcp(&question("static.example.test.", RecordType::A));
}

#[test]
fn tcp_ends_connections_that_are_idle_slow_or_too_many() {
    let tcp = "idle_timeout = \"700ms\"\nread_timeout = \"600ms\"\nconnections_per_prefix_max = 3".to_owned();
    let server = TestServer::start_with(&big_zone(), Options { tcp, ..Options::default() });
    let mut idle = server.dns().connect();
    let mut slow = server.dns().connect();
    slow.write_all(&[0, 40, 1]).unwrap();
    for stream in [&mut idle, &mut slow] {
        assert!(receive_framed(stream).is_none(), "closed");
    }
    wait("both are counted", || server.status().counters.tcp_timed_out == 2);
    wait("a fourth connection is refused", || {
        let _open: Vec<_> = (0..4).map(|_| server.dns().connect()).collect();
        server.status().counters.tcp_refused > 0
    });
    // Their end frees the places.
    wait("room again", || {
        let mut stream = server.dns().connect();
        let query = query();
        let framed = [&[0, u8::try_from(query.len()).unwrap()], &query[..]].concat();
        stream.write_all(&framed).is_ok() && receive_framed(&mut stream).is_some()
    });
}

#[test]
fn a_storm_of_junk_disturbs_nobody() {
    let server = TestServer::start(&big_zone());
    let dns = server.dns();
    let storm = std::thread::spawn(move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let valid = query();
        for round in 0..20_000_u32 {
            // xorshift: any junk will do, but the same each time.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let junk = state.to_le_bytes();
            let mut octets = valid.clone();
            match round % 3 {
                0 => octets = junk.repeat(usize::from(junk[7]) % 64 + 1),
                1 => {
                    let at = usize::from(junk[0]) % octets.len();
                    octets[at] = junk[1];
                }
                _ => octets.truncate(usize::from(junk[0]) % octets.len()),
            }
            // A full buffer is no trouble: there is more to come.
            socket.send_to(&octets, dns.0).ok();
            if round % 64 == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let mut asked = 0;
    while asked < 200 || !storm.is_finished() {
        let answer = dns.ask(&question("static.example.test.", RecordType::A));
        assert_eq!(answer.answers.len(), 1);
        asked += 1;
    }
    storm.join().unwrap();
    assert!(server.log().iter().all(|line| !line.contains("panic")), "{:#?}", server.log());
    let counters = server.status().counters;
    assert!(counters.formerr > 0 && counters.silent > 0, "{counters:?}");
}
