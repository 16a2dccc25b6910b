//! Keeps the record table true: the one writer of the table and of every slot.
//!
//! Three things make it act: an inventory with its targets assigned, verdicts that changed, and time. Names with equal
//! steering form a class and share a slot. A verdict touches the classes that use the target's pools, an edited pool
//! those that use it, and a name that comes or goes touches its own node. Verdicts are read from the targets' cells
//! when a class is compiled, so an answer is never older than the last thing that made it be compiled.

mod covered;
mod hint_hosts;
mod named;
mod serials;
mod zones;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::covered::CoveredNames;
use self::hint_hosts::HintHosts;
use self::named::NamedObjects;
use self::serials::{SerialKeeper, follows};
pub use self::serials::{Serials, ZoneSerial};
use self::zones::{absence, rebuild_zones, set_static};
use crate::config::Policy;
use crate::health::schedule::Assigned;
use crate::health::target::Flip;
use crate::model::id::{LoadBalancerId, PoolId, ZoneId};
use crate::model::inventory::{Generation, Inventory};
use crate::model::load_balancer::LoadBalancer;
use crate::model::stamp::UnixMicros;
use crate::steering::compile::{LiveAnswer, Patience, Steering, compile};
use crate::steering::events::Recorder;
use crate::steering::judged::{Judged, Moment};
use crate::steering::state::Condition;
use crate::steering::table::{RecordTable, Slot};
use crate::telemetry::Registry;

/// Transitions taken in at once: more of them share a compilation.
const BATCH_MAX: usize = 4096;
/// Classes whose change one batch reports by name; a mass failure is one event, not a hundred thousand lines.
const REPORTS_MAX: usize = 20;

/// All names with equal steering.
#[derive(Debug)]
struct Class {
    /// What they have in common.
    steering: Arc<Steering>,
    /// What they share.
    slot: Arc<Slot>,
    /// The load balancers that they are.
    members: BTreeSet<LoadBalancerId>,
    /// When a missing verdict is waited for no longer.
    deadline: Instant,
    /// When what it answers changes by time alone, if it does.
    next_change: Option<Instant>,
    /// What it has been through.
    history: History,
}

/// What a class has been through. A name that is edited takes it along into its new class.
#[derive(Clone, Copy, Debug, Default)]
struct History {
    /// Whether it has answered.
    settled: bool,
    /// What it answers from.
    condition: Condition,
}

/// What is live.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Live {
    /// Generation of the inventory.
    pub generation: Generation,
    /// How many kinds of steering wait for first verdicts; 0 means that every live name answers.
    pub waiting: usize,
}

/// What publish knows.
#[derive(Debug)]
pub struct Publisher {
    /// The live table.
    table: Arc<ArcSwap<RecordTable>>,
    /// How long to wait for a first verdict.
    policy: Arc<ArcSwap<Policy>>,
    /// The inventory that is live, with its targets.
    assigned: Arc<Assigned>,
    /// Tells what is live.
    live: watch::Sender<Live>,
    /// Classes by number; gaps are reused.
    classes: Vec<Option<Class>>,
    /// Numbers of gaps.
    free: Vec<usize>,
    /// Classes by steering.
    by_steering: HashMap<Arc<Steering>, usize>,
    /// Classes that use a pool.
    by_pool: HashMap<PoolId, HashSet<usize>>,
    /// Pools that use a target, by the target's index.
    by_target: Vec<Vec<PoolId>>,
    /// When to compile a class that waits for first verdicts though nothing happens.
    timers: BTreeSet<(Instant, usize)>,
    /// When to compile a class because what it answers changes by time alone.
    changes: BTreeSet<(Instant, usize)>,
    /// A moment by both clocks.
    epoch: Moment,
    /// Serials of zones.
    serials: SerialKeeper,
    /// Hosts in other zones whose addresses copies of a zone have as hints.
    hint_hosts: HintHosts,
    /// Live names that their zones have given away.
    covered: CoveredNames,
    /// Who records what happens to pools.
    recorder: Option<Recorder>,
    /// What is counted by name.
    named: NamedObjects,
}

impl Publisher {
    /// Publishes into `table`, which is empty until [`Publisher::apply`].
    pub fn new(table: Arc<ArcSwap<RecordTable>>, policy: Arc<ArcSwap<Policy>>) -> Self {
        Self {
            table,
            policy,
            assigned: Arc::default(),
            live: watch::Sender::default(),
            classes: Vec::new(),
            free: Vec::new(),
            by_steering: HashMap::new(),
            by_pool: HashMap::new(),
            by_target: Vec::new(),
            timers: BTreeSet::new(),
            changes: BTreeSet::new(),
            epoch: Moment { instant: Instant::now(), unix: UnixMicros(0) },
            serials: SerialKeeper::new(Instant::now(), 0),
            hint_hosts: HintHosts::default(),
            covered: CoveredNames::default(),
            recorder: None,
            named: NamedObjects::new(Registry::default()),
        }
    }

    /// Has zones, load balancers and pools counted by name in `registry`.
    #[must_use]
    pub fn counting_into(self, registry: Registry) -> Self {
        Self { named: NamedObjects::new(registry), ..self }
    }

    /// Counts serials and the time of levers from a moment by both clocks.
    #[must_use]
    pub fn counting_from(self, epoch: Moment) -> Self {
        let serials = SerialKeeper::new(epoch.instant, epoch.unix.0 / 1_000_000);
        Self { epoch, serials, ..self }
    }

    /// Tells `recorder` of verdicts that changed. What it has no room for is lost to it: answers do not wait for records.
    #[must_use]
    pub fn recording_to(self, recorder: Recorder) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// The serials of zones that are live.
    pub fn serials(&self) -> watch::Receiver<Serials> {
        self.serials.subscribe()
    }

    /// What is live.
    pub fn live(&self) -> watch::Receiver<Live> {
        self.live.subscribe()
    }

    /// Publishes an inventory: whatever differs from the one before.
    pub fn apply(&mut self, assigned: Arc<Assigned>, now: Instant) {
        let before = std::mem::replace(&mut self.assigned, assigned);
        let mut stale = self.apply_pools(&before, now);
        self.apply_names(&before, now, &mut stale);
        self.compile_classes(stale, now);
        // No table has them any more.
        self.named.release();
        self.tell();
    }

    /// Tells what is live.
    fn tell(&self) {
        // Whoever sees a generation live sees its serials.
        self.serials.tell();
        // A class has a timer exactly as long as it is not ready.
        let now = Live { generation: self.assigned.inventory.generation, waiting: self.timers.len() };
        self.live.send_if_modified(|live| std::mem::replace(live, now) != now);
    }

    /// Compiles what depends on targets whose verdicts changed.
    pub fn flip(&mut self, flips: &[Flip], now: Instant) {
        let targets = flips.iter().map(|flip| flip.cell.index());
        let pools: HashSet<PoolId> = targets.filter_map(|index| self.by_target.get(index)).flatten().copied().collect();
        let stale = pools.iter().filter_map(|pool| self.by_pool.get(pool)).flatten().copied().collect();
        self.compile_classes(stale, now);
        self.tell();
        if let Some(recorder) = &mut self.recorder {
            recorder.tell(flips, pools, &self.assigned);
        }
    }

    /// When [`Publisher::expire`] has something to do.
    pub fn next_timer(&self, now: Instant) -> Option<Instant> {
        let due = self.timers.first().into_iter().chain(self.changes.first()).map(|(due, _)| *due);
        due.chain(self.serials.due(now)).min()
    }

    /// Compiles what is due by time.
    pub fn expire(&mut self, now: Instant) {
        let is_due = |(due, _): &&(Instant, usize)| *due <= now;
        let due = self.timers.iter().take_while(is_due).chain(self.changes.iter().take_while(is_due));
        let due = due.map(|(_, class)| *class).collect();
        self.compile_classes(due, now);
        self.raise_serials(now);
        self.tell();
    }

    /// Raises the serials of zones whose live answers or hints changed, if that is due. Most classes are in few zones: the search
    /// ends when all zones that it can find are found.
    fn raise_serials(&mut self, now: Instant) {
        let inventory = Arc::clone(&self.assigned.inventory);
        let mut zones = BTreeSet::new();
        for class in self.serials.take_changed(now) {
            let members = self.classes.get(class).and_then(Option::as_ref).map(|class| class.members.iter());
            for member in members.into_iter().flatten() {
                if zones.len() == self.serials.following() {
                    break;
                }
                let Some(member) = inventory.load_balancers.find(*member) else { continue };
                let zone = inventory.hosting_of(&member.name).map(|hosting| hosting.id);
                let hinted = self.hint_hosts.zones_of(&member.name);
                zones.extend(zone.into_iter().chain(hinted).filter(|zone| follows(&inventory, *zone)));
            }
        }
        if !zones.is_empty() {
            let mut table = RecordTable::clone(&self.table.load());
            for zone in zones {
                self.serials.renew(&mut table, &inventory, zone, now);
            }
            self.table.store(Arc::new(table));
        }
    }

    /// Takes in pools that changed; gives the classes that use them.
    fn apply_pools(&mut self, before: &Assigned, now: Instant) -> HashSet<usize> {
        let mut stale = HashSet::new();
        let timeout = self.policy.load().first_verdict_timeout;
        for id in self.assigned.pools.differences(&before.pools) {
            for cell in before.pools.find(id).into_iter().flat_map(|pool| pool.cells()) {
                if let Some(pools) = self.by_target.get_mut(cell.index()) {
                    pools.retain(|pool| *pool != id);
                }
            }
            let after = self.assigned.pools.find(id).cloned();
            self.named.set_pool(id, after.as_deref());
            for cell in after.iter().flat_map(|pool| pool.cells()) {
                self.use_target(cell.index(), id);
            }
            for class in self.by_pool.get(&id).into_iter().flatten() {
                stale.insert(*class);
                // New origins get time for a first verdict; who waits already waits no longer for it.
                if let Some(entry) =
                    self.classes.get_mut(*class).and_then(Option::as_mut).filter(|entry| entry.history.settled)
                {
                    self.timers.remove(&(entry.deadline, *class));
                    entry.deadline = now + timeout;
                }
            }
        }
        stale
    }

    /// Notes that a pool uses a target.
    fn use_target(&mut self, index: usize, pool: PoolId) {
        if self.by_target.len() <= index {
            self.by_target.resize_with(index + 1, Vec::new);
        }
        if let Some(pools) = self.by_target.get_mut(index)
            && !pools.contains(&pool)
        {
            pools.push(pool);
        }
    }

    /// Takes in zones and load balancers that changed, and swaps the table if any did. New classes go to `stale`.
    fn apply_names(&mut self, before: &Assigned, now: Instant, stale: &mut HashSet<usize>) {
        let inventory = Arc::clone(&self.assigned.inventory);
        let old = &before.inventory;
        let changed = inventory.load_balancers.differences(&old.load_balancers);
        let mut zones = inventory.zones.differences(&old.zones);
        let hostings = inventory.hostings.differences(&old.hostings);
        if !hostings.is_empty() {
            self.serials.count_following(&inventory);
        }
        let is_counted =
            |inventory: &Inventory, id| inventory.hostings.find(id).is_some_and(|one| one.has_auto_serial());
        let is_other = |id: &ZoneId| {
            is_counted(&inventory, *id) != is_counted(old, *id) || absence(&inventory, *id) != absence(old, *id)
        };
        let expired = inventory.expired.symmetric_difference(&old.expired).copied();
        zones.extend(hostings.iter().copied().chain(expired).filter(is_other));
        if changed.is_empty() && zones.is_empty() && hostings.is_empty() {
            return;
        }
        let mut table = RecordTable::clone(&self.table.load());
        let rebuilt = rebuild_zones(&mut table, self.assigned.as_ref(), before, &zones);
        let touched: BTreeSet<ZoneId> = rebuilt.iter().chain(&hostings).chain(&zones).copied().collect();
        for id in &touched {
            let hosting = inventory.hostings.find(*id).map(Arc::as_ref);
            let series = self.named.set_zone(*id, hosting);
            if let Some(hosting) = hosting {
                table.set_allow_query(&hosting.apex, &hosting.allow_query);
                table.set_series(&hosting.apex, series);
            }
        }
        let known = stale.clone();

        // All names that go before any that comes: one load balancer may take over another's name. Classes are left
        // after all others have been joined, so that one that is still needed is never lost.
        let edits: Vec<_> = changed
            .iter()
            .map(|id| (find_enabled(before, *id).cloned(), find_enabled(&self.assigned, *id).cloned()))
            .collect();
        for (previous, next) in &edits {
            let Some(previous) = previous else { continue };
            set_static(&mut table, &inventory, &previous.name);
            if next.is_none() {
                self.covered.forget(previous.id);
                self.named.forget_load_balancer(previous.id);
            }
        }
        for (previous, next) in &edits {
            let Some(next) = next else { continue };
            let before = previous.as_ref().and_then(|previous| self.find_class(&steering_of(previous)));
            let history = before.map_or_else(History::default, |class| class.history);
            let class = self.join_class(next, history, now, stale);
            let slot = self.classes.get(class).and_then(Option::as_ref).map(|class| Arc::clone(&class.slot));
            let series = self.named.set_load_balancer(next);
            self.covered.set_live(&mut table, &inventory, next, slot, series);
        }
        // A zone that was built anew has lost all its live names.
        for load_balancer in inventory.load_balancers.iter().filter(|_| !rebuilt.is_empty()) {
            let in_rebuilt = inventory.zone_of(&load_balancer.name).is_some_and(|zone| rebuilt.contains(&zone.id));
            if load_balancer.enabled && in_rebuilt {
                let slot = self.find_class(&steering_of(load_balancer)).map(|class| Arc::clone(&class.slot));
                let series = self.named.load_balancer(load_balancer.id);
                self.covered.set_live(&mut table, &inventory, load_balancer, slot, series);
            }
        }
        for (previous, next) in &edits {
            let Some(previous) = previous else { continue };
            let steering = steering_of(previous);
            if next.as_ref().is_none_or(|next| steering_of(next) != steering) {
                self.leave_class(previous.id, &steering);
            }
        }
        // A zone whose names come, go or answer from other pools has changed as much as one whose records do.
        let names = edits.iter().flat_map(|(previous, next)| previous.iter().chain(next)).map(|edited| &edited.name);
        let edited = names.clone().filter_map(|name| Some(inventory.hosting_of(name)?.id));
        let mut renewed: BTreeSet<ZoneId> = edited.filter(|id| is_counted(&inventory, *id)).collect();
        renewed.extend(zones.iter().chain(&rebuilt));
        for zone in &touched {
            self.hint_hosts.renew(&inventory, *zone);
        }
        // So has one with hints of hosts elsewhere, when the zones change in which they are.
        renewed.extend(names.flat_map(|name| self.hint_hosts.zones_of(name)));
        for zone in &touched {
            let hosting = inventory.hostings.find(*zone).or_else(|| old.hostings.find(*zone));
            renewed.extend(hosting.into_iter().flat_map(|hosting| self.hint_hosts.zones_below(&hosting.apex)));
        }
        for zone in renewed {
            self.serials.renew(&mut table, &inventory, zone, now);
        }
        let fresh: Vec<usize> = stale.difference(&known).copied().collect();
        // Compile before the swap: no name appears without its answer. A class without names is not compiled any more:
        // its pools may be gone or serve others by now, and until the swap its names are asked for.
        self.compile_classes(std::mem::take(stale), now);
        // The names of new classes have raised their zones' serials just now.
        for class in fresh {
            self.serials.forget(class);
        }
        self.table.store(Arc::new(table));
        self.covered.report();
    }

    /// Adds a name to its class, which is made if it does not exist.
    fn join_class(
        &mut self,
        load_balancer: &LoadBalancer,
        history: History,
        now: Instant,
        stale: &mut HashSet<usize>,
    ) -> usize {
        let steering = steering_of(load_balancer);
        if let Some(number) = self.by_steering.get(&steering).copied() {
            if let Some(class) = self.classes.get_mut(number).and_then(Option::as_mut) {
                class.members.insert(load_balancer.id);
            }
            return number;
        }
        let steering = Arc::new(steering);
        let class = Class {
            steering: Arc::clone(&steering),
            slot: Arc::new(Slot::new(LiveAnswer::NotReady, steering.ttl)),
            members: BTreeSet::from([load_balancer.id]),
            deadline: now + self.policy.load().first_verdict_timeout,
            next_change: None,
            history,
        };
        let number = self.free.pop().unwrap_or(self.classes.len());
        if number == self.classes.len() {
            self.classes.push(None);
        }
        if let Some(gap) = self.classes.get_mut(number) {
            *gap = Some(class);
        }
        for pool in pools_of(&steering) {
            self.by_pool.entry(pool).or_default().insert(number);
        }
        self.by_steering.insert(steering, number);
        stale.insert(number);
        number
    }

    /// Takes a name from its class, which goes with its last name.
    fn leave_class(&mut self, load_balancer: LoadBalancerId, steering: &Steering) {
        let Some(number) = self.by_steering.get(steering).copied() else { return };
        let Some(place) = self.classes.get_mut(number) else { return };
        if let Some(class) = place.as_mut() {
            class.members.remove(&load_balancer);
            if !class.members.is_empty() {
                return;
            }
        }
        if let Some(class) = place.take() {
            self.timers.remove(&(class.deadline, number));
            if let Some(change) = class.next_change {
                self.changes.remove(&(change, number));
            }
        }
        self.serials.forget(number);
        self.by_steering.remove(steering);
        for pool in pools_of(steering) {
            if let Some(classes) = self.by_pool.get_mut(&pool) {
                classes.remove(&number);
                if classes.is_empty() {
                    self.by_pool.remove(&pool);
                }
            }
        }
        self.free.push(number);
    }

    /// The class of a steering.
    fn find_class(&self, steering: &Steering) -> Option<&Class> {
        self.classes.get(*self.by_steering.get(steering)?)?.as_ref()
    }

    /// Compiles classes and swaps their slots; reports those whose condition changed.
    fn compile_classes(&mut self, stale: HashSet<usize>, now: Instant) {
        let mut reports = 0;
        // In the order in which they were made: their memory lies in that order too.
        let mut stale: Vec<usize> = stale.into_iter().collect();
        stale.sort_unstable();
        for number in stale {
            let Some(class) = self.classes.get_mut(number).and_then(Option::as_mut) else { continue };
            self.timers.remove(&(class.deadline, number));
            let (answer, next_change) = compile_class(class, &self.assigned, self.epoch.at(now));
            let answer = answer.counted(|pool| self.named.pool(pool));
            if let Some(change) = std::mem::replace(&mut class.next_change, next_change) {
                self.changes.remove(&(change, number));
            }
            self.changes.extend(next_change.map(|change| (change, number)));
            if answer == LiveAnswer::NotReady {
                self.timers.insert((class.deadline, number));
            } else {
                class.history.settled = true;
            }
            let condition = Condition::of(&answer);
            if answer != LiveAnswer::NotReady && answer != **class.slot.load() {
                self.serials.note(number);
            }
            class.slot.store(answer);
            let previous = std::mem::replace(&mut class.history.condition, condition);
            let first = previous == Condition::NotReady && !condition.is_troubled();
            if previous != condition && !first {
                reports += 1;
                if reports <= REPORTS_MAX {
                    report(class, previous, &self.assigned.inventory);
                }
            }
        }
        if reports > REPORTS_MAX {
            warn!(count = reports - REPORTS_MAX, "more load balancers changed what they answer from");
        }
    }
}

/// Compiles one class, and says when what it answers changes by time alone.
fn compile_class(class: &Class, assigned: &Assigned, now: Moment) -> (LiveAnswer, Option<Instant>) {
    let steering = class.steering.as_ref();
    let find = |id: &PoolId| assigned.pools.find(*id).map(|probed| Judged::new(probed, now));
    let pools: Vec<Judged<'_>> = steering.default_pools.iter().filter_map(find).collect();
    let pools: Vec<&Judged<'_>> = pools.iter().collect();
    let Some(fallback) = find(&steering.fallback_pool) else { return (LiveAnswer::NotReady, None) };
    let patience = match (now.instant >= class.deadline, class.history.settled) {
        (true, _) => Patience::Over,
        (false, true) => Patience::Running,
        (false, false) => Patience::Start,
    };
    let next_change = pools.iter().copied().chain([&fallback]).filter_map(Judged::next_change).min();
    (compile(steering, &pools, &fallback, patience), next_change)
}

/// Says that a class answers from something else than before.
fn report(class: &Class, previous: Condition, inventory: &Inventory) {
    /// Names that are told; their number is told as well.
    const TOLD: usize = 3;
    let members = class.members.iter().filter_map(|id| inventory.load_balancers.find(*id));
    let load_balancers = members.take(TOLD).map(|member| member.name.to_string()).collect::<Vec<_>>().join(" ");
    let names = class.members.len();
    let Condition::Ready { v4, v6 } = class.history.condition else {
        return warn!(load_balancers, names, "answers wait for first verdicts of new origins");
    };
    let (a, aaaa) = (v4.words(inventory), v6.words(inventory));
    if class.history.condition.is_troubled() {
        warn!(load_balancers, names, a, aaaa, "answers are not from a usable pool");
    } else if previous.is_troubled() {
        info!(load_balancers, names, a, aaaa, "answers are from a usable pool again");
    } else {
        info!(load_balancers, names, a, aaaa, "answers are from another pool");
    }
}

/// A load balancer that takes part.
fn find_enabled(assigned: &Assigned, id: LoadBalancerId) -> Option<&Arc<LoadBalancer>> {
    assigned.inventory.load_balancers.find(id).filter(|load_balancer| load_balancer.enabled)
}

/// What decides how a load balancer answers.
fn steering_of(load_balancer: &LoadBalancer) -> Steering {
    Steering {
        policy: load_balancer.steering_policy,
        default_pools: load_balancer.default_pools.clone(),
        fallback_pool: load_balancer.fallback_pool,
        ttl: load_balancer.ttl,
        answers: load_balancer.answers,
    }
}

/// All pools that a steering names.
fn pools_of(steering: &Steering) -> impl Iterator<Item = PoolId> {
    steering.default_pools.iter().copied().chain([steering.fallback_pool])
}

/// Publishes whatever comes until `token` is cancelled.
pub async fn run(
    mut publisher: Publisher,
    mut assigned: watch::Receiver<Arc<Assigned>>,
    mut flips: mpsc::Receiver<Flip>,
    token: CancellationToken,
) {
    /// Further away than anything: a timer that is not set.
    const NEVER: Duration = Duration::from_hours(24 * 365);
    let mut batch = Vec::new();
    loop {
        let due = publisher.next_timer(Instant::now());
        let timer = due.unwrap_or_else(|| Instant::now() + NEVER);
        tokio::select! {
            biased;
            () = token.cancelled() => return,
            changed = assigned.changed() => {
                if changed.is_err() {
                    return;
                }
                let now = Arc::clone(&assigned.borrow_and_update());
                publisher.apply(now, Instant::now());
            }
            count = flips.recv_many(&mut batch, BATCH_MAX) => {
                if count == 0 {
                    return;
                }
                publisher.flip(&batch, Instant::now());
                batch.clear();
            }
            () = sleep_until(timer), if due.is_some() => publisher.expire(Instant::now()),
        }
    }
}

#[cfg(test)]
mod tests;
