//! Verdicts on their way into the store, and out of it after a restart: the first answers are then right before anything has
//! been probed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::health::bequest::Bequest;
use crate::health::schedule::Assigned;
use crate::health::table::{TargetCell, TargetKey};
use crate::model::limits::{ALIVE_INTERVAL, VERDICTS_KEPT_MAX, VERDICTS_QUEUED_MAX};
use crate::model::target::{LeftVerdict, Standing};
use crate::steering::events::Flipped;
use crate::store::embedded::EmbeddedStore;
use crate::store::now;

/// The end of the keeper's queue that hears of verdicts that changed; none if nothing is kept.
#[derive(Debug)]
pub(super) struct Listener(Option<mpsc::Sender<Changed>>);

/// Verdicts that changed.
#[derive(Debug)]
struct Changed {
    /// Of these targets.
    cells: Vec<Arc<TargetCell>>,
    /// Whether others changed that nobody was told of.
    is_lossy: bool,
}

/// Has the store say what the verdicts of this process are.
struct Keeper {
    /// The store.
    store: Arc<EmbeddedStore>,
    /// The targets there are.
    assigned: watch::Receiver<Arc<Assigned>>,
    /// What changes.
    changed: mpsc::Receiver<Changed>,
    /// What the store has been told. Of a target without a verdict it has one of an earlier process.
    told: HashMap<TargetKey, Option<Standing>>,
    /// When those of earlier processes are of no use any more.
    left_until: Instant,
    /// Whether some targets have to be looked at, because not all verdicts are confirmed, or for another reason.
    is_behind: bool,
}

/// Takes the verdicts that earlier processes left in the store, for the schedule and for the keeper.
pub(super) fn restore(store: &EmbeddedStore, lifetime: Duration) -> (Bequest, Vec<LeftVerdict>) {
    let left = store.take_left_verdicts();
    let bequest = Bequest::new(left.iter().cloned(), lifetime, now(), Instant::now());
    if !bequest.is_empty() {
        info!(verdicts = bequest.len(), "verdicts from before the start hold until probes say something else");
    }
    (bequest, left)
}

/// Keeps the verdicts of this process, until it is told to stop, unless their lifetime is zero. The store has `left` already.
pub(super) fn keep(
    tasks: &mut JoinSet<()>,
    store: &Arc<EmbeddedStore>,
    assigned: watch::Receiver<Arc<Assigned>>,
    left: Vec<LeftVerdict>,
    lifetime: Duration,
    stop: CancellationToken,
) -> Listener {
    if lifetime.is_zero() {
        return Listener(None);
    }
    let (keeper, listener) = Keeper::new(Arc::clone(store), assigned, left, lifetime);
    tasks.spawn(keeper.run(stop));
    listener
}

impl Listener {
    /// Passes on what changed. The keeper waits for nobody, so this wait is short.
    pub(super) async fn tell(&self, flipped: &Flipped) {
        if let Self(Some(queue)) = self {
            let cells = flipped.flips.iter().map(|flip| Arc::clone(&flip.cell)).collect();
            // It has ended: nothing is kept any more.
            drop(queue.send(Changed { cells, is_lossy: flipped.lost > 0 }).await);
        }
    }
}

impl Keeper {
    /// A keeper, and who tells it of what changes.
    fn new(
        store: Arc<EmbeddedStore>,
        assigned: watch::Receiver<Arc<Assigned>>,
        left: Vec<LeftVerdict>,
        lifetime: Duration,
    ) -> (Self, Listener) {
        let (queue, changed) = mpsc::channel(VERDICTS_QUEUED_MAX);
        let told = left.into_iter().map(|left| (left.key, None)).collect();
        let left_until = Instant::now() + lifetime;
        (Self { store, assigned, changed, told, left_until, is_behind: true }, Listener(Some(queue)))
    }

    /// Keeps verdicts until it is told to stop.
    async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(ALIVE_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let changes = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => self.sweep(),
                changed = self.changed.recv() => match changed {
                    Some(Changed { cells, is_lossy }) => {
                        let mut changes = self.take_in(&cells);
                        self.is_behind |= is_lossy;
                        if is_lossy {
                            changes.extend(self.sweep());
                        }
                        changes
                    }
                    None => break,
                },
            };
            self.store.keep_verdicts(changes, now());
        }
        self.is_behind = true;
        let changes = self.sweep();
        self.store.keep_verdicts(changes, now());
    }

    /// Takes in verdicts that changed.
    fn take_in(&mut self, cells: &[Arc<TargetCell>]) -> Vec<(TargetKey, Option<Standing>)> {
        let mut changes = Vec::with_capacity(cells.len());
        for cell in cells {
            // One that is new here may be gone already.
            self.is_behind |= !self.told.contains_key(cell.key());
            if let Some(standing) = cell.standing() {
                changes.extend(self.tell(cell.key(), standing));
            }
        }
        changes
    }

    /// Looks at all targets, if there is a reason to: what has been confirmed by now, what is gone, and what was lost.
    fn sweep(&mut self) -> Vec<(TargetKey, Option<Standing>)> {
        let mut changes = Vec::new();
        if !self.is_behind && !self.assigned.has_changed().unwrap_or(false) {
            return changes;
        }
        let assigned = Arc::clone(&self.assigned.borrow_and_update());
        self.is_behind = false;
        let mut targets = HashSet::with_capacity(self.told.len());
        for cell in assigned.pools.iter().flat_map(|pool| pool.cells()) {
            if !targets.insert(cell.key()) {
                continue;
            }
            match (cell.standing(), self.told.get(cell.key())) {
                // The target went and came back: what it had is of no use.
                (None, Some(Some(_))) => {
                    self.told.remove(cell.key());
                    changes.push((cell.key().clone(), None));
                    self.is_behind = true;
                }
                (Some(standing), Some(Some(_))) => changes.extend(self.tell(cell.key(), standing)),
                (Some(standing), _) if cell.is_confirmed() => changes.extend(self.tell(cell.key(), standing)),
                _ => self.is_behind = true,
            }
        }
        // What an earlier process left behind may be of a host that has not been looked up yet.
        let left_is_old = self.left_until <= Instant::now();
        self.told.retain(|key, told| {
            if targets.contains(key) {
                return true;
            }
            let stays = told.is_none() && !left_is_old;
            self.is_behind |= stays;
            changes.extend((!stays).then(|| (key.clone(), None)));
            stays
        });
        changes
    }

    /// Notes what the store is told of a target; none if it knows, or has no room.
    fn tell(&mut self, key: &TargetKey, standing: Standing) -> Option<(TargetKey, Option<Standing>)> {
        if let Some(told) = self.told.get_mut(key) {
            let is_news = *told != Some(standing);
            *told = Some(standing);
            return is_news.then(|| (key.clone(), Some(standing)));
        }
        (self.told.len() < VERDICTS_KEPT_MAX).then(|| {
            self.told.insert(key.clone(), Some(standing));
            (key.clone(), Some(standing))
        })
    }
}

#[cfg(test)]
mod tests;
