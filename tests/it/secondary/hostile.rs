//! Primaries that fail, lie or shout, and what their zones take from our load balancers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use hickory_proto::op::{OpCode, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, NS, NULL};
use hickory_proto::rr::{Name, RData, RecordType};
use hickory_proto::serialize::binary::BinEncodable;

use super::fake::{Fake, record};
use super::primary::{APEX, free_port};
use super::{logged, serial, zone};
use crate::harness::origin::load_balancer;
use crate::harness::{TestServer, question, wait, wait_for};

/// Refreshed every second, and good for long.
const TIMES: [i32; 3] = [1, 1, 1000];
/// Refreshed by NOTIFY only.
const SELDOM: [i32; 3] = [10_000, 10_000, 90_000];

/// A configuration with the zone of these primaries; `more` are further keys of it.
fn objects(primaries: &[SocketAddr], store: &std::path::Path, more: &str) -> String {
    let primaries: Vec<String> = primaries.iter().map(SocketAddr::to_string).collect();
    format!(
        "[store]\npath = \"{}\"\n[[zones]]\nname = \"{APEX}\"\nprimaries = {primaries:?}\n{more}\n",
        store.display()
    )
}

#[test]
fn a_flood_of_notify_is_one_query_a_second() {
    let fake = Fake::start(1, SELDOM);
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&[fake.address], store.path(), ""));
    wait_for(&Ok(1), || serial(&server));
    let mut notify = question(&format!("{APEX}."), RecordType::SOA);
    notify.metadata.op_code = OpCode::Notify;
    let (before, begun) = (fake.soas(), Instant::now());
    let mut sent = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        let answer = server.dns().ask(&notify);
        assert_eq!(answer.metadata.response_code, ResponseCode::NoError);
        sent += 1;
    }
    // The first one is followed at once. What has been asked is counted before the time is taken.
    let asked = u64::from(fake.soas() - before);
    let allowed = begun.elapsed().as_secs() + 1;
    assert!((2..=allowed).contains(&asked), "{asked} queries for {sent} NOTIFYs, allowed are {allowed}");
    assert!(sent > 100, "{sent} NOTIFYs are no flood");
    // Nothing is lost by that: the last change comes.
    fake.edit(|zone| zone.serial = 2);
    server.dns().ask(&notify);
    wait_for(&Ok(2), || serial(&server));
}

#[test]
fn the_second_primary_is_asked_when_the_first_one_fails() {
    let (refusing, good) = (Fake::start(9, TIMES), Fake::start(4, TIMES));
    refusing.edit(|zone| zone.rcode = ResponseCode::Refused);
    let nobody = (Ipv4Addr::LOCALHOST, free_port()).into();
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&[nobody, refusing.address, good.address], store.path(), ""));
    wait_for(&Ok(4), || serial(&server));
    wait("the primary that gave it", || zone(&server).1.primary == Some(good.address));
    assert_eq!(zone(&server).1.failure, None);
    good.edit(|zone| zone.serial = 5);
    wait_for(&Ok(5), || serial(&server));
    assert!(refusing.soas() > 0, "it was asked first");
    // One that has recovered counts again.
    refusing.edit(|zone| zone.rcode = ResponseCode::NoError);
    wait_for(&Ok(9), || serial(&server));
    wait("the first primary", || zone(&server).1.primary == Some(refusing.address));
}

#[test]
fn rfc1982_a_serial_that_is_older_is_refused() {
    let fake = Fake::start(7, TIMES);
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&[fake.address], store.path(), ""));
    wait_for(&Ok(7), || serial(&server));
    fake.edit(|zone| zone.serial = 3);
    wait("a failure", || {
        zone(&server).1.failure.is_some_and(|why| why.contains("serial 3 is older than ours, 7; raise it there"))
    });
    assert_eq!(serial(&server), Ok(7));
    // Beyond half of all numbers is newer again.
    fake.edit(|zone| zone.serial = 7 + (1 << 31) - 1);
    wait_for(&Ok(7 + (1 << 31) - 1), || serial(&server));
    assert_eq!(zone(&server).1.failure, None);
}

#[test]
fn a_zone_without_records_is_refused_to_those_who_may_not_ask() {
    let fake = Fake::start(1, [1, 1, 2]);
    fake.edit(|zone| zone.rcode = ResponseCode::Refused);
    let store = tempfile::tempdir().unwrap();
    let with = |list: &str| objects(&[fake.address], store.path(), list);
    let (inside, outside) = ("allow_query = [\"127.0.0.0/8\"]", "allow_query = [\"192.0.2.0/24\"]");
    let (ready, prohibited) = (Err((ResponseCode::ServFail, Some(14))), Err((ResponseCode::Refused, Some(18))));
    let server = TestServer::start(&with(outside));
    assert_eq!(serial(&server), prohibited, "before its first transfer");
    server.reload(&with(inside));
    assert_eq!(serial(&server), ready);
    server.reload(&with(outside));
    assert_eq!(serial(&server), prohibited, "the list is new, the zone is not");
    // Also when it comes and goes.
    fake.edit(|zone| zone.rcode = ResponseCode::NoError);
    wait("a transfer", || zone(&server).0.serial == Some(1));
    assert_eq!(serial(&server), prohibited);
    fake.edit(|zone| zone.rcode = ResponseCode::Refused);
    wait("its end", || zone(&server).0.serial.is_none());
    assert_eq!(serial(&server), prohibited, "after it has expired");
    server.reload(&with(inside));
    assert_eq!(serial(&server), Err((ResponseCode::ServFail, Some(24))));
}

#[test]
fn what_a_primary_delegates_or_redirects_is_not_served_from_pools() {
    let target = |text: &str| Name::from_ascii(text).unwrap();

    let delegation = || record("sub", RData::NS(NS(target("ns.example.net."))));
    let fake = Fake::start(1, TIMES);
    let store = tempfile::tempdir().unwrap();
    let name = format!("www.sub.{APEX}");
    let pool = "[[pools]]\nname = \"web\"\norigins = [{ name = \"a\", address = \"198.51.100.1\" }]\n";
    let beside = load_balancer(&format!("beside.{APEX}"), &["web"]);
    let live = load_balancer(&name, &["web"]);
    let objects = format!("{}{pool}{live}{beside}", objects(&[fake.address], store.path(), ""));
    let server = TestServer::start(&objects);
    wait_for(&Ok(1), || serial(&server));
    let pooled: [IpAddr; 1] = [[198, 51, 100, 1].into()];
    assert_eq!(server.dns().addresses(&format!("{name}.")), pooled);
    assert_eq!(server.condition(&name), "ok");

    fake.edit(|zone| {
        zone.serial = 2;
        zone.records = vec![delegation(), record("www.sub", RData::A(Ipv4Addr::new(192, 0, 2, 9).into()))];
    });
    wait_for(&Ok(2), || serial(&server));
    let expect_referral = |server: &TestServer| {
        let answer = server.dns().get(&format!("{name}."), RecordType::A);
        assert_eq!((answer.metadata.authoritative, answer.answers.len(), answer.authorities.len()), (false, 0, 1));
        assert_eq!(server.condition(&name), "delegated");
        assert_eq!(server.dns().addresses(&format!("beside.{APEX}.")), pooled);
    };
    expect_referral(&server);
    fake.edit(|zone| zone.serial = 3);
    wait_for(&Ok(3), || serial(&server));
    let said = |server: &TestServer, text: &str| server.log().iter().filter(|line| line.contains(text)).count();
    assert_eq!(said(&server, "NOT SERVED"), 1, "once, not with each version");
    // A reload does not refuse it, and says nothing new.
    server.reload(&objects.replace("ttl = 5", "ttl = 6"));
    expect_referral(&server);
    assert_eq!(said(&server, "NOT SERVED"), 1);

    // From disk as well, where the last version may not have come yet.
    drop(server);
    fake.edit(|zone| zone.rcode = ResponseCode::Refused);
    let server = TestServer::start(&objects);
    assert!(matches!(serial(&server), Ok(2 | 3)));
    expect_referral(&server);
    assert!(logged(&server, "copy from disk") && said(&server, "NOT SERVED") == 1);

    fake.edit(|zone| {
        (zone.serial, zone.rcode) = (4, ResponseCode::NoError);
        // hickory-proto has no type for DNAME.
        let data = NULL::with(target("elsewhere.example.net.").to_bytes().unwrap());
        zone.records = vec![record("sub", RData::Unknown { code: RecordType::Unknown(39), rdata: data })];
    });
    wait_for(&Ok(4), || serial(&server));
    assert_eq!(server.condition(&name), "redirected");
    assert_eq!(server.dns().addresses(&format!("{name}.")), Vec::<IpAddr>::new());
    assert_eq!(said(&server, "NOT SERVED"), 1);
    fake.edit(|zone| {
        zone.serial = 5;
        // A CNAME at a live name is outranked, as in a declared zone.
        zone.records = vec![record("www.sub", RData::CNAME(CNAME(target("elsewhere.example.net."))))];
    });
    wait_for(&Ok(5), || serial(&server));
    assert_eq!(server.dns().addresses(&format!("{name}.")), pooled);
    assert_eq!(server.condition(&name), "ok");
    assert!(logged(&server, "served again"));
}

#[test]
fn a_declared_zone_that_becomes_a_secondary_is_not_there_until_it_is_transferred() {
    let (fake, store) = (Fake::start(3, SELDOM), tempfile::tempdir().unwrap());
    let server = TestServer::start(&format!(
        "[store]\npath = \"{}\"\n[[zones]]\nname = \"{APEX}\"\nrecords = [\"@ SOA ns h 77 1 1 9 1\", \"@ NS ns.example.net.\"]\n",
        store.path().display()
    ));
    assert_eq!(serial(&server), Ok(77));
    fake.edit(|zone| zone.rcode = ResponseCode::Refused);
    server.reload(&objects(&[fake.address], store.path(), ""));
    assert_eq!(serial(&server), Err((ResponseCode::ServFail, Some(14))));
    wait("the log says that nothing is served", || {
        logged(&server, "no primary confirms the zone; it answers SERVFAIL")
    });
    assert!(!logged(&server, "what is held is served"));
    fake.edit(|zone| zone.rcode = ResponseCode::NoError);
    wait_for(&Ok(3), || serial(&server));
    fake.edit(|zone| zone.rcode = ResponseCode::Refused);
    server.reload(&objects(&[fake.address, ([127, 0, 0, 1], free_port()).into()], store.path(), ""));
    wait("the log says that it is served", || logged(&server, "what is held is served until it expires"));
}
