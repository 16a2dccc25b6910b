//! The inventory store: the one writer of the inventory.
//!
//! A store holds one inventory. [`InventoryStore::commit`] replaces it by the next generation, or, if the change
//! contradicts what is there, leaves everything as it was and says why. Commits take effect one after another, in the
//! order in which they return; whoever subscribes sees the newest generation and may miss those between. What a store
//! acknowledges it keeps as long as it promises to: [`memory`] until the process ends.

pub mod memory;

use std::sync::Arc;

use tokio::sync::watch;

use crate::model::inventory::{Change, Contradiction, Generation, Inventory};

/// Where the inventory lives.
pub trait InventoryStore: Send + Sync + 'static {
    /// The inventory now.
    fn load(&self) -> Arc<Inventory>;

    /// Makes a change, all or nothing. Returns the generation that has it.
    fn commit(&self, change: Change) -> impl Future<Output = Result<Generation, Contradiction>> + Send;

    /// The inventory now and whenever it changes.
    fn subscribe(&self) -> watch::Receiver<Arc<Inventory>>;
}
