//! Reload: the configuration is read again, and takes effect as a whole or not at all.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

use arc_swap::ArcSwap;
use jiff::Timestamp;
use tokio::sync::{Mutex, watch};
use tracing::{info, warn};

use crate::api::control::{Contradictions, Reload};
use crate::api::metrics::Reloads;
use crate::api::status::ReloadStatus;
use crate::app::store::log_declared;
use crate::config::{self, Configuration, LoadContext, Policy, Position, Report, Settings, ZonesRead};
use crate::model::id::ObjectId;
use crate::model::inventory::{Change, Contradiction, Declared, Inventory};
use crate::model::name::Name;
use crate::model::serial::is_newer;
use crate::model::zone::Zone;
use crate::spec::contradiction::differences;
use crate::spec::fault::Severity;
use crate::steering::publish::Live;
use crate::store::{CommitError, InventoryStore};

/// Where a configuration comes from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ConfigSource {
    /// A file, with whatever it includes.
    File(PathBuf),
    /// A text that is part of the program.
    Text {
        /// What faults call it.
        name: &'static str,
        /// The text.
        text: &'static str,
    },
}

impl ConfigSource {
    /// Reads and parses it.
    pub fn load(&self, context: LoadContext<'_>) -> Result<Configuration, Report> {
        match self {
            Self::File(path) => config::load_with(path, context),
            Self::Text { name, text } => config::load_text(name, text),
        }
    }
}

/// Reads the configuration again when told to. Clones reload one after another.
#[derive(Debug)]
pub struct Reloader<S> {
    /// Shared by all clones.
    inner: Arc<Inner<S>>,
}

impl<S> Clone for Reloader<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

/// What a reload needs.
#[derive(Debug)]
struct Inner<S> {
    /// Where to read.
    source: ConfigSource,
    /// Settings in force until a restart.
    settings: Settings,
    /// Policy, which a reload replaces.
    policy: Arc<ArcSwap<Policy>>,
    /// The inventory, likewise.
    store: Arc<S>,
    /// What is live.
    live: watch::Receiver<Live>,
    /// How reloads went.
    past: std::sync::Mutex<Reloads>,
    /// What the last good configuration was read from; held during a reload, so that there is one at a time.
    read: Mutex<LastRead>,
}

/// What a configuration was read from.
#[derive(Debug)]
struct LastRead {
    /// Its files.
    files: Vec<PathBuf>,
    /// Zones that files hold, for the next reload.
    zones: ZonesRead,
}

/// What whoever asked for a reload should know of a good configuration.
#[derive(Debug)]
struct Taken {
    /// The changed keys that wait for a restart.
    waiting_for_restart: Vec<String>,
    /// What is most likely a mistake.
    warnings: Report,
}

impl<S: InventoryStore> Reloader<S> {
    /// Reloads from `source`; `settings` are those in force, `files` and `zones` what they were read with.
    pub fn new(
        source: ConfigSource,
        settings: Settings,
        policy: Arc<ArcSwap<Policy>>,
        store: Arc<S>,
        live: watch::Receiver<Live>,
        files: Vec<PathBuf>,
        zones: ZonesRead,
    ) -> Self {
        let (past, read) = (std::sync::Mutex::default(), Mutex::new(LastRead { files, zones }));
        Self { inner: Arc::new(Inner { source, settings, policy, store, live, past, read }) }
    }

    /// Reads the configuration again. A faulty one changes nothing.
    pub async fn reload(&self, contradictions: Contradictions) -> Reload {
        let mut read = self.inner.read.lock().await;
        let (source, zones) = (self.inner.source.clone(), read.zones.clone());
        let load = move || {
            let context = LoadContext { before: Some(&zones), progress: None };
            source.load(context).map_err(|report| report.to_string())
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        let faults = match loaded {
            Ok(Ok(configuration)) => match self.take(configuration, contradictions, &mut read).await {
                Ok(taken) => return self.done(taken),
                Err(contradiction) => contradiction,
            },
            Ok(Err(faults)) => faults,
            Err(panic) => format!("reading the configuration failed: {panic}"),
        };
        let first = faults.lines().next().unwrap_or_default();
        warn!(first, "the configuration is faulty; the one before stays in force; `pooldns check` shows all faults");
        self.remember(ReloadStatus {
            at: Timestamp::now(),
            fault: Some(first.to_owned()),
            waiting_for_restart: vec![],
        });
        Reload::Refused { faults }
    }

    /// The zone with an apex, as it is committed.
    pub fn zone(&self, apex: &Name) -> Option<Arc<Zone>> {
        self.inner.store.load().zone_of(apex).map(Arc::clone)
    }

    /// The file that is read, as it is known whatever the folder; none for a text that is part of the program.
    pub fn file(&self) -> Option<PathBuf> {
        match &self.inner.source {
            ConfigSource::File(path) => path.canonicalize().or_else(|_| std::path::absolute(path)).ok(),
            ConfigSource::Text { .. } => None,
        }
    }

    /// How reloads went.
    pub fn past(&self) -> Reloads {
        self.inner.past.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps how a reload went.
    fn remember(&self, status: ReloadStatus) {
        let mut past = self.inner.past.lock().unwrap_or_else(PoisonError::into_inner);
        let Reloads { done, refused, last } = &mut *past;
        *(if status.fault.is_none() { done } else { refused }) += 1;
        *last = Some(status);
    }

    /// Tells that a reload is done.
    fn done(&self, taken: Taken) -> Reload {
        let Taken { waiting_for_restart, warnings } = taken;
        let generation = self.inner.live.borrow().generation;
        info!(%generation, ?waiting_for_restart, "configuration reloaded");
        let waiting = waiting_for_restart.clone();
        self.remember(ReloadStatus { at: Timestamp::now(), fault: None, waiting_for_restart: waiting });
        let warnings = if warnings.is_empty() { String::new() } else { warnings.to_string() };
        Reload::Done { generation: generation.0, waiting_for_restart, warnings }
    }

    /// Files to watch.
    pub async fn files(&self) -> Vec<PathBuf> {
        self.inner.read.lock().await.files.clone()
    }

    /// Puts a good configuration in force.
    async fn take(
        &self,
        configuration: Configuration,
        contradictions: Contradictions,
        last: &mut LastRead,
    ) -> Result<Taken, String> {
        let Configuration { settings, policy, declared, files, zones_read: zones, warnings } = configuration;
        // Publish reads the policy when it takes the new inventory in, so the policy comes first.
        let before = self.inner.policy.swap(Arc::new(policy));
        let kept = self.inner.store.load();
        let stuck = stuck_serials(&kept, &declared);
        let differences = differences(&kept, &declared);
        let change = match contradictions {
            Contradictions::Refused => Change::Declare(declared),
            Contradictions::SetAside => Change::DeclareSettingAside(declared),
        };
        let generation = match self.inner.store.commit(change).await {
            Ok(inventory) => {
                log_declared(&kept, &inventory);
                inventory.generation
            }
            Err(error) => {
                self.inner.policy.store(before);
                return Err(refusal(error, &differences));
            }
        };
        drop(kept);
        log_zones(&zones);
        log_warnings(&warnings);
        for (apex, serial) in stuck {
            warn!(zone = %apex, serial, "records changed, but the serial did not grow: servers with a copy keep the old one");
        }
        *last = LastRead { files, zones };
        // Whoever is told that it is done will ask, and has to get the new answer. An error means that publish has ended.
        drop(self.inner.live.clone().wait_for(|live| live.generation >= generation).await);
        let waiting_for_restart = self.inner.settings.changed_keys(&settings).into_iter().map(str::to_owned).collect();
        Ok(Taken { waiting_for_restart, warnings })
    }
}

/// Why a configuration is refused. Objects of the API that are in its way have `differences` from what it declares.
fn refusal(error: CommitError, differences: &HashMap<ObjectId, String>) -> String {
    let CommitError::Contradiction(Contradiction::WouldSetAside(mut objects)) = error else { return error.to_string() };
    for (object, _, why) in &mut objects {
        if let Some(keys) = differences.get(object) {
            why.push_str(": ");
            why.push_str(keys);
        }
    }
    let list = Contradiction::WouldSetAside(objects);
    format!(
        "{list}\n  help: make the file say what the API has (`pooldns export` shows it), or take the object out of one of the \
         two; `pooldns reload --set-aside` keeps what the API has and serves what the file says"
    )
}

/// Says which zones were read from files.
pub(super) fn log_zones(zones: &ZonesRead) {
    for (apex, read) in zones.iter() {
        let Some(took) = read.took else { continue };
        info!(zone = %apex, file = %read.file.display(), records = read.records, ?took, "zone file read");
    }
}

/// Zones with copies elsewhere whose records change, though their serial, which is not ours to count, does not grow.
fn stuck_serials(before: &Inventory, declared: &Declared) -> Vec<(Name, u32)> {
    let is_stuck = |zone: &Arc<Zone>| {
        let (old, serial) = (before.zones.find(zone.id)?, zone.soa().serial);
        if Arc::ptr_eq(old, zone) || is_newer(serial, old.soa().serial) || old == zone {
            return None;
        }
        let hosting = declared.hostings.iter().find(|hosting| hosting.id == zone.id)?;
        let matters = hosting.is_shared() && !hosting.has_auto_serial();
        matters.then(|| (zone.apex().clone(), serial))
    };
    declared.zones.iter().filter_map(is_stuck).collect()
}

/// Warnings of one configuration that are logged; `pooldns check` shows the others.
const WARNINGS_LOGGED_MAX: usize = 5;

/// Says what is legal in a configuration and most likely a mistake.
pub(super) fn log_warnings(warnings: &Report) {
    for (file, Position { line, column }, warning) in warnings.warnings().take(WARNINGS_LOGGED_MAX) {
        warn!(at = format!("{file}:{line}:{column}"), "{warning}");
    }
    let more = warnings.count(Severity::Warning).saturating_sub(WARNINGS_LOGGED_MAX);
    if more > 0 {
        warn!(more, "the configuration has more warnings; `pooldns check` shows them all");
    }
}
