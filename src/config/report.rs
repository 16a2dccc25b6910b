//! What is wrong with a configuration, for people: every fault with file, line and column, the line itself with a mark
//! under it, and what to write instead.
//!
//! Nothing of a file reaches a terminal unescaped, and nothing is longer than a screen is wide.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::spec::fault::{Fault, Faults};

/// A file that was read, or could not be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Its name, as a person would write it.
    pub name: String,
    /// Its text, or a line of it; empty if it could not be read.
    pub text: String,
    /// Where in the file the text starts.
    pub origin: Position,
}

impl Source {
    /// A file with all of its text.
    pub const fn whole(name: String, text: String) -> Self {
        Self { name, text, origin: Position { line: 1, column: 1 } }
    }
}

/// All faults of a configuration. Its `Display` is the report.
#[derive(Clone)]
pub struct Report {
    /// The files.
    sources: Vec<Source>,
    /// What is wrong, sorted by file and position.
    faults: Vec<Fault>,
    /// How many more faults there are.
    dropped: usize,
    /// The control socket, if the faults leave no doubt about it.
    control: Option<PathBuf>,
}

/// A line and a column, both from 1; columns count characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

impl Position {
    /// The position in a file of one in a text that starts at `origin` there.
    const fn behind(self, origin: Self) -> Self {
        let column = if self.line == 1 { self.column + origin.column - 1 } else { self.column };
        Self { line: self.line + origin.line - 1, column }
    }
}

/// Characters of a line that are shown; more would wrap on most terminals.
const SHOWN_CHARS_MAX: usize = 100;
/// Of them, characters in front of the mark when the line has to be cut.
const SHOWN_BEFORE_MAX: usize = 50;

impl Report {
    /// A report of faults; each one's source is an index into `sources`.
    pub fn new(sources: Vec<Source>, faults: &Faults) -> Self {
        let dropped = faults.dropped();
        let mut faults = faults.kept().to_vec();
        faults.sort_by_key(|fault| (fault.at.source, fault.at.span.start));
        Self { sources, faults, dropped, control: None }
    }

    /// The faults in order, with file and position.
    pub fn faults(&self) -> impl Iterator<Item = (&str, Position, &Fault)> {
        let mut cursor = Cursor::default();
        self.faults.iter().map(move |fault| {
            let source = self.sources.get(fault.at.source);
            let text = source.map_or("", |source| source.text.as_str());
            let position = cursor.position(fault.at.source, text, fault.at.span.start);
            let position = source.map_or(position, |source| position.behind(source.origin));
            (source.map_or("", |source| source.name.as_str()), position, fault)
        })
    }

    /// The same with the control socket that the configuration names.
    #[must_use]
    pub(super) fn with_control(mut self, control: Option<PathBuf>) -> Self {
        self.control = control;
        self
    }

    /// The control socket, if the faults leave no doubt about it: a server that runs can still be asked.
    pub fn control(&self) -> Option<&Path> {
        self.control.as_deref()
    }

    /// How many faults there are, with those that are not listed.
    pub const fn len(&self) -> usize {
        self.faults.len() + self.dropped
    }

    /// Whether there are none; no report is made then.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The text of a file.
    fn text(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |source| source.text.as_str())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, position, fault) in self.faults() {
            let text = self.text(fault.at.source);
            let name = escaped(name);
            if text.is_empty() {
                writeln!(f, "{name}: {fault}")?;
            } else {
                writeln!(f, "{name}:{}:{}: {fault}", position.line, position.column)?;
                write_excerpt(f, text, &fault.at.span)?;
            }
            if let Some(first) = &fault.first {
                // Seldom, and then the whole text at most: a cursor of its own is fast enough.
                let at = Cursor::default().position(first.source, self.text(first.source), first.span.start);
                let name = self.sources.get(first.source).map_or("", |source| source.name.as_str());
                writeln!(f, "  first: {}:{}:{}", escaped(name), at.line, at.column)?;
            }
            if let Some(suggestion) = &fault.suggestion {
                writeln!(f, "  help: {suggestion}")?;
            }
        }
        // The lines of one zone file are sources of their own.
        let name = |fault: &Fault| self.sources.get(fault.at.source).map(|source| source.name.as_str());
        let mut files: Vec<Option<&str>> = self.faults.iter().map(name).collect();
        files.dedup();
        if self.dropped > 0 {
            writeln!(f, "{} more faults are not listed", self.dropped)?;
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let (faults, files) = (self.len(), files.len());
        write!(f, "{faults} fault{} in {files} file{}", plural(faults), plural(files))
    }
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Report {}

/// Counts lines in order of position, so that each text is read once.
#[derive(Default)]
struct Cursor {
    /// The file that it is in.
    source: usize,
    /// Octets that were counted.
    offset: usize,
    /// Line ends before them.
    lines: usize,
}

impl Cursor {
    /// The position of an offset; not before that of the last call in the same file, unless that costs a restart.
    fn position(&mut self, source: usize, text: &str, offset: usize) -> Position {
        let offset = floor_boundary(text, offset);
        if source != self.source || offset < self.offset {
            *self = Self { source, offset: 0, lines: 0 };
        }
        let passed = text.get(self.offset..offset).unwrap_or_default();
        self.lines += passed.matches('\n').count();
        self.offset = offset;
        let column = text.get(line_span(text, offset).start..offset).unwrap_or_default().chars().count();
        Position { line: self.lines + 1, column: column + 1 }
    }
}

/// The last place at or before an offset where a character starts.
fn floor_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// The line around an offset, without its end.
fn line_span(text: &str, offset: usize) -> Range<usize> {
    let (before, after) = text.split_at_checked(offset).unwrap_or((text, ""));
    let start = before.rfind('\n').map_or(0, |end| end + 1);
    let end = after.find('\n').map_or(text.len(), |length| offset + length);
    start..end
}

/// Writes the line of a span and marks under it.
fn write_excerpt(f: &mut fmt::Formatter<'_>, text: &str, span: &Range<usize>) -> fmt::Result {
    let start = floor_boundary(text, span.start);
    let line = line_span(text, start);
    let end = floor_boundary(text, span.end.clamp(start, line.end));
    let before: Vec<char> =
        text.get(line.start..start).unwrap_or_default().chars().rev().take(SHOWN_BEFORE_MAX + 1).collect();
    // Without a long head the tail may take its place.
    let head = before.len().min(SHOWN_BEFORE_MAX);
    let tail: Vec<char> =
        text.get(start..line.end).unwrap_or_default().chars().take(SHOWN_CHARS_MAX - head + 1).collect();
    let marked = text.get(start..end).unwrap_or_default().chars().take(SHOWN_CHARS_MAX - head).count().max(1);

    let mut shown = String::from(if before.len() > head { "..." } else { "" });
    before.iter().take(head).rev().for_each(|char| push_escaped(&mut shown, *char));
    let indent = shown.chars().count();
    tail.iter().take(marked).for_each(|char| push_escaped(&mut shown, *char));
    let marks = (shown.chars().count() - indent).max(1);
    tail.iter().take(SHOWN_CHARS_MAX - head).skip(marked).for_each(|char| push_escaped(&mut shown, *char));
    shown.push_str(if tail.len() > SHOWN_CHARS_MAX - head { "..." } else { "" });
    writeln!(f, "  | {}", shown.trim_end())?;
    writeln!(f, "  | {}{}", " ".repeat(indent), "^".repeat(marks))
}

/// A text of one line in which nothing acts on a terminal.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    text.chars().for_each(|char| push_escaped(&mut escaped, char));
    escaped
}

/// Appends a character so that it is seen and does nothing: control and format characters as `\u{1b}`.
fn push_escaped(text: &mut String, char: char) {
    match char {
        // A tab has no width of its own; one space keeps the marks in place.
        '\t' => text.push(' '),
        '\r' => {}
        '"' | '\'' | '\\' => text.push(char),
        _ => text.extend(char.escape_debug()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::fault::Place;

    /// The report of one fault in a text.
    fn report(text: &str, span: Range<usize>) -> String {
        let mut faults = Faults::default();
        faults.push(Fault::new(Place { source: 0, span }, "a.b", "allowed: nothing").suggest("write less".to_owned()));
        Report::new(vec![Source::whole("x.toml".into(), text.into())], &faults).to_string()
    }

    #[test]
    fn a_fault_shows_its_line_and_a_mark() {
        let expected =
            "x.toml:2:3: a.b: allowed: nothing\n  | ä=böse\n  |   ^^^^\n  help: write less\n1 fault in 1 file";
        assert_eq!(report("x\nä=böse\r\ny", 5..10), expected);
        // At the end of the text, and behind it.
        assert!(report("x\n", 2..2).starts_with("x.toml:2:1: a.b: allowed: nothing\n  | \n  | ^\n"));
        assert!(report("x", 700..900).starts_with("x.toml:1:2:"));
        assert!(report("", 0..0).starts_with("x.toml: a.b: allowed: nothing\n  help"));
    }

    #[test]
    fn what_would_act_on_a_terminal_is_escaped() {
        let report = report("a = \"\u{1b}[2J\u{202e}x\"", 4..14);
        assert!(report.contains("  | a = \"\\u{1b}[2J\\u{202e}x\"\n"), "{report}");
        assert!(!report.contains('\u{1b}') && !report.contains('\u{202e}'));
    }

    #[test]
    fn long_lines_are_cut_around_the_mark() {
        let text = format!("{}ab{}", "x".repeat(1000), "y".repeat(1000));
        let report = report(&text, 1000..1002);
        let cut = format!("  | ...{}ab{}...\n  | {}^^\n", "x".repeat(50), "y".repeat(48), " ".repeat(53));
        assert!(report.contains(&cut), "{report}");
        assert!(report.lines().all(|line| line.chars().count() < 120));
    }
}
