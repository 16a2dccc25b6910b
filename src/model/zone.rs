//! A zone: what we are authoritative for, and its static records.

use std::cmp::Ordering;

use crate::model::id::ZoneId;
use crate::model::name::Name;
use crate::model::rrset::{Owner, Record, RrsetError, Rtype};

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
    #[error("{0} has a CNAME record beside other records; a CNAME has to be alone (RFC 2181 §10.1)")]
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
}

impl Zone {
    /// A zone of `records`; or all that is wrong with them.
    pub fn try_new(id: ZoneId, apex: Name, records: Vec<Record>) -> Result<Self, Vec<ZoneFault>> {
        let mut faults = record_faults(&apex, &records);
        let soas: Vec<usize> = (0..records.len()).filter(|i| rtype_at(&records, *i) == Rtype::SOA).collect();
        faults.extend(soas.iter().skip(1).map(|i| ZoneFault { record: Some(*i), why: ZoneError::SoaTwice }));
        let soa = soas.first().and_then(|i| records.get(*i)).and_then(Soa::of_record);
        if soa.is_none() {
            faults.push(ZoneFault { record: None, why: ZoneError::SoaMissing });
        }
        if !records.iter().any(|record| record.owner == apex && record.rtype == Rtype::NS) {
            faults.push(ZoneFault { record: None, why: ZoneError::NsMissing });
        }
        let owners = group_owners(&apex, records, &mut faults);
        match soa {
            Some(soa) if faults.is_empty() => {
                let covers = (0_u32..).zip(&owners).filter(|(_, owner)| Cover::of(owner, &apex).is_some());
                let covers = covers.map(|(index, _)| index).collect();
                Ok(Self { id, apex, owners, soa, covers })
            }
            _ => Err(faults),
        }
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
        let order = |index: &u32| owner(index).map_or(Ordering::Less, |owner| owner.name().cmp(name));
        let found = self.covers.binary_search_by(order).ok()?;
        self.covers.get(found).and_then(owner).and_then(|owner| Cover::of(owner, &self.apex))
    }

    /// The static records at a name.
    pub fn owner(&self, name: &Name) -> Option<&Owner> {
        let index = self.owners.binary_search_by(|owner| owner.name().cmp(name)).ok()?;
        self.owners.get(index)
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
    /// Reads a SOA record; none if its data is not one.
    fn of_record(record: &Record) -> Option<Self> {
        // MNAME and RNAME, then serial, refresh, retry, expire and minimum: twenty octets at the end.
        let numbers = record.rdata.last_chunk::<20>()?;
        let number = |at: usize| {
            let octets = numbers.get(at..at + 4)?;
            octets.try_into().ok().map(u32::from_be_bytes)
        };
        Some(Self { serial: number(0)?, negative_ttl: record.ttl.min(number(16)?) })
    }
}

/// The type of the record at an index.
fn rtype_at(records: &[Record], index: usize) -> Rtype {
    records.get(index).map_or(Rtype(0), |record| record.rtype)
}

/// What is wrong with single records.
fn record_faults(apex: &Name, records: &[Record]) -> Vec<ZoneFault> {
    let fault_of = |record: &Record| {
        let below = record.owner != *apex;
        match record.rtype {
            rtype if rtype.is_meta() => Some(ZoneError::MetaType),
            _ if !record.owner.is_at_or_below(apex) => {
                Some(ZoneError::OutsideZone { owner: record.owner.clone(), apex: apex.clone() })
            }
            Rtype::SOA if below => Some(ZoneError::SoaBelowApex),
            Rtype::NS if below && record.owner.is_wildcard() => Some(ZoneError::WildcardNs),
            Rtype::DNAME if record.owner.is_wildcard() => Some(ZoneError::WildcardDname),
            _ => None,
        }
    };
    let faults = records.iter().enumerate();
    faults.filter_map(|(i, record)| Some(ZoneFault { record: Some(i), why: fault_of(record)? })).collect()
}

/// Groups records by owner in canonical order; adds faults that concern an owner as a whole.
fn group_owners(apex: &Name, records: Vec<Record>, faults: &mut Vec<ZoneFault>) -> Vec<Owner> {
    let mut indexed: Vec<(usize, Record)> = records.into_iter().enumerate().collect();
    indexed.sort_by(|(_, a), (_, b)| a.owner.cmp(&b.owner));
    let mut owners = Vec::new();
    for group in indexed.chunk_by(|(_, a), (_, b)| a.owner == b.owner) {
        let Some((_, first)) = group.first() else { continue };
        // RFC 2181 §10.1: a CNAME is alone, and there is one.
        let cname = group.iter().find(|(_, record)| record.rtype == Rtype::CNAME);
        let clash = cname.and_then(|(_, cname)| {
            group.iter().find(|(_, other)| (other.rtype, &other.rdata) != (cname.rtype, &cname.rdata))
        });
        if let (Some((cname, _)), Some((other, _))) = (cname, clash) {
            let why = ZoneError::CnameConflict(first.owner.clone());
            faults.push(ZoneFault { record: Some(*cname.max(other)), why });
        }
        faults.extend(dname_faults(apex, group));
        let mut of_owner: Vec<Record> = group.iter().map(|(_, record)| record.clone()).collect();
        match Owner::try_new(&first.owner, &mut of_owner) {
            Ok(owner) => owners.push(owner),
            Err(why) => faults.push(ZoneFault { record: group.first().map(|(i, _)| *i), why: why.into() }),
        }
    }
    owners
}

/// What is wrong with the DNAME records of one owner.
fn dname_faults(apex: &Name, group: &[(usize, Record)]) -> Option<ZoneFault> {
    let (index, dname) = group.iter().find(|(_, record)| record.rtype == Rtype::DNAME)?;
    let same = |other: &Record| other.rtype == Rtype::DNAME && other.rdata != dname.rdata;
    let is_cut = |other: &Record| other.rtype == Rtype::NS && other.owner != *apex;
    let (other, why) = group.iter().find_map(|(index, other)| {
        let why = match other {
            other if same(other) => ZoneError::DnameTwice(other.owner.clone()),
            other if is_cut(other) => ZoneError::DnameAtCut(other.owner.clone()),
            _ => return None,
        };
        Some((index, why))
    })?;
    Some(ZoneFault { record: Some(*index.max(other)), why })
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
