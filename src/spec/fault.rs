//! Faults: everything that is wrong in a document, each with its place, what was found and what is allowed. A warning is
//! told in the same form, but refuses nothing.

use std::fmt;
use std::ops::Range;

use crate::model::limits::FAULTS_MAX;
use crate::spec::dialect::Dialect;

/// Where something stands: which of the documents that are parsed together, and its octets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Index of the document.
    pub source: usize,
    /// Octets of the document.
    pub span: Range<usize>,
}

/// One thing wrong in a document. Its `Display` is the message without place and suggestion.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where.
    pub at: Place,
    /// The value's path, such as `pools[2].origins[0].weight`; empty for the document as a whole.
    pub path: String,
    /// What stands there, if the message needs it.
    pub found: Option<String>,
    /// What is allowed, or why it is wrong.
    pub why: String,
    /// What to write instead.
    pub suggestion: Option<String>,
    /// Another place that belongs to the fault: where the name was first.
    pub first: Option<Place>,
}

impl Fault {
    /// A fault that `why` tells whole.
    pub fn new(at: Place, path: impl fmt::Display, why: impl Into<String>) -> Self {
        Self { at, path: path.to_string(), found: None, why: why.into(), suggestion: None, first: None }
    }

    /// The same with what was found.
    #[must_use]
    pub fn found(mut self, found: impl Into<String>) -> Self {
        self.found = Some(found.into());
        self
    }

    /// The same with what to write instead.
    #[must_use]
    pub fn suggest(mut self, suggestion: impl Into<Option<String>>) -> Self {
        self.suggestion = suggestion.into();
        self
    }

    /// The same with where the name was first.
    #[must_use]
    pub fn first(mut self, first: Place) -> Self {
        self.first = Some(first);
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        if let Some(found) = &self.found {
            write!(f, "found {found}; ")?;
        }
        f.write_str(&self.why)
    }
}

/// What something in a document comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Severity {
    /// It is wrong, so the document is refused.
    Fault,
    /// It is legal and most likely a mistake; the document is taken.
    Warning,
}

/// The first [`FAULTS_MAX`] of a kind, and how many more there are.
#[derive(Clone, Debug, Default)]
pub struct Listed {
    /// Those that are kept.
    kept: Vec<Fault>,
    /// How many are not.
    dropped: usize,
}

impl Listed {
    /// Adds one.
    fn push(&mut self, fault: Fault) {
        if self.has_room() {
            self.kept.push(fault);
        } else {
            self.dropped += 1;
        }
    }

    /// Those that are kept.
    pub fn kept(&self) -> &[Fault] {
        &self.kept
    }

    /// How many are not kept.
    pub const fn dropped(&self) -> usize {
        self.dropped
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.kept.len() + self.dropped
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Whether the next one is kept.
    pub const fn has_room(&self) -> bool {
        self.kept.len() < FAULTS_MAX
    }
}

/// All faults of a document, and beside them its warnings: without faults it is good, whatever it is warned of.
#[derive(Clone, Debug)]
pub struct Faults {
    /// The language of what is read.
    dialect: Dialect,
    /// Those that refuse it.
    wrong: Listed,
    /// The warnings.
    warnings: Listed,
    /// Names that may still be compared for suggestions.
    comparisons_left: usize,
}

/// Names that are compared for the suggestions of one document: a few milliseconds of work, however many names and
/// faults there are.
const COMPARISONS_MAX: usize = 100_000;
/// A name longer than this gets no suggestion: comparing costs the product of both lengths.
const COMPARED_OCTETS_MAX: usize = 64;

impl Default for Faults {
    fn default() -> Self {
        Self::of(Dialect::default())
    }
}

impl Faults {
    /// No faults yet of a document in a language.
    pub fn of(dialect: Dialect) -> Self {
        let (wrong, warnings) = (Listed::default(), Listed::default());
        Self { dialect, wrong, warnings, comparisons_left: COMPARISONS_MAX }
    }

    /// Whether the document is one that programs write.
    pub fn is_json(&self) -> bool {
        self.dialect == Dialect::Json
    }

    /// Adds a fault.
    pub fn push(&mut self, fault: Fault) {
        self.add(Severity::Fault, fault);
    }

    /// Adds a warning.
    pub fn warn(&mut self, warning: Fault) {
        self.add(Severity::Warning, warning);
    }

    /// Adds a fault or warning.
    pub fn add(&mut self, severity: Severity, fault: Fault) {
        match severity {
            Severity::Fault => self.wrong.push(fault),
            Severity::Warning => self.warnings.push(fault),
        }
    }

    /// All of one severity.
    pub const fn listed(&self, severity: Severity) -> &Listed {
        match severity {
            Severity::Fault => &self.wrong,
            Severity::Warning => &self.warnings,
        }
    }

    /// The faults that are kept.
    pub fn kept(&self) -> &[Fault] {
        self.wrong.kept()
    }

    /// How many faults are not kept.
    pub const fn dropped(&self) -> usize {
        self.wrong.dropped()
    }

    /// How many faults there are.
    pub const fn len(&self) -> usize {
        self.wrong.len()
    }

    /// Whether there are no faults.
    pub const fn is_empty(&self) -> bool {
        self.wrong.is_empty()
    }

    /// `did you mean "..."?` with the name nearest to `found`, if one is near.
    pub fn nearest<'n>(&mut self, found: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
        if found.is_empty() || found.len() > COMPARED_OCTETS_MAX {
            return None;
        }
        let mut best: Option<(usize, &str)> = None;
        for name in names {
            if self.comparisons_left == 0 {
                break;
            }
            // A third of the letters may differ; the lengths alone decide most cases.
            let allowed = found.len().max(name.len()).div_ceil(3);
            if name.len() > COMPARED_OCTETS_MAX || found.len().abs_diff(name.len()) > allowed {
                continue;
            }
            self.comparisons_left -= 1;
            let distance = strsim::osa_distance(found, name);
            if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
                best = Some((distance, name));
            }
        }
        best.map(|(_, name)| format!("did you mean {name:?}?"))
    }
}

/// The path of a fault as a JSON pointer (RFC 6901).
pub fn pointer(path: &str) -> String {
    let mut pointer = String::with_capacity(path.len() + 1);
    let mut rest = path;
    while !rest.is_empty() {
        rest = rest.strip_prefix(['.', '[']).unwrap_or(rest);
        let (step, tail) = first_step(rest);
        pointer.push('/');
        pointer.push_str(&step.replace('~', "~0").replace('/', "~1"));
        rest = tail;
    }
    pointer
}

/// The first step of a path, without its quotation marks, and what follows.
fn first_step(path: &str) -> (String, &str) {
    let Some(quoted) = path.strip_prefix('"') else {
        let (step, tail) = path.split_at(path.find(['.', '[', ']']).unwrap_or(path.len()));
        return (step.to_owned(), tail.strip_prefix(']').unwrap_or(tail));
    };
    let (mut is_escaped, mut end) = (false, quoted.len());
    for (offset, octet) in quoted.bytes().enumerate() {
        if octet == b'"' && !is_escaped {
            end = offset;
            break;
        }
        is_escaped = octet == b'\\' && !is_escaped;
    }
    let (step, tail) = quoted.split_at(end);
    // Long keys are cut in paths, and say so.
    let tail = tail.strip_prefix('"').unwrap_or(tail);
    (unescaped(step), tail.strip_prefix("...").unwrap_or(tail))
}

/// A text as it was before Rust's `Debug` escaped it.
fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        plain.push_str(before);
        let mut chars = after.chars();
        let code = after.strip_prefix("u{").and_then(|code| code.split_once('}'));
        match (chars.next(), code) {
            (Some('u'), Some((code, tail))) => {
                plain.extend(u32::from_str_radix(code, 16).ok().and_then(char::from_u32));
                rest = tail;
                continue;
            }
            (Some('n'), _) => plain.push('\n'),
            (Some('r'), _) => plain.push('\r'),
            (Some('t'), _) => plain.push('\t'),
            (Some('0'), _) => plain.push('\0'),
            (Some(char), _) => plain.push(char),
            (None, _) => {}
        }
        rest = chars.as_str();
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault() -> Fault {
        Fault::new(Place { source: 0, span: 0..1 }, "pools[0].name", "allowed: a text").found("5")
    }

    #[test]
    fn a_message_says_path_found_and_allowed() {
        assert_eq!(fault().to_string(), "pools[0].name: found 5; allowed: a text");
        assert_eq!(Fault::new(Place { source: 0, span: 0..0 }, "", "it is a folder").to_string(), "it is a folder");
    }

    #[test]
    fn faults_are_bounded_and_counted() {
        let mut faults = Faults::default();
        for _ in 0..FAULTS_MAX + 5 {
            faults.push(fault());
        }
        assert_eq!((faults.kept().len(), faults.dropped(), faults.len()), (FAULTS_MAX, 5, FAULTS_MAX + 5));
    }

    #[test]
    fn warnings_are_no_faults() {
        let mut faults = Faults::default();
        for _ in 0..=FAULTS_MAX {
            faults.warn(fault());
        }
        let warnings = faults.listed(Severity::Warning);
        assert_eq!((warnings.kept().len(), warnings.dropped(), warnings.has_room()), (FAULTS_MAX, 1, false));
        assert!(faults.is_empty() && faults.dropped() == 0);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["default_pools", "fallback_pool", "ttl"];
        for (found, nearest) in [
            ("default_pool", Some("did you mean \"default_pools\"?")),
            ("falback_pool", Some("did you mean \"fallback_pool\"?")),
            ("tlt", Some("did you mean \"ttl\"?")),
            ("region_map", None),
            ("", None),
        ] {
            assert_eq!(Faults::default().nearest(found, names).as_deref(), nearest, "{found}");
        }
    }

    #[test]
    fn rfc6901_paths_become_pointers() {
        for (path, expected) in [
            ("", ""),
            ("name", "/name"),
            ("origins[0].weight", "/origins/0/weight"),
            ("a.\"b c\".d[12]", "/a/b c/d/12"),
            ("\"a.b\"", "/a.b"),
            ("\"a/b~c\"[0]", "/a~1b~0c/0"),
            ("x.\"\\\"\\\\\\n\\u{7f}\\'\"", "/x/\"\\\n\u{7f}'"),
            ("x.\"long\"....y", "/x/long/y"),
        ] {
            assert_eq!(pointer(path), expected, "{path}");
        }
    }
}
