//! A million records on their way to Knot DNS and NSD, signed: nothing is copied, and a transfer holds some messages.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use pooldns::app::reload::ConfigSource;
use pooldns::app::{RunningApp, start};
use pooldns::config::load_text;
use pooldns::model::id::ZoneId;
use pooldns::model::name::Name;
use pooldns::model::rrset::{Record, Rtype};
use pooldns::model::zone::Zone;

use super::secondary::{KEY, Program, Secondary, free_port};
use crate::harness::tools::installed;
use crate::harness::wait;

/// Records of the zone besides its apex's.
const RECORDS: u32 = 1_000_000;
/// Longer than a copy takes on a busy machine, whose programs are not optimized.
const PATIENCE: Duration = Duration::from_mins(3);
/// The zone.
const ZONE: &str = "example.test";

/// A zone of a million addresses.
fn zone() -> Zone {
    let apex = Name::parse(ZONE, None).unwrap();
    let numbers = [7_u32, 86_400, 900, 1_209_600, 300].map(u32::to_be_bytes).concat();
    let record = |owner, rtype, rdata: Vec<u8>| Record { owner, rtype, ttl: 60, rdata };
    let soa = record(apex.clone(), Rtype::SOA, [b"\x02ns\0\x01h\0", numbers.as_slice()].concat());
    let mut records = vec![soa, record(apex.clone(), Rtype::NS, b"\x02ns\0".to_vec())];
    records.extend((0..RECORDS).map(|number| {
        let owner = Name::parse(&format!("host-{number}"), Some(&apex)).unwrap();
        record(owner, Rtype::A, number.to_be_bytes().to_vec())
    }));
    Zone::try_new(ZoneId::declared(ZONE), apex, records).unwrap()
}

/// A server of that zone, in this process.
async fn serve(folder: &Path, zone: Zone, ports: &[u16]) -> RunningApp {
    let (key, algorithm, secret) = KEY;
    let peers: Vec<String> =
        ports.iter().map(|port| format!("{{ address = '127.0.0.1:{port}', key = '{key}' }}")).collect();
    let text = format!(
        "version = 1\n\
         server = {{ listen = ['127.0.0.1:0'], control = '{}', threads = 1 }}\n\
         [[keys]]\nname = '{key}'\nalgorithm = '{algorithm}'\nsecret = '{secret}'\n\
         [[zones]]\nname = '{ZONE}'\nallow_transfer = [{{ key = '{key}' }}]\nnotify = [{}]\n\
         records = ['@ SOA ns1 h 1 2 3 4 5', '@ NS ns1']\n",
        folder.join("control.sock").display(),
        peers.join(", ")
    );
    let mut configuration = load_text("million", &text).unwrap();
    configuration.declared.zones = vec![Arc::new(zone)];
    start(configuration, ConfigSource::Text { name: "million", text: "" }).await.unwrap()
}

/// The last of the copy's records, which is in the last message.
fn has_last(secondary: SocketAddr) -> bool {
    use hickory_proto::rr::RecordType;

    use crate::harness::{Dns, question};
    let name = format!("host-{}.{ZONE}.", RECORDS - 1);
    Dns(secondary).ask(&question(&name, RecordType::A)).answers.len() == 1
}

#[test]
fn a_million_records_reach_knot_and_nsd() {
    let programs: Vec<Program> =
        [Program::Knot, Program::Nsd].into_iter().filter(|program| installed(program.executable())).collect();
    if programs.is_empty() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let ports: Vec<u16> = programs.iter().map(|_| free_port()).collect();
    let app = runtime.block_on(serve(folder.path(), zone(), &ports));
    for (program, port) in programs.into_iter().zip(ports) {
        let begun = Instant::now();
        let secondary = Secondary::start(program, port, ZONE, app.addresses()[0]);
        while secondary.serial("example.test.") != Some(7) {
            assert!(begun.elapsed() < PATIENCE, "{program:?} has no copy");
            std::thread::sleep(Duration::from_millis(50));
        }
        // NSD's old process, which has no copy, may answer once more.
        wait("the last record", || has_last(secondary.address));
        eprintln!("{program:?} has a copy of {RECORDS} records after {:?}", begun.elapsed());
    }
    assert_eq!(app.status().counters.transfers_failed, 0);
    runtime.block_on(app.shutdown());
}
