//! The configuration: one main file, what it includes, and what all of it says. Everything wrong is reported at once.
//!
//! The main file holds settings; objects may stand in any file. Nothing is kept here: who loads again compares.

pub mod settings;
pub mod api;
pub mod guard;
pub mod health_guard;
pub mod pem_files;
pub mod reach;
pub mod webhooks;

mod files;
mod report;
mod zone_files;
#[cfg(test)]
mod bad_copies;
#[cfg(test)]
mod bad_inputs;
#[cfg(test)]
mod bad_monitors;
#[cfg(test)]
mod own_files;
#[cfg(test)]
mod warning_tests;
#[cfg(test)]
mod zone_file_tests;

use std::path::{Path as FilePath, PathBuf};

use crate::config::files::Files;
pub use crate::config::report::{Position, Report, Source};
pub use crate::config::settings::{Policy, Settings};
use crate::config::zone_files::ZoneFileReader;
pub use crate::config::zone_files::{Progress, ZoneRead, ZonesRead};
use crate::model::hosting::Sharing;
use crate::model::inventory::{Declared, Inventory};
use crate::model::stamp::UnixMicros;
use crate::model::tree::{Node, Table, Value};
use crate::spec::declared::{self, Document, Extent};
use crate::spec::fault::Faults;
use crate::spec::fields::{Key, Need, Path, Spot, check_keys, defaulted, optional, required};

/// Everything that a configuration says.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What is fixed while the process runs.
    pub settings: Settings,
    /// What a reload may change.
    pub policy: Policy,
    /// The declared objects.
    pub declared: Declared,
    /// The files that were read, the main one first; whoever watches for changes watches these.
    pub files: Vec<PathBuf>,
    /// Zones that files hold; the next load reads only those again that changed.
    pub zones_read: ZonesRead,
    /// What is legal and most likely a mistake; nothing is refused because of it.
    pub warnings: Report,
}

/// What a load may go by.
#[derive(Clone, Copy, Default)]
pub struct LoadContext<'c> {
    /// What the last load read from zone files.
    pub before: Option<&'c ZonesRead>,
    /// Who is told how far we are.
    pub progress: Option<&'c dyn Progress>,
}

/// The keys of the main file.
pub const MAIN_KEYS: &[Key] = &[
    required("version"),
    defaulted("include"),
    optional("server"),
    optional("tcp"),
    optional("cookies"),
    optional("rrl"),
    optional("health"),
    optional("store"),
    optional("api"),
    optional("log"),
    optional("webhooks"),
    optional("keys"),
    optional("zones"),
    optional("monitors"),
    optional("monitor_groups"),
    optional("pools"),
    optional("load_balancers"),
];

/// The keys of an included file.
const INCLUDED_KEYS: &[Key] = &[
    optional("version"),
    defaulted("include"),
    misplaced("server"),
    misplaced("tcp"),
    misplaced("cookies"),
    misplaced("rrl"),
    misplaced("health"),
    misplaced("store"),
    misplaced("api"),
    misplaced("log"),
    misplaced("webhooks"),
    optional("keys"),
    optional("zones"),
    optional("monitors"),
    optional("monitor_groups"),
    optional("pools"),
    optional("load_balancers"),
];

/// A table of settings in an included file.
const fn misplaced(name: &'static str) -> Key {
    Key { name, need: Need::Unsupported("settings belong to the main file; move this table there") }
}

/// The tables of settings.
const SETTINGS_TABLES: &[&str] = &["server", "tcp", "cookies", "rrl", "health", "store", "api", "log"];

/// The only version of the configuration's form that there is.
const VERSION: i64 = 1;

/// Loads the configuration that a main file begins.
pub fn load(path: &FilePath) -> Result<Configuration, Report> {
    load_with(path, LoadContext::default())
}

/// The same, without reading zone files again that did not change.
pub fn load_with(path: &FilePath, context: LoadContext<'_>) -> Result<Configuration, Report> {
    let mut faults = Faults::default();
    let files = Files::read(path, &mut faults);
    // The parent of `pooldns.toml` alone is empty, and joined to a path it leaves that as it is.
    interpret(files, path.parent().unwrap_or_else(|| FilePath::new("")), context, faults)
}

/// Loads a configuration from a text, for instance one in the executable; it includes no files, and relative paths in
/// it stay as they are, but for those of zone files: they go by the folder that its name is in.
pub fn load_text(name: &str, text: &str) -> Result<Configuration, Report> {
    let mut faults = Faults::default();
    let files = Files::of_text(name, text, &mut faults);
    interpret(files, FilePath::new(""), LoadContext::default(), faults)
}

/// Loads the objects of a text that is no configuration: it has no settings, and may name objects of an inventory.
pub fn load_objects(name: &str, text: &str, beside: &Inventory) -> Result<Declared, Report> {
    let mut faults = Faults::default();
    let Files { mut sources, roots, mut paths, .. } = Files::of_text(name, text, &mut faults);
    for (source, root) in &roots {
        check_root(*source, root, INCLUDED_KEYS, &mut faults);
    }
    let documents: Vec<_> = roots.iter().map(|(source, root)| Document { source: *source, root, name }).collect();
    let nothing = ZonesRead::default();
    let mut zone_files = ZoneFileReader {
        sources: &mut sources,
        paths: &mut paths,
        before: &nothing,
        now: ZonesRead::default(),
        // They become objects of an API, which lets nobody name files either.
        pems: None,
        progress: None,
    };
    let declared = declared::parse_beside(&documents, beside, &mut zone_files, &mut faults);
    declared.filter(|_| faults.is_empty()).ok_or_else(|| Report::new(sources, &faults))
}

/// Makes a configuration of files; `folder` is the main file's.
fn interpret(
    files: Files,
    folder: &FilePath,
    context: LoadContext<'_>,
    mut faults: Faults,
) -> Result<Configuration, Report> {
    let Files { mut sources, roots, mut paths, .. } = files;
    let extent = if faults.is_empty() { Extent::Complete } else { Extent::Partial };
    let (mut settings, mut policy) = (Settings::default(), Policy::default());
    let mut control = None;
    for (source, root) in &roots {
        if *source == 0 {
            check_root(*source, root, MAIN_KEYS, &mut faults);
            read_settings(root, folder, &mut settings, &mut policy, &mut faults);
            control = has_sound_settings(&faults).then(|| settings.control.clone());
            let mut reader = webhooks::Reader { folder, files: &mut paths };
            reader.read(root, &mut policy.webhooks, &mut faults);
        } else {
            check_root(*source, root, INCLUDED_KEYS, &mut faults);
        }
    }
    let names: Vec<String> = sources.iter().map(|source| source.name.clone()).collect();
    let named = roots.iter().map(|(source, root)| {
        let name = names.get(*source).map_or("", String::as_str);
        Document { source: *source, root, name }
    });
    let documents: Vec<Document<'_>> = named.collect();
    let written = paths.iter().filter_map(|path| Some((path.display().to_string().into(), written(path)?))).collect();
    let nothing = ZonesRead::default();
    let mut zone_files = ZoneFileReader {
        sources: &mut sources,
        paths: &mut paths,
        before: context.before.unwrap_or(&nothing),
        now: ZonesRead::default(),
        pems: Some(pem_files::Checked::default()),
        progress: context.progress,
    };
    let declared = declared::parse(&documents, extent, &mut zone_files, &mut faults);
    let zones_read = zone_files.now;
    let mut sharing = Sharing::default();
    if let Some((0, root)) = roots.first() {
        // They name keys, which are known only now.
        let keys = declared.as_ref().map(|declared| declared.keys.iter().map(|key| key.name.clone()).collect());
        api::read_zones(root, keys.as_ref(), (&mut policy.api_zones, &mut sharing), &mut faults);
    }
    match declared {
        Some(declared) if faults.is_empty() => {
            let warnings = Report::new(sources, &faults);
            // The texts are not kept for nothing.
            let warnings = if warnings.is_empty() { Report::default() } else { warnings };
            let declared = Declared { sharing, written, ..declared };
            Ok(Configuration { settings, policy, declared, files: paths, zones_read, warnings })
        }
        _ => Err(Report::new(sources, &faults).with_control(control)),
    }
}

/// When a file was written.
fn written(path: &FilePath) -> Option<UnixMicros> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    let since = modified.duration_since(std::time::SystemTime::UNIX_EPOCH).ok()?;
    u64::try_from(since.as_micros()).ok().map(UnixMicros)
}

/// Whether nothing is wrong with the main file's settings, `faults` being those before any object is read.
fn has_sound_settings(faults: &Faults) -> bool {
    faults.dropped() == 0 && faults.kept().iter().all(|fault| fault.at.source != 0 || fault.path.starts_with("include"))
}

/// Keys and version of a document's root.
fn check_root(source: usize, root: &Table, keys: &[Key], faults: &mut Faults) {
    // The root stands nowhere in its text; a missing key is a fault of the first line.
    let node = Node::built(Value::Table(Table::default()));
    let spot = Spot { source, path: &Path::ROOT, node: &node };
    check_keys(&spot, root, keys, faults);
    if let Some(entry) = root.entry("version")
        && entry.node.value != Value::Int(VERSION)
    {
        let path = Path::ROOT.key("version");
        faults.push(spot.inner(&path, &entry.node).not_allowed(VERSION));
    }
}

/// Reads the tables of settings.
fn read_settings(root: &Table, folder: &FilePath, settings: &mut Settings, policy: &mut Policy, faults: &mut Faults) {
    for table in SETTINGS_TABLES {
        let Some(entry) = root.entry(table) else { continue };
        let path = Path::ROOT.key(table);
        let spot = Spot { source: 0, path: &path, node: &entry.node };
        match *table {
            "server" => settings::read_server(spot, folder, settings, policy, faults),
            "tcp" => settings::read_tcp(spot, settings, faults),
            "cookies" => guard::read_cookies(spot, &mut policy.cookies, faults),
            "rrl" => guard::read_rrl(spot, settings, &mut policy.rrl, faults),
            "health" => settings::read_health(spot, settings, policy, faults),
            "store" => settings::read_store(spot, folder, settings, faults),
            "api" => api::read(spot, folder, settings, faults),
            _ => settings::read_log(spot, settings, faults),
        }
    }
}
