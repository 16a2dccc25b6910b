//! Webhooks: whoever wants to know is told when pools and origins go up or down.
//!
//! Each receiver has a line (`notify::line`) of its own. Nothing is kept on disk: what happens while the server runs is told, and a
//! message that was delivered before a restart is not delivered again after it.

mod courier;
mod group;
mod line;
mod message;
pub mod pause;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::config::Policy;
use crate::config::webhooks::Webhook;
use crate::model::event::PoolEvent;
use crate::model::inventory::Inventory;
use crate::model::limits::{
    WEBHOOK_BATCHES_QUEUED_MAX, WEBHOOK_PATIENCE, WEBHOOK_PAUSE_MAX, WEBHOOK_PAUSE_MIN, WEBHOOK_TIMEOUT,
};
use crate::model::notification::NotificationFilter;
use crate::notify::courier::Courier;
pub use crate::notify::courier::Delivery;
pub use crate::notify::line::Condition;
use crate::notify::line::{Batch, Line};
use crate::notify::pause::Patience;

/// How patient a server is with receivers.
pub const PATIENCE: Patience = Patience {
    timeout: WEBHOOK_TIMEOUT,
    pause_min: WEBHOOK_PAUSE_MIN,
    pause_max: WEBHOOK_PAUSE_MAX,
    total: WEBHOOK_PATIENCE,
};

/// All webhooks, for those who have something to tell or want to look.
#[derive(Clone, Debug, Default)]
pub struct Webhooks(Arc<ArcSwap<Vec<Open>>>);

/// A line that is open.
#[derive(Clone, Debug)]
struct Open {
    /// It.
    line: Arc<Line>,
    /// The way to its task.
    batches: mpsc::Sender<Batch>,
    /// Ends its task.
    stop: CancellationToken,
}

/// Opens and closes lines, as the policy has webhooks.
#[derive(Debug)]
pub struct Keeper {
    /// What is open.
    webhooks: Webhooks,
    /// Who is to be told.
    policy: Arc<ArcSwap<Policy>>,
    /// Who delivers.
    courier: Arc<Courier>,
    /// How patient it is.
    patience: Patience,
    /// The tasks of lines.
    tasks: JoinSet<()>,
    /// Ends them all.
    stop: CancellationToken,
}

impl Webhooks {
    /// Tells of events, each with what its pool says of who is told; waits for nobody. `lost` are changes that nobody has
    /// events of.
    pub fn tell(&self, events: impl Iterator<Item = (PoolEvent, NotificationFilter)>, lost: usize) {
        let open = self.0.load();
        if open.is_empty() {
            return;
        }
        let batch: Batch = events.collect();
        for Open { line, batches, stop: _ } in open.iter() {
            // A line takes in at any time; if its queue is full, it has ended or the machine stands still.
            let unheard = if batches.try_send(Arc::clone(&batch)).is_err() { batch.len() } else { 0 };
            if lost + unheard > 0 {
                line.lose((lost + unheard) as u64);
            }
        }
    }

    /// All webhooks, and how they are doing.
    pub fn conditions(&self) -> Vec<(Arc<Webhook>, Condition)> {
        self.0.load().iter().map(|open| (open.line.webhook.load_full(), open.line.condition())).collect()
    }

    /// Sends a sample to a webhook; none if there is none of this name.
    pub async fn test(&self, name: &str) -> Option<Delivery> {
        let named = |open: &&Open| open.line.webhook.load().name == name;
        let line = self.0.load().iter().find(named).map(|open| Arc::clone(&open.line))?;
        Some(line.test().await)
    }
}

impl Keeper {
    /// Opens lines to the webhooks that `policy` has, until `stop`. To be called where tasks can be spawned.
    pub fn new(
        roots: RootCertStore,
        policy: Arc<ArcSwap<Policy>>,
        patience: Patience,
        stop: CancellationToken,
    ) -> Self {
        let courier = Arc::new(Courier::new(roots, Arc::clone(&policy)));
        let (webhooks, tasks) = (Webhooks::default(), JoinSet::new());
        let mut keeper = Self { webhooks, policy, courier, patience, tasks, stop };
        keeper.reconcile();
        keeper
    }

    /// The webhooks that it keeps.
    pub fn webhooks(&self) -> Webhooks {
        self.webhooks.clone()
    }

    /// Follows the policy. A reload always commits, so whatever it changes is there when the inventory changes.
    pub async fn run(mut self, mut changes: watch::Receiver<Arc<Inventory>>) {
        loop {
            tokio::select! {
                () = self.stop.cancelled() => break,
                changed = changes.changed() => match changed {
                    Ok(()) => self.reconcile(),
                    // The store has ended, and the server with it.
                    Err(_) => break,
                },
                Some(ended) = self.tasks.join_next() => {
                    if ended.is_err() {
                        error!("the task of a webhook panicked: a fault of pooldns; it is started anew");
                        self.reconcile();
                    }
                }
            }
        }
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }

    /// Opens lines to new webhooks, closes those of webhooks that are gone, and has the others know what they are now.
    fn reconcile(&mut self) {
        let policy = self.policy.load_full();
        let before = self.webhooks.0.load_full();
        let is_same = |open: &Open, webhook: &Arc<Webhook>| {
            !open.batches.is_closed() && Arc::ptr_eq(&open.line.webhook.load(), webhook)
        };
        let same = before.len() == policy.webhooks.len()
            && before.iter().zip(&policy.webhooks).all(|(open, webhook)| is_same(open, webhook));
        if same {
            return;
        }
        let mut now = Vec::with_capacity(policy.webhooks.len());
        for webhook in &policy.webhooks {
            let known = before.iter().find(|open| open.line.webhook.load().name == webhook.name);
            now.push(match known.filter(|open| !open.batches.is_closed()) {
                Some(open) => {
                    open.line.webhook.store(Arc::clone(webhook));
                    open.clone()
                }
                None => self.open(webhook),
            });
        }
        let names: Vec<&str> = policy.webhooks.iter().map(|webhook| webhook.name.as_str()).collect();
        for Open { line, stop, batches: _ } in before.iter() {
            let webhook = line.webhook.load();
            if !names.contains(&webhook.name.as_str()) {
                info!(webhook = webhook.name, "a webhook is gone; what waits for it is told now or never");
                stop.cancel();
            }
        }
        self.webhooks.0.store(Arc::new(now));
    }

    /// Opens a line.
    fn open(&mut self, webhook: &Arc<Webhook>) -> Open {
        let line = Arc::new(Line::new(Arc::clone(webhook), Arc::clone(&self.courier), self.patience));
        let (batches, queue) = mpsc::channel(WEBHOOK_BATCHES_QUEUED_MAX);
        let stop = self.stop.child_token();
        self.tasks.spawn(Arc::clone(&line).run(queue, stop.clone()));
        Open { line, batches, stop }
    }
}
