//! Splits a master file (RFC 1035 §5.1) into entries of words: what quotes, parentheses, comments and backslashes mean
//! is settled here, and a fault in one entry leaves the next one readable.

use std::ops::Range;

use crate::model::limits::ZONE_ENTRY_OCTETS_MAX;

/// A word of an entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Word {
    /// Its octets without quotation marks; escapes are as written.
    pub(super) span: Range<usize>,
    /// Whether it stands in quotation marks.
    pub(super) is_quoted: bool,
}

/// Why an entry cannot be split, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct SplitFault {
    /// Octets of the file.
    pub(super) span: Range<usize>,
    /// What is wrong there.
    pub(super) why: &'static str,
}

/// What begins an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Start {
    /// Its first word is at the beginning of the line.
    Owner,
    /// A space or tab: its owner is that of the entry before.
    Blank,
}

/// A master file that is being split.
pub(super) struct Splitter<'t> {
    /// The file.
    text: &'t [u8],
    /// What has been read.
    at: usize,
}

impl<'t> Splitter<'t> {
    /// Starts at the beginning of a file, behind the mark that some editors put there.
    pub(super) fn new(text: &'t [u8]) -> Self {
        let at = if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        Self { text, at }
    }

    /// Octets that were read.
    pub(super) const fn offset(&self) -> usize {
        self.at
    }

    /// The words of the next entry that has any; none at the end. After a fault it goes on behind it.
    pub(super) fn next(&mut self, words: &mut Vec<Word>) -> Option<Result<Start, SplitFault>> {
        while self.at < self.text.len() {
            words.clear();
            let start = match self.text.get(self.at) {
                Some(b' ' | b'\t') => Start::Blank,
                _ => Start::Owner,
            };
            match self.split_entry(words) {
                Ok(()) if words.is_empty() => {}
                Ok(()) => return Some(Ok(start)),
                Err(fault) => return Some(Err(fault)),
            }
        }
        None
    }

    /// Splits one entry.
    fn split_entry(&mut self, words: &mut Vec<Word>) -> Result<(), SplitFault> {
        let start = self.at;
        let mut open: Vec<usize> = Vec::new();
        while let Some(octet) = self.text.get(self.at) {
            if self.at - start > ZONE_ENTRY_OCTETS_MAX {
                break;
            }
            match octet {
                b'\n' if open.is_empty() => {
                    self.at += 1;
                    return Ok(());
                }
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b';' => self.at = self.line_end(self.at),
                b'(' => {
                    open.push(self.at);
                    self.at += 1;
                }
                b')' => {
                    self.at += 1;
                    if open.pop().is_none() {
                        return Err(self.skip_line(self.at - 1..self.at, "this parenthesis was not opened"));
                    }
                }
                b'"' => words.push(self.quoted()?),
                _ => words.push(self.unquoted()?),
            }
        }
        match open.first() {
            Some(paren) => Err(self.skip_parenthesis(*paren)),
            None if self.at < self.text.len() => Err(self.skip_line(start..start + 1, "this entry is too long")),
            None => Ok(()),
        }
    }

    /// Reads a word in quotation marks; it ends on its line.
    fn quoted(&mut self) -> Result<Word, SplitFault> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.text.get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Word { span: start..at, is_quoted: true });
                }
                Some(b'\\') if !matches!(self.text.get(at + 1), None | Some(b'\n')) => at += 2,
                Some(b'\n') | None => {
                    return Err(self.skip_line(start - 1..start, "this quotation mark is not closed on its line"));
                }
                Some(_) => at += 1,
            }
        }
    }

    /// Reads a word without quotation marks.
    fn unquoted(&mut self) -> Result<Word, SplitFault> {
        let start = self.at;
        let mut at = start;
        while let Some(octet) = self.text.get(at) {
            match octet {
                b'\\' if matches!(self.text.get(at + 1), None | Some(b'\r' | b'\n')) => {
                    return Err(self.skip_line(at..at + 1, "nothing follows this backslash"));
                }
                b'\\' => at += 2,
                b' ' | b'\t' | b'\r' | b'\n' | b';' | b'(' | b')' | b'"' => break,
                0..b' ' | 0x7f.. => {
                    let why = "only quoted texts may have control characters or letters outside ASCII; write \\DDD, and \
                               names in their A-label form (xn--...)";
                    return Err(self.skip_line(at..at + 1, why));
                }
                _ => at += 1,
            }
        }
        self.at = at;
        Ok(Word { span: start..at, is_quoted: false })
    }

    /// Goes on at the next line after one that cannot be split.
    fn skip_line(&mut self, span: Range<usize>, why: &'static str) -> SplitFault {
        self.at = self.line_end(span.start) + 1;
        SplitFault { span, why }
    }

    /// Goes on after an entry whose parenthesis is never closed: at the next line that does not look like more of it.
    fn skip_parenthesis(&mut self, paren: usize) -> SplitFault {
        self.at = self.line_end(paren) + 1;
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\r' | b'\n' | b';' | b')')) {
            self.at = self.line_end(self.at) + 1;
        }
        SplitFault { span: paren..paren + 1, why: "this parenthesis is not closed" }
    }

    /// Where the line of an offset ends: at its line feed or at the end of the file.
    fn line_end(&self, offset: usize) -> usize {
        let rest = self.text.get(offset..).unwrap_or_default();
        rest.iter().position(|octet| *octet == b'\n').map_or(self.text.len(), |length| offset + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Entries as words joined by bars, a blank start as a leading bar; faults as their text and octet.
    fn split(text: &[u8]) -> Vec<String> {
        let (mut splitter, mut words, mut all) = (Splitter::new(text), Vec::new(), Vec::new());
        while let Some(entry) = splitter.next(&mut words) {
            all.push(match entry {
                Ok(start) => {
                    let words: Vec<String> = words
                        .iter()
                        .map(|word| {
                            let shown = String::from_utf8_lossy(&text[word.span.clone()]).into_owned();
                            if word.is_quoted { format!("\"{shown}\"") } else { shown }
                        })
                        .collect();
                    let blank = if start == Start::Blank { "|" } else { "" };
                    format!("{blank}{}", words.join("|"))
                }
                Err(fault) => format!("{}: {}", fault.span.start, fault.why.split(';').next().unwrap()),
            });
        }
        all
    }

    #[test]
    fn entries_are_found() {
        for (text, entries) in [
            (&b"a A 1\nb A 2"[..], &["a|A|1", "b|A|2"][..]),
            (b"\xef\xbb\xbfa A 1\r\n\r\n\tA 2 ; x\r\n; c (\r\n", &["a|A|1", "|A|2"]),
            (b"a SOA ( b ; \" (\n c\nd ) e\nf", &["a|SOA|b|c|d|e", "f"]),
            (b"a TXT \"x ; y\" (\"\\\"\" z\n)", &["a|TXT|\"x ; y\"|\"\\\"\"|z"]),
            (b"a\\;b\\ c A", &["a\\;b\\ c|A"]),
            (b"a TXT x\"y\"z\"\"", &["a|TXT|x|\"y\"|z|\"\""]),
            (b"((a)\n(b))\n", &["a|b"]),
            (b" \n\t\r\n", &[]),
            (b"a TXT \"\xff\xc3\"", &["a|TXT|\"\u{fffd}\u{fffd}\""]),
        ] {
            assert_eq!(split(text), entries, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn a_faulty_entry_leaves_the_next_readable() {
        for (text, entries) in [
            (&b"a TXT \"x\nb A 1"[..], &["6: this quotation mark is not closed on its line", "b|A|1"][..]),
            (b"a TXT x)\nb A 1", &["7: this parenthesis was not opened", "b|A|1"]),
            (b"a SOA ( x\n 1 2\n)) 3\nb A 1", &["16: this parenthesis was not opened", "b|A|1"]),
            (b"a SOA ( x\n 1\n; (\nb A (1)\nc", &["6: this parenthesis is not closed", "b|A|1", "c"]),
            (b"a \\\nb A 1", &["2: nothing follows this backslash", "b|A|1"]),
            (b"a \"\\\nb A 1", &["2: this quotation mark is not closed on its line", "b|A|1"]),
            (b"a \x01\nb A 1", &["2: only quoted texts may have control characters or letters outside ASCII", "b|A|1"]),
        ] {
            assert_eq!(split(text), entries, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn an_endless_entry_is_refused() {
        let text = [&b"a TXT "[..], &b"x ".repeat(ZONE_ENTRY_OCTETS_MAX / 2), b"\nb A 1"].concat();
        assert_eq!(split(&text), ["0: this entry is too long", "b|A|1"]);
        let text = [&b"a TXT (\n"[..], &b"b (\n".repeat(ZONE_ENTRY_OCTETS_MAX / 4)].concat();
        let fault = Splitter::new(&text).next(&mut Vec::new()).unwrap().unwrap_err();
        assert_eq!((fault.span, fault.why), (6..7, "this parenthesis is not closed"));
    }
}
