//! Reads configuration files: the main one and what it includes, each once, all within limits.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read as _};
use std::path::{Path as FilePath, PathBuf};

use crate::config::report::Source;
use crate::model::limits::{CONFIG_FILE_OCTETS_MAX, CONFIG_FILES_MAX, CONFIG_OCTETS_MAX, INCLUDE_DEPTH_MAX};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::{Fault, Faults, Place};
use crate::spec::fields::{Path, Spot};
use crate::spec::toml_text;

/// The files of a configuration as far as they could be read.
#[derive(Default)]
pub(super) struct Files {
    /// Every file, also those that could not be read.
    pub(super) sources: Vec<Source>,
    /// The trees of those that could, with their indices.
    pub(super) roots: Vec<(usize, Table)>,
    /// Paths of the files that were opened, in that order.
    pub(super) paths: Vec<PathBuf>,
    /// Every file by its true path, with its index: symbolic links do not hide that a file comes twice.
    seen: HashMap<PathBuf, usize>,
    /// Octets of all of them.
    octets: u64,
    /// Whether the limit on the number of files was hit; said once.
    is_full: bool,
}

/// A file that waits to be read, and how we came to it.
struct Include<'c> {
    /// The file.
    path: PathBuf,
    /// Its pattern's place.
    at: &'c Place,
    /// Its pattern's path in the document.
    key: String,
}

impl Files {
    /// Reads the main file and everything it includes.
    pub(super) fn read(main: &FilePath, faults: &mut Faults) -> Self {
        let mut files = Self::default();
        let whole = Place { source: 0, span: 0..0 };
        let include = Include { path: main.to_owned(), at: &whole, key: String::new() };
        files.add(&include, &mut Vec::new(), faults);
        files
    }

    /// Takes a text that is no file; it cannot include any.
    pub(super) fn of_text(name: &str, text: &str, faults: &mut Faults) -> Self {
        let mut files = Self::default();
        files.sources.push(Source::whole(name.to_owned(), text.to_owned()));
        if let Some(root) = files.parse(0, faults)
            && let Some(include) = root.entry("include")
            && !matches!(&include.node.value, Value::Array(items) if items.is_empty())
        {
            let at = Place { source: 0, span: include.key_span.clone() };
            faults.push(Fault::new(at, "include", "a text that is no file cannot include files"));
        }
        files
    }

    /// Reads a file and what it includes. `chain` is how we came here, as indices.
    fn add(&mut self, include: &Include<'_>, chain: &mut Vec<usize>, faults: &mut Faults) {
        let source = self.sources.len();
        let refuse = |why: String, faults: &mut Faults| {
            faults.push(Fault::new(include.at.clone(), &include.key, why));
        };
        // Of a file that is not there the path as given has to do.
        let identity = fs::canonicalize(&include.path).unwrap_or_else(|_| include.path.clone());
        if let Some(first) = self.seen.get(&identity) {
            return refuse(self.twice(*first, &include.path, chain), faults);
        }
        if source >= CONFIG_FILES_MAX {
            if !std::mem::replace(&mut self.is_full, true) {
                refuse(format!("there are too many files; allowed: at most {CONFIG_FILES_MAX}"), faults);
            }
            return;
        }
        match self.open(&include.path) {
            Ok(text) => {
                self.seen.insert(identity, source);
                self.paths.push(include.path.clone());
                self.sources.push(Source::whole(include.path.display().to_string(), text));
            }
            Err(unreadable) => {
                self.seen.insert(identity, source);
                let (text, fault) = unreadable.into_fault(source, include);
                self.sources.push(Source::whole(include.path.display().to_string(), text));
                return faults.push(fault);
            }
        }
        chain.push(source);
        if let Some(root) = self.parse(source, faults) {
            let patterns = patterns(&root, source, faults);
            for (key, at, pattern) in patterns {
                self.add_pattern(&include.path, &pattern, &at, &key, chain, faults);
            }
        }
        chain.pop();
    }

    /// Parses the text of a file; keeps the tree and gives a copy of its `include`.
    fn parse(&mut self, source: usize, faults: &mut Faults) -> Option<Table> {
        let text = &self.sources.get(source)?.text;
        match toml_text::parse(text) {
            Ok(root) => {
                let include = root.entries().iter().filter(|entry| entry.key == "include").cloned().collect();
                self.roots.push((source, root));
                Some(include)
            }
            Err(syntax) => {
                for fault in syntax {
                    let at = Place { source, span: fault.span };
                    faults.push(Fault::new(at, "", format!("not TOML: {}", fault.why)));
                }
                None
            }
        }
    }

    /// Adds the files of one pattern.
    fn add_pattern(
        &mut self,
        includer: &FilePath,
        pattern: &str,
        at: &Place,
        key: &str,
        chain: &mut Vec<usize>,
        faults: &mut Faults,
    ) {
        let mut refuse = |why: String| faults.push(Fault::new(at.clone(), key, why));
        if chain.len() > INCLUDE_DEPTH_MAX {
            return refuse(format!("files are included more than {INCLUDE_DEPTH_MAX} deep: {}", self.names(chain)));
        }
        if pattern.contains("**") {
            return refuse("\"**\" would walk whole folders; name each folder".to_owned());
        }
        let folder = includer.parent().unwrap_or_else(|| FilePath::new(""));
        if !pattern.contains(['*', '?', '[']) {
            let include = Include { path: folder.join(pattern), at, key: key.to_owned() };
            return self.add(&include, chain, faults);
        }
        let Some(folder) = folder.to_str() else {
            return refuse("patterns need a folder whose name is UTF-8".to_owned());
        };
        let full = FilePath::new(&glob::Pattern::escape(folder)).join(pattern);
        let matches = match glob::glob(&full.to_string_lossy()) {
            Ok(matches) => matches,
            Err(error) => return refuse(format!("{pattern:?} is not a pattern: {}", error.msg)),
        };
        for found in matches.take(CONFIG_FILES_MAX + 1) {
            match found {
                Ok(path) => self.add(&Include { path, at, key: key.to_owned() }, chain, faults),
                Err(error) => {
                    let why = format!("{} cannot be read: {}", error.path().display(), error.error());
                    faults.push(Fault::new(at.clone(), key, why));
                }
            }
        }
    }

    /// What to say of a file that comes again.
    fn twice(&self, first: usize, path: &FilePath, chain: &[usize]) -> String {
        let path = path.display();
        if chain.contains(&first) {
            return format!("files include each other: {} -> {path}", self.names(chain));
        }
        format!("{path} is included twice; the second time by {}", self.names(chain))
    }

    /// The files of a chain.
    fn names(&self, chain: &[usize]) -> String {
        let names = chain.iter().filter_map(|source| self.sources.get(*source));
        names.map(|source| source.name.as_str()).collect::<Vec<_>>().join(" -> ")
    }

    /// Reads a file within the limits.
    fn open(&mut self, path: &FilePath) -> Result<String, Unreadable> {
        let whole = |why: String| Unreadable::Whole(why);
        let (file, metadata) = open_regular(path).map_err(whole)?;
        let mut octets = Vec::new();
        let room = CONFIG_FILE_OCTETS_MAX.min(CONFIG_OCTETS_MAX - self.octets);
        if metadata.len() <= room {
            // One more than there is room for tells a file that grows meanwhile.
            file.take(room + 1).read_to_end(&mut octets).map_err(|error| whole(explained(&error)))?;
        }
        let length = metadata.len().max(octets.len() as u64);
        if length > CONFIG_FILE_OCTETS_MAX {
            let why =
                format!("it has {length} octets; allowed: at most {CONFIG_FILE_OCTETS_MAX}; split it with `include`");
            return Err(whole(why));
        }
        if length > room {
            return Err(whole(format!("all files together have more than {CONFIG_OCTETS_MAX} octets")));
        }
        self.octets += length;
        String::from_utf8(octets).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            Unreadable::NotUtf8 { text: String::from_utf8_lossy(error.as_bytes()).into_owned(), offset }
        })
    }
}

/// Why a file cannot be read.
enum Unreadable {
    /// As a whole.
    Whole(String),
    /// From an octet on: everything before it is as in the file.
    NotUtf8 {
        /// The text, with what is no UTF-8 replaced.
        text: String,
        /// Where that begins.
        offset: usize,
    },
}

impl Unreadable {
    /// The text to show and the fault. What an include names is a fault of the includer, if there is one.
    fn into_fault(self, source: usize, include: &Include<'_>) -> (String, Fault) {
        match self {
            Self::Whole(why) if include.key.is_empty() => {
                (String::new(), Fault::new(Place { source, span: 0..0 }, "", why))
            }
            Self::Whole(why) => {
                let why = format!("{}: {why}", include.path.display());
                (String::new(), Fault::new(include.at.clone(), &include.key, why))
            }
            Self::NotUtf8 { text, offset } => {
                let at = Place { source, span: offset..offset + char::REPLACEMENT_CHARACTER.len_utf8() };
                let why = "this is not UTF-8; save the file as UTF-8 text";
                (text, Fault::new(at, "", why))
            }
        }
    }
}

/// Opens a file for reading, if it is one; an error says why not.
pub(super) fn open_regular(path: &FilePath) -> Result<(File, Metadata), String> {
    // Before it is opened: that alone could keep us waiting.
    let metadata = fs::metadata(path).map_err(|error| explained(&error))?;
    if metadata.is_dir() {
        return Err("it is a folder; name a file in it".to_owned());
    }
    if !metadata.is_file() {
        return Err("it is not a regular file; a pipe or device could keep us waiting".to_owned());
    }
    let file = File::open(path).map_err(|error| explained(&error))?;
    let metadata = file.metadata().map_err(|error| explained(&error))?;
    Ok((file, metadata))
}

/// An error of the system with its remedy.
pub(super) fn explained(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file; check the path".to_owned(),
        ErrorKind::PermissionDenied => {
            "we may not read it; check its owner and mode, and those of its folders".to_owned()
        }
        _ => format!("it cannot be read: {error}"),
    }
}

/// The patterns of `include` with path and place.
fn patterns(root: &Table, source: usize, faults: &mut Faults) -> Vec<(String, Place, String)> {
    let Some(entry) = root.entry("include") else { return Vec::new() };
    let path = Path::ROOT.key("include");
    let spot = Spot { source, path: &path, node: &entry.node };
    let items: &[Node] = spot.items(faults).unwrap_or_default();
    let patterns = items.iter().enumerate().filter_map(|(index, item)| {
        let path = spot.path.index(index);
        let item = spot.inner(&path, item);
        let text = item.text(faults)?;
        if text.is_empty() || text.contains('\0') {
            return item.refuse("a path or pattern, such as \"conf.d/*.toml\"", faults);
        }
        Some((item.path.to_string(), item.place(), text.to_owned()))
    });
    patterns.collect()
}
