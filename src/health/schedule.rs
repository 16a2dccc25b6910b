//! The schedule: keeps one running target for each distinct thing that the inventory wants probed.
//!
//! It keeps the targets assigned to each pool, how many origins use each target, and which pools use each monitor, so
//! that a change costs what it changes. `reconcile` is its one writer. A target that takes another's place in a pool
//! inherits the verdict, because the origin is still the same machine: only an origin that is really new starts
//! `Unknown`, unless an earlier process left a verdict on it behind ([`Bequest`]).

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Policy;
use crate::health::bequest::Bequest;
use crate::health::endpoint::{Checks, Endpoint, Member, ProbedOrigin, ProbedPool};
use crate::health::hosts::{Hosts, Resolution, Resolve, Resolved};
use crate::health::places::Places;
use crate::health::probe::Probe;
use crate::health::references;
use crate::health::shortage::Shortage;
use crate::health::standstill::Standstill;
use crate::health::table::{HealthTable, Inherited, TargetCell, TargetKey};
use crate::health::target::{Doubts, Flip, Shared, Target};
use crate::health::watchdog::Watchdog;
use crate::model::id::{MonitorId, PoolId};
use crate::model::inventory::{IdMap, Inventory};
use crate::model::monitor::Monitor;
use crate::model::pool::{Address, Origin, Pool};
use crate::model::verdict::{Verdict, Vote};
use crate::telemetry::Registry;
use crate::telemetry::probes::MonitorProbes;

/// Owns the targets and their tasks. Dropping it stops them; [`Schedule::shutdown`] also waits for them.
#[derive(Debug)]
pub struct Schedule<P> {
    /// What all targets share.
    shared: Arc<Shared<P>>,
    /// Who looks whether they make progress.
    watchdog: Arc<Watchdog>,
    /// Where targets run.
    runtime: Handle,
    /// The cells.
    table: HealthTable,
    /// What runs, by key.
    targets: HashMap<TargetKey, Running>,
    /// Monitors that pools use.
    rules: HashMap<MonitorId, Rule>,
    /// Hosts that origins name.
    hosts: Hosts,
    /// Verdicts of an earlier process.
    bequest: Bequest,
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
        let start = Instant::now();
        let permits = Semaphore::new(probes_in_flight_max.clamp(1, Semaphore::MAX_PERMITS));
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        Self {
            shared: Arc::new(Shared {
                probe,
                flips,
                places: Places::default(),
                permits,
                wall: SystemTime::now,
                start,
                shortage: Shortage::default(),
                standstill: Arc::new(Standstill::new(start)),
            }),
            watchdog: Arc::new(Watchdog::new(start)),
            runtime,
            table: HealthTable::default(),
            targets: HashMap::new(),
            rules: HashMap::new(),
            hosts: Hosts::new(stop.clone(), tasks.clone()),
            bequest: Bequest::default(),
            registry: Registry::default(),
            assigned: Arc::default(),
            stop,
            tasks,
        }
    }

    /// Counts probes in `registry`.
    #[must_use]
    pub fn counting_into(mut self, registry: Registry) -> Self {
        self.registry = registry;
        self
    }

    /// Looks names of hosts up with `resolver`.
    #[must_use]
    pub fn resolving_with(mut self, resolver: Arc<dyn Resolve>) -> Self {
        self.hosts.ask(resolver, self.runtime.clone());
        self
    }

    /// Doubts mass failures by the rules of `policy`, and asks its references.
    #[must_use]
    pub fn guarded_by(self, policy: Arc<ArcSwap<Policy>>) -> Self {
        // From the first outcome on.
        self.shared.standstill.adopt(&policy.load().guard);
        let asking = references::run(Arc::clone(&self.shared), policy, self.stop.clone());
        self.tasks.spawn_on(asking, &self.runtime);
        self
    }

    /// Where to see whether verdicts stand still.
    pub fn standstill(&self) -> &Arc<Standstill> {
        &self.shared.standstill
    }

    /// Who looks whether targets make progress.
    pub fn watchdog(&self) -> &Arc<Watchdog> {
        &self.watchdog
    }

    /// Has new targets start with the verdicts that an earlier process left behind.
    #[must_use]
    pub fn inheriting(mut self, bequest: Bequest) -> Self {
        self.bequest = bequest;
        self
    }

    /// Makes the running targets those of `inventory`: starts, stops, keeps and replaces.
    pub fn reconcile(&mut self, inventory: Arc<Inventory>) -> Arc<Assigned> {
        let before = &self.assigned.inventory;
        if Arc::ptr_eq(before, &inventory) {
            return Arc::clone(&self.assigned);
        }
        let mut affected: HashSet<PoolId> = inventory.pools.differences(&before.pools).into_iter().collect();
        affected.extend(inventory.levers.differences(&before.levers));
        for id in inventory.monitors.differences(&before.monitors) {
            let Some(rule) = self.rules.get(&id) else { continue };
            affected.extend(&rule.pools);
            if let Some(monitor) = inventory.monitors.find(id) {
                rule.redefine(monitor);
            }
        }
        let groups = inventory.monitor_groups.differences(&before.monitor_groups);
        if !groups.is_empty() {
            let groups: HashSet<_> = groups.into_iter().map(Some).collect();
            let pools = inventory.pools.iter().filter(|pool| groups.contains(&pool.monitor_group));
            affected.extend(pools.map(|pool| pool.id));
        }
        self.assign_all(&affected, inventory)
    }

    /// Takes in what hosts were found to have, and gives the pools that name them the targets that follow from it.
    pub fn resolve(&mut self, found: impl IntoIterator<Item = Resolved>) -> Arc<Assigned> {
        let affected = found.into_iter().flat_map(|found| self.hosts.note(found)).collect();
        let inventory = Arc::clone(&self.assigned.inventory);
        self.assign_all(&affected, inventory)
    }

    /// Gives the pools in `affected` their targets under `inventory`.
    fn assign_all(&mut self, affected: &HashSet<PoolId>, inventory: Arc<Inventory>) -> Arc<Assigned> {
        let before = Arc::clone(&self.assigned);
        self.bequest.expire(Instant::now());
        for id in affected {
            self.hosts.follow(*id, inventory.pools.find(*id).map(Arc::as_ref));
        }
        let heirs = self.heirs(affected, &before, &inventory);
        let mut next = Assigned { inventory, pools: before.pools.clone() };
        // Uses are released at the end, so that a target that moves between pools keeps running.
        let mut released = Vec::new();
        for id in affected {
            let old = before.pools.find(*id).map(Arc::as_ref);
            let new = next.inventory.pools.find(*id).map(Arc::clone);
            let new = new.map(|pool| self.assign(pool, &next.inventory, &heirs));
            self.index_monitors(*id, old, new.as_ref());
            released.extend(old.into_iter().flat_map(ProbedPool::cells).map(|cell| cell.key().clone()));
            match new {
                Some(new) if old.is_some_and(|old| old.same_as(&new)) => {}
                Some(new) => next.pools.put(new),
                None => drop(next.pools.remove(*id)),
            }
        }
        for key in released {
            self.release(&key);
        }
        self.rules.retain(|_, rule| !rule.pools.is_empty());
        self.assigned = Arc::new(next);
        Arc::clone(&self.assigned)
    }

    /// The hosts, for tests of theirs.
    #[cfg(test)]
    pub(in crate::health) fn hosts_mut(&mut self) -> &mut Hosts {
        &mut self.hosts
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

    /// Gives each address of a pool its targets, and the targets one more use.
    fn assign(&mut self, pool: Arc<Pool>, inventory: &Inventory, heirs: &HashMap<TargetKey, Inherited>) -> ProbedPool {
        let probing = Probing::of(&pool, inventory);
        let assign = |origin: &Origin| match &origin.address {
            Address::Ip(address) => ProbedOrigin::Address(self.endpoint(origin, *address, &probing, heirs)),
            Address::Host(name) => match self.hosts.resolution(name) {
                Resolution::Awaited => ProbedOrigin::Awaited,
                Resolution::Lost(reason) => ProbedOrigin::Lost(reason),
                Resolution::Known(addresses) => {
                    let endpoints = addresses.iter().map(|address| self.endpoint(origin, *address, &probing, heirs));
                    ProbedOrigin::Host(endpoints.collect())
                }
            },
        };
        let origins = pool.origins.iter().map(assign).collect();
        ProbedPool { levers: inventory.levers.find(pool.id).cloned(), pool, origins }
    }

    /// One address of an origin with its targets.
    fn endpoint(
        &mut self,
        origin: &Origin,
        address: IpAddr,
        probing: &Probing<'_>,
        heirs: &HashMap<TargetKey, Inherited>,
    ) -> Endpoint {
        let mut acquire = |monitor: &Arc<Monitor>| {
            let key = TargetKey::new(origin, address, monitor);
            // Also to have it gone where this process knows better.
            let left = self.bequest.take(&key, Instant::now());
            let inherited = heirs.get(&key).copied().or(left).unwrap_or_default();
            self.acquire(&key, monitor, inherited)
        };
        let checks = match probing {
            _ if !origin.enabled => Checks::None,
            Probing::None => Checks::None,
            Probing::By(monitor) => Checks::One(acquire(monitor)),
            Probing::ByGroup(members) => {
                let member = |(monitor, vote): &(&Arc<Monitor>, Vote)| Member { cell: acquire(monitor), vote: *vote };
                Checks::Group(members.iter().map(member).collect())
            }
        };
        Endpoint { address, checks }
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
        // Even a task that never begins is overdue in time.
        cell.expect_by(Instant::now().duration_since(self.shared.start));
        let target = Target {
            shared: Arc::clone(&self.shared),
            cell: Arc::clone(&cell),
            definition: rule.definition.subscribe(),
            probes: Arc::clone(&rule.probes),
            stop: stop.clone(),
            doubts: Doubts::default(),
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

    /// Keeps the index from monitors to pools. A monitor of which nothing runs has no rule.
    fn index_monitors(&mut self, id: PoolId, old: Option<&ProbedPool>, new: Option<&ProbedPool>) {
        for cell in old.into_iter().flat_map(ProbedPool::cells) {
            if let Some(rule) = self.rules.get_mut(&cell.key().monitor) {
                rule.pools.remove(&id);
            }
        }
        for cell in new.into_iter().flat_map(ProbedPool::cells) {
            if let Some(rule) = self.rules.get_mut(&cell.key().monitor) {
                rule.pools.insert(id);
            }
        }
    }

    /// The verdicts that new targets of the pools in `affected` start with. They are collected before any target is made:
    /// a pool that knows nothing of an origin may share the target with one that does.
    fn heirs(
        &self,
        affected: &HashSet<PoolId>,
        before: &Assigned,
        inventory: &Inventory,
    ) -> HashMap<TargetKey, Inherited> {
        let mut heirs = HashMap::new();
        for id in affected {
            let (Some(old), Some(pool)) = (before.pools.find(*id), inventory.pools.find(*id)) else { continue };
            let probing = Probing::of(pool, inventory);
            for origin in pool.origins.iter().filter(|origin| origin.enabled) {
                for address in self.hosts.addresses(&origin.address).iter() {
                    let inherited = bequeath(old, origin, *address);
                    if inherited != Inherited::default() {
                        for monitor in probing.monitors() {
                            heirs.entry(TargetKey::new(origin, *address, monitor)).or_insert(inherited);
                        }
                    }
                }
            }
        }
        heirs
    }
}

impl<P> Drop for Schedule<P> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// By what the origins of a pool are probed.
enum Probing<'i> {
    /// Not at all.
    None,
    /// By one monitor.
    By(&'i Arc<Monitor>),
    /// By the members of a group.
    ByGroup(Vec<(&'i Arc<Monitor>, Vote)>),
}

impl<'i> Probing<'i> {
    /// What the pool says.
    fn of(pool: &Pool, inventory: &'i Inventory) -> Self {
        if !pool.enabled {
            return Self::None;
        }
        if let Some(group) = pool.monitor_group.and_then(|id| inventory.monitor_groups.find(id)) {
            let enabled = group.members.iter().filter(|member| member.enabled);
            let found = enabled.filter_map(|member| Some((inventory.monitors.find(member.monitor)?, member.vote())));
            return Self::ByGroup(found.collect());
        }
        pool.monitor.and_then(|id| inventory.monitors.find(id)).map_or(Self::None, Self::By)
    }

    /// The monitors.
    fn monitors(&self) -> impl Iterator<Item = &'i Arc<Monitor>> {
        let (one, group) = match self {
            Self::None => (None, &[][..]),
            Self::By(monitor) => (Some(*monitor), &[][..]),
            Self::ByGroup(members) => (None, &members[..]),
        };
        one.into_iter().chain(group.iter().map(|(monitor, _)| *monitor))
    }
}

/// The verdict that a new target of an address of `origin` starts with, from what an older version of its pool says of it.
fn bequeath(old: &ProbedPool, origin: &Origin, address: IpAddr) -> Inherited {
    let mut pairs = old.pool.origins.iter().zip(&old.origins);
    let Some((old_origin, probed)) = pairs.find(|(old, _)| old.address == origin.address) else {
        return Inherited::default();
    };
    let Some(endpoint) = probed.endpoints().iter().find(|endpoint| endpoint.address == address) else {
        return Inherited::default();
    };
    match &endpoint.checks {
        Checks::One(cell) => Inherited::from_cell(cell),
        // Where nobody has a vote it counted as healthy.
        Checks::Group(_) => Inherited::from_verdict(endpoint.checks.verdict().unwrap_or(Verdict::Up)),
        // Without a monitor it did so too, and attaching one shall change no answer by itself.
        Checks::None if !old.pool.is_monitored() && old.pool.enabled && old_origin.enabled => {
            Inherited::from_verdict(Verdict::Up)
        }
        Checks::None => Inherited::default(),
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
        damping,
    } = one;
    *id == other.id
        && *check == other.check
        && *source_address == other.source_address
        && *timeout == other.timeout
        && *retries == other.retries
        && *interval == other.interval
        && *consecutive_up == other.consecutive_up
        && *consecutive_down == other.consecutive_down
        && *damping == other.damping
}

/// Reconciles whenever the inventory or the addresses of a host change, until `token` is cancelled or nobody can change the
/// inventory any more; then stops all targets. The composition root reconciles once before, so that `assigned` has a value for
/// its first reader.
pub async fn run<P: Probe>(
    mut schedule: Schedule<P>,
    mut inventory: watch::Receiver<Arc<Inventory>>,
    assigned: watch::Sender<Arc<Assigned>>,
    token: CancellationToken,
) {
    let mut found = Vec::new();
    loop {
        let next = tokio::select! {
            biased;
            () = token.cancelled() => break,
            changed = inventory.changed() => match changed {
                Ok(()) => schedule.reconcile(Arc::clone(&inventory.borrow_and_update())),
                Err(_) => break,
            },
            () = schedule.hosts.heard(&mut found) => schedule.resolve(found.drain(..)),
        };
        assigned.send_replace(next);
    }
    schedule.shutdown().await;
}

#[cfg(test)]
mod tests;
