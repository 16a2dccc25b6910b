//! A million signed records from Knot DNS and NSD: how long they take, and how much memory.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::primary::{APEX, Make, Primary, zone_file};
use super::{logged, objects, serial, zone};
use crate::harness::TestServer;
use crate::harness::tools::installed;

/// Records of the zone besides its apex's.
const RECORDS: u32 = 1_000_000;
/// Longer than a transfer takes on a busy machine, whose programs are not optimized.
const PATIENCE: Duration = Duration::from_mins(3);
/// Memory at its peak, in KiB: what it takes to build a million records from octets, and a quarter more. Kept as records, they
/// would take more.
const PEAK_KIB_MAX: u64 = 265_000;

/// A million addresses, the seventh of which is another one with each serial.
fn file(serial: u32) -> String {
    let mut names = String::new();
    for n in 0..RECORDS {
        let n24 = if n == 7 { n + (serial << 20) } else { n };
        writeln!(names, "n{n} A 10.{}.{}.{}", n24 >> 16, n24 >> 8 & 255, n24 & 255).unwrap();
    }
    zone_file(serial, "1 1 1000", &names)
}

/// A line of `/proc/PID/status`, in KiB.
fn memory(server: &TestServer, key: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
}

/// Waits for a serial; gives how long that took.
#[track_caller]
fn wait_serial(server: &TestServer, expected: u32) -> Duration {
    let begun = Instant::now();
    while serial(server) != Ok(expected) {
        assert!(begun.elapsed() < PATIENCE, "no serial {expected}: {:?}", zone(server).1);
        std::thread::sleep(Duration::from_millis(50));
    }
    begun.elapsed()
}

/// A server gets the zone whole, and then what differs.
fn takes_a_million(make: Make) {
    let primary = Primary::start(make, "hmac-sha256", &file(1));
    let store = tempfile::tempdir().unwrap();
    let server = TestServer::start(&objects(&primary, "hmac-sha256", store.path()));
    let whole = wait_serial(&server, 1);
    assert_eq!(zone(&server).0.owners, 1_000_002);
    let address = |name: &str| server.dns().addresses(&format!("{name}.{APEX}."));
    assert_eq!(address("n999999"), ["10.15.66.63".parse::<IpAddr>().unwrap()]);
    let (rss, peak) = (memory(&server, "VmRSS:"), memory(&server, "VmHWM:"));
    eprintln!("{make:?} gave {RECORDS} records in {whole:?}; memory now {rss} KiB, at most {peak} KiB");
    assert!(peak < PEAK_KIB_MAX, "{peak} KiB");

    primary.edit(&file(2));
    let difference = wait_serial(&server, 2);
    assert_eq!(address("n7"), ["10.32.0.7".parse::<IpAddr>().unwrap()]);
    assert!(logged(&server, "\"kind\":\"IXFR\""), "the difference alone");
    eprintln!("{make:?} gave a difference in {difference:?}; memory at most {} KiB", memory(&server, "VmHWM:"));
}

#[test]
fn a_million_records_from_knot() {
    if installed("knotd") && installed("knotc") {
        takes_a_million(Make::Knot);
    }
}

#[test]
fn a_million_records_from_nsd() {
    if installed("nsd") {
        takes_a_million(Make::Nsd);
    }
}
