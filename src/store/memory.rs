//! A store that forgets when the process ends: all that declared objects need, since their file is what is kept.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::model::inventory::{Commit, Inventory};
use crate::store::{CommitError, InventoryStore, now};

/// An inventory in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    /// The inventory.
    inventory: watch::Sender<Arc<Inventory>>,
    /// Held while a change is made, so that changes follow each other and readers wait for none.
    writing: Mutex<()>,
}

impl InventoryStore for MemoryStore {
    fn load(&self) -> Arc<Inventory> {
        Arc::clone(&self.inventory.borrow())
    }

    async fn commit(&self, commit: impl Into<Commit> + Send) -> Result<Arc<Inventory>, CommitError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Arc::new(self.load().commit(commit.into(), now())?);
        self.inventory.send_replace(Arc::clone(&next));
        Ok(next)
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Inventory>> {
        self.inventory.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::store::battery::battery!(MemoryStore::default());
}
