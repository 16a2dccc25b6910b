//! A zone: what we are authoritative for, and its static records.

pub mod builder;

use std::cmp::Ordering;

use crate::model::id::ZoneId;
use crate::model::limits::ZONE_OCTETS_MAX;
use crate::model::name::{Name, compare_canonically};
use crate::model::rrset::{Owner, Record, RrsetError, Rtype};
use crate::model::zone::builder::ZoneBuilder;

/// An apex and everything declared at and below it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Zone {
    /// Its id.
    pub id: ZoneId,
    /// Its top name.
    apex: Name,
    /// Owners in canonical order (RFC 4034 §6.1), the apex first.
    owners: Vec<Owner>,
    /// What negative answers and secondaries need of its SOA.
    soa: Soa,
    /// Indices of the owners that are delegated or redirected, in order: what is below them is not answered from here.
    covers: Box<[u32]>,
}

/// What takes the names at or below an owner out of the zone's own answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cover {
    /// Its NS records below the apex: it and all below it belong to others (RFC 1034 §4.2.1).
    Cut,
    /// Its DNAME record: all below it is somewhere else (RFC 6672 §2.3).
    Dname,
}

/// What we read of a SOA record (RFC 1035 §3.3.13).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Soa {
    /// Version of the zone, compared by RFC 1982.
    pub serial: u32,
    /// `min(SOA TTL, MINIMUM)`: how long a negative answer may be kept, in seconds (RFC 2308 §5).
    pub negative_ttl: u32,
}

/// Something wrong with a zone, and the record that shows it: an index into those given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneFault {
    /// The record, or none where one is missing.
    pub record: Option<usize>,
    /// What is wrong.
    pub why: ZoneError,
}

/// What can be wrong with a zone.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ZoneError {
    /// RFC 1035 §5.2: exactly one SOA.
    #[error("the zone has no SOA record; add one, such as \"@ 3600 SOA ns1 hostmaster 1 7200 900 1209600 300\"")]
    SoaMissing,
    /// A second SOA.
    #[error("this is the zone's second SOA record; exactly one is allowed (RFC 1035 §5.2)")]
    SoaTwice,
    /// A SOA below the apex.
    #[error("a SOA record belongs to the zone's apex only")]
    SoaBelowApex,
    /// RFC 1034 §4.2.1: a zone names its servers.
    #[error("the zone has no NS record at its apex; add one, such as \"@ 3600 NS ns1\"")]
    NsMissing,
    /// An owner that is not ours.
    #[error("{owner} is not in the zone {apex}; names without a final dot are relative to it")]
    OutsideZone {
        /// The owner name.
        owner: Name,
        /// The zone.
        apex: Name,
    },
    /// RFC 2181 §10.1.
    #[error(
        "{0} has a CNAME record beside other records; a CNAME has to be alone, but for records that sign it (RFC 2181 §10.1)"
    )]
    CnameConflict(Name),
    /// RFC 6672 §2.4.
    #[error("{0} has two DNAME records; one is allowed (RFC 6672 §2.4)")]
    DnameTwice(Name),
    /// RFC 6672 §2.3.
    #[error("{0} has a DNAME record beside NS records; below the apex only one of them is allowed (RFC 6672 §2.3)")]
    DnameAtCut(Name),
    /// Undefined, and servers differ.
    #[error("NS records at a wildcard have no defined meaning (RFC 4592 §4.2); delegate each name, or answer for all")]
    WildcardNs,
    /// Discouraged, and servers differ.
    #[error(
        "a DNAME record at a wildcard has no defined meaning (RFC 4592 §4.4); use a DNAME one label up, or a CNAME"
    )]
    WildcardDname,
    /// Never a record.
    #[error("no record can be of this type; it exists in queries only")]
    MetaType,
    /// An `RRset` that is too large.
    #[error(transparent)]
    Rrset(#[from] RrsetError),
    /// More than we take.
    #[error("the zone's records have more than {ZONE_OCTETS_MAX} octets")]
    TooLarge,
}

impl Zone {
    /// A zone of `records`; or all that is wrong with them.
    pub fn try_new(id: ZoneId, apex: Name, records: Vec<Record>) -> Result<Self, Vec<ZoneFault>> {
        let mut builder = ZoneBuilder::new(id, apex);
        for record in records {
            builder.add(&record.owner, record.rtype, record.ttl, &record.rdata);
        }
        builder.finish()
    }

    /// The zone with all records of some owners replaced; where none are left the owner is gone. Everything else is
    /// shared. Or all that is wrong with it, by the index of the new records.
    pub fn edited(&self, edits: impl IntoIterator<Item = (Name, Vec<Record>)>) -> Result<Self, Vec<ZoneFault>> {
        let mut builder = ZoneBuilder::new(self.id, self.apex.clone());
        let mut names = Vec::new();
        for (name, records) in edits {
            for record in records {
                builder.add(&record.owner, record.rtype, record.ttl, &record.rdata);
            }
            names.push(name);
        }
        names.sort_unstable();
        builder.finish_edit(self, &names)
    }

    /// Its top name.
    pub const fn apex(&self) -> &Name {
        &self.apex
    }

    /// Its owners in canonical order, the apex first.
    pub fn owners(&self) -> &[Owner] {
        &self.owners
    }

    /// What we need of its SOA.
    pub const fn soa(&self) -> Soa {
        self.soa
    }

    /// Whether it delegates or redirects anything.
    pub fn has_covers(&self) -> bool {
        !self.covers.is_empty()
    }

    /// The topmost delegation at or above a name, or DNAME above it: what the name is answered from in its place.
    pub fn cover_of(&self, name: &Name) -> Option<(Name, Cover)> {
        let mut found = None;
        let mut candidate = Some(name.clone()).filter(|_| self.has_covers());
        while let Some(here) = candidate.filter(|here| here.is_at_or_below(&self.apex)) {
            candidate = here.parent();
            if let Some(cover) = self.cover_at(&here).filter(|cover| *cover == Cover::Cut || here != *name) {
                found = Some((here, cover));
            }
        }
        found
    }

    /// What the records at exactly this name cover.
    fn cover_at(&self, name: &Name) -> Option<Cover> {
        let owner = |index: &u32| usize::try_from(*index).ok().and_then(|index| self.owners.get(index));
        let order = |index: &u32| {
            owner(index).map_or(Ordering::Less, |owner| compare_canonically(owner.name_wire(), name.wire()))
        };
        let found = self.covers.binary_search_by(order).ok()?;
        self.covers.get(found).and_then(owner).and_then(|owner| Cover::of(owner, &self.apex))
    }

    /// The static records at a name.
    pub fn owner(&self, name: &Name) -> Option<&Owner> {
        self.at_or_after(name).filter(|owner| owner.name_wire() == name.wire())
    }

    /// Whether a name exists: it or one below it has static records (RFC 4592 §2.2.2).
    pub fn has_name(&self, name: &Name) -> bool {
        // What is below a name follows it in canonical order.
        self.at_or_after(name).is_some_and(|owner| owner.name().is_at_or_below(name))
    }

    /// The first owner that is not before a name.
    fn at_or_after(&self, name: &Name) -> Option<&Owner> {
        let is_before = |owner: &Owner| compare_canonically(owner.name_wire(), name.wire()).is_lt();
        self.owners.get(self.owners.partition_point(is_before))
    }
}

impl Cover {
    /// What the records of an owner cover in the zone with this apex.
    pub fn of(owner: &Owner, apex: &Name) -> Option<Self> {
        owner.rrsets().find_map(|rrset| match rrset.rtype {
            Rtype::NS if owner.name_wire() != apex.wire() => Some(Self::Cut),
            Rtype::DNAME => Some(Self::Dname),
            _ => None,
        })
    }
}

impl Soa {
    /// Reads the data of a SOA record with this TTL; none if it is not what a SOA has.
    fn of_data(rdata: &[u8], ttl: u32) -> Option<Self> {
        // MNAME and RNAME, then serial, refresh, retry, expire and minimum: twenty octets at the end.
        let numbers = rdata.last_chunk::<20>()?;
        let number = |at: usize| {
            let octets = numbers.get(at..at + 4)?;
            octets.try_into().ok().map(u32::from_be_bytes)
        };
        Some(Self { serial: number(0)?, negative_ttl: ttl.min(number(16)?) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, Some(&Name::parse("example.com", None).unwrap())).unwrap()
    }

    fn record(owner: &str, rtype: Rtype, rdata: &[u8]) -> Record {
        Record { owner: name(owner), rtype, ttl: 3600, rdata: rdata.to_vec() }
    }

    fn soa() -> Record {
        let mut rdata = b"\x02ns\0\x01h\0".to_vec();
        rdata.extend([7_u32, 1, 2, 3, 300].into_iter().flat_map(u32::to_be_bytes));
        record("@", Rtype::SOA, &rdata)
    }

    fn zone(records: Vec<Record>) -> Result<Zone, Vec<(Option<usize>, ZoneError)>> {
        Zone::try_new(ZoneId::declared("example.com"), name("@"), records)
            .map_err(|faults| faults.into_iter().map(|fault| (fault.record, fault.why)).collect())
    }

    #[test]
    fn a_sound_zone_is_in_canonical_order() {
        let ns = record("@", Rtype::NS, b"\x02ns\0");
        let zone = zone(vec![record("z", Rtype::A, &[0; 4]), record("a.b", Rtype::A, &[0; 4]), ns, soa()]).unwrap();
        let owners: Vec<String> = zone.owners().iter().map(|owner| owner.name().to_string()).collect();
        assert_eq!(owners, ["example.com", "a.b.example.com", "z.example.com"]);
        assert_eq!(zone.soa(), Soa { serial: 7, negative_ttl: 300 });
        assert!(zone.owner(&name("z")).is_some() && zone.owner(&name("b")).is_none());
        for (text, exists) in [("@", true), ("z", true), ("b", true), ("a.b", true), ("a", false), ("zz", false)] {
            assert_eq!(zone.has_name(&name(text)), exists, "{text}");
        }
    }

    #[test]
    fn every_fault_is_found_at_once() {
        let faults = zone(vec![
            record("a", Rtype::CNAME, b"\x01x\0"),
            record("a", Rtype::TXT, b"\x01x"),
            record("b", Rtype::CNAME, b"\x01x\0"),
            record("b", Rtype::CNAME, b"\x01y\0"),
            record("*.sub", Rtype::NS, b"\x01x\0"),
            record("www.example.net.", Rtype::A, &[0; 4]),
            soa(),
            soa(),
            record("c", Rtype::ANY, b""),
            record("*", Rtype::DNAME, b"\x01x\0"),
            record("d", Rtype::DNAME, b"\x01x\0"),
            record("d", Rtype::DNAME, b"\x01y\0"),
            record("e", Rtype::DNAME, b"\x01x\0"),
            record("e", Rtype::NS, b"\x01x\0"),
        ])
        .unwrap_err();
        let outside = ZoneError::OutsideZone { owner: name("www.example.net."), apex: name("@") };
        for expected in [
            (Some(1), ZoneError::CnameConflict(name("a"))),
            (Some(3), ZoneError::CnameConflict(name("b"))),
            (Some(4), ZoneError::WildcardNs),
            (Some(5), outside),
            (Some(7), ZoneError::SoaTwice),
            (Some(8), ZoneError::MetaType),
            (Some(9), ZoneError::WildcardDname),
            (Some(11), ZoneError::DnameTwice(name("d"))),
            (Some(13), ZoneError::DnameAtCut(name("e"))),
            (None, ZoneError::NsMissing),
        ] {
            assert!(faults.contains(&expected), "{expected:?} in {faults:?}");
        }
        assert_eq!(faults.len(), 10);
        assert!(zone(vec![]).unwrap_err().contains(&(None, ZoneError::SoaMissing)));
    }

    #[test]
    fn a_cname_may_be_signed_and_nothing_else() {
        let beside = |rtype| {
            let ns = record("@", Rtype::NS, b"\x01x\0");
            zone(vec![record("a", Rtype::CNAME, b"\x01x\0"), record("a", rtype, b"\x01y\0"), ns, soa()])
        };
        for rtype in [46, 47, 24, 25, 30] {
            let zone = beside(Rtype(rtype)).unwrap_or_else(|faults| panic!("TYPE{rtype}: {faults:?}"));
            let owner = zone.owner(&name("a")).unwrap();
            assert!(owner.rrset(Rtype::CNAME).is_some() && owner.rrset(Rtype(rtype)).is_some(), "TYPE{rtype}");
        }
        // NSEC3 records have owners of their own (RFC 5155 §3), DNSKEY records the zone's apex.
        for rtype in [1, 5, 16, 39, 43, 48, 50] {
            let faults = beside(Rtype(rtype)).unwrap_err();
            assert_eq!(faults, [(Some(1), ZoneError::CnameConflict(name("a")))], "TYPE{rtype}");
        }
    }

    #[test]
    fn a_ttl_that_differs_within_a_type_is_found() {
        let mut builder = ZoneBuilder::new(ZoneId::declared("example.com"), name("@"));
        let types = 1000..1100_u16;
        for (rtype, ttl) in types.clone().map(|rtype| (rtype, u32::from(rtype))).chain([(46, 5), (46, 6), (1050, 7)]) {
            builder.add(&name("a"), Rtype(rtype), ttl, &ttl.to_be_bytes());
        }
        builder.add(&name("@"), Rtype::NS, 60, b"\x01x\0");
        builder.add(&name("@"), Rtype::SOA, 60, &soa().rdata);
        builder.finish().unwrap();
        assert_eq!(builder.unified(), [types.len() + 2], "signatures have the TTLs of what they cover");
    }

    #[test]
    fn the_topmost_cut_or_dname_covers() {
        let zone = zone(vec![
            soa(),
            record("@", Rtype::NS, b"\x02ns\0"),
            record("sub", Rtype::NS, b"\x02ns\0"),
            record("a.sub", Rtype::DNAME, b"\x02ns\0"),
            record("d.a", Rtype::DNAME, b"\x02ns\0"),
            record("b.d.a", Rtype::NS, b"\x02ns\0"),
        ])
        .unwrap();
        for (text, expected) in [
            ("@", None),
            ("a", None),
            ("xsub", None),
            ("sub", Some(("sub", Cover::Cut))),
            ("x.y.sub", Some(("sub", Cover::Cut))),
            ("x.a.sub", Some(("sub", Cover::Cut))),
            ("d.a", None),
            ("x.d.a", Some(("d.a", Cover::Dname))),
            ("b.d.a", Some(("d.a", Cover::Dname))),
            ("www.example.net.", None),
        ] {
            let expected = expected.map(|(owner, cover)| (name(owner), cover));
            assert_eq!(zone.cover_of(&name(text)), expected, "{text}");
        }
        let mut records = vec![soa(), record("@", Rtype::NS, b"\x02ns\0"), record("@", Rtype::DNAME, b"\x01x\0")];
        records.push(record("sub", Rtype::NS, b"\x02ns\0"));
        let zone = self::zone(records).unwrap();
        assert_eq!(zone.cover_of(&name("sub")), Some((name("@"), Cover::Dname)));
        assert_eq!(zone.cover_of(&name("@")), None);
    }
}
