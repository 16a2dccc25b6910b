//! Serials of zones: taken from their records, or counted by us where a zone has `serial = "auto"`.
//!
//! A counted serial grows at once with the zone's records and live names, and for changed live answers at most every
//! few seconds: a transfer for each verdict of a restless origin would help nobody.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::model::hosting::TransferLive;
use crate::model::id::ZoneId;
use crate::model::inventory::{IdMap, Identified, Inventory};
use crate::model::serial::counted;
use crate::steering::table::RecordTable;

/// Between two raises of serials because of live answers.
const LIVE_EVERY: Duration = Duration::from_secs(5);

/// The serials that are live. A clone is cheap, and two of them tell quickly what differs.
pub type Serials = IdMap<ZoneSerial>;

/// The serial of a zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ZoneSerial {
    /// The zone.
    pub id: ZoneId,
    /// Its serial.
    pub serial: u32,
}

impl Identified for ZoneSerial {
    type Id = ZoneId;

    fn id(&self) -> ZoneId {
        self.id
    }

    fn hash64(id: ZoneId) -> u64 {
        id.hash64()
    }
}

/// Keeps the serials.
#[derive(Debug)]
pub(super) struct SerialKeeper {
    /// A moment by both clocks: seconds since 1970 are counted from here, so that time stays an input.
    epoch: (Instant, u64),
    /// The serials that are live.
    serials: watch::Sender<Serials>,
    /// Serials that will be live with the next table.
    next: Serials,
    /// Classes whose answers changed since serials were raised for the last time.
    changed: BTreeSet<usize>,
    /// When serials were raised because of live answers.
    raised: Option<Instant>,
    /// How many zones have serials that follow live answers.
    following: usize,
}

impl SerialKeeper {
    /// Without any zone. It is `seconds` after 1970 at `now`.
    pub(super) fn new(now: Instant, seconds: u64) -> Self {
        let serials = watch::Sender::default();
        Self {
            epoch: (now, seconds),
            serials,
            next: Serials::default(),
            changed: BTreeSet::new(),
            raised: None,
            following: 0,
        }
    }

    /// The serials that are live.
    pub(super) fn subscribe(&self) -> watch::Receiver<Serials> {
        self.serials.subscribe()
    }

    /// Counts the zones whose serials follow live answers.
    pub(super) fn count_following(&mut self, inventory: &Inventory) {
        let follow = |id: &ZoneId| follows(inventory, *id);
        self.following = inventory.hostings.iter().map(|hosting| hosting.id).filter(follow).count();
    }

    /// Gives a zone that is new or has changed its serial in `table`; one that is gone has none.
    pub(super) fn renew(&mut self, table: &mut RecordTable, inventory: &Inventory, id: ZoneId, now: Instant) {
        let Some(zone) = inventory.zones.find(id) else {
            self.next.remove(id);
            return;
        };
        let before = self.next.find(id).map(|before| before.serial);
        let records = zone.soa().serial;
        let is_counted = inventory.hostings.find(id).is_some_and(|hosting| hosting.has_auto_serial());
        let seconds = self.epoch.1.saturating_add(now.saturating_duration_since(self.epoch.0).as_secs());
        let serial = if is_counted { counted(records, before, seconds) } else { records };
        if is_counted {
            table.set_serial(zone.apex(), serial);
        }
        if before != Some(serial) {
            self.next.put(ZoneSerial { id, serial });
        }
    }

    /// Notes that the answers of a class changed.
    pub(super) fn note(&mut self, class: usize) {
        if self.following > 0 {
            self.changed.insert(class);
        }
    }

    /// Forgets that the answers of a class changed.
    pub(super) fn forget(&mut self, class: usize) {
        self.changed.remove(&class);
    }

    /// When serials are to be raised because of live answers.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.raised.map_or(now, |raised| (raised + LIVE_EVERY).max(now));
        (!self.changed.is_empty()).then_some(due)
    }

    /// The classes whose answers changed, once serials are due.
    pub(super) fn take_changed(&mut self, now: Instant) -> BTreeSet<usize> {
        if self.due(now).is_none_or(|due| due > now) {
            return BTreeSet::new();
        }
        self.raised = Some(now);
        std::mem::take(&mut self.changed)
    }

    /// How many zones have serials that follow live answers.
    pub(super) const fn following(&self) -> usize {
        self.following
    }

    /// Tells the serials of the table that is live now.
    pub(super) fn tell(&self) {
        self.serials.send_if_modified(|serials| {
            let is_changed = !self.next.differences(serials).is_empty();
            if is_changed {
                *serials = self.next.clone();
            }
            is_changed
        });
    }
}

/// Whether a zone's serial follows live answers.
pub(super) fn follows(inventory: &Inventory, id: ZoneId) -> bool {
    let hosting = inventory.hostings.find(id);
    hosting.is_some_and(|hosting| hosting.has_auto_serial() && hosting.transfer_live == TransferLive::Follow)
}
