//! A store that forgets when the process ends: all that declared objects need, since their file is what is kept.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::model::inventory::{Change, Contradiction, Generation, Inventory};
use crate::store::InventoryStore;

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

    async fn commit(&self, change: Change) -> Result<Generation, Contradiction> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Arc::new(self.load().apply(change)?);
        let generation = next.generation;
        self.inventory.send_replace(next);
        Ok(generation)
    }

    fn subscribe(&self) -> watch::Receiver<Arc<Inventory>> {
        self.inventory.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::MonitorId;
    use crate::model::inventory::Declared;
    use crate::model::monitor::{Check, Monitor};

    fn declare(monitors: &[&str]) -> Change {
        let monitor = |name: &&str| Monitor {
            id: MonitorId::declared(name),
            name: (*name).to_owned(),
            description: String::new(),
            probe_zone: String::new(),
            check: Check::Tcp { port: 1 },
            source_address: None,
            timeout: std::time::Duration::from_secs(1),
            retries: 0,
            interval: std::time::Duration::from_secs(5),
            consecutive_up: 0,
            consecutive_down: 0,
        };
        Change::Declare(Declared { monitors: monitors.iter().map(monitor).collect(), ..Declared::default() })
    }

    #[tokio::test]
    async fn a_commit_is_seen_and_a_contradiction_changes_nothing() {
        let store = MemoryStore::default();
        let mut seen = store.subscribe();
        assert_eq!(store.commit(declare(&["a"])).await, Ok(Generation(1)));
        assert_eq!(seen.borrow_and_update().monitors.len(), 1);
        let twice = store.commit(declare(&["a", "a"])).await;
        assert!(matches!(twice, Err(Contradiction::NotUnique(_))));
        assert_eq!(store.load().generation, Generation(1));
        assert!(!seen.has_changed().unwrap());
    }
}
