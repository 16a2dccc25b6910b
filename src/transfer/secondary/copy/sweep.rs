//! Puts the folder of copies in order at the start: copies that were named by ids get their names, and those of zones that
//! are no longer transferred go. What is not ours, by name and by what is in it, is not touched.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use tracing::{info, warn};

use super::name::{file_name, file_name_before, is_copy};
use super::{HEAD_OCTETS, folder_of, read_head, split_name};
use crate::model::name::{NAME_OCTETS_MAX, Name};

/// Puts the folder of copies in a store in order, for zones with these apexes.
pub(in crate::transfer::secondary) fn sweep(store: &Path, apexes: &[Name]) {
    let folder = folder_of(store);
    if let Err(error) = sweep_folder(&folder, apexes) {
        warn!(folder = %folder.display(), %error, "cannot look for copies of zones that are no longer transferred");
    }
}

/// Puts a folder in order.
fn sweep_folder(folder: &Path, apexes: &[Name]) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    let kept: HashMap<String, &Name> = apexes.iter().map(|apex| (file_name(apex), apex)).collect();
    for entry in entries {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if kept.contains_key(&name) || !is_copy(&name) || !entry.file_type()?.is_file() {
            continue;
        }
        let path = entry.path();
        let Some(apex) = apex_of(&path).filter(|apex| name == file_name(apex) || name == file_name_before(apex)) else {
            continue;
        };
        let place = folder.join(file_name(&apex));
        if kept.values().any(|kept| **kept == apex) && !place.exists() {
            std::fs::rename(&path, &place)?;
            info!(zone = %apex, from = name, to = %place.display(), "the zone's copy has a name that people can read");
        } else {
            std::fs::remove_file(&path)?;
            info!(zone = %apex, file = %path.display(), "copy removed: the zone is not transferred any more");
        }
    }
    Ok(())
}

/// The zone that a file holds, if it begins as a copy does.
fn apex_of(path: &Path) -> Option<Name> {
    let mut octets = Vec::new();
    let start = (HEAD_OCTETS + 1 + NAME_OCTETS_MAX) as u64;
    File::open(path).ok()?.take(start).read_to_end(&mut octets).ok()?;
    let (_, rest) = read_head(&octets).ok()?;
    Some(split_name(rest)?.0)
}
