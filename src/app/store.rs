//! The store of a server: how it is opened, and what is written into it beside commits.

use std::collections::HashSet;
use std::sync::Arc;

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::reload::ConfigSource;
use crate::app::verdicts::Listener;
use crate::config::Settings;
use crate::model::event::PoolEvent;
use crate::model::id::ObjectId;
use crate::model::inventory::Inventory;
use crate::model::notification::NotificationFilter;
use crate::notify::Webhooks;
use crate::steering::events::Flipped;
use crate::store::embedded::{EmbeddedStore, OpenError, Unreadable};
use crate::store::now;

/// Opens the store that the settings name. One that cannot be had is no reason not to answer from what is declared: what
/// the API would make is refused then, and says why.
pub(super) async fn open(settings: &Settings, source: &ConfigSource) -> Result<EmbeddedStore, OpenError> {
    if let ConfigSource::Text { .. } = source {
        // A demonstration leaves nothing behind.
        return EmbeddedStore::in_memory();
    }
    let folder = settings.store.clone();
    let opened = tokio::task::spawn_blocking(move || EmbeddedStore::open(&folder)).await;
    match opened {
        Ok(Ok(store)) => {
            for Unreadable { table, key, why } in store.unreadable().iter() {
                warn!(
                    table,
                    key, why, "a row of the store cannot be read; it stays there, and its object is not served"
                );
            }
            Ok(store)
        }
        // Who asks for the API wants what it makes to be kept.
        Ok(Err(error)) if !settings.api.listen.is_empty() => Err(error),
        Ok(Err(error)) => {
            warn!(%error, "no store: what is declared is served, and what the API would make is refused");
            Ok(EmbeddedStore::unavailable(error.to_string()))
        }
        Err(panic) => Ok(EmbeddedStore::unavailable(panic.to_string())),
    }
}

/// Says what has become of objects of the API, now that something is declared: which are set aside from now on, which are so
/// no longer, and which a file has taken over.
pub(super) fn log_declared(before: &Inventory, after: &Inventory) {
    let was_aside: HashSet<ObjectId> = before.set_aside.iter().map(|aside| aside.stored.object.id()).collect();
    let is_aside: HashSet<ObjectId> = after.set_aside.iter().map(|aside| aside.stored.object.id()).collect();
    // At the start all of them wait until something is declared.
    let is_first = before.stamps.zones.is_empty() && before.stamps.pools.is_empty();
    for aside in after.set_aside.iter() {
        let object = aside.stored.object.id();
        if is_first || !was_aside.contains(&object) {
            let (kind, name) = (object.kind(), aside.stored.object.name());
            warn!(kind, %object, name, why = aside.why, "SET ASIDE: an object of the API contradicts what is declared");
        }
    }
    let adopted: HashSet<ObjectId> = after.adopted_since(before).into_iter().collect();
    for object in &adopted {
        let file = after.declared_in(*object).map_or("", |file| file);
        info!(kind = object.kind(), %object, file, "an object of the API is declared just as it is, and is the file's from now on");
    }
    for object in before.set_aside.iter().map(|aside| &aside.stored.object).filter(|_| !is_first) {
        let id = object.id();
        if !is_aside.contains(&id) && !adopted.contains(&id) {
            info!(kind = id.kind(), object = %id, name = object.name(), "an object of the API is no longer set aside");
        }
    }
}

/// Writes what happens to pools into the journal, and tells webhooks of it, until it is told to stop; `verdicts` hears of it
/// first.
pub(super) async fn record(
    store: Arc<EmbeddedStore>,
    webhooks: Webhooks,
    mut flipped: Receiver<Flipped>,
    verdicts: Listener,
    stop: CancellationToken,
) {
    loop {
        let batch = tokio::select! {
            biased;
            batch = flipped.recv() => batch,
            () = stop.cancelled() => None,
        };
        let Some(batch) = batch else { return };
        verdicts.tell(&batch).await;
        if batch.lost > 0 {
            warn!(lost = batch.lost, "verdicts changed faster than they can be recorded: events are missing");
            store.lose_events(batch.lost);
        }
        let events = batch.pool_events(now());
        let filter = |event: &PoolEvent| {
            let probed = batch.assigned.pools.find(event.pool);
            probed.map_or_else(NotificationFilter::default, |probed| NotificationFilter::of(&probed.pool.kept))
        };
        webhooks.tell(events.iter().map(|event| (event.clone(), filter(event))), batch.lost);
        store.append_events(events);
    }
}
