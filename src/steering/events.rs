//! What happened to pools: from verdicts that changed to events as people and the journal have them.
//!
//! Publish tells of verdicts after their answers are live, and waits for nobody: what the queue has no room for is counted
//! and lost. Events are made by whoever reads the queue.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::health::endpoint::{ProbedOrigin, ProbedPool};
use crate::health::schedule::Assigned;
use crate::health::table::TargetCell;
use crate::health::target::Flip;
use crate::model::event::{OriginEvent, PoolEvent, Transition};
use crate::model::id::PoolId;
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Verdict};

/// The end of the queue that publish has.
#[derive(Debug)]
pub struct Recorder {
    /// The queue.
    queue: mpsc::Sender<Flipped>,
    /// Verdicts that it had no room for since the last that it had.
    lost: usize,
}

/// Verdicts that changed, and whom they concern.
#[derive(Debug)]
pub struct Flipped {
    /// The changes, in order.
    pub flips: Vec<Flip>,
    /// Pools that use their targets.
    pub pools: HashSet<PoolId>,
    /// The inventory that was live.
    pub assigned: Arc<Assigned>,
    /// Changes before these that there was no room for.
    pub lost: usize,
}

impl Recorder {
    /// A queue of so many batches, and the end that is read.
    pub fn queue(batches: usize) -> (Self, mpsc::Receiver<Flipped>) {
        let (queue, reader) = mpsc::channel(batches);
        (Self { queue, lost: 0 }, reader)
    }

    /// Tells of changes, if there is room.
    pub(super) fn tell(&mut self, flips: &[Flip], pools: HashSet<PoolId>, assigned: &Arc<Assigned>) {
        match self.queue.try_reserve() {
            Ok(place) => {
                let lost = std::mem::take(&mut self.lost);
                place.send(Flipped { flips: flips.to_vec(), pools, assigned: Arc::clone(assigned), lost });
            }
            Err(_) => self.lost += flips.len(),
        }
    }
}

impl Flipped {
    /// What happened to each pool of which an origin has changed, as if all of it had happened at `at`. What changed twice has
    /// two events. To be called once, in the order of the queue: each event goes by what those before it have told, not by what
    /// has happened since.
    pub fn pool_events(&self, at: UnixMicros) -> Vec<PoolEvent> {
        let mut changes = Changes::with_capacity(self.flips.len());
        for Flip { cell, transition } in &self.flips {
            changes.entry(cell.index()).or_default().push(*transition);
        }
        let mut pools: Vec<&Arc<ProbedPool>> =
            self.pools.iter().filter_map(|id| self.assigned.pools.find(*id)).collect();
        pools.sort_by(|a, b| a.pool.name.cmp(&b.pool.name));
        let rounds = changes.values().map(Vec::len).max().unwrap_or(0);
        let turns = (0..rounds).flat_map(|round| pools.iter().map(move |pool| (round, pool)));
        let events = turns.filter_map(|(round, pool)| pool_event(pool, &changes, round, at)).collect();
        for Flip { cell, transition } in &self.flips {
            cell.tell(transition.to);
        }
        events
    }
}

/// What happened to targets, by the indices of their cells, each in order. The first change of every target makes the
/// first round, the second ones the second.
type Changes = HashMap<usize, Vec<Transition>>;

/// What happened to one pool in a round, if anything did.
fn pool_event(probed: &ProbedPool, changes: &Changes, round: usize, at: UnixMicros) -> Option<PoolEvent> {
    probed.cells().find(|cell| past(cell, changes).get(round).is_some())?;
    let pool = &probed.pool;
    let seen: Vec<Seen> = probed.origins.iter().map(|origin| Seen::of(origin, changes, round)).collect();
    // A target may turn and its origin not: where other addresses of a host are up, or a monitor group decides otherwise.
    seen.iter().find(|seen| seen.has_changed)?;
    let minimum_origins = pool.minimum_origins;
    let origins = pool.origins.iter().zip(&seen).map(|(origin, seen)| OriginEvent {
        name: origin.name.clone(),
        address: origin.address.clone(),
        ip: seen.ip,
        enabled: origin.enabled,
        from: seen.from.unwrap_or_default(),
        verdict: seen.verdict.unwrap_or_default(),
        reason: seen.reason,
        count: seen.count,
        latency: seen.latency,
    });
    Some(PoolEvent {
        at,
        pool: pool.id,
        name: pool.name.clone(),
        from: verdict_of(minimum_origins, seen.iter().filter_map(|seen| seen.from)),
        verdict: verdict_of(minimum_origins, seen.iter().filter_map(|seen| seen.verdict)),
        minimum_origins,
        origins: origins.collect(),
    })
}

/// What holds of a pool whose origins have these verdicts.
fn verdict_of(minimum_origins: u32, origins: impl Iterator<Item = Verdict>) -> Verdict {
    let (mut up, mut unknown) = (0_u32, false);
    for verdict in origins {
        up += u32::from(verdict == Verdict::Up);
        unknown |= verdict == Verdict::Unknown;
    }
    match (up >= minimum_origins, unknown) {
        (true, _) => Verdict::Up,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Down,
    }
}

/// What happened to a target, in order.
fn past<'c>(cell: &TargetCell, changes: &'c Changes) -> &'c [Transition] {
    changes.get(&cell.index()).map_or(&[], Vec::as_slice)
}

/// What is seen of an origin in a round.
struct Seen {
    /// Its verdict before; none if nothing of it is probed.
    from: Option<Verdict>,
    /// Its verdict after.
    verdict: Option<Verdict>,
    /// Why it is down after, if it is.
    reason: Option<FailReason>,
    /// Whether its verdict is another than before, or why it is down.
    has_changed: bool,
    /// The address that changed, or else its first.
    ip: Option<IpAddr>,
    /// How many outcomes changed its verdict; 0 if nothing did.
    count: u32,
    /// How long the probe took that decided it.
    latency: Option<Duration>,
}

impl Seen {
    /// What changes of targets come to.
    fn of(origin: &ProbedOrigin, changes: &Changes, round: usize) -> Self {
        // The change of this round, else the last before it, else what has been told.
        let change = |cell: &TargetCell| past(cell, changes).get(round).or_else(|| past(cell, changes).last());
        let before = |cell: &TargetCell| match past(cell, changes).get(round) {
            Some(change) => change.from,
            None => past(cell, changes).last().map_or_else(|| cell.told(), |change| change.to),
        };
        let after = |cell: &TargetCell| change(cell).map_or_else(|| cell.told(), |change| change.to);
        let told = |cell: &TargetCell| cell.reason().filter(|_| cell.told() == Verdict::Down);
        let why = |cell: &TargetCell| change(cell).map_or_else(|| told(cell), |change| change.reason);
        let (from, verdict) = (origin.verdict_by(&before), origin.verdict_by(&after));
        // What is held down was down before for a reason that the cell knows no longer: that is another one than now.
        let why_before = |cell: &TargetCell| match past(cell, changes).get(round) {
            Some(_) => round.checked_sub(1).and_then(|before| past(cell, changes).get(before)?.reason),
            None => why(cell),
        };
        let is_down = |_: &FailReason| verdict == Some(Verdict::Down);
        let reason = origin.reason_by(&why).filter(is_down);
        let has_changed = from != verdict || reason != origin.reason_by(&why_before).filter(is_down);
        let endpoints = origin.endpoints();
        let cells = || endpoints.iter().flat_map(|endpoint| endpoint.checks.cells().map(move |cell| (endpoint, cell)));
        let changed = || cells().filter_map(|(endpoint, cell)| Some((endpoint, cell, past(cell, changes).get(round)?)));
        // Of several that changed, one that went where the origin did.
        let decided = changed().find(|(.., change)| Some(change.to) == verdict).or_else(|| changed().next());
        let ip = decided.map(|(endpoint, ..)| endpoint).or_else(|| endpoints.first()).map(|endpoint| endpoint.address);
        let (count, latency) = match decided {
            Some((_, cell, change)) if from != verdict => {
                let is_last = round + 1 == past(cell, changes).len();
                (change.count, is_last.then(|| latency(cell, change.reason)).flatten())
            }
            _ => (0, None),
        };
        Self { from, verdict, reason, has_changed, ip, count, latency }
    }
}

/// How long the probe took that changed a verdict, unless one with another outcome has come since.
fn latency(cell: &TargetCell, reason: Option<FailReason>) -> Option<Duration> {
    cell.last().filter(|(outcome, _)| outcome.failure == reason).map(|(outcome, _)| outcome.rtt)
}
