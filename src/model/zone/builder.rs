//! Builds a zone of records that come one after another: names and data go into one vector of octets, so that a million
//! records cost no allocation each before they are grouped.

use std::collections::HashMap;

use crate::model::id::ZoneId;
use crate::model::limits::{FAULTS_MAX, ZONE_OCTETS_MAX};
use crate::model::name::{Name, canonical_prefix, compare_canonically};
use crate::model::rrset::{Owner, RecordRef, Rtype};
use crate::model::zone::{Cover, Soa, Zone, ZoneError, ZoneFault};

/// A zone that is being built.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneBuilder {
    /// Its id.
    id: ZoneId,
    /// Its top name.
    apex: Name,
    /// Owner names, each with a length octet in front, and data.
    octets: Vec<u8>,
    /// The records in the order in which they came.
    entries: Vec<Entry>,
    /// What is wrong with single records; the first of them.
    faults: Vec<ZoneFault>,
    /// What we read of the SOA.
    soa: Option<Soa>,
    /// Whether the apex has an NS record.
    has_ns: bool,
    /// Whether some owner is outside of the zone.
    has_outside: bool,
    /// `RRset`s whose records had different TTLs; the first of them, each by one of its records.
    unified: Vec<usize>,
}

/// A record that was added.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Entry {
    /// Where the length octet of its owner stands.
    owner: u32,
    /// Where its data starts.
    rdata: u32,
    /// Its TTL in seconds.
    ttl: u32,
    /// Its type.
    rtype: Rtype,
    /// Octets of its data.
    length: u16,
}

/// A record's place in canonical order.
#[derive(Clone, Copy)]
struct Place {
    /// The beginning of its owner's place: enough to tell most owners apart without looking at them.
    prefix: u128,
    /// Its index.
    index: u32,
}

impl ZoneBuilder {
    /// An empty zone.
    pub const fn new(id: ZoneId, apex: Name) -> Self {
        Self {
            id,
            apex,
            octets: Vec::new(),
            entries: Vec::new(),
            faults: Vec::new(),
            soa: None,
            has_ns: false,
            has_outside: false,
            unified: Vec::new(),
        }
    }

    /// Its top name.
    pub const fn apex(&self) -> &Name {
        &self.apex
    }

    /// How many records were added.
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none was.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The TTL of negative answers that the zone's SOA asks for, if it was added.
    pub const fn soa(&self) -> Option<Soa> {
        self.soa
    }

    /// Adds a record. What is wrong with it, [`ZoneBuilder::finish`] tells by its index.
    pub fn add(&mut self, owner: &Name, rtype: Rtype, ttl: u32, rdata: &[u8]) {
        let index = self.entries.len();
        let fault = self.fault_of(owner, rtype);
        let place = self.place_of(owner).zip(self.append(rdata));
        let (Some((owner_at, rdata_at)), Ok(length)) = (place, u16::try_from(rdata.len())) else {
            return self.push_fault(Some(index), ZoneError::TooLarge);
        };
        if let Some(why) = fault {
            self.has_outside |= matches!(why, ZoneError::OutsideZone { .. });
            self.push_fault(Some(index), why);
        } else if rtype == Rtype::SOA {
            match self.soa {
                Some(_) => self.push_fault(Some(index), ZoneError::SoaTwice),
                None => self.soa = Soa::of_data(rdata, ttl),
            }
        } else if rtype == Rtype::NS && *owner == self.apex {
            self.has_ns = true;
        }
        self.entries.push(Entry { owner: owner_at, rdata: rdata_at, ttl, rtype, length });
    }

    /// The zone of the records that were added, which stay; or all that is wrong with it, as much of it as anybody
    /// would read.
    pub fn finish(&mut self) -> Result<Zone, Vec<ZoneFault>> {
        let mut faults = std::mem::take(&mut self.faults);
        let owners = self.group(&mut faults);
        self.seal(owners, self.soa, self.has_ns, faults)
    }

    /// `zone` with the records that were added in the place of those of the owners `names`, in canonical order.
    pub(super) fn finish_edit(&mut self, zone: &Zone, names: &[Name]) -> Result<Zone, Vec<ZoneFault>> {
        let mut faults = std::mem::take(&mut self.faults);
        let mut edited = self.group(&mut faults).into_iter().peekable();
        let mut owners = Vec::with_capacity(zone.owners().len() + names.len());
        let mut rest = zone.owners();
        for name in names {
            let is_before = |owner: &Owner| compare_canonically(owner.name_wire(), name.wire()).is_lt();
            let (before, after) = rest.split_at(rest.partition_point(is_before));
            owners.extend_from_slice(before);
            rest = match after.split_first() {
                Some((replaced, after)) if replaced.name_wire() == name.wire() => after,
                _ => after,
            };
            owners.extend(edited.next_if(|owner| owner.name_wire() == name.wire()));
        }
        owners.extend_from_slice(rest);
        let top = owners.first().filter(|owner| owner.name_wire() == self.apex.wire());
        let soa = top.and_then(|top| top.rrset(Rtype::SOA));
        let soa = soa.and_then(|soa| Soa::of_data(soa.rdatas().next()?, soa.ttl()));
        let has_ns = top.is_some_and(|top| top.rrset(Rtype::NS).is_some());
        self.seal(owners, soa, has_ns, faults)
    }

    /// A zone of owners in canonical order, unless something is wrong with it.
    fn seal(
        &self,
        owners: Vec<Owner>,
        soa: Option<Soa>,
        has_ns: bool,
        mut faults: Vec<ZoneFault>,
    ) -> Result<Zone, Vec<ZoneFault>> {
        if soa.is_none() {
            faults.push(ZoneFault { record: None, why: ZoneError::SoaMissing });
        }
        if !has_ns {
            faults.push(ZoneFault { record: None, why: ZoneError::NsMissing });
        }
        match soa {
            Some(soa) if faults.is_empty() => {
                let covers = (0_u32..).zip(&owners).filter(|(_, owner)| Cover::of(owner, &self.apex).is_some());
                let covers = covers.map(|(index, _)| index).collect();
                Ok(Zone { id: self.id, apex: self.apex.clone(), owners, soa, covers })
            }
            _ => Err(faults),
        }
    }

    /// `RRset`s whose records had different TTLs, which a finished zone has no longer (RFC 2181 §5.2): the first of
    /// them, each by one of its records.
    pub fn unified(&self) -> &[usize] {
        &self.unified
    }

    /// What is wrong with a record by itself.
    fn fault_of(&self, owner: &Name, rtype: Rtype) -> Option<ZoneError> {
        let is_below = *owner != self.apex;
        match rtype {
            rtype if rtype.is_meta() => Some(ZoneError::MetaType),
            _ if !owner.is_at_or_below(&self.apex) => {
                Some(ZoneError::OutsideZone { owner: owner.clone(), apex: self.apex.clone() })
            }
            Rtype::SOA if is_below => Some(ZoneError::SoaBelowApex),
            Rtype::NS if is_below && owner.is_wildcard() => Some(ZoneError::WildcardNs),
            Rtype::DNAME if owner.is_wildcard() => Some(ZoneError::WildcardDname),
            _ => None,
        }
    }

    /// Keeps a fault, if there are not too many.
    fn push_fault(&mut self, record: Option<usize>, why: ZoneError) {
        if self.faults.len() <= FAULTS_MAX {
            self.faults.push(ZoneFault { record, why });
        }
    }

    /// Where an owner's name stands: that of the record before, if it is the same.
    fn place_of(&mut self, owner: &Name) -> Option<u32> {
        if let Some(last) = self.entries.last().map(|entry| entry.owner)
            && self.name_at(last) == owner.wire()
        {
            return Some(last);
        }
        let at = self.append(&[u8::try_from(owner.wire().len()).ok()?])?;
        self.append(owner.wire())?;
        Some(at)
    }

    /// Appends octets and says where they start; none if there is no room for them.
    fn append(&mut self, octets: &[u8]) -> Option<u32> {
        let at = u32::try_from(self.octets.len()).ok()?;
        if self.octets.len() + octets.len() > ZONE_OCTETS_MAX {
            return None;
        }
        self.octets.extend_from_slice(octets);
        Some(at)
    }

    /// The name whose length octet stands at an offset.
    fn name_at(&self, at: u32) -> &[u8] {
        let rest = usize::try_from(at).ok().and_then(|at| self.octets.get(at..)).unwrap_or_default();
        let (length, rest) = rest.split_first().unwrap_or((&0, &[]));
        rest.get(..usize::from(*length)).unwrap_or_default()
    }

    /// The record at an index, and its owner in wire form.
    pub fn record(&self, index: usize) -> Option<(&[u8], RecordRef<'_>)> {
        let entry = self.entries.get(index)?;
        let start = usize::try_from(entry.rdata).ok()?;
        let rdata = self.octets.get(start..start + usize::from(entry.length))?;
        Some((self.name_at(entry.owner), RecordRef { rtype: entry.rtype, rdata, ttl: entry.ttl }))
    }

    /// The record at a place.
    fn record_at(&self, place: &Place) -> Option<(&[u8], RecordRef<'_>)> {
        self.record(usize::try_from(place.index).ok()?)
    }

    /// The records in canonical order of their owners, those of one owner as they came.
    fn places(&self) -> Vec<Place> {
        let skip = self.apex.label_count();
        let (mut places, mut last) = (Vec::with_capacity(self.entries.len()), None);
        for (index, entry) in (0_u32..).zip(&self.entries) {
            // Names outside of the zone have no place in its order.
            if self.has_outside && !self.is_inside(entry.owner) {
                continue;
            }
            let prefix = match last {
                Some((owner, prefix)) if owner == entry.owner => prefix,
                _ => canonical_prefix(self.name_at(entry.owner), skip),
            };
            last = Some((entry.owner, prefix));
            places.push(Place { prefix, index });
        }
        let name = |place: &Place| self.record_at(place).map_or(&[][..], |(owner, _)| owner);
        // Most files are sorted nearly or in runs, which a stable sort takes advantage of.
        places.sort_by(|a, b| a.prefix.cmp(&b.prefix).then_with(|| compare_canonically(name(a), name(b))));
        places
    }

    /// Whether the name at an offset is in the zone.
    fn is_inside(&self, at: u32) -> bool {
        Name::from_wire(self.name_at(at)).is_some_and(|owner| owner.is_at_or_below(&self.apex))
    }

    /// Groups the records by owner in canonical order; adds faults that concern an owner as a whole.
    fn group(&mut self, faults: &mut Vec<ZoneFault>) -> Vec<Owner> {
        let places = self.places();
        let (mut owners, mut unified) = (Vec::new(), Vec::new());
        let name = |place: &Place| self.record_at(place).map_or(&[][..], |(owner, _)| owner);
        let same_owner = |a: &Place, b: &Place| a.prefix == b.prefix && name(a) == name(b);
        owners.reserve_exact(places.chunk_by(same_owner).count());
        let (mut records, mut octets) = (Vec::new(), Vec::new());
        for group in places.chunk_by(same_owner) {
            let Some(first) = group.first() else { continue };
            if group.len() > 1 && faults.len() <= FAULTS_MAX {
                faults.extend(self.cname_fault(group));
                faults.extend(self.dname_fault(group));
                if unified.len() < FAULTS_MAX {
                    unified.extend(self.ttl_difference(group));
                }
            }
            records.clear();
            records.extend(group.iter().filter_map(|place| self.record_at(place)).map(|(_, record)| record));
            match Owner::render(name(first), &mut records, &mut octets) {
                Ok(owner) => owners.push(owner),
                Err(why) => faults.push(ZoneFault { record: usize::try_from(first.index).ok(), why: why.into() }),
            }
        }
        self.unified = unified;
        owners
    }

    /// A CNAME beside what may not be there (RFC 2181 §10.1) among the records of one owner.
    fn cname_fault(&self, group: &[Place]) -> Option<ZoneFault> {
        let of_group = || group.iter().filter_map(|place| Some((place.index, self.record_at(place)?)));
        let (index, (owner, cname)) = of_group().find(|(_, (_, record))| record.rtype == Rtype::CNAME)?;
        let (other, _) = of_group().find(|(_, (_, other))| {
            !other.rtype.may_be_beside_cname() && (other.rtype, other.rdata) != (cname.rtype, cname.rdata)
        })?;
        let why = ZoneError::CnameConflict(Name::from_wire(owner)?);
        Some(ZoneFault { record: usize::try_from(index.max(other)).ok(), why })
    }

    /// A second DNAME, or one beside NS records below the apex (RFC 6672 §2.3 and §2.4), among the records of one owner.
    fn dname_fault(&self, group: &[Place]) -> Option<ZoneFault> {
        let of_group = || group.iter().filter_map(|place| Some((place.index, self.record_at(place)?)));
        let (index, (owner, dname)) = of_group().find(|(_, (_, record))| record.rtype == Rtype::DNAME)?;
        let owner = Name::from_wire(owner)?;
        let (other, why) = of_group().find_map(|(index, (_, other))| {
            let why = match other.rtype {
                Rtype::DNAME if other.rdata != dname.rdata => ZoneError::DnameTwice(owner.clone()),
                Rtype::NS if owner != self.apex => ZoneError::DnameAtCut(owner.clone()),
                _ => return None,
            };
            Some((index, why))
        })?;
        Some(ZoneFault { record: usize::try_from(index.max(other)).ok(), why })
    }

    /// The first record among those of one owner whose TTL is not that of an earlier one of its type.
    fn ttl_difference(&self, group: &[Place]) -> Option<usize> {
        let of_group = || group.iter().filter_map(|place| Some((place.index, self.record_at(place)?.1)));
        let (first, rest) = (of_group().next()?.1.ttl, of_group());
        // Nearly always all are equal; only then it takes a second look.
        if of_group().all(|(_, record)| record.ttl == first) {
            return None;
        }
        // An owner may have as many types as there are.
        let mut seen: HashMap<Rtype, u32> = HashMap::new();
        // RFC 4034 §3: each signature has the TTL of the records that it covers.
        let mut unsigned = rest.filter(|(_, record)| record.rtype != Rtype::RRSIG);
        let (index, _) = unsigned.find(|(_, record)| *seen.entry(record.rtype).or_insert(record.ttl) != record.ttl)?;
        usize::try_from(index).ok()
    }
}
