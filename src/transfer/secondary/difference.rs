//! Differences applied to a zone (RFC 1995 §4): exactly, or not at all.
//!
//! Each record that goes or comes costs the same, however many its owner has: a primary decides how many that are.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::model::limits::RRSET_RECORDS_MAX;
use crate::model::name::Name;
use crate::model::rrset::{Owner, Record, Rtype};
use crate::model::zone::Zone;
use crate::transfer::secondary::refusal::Refusal;
use crate::transfer::secondary::stream::Difference;

/// The zone after `differences`. Owners that they do not touch are shared with `zone`.
pub fn apply(zone: &Zone, differences: Vec<Difference>) -> Result<Zone, Refusal> {
    let mut owners: HashMap<Name, Edited> = HashMap::new();
    let mut last = None;
    for Difference { from: _, soa, gone, come } in differences {
        for Record { owner, rtype, rdata, ttl: _ } in gone {
            if !edited(&mut owners, zone, &owner).remove(rtype, rdata) {
                return Err(Refusal::Difference { owner, why: "a record that goes is not there" });
            }
        }
        for Record { owner, rtype, ttl, rdata } in come {
            if let Err(why) = edited(&mut owners, zone, &owner).add(rtype, ttl, rdata) {
                return Err(Refusal::Difference { owner, why });
            }
        }
        last = Some(soa);
    }
    if last.is_some() {
        edited(&mut owners, zone, zone.apex());
    }
    let edits = owners.into_iter().map(|(name, edited)| {
        let soa = last.clone().filter(|_| name == *zone.apex());
        let records = edited.into_records(&name).chain(soa).collect();
        (name, records)
    });
    zone.edited(edits).map_err(Refusal::Zone)
}

/// An owner as it is after what has been applied so far, without its SOA record, which every difference replaces.
#[derive(Debug, Default)]
struct Edited {
    /// TTLs of its records by type and data. A difference may state another TTL than was given: it does not count.
    ttls: HashMap<(Rtype, Vec<u8>), u32>,
    /// How many records there are of each type.
    counts: HashMap<Rtype, usize>,
}

/// The owner with a name, as it was in the zone if nothing has touched it.
fn edited<'o>(owners: &'o mut HashMap<Name, Edited>, zone: &Zone, name: &Name) -> &'o mut Edited {
    match owners.entry(name.clone()) {
        Entry::Occupied(place) => place.into_mut(),
        Entry::Vacant(place) => {
            let mut edited = Edited::default();
            let records = zone.owner(name).into_iter().flat_map(Owner::records);
            for Record { owner: _, rtype, ttl, rdata } in records.filter(|record| record.rtype != Rtype::SOA) {
                edited.ttls.insert((rtype, rdata), ttl);
                *edited.counts.entry(rtype).or_default() += 1;
            }
            place.insert(edited)
        }
    }
}

impl Edited {
    /// Takes a record away; says whether it was there.
    fn remove(&mut self, rtype: Rtype, rdata: Vec<u8>) -> bool {
        let was_there = self.ttls.remove(&(rtype, rdata)).is_some();
        if let Some(count) = self.counts.get_mut(&rtype).filter(|_| was_there) {
            *count = count.saturating_sub(1);
        }
        was_there
    }

    /// Adds a record; an error says why that cannot be.
    fn add(&mut self, rtype: Rtype, ttl: u32, rdata: Vec<u8>) -> Result<(), &'static str> {
        let Entry::Vacant(place) = self.ttls.entry((rtype, rdata)) else {
            return Err("a record that comes is there already");
        };
        let count = self.counts.entry(rtype).or_default();
        // More would make no zone; no need to keep them until then.
        if *count >= RRSET_RECORDS_MAX {
            return Err("more records of one type come than an RRset can have");
        }
        *count += 1;
        place.insert(ttl);
        Ok(())
    }

    /// Its records.
    fn into_records(self, name: &Name) -> impl Iterator<Item = Record> {
        self.ttls.into_iter().map(|((rtype, rdata), ttl)| Record { owner: name.clone(), rtype, ttl, rdata })
    }
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

    #[test]
    fn no_rrset_grows_beyond_its_limit() {
        let numbered = |range: std::ops::Range<usize>| -> Vec<Record> {
            // Short, so that octets are no limit.
            let octets = |n: usize| u16::try_from(n).unwrap().to_be_bytes().to_vec();
            range.map(|n| Record { rtype: Rtype(65_280), rdata: octets(n), ..record("a 0") }).collect()
        };
        let mut full = difference(1, 2, &[], &[]);
        full.come = numbered(0..RRSET_RECORDS_MAX);
        assert!(apply(&zone(1, &[]), vec![full.clone()]).is_ok());
        // What goes makes room for what comes.
        let mut other = difference(2, 3, &[], &[]);
        (other.gone, other.come) = (numbered(0..1), numbered(RRSET_RECORDS_MAX..RRSET_RECORDS_MAX + 1));
        assert!(apply(&zone(1, &[]), vec![full.clone(), other.clone()]).is_ok());
        other.gone.clear();
        let refused = apply(&zone(1, &[]), vec![full, other]);
        assert!(matches!(refused, Err(Refusal::Difference { why, .. }) if why.contains("than an RRset can have")));
    }

    /// With work that grows with the square of an owner's records this would take ten minutes.
    #[test]
    fn a_huge_owner_costs_no_more_for_each_record() {
        let of_types = (0..60_u16).flat_map(|rtype| (0..4000_u32).map(move |n| (Rtype(65_280 + rtype), n)));
        let mut come = difference(1, 2, &[], &["b 1"]);
        let records = of_types.map(|(rtype, n)| Record { rtype, rdata: n.to_be_bytes().to_vec(), ..record("a 0") });
        come.come.extend(records);
        let mut gone = difference(2, 3, &[], &[]);
        gone.gone = come.come.iter().rev().filter(|record| record.rtype != Rtype::A).cloned().collect();
        assert_eq!(apply(&zone(1, &[]), vec![come, gone]).unwrap(), zone(3, &["b 1"]));
    }
}
