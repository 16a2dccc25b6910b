//! Queries as octets, and what a bench reads of the answers.

use pooldns::model::name::Name;
use pooldns::model::rrset::Rtype;

/// Whether a query has an OPT record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Edns {
    /// As nearly all resolvers send it.
    With,
    /// As in 1987.
    Without,
}

/// A query of class IN.
pub fn query(name: &str, rtype: Rtype, edns: Edns) -> Vec<u8> {
    let mut octets = vec![0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 0, 0, u8::from(edns == Edns::With)];
    octets.extend_from_slice(Name::parse(name, None).unwrap().wire());
    octets.extend_from_slice(&rtype.0.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    if edns == Edns::With {
        octets.extend_from_slice(&[0, 0, 41, 0x04, 0xd0, 0, 0, 0, 0, 0, 0]);
    }
    octets
}

/// Many queries, one after the other in memory, as a batch from the kernel is.
#[derive(Debug, Default)]
pub struct Queries {
    /// All queries.
    octets: Vec<u8>,
    /// Where each ends.
    ends: Vec<usize>,
}

impl Queries {
    /// Queries in the order given.
    pub fn new(queries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut all = Self::default();
        for query in queries {
            all.octets.extend_from_slice(&query);
            all.ends.push(all.octets.len());
        }
        all
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them.
    pub fn at(&self, index: usize) -> &[u8] {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.octets[start..self.ends[index]]
    }
}

/// The response code of an answer.
pub fn rcode(answer: &[u8]) -> u8 {
    answer[3] & 0x0f
}

/// How many records the answer section has.
pub fn answer_count(answer: &[u8]) -> u16 {
    u16::from_be_bytes([answer[6], answer[7]])
}
