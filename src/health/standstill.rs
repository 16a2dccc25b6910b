//! Where all targets meet the guard, and where everybody sees whether verdicts stand still.
//!
//! The guard knows addresses and counts; each target's own task takes back what it turned down in the dark, since nobody
//! else writes its cell: it waits for its recall as long as it is down.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, warn};

use crate::config::health_guard::HealthGuard;
use crate::health::guard::{Change, Guard, Rules, Silence};
use crate::model::limits::GUARD_ADDRESSES_MIN;

/// Ends when what turned a target down is void.
pub(in crate::health) type Recall = Pin<Box<dyn Future<Output = ()> + Send + Sync>>;

/// The guard, shared by all targets.
#[derive(Debug)]
pub struct Standstill {
    /// Times count from here.
    start: Instant,
    /// What decides.
    guarding: Mutex<Guarding>,
    /// What everybody sees.
    state: watch::Sender<Frozen>,
}

/// The guard with its references.
#[derive(Debug)]
struct Guarding {
    /// The guard.
    guard: Guard,
    /// The references, each with what it was last seen to do.
    references: Vec<(SocketAddr, Option<bool>)>,
}

/// Whether verdicts stand still.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Frozen {
    /// Since when, if they do.
    pub since: Option<SystemTime>,
    /// How often they have come to.
    pub freezes: u32,
    /// How many addresses had fallen silent the last time.
    pub fallen: usize,
    /// How many others were up.
    pub up: usize,
    /// The episode that is taken back: what turned down in it.
    episode: Option<u64>,
}

impl Standstill {
    /// One that doubts nothing until it has rules.
    pub(in crate::health) fn new(start: Instant) -> Self {
        let rules = rules(&HealthGuard { enabled: false, ..HealthGuard::default() });
        let guarding = Guarding { guard: Guard::new(rules), references: vec![] };
        Self { start, guarding: Mutex::new(guarding), state: watch::Sender::default() }
    }

    /// Whether verdicts stand still.
    pub fn state(&self) -> Frozen {
        *self.state.borrow()
    }

    /// Tells whoever wants to hear of it when verdicts freeze and thaw.
    pub fn subscribe(&self) -> watch::Receiver<Frozen> {
        self.state.subscribe()
    }

    /// The references, each with whether it last answered; none where it was not asked yet.
    pub fn references(&self) -> Vec<(SocketAddr, Option<bool>)> {
        self.lock().references.clone()
    }

    /// Takes settings up.
    pub(in crate::health) fn adopt(&self, settings: &HealthGuard) {
        let mut guarding = self.lock();
        guarding.references = settings.references.iter().map(|address| (*address, None)).collect();
        let change = guarding.guard.adopt(rules(settings), self.now());
        self.tell(change);
    }

    /// A reference was asked.
    pub(in crate::health) fn asked(&self, reference: usize, answers: bool) {
        let mut guarding = self.lock();
        if let Some((address, last)) = guarding.references.get_mut(reference) {
            match last.replace(answers) {
                Some(true) | None if !answers => warn!(reference = %address, "a reference of [health.guard] is silent"),
                Some(false) if answers => warn!(reference = %address, "a reference of [health.guard] answers again"),
                _ => {}
            }
        }
        let change = guarding.guard.asked(reference, answers, self.now());
        self.tell(change);
    }

    /// A target of an address comes up, or is up when it starts.
    pub(in crate::health) fn rose(&self, address: IpAddr) {
        self.lock().guard.rose(address);
    }

    /// A target that was up is no more, and not because of silence.
    pub(in crate::health) fn left(&self, address: IpAddr) {
        self.lock().guard.left(address);
    }

    /// A target that was up turns down in silence. Gives its recall; none if just this makes verdicts freeze, so that the
    /// target has to stay up.
    pub(in crate::health) fn fell(&self, address: IpAddr) -> Option<Recall> {
        let mut guarding = self.lock();
        let (episode, change) = guarding.guard.fell(address, self.now());
        if change.is_some() {
            guarding.guard.rose(address);
            self.tell(change);
            return None;
        }
        let mut state = self.state.subscribe();
        Some(Box::pin(async move {
            // An episode is taken back even if it has thawed before its targets heard of it.
            if state.wait_for(|frozen| frozen.episode == Some(episode)).await.is_err() {
                std::future::pending::<()>().await;
            }
        }))
    }

    /// A target is heard; `void` is the freeze in which its silence last said nothing.
    pub(in crate::health) fn heard(&self, target: usize, void: u32) {
        let mut guarding = self.lock();
        let change = guarding.guard.heard(target, void, self.now());
        self.tell(change);
    }

    /// A target is no more.
    pub(in crate::health) fn ended(&self, target: usize) {
        self.lock().guard.ended(target);
    }

    /// What it says that a target is silent, whose probe began at `began`.
    pub(in crate::health) fn silence(&self, target: usize, began: Instant) -> Silence {
        let mut guarding = self.lock();
        let (silence, change) = guarding.guard.silence(target, began.duration_since(self.start), self.now());
        self.tell(change);
        silence
    }

    /// Makes a change known.
    fn tell(&self, change: Option<Change>) {
        match change {
            Some(Change::Freezes { episode, fallen, up }) => {
                self.state.send_modify(|state| {
                    *state = Frozen {
                        since: Some(SystemTime::now()),
                        freezes: state.freezes.saturating_add(1),
                        fallen,
                        up,
                        episode: Some(episode),
                    };
                });
                error!(
                    fallen,
                    up,
                    "VERDICTS ARE FROZEN: so many addresses fell silent together that this machine has more likely lost its \
                     network; what turned down since somebody was last heard is taken back, and nothing turns down until \
                     somebody is heard again"
                );
            }
            Some(Change::Thaws) => {
                self.state.send_modify(|state| state.since = None);
                warn!("verdicts are no longer frozen: somebody is heard; outcomes count again");
            }
            None => {}
        }
    }

    /// The time.
    fn now(&self) -> Duration {
        Instant::now().duration_since(self.start)
    }

    /// Takes the lock, whose holders cannot leave it half written.
    fn lock(&self) -> MutexGuard<'_, Guarding> {
        self.guarding.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settings as the guard wants them.
fn rules(settings: &HealthGuard) -> Rules {
    let HealthGuard { enabled, share_percent, window, references } = settings;
    Rules {
        enabled: *enabled,
        share_percent: *share_percent,
        window: *window,
        references: references.len(),
        addresses_min: GUARD_ADDRESSES_MIN,
    }
}
