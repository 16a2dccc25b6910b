//! What guards the server and its clients, over the wire: EDNS options, cookies, rate limits, access lists.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

use crate::harness::server::Options;
use crate::harness::{Dns, PATIENCE, TestServer, ZONE, wait};
use crate::query::{IN, query};

/// Type A.
const A: u16 = 1;
/// An option without data: which server is this?
const NSID: &[u8] = &[0, 3, 0, 0];
/// An option without data: how long may I stay?
const KEEPALIVE: &[u8] = &[0, 11, 0, 0];

/// An OPT record of an EDNS version with these options.
fn opt(version: u8, options: &[u8]) -> Vec<u8> {
    let [l0, l1] = u16::try_from(options.len()).unwrap().to_be_bytes();
    [&[0, 0, 41, 4, 208, 0, version, 0, 0, l0, l1], options].concat()
}

/// A COOKIE option.
fn cookie(data: &[u8]) -> Vec<u8> {
    [&[0, 10, 0, u8::try_from(data.len()).unwrap()], data].concat()
}

/// A query for an address that is there, with options.
fn asking(options: &[u8]) -> Vec<u8> {
    query("static.example.test", A, IN, &opt(0, options))
}

/// A query without a question.
fn without_question(options: &[u8]) -> Vec<u8> {
    [&[0xab, 0xcd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1][..], &opt(0, options)].concat()
}

/// What an answer says.
#[derive(PartialEq, Eq, Debug)]
struct Seen {
    /// The response code, all twelve bits.
    rcode: u16,
    /// Whether it is truncated.
    truncated: bool,
    /// Records in the answer section.
    answers: u8,
    /// Options by their codes; none without an OPT record.
    options: Option<Vec<(u16, Vec<u8>)>>,
}

impl Seen {
    /// Reads an answer whose records have compressed owners, and no more than one of them.
    fn read(answer: &[u8]) -> Self {
        assert!(answer[2] & 0x80 != 0, "an answer is a response");
        let message = hickory_proto::op::Message::from_vec(answer).expect("an answer that parses");
        let mut seen = Self {
            rcode: u16::from(answer[3] & 0x0f),
            truncated: answer[2] & 2 != 0,
            answers: answer[7],
            options: None,
        };
        if message.edns.is_some() {
            // OPT is last, and the only record at the root.
            let start = (12..answer.len()).rev().find(|at| opt_fills(&answer[*at..])).expect("an OPT record");
            seen.rcode |= u16::from(answer[start + 5]) << 4;
            let mut rest = &answer[start + 11..];
            let mut options = Vec::new();
            while let [c0, c1, l0, l1, tail @ ..] = rest {
                let (data, next) = tail.split_at(usize::from(u16::from_be_bytes([*l0, *l1])));
                options.push((u16::from_be_bytes([*c0, *c1]), data.to_vec()));
                rest = next;
            }
            seen.options = Some(options);
        }
        seen
    }

    /// The data of an option.
    fn option(&self, code: u16) -> Option<&[u8]> {
        self.options.iter().flatten().find(|(other, _)| *other == code).map(|(_, data)| data.as_slice())
    }
}

/// Whether these octets are an OPT record and nothing else.
fn opt_fills(octets: &[u8]) -> bool {
    matches!(octets, [0, 0, 41, _, _, _, _, _, _, l0, l1, options @ ..]
        if options.len() == usize::from(u16::from_be_bytes([*l0, *l1])))
}

/// Asks over UDP.
#[track_caller]
fn ask(dns: Dns, octets: &[u8]) -> Seen {
    Seen::read(&dns.exchange(octets))
}

/// Asks over TCP.
#[track_caller]
fn ask_tcp(dns: Dns, octets: &[u8]) -> Seen {
    let mut stream = dns.connect();
    crate::harness::client::send_framed(&mut stream, octets);
    Seen::read(&crate::harness::client::receive_framed(&mut stream).expect("an answer"))
}

#[test]
fn rfc5001_only_who_asks_is_told_which_server_it_is() {
    let server = TestServer::start_with(ZONE, Options { server: "nsid = \"ams 1\"".into(), ..Options::default() });
    assert_eq!(ask(server.dns(), &asking(NSID)).option(3), Some(&b"ams 1"[..]));
    assert_eq!(ask(server.dns(), &asking(&[])).options, Some(vec![]));
    // Errors tell, too.
    let refused = ask(server.dns(), &query("example.net", A, IN, &opt(0, NSID)));
    assert_eq!((refused.rcode, refused.option(3)), (5, Some(&b"ams 1"[..])));
    server.edit_with(ZONE, &Options::default());
    assert_eq!(server.command("reload").code, Some(0));
    assert_eq!(ask(server.dns(), &asking(NSID)).options, Some(vec![]), "without a text it is not told");
}

#[test]
fn rfc7828_keepalive_tells_the_idle_time_out_over_tcp_only() {
    let server =
        TestServer::start_with(ZONE, Options { tcp: "idle_timeout = \"7500ms\"".into(), ..Options::default() });
    let dns = server.dns();
    assert_eq!(ask_tcp(dns, &asking(KEEPALIVE)).option(11), Some(&[0, 75][..]), "§3.1: units of 100 ms");
    assert_eq!(ask_tcp(dns, &asking(&[])).option(11), None, "only who asks");
    assert_eq!(ask(dns, &asking(KEEPALIVE)).options, Some(vec![]), "§3.3.1: not over UDP");
    let with_data = asking(&[0, 11, 0, 2, 0, 9]);
    assert_eq!((ask_tcp(dns, &with_data).rcode, ask(dns, &with_data).rcode), (1, 0), "§3.2.1: a client sends no data");
}

#[test]
fn rfc7873_a_client_learns_a_cookie_and_is_recognized() {
    let server = TestServer::start(ZONE);
    let dns = server.dns();
    let first = ask(dns, &asking(&cookie(b"8 octets")));
    let learnt = first.option(10).expect("§5.2.3: a server cookie").to_vec();
    assert_eq!((first.answers, learnt.len(), &learnt[..8]), (1, 24, &b"8 octets"[..]));
    assert_eq!((learnt[8], &learnt[9..12]), (1, &[0, 0, 0][..]), "RFC 9018 §4.1, §4.2: version and reserved");
    let again = ask(dns, &asking(&cookie(&learnt)));
    assert_eq!((again.answers, again.option(10)), (1, Some(&learnt[..])), "RFC 9018 §4.3: still fresh");
    // §5.2.4: a cookie that is not ours is no reason to refuse, and is replaced.
    let mut forged = learnt;
    forged[23] ^= 1;
    let corrected = ask_tcp(dns, &asking(&cookie(&forged)));
    assert_eq!((corrected.rcode, corrected.answers), (0, 1));
    assert_eq!(ask(dns, &asking(&cookie(corrected.option(10).unwrap()))).answers, 1);
    wait("counters", || {
        let counters = server.status().counters;
        (counters.cookies_new, counters.cookies_valid, counters.cookies_invalid) == (1, 2, 1)
    });
}

#[test]
fn rfc7873_5_2_2_lengths_that_no_cookie_has_are_formerr() {
    let server = TestServer::start(ZONE);
    for (length, rcode) in [(0, 1), (7, 1), (8, 0), (9, 1), (15, 1), (16, 0), (24, 0), (40, 0), (41, 1)] {
        let seen = ask(server.dns(), &asking(&cookie(&vec![1; length])));
        assert_eq!((seen.rcode, seen.option(10).is_some()), (rcode, rcode == 0), "{length} octets");
        assert!(seen.options.is_some(), "RFC 6891 §6.1.1: OPT comes back");
    }
    // §5.2: the first of several counts.
    let two = [cookie(b"8 octets"), cookie(b"short")].concat();
    assert_eq!(ask(server.dns(), &asking(&two)).rcode, 0);
}

#[test]
fn rfc7873_5_4_a_query_without_a_question_asks_for_a_cookie() {
    let server = TestServer::start(ZONE);
    let dns = server.dns();
    let octets = dns.exchange(&without_question(&cookie(b"8 octets")));
    assert_eq!(octets[4..12], [0, 0, 0, 0, 0, 0, 0, 1]);
    let seen = Seen::read(&octets);
    let learnt = seen.option(10).unwrap().to_vec();
    assert_eq!((seen.rcode, learnt.len()), (0, 24));
    assert_eq!(ask(dns, &without_question(&cookie(&learnt))).rcode, 0);
    let forged = ask(dns, &without_question(&cookie(&[7; 24])));
    assert_eq!((forged.rcode, forged.option(10).map(<[u8]>::len)), (23, Some(24)), "BADCOOKIE, and a good one");
    assert_eq!(ask(dns, &without_question(NSID)).rcode, 1, "no cookie, no question: FORMERR");
    // Without cookies there is nothing to ask for, and the option means nothing.
    server.reload(&format!("[cookies]\nenabled = false\n{ZONE}"));
    assert_eq!(ask(dns, &without_question(&cookie(b"8 octets"))).rcode, 1);
    let ignored = ask(dns, &asking(&cookie(b"short")));
    assert_eq!((ignored.rcode, ignored.answers, ignored.options), (0, 1, Some(vec![])));
}

#[test]
fn cookies_hold_across_servers_and_rotations_of_the_secret() {
    let secrets = |secrets: &str| format!("[cookies]\nsecrets = [{secrets}]\n{ZONE}");
    let (old, new) = ("\"e5e973e5a6b2a43f48e7dc849e37bfcf\"", "\"445536bcd2513298075A5D379663C962\"");
    let (one, two) = (TestServer::start(&secrets(old)), TestServer::start(&secrets(old)));
    let valid = |server: &TestServer| server.status().counters.cookies_valid;
    let learnt = ask(one.dns(), &asking(&cookie(b"8 octets"))).option(10).unwrap().to_vec();
    let kept = ask(two.dns(), &asking(&cookie(&learnt)));
    assert_eq!(kept.option(10), Some(&learnt[..]));
    wait("another server accepts it", || valid(&two) == 1);
    two.reload(&secrets(&format!("{new}, {old}")));
    let renewed = ask(two.dns(), &asking(&cookie(&learnt))).option(10).unwrap().to_vec();
    wait("the older secret is accepted", || valid(&two) == 2);
    assert_ne!(renewed, learnt, "and the newer one signs");
    two.reload(&secrets(new));
    ask(two.dns(), &asking(&cookie(&renewed)));
    wait("the newer one alone", || valid(&two) == 3);
    ask(two.dns(), &asking(&cookie(&learnt)));
    wait("the older one is gone", || two.status().counters.cookies_invalid == 1);
    // Not in anything that the server says.
    two.edit(&secrets("\"e5e973e5a6b2a43f48e7dc849e37bfxx\""));
    two.signal("HUP");
    wait("the reload is refused", || two.status().reload.is_some_and(|reload| reload.fault.is_some()));
    let said = format!("{:?} {}", two.status(), two.log().join("\n"));
    for secret in ["e5e973e5", "445536bc", "445536BC"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains("32 hexadecimal digits"), "{said}");
}

/// Sends `count` queries from an address of the loopback network, and gives how many answers were whole and truncated;
/// the server has dropped the others.
#[track_caller]
fn burst(server: &TestServer, from: Ipv4Addr, message: &[u8], count: u64) -> (u64, u64) {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(server.dns().0).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let before = server.status().counters.rrl_dropped;
    for _ in 0..count {
        socket.send(message).unwrap();
    }
    let (mut whole, mut truncated) = (0, 0);
    wait("each query is answered or not", || {
        let mut answer = [0; 1500];
        while let Ok(length) = socket.recv(&mut answer) {
            let seen = Seen::read(&answer[..length]);
            *(if seen.truncated { &mut truncated } else { &mut whole }) += 1;
            assert_eq!(seen.truncated, seen.answers == 0, "{seen:?}");
        }
        whole + truncated + server.status().counters.rrl_dropped - before == count
    });
    (whole, truncated)
}

/// A configuration with rate limits that hold on the loopback network, too.
fn limited(lines: &str) -> String {
    format!("[rrl]\nexempt = []\n{lines}\n{ZONE}")
}

/// Networks of the tests.
const HERE: Ipv4Addr = Ipv4Addr::LOCALHOST;
const NEAR: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 77);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);

#[test]
fn a_flood_is_limited_by_network_and_said_once() {
    // One answer a second, and all others truncated.
    let server = TestServer::start(&limited("rate = 1\nslip = 1"));
    let message = asking(&[]);
    let (whole, truncated) = burst(&server, HERE, &message, 100);
    // However slow the machine: some seconds at the most.
    assert!((1..=30).contains(&whole) && whole + truncated == 100, "{whole} and {truncated}");
    assert_eq!(server.status().counters.rrl_slipped, truncated);
    assert_eq!(burst(&server, ELSEWHERE, &message, 1), (1, 0), "another network");
    assert_eq!(ask_tcp(server.dns(), &message).answers, 1, "TCP has no forged addresses");
    let said = || server.log().iter().filter(|line| line.contains("127.0.0.0/24")).count();
    wait("a line about it", || said() == 1);
    burst(&server, NEAR, &message, 50);
    burst(&server, ELSEWHERE, &message, 50);
    wait("a line about the other", || server.log().iter().any(|line| line.contains("127.0.1.0/24")));
    assert_eq!(said(), 1, "{:#?}", server.log());
}

#[test]
fn limited_answers_are_dropped_slipped_or_only_counted() {
    let server = TestServer::start(&limited("rate = 1\nslip = 0"));
    let message = asking(&[]);
    let (whole, truncated) = burst(&server, HERE, &message, 100);
    assert!(whole < 50 && truncated == 0, "{whole}");
    server.reload(&limited("rate = 1\nslip = 2"));
    let (whole, truncated) = burst(&server, HERE, &message, 200);
    assert!(whole < 50 && (40..=160).contains(&truncated), "{whole} and {truncated}: about half of them");
    server.reload(&limited("rate = 1\nlog_only = true"));
    assert_eq!(burst(&server, HERE, &message, 100), (100, 0));
    assert!(server.status().counters.rrl_log_only > 50);
    server.reload(&limited("rate = 1\nenabled = false"));
    assert_eq!(burst(&server, HERE, &message, 100), (100, 0));
    server.reload(&format!("[rrl]\nrate = 1\n{ZONE}"));
    assert_eq!(burst(&server, HERE, &message, 100), (100, 0), "loopback is exempt by default");
}

#[test]
fn random_names_are_limited_and_so_are_errors_and_neither_is_held_against_records() {
    let server = TestServer::start(&limited("rate = 1\nslip = 0"));
    let socket = UdpSocket::bind((HERE, 0)).unwrap();
    socket.connect(server.dns().0).unwrap();
    for (zone, count) in [("example.test", 100), ("example.net", 100)] {
        let before = server.status().counters.rrl_dropped;
        for number in 0..count {
            socket.send(&query(&format!("random{number}.{zone}"), A, IN, &opt(0, &[]))).unwrap();
        }
        wait("most are dropped", || server.status().counters.rrl_dropped > before + count / 2);
    }
    assert_eq!(burst(&server, HERE, &asking(&[]), 1), (1, 0));
}

#[test]
fn a_valid_cookie_is_not_limited() {
    let server = TestServer::start(&limited("rate = 1\nslip = 1"));
    let learnt = ask(server.dns(), &asking(&cookie(b"8 octets"))).option(10).unwrap().to_vec();
    let (_, truncated) = burst(&server, HERE, &asking(&cookie(b"8 octets")), 50);
    assert!(truncated > 20, "{truncated}: the client's cookie alone proves nothing");
    assert_eq!(burst(&server, HERE, &asking(&cookie(&learnt)), 200), (200, 0));
    let (_, truncated) = burst(&server, NEAR, &asking(&cookie(&learnt)), 50);
    assert!(truncated > 20, "{truncated}: it belongs to another address");
}

#[test]
fn rfc7873_section_5_2_who_sends_a_cookie_gets_one_whoever_answers() {
    let zone =
        ZONE.replacen("name = \"example.test\"", "name = \"example.test\"\nallow_transfer = [\"127.0.0.0/8\"]", 1);
    let server = TestServer::start(&zone);
    let learnt = ask(server.dns(), &asking(&cookie(b"8 octets"))).option(10).unwrap().to_vec();
    let with_cookie = |name: &str, qtype, opcode: u8| {
        let mut message = query(name, qtype, IN, &opt(0, &cookie(&learnt)));
        message[2] = opcode << 3;
        message
    };
    for (what, message, code) in [
        ("a NOTIFY", with_cookie("example.test", 6, 4), 9),
        ("a transfer", with_cookie("example.test", 252, 0), 0),
        ("a transfer of what is not there", with_cookie("x.example.test", 252, 0), 9),
    ] {
        let answer = ask_tcp(server.dns(), &message);
        assert_eq!((answer.rcode, answer.option(10)), (code, Some(&learnt[..])), "{what}");
    }
    let notify = with_cookie("example.test", 6, 4);
    assert_eq!(ask(server.dns(), &notify).option(10), Some(&learnt[..]));
}

#[test]
fn what_is_passed_on_is_limited_like_errors_and_over_tcp_not() {
    let server = TestServer::start(&limited("rate = 1\nslip = 0"));
    let notify = |options: &[u8]| {
        let mut message = query("example.test", 6, IN, &opt(0, options));
        message[2] = 4 << 3;
        message
    };
    let sent = |message: &[u8]| {
        let socket = UdpSocket::bind((HERE, 0)).unwrap();
        let counted = || {
            let counters = server.status().counters;
            (counters.passed_on + counters.pass_on_failed, counters.rrl_dropped)
        };
        let before = counted();
        for _ in 0..100 {
            socket.send_to(message, server.dns().0).unwrap();
        }
        wait("each is passed on or dropped", || {
            let (passed_on, dropped) = counted();
            passed_on - before.0 + dropped - before.1 == 100
        });
        counted().0 - before.0
    };
    let learnt = ask(server.dns(), &asking(&cookie(b"8 octets"))).option(10).unwrap().to_vec();
    let passed_on = sent(&notify(&[]));
    assert!((1..=30).contains(&passed_on), "{passed_on}");
    assert_eq!(ask_tcp(server.dns(), &notify(&[])).rcode, 9, "NOTAUTH: TCP has no forged addresses");
    assert_eq!(sent(&notify(&cookie(&learnt))), 100, "nor has who has a good cookie");
    server.reload(&limited("rate = 1\nslip = 1"));
    assert_eq!(sent(&notify(&[])), 100, "errors slip as they are");
    server.reload(&format!("[rrl]\nrate = 1\n{ZONE}"));
    assert_eq!(sent(&notify(&[])), 100, "loopback is exempt by default");
}

/// A zone for clients of one network, an alias into it from a zone for everybody, and a zone for nobody.
const LISTED: &str = r#"
[[zones]]
name = "inner.test"
allow_query = ["127.0.1.0/24", "2001:db8::/32"]
records = ["@ 60 SOA ns1 hostmaster 1 2 3 4 5", "@ 60 NS ns1", "ns1 60 A 192.0.2.53"]
[[zones]]
name = "nobody.test"
allow_query = []
records = ["@ 60 SOA ns1 hostmaster 1 2 3 4 5", "@ 60 NS ns1", "ns1 60 A 192.0.2.53"]
[[zones]]
name = "outer.test"
records = ["@ 60 SOA ns1 hostmaster 1 2 3 4 5", "@ 60 NS ns1", "alias 60 CNAME ns1.inner.test.", "@ 60 MX 1 ns1.inner.test."]
"#;

/// Sends a query from an address; gives the answer.
#[track_caller]
fn exchange_from(server: &TestServer, from: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.connect(server.dns().0).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.send(message).unwrap();
    let mut answer = vec![0; 1500];
    let length = socket.recv(&mut answer).unwrap();
    answer.truncate(length);
    answer
}

/// Asks for an address from an address; gives code, number of answers, and the Extended DNS Error's code.
#[track_caller]
fn ask_from(server: &TestServer, from: Ipv4Addr, name: &str) -> (u16, u8, Option<u8>) {
    let seen = Seen::read(&exchange_from(server, from, &query(name, A, IN, &opt(0, &[]))));
    (seen.rcode, seen.answers, seen.option(15).map(|data| data[1]))
}

#[test]
fn clients_outside_a_zones_list_are_refused() {
    let server = TestServer::start(LISTED);
    for (from, name, expected) in [
        (ELSEWHERE, "ns1.inner.test", (0, 1, None)),
        (HERE, "ns1.inner.test", (5, 0, Some(18))),
        (HERE, "missing.inner.test", (5, 0, Some(18))),
        (HERE, "ns1.nobody.test", (5, 0, Some(18))),
        (ELSEWHERE, "ns1.nobody.test", (5, 0, Some(18))),
        (HERE, "elsewhere.test", (5, 0, None)),
        // The chain ends where it enters the zone.
        (ELSEWHERE, "alias.outer.test", (0, 2, None)),
        (HERE, "alias.outer.test", (0, 1, None)),
    ] {
        assert_eq!(ask_from(&server, from, name), expected, "{from} asks for {name}");
    }
    // Neither do additional addresses tell what is in the zone: OPT is alone, or not.
    let additionals = |from: Ipv4Addr| exchange_from(&server, from, &query("outer.test", 15, IN, &opt(0, &[])))[11];
    assert_eq!((additionals(HERE), additionals(ELSEWHERE)), (1, 2));
    assert_eq!(ask_tcp(server.dns(), &query("ns1.inner.test", A, IN, b"")).rcode, 5, "over TCP, too");
    assert_eq!(server.status().counters.prohibited, 5);
    // The list alone changes.
    server.reload(&LISTED.replace("127.0.1.0/24", "127.0.0.0/24"));
    assert_eq!(ask_from(&server, HERE, "ns1.inner.test"), (0, 1, None));
    assert_eq!(ask_from(&server, ELSEWHERE, "ns1.inner.test"), (5, 0, Some(18)));
    server.reload(&LISTED.replace("allow_query", "# allow_query"));
    assert_eq!(ask_from(&server, ELSEWHERE, "ns1.nobody.test"), (0, 1, None), "by default, everybody");
}
