//! What handlers work with: the store, what is probed and answered, and how a change is made.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use serde::Serialize;
use tokio::sync::watch;
use tracing::info;

use crate::api::bulk::Bulk;
use crate::api::v4::code::{Code, Note};
use crate::api::v4::envelope::{Answer, Message};
use crate::api::v4::error::ApiError;
use crate::api::v4::plan::Plan;
use crate::api::v4::preview::Previews;
use crate::api::v4::request::Writing;
use crate::api::v4::turns::{Turn, Turns};
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
    /// Room for what is long.
    pub bulk: Arc<Bulk>,
    /// How many requests were refused because nobody knew who made them.
    pub refused: Arc<AtomicU64>,
    /// Who edits what.
    pub turns: Turns,
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

/// How often a change is planned because its object was changed meanwhile. Other requests wait for their turn; what is left
/// are reloads, imports, and commits of clients that have gone away.
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
    /// replaced meanwhile, it is asked again, so it must check the request's precondition each time. Those who edit one
    /// object do so in turn.
    pub async fn commit(
        &self,
        writing: &Writing,
        mut plan: impl FnMut(&Inventory) -> Result<Plan, ApiError> + Send,
    ) -> Result<Committed, ApiError> {
        let mut turn: Option<Turn<'_>> = None;
        for _ in 0..ATTEMPTS_MAX {
            let before = self.inventory();
            let Plan { steps, mut messages } = plan(&before)?;
            if steps.is_empty() {
                // What there is to do was done before, perhaps a moment ago.
                drop(turn);
                messages.extend(self.wait_if_asked(writing, before.generation).await);
                return Ok(Committed { inventory: before, messages });
            }
            writing.caller.check_change(&steps, &before)?;
            let places = Turns::places(&steps);
            if !turn.as_ref().is_some_and(|turn| turn.has(&places)) {
                // The one that it had first, so that nobody waits while others wait for them.
                drop(turn.take());
                let Some(taken) = self.turns.try_take(&places) else {
                    turn = Some(self.turns.take(places).await);
                    continue;
                };
                turn = Some(taken);
            }
            let objects: Vec<String> = steps.iter().filter_map(|step| step.change.object()).map(shown).collect();
            let author = writing.caller.author();
            let by = author.to_string();
            let commit = Commit { steps, author: Some(author) };
            match self.store.commit(commit).await {
                Ok(inventory) => {
                    drop(turn);
                    info!(by, objects = objects.join(", "), generation = %inventory.generation, "changed through the API");
                    messages.extend(self.wait_if_asked(writing, inventory.generation).await);
                    return Ok(Committed { inventory, messages });
                }
                Err(CommitError::Contradiction(Contradiction::Stale { .. })) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(ApiError::new(Code::Overloaded, "others keep changing what is to be changed; nothing was done"))
    }

    /// Waits until a generation is in DNS answers, if the request wants that; what there is to tell.
    async fn wait_if_asked(&self, writing: &Writing, generation: Generation) -> Option<Message> {
        if writing.wait { self.wait_live(generation).await } else { None }
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
