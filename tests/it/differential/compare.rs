//! What differs between two answers.

use std::fmt;

use super::message::{Answer, Record, SECTIONS};

/// A difference between two answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The response code.
    Rcode,
    /// The AA bit.
    Authoritative,
    /// The TC bit.
    Truncated,
    /// RD, RA, EDNS or its DO bit.
    Header,
    /// Records of a section that only the first has, and those that only the second has.
    Section(usize, Vec<Record>, Vec<Record>),
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rcode => write!(out, "rcode"),
            Self::Authoritative => write!(out, "AA"),
            Self::Truncated => write!(out, "TC"),
            Self::Header => write!(out, "RD, RA or EDNS"),
            Self::Section(section, more, less) => {
                write!(out, "{}", SECTIONS[*section])?;
                more.iter().try_for_each(|record| write!(out, "\n    + {record}"))?;
                less.iter().try_for_each(|record| write!(out, "\n    - {record}"))
            }
        }
    }
}

/// What differs between two answers to one question. Of an answer that is cut short the client reads no records
/// (RFC 2181 §9), therefore they are not compared.
pub fn differences(one: &Answer, other: &Answer) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut note = |same: bool, difference: Difference| {
        if !same {
            found.push(difference);
        }
    };
    note(one.rcode == other.rcode, Difference::Rcode);
    note(one.authoritative == other.authoritative, Difference::Authoritative);
    note(one.truncated == other.truncated, Difference::Truncated);
    let header = |answer: &Answer| (answer.recursion, answer.recursion_available, answer.edns);
    note(header(one) == header(other), Difference::Header);
    if one.truncated || other.truncated {
        return found;
    }
    for (section, (one, other)) in one.sections.iter().zip(&other.sections).enumerate() {
        let more: Vec<Record> = one.difference(other).cloned().collect();
        let less: Vec<Record> = other.difference(one).cloned().collect();
        if !more.is_empty() || !less.is_empty() {
            found.push(Difference::Section(section, more, less));
        }
    }
    found
}
