//! What is counted by name: a row of counters for each zone, load balancer and pool, found by a small number that the record
//! table carries.
//!
//! A number belongs to a name as long as somebody holds its [`Named`]; tables come and go meanwhile. When it is given to
//! another name, what was counted for it until then is remembered and taken off, so nothing is set to zero under its one
//! writer, and no name shows what another counted. Numbers that were never given are taken first, then those that have been
//! free for longest: no query is under way any more that knows them by their old name.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::telemetry::{Counter, Registry};

/// Series with the name of an object, of all kinds together. A Prometheus server takes hundreds of thousands from all that it
/// asks; one server should not bring more than a few thousand.
pub const SERIES_MAX: usize = 10_000;

/// One part in so many of all series is kept for each kind, so that no other takes them all; twice that for origins.
const KEPT_PART: usize = 16;

/// What is counted by name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Kind {
    /// A zone.
    Zone,
    /// A load balancer.
    LoadBalancer,
    /// A pool.
    Pool,
    /// A monitor. Its counters are in [`crate::telemetry::probes`].
    Monitor,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Zone, Self::LoadBalancer, Self::Pool, Self::Monitor];

    /// Counters in its row.
    pub const fn columns(self) -> usize {
        match self {
            Self::Zone => ZoneOutcome::ALL.len(),
            Self::LoadBalancer => LiveSource::ALL.len(),
            Self::Pool => 1,
            Self::Monitor => 0,
        }
    }

    /// Series that one name can have at the most, gauges among them.
    pub const fn series(self) -> usize {
        match self {
            // Serial, time of confirmation, time of expiry.
            Self::Zone => self.columns() + 3,
            // What it answers from, or its state.
            Self::LoadBalancer | Self::Pool => self.columns() + 1,
            Self::Monitor => crate::telemetry::probes::SERIES,
        }
    }

    /// Numbers that there are.
    const fn ids(self) -> usize {
        SeriesId::FIRST + SERIES_MAX / self.series()
    }
}

/// A number by which something is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SeriesId(u16);

impl SeriesId {
    /// What has no name of its own because there are too many.
    pub const OTHER: Self = Self(0);
    /// What belongs to no name.
    pub const NONE: Self = Self(1);
    /// The first number that a name can have.
    const FIRST: usize = 2;
}

/// What an answer from a zone is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZoneOutcome {
    /// It has records.
    Answer,
    /// The name exists, and has nothing of the type.
    NoData,
    /// The name does not exist.
    NxDomain,
    /// A delegation.
    Referral,
    /// An error.
    Error,
}

impl ZoneOutcome {
    /// The words, in the order of the variants.
    pub const ALL: [&str; 5] = ["answer", "nodata", "nxdomain", "referral", "error"];
}

/// What a load balancer's answer is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LiveSource {
    /// A usable pool.
    Pool,
    /// The fallback pool's healthy origins.
    Fallback,
    /// The fallback pool's origins whatever their health.
    LastResort,
    /// Nothing: no pool could give an address.
    Exhausted,
    /// Nothing yet: its origins have not been probed.
    NotReady,
}

impl LiveSource {
    /// The words, in the order of the variants.
    pub const ALL: [&str; 5] = ["pool", "fallback", "last resort", "exhausted", "not ready"];
}

/// What one worker counts by name. A column is contiguous: what is counted most stays in the caches.
#[derive(Debug)]
pub struct NamedCounts {
    /// By outcome and zone.
    zones: Columns<{ Kind::Zone.ids() }, { ZoneOutcome::ALL.len() }>,
    /// By source and load balancer.
    load_balancers: Columns<{ Kind::LoadBalancer.ids() }, { LiveSource::ALL.len() }>,
    /// By pool.
    pools: Columns<{ Kind::Pool.ids() }, 1>,
}

/// Counters of one kind. Their number is part of the type, so that finding one is an addition.
type Columns<const IDS: usize, const COLUMNS: usize> = Box<[[Counter; IDS]; COLUMNS]>;

impl Default for NamedCounts {
    fn default() -> Self {
        Self { zones: Box::new(columns()), load_balancers: Box::new(columns()), pools: Box::new(columns()) }
    }
}

impl NamedCounts {
    /// Counts an answer from a zone.
    pub fn count_zone(&self, zone: SeriesId, outcome: ZoneOutcome) {
        count(&self.zones, outcome as usize, zone);
    }

    /// Counts an answer of a load balancer.
    pub fn count_load_balancer(&self, load_balancer: SeriesId, source: LiveSource) {
        count(&self.load_balancers, source as usize, load_balancer);
    }

    /// Counts an answer from a pool.
    pub fn count_pool(&self, pool: SeriesId) {
        count(&self.pools, 0, pool);
    }

    /// Answers of all load balancers from a source.
    pub(super) fn live(&self, source: LiveSource) -> u64 {
        self.load_balancers.get(source as usize).into_iter().flatten().map(Counter::value).sum()
    }

    /// What has been counted in a column for an id.
    pub(super) fn value(&self, kind: Kind, column: usize, id: SeriesId) -> u64 {
        let counter = match kind {
            Kind::Zone => find(&*self.zones, column, id),
            Kind::LoadBalancer => find(&*self.load_balancers, column, id),
            Kind::Pool => find(&*self.pools, column, id),
            Kind::Monitor => None,
        };
        counter.map_or(0, Counter::value)
    }
}

/// Counters at 0.
fn columns<const IDS: usize, const COLUMNS: usize>() -> [[Counter; IDS]; COLUMNS] {
    std::array::from_fn(|_| std::array::from_fn(|_| Counter::default()))
}

/// The counter of a column and id.
fn find<const IDS: usize>(columns: &[[Counter; IDS]], column: usize, id: SeriesId) -> Option<&Counter> {
    columns.get(column)?.get(usize::from(id.0))
}

/// Counts one.
fn count<const IDS: usize, const COLUMNS: usize>(columns: &[[Counter; IDS]; COLUMNS], column: usize, id: SeriesId) {
    if let Some(counter) = find(columns, column, id) {
        counter.increment();
    }
}

/// What has been counted by one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// The name.
    pub label: Arc<str>,
    /// The counts, in the order of the columns.
    pub counts: Vec<u64>,
}

/// The label of what has no name of its own.
pub const OTHER: &str = "other";
/// The label of what belongs to no name.
pub const NONE: &str = "none";

/// A name that is counted by, until this is dropped.
#[derive(Debug)]
pub struct Named {
    /// Where it goes back to.
    registry: Registry,
    /// What it names.
    kind: Kind,
    /// The name.
    label: Arc<str>,
    /// Its number.
    id: SeriesId,
}

impl Named {
    /// A name that has been taken from `registry`.
    pub(super) const fn new(registry: Registry, kind: Kind, label: Arc<str>, id: SeriesId) -> Self {
        Self { registry, kind, label, id }
    }

    /// Its number.
    pub const fn id(&self) -> SeriesId {
        self.id
    }

    /// The name.
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        self.registry.release(self.kind, &self.label);
    }
}

/// All names, and the numbers that they have.
#[derive(Debug)]
pub(super) struct Names {
    /// Series that may have names.
    series_max: usize,
    /// Names of each kind.
    kinds: [Space; Kind::ALL.len()],
}

/// The names of one kind.
#[derive(Debug, Default)]
struct Space {
    /// What is named.
    named: HashMap<Arc<str>, Entry>,
    /// Numbers that were given at some time.
    given: usize,
    /// Those that came back, the one that is free for longest in front.
    free: VecDeque<SeriesId>,
}

/// A name that is in use.
#[derive(Debug)]
struct Entry {
    /// Its number.
    id: SeriesId,
    /// How often it was taken and not released.
    uses: usize,
    /// What the number had counted before it had this name.
    before: Vec<u64>,
}

impl Names {
    /// No names; so many series can have one.
    pub(super) fn new(series_max: usize) -> Self {
        Self { series_max, kinds: Default::default() }
    }

    /// Takes a name; `sums` says what a number has counted.
    pub(super) fn take(
        &mut self,
        kind: Kind,
        label: impl FnOnce() -> String,
        sums: impl Fn(SeriesId) -> Vec<u64>,
    ) -> Option<(Arc<str>, SeriesId)> {
        // A million names that find no room are not even written down.
        if !self.has_room(kind) {
            return None;
        }
        let space = self.kinds.get_mut(kind as usize)?;
        let label = label();
        // An object that is called like the rest is counted with it.
        if label == OTHER || label == NONE {
            return None;
        }
        if let Some((label, entry)) = space.named.get_key_value(label.as_str()) {
            let (label, id) = (Arc::clone(label), entry.id);
            space.named.entry(Arc::clone(&label)).and_modify(|entry| entry.uses += 1);
            return Some((label, id));
        }
        let id = space.number(kind)?;
        let label: Arc<str> = label.into();
        space.named.insert(Arc::clone(&label), Entry { id, uses: 1, before: sums(id) });
        Some((label, id))
    }

    /// Releases a name.
    pub(super) fn release(&mut self, kind: Kind, label: &Arc<str>) {
        let Some(space) = self.kinds.get_mut(kind as usize) else { return };
        let Some(entry) = space.named.get_mut(label) else { return };
        entry.uses -= 1;
        if entry.uses == 0 {
            space.free.push_back(entry.id);
            space.named.remove(label);
        }
    }

    /// What was counted by each name of a kind.
    pub(super) fn rows(&self, kind: Kind, sums: impl Fn(SeriesId) -> Vec<u64>) -> Vec<Row> {
        let row = |label: &Arc<str>, id, before: &[u64]| {
            let before = before.iter().chain(std::iter::repeat(&0));
            let counts = sums(id).iter().zip(before).map(|(sum, before)| sum.wrapping_sub(*before)).collect();
            Row { label: Arc::clone(label), counts }
        };
        let named = self.kinds.get(kind as usize).into_iter().flat_map(|space| &space.named);
        let mut rows: Vec<Row> = named.map(|(label, entry)| row(label, entry.id, &entry.before)).collect();
        rows.sort_by(|one, other| one.label.cmp(&other.label));
        let rest = [(OTHER, SeriesId::OTHER), (NONE, SeriesId::NONE)];
        rest.map(|(label, id)| row(&label.into(), id, &[])).into_iter().chain(rows).collect()
    }

    /// Series that have no name.
    pub(super) fn free(&self) -> usize {
        let used: usize = Kind::ALL.iter().map(|kind| self.used(*kind)).sum();
        self.series_max.saturating_sub(used)
    }

    /// Series of a kind that are kept for names.
    fn used(&self, kind: Kind) -> usize {
        self.kinds.get(kind as usize).map_or(0, |space| space.named.len()) * kind.series()
    }

    /// Whether there is room for one more name of a kind, with what is kept for the others.
    fn has_room(&self, kind: Kind) -> bool {
        let part = self.series_max / KEPT_PART;
        let others = Kind::ALL.iter().filter(|other| **other != kind);
        let kept: usize = others.map(|other| part.saturating_sub(self.used(*other))).sum();
        self.free() >= kept + 2 * part + kind.series()
    }
}

impl Space {
    /// A number for a name.
    fn number(&mut self, kind: Kind) -> Option<SeriesId> {
        let fresh = SeriesId::FIRST + self.given;
        if fresh >= kind.ids() {
            return self.free.pop_front();
        }
        self.given += 1;
        u16::try_from(fresh).ok().map(SeriesId)
    }
}
