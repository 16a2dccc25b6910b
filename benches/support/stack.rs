//! The server without sockets: store, schedule with a scripted probe, publish on a thread of its own, engine. Started as
//! `app` starts it.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use pooldns::config::guard::CookieSecret;
use pooldns::config::{Policy, Settings};
use pooldns::dns::engine::{Client, Engine, Fittings, Transport, UnixTime, Worker};
use pooldns::dns::rrl::RateLimiter;
use pooldns::health::probe::Probe;
use pooldns::health::schedule::{self, Schedule};
use pooldns::health::table::TargetKey;
use pooldns::model::inventory::{Change, Declared, Generation, Stored, StoredObject};
use pooldns::model::limits::{TRANSITIONS_QUEUED_MAX, UDP_PAYLOAD_DEFAULT};
use pooldns::model::monitor::Monitor;
use pooldns::model::rrset::Rtype;
use pooldns::model::stamp::{Disabled, Revision, UnixMicros};
use pooldns::model::verdict::{FailReason, Outcome};
use pooldns::steering::publish::{self, Publisher};
use pooldns::steering::table::RecordTable;
use pooldns::store::InventoryStore;
use pooldns::store::memory::MemoryStore;
use pooldns::telemetry::Registry;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::address;
use super::inventory::{Size, live_name};
use super::query::{Edns, answer_count, query, rcode};

/// Who asks.
pub const CLIENT: Client = Client { address: IpAddr::V4(Ipv4Addr::LOCALHOST), transport: Transport::Udp };
/// When, where time does not matter.
pub const NOW: UnixTime = UnixTime(1_700_000_000_000);
/// Room for an answer.
pub const ANSWER_OCTETS: usize = 1232;
/// Probes that the schedule may have under way.
const PROBES_IN_FLIGHT_MAX: usize = 1_024;

/// The one place where benches decide about policy.
pub fn policy() -> Policy {
    Policy {
        udp_payload_max: UDP_PAYLOAD_DEFAULT,
        version_bind: String::new(),
        id_server: String::new(),
        first_verdict_timeout: Duration::from_secs(10),
        ..Policy::default()
    }
}

/// What an engine has besides table and policy, as the server makes it.
pub fn fittings() -> Fittings {
    let settings = Settings::default();
    Fittings {
        limiter: RateLimiter::new(settings.rrl_table_size, 1),
        cookie_secret: CookieSecret([1; 16]),
        tcp_idle_timeout: settings.tcp.idle_timeout,
    }
}

/// A probe that finds everything up, but for the one address that a [`Director`] decides about.
#[derive(Debug)]
pub struct Script {
    /// The address that is decided about.
    chosen: IpAddr,
    /// The other addresses of its pool, which are probed once and then never again: they would only disturb.
    beside: Vec<IpAddr>,
    /// Those of them that have been probed.
    probed: std::sync::Mutex<HashSet<IpAddr>>,
    /// Outcomes for the chosen address.
    outcomes: Mutex<mpsc::UnboundedReceiver<Outcome>>,
    /// When the last of them returned.
    returned: Arc<Clock>,
}

/// A moment that one thread notes and another reads.
#[derive(Debug)]
pub struct Clock {
    /// Moments count from here.
    start: Instant,
    /// Nanoseconds.
    nanoseconds: AtomicU64,
}

impl Clock {
    /// A clock that starts now.
    fn new() -> Self {
        Self { start: Instant::now(), nanoseconds: AtomicU64::new(0) }
    }

    /// Notes that it is now.
    pub fn note(&self) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap();
        self.nanoseconds.store(now, Ordering::Release);
    }

    /// Time since the last note.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed().saturating_sub(Duration::from_nanos(self.nanoseconds.load(Ordering::Acquire)))
    }
}

/// Decides what the chosen target's probes see, and when.
#[derive(Debug)]
pub struct Director {
    /// To the script.
    outcomes: mpsc::UnboundedSender<Outcome>,
    /// When the last outcome returned from the probe.
    pub returned: Arc<Clock>,
}

impl Director {
    /// Has the probe that is under way, or the next one, end like this.
    pub fn direct(&self, failure: Option<FailReason>) {
        self.outcomes.send(outcome(failure)).unwrap();
    }
}

/// What a probe saw.
const fn outcome(failure: Option<FailReason>) -> Outcome {
    Outcome { failure, rtt: Duration::from_millis(1), code: None }
}

/// A script for the first pool of an inventory: its first address is decided about, and up at the start.
pub fn script(size: Size) -> (Script, Director) {
    let pool: Vec<IpAddr> = (0..size.origins.max(1)).map(address).collect();
    let (sender, receiver) = mpsc::unbounded_channel();
    let returned = Arc::new(Clock::new());
    let (chosen, beside) = pool.split_first().unwrap();
    let outcomes = Mutex::new(receiver);
    let (beside, probed) = (beside.to_vec(), std::sync::Mutex::default());
    let script = Script { chosen: *chosen, beside, probed, outcomes, returned: Arc::clone(&returned) };
    let director = Director { outcomes: sender, returned };
    director.direct(None);
    (script, director)
}

impl Probe for Script {
    async fn attempt(&self, _: &Monitor, key: &TargetKey) -> Outcome {
        if key.address == self.chosen {
            let Some(outcome) = self.outcomes.lock().await.recv().await else {
                // Nobody directs any more: the verdict stays as it is.
                return std::future::pending().await;
            };
            self.returned.note();
            return outcome;
        }
        if self.beside.contains(&key.address) {
            let again = !self.probed.lock().unwrap().insert(key.address);
            if again {
                std::future::pending::<()>().await;
            }
        }
        outcome(None)
    }
}

/// A running server without sockets.
pub struct Stack {
    /// Where changes go.
    pub store: Arc<MemoryStore>,
    /// Who answers.
    pub engine: Engine,
    /// What engines obey.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Who counts.
    pub registry: Registry,
    /// How long the parts of the start took.
    pub start: StartTimes,
    /// Ends it.
    stop: CancellationToken,
    /// Publish.
    publish: Option<JoinHandle<()>>,
    /// Schedule and probes.
    health: Option<Runtime>,
}

/// How long the parts of a start took.
#[derive(Clone, Copy, Debug)]
pub struct StartTimes {
    /// Declared objects become an inventory.
    pub commit: Duration,
    /// Targets are made and started.
    pub reconcile: Duration,
    /// The record table and all slots are compiled.
    pub publish: Duration,
}

/// An object as a store keeps it.
fn stored(object: StoredObject) -> Stored {
    let time = UnixMicros::default();
    let (revision, disabled) = (Revision::default(), Disabled::default());
    Stored { object, created: time, modified: time, revision, disabled }
}

impl Stack {
    /// Starts everything with what is declared.
    pub fn start(mut declared: Declared, probe: impl Probe) -> Self {
        let policy = Arc::new(ArcSwap::from_pointee(policy()));
        let store = Arc::new(MemoryStore::default());
        let health = Builder::new_multi_thread().worker_threads(1).thread_name("health").enable_all().build().unwrap();
        let stop = CancellationToken::new();
        let (flips, flipped) = mpsc::channel(TRANSITIONS_QUEUED_MAX);

        let began = Instant::now();
        // Pools and load balancers are as the API makes them, so that a bench can edit one of them alone.
        let Declared { pools, load_balancers, .. } = &mut declared;
        let pools = std::mem::take(pools).into_iter().map(|pool| StoredObject::Pool(Arc::new(pool)));
        let load_balancers = std::mem::take(load_balancers).into_iter().map(Arc::new).map(StoredObject::LoadBalancer);
        let objects = pools.chain(load_balancers).map(stored).collect();
        health.block_on(store.commit(Change::Restore { generation: Generation(0), objects })).unwrap();
        health.block_on(store.commit(Change::Declare(declared))).unwrap();
        let commit = began.elapsed();

        let began = Instant::now();
        let mut schedule = Schedule::new(probe, flips, PROBES_IN_FLIGHT_MAX, health.handle().clone());
        let first = schedule.reconcile(store.load());
        let reconcile = began.elapsed();

        let began = Instant::now();
        let (assign, assigned) = watch::channel(Arc::clone(&first));
        let table = Arc::new(ArcSwap::from_pointee(RecordTable::new(0x5eed)));
        let mut publisher = Publisher::new(Arc::clone(&table), Arc::clone(&policy));
        publisher.apply(first, Instant::now());
        let published = began.elapsed();

        let runtime = Builder::new_current_thread().enable_time().build().unwrap();
        let run = publish::run(publisher, assigned, flipped, stop.clone());
        let publish = std::thread::Builder::new().name("publish".into()).spawn(move || runtime.block_on(run)).unwrap();
        health.spawn(schedule::run(schedule, store.subscribe(), assign, stop.clone()));
        Self {
            store,
            engine: Engine::new(table, Arc::clone(&policy), Arc::new(fittings())),
            policy,
            registry: Registry::default(),
            start: StartTimes { commit, reconcile, publish: published },
            stop,
            publish: Some(publish),
            health: Some(health),
        }
    }

    /// An engine for one thread.
    pub fn worker(&self) -> Worker {
        self.engine.worker(self.registry.worker())
    }

    /// Waits until each of the first `names` load balancers answers with `count` addresses.
    pub fn wait_ready(&self, names: usize, count: u16) {
        let mut worker = self.worker();
        let mut out = [0; ANSWER_OCTETS];
        for number in 0..names {
            let question = query(&live_name(number), Rtype::A, Edns::With);
            loop {
                let reply = worker.answer(&question, &CLIENT, NOW, 0, &mut out);
                let answer = out.get(..reply.len).unwrap();
                if rcode(answer) == 0 && answer_count(answer) == count {
                    break;
                }
                std::thread::yield_now();
            }
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(publish) = self.publish.take() {
            publish.join().unwrap();
        }
        if let Some(health) = self.health.take() {
            health.shutdown_background();
        }
    }
}
