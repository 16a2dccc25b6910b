//! Any octets as a primary's answers: reading them never panics, what is complete makes a zone or faults, and
//! differences apply exactly or not at all.
//!
//! The first octet of the input chooses what was asked (lowest bit: 0 AXFR, 1 IXFR), the rest is messages with their
//! length in front, as over TCP. Id and question of each message are made right, as an attacker would.

#![no_main]

use libfuzzer_sys::fuzz_target;
use pooldns::model::id::ZoneId;
use pooldns::model::name::Name;
use pooldns::model::rrset::{Record, Rtype};
use pooldns::model::zone::Zone;
use pooldns::transfer::secondary::difference::apply;
use pooldns::transfer::secondary::message::Question;
use pooldns::transfer::secondary::stream::{Received, Stream};

/// The zone that is transferred.
const APEX: &str = "example.com";
/// The serial that is held.
const HELD: u32 = 1;

/// What is held: a zone with one address.
fn zone(apex: &Name) -> Zone {
    let record = |owner: &str, rtype, rdata: Vec<u8>| {
        let owner = Name::parse(owner, Some(apex)).expect("a name");
        Record { owner, rtype, ttl: 60, rdata }
    };
    let soa = [b"\0\0".to_vec(), [HELD; 5].into_iter().flat_map(u32::to_be_bytes).collect()].concat();
    let records = vec![
        record("@", Rtype::SOA, soa),
        record("@", Rtype::NS, b"\0".to_vec()),
        record("a", Rtype::A, vec![192, 0, 2, 1]),
    ];
    Zone::try_new(ZoneId::declared(APEX), apex.clone(), records).expect("a good zone")
}

fuzz_target!(|data: &[u8]| {
    let Some((choice, mut rest)) = data.split_first() else { return };
    let apex = Name::parse(APEX, None).expect("a name");
    let held = zone(&apex);
    let qtype = if choice & 1 == 0 { Rtype::AXFR } else { Rtype::IXFR };
    let question = Question { id: 0, apex: apex.clone(), qtype };
    let mut stream = Stream::new(question, Some(HELD));
    while let Some((length, after)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (message, next) = after.split_at(length);
        rest = next;
        let mut message = message.to_vec();
        if let Some(id) = message.first_chunk_mut::<2>() {
            *id = [0; 2];
        }
        if stream.take(&message).is_err() || stream.is_complete() {
            break;
        }
    }
    match stream.finish() {
        Ok(Received::Whole(records)) => {
            if let Ok(zone) = Zone::try_new(held.id, apex, records) {
                // What was taken can be given again.
                let again: Vec<Record> = zone.owners().iter().flat_map(|owner| owner.records()).collect();
                assert_eq!(Zone::try_new(zone.id, zone.apex().clone(), again), Ok(zone));
            }
        }
        Ok(Received::Differences(differences)) => {
            let last = differences.last().map(|difference| difference.soa.clone());
            if let Ok(zone) = apply(&held, differences) {
                let again: Vec<Record> = zone.owners().iter().flat_map(|owner| owner.records()).collect();
                assert!(last.is_some_and(|soa| again.iter().any(|record| record.rdata == soa.rdata)));
                assert_eq!(Zone::try_new(zone.id, zone.apex().clone(), again), Ok(zone));
            }
        }
        Ok(Received::UpToDate) | Err(_) => {}
    }
});
