//! Reloads when a configuration file changes, if the settings ask for it.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::reload::Reloader;
use crate::store::InventoryStore;

/// How long files have to be left alone before they are read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(500);

/// Watches until `token` is cancelled. Folders are watched, not files: editors replace files.
pub async fn run<S: InventoryStore>(reloader: Reloader<S>, token: CancellationToken) {
    let (events, mut changes) = mpsc::channel(1);
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // A full channel means that a change is known already.
        if event.is_ok_and(|event| !matches!(event.kind, EventKind::Access(_))) {
            events.try_send(()).ok();
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => return warn!(%error, "cannot watch the configuration; reload by hand"),
    };
    let mut watched = HashSet::new();
    loop {
        watch_folders(&mut watcher, &reloader.files().await, &mut watched);
        tokio::select! {
            () = token.cancelled() => return,
            change = changes.recv() => {
                if change.is_none() {
                    return;
                }
            }
        }
        if !is_quiet(&mut changes, &token).await {
            return;
        }
        info!("the configuration changed");
        drop(reloader.reload().await);
    }
}

/// Waits until nothing has changed for a while; false when it is time to stop.
async fn is_quiet(changes: &mut mpsc::Receiver<()>, token: &CancellationToken) -> bool {
    loop {
        tokio::select! {
            () = token.cancelled() => return false,
            change = changes.recv() => {
                if change.is_none() {
                    return false;
                }
            }
            () = tokio::time::sleep(QUIET) => return true,
        }
    }
}

/// Watches the folders of `files` that are not watched yet.
fn watch_folders(watcher: &mut RecommendedWatcher, files: &[PathBuf], watched: &mut HashSet<PathBuf>) {
    for folder in files.iter().filter_map(|file| file.parent()) {
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
        if watched.contains(&folder) {
            continue;
        }
        match watcher.watch(&folder, RecursiveMode::NonRecursive) {
            Ok(()) => drop(watched.insert(folder)),
            Err(error) => warn!(folder = %folder.display(), %error, "cannot watch a folder of the configuration"),
        }
    }
}
