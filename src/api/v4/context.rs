//! What handlers work with: the store, what is probed and answered, and how a change is made.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use serde::Serialize;
use tokio::sync::watch;
use tracing::info;

use crate::api::v4::code::Note;
use crate::api::v4::envelope::{Answer, Message};
use crate::api::v4::error::ApiError;
use crate::api::v4::plan::Plan;
use crate::api::v4::preview::Previews;
use crate::api::v4::request::Writing;
use crate::config::Policy;
use crate::health::probe::Prober;
use crate::health::schedule::Assigned;
use crate::model::id::ObjectId;
use crate::model::inventory::{Commit, Contradiction, Generation, Inventory};
use crate::steering::publish::Live;
use crate::steering::table::RecordTable;
use crate::store::{CommitError, InventoryStore};

/// The store that the API writes to.
pub type Store = crate::store::embedded::EmbeddedStore;

/// What handlers work with.
#[derive(Debug)]
pub struct Context {
    /// The inventory's store.
    pub store: Arc<Store>,
    /// The inventory with its targets, and what probes saw of them.
    pub assigned: watch::Receiver<Arc<Assigned>>,
    /// What is live.
    pub live: watch::Receiver<Live>,
    /// What is answered.
    pub table: Arc<ArcSwap<RecordTable>>,
    /// What reloads change.
    pub policy: Arc<ArcSwap<Policy>>,
    /// Probes for previews.
    pub prober: Prober,
    /// Previews that run, and what they found.
    pub previews: Previews,
}

/// A change that is kept.
#[derive(Debug)]
pub struct Committed {
    /// The inventory right after it.
    pub inventory: Arc<Inventory>,
    /// What there is to tell of it.
    pub messages: Vec<Message>,
}

impl Committed {
    /// Answers with what is shown of the inventory, and with what there is to tell.
    pub fn reply<T: Serialize>(self, show: impl FnOnce(&Inventory) -> Answer<T>) -> Answer<T> {
        let Self { inventory, messages } = self;
        Ok(show(&inventory)?.with_messages(messages))
    }
}

/// How often a change is made again because somebody else changed the object meanwhile; each time one of them succeeds,
/// so that more means a stampede on one object.
const ATTEMPTS_MAX: usize = 32;
/// How long a response waits for its change to be in DNS answers: publish takes milliseconds, and seconds for a change of
/// everything.
pub(in crate::api) const LIVE_WAIT_MAX: Duration = Duration::from_secs(5);

impl Context {
    /// The inventory now.
    pub fn inventory(&self) -> Arc<Inventory> {
        self.store.load()
    }

    /// What is probed now.
    pub fn assigned(&self) -> Arc<Assigned> {
        Arc::clone(&self.assigned.borrow())
    }

    /// Makes a change: `plan` gives it, from the inventory as it is. Where it expects a revision that somebody else has
    /// replaced meanwhile, it is asked again, so it must check the request's precondition each time.
    pub async fn commit(
        &self,
        writing: &Writing,
        mut plan: impl FnMut(&Inventory) -> Result<Plan, ApiError> + Send,
    ) -> Result<Committed, ApiError> {
        let mut attempts = 0;
        loop {
            let before = self.inventory();
            let Plan { steps, mut messages } = plan(&before)?;
            if steps.is_empty() {
                return Ok(Committed { inventory: before, messages });
            }
            let objects: Vec<String> = steps.iter().filter_map(|step| step.change.object()).map(shown).collect();
            let author = writing.caller.author();
            let by = author.to_string();
            let commit = Commit { steps, author: Some(author) };
            attempts += 1;
            match self.store.commit(commit).await {
                Ok(inventory) => {
                    info!(by, objects = objects.join(", "), generation = %inventory.generation, "changed through the API");
                    if writing.wait {
                        messages.extend(self.wait_live(inventory.generation).await);
                    }
                    return Ok(Committed { inventory, messages });
                }
                Err(CommitError::Contradiction(Contradiction::Stale { .. })) if attempts < ATTEMPTS_MAX => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Waits until a generation is in DNS answers; what there is to tell if that takes too long.
    async fn wait_live(&self, generation: Generation) -> Option<Message> {
        let mut live = self.live.clone();
        let arrived = live.wait_for(|live| live.generation >= generation);
        if let Ok(Ok(_)) = tokio::time::timeout(LIVE_WAIT_MAX, arrived).await {
            return None;
        }
        // Late, or the server is stopping.
        let text = format!("kept, but not in DNS answers yet; generation {generation} will have it");
        Some(Message::of(Note::NotLiveYet, text))
    }
}

/// An object in the log.
fn shown(object: ObjectId) -> String {
    format!("{} {object}", object.kind())
}

/// 128 random bits, for a new object's id.
pub fn random_bits() -> Result<u128, ApiError> {
    let mut bits = [0; 16];
    let random = aws_lc_rs::default_provider().secure_random;
    random.fill(&mut bits).map_err(|_| ApiError::internal("the system gives no random numbers"))?;
    Ok(u128::from_le_bytes(bits))
}
