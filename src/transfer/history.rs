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
use crate::model::inventory::{Generation, Inventory};
use crate::model::limits::{JOURNAL_DIFFERENCES_MAX, JOURNAL_OCTETS_MAX};
use crate::steering::table::RecordTable;
use crate::transfer::version::{Difference, NoVersion, Version};

/// The versions of all zones that have been asked for.
#[derive(Debug)]
pub(super) struct Histories {
    /// The live record table.
    table: Arc<ArcSwap<RecordTable>>,
    /// The history of each zone, and the inventory that says whose are needed. Each has a lock of its own: a large zone's
    /// version takes a while.
    zones: Mutex<(Generation, ByZone)>,
}

/// Histories by zone.
type ByZone = HashMap<ZoneId, Arc<Mutex<History>>>;

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
        Self { table, zones: Mutex::default() }
    }

    /// The version that is live, and what led to it from the serial that a client has. Takes as long as looking through
    /// the zone, therefore not for async tasks.
    pub(super) fn copy(&self, assigned: &Assigned, hosting: &Hosting, since: Option<u32>) -> Result<Copy, NoCopy> {
        let history = self.history(&assigned.inventory, hosting.id);
        let mut history = lock(&history);
        // Everything from here on is this table's, never the request's inventory: that may be older, and a version without
        // a name that has come since would have the same serial as one with it.
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
            match Version::take(&table, zone, history.latest.as_deref()) {
                Ok(version) => history.advance(version),
                // What was right a moment ago is better than nothing; there will be another serial.
                Err(why) if history.latest.is_none() => return Err(NoCopy::NoVersion(why)),
                Err(_) => {}
            }
        }
        let version = history.latest.clone().ok_or(NoCopy::NotThere)?;
        Ok(Copy { version, differences: since.and_then(|since| history.since(since)) })
    }

    /// The history of a zone.
    fn history(&self, inventory: &Inventory, id: ZoneId) -> Arc<Mutex<History>> {
        let mut zones = lock(&self.zones);
        let (generation, histories) = &mut *zones;
        if *generation < inventory.generation {
            // A zone that nobody may copy any more needs no versions.
            histories.retain(|id, _| inventory.hostings.find(*id).is_some_and(|hosting| hosting.is_shared()));
            *generation = inventory.generation;
        }
        Arc::clone(histories.entry(id).or_default())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Name;
    use crate::model::rrset::{Record, Rtype};
    use crate::model::zone::Zone;
    use crate::steering::compile::LiveAnswer;
    use crate::steering::table::Slot;

    #[test]
    fn a_copy_has_the_names_of_the_table_not_of_the_request() {
        let apex = Name::parse("example.com", None).unwrap();
        let id = ZoneId::declared("example.com");
        let record = |rtype, rdata: Vec<u8>| Record { owner: apex.clone(), rtype, ttl: 60, rdata };
        let records = vec![record(Rtype::SOA, vec![0; 22]), record(Rtype::NS, vec![0])];
        let zone = Arc::new(Zone::try_new(id, apex.clone(), records).unwrap());
        let mut table = RecordTable::new(1);
        table.put_zone(zone);
        let www = Name::parse("www", Some(&apex)).unwrap();
        table.set_slot(&apex, &www, Some(Arc::new(Slot::new(LiveAnswer::NotReady, 30))));
        let histories = Histories::new(Arc::new(ArcSwap::from_pointee(table)));
        // The request came before the name did: its inventory knows nothing of it.
        let copy = histories.copy(&Assigned::default(), &Hosting::declared(id, apex), None);
        assert_eq!(copy.unwrap_err(), NoCopy::NoVersion(NoVersion::NotReady));
    }

    #[test]
    fn a_request_from_before_drops_no_history() {
        let histories = Histories::new(Arc::new(ArcSwap::from_pointee(RecordTable::new(1))));
        let id = ZoneId::declared("example.com");
        let mut inventory = Inventory::default();
        inventory.generation = Generation(2);
        let kept = histories.history(&inventory, id);
        inventory.generation = Generation(1);
        assert!(Arc::ptr_eq(&kept, &histories.history(&inventory, id)));
    }
}
