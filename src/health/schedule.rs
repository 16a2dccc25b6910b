//! The schedule: keeps one running target for each distinct thing that the inventory wants probed.
//!
//! It keeps the targets assigned to each pool, how many origins use each target, and which pools use each monitor, so
//! that a change costs what it changes. `reconcile` is its one writer. A target that takes another's place in a pool
//! inherits the verdict, because the origin is still the same machine: only an origin that is really new starts
//! `Unknown`. Verdicts are not kept over a restart here; that is the store's.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::health::places::Places;
use crate::health::probe::Probe;
use crate::health::shortage::Shortage;
use crate::health::table::{HealthTable, Inherited, TargetCell, TargetKey};
use crate::health::target::{Flip, Shared, Target};
use crate::model::id::{MonitorId, PoolId};
use crate::model::inventory::{IdMap, Identified, Inventory};
use crate::model::monitor::Monitor;
use crate::model::pool::{Origin, Pool};
use crate::model::verdict::Verdict;
use crate::telemetry::Registry;
use crate::telemetry::probes::MonitorProbes;

/// Owns the targets and their tasks. Dropping it stops them; [`Schedule::shutdown`] also waits for them.
#[derive(Debug)]
pub struct Schedule<P> {
    /// What all targets share.
    shared: Arc<Shared<P>>,
    /// Where targets run.
    runtime: Handle,
    /// The cells.
    table: HealthTable,
    /// What runs, by key.
    targets: HashMap<TargetKey, Running>,
    /// Monitors that pools use.
    rules: HashMap<MonitorId, Rule>,
    /// Where probes are counted.
    registry: Registry,
    /// What the last `reconcile` gave.
    assigned: Arc<Assigned>,
    /// Stops all targets.
    stop: CancellationToken,
    /// Joins all targets.
    tasks: TaskTracker,
}

/// An inventory with its targets. Generations share what did not change.
#[derive(Clone, Debug, Default)]
pub struct Assigned {
    /// The inventory.
    pub inventory: Arc<Inventory>,
    /// Its pools, each with its targets.
    pub pools: IdMap<ProbedPool>,
}

/// A pool, and the target of each of its origins.
#[derive(Clone, Debug)]
pub struct ProbedPool {
    /// The pool.
    pub pool: Arc<Pool>,
    /// In the order of its origins; none where nothing is probed: no monitor, or pool or origin is disabled.
    pub cells: Box<[Option<Arc<TargetCell>>]>,
}

impl Identified for ProbedPool {
    type Id = PoolId;

    fn id(&self) -> PoolId {
        self.pool.id
    }

    fn hash64(id: PoolId) -> u64 {
        Pool::hash64(id)
    }
}

/// A target that runs.
#[derive(Debug)]
struct Running {
    /// How many origins of pools use it.
    uses: usize,
    /// Stops it.
    stop: CancellationToken,
}

/// A monitor in use.
#[derive(Debug)]
struct Rule {
    /// Its definition, for the targets that run by it.
    definition: watch::Sender<Arc<Monitor>>,
    /// Where its probes are counted.
    probes: Arc<MonitorProbes>,
    /// The pools that name it.
    pools: HashSet<PoolId>,
}

impl<P: Probe> Schedule<P> {
    /// A schedule without targets. Targets will run on `runtime`, transitions go to `flips`.
    pub fn new(probe: P, flips: mpsc::Sender<Flip>, probes_in_flight_max: usize, runtime: Handle) -> Self {
        let permits = Semaphore::new(probes_in_flight_max.clamp(1, Semaphore::MAX_PERMITS));
        Self {
            shared: Arc::new(Shared {
                probe,
                flips,
                places: Places::default(),
                permits,
                start: Instant::now(),
                shortage: Shortage::default(),
            }),
            runtime,
            table: HealthTable::default(),
            targets: HashMap::new(),
            rules: HashMap::new(),
            registry: Registry::default(),
            assigned: Arc::default(),
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Counts probes in `registry`.
    #[must_use]
    pub fn counting_into(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Makes the running targets those of `inventory`: starts, stops, keeps and replaces.
    pub fn reconcile(&mut self, inventory: Arc<Inventory>) -> Arc<Assigned> {
        let before = Arc::clone(&self.assigned);
        if Arc::ptr_eq(&before.inventory, &inventory) {
            return before;
        }
        let mut affected: HashSet<PoolId> = inventory.pools.differences(&before.inventory.pools).into_iter().collect();
        for id in inventory.monitors.differences(&before.inventory.monitors) {
            let Some(rule) = self.rules.get(&id) else { continue };
            affected.extend(&rule.pools);
            if let Some(monitor) = inventory.monitors.find(id) {
                rule.redefine(monitor);
            }
        }

        let heirs = heirs(&affected, &before, &inventory);
        let mut next = Assigned { inventory, pools: before.pools.clone() };
        // Uses are released at the end, so that a target that moves between pools keeps running.
        let mut released = Vec::new();
        for id in affected {
            let old = before.pools.find(id).map(Arc::as_ref);
            let new = next.inventory.pools.find(id).map(Arc::clone);
            let new = new.map(|pool| self.assign(pool, &next.inventory, &heirs));
            self.index_monitors(id, old, new.as_ref());
            released.extend(old.iter().flat_map(|old| old.cells.iter().flatten()).map(|cell| cell.key().clone()));
            match new {
                Some(new) if old.is_some_and(|old| old.same_as(&new)) => {}
                Some(new) => next.pools.put(new),
                None => drop(next.pools.remove(id)),
            }
        }
        for key in released {
            self.release(&key);
        }
        self.rules.retain(|_, rule| !rule.pools.is_empty());
        self.assigned = Arc::new(next);
        Arc::clone(&self.assigned)
    }

    /// How many distinct targets run.
    pub fn targets(&self) -> usize {
        self.table.len()
    }

    /// Stops all targets and waits until they have ended.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Gives each origin of a pool its target, and the target one more use.
    fn assign(&mut self, pool: Arc<Pool>, inventory: &Inventory, heirs: &HashMap<TargetKey, Inherited>) -> ProbedPool {
        let monitor = monitor_of(&pool, inventory);
        let cells = pool.origins.iter().map(|origin| {
            let monitor = monitor.filter(|_| origin.enabled)?;
            let key = TargetKey::new(origin, monitor);
            let inherited = heirs.get(&key).copied().unwrap_or_default();
            Some(self.acquire(&key, monitor, inherited))
        });
        let cells = cells.collect();
        ProbedPool { pool, cells }
    }

    /// The cell of a target, which has one more use and runs from now on.
    fn acquire(&mut self, key: &TargetKey, monitor: &Arc<Monitor>, inherited: Inherited) -> Arc<TargetCell> {
        let cell = Arc::clone(self.table.find_or_make(key, inherited));
        if let Some(running) = self.targets.get_mut(key) {
            running.uses += 1;
            return cell;
        }
        let rule = self.rules.entry(monitor.id).or_insert_with(|| Rule::new(monitor, &self.registry));
        let stop = self.stop.child_token();
        let target = Target {
            shared: Arc::clone(&self.shared),
            cell: Arc::clone(&cell),
            definition: rule.definition.subscribe(),
            probes: Arc::clone(&rule.probes),
            stop: stop.clone(),
        };
        self.tasks.spawn_on(target.run(), &self.runtime);
        self.targets.insert(key.clone(), Running { uses: 1, stop });
        cell
    }

    /// Takes one use from a target, and stops it after the last.
    fn release(&mut self, key: &TargetKey) {
        let Some(running) = self.targets.get_mut(key) else { return };
        running.uses -= 1;
        if running.uses == 0 {
            running.stop.cancel();
            self.targets.remove(key);
            self.table.remove(key);
        }
    }

    /// Keeps the index from monitors to pools.
    fn index_monitors(&mut self, id: PoolId, old: Option<&ProbedPool>, new: Option<&ProbedPool>) {
        let monitor = |pool: Option<&ProbedPool>| pool.and_then(|pool| pool.pool.monitor);
        if let Some(rule) = monitor(old).and_then(|monitor| self.rules.get_mut(&monitor)) {
            rule.pools.remove(&id);
        }
        // A monitor of which nothing runs has no rule; the pool's own edit will make one.
        if let Some(rule) = monitor(new).and_then(|monitor| self.rules.get_mut(&monitor)) {
            rule.pools.insert(id);
        }
    }
}

impl<P> Drop for Schedule<P> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What probes the origins of a pool, if they are probed at all.
fn monitor_of<'i>(pool: &Pool, inventory: &'i Inventory) -> Option<&'i Arc<Monitor>> {
    pool.monitor.filter(|_| pool.enabled).and_then(|id| inventory.monitors.find(id))
}

/// The verdicts that new targets of the pools in `affected` start with. They are collected before any target is made:
/// a pool that knows nothing of an origin may share the target with one that does.
fn heirs(affected: &HashSet<PoolId>, before: &Assigned, inventory: &Inventory) -> HashMap<TargetKey, Inherited> {
    let mut heirs = HashMap::new();
    for id in affected {
        let (Some(old), Some(pool)) = (before.pools.find(*id), inventory.pools.find(*id)) else { continue };
        let Some(monitor) = monitor_of(pool, inventory) else { continue };
        for origin in pool.origins.iter().filter(|origin| origin.enabled) {
            let inherited = old.bequeath(origin);
            if inherited != Inherited::default() {
                heirs.entry(TargetKey::new(origin, monitor)).or_insert(inherited);
            }
        }
    }
    heirs
}

impl ProbedPool {
    /// The verdict that a new target of `origin` starts with, from what this older version of the pool says of it.
    fn bequeath(&self, origin: &Origin) -> Inherited {
        let mut pairs = self.pool.origins.iter().zip(&self.cells);
        let Some((old, cell)) = pairs.find(|(old, _)| old.address == origin.address) else {
            return Inherited::default();
        };
        match cell {
            Some(cell) => Inherited::from_cell(cell),
            // Without a monitor it counted as healthy, and attaching one shall change no answer by itself.
            None if self.pool.monitor.is_none() && self.pool.enabled && old.enabled => {
                Inherited::from_verdict(Verdict::Up)
            }
            None => Inherited::default(),
        }
    }

    /// Whether `other` is the same pool with the same targets.
    fn same_as(&self, other: &Self) -> bool {
        let same_cell = |pair: (&Option<Arc<TargetCell>>, &Option<Arc<TargetCell>>)| match pair {
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            (ours, theirs) => ours.is_none() && theirs.is_none(),
        };
        // The same value has as many origins.
        Arc::ptr_eq(&self.pool, &other.pool) && self.cells.iter().zip(&other.cells).all(same_cell)
    }
}

impl Rule {
    /// A rule that no pool uses yet.
    fn new(monitor: &Arc<Monitor>, registry: &Registry) -> Self {
        let probes = registry.monitors().of(registry, &monitor.name);
        Self { definition: watch::Sender::new(Arc::clone(monitor)), probes, pools: HashSet::new() }
    }

    /// Gives running targets the new definition; they start anew only if it probes or counts in another way.
    fn redefine(&self, monitor: &Arc<Monitor>) {
        self.definition.send_if_modified(|definition| {
            let matters = !probes_alike(definition, monitor);
            *definition = Arc::clone(monitor);
            matters
        });
    }
}

/// Whether two definitions differ in words only.
fn probes_alike(one: &Monitor, other: &Monitor) -> bool {
    let Monitor {
        id,
        name: _,
        description: _,
        probe_zone: _,
        check,
        source_address,
        timeout,
        retries,
        interval,
        consecutive_up,
        consecutive_down,
    } = one;
    *id == other.id
        && *check == other.check
        && *source_address == other.source_address
        && *timeout == other.timeout
        && *retries == other.retries
        && *interval == other.interval
        && *consecutive_up == other.consecutive_up
        && *consecutive_down == other.consecutive_down
}

/// Reconciles whenever the inventory changes, until `token` is cancelled or nobody can change it any more; then stops
/// all targets. The composition root reconciles once before, so that `assigned` has a value for its first reader.
pub async fn run<P: Probe>(
    mut schedule: Schedule<P>,
    mut inventory: watch::Receiver<Arc<Inventory>>,
    assigned: watch::Sender<Arc<Assigned>>,
    token: CancellationToken,
) {
    loop {
        let changed = tokio::select! {
            biased;
            () = token.cancelled() => break,
            changed = inventory.changed() => changed,
        };
        if changed.is_err() {
            break;
        }
        let now = Arc::clone(&inventory.borrow_and_update());
        assigned.send_replace(schedule.reconcile(now));
    }
    schedule.shutdown().await;
}

#[cfg(test)]
mod tests;
