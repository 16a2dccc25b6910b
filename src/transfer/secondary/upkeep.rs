//! Keeps one zone of which we are a secondary: its last copy first, then what its primaries have, for as long as it is
//! declared.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::task::Poll;
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::model::id::ZoneId;
use crate::model::inventory::{Change, Contradiction};
use crate::model::limits::NOTIFIED_REFRESH_INTERVAL;
use crate::model::name::Name;
use crate::model::serial::is_newer;
use crate::model::zone::Zone;
use crate::store::{CommitError, InventoryStore};
use crate::transfer::secondary::budget::Budget;
use crate::transfer::secondary::client::{Patience, Primary, Wanted, ask_soa, transfer};
use crate::transfer::secondary::copy::{Copies, CopyError};
use crate::transfer::secondary::difference::apply;
use crate::transfer::secondary::refusal::{Refusal, Refused};
use crate::transfer::secondary::soa::{SoaTimes, serial_of, soa_data};
use crate::transfer::secondary::stream::Received;
use crate::transfer::secondary::timers::{Moment, Timers};
use crate::transfer::secondary::turn::Turns;
use crate::transfer::secondary::wish::{Wish, Wishes};

/// What all zones share.
#[derive(Debug)]
pub(super) struct Shared<S> {
    /// Where zones go.
    pub(super) store: Arc<S>,
    /// The folder for everything that outlives a restart.
    pub(super) store_path: PathBuf,
    /// Where copies are kept, once a zone needs that.
    pub(super) copies: OnceLock<Copies>,
    /// Bounds how many zones are asked about at one time.
    pub(super) refreshes: Turns,
    /// Bounds how many are transferred at one time.
    pub(super) transfers: Turns,
    /// Bounds what all transfers take together.
    pub(super) budget: Budget,
    /// How long primaries may take.
    pub(super) patience: Patience,
    /// From a panic of a zone's task to its next start.
    pub(super) restart_pause: Duration,
    /// What time it is.
    pub(super) clock: Clock,
}

impl<S> Shared<S> {
    /// Where copies are kept. The folder is made when the first zone needs it.
    pub(super) fn copies(&self) -> Result<&Copies, CopyError> {
        if let Some(copies) = self.copies.get() {
            return Ok(copies);
        }
        let copies = Copies::open(&self.store_path)?;
        Ok(self.copies.get_or_init(|| copies))
    }
}

/// Tells the time since 1970, steadily from the start on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    /// The system's time at the start.
    wall: Moment,
    /// The start.
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub(super) fn new() -> Self {
        let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { wall, start: Instant::now() }
    }

    /// The time now.
    pub(super) fn now(&self) -> Moment {
        self.wall + self.start.elapsed()
    }

    /// A moment on the clock that sleeps go by.
    fn instant(&self, at: Moment) -> Instant {
        self.start + at.saturating_sub(self.wall)
    }
}

/// How a zone is doing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Condition {
    /// The primary that gave or confirmed what is held; none since the start.
    pub primary: Option<std::net::SocketAddr>,
    /// When that was, as time since 1970.
    pub confirmed: Option<Moment>,
    /// When a primary is asked again.
    pub next: Moment,
    /// When the zone is given up unless a primary confirms it.
    pub expires: Option<Moment>,
    /// Why the last attempt was in vain; none if it was not.
    pub failure: Option<String>,
    /// Number of the last wish that an attempt has followed.
    pub(super) followed: u64,
}

/// One zone and its task.
pub(super) struct Upkeep<S> {
    /// What all zones share.
    pub(super) shared: Arc<Shared<S>>,
    /// The zone.
    pub(super) id: ZoneId,
    /// Its apex.
    pub(super) apex: Name,
    /// Its primaries, in order.
    pub(super) primaries: watch::Receiver<Vec<Primary>>,
    /// What others want of it.
    pub(super) wishes: Arc<Wishes>,
    /// How it is doing.
    pub(super) condition: watch::Sender<Condition>,
    /// Ends it.
    pub(super) stop: CancellationToken,
}

/// What an attempt came to.
struct Gained {
    /// The primary.
    primary: std::net::SocketAddr,
    /// What it has: the zone that is held, or a newer one.
    zone: Arc<Zone>,
    /// How that came.
    means: Means,
}

/// How a zone came from a primary.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Means {
    /// It did not: what is held is the newest.
    Nothing,
    /// By AXFR, or an answer to IXFR that has all of it.
    Whole,
    /// By the differences of IXFR.
    Differences,
}

impl Means {
    /// The word for it.
    const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Whole => "AXFR",
            Self::Differences => "IXFR",
        }
    }
}

impl<S: InventoryStore> Upkeep<S> {
    /// Runs until it is stopped; says when the copy on disk is served, or that there is none. The copy goes with the zone,
    /// and stays when only the server ends.
    pub(super) async fn run(mut self, restored: oneshot::Sender<()>) {
        self.keep_up(restored).await;
        let is_ours =
            self.shared.store.load().hostings.find(self.id).is_some_and(|hosting| hosting.primaries().is_some());
        let Some(copies) = self.shared.copies.get().filter(|_| !is_ours) else { return };
        let zone = &self.apex;
        match copies.remove(zone).await {
            Ok(true) => info!(%zone, "copy removed: the zone is not transferred any more"),
            Ok(false) => {}
            Err(fault) => warn!(%zone, %fault, "the copy of a zone that is not transferred any more cannot be removed"),
        }
    }

    /// Keeps the zone up until it is stopped. A panic does not end it: a zone without a task would be served for ever.
    async fn keep_up(&mut self, restored: oneshot::Sender<()>) {
        let mut restored = Some(restored);
        loop {
            let Err(why) = unwinding(pin!(self.follow(restored.take()))).await else { return };
            let (zone, pause) = (&self.apex, self.shared.restart_pause);
            error!(%zone, why, ?pause, "the zone's task PANICKED, which is a bug; it starts anew after a pause");
            // Whoever waits for what it was doing waits no longer.
            let wish = self.wishes.take();
            self.condition.send_modify(|condition| {
                condition.failure = Some(format!("the zone's task panicked: {why}"));
                condition.followed = wish.number;
            });
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Follows the primaries until it is stopped.
    async fn follow(&mut self, restored: Option<oneshot::Sender<()>>) {
        let mut timers = Timers::new(self.spread(), self.shared.clock.now());
        if self.held().is_none() {
            self.restore(&mut timers).await;
        }
        // Nobody may be waiting.
        restored.map(|restored| restored.send(()).ok());
        let mut last_attempt: Option<Moment> = None;
        loop {
            self.tell(&timers);
            let now = self.shared.clock.now();
            if timers.due() <= now {
                last_attempt = Some(now);
                let wish = self.wishes.take();
                let primaries = self.primaries.borrow_and_update().clone();
                if !self.refresh(&mut timers, &primaries, wish).await {
                    return;
                }
                continue;
            }
            let wake = timers.expires().into_iter().fold(timers.due(), Moment::min);
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return,
                changed = self.primaries.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    timers.hurry(now);
                }
                () = self.wishes.wait() => {
                    // One at once, then not too many: whoever can send us NOTIFYs must not make us ask without pause.
                    let earliest = last_attempt.map_or(now, |last| last + NOTIFIED_REFRESH_INTERVAL);
                    timers.hurry(earliest.max(now));
                }
                () = sleep_until(self.shared.clock.instant(wake)) => self.expire(&mut timers).await,
            }
        }
    }

    /// A number of its own.
    fn spread(&self) -> u32 {
        u32::try_from(self.id.hash64() >> 32).unwrap_or(0)
    }

    /// What has been transferred, and is served.
    fn held(&self) -> Option<Arc<Zone>> {
        let inventory = self.shared.store.load();
        // When we have become its primary, the zone is no longer what was transferred.
        inventory.hostings.find(self.id)?.primaries()?;
        inventory.zones.find(self.id).map(Arc::clone)
    }

    /// Goes on with a zone that a task before this one has put into the inventory: it expires as well.
    async fn adopt(&self, timers: &mut Timers, zone: &Zone) {
        let Some(times) = times_of(zone) else { return };
        let now = self.shared.clock.now();
        // If nobody has said when it was confirmed, that was a moment ago.
        let confirmed = self.condition.borrow().confirmed.unwrap_or(now);
        timers.restore(times, confirmed, now);
        self.tell(timers);
        self.expire(timers).await;
    }

    /// Serves the copy on disk, unless it has expired.
    async fn restore(&self, timers: &mut Timers) {
        let Some(copies) = self.shared.copies.get() else { return };
        let zone = &self.apex;
        let (copy, confirmed) = match copies.read(self.id, &self.apex).await {
            Ok(Some(found)) => found,
            Ok(None) => return,
            Err(fault) => return warn!(%zone, %fault, "no copy of the zone: it is transferred anew"),
        };
        let Some(times) = times_of(&copy) else { return };
        let now = self.shared.clock.now();
        timers.restore(times, confirmed, now);
        if timers.expire(now) {
            error!(%zone, "the copy of the zone has EXPIRED: it answers SERVFAIL until a primary can be reached");
            return self.drop_zone().await;
        }
        let serial = copy.soa().serial;
        if self.put(Arc::new(copy)).await {
            info!(%zone, serial, "serving the zone's copy from disk");
        }
    }

    /// Asks the primaries. Says whether to go on.
    async fn refresh(&mut self, timers: &mut Timers, primaries: &[Primary], wish: Wish) -> bool {
        let held = self.held();
        if let Some(zone) = held.as_ref().filter(|_| timers.expires().is_none()) {
            self.adopt(timers, zone).await;
        }
        let this = &*self;
        let mut attempt = std::pin::pin!(this.attempt(primaries, held.clone(), &wish));
        let outcome = loop {
            let far = this.shared.clock.now() + Duration::from_hours(24 * 365);
            let expires = this.shared.clock.instant(timers.expires().unwrap_or(far));
            tokio::select! {
                biased;
                () = this.stop.cancelled() => return false,
                outcome = &mut attempt => break outcome,
                () = sleep_until(expires) => this.expire(timers).await,
            }
        };
        let now = self.shared.clock.now();
        match outcome {
            Ok(gained) => self.take(timers, gained, now).await,
            Err(refused) => {
                timers.fail(now);
                self.complain(&refused, timers.expires().is_some());
            }
        }
        self.condition.send_modify(|condition| condition.followed = wish.number);
        true
    }

    /// Takes in what a primary has.
    async fn take(&self, timers: &mut Timers, gained: Gained, now: Moment) {
        let Gained { primary, zone: gained, means } = gained;
        let zone = &self.apex;
        let serial = gained.soa().serial;
        let is_new = means != Means::Nothing;
        // What is confirmed may have expired while it was asked for.
        if (is_new || self.held().is_none()) && !self.put(Arc::clone(&gained)).await {
            return timers.fail(now);
        }
        if let Some(times) = times_of(&gained) {
            timers.succeed(times, now);
        }
        let recovered = self.condition.borrow().failure.is_some();
        self.condition.send_modify(|condition| {
            condition.primary = Some(primary);
            condition.failure = None;
        });
        if is_new {
            info!(%zone, serial, %primary, kind = means.word(), names = gained.owners().len(), "zone transferred");
        } else if recovered {
            info!(%zone, serial, %primary, "a primary answers again; the zone is up to date");
        } else {
            debug!(%zone, serial, %primary, "the zone is up to date");
        }
        let kept = match self.shared.copies.get() {
            Some(copies) if is_new => copies.write(gained, now).await,
            Some(copies) => match copies.confirm(&self.apex, now).await {
                // Somebody has taken it away, or it could not be written when it came.
                Err(CopyError::File { .. }) => copies.write(gained, now).await,
                confirmed => confirmed,
            },
            None => Ok(()),
        };
        if let Err(fault) = kept {
            warn!(%zone, %fault, "the zone is served, but no copy is kept for the next start");
        }
    }

    /// Says that no primary gave what can be taken: loudly when it is news.
    fn complain(&self, refused: &[Refused], is_held: bool) {
        let zone = &self.apex;
        let why = match refused {
            [] => "none of its primaries can be asked: their keys are not known".to_owned(),
            refused => refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        };
        if self.condition.borrow().failure.as_ref() == Some(&why) {
            debug!(%zone, why, "no primary confirms the zone");
        } else {
            let meanwhile =
                if is_held { "what is held is served until it expires" } else { "it answers SERVFAIL until one does" };
            warn!(%zone, why, "no primary confirms the zone; {meanwhile}");
        }
        self.condition.send_modify(|condition| condition.failure = Some(why));
    }

    /// Asks one primary after the other, the one that told us of a change first (RFC 1996 §3.11).
    async fn attempt(
        &self,
        primaries: &[Primary],
        held: Option<Arc<Zone>>,
        wish: &Wish,
    ) -> Result<Gained, Vec<Refused>> {
        let (first, others): (Vec<&Primary>, Vec<&Primary>) =
            primaries.iter().partition(|primary| wish.notifier.is_some_and(|notifier| notifier == primary.route.to));
        let mut refused = Vec::new();
        for primary in first.into_iter().chain(others) {
            match self.ask(primary, held.as_ref(), wish.whole).await {
                Ok((zone, means)) => return Ok(Gained { primary: primary.route.to, zone, means }),
                Err(why) => refused.push(Refused { primary: primary.route.to, why }),
            }
        }
        Err(refused)
    }

    /// Asks one primary.
    async fn ask(
        &self,
        primary: &Primary,
        held: Option<&Arc<Zone>>,
        whole: bool,
    ) -> Result<(Arc<Zone>, Means), Refusal> {
        let Shared { patience, .. } = *self.shared;
        let Some((zone, soa)) = held.filter(|_| !whole).and_then(|zone| Some((zone, soa_data(zone)?))) else {
            return self.transfer(primary, Wanted::Whole(None), None).await;
        };
        let ours = zone.soa().serial;
        let theirs = {
            // Not longer than for this: whoever then waits to transfer holds up nobody's questions.
            let _turn = self.shared.refreshes.take(primary.route.to.ip()).await;
            serial_of(&ask_soa(primary, &self.apex, patience).await?).unwrap_or(ours)
        };
        if theirs == ours {
            return Ok((Arc::clone(zone), Means::Nothing));
        }
        if is_newer(ours, theirs) {
            return Err(Refusal::Older { theirs, ours });
        }
        match self.transfer(primary, Wanted::Differences(soa), Some(zone)).await {
            Err(why) if why.suggests_whole() => {
                let zone_name = &self.apex;
                debug!(zone = %zone_name, primary = %primary.route.to, %why, "no incremental transfer; asking for all of it");
                self.transfer(primary, Wanted::Whole(Some(ours)), Some(zone)).await
            }
            transferred => transferred,
        }
    }

    /// Transfers the zone from one primary.
    async fn transfer(
        &self,
        primary: &Primary,
        wanted: Wanted<'_>,
        held: Option<&Arc<Zone>>,
    ) -> Result<(Arc<Zone>, Means), Refusal> {
        let _turn = self.shared.transfers.take(primary.route.to.ip()).await;
        let mut share = self.shared.budget.share();
        let received = transfer(primary, (self.id, &self.apex), wanted, self.shared.patience, &mut share).await?;
        let held = held.map(Arc::clone);
        // A large zone takes seconds.
        let built = tokio::task::spawn_blocking(move || {
            let _until_built = share;
            match (received, held) {
                (Received::UpToDate, Some(held)) => Ok((held, Means::Nothing)),
                (Received::Differences(differences), Some(held)) => {
                    Ok((Arc::new(apply(&held, differences)?), Means::Differences))
                }
                (Received::Whole(mut zone), _) => Ok((Arc::new(zone.finish().map_err(Refusal::Zone)?), Means::Whole)),
                (_, None) => Err(Refusal::Order("a difference, and nothing is held")),
            }
        });
        built.await.unwrap_or_else(|panic| Err(Refusal::Network(format!("building the zone failed: {panic}"))))
    }

    /// Gives the zone up if its time is over.
    async fn expire(&self, timers: &mut Timers) {
        if !timers.expire(self.shared.clock.now()) {
            return;
        }
        let zone = &self.apex;
        error!(%zone, "the zone has EXPIRED: it answers SERVFAIL until a primary can be reached");
        self.drop_zone().await;
        self.tell(timers);
    }

    /// Puts a zone into the inventory; says whether it belongs there.
    async fn put(&self, zone: Arc<Zone>) -> bool {
        self.commit(Change::PutZone(zone)).await
    }

    /// Takes the zone out of the inventory.
    async fn drop_zone(&self) {
        self.commit(Change::DropZone(self.id)).await;
    }

    /// Makes a change; says whether it was made.
    async fn commit(&self, change: Change) -> bool {
        match self.shared.store.commit(change).await {
            Ok(_) => true,
            // It has just been taken out of the configuration; this task is about to end.
            Err(CommitError::Contradiction(Contradiction::NotSecondary(_))) => false,
            Err(error) => {
                warn!(zone = %self.apex, %error, "the zone is not taken in");
                false
            }
        }
    }

    /// Tells how the zone is doing.
    fn tell(&self, timers: &Timers) {
        self.condition.send_modify(|condition| {
            condition.confirmed = timers.confirmed();
            condition.next = timers.due();
            condition.expires = timers.expires();
        });
    }
}

/// What a future comes to, or what it said when it panicked.
async fn unwinding<F: Future>(mut future: Pin<&mut F>) -> Result<F::Output, String> {
    // After a panic the future is dropped, and what it shares with others is whole at every await.
    let polled =
        std::future::poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        });
    polled.await.map_err(|panic: Box<dyn Any + Send>| match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast_ref::<&str>().map_or_else(String::new, |text| (*text).to_owned()),
    })
}

/// The times of a zone's SOA record.
fn times_of(zone: &Zone) -> Option<SoaTimes> {
    SoaTimes::of(soa_data(zone)?)
}
