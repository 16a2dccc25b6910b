//! What others want of a zone: that it be refreshed. However many want it, it happens once.

use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// A refresh that somebody wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Wish {
    /// The primary that told us of a change, if one did.
    pub(super) notifier: Option<SocketAddr>,
    /// Whether the whole zone is wanted, whatever its serial.
    pub(super) whole: bool,
    /// How many there have been.
    pub(super) number: u64,
    /// Whether anybody wants anything.
    is_open: bool,
}

/// All wishes since the last attempt, as one.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    /// What is wanted.
    wish: Mutex<Wish>,
    /// Wakes the zone's task.
    wake: Notify,
}

impl Wishes {
    /// Wants a refresh, because a primary says that there is something new.
    pub(super) fn notify(&self, notifier: SocketAddr) {
        self.want(|wish| wish.notifier = Some(notifier));
    }

    /// Wants the whole zone; gives the wish's number.
    pub(super) fn retransfer(&self) -> u64 {
        self.want(|wish| wish.whole = true)
    }

    /// Waits until something is wanted.
    pub(super) async fn wait(&self) {
        loop {
            self.wake.notified().await;
            // What woke us may have been taken along by an attempt that was due anyway.
            if self.lock().is_open {
                return;
            }
        }
    }

    /// Takes what is wanted.
    pub(super) fn take(&self) -> Wish {
        let mut wish = self.lock();
        let taken = *wish;
        *wish = Wish { number: taken.number, ..Wish::default() };
        taken
    }

    /// Adds to what is wanted.
    fn want(&self, add: impl FnOnce(&mut Wish)) -> u64 {
        let mut wish = self.lock();
        wish.number += 1;
        wish.is_open = true;
        add(&mut wish);
        self.wake.notify_one();
        wish.number
    }

    /// What is wanted.
    fn lock(&self) -> MutexGuard<'_, Wish> {
        self.wish.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
