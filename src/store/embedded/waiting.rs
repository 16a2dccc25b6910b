//! What waits for a transaction to go along with: events, serials and verdicts, which nobody waits for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redb::TableDefinition;

use crate::model::event::PoolEvent;
use crate::model::id::ZoneId;
use crate::model::limits::{EVENTS_QUEUED_MAX, STORE_LAZY_INTERVAL, STORE_PROMPT_INTERVAL, ZONES_MAX};
use crate::model::stamp::UnixMicros;
use crate::model::target::LeftVerdict;
use crate::store::embedded::verdicts::{Change, Changes};

/// Serials by zone.
pub(super) const SERIALS: TableDefinition<'static, &'static [u8], u32> = TableDefinition::new("serials");

/// Verdicts that are taken in before the lock is let go once.
const VERDICTS_AT_A_TIME: usize = 1_000;

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
    /// Verdicts that are not on disk yet.
    verdicts: Changes,
    /// Those that earlier processes left behind, until somebody takes them.
    left: Vec<LeftVerdict>,
    /// Within what time the writer knows to write; none if it does not know that something waits.
    announced: Option<Duration>,
}

/// What a transaction takes along.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Events.
    pub(super) events: VecDeque<PoolEvent>,
    /// Serials.
    pub(super) serials: Vec<(ZoneId, u32)>,
    /// Verdicts.
    pub(super) verdicts: Changes,
}

impl Waiting {
    /// A place with the serials and verdicts that are on disk.
    pub(super) fn new(serials: BTreeMap<ZoneId, u32>, left: Vec<LeftVerdict>) -> Self {
        Self(Mutex::new(State { serials, left, ..State::default() }))
    }

    /// Takes events in; says within what time the writer has to write, if it has to be told.
    pub(super) fn push_events(&self, events: Vec<PoolEvent>) -> Option<Duration> {
        let mut state = self.lock();
        let room = EVENTS_QUEUED_MAX.saturating_sub(state.events.len());
        state.lost += events.len().saturating_sub(room) as u64;
        state.events.extend(events.into_iter().take(room));
        state.announce(STORE_LAZY_INTERVAL)
    }

    /// Takes a serial in; says within what time the writer has to write, if it has to be told.
    pub(super) fn put_serial(&self, zone: ZoneId, serial: u32) -> Option<Duration> {
        let mut state = self.lock();
        let is_known = state.serials.contains_key(&zone);
        if state.serials.get(&zone) == Some(&serial) || !is_known && state.serials.len() >= ZONES_MAX {
            return None;
        }
        state.serials.insert(zone, serial);
        state.changed.insert(zone);
        state.announce(STORE_LAZY_INTERVAL)
    }

    /// Takes verdicts in, and when this process is known to run; says within what time the writer has to write, if it has to be
    /// told.
    pub(super) fn put_verdicts(&self, changes: Vec<Change>, alive: UnixMicros) -> Option<Duration> {
        // An old verdict would mislead whoever starts with it.
        let within = if changes.is_empty() { STORE_LAZY_INTERVAL } else { STORE_PROMPT_INTERVAL };
        let mut changes = changes.into_iter();
        loop {
            let mut state = self.lock();
            state.verdicts.add(changes.by_ref().take(VERDICTS_AT_A_TIME));
            if changes.len() == 0 {
                state.verdicts.alive = Some(alive);
                return state.announce(within);
            }
        }
    }

    /// The verdicts that earlier processes left behind, to whoever asks first.
    pub(super) fn take_left(&self) -> Vec<LeftVerdict> {
        std::mem::take(&mut self.lock().left)
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
        state.announced = None;
        let changed = std::mem::take(&mut state.changed);
        let serials = changed.iter().filter_map(|zone| Some((*zone, *state.serials.get(zone)?))).collect();
        let (events, verdicts) = (std::mem::take(&mut state.events), std::mem::take(&mut state.verdicts));
        Taken { events, serials, verdicts }
    }

    /// Puts back what could not be written, before what has come since.
    pub(super) fn put_back(&self, taken: Taken) {
        let mut state = self.lock();
        state.changed.extend(taken.serials.iter().map(|(zone, _)| *zone));
        state.verdicts.put_back(taken.verdicts);
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
    /// Notes that the writer is told to write within some time; gives that time unless it was told already.
    fn announce(&mut self, within: Duration) -> Option<Duration> {
        let is_news = self.announced.is_none_or(|known| within < known);
        is_news.then(|| *self.announced.insert(within))
    }
}
