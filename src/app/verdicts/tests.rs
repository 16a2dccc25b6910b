//! What the keeper tells the store, with a prober that does as told.

use std::net::IpAddr;
use std::sync::Mutex;

use tokio::runtime::Handle;

use super::*;
use crate::health::probe::Probe;
use crate::health::schedule::Schedule;
use crate::health::target::Flip;
use crate::model::id::MonitorId;
use crate::model::inventory::{Change, Declared, Inventory};
use crate::model::kept::Kept;
use crate::model::monitor::{Check, Monitor};
use crate::model::pool::{Address, Origin, Pool, Weight};
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Outcome, Verdict};

const LIFETIME: Duration = Duration::from_mins(1);
const INTERVAL: Duration = Duration::from_secs(10);
/// Longer than a probe takes.
const MOMENT: Duration = Duration::from_millis(5);

/// Which addresses fail, and how.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<HashMap<IpAddr, FailReason>>>);

impl Probe for Script {
    async fn attempt(&self, _: &Monitor, key: &TargetKey) -> Outcome {
        let failure = self.0.lock().unwrap().get(&key.address).copied();
        tokio::time::sleep(Duration::from_millis(1)).await;
        Outcome { failure, rtt: Duration::from_millis(1), code: None }
    }
}

/// A schedule, and a keeper of its verdicts.
struct Bench {
    script: Script,
    schedule: Schedule<Script>,
    inventory: Inventory,
    flips: mpsc::Receiver<Flip>,
    assign: watch::Sender<Arc<Assigned>>,
    keeper: Keeper,
}

/// An address by its last part.
fn address(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

fn monitor() -> Monitor {
    let check = Check::Tcp { port: 80 };
    let timeout = Duration::from_secs(1);
    Monitor {
        id: MonitorId::declared("m"),
        name: "m".into(),
        description: String::new(),
        probe_zone: String::new(),
        check,
        source_address: None,
        timeout,
        retries: 0,
        interval: INTERVAL,
        consecutive_up: 1,
        consecutive_down: 1,
        damping: None,
    }
}

fn pool(name: &str, addresses: &[u8]) -> Pool {
    let origin = |number: &u8| Origin {
        name: number.to_string(),
        address: Address::Ip(address(*number)),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: crate::model::id::PoolId::declared(name),
        name: name.into(),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        monitor: Some(monitor().id),
        monitor_group: None,
        slow_start: Duration::ZERO,
        origins: addresses.iter().map(origin).collect(),
        kept: Kept::default(),
    }
}

impl Bench {
    /// One whose store was left that these addresses are up.
    fn new(up: &[u8]) -> Self {
        let left = |number: &u8| LeftVerdict {
            key: TargetKey { address: address(*number), monitor: monitor().id, host: None },
            standing: Standing { is_up: true, since: None, reason: None },
            alive: UnixMicros(1_000_000),
        };
        let left: Vec<LeftVerdict> = up.iter().map(left).collect();
        let (script, (sender, flips)) = (Script::default(), mpsc::channel(100));
        let bequest = Bequest::new(left.clone(), LIFETIME, UnixMicros(1_000_000), Instant::now());
        let schedule = Schedule::new(script.clone(), sender, 100, Handle::current()).inheriting(bequest);
        let (assign, assigned) = watch::channel(Arc::default());
        let store = Arc::new(EmbeddedStore::in_memory().unwrap());
        let (keeper, _) = Keeper::new(store, assigned, left, LIFETIME);
        Self { script, schedule, inventory: Inventory::default(), flips, assign, keeper }
    }

    fn declare(&mut self, pools: Vec<Pool>) {
        let declared = Declared { monitors: vec![monitor()], pools, ..Declared::default() };
        self.inventory = self.inventory.apply(Change::Declare(declared)).unwrap();
        self.assign.send_replace(self.schedule.reconcile(Arc::new(self.inventory.clone())));
    }

    /// Probes of an address fail from now on.
    fn fail(&self, number: u8, reason: FailReason) {
        self.script.0.lock().unwrap().insert(address(number), reason);
    }

    /// Takes in what has changed by now.
    fn take_in(&mut self) -> Vec<(u8, Option<bool>)> {
        let cells: Vec<_> = std::iter::from_fn(|| self.flips.try_recv().ok()).map(|flip| flip.cell).collect();
        told(&self.keeper.take_in(&cells))
    }

    fn sweep(&mut self) -> Vec<(u8, Option<bool>)> {
        told(&self.keeper.sweep())
    }
}

/// What the store is told: the last part of each address, and whether it is up.
fn told(changes: &[(TargetKey, Option<Standing>)]) -> Vec<(u8, Option<bool>)> {
    let number = |address: IpAddr| match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(_) => 0,
    };
    let mut told: Vec<_> =
        changes.iter().map(|(key, standing)| (number(key.address), standing.map(|it| it.is_up))).collect();
    told.sort_unstable();
    told
}

#[tokio::test(start_paused = true)]
async fn what_was_left_is_told_anew_once_a_probe_agrees_and_goes_when_nobody_wants_it() {
    let mut bench = Bench::new(&[1, 9]);
    bench.fail(2, FailReason::TcpTimeout);
    bench.declare(vec![pool("p", &[1, 2])]);
    assert_eq!(bench.sweep(), [], "nothing has been probed");
    tokio::time::sleep(MOMENT).await;
    assert_eq!(bench.take_in(), [(2, Some(false))]);
    assert_eq!(bench.sweep(), [], "the other has not had its turn");
    tokio::time::sleep(INTERVAL).await;
    assert_eq!(bench.sweep(), [(1, Some(true))]);
    assert_eq!(bench.sweep(), []);
    tokio::time::sleep(LIFETIME).await;
    assert_eq!(bench.sweep(), [(9, None)], "no target is about that any more");
    assert!(!bench.keeper.is_behind);
    assert_eq!((bench.take_in(), bench.sweep()), (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn what_a_probe_contradicts_is_not_told_until_it_is_decided() {
    let mut bench = Bench::new(&[1]);
    bench.fail(1, FailReason::LocalResource);
    bench.declare(vec![pool("p", &[1])]);
    tokio::time::sleep(INTERVAL * 2).await;
    assert_eq!((bench.take_in(), bench.sweep()), (vec![], vec![]), "this machine's own fault confirms nothing");
    bench.fail(1, FailReason::TcpTimeout);
    tokio::time::sleep(INTERVAL * 2).await;
    assert_eq!(bench.take_in(), [(1, Some(false))]);
}

#[tokio::test(start_paused = true)]
async fn targets_that_go_are_forgotten_and_lost_changes_are_found() {
    let mut bench = Bench::new(&[]);
    bench.declare(vec![pool("p", &[1, 2]), pool("q", &[2, 3])]);
    tokio::time::sleep(MOMENT).await;
    assert_eq!(bench.take_in(), [(1, Some(true)), (2, Some(true)), (3, Some(true))]);
    bench.declare(vec![pool("q", &[2, 3])]);
    assert_eq!(bench.sweep(), [(1, None)]);
    // Nobody hears of it.
    bench.fail(3, FailReason::TcpTimeout);
    tokio::time::sleep(INTERVAL * 2).await;
    assert_eq!(bench.flips.try_recv().unwrap().transition.to, Verdict::Down);
    assert_eq!(bench.sweep(), [], "without a reason to look");
    bench.keeper.is_behind = true;
    assert_eq!(bench.sweep(), [(3, Some(false))]);
    // Gone and back between two looks: what was known of it is of no use.
    bench.declare(vec![]);
    bench.declare(vec![pool("p", &[2])]);
    assert_eq!(bench.sweep(), [(2, None), (3, None)]);
    tokio::time::sleep(MOMENT).await;
    assert_eq!(bench.take_in(), [(2, Some(true))]);
}
