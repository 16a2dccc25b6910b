//! The inventory store: the one writer of the inventory.
//!
//! A store holds one inventory. [`InventoryStore::commit`] replaces it by the next generation, or, if the change
//! contradicts what is there, leaves everything as it was and says why. Commits take effect one after another, in the
//! order in which they return; whoever subscribes sees the newest generation and may miss those between. What a store
//! acknowledges it keeps as long as it promises to: [`memory`] until the process ends, [`embedded`] what the API made for
//! good.

pub mod embedded;
pub mod memory;

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::model::inventory::{Commit, Contradiction, Inventory};
use crate::model::stamp::UnixMicros;

/// Why a commit changed nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommitError {
    /// It contradicts what is there.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
    /// It cannot be kept: the disk is full, say, or there is none.
    #[error("the store cannot keep the change: {0}")]
    Unavailable(String),
}

/// Where the inventory lives.
pub trait InventoryStore: Send + Sync + 'static {
    /// The inventory now.
    fn load(&self) -> Arc<Inventory>;

    /// Makes a commit, all or nothing, and keeps it. Returns the inventory right after it.
    fn commit(
        &self,
        commit: impl Into<Commit> + Send,
    ) -> impl Future<Output = Result<Arc<Inventory>, CommitError>> + Send;

    /// The inventory now and whenever it changes.
    fn subscribe(&self) -> watch::Receiver<Arc<Inventory>>;
}

/// The moment, as stamps have it.
pub fn now() -> UnixMicros {
    UnixMicros::of(SystemTime::now())
}

#[cfg(test)]
mod battery;
#[cfg(test)]
mod sample;
