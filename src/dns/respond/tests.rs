//! What is said, section by section, to questions of a small world.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use super::*;
use crate::dns::engine::Transport;
use crate::model::id::{PoolId, ZoneId};
use crate::model::kept::Kept;
use crate::model::lever::LeverAction;
use crate::model::load_balancer::{Answers, SteeringPolicy};
use crate::model::name::Name;
use crate::model::pool::{Origin, Pool, SLOW_START_STEPS, Weight};
use crate::model::rrset::{Record, Rtype};
use crate::model::verdict::Verdict;
use crate::model::zone::Zone;
use crate::spec::record;
use crate::steering::compile::{LiveAnswer, Patience, Steering, compile};
use crate::steering::select::{Judgement, PoolHealth};
use crate::steering::table::Slot;
use crate::wire::query::HEADER_OCTETS;

/// A name relative to `example.com`.
fn name(text: &str) -> Name {
    Name::parse(text, Some(&Name::parse("example.com", None).unwrap())).unwrap()
}

/// A zone of lines, with SOA and NS.
fn zone(apex: &str, lines: &[&str]) -> Arc<Zone> {
    let apex = Name::parse(apex, None).unwrap();
    let own = ["@ 600 SOA ns hostmaster 1 7200 900 1209600 300", "@ NS ns"];
    let records = own.iter().chain(lines).map(|line| record::parse(line, &apex, 3600).unwrap()).collect();
    Arc::new(Zone::try_new(ZoneId::declared(&apex.to_string()), apex, records).unwrap())
}

/// A pool without a monitor.
struct Unchecked(Pool);

impl PoolHealth for Unchecked {
    fn pool(&self) -> &Pool {
        &self.0
    }
    fn lever(&self) -> Option<LeverAction> {
        None
    }
    fn origin_lever(&self, _: usize) -> Option<LeverAction> {
        None
    }
    fn addresses(&self, origin: usize) -> impl Iterator<Item = (IpAddr, Judgement)> {
        let judgement = Judgement { verdict: None, steps: SLOW_START_STEPS };
        self.0.origins[origin].address.ip().map(|address| (address, judgement)).into_iter()
    }
    fn origin_verdict(&self, _: usize) -> Option<Verdict> {
        None
    }
    fn considers_health(&self) -> bool {
        false
    }
}

/// The slot of a load balancer of TTL 30 over these addresses; without any it is not ready.
fn slot(addresses: &[&str]) -> Arc<Slot> {
    if addresses.is_empty() {
        return Arc::new(Slot::new(LiveAnswer::NotReady, 30));
    }
    let origin = |address: &&str| Origin {
        name: (*address).to_owned(),
        address: address.parse::<IpAddr>().unwrap().into(),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    let id = PoolId::declared("p");
    let pool = Unchecked(Pool {
        id,
        name: "p".into(),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: std::time::Duration::ZERO,
        monitor: None,
        monitor_group: None,
        origins: addresses.iter().map(origin).collect(),
        kept: Kept::default(),
    });
    let steering = Steering {
        policy: SteeringPolicy::Off,
        default_pools: vec![id],
        fallback_pool: id,
        ttl: 30,
        answers: Answers::All,
    };
    Arc::new(Slot::new(compile(&steering, &[&pool], &pool, Patience::Over), 30))
}

/// A table with `example.com` of these lines, and live names below it.
fn table(lines: &[&str], live: &[(&str, &[&str])]) -> RecordTable {
    let mut table = RecordTable::new(5);
    table.put_zone(zone("example.com", lines));
    for (owner, addresses) in live {
        table.set_slot(&name("@"), &name(owner), Some(slot(addresses)));
    }
    table
}

/// Reads a name that may end in a pointer; gives what it is and where it ends.
fn read_name(octets: &[u8], mut at: usize) -> (Name, usize) {
    let (mut wire, mut end) = (Vec::new(), None);
    loop {
        let length = usize::from(octets[at]);
        match length {
            0 => break,
            0xc0.. => {
                end = end.or(Some(at + 2));
                at = (length & 0x3f) << 8 | usize::from(octets[at + 1]);
            }
            _ => {
                wire.extend_from_slice(&octets[at..=at + length]);
                at += 1 + length;
            }
        }
    }
    wire.push(0);
    (Name::from_wire(&wire).unwrap(), end.unwrap_or(at + 1))
}

/// Who asks.
const CLIENT: Client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport: Transport::Udp };

/// Asks over UDP within a size; gives code and flags, then each record with its section.
fn ask_within(table: &RecordTable, size: usize, question: &str) -> Vec<String> {
    ask_as(&CLIENT, table, size, question)
}

/// Asks as a client, likewise.
fn ask_as(client: &Client, table: &RecordTable, size: usize, question: &str) -> Vec<String> {
    let (owner, rtype) = question.split_once(' ').unwrap();
    let number = |(name, number): (&str, u16)| (name == rtype).then_some(number);
    let types = [("A", 1), ("NS", 2), ("CNAME", 5), ("SOA", 6), ("MX", 15), ("TXT", 16), ("AAAA", 28), ("SRV", 33)];
    let more = [("DNAME", 39), ("DS", 43), ("SVCB", 64), ("HTTPS", 65), ("ANY", 255)];
    let qtype = types.into_iter().chain(more).find_map(number).unwrap();
    let wire = name(owner).wire().to_vec();
    let question = [&wire, &qtype.to_be_bytes()[..], &[0, 1]].concat();
    let octets = [&[0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], &question].concat();
    let (mut qname, mut target) = (HashedName::default(), HashedName::default());
    let read = qname.read(&question, table.hashing());
    let query = Query::parse(&octets, read.ok()).unwrap();
    let mut buffer = vec![0; size];
    let mut message = Message::start(&mut buffer, size, query.question, 0).unwrap();
    let names = (&qname, &mut target);
    let answer = respond(table, &mut message, &query, names, client, 7, &Counters::default());
    if answer.truncated {
        message.clear(true);
    }
    let len = message.finish(query.header, answer.rcode, answer.authoritative, None);
    let sent = &buffer[..len];
    let flags = [("aa", sent[2] & 4), ("tc", sent[2] & 2)].map(|(flag, bit)| if bit > 0 { flag } else { "" });
    let mut said = vec![format!("{:?} {}", answer.rcode, flags.concat()).trim_end().to_owned()];
    let mut at = HEADER_OCTETS + query.question.len();
    for (section, count) in [("an", 6), ("ns", 8), ("ar", 10)] {
        for _ in 0..u16::from_be_bytes([sent[count], sent[count + 1]]) {
            let (owner, head) = read_name(sent, at);
            let field = |at: usize| u16::from_be_bytes([sent[at], sent[at + 1]]);
            let rdata = head + 10..head + 10 + usize::from(field(head + 8));
            at = rdata.end;
            let ttl = u32::from(field(head + 4)) << 16 | u32::from(field(head + 6));
            let record = Record { owner, rtype: Rtype(field(head)), ttl, rdata: sent[rdata].to_vec() };
            said.push(format!("{section} {}", record::build(&record, &name("@"))));
        }
    }
    assert_eq!(at, len, "counts and records agree");
    said
}

/// Asks without a limit that matters.
fn ask(table: &RecordTable, question: &str) -> Vec<String> {
    ask_within(table, 65_535, question)
}

/// Checks what is said to several questions; parts are separated by a bar.
fn check(table: &RecordTable, cases: &[(&str, &str)]) {
    for (question, expected) in cases {
        let expected: Vec<&str> = expected.split('|').map(str::trim).collect();
        assert_eq!(ask(table, question), expected, "{question}");
    }
}

const SOA: &str = "ns @ 300 SOA ns.example.com. hostmaster.example.com. 1 7200 900 1209600 300";

#[test]
fn rfc1034_section_4_3_2_referrals_with_glue() {
    let lines = [
        "sub NS ns.sub",
        "sub NS ns.other",
        "sub NS ns.far.example.net.",
        "sub NS ns",
        "sub A 192.0.2.99",
        "ns.sub A 192.0.2.1",
        "ns.sub AAAA 2001:db8::1",
        "www.sub A 192.0.2.2",
        "*.sub TXT never",
        "other NS ns.other",
        "ns.other A 192.0.2.3",
        "ns A 192.0.2.4",
        "alias CNAME www.sub",
        "self NS self",
        "self A 192.0.2.5",
        "bare NS ns.bare",
    ];
    let table = table(&lines, &[]);
    // In the order of their data: by the lengths of the second labels.
    let referral = "NoError | ns sub 3600 NS ns.far.example.net. | ns sub 3600 NS ns.sub.example.com. \
        | ns sub 3600 NS ns.other.example.com. | ns sub 3600 NS ns.example.com. \
        | ar ns.sub 3600 A 192.0.2.1 | ar ns.sub 3600 AAAA 2001:db8::1 \
        | ar ns.other 3600 A 192.0.2.3 | ar ns 3600 A 192.0.2.4";
    for question in ["www.sub A", "sub A", "sub NS", "sub ANY", "sub MX", "x.y.sub TXT", "ns.sub A", "a.sub DS"] {
        check(&table, &[(question, referral)]);
    }
    // AA speaks of the first owner, which is ours.
    let chained = referral.replace("NoError |", "NoError aa | an alias 3600 CNAME www.sub.example.com. |");
    check(&table, &[("alias A", &chained)]);
    check(
        &table,
        &[
            ("self MX", "NoError | ns self 3600 NS self.example.com. | ar self 3600 A 192.0.2.5"),
            ("bare A", "NoError | ns bare 3600 NS ns.bare.example.com."),
        ],
    );
}

#[test]
fn rfc4035_section_3_1_4_1_ds_at_a_cut() {
    let mut table = table(&["sub NS ns", "signed NS ns", "signed DS 1 8 2 AABB"], &[]);
    let ds = "NoError aa | an signed 3600 DS 1 8 2 AABB";
    check(&table, &[("sub DS", &format!("NoError aa | {SOA}")), ("signed DS", ds)]);
    // The child served beside its parent changes nothing; without the parent it has no data.
    table.put_zone(zone("signed.example.com", &[]));
    check(&table, &[("signed DS", ds)]);
    table.remove_zone(&name("@"));
    let soa = "ns signed 300 SOA ns.signed.example.com. hostmaster.signed.example.com. 1 7200 900 1209600 300";
    check(&table, &[("signed DS", &format!("NoError aa | {soa}"))]);
}

#[test]
fn rfc9471_section_3_1_glue_that_does_not_fit_is_truncation() {
    let mut lines = vec!["sub NS ns.sub".to_owned(), "sub NS ns.other".into(), "other NS ns.other".into()];
    lines.extend((1..9).map(|n| format!("ns.sub A 192.0.2.{n}")));
    lines.extend((1..9).map(|n| format!("ns.other A 192.0.2.{n}")));
    let table = table(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let whole = ask(&table, "www.sub A");
    assert_eq!(whole.len(), 1 + 2 + 16);
    // Header and question 37, NS records 32 and 34, eight addresses of 16 each.
    let with_glue = 37 + 32 + 34 + 8 * 16;
    assert_eq!(ask_within(&table, with_glue + 8 * 16, "www.sub A"), whole);
    // A sibling's addresses are left out as a whole, and nobody is told.
    assert_eq!(ask_within(&table, with_glue + 8 * 16 - 1, "www.sub A"), whole[..11]);
    assert_eq!(ask_within(&table, with_glue, "www.sub A"), whole[..11]);
    assert_eq!(ask_within(&table, with_glue - 1, "www.sub A"), ["NoError tc"]);
}

#[test]
fn rfc1035_section_4_1_4_glue_of_names_that_no_pointer_reaches_is_spelled_out() {
    /// Servers whose names alone take 19 KiB.
    const SERVERS: usize = 90;
    let host = |n| format!("n{n}.{}.{}.{}.sub", "a".repeat(60), "b".repeat(60), "c".repeat(60));
    let lines: Vec<String> =
        (0..SERVERS).flat_map(|n| [format!("sub NS {}", host(n)), format!("{} A 192.0.2.{n}", host(n))]).collect();
    let table = table(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let tcp = Client { transport: Transport::Tcp, ..CLIENT };
    let referral = ask_as(&tcp, &table, 65_535, "www.sub A");
    let mut glue = referral[1 + SERVERS..].to_vec();
    let mut expected: Vec<String> = (0..SERVERS).map(|n| format!("ar {} 3600 A 192.0.2.{n}", host(n))).collect();
    glue.sort();
    expected.sort();
    assert_eq!((referral[0].as_str(), glue), ("NoError", expected));
    // What has no room for all of it says so.
    assert_eq!(ask_as(&tcp, &table, 20_500, "www.sub A"), ["NoError tc"]);
}

#[test]
fn rfc6672_section_3_2_dname() {
    let lines = [
        "d 60 DNAME t",
        "d TXT own",
        "hidden.d A 192.0.2.1",
        "www.t A 192.0.2.2",
        "x.d2 A 192.0.2.3",
        "alias CNAME www.d",
        "loop DNAME loop",
        "ping DNAME pong",
        "pong DNAME ping",
        "deeper DNAME a.deeper",
        "away DNAME example.net.",
        "cut.t NS ns.example.net.",
    ];
    let table = table(&lines, &[]);
    let d = "an d 60 DNAME t.example.com.";
    check(
        &table,
        &[
            ("d TXT", "NoError aa | an d 3600 TXT \"own\""),
            ("d DNAME", &format!("NoError aa | {d}")),
            ("d A", &format!("NoError aa | {SOA}")),
            (
                "www.d A",
                &format!("NoError aa | {d} | an www.d 60 CNAME www.t.example.com. | an www.t 3600 A 192.0.2.2"),
            ),
            // Names below are occluded, and types make no difference.
            ("hidden.d A", &format!("NxDomain aa | {d} | an hidden.d 60 CNAME hidden.t.example.com. | {SOA}")),
            ("www.d TXT", &format!("NoError aa | {d} | an www.d 60 CNAME www.t.example.com. | {SOA}")),
            // The CNAME is what was asked for, whether or not its target exists.
            ("hidden.d CNAME", &format!("NoError aa | {d} | an hidden.d 60 CNAME hidden.t.example.com.")),
            (
                "alias A",
                &format!(
                    "NoError aa | an alias 3600 CNAME www.d.example.com. | {d} | an www.d 60 CNAME www.t.example.com. \
                     | an www.t 3600 A 192.0.2.2"
                ),
            ),
            ("a.away A", "NoError aa | an away 3600 DNAME example.net. | an a.away 3600 CNAME a.example.net."),
            (
                "x.cut.d A",
                &format!(
                    "NoError aa | {d} | an x.cut.d 60 CNAME x.cut.t.example.com. | ns cut.t 3600 NS ns.example.net."
                ),
            ),
            (
                "x.loop A",
                "NoError aa | an loop 3600 DNAME loop.example.com. | an x.loop 3600 CNAME x.loop.example.com.",
            ),
            (
                "x.ping A",
                "NoError aa | an ping 3600 DNAME pong.example.com. | an x.ping 3600 CNAME x.pong.example.com. \
                 | an pong 3600 DNAME ping.example.com. | an x.pong 3600 CNAME x.ping.example.com.",
            ),
        ],
    );
    // The DNAME is there once, and the chain has an end: 17 CNAME records, as with any other chain.
    let deeper = ask(&table, "x.deeper A");
    assert_eq!(deeper.iter().filter(|line| line.contains(" DNAME ")).count(), 1);
    assert_eq!(deeper.len(), 1 + 1 + 17);
}

#[test]
fn rfc6672_section_2_2_a_name_that_gets_too_long_is_yxdomain() {
    let long = ["a".repeat(63), "b".repeat(63), "c".repeat(60)].join(".");
    let table = table(&[&format!("d DNAME {long}")], &[]);
    // 189 octets of labels, 13 of the zone, and 53 are left.
    let fits = ask(&table, &format!("{}.d A", "x".repeat(52)));
    assert_eq!((fits[0].as_str(), fits.len()), ("NxDomain aa", 4));
    assert!(fits[2].contains(" CNAME "));
    let too_long = ask(&table, &format!("{}.d A", "x".repeat(53)));
    assert_eq!((too_long[0].as_str(), too_long.len()), ("YxDomain aa", 2));
    assert!(too_long[1].contains(" DNAME "));
}

#[test]
fn a_dname_at_the_apex() {
    let mut table = table(&["www A 192.0.2.1"], &[]);
    table.put_zone(zone("example.net", &["@ DNAME example.com.", "www A 192.0.2.9"]));
    check(
        &table,
        &[(
            "www.example.net. A",
            "NoError aa | an example.net. 3600 DNAME example.com. | an www.example.net. 3600 CNAME www.example.com. \
             | an www 3600 A 192.0.2.1",
        )],
    );
    assert_eq!(ask(&table, "example.net. NS").len(), 2);
}

#[test]
fn rfc1034_section_4_3_2_step_6_additional_addresses() {
    let lines = [
        "@ MX 10 mail",
        "@ MX 20 MAIL",
        "@ MX 30 live",
        "@ MX 40 alias",
        "@ MX 50 host.sub",
        "@ MX 60 mail.example.net.",
        "@ MX 70 unready",
        "ns A 192.0.2.53",
        "mail A 192.0.2.1",
        "mail AAAA 2001:db8::1",
        "alias CNAME mail",
        "sub NS ns",
        "host.sub A 192.0.2.9",
        "_s._tcp SRV 0 0 80 any.wild",
        "*.wild A 192.0.2.7",
        "none MX 0 .",
        "to CNAME example.com.",
    ];
    let live: [(&str, &[&str]); 2] = [("live", &["192.0.2.80", "2001:db8::80"]), ("unready", &[])];
    let table = table(&lines, &live);
    let ar = "ar mail 3600 A 192.0.2.1 | ar mail 3600 AAAA 2001:db8::1 | ar live 30 A 192.0.2.80 \
        | ar live 30 AAAA 2001:db8::80";
    for question in ["@ MX", "to MX"] {
        let said = ask(&table, question);
        let (_, tail) = said.split_at(said.len().saturating_sub(4));
        assert_eq!(tail, ar.split('|').map(str::trim).collect::<Vec<_>>(), "{question}");
    }
    check(
        &table,
        &[
            ("@ NS", "NoError aa | an @ 3600 NS ns.example.com. | ar ns 3600 A 192.0.2.53"),
            (
                "_s._tcp SRV",
                "NoError aa | an _s._tcp 3600 SRV 0 0 80 any.wild.example.com. | ar any.wild 3600 A 192.0.2.7",
            ),
            ("none MX", "NoError aa | an none 3600 MX 0 ."),
            // RFC 2181 §5.4.1: glue answers nothing.
            ("host.sub A", "NoError | ns sub 3600 NS ns.example.com. | ar ns 3600 A 192.0.2.53"),
        ],
    );
    // RFC 2181 §9: what does not fit is left out without TC, an RRset at a time. Header and question 29, NS 28.
    for (size, records) in [(29 + 28 + 16, 2), (29 + 28 + 15, 1)] {
        let said = ask_within(&table, size, "@ NS");
        assert_eq!((said.len() - 1, said[0].as_str()), (records, "NoError aa"), "{size}");
    }
}

#[test]
fn additional_names_have_a_limit() {
    let mut lines: Vec<String> = (0..40).map(|n| format!("@ MX {n} m{n}")).collect();
    lines.extend((0..40).map(|n| format!("m{n} A 192.0.2.{n}")));
    let table = table(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    assert_eq!(ask(&table, "@ MX").iter().filter(|line| line.starts_with("ar")).count(), 32);
    // Glue has none.
    let mut lines: Vec<String> = (0..40).map(|n| format!("sub NS m{n}.sub")).collect();
    lines.extend((0..40).map(|n| format!("m{n}.sub A 192.0.2.{n}")));
    let table = self::table(&lines.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    assert_eq!(ask(&table, "sub NS").iter().filter(|line| line.starts_with("ar")).count(), 40);
}

#[test]
fn rfc9460_section_7_3_hints_follow_health() {
    let lines = [
        "live HTTPS 1 . alpn=h2 ipv4hint=auto ipv6hint=auto port=8443",
        "svc HTTPS 1 live ipv4hint=auto ipv6hint=auto",
        "svc HTTPS 2 mail ipv6hint=auto",
        "svc HTTPS 3 mail ipv6hint=2001:db8::5",
        "fixed HTTPS 1 mail ipv4hint=auto ipv6hint=auto",
        "far HTTPS 1 www.example.net. ipv4hint=auto alpn=h3",
        "early HTTPS 1 unready ipv4hint=auto",
        "alone HTTPS 1 . ipv4hint=auto",
        "alias HTTPS 0 live",
        "nothing HTTPS 0 .",
        "*.wild HTTPS 1 . ipv4hint=auto",
        "*.wild A 192.0.2.6",
        "mail A 192.0.2.1",
    ];
    let live: [(&str, &[&str]); 2] = [("live", &["192.0.2.80", "2001:db8::80"]), ("unready", &[])];
    let table = table(&lines, &live);
    let both = "ar live 30 A 192.0.2.80 | ar live 30 AAAA 2001:db8::80";
    let mail = "ar mail 3600 A 192.0.2.1";
    let live_hints = "ipv4hint=192.0.2.80 ipv6hint=2001:db8::80";
    check(
        &table,
        &[
            ("live HTTPS", &format!("NoError aa | an live 30 HTTPS 1 . alpn=h2 port=8443 {live_hints} | {both}")),
            // One TTL for the RRset, the shortest.
            (
                "svc HTTPS",
                &format!(
                    "NoError aa | an svc 30 HTTPS 1 live.example.com. {live_hints} | an svc 30 HTTPS 2 mail.example.com. \
                     | an svc 30 HTTPS 3 mail.example.com. ipv6hint=2001:db8::5 | {both} | {mail}"
                ),
            ),
            (
                "fixed HTTPS",
                &format!("NoError aa | an fixed 3600 HTTPS 1 mail.example.com. ipv4hint=192.0.2.1 | {mail}"),
            ),
            ("far HTTPS", "NoError aa | an far 3600 HTTPS 1 www.example.net. alpn=h3"),
            ("early HTTPS", "NoError aa | an early 30 HTTPS 1 unready.example.com."),
            ("alone HTTPS", "NoError aa | an alone 3600 HTTPS 1 ."),
            ("alias HTTPS", &format!("NoError aa | an alias 3600 HTTPS 0 live.example.com. | {both}")),
            ("nothing HTTPS", "NoError aa | an nothing 3600 HTTPS 0 ."),
            ("a.wild HTTPS", "NoError aa | an a.wild 3600 HTTPS 1 . ipv4hint=192.0.2.6 | ar a.wild 3600 A 192.0.2.6"),
            // RFC 8482: ANY adds nothing, and an empty hint never leaves.
            ("fixed ANY", "NoError aa | an fixed 3600 HTTPS 1 mail.example.com. ipv4hint=192.0.2.1"),
        ],
    );
}

#[test]
fn rfc8482_section_4_1_any_over_tcp_gives_what_fits() {
    let table = table(
        &[
            "many A 192.0.2.1",
            "many AAAA 2001:db8::1",
            "many TXT text",
            "hints HTTPS 1 many ipv4hint=auto",
            "hints A 192.0.2.1",
        ],
        &[],
    );
    let client = Client { transport: Transport::Tcp, ..CLIENT };
    let any = |owner: &str, size| ask_as(&client, &table, size, &format!("{owner} ANY"));
    let everything = any("many", 65_535);
    assert_eq!(everything.len(), 4);
    // Header, question, and then records of 16, 28 and 17 octets, of which one more fits each time.
    let question = 12 + name("many").wire().len() + 4;
    let sizes: Vec<usize> = (1..=61).map(|more| any("many", question + more).len()).collect();
    assert!(sizes.is_sorted() && sizes.last() == Some(&4), "{sizes:?}");
    for (more, said) in (1..=61).map(|more| (more, any("many", question + more))) {
        let is_truncated = said[0] == "NoError aatc";
        assert_eq!(is_truncated, said.len() == 1, "{more}: {said:?}");
        assert!(is_truncated || everything.starts_with(&said), "{more}: {said:?}");
    }
    // A record that is put together piece by piece leaves nothing behind.
    let whole = any("hints", 65_535);
    assert_eq!(whole.len(), 3);
    let question = 12 + name("hints").wire().len() + 4;
    for more in 16..60 {
        let said = any("hints", question + more);
        assert!(whole.starts_with(&said) && said.len() > 1, "{more}: {said:?}");
    }
}

#[test]
fn rfc2308_section_5_negative_answers() {
    let mut table =
        table(&["www A 192.0.2.1", "out CNAME nobody.example.net."], &[("live", &["192.0.2.80"]), ("unready", &[])]);
    let net = "ns example.net. 300 SOA ns.example.net. hostmaster.example.net. 1 7200 900 1209600 300";
    let short = SOA.replace(" 300 SOA", " 30 SOA");
    table.put_zone(zone("example.net", &[]));
    check(
        &table,
        &[
            ("www TXT", &format!("NoError aa | {SOA}")),
            ("nobody A", &format!("NxDomain aa | {SOA}")),
            // The zone at the end of the chain denies.
            ("out A", &format!("NxDomain aa | an out 3600 CNAME nobody.example.net. | {net}")),
            // Recovery does not hide behind a long negative TTL, whether the name is ready or not.
            ("live AAAA", &format!("NoError aa | {short}")),
            ("live TXT", &format!("NoError aa | {short}")),
            ("unready TXT", &format!("NoError aa | {short}")),
            ("unready A", "ServFail"),
        ],
    );
}
