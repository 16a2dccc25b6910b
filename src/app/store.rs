//! The store of a server: how it is opened, and what is written into it beside commits.

use std::sync::Arc;

use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::app::reload::ConfigSource;
use crate::config::Settings;
use crate::model::inventory::Inventory;
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

/// Says which objects of the API are kept and not served.
pub(super) fn log_set_aside(inventory: &Inventory) {
    for aside in inventory.set_aside.iter() {
        let object = aside.stored.object.id();
        let (kind, name) = (object.kind(), aside.stored.object.name());
        warn!(kind, %object, name, why = aside.why, "SET ASIDE: an object of the API contradicts what is declared");
    }
}

/// Writes what happens to pools into the journal until it is told to stop.
pub(super) async fn record(store: Arc<EmbeddedStore>, mut flipped: Receiver<Flipped>, stop: CancellationToken) {
    loop {
        let batch = tokio::select! {
            biased;
            batch = flipped.recv() => batch,
            () = stop.cancelled() => None,
        };
        let Some(batch) = batch else { return };
        if batch.lost > 0 {
            warn!(lost = batch.lost, "verdicts changed faster than they can be recorded: events are missing");
        }
        store.append_events(batch.pool_events(now()).collect());
    }
}
