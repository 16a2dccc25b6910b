//! The real thing, without sockets: inventory, schedule, publisher and engine, with probes that see what a test says.
//!
//! Runs on a paused clock: [`Subject::settle`] lets every target probe, and lets the wait for first verdicts end.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use pooldns::api::metrics::{Reloads, Scrape};
use pooldns::config::Policy;
use pooldns::config::guard::CookieSecret;
use pooldns::dns::ahead::Ahead;
use pooldns::dns::engine::{Client, Engine, Fittings, Transport, UnixTime, Worker};
use pooldns::dns::rrl::RateLimiter;
use pooldns::health::probe::Probe;
use pooldns::health::schedule::{Assigned, Schedule};
use pooldns::health::table::TargetKey;
use pooldns::health::target::Flip;
use pooldns::model::inventory::{Change, Declared, Inventory};
use pooldns::model::monitor::Monitor;
use pooldns::model::verdict::{FailReason, Outcome};
use pooldns::steering::publish::Publisher;
use pooldns::steering::table::RecordTable;
use pooldns::telemetry::Registry;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// How long live names wait for their first verdicts.
pub const FIRST_VERDICT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than that, and than two rounds of any monitor that tests declare.
const LONG: Duration = Duration::from_secs(25);

/// The policy of all tests: the one place that names its fields.
pub fn policy() -> Policy {
    Policy {
        udp_payload_max: 1232,
        version_bind: "pooldns".into(),
        id_server: "test".into(),
        first_verdict_timeout: FIRST_VERDICT_TIMEOUT,
        ..Policy::default()
    }
}

/// When everything is asked, where time does not matter.
pub const NOW: UnixTime = UnixTime(1_700_000_000_000);

/// What an engine has besides table and policy.
pub fn fittings() -> Fittings {
    Fittings {
        limiter: RateLimiter::new(1024, 7),
        cookie_secret: CookieSecret([7; 16]),
        tcp_idle_timeout: Duration::from_secs(10),
    }
}

/// A single-threaded runtime whose clock moves only when every task waits.
pub fn paused_runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// What probes see: success or failure by address. Without an entry a probe does not end.
#[derive(Clone, Debug, Default)]
pub struct Script(Arc<Mutex<HashMap<IpAddr, bool>>>);

impl Script {
    /// Probes of these addresses end from now on, with success or not.
    pub fn set(&self, up: impl IntoIterator<Item = (IpAddr, bool)>) {
        self.0.lock().unwrap().extend(up);
    }
}

impl Probe for Script {
    async fn attempt(&self, _: &Monitor, key: &TargetKey) -> Outcome {
        loop {
            let up = self.0.lock().unwrap().get(&key.address).copied();
            if let Some(up) = up {
                let failure = (!up).then_some(FailReason::TcpConnectionFailed);
                return Outcome { failure, rtt: Duration::ZERO, code: None };
            }
            // Later the script may say something.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// A publisher with the engine of one worker.
pub struct Face {
    /// Who keeps the table.
    publisher: Publisher,
    /// The table.
    table: Arc<ArcSwap<RecordTable>>,
    /// Who answers from it.
    worker: Worker,
    /// What looking ahead finds.
    ahead: Ahead,
}

impl Face {
    /// A face with an empty table.
    pub fn new(seed: u64) -> Self {
        Self::counting(seed, &Registry::default())
    }

    /// The same, and it counts in `registry`.
    fn counting(seed: u64, registry: &Registry) -> Self {
        let table = Arc::new(ArcSwap::from_pointee(RecordTable::new(seed)));
        let policy = Arc::new(ArcSwap::from_pointee(policy()));
        let engine = Engine::new(Arc::clone(&table), Arc::clone(&policy), Arc::new(fittings()));
        let worker = engine.worker(registry.worker());
        let publisher = Publisher::new(Arc::clone(&table), policy).counting_into(registry.clone());
        Self { publisher, table, worker, ahead: Ahead::default() }
    }

    /// Publishes an inventory with its targets.
    pub fn apply(&mut self, assigned: &Arc<Assigned>) {
        self.publisher.apply(Arc::clone(assigned), Instant::now());
    }

    /// Compiles whatever is due by now.
    pub fn expire(&mut self) {
        while self.publisher.next_timer(Instant::now()).is_some_and(|due| due <= Instant::now()) {
            self.publisher.expire(Instant::now());
        }
    }

    /// The octets of an answer, none for silence. As the transports do, it looks ahead at what comes over UDP.
    pub fn answer(&mut self, query: &[u8], client: &Client, random: u64) -> Vec<u8> {
        let mut out = vec![0; 65_535];
        let Self { worker, ahead, .. } = self;
        let reply = match client.transport {
            Transport::Udp => {
                worker.look_ahead([(query, client.address)].into_iter(), std::slice::from_mut(ahead));
                worker.answer_ahead(query, ahead, client, NOW, random, &mut out)
            }
            Transport::Tcp => worker.answer(query, client, NOW, random, &mut out),
        };
        out.truncate(reply.len);
        out
    }

    /// The worker itself.
    pub const fn worker(&mut self) -> &mut Worker {
        &mut self.worker
    }
}

/// A server under test.
pub struct Subject {
    /// What probes see.
    pub script: Script,
    /// What answers.
    pub face: Face,
    /// The inventory with its targets.
    pub assigned: Arc<Assigned>,
    /// What is counted.
    pub registry: Registry,
    /// Who probes.
    schedule: Schedule<Script>,
    /// Transitions not yet published.
    flips: mpsc::Receiver<Flip>,
}

impl Subject {
    /// A server without zones.
    pub fn new() -> Self {
        Self::counting(Registry::default())
    }

    /// The same, and it counts in `registry`.
    pub fn counting(registry: Registry) -> Self {
        let (sender, flips) = mpsc::channel(4_096);
        let script = Script::default();
        let schedule = Schedule::new(script.clone(), sender, 4_096, Handle::current()).counting_into(registry.clone());
        let face = Face::counting(7, &registry);
        Self { script, face, assigned: Arc::default(), registry, schedule, flips }
    }

    /// Its metrics.
    pub fn metrics(&self) -> String {
        let Face { publisher, table, .. } = &self.face;
        let serials = publisher.serials().borrow().clone();
        let scrape = Scrape {
            started: SystemTime::UNIX_EPOCH,
            assigned: &self.assigned,
            table: &table.load_full(),
            standstill: self.schedule.standstill(),
            watchdog: self.schedule.watchdog(),
            live: *publisher.live().borrow(),
            serials: &serials,
            registry: &self.registry,
            reloads: Reloads::default(),
            webhooks: &[],
            events_lost: 0,
            certificate: None,
            tcp_connections: 0,
            api_refused: 0,
            secondary: &|_| None,
        };
        scrape.render()
    }

    /// Everything declared is now this.
    pub fn declare(&mut self, declared: Declared) {
        let inventory: Inventory = self.assigned.inventory.apply(Change::Declare(declared)).unwrap();
        self.assigned = self.schedule.reconcile(Arc::new(inventory));
        self.face.apply(&self.assigned);
    }

    /// Lets every target probe at least twice, publishes what came of it, and lets all waits for verdicts end.
    pub async fn settle(&mut self) {
        tokio::time::sleep(LONG).await;
        let mut batch = Vec::new();
        while let Ok(flip) = self.flips.try_recv() {
            batch.push(flip);
        }
        self.face.publisher.flip(&batch, Instant::now());
        self.face.expire();
    }
}
