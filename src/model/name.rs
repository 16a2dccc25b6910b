//! Domain names in wire form: what owner names, zone apexes and targets are made of.
//!
//! A [`Name`] is always absolute, in lower case and uncompressed. Lower case costs nothing: answers take the letter
//! case of owner names from the question (RFC 4343 §4.1), never from here.

use std::cmp::Ordering;
use std::fmt;

/// Longest name in octets, with its length octets and the root (RFC 1035 §2.3.4).
pub const NAME_OCTETS_MAX: usize = 255;
/// Longest label in octets (RFC 1035 §2.3.4).
pub const LABEL_OCTETS_MAX: usize = 63;
/// Most labels a name can have, the root not counted: 127 labels of one octet.
pub const LABELS_MAX: usize = 127;

/// An absolute domain name, in lower-case wire form.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Name(Box<[u8]>);

/// Why a text is not a domain name.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// Two dots in a row, or a dot in front.
    #[error("it has an empty label (two dots in a row, or a dot in front)")]
    EmptyLabel,
    /// A label that is too long.
    #[error("a label is longer than 63 octets")]
    LabelTooLong,
    /// The whole is too long.
    #[error("it is longer than 255 octets")]
    TooLong,
    /// A backslash that does not start `\DDD` or `\X`.
    #[error("a backslash must be followed by three digits (000 to 255) or one character")]
    BadEscape,
    /// A space or control character.
    #[error("it has a space or control character")]
    BadCharacter,
    /// Letters outside ASCII.
    #[error("it has letters outside ASCII; write its A-label form (xn--...)")]
    NotAscii,
}

impl Name {
    /// The root.
    pub fn root() -> Self {
        Self(Box::new([0]))
    }

    /// Parses presentation form (RFC 1035 §5.1). Without a final dot the name is relative to `origin`, or, where there
    /// is none, absolute all the same. `@` is the origin.
    pub fn parse(text: &str, origin: Option<&Self>) -> Result<Self, NameError> {
        let mut wire = Vec::with_capacity(text.len() + 2 + origin.map_or(0, |origin| origin.0.len()));
        append_wire(text.as_bytes(), origin, &mut wire)?;
        wire.make_ascii_lowercase();
        Ok(Self(wire.into()))
    }

    /// Takes uncompressed wire form, with nothing before or after the name.
    pub fn from_wire(wire: &[u8]) -> Option<Self> {
        if wire.len() > NAME_OCTETS_MAX {
            return None;
        }
        let mut rest = wire;
        loop {
            let (length, tail) = rest.split_first()?;
            match usize::from(*length) {
                0 if tail.is_empty() => break,
                length @ 1..=LABEL_OCTETS_MAX => rest = tail.get(length..)?,
                _ => return None,
            }
        }
        Some(Self(wire.to_ascii_lowercase().into()))
    }

    /// The wire form: labels with their length octets, ending in a zero octet.
    pub fn wire(&self) -> &[u8] {
        &self.0
    }

    /// The labels without their length octets, leftmost first, the root not included.
    pub fn labels(&self) -> Labels<'_> {
        Labels { rest: &self.0 }
    }

    /// How many labels it has, the root not counted.
    pub fn label_count(&self) -> usize {
        self.labels().count()
    }

    /// The name without its leftmost label; none for the root.
    pub fn parent(&self) -> Option<Self> {
        let length = usize::from(*self.0.first()?);
        if length == 0 {
            return None;
        }
        self.0.get(1 + length..).map(|wire| Self(wire.into()))
    }

    /// The wildcard below it (RFC 4592 §2.1.1); none if that would be too long.
    pub fn wildcard(&self) -> Option<Self> {
        (self.0.len() + 2 <= NAME_OCTETS_MAX).then(|| Self([b"\x01*", &*self.0].concat().into()))
    }

    /// Whether it is `ancestor` or lies below it.
    pub fn is_at_or_below(&self, ancestor: &Self) -> bool {
        let mut rest = self.labels();
        let Some(extra) = self.label_count().checked_sub(ancestor.label_count()) else { return false };
        for _ in 0..extra {
            rest.next();
        }
        rest.rest == &*ancestor.0
    }

    /// Whether its leftmost label is an asterisk (RFC 4592 §2.1.1).
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with(b"\x01*")
    }
}

/// Iterator over the labels of a name.
#[derive(Clone)]
pub struct Labels<'n> {
    /// What has not been read: wire form.
    rest: &'n [u8],
}

impl<'n> Iterator for Labels<'n> {
    type Item = &'n [u8];

    fn next(&mut self) -> Option<&'n [u8]> {
        let (length, tail) = self.rest.split_first()?;
        if *length == 0 {
            return None;
        }
        let (label, rest) = tail.split_at_checked(usize::from(*length))?;
        self.rest = rest;
        Some(label)
    }
}

/// Appends the wire form of a name to `wire`, its letter case as written; on an error `wire` is as before. See
/// [`Name::parse`] for what may be written.
pub fn append_wire(text: &[u8], origin: Option<&Name>, wire: &mut Vec<u8>) -> Result<(), NameError> {
    let start = wire.len();
    let appended = append_absolute(text, origin, start, wire);
    if appended.is_err() {
        wire.truncate(start);
    }
    appended
}

/// Appends a name and what it is relative to.
fn append_absolute(text: &[u8], origin: Option<&Name>, start: usize, wire: &mut Vec<u8>) -> Result<(), NameError> {
    let is_absolute = match (text, origin) {
        (b"", _) => return Err(NameError::Empty),
        (b"@", Some(_)) => false,
        (b".", _) => true,
        _ => append_labels(text, start, wire)?,
    };
    match origin {
        Some(origin) if !is_absolute => wire.extend_from_slice(&origin.0),
        _ => wire.push(0),
    }
    if wire.len() - start > NAME_OCTETS_MAX { Err(NameError::TooLong) } else { Ok(()) }
}

/// Appends labels without the root, the name beginning at `start`; says whether the text ended in a dot.
fn append_labels(text: &[u8], start: usize, wire: &mut Vec<u8>) -> Result<bool, NameError> {
    let mut octets = text.iter().copied();
    let mut label = wire.len();
    let mut is_absolute = false;
    wire.push(0);
    while let Some(octet) = octets.next() {
        is_absolute = octet == b'.';
        match octet {
            b'.' => {
                end_label(wire, start, label)?;
                label = wire.len();
                wire.push(0);
            }
            b'\\' => wire.push(parse_escape(&mut octets)?),
            b'!'..=b'~' => wire.push(octet),
            0x80.. => return Err(NameError::NotAscii),
            _ => return Err(NameError::BadCharacter),
        }
    }
    if is_absolute {
        wire.truncate(label);
    } else {
        end_label(wire, start, label)?;
    }
    Ok(is_absolute)
}

/// Writes the length of the label that begins at `label`.
fn end_label(wire: &mut [u8], start: usize, label: usize) -> Result<(), NameError> {
    let end = wire.len();
    let length = u8::try_from(end - label - 1).ok().filter(|length| usize::from(*length) <= LABEL_OCTETS_MAX);
    match (wire.get_mut(label), length) {
        (_, Some(0)) => return Err(NameError::EmptyLabel),
        (Some(place), Some(length)) => *place = length,
        _ => return Err(NameError::LabelTooLong),
    }
    if end - start >= NAME_OCTETS_MAX { Err(NameError::TooLong) } else { Ok(()) }
}

/// Parses what follows a backslash: `DDD` or one character.
fn parse_escape(octets: &mut impl Iterator<Item = u8>) -> Result<u8, NameError> {
    let first = octets.next().ok_or(NameError::BadEscape)?;
    if !first.is_ascii_digit() {
        return if first.is_ascii_graphic() { Ok(first) } else { Err(NameError::BadEscape) };
    }
    let mut value = u16::from(first - b'0');
    for _ in 0..2 {
        let digit = octets.next().filter(u8::is_ascii_digit).ok_or(NameError::BadEscape)?;
        value = value * 10 + u16::from(digit - b'0');
    }
    u8::try_from(value).map_err(|_| NameError::BadEscape)
}

/// Compares names in uncompressed wire form and one letter case in canonical order (RFC 4034 §6.1): by labels from the
/// right, absent before present.
pub fn compare_canonically(one: &[u8], other: &[u8]) -> Ordering {
    let (one, other) = (LabelStarts::of(one), LabelStarts::of(other));
    one.rightmost_first().cmp(other.rightmost_first())
}

/// The first sixteen octets of a name's place in canonical order, the rightmost `skip` labels left out: where two names
/// under one apex differ here, they are in the order of these numbers.
pub fn canonical_prefix(wire: &[u8], skip: usize) -> u128 {
    let (mut octets, mut room) = (0_u128, 16_u32);
    let mut push = |octet: u8| {
        octets = if room > 0 { octets << 8 | u128::from(octet) } else { octets };
        room = room.saturating_sub(1);
        room > 0
    };
    'labels: for label in LabelStarts::of(wire).rightmost_first().skip(skip) {
        for octet in label {
            // Zero ends a label, so that a shorter one comes first; what could be taken for it is written as two.
            let goes_on = match octet {
                0 | 1 => push(1) && push(octet + 1),
                _ => push(*octet),
            };
            if !goes_on {
                break 'labels;
            }
        }
        if !push(0) {
            break;
        }
    }
    octets.checked_shl(8 * room).unwrap_or(0)
}

/// Where the labels of a name start, on the stack.
struct LabelStarts<'n> {
    /// The name.
    wire: &'n [u8],
    /// Offsets of the length octets.
    starts: [u8; LABELS_MAX],
    /// How many there are.
    count: usize,
}

impl<'n> LabelStarts<'n> {
    /// Finds the labels of a name.
    fn of(wire: &'n [u8]) -> Self {
        let (mut starts, mut count, mut at) = ([0_u8; LABELS_MAX], 0, 0);
        while let (Some(length @ 1..), Some(place), Ok(start)) =
            (wire.get(at).copied(), starts.get_mut(count), u8::try_from(at))
        {
            *place = start;
            count += 1;
            at += 1 + usize::from(length);
        }
        Self { wire, starts, count }
    }

    /// The labels, rightmost first.
    fn rightmost_first(&self) -> impl Iterator<Item = &'n [u8]> {
        let starts = self.starts.get(..self.count).unwrap_or_default();
        starts.iter().rev().map(|start| {
            let (length, rest) =
                self.wire.get(usize::from(*start)..).and_then(<[u8]>::split_first).unwrap_or((&0, &[]));
            rest.get(..usize::from(*length)).unwrap_or_default()
        })
    }
}

/// Canonical order (RFC 4034 §6.1): by labels from the right, absent before present.
impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_canonically(&self.0, &other.0)
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Presentation form with a final dot only for the root: how people and the original's API write names.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() == 1 {
            return f.write_str(".");
        }
        for (index, label) in self.labels().enumerate() {
            if index > 0 {
                f.write_str(".")?;
            }
            for octet in label {
                match octet {
                    b'.' | b'\\' | b'"' | b'(' | b')' | b';' | b'@' | b'$' => write!(f, "\\{}", char::from(*octet))?,
                    b'!'..=b'~' => write!(f, "{}", char::from(*octet))?,
                    _ => write!(f, "\\{octet:03}")?,
                }
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, None).unwrap()
    }

    #[test]
    fn presentation_form() {
        for (text, wire) in [
            (".", &b"\0"[..]),
            ("example.com", b"\x07example\x03com\0"),
            ("Example.COM.", b"\x07example\x03com\0"),
            ("*.example", b"\x01*\x07example\0"),
            (r"a\.b.example", b"\x03a.b\x07example\0"),
            (r"\097\000.example", b"\x02a\0\x07example\0"),
        ] {
            assert_eq!(name(text).wire(), wire, "{text}");
        }
        for (text, error) in [
            ("", NameError::Empty),
            ("a..b", NameError::EmptyLabel),
            (".a", NameError::EmptyLabel),
            ("..", NameError::EmptyLabel),
            (r"a\", NameError::BadEscape),
            (r"\256", NameError::BadEscape),
            (r"\09", NameError::BadEscape),
            ("a b", NameError::BadCharacter),
            ("bücher.example", NameError::NotAscii),
            (&"a".repeat(64), NameError::LabelTooLong),
            (&"a.".repeat(128), NameError::TooLong),
        ] {
            assert_eq!(Name::parse(text, None), Err(error), "{text}");
        }
        assert_eq!(name(&"a.".repeat(127)).wire().len(), 255);
    }

    #[test]
    fn relative_names_take_the_origin() {
        let apex = name("example.com");
        for (text, full) in [("@", "example.com"), ("www", "www.example.com"), ("www.example.net.", "www.example.net")]
        {
            assert_eq!(Name::parse(text, Some(&apex)).unwrap(), name(full));
        }
        let long = "a.".repeat(124) + "b";
        assert_eq!(Name::parse(&long, Some(&apex)), Err(NameError::TooLong));
    }

    #[test]
    fn at_or_below_goes_by_labels() {
        let apex = name("example.com");
        for (text, below) in
            [("example.com", true), ("a.b.example.com", true), ("badexample.com", false), ("com", false), (".", false)]
        {
            assert_eq!(name(text).is_at_or_below(&apex), below, "{text}");
        }
        assert!(apex.is_at_or_below(&Name::root()));
    }

    #[test]
    fn rfc4034_section_6_1_canonical_order() {
        let sorted = [
            "example",
            "a.example",
            "yljkjljk.a.example",
            "Z.a.example",
            "zABC.a.EXAMPLE",
            "z.example",
            r"\001.z.example",
            "*.z.example",
            r"\200.z.example",
        ];
        assert!(sorted.iter().map(|text| name(text)).is_sorted());
    }

    proptest! {
        #[test]
        fn a_prefix_never_contradicts_the_order(
            one in prop::collection::vec(prop::collection::vec(0_u8..4, 1..12), 0..4),
            other in prop::collection::vec(prop::collection::vec(0_u8..4, 1..12), 0..4),
        ) {
            let wire = |labels: &[Vec<u8>]| {
                let mut wire: Vec<u8> =
                    labels.iter().flat_map(|label| [vec![u8::try_from(label.len()).unwrap()], label.clone()].concat()).collect();
                wire.extend(b"\x01a\0");
                Name::from_wire(&wire).unwrap()
            };
            let (one, other) = (wire(&one), wire(&other));
            let prefixes = canonical_prefix(one.wire(), 1).cmp(&canonical_prefix(other.wire(), 1));
            prop_assert!(prefixes == Ordering::Equal || prefixes == one.cmp(&other), "{:?} {:?}", one, other);
        }

        #[test]
        fn display_parses_back(labels in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..20), 0..10)) {
            let mut wire: Vec<u8> = Vec::new();
            for label in &labels {
                wire.push(u8::try_from(label.len()).unwrap());
                wire.extend(label);
            }
            wire.push(0);
            let name = Name::from_wire(&wire).unwrap();
            prop_assert_eq!(Name::parse(&name.to_string(), None).unwrap(), name);
        }

        #[test]
        fn any_octets_are_a_valid_name_or_none(wire in prop::collection::vec(0_u8..5, 0..40)) {
            if let Some(name) = Name::from_wire(&wire) {
                prop_assert_eq!(name.wire(), &wire[..]);
                prop_assert_eq!(name.labels().map(|label| label.len() + 1).sum::<usize>() + 1, wire.len());
            }
        }
    }
}
