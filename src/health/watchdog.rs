//! The watchdog: notices targets that make no progress, whatever the cause: a runtime that is blocked, permits that do not
//! come back, a queue that nobody reads, a task that is gone.
//!
//! Each target says by when something has to happen: its probe begins, or ends. The watchdog runs elsewhere, and compares.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::health::schedule::Assigned;
use crate::model::limits::{PROBE_OVERDUE_MAX, WATCHDOG_INTERVAL};

/// Who looks whether targets make progress.
#[derive(Debug)]
pub struct Watchdog {
    /// Times count from here: the schedule's start.
    start: Instant,
    /// What everybody sees.
    state: watch::Sender<Stalled>,
}

/// Whether targets are stalled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stalled {
    /// Since when it is known, if some are.
    pub since: Option<SystemTime>,
    /// How many are.
    pub targets: usize,
    /// How long the longest is overdue.
    pub longest: Duration,
}

impl Watchdog {
    /// One that has not looked yet.
    pub(in crate::health) fn new(start: Instant) -> Self {
        Self { start, state: watch::Sender::default() }
    }

    /// What it saw when it last looked.
    pub fn state(&self) -> Stalled {
        *self.state.borrow()
    }

    /// Tells whoever wants to hear of it when targets stall, and when they go on.
    pub fn subscribe(&self) -> watch::Receiver<Stalled> {
        self.state.subscribe()
    }

    /// Looks every few seconds until `stop`. Not for the runtime of probes.
    pub async fn run(self: Arc<Self>, assigned: watch::Receiver<Arc<Assigned>>, stop: CancellationToken) {
        // What was overdue only once may be a machine that slept.
        let mut was_overdue = false;
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = tokio::time::sleep(WATCHDOG_INTERVAL) => {}
            }
            let now = Arc::clone(&assigned.borrow());
            let (targets, longest) = overdue(&now, Instant::now().duration_since(self.start));
            let is_overdue = targets > 0;
            if is_overdue == std::mem::replace(&mut was_overdue, is_overdue) {
                self.tell(targets, longest);
            }
        }
    }

    /// Makes known how many targets are stalled.
    fn tell(&self, targets: usize, longest: Duration) {
        let before = self.state();
        let since = before.since.or_else(|| Some(SystemTime::now())).filter(|_| targets > 0);
        self.state.send_if_modified(|state| {
            let now = Stalled { since, targets, longest };
            std::mem::replace(state, now) != now
        });
        match (before.since, since) {
            (None, Some(_)) => error!(
                targets,
                ?longest,
                "PROBES ARE STALLED: what is due neither begins nor ends, so verdicts may be out of date"
            ),
            (Some(_), None) => warn!("probes are no longer stalled"),
            _ => {}
        }
    }
}

/// How many targets are overdue for longer than is tolerable, and how long the longest is.
fn overdue(assigned: &Assigned, now: Duration) -> (usize, Duration) {
    let (mut targets, mut longest) = (HashSet::new(), Duration::ZERO);
    for cell in assigned.pools.iter().flat_map(|probed| probed.cells()) {
        let late = now.saturating_sub(cell.expected());
        if late > PROBE_OVERDUE_MAX {
            targets.insert(cell.index());
            longest = longest.max(late);
        }
    }
    (targets.len(), longest)
}
