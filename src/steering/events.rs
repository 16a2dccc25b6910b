//! What happened to pools: from verdicts that changed to events as people and the journal have them.
//!
//! Publish tells of verdicts after their answers are live, and waits for nobody: what the queue has no room for is counted
//! and lost. Events are made by whoever reads the queue.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

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
    /// What happened to each pool, as if all of it had happened at `at`. Several changes of one origin are one.
    pub fn pool_events(&self, at: UnixMicros) -> impl Iterator<Item = PoolEvent> {
        // The first `from` and the last `to` of each target.
        let mut changes: HashMap<usize, (Verdict, Transition)> = HashMap::with_capacity(self.flips.len());
        for Flip { cell, transition } in &self.flips {
            let from = changes.get(&cell.index()).map_or(transition.from, |(from, _)| *from);
            changes.insert(cell.index(), (from, *transition));
        }
        let mut pools: Vec<&Arc<ProbedPool>> =
            self.pools.iter().filter_map(|id| self.assigned.pools.find(*id)).collect();
        pools.sort_by(|a, b| a.pool.name.cmp(&b.pool.name));
        pools.into_iter().map(move |pool| pool_event(pool, &changes, at))
    }
}

/// What happened to one pool.
fn pool_event(probed: &ProbedPool, changes: &HashMap<usize, (Verdict, Transition)>, at: UnixMicros) -> PoolEvent {
    let pool = &probed.pool;
    let (mut up_before, mut up) = (0_u32, 0_u32);
    let mut origins = Vec::with_capacity(pool.origins.len());
    for (origin, probed) in pool.origins.iter().zip(&probed.origins) {
        let Changed { before, verdict, reason, ip } = Changed::of(probed, changes);
        up_before += u32::from(before == Verdict::Up);
        up += u32::from(verdict == Verdict::Up);
        origins.push(OriginEvent {
            name: origin.name.clone(),
            address: origin.address.clone(),
            ip,
            enabled: origin.enabled,
            verdict,
            changed: before != verdict,
            reason,
        });
    }
    let minimum_origins = pool.minimum_origins;
    let healthy = up >= minimum_origins;
    PoolEvent {
        at,
        pool: pool.id,
        name: pool.name.clone(),
        healthy,
        changed: healthy != (up_before >= minimum_origins),
        minimum_origins,
        origins,
    }
}

/// An origin before and after some changes.
struct Changed {
    /// Its verdict before.
    before: Verdict,
    /// Its verdict after.
    verdict: Verdict,
    /// Why it is down, if it is.
    reason: Option<FailReason>,
    /// The address whose verdict changed, or else its first.
    ip: Option<IpAddr>,
}

impl Changed {
    /// What changes of targets come to. An origin that is not probed has no verdict.
    fn of(origin: &ProbedOrigin, changes: &HashMap<usize, (Verdict, Transition)>) -> Self {
        let change = |cell: &TargetCell| changes.get(&cell.index());
        let before = |cell: &TargetCell| change(cell).map_or_else(|| cell.verdict(), |(before, _)| *before);
        let after = |cell: &TargetCell| change(cell).map_or_else(|| cell.verdict(), |(_, change)| change.to);
        let reason = |cell: &TargetCell| change(cell).map_or_else(|| cell.reason(), |(_, change)| change.reason);
        let verdict = origin.verdict_by(&after).unwrap_or_default();
        let endpoints = origin.endpoints();
        let changed = endpoints.iter().find(|endpoint| endpoint.checks.cells().any(|cell| change(cell).is_some()));
        Self {
            before: origin.verdict_by(&before).unwrap_or_default(),
            verdict,
            reason: origin.reason_by(&reason).filter(|_| verdict == Verdict::Down),
            ip: changed.or_else(|| endpoints.first()).map(|endpoint| endpoint.address),
        }
    }
}
