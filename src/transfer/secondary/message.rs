//! What a secondary asks its primaries, and how their answers are read.
//!
//! Answers are hostile until shown otherwise. Names are taken out of compression, and those in record data become lower
//! case like all others (RFC 4034 §6.2), so that equal data has equal octets.

use crate::model::limits::TTL_MAX;
use crate::model::name::{LABEL_OCTETS_MAX, NAME_OCTETS_MAX, Name};
use crate::model::rrset::{Record, Rtype};
use crate::model::svcb::Svcb;
use crate::transfer::secondary::refusal::Refusal;
use crate::wire::query::{CLASS_IN, HEADER_OCTETS};

/// A response, in the third octet.
const RESPONSE: u8 = 0x80;
/// The operation code, in the third octet.
const OPCODE: u8 = 0x78;
/// An authority's answer, in the third octet.
const AUTHORITATIVE: u8 = 0x04;
/// Cut short, in the third octet.
const TRUNCATED: u8 = 0x02;
/// The response code, in the fourth octet.
const RCODE: u8 = 0x0f;

/// Compression pointers of one name: one after each label, of which a name has at most 127 (RFC 1035 §2.3.4). Without a
/// bound, pointers to pointers would make each name of a message cost thousands of steps.
const POINTERS_MAX: usize = NAME_OCTETS_MAX / 2;

/// What is asked about a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// The query's id.
    pub id: u16,
    /// The zone's apex.
    pub apex: Name,
    /// SOA, AXFR or IXFR.
    pub qtype: Rtype,
}

impl Question {
    /// The query as a message; `held` is the data of our own SOA record, which an incremental transfer starts from
    /// (RFC 1995 §3).
    pub fn message(&self, held: Option<&[u8]>) -> Vec<u8> {
        let [id0, id1] = self.id.to_be_bytes();
        let mut message = vec![id0, id1, 0, 0, 0, 1, 0, 0, 0, u8::from(held.is_some()), 0, 0];
        message.extend_from_slice(self.apex.wire());
        message.extend_from_slice(&self.qtype.0.to_be_bytes());
        message.extend_from_slice(&CLASS_IN.to_be_bytes());
        if let Some(rdata) = held {
            message.extend_from_slice(self.apex.wire());
            message.extend_from_slice(&Rtype::SOA.0.to_be_bytes());
            message.extend_from_slice(&CLASS_IN.to_be_bytes());
            message.extend_from_slice(&[0; 4]);
            // The data of a SOA record that we hold is two names and twenty octets.
            message.extend_from_slice(&u16::try_from(rdata.len()).unwrap_or(u16::MAX).to_be_bytes());
            message.extend_from_slice(rdata);
        }
        message
    }

    /// Reads an answer up to its records. `first` says whether it has to repeat the question, as the messages that
    /// follow the first of a transfer need not (RFC 5936 §2.2.1).
    pub fn open<'m>(&self, message: &'m [u8], first: bool) -> Result<Answer<'m>, Refusal> {
        let header = message.first_chunk::<HEADER_OCTETS>().ok_or(Refusal::Malformed("it has no header"))?;
        let [id0, id1, flags, codes, qd0, qd1, an0, an1, ..] = *header;
        if u16::from_be_bytes([id0, id1]) != self.id {
            return Err(Refusal::Unasked("its id is another one"));
        }
        if flags & RESPONSE == 0 || flags & OPCODE != 0 {
            return Err(Refusal::Unasked("it is no answer to a query"));
        }
        match codes & RCODE {
            0 => {}
            rcode => return Err(Refusal::Rcode(rcode)),
        }
        let mut reader = Reader { message, at: HEADER_OCTETS };
        match u16::from_be_bytes([qd0, qd1]) {
            0 if !first => {}
            1 => {
                let (name, qtype, qclass) = (reader.name()?, reader.u16()?, reader.u16()?);
                if (name, qtype, qclass) != (self.apex.clone(), self.qtype.0, CLASS_IN) {
                    return Err(Refusal::Unasked("its question is another one"));
                }
            }
            _ => return Err(Refusal::Unasked("it does not repeat the question")),
        }
        Ok(Answer {
            truncated: flags & TRUNCATED != 0,
            authoritative: flags & AUTHORITATIVE != 0,
            count: u16::from_be_bytes([an0, an1]),
            reader,
        })
    }
}

/// An answer whose header and question are as expected.
#[derive(Clone, Debug)]
pub struct Answer<'m> {
    /// Whether it was cut short.
    pub truncated: bool,
    /// Whether an authority gave it.
    pub authoritative: bool,
    /// Records of the answer section that have not been read.
    count: u16,
    /// Where they stand.
    reader: Reader<'m>,
}

impl Answer<'_> {
    /// Whether no record is left.
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The next record of the answer section; none after the last.
    pub fn next_record(&mut self) -> Result<Option<Record>, Refusal> {
        let Some(rest) = self.count.checked_sub(1) else { return Ok(None) };
        self.count = rest;
        let owner = self.reader.name()?;
        let rtype = Rtype(self.reader.u16()?);
        let class = self.reader.u16()?;
        if class != CLASS_IN {
            return Err(Refusal::Record { owner, rtype, why: "its class is not IN" });
        }
        // RFC 2181 §8: a TTL with its highest bit set counts as zero.
        let ttl = Some(self.reader.u32()?).filter(|ttl| *ttl <= TTL_MAX).unwrap_or(0);
        let length = usize::from(self.reader.u16()?);
        match self.reader.rdata(rtype, length) {
            Ok(rdata) => Ok(Some(Record { owner, rtype, ttl, rdata })),
            Err(why) => Err(Refusal::Record { owner, rtype, why }),
        }
    }
}

/// A place in a message.
#[derive(Clone, Debug)]
struct Reader<'m> {
    /// All of it: names refer to what stands in front of them.
    message: &'m [u8],
    /// Where to read on.
    at: usize,
}

impl Reader<'_> {
    /// Reads so many octets.
    fn chunk<const N: usize>(&mut self) -> Result<[u8; N], Refusal> {
        let octets = self.message.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        self.at += N;
        octets.copied().ok_or(Refusal::Malformed("it ends within a record"))
    }

    /// Reads a number of two octets.
    fn u16(&mut self) -> Result<u16, Refusal> {
        self.chunk().map(u16::from_be_bytes)
    }

    /// Reads a number of four octets.
    fn u32(&mut self) -> Result<u32, Refusal> {
        self.chunk().map(u32::from_be_bytes)
    }

    /// Reads a name.
    fn name(&mut self) -> Result<Name, Refusal> {
        let mut wire = Vec::with_capacity(64);
        self.at = read_name(self.message, self.at, &mut wire).ok_or(Refusal::Malformed("a name in it is broken"))?;
        Name::from_wire(&wire).ok_or(Refusal::Malformed("a name in it is broken"))
    }

    /// Reads record data of so many octets, its names taken out of compression.
    fn rdata(&mut self, rtype: Rtype, length: usize) -> Result<Vec<u8>, &'static str> {
        let end = self.at + length;
        let message = self.message.get(..end).ok_or("its data ends outside the message")?;
        let mut rdata = Vec::with_capacity(length);
        let mut at = self.at;
        for field in layout(rtype) {
            at = field.read(message, at, &mut rdata).ok_or("its data is not of its type's form")?;
        }
        if at != end || rdata.len() > usize::from(u16::MAX) {
            return Err("its data is not of its type's form");
        }
        if matches!(rtype, Rtype::SVCB | Rtype::HTTPS) {
            let svcb = Svcb::read(&rdata).ok_or("its data is not of its type's form")?;
            // RFC 9460 §7.3 has no empty hint, and with us it would mean one that follows health.
            if svcb.has_auto() {
                return Err("its ipv4hint or ipv6hint is empty");
            }
        }
        self.at = end;
        Ok(rdata)
    }
}

/// A part of record data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Field {
    /// So many octets.
    Octets(usize),
    /// A name, perhaps compressed.
    Name,
    /// A character string (RFC 1035 §3.3).
    Text,
    /// One or more character strings.
    Texts,
    /// Whatever is left.
    Rest,
}

impl Field {
    /// Copies the field at `at` to `rdata`; gives its end. The message ends with the record.
    fn read(self, message: &[u8], at: usize, rdata: &mut Vec<u8>) -> Option<usize> {
        let end = match self {
            Self::Name => {
                let start = rdata.len();
                let end = read_name(message, at, rdata)?;
                rdata.get_mut(start..)?.make_ascii_lowercase();
                return Some(end);
            }
            Self::Octets(count) => at + count,
            Self::Text => at + 1 + usize::from(*message.get(at)?),
            Self::Texts => {
                let mut end = at + 1 + usize::from(*message.get(at)?);
                while end < message.len() {
                    end += 1 + usize::from(*message.get(end)?);
                }
                end
            }
            Self::Rest => message.len(),
        };
        rdata.extend_from_slice(message.get(at..end)?);
        Some(end)
    }
}

/// How the data of a type is laid out, as far as names stand in it that may be compressed (RFC 3597 §4, and RFC 1035's
/// predecessors of it), and where a wrong form would mislead us.
const fn layout(rtype: Rtype) -> &'static [Field] {
    use Field::{Name, Octets, Rest, Text, Texts};
    match rtype.0 {
        // A, AAAA
        1 => &[Octets(4)],
        28 => &[Octets(16)],
        // NS, MD, MF, CNAME, MB, MG, MR, PTR, DNAME
        2..=5 | 7..=9 | 12 | 39 => &[Name],
        // SOA
        6 => &[Name, Name, Octets(20)],
        // MINFO, RP
        14 | 17 => &[Name, Name],
        // MX, AFSDB, RT, KX
        15 | 18 | 21 | 36 => &[Octets(2), Name],
        // TXT
        16 => &[Texts],
        // SIG, RRSIG
        24 | 46 => &[Octets(18), Name, Rest],
        // PX
        26 => &[Octets(2), Name, Name],
        // NXT
        30 => &[Name, Rest],
        // SRV
        33 => &[Octets(6), Name],
        // NAPTR
        35 => &[Octets(4), Text, Text, Text, Name],
        _ => &[Rest],
    }
}

/// Appends the name at `at`, out of compression, to `wire`; gives where what follows the name stands.
fn read_name(message: &[u8], mut at: usize, wire: &mut Vec<u8>) -> Option<usize> {
    let start = wire.len();
    let mut end = None;
    // A pointer leads to what stands in front of everything read so far, so that there is no loop (RFC 1035 §4.1.4).
    let mut limit = at;
    let mut pointers = 0;
    loop {
        let length = usize::from(*message.get(at)?);
        match length {
            0..=LABEL_OCTETS_MAX => {
                wire.extend_from_slice(message.get(at..=at + length)?);
                if wire.len() - start > NAME_OCTETS_MAX {
                    return None;
                }
                at += 1 + length;
                if length == 0 {
                    return Some(end.unwrap_or(at));
                }
            }
            0xc0.. => {
                let target = (length & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                pointers += 1;
                if target >= limit || pointers > POINTERS_MAX {
                    return None;
                }
                end = end.or(Some(at + 2));
                (at, limit) = (target, target);
            }
            // Other kinds of labels were tried and given up (RFC 6891 §5).
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        Name::parse(text, None).unwrap()
    }

    fn question(qtype: Rtype) -> Question {
        Question { id: 0x1234, apex: name("example.com"), qtype }
    }

    /// An answer with these flags and rendered records after the question.
    fn answer(flags: [u8; 2], count: u8, records: &[u8]) -> Vec<u8> {
        let mut message = question(Rtype::SOA).message(None);
        message[2..4].copy_from_slice(&flags);
        message[7] = count;
        message.extend_from_slice(records);
        message
    }

    fn records(rendered: &[u8]) -> Result<Vec<Record>, Refusal> {
        let message = answer([0x84, 0], 1, rendered);
        let mut answer = question(Rtype::SOA).open(&message, true)?;
        std::iter::from_fn(|| answer.next_record().transpose()).collect()
    }

    #[test]
    fn names_come_out_of_compression_in_lower_case() {
        // MX 10 MaiL.example.com, with a pointer to the question's name; the owner has one as well.
        let found = records(b"\x01A\xc0\x0c\0\x0f\0\x01\0\0\0\x3c\0\x09\0\x0a\x04MaiL\xc0\x0c").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].owner, name("a.example.com"));
        assert_eq!(found[0].rdata, b"\0\x0a\x04mail\x07example\x03com\0");
        // What may not be compressed is left as it is.
        let found = records(b"\xc0\x0c\0\x41\0\x01\0\0\0\x3c\0\x05\0\x01\x01A\0").unwrap();
        assert_eq!(found[0].rdata, b"\0\x01\x01A\0");
    }

    #[test]
    fn rfc9460_section_7_3_an_empty_hint_is_refused() {
        // Priority 1, target the root, and one parameter.
        let svcb = |rtype: u8, param: &[u8]| {
            let rdata = [b"\0\x01\0", param].concat();
            let head = [0xc0, 0x0c, 0, rtype, 0, 1, 0, 0, 0, 60, 0, u8::try_from(rdata.len()).unwrap()];
            records(&[&head[..], &rdata].concat())
        };
        for rtype in [64, 65] {
            for empty in [&b"\0\x04\0\0"[..], b"\0\x06\0\0", b"\0\x01\0\x03\x02h2\0\x04\0\0"] {
                let why = "its ipv4hint or ipv6hint is empty";
                let refused = svcb(rtype, empty).unwrap_err();
                assert!(matches!(&refused, Refusal::Record { why: said, .. } if *said == why), "{refused:?}");
            }
            assert_eq!(svcb(rtype, b"\0\x04\0\x04\xc0\0\x02\x01").unwrap().len(), 1);
            assert_eq!(svcb(rtype, b"").unwrap().len(), 1);
        }
        assert!(records(b"\xc0\x0c\0\x41\0\x01\0\0\0\x3c\0\x02\0\x01").is_err(), "no target");
    }

    #[test]
    fn pointers_to_pointers_have_an_end() {
        let chain = |pointers: u16| {
            let mut message = vec![0];
            message.extend((0..pointers).flat_map(|n| (0xc000 | (n * 2).saturating_sub(1)).to_be_bytes()));
            read_name(&message, message.len() - 2, &mut Vec::new())
        };
        assert!(chain(100).is_some() && chain(1000).is_none());
    }

    #[test]
    fn a_ttl_beyond_the_limit_is_zero() {
        let found = records(b"\xc0\x0c\0\x01\0\x01\x80\0\0\x3c\0\x04\xc0\0\x02\x01").unwrap();
        assert_eq!(found[0].ttl, 0);
    }

    #[test]
    fn broken_records_are_refused() {
        for (what, rendered) in [
            ("a loop", &b"\xc0\x1d\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"[..]),
            ("a pointer forward", b"\xc0\xff\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"),
            ("a label of a kind that is not", b"\x41a\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"),
            ("an address of three octets", b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x03\xc0\0\x02"),
            ("data after an address", b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x05\xc0\0\x02\x01\x01"),
            ("a name that ends after the data", b"\xc0\x0c\0\x02\0\x01\0\0\0\x3c\0\x01\x01a\0"),
            ("a string that ends after the data", b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x02\x02aa"),
            ("no string", b"\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\0"),
            ("data after the message", b"\xc0\x0c\xff\0\0\x01\0\0\0\x3c\0\x04\xc0"),
            ("class CH", b"\xc0\x0c\0\x01\0\x03\0\0\0\x3c\0\x04\xc0\0\x02\x01"),
            ("nothing", b""),
        ] {
            assert!(records(rendered).is_err(), "{what}");
        }
        let long = [&b"\x3f"[..], &[b'a'; 63]].concat().repeat(4);
        assert!(records(&[&long[..], b"\0\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01"].concat()).is_err());
    }

    #[test]
    fn an_answer_to_something_else_is_refused() {
        let open = |message: &[u8], first| question(Rtype::SOA).open(message, first).map(|answer| answer.truncated);
        assert_eq!(open(&answer([0x86, 0], 0, b""), true).ok(), Some(true));
        assert!(matches!(open(&answer([0x04, 0], 0, b""), true), Err(Refusal::Unasked(_))));
        assert!(matches!(open(&answer([0xa4, 0], 0, b""), true), Err(Refusal::Unasked(_))));
        assert!(matches!(open(&answer([0x84, 5], 0, b""), true), Err(Refusal::Rcode(5))));
        let mut other = answer([0x84, 0], 0, b"");
        other[0] = 0;
        assert!(matches!(open(&other, true), Err(Refusal::Unasked(_))));
        let mut other = answer([0x84, 0], 0, b"");
        other[14] = b'y';
        assert!(matches!(open(&other, true), Err(Refusal::Unasked(_))));
        let bare = [0x12, 0x34, 0x84, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(open(&bare, false).is_ok() && open(&bare, true).is_err());
        assert!(open(&bare[..11], false).is_err());
    }

    #[test]
    fn rfc1995_section_3_an_incremental_query_says_what_we_hold() {
        let soa = [b"\0\0".as_slice(), &[0; 20]].concat();
        let message = question(Rtype::IXFR).message(Some(&soa));
        assert_eq!(message[..12], [0x12, 0x34, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0]);
        assert_eq!(message.len(), 12 + 13 + 4 + 13 + 10 + 22);
        assert!(message.ends_with(&soa));
    }
}
