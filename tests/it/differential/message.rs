//! Questions as octets, and answers read back into sets of records. The reader is ours, so that it takes any name and
//! any type, and sees what a library would smooth over.

use std::collections::BTreeSet;
use std::fmt;

use super::name::Name;

/// Types that the tests name.
pub mod rtype {
    /// An IPv4 address.
    pub const A: u16 = 1;
    /// A name server.
    pub const NS: u16 = 2;
    /// Another name for the owner.
    pub const CNAME: u16 = 5;
    /// Start of authority.
    pub const SOA: u16 = 6;
    /// A pointer.
    pub const PTR: u16 = 12;
    /// A mail exchange.
    pub const MX: u16 = 15;
    /// Text.
    pub const TXT: u16 = 16;
    /// An IPv6 address.
    pub const AAAA: u16 = 28;
    /// A service's place.
    pub const SRV: u16 = 33;
    /// Another name for what is below the owner.
    pub const DNAME: u16 = 39;
    /// EDNS.
    pub const OPT: u16 = 41;
    /// The digest of a child's key.
    pub const DS: u16 = 43;
    /// A service's parameters.
    pub const SVCB: u16 = 64;
    /// The same for HTTP.
    pub const HTTPS: u16 = 65;
    /// All there is.
    pub const ANY: u16 = 255;
    /// A type for private use.
    pub const PRIVATE: u16 = 65_280;
    /// All that zones have.
    pub const ALL: [u16; 14] = [A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DNAME, DS, SVCB, HTTPS, PRIVATE];
}

/// The mnemonic of a type.
pub fn type_text(number: u16) -> String {
    let known = match number {
        rtype::A => "A",
        rtype::NS => "NS",
        rtype::CNAME => "CNAME",
        rtype::SOA => "SOA",
        rtype::PTR => "PTR",
        rtype::MX => "MX",
        rtype::TXT => "TXT",
        rtype::AAAA => "AAAA",
        rtype::SRV => "SRV",
        rtype::DNAME => "DNAME",
        rtype::OPT => "OPT",
        rtype::DS => "DS",
        rtype::SVCB => "SVCB",
        rtype::HTTPS => "HTTPS",
        rtype::ANY => "ANY",
        other => return format!("TYPE{other}"),
    };
    known.to_owned()
}

/// A question and how it is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// QNAME, in the letter case to be sent.
    pub name: Name,
    /// QTYPE.
    pub rtype: u16,
    /// QCLASS.
    pub class: u16,
    /// The size that EDNS offers; none is a query without EDNS.
    pub edns: Option<u16>,
    /// The DO bit, which needs EDNS.
    pub dnssec_ok: bool,
    /// The RD bit.
    pub recursion: bool,
    /// Whether it goes over TCP.
    pub tcp: bool,
}

impl Question {
    /// Octets of the query.
    pub fn wire(&self, id: u16) -> Vec<u8> {
        let mut wire = id.to_be_bytes().to_vec();
        wire.extend([u8::from(self.recursion), 0, 0, 1, 0, 0, 0, 0, 0, u8::from(self.edns.is_some())]);
        wire.extend(self.name.wire());
        wire.extend(self.rtype.to_be_bytes());
        wire.extend(self.class.to_be_bytes());
        if let Some(size) = self.edns {
            wire.extend([0, 0, 41]);
            wire.extend(size.to_be_bytes());
            wire.extend([0, 0, if self.dnssec_ok { 0x80 } else { 0 }, 0, 0, 0]);
        }
        wire
    }

    /// Octets that an answer may have, given that servers send no more than 1232 over UDP.
    pub fn room(&self) -> usize {
        if self.tcp { 65_535 } else { usize::from(self.edns.unwrap_or(512).clamp(512, 1232)) }
    }

    /// The same over TCP.
    pub fn over_tcp(&self) -> Self {
        Self { tcp: true, ..self.clone() }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, rtype, class, edns, dnssec_ok, recursion, tcp } = self;
        let flag = |on: bool, yes: &'static str, no: &'static str| if on { yes } else { no };
        write!(out, "{}{}", flag(*recursion, "+rec", "+norec"), flag(*tcp, " +tcp", " +notcp +ignore"))?;
        match edns {
            Some(size) => write!(out, " +bufsize={size}{}", flag(*dnssec_ok, " +dnssec", ""))?,
            None => write!(out, " +noedns")?,
        }
        let class = match class {
            1 => "IN".to_owned(),
            3 => "CH".to_owned(),
            255 => "ANY".to_owned(),
            other => format!("CLASS{other}"),
        };
        write!(out, " -q '{name}' -c {class} -t {}", type_text(*rtype))
    }
}

/// A record of an answer, with small letters in the names that its type may have.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Its owner.
    pub owner: Name,
    /// Its type.
    pub rtype: u16,
    /// Its class.
    pub class: u16,
    /// Its TTL.
    pub ttl: u32,
    /// Its data, names uncompressed.
    pub rdata: Vec<u8>,
}

impl Record {
    /// The name in the data where that is a host whose addresses are worth adding.
    pub fn host(&self) -> Option<Name> {
        let at = match self.rtype {
            rtype::NS => 0,
            // RFC 9460 §2.4.2, §2.5.1: a dot is the owner; in an alias it is no service at all.
            rtype::MX | rtype::SVCB | rtype::HTTPS => 2,
            rtype::SRV => 6,
            _ => return None,
        };
        let name = Reader { octets: &self.rdata, at }.name().ok()?;
        let is_alias = self.rdata.starts_with(&[0, 0]);
        match self.rtype {
            rtype::SVCB | rtype::HTTPS if name.0.is_empty() => (!is_alias).then(|| self.owner.clone()),
            _ => Some(name),
        }
    }

    /// Where a CNAME leads.
    pub fn alias(&self) -> Option<Name> {
        let read = || Reader { octets: &self.rdata, at: 0 }.name().ok();
        if self.rtype == rtype::CNAME { read() } else { None }
    }

    /// Octets of the record with its owner compressed.
    pub fn octets(&self) -> usize {
        12 + self.rdata.len()
    }
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, rtype, class, ttl, rdata } = self;
        write!(out, "{owner} {ttl} {class} {} ", type_text(*rtype))?;
        if let (rtype::A, [a, b, c, d]) = (*rtype, rdata.as_slice()) {
            return write!(out, "{a}.{b}.{c}.{d}");
        }
        if let Some((numbers, names)) = name_places(*rtype) {
            let hex: String = data_encoding::HEXLOWER.encode(&rdata[..numbers.min(rdata.len())]);
            let mut at = numbers;
            write!(out, "{hex}")?;
            for _ in 0..names {
                let name = Reader { octets: rdata, at }.name().unwrap_or_default();
                at += name.octets();
                write!(out, " {name}")?;
            }
            return write!(out, " {}", hexadecimal(rdata.get(at..).unwrap_or_default()));
        }
        write!(out, "{}", hexadecimal(rdata))
    }
}

/// Octets as digits; of many, the first and how many there are.
fn hexadecimal(octets: &[u8]) -> String {
    let digits: String = data_encoding::HEXLOWER.encode(&octets[..octets.len().min(24)]);
    if octets.len() > 24 { format!("{digits}… ({} octets)", octets.len()) } else { digits }
}

/// Where the names of a type's data are: octets before them, and how many follow.
const fn name_places(number: u16) -> Option<(usize, usize)> {
    match number {
        rtype::NS | rtype::CNAME | rtype::DNAME | rtype::PTR => Some((0, 1)),
        rtype::SOA => Some((0, 2)),
        rtype::MX | rtype::SVCB | rtype::HTTPS => Some((2, 1)),
        rtype::SRV => Some((6, 1)),
        _ => None,
    }
}

/// The sections of an answer, in order.
pub const SECTIONS: [&str; 3] = ["answer", "authority", "additional"];

/// An answer as far as it is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "the header has them")]
pub struct Answer {
    /// The response code, with the upper bits of EDNS.
    pub rcode: u16,
    /// The AA bit.
    pub authoritative: bool,
    /// The TC bit.
    pub truncated: bool,
    /// The RD bit.
    pub recursion: bool,
    /// The RA bit.
    pub recursion_available: bool,
    /// Whether the client's EDNS was answered with EDNS, and the DO bit with it.
    pub edns: Option<bool>,
    /// Answer, authority and additional records, the last without OPT.
    pub sections: [BTreeSet<Record>; 3],
    /// Records that a section has twice.
    pub repeated: usize,
    /// Octets of the message.
    pub octets: usize,
}

impl Answer {
    /// Reads an answer to a question; says what is wrong with octets that are none.
    pub fn read(octets: &[u8], question: &Question, id: u16) -> Result<Self, String> {
        let mut reader = Reader { octets, at: 0 };
        let header = reader.take(12)?;
        if header[..2] != id.to_be_bytes() || header[2] & 0x80 == 0 {
            return Err(format!("no answer to this query: {header:02x?}"));
        }
        let mut answer = Self {
            rcode: u16::from(header[3] & 0xf),
            authoritative: header[2] & 4 != 0,
            truncated: header[2] & 2 != 0,
            recursion: header[2] & 1 != 0,
            recursion_available: header[3] & 0x80 != 0,
            edns: None,
            sections: Default::default(),
            repeated: 0,
            octets: octets.len(),
        };
        let count = |index: usize| u16::from_be_bytes([header[index], header[index + 1]]);
        if count(4) != 1 {
            return Err(format!("{} questions", count(4)));
        }
        let echoed = (reader.name()?, reader.u16()?, reader.u16()?);
        if echoed != (question.name.clone(), question.rtype, question.class) {
            return Err(format!("the question came back as {echoed:?}"));
        }
        for section in 0..3 {
            for _ in 0..count(6 + 2 * section) {
                let record = reader.record()?;
                if section == 2 && record.rtype == rtype::OPT {
                    answer.rcode |= u16::try_from(record.ttl >> 24).unwrap() << 4;
                    answer.edns = Some(record.ttl & 0x8000 != 0);
                } else if !answer.sections[section].insert(record) {
                    answer.repeated += 1;
                }
            }
        }
        match octets.len() - reader.at {
            0 => Ok(answer),
            rest => Err(format!("{rest} octets after the last record")),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flag = |on: bool, text: &'static str| if on { text } else { "" };
        write!(
            out,
            "rcode {}{}{}{}{}, {} octets",
            self.rcode,
            flag(self.authoritative, " aa"),
            flag(self.truncated, " tc"),
            flag(self.recursion, " rd"),
            flag(self.recursion_available, " ra"),
            self.octets
        )?;
        write!(out, "{}{}", flag(self.edns.is_some(), ", EDNS"), flag(self.edns == Some(true), " do"))?;
        write!(out, "{}", flag(self.repeated > 0, ", with records given twice"))?;
        for (section, title) in self.sections.iter().zip(SECTIONS) {
            for record in section {
                write!(out, "\n    {title}: {record}")?;
            }
        }
        Ok(())
    }
}

/// Reads a message from its start on.
struct Reader<'m> {
    /// The message.
    octets: &'m [u8],
    /// Where the next item starts.
    at: usize,
}

impl<'m> Reader<'m> {
    /// The next octets.
    fn take(&mut self, count: usize) -> Result<&'m [u8], String> {
        let taken = self.octets.get(self.at..self.at + count).ok_or("ends too early")?;
        self.at += count;
        Ok(taken)
    }

    /// The next 16 bits.
    fn u16(&mut self) -> Result<u16, String> {
        self.take(2).map(|octets| u16::from_be_bytes([octets[0], octets[1]]))
    }

    /// The next name, wherever its pointers lead (RFC 1035 §4.1.4).
    fn name(&mut self) -> Result<Name, String> {
        let mut labels = Vec::new();
        let mut back = None;
        loop {
            let length = self.take(1)?[0];
            match length {
                0 => break,
                1..=63 => labels.push(self.take(usize::from(length))?.to_vec()),
                192.. => {
                    let target = usize::from(length & 0x3f) << 8 | usize::from(self.take(1)?[0]);
                    let here = self.at - 2;
                    if target >= here {
                        return Err(format!("a pointer at {here} leads forward to {target}"));
                    }
                    back.get_or_insert(self.at);
                    self.at = target;
                }
                _ => return Err(format!("a label of kind {length}")),
            }
        }
        self.at = back.unwrap_or(self.at);
        let name = Name(labels);
        if name.octets() > 255 { Err(format!("a name of {} octets", name.octets())) } else { Ok(name) }
    }

    /// The next record.
    fn record(&mut self) -> Result<Record, String> {
        let owner = self.name()?.lower();
        let (rtype, class) = (self.u16()?, self.u16()?);
        let ttl = u32::from(self.u16()?) << 16 | u32::from(self.u16()?);
        let length = usize::from(self.u16()?);
        let end = self.at + length;
        let mut rdata = Vec::new();
        if let Some((numbers, names)) = name_places(rtype) {
            rdata.extend(self.take(numbers)?);
            for _ in 0..names {
                rdata.extend(self.name()?.lower().wire());
            }
        }
        let rest = end.checked_sub(self.at).ok_or("a name reaches beyond its record")?;
        rdata.extend(self.take(rest)?);
        Ok(Record { owner, rtype, class, ttl, rdata })
    }
}
