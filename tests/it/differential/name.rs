//! Domain names with any octets, in the forms that zone files, queries and answers have.

use std::fmt;

/// A domain name: its labels, the leftmost first, in the letter case they were written in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Name(pub Vec<Vec<u8>>);

impl Name {
    /// A name out of text without escapes.
    pub fn of(text: &str) -> Self {
        Self(text.split('.').filter(|label| !label.is_empty()).map(|label| label.as_bytes().to_vec()).collect())
    }

    /// This name with labels in front.
    pub fn below(&self, labels: &[Vec<u8>]) -> Self {
        Self(labels.iter().chain(&self.0).cloned().collect())
    }

    /// This name without its first `count` labels.
    pub fn without(&self, count: usize) -> Self {
        Self(self.0.iter().skip(count).cloned().collect())
    }

    /// Whether `other` is this name or one above it.
    pub fn is_in(&self, other: &Self) -> bool {
        self.0.len() >= other.0.len() && same_labels(&self.0[self.0.len() - other.0.len()..], &other.0)
    }

    /// Whether this name is below `other`.
    pub fn is_below(&self, other: &Self) -> bool {
        self.0.len() > other.0.len() && self.is_in(other)
    }

    /// Whether both are the same name.
    pub fn is_same(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.is_in(other)
    }

    /// Whether the leftmost label is an asterisk.
    pub fn is_wildcard(&self) -> bool {
        self.0.first().is_some_and(|label| label == b"*")
    }

    /// Octets of the wire form.
    pub fn octets(&self) -> usize {
        self.0.iter().map(|label| label.len() + 1).sum::<usize>() + 1
    }

    /// The wire form.
    pub fn wire(&self) -> Vec<u8> {
        let mut wire = Vec::with_capacity(self.octets());
        for label in &self.0 {
            wire.push(u8::try_from(label.len()).unwrap());
            wire.extend_from_slice(label);
        }
        wire.push(0);
        wire
    }

    /// The name in small letters.
    pub fn lower(&self) -> Self {
        Self(self.0.iter().map(|label| label.to_ascii_lowercase()).collect())
    }

    /// The name with the letter case that the bits of `upper` say, in turn.
    pub fn with_case(&self, upper: u64) -> Self {
        let mut at = 0_u32;
        let mut cased = |octet: u8| {
            at = at.wrapping_add(1) % 64;
            if upper >> at & 1 == 1 { octet.to_ascii_uppercase() } else { octet }
        };
        Self(self.0.iter().map(|label| label.iter().map(|octet| cased(*octet)).collect()).collect())
    }
}

/// Whether labels are the same but for letter case.
fn same_labels(one: &[Vec<u8>], other: &[Vec<u8>]) -> bool {
    one.iter().zip(other).all(|(one, other)| one.eq_ignore_ascii_case(other))
}

/// A label in presentation form (RFC 1035 §5.1). A backslash is written as a number: NSD misreads `\\\\` before a dot.
pub fn label_text(label: &[u8]) -> String {
    label
        .iter()
        .map(|octet| match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'*' => char::from(*octet).to_string(),
            b'!'..=b'~' if *octet != b'\\' => format!("\\{}", char::from(*octet)),
            _ => format!("\\{octet:03}"),
        })
        .collect()
}

/// Labels with dots between them.
pub fn labels_text(labels: &[Vec<u8>]) -> String {
    labels.iter().map(|label| label_text(label)).collect::<Vec<_>>().join(".")
}

impl fmt::Display for Name {
    /// The absolute name, with its last dot.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.", labels_text(&self.0))
    }
}
