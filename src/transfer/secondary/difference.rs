//! Differences applied to a zone (RFC 1995 §4): exactly, or not at all.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::model::name::Name;
use crate::model::rrset::{Record, Rtype};
use crate::model::zone::Zone;
use crate::transfer::secondary::refusal::Refusal;
use crate::transfer::secondary::stream::Difference;

/// The zone after `differences`. Owners that they do not touch are shared with `zone`.
pub fn apply(zone: &Zone, differences: Vec<Difference>) -> Result<Zone, Refusal> {
    let mut owners: HashMap<Name, Vec<Record>> = HashMap::new();
    for Difference { from: _, soa, gone, come } in differences {
        for record in gone {
            let records = records_of(&mut owners, zone, &record.owner);
            let Some(index) = records.iter().position(|other| is_same(other, &record)) else {
                return Err(Refusal::Difference { owner: record.owner, why: "a record that goes is not there" });
            };
            records.swap_remove(index);
        }
        for record in come {
            let records = records_of(&mut owners, zone, &record.owner);
            if records.iter().any(|other| is_same(other, &record)) {
                return Err(Refusal::Difference { owner: record.owner, why: "a record that comes is there already" });
            }
            records.push(record);
        }
        let apex = records_of(&mut owners, zone, zone.apex());
        apex.retain(|record| record.rtype != Rtype::SOA);
        apex.push(soa);
    }
    zone.edited(owners).map_err(Refusal::Zone)
}

/// The records of an owner as they are after what has been applied so far.
fn records_of<'o>(owners: &'o mut HashMap<Name, Vec<Record>>, zone: &Zone, name: &Name) -> &'o mut Vec<Record> {
    match owners.entry(name.clone()) {
        Entry::Occupied(place) => place.into_mut(),
        Entry::Vacant(place) => place.insert(zone.owner(name).map_or_else(Vec::new, |owner| owner.records().collect())),
    }
}

/// Whether two records of one owner are the same but for their TTL, which a difference may state as it was given.
fn is_same(one: &Record, other: &Record) -> bool {
    one.rtype == other.rtype && one.rdata == other.rdata
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::ZoneId;
    use crate::transfer::secondary::stream::soa;

    fn apex() -> Name {
        Name::parse("example.com", None).unwrap()
    }

    /// `owner last-octet` is an A record.
    fn record(text: &str) -> Record {
        let (owner, last) = text.split_once(' ').unwrap();
        let rdata = vec![192, 0, 2, last.parse().unwrap()];
        Record { owner: Name::parse(owner, Some(&apex())).unwrap(), rtype: Rtype::A, ttl: 60, rdata }
    }

    fn records(texts: &[&str]) -> Vec<Record> {
        texts.iter().map(|text| record(text)).collect()
    }

    fn zone(serial: u32, texts: &[&str]) -> Zone {
        let mut all = vec![soa(&apex(), serial)];
        all.push(Record { owner: apex(), rtype: Rtype::NS, ttl: 60, rdata: b"\0".to_vec() });
        all.extend(records(texts));
        Zone::try_new(ZoneId::declared("example.com"), apex(), all).unwrap()
    }

    fn difference(from: u32, to: u32, gone: &[&str], come: &[&str]) -> Difference {
        Difference { from, soa: soa(&apex(), to), gone: records(gone), come: records(come) }
    }

    #[test]
    fn what_comes_out_is_what_a_whole_transfer_would_give() {
        let before = zone(1, &["a 1", "a 2", "b 1", "x.y 1"]);
        let first = difference(1, 2, &["a 1", "b 1"], &["a 3", "c 1"]);
        let second = difference(2, 5, &["c 1", "x.y 1"], &["c 2", "z.y 1"]);
        let after = apply(&before, vec![first, second]).unwrap();
        assert_eq!(after, zone(5, &["a 2", "a 3", "c 2", "z.y 1"]));
        assert_eq!(after.soa().serial, 5);
    }

    #[test]
    fn untouched_owners_are_shared() {
        let before = zone(1, &["a 1", "b 1"]);
        let after = apply(&before, vec![difference(1, 2, &["b 1"], &["b 2"])]).unwrap();
        let shared = |name: &str| {
            let name = Name::parse(name, Some(&apex())).unwrap();
            before.owner(&name).unwrap().shares(after.owner(&name).unwrap())
        };
        assert!(shared("a") && !shared("b") && !shared("@"));
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let before = zone(1, &["a 1"]);
        for (gone, come) in [(&["b 1"][..], &[][..]), (&["a 2"], &[]), (&[], &["a 1"])] {
            let refused = apply(&before, vec![difference(1, 2, gone, come)]);
            assert!(matches!(refused, Err(Refusal::Difference { .. })), "{gone:?} {come:?}");
        }
        let mut no_ns = difference(1, 2, &[], &[]);
        no_ns.gone = vec![Record { owner: apex(), rtype: Rtype::NS, ttl: 60, rdata: b"\0".to_vec() }];
        assert!(matches!(apply(&before, vec![no_ns]), Err(Refusal::Zone(_))));
    }
}
