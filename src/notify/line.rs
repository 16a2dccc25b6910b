//! The line to one receiver: a task that collects changes and delivers them, one message after the other.
//!
//! While a message is on its way, or waits to be tried again, what happens is collected for the next one. Therefore a slow
//! receiver is told less often, and of how things stand by then, and holds up nobody.

use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::webhooks::Webhook;
use crate::model::event::PoolEvent;
use crate::model::limits::{WEBHOOK_CHANGES_MAX, WEBHOOK_FAREWELL, WEBHOOK_WAITING_MAX};
use crate::model::notification::NotificationFilter;
use crate::model::stamp::UnixMicros;
use crate::notify::courier::{Courier, Delivery};
use crate::notify::group::Group;
use crate::notify::message::Message;
use crate::notify::pause::Patience;
use crate::store::now;

/// Events, each with what its pool says of who is told.
pub(super) type Batch = Arc<[(PoolEvent, NotificationFilter)]>;

/// A line. Its task is the only one that delivers.
#[derive(Debug)]
pub(super) struct Line {
    /// The receiver, which a reload may replace by another of the same name.
    pub(super) webhook: ArcSwap<Webhook>,
    /// Who delivers.
    courier: Arc<Courier>,
    /// How patient it is.
    patience: Patience,
    /// How it is doing.
    condition: Mutex<Condition>,
}

/// How deliveries to one receiver are doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Condition {
    /// Messages that were delivered.
    pub delivered: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// Messages that were given up.
    pub given_up: u64,
    /// Changes that were not told, and will not be.
    pub lost: u64,
    /// Those of them that no message has told yet.
    untold: u64,
    /// Things that changed and wait to be told.
    pub waiting: usize,
    /// The last delivery, and when it ended.
    pub last: Option<(Delivery, UnixMicros)>,
}

/// A delivery under way, with all its tries.
type UnderWay = Option<Pin<Box<dyn Future<Output = ()> + Send>>>;

impl Line {
    /// A line to a receiver.
    pub(super) fn new(webhook: Arc<Webhook>, courier: Arc<Courier>, patience: Patience) -> Self {
        Self { webhook: ArcSwap::new(webhook), courier, patience, condition: Mutex::default() }
    }

    /// How it is doing.
    pub(super) fn condition(&self) -> Condition {
        *self.lock()
    }

    /// Counts changes that cannot be told; the next message says how many.
    pub(super) fn lose(&self, changes: u64) {
        let mut condition = self.lock();
        condition.lost = condition.lost.saturating_add(changes);
        condition.untold = condition.untold.saturating_add(changes);
    }

    /// Delivers a sample once.
    pub(super) async fn test(&self) -> Delivery {
        let webhook = self.webhook.load_full();
        let sample = Message::sample(new_id(), &webhook.name, now());
        let delivery = self.courier.deliver(&webhook, &sample, self.patience.timeout).await;
        self.lock().last = Some((delivery, now()));
        delivery
    }

    /// Collects and delivers until `stop`, or until nobody is left to tell it anything.
    pub(super) async fn run(self: Arc<Self>, mut batches: mpsc::Receiver<Batch>, stop: CancellationToken) {
        let start = Instant::now();
        let mut group = Group::new(WEBHOOK_WAITING_MAX);
        let mut under_way: UnderWay = None;
        loop {
            let due = if under_way.is_none() { group.due(self.webhook.load().group_wait) } else { None };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                batch = batches.recv() => match batch {
                    Some(batch) => self.collect(&mut group, &batch, start.elapsed()),
                    None => break,
                },
                () = async { match &mut under_way {
                    Some(delivery) => delivery.await,
                    None => std::future::pending().await,
                } } => under_way = None,
                () = async { match due {
                    Some(due) => sleep_until(start + due).await,
                    None => std::future::pending().await,
                } } => {
                    let message = self.compose(&mut group);
                    under_way = Some(Box::pin(Arc::clone(&self).deliver(message, stop.clone())));
                }
            }
            self.lock().waiting = group.len();
        }
        while let Ok(batch) = batches.try_recv() {
            self.collect(&mut group, &batch, start.elapsed());
        }
        self.say_farewell(group, under_way, &stop).await;
    }

    /// Takes events in.
    fn collect(&self, group: &mut Group, batch: &Batch, now: Duration) {
        let webhook = self.webhook.load();
        let lost: usize = batch.iter().map(|(event, filter)| group.add(event, *filter, &webhook, now)).sum();
        if lost > 0 {
            self.lose(lost as u64);
        }
    }

    /// The next message.
    fn compose(&self, group: &mut Group) -> Message {
        let items = group.take(WEBHOOK_CHANGES_MAX);
        let lost = std::mem::take(&mut self.lock().untold);
        Message::new(new_id(), &self.webhook.load().name, &items, lost, now())
    }

    /// Delivers a message: again and again, until it is too old. Once `stop` is cancelled, it is tried once more.
    async fn deliver(self: Arc<Self>, message: Message, stop: CancellationToken) {
        let began = Instant::now();
        for failures in 1_u32.. {
            let is_last = stop.is_cancelled();
            let webhook = self.webhook.load_full();
            let delivery = self.courier.deliver(&webhook, &message, self.patience.timeout).await;
            self.note(delivery);
            let Delivery { code, failure, took: _ } = delivery;
            let (name, Some(failure)) = (webhook.name.as_str(), failure) else {
                if failures > 1 {
                    info!(webhook = webhook.name, failures = failures - 1, "a message was delivered at last");
                }
                return;
            };
            let pause = self.patience.pause(failures, random());
            let reason = failure.words();
            if is_last || began.elapsed() + pause > self.patience.total {
                let changes = message.changes;
                error!(
                    webhook = name,
                    reason, code, failures, changes, "a message was GIVEN UP: its receiver does not take it"
                );
                self.lock().given_up += 1;
                // What the message said to be lost is lost already, and yet to be told.
                self.lose(changes);
                self.lock().untold += message.lost;
                return;
            }
            if failures == 1 {
                warn!(
                    webhook = name,
                    reason,
                    code,
                    ?pause,
                    "a message was not taken by its receiver; it is tried again"
                );
            }
            tokio::select! {
                () = sleep(pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Counts a delivery.
    fn note(&self, delivery: Delivery) {
        let mut condition = self.lock();
        condition.last = Some((delivery, now()));
        *(if delivery.failure.is_none() { &mut condition.delivered } else { &mut condition.failed }) += 1;
    }

    /// Delivers what waits, if that can be done soon.
    async fn say_farewell(self: Arc<Self>, mut group: Group, under_way: UnderWay, stop: &CancellationToken) {
        let stop = stop.child_token();
        stop.cancel();
        let (left, lost_before) = (group.len(), self.lock().lost);
        let rest = async {
            if let Some(delivery) = under_way {
                delivery.await;
            }
            while group.len() > 0 {
                let message = self.compose(&mut group);
                Arc::clone(&self).deliver(message, stop.clone()).await;
            }
        };
        let in_time = timeout(WEBHOOK_FAREWELL, rest).await.is_ok();
        if !in_time || self.lock().lost > lost_before {
            let webhook = &self.webhook.load().name;
            warn!(webhook, left, "a receiver was not told everything before the end");
        }
    }

    /// The lock, which is held for a moment only.
    fn lock(&self) -> MutexGuard<'_, Condition> {
        self.condition.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that nobody can foresee.
fn random() -> u64 {
    RandomState::new().hash_one(now().0)
}

/// An id that no other message has.
fn new_id() -> String {
    format!("msg_{:016x}{:016x}", now().0, random())
}
