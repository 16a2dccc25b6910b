//! Knot DNS and NSD as secondaries: they start from nothing, hear of changes, and follow live names.

use hickory_proto::rr::RecordType;

use super::secondary::{KEY, Program, Secondary, free_port};
use crate::harness::origin::load_balancer;
use crate::harness::tools::installed;
use crate::harness::{Behaviour, Dns, Site, TestServer, addresses, question, records, wait, wait_for};

/// The zone.
const ZONE: &str = "example.test.";
/// A monitor that probes often, and waits no longer than it must on a busy machine.
const QUICK: &str = "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0";

/// A zone that a server on `port` may copy, and is told of; `more` are further records.
fn zone(serial: &str, port: u16, more: &str) -> String {
    let (key, algorithm, secret) = KEY;
    format!(
        "
[[keys]]
name = \"{key}\"
algorithm = \"{algorithm}\"
secret = \"{secret}\"
[[zones]]
name = \"example.test\"
serial = \"{serial}\"
allow_transfer = [{{ address = \"127.0.0.0/8\", key = \"{key}\" }}]
notify = [{{ address = \"127.0.0.1:{port}\", key = \"{key}\" }}]
records = [
  \"@ 3600 NS ns1\",
  \"@ 300 MX 10 mail\",
  \"ns1 3600 A 192.0.2.53\",
  \"*.wild 60 TXT stars\",
  \"a.deep.ent 60 AAAA 2001:db8::1\",
{more}
]
"
    )
}

/// Records with a serial.
fn with_serial(serial: u32, more: &str) -> String {
    format!("  \"@ 3600 SOA ns1 hostmaster {serial} 7200 900 1209600 300\",\n{more}")
}

/// The serial that we answer with.
fn our_serial(server: &TestServer) -> u32 {
    server.status().zones[0].serial.unwrap()
}

/// Waits until a secondary has our serial, and compares what both answer.
#[track_caller]
fn expect_copy(server: &TestServer, secondary: &Secondary, questions: &[(&str, RecordType)]) {
    wait("the copy", || secondary.serial(ZONE) == Some(our_serial(server)));
    for (name, rtype) in questions {
        let ask = |dns: Dns| {
            let answer = dns.ask(&question(name, *rtype));
            (answer.metadata.response_code, records(&answer.answers))
        };
        // NSD loads a copy into a new process, and the old one answers a while longer.
        wait_for(&ask(server.dns()), || ask(Dns(secondary.address)));
    }
}

/// A secondary starts from nothing, hears of a reload, and takes the difference.
fn follows_reloads(program: Program) {
    if !installed(program.executable()) {
        return;
    }
    let port = free_port();
    let config = |serial, more: &str| zone("records", port, &with_serial(serial, more));
    let server = TestServer::start(&config(7, "  \"old 60 A 192.0.2.1\","));
    let secondary = Secondary::start(program, port, ZONE, server.dns().0);
    let questions = [
        (ZONE, RecordType::SOA),
        (ZONE, RecordType::NS),
        (ZONE, RecordType::MX),
        ("a.deep.ent.example.test.", RecordType::AAAA),
        ("ent.example.test.", RecordType::A),
        ("x.wild.example.test.", RecordType::TXT),
        ("old.example.test.", RecordType::A),
        ("new.example.test.", RecordType::TXT),
    ];
    expect_copy(&server, &secondary, &questions);
    assert_eq!(our_serial(&server), 7);

    server.reload(&config(8, "  \"new 60 TXT now\",\n  \"old 60 A 192.0.2.2\","));
    expect_copy(&server, &secondary, &questions);
    assert_eq!(secondary.serial(ZONE), Some(8));
    // It heard of the change, long before it would have asked, and took the difference alone.
    let is_difference = |line: &String| line.contains("\"kind\":\"IXFR\"") && line.contains("\"serial\":8");
    wait("IXFR", || server.log().iter().any(is_difference));
    wait("an answer to NOTIFY", || server.status().counters.notifies_answered > 0);
    assert_eq!(server.status().counters.tsig_rejected, 0);

    // Nobody would notice a change under the same serial: it is said.
    let is_said = || server.log().iter().any(|line| line.contains("the serial did not grow"));
    assert!(!is_said());
    server.reload(&config(8, "  \"new 60 TXT later\",\n  \"old 60 A 192.0.2.2\","));
    wait("the warning", is_said);
}

#[test]
fn knot_follows_reloads() {
    follows_reloads(Program::Knot);
}

#[test]
fn nsd_follows_reloads() {
    follows_reloads(Program::Nsd);
}

/// A secondary has the healthy addresses, under serials of ours.
fn follows_health(program: Program) {
    if !installed(program.executable()) {
        return;
    }
    let port = free_port();
    let site = Site::http(2);
    let live = format!(
        "{}{}{}",
        site.monitor("web", "http", QUICK),
        site.pool("web", "web"),
        load_balancer("www.example.test", &["web"])
    );
    let objects = format!("{}{live}", zone("auto", port, &with_serial(7, "  \"www 60 TXT beside\",")));
    let server = TestServer::start(&objects);
    let secondary = Secondary::start(program, port, ZONE, server.dns().0);
    let www = [("www.example.test.", RecordType::TXT), (ZONE, RecordType::SOA)];
    expect_copy(&server, &secondary, &www);
    let copied = || addresses(&Dns(secondary.address).ask(&question("www.example.test.", RecordType::A)));
    assert_eq!(copied(), site.addresses());
    let before = our_serial(&server);
    assert!(before > 1_700_000_000, "seconds since 1970: {before}");

    site.origins[0].set(Behaviour::Error500);
    wait_for(&site.addresses()[1..].to_vec(), copied);
    assert!(our_serial(&server) > before);
    site.origins[0].set(Behaviour::Ok);
    wait_for(&site.addresses(), copied);
    expect_copy(&server, &secondary, &www);
}

#[test]
fn knot_follows_health() {
    follows_health(Program::Knot);
}

#[test]
fn nsd_follows_health() {
    follows_health(Program::Nsd);
}
