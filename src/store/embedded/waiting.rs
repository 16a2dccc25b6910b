//! What waits for a transaction to go along with: events and serials, which nobody waits for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redb::TableDefinition;

use crate::model::event::PoolEvent;
use crate::model::id::ZoneId;
use crate::model::limits::{EVENTS_QUEUED_MAX, ZONES_MAX};

/// Serials by zone.
pub(super) const SERIALS: TableDefinition<'static, &'static [u8], u32> = TableDefinition::new("serials");

/// A place where it waits. Its lock is held for a moment only, and never while somebody writes to the disk.
#[derive(Debug)]
pub(super) struct Waiting(Mutex<State>);

/// What is in it.
#[derive(Debug, Default)]
struct State {
    /// Events in order.
    events: VecDeque<PoolEvent>,
    /// How many found no room.
    lost: u64,
    /// The serials of all zones.
    serials: BTreeMap<ZoneId, u32>,
    /// Those that are not on disk yet.
    changed: BTreeSet<ZoneId>,
    /// Whether the writer knows that something waits.
    is_announced: bool,
}

/// What a transaction takes along.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Events.
    pub(super) events: VecDeque<PoolEvent>,
    /// Serials.
    pub(super) serials: Vec<(ZoneId, u32)>,
}

impl Waiting {
    /// A place with the serials that are on disk.
    pub(super) fn new(serials: BTreeMap<ZoneId, u32>) -> Self {
        Self(Mutex::new(State { serials, ..State::default() }))
    }

    /// Takes events in; says whether the writer has to be told.
    pub(super) fn push_events(&self, events: Vec<PoolEvent>) -> bool {
        let mut state = self.lock();
        let room = EVENTS_QUEUED_MAX.saturating_sub(state.events.len());
        state.lost += events.len().saturating_sub(room) as u64;
        state.events.extend(events.into_iter().take(room));
        state.announce()
    }

    /// Takes a serial in; says whether the writer has to be told.
    pub(super) fn put_serial(&self, zone: ZoneId, serial: u32) -> bool {
        let mut state = self.lock();
        let is_known = state.serials.contains_key(&zone);
        if state.serials.get(&zone) == Some(&serial) || !is_known && state.serials.len() >= ZONES_MAX {
            return false;
        }
        state.serials.insert(zone, serial);
        state.changed.insert(zone);
        state.announce()
    }

    /// The serials of all zones.
    pub(super) fn serials(&self) -> BTreeMap<ZoneId, u32> {
        self.lock().serials.clone()
    }

    /// How many events found no room.
    pub(super) fn lost(&self) -> u64 {
        self.lock().lost
    }

    /// Counts events that were lost elsewhere.
    pub(super) fn lose(&self, count: usize) {
        self.lock().lost += count as u64;
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> Taken {
        let mut state = self.lock();
        state.is_announced = false;
        let changed = std::mem::take(&mut state.changed);
        let serials = changed.iter().filter_map(|zone| Some((*zone, *state.serials.get(zone)?))).collect();
        Taken { events: std::mem::take(&mut state.events), serials }
    }

    /// Puts back what could not be written, before what has come since.
    pub(super) fn put_back(&self, taken: Taken) {
        let mut state = self.lock();
        state.changed.extend(taken.serials.iter().map(|(zone, _)| *zone));
        let later = std::mem::replace(&mut state.events, taken.events);
        let room = EVENTS_QUEUED_MAX.saturating_sub(state.events.len());
        state.lost += later.len().saturating_sub(room) as u64;
        state.events.extend(later.into_iter().take(room));
    }

    /// The lock.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes that the writer is told; says whether it was not yet.
    fn announce(&mut self) -> bool {
        !std::mem::replace(&mut self.is_announced, true)
    }
}
