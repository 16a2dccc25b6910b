//! The words of a record's line, and the one word that the reader of records does not know as data: `@`.

use std::borrow::Cow;
use std::str::FromStr as _;

use domain::base::iana::Rtype as DomainRtype;

use crate::model::name::Name;
use crate::model::rrset::Rtype;

/// Types whose data has names and no character strings, in which `@` would stand for itself.
const TYPES_WITH_NAMES: [&str; 17] = [
    "NS", "MD", "MF", "CNAME", "SOA", "MB", "MG", "MR", "PTR", "MINFO", "MX", "RP", "AFSDB", "SRV", "DNAME", "SVCB",
    "HTTPS",
];

/// The words of a line outside quotation marks and comments, with their offsets.
pub(super) fn words(line: &str) -> Vec<(usize, &str)> {
    let (mut words, mut start, mut is_quoted, mut is_escaped) = (Vec::new(), None, false, false);
    for (offset, octet) in line.bytes().enumerate() {
        let ends = !is_quoted && !is_escaped && matches!(octet, b' ' | b'\t' | b'(' | b')' | b';');
        if let (true, Some(start)) = (ends, start) {
            words.extend(line.get(start..offset).map(|word| (start, word)));
        }
        start = if ends { None } else { start.or(Some(offset)) };
        if ends && octet == b';' {
            return words;
        }
        is_quoted ^= octet == b'"' && !is_escaped;
        is_escaped = octet == b'\\' && !is_escaped;
    }
    words.extend(start.and_then(|start| Some((start, line.get(start..)?))));
    words
}

/// The type that the words of a line name. Behind the owner, TTL and class stand before it, in any order (RFC 1035 §5.1).
pub(super) fn type_of(words: &[(usize, &str)]) -> Option<Rtype> {
    let (_, word) = words.get(type_index(words)?)?;
    Some(Rtype(DomainRtype::from_str(word).ok()?.to_int()))
}

/// Which of the words is the type.
fn type_index(words: &[(usize, &str)]) -> Option<usize> {
    let is_before_type = |word: &str| word.eq_ignore_ascii_case("IN") || word.starts_with(|c: char| c.is_ascii_digit());
    let index = words.iter().skip(1).position(|(_, word)| !is_before_type(word))?;
    Some(index + 1)
}

/// A line in which every `@` in data that stands for the origin (RFC 1035 §5.1) has become its name.
pub(super) struct Expanded<'l> {
    /// The line.
    pub(super) line: Cow<'l, str>,
    /// Where each `@` stood.
    signs: Vec<usize>,
    /// By how much each made the line longer.
    growth: usize,
}

impl<'l> Expanded<'l> {
    /// Expands a line.
    pub(super) fn new(line: &'l str, origin: &Name) -> Self {
        let words = words(line);
        let data = type_index(&words).filter(|index| {
            let rtype = words.get(*index).map_or("", |(_, word)| *word);
            TYPES_WITH_NAMES.iter().any(|known| known.eq_ignore_ascii_case(rtype))
        });
        let data = data.and_then(|index| words.get(index + 1..)).unwrap_or_default();
        let signs: Vec<usize> = data.iter().filter(|(_, word)| *word == "@").map(|(offset, _)| *offset).collect();
        if signs.is_empty() {
            return Self { line: Cow::Borrowed(line), signs, growth: 0 };
        }
        // Without its final dot a name would be relative again.
        let name = if origin.label_count() == 0 { ".".to_owned() } else { format!("{origin}.") };
        let mut expanded = line.to_owned();
        for sign in signs.iter().rev() {
            expanded.replace_range(*sign..=*sign, &name);
        }
        Self { line: Cow::Owned(expanded), signs, growth: name.len() - 1 }
    }

    /// The offset in the line as it was given of an offset in [`Expanded::line`].
    pub(super) fn original(&self, offset: usize) -> usize {
        let mut original = offset;
        for sign in &self.signs {
            original -= self.growth.min(original.saturating_sub(*sign));
        }
        original
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Name {
        Name::parse("example.com", None).unwrap()
    }

    #[test]
    fn rfc1035_section_5_1_an_at_sign_is_the_origin_in_data_too() {
        for (line, expanded) in [
            ("d DNAME @", "d DNAME example.com."),
            ("@ 60 IN MX 10 @ ; not @", "@ 60 IN MX 10 example.com. ; not @"),
            ("_x SRV 0 0 1 @", "_x SRV 0 0 1 example.com."),
            ("m MINFO @ @", "m MINFO example.com. example.com."),
            ("t TXT @", "t TXT @"),
            ("c CNAME \\@", "c CNAME \\@"),
            ("c CNAME a@", "c CNAME a@"),
        ] {
            assert_eq!(Expanded::new(line, &origin()).line, expanded);
        }
        assert_eq!(Expanded::new("d DNAME @", &Name::root()).line, "d DNAME .");
    }

    #[test]
    fn places_are_those_of_the_line_as_given() {
        let expanded = Expanded::new("m MINFO @ @ x", &origin());
        for (offset, original) in [(0, 0), (8, 8), (20, 9), (21, 10), (34, 12)] {
            assert_eq!(expanded.original(offset), original, "{offset}");
        }
    }
}
