//! Hosts under a paused clock, with a resolver that does as told.

use std::sync::Mutex;

use tokio::time::Instant;

use super::*;
use crate::health::endpoint::ProbedOrigin;
use crate::health::probe::Probe;
use crate::health::schedule::{Assigned, Schedule};
use crate::health::table::TargetKey;
use crate::health::target::Flip;
use crate::model::id::{MonitorId, PoolId};
use crate::model::inventory::{Change, Declared, Inventory};
use crate::model::kept::Kept;
use crate::model::monitor::{Check, Monitor};
use crate::model::pool::{Origin, Weight};
use crate::model::verdict::{Outcome, Verdict};

/// What the next look-ups give, and when they began.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Scripted>>);

/// Inside of [`Script`].
#[derive(Default)]
struct Scripted {
    /// What a name has; one that is not here does not exist.
    names: HashMap<Name, Result<Found, FailReason>>,
    /// Each look-up.
    asked: Vec<(Name, Instant)>,
}

impl Script {
    /// What a name has from now on.
    fn set(&self, host: &str, found: Result<Found, FailReason>) {
        self.0.lock().unwrap().names.insert(name(host), found);
    }

    /// Seconds after the first look-up at which the others of a name began.
    fn asked(&self, host: &str) -> Vec<u64> {
        let asked = &self.0.lock().unwrap().asked;
        let times: Vec<Instant> = asked.iter().filter(|(other, _)| *other == name(host)).map(|(_, at)| *at).collect();
        times.iter().map(|at| at.duration_since(times[0]).as_secs()).collect()
    }
}

impl Resolve for Script {
    fn look_up<'r>(&'r self, name: &'r Name) -> Pin<Box<dyn Future<Output = Result<Found, FailReason>> + Send + 'r>> {
        let mut script = self.0.lock().unwrap();
        script.asked.push((name.clone(), Instant::now()));
        let found = script.names.get(name).cloned().unwrap_or(Err(FailReason::UnknownHost));
        Box::pin(std::future::ready(found))
    }
}

/// Odd addresses are up.
#[derive(Clone)]
struct OddIsUp;

impl Probe for OddIsUp {
    async fn attempt(&self, _: &Monitor, key: &TargetKey) -> Outcome {
        let IpAddr::V4(address) = key.address else { panic!("only IPv4 here") };
        let failure = (address.octets()[3] % 2 == 0).then_some(FailReason::TcpTimeout);
        Outcome { failure, rtt: Duration::from_millis(1), code: None }
    }
}

fn name(text: &str) -> Name {
    Name::parse(text, None).unwrap()
}

/// Addresses 192.0.2.x that are good for some seconds.
fn found(last: &[u8], ttl: u64) -> Found {
    let addresses = last.iter().map(|last| [192, 0, 2, *last].into()).collect();
    Found { addresses, ttl: Duration::from_secs(ttl), is_complete: true }
}

fn pool(label: &str, hosts: &[&str]) -> Pool {
    let origin = |host: &&str| Origin {
        name: (*host).to_owned(),
        address: Address::Host(name(host)),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: PoolId::declared(label),
        name: label.to_owned(),
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

/// A schedule and what it needs.
struct Bench {
    script: Script,
    schedule: Schedule<OddIsUp>,
    assigned: Arc<Assigned>,
    news: Vec<Resolved>,
    _flips: mpsc::Receiver<Flip>,
}

impl Bench {
    fn new() -> Self {
        let (sender, flips) = mpsc::channel(100);
        let script = Script::default();
        let schedule = Schedule::new(OddIsUp, sender, 100, Handle::current());
        let schedule = schedule.resolving_with(Arc::new(script.clone()));
        Self { script, schedule, assigned: Arc::default(), news: Vec::new(), _flips: flips }
    }

    fn declare(&mut self, pools: Vec<Pool>) {
        let monitor = Monitor {
            id: MonitorId::declared("m"),
            name: "m".into(),
            description: String::new(),
            probe_zone: String::new(),
            check: Check::Tcp { port: 80 },
            source_address: None,
            timeout: Duration::from_secs(1),
            retries: 0,
            interval: Duration::from_secs(1000),
            consecutive_up: 0,
            consecutive_down: 0,
            damping: None,
        };
        let declared = Declared { monitors: vec![monitor], pools, ..Declared::default() };
        let inventory = Inventory::default().apply(Change::Declare(declared)).unwrap();
        self.assigned = self.schedule.reconcile(Arc::new(inventory));
    }

    /// Waits for news of hosts, for a limited time; says whether there were any.
    async fn hear(&mut self, seconds: u64) -> bool {
        let heard = self.schedule.hosts_mut().heard(&mut self.news);
        let heard = tokio::time::timeout(Duration::from_secs(seconds), heard).await.is_ok();
        self.assigned = self.schedule.resolve(self.news.drain(..));
        heard
    }

    /// An origin of a pool.
    fn origin(&self, pool: &str, index: usize) -> &ProbedOrigin {
        &self.assigned.pools.find(PoolId::declared(pool)).unwrap().origins[index]
    }

    /// The last octets of an origin's addresses.
    fn addresses(&self, pool: &str, index: usize) -> Vec<u8> {
        let last = |address: IpAddr| match address {
            IpAddr::V4(address) => address.octets()[3],
            IpAddr::V6(_) => panic!("only IPv4 here"),
        };
        self.origin(pool, index).endpoints().iter().map(|endpoint| last(endpoint.address)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_host_is_awaited_then_has_its_addresses_and_follows_them() {
    let mut bench = Bench::new();
    bench.script.set("a.example", Ok(found(&[3, 2, 3], 60)));
    bench.declare(vec![pool("p", &["a.example"]), pool("q", &["a.example"])]);
    assert!(matches!(bench.origin("p", 0), ProbedOrigin::Awaited));
    assert_eq!(bench.origin("p", 0).verdict(), Some(Verdict::Unknown));
    assert!(bench.hear(1).await);
    assert_eq!(bench.addresses("p", 0), [2, 3], "in order, each once");
    assert_eq!(bench.addresses("q", 0), [2, 3], "one look-up is for all pools");
    assert_eq!(bench.schedule.targets(), 2);
    assert!(!bench.hear(1).await, "nothing new");
    assert_eq!(bench.origin("p", 0).verdict(), Some(Verdict::Up), "the best address decides");

    let kept = Arc::clone(bench.origin("p", 0).endpoints()[1].checks.cells().next().unwrap());
    bench.script.set("a.example", Ok(found(&[3, 4], 60)));
    assert!(bench.hear(100).await);
    assert_eq!(bench.addresses("p", 0), [3, 4]);
    let still = bench.origin("p", 0).endpoints()[0].checks.cells().next().unwrap();
    assert!(Arc::ptr_eq(&kept, still), "an address that stays keeps its target");
    assert_eq!(bench.schedule.targets(), 2);
    bench.declare(vec![]);
    assert_eq!(bench.schedule.targets(), 0);
}

#[tokio::test(start_paused = true)]
async fn looked_up_again_by_its_ttl_within_bounds_and_soon_after_a_failure() {
    for (ttl, next) in [(0, HOST_TTL_MIN.as_secs()), (60, 60), (86_400, HOST_TTL_MAX.as_secs())] {
        let mut bench = Bench::new();
        bench.script.set("a.example", Ok(found(&[1], ttl)));
        bench.declare(vec![pool("p", &["a.example"])]);
        while bench.hear(next * 2 + next / 2).await {}
        assert_eq!(bench.script.asked("a.example"), [0, next, next * 2], "TTL {ttl}");
    }
    let mut bench = Bench::new();
    bench.declare(vec![pool("p", &["a.example"])]);
    assert!(bench.hear(1).await);
    assert!(!bench.hear(HOST_RETRY.as_secs() * 2 + 1).await);
    assert_eq!(bench.script.asked("a.example").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_addresses_stand_while_a_name_cannot_be_resolved() {
    let mut bench = Bench::new();
    bench.declare(vec![pool("p", &["a.example"])]);
    assert!(bench.hear(1).await);
    assert_eq!(bench.origin("p", 0).reason(), Some(FailReason::UnknownHost), "it never had an address");
    assert_eq!(bench.origin("p", 0).verdict(), Some(Verdict::Down));
    bench.script.set("a.example", Err(FailReason::LookupTimeout));
    assert!(bench.hear(10).await);
    assert_eq!(bench.origin("p", 0).reason(), Some(FailReason::LookupTimeout));

    let half = Found { is_complete: false, ..found(&[1], 60) };
    bench.script.set("a.example", Ok(half));
    assert!(bench.hear(10).await);
    assert_eq!(bench.addresses("p", 0), [1], "half is better than nothing");
    bench.script.set("a.example", Ok(found(&[1, 3], 60)));
    assert!(bench.hear(100).await);
    let half = Found { is_complete: false, ..found(&[1], 60) };
    for failure in [Err(FailReason::UnknownHost), Err(FailReason::LookupFailed), Ok(half), Ok(found(&[], 60))] {
        bench.script.set("a.example", failure);
        assert!(!bench.hear(200).await);
        assert_eq!(bench.addresses("p", 0), [1, 3]);
    }
    bench.script.set("a.example", Ok(found(&[5], 60)));
    assert!(bench.hear(100).await);
    assert_eq!(bench.addresses("p", 0), [5]);
}

#[tokio::test(start_paused = true)]
async fn only_enabled_origins_of_enabled_pools_are_looked_up_and_only_while_they_are_named() {
    let mut bench = Bench::new();
    let mut half = pool("half", &["off.example", "on.example"]);
    half.origins[0].enabled = false;
    let off = Pool { enabled: false, ..pool("off", &["other.example"]) };
    bench.declare(vec![half, off]);
    bench.hear(1).await;
    bench.hear(101).await;
    assert!(bench.script.asked("off.example").is_empty() && bench.script.asked("other.example").is_empty());
    let so_far = bench.script.asked("on.example").len();
    assert!(so_far > 1);
    bench.declare(vec![]);
    bench.hear(1).await;
    bench.hear(1000).await;
    assert_eq!(bench.script.asked("on.example").len(), so_far, "nobody names it any more");
}

#[test]
fn what_cannot_be_an_origin_is_left_out_and_so_is_what_is_too_much() {
    let addresses = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    let of = |addresses| Found { addresses, ttl: Duration::ZERO, is_complete: true };
    let mixed = of(addresses(&["224.0.0.1", "2001:db8::1", "0.0.0.0", "fe80::1", "192.0.2.1", "::ffff:192.0.2.2"]));
    assert_eq!(usable(mixed).unwrap().addresses, addresses(&["192.0.2.1", "2001:db8::1"]));
    assert_eq!(usable(of(addresses(&["::", "255.255.255.255"]))), Err(FailReason::UnknownHost));
    let many =
        (0..100).flat_map(|last| [[192, 0, 2, last].into(), IpAddr::from([0x2001, 0, 0, 0, 0, 0, 0, u16::from(last)])]);
    let taken = usable(of(many.collect())).unwrap().addresses;
    assert_eq!(taken.iter().filter(|address| address.is_ipv4()).count(), HOST_ADDRESSES_MAX);
    assert_eq!(taken.len(), 2 * HOST_ADDRESSES_MAX);
}
