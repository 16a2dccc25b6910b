//! The versions of zones that copies have, and how they led to each other.
//!
//! A version is taken when a copy is asked for and what is live has another serial than the last one. Whoever has a
//! copy got it from us, so every serial that a secondary can name has been a version here, unless we were started again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::health::schedule::Assigned;
use crate::model::hosting::{Hosting, TransferLive};
use crate::model::id::ZoneId;
use crate::model::inventory::Generation;
use crate::model::limits::{JOURNAL_DIFFERENCES_MAX, JOURNAL_OCTETS_MAX};
use crate::model::name::Name;
use crate::steering::table::RecordTable;
use crate::transfer::version::{Difference, NoVersion, Version};

/// The versions of all zones that have been asked for.
#[derive(Debug)]
pub(super) struct Histories {
    /// The live record table.
    table: Arc<ArcSwap<RecordTable>>,
    /// Live names, by zone.
    names: Mutex<(Generation, Arc<LiveNames>)>,
    /// The history of each zone. Each has a lock of its own: a large zone's version takes a while.
    zones: Mutex<HashMap<ZoneId, Arc<Mutex<History>>>>,
}

/// Live names in canonical order, by zone.
type LiveNames = HashMap<ZoneId, Vec<Name>>;

/// The versions of one zone.
#[derive(Debug, Default)]
struct History {
    /// The last one.
    latest: Option<Arc<Version>>,
    /// What led to it, the oldest first; each begins where the one before ended.
    journal: VecDeque<Arc<Difference>>,
}

/// What a copy can be made from.
#[derive(Clone, Debug)]
pub(super) struct Copy {
    /// The version.
    pub(super) version: Arc<Version>,
    /// What led to it from the serial that the client has; none if that is not known.
    pub(super) differences: Option<Vec<Arc<Difference>>>,
}

/// Why there is no copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoCopy {
    /// The zone has not been transferred to us yet, or has expired.
    NotThere,
    /// There is no version yet.
    NoVersion(NoVersion),
}

impl Histories {
    /// Without any version yet.
    pub(super) fn new(table: Arc<ArcSwap<RecordTable>>) -> Self {
        Self { table, names: Mutex::default(), zones: Mutex::default() }
    }

    /// The version that is live, and what led to it from the serial that a client has. Takes as long as looking through
    /// the zone, therefore not for async tasks.
    pub(super) fn copy(&self, assigned: &Assigned, hosting: &Hosting, since: Option<u32>) -> Result<Copy, NoCopy> {
        let names = self.live_names(assigned);
        let history = Arc::clone(lock(&self.zones).entry(hosting.id).or_default());
        let mut history = lock(&history);
        let names = names.get(&hosting.id).map(Vec::as_slice).unwrap_or_default();
        let table = self.table.load_full();
        let Some(zone) = table.zone_at(&hosting.apex) else {
            *history = History::default();
            return Err(NoCopy::NotThere);
        };
        let is_current = |latest: &Arc<Version>| {
            // A frozen copy lasts as long as the zone's own records.
            let is_frozen = !hosting.has_auto_serial() || hosting.transfer_live == TransferLive::Snapshot;
            latest.serial == zone.serial() && (!is_frozen || latest.is_of(zone.shared_zone()))
        };
        if !history.latest.as_ref().is_some_and(is_current) {
            match Version::take(&table, zone, names, history.latest.as_deref()) {
                Ok(version) => history.advance(version),
                // What was right a moment ago is better than nothing; there will be another serial.
                Err(why) if history.latest.is_none() => return Err(NoCopy::NoVersion(why)),
                Err(_) => {}
            }
        }
        let version = history.latest.clone().ok_or(NoCopy::NotThere)?;
        Ok(Copy { version, differences: since.and_then(|since| history.since(since)) })
    }

    /// The live names of an inventory.
    fn live_names(&self, assigned: &Assigned) -> Arc<LiveNames> {
        let inventory = &assigned.inventory;
        let mut known = lock(&self.names);
        if known.0 != inventory.generation {
            let mut names = LiveNames::new();
            for load_balancer in inventory.load_balancers.iter().filter(|load_balancer| load_balancer.enabled) {
                if let Some(hosting) = inventory.hosting_of(&load_balancer.name).filter(|hosting| hosting.is_shared()) {
                    names.entry(hosting.id).or_default().push(load_balancer.name.clone());
                }
            }
            for names in names.values_mut() {
                names.sort_unstable();
            }
            // A zone that nobody may copy any more needs no versions.
            let is_shared = |id: &ZoneId| inventory.hostings.find(*id).is_some_and(|hosting| hosting.is_shared());
            lock(&self.zones).retain(|id, _| is_shared(id));
            *known = (inventory.generation, Arc::new(names));
        }
        Arc::clone(&known.1)
    }
}

/// Locks, whatever a thread that panicked may have left: everything behind these locks is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl History {
    /// Takes a new version in.
    fn advance(&mut self, version: Version) {
        let difference = self
            .latest
            .as_deref()
            // The same serial twice: nobody could say which of the two a copy has.
            .filter(|latest| latest.serial != version.serial)
            .and_then(|latest| Difference::between(latest, &version, JOURNAL_OCTETS_MAX));
        match difference {
            Some(difference) => self.journal.push_back(Arc::new(difference)),
            None => self.journal.clear(),
        }
        // A serial that comes back would lead in circles.
        if let Some(again) = self.journal.iter().position(|difference| difference.old_serial == version.serial) {
            self.journal.drain(..=again);
        }
        let mut octets: usize = self.journal.iter().map(|difference| difference.octets).sum();
        while self.journal.len() > JOURNAL_DIFFERENCES_MAX || octets > JOURNAL_OCTETS_MAX {
            let Some(oldest) = self.journal.pop_front() else { break };
            octets -= oldest.octets;
        }
        self.latest = Some(Arc::new(version));
    }

    /// What led to the last version from a serial.
    fn since(&self, serial: u32) -> Option<Vec<Arc<Difference>>> {
        let start = self.journal.iter().position(|difference| difference.old_serial == serial)?;
        Some(self.journal.iter().skip(start).cloned().collect())
    }
}
