//! The schedule under a paused clock, with a prober that does as told.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use super::*;
use crate::model::event::Transition;
use crate::model::inventory::{Change, Declared};
use crate::model::kept::Kept;
use crate::model::limits::PROBES_PER_ADDRESS_MAX;
use crate::model::monitor::{Check, ExpectedCodes, HttpCheck};
use crate::model::pool::Weight;
use crate::model::verdict::{FailReason, Outcome};

mod clock;
mod counts;
mod doubt;
mod flapping;
mod groups;
mod left;
mod ours;
mod stalls;

/// What the next attempts at an address see, and when attempts began.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Scripted>>);

/// Inside of [`Script`].
#[derive(Default)]
struct Scripted {
    /// How an attempt at an address ends; success without an entry.
    failures: HashMap<IpAddr, FailReason>,
    /// Addresses at which the next attempt panics, at its start or after its time.
    panics: HashMap<IpAddr, Panics>,
    /// How long an attempt takes; a millisecond without an entry.
    durations: HashMap<IpAddr, Duration>,
    /// Start of each attempt.
    attempts: Vec<(TargetKey, Instant)>,
    /// Attempts that run now, and the most that ever did.
    running: usize,
    /// The most that ever ran at once.
    running_max: usize,
}

/// When an attempt panics.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Panics {
    /// On its first poll.
    AtOnce,
    /// After its time.
    Later,
    /// When it is dropped before its end: then it is the task that panics.
    Dropped,
}

impl Script {
    /// The next attempt at `address` panics.
    fn panic(&self, address: &str, when: Panics) {
        self.0.lock().unwrap().panics.insert(address.parse().unwrap(), when);
    }

    /// Attempts at `address` fail from now on.
    fn fail(&self, address: &str, reason: FailReason) {
        self.0.lock().unwrap().failures.insert(address.parse().unwrap(), reason);
    }

    /// Attempts at `address` take `duration` from now on.
    fn take(&self, address: &str, duration: Duration) {
        self.0.lock().unwrap().durations.insert(address.parse().unwrap(), duration);
    }

    /// Starts of the attempts at an address so far.
    fn starts(&self, address: &str) -> Vec<Instant> {
        let address: IpAddr = address.parse().unwrap();
        let script = self.0.lock().unwrap();
        script.attempts.iter().filter(|(key, _)| key.address == address).map(|(_, start)| *start).collect()
    }
}

/// Counts an attempt as running until it ends or is dropped.
struct InFlight(Script, Option<Panics>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().running -= 1;
        assert_ne!(self.1, Some(Panics::Dropped), "as the test asked");
    }
}

impl Probe for Script {
    async fn attempt(&self, _: &Monitor, key: &TargetKey) -> Outcome {
        let (failure, duration, panics) = {
            let mut script = self.0.lock().unwrap();
            script.attempts.push((key.clone(), Instant::now()));
            script.running += 1;
            script.running_max = script.running_max.max(script.running);
            let duration = script.durations.get(&key.address).copied().unwrap_or(MS);
            let panics = script.panics.remove(&key.address);
            (script.failures.get(&key.address).copied(), duration, panics)
        };
        let mut in_flight = InFlight(self.clone(), panics);
        assert_ne!(panics, Some(Panics::AtOnce), "as the test asked");
        tokio::time::sleep(duration).await;
        assert_ne!(panics, Some(Panics::Later), "as the test asked");
        in_flight.1 = None;
        Outcome { failure, rtt: duration, code: None }
    }
}

const MS: Duration = Duration::from_millis(1);
const INTERVAL: Duration = Duration::from_secs(10);
/// The origins of most tests.
const A: &str = "192.0.2.1";
const B: &str = "2001:db8::2";

fn monitor(name: &str) -> Monitor {
    Monitor {
        id: MonitorId::declared(name),
        name: name.into(),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port: 80 },
        source_address: None,
        timeout: Duration::from_secs(2),
        retries: 0,
        interval: INTERVAL,
        consecutive_up: 2,
        consecutive_down: 2,
        damping: None,
    }
}

fn http_monitor(name: &str, host: &str) -> Monitor {
    let check = HttpCheck {
        tls: None,
        method: "GET".into(),
        path: "/".into(),
        port: None,
        headers: vec![("Host".into(), vec![host.into()])],
        expected_codes: ExpectedCodes::parse("200").unwrap(),
        expected_body: String::new(),
        follow_redirects: false,
    };
    Monitor { check: Check::Http(check), ..monitor(name) }
}

fn pool(name: &str, monitor: Option<&str>, addresses: &[&str]) -> Pool {
    let origin = |address: &&str| Origin {
        name: (*address).into(),
        address: Address::Ip(address.parse().unwrap()),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: PoolId::declared(name),
        name: name.into(),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: Duration::ZERO,
        monitor: monitor.map(MonitorId::declared),
        monitor_group: None,
        origins: addresses.iter().map(origin).collect(),
        kept: Kept::default(),
    }
}

/// A schedule, its inventory, and the ends of its channels.
struct Bench {
    script: Script,
    schedule: Schedule<Script>,
    inventory: Inventory,
    flips: mpsc::Receiver<Flip>,
    assigned: Arc<Assigned>,
}

impl Bench {
    fn new(queue: usize, in_flight_max: usize) -> Self {
        let (sender, flips) = mpsc::channel(queue);
        let script = Script::default();
        let schedule = Schedule::new(script.clone(), sender, in_flight_max, Handle::current());
        Self { script, schedule, inventory: Inventory::default(), flips, assigned: Arc::default() }
    }

    /// Everything declared is now this.
    fn declare(&mut self, monitors: Vec<Monitor>, pools: Vec<Pool>) {
        let declared = Declared { monitors, pools, ..Declared::default() };
        self.inventory = self.inventory.apply(Change::Declare(declared)).unwrap();
        self.assigned = self.schedule.reconcile(Arc::new(self.inventory.clone()));
    }

    /// The cell of an origin with one address, by its place in a pool.
    fn cell(&self, pool: &str, place: usize) -> Option<Arc<TargetCell>> {
        let probed = self.assigned.pools.find(PoolId::declared(pool)).unwrap();
        let [endpoint] = probed.origins[place].endpoints() else { panic!("not one address") };
        endpoint.checks.cells().next().cloned()
    }

    fn verdict(&self, pool: &str, place: usize) -> Verdict {
        self.cell(pool, place).unwrap().verdict()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_probe_is_at_once_and_later_ones_keep_the_phase() {
    let mut bench = Bench::new(100, 100);
    let start = Instant::now();
    let addresses: Vec<String> = (1..=50).map(|last| format!("192.0.2.{last}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &addresses)]);
    tokio::time::sleep(INTERVAL * 10).await;
    let slack = 2 * MS;
    for address in addresses {
        let starts = bench.script.starts(address);
        assert!(starts[0] - start < slack);
        let second = starts[1] - starts[0];
        assert!(second + slack >= INTERVAL / 2 && second <= INTERVAL * 3 / 2 + slack, "{second:?}");
        for pair in starts[1..].windows(2) {
            let period = pair[1] - pair[0];
            assert!(period + slack >= INTERVAL && period <= INTERVAL + slack, "{period:?}");
        }
        assert!((9..=11).contains(&starts.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_probe_skips_what_it_missed() {
    let mut bench = Bench::new(100, 100);
    bench.script.take(A, INTERVAL * 2 + INTERVAL / 4);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    tokio::time::sleep(INTERVAL * 20).await;
    let starts = bench.script.starts(A);
    assert!((6..=8).contains(&starts.len()), "{}", starts.len());
    assert!(starts[1..].windows(2).all(|pair| pair[1] - pair[0] + MS >= INTERVAL * 3));
}

#[tokio::test(start_paused = true)]
async fn a_target_in_many_pools_is_probed_once_and_as_long_as_one_of_them_has_it() {
    let mut bench = Bench::new(100, 100);
    let pools = |names: &[&str]| names.iter().map(|name| pool(name, Some("m"), &[A])).collect::<Vec<_>>();
    bench.declare(vec![monitor("m")], pools(&["p", "q", "r"]));
    tokio::time::sleep(MS * 5).await;
    assert_eq!((bench.schedule.targets(), bench.script.starts(A).len()), (1, 1));
    let cell = bench.cell("p", 0).unwrap();
    assert!(Arc::ptr_eq(&cell, &bench.cell("r", 0).unwrap()));

    // From one pool to another in one step, and back down to one.
    bench.declare(vec![monitor("m")], pools(&["s"]));
    assert!(Arc::ptr_eq(&cell, &bench.cell("s", 0).unwrap()));
    tokio::time::sleep(MS * 5).await;
    assert_eq!(bench.script.starts(A).len(), 1, "it was kept, not started again");

    bench.declare(vec![monitor("m")], vec![]);
    assert_eq!(bench.schedule.targets(), 0);
    tokio::time::sleep(INTERVAL * 3).await;
    assert_eq!(bench.script.starts(A).len(), 1);
    assert!(bench.schedule.tasks.is_empty());
    assert!(bench.schedule.rules.is_empty());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_probed_where_pool_or_origin_is_disabled_or_no_monitor_is() {
    let mut bench = Bench::new(100, 100);
    let mut off = pool("off", Some("m"), &[A]);
    off.enabled = false;
    let mut half = pool("half", Some("m"), &[A, B]);
    half.origins[0].enabled = false;
    bench.declare(vec![monitor("m")], vec![off.clone(), half.clone(), pool("bare", None, &[A])]);
    assert!(bench.cell("off", 0).is_none() && bench.cell("half", 0).is_none() && bench.cell("bare", 0).is_none());
    assert!(bench.cell("half", 1).is_some());
    tokio::time::sleep(INTERVAL).await;
    assert!(bench.script.starts(A).is_empty());

    // Enabled again, nobody knows how they are.
    off.enabled = true;
    half.origins[0].enabled = true;
    bench.declare(vec![monitor("m")], vec![off, half]);
    assert_eq!((bench.verdict("off", 0), bench.verdict("half", 0)), (Verdict::Unknown, Verdict::Unknown));
    assert_eq!(bench.schedule.targets(), 2);
}

#[tokio::test(start_paused = true)]
async fn transitions_come_after_their_counts_with_the_verdict_in_the_cell() {
    let mut bench = Bench::new(100, 100);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    let flip = bench.flips.recv().await.unwrap();
    let unknown_up = Transition { from: Verdict::Unknown, to: Verdict::Up, reason: None, count: 1 };
    assert_eq!((flip.transition, flip.cell.verdict()), (unknown_up, Verdict::Up));

    bench.script.fail(A, FailReason::ConnectionReset);
    let flip = bench.flips.recv().await.unwrap();
    let reason = Some(FailReason::ConnectionReset);
    assert_eq!(flip.transition, Transition { from: Verdict::Up, to: Verdict::Down, reason, count: 2 });
    assert_eq!((flip.cell.verdict(), flip.cell.reason()), (Verdict::Down, reason));
    assert_eq!(flip.cell.last().unwrap().0.failure, reason);
    assert_eq!(bench.script.starts(A).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn only_time_outs_are_tried_again() {
    let mut bench = Bench::new(100, 100);
    bench.script.fail(A, FailReason::TcpTimeout);
    bench.script.fail(B, FailReason::TcpConnectionFailed);
    let patient = Monitor { retries: 2, ..monitor("m") };
    bench.declare(vec![patient], vec![pool("p", Some("m"), &[A, B])]);
    bench.flips.recv().await.unwrap();
    bench.flips.recv().await.unwrap();
    assert_eq!((bench.script.starts(A).len(), bench.script.starts(B).len()), (3, 1));
}

#[tokio::test(start_paused = true)]
async fn an_edited_monitor_keeps_verdicts_and_probes_what_is_up_in_its_turn() {
    let mut bench = Bench::new(100, 100);
    let pools = vec![pool("p", Some("m"), &[A]), pool("q", Some("other"), &[B])];
    bench.declare(vec![monitor("m"), monitor("other")], pools.clone());
    bench.flips.recv().await.unwrap();
    bench.flips.recv().await.unwrap();
    let cell = bench.cell("p", 0).unwrap();
    let before = Arc::clone(&bench.assigned);

    // In words only: nothing starts.
    let reworded = Monitor { description: "front".into(), ..monitor("m") };
    bench.declare(vec![reworded, monitor("other")], pools.clone());
    tokio::time::sleep(MS * 5).await;
    assert_eq!(bench.script.starts(A).len(), 1);

    bench.script.fail(A, FailReason::TcpTimeout);
    let edited = Monitor { interval: INTERVAL * 2, ..monitor("m") };
    bench.declare(vec![edited, monitor("other")], pools);
    // No burst: with thousands of targets under one monitor, all would be probed at this moment.
    tokio::time::sleep(MS * 5).await;
    assert_eq!((bench.script.starts(A).len(), bench.script.starts(B).len()), (1, 1));
    assert!(Arc::ptr_eq(&cell, &bench.cell("p", 0).unwrap()));
    assert!(bench.assigned.pools.differences(&before.pools).is_empty(), "same pools, same cells");
    // The verdict stands until the count is full.
    assert_eq!(cell.verdict(), Verdict::Up);
    let flip = bench.flips.recv().await.unwrap();
    assert_eq!((flip.transition.from, flip.transition.count), (Verdict::Up, 2));
    let starts = bench.script.starts(A);
    let apart = starts[2] - starts[1];
    assert!(apart > INTERVAL && apart <= INTERVAL * 2 + MS, "the new interval: {apart:?}");

    // What is down is probed at once: somebody may wait for just this edit to help.
    let mended = Monitor { interval: INTERVAL, consecutive_up: 1, ..monitor("m") };
    bench.script.0.lock().unwrap().failures.clear();
    let edited = Instant::now();
    bench.declare(vec![mended, monitor("other")], vec![pool("p", Some("m"), &[A]), pool("q", Some("other"), &[B])]);
    let flip = bench.flips.recv().await.unwrap();
    assert_eq!((flip.transition.to, edited.elapsed() <= MS * 5), (Verdict::Up, true));
}

#[tokio::test(start_paused = true)]
async fn what_replaces_a_target_inherits_its_verdict() {
    let mut bench = Bench::new(100, 100);
    bench.script.fail(B, FailReason::TcpTimeout);
    let monitors = || vec![http_monitor("m", "a.example"), monitor("n")];
    bench.declare(monitors(), vec![pool("p", Some("m"), &[A, B])]);
    bench.flips.recv().await.unwrap();
    bench.flips.recv().await.unwrap();
    let first = (bench.cell("p", 0).unwrap(), bench.cell("p", 1).unwrap());
    let expect_inherited = |bench: &Bench, what: &str| {
        assert_eq!((bench.verdict("p", 0), bench.verdict("p", 1)), (Verdict::Up, Verdict::Down), "{what}");
        assert_eq!(bench.schedule.targets(), 2, "{what}");
    };

    let mut hosted = pool("p", Some("m"), &[A, B]);
    hosted.origins[0].host = Some("b.example".into());
    bench.declare(monitors(), vec![hosted]);
    expect_inherited(&bench, "the Host of one origin");
    assert!(
        !Arc::ptr_eq(&first.0, &bench.cell("p", 0).unwrap()) && Arc::ptr_eq(&first.1, &bench.cell("p", 1).unwrap())
    );

    bench.declare(vec![http_monitor("m", "c.example"), monitor("n")], vec![pool("p", Some("m"), &[A, B])]);
    expect_inherited(&bench, "the Host of the monitor");
    bench.declare(monitors(), vec![pool("p", Some("n"), &[A, B])]);
    expect_inherited(&bench, "another monitor");

    // Origins in another order, one of them new.
    bench.declare(monitors(), vec![pool("p", Some("m"), &["192.0.2.77", B, A])]);
    let verdicts = [0, 1, 2].map(|place| bench.verdict("p", place));
    assert_eq!(verdicts, [Verdict::Unknown, Verdict::Down, Verdict::Up]);
}

#[tokio::test(start_paused = true)]
async fn a_new_pool_beside_it_does_not_disinherit_an_origin() {
    let mut bench = Bench::new(100, 100);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A]), pool("q", Some("m"), &[B])]);
    bench.flips.recv().await.unwrap();
    bench.flips.recv().await.unwrap();
    // In one change the monitor is renamed, others begin to use the same target, and pools come in any order.
    let mut pools = vec![pool("p", Some("n"), &[A]), pool("q", Some("n"), &[A, B])];
    pools.extend((0..50).map(|n| pool(&format!("new{n}"), Some("n"), &[A])));
    bench.declare(vec![monitor("n")], pools);
    assert_eq!((bench.verdict("p", 0), bench.verdict("q", 1)), (Verdict::Up, Verdict::Up));
}

#[tokio::test(start_paused = true)]
async fn an_attached_monitor_finds_its_origins_up_and_a_shared_target_as_it_is() {
    let mut bench = Bench::new(100, 100);
    bench.script.fail(B, FailReason::TcpTimeout);
    let mut bare = pool("bare", None, &[A, "192.0.2.9"]);
    bare.origins[1].enabled = false;
    let mut off = pool("off", None, &["192.0.2.10"]);
    off.enabled = false;
    let pools = vec![bare.clone(), off.clone(), pool("shared", None, &[B]), pool("p", Some("m"), &[B])];
    bench.declare(vec![monitor("m")], pools);
    bench.flips.recv().await.unwrap();

    let m = Some(MonitorId::declared("m"));
    (bare.monitor, off.monitor) = (m, m);
    (bare.origins[1].enabled, off.enabled) = (true, true);
    let pools = vec![bare, off, pool("shared", Some("m"), &[B]), pool("p", Some("m"), &[B])];
    bench.declare(vec![monitor("m")], pools);
    assert_eq!((bench.verdict("bare", 0), bench.verdict("bare", 1)), (Verdict::Up, Verdict::Unknown));
    assert_eq!((bench.verdict("off", 0), bench.verdict("shared", 0)), (Verdict::Unknown, Verdict::Down));
}

#[tokio::test(start_paused = true)]
async fn probes_in_flight_are_bounded_and_waiting_does_not_double_the_rate() {
    let mut bench = Bench::new(100, 4);
    let addresses: Vec<String> = (1..=20).map(|last| format!("192.0.2.{last}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    // 20 targets, 4 at once, each a quarter of the interval: more than there is time for.
    for address in &addresses {
        bench.script.take(address, INTERVAL / 4);
    }
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &addresses)]);
    tokio::time::sleep(INTERVAL * 20).await;
    assert_eq!(bench.script.0.lock().unwrap().running_max, 4);
    for address in addresses {
        let starts = bench.script.starts(address);
        assert!(starts.len() > 10, "nobody starves");
        assert!(starts.windows(2).all(|pair| pair[1] - pair[0] + MS >= INTERVAL / 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_holds_targets_back_and_loses_nothing() {
    let mut bench = Bench::new(1, 100);
    let addresses: Vec<String> = (1..=10).map(|last| format!("192.0.2.{last}")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &addresses)]);
    tokio::time::sleep(INTERVAL * 5).await;
    let waiting = addresses.iter().filter(|address| bench.script.starts(address).len() == 1).count();
    assert_eq!(waiting, 9, "all but the one whose flip is in the queue");
    // An edit meanwhile does not lose what has happened.
    bench.declare(vec![Monitor { retries: 1, ..monitor("m") }], vec![pool("p", Some("m"), &addresses)]);
    let mut heard = HashSet::new();
    while heard.len() < 10 {
        let flip = bench.flips.recv().await.unwrap();
        assert_eq!(flip.cell.verdict(), Verdict::Up);
        assert!(heard.insert(flip.cell.key().address));
    }
}

#[tokio::test(start_paused = true)]
async fn stopping_waits_neither_for_probes_nor_for_the_queue() {
    let mut bench = Bench::new(1, 2);
    bench.script.take(B, INTERVAL * 100);
    let targets = [A, B, "192.0.2.3", "192.0.2.4", "192.0.2.5"];
    // Sleeping, in flight, waiting for the queue, waiting for a permit.
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &targets)]);
    tokio::time::sleep(INTERVAL).await;
    let now = Instant::now();
    bench.schedule.shutdown().await;
    assert_eq!(Instant::now(), now);
    assert_eq!(bench.script.0.lock().unwrap().running, 0);
}

#[tokio::test(start_paused = true)]
async fn run_follows_the_inventory_until_it_is_cancelled() {
    let mut bench = Bench::new(100, 100);
    bench.declare(vec![monitor("m")], vec![pool("p", Some("m"), &[A])]);
    let (inventory, inventory_reader) = watch::channel(Arc::clone(&bench.assigned.inventory));
    let (assigned, mut assigned_reader) = watch::channel(bench.assigned);
    let token = CancellationToken::new();
    let runner = tokio::spawn(run(bench.schedule, inventory_reader, assigned, token.clone()));

    let pools = vec![pool("p", Some("m"), &[A, B])];
    let declared = Declared { monitors: vec![monitor("m")], pools, ..Declared::default() };
    let next = bench.inventory.apply(Change::Declare(declared)).unwrap();
    inventory.send_replace(Arc::new(next.clone()));
    assigned_reader.changed().await.unwrap();
    let found = Arc::clone(&assigned_reader.borrow_and_update());
    assert_eq!(found.inventory.generation, next.generation);
    assert_eq!(found.pools.find(PoolId::declared("p")).unwrap().origins.len(), 2);

    token.cancel();
    runner.await.unwrap();
    assert_eq!(bench.script.0.lock().unwrap().running, 0);
}

#[tokio::test(start_paused = true)]
async fn one_edit_among_many_pools_touches_one_pool() {
    let mut bench = Bench::new(20_000, 100);
    let name = |n: u32| format!("p{n}");
    let address = |n: u32| std::net::Ipv4Addr::from_bits(0xc633_6400 + n).to_string();
    bench.declare(vec![monitor("m")], vec![]);
    for n in 0..2_000 {
        let made = Change::PutPool(pool(&name(n), Some("m"), &[&address(n)]));
        bench.inventory = bench.inventory.apply(made).unwrap();
    }
    bench.assigned = bench.schedule.reconcile(Arc::new(bench.inventory.clone()));
    let before = Arc::clone(&bench.assigned);
    bench.inventory = bench.inventory.apply(Change::PutPool(pool("p7", Some("m"), &[B]))).unwrap();
    let after = bench.schedule.reconcile(Arc::new(bench.inventory.clone()));
    assert_eq!(after.pools.differences(&before.pools), [PoolId::declared("p7")]);
    assert_eq!(bench.schedule.targets(), 2_000);
    let again = bench.schedule.reconcile(Arc::clone(&after.inventory));
    assert!(Arc::ptr_eq(&after, &again));
}

#[tokio::test(start_paused = true)]
async fn one_address_takes_no_more_than_its_places() {
    let mut bench = Bench::new(1_000, 1_000);
    // As many targets of one address as there are monitors, all of them hanging.
    bench.script.take(A, Duration::from_secs(1));
    let names: Vec<String> = (0..200).map(|number| format!("m{number}")).collect();
    let mut pools: Vec<Pool> = names.iter().map(|name| pool(name, Some(name), &[A])).collect();
    pools.push(pool("other", Some("m0"), &[B]));
    bench.declare(names.iter().map(|name| monitor(name)).collect(), pools);
    tokio::time::sleep(500 * MS).await;
    assert_eq!(bench.script.starts(A).len(), PROBES_PER_ADDRESS_MAX);
    assert_eq!(bench.verdict("other", 0), Verdict::Up, "others have their turn");
    tokio::time::sleep(2_000 * MS).await;
    assert!(names.iter().all(|name| bench.verdict(name, 0) == Verdict::Up));
}

#[tokio::test(start_paused = true)]
async fn a_target_at_rest_is_small() {
    let mut bench = Bench::new(1, 1);
    let monitor = Arc::new(monitor("m"));
    let definition = watch::Sender::new(Arc::clone(&monitor));
    let key = TargetKey { address: A.parse().unwrap(), monitor: monitor.id, host: None };
    let target = Target {
        shared: Arc::clone(&bench.schedule.shared),
        cell: Arc::clone(bench.schedule.table.find_or_make(&key, Inherited::default())),
        definition: definition.subscribe(),
        probes: Arc::default(),
        stop: CancellationToken::new(),
        doubts: Doubts::default(),
    };
    let octets = size_of_val(&target.run());
    assert!(octets <= 768, "{octets} octets, times 100,000 targets");
}
