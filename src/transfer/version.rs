//! A version of a zone: what every copy under one serial has, and how two versions differ.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::model::name::{Name, compare_canonically};
use crate::model::rrset::{Owner, RecordRef, Rrset, Rtype, paired, render_record};
use crate::model::svcb::autos;
use crate::model::zone::Zone;
use crate::steering::compile::{Addresses, LiveAnswer};
use crate::steering::table::{RecordTable, ZoneTable};
use crate::transfer::hints;

/// What every copy of a zone under one serial has. It never changes.
#[derive(Clone, Debug)]
pub(super) struct Version {
    /// Its serial.
    pub(super) serial: u32,
    /// The zone as declared or transferred.
    zone: Arc<Zone>,
    /// Its SOA record with this serial, rendered.
    soa: Box<[u8]>,
    /// In canonical order, the owners that a copy has in the place of the zone's own: live names and hints, with the
    /// addresses that they had when the version was taken.
    replaced: Vec<Owner>,
    /// Names whose records have hints that follow health.
    hinted: Arc<[Name]>,
    /// The zone's live names in canonical order, and which state of them it is ([`ZoneTable::slot_edit`]).
    live: (u64, Arc<[Name]>),
    /// Octets of all its records, roughly.
    octets: usize,
}

/// Why there is no version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoVersion {
    /// A live name has no answer yet: a copy without its addresses would deny them to everybody.
    NotReady,
    /// A live name and its records together fit no message.
    TooLarge,
}

impl Version {
    /// Takes the version of a zone that is live in `table`: live names and serial are of one moment. Owners equal to those
    /// of the version before are shared with it.
    pub(super) fn take(table: &RecordTable, zone_table: &ZoneTable, before: Option<&Self>) -> Result<Self, NoVersion> {
        let zone = Arc::clone(zone_table.shared_zone());
        let hinted = match before.filter(|before| before.is_of(&zone)) {
            Some(before) => Arc::clone(&before.hinted),
            None => zone.owners().iter().filter(|owner| has_auto(owner)).map(Owner::name).collect(),
        };
        let slot_edit = zone_table.slot_edit();
        let same_live = before.filter(|before| before.live.0 == slot_edit);
        let live = same_live.map_or_else(
            || {
                let mut live: Vec<Name> = zone_table.live_names().collect();
                live.sort_unstable();
                live.into()
            },
            |before| Arc::clone(&before.live.1),
        );
        let names: BTreeSet<&Name> = live.iter().chain(&*hinted).collect();
        let mut replaced = Vec::with_capacity(names.len());
        for name in names {
            let Some(node) = zone_table.node_at(name) else { continue };
            let answer = node.slot().map(|slot| Arc::clone(&slot.load()));
            let addresses = match answer.as_deref() {
                Some(LiveAnswer::NotReady) => return Err(NoVersion::NotReady),
                Some(LiveAnswer::Ready(addresses)) => Some(addresses),
                None if has_auto(node.owner()) => None,
                None => continue,
            };
            let owner = copied_owner(table, zone_table, node.owner(), addresses)?;
            let kept = before.and_then(|before| before.find_replaced(name)).filter(|kept| **kept == owner);
            replaced.push(kept.cloned().unwrap_or(owner));
        }
        let serial = zone_table.serial();
        let octets = zone.owners().iter().chain(&replaced).map(Owner::octets).sum();
        let soa = rendered_soa(&zone, serial);
        Ok(Self { serial, soa, zone, replaced, hinted, live: (slot_edit, live), octets })
    }

    /// The owner in the place of the zone's own at a name.
    fn find_replaced(&self, name: &Name) -> Option<&Owner> {
        let order = |owner: &Owner| compare_canonically(owner.name_wire(), name.wire());
        let index = self.replaced.binary_search_by(order).ok()?;
        self.replaced.get(index)
    }

    /// Whether it is a version of this very zone.
    pub(super) fn is_of(&self, zone: &Arc<Zone>) -> bool {
        Arc::ptr_eq(&self.zone, zone)
    }

    /// Octets of all its records, roughly: enough to tell what is shorter.
    pub(super) const fn octets(&self) -> usize {
        self.octets
    }

    /// Its SOA record, rendered.
    pub(super) fn soa(&self) -> &[u8] {
        &self.soa
    }

    /// Its owners in canonical order. Their SOA record has another serial: see [`Version::soa`].
    pub(super) fn owners(&self) -> impl Iterator<Item = &Owner> {
        paired(self.zone.owners(), &self.replaced).filter_map(|(own, replaced)| replaced.or(own))
    }
}

/// A zone's SOA record with another serial, rendered.
fn rendered_soa(zone: &Zone, serial: u32) -> Box<[u8]> {
    let apex = zone.owners().first().map(|apex| apex.with_serial(serial));
    let soa = apex.as_ref().and_then(|apex| apex.rrset(Rtype::SOA));
    soa.map_or_else(Box::default, |soa| soa.rendered.into())
}

/// Whether an owner has hints that follow health.
fn has_auto(owner: &Owner) -> bool {
    autos(owner).next().is_some()
}

/// A name as a copy has it: its static records with addresses for their hints, and, if it is live, all addresses that
/// its answers are drawn from in the place of what pools outrank.
fn copied_owner(
    table: &RecordTable,
    zone_table: &ZoneTable,
    fixed: &Owner,
    live: Option<&Addresses>,
) -> Result<Owner, NoVersion> {
    let name = &fixed.name();
    let mut records = Vec::new();
    for rrset in fixed.rrsets() {
        if live.is_none() || !matches!(rrset.rtype, Rtype::A | Rtype::AAAA | Rtype::CNAME) {
            let (ttl, datas) = hints::resolved(table, zone_table, name, rrset)?;
            records.extend(datas.into_iter().map(|rdata| (rrset.rtype, ttl, rdata)));
        }
    }
    if let Some(addresses) = live {
        for (answer, rtype) in [(&addresses.v4, Rtype::A), (&addresses.v6, Rtype::AAAA)] {
            records.extend(answer.addresses().map(|(ttl, rdata)| (rtype, ttl, rdata.to_vec())));
        }
    }
    let refs =
        records.iter().map(|(rtype, ttl, rdata): &(_, _, Vec<u8>)| RecordRef { rtype: *rtype, rdata, ttl: *ttl });
    let mut records: Vec<RecordRef<'_>> = refs.collect();
    Owner::try_new(name, &mut records).map_err(|_| NoVersion::TooLarge)
}

/// How a version differs from the one before.
#[derive(Clone, Debug)]
pub(super) struct Difference {
    /// SOA record of the version before, rendered.
    pub(super) old_soa: Box<[u8]>,
    /// Serial of the version before.
    pub(super) old_serial: u32,
    /// SOA record of the version, rendered.
    pub(super) new_soa: Box<[u8]>,
    /// Records that go, and those that come, in canonical order.
    pub(super) removed: Vec<Changed>,
    /// Records that come.
    pub(super) added: Vec<Changed>,
    /// Octets of it all, roughly.
    pub(super) octets: usize,
}

/// A record that comes or goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Changed {
    /// Its owner's name in wire form; shared with the owner.
    pub(super) owner: Owner,
    /// The record, rendered.
    pub(super) record: Box<[u8]>,
}

impl Difference {
    /// How `new` differs from `old`; none if that takes more than `octets_max`. Equal owners cost a comparison.
    pub(super) fn between(old: &Version, new: &Version, octets_max: usize) -> Option<Self> {
        let mut difference = Self {
            old_soa: old.soa.clone(),
            old_serial: old.serial,
            new_soa: new.soa.clone(),
            removed: Vec::new(),
            added: Vec::new(),
            octets: old.soa.len() + new.soa.len(),
        };
        for (gone, there) in paired(old.owners(), new.owners()).filter(|(gone, there)| gone != there) {
            difference.owner(gone, there);
            if difference.octets > octets_max {
                return None;
            }
        }
        (difference.octets <= octets_max).then_some(difference)
    }

    /// Adds the difference between two owners of one name.
    fn owner(&mut self, old: Option<&Owner>, new: Option<&Owner>) {
        let records = |owner: Option<&Owner>| -> Vec<Changed> {
            let owner = owner.into_iter();
            let rrsets = owner.flat_map(|owner| owner.rrsets().map(move |rrset| (owner, rrset)));
            let fixed = rrsets.filter(|(_, rrset)| rrset.rtype != Rtype::SOA);
            fixed.flat_map(|(owner, rrset)| changed(owner, rrset)).collect()
        };
        let (old, new) = (records(old), records(new));
        let (before, after): (HashSet<&[u8]>, HashSet<&[u8]>) =
            (old.iter().map(|record| &*record.record).collect(), new.iter().map(|record| &*record.record).collect());
        let removed: Vec<Changed> = old.iter().filter(|record| !after.contains(&*record.record)).cloned().collect();
        let added: Vec<Changed> = new.iter().filter(|record| !before.contains(&*record.record)).cloned().collect();
        let octets = |changed: &Changed| changed.owner.name_wire().len() + changed.record.len();
        self.octets += removed.iter().chain(&added).map(octets).sum::<usize>();
        self.removed.extend(removed);
        self.added.extend(added);
    }
}

/// The records of an `RRset`, one by one.
fn changed(owner: &Owner, rrset: Rrset<'_>) -> Vec<Changed> {
    let render = |rdata: &[u8]| {
        let mut record = Vec::with_capacity(rdata.len() + 12);
        let rendered = render_record(&mut record, rrset.rtype, rrset.ttl(), rdata);
        debug_assert!(rendered.is_some(), "it was rendered before");
        Changed { owner: owner.clone(), record: record.into() }
    };
    rrset.rdatas().map(render).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::id::ZoneId;
    use crate::model::rrset::Record;
    use crate::steering::table::Slot;

    /// A record: a small owner name, a type, a TTL and data.
    type Line = (u8, u16, u32, u8);

    fn apex() -> Name {
        Name::parse("example.com", None).unwrap()
    }

    fn name(number: u8) -> Name {
        let text = ["@", "a", "b", "x.a", "*.b", "c"][usize::from(number % 6)];
        Name::parse(text, Some(&apex())).unwrap()
    }

    /// A table with a zone of these records.
    fn table(serial: u32, lines: &[Line]) -> RecordTable {
        let numbers = [serial, 1, 2, 3, 4].map(u32::to_be_bytes).concat();
        let record = |owner, rtype, ttl, rdata: Vec<u8>| Record { owner, rtype, ttl, rdata };
        let mut records = vec![
            record(apex(), Rtype::SOA, 60, [b"\0\0", numbers.as_slice()].concat()),
            record(apex(), Rtype::NS, 60, vec![0]),
        ];
        let line = |(owner, rtype, ttl, rdata): &Line| record(name(*owner), Rtype(*rtype), *ttl, vec![*rdata; 4]);
        records.extend(lines.iter().map(line));
        let mut table = RecordTable::new(1);
        table.put_zone(Arc::new(Zone::try_new(ZoneId::declared("example.com"), apex(), records).unwrap()));
        table
    }

    fn take(table: &RecordTable) -> Result<Version, NoVersion> {
        Version::take(table, table.zone_at(&apex()).unwrap(), None)
    }

    /// All records of a version but its SOA, each with its owner.
    fn content(version: &Version) -> BTreeSet<(Vec<u8>, Vec<u8>)> {
        let records = version.owners().flat_map(|owner| {
            let rrsets = owner.rrsets().filter(|rrset| rrset.rtype != Rtype::SOA);
            rrsets.flat_map(|rrset| changed(owner, rrset)).collect::<Vec<_>>()
        });
        records.map(|record| pair(&record)).collect()
    }

    fn pair(changed: &Changed) -> (Vec<u8>, Vec<u8>) {
        (changed.owner.name_wire().to_vec(), changed.record.to_vec())
    }

    fn lines() -> impl Strategy<Value = Vec<Line>> {
        prop::collection::vec((0..6_u8, prop::sample::select(vec![1_u16, 16, 99]), 1..3_u32, 0..3_u8), 0..12)
    }

    proptest! {
        #[test]
        fn the_difference_applied_to_the_old_version_gives_the_new_one(old in lines(), new in lines()) {
            let (old, new) = (take(&table(7, &old)).unwrap(), take(&table(8, &new)).unwrap());
            let difference = Difference::between(&old, &new, usize::MAX).unwrap();
            let mut content_now = content(&old);
            for removed in &difference.removed {
                prop_assert!(content_now.remove(&pair(removed)), "only what is there goes");
            }
            for added in &difference.added {
                prop_assert!(content_now.insert(pair(added)), "only what is not there comes");
            }
            prop_assert_eq!(content_now, content(&new));
            prop_assert_eq!(difference.old_serial, 7);
            let octets = difference.octets;
            prop_assert!(Difference::between(&old, &new, octets).is_some());
            prop_assert!(Difference::between(&old, &new, octets - 1).is_none());
        }
    }

    #[test]
    fn owners_are_in_canonical_order_with_live_names_among_them() {
        let mut table = table(7, &[(1, 1, 60, 0), (3, 1, 60, 0), (5, 1, 60, 0)]);
        let live = Name::parse("aa", Some(&apex())).unwrap();
        let own = take(&table).unwrap();
        assert_eq!(own.owners().count(), 4, "a name that is not live yet is not there");
        let slot = || Some(Arc::new(Slot::new(LiveAnswer::NotReady, 30)));
        table.set_slot(&apex(), &live, slot());
        assert_eq!(take(&table).unwrap_err(), NoVersion::NotReady);
        let zone = table.zone_at(&apex()).unwrap();
        assert_eq!(Version::take(&table, zone, Some(&own)).unwrap_err(), NoVersion::NotReady, "not as it was before");
        let replaced = vec![Owner::empty(&live), Owner::empty(&name(5))];
        let version = Version { replaced, ..own };
        let names: Vec<String> = version.owners().map(|owner| owner.name().to_string()).collect();
        assert_eq!(names, ["example.com", "a.example.com", "x.a.example.com", "aa.example.com", "c.example.com"]);
        assert!(version.owners().last().unwrap().is_empty(), "the one in its place");
    }

    #[test]
    fn a_version_has_the_serial_of_the_moment() {
        let mut table = table(7, &[]);
        table.set_serial(&apex(), 0x0102_0304);
        let version = take(&table).unwrap();
        assert_eq!(version.serial, 0x0102_0304);
        let tail = [0x0102_0304_u32, 1, 2, 3, 4].map(u32::to_be_bytes).concat();
        assert!(version.soa().ends_with(&tail));
    }
}
