//! What is wrong with a configuration, for people: every fault with file, line and column, the line itself with a mark
//! under it, and what to write instead. Warnings are shown in the same way, behind the faults.
//!
//! Nothing of a file reaches a terminal unescaped, and nothing is longer than a screen is wide.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::spec::fault::{Fault, Faults, Severity};

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

/// All faults and warnings of a configuration. Its `Display` is the report.
#[derive(Clone, Default)]
pub struct Report {
    /// The files.
    sources: Vec<Source>,
    /// What is wrong or likely to be, the faults first, each kind sorted by file and position.
    findings: Vec<(Severity, Fault)>,
    /// How many more faults there are, and how many more warnings.
    dropped: [usize; 2],
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

/// In the order in which they are shown.
const SEVERITIES: [Severity; 2] = [Severity::Fault, Severity::Warning];
/// Characters of a line that are shown; more would wrap on most terminals.
const SHOWN_CHARS_MAX: usize = 100;
/// Of them, characters in front of the mark when the line has to be cut.
const SHOWN_BEFORE_MAX: usize = 50;

impl Report {
    /// A report of faults and warnings; each one's source is an index into `sources`.
    pub fn new(sources: Vec<Source>, faults: &Faults) -> Self {
        let listed = |severity| faults.listed(severity).kept().iter().cloned().map(move |fault| (severity, fault));
        let mut findings: Vec<_> = SEVERITIES.into_iter().flat_map(listed).collect();
        findings.sort_by_key(|(severity, fault)| (*severity, fault.at.source, fault.at.span.start));
        let dropped = SEVERITIES.map(|severity| faults.listed(severity).dropped());
        Self { sources, findings, dropped, control: None }
    }

    /// The faults in order, with file and position.
    pub fn faults(&self) -> impl Iterator<Item = (&str, Position, &Fault)> {
        self.of(Severity::Fault)
    }

    /// The warnings in order, with file and position.
    pub fn warnings(&self) -> impl Iterator<Item = (&str, Position, &Fault)> {
        self.of(Severity::Warning)
    }

    /// Those of one severity in order.
    fn of(&self, severity: Severity) -> impl Iterator<Item = (&str, Position, &Fault)> {
        self.placed().filter_map(move |(of, name, position, fault)| (of == severity).then_some((name, position, fault)))
    }

    /// Faults and warnings in order, with file and position.
    fn placed(&self) -> impl Iterator<Item = (Severity, &str, Position, &Fault)> {
        let mut cursor = Cursor::default();
        self.findings.iter().map(move |(severity, fault)| {
            let source = self.sources.get(fault.at.source);
            let text = source.map_or("", |source| source.text.as_str());
            let position = cursor.position(fault.at.source, text, fault.at.span.start);
            let position = source.map_or(position, |source| position.behind(source.origin));
            (*severity, source.map_or("", |source| source.name.as_str()), position, fault)
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

    /// How many there are of a severity, with those that are not listed.
    pub fn count(&self, severity: Severity) -> usize {
        let of_severity = |(of, _): &&(Severity, Fault)| *of == severity;
        let dropped = SEVERITIES.iter().zip(self.dropped).filter(|(of, _)| **of == severity);
        self.findings.iter().filter(of_severity).count() + dropped.map(|(_, dropped)| dropped).sum::<usize>()
    }

    /// Whether there is nothing to report.
    pub const fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// The text of a file.
    fn text(&self, source: usize) -> &str {
        self.sources.get(source).map_or("", |source| source.text.as_str())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (severity, name, position, fault) in self.placed() {
            let title = if severity == Severity::Warning { "warning: " } else { "" };
            let text = self.text(fault.at.source);
            let name = escaped(name);
            if text.is_empty() {
                writeln!(f, "{name}: {title}{fault}")?;
            } else {
                writeln!(f, "{name}:{}:{}: {title}{fault}", position.line, position.column)?;
                if !shows_secret(fault, text) {
                    write_excerpt(f, text, &fault.at.span)?;
                }
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
        for (severity, dropped) in SEVERITIES.into_iter().zip(self.dropped).filter(|(_, dropped)| *dropped > 0) {
            let is = if dropped == 1 { " is" } else { "s are" };
            writeln!(f, "{dropped} more {}{is} not listed", noun(severity))?;
        }
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let counts = SEVERITIES.map(|severity| (severity, self.count(severity)));
        let counts = counts.into_iter().filter(|(_, count)| *count > 0);
        let counts: Vec<String> =
            counts.map(|(severity, count)| format!("{count} {}{}", noun(severity), plural(count))).collect();
        // The lines of one zone file are sources of their own.
        let name = |(_, fault): &(_, Fault)| self.sources.get(fault.at.source).map(|source| source.name.as_str());
        let files = self.findings.iter().map(name).collect::<HashSet<_>>().len();
        write!(f, "{} in {files} file{}", counts.join(", "), plural(files))
    }
}

/// What one is called.
const fn noun(severity: Severity) -> &'static str {
    match severity {
        Severity::Fault => "fault",
        Severity::Warning => "warning",
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

/// Whether the line of a fault has a secret: reports end up in journals and tickets.
fn shows_secret(fault: &Fault, text: &str) -> bool {
    let line = text.get(line_span(text, floor_boundary(text, fault.at.span.start))).unwrap_or_default();
    fault.path.contains("secret") || line.contains("secret")
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
    fn a_line_with_a_secret_is_not_shown() {
        let text = report("secret = \"c2VjcmV0\"", 9..19);
        assert_eq!(text, "x.toml:1:10: a.b: allowed: nothing\n  help: write less\n1 fault in 1 file");
        let mut faults = Faults::default();
        faults.push(Fault::new(Place { source: 0, span: 12..14 }, "cookies.secrets[1]", "too short"));
        let lines = Source::whole("x.toml".into(), "secrets = [\n'ab',\n]".into());
        assert!(!Report::new(vec![lines], &faults).to_string().contains("ab"));
    }

    #[test]
    fn warnings_come_behind_the_faults() {
        let mut faults = Faults::default();
        faults.warn(Fault::new(Place { source: 0, span: 0..1 }, "", "not nice"));
        let sources = vec![Source::whole("x.toml".into(), "a\nb".into())];
        let warned = Report::new(sources.clone(), &faults);
        assert_eq!(warned.to_string(), "x.toml:1:1: warning: not nice\n  | a\n  | ^\n1 warning in 1 file");
        faults.push(Fault::new(Place { source: 0, span: 2..3 }, "", "wrong"));
        faults.push(Fault::new(Place { source: 0, span: 0..1 }, "", "wrong"));
        let report = Report::new(sources, &faults);
        let text = report.to_string();
        let heads: Vec<&str> = text.lines().filter(|line| !line.starts_with("  |")).collect();
        let expected = [
            "x.toml:1:1: wrong",
            "x.toml:2:1: wrong",
            "x.toml:1:1: warning: not nice",
            "2 faults, 1 warning in 1 file",
        ];
        assert_eq!(heads, expected);
        assert_eq!((report.faults().count(), report.warnings().count()), (2, 1));
    }

    #[test]
    fn warnings_that_are_not_listed_are_counted() {
        let mut faults = Faults::default();
        let warning = Fault::new(Place { source: 0, span: 0..0 }, "", "x");
        for _ in 0..1_001 {
            faults.warn(warning.clone());
        }
        let report = Report::new(vec![Source::whole("x.toml".into(), String::new())], &faults);
        assert!(report.to_string().ends_with("\n1 more warning is not listed\n1001 warnings in 1 file"));
        faults.warn(warning);
        let report = Report::new(vec![Source::whole("x.toml".into(), String::new())], &faults);
        assert_eq!(report.count(Severity::Warning), 1_002);
        assert!(report.to_string().ends_with("\n2 more warnings are not listed\n1002 warnings in 1 file"));
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
