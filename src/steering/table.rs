//! The record table: all zones as queries see them, and the slots of live names.
//!
//! A table never changes. A change makes a new one, which shares all zones and all names but those that it touches.
//! What changes with health is inside the slots: those are swapped in place, without a new table.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ipnet::IpNet;

use crate::model::name::{LABELS_MAX, Name};
use crate::model::rrset::{Owner, Rtype, paired, render_record};
use crate::model::shard::Place;
use crate::model::shard_map::ShardMap;
use crate::model::zone::{Cover, Zone};
use crate::steering::audience::Audience;
use crate::steering::compile::LiveAnswer;
use crate::telemetry::series::SeriesId;
use crate::wire::name::{HashedName, NameHashing};

/// What may be answered now, at one or more names with equal steering.
#[derive(Debug)]
pub struct Slot {
    /// The answer now.
    answer: ArcSwap<LiveAnswer>,
    /// TTL of whatever follows health here, in seconds. It is known before there is an answer.
    ttl: u32,
}

impl Slot {
    /// A slot with its first answer.
    pub fn new(answer: LiveAnswer, ttl: u32) -> Self {
        Self { answer: ArcSwap::from_pointee(answer), ttl }
    }

    /// The answer now. One atomic load.
    pub fn load(&self) -> arc_swap::Guard<Arc<LiveAnswer>> {
        self.answer.load()
    }

    /// Swaps the answer. Only publish does this.
    pub fn store(&self, answer: LiveAnswer) {
        self.answer.store(Arc::new(answer));
    }

    /// TTL of whatever follows health here, in seconds.
    pub const fn ttl(&self) -> u32 {
        self.ttl
    }
}

/// Names that fit the cache of one core, by and large: a name takes 100 to 200 octets.
const NODES_CACHED: usize = 16_384;

/// All zones.
#[derive(Clone, Debug)]
pub struct RecordTable {
    /// How names are hashed.
    hashing: NameHashing,
    /// Zones by apex.
    zones: ShardMap<Arc<ZoneTable>>,
    /// Zones that are ours and have no records to answer from, by apex.
    absent: ShardMap<Absent>,
    /// How many zones have an apex of so many labels: a lookup tries no other suffixes.
    apex_labels: [u32; LABELS_MAX + 1],
    /// Whether some zone has been larger than caches: then it pays to look ahead.
    has_large_zone: bool,
    /// How often slots came or went.
    slot_edits: u64,
}

/// A zone that is ours and has no records.
#[derive(Clone, Debug)]
pub struct Absent {
    /// Its apex.
    apex: Name,
    /// Why it has none.
    pub absence: Absence,
    /// Who may ask for it.
    pub audience: Audience,
    /// What its answers are counted by.
    series: SeriesId,
}

/// Why a zone of which we are a secondary has no records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Absence {
    /// It has not been transferred yet.
    NotTransferred,
    /// No primary has confirmed it for too long (RFC 1035 §3.3.13, EXPIRE).
    Expired,
}

/// One zone: its names, and what negative answers need.
#[derive(Clone, Debug)]
pub struct ZoneTable {
    /// The declared zone, whose records the nodes share.
    zone: Arc<Zone>,
    /// Its apex once more: every query compares it, and it is one step nearer here.
    apex: Name,
    /// Labels of its apex.
    apex_labels: usize,
    /// How names are hashed.
    hashing: NameHashing,
    /// What the apex's own records cover.
    apex_cover: Option<Covered>,
    /// Every name that exists, empty non-terminals included (RFC 8020, RFC 4592 §2.2.2).
    nodes: ShardMap<Node>,
    /// Its serial: that of its records, or the one that we have counted.
    serial: u32,
    /// The SOA record as negative answers carry it: its TTL is `min(SOA TTL, MINIMUM)` (RFC 2308 §5).
    negative_soa: Box<[u8]>,
    /// Who may ask for it.
    audience: Audience,
    /// What its answers are counted by.
    series: SeriesId,
    /// When slots came or went here for the last time; see [`ZoneTable::slot_edit`].
    slot_edit: u64,
}

/// A name that exists.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its name and static records.
    owner: Owner,
    /// The slot that answers A and AAAA here, if the name is live.
    slot: Option<Arc<Slot>>,
    /// How many names exist directly below it.
    children: u32,
    /// What covers the names below it, so that no query looks through its ancestors.
    cover: Option<Covered>,
    /// What its live answers are counted by: names that share a slot are counted each for itself.
    series: SeriesId,
}

/// The topmost delegation or DNAME at or above a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Covered {
    /// Which of them it is.
    pub cover: Cover,
    /// Labels of its owner.
    labels: u8,
}

// There is one for each of a million names, and two of them with their hashes fill a cache line.
const _: () = assert!(size_of::<Node>() == 24 && size_of::<Place<Node>>() == 32);

impl Absent {
    /// What its answers are counted by.
    pub const fn series(&self) -> SeriesId {
        self.series
    }
}

impl Covered {
    /// What the records of an owner cover in the zone with this apex.
    fn of(owner: &Owner, apex: &Name) -> Option<Self> {
        let cover = Cover::of(owner, apex)?;
        Some(Self { cover, labels: u8::try_from(owner.name().label_count()).unwrap_or(u8::MAX) })
    }

    /// Labels of the owner of the NS or DNAME records.
    pub fn labels(self) -> usize {
        usize::from(self.labels)
    }
}

impl Node {
    /// Its name and static records.
    pub const fn owner(&self) -> &Owner {
        &self.owner
    }

    /// The slot that answers A and AAAA here, if the name is live.
    pub fn slot(&self) -> Option<&Slot> {
        self.slot.as_deref()
    }

    /// What its live answers are counted by.
    pub const fn series(&self) -> SeriesId {
        self.series
    }

    /// What covers the names below it: its own records, or those of a name above it.
    pub const fn cover(&self) -> Option<Covered> {
        self.cover
    }

    /// Whether the node could as well not be there.
    fn is_void(&self) -> bool {
        self.slot.is_none() && self.children == 0 && self.owner.is_empty()
    }
}

impl RecordTable {
    /// A table without zones. `seed` makes its hashes unpredictable.
    pub fn new(seed: u64) -> Self {
        Self {
            hashing: NameHashing::new(seed),
            zones: ShardMap::default(),
            absent: ShardMap::default(),
            apex_labels: [0; LABELS_MAX + 1],
            has_large_zone: false,
            slot_edits: 0,
        }
    }

    /// Whether some zone is larger than caches.
    pub const fn has_large_zone(&self) -> bool {
        self.has_large_zone
    }

    /// How names are hashed.
    pub const fn hashing(&self) -> NameHashing {
        self.hashing
    }

    /// A name as it is looked up, for the slow paths.
    pub fn hashed_name(&self, name: &Name) -> HashedName {
        let mut hashed = HashedName::default();
        let read = hashed.read(name.wire(), self.hashing);
        debug_assert!(read.is_ok(), "a name is well formed");
        hashed
    }

    /// Puts a zone with its static records in the place of the one with its apex. Live names have to be set again.
    pub fn put_zone(&mut self, zone: Arc<Zone>) {
        let apex = zone.apex().clone();
        let hashing = self.hashing;
        self.slot_edits += 1;
        let table = Arc::new(ZoneTable { slot_edit: self.slot_edits, ..ZoneTable::new(zone, hashing) });
        let same = |other: &Arc<ZoneTable>| *other.zone.apex() == apex;
        self.has_large_zone |= table.is_large();
        let replaced = self.zones.insert(hashing.wire(apex.wire()), table, same);
        if let (None, Some(count)) = (replaced, self.apex_labels.get_mut(apex.label_count())) {
            *count += 1;
        }
    }

    /// Puts a zone in the place of the version before it. Both lists of owners are walked, which compares little where they
    /// share owners; only what differs is hashed and written. Says whether live names stayed as they were: what covers
    /// other names reaches far, so where there is such a thing, the zone is built anew, without live names.
    #[must_use]
    pub fn follow_zone(&mut self, zone: Arc<Zone>) -> bool {
        let hash = self.hashing.wire(zone.apex().wire());
        match self.zones.find_mut(hash, |other| other.zone.apex() == zone.apex()) {
            Some(before) if !before.zone.has_covers() && !zone.has_covers() => {
                let before = Arc::make_mut(before);
                before.follow(&zone);
                self.has_large_zone |= before.is_large();
                true
            }
            _ => {
                self.put_zone(zone);
                false
            }
        }
    }

    /// Says why a zone of ours has no records; with none, it is no longer a zone of ours, or has records now.
    pub fn set_absence(&mut self, apex: &Name, absence: Option<Absence>) {
        let hashing = self.hashing;
        let hash = hashing.wire(apex.wire());
        let same = |other: &Absent| other.apex == *apex;
        let (before, after) = match absence {
            None => (self.absent.remove(hash, same).is_some(), false),
            Some(absence) => {
                let (apex, audience) = (apex.clone(), Audience::default());
                let absent = Absent { apex, absence, audience, series: SeriesId::OTHER };
                (self.absent.insert(hash, absent, same).is_some(), true)
            }
        };
        if let Some(count) = self.apex_labels.get_mut(apex.label_count()) {
            *count = *count + u32::from(after) - u32::from(before);
        }
    }

    /// The zone at a suffix, given its hash, if it has no records; none if it has, or is none of ours.
    pub fn absent(&self, hash: u64, apex: &[u8]) -> Option<&Absent> {
        self.absent.find(hash, |other| other.apex.wire() == apex)
    }

    /// Takes a zone out.
    pub fn remove_zone(&mut self, apex: &Name) {
        let removed = self.zones.remove(self.hashing.wire(apex.wire()), |other| other.zone.apex() == apex);
        if let (Some(_), Some(count)) = (removed, self.apex_labels.get_mut(apex.label_count())) {
            *count -= 1;
        }
    }

    /// Has only clients in these networks ask for the zone with `apex`.
    pub fn set_allow_query(&mut self, apex: &Name, networks: &[IpNet]) {
        let hash = self.hashing.wire(apex.wire());
        if let Some(zone) = self.zones.find_mut(hash, |other| other.zone.apex() == apex) {
            Arc::make_mut(zone).audience = Audience::of(networks);
        } else if let Some(absent) = self.absent.find_mut(hash, |other| other.apex == *apex) {
            absent.audience = Audience::of(networks);
        }
    }

    /// Has answers from the zone with `apex` counted by a number.
    pub fn set_series(&mut self, apex: &Name, series: SeriesId) {
        let hash = self.hashing.wire(apex.wire());
        if let Some(zone) = self.zones.find_mut(hash, |other| other.zone.apex() == apex) {
            // A zone that only the table before has is not copied for nothing.
            if zone.series != series {
                Arc::make_mut(zone).series = series;
            }
        } else if let Some(absent) = self.absent.find_mut(hash, |other| other.apex == *apex) {
            absent.series = series;
        }
    }

    /// Makes `name` live in the zone with `apex`, or static again.
    pub fn set_slot(&mut self, apex: &Name, name: &Name, slot: Option<Arc<Slot>>) {
        self.set_live(apex, name, slot, SeriesId::OTHER);
    }

    /// The same, and its answers are counted by a number.
    pub fn set_live(&mut self, apex: &Name, name: &Name, slot: Option<Arc<Slot>>, series: SeriesId) {
        let hash = self.hashing.wire(apex.wire());
        if let Some(zone) = self.zones.find_mut(hash, |other| other.zone.apex() == apex) {
            let zone = Arc::make_mut(zone);
            zone.set_slot(name, slot, series);
            self.slot_edits += 1;
            zone.slot_edit = self.slot_edits;
            self.has_large_zone |= zone.is_large();
        }
    }

    /// Gives the zone with `apex` another serial than its records have.
    pub fn set_serial(&mut self, apex: &Name, serial: u32) {
        let hash = self.hashing.wire(apex.wire());
        if let Some(zone) = self.zones.find_mut(hash, |other| other.zone.apex() == apex) {
            Arc::make_mut(zone).set_serial(serial);
        }
    }

    /// The zone with an apex.
    pub fn zone_at(&self, apex: &Name) -> Option<&Arc<ZoneTable>> {
        self.zones.find(self.hashing.wire(apex.wire()), |zone| zone.apex == *apex)
    }

    /// The zone at a suffix, given its hash.
    pub fn zone(&self, hash: u64, apex: &[u8]) -> Option<&ZoneTable> {
        self.zones.find(hash, |zone| zone.apex.wire() == apex).map(Arc::as_ref)
    }

    /// Whether any zone has an apex of so many labels.
    pub fn has_apex_of(&self, labels: usize) -> bool {
        self.apex_labels.get(labels).is_some_and(|count| *count > 0)
    }
}

impl ZoneTable {
    /// A zone with its static records.
    fn new(zone: Arc<Zone>, hashing: NameHashing) -> Self {
        let nodes = ShardMap::with_capacity(zone.owners().len());
        let apex = zone.apex().clone();
        let apex_labels = apex.label_count();
        let apex_cover = zone.owners().first().and_then(|owner| Covered::of(owner, &apex));
        let negative_soa = Box::default();
        let audience = Audience::default();
        let (serial, slot_edit, series) = (0, 0, SeriesId::OTHER);
        let mut table = Self {
            zone,
            apex,
            apex_labels,
            hashing,
            apex_cover,
            nodes,
            serial,
            negative_soa,
            audience,
            series,
            slot_edit,
        };
        // In canonical order a name comes before those below it, which take its cover over.
        for owner in table.zone.owners().to_vec() {
            let name = owner.name();
            let own = Covered::of(&owner, &table.apex);
            if let Some(node) = table.node_mut(&name) {
                node.owner = owner;
                node.cover = node.cover.or(own);
            }
        }
        table.set_serial(table.zone.soa().serial);
        table
    }

    /// Becomes the next version of the zone.
    fn follow(&mut self, zone: &Arc<Zone>) {
        let before = std::mem::replace(&mut self.zone, Arc::clone(zone));
        for (gone, there) in paired(before.owners(), zone.owners()).filter(|(gone, there)| gone != there) {
            let Some(name) = there.or(gone).map(Owner::name) else { continue };
            let owner = there.cloned().unwrap_or_else(|| Owner::empty(&name));
            if let Some(node) = self.node_mut(&name) {
                node.owner = owner;
            }
            self.prune(&name);
        }
        self.set_serial(zone.soa().serial);
    }

    /// The zone as declared.
    pub fn zone(&self) -> &Zone {
        &self.zone
    }

    /// Whether a client may ask for it.
    pub fn allows(&self, client: IpAddr) -> bool {
        self.audience.has(client)
    }

    /// What its answers are counted by.
    pub const fn series(&self) -> SeriesId {
        self.series
    }

    /// Whether everybody may ask for it.
    pub const fn is_for_all(&self) -> bool {
        self.audience.is_everybody()
    }

    /// Whether it is the same zone, perhaps at another time.
    pub fn is_same(&self, other: &Self) -> bool {
        self.apex == other.apex
    }

    /// Its live names, in no order. Looks at every name.
    pub fn live_names(&self) -> impl Iterator<Item = Name> {
        self.nodes.iter().filter(|node| node.slot.is_some()).map(|node| node.owner.name())
    }

    /// A number that no other state of its live names has, in this table and those that it was made from.
    pub const fn slot_edit(&self) -> u64 {
        self.slot_edit
    }

    /// The zone as declared, shared.
    pub const fn shared_zone(&self) -> &Arc<Zone> {
        &self.zone
    }

    /// Its serial: that of its records, or the one that we have counted.
    pub const fn serial(&self) -> u32 {
        self.serial
    }

    /// The node of a name.
    pub fn node_at(&self, name: &Name) -> Option<&Node> {
        self.node(self.hashing.wire(name.wire()), name.wire())
    }

    /// Has answers show another serial.
    fn set_serial(&mut self, serial: u32) {
        let Some(apex) = self.zone.owners().first() else { return };
        let apex = if serial == self.zone.soa().serial { apex.clone() } else { apex.with_serial(serial) };
        let mut negative_soa = Vec::new();
        if let Some(rdata) = apex.rrset(Rtype::SOA).and_then(|soa| soa.rdatas().next()) {
            let rendered = render_record(&mut negative_soa, Rtype::SOA, self.zone.soa().negative_ttl, rdata);
            debug_assert!(rendered.is_some(), "it was rendered before");
        }
        self.negative_soa = negative_soa.into();
        self.serial = serial;
        let name = self.apex.clone();
        if let Some(node) = self.node_mut(&name) {
            node.owner = apex;
        }
    }

    /// What the apex's own records cover.
    pub const fn apex_cover(&self) -> Option<Covered> {
        self.apex_cover
    }

    /// Labels of its apex.
    pub const fn apex_labels(&self) -> usize {
        self.apex_labels
    }

    /// The SOA record of negative answers.
    pub fn negative_soa(&self) -> &[u8] {
        &self.negative_soa
    }

    /// Whether its names do not fit a processor's caches.
    pub const fn is_large(&self) -> bool {
        self.nodes.len() > NODES_CACHED
    }

    /// Where the search for a hash begins; memory is not read.
    pub fn home(&self, hash: u64) -> Option<&Place<Node>> {
        self.nodes.home(hash)
    }

    /// Nearly always the node with this hash, if there is one.
    pub fn likely(&self, hash: u64) -> Option<&Node> {
        self.nodes.likely(hash)
    }

    /// The node of a name, given its hash.
    pub fn node(&self, hash: u64, name: &[u8]) -> Option<&Node> {
        self.nodes.find(hash, |node| node.owner.name_wire() == name)
    }

    /// The node of the name made of a label, with its length octet, in front of `suffix`.
    pub fn node_below(&self, hash: u64, label: &[u8], suffix: &[u8]) -> Option<&Node> {
        self.nodes.find(hash, |node| node.owner.name_wire().strip_prefix(label) == Some(suffix))
    }

    /// Makes a name live or static again; names that exist for nothing else come and go with it.
    fn set_slot(&mut self, name: &Name, slot: Option<Arc<Slot>>, series: SeriesId) {
        if let Some(node) = self.node_mut(name) {
            node.slot = slot;
            node.series = series;
        }
        self.prune(name);
    }

    /// The node of `name`; if it does not exist, it is made, with all names between it and the apex.
    fn node_mut(&mut self, name: &Name) -> Option<&mut Node> {
        let hash = self.hashing.wire(name.wire());
        if self.node(hash, name.wire()).is_none() {
            let mut cover = None;
            if let Some(parent) = name.parent().filter(|_| name != self.zone.apex()) {
                let parent = self.node_mut(&parent)?;
                parent.children += 1;
                cover = parent.cover;
            }
            let node = Node { owner: Owner::empty(name), slot: None, children: 0, cover, series: SeriesId::OTHER };
            self.nodes.insert(hash, node, |_| false);
        }
        self.nodes.find_mut(hash, |node| node.owner.name_wire() == name.wire())
    }

    /// Takes out `name`, and the names above it, as far as nothing is at or below them.
    fn prune(&mut self, name: &Name) {
        let hash = self.hashing.wire(name.wire());
        let is_void = self.node(hash, name.wire()).is_some_and(Node::is_void);
        if !is_void || name == self.zone.apex() {
            return;
        }
        self.nodes.remove(hash, |node| node.owner.name_wire() == name.wire());
        if let Some(parent) = name.parent() {
            if let Some(parent) = self.node_mut(&parent) {
                parent.children -= 1;
            }
            self.prune(&parent);
        }
    }
}

#[cfg(test)]
mod tests;
