//! The secondary's side: zones that are transferred from other servers, kept up to date, and given up when no primary
//! has confirmed them for too long.
//!
//! Each zone has a task of its own, which is the only one that asks its primaries. What it has goes to the store as a
//! change like any other, and from there to publish; a copy goes to disk.

pub mod budget;
pub mod client;
pub mod copy;
pub mod difference;
pub mod message;
pub mod refusal;
pub mod soa;
pub mod stream;
pub mod timers;
mod turn;
mod upkeep;
mod wish;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::warn;

use crate::model::hosting::{Hosting, TsigKey};
use crate::model::id::ZoneId;
use crate::model::inventory::{IdMap, Inventory};
use crate::model::limits::{
    REFRESHES_MAX, REFRESHES_PER_PRIMARY_MAX, TRANSFERS_IN_MAX, TRANSFERS_IN_OCTETS_MAX, TRANSFERS_IN_PER_PRIMARY_MAX,
    UPKEEP_RESTART_PAUSE,
};
use crate::model::name::Name;
use crate::store::InventoryStore;
use crate::transfer::secondary::budget::Budget;
use crate::transfer::secondary::client::{Patience, Primary};
pub use crate::transfer::secondary::copy::CopyError;
use crate::transfer::secondary::copy::sweep;
use crate::transfer::secondary::turn::Turns;
pub use crate::transfer::secondary::upkeep::Condition;
use crate::transfer::secondary::upkeep::{Clock, Shared, Upkeep};
use crate::transfer::secondary::wish::Wishes;

/// All zones of which we are a secondary. Clones are one.
#[derive(Debug)]
pub struct Secondaries<S> {
    /// What their tasks share.
    shared: Arc<Shared<S>>,
    /// The zones.
    zones: Arc<RwLock<Zones>>,
    /// Their tasks.
    tasks: TaskTracker,
    /// Ends all of them.
    stop: CancellationToken,
}

impl<S> Clone for Secondaries<S> {
    fn clone(&self) -> Self {
        let Self { shared, zones, tasks, stop } = self;
        Self { shared: Arc::clone(shared), zones: Arc::clone(zones), tasks: tasks.clone(), stop: stop.clone() }
    }
}

/// The zones whose tasks run, and what of the inventory they go by.
#[derive(Debug, Default)]
struct Zones {
    /// The zones, by apex.
    kept: HashMap<Name, Kept>,
    /// How zones are hosted, of the inventory that was seen last.
    hostings: IdMap<Hosting>,
    /// Its keys.
    keys: Arc<HashMap<Name, TsigKey>>,
}

impl Zones {
    /// The zones that an inventory may change something for. A commit that is about other things costs nothing.
    fn touched(&self, inventory: &Inventory) -> Vec<ZoneId> {
        if Arc::ptr_eq(&self.keys, &inventory.keys) || self.keys == inventory.keys {
            return inventory.hostings.differences(&self.hostings);
        }
        // Keys change seldom, and nobody knows which zones use one.
        let gone = self.hostings.iter().filter(|hosting| inventory.hostings.find(hosting.id).is_none());
        inventory.hostings.iter().chain(gone).map(|hosting| hosting.id).collect()
    }
}

/// A zone whose task runs.
#[derive(Debug)]
struct Kept {
    /// Its primaries; they may change.
    primaries: watch::Sender<Vec<Primary>>,
    /// What others want of it.
    wishes: Arc<Wishes>,
    /// How it is doing.
    condition: watch::Receiver<Condition>,
    /// Ends its task.
    stop: CancellationToken,
}

/// What becomes of a NOTIFY.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Notified {
    /// The zone is refreshed.
    Taken,
    /// It does not come from one of the zone's primaries.
    Refused,
    /// We are no secondary of the zone.
    NotOurs,
}

impl<S: InventoryStore> Secondaries<S> {
    /// Keeps the zones of the store's inventory, with copies in the folder `store_path`, until `stop` is cancelled. Comes
    /// back when the copies that there are have been put into the store. An error says that there can be no copies.
    pub async fn start(store: Arc<S>, store_path: &Path, stop: CancellationToken) -> Result<Self, CopyError> {
        let inventory = store.load();
        let started = Self::new(store, store_path.to_owned(), Patience::default(), stop);
        let ours = inventory.hostings.iter().filter(|hosting| hosting.primaries().is_some());
        let apexes: Vec<Name> = ours.map(|hosting| hosting.apex.clone()).collect();
        if !apexes.is_empty() {
            started.shared.copies()?;
        }
        let store_path = started.shared.store_path.clone();
        let swept = tokio::task::spawn_blocking(move || sweep(&store_path, &apexes));
        if let Err(error) = swept.await {
            warn!(%error, "putting the copies of zones in order failed");
        }
        for restored in started.reconcile(&inventory) {
            // A task that has ended has said why.
            drop(restored.await);
        }
        Ok(started)
    }

    /// No zones yet.
    fn new(store: Arc<S>, store_path: PathBuf, patience: Patience, stop: CancellationToken) -> Self {
        let shared = Shared {
            store,
            store_path,
            copies: OnceLock::new(),
            refreshes: Turns::new(REFRESHES_MAX, REFRESHES_PER_PRIMARY_MAX),
            transfers: Turns::new(TRANSFERS_IN_MAX, TRANSFERS_IN_PER_PRIMARY_MAX),
            budget: Budget::new(TRANSFERS_IN_OCTETS_MAX),
            patience,
            restart_pause: UPKEEP_RESTART_PAUSE,
            clock: Clock::new(),
        };
        Self { shared: Arc::new(shared), zones: Arc::default(), tasks: TaskTracker::new(), stop }
    }

    /// Follows the inventory until it is stopped; then waits for all tasks.
    pub async fn run(self) {
        let mut inventories = self.shared.store.subscribe();
        // It may have changed since the start.
        inventories.mark_changed();
        loop {
            tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                changed = inventories.changed() => if changed.is_err() { break },
            }
            let inventory = Arc::clone(&inventories.borrow_and_update());
            drop(self.reconcile(&inventory));
        }
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// Starts, changes and ends tasks as the inventory has it; what comes back waits for copies of new zones.
    fn reconcile(&self, inventory: &Inventory) -> Vec<oneshot::Receiver<()>> {
        let mut zones = self.zones.write().unwrap_or_else(PoisonError::into_inner);
        let touched = zones.touched(inventory);
        let before = std::mem::replace(&mut zones.hostings, inventory.hostings.clone());
        zones.keys = Arc::clone(&inventory.keys);
        let mut restored = Vec::new();
        for id in touched {
            let (was, is) = (before.find(id), inventory.hostings.find(id));
            let Some((hosting, peers)) = is.and_then(|hosting| Some((hosting, hosting.primaries()?))) else {
                if let Some(kept) = was.and_then(|hosting| zones.kept.remove(&hosting.apex)) {
                    kept.stop.cancel();
                }
                continue;
            };
            let find_key = |name: &Name| inventory.keys.get(name).cloned();
            let primaries: Vec<Primary> = peers.iter().filter_map(|peer| Primary::new(peer, find_key)).collect();
            if let Some(kept) = zones.kept.get(&hosting.apex) {
                // Since the inventory that was seen last we may have been its primary: what was transferred is gone.
                let is_gone = !was.is_some_and(|was| Arc::ptr_eq(was, hosting)) && inventory.is_absent(id);
                kept.primaries.send_if_modified(|now| {
                    let differ = *now != primaries;
                    *now = primaries;
                    differ || is_gone
                });
            } else {
                let (kept, done) = self.keep(hosting, primaries);
                zones.kept.insert(hosting.apex.clone(), kept);
                restored.push(done);
            }
        }
        restored
    }

    /// Starts the task of a zone.
    fn keep(&self, hosting: &Arc<Hosting>, primaries: Vec<Primary>) -> (Kept, oneshot::Receiver<()>) {
        if let Err(fault) = self.shared.copies() {
            warn!(zone = %hosting.apex, %fault, "no copy of the zone is kept for the next start");
        }
        let primaries = watch::Sender::new(primaries);
        let condition = watch::Sender::new(Condition::default());
        let wishes = Arc::new(Wishes::default());
        let stop = self.stop.child_token();
        let kept = Kept {
            primaries: primaries.clone(),
            wishes: Arc::clone(&wishes),
            condition: condition.subscribe(),
            stop: stop.clone(),
        };
        let upkeep = Upkeep {
            shared: Arc::clone(&self.shared),
            id: hosting.id,
            apex: hosting.apex.clone(),
            primaries: primaries.subscribe(),
            wishes,
            condition,
            stop,
        };
        let (restored, done) = oneshot::channel();
        self.tasks.spawn(upkeep.run(restored));
        (kept, done)
    }

    /// Takes a NOTIFY for a zone (RFC 1996 §3.10), which came from an address, signed with one of our keys or not. It is
    /// taken from the zone's primaries: all that it can cause is one query to them.
    pub fn notify(&self, apex: &Name, from: IpAddr, key: Option<&Name>) -> Notified {
        let zones = self.zones.read().unwrap_or_else(PoisonError::into_inner);
        let Some(kept) = zones.kept.get(apex) else { return Notified::NotOurs };
        let primaries = kept.primaries.borrow();
        let by_address = primaries.iter().find(|primary| primary.route.to.ip().to_canonical() == from.to_canonical());
        let signs_with = |primary: &&Primary| key.is_some() && primary.key.as_ref().map(|key| &key.name) == key;
        let Some(notifier) = by_address.or_else(|| primaries.iter().find(signs_with)) else {
            return Notified::Refused;
        };
        kept.wishes.notify(notifier.route.to);
        Notified::Taken
    }

    /// Transfers a zone anew, whatever its serial; gives how it is doing afterwards, or none if we are no secondary of it.
    pub async fn retransfer(&self, apex: &Name) -> Option<Condition> {
        let (number, mut condition) = {
            let zones = self.zones.read().unwrap_or_else(PoisonError::into_inner);
            let kept = zones.kept.get(apex)?;
            (kept.wishes.retransfer(), kept.condition.clone())
        };
        let done = condition.wait_for(|condition| condition.followed >= number).await.ok()?;
        Some(done.clone())
    }

    /// How a zone is doing; none if we are no secondary of it.
    pub fn condition(&self, apex: &Name) -> Option<Condition> {
        let zones = self.zones.read().unwrap_or_else(PoisonError::into_inner);
        zones.kept.get(apex).map(|kept| kept.condition.borrow().clone())
    }
}

#[cfg(test)]
mod tests;
