//! A record of a zone, wherever the zone comes from. Looking through a large zone copies nothing.

use std::borrow::Cow;

use data_encoding::HEXLOWER;

use crate::model::dns_record::DnsRecord;
use crate::model::id::{RecordId, ZoneId};
use crate::model::inventory::Inventory;
use crate::model::name::Name;
use crate::model::rrset::{Owner, Record, Rtype};
use crate::model::stamp::Stamp;
use crate::model::tree::Table;
use crate::spec::dns_record::{build_json, of_record};

/// A record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'i> {
    /// The zone that it is in.
    zone: ZoneId,
    /// Its owner in wire form.
    pub(super) owner: &'i [u8],
    /// Its type.
    pub(super) rtype: Rtype,
    /// Its TTL in seconds; none for the automatic one.
    pub(super) ttl: Option<u32>,
    /// Its data in wire form.
    pub(super) rdata: &'i [u8],
    /// What else there is of it, if it was made here.
    pub(super) stored: Option<&'i DnsRecord>,
}

/// The records of a zone, or of one owner in it, but for its SOA; none if it has not been transferred yet.
pub(super) fn lines<'i>(inventory: &'i Inventory, zone: ZoneId, owner: Option<&Name>) -> Vec<Line<'i>> {
    if let Some(stored) = inventory.records.find(zone) {
        let wanted = stored.records.iter().filter(|record| owner.is_none_or(|owner| record.owner == *owner));
        return wanted.map(|record| Line::stored(zone, record)).filter(|line| line.rtype != Rtype::SOA).collect();
    }
    let Some(found) = inventory.zones.find(zone) else { return vec![] };
    match owner {
        Some(owner) => found.owner(owner).into_iter().flat_map(|owner| Line::all(zone, owner)).collect(),
        None => found.owners().iter().flat_map(|owner| Line::all(zone, owner)).collect(),
    }
}

impl<'i> Line<'i> {
    /// A record that was made here.
    fn stored(zone: ZoneId, record: &'i DnsRecord) -> Self {
        let DnsRecord { owner, rtype, ttl, rdata, .. } = record;
        Self { zone, owner: owner.wire(), rtype: *rtype, ttl: *ttl, rdata, stored: Some(record) }
    }

    /// The records of an owner.
    fn all(zone: ZoneId, owner: &'i Owner) -> impl Iterator<Item = Self> + use<'i> {
        let name = owner.name_wire();
        let rrsets = owner.rrsets().filter(|rrset| rrset.rtype != Rtype::SOA);
        rrsets.flat_map(move |rrset| {
            let (rtype, ttl) = (rrset.rtype, Some(rrset.ttl()));
            rrset.rdatas().map(move |rdata| Self { zone, owner: name, rtype, ttl, rdata, stored: None })
        })
    }

    /// Its id.
    pub(super) fn id(&self) -> RecordId {
        let of_what_it_is =
            || RecordId::declared(&format!("{} {} {}", self.name(), self.rtype.0, HEXLOWER.encode(self.rdata)));
        self.stored.map_or_else(of_what_it_is, |record| record.id)
    }

    /// Its owner.
    pub(super) fn name(&self) -> Name {
        Name::from_wire(self.owner).unwrap_or_else(Name::root)
    }

    /// Its content.
    pub(super) fn content(&self) -> Cow<'i, str> {
        match self.stored {
            Some(record) => Cow::Borrowed(&record.content),
            None => Cow::Owned(self.record().content),
        }
    }

    /// What somebody wants to remember of it.
    pub(super) fn comment(&self) -> &'i str {
        self.stored.map_or("", |record| &record.comment)
    }

    /// As it is shown.
    pub(super) fn shown(&self, apex: &Name, stamp: &Stamp<ZoneId>) -> Table {
        if let Some(record) = self.stored {
            return build_json(record, apex);
        }
        let (created, modified) = (stamp.created, stamp.modified);
        build_json(&DnsRecord { id: self.id(), created, modified, ..self.record() }, apex)
    }

    /// A record of a file, as one that was made here would be.
    fn record(&self) -> DnsRecord {
        let ttl = self.ttl.unwrap_or_default();
        let record = Record { owner: self.name(), rtype: self.rtype, ttl, rdata: self.rdata.to_vec() };
        of_record(record, RecordId::random(0), self.zone)
    }
}
