//! Publish under a paused clock: what a name answers from as verdicts, edits and time come in.

mod events;
mod histories;
mod levers;
mod serials;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use super::*;
use crate::health::probe::Probe;
use crate::health::schedule::Schedule;
use crate::health::table::TargetKey;
use crate::model::id::MonitorId;
use crate::model::inventory::{Change, Declared};
use crate::model::kept::Kept;
use crate::model::load_balancer::{Answers, SteeringPolicy};
use crate::model::monitor::{Check, Monitor};
use crate::model::name::Name;
use crate::model::pool::{Origin, Pool, Weight};
use crate::model::rrset::{Record, Rtype};
use crate::model::verdict::{FailReason, Outcome};
use crate::model::zone::Zone;
use crate::steering::lookup::{Found, lookup};
use crate::steering::select::Family;

/// Which addresses are up, and the ports where all are down; a probe of an address that is not listed never ends.
#[derive(Clone, Default)]
struct Up(Arc<Mutex<HashMap<IpAddr, bool>>>, Arc<Mutex<BTreeSet<u16>>>);

impl Probe for Up {
    async fn attempt(&self, monitor: &Monitor, key: &TargetKey) -> Outcome {
        let up = self.0.lock().unwrap().get(&key.address).copied();
        let Some(up) = up else { std::future::pending().await };
        let up = up && !self.1.lock().unwrap().contains(&monitor.port());
        let failure = (!up).then_some(FailReason::TcpConnectionFailed);
        Outcome { failure, rtt: Duration::from_millis(1), code: None }
    }
}

/// Store, schedule and publish without their tasks.
struct World {
    inventory: Arc<Inventory>,
    schedule: Schedule<Up>,
    flips: mpsc::Receiver<Flip>,
    publisher: Publisher,
    table: Arc<ArcSwap<RecordTable>>,
    up: Up,
}

const TIMEOUT: Duration = Duration::from_secs(10);

fn name(text: &str) -> Name {
    Name::parse(text, None).unwrap()
}

fn zone(apex: &str) -> Zone {
    let record = |rtype, rdata: &[u8]| Record { owner: name(apex), rtype, ttl: 60, rdata: rdata.to_vec() };
    let records = vec![record(Rtype::SOA, &[0; 22]), record(Rtype::NS, b"\0")];
    Zone::try_new(ZoneId::declared(apex), name(apex), records).unwrap()
}

fn pool(pool: &str, hosts: &[u8]) -> Pool {
    let origin = |host: &u8| Origin {
        name: host.to_string(),
        address: [192, 0, 2, *host].into(),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: PoolId::declared(pool),
        name: pool.into(),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: Duration::ZERO,
        monitor: Some(MonitorId::declared("m")),
        monitor_group: None,
        origins: hosts.iter().map(origin).collect(),
        kept: Kept::default(),
    }
}

fn load_balancer(id: &str, owner: &str, pools: &[&str]) -> LoadBalancer {
    let pools: Vec<PoolId> = pools.iter().map(|pool| PoolId::declared(pool)).collect();
    LoadBalancer {
        id: LoadBalancerId::declared(id),
        name: name(owner),
        description: String::new(),
        enabled: true,
        fallback_pool: *pools.last().unwrap(),
        default_pools: pools,
        steering_policy: SteeringPolicy::Off,
        ttl: 30,
        answers: Answers::All,
        kept: Kept::default(),
    }
}

fn monitor() -> Monitor {
    Monitor {
        id: MonitorId::declared("m"),
        name: "m".into(),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::Tcp { port: 80 },
        source_address: None,
        timeout: Duration::from_secs(5),
        retries: 0,
        interval: Duration::from_secs(5),
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    }
}

impl World {
    fn new() -> Self {
        let up = Up::default();
        let (sender, flips) = mpsc::channel(1000);
        let schedule = Schedule::new(up.clone(), sender, 1000, tokio::runtime::Handle::current());
        let table = Arc::new(ArcSwap::from_pointee(RecordTable::new(1)));
        let policy = Policy {
            udp_payload_max: 1232,
            version_bind: String::new(),
            id_server: String::new(),
            first_verdict_timeout: TIMEOUT,
            ..Policy::default()
        };
        let publisher = Publisher::new(Arc::clone(&table), Arc::new(ArcSwap::from_pointee(policy)));
        Self { inventory: Arc::default(), schedule, flips, publisher, table, up }
    }

    /// Declares objects, and publishes them.
    fn declare(&mut self, zones: &[&str], pools: Vec<Pool>, load_balancers: Vec<LoadBalancer>) {
        let zones = zones.iter().map(|apex| Arc::new(zone(apex))).collect();
        let declared = Declared { zones, monitors: vec![monitor()], pools, load_balancers, ..Declared::default() };
        self.inventory = Arc::new(self.inventory.apply(Change::Declare(declared)).unwrap());
        let assigned = self.schedule.reconcile(Arc::clone(&self.inventory));
        self.publisher.apply(assigned, Instant::now());
    }

    fn set(&self, host: u8, up: bool) {
        self.up.0.lock().unwrap().insert([192, 0, 2, host].into(), up);
    }

    /// Lets time pass, and publish do what comes up.
    async fn pass(&mut self, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let due = self.publisher.next_timer(Instant::now()).unwrap_or(end).min(end);
            tokio::select! {
                Some(flip) = self.flips.recv() => self.publisher.flip(&[flip], Instant::now()),
                () = sleep_until(due) => {
                    self.publisher.expire(Instant::now());
                    if Instant::now() >= end {
                        return;
                    }
                }
            }
        }
    }

    /// What a name answers: a word, and the last octets of the addresses.
    fn answer(&self, owner: &str) -> String {
        let table = self.table.load();
        let Found::Node { node, .. } = lookup(&table, &table.hashed_name(&name(owner)), Rtype::A) else {
            return "no such name".into();
        };
        let Some(slot) = node.slot() else { return "static".into() };
        let answer = slot.load();
        let Some(family) = answer.family(Family::V4) else { return "not ready".into() };
        let mut hosts: Vec<u8> = family.draw(0).chunks(16).map(|record| record[15]).collect();
        hosts.sort_unstable();
        format!("{} {hosts:?}", Condition::of(&answer))
    }

    fn waiting(&self) -> usize {
        self.publisher.live().borrow().waiting
    }
}

const MOMENT: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn a_name_waits_for_its_own_targets_but_not_for_ever() {
    let mut world = World::new();
    world.set(1, true);
    world.set(2, false);
    let names = vec![load_balancer("a", "a.example.com", &["decided"]), load_balancer("b", "b.example.com", &["half"])];
    world.declare(&["example.com"], vec![pool("decided", &[1, 2]), pool("half", &[1, 9])], names);
    assert_eq!((world.answer("a.example.com").as_str(), world.waiting()), ("not ready", 2));
    world.pass(MOMENT).await;
    assert_eq!(world.answer("a.example.com"), "ok [1]");
    // The probe of 9 hangs.
    assert_eq!((world.answer("b.example.com").as_str(), world.waiting()), ("not ready", 1));
    world.pass(TIMEOUT).await;
    assert_eq!((world.answer("b.example.com").as_str(), world.waiting()), ("ok [1]", 0));
}

#[tokio::test(start_paused = true)]
async fn edits_of_a_name_that_answers_never_make_it_wait_while_anything_is_healthy() {
    let mut world = World::new();
    world.set(1, true);
    let www = || vec![load_balancer("www", "www.example.com", &["p"])];
    world.declare(&["example.com"], vec![pool("p", &[1])], www());
    world.pass(MOMENT).await;
    assert_eq!(world.answer("www.example.com"), "ok [1]");

    // A new origin that hangs.
    world.declare(&["example.com"], vec![pool("p", &[1, 8])], www());
    assert_eq!(world.answer("www.example.com"), "ok [1]");
    // Another pool in front, with nothing known of it.
    let edited = vec![load_balancer("www", "www.example.com", &["new", "p"])];
    world.declare(&["example.com"], vec![pool("p", &[1]), pool("new", &[9])], edited);
    assert_eq!(world.answer("www.example.com"), "ok [1]");
    // Only unknown origins: no address is better than a guess, for as long as a start would wait.
    world.declare(&["example.com"], vec![pool("p", &[9])], www());
    assert_eq!(world.answer("www.example.com"), "not ready");
    world.pass(MOMENT * 999).await;
    assert_eq!(world.answer("www.example.com"), "not ready");
    world.pass(MOMENT * 2).await;
    assert_eq!(world.answer("www.example.com"), "last resort [9]");
}

#[tokio::test(start_paused = true)]
async fn verdicts_change_answers_of_all_names_that_use_the_target() {
    let mut world = World::new();
    (1..=3).for_each(|host| world.set(host, true));
    let names = vec![
        load_balancer("a", "a.example.com", &["p", "q"]),
        load_balancer("b", "b.example.com", &["p", "q"]),
        load_balancer("c", "c.example.com", &["q"]),
    ];
    world.declare(&["example.com"], vec![pool("p", &[1]), pool("q", &[2, 3])], names);
    world.pass(MOMENT).await;
    assert_eq!(world.publisher.by_steering.len(), 2, "a and b share a class");
    for (host, up, a, c) in [
        (1, false, "ok [2, 3]", "ok [2, 3]"),
        (2, false, "ok [3]", "ok [3]"),
        (3, false, "last resort [2, 3]", "last resort [2, 3]"),
        (1, true, "ok [1]", "last resort [2, 3]"),
        (3, true, "ok [1]", "ok [3]"),
    ] {
        world.set(host, up);
        world.pass(Duration::from_secs(8)).await;
        assert_eq!(world.answer("a.example.com"), a, "{host} {up}");
        assert_eq!(world.answer("b.example.com"), a, "{host} {up}");
        assert_eq!(world.answer("c.example.com"), c, "{host} {up}");
    }
}

#[tokio::test(start_paused = true)]
async fn names_change_hands_and_classes_go_with_their_last_name() {
    let mut world = World::new();
    world.set(1, true);
    world.set(2, true);
    let pools = || vec![pool("p", &[1]), pool("q", &[2])];
    let first = vec![load_balancer("one", "a.example.com", &["p"]), load_balancer("two", "b.example.com", &["q"])];
    world.declare(&["example.com"], pools(), first);
    world.pass(MOMENT).await;
    // The two swap names in one change.
    let swapped = vec![load_balancer("one", "b.example.com", &["p"]), load_balancer("two", "a.example.com", &["q"])];
    world.declare(&["example.com"], pools(), swapped);
    assert_eq!(world.answer("a.example.com"), "ok [2]");
    assert_eq!(world.answer("b.example.com"), "ok [1]");

    // An edit that changes no answer.
    let described = |id: &str, owner: &str, pool: &str| {
        let description = "edited".to_owned();
        LoadBalancer { description, ..load_balancer(id, owner, &[pool]) }
    };
    let edited = vec![described("one", "b.example.com", "p"), described("two", "a.example.com", "q")];
    world.declare(&["example.com"], pools(), edited);
    world.set(1, false);
    world.pass(Duration::from_secs(8)).await;
    assert_eq!(world.answer("a.example.com"), "ok [2]");
    assert_eq!(world.answer("b.example.com"), "last resort [1]");

    let mut disabled = load_balancer("one", "b.example.com", &["p"]);
    disabled.enabled = false;
    world.declare(&["example.com"], pools(), vec![disabled]);
    assert_eq!(world.answer("a.example.com"), "no such name");
    assert_eq!(world.answer("b.example.com"), "no such name");
    assert!(world.publisher.by_steering.is_empty() && world.publisher.by_pool.is_empty());
    assert!(world.publisher.classes.iter().all(Option::is_none));
}

#[tokio::test(start_paused = true)]
async fn queries_until_the_swap_get_the_answer_before() {
    let mut world = World::new();
    (1..=3).for_each(|host| world.set(host, true));
    let www = |pool: &str| vec![load_balancer("www", "www.example.com", &[pool])];
    for (what, pools) in [
        ("its pool is gone", vec![pool("new", &[2])]),
        ("its pool serves others", vec![pool("new", &[2]), pool("old", &[3])]),
    ] {
        world.declare(&["example.com"], vec![pool("old", &[1])], www("old"));
        world.pass(MOMENT).await;
        // What a query has that began before the swap; its slot is what all queries see until then.
        let before = world.table.load_full();
        world.declare(&["example.com"], pools, www("new"));
        let after = world.table.swap(before);
        assert_eq!(world.answer("www.example.com"), "ok [1]", "{what}");
        world.table.store(after);
        world.pass(MOMENT).await;
        assert_eq!(world.answer("www.example.com"), "ok [2]", "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn live_names_move_with_zones() {
    let mut world = World::new();
    world.set(1, true);
    let names = || vec![load_balancer("www", "www.sub.example.com", &["p"])];
    world.declare(&["example.com"], vec![pool("p", &[1])], names());
    world.pass(MOMENT).await;
    for zones in [&["example.com", "sub.example.com"][..], &["sub.example.com"], &["example.com"]] {
        world.declare(zones, vec![pool("p", &[1])], names());
        assert_eq!(world.answer("www.sub.example.com"), "ok [1]", "{zones:?}");
        assert_eq!(world.answer("x.sub.example.com"), "no such name");
    }
}

#[tokio::test(start_paused = true)]
async fn run_takes_in_whatever_comes() {
    let world = World::new();
    let World { mut schedule, flips, publisher, table, up, .. } = world;
    up.0.lock().unwrap().extend([1, 2].map(|host| ([192, 0, 2, host].into(), true)));
    let (assign, assigned) = watch::channel(Arc::default());
    let token = CancellationToken::new();
    let mut live = publisher.live();
    let running = tokio::spawn(run(publisher, assigned, flips, token.clone()));

    let declared = Declared {
        zones: vec![Arc::new(zone("example.com"))],
        monitors: vec![monitor()],
        pools: vec![pool("p", &[1, 2])],
        load_balancers: vec![load_balancer("www", "www.example.com", &["p"])],
        ..Declared::default()
    };
    let inventory = Inventory::default().apply(Change::Declare(declared)).unwrap();
    assign.send_replace(schedule.reconcile(Arc::new(inventory)));
    live.wait_for(|live| live.generation == Generation(1) && live.waiting == 0).await.unwrap();
    let table = table.load();
    let name = table.hashed_name(&name("www.example.com"));
    assert!(matches!(lookup(&table, &name, Rtype::A), Found::Node { .. }));
    token.cancel();
    running.await.unwrap();
}
