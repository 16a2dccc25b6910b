//! Zones as plain lists of records, and the rules of what may stand beside what.

use std::collections::{HashMap, HashSet};

use super::message::rtype;
use super::name::Name;

/// The data of a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Data {
    /// An IPv4 address.
    A([u8; 4]),
    /// The last 16 bits of an IPv6 address.
    Aaaa(u16),
    /// A name server.
    Ns(Name),
    /// Another name for the owner.
    Cname(Name),
    /// Another name for what is below the owner.
    Dname(Name),
    /// A pointer.
    Ptr(Name),
    /// Preference and mail exchange.
    Mx(u16, Name),
    /// Port and place of a service.
    Srv(u16, Name),
    /// Whether it is for HTTP, priority (0 is an alias), target.
    Service(bool, u16, Name),
    /// Character strings.
    Txt(Vec<Vec<u8>>),
    /// The key tag of a digest.
    Ds(u16),
    /// Octets of a type for private use.
    Private(Vec<u8>),
}

impl Data {
    /// The type.
    pub fn rtype(&self) -> u16 {
        match self {
            Self::A(_) => rtype::A,
            Self::Aaaa(_) => rtype::AAAA,
            Self::Ns(_) => rtype::NS,
            Self::Cname(_) => rtype::CNAME,
            Self::Dname(_) => rtype::DNAME,
            Self::Ptr(_) => rtype::PTR,
            Self::Mx(..) => rtype::MX,
            Self::Srv(..) => rtype::SRV,
            Self::Service(https, ..) => {
                if *https {
                    rtype::HTTPS
                } else {
                    rtype::SVCB
                }
            }
            Self::Txt(_) => rtype::TXT,
            Self::Ds(_) => rtype::DS,
            Self::Private(_) => rtype::PRIVATE,
        }
    }

    /// The name in the data.
    pub fn target(&self) -> Option<&Name> {
        match self {
            Self::Ns(name)
            | Self::Cname(name)
            | Self::Dname(name)
            | Self::Ptr(name)
            | Self::Mx(_, name)
            | Self::Srv(_, name)
            | Self::Service(_, _, name) => Some(name),
            Self::A(_) | Self::Aaaa(_) | Self::Txt(_) | Self::Ds(_) | Self::Private(_) => None,
        }
    }
}

/// A record of a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its owner.
    pub owner: Name,
    /// Its TTL.
    pub ttl: u32,
    /// Its data.
    pub data: Data,
}

/// A zone. SOA and the NS records of the apex come first.
#[derive(Clone, Debug)]
pub struct Zone {
    /// Its apex.
    pub apex: Name,
    /// TTL of its SOA.
    pub soa_ttl: u32,
    /// MINIMUM of its SOA.
    pub minimum: u32,
    /// All records but the SOA.
    pub records: Vec<Record>,
    /// Decides how its file is written.
    pub style: u64,
}

impl Zone {
    /// Makes a zone of whatever records of `drafts` can stand together.
    pub fn settled(apex: Name, (soa_ttl, minimum): (u32, u32), drafts: Vec<Record>, style: u64) -> Self {
        let mut zone = Self { apex, soa_ttl, minimum, records: Vec::new(), style };
        let mut seen = HashSet::new();
        let mut ttls = HashMap::new();
        let mut types: HashMap<Name, HashSet<u16>> = HashMap::new();
        types.entry(zone.apex.lower()).or_default().insert(rtype::SOA);
        for mut draft in drafts {
            let owner = draft.owner.lower();
            let rtype = draft.data.rtype();
            let beside = types.entry(owner.clone()).or_default();
            if !zone.may_hold(&draft) || !may_join(rtype, beside, zone.apex.is_same(&owner)) {
                continue;
            }
            if !seen.insert((owner.clone(), draft.data.clone())) {
                continue;
            }
            beside.insert(rtype);
            // RFC 2181 §5.2: records of one type at one name have one TTL.
            draft.ttl = *ttls.entry((owner, rtype)).or_insert(draft.ttl);
            zone.records.push(draft);
        }
        zone
    }

    /// Whether a record may be here at all, whatever else is.
    fn may_hold(&self, draft: &Record) -> bool {
        let fits = draft.owner.octets() <= 255 && draft.data.target().is_none_or(|target| target.octets() <= 255);
        // RFC 4592 §4.2 and §4.4: what NS and DNAME mean at a wildcard nobody agrees on.
        let is_wild = matches!(draft.data, Data::Ns(_) | Data::Dname(_) | Data::Ds(_)) && draft.owner.is_wildcard();
        let is_own_digest = matches!(draft.data, Data::Ds(_)) && draft.owner.is_same(&self.apex);
        fits && draft.owner.is_in(&self.apex) && !is_wild && !is_own_digest
    }

    /// RFC 4035 §2.4: DS records stand beside NS records.
    fn clear_lone_digests(&mut self) {
        let cuts: HashSet<Name> = self.cuts().map(Name::lower).collect();
        self.records.retain(|record| !matches!(record.data, Data::Ds(_)) || cuts.contains(&record.owner.lower()));
    }

    /// Owners of NS records below the apex.
    pub fn cuts(&self) -> impl Iterator<Item = &Name> {
        let cuts = self.records.iter().filter(|record| matches!(record.data, Data::Ns(_)));
        cuts.map(|record| &record.owner).filter(|owner| !owner.is_same(&self.apex))
    }

    /// The highest cut that a name is at or below.
    pub fn cut_above(&self, name: &Name) -> Option<&Name> {
        self.cuts().filter(|cut| name.is_in(cut)).min_by_key(|cut| cut.0.len())
    }
}

/// Whether a record of this type may join others at its owner.
fn may_join(number: u16, beside: &HashSet<u16>, at_apex: bool) -> bool {
    let is_alone = |other: u16| beside.is_empty() || (other != rtype::DNAME && beside.iter().all(|one| *one == other));
    match number {
        // RFC 2181 §10.1, RFC 6672 §2.4: one CNAME, and nothing else.
        rtype::CNAME => beside.is_empty(),
        // RFC 6672 §2.3: one DNAME, and no cut at the same name.
        rtype::DNAME => !beside.contains(&rtype::DNAME) && !holds_cut_or_alias(beside, at_apex),
        rtype::NS if !at_apex => !beside.contains(&rtype::CNAME) && !beside.contains(&rtype::DNAME),
        other => is_alone(other) || !beside.contains(&rtype::CNAME),
    }
}

/// Whether a DNAME would meet a CNAME or a cut.
fn holds_cut_or_alias(beside: &HashSet<u16>, at_apex: bool) -> bool {
    beside.contains(&rtype::CNAME) || (!at_apex && beside.contains(&rtype::NS))
}

/// Zones that are served together.
#[derive(Clone, Debug)]
pub struct ZoneSet(pub Vec<Zone>);

impl ZoneSet {
    /// Zones that can be served together. RFC 6672 §2.4: there is nothing below a DNAME; for NSD, which has one tree
    /// of names for all zones, not even in another zone.
    pub fn settled(mut zones: Vec<Zone>) -> Self {
        let apexes: Vec<Name> = zones.iter().map(|zone| zone.apex.clone()).collect();
        let is_dname = |record: &Record| matches!(record.data, Data::Dname(_));
        for zone in &mut zones {
            zone.records.retain(|record| !is_dname(record) || !apexes.iter().any(|apex| apex.is_below(&record.owner)));
        }
        let dnames: Vec<Name> = zones
            .iter()
            .flat_map(|zone| &zone.records)
            .filter(|record| is_dname(record))
            .map(|record| record.owner.clone())
            .collect();
        for zone in &mut zones {
            zone.records.retain(|record| !dnames.iter().any(|dname| record.owner.is_below(dname)));
            zone.clear_lone_digests();
        }
        Self(zones)
    }

    /// The zone that answers for a name: the one with the longest apex.
    pub fn zone_of(&self, name: &Name) -> Option<&Zone> {
        self.0.iter().filter(|zone| name.is_in(&zone.apex)).max_by_key(|zone| zone.apex.0.len())
    }

    /// All records.
    pub fn records(&self) -> impl Iterator<Item = &Record> {
        self.0.iter().flat_map(|zone| &zone.records)
    }
}
