//! Reloads when a configuration file changes, if the settings ask for it.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::api::control::Contradictions;
use crate::app::reload::Reloader;
use crate::store::InventoryStore;

/// How long files have to be left alone before they are read: an editor writes in several steps.
const QUIET: Duration = Duration::from_millis(500);
/// How long a file that is written again and again can put off a reload.
const PATIENCE: Duration = Duration::from_secs(5);

/// Watches until `token` is cancelled. Folders are watched, not files: editors replace files.
pub async fn run<S: InventoryStore>(reloader: Reloader<S>, token: CancellationToken) {
    let (events, mut changes) = mpsc::channel(1);
    // Names of the files that were read; zone files can have any.
    let names = Arc::new(ArcSwap::from_pointee(HashSet::new()));
    let of_event = Arc::clone(&names);
    let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
        // A full channel means that a change is known already.
        if event.is_ok_and(|event| concerns(&event, &of_event.load())) {
            events.try_send(()).ok();
        }
    });
    let mut watcher = match watcher {
        Ok(watcher) => watcher,
        Err(error) => return warn!(%error, "cannot watch the configuration; reload by hand"),
    };
    let mut watched = HashSet::new();
    loop {
        let files = reloader.files().await;
        names.store(Arc::new(files.iter().filter_map(|file| file.file_name()).map(OsStr::to_owned).collect()));
        watch_folders(&mut watcher, &files, &mut watched);
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
        drop(reloader.reload(Contradictions::Refused).await);
    }
}

/// Whether an event can be about a configuration. Others write to the same folder, our own log perhaps; a file that an
/// `include` with wildcards takes in need not be known yet. `names` are those of the files that were read.
fn concerns(event: &Event, names: &HashSet<OsString>) -> bool {
    let is_ours = |path: &PathBuf| {
        // A folder of files that is swapped as a whole, as Kubernetes does it, is linked to as "..data".
        let is_swapped = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
        let is_known = path.file_name().is_some_and(|name| names.contains(name));
        is_swapped || is_known || path.extension().is_some_and(|extension| extension == "toml")
    };
    !matches!(event.kind, EventKind::Access(_)) && event.paths.iter().any(is_ours)
}

/// Waits until nothing has changed for a while; false when it is time to stop.
async fn is_quiet(changes: &mut mpsc::Receiver<()>, token: &CancellationToken) -> bool {
    let patience = tokio::time::Instant::now() + PATIENCE;
    loop {
        tokio::select! {
            () = token.cancelled() => return false,
            change = changes.recv() => {
                if change.is_none() {
                    return false;
                }
            }
            () = tokio::time::sleep(QUIET) => return true,
            () = tokio::time::sleep_until(patience) => return true,
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

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind};

    use super::*;

    #[test]
    fn only_configuration_files_count() {
        let names = HashSet::from(["example.com.zone".into()]);
        for (path, counts) in [
            ("/etc/pooldns/pooldns.toml", true),
            ("/etc/pooldns/conf.d/new.toml", true),
            ("/etc/pooldns/..data", true),
            ("/etc/pooldns/pooldns.log", false),
            ("/etc/pooldns/.pooldns.toml.swp", false),
            ("/etc/pooldns/zones/example.com.zone", true),
            ("/etc/pooldns/zones/example.com.zone~", false),
        ] {
            let event = Event::new(EventKind::Create(CreateKind::File)).add_path(path.into());
            assert_eq!(concerns(&event, &names), counts, "{path}");
        }
        let read = Event::new(EventKind::Access(AccessKind::Any)).add_path("/etc/pooldns/pooldns.toml".into());
        assert!(!concerns(&read, &names));
    }

    #[tokio::test(start_paused = true)]
    async fn constant_writing_puts_off_a_reload_but_not_for_ever() {
        let (events, mut changes) = mpsc::channel(1);
        let writer = tokio::spawn(async move {
            while events.send(()).await.is_ok() {
                tokio::time::sleep(QUIET / 2).await;
            }
        });
        let began = tokio::time::Instant::now();
        assert!(is_quiet(&mut changes, &CancellationToken::new()).await);
        assert_eq!(began.elapsed(), PATIENCE);
        writer.abort();
    }
}
