//! Finds the zones that files hold: reads those that changed since the last time, each with what it includes, and shows
//! what is wrong in them. The text of a file is not kept; of faulty ones the lines that a report shows are.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io::Read as _;
use std::ops::Range;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::config::files::{explained, open_regular};
use crate::config::pem_files::Checked;
use crate::config::report::{Position, Source};
use crate::model::limits::{ZONE_FILE_OCTETS_MAX, ZONE_INCLUDE_DEPTH_MAX, ZONE_INCLUDES_MAX};
use crate::model::name::Name;
use crate::model::zone::Zone;
use crate::spec::fault::{Fault, Faults, Place, Severity};
use crate::spec::warnings;
use crate::spec::zone_file::{self, FileFault, Includes, ReadZone, Wanted, ZoneFiles};

/// Who is told how far the reading of a zone file is.
pub trait Progress {
    /// So many of all octets of a file have been read; those that it includes count for it.
    fn advanced(&self, file: &FilePath, octets: u64, all: u64);

    /// Nothing is being read any more.
    fn ended(&self);
}

/// Zones that were read from files, so that the next load reads only those again that changed.
#[derive(Clone, Debug, Default)]
pub struct ZonesRead(HashMap<Name, ZoneRead>);

/// A zone that was read from a file.
#[derive(Clone, Debug)]
pub struct ZoneRead {
    /// The file.
    pub file: PathBuf,
    /// How many records it has.
    pub records: usize,
    /// How long it took to read; none if it was not read this time, as nothing had changed.
    pub took: Option<Duration>,
    /// The zone.
    zone: Arc<Zone>,
    /// The TTL that the configuration gives its records.
    ttl: Option<u32>,
    /// The file and those that it includes, as they were.
    files: Vec<Identity>,
}

/// What tells whether a file is still the same.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Identity {
    /// Where it is.
    path: PathBuf,
    /// Device, inode and size.
    place: [u64; 3],
    /// Seconds and nanoseconds of the last changes of content and of metadata.
    times: [i64; 4],
}

impl Identity {
    /// What a file is now.
    fn new(path: &FilePath, metadata: &Metadata) -> Self {
        Self {
            path: path.to_owned(),
            place: [metadata.dev(), metadata.ino(), metadata.size()],
            times: [metadata.mtime(), metadata.mtime_nsec(), metadata.ctime(), metadata.ctime_nsec()],
        }
    }

    /// Whether the file is as it was.
    fn is_current(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|metadata| Self::new(&self.path, &metadata) == *self)
    }
}

impl ZonesRead {
    /// The zones with their apexes.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &ZoneRead)> {
        self.0.iter()
    }
}

/// Reads the files that objects name for one load of the configuration.
pub(super) struct ZoneFileReader<'f> {
    /// The documents that name zone files; texts of faults are added.
    pub(super) sources: &'f mut Vec<Source>,
    /// Files that were opened.
    pub(super) paths: &'f mut Vec<PathBuf>,
    /// What the last load read.
    pub(super) before: &'f ZonesRead,
    /// What this load has read.
    pub(super) now: ZonesRead,
    /// Files with certificates and keys that this load has looked at; none if nobody may name them.
    pub(super) pems: Option<Checked>,
    /// Who is told how far we are.
    pub(super) progress: Option<&'f dyn Progress>,
}

impl ZoneFiles for ZoneFileReader<'_> {
    fn zone(&mut self, wanted: &Wanted<'_>, faults: &mut Faults) -> Option<Arc<Zone>> {
        let path = self.folder_of(wanted.spot.source).join(wanted.file);
        let before = self.before.0.get(wanted.apex).filter(|before| before.file == path && before.ttl == wanted.ttl);
        let read = match before.filter(|before| before.files.iter().all(Identity::is_current)) {
            Some(before) => {
                // Where its records stand is not known any more.
                for warning in warnings::of_zone(&before.zone, wanted.surroundings) {
                    faults.warn(wanted.spot.fault(warning.why));
                }
                ZoneRead { took: None, ..before.clone() }
            }
            None => self.read(wanted, path, faults)?,
        };
        let zone = Arc::clone(&read.zone);
        self.paths.extend(read.files.iter().map(|file| file.path.clone()));
        self.now.0.insert(wanted.apex.clone(), read);
        Some(zone)
    }
}

impl ZoneFileReader<'_> {
    /// The folder of a document: what files in it are relative to.
    pub(super) fn folder_of(&self, source: usize) -> &FilePath {
        let document = self.sources.get(source).map(|source| FilePath::new(&source.name));
        document.and_then(FilePath::parent).unwrap_or_else(|| FilePath::new(""))
    }

    /// Reads a zone file.
    fn read(&mut self, wanted: &Wanted<'_>, path: PathBuf, faults: &mut Faults) -> Option<ZoneRead> {
        let began = Instant::now();
        let mut shelf = Shelf::new(&path, self.progress);
        let text = match shelf.open_file(&path, 0) {
            Ok(text) => text,
            Err(why) => {
                faults.push(wanted.spot.fault(format!("{}: {why}", path.display())));
                return None;
            }
        };
        let read = zone_file::read(text, wanted.apex, wanted.ttl, &mut shelf);
        if let Some(progress) = self.progress {
            progress.ended();
        }
        let Shelf { opened: files, .. } = shelf;
        let warnings = read.warnings(wanted.surroundings);
        let ReadZone { texts, zone, faults: found, is_cut_short, records, .. } = read;
        self.show(Severity::Fault, found, &texts, &files, faults);
        self.show(Severity::Warning, warnings, &texts, &files, faults);
        if is_cut_short {
            faults.push(wanted.spot.fault(format!("{}: too many faults; the rest was not read", path.display())));
        }
        let (zone, took) = (Arc::new(zone?), Some(began.elapsed()));
        Some(ZoneRead { file: path, records, took, zone, ttl: wanted.ttl, files })
    }

    /// Adds faults or warnings of a zone's files in their order, each with its line as a source of its own.
    fn show(
        &mut self,
        severity: Severity,
        mut found: Vec<FileFault>,
        texts: &[Vec<u8>],
        files: &[Identity],
        faults: &mut Faults,
    ) {
        found.sort_by_key(|fault| (fault.file, fault.span.start));
        let mut lines = LineCount::default();
        for FileFault { file, span, why } in found {
            let at = if faults.listed(severity).has_room() {
                let text = texts.get(file).map_or(&[][..], Vec::as_slice);
                let line = lines.line_of(file, text, span.start);
                let name = files.get(file).map_or_else(String::new, |file| file.path.display().to_string());
                let (source, span) = excerpt(name, text, line, span);
                self.sources.push(source);
                Place { source: self.sources.len() - 1, span }
            } else {
                Place { source: 0, span: 0..0 }
            };
            faults.add(severity, Fault::new(at, "", why));
        }
    }
}

/// Counts lines of files in order of position, so that each text is looked through once.
#[derive(Default)]
struct LineCount {
    /// The file.
    file: usize,
    /// Octets that were looked through.
    offset: usize,
    /// Line ends among them.
    ends: usize,
}

impl LineCount {
    /// The line of an offset, from 1; offsets of a file only grow.
    fn line_of(&mut self, file: usize, text: &[u8], offset: usize) -> usize {
        if file != self.file {
            *self = Self { file, offset: 0, ends: 0 };
        }
        let passed = text.get(self.offset..offset).unwrap_or_default();
        self.ends += passed.split(|octet| *octet == b'\n').count() - 1;
        self.offset = self.offset.max(offset);
        self.ends + 1
    }
}

/// Octets of a line that are kept on either side of a place: more than is shown.
const EXCERPT_OCTETS: usize = 1024;

/// The line of a span as a source of its own, and the span in it.
fn excerpt(name: String, text: &[u8], line: usize, span: Range<usize>) -> (Source, Range<usize>) {
    let start = span.start.min(text.len());
    let (before, after) = text.split_at_checked(start).unwrap_or((text, &[]));
    let head = before.rsplit(|octet| *octet == b'\n').next().unwrap_or_default();
    let rest = after.split(|octet| *octet == b'\n').next().unwrap_or_default();
    let (cut, head) = head.split_at_checked(head.len().saturating_sub(EXCERPT_OCTETS)).unwrap_or((&[], head));
    let rest = rest.get(..EXCERPT_OCTETS).unwrap_or(rest);
    // To the end of a character that is UTF-8.
    let more = rest.iter().skip(span.len()).take_while(|octet| matches!(octet, 0x80..0xc0)).count();
    let (marked, tail) = rest.split_at_checked(span.len() + more).unwrap_or((rest, &[]));
    let [head, marked, tail] = [head, marked, tail].map(String::from_utf8_lossy);
    let span = head.len()..head.len() + marked.len();
    let origin = Position { line, column: String::from_utf8_lossy(cut).chars().count() + 1 };
    (Source { name, text: format!("{head}{marked}{tail}"), origin }, span)
}

/// Opens the files of one zone, all within the limits and below its folder.
struct Shelf<'f> {
    /// The zone file, as it is named.
    file: PathBuf,
    /// Every file that was opened; one that is included twice is here twice.
    opened: Vec<Identity>,
    /// True paths of the files that are being read, each included by the one before.
    chain: Vec<PathBuf>,
    /// Octets of all of them.
    octets: u64,
    /// Octets that were read.
    advanced: u64,
    /// Who is told so.
    progress: Option<&'f dyn Progress>,
}

impl<'f> Shelf<'f> {
    /// Nothing opened yet.
    fn new(file: &FilePath, progress: Option<&'f dyn Progress>) -> Self {
        Self { file: file.to_owned(), opened: Vec::new(), chain: Vec::new(), octets: 0, advanced: 0, progress }
    }

    /// Reads a file whole.
    fn open_file(&mut self, path: &FilePath, depth: usize) -> Result<Vec<u8>, String> {
        let (file, metadata) = open_regular(path)?;
        let room = ZONE_FILE_OCTETS_MAX - self.octets;
        let mut octets = Vec::new();
        if metadata.len() <= room {
            octets.reserve_exact(usize::try_from(metadata.len()).unwrap_or(0) + 1);
            // One more than there is room for tells a file that grows meanwhile.
            file.take(room + 1).read_to_end(&mut octets).map_err(|error| explained(&error))?;
        }
        let length = metadata.len().max(octets.len() as u64);
        if length > room {
            return Err(format!(
                "it has {length} octets; allowed: at most {ZONE_FILE_OCTETS_MAX} with all that is included"
            ));
        }
        self.octets += length;
        self.opened.push(Identity::new(path, &metadata));
        self.chain.truncate(depth);
        self.chain.push(fs::canonicalize(path).map_err(|error| explained(&error))?);
        Ok(octets)
    }

    /// The folder that includes stay in: the zone file's, by its true path.
    fn folder(&self) -> &FilePath {
        self.chain.first().and_then(|path| path.parent()).unwrap_or_else(|| FilePath::new(""))
    }
}

impl Includes for Shelf<'_> {
    fn open(&mut self, file: &str) -> Result<Vec<u8>, String> {
        if file.is_empty() || file.contains('\0') {
            return Err("allowed: a file in the zone file's folder".to_owned());
        }
        let path = self.file.parent().unwrap_or_else(|| FilePath::new("")).join(file);
        let identity = fs::canonicalize(&path).map_err(|error| explained(&error))?;
        if !identity.starts_with(self.folder()) {
            return Err("it is not in the zone file's folder; files are included from there and below only".to_owned());
        }
        if self.chain.contains(&identity) {
            return Err("it includes itself, perhaps by way of another file".to_owned());
        }
        if self.chain.len() > ZONE_INCLUDE_DEPTH_MAX {
            return Err(format!("files are included more than {ZONE_INCLUDE_DEPTH_MAX} deep"));
        }
        if self.opened.len() > ZONE_INCLUDES_MAX {
            return Err(format!("more than {ZONE_INCLUDES_MAX} files are included"));
        }
        self.open_file(&path, self.chain.len())
    }

    fn close(&mut self) {
        self.chain.pop();
    }

    fn advanced(&mut self, octets: usize) {
        self.advanced += octets as u64;
        if let Some(progress) = self.progress {
            progress.advanced(&self.file, self.advanced, self.octets);
        }
    }
}
