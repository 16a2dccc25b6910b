//! Zones that are transferred from primaries: from Knot DNS and NSD with signatures, through restarts and their absence.

mod fake;
mod hostile;
mod million;
mod peers;
mod primary;

use hickory_proto::op::{OpCode, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use pooldns::api::status::{SecondaryStatus, ZoneStatus};

use crate::harness::origin::load_balancer;
use crate::harness::server::Options;
use crate::harness::tools::installed;
use crate::harness::{TestServer, extended_error, question, wait, wait_for};
use crate::secondary::primary::{APEX, Make, Primary, SECRET, zone_file};

/// Refreshed every second, and good for long.
const TIMES: &str = "1 1 1000";

/// A configuration with the zone of a primary, whose key has this algorithm, and copies in a folder.
fn objects(primary: &Primary, algorithm: &str, store: &std::path::Path) -> String {
    format!(
        "[store]\npath = \"{}\"\n[[keys]]\nname = \"transfer\"\nalgorithm = \"{algorithm}\"\nsecret = \"{SECRET}\"\n\
         [[zones]]\nname = \"{APEX}\"\nprimaries = [{{ address = \"{}\", key = \"transfer\" }}]\n",
        store.display(),
        primary.address
    )
}

/// The serial that a server answers with, or its response code and Extended DNS Error.
fn serial(server: &TestServer) -> Result<u32, (ResponseCode, Option<u16>)> {
    let answer = server.dns().get(&format!("{APEX}."), RecordType::SOA);
    match answer.answers.first().map(|record| &record.data) {
        Some(RData::SOA(soa)) => Ok(soa.serial),
        _ => Err((answer.metadata.response_code, extended_error(&answer))),
    }
}

/// How the zone is doing.
#[track_caller]
fn zone(server: &TestServer) -> (ZoneStatus, SecondaryStatus) {
    let zone = server.status().zones.into_iter().find(|zone| zone.name == APEX).expect("the zone");
    let secondary = zone.secondary.clone().expect("a zone that is transferred");
    (zone, secondary)
}

/// Whether a line of the log has a text.
fn logged(server: &TestServer, text: &str) -> bool {
    server.log().iter().any(|line| line.contains(text))
}

/// A server starts, gets the zone, and follows it.
fn follows(make: Make, algorithm: &'static str) {
    let mut primary = Primary::start(make, algorithm, &zone_file(1, TIMES, "www A 192.0.2.1\n*.w TXT \"a b\"\n"));
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&primary, algorithm, store.path()));
    wait_for(&Ok(1), || serial(&server));
    let www = format!("www.{APEX}.");
    assert_eq!(server.dns().addresses(&www), ["192.0.2.1".parse::<std::net::IpAddr>().unwrap()]);
    assert_eq!(server.dns().get(&format!("x.w.{APEX}."), RecordType::TXT).answers.len(), 1);

    primary.edit(&zone_file(2, TIMES, "www A 192.0.2.2\nmail MX 10 www\n"));
    wait_for(&Ok(2), || serial(&server));
    assert_eq!(server.dns().addresses(&www), ["192.0.2.2".parse::<std::net::IpAddr>().unwrap()]);
    // The first transfer is whole, and the second has only what differs.
    let came_by = |serial, kind| {
        let texts = [format!("\"serial\":{serial}"), format!("\"kind\":\"{kind}\""), "zone transferred".to_owned()];
        server.log().iter().any(|line| texts.iter().all(|text| line.contains(text)))
    };
    assert!(came_by(1, "AXFR") && came_by(2, "IXFR"));
    assert_eq!(
        server.dns().get(&format!("x.w.{APEX}."), RecordType::TXT).metadata.response_code,
        ResponseCode::NXDomain
    );

    // With nobody to ask, what is held is served.
    primary.stop();
    wait("a failure in the status", || zone(&server).1.failure.is_some());
    assert_eq!(serial(&server), Ok(2));
    primary.run();
    wait("an answer again", || zone(&server).1.failure.is_none());
    let (status, secondary) = zone(&server);
    assert_eq!((status.serial, secondary.primary), (Some(2), Some(primary.address)));
    let ran = server.command("status");
    assert!(ran.stdout.contains(&format!("by {}", primary.address)), "{}", ran.stdout);
}

#[test]
fn knot_with_hmac_sha256() {
    if installed("knotd") && installed("knotc") {
        follows(Make::Knot, "hmac-sha256");
    }
}

#[test]
fn nsd_with_hmac_sha512() {
    if installed("nsd") {
        follows(Make::Nsd, "hmac-sha512");
    }
}

/// A change comes with its NOTIFY, long before anybody would ask.
fn hears(make: Make) {
    let times = "10000 10000 90000";
    let mut primary = Primary::start(make, "hmac-sha256", &zone_file(1, times, "www A 192.0.2.1\n"));
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&primary, "hmac-sha256", store.path()));
    wait_for(&Ok(1), || serial(&server));
    primary.tell(server.addresses[0]);
    for serial_now in 2..5 {
        primary.edit(&zone_file(serial_now, times, &format!("www A 192.0.2.{serial_now}\n")));
        wait_for(&Ok(serial_now), || serial(&server));
    }
}

#[test]
fn rfc1996_a_change_on_knot_is_here_at_once() {
    if installed("knotd") && installed("knotc") {
        hears(Make::Knot);
    }
}

#[test]
fn rfc1996_a_change_on_nsd_is_here_at_once() {
    if installed("nsd") {
        hears(Make::Nsd);
    }
}

#[test]
fn rfc1996_section_3_10_notify_is_taken_from_primaries_only() {
    let store = tempfile::tempdir().unwrap();
    let secondary = |name: &str, primary: &str| format!("[[zones]]\nname = \"{name}\"\nprimaries = [\"{primary}\"]\n");
    let zones = secondary("a.test", "127.0.0.1:1") + &secondary("b.test", "192.0.2.1:1");
    let server =
        TestServer::start(&format!("[store]\npath = \"{}\"\n{zones}{}", store.path().display(), crate::harness::ZONE));
    for (name, code, authoritative) in [
        ("a.test.", ResponseCode::NoError, true),
        ("b.test.", ResponseCode::Refused, false),
        ("example.test.", ResponseCode::NotAuth, false),
        ("www.a.test.", ResponseCode::NotAuth, false),
        ("c.test.", ResponseCode::NotAuth, false),
    ] {
        let mut notify = question(name, RecordType::SOA);
        notify.metadata.op_code = OpCode::Notify;
        notify.metadata.authoritative = true;
        let answer = server.dns().ask(&notify);
        assert_eq!((answer.metadata.response_code, answer.metadata.authoritative), (code, authoritative), "{name}");
        assert_eq!(answer.metadata.op_code, OpCode::Notify);
        assert_eq!(answer.queries, notify.queries);
    }
}

#[test]
fn a_restart_without_a_primary_serves_the_copy() {
    if !installed("knotd") {
        return;
    }
    let mut primary = Primary::start(Make::Knot, "hmac-sha256", &zone_file(7, TIMES, "www A 192.0.2.1\n"));
    let store = tempfile::tempdir().unwrap();
    let objects = objects(&primary, "hmac-sha256", store.path());
    let server = TestServer::start(&objects);
    wait_for(&Ok(7), || serial(&server));
    let folder = store.path().join("zones");
    wait("a copy on disk", || folder.join(format!("{APEX}.copy")).exists());
    drop(server);
    primary.stop();
    let server = TestServer::start(&objects);
    assert_eq!(serial(&server), Ok(7), "from the first answer on");
    assert!(logged(&server, "copy from disk"));

    // A copy that is damaged is none.
    drop(server);
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut octets = std::fs::read(&path).unwrap();
        let middle = octets.len() / 2;
        octets[middle] ^= 1;
        std::fs::write(path, octets).unwrap();
    }
    let server = TestServer::start(&objects);
    assert_eq!(serial(&server), Err((ResponseCode::ServFail, Some(14))));
    assert!(logged(&server, "the copy is damaged"));
    primary.run();
    wait_for(&Ok(7), || serial(&server));
}

#[test]
fn a_copy_goes_with_its_zone() {
    let primary = fake::Fake::start(1, [1, 1, 1000]);
    let store = tempfile::tempdir().unwrap();
    let secondary = format!(
        "[store]\npath = \"{}\"\n[[zones]]\nname = \"{APEX}\"\nprimaries = [\"{}\"]\n",
        store.path().display(),
        primary.address
    );
    let elsewhere = format!("[store]\npath = \"{}\"\n", store.path().display());
    let copy = store.path().join("zones").join(format!("{APEX}.copy"));
    let mut server = TestServer::start(&secondary);
    wait("a copy on disk", || copy.exists());
    server.reload(&elsewhere);
    wait("its end", || !copy.exists());
    // It is said after it is done.
    wait("a line in the log", || logged(&server, "copy removed"));

    // Nor does it stay when the zone goes while nothing runs.
    server.reload(&secondary);
    wait("a copy on disk", || copy.exists());
    server.signal("TERM");
    server.wait_end();
    assert!(copy.exists(), "it is there for the next start");
    let server = TestServer::start(&elsewhere);
    assert!(!copy.exists() && logged(&server, "copy removed"));
}

#[test]
fn a_zone_that_nobody_confirms_expires_and_comes_back() {
    if !installed("knotd") {
        return;
    }
    // The zone around it is ours too, and must not answer in its place.
    let around = "[[zones]]\nname = \"org\"\nrecords = [\"@ SOA ns1 h 1 2 3 4 5\", \"@ NS ns1\"]\n";
    let mut primary = Primary::start(Make::Knot, "hmac-sha256", &zone_file(1, "1 1 3", "www A 192.0.2.1\n"));
    let store = tempfile::tempdir().unwrap();
    let objects = objects(&primary, "hmac-sha256", store.path()) + around;
    let server = TestServer::start(&objects);
    wait_for(&Ok(1), || serial(&server));
    primary.stop();
    wait_for(&Err((ResponseCode::ServFail, Some(24))), || serial(&server));
    assert!(logged(&server, "EXPIRED"));
    assert_eq!(zone(&server).0.serial, None);
    let shown = server.command("status").stdout;
    assert!(shown.contains("EXPIRED, clients get SERVFAIL; last confirmed by 127.0.0.1"), "{shown}");
    // A restart does not bring it back.
    drop(server);
    let server = TestServer::start(&objects);
    assert_eq!(serial(&server), Err((ResponseCode::ServFail, Some(24))));
    primary.run();
    wait_for(&Ok(1), || serial(&server));
}

#[test]
fn live_names_in_a_transferred_zone_outlive_transfers() {
    if !installed("knotd") || !installed("knotc") {
        return;
    }
    let primary = Primary::start(Make::Knot, "hmac-sha256", &zone_file(1, TIMES, "www A 192.0.2.1\n"));
    let store = tempfile::tempdir().unwrap();
    let pool = "[[pools]]\nname = \"web\"\norigins = [{ name = \"a\", address = \"198.51.100.1\" }]\n";
    let live = load_balancer(&format!("www.{APEX}"), &["web"]);
    let objects = format!("{}{pool}{live}", objects(&primary, "hmac-sha256", store.path()));
    let server = TestServer::start(&objects);
    wait_for(&Ok(1), || serial(&server));
    let pooled = ["198.51.100.1".parse::<std::net::IpAddr>().unwrap()];
    assert_eq!(server.dns().addresses(&format!("www.{APEX}.")), pooled);
    primary.edit(&zone_file(2, TIMES, "www A 192.0.2.2\nnew A 192.0.2.3\n"));
    wait_for(&Ok(2), || serial(&server));
    assert_eq!(server.dns().addresses(&format!("www.{APEX}.")), pooled);
    assert_eq!(server.dns().addresses(&format!("new.{APEX}.")).len(), 1);
    // A reload keeps what has been transferred, and so does a renamed pool.
    server.reload(&objects.replace("\"web\"", "\"other\""));
    assert_eq!(serial(&server), Ok(2));
    assert_eq!(server.dns().addresses(&format!("www.{APEX}.")), pooled);
}

#[test]
fn a_reload_takes_other_primaries_in_and_lets_zones_go() {
    if !installed("knotd") || !installed("nsd") {
        return;
    }
    let one = Primary::start(Make::Knot, "hmac-sha256", &zone_file(1, "1000 1000 9000", ""));
    let other = Primary::start(Make::Nsd, "hmac-sha256", &zone_file(5, "1000 1000 9000", ""));
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&one, "hmac-sha256", store.path()));
    wait_for(&Ok(1), || serial(&server));
    server.reload(&objects(&other, "hmac-sha256", store.path()));
    wait_for(&Ok(5), || serial(&server));
    server.reload("");
    assert_eq!(serial(&server), Err((ResponseCode::Refused, None)));
}

#[test]
fn refresh_transfers_anew_whatever_the_serial() {
    if !installed("knotd") || !installed("knotc") {
        return;
    }
    let mut primary = Primary::start(Make::Knot, "hmac-sha256", &zone_file(9, "1000 1000 9000", ""));
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&primary, "hmac-sha256", store.path()));
    wait_for(&Ok(9), || serial(&server));
    primary.stop();
    let refresh = || {
        let mut command = std::process::Command::new(crate::harness::server::PROGRAM);
        crate::harness::run(command.args(["refresh", APEX, "--config"]).arg(server.config()))
    };
    let ran = refresh();
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("no primary gave"), "{ran:?}");
    std::fs::write(primary.zone_path(), zone_file(3, "1000 1000 9000", "")).unwrap();
    primary.run();
    let ran = refresh();
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "transferred example.org: serial 3\n"), "{ran:?}");
    wait_for(&Ok(3), || serial(&server));
}

#[test]
fn a_key_that_differs_is_refused_and_the_log_says_so() {
    if !installed("knotd") {
        return;
    }
    let primary = Primary::start(Make::Knot, "hmac-sha256", &zone_file(1, TIMES, ""));
    let store = tempfile::tempdir().unwrap();
    let objects = objects(&primary, "hmac-sha256", store.path()).replace("dGhp", "dGhq");
    let server = TestServer::start(&objects);
    wait("a failure", || zone(&server).1.failure.is_some_and(|failure| failure.contains("signature")));
    assert_eq!(serial(&server), Err((ResponseCode::ServFail, Some(14))));
}

#[test]
fn a_folder_that_cannot_be_written_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let objects = format!(
        "[store]\npath = \"{}\"\n[[zones]]\nname = \"{APEX}\"\nprimaries = [\"127.0.0.1:1\"]\n",
        file.display()
    );
    crate::harness::server::write_config(folder.path(), &objects, &Options::default());
    let ran = crate::harness::run(&mut crate::harness::server::command(folder.path(), "serve"));
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("cannot keep copies of zones") && ran.stderr.contains("[store] path"), "{ran:?}");
}

#[test]
fn a_large_zone_comes_whole_and_then_by_differences() {
    /// Names in the zone.
    const NAMES: u32 = 100_000;
    if !installed("knotd") || !installed("knotc") {
        return;
    }
    let name = |n: u32| format!("n{n} A 10.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
    let names = (0..NAMES).map(name).collect::<Vec<_>>().join("\n") + "\n";
    let primary = Primary::start(Make::Knot, "hmac-sha256", &zone_file(1, TIMES, &names));
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&primary, "hmac-sha256", store.path()));
    wait_for(&Ok(1), || serial(&server));
    assert_eq!(zone(&server).0.owners, 100_002);
    assert_eq!(
        server.dns().addresses(&format!("n99999.{APEX}.")),
        ["10.1.134.159".parse::<std::net::IpAddr>().unwrap()]
    );
    primary.edit(&zone_file(2, TIMES, &names.replace("n7 A 10.0.0.7\n", "m A 10.0.0.8\n")));
    wait_for(&Ok(2), || serial(&server));
    assert_eq!(server.dns().addresses(&format!("m.{APEX}.")).len(), 1);
    assert_eq!(server.dns().addresses(&format!("n7.{APEX}.")).len(), 0);
    assert_eq!(zone(&server).0.owners, 100_002);
}
