//! Record types and `RRset`s. An [`Owner`] keeps all records of one owner name in one allocation, already in the form
//! in which an answer copies them.

use std::cmp::Ordering;
use std::fmt;

use triomphe::ThinArc;

use crate::model::limits::{RRSET_OCTETS_MAX, RRSET_RECORDS_MAX};
use crate::model::name::{Name, compare_canonically};

/// A record type by its number (RFC 1035 §3.2.2, RFC 3597).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rtype(pub u16);

#[expect(missing_docs, reason = "the types' own mnemonics")]
impl Rtype {
    pub const A: Self = Self(1);
    pub const NS: Self = Self(2);
    pub const CNAME: Self = Self(5);
    pub const SOA: Self = Self(6);
    pub const PTR: Self = Self(12);
    pub const MX: Self = Self(15);
    pub const TXT: Self = Self(16);
    pub const SIG: Self = Self(24);
    pub const KEY: Self = Self(25);
    pub const AAAA: Self = Self(28);
    pub const NXT: Self = Self(30);
    pub const SRV: Self = Self(33);
    pub const DNAME: Self = Self(39);
    pub const OPT: Self = Self(41);
    pub const DS: Self = Self(43);
    pub const RRSIG: Self = Self(46);
    pub const NSEC: Self = Self(47);
    pub const DNSKEY: Self = Self(48);
    pub const SVCB: Self = Self(64);
    pub const HTTPS: Self = Self(65);
    pub const TSIG: Self = Self(250);
    pub const IXFR: Self = Self(251);
    pub const AXFR: Self = Self(252);
    pub const MAILB: Self = Self(253);
    pub const MAILA: Self = Self(254);
    pub const ANY: Self = Self(255);
    pub const CAA: Self = Self(257);

    /// Whether no record can be of this type: OPT and the query and meta types (RFC 6895 §3.1).
    pub const fn is_meta(self) -> bool {
        self.0 == 0 || self.0 == Self::OPT.0 || (128 <= self.0 && self.0 <= 255)
    }

    /// Whether a CNAME may have records of this type beside it: what signs and proves it (RFC 4035 §2.5, and RFC 2181 §10.1
    /// for the types before those).
    pub const fn may_be_beside_cname(self) -> bool {
        matches!(self, Self::RRSIG | Self::NSEC | Self::SIG | Self::KEY | Self::NXT)
    }

    /// Where in its data the name stands whose addresses a client asks for next (RFC 1035 §3.3.9 and §3.3.11, RFC 2782,
    /// RFC 9460 §4.1); none where there is no such name.
    pub const fn host_offset(self) -> Option<usize> {
        match self {
            Self::NS => Some(0),
            Self::MX | Self::SVCB | Self::HTTPS => Some(2),
            Self::SRV => Some(6),
            _ => None,
        }
    }
}

impl fmt::Debug for Rtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TYPE{}", self.0)
    }
}

/// A record as it is declared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// Its owner name.
    pub owner: Name,
    /// Its type.
    pub rtype: Rtype,
    /// Its TTL in seconds.
    pub ttl: u32,
    /// Its data in uncompressed wire form.
    pub rdata: Vec<u8>,
}

/// A record of some owner, its data elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RecordRef<'r> {
    /// Its type.
    pub rtype: Rtype,
    /// Its data in uncompressed wire form.
    pub rdata: &'r [u8],
    /// Its TTL in seconds.
    pub ttl: u32,
}

/// All declared records of one owner name.
///
/// One allocation: the name's length and wire form, then for each `RRset`, in order of type, a head of six octets
/// (type, number of records, octets) and its rendered records. A rendered record is complete but for its owner,
/// which is a compression pointer to offset 12, where the question's name stands; whoever copies it for another
/// owner patches those two octets. Its length lies there too: what refers to it is one word, for there are many.
#[derive(Clone, PartialEq, Eq)]
pub struct Owner(ThinArc<(), u8>);

/// The compression pointer to the question's name (RFC 1035 §4.1.4).
pub const QUESTION_POINTER: [u8; 2] = [0xc0, 0x0c];
/// Octets of a rendered record in front of its data: pointer, type, class, TTL, length.
pub const RECORD_HEAD_OCTETS: usize = 12;

/// Octets of an `RRset`'s head.
const RRSET_HEAD_OCTETS: usize = 6;

/// Why records do not make an [`Owner`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RrsetError {
    /// No TCP message could carry it.
    #[error(
        "the RRset has more than {RRSET_RECORDS_MAX} records or {RRSET_OCTETS_MAX} octets and fits into no message"
    )]
    TooLarge,
}

impl Owner {
    /// An owner without records: an empty non-terminal, or a name that only pools answer for.
    pub fn empty(name: &Name) -> Self {
        Self::try_new(name, &mut []).unwrap_or_else(|_| unreachable!("no RRset is too large where there is none"))
    }

    /// Renders `records`, all of the owner `name`. They are sorted; duplicates are dropped (RFC 2181 §5), and records
    /// of one type get the lowest of their TTLs (RFC 2181 §5.2).
    pub fn try_new(name: &Name, records: &mut [RecordRef<'_>]) -> Result<Self, RrsetError> {
        Self::render(name.wire(), records, &mut Vec::with_capacity(64))
    }

    /// The same for a name in wire form; `octets` is where it is put together, so that many owners need one.
    pub(super) fn render(name: &[u8], records: &mut [RecordRef<'_>], octets: &mut Vec<u8>) -> Result<Self, RrsetError> {
        records.sort_unstable();
        octets.clear();
        octets.push(u8::try_from(name.len()).unwrap_or_else(|_| unreachable!("names end at 255 octets")));
        octets.extend_from_slice(name);
        for rrset in records.chunk_by(|a, b| a.rtype == b.rtype) {
            render_rrset(octets, rrset)?;
        }
        Ok(Self(ThinArc::from_header_and_slice((), octets)))
    }

    /// Where it lies, to be asked for ahead. Memory is not read.
    pub const fn address(&self) -> *const u8 {
        self.0.as_ptr().cast()
    }

    /// Name and records, as they lie in memory.
    fn as_octets(&self) -> &[u8] {
        &self.0.slice
    }

    /// The owner name's wire form.
    pub fn name_wire(&self) -> &[u8] {
        let (length, rest) = self.as_octets().split_first().unwrap_or((&0, &[]));
        rest.get(..usize::from(*length)).unwrap_or_default()
    }

    /// The owner name.
    pub fn name(&self) -> Name {
        Name::from_wire(self.name_wire()).unwrap_or_else(|| unreachable!("made from a name"))
    }

    /// Its `RRset`s in order of type.
    pub fn rrsets(&self) -> Rrsets<'_> {
        let (length, rest) = self.as_octets().split_first().unwrap_or((&0, &[]));
        Rrsets { rest: rest.get(usize::from(*length)..).unwrap_or_default() }
    }

    /// Its `RRset` of a type.
    pub fn rrset(&self, rtype: Rtype) -> Option<Rrset<'_>> {
        self.rrsets().find(|rrset| rrset.rtype == rtype)
    }

    /// Its records as they could be declared.
    pub fn records(&self) -> impl Iterator<Item = Record> + use<'_> {
        let owner = self.name();
        self.rrsets().flat_map(move |rrset| {
            let owner = owner.clone();
            let ttl = rrset.ttl();
            let record =
                move |rdata: &[u8]| Record { owner: owner.clone(), rtype: rrset.rtype, ttl, rdata: rdata.to_vec() };
            rrset.rdatas().map(record)
        })
    }

    /// Whether both are one value, without looking into them.
    pub fn shares(&self, other: &Self) -> bool {
        self.address() == other.address()
    }

    /// Octets of name and records.
    pub fn octets(&self) -> usize {
        self.as_octets().len()
    }

    /// The same records, but with another serial in the SOA record (RFC 1035 §3.3.13).
    #[must_use]
    pub fn with_serial(&self, serial: u32) -> Self {
        let mut octets = self.as_octets().to_vec();
        let mut end = 1 + self.name_wire().len();
        for rrset in self.rrsets() {
            end += RRSET_HEAD_OCTETS + rrset.rendered.len();
            // The serial is the first of five numbers, with which the record ends; there is one.
            let numbers = octets.get_mut(end.saturating_sub(20)..end).filter(|_| rrset.rtype == Rtype::SOA);
            if let Some(place) = numbers.and_then(|numbers| numbers.first_chunk_mut()) {
                *place = serial.to_be_bytes();
            }
        }
        Self(ThinArc::from_header_and_slice((), &octets))
    }

    /// Whether it has no records.
    pub fn is_empty(&self) -> bool {
        self.rrsets().next().is_none()
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Owner").field(&self.name()).finish()
    }
}

/// Appends head and records of one `RRset`.
fn render_rrset(octets: &mut Vec<u8>, records: &[RecordRef<'_>]) -> Result<(), RrsetError> {
    let Some(first) = records.first() else { return Ok(()) };
    let ttl = records.iter().map(|record| record.ttl).min().unwrap_or(first.ttl);
    let head = octets.len();
    octets.extend_from_slice(&first.rtype.0.to_be_bytes());
    octets.extend_from_slice(&[0; 4]);
    let mut count = 0_u16;
    for same in records.chunk_by(|a, b| a.rdata == b.rdata) {
        let Some(record) = same.first() else { continue };
        render_record(octets, record.rtype, ttl, record.rdata).ok_or(RrsetError::TooLarge)?;
        count = count.saturating_add(1);
    }
    let length = octets.len() - head - 6;
    if length > RRSET_OCTETS_MAX || usize::from(count) > RRSET_RECORDS_MAX {
        return Err(RrsetError::TooLarge);
    }
    let length = u16::try_from(length).map_err(|_| RrsetError::TooLarge)?;
    if let Some(rest) = octets.get_mut(head + 2..head + 6) {
        let [a, b] = count.to_be_bytes();
        let [c, d] = length.to_be_bytes();
        rest.copy_from_slice(&[a, b, c, d]);
    }
    Ok(())
}

/// Appends one rendered record of class IN; none if its data is longer than 65,535 octets.
pub fn render_record(octets: &mut Vec<u8>, rtype: Rtype, ttl: u32, rdata: &[u8]) -> Option<()> {
    let length = u16::try_from(rdata.len()).ok()?;
    octets.extend_from_slice(&QUESTION_POINTER);
    octets.extend_from_slice(&rtype.0.to_be_bytes());
    octets.extend_from_slice(&[0, 1]);
    octets.extend_from_slice(&ttl.to_be_bytes());
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(rdata);
    Some(())
}

/// Walks two lists of owners in canonical order (RFC 4034 §6.1) at once, and gives those with one name together. That is
/// the usual case, and costs a comparison.
pub fn paired<'o>(
    one: impl IntoIterator<Item = &'o Owner>,
    other: impl IntoIterator<Item = &'o Owner>,
) -> impl Iterator<Item = (Option<&'o Owner>, Option<&'o Owner>)> {
    let (mut one, mut other) = (one.into_iter().peekable(), other.into_iter().peekable());
    std::iter::from_fn(move || {
        let order = match (one.peek(), other.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) if one.name_wire() == other.name_wire() => Ordering::Equal,
            (Some(one), Some(other)) => compare_canonically(one.name_wire(), other.name_wire()),
        };
        Some((one.next_if(|_| order.is_le()), other.next_if(|_| order.is_ge())))
    })
}

/// Iterator over the `RRset`s of an owner.
#[derive(Clone)]
pub struct Rrsets<'o> {
    /// What has not been read.
    rest: &'o [u8],
}

impl<'o> Iterator for Rrsets<'o> {
    type Item = Rrset<'o>;

    fn next(&mut self) -> Option<Rrset<'o>> {
        let ([t0, t1, n0, n1, l0, l1], tail) = self.rest.split_first_chunk()?;
        let (rendered, rest) = tail.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
        self.rest = rest;
        let count = u16::from_be_bytes([*n0, *n1]);
        Some(Rrset { rtype: Rtype(u16::from_be_bytes([*t0, *t1])), count, rendered })
    }
}

/// All records of one owner and type, as an answer copies them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rrset<'o> {
    /// Their type.
    pub rtype: Rtype,
    /// How many there are.
    pub count: u16,
    /// The records, each owner a pointer to the question's name.
    pub rendered: &'o [u8],
}

impl<'o> Rrset<'o> {
    /// Their TTL in seconds.
    pub fn ttl(&self) -> u32 {
        let octets = self.rendered.get(6..10).and_then(|octets| <[u8; 4]>::try_from(octets).ok());
        octets.map_or(0, u32::from_be_bytes)
    }

    /// The data of each record.
    pub fn rdatas(&self) -> impl Iterator<Item = &'o [u8]> + use<'o> {
        let mut rest = self.rendered;
        std::iter::from_fn(move || {
            let (head, tail) = rest.split_first_chunk::<RECORD_HEAD_OCTETS>()?;
            let [.., l0, l1] = head;
            let (rdata, next) = tail.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
            rest = next;
            Some(rdata)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(rtype: Rtype, ttl: u32, rdata: &[u8]) -> RecordRef<'_> {
        RecordRef { rtype, rdata, ttl }
    }

    #[test]
    fn rfc2181_section_5_duplicates_go_and_the_lowest_ttl_wins() {
        let name = Name::parse("a.example", None).unwrap();
        let mut records = vec![
            record(Rtype::TXT, 60, b"\x01x"),
            record(Rtype::A, 300, &[192, 0, 2, 2]),
            record(Rtype::A, 120, &[192, 0, 2, 1]),
            record(Rtype::A, 300, &[192, 0, 2, 1]),
        ];
        let owner = Owner::try_new(&name, &mut records).unwrap();
        assert_eq!(owner.name(), name);
        let a = owner.rrset(Rtype::A).unwrap();
        assert_eq!((a.count, a.ttl()), (2, 120));
        assert_eq!(a.rdatas().collect::<Vec<_>>(), [&[192, 0, 2, 1][..], &[192, 0, 2, 2]]);
        assert_eq!(&a.rendered[..16], b"\xc0\x0c\0\x01\0\x01\0\0\0\x78\0\x04\xc0\0\x02\x01");
        assert_eq!(owner.rrset(Rtype::TXT).unwrap().ttl(), 60);
        assert_eq!(owner.rrset(Rtype::AAAA), None);
    }

    #[test]
    fn an_rrset_that_fits_no_message_is_refused() {
        let name = Name::parse("a.example", None).unwrap();
        let data: Vec<[u8; 1000]> = (0..70_u8).map(|i| [i; 1000]).collect();
        let mut records: Vec<RecordRef<'_>> = data.iter().map(|data| record(Rtype::TXT, 60, data)).collect();
        assert_eq!(Owner::try_new(&name, &mut records), Err(RrsetError::TooLarge));
    }

    #[test]
    fn a_serial_is_replaced_and_nothing_else() {
        let name = Name::parse("a.example", None).unwrap();
        let soa = |serial: u32| {
            let numbers = [serial, 1, 2, 3, 4].map(u32::to_be_bytes).concat();
            [b"\x02ns\0\x01h\0", numbers.as_slice()].concat()
        };
        let owner = |serial| {
            let soa = soa(serial);
            let mut records = vec![
                record(Rtype::NS, 60, b"\0"),
                record(Rtype::SOA, 60, &soa),
                record(Rtype::TXT, 60, &[7; 30]),
                record(Rtype::A, 1, &[1; 4]),
            ];
            Owner::try_new(&name, &mut records).unwrap()
        };
        assert_eq!(owner(1).with_serial(0x0102_0304), owner(0x0102_0304));
        assert_eq!(Owner::empty(&name).with_serial(1), Owner::empty(&name));
    }

    #[test]
    fn an_owner_can_be_empty() {
        let owner = Owner::empty(&Name::root());
        assert!(owner.is_empty());
        assert_eq!(owner.name(), Name::root());
    }
}
