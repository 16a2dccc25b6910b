//! Histories: random outcomes, edits, levers, restarts and time, through schedule, tracker, table and compile under a paused
//! clock. After each step: no verdict has changed before its count, no target is lost or probed too often, and no unhealthy
//! address is answered outside of the last resort.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::health::bequest::Bequest;
use crate::model::lever::{Lever, LeverAction, Levers};
use crate::model::target::{LeftVerdict, Standing};
use crate::model::verdict::Verdict;

/// The addresses that there are: the last octets of 192.0.2.0/24.
const HOSTS: std::ops::Range<u8> = 1..7;
/// From one probe of a target to the next.
const INTERVAL: Duration = Duration::from_secs(5);
/// How long a probe takes.
const TAKES: Duration = Duration::from_millis(20);

/// What the origins do, and each probe: its address, when it began, and how it ended.
#[derive(Clone, Default)]
struct Origins(Arc<Mutex<Log>>);

/// Inside of [`Origins`].
#[derive(Default)]
struct Log {
    /// Addresses that fail.
    down: HashSet<u8>,
    /// Starts of probes, in order.
    starts: Vec<(u8, Instant)>,
    /// Ends of probes, in order, each with whether it succeeded.
    ends: Vec<(u8, bool)>,
}

/// The last octet of an address.
fn host_of(address: IpAddr) -> u8 {
    let IpAddr::V4(address) = address else { panic!("only IPv4 here") };
    address.octets()[3]
}

impl Probe for Origins {
    async fn attempt(&self, _: &Monitor, key: &TargetKey) -> Outcome {
        let host = host_of(key.address);
        self.0.lock().unwrap().starts.push((host, Instant::now()));
        tokio::time::sleep(TAKES).await;
        let mut log = self.0.lock().unwrap();
        let is_up = !log.down.contains(&host);
        log.ends.push((host, is_up));
        let failure = (!is_up).then_some(FailReason::TcpTimeout);
        Outcome { failure, rtt: TAKES, code: None }
    }
}

/// One step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// An origin fails from now on, or works.
    Turn(u8, bool),
    /// Time passes.
    Pass(Duration),
    /// The pools have these origins now, as bits; those of the third mask are disabled.
    Edit(u8, u8, u8),
    /// A lever of an origin of the first pool is pulled, or released.
    Pull(u8, Option<LeverAction>),
    /// The server is started again, with the verdicts that it had.
    Restart,
}

/// Any step.
fn step() -> impl Strategy<Value = Step> {
    let lever = prop::option::of(prop::sample::select(LeverAction::ALL.to_vec()));
    prop_oneof![
        6 => (HOSTS, any::<bool>()).prop_map(|(host, up)| Step::Turn(host, up)),
        8 => (0_u64..12_000).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        3 => (1_u8..64, 1_u8..64, 0_u8..64).prop_map(|(first, second, disabled)| Step::Edit(first, second, disabled)),
        2 => (HOSTS, lever).prop_map(|(host, lever)| Step::Pull(host, lever)),
        1 => Just(Step::Restart),
    ]
}

/// What the slow twin knows of a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Twin {
    /// Its verdict.
    verdict: Verdict,
    /// How many outcomes in a row contradict it.
    contrary: u32,
    /// When it began to be a target, or its last probe began.
    seen: Instant,
}

/// The parts of a server, and their twin.
struct Server {
    schedule: Schedule<Origins>,
    flips: mpsc::Receiver<Flip>,
    publisher: Publisher,
    table: Arc<ArcSwap<RecordTable>>,
    origins: Origins,
    inventory: Arc<Inventory>,
    assigned: Arc<Assigned>,
    counts: (u32, u32),
    twins: BTreeMap<u8, Twin>,
}

/// A pool with the origins of a mask.
fn masked(label: &str, mask: u8, disabled: u8) -> Pool {
    let hosts: Vec<u8> = HOSTS.filter(|host| mask >> (host - 1) & 1 == 1).collect();
    let mut pool = pool(label, &hosts);
    for (origin, host) in pool.origins.iter_mut().zip(hosts) {
        origin.enabled = disabled >> (host - 1) & 1 == 0;
    }
    pool
}

impl Server {
    /// Starts, with what an earlier one left behind.
    fn start(origins: Origins, counts: (u32, u32), left: Vec<LeftVerdict>) -> Self {
        let (sender, flips) = mpsc::channel(1000);
        let bequest = Bequest::new(left, INTERVAL * 10, UnixMicros(0), Instant::now());
        let schedule = Schedule::new(origins.clone(), sender, 1000, tokio::runtime::Handle::current());
        let table = Arc::new(ArcSwap::from_pointee(RecordTable::new(1)));
        let policy = Policy { first_verdict_timeout: TIMEOUT, ..Policy::default() };
        let publisher = Publisher::new(Arc::clone(&table), Arc::new(ArcSwap::from_pointee(policy)));
        Self {
            schedule: schedule.inheriting(bequest),
            flips,
            publisher,
            table,
            origins,
            inventory: Arc::default(),
            assigned: Arc::default(),
            counts,
            twins: BTreeMap::new(),
        }
    }

    /// Publishes an inventory; the twin forgets targets that are gone, and knows nothing of new ones but what was `left`.
    fn apply(&mut self, inventory: Inventory, left: &BTreeMap<u8, Verdict>) {
        self.inventory = Arc::new(inventory);
        self.assigned = self.schedule.reconcile(Arc::clone(&self.inventory));
        self.publisher.apply(Arc::clone(&self.assigned), Instant::now());
        let probed: HashSet<u8> = self.cells().into_keys().collect();
        self.twins.retain(|host, _| probed.contains(host));
        for host in probed {
            let verdict = left.get(&host).copied().unwrap_or_default();
            self.twins.entry(host).or_insert_with(|| Twin { verdict, contrary: 0, seen: Instant::now() });
        }
    }

    /// The declared objects, with these pools.
    fn edit(&mut self, first: Pool, second: Pool, left: &BTreeMap<u8, Verdict>) {
        let (up, down) = self.counts;
        let monitor = Monitor { interval: INTERVAL, consecutive_up: up, consecutive_down: down, ..monitor() };
        let declared = Declared {
            zones: vec![Arc::new(zone("example.com"))],
            monitors: vec![monitor],
            pools: vec![first, second],
            load_balancers: vec![load_balancer("a", "a.example.com", &["p", "q"])],
            ..Declared::default()
        };
        let inventory = self.inventory.apply(Change::Declare(declared)).unwrap();
        self.apply(inventory, left);
    }

    /// The cells by address.
    fn cells(&self) -> BTreeMap<u8, Arc<crate::health::table::TargetCell>> {
        let cells = self.assigned.pools.iter().flat_map(|pool| pool.cells().cloned().collect::<Vec<_>>());
        cells.map(|cell| (host_of(cell.key().address), cell)).collect()
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
                        break;
                    }
                }
            }
        }
        while let Ok(flip) = self.flips.try_recv() {
            self.publisher.flip(&[flip], Instant::now());
        }
    }

    /// What the probes of this time mean, by the twin.
    fn take_log(&mut self) {
        let (starts, ends) = {
            let mut log = self.origins.0.lock().unwrap();
            (std::mem::take(&mut log.starts), std::mem::take(&mut log.ends))
        };
        for (host, began) in starts {
            let Some(twin) = self.twins.get_mut(&host) else { continue };
            let since = began.duration_since(twin.seen);
            // A target that is new is probed at once, or else has its turn like all others.
            assert!(since.is_zero() || since >= INTERVAL / 2 || twin.contrary == 0, "{host}: probed after {since:?}");
            assert!(since <= INTERVAL * 3 / 2 + TAKES * 2, "{host}: lost for {since:?}");
            twin.seen = began;
        }
        let (up_count, down_count) = self.counts;
        for (host, is_up) in ends {
            let Some(twin) = self.twins.get_mut(&host) else { continue };
            let (wanted, count) = if is_up { (Verdict::Up, up_count) } else { (Verdict::Down, down_count) };
            twin.contrary = if wanted == twin.verdict { 0 } else { twin.contrary + 1 };
            if twin.contrary > 0 && (twin.verdict == Verdict::Unknown || twin.contrary >= count.max(1)) {
                (twin.verdict, twin.contrary) = (wanted, 0);
            }
        }
    }

    /// What has to hold after each step.
    fn check(&self) {
        for (host, cell) in self.cells() {
            let twin = self.twins[&host];
            assert_eq!(cell.verdict(), twin.verdict, "{host}: {twin:?}");
            let unseen = Instant::now().duration_since(twin.seen);
            assert!(unseen <= INTERVAL * 3 / 2 + TAKES * 2, "{host}: not probed for {unseen:?}");
        }
        let table = self.table.load();
        let Found::Node { node, .. } = lookup(&table, &table.hashed_name(&name("a.example.com")), Rtype::A) else {
            panic!("the name is gone")
        };
        let answer = node.slot().unwrap().load();
        let Some(family) = answer.family(Family::V4) else { return };
        let answered: BTreeSet<u8> = family.addresses().map(|(_, octets)| octets[3]).collect();
        let condition = Condition::of(&answer).word();
        let levers = self.inventory.levers.find(PoolId::declared("p"));
        let lever = |pool: &str, host: u8| {
            let levers = levers.filter(|_| pool == "p")?;
            levers.in_force(Some(&host.to_string()), UnixMicros(0)).map(|lever| lever.action)
        };
        // Origins of either pool that may answer, and whether they are healthy.
        let may_answer = |pool: &str| -> BTreeMap<u8, bool> {
            let found = self.inventory.pools.find(PoolId::declared(pool)).unwrap();
            let enabled = found.origins.iter().filter(|origin| origin.enabled);
            let hosts = enabled.map(|origin| host_of(origin.address.ip().unwrap()));
            let in_service = hosts.filter_map(|host| match lever(pool, host) {
                Some(LeverAction::Down | LeverAction::Drain) => None,
                Some(LeverAction::Up) => Some((host, true)),
                None => Some((host, self.twins[&host].verdict == Verdict::Up)),
            });
            in_service.collect()
        };
        let (first, second) = (may_answer("p"), may_answer("q"));
        let healthy = |pool: &BTreeMap<u8, bool>| -> BTreeSet<u8> {
            pool.iter().filter(|(_, up)| **up).map(|(host, _)| *host).collect()
        };
        let up = [&first, &second].into_iter().map(healthy).find(|up| !up.is_empty());
        let expected = up.map_or_else(|| (second.keys().copied().collect(), "last resort"), |up| (up, "ok"));
        // Drained origins count as healthy and are not answered: with nothing else left there is no last resort.
        if condition == "exhausted" {
            assert!(answered.is_empty() && healthy(&first).is_empty() && healthy(&second).is_empty());
        } else {
            assert_eq!((answered, condition), expected, "{first:?} {second:?} {levers:?}");
        }
    }

    /// Stops, and starts again.
    async fn restart(self) -> Self {
        let Self { schedule, origins, inventory, counts, twins, .. } = self;
        let keys =
            |host: u8| TargetKey { address: [192, 0, 2, host].into(), monitor: MonitorId::declared("m"), host: None };
        let left = twins.iter().filter(|(_, twin)| twin.verdict != Verdict::Unknown).map(|(host, twin)| LeftVerdict {
            key: keys(*host),
            standing: Standing { is_up: twin.verdict == Verdict::Up, since: None, reason: None },
            alive: UnixMicros(0),
        });
        let left: Vec<LeftVerdict> = left.collect();
        schedule.shutdown().await;
        origins.0.lock().unwrap().starts.clear();
        origins.0.lock().unwrap().ends.clear();
        let verdicts = twins.into_iter().map(|(host, twin)| (host, twin.verdict)).collect();
        let mut next = Self::start(origins, counts, left);
        next.apply(Inventory::clone(&inventory), &verdicts);
        next
    }
}

/// Goes through a history.
async fn go_through(steps: Vec<Step>, counts: (u32, u32)) {
    let none = BTreeMap::new();
    let mut server = Server::start(Origins::default(), counts, vec![]);
    server.edit(masked("p", 0b11, 0), masked("q", 0b100, 0), &none);
    for step in steps {
        match step {
            Step::Turn(host, true) => drop(server.origins.0.lock().unwrap().down.remove(&host)),
            Step::Turn(host, false) => drop(server.origins.0.lock().unwrap().down.insert(host)),
            Step::Pass(time) => server.pass(time).await,
            Step::Edit(first, second, disabled) => {
                server.take_log();
                server.edit(masked("p", first, disabled), masked("q", second, disabled), &none);
            }
            Step::Pull(host, action) => {
                server.take_log();
                let id = PoolId::declared("p");
                let present = server.inventory.levers.find(id).cloned();
                let present = present.map_or_else(|| Levers::none(id), |levers| Levers::clone(&levers));
                let lever =
                    action.map(|action| Lever { action, reason: String::new(), since: UnixMicros(0), until: None });
                let next = present.with(Some(&host.to_string()), lever, UnixMicros(0));
                let inventory = server.inventory.apply(Change::PutLevers(next)).unwrap();
                server.apply(inventory, &none);
            }
            Step::Restart => {
                server.pass(Duration::ZERO).await;
                server.take_log();
                server = server.restart().await;
            }
        }
        server.pass(Duration::from_millis(1)).await;
        server.take_log();
        server.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]
    #[test]
    fn whatever_happens_the_rules_hold(
        steps in prop::collection::vec(step(), 1..25),
        counts in (1_u32..4, 1_u32..4),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(go_through(steps, counts));
    }
}
