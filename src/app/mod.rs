//! The composition root: what is started in which order, and ended in which.
//!
//! Everything that can fail because of the machine (sockets, the control socket) happens before anything runs. Five
//! places run code, and none of them can hold up another: one thread for each UDP socket; the control runtime, with
//! DNS over TCP, the control socket and reloads; the API's runtime; the health runtime, with all probes; and a thread for
//! publish.

mod api;
pub mod demo;
mod descriptors;
mod guard;
mod store;
pub mod reload;
mod start_error;
mod transfer;
mod verdicts;
pub mod watch;
mod webhooks;

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::{mpsc, watch as watch_channel};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::control::{Contradictions, ControlSocket, Reload, Retransfer, Server};
use crate::api::metrics::Scrape;
use crate::api::observe::Readiness;
use crate::api::status::{self, DeliveryStatus, SecondaryStatus, Status};
use crate::api::tls::Certificate;
use crate::api::v4::Context;
use crate::api::v4::preview::Previews;
use crate::api::v4::turns::Turns;
use crate::app::api::BoundApi;
use crate::app::reload::{ConfigSource, Reloader};
pub use crate::app::start_error::StartError;
use crate::config::{Configuration, Settings};
use crate::dns::engine::{Engine, Worker};
use crate::dns::listen::{self, Listeners};
use crate::dns::tcp::{TcpLimits, TcpServer};
use crate::dns::udp::UdpWorkers;
use crate::health::probe::{Prober, tls};
use crate::health::resolver::StubResolver;
use crate::health::schedule::{self, Assigned, Schedule};
use crate::health::standstill::Standstill;
use crate::health::watchdog::Watchdog;
use crate::model::hosting::Hosting;
use crate::model::inventory::Change;
use crate::model::limits::{FLIPPED_QUEUED_MAX, TRANSITIONS_QUEUED_MAX};
use crate::model::name::Name;
use crate::notify::{Keeper, PATIENCE, Webhooks};
use crate::steering::events::Recorder;
use crate::steering::judged::Moment;
use crate::steering::publish::{self, Live, Publisher, Serials};
use crate::steering::table::RecordTable;
use crate::store::embedded::EmbeddedStore;
use crate::store::{InventoryStore, now};
use crate::telemetry::{Counters, Registry};
use crate::transfer::notify::Notifier;
use crate::transfer::secondary::{Condition, Secondaries};
use crate::transfer::serve::{NotifyListener, Service};

/// A server that runs. Dropping it does not stop it in good order; [`RunningApp::shutdown`] does.
#[derive(Debug)]
pub struct RunningApp {
    /// What the control socket sees.
    shared: Arc<Shared>,
    /// Ends everything on the control runtime.
    stop: CancellationToken,
    /// Ends probing and publishing, after the transports.
    stop_health: CancellationToken,
    /// UDP threads of each listen address.
    udp: Vec<UdpWorkers>,
    /// TCP, control socket and reloads.
    tasks: JoinSet<()>,
    /// Cancelled when one of them has ended that must not.
    ended: CancellationToken,
    /// The thread of publish.
    publish: JoinHandle<()>,
    /// The runtime of all probes.
    health: SideRuntime,
    /// The runtime of the API. Held until everything in it has ended.
    api: SideRuntime,
}

/// A runtime beside the one that starts everything. Dropped, it ends without waiting, because an async task may not wait for
/// a runtime.
#[derive(Debug)]
struct SideRuntime(Option<Runtime>);

impl SideRuntime {
    /// A runtime of so many threads.
    fn new(name: &str, threads: usize) -> io::Result<Self> {
        let mut builder = Builder::new_multi_thread();
        Ok(Self(Some(builder.worker_threads(threads).thread_name(name).enable_all().build()?)))
    }

    /// Where its tasks are spawned.
    fn handle(&self) -> io::Result<Handle> {
        let runtime = self.0.as_ref().ok_or_else(|| io::Error::other("the runtime has ended"))?;
        Ok(runtime.handle().clone())
    }

    /// Ends it and waits for its tasks, not for ever. Blocks: not for async tasks.
    fn shutdown(mut self, timeout: Duration) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_timeout(timeout);
        }
    }
}

impl Drop for SideRuntime {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// What the control socket sees of the server.
#[derive(Debug)]
pub struct Shared {
    /// Settings in force.
    settings: Settings,
    /// When the server started.
    started: SystemTime,
    /// Where it listens.
    addresses: Vec<SocketAddr>,
    /// What the API made.
    store: Arc<EmbeddedStore>,
    /// Where it offers the API.
    api_addresses: Vec<SocketAddr>,
    /// What it offers it with, if that is TLS.
    certificate: Option<Arc<Certificate>>,
    /// How many requests to the API were refused because nobody knew who made them.
    refused: Arc<AtomicU64>,
    /// The live record table.
    table: Arc<ArcSwap<RecordTable>>,
    /// The inventory with its targets.
    assigned: watch_channel::Receiver<Arc<Assigned>>,
    /// Whether verdicts stand still.
    standstill: Arc<Standstill>,
    /// Whether targets make progress.
    watchdog: Arc<Watchdog>,
    /// What is live.
    live: watch_channel::Receiver<Live>,
    /// The serials that are live.
    serials: watch_channel::Receiver<Serials>,
    /// What is counted.
    registry: Registry,
    /// DNS over TCP.
    tcp: TcpServer<Worker>,
    /// Reads the configuration again.
    reloader: Reloader<EmbeddedStore>,
    /// Zones that are transferred from elsewhere.
    secondaries: Secondaries<EmbeddedStore>,
    /// Who is told of changes of health.
    webhooks: Webhooks,
}

impl Server for Shared {
    fn status(&self) -> Status {
        let assigned = Arc::clone(&self.assigned.borrow());
        let Live { generation, waiting } = *self.live.borrow();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: Timestamp::try_from(self.started).unwrap_or_default(),
            ready: waiting == 0,
            generation: generation.0,
            guard: status::guard(&self.standstill),
            stalled: status::stalled(&self.watchdog),
            listen: self.addresses.clone(),
            api: self.api_addresses.clone(),
            api_certificate: self.certificate.as_ref().map(|certificate| certificate.status()),
            configuration: self.reloader.file(),
            zones: status::zones(&assigned, &self.serials.borrow(), |hosting| self.secondary(&assigned, hosting)),
            pools: status::pools(&assigned),
            load_balancers: status::load_balancers(&assigned, &self.table.load()),
            set_aside: status::set_aside(&assigned.inventory, &self.store.unreadable()),
            webhooks: webhooks::status(&self.webhooks),
            reload: self.reloader.past().last,
            counters: self.registry.totals(),
        }
    }

    fn readiness(&self) -> Readiness {
        let readiness = Readiness::of(*self.live.borrow(), &self.assigned.borrow());
        readiness.with_doubts(&self.standstill, &self.watchdog)
    }

    fn metrics(&self) -> String {
        let assigned = Arc::clone(&self.assigned.borrow());
        // Publish must not wait for whoever reads what it says.
        let serials = self.serials.borrow().clone();
        let scrape = Scrape {
            started: self.started,
            assigned: &assigned,
            table: &self.table.load_full(),
            standstill: &self.standstill,
            watchdog: &self.watchdog,
            live: *self.live.borrow(),
            serials: &serials,
            registry: &self.registry,
            reloads: self.reloader.past(),
            webhooks: &webhooks::status(&self.webhooks),
            events_lost: self.store.lost_events(),
            tcp_connections: self.tcp.connections(),
            certificate: self.certificate.as_ref().map(|certificate| certificate.status()),
            api_refused: self.refused.load(Ordering::Relaxed),
            secondary: &|hosting| self.secondary(&assigned, hosting),
        };
        scrape.render()
    }

    async fn reload(&self, contradictions: Contradictions) -> Reload {
        self.reloader.reload(contradictions).await
    }

    async fn retransfer(&self, zone: &str) -> Retransfer {
        let Ok(apex) = Name::parse(zone, None) else { return Retransfer::NotSecondary };
        match self.secondaries.retransfer(&apex).await {
            Some(Condition { failure: Some(failure), .. }) => Retransfer::Failed { failure },
            Some(_) => {
                let zone = self.reloader.zone(&apex);
                Retransfer::Done { serial: zone.map_or(0, |zone| zone.soa().serial) }
            }
            None => Retransfer::NotSecondary,
        }
    }

    async fn test_webhook(&self, name: &str) -> Option<DeliveryStatus> {
        webhooks::test(&self.webhooks, name).await
    }
}

impl Shared {
    /// How a zone of which we are a secondary is doing.
    fn secondary(&self, assigned: &Assigned, hosting: &Hosting) -> Option<SecondaryStatus> {
        let expired = assigned.inventory.expired.contains(&hosting.id);
        secondary_status(&self.secondaries, hosting, expired)
    }
}

/// How a zone of which we are a secondary is doing.
fn secondary_status(
    secondaries: &Secondaries<EmbeddedStore>,
    hosting: &Hosting,
    expired: bool,
) -> Option<SecondaryStatus> {
    let Condition { primary, confirmed, next, expires, failure, .. } = secondaries.condition(&hosting.apex)?;
    let time = |since_1970: Duration| Timestamp::try_from(SystemTime::UNIX_EPOCH + since_1970).ok();
    Some(SecondaryStatus {
        primary,
        confirmed: confirmed.and_then(time),
        next: time(next),
        expires: expires.and_then(time),
        expired,
        failure,
    })
}

/// Threads of the API's runtime: what takes long is made on blocking ones.
const API_THREADS: usize = 2;
/// Time that probes get to end when draining has used up all there was.
const AT_LEAST: Duration = Duration::from_millis(100);

/// Sockets that are bound before anything runs.
struct Bound {
    /// One for each listen address.
    listeners: Vec<Listeners>,
    /// The control socket.
    control: ControlSocket,
    /// The API.
    api: BoundApi,
}

impl Bound {
    /// Binds everything that the settings name.
    async fn new(settings: &Settings) -> Result<Self, StartError> {
        let threads = NonZeroUsize::new(settings.threads)
            .or_else(|| std::thread::available_parallelism().ok())
            .unwrap_or(NonZeroUsize::MIN);
        let listeners =
            settings.listen.iter().map(|address| listen::bind(*address, threads)).collect::<Result<_, _>>()?;
        let api = BoundApi::new(&settings.api)?;
        Ok(Self { listeners, api, control: ControlSocket::bind(&settings.control).await? })
    }
}

/// Starts a server, to be called on the control runtime. `source` is where reloads read from.
pub async fn start(configuration: Configuration, source: ConfigSource) -> Result<RunningApp, StartError> {
    let Configuration { settings, policy, declared, files, zones_read, warnings } = configuration;
    reload::log_zones(&zones_read);
    reload::log_warnings(&warnings);
    drop(warnings);
    descriptors::raise_limit(&settings);
    let Bound { listeners, control, api } = Bound::new(&settings).await?;
    let policy = Arc::new(ArcSwap::from_pointee(policy));
    let store = Arc::new(store::open(&settings, &source).await?);
    let kept = store.load();
    store::log_declared(&kept, &*store.commit(Change::DeclareSettingAside(declared)).await?);
    drop(kept);
    // From here on no change is missed: zones may be transferred at any time.
    let changes = store.subscribe();
    let stop = CancellationToken::new();
    let secondaries = Secondaries::start(Arc::clone(&store), &settings.store, stop.clone()).await?;

    let stop_health = CancellationToken::new();
    let health = SideRuntime::new("health", settings.health.threads)?;
    let (flips, flipped) = mpsc::channel(TRANSITIONS_QUEUED_MAX);
    let roots = tls::system_roots();
    let keeper = Keeper::new(roots.clone(), Arc::clone(&policy), PATIENCE, stop.child_token());
    let webhooks = keeper.webhooks();
    let prober = Prober::new(roots, Arc::clone(&policy));
    let previews = prober.clone();
    let registry = Registry::default();
    let schedule = Schedule::new(prober, flips, settings.health.probes_in_flight_max, health.handle()?);
    let (bequest, left) = verdicts::restore(&store, settings.health.verdict_lifetime);
    let schedule = schedule.counting_into(registry.clone()).inheriting(bequest).guarded_by(Arc::clone(&policy));
    let mut schedule = match StubResolver::new(&settings.health.resolvers) {
        Ok(resolver) => schedule.resolving_with(Arc::new(resolver)),
        Err(error) => {
            warn!(error, "there is nobody to ask for names of hosts: origins that are hosts stay down");
            schedule
        }
    };
    let (standstill, watchdog) = (Arc::clone(schedule.standstill()), Arc::clone(schedule.watchdog()));
    let first = schedule.reconcile(store.load());
    let (assign, assigned) = watch_channel::channel(Arc::clone(&first));
    let table = Arc::new(ArcSwap::from_pointee(RecordTable::new(seed())));
    let epoch = Moment { instant: Instant::now(), unix: now() };
    let publisher = Publisher::new(Arc::clone(&table), Arc::clone(&policy)).counting_from(epoch);
    let (recorder, recorded) = Recorder::queue(FLIPPED_QUEUED_MAX);
    let mut publisher = publisher.counting_into(registry.clone()).recording_to(recorder);
    publisher.apply(first, Instant::now());
    let (live, serials) = (publisher.live(), publisher.serials());
    let publish = spawn_publish(publish::run(publisher, assigned.clone(), flipped, stop_health.clone()))?;
    health.handle()?.spawn(schedule::run(schedule, changes, assign, stop_health.clone()));

    let fittings = Arc::new(guard::fittings(&settings, seed())?);
    let mut tasks = JoinSet::new();
    tasks.spawn(Arc::clone(&watchdog).run(assigned.clone(), stop.clone()));
    let lifetime = settings.health.verdict_lifetime;
    let listener = verdicts::keep(&mut tasks, &store, assigned.clone(), left, lifetime, stop.clone());
    tasks.spawn(store::record(Arc::clone(&store), webhooks.clone(), recorded, listener, stop.clone()));
    tasks.spawn(keeper.run(store.subscribe()));
    tasks.spawn(guard::report_limits(Arc::clone(&fittings), Arc::clone(&policy), stop.clone()));
    let ended = CancellationToken::new();
    spawn_essential(&mut tasks, &ended, secondaries.clone().run());
    let engine = Engine::new(Arc::clone(&table), Arc::clone(&policy), fittings);
    let (pass_on, passed_on) = transfer::queues();
    let ordinary = transfer::ordinary(engine.worker(registry.worker()));
    let engine = engine.passing_on(pass_on);
    let listener = secondaries.clone();
    let notified: NotifyListener = Box::new(move |apex, from, key| listener.notify(apex, from, key));
    let service = Arc::new(Service::new(Arc::clone(&table), assigned.clone(), ordinary, notified, registry.worker()));
    for arrivals in passed_on {
        spawn_essential(&mut tasks, &ended, transfer::serve(Arc::clone(&service), arrivals, stop.clone()));
    }
    let notifier = Notifier::new(assigned.clone(), serials.clone(), live.clone(), registry.worker());
    spawn_essential(&mut tasks, &ended, notifier.run(stop.clone()));
    let addresses: Vec<SocketAddr> = listeners.iter().map(|listener| listener.address).collect();
    let (udp, tcp) = serve_dns(listeners, &settings, &engine, &registry, &stop, &mut tasks)?;

    let api_runtime = SideRuntime::new("api", API_THREADS)?;
    let refused = Arc::new(AtomicU64::new(0));
    let context = Arc::new(Context {
        store: Arc::clone(&store),
        assigned: assigned.clone(),
        live: live.clone(),
        table: Arc::clone(&table),
        policy: Arc::clone(&policy),
        prober: previews,
        previews: Previews::default(),
        bulk: Arc::default(),
        refused: Arc::clone(&refused),
        turns: Turns::default(),
    });
    let reloader = Reloader::new(source, settings.clone(), policy, Arc::clone(&store), live.clone(), files, zones_read);
    let started = SystemTime::now();
    let (api_addresses, certificate) = (api.addresses(), api.certificate());
    let shared = Shared {
        settings,
        started,
        addresses,
        store,
        api_addresses,
        certificate,
        refused,
        table,
        assigned,
        standstill,
        watchdog,
        live,
        serials,
        registry,
        tcp,
        reloader,
        secondaries,
        webhooks,
    };
    let shared = Arc::new(shared);
    let handle = api_runtime.handle()?;
    tasks.spawn(serve_control(control, Arc::clone(&shared), Arc::clone(&context), handle.clone(), stop.clone()));
    api.serve(context, Arc::clone(&shared), &shared.settings.api, &stop, &mut tasks, &handle);
    if shared.settings.watch {
        tasks.spawn(watch::run(shared.reloader.clone(), stop.clone()));
    }
    info!(listen = ?shared.addresses, "listening");
    Ok(RunningApp { shared, stop, stop_health, udp, tasks, ended, publish, health, api: api_runtime })
}

/// A number that nobody outside knows, another one each time, for the hashes of a table.
fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one("table")
}

/// Runs publish on a thread of its own, so that nothing else can delay an answer's change.
fn spawn_publish(publish: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = Builder::new_current_thread().enable_time().build()?;
    std::thread::Builder::new().name("publish".to_owned()).spawn(move || runtime.block_on(publish))
}

/// Spawns a task that must not end before the server does: `ended` is cancelled when it does, be it by a panic.
fn spawn_essential(
    tasks: &mut JoinSet<()>,
    ended: &CancellationToken,
    task: impl Future<Output = ()> + Send + 'static,
) {
    let guard = ended.clone().drop_guard();
    tasks.spawn(async move {
        let _guard = guard;
        task.await;
    });
}

/// Serves DNS on all listeners.
fn serve_dns(
    listeners: Vec<Listeners>,
    settings: &Settings,
    engine: &Engine,
    registry: &Registry,
    stop: &CancellationToken,
    tasks: &mut JoinSet<()>,
) -> io::Result<(Vec<UdpWorkers>, TcpServer<Worker>)> {
    let worker = {
        let (engine, registry) = (engine.clone(), registry.clone());
        move || -> (Worker, Arc<Counters>) {
            let counters = registry.worker();
            (engine.worker(Arc::clone(&counters)), counters)
        }
    };
    let tcp = TcpServer::new(tcp_limits(settings), registry.worker(), worker.clone());
    let mut udp = Vec::new();
    for Listeners { udp: sockets, tcp: listener, address } in listeners {
        udp.push(sockets.spawn(worker.clone())?);
        let (tcp, stop) = (tcp.clone(), stop.clone());
        tasks.spawn(async move {
            if let Err(error) = tcp.serve(listener, stop).await {
                warn!(%address, %error, "TCP stopped");
            }
        });
    }
    Ok((udp, tcp))
}

/// The limits of TCP in the form that the transport wants.
const fn tcp_limits(settings: &Settings) -> TcpLimits {
    let tcp = &settings.tcp;
    TcpLimits {
        connections_max: tcp.connections_max,
        connections_per_prefix_max: tcp.connections_per_prefix_max,
        idle_timeout: tcp.idle_timeout,
        read_timeout: tcp.read_timeout,
        write_timeout: tcp.write_timeout,
    }
}

/// Serves the control socket.
async fn serve_control(
    control: ControlSocket,
    shared: Arc<Shared>,
    context: Arc<Context>,
    runtime: Handle,
    stop: CancellationToken,
) {
    if let Err(error) = control.serve(shared, context, runtime, stop).await {
        warn!(%error, "the control socket stopped");
    }
}

impl RunningApp {
    /// Where it listens: real ports where 0 was asked for.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.shared.addresses
    }

    /// Where it offers the API: real ports where 0 was asked for.
    pub fn api_addresses(&self) -> &[SocketAddr] {
        &self.shared.api_addresses
    }

    /// The server at this moment.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Reads the configuration again.
    pub async fn reload(&self) -> Reload {
        self.shared.reload(Contradictions::Refused).await
    }

    /// Waits until every live name has what it needs to answer, or has waited long enough.
    pub async fn ready(&self) {
        let mut live = self.shared.live.clone();
        // An error means that publish has ended: there is nothing left to wait for.
        drop(live.wait_for(|live| live.waiting == 0).await);
    }

    /// Waits until what keeps answers true has ended without being told to. A server that answers from what it once
    /// knew is worse than one that is started again.
    pub async fn failed(&self) {
        let mut live = self.shared.live.clone();
        // Publish holds the sending end, and ends with the schedule.
        let published = async { while live.changed().await.is_ok() {} };
        tokio::select! {
            () = published => {}
            () = self.ended.cancelled() => {}
        }
    }

    /// Reads the configuration again, for whoever cannot wait here.
    pub fn reloader(&self) -> Reloader<EmbeddedStore> {
        self.shared.reloader.clone()
    }

    /// Stops in good order within the drain time-out: transports first, then whatever fed them.
    pub async fn shutdown(self) {
        let Self { shared, stop, stop_health, udp, mut tasks, ended: _, publish, health, api } = self;
        let timeout = shared.settings.drain_timeout;
        let deadline = Instant::now() + timeout;
        info!("stopping");
        stop.cancel();
        udp.iter().for_each(UdpWorkers::stop);
        let joined = tokio::task::spawn_blocking(move || udp.into_iter().for_each(UdpWorkers::join));
        let drained = async {
            // A thread that panicked has said so.
            drop(joined.await);
            while tasks.join_next().await.is_some() {}
        };
        if tokio::time::timeout_at(deadline, drained).await.is_err() {
            warn!(?timeout, "connections are still open; closing them");
        }
        tasks.shutdown().await;
        drop(api);
        stop_health.cancel();
        let ended = tokio::task::spawn_blocking(move || {
            drop(publish.join());
            health.shutdown(deadline.saturating_duration_since(Instant::now()).max(AT_LEAST));
        });
        drop(ended.await);
        info!("stopped");
    }
}

#[cfg(test)]
mod tests;
