//! Reading a query: header, the one question, and EDNS.

use crate::model::rrset::Rtype;
use crate::wire::name::LowerName;

/// Octets of a message's header (RFC 1035 §4.1.1).
pub const HEADER_OCTETS: usize = 12;
/// Class IN (RFC 1035 §3.2.4).
pub const CLASS_IN: u16 = 1;
/// Class CH, in which servers tell about themselves (RFC 4892).
pub const CLASS_CH: u16 = 3;

/// Response codes (RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 6891 §9).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the codes' own mnemonics")]
pub enum Rcode {
    NoError = 0,
    FormErr = 1,
    ServFail = 2,
    NxDomain = 3,
    NotImp = 4,
    Refused = 5,
    YxDomain = 6,
    BadVers = 16,
}

/// The header's bits that an answer repeats.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The message's id.
    pub id: [u8; 2],
    /// Four bits; 0 is QUERY.
    pub opcode: u8,
    /// Recursion desired: an authoritative server repeats it and does nothing about it.
    pub recursion_desired: bool,
}

/// A query that can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Query<'q> {
    /// What the answer's header repeats.
    pub header: Header,
    /// The question as it came, letter case and all.
    pub question: &'q [u8],
    /// QTYPE.
    pub qtype: Rtype,
    /// QCLASS.
    pub qclass: u16,
    /// What the OPT record says, if there is one.
    pub edns: Option<Edns>,
}

/// What a query's OPT record says (RFC 6891 §6.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edns {
    /// Largest UDP payload that the client can take.
    pub udp_payload: u16,
    /// EDNS version.
    pub version: u8,
    /// The DO bit (RFC 3225).
    pub dnssec_ok: bool,
}

/// Why a message is no query that can be answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unanswerable {
    /// Too short for a header, or itself a response: answering would invite loops.
    Silent,
    /// Answered with an error of the header alone.
    Error(Header, Rcode),
}

impl<'q> Query<'q> {
    /// Reads a message. The question's name goes into `qname`, which is reused from query to query.
    pub fn parse(message: &'q [u8], qname: &mut LowerName) -> Result<Self, Unanswerable> {
        let ([i0, i1, f0, _, q0, q1, a0, a1, n0, n1, r0, r1], body) =
            message.split_first_chunk::<HEADER_OCTETS>().ok_or(Unanswerable::Silent)?;
        if f0 & 0x80 != 0 {
            return Err(Unanswerable::Silent);
        }
        let header = Header { id: [*i0, *i1], opcode: f0 >> 3 & 0x0f, recursion_desired: f0 & 1 != 0 };
        // What other opcodes look like is not known; as far as they look like a query, the answer repeats the question
        // and OPT (RFC 6891 §6.1.1).
        let malformed = Unanswerable::Error(header, if header.opcode == 0 { Rcode::FormErr } else { Rcode::NotImp });
        // RFC 9619 §4: a query has exactly one question.
        if (*q0, *q1) != (0, 1) {
            return Err(malformed);
        }
        let name_octets = qname.read(body).map_err(|_| malformed)?;
        let (question, rest) = body.split_at_checked(name_octets + 4).ok_or(malformed)?;
        let [t0, t1, c0, c1] = question.last_chunk::<4>().ok_or(malformed)?;
        let counts = [[*a0, *a1], [*n0, *n1], [*r0, *r1]].map(u16::from_be_bytes);
        let edns = parse_records(rest, counts).map_err(|Malformed| malformed)?;
        let qtype = Rtype(u16::from_be_bytes([*t0, *t1]));
        Ok(Self { header, question, qtype, qclass: u16::from_be_bytes([*c0, *c1]), edns })
    }
}

/// A record or option that does not fit, a second OPT, an OPT at a wrong place, or octets left over.
struct Malformed;

/// Walks the records after the question; gives the OPT record if there is one.
fn parse_records(mut rest: &[u8], [answers, authorities, additionals]: [u16; 3]) -> Result<Option<Edns>, Malformed> {
    let mut edns = None;
    let before_additional = u32::from(answers) + u32::from(authorities);
    for index in 0..before_additional + u32::from(additionals) {
        let (is_root, after_name) = skip_name(rest).ok_or(Malformed)?;
        let ([t0, t1, c0, c1, ttl @ .., l0, l1], tail) = after_name.split_first_chunk::<10>().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (rdata, next) = tail.split_at_checked(length).ok_or(Malformed)?;
        rest = next;
        if u16::from_be_bytes([*t0, *t1]) != Rtype::OPT.0 {
            continue;
        }
        // RFC 6891 §6.1.1: one OPT, in the additional section, owned by the root; anything else is FORMERR.
        if edns.is_some() || !is_root || index < before_additional || !options_fit(rdata) {
            return Err(Malformed);
        }
        let [_extended_rcode, version, flags, _] = *ttl;
        let udp_payload = u16::from_be_bytes([*c0, *c1]);
        edns = Some(Edns { udp_payload, version, dnssec_ok: flags & 0x80 != 0 });
    }
    if rest.is_empty() { Ok(edns) } else { Err(Malformed) }
}

/// Skips a name that may end in a compression pointer; says whether it is the root.
fn skip_name(mut rest: &[u8]) -> Option<(bool, &[u8])> {
    let is_root = rest.first() == Some(&0);
    loop {
        let (length, tail) = rest.split_first()?;
        match length {
            0 => return Some((is_root, tail)),
            1..=63 => rest = tail.get(usize::from(*length)..)?,
            0xc0.. => return Some((false, tail.get(1..)?)),
            _ => return None,
        }
    }
}

/// Whether the options of an OPT record fill it exactly (RFC 6891 §6.1.2).
fn options_fit(mut rest: &[u8]) -> bool {
    while !rest.is_empty() {
        let Some(([_, _, l0, l1], tail)) = rest.split_first_chunk::<4>() else { return false };
        let Some(next) = tail.get(usize::from(u16::from_be_bytes([*l0, *l1]))..) else { return false };
        rest = next;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Header with one question and `additionals`, question for `a. IN A`, then `rest`.
    fn query(counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
        let [qd, an, ns, ar] = counts;
        [&[0xab, 0xcd, 0x01, 0, 0, qd, 0, an, 0, ns, 0, ar], &b"\x01A\0\0\x01\0\x01"[..], rest].concat()
    }

    const OPT: &[u8] = b"\0\0\x29\x10\0\0\0\x80\0\0\0";

    fn parse(message: &[u8]) -> Result<Query<'_>, Unanswerable> {
        Query::parse(message, &mut LowerName::default())
    }

    #[test]
    fn a_query_with_and_without_edns() {
        let message = query([1, 0, 0, 0], b"");
        let plain = parse(&message).unwrap();
        assert_eq!((plain.qtype, plain.qclass, plain.edns), (Rtype::A, CLASS_IN, None));
        assert_eq!(plain.question, b"\x01A\0\0\x01\0\x01");
        assert_eq!(plain.header, Header { id: [0xab, 0xcd], opcode: 0, recursion_desired: true });
        let edns = Some(Edns { udp_payload: 4096, version: 0, dnssec_ok: true });
        assert_eq!(parse(&query([1, 0, 0, 1], OPT)).unwrap().edns, edns);
        let options = b"\0\0\x29\x10\0\0\0\x80\0\0\x05\0\x03\0\x01x";
        assert_eq!(parse(&query([1, 0, 0, 1], options)).unwrap().edns, edns);
    }

    #[test]
    fn silence_for_what_is_no_query() {
        assert_eq!(parse(b""), Err(Unanswerable::Silent));
        assert_eq!(parse(&[0; 11]), Err(Unanswerable::Silent));
        let mut response = query([1, 0, 0, 0], b"");
        response[2] |= 0x80;
        assert_eq!(parse(&response), Err(Unanswerable::Silent));
    }

    #[test]
    fn malformed_messages_are_formerr() {
        let two_opts = [OPT, OPT].concat();
        for (what, message) in [
            ("no question (RFC 9619)", query([0, 0, 0, 0], b"")),
            ("two questions (RFC 9619)", query([2, 0, 0, 0], b"\x01a\0\0\x01\0\x01")),
            ("octets left over", query([1, 0, 0, 0], b"x")),
            ("a record promised and missing", query([1, 0, 0, 1], b"")),
            ("two OPT records (RFC 6891 §6.1.1)", query([1, 0, 0, 2], &two_opts)),
            ("OPT as an answer", query([1, 1, 0, 0], OPT)),
            ("OPT not at the root", query([1, 0, 0, 1], b"\x01a\0\0\x29\x10\0\0\0\0\0\0\0")),
            ("an option longer than OPT", query([1, 0, 0, 1], b"\0\0\x29\x10\0\0\0\0\0\0\x04\0\x03\0\x01")),
            ("OPT longer than the message", query([1, 0, 0, 1], b"\0\0\x29\x10\0\0\0\0\0\0\x09")),
            ("a compressed question", [&query([1, 0, 0, 0], b"")[..12], b"\xc0\x0c\0\x01\0\x01"].concat()),
            ("a question cut short", query([1, 0, 0, 0], b"")[..16].to_vec()),
        ] {
            assert!(matches!(parse(&message), Err(Unanswerable::Error(_, Rcode::FormErr))), "{what}");
        }
    }

    #[test]
    fn other_opcodes_are_read_as_far_as_they_look_like_a_query() {
        for opcode in 1..16 {
            let mut message = query([1, 0, 0, 1], OPT);
            message[2] = opcode << 3;
            let parsed = parse(&message).unwrap();
            assert!(parsed.header.opcode == opcode && parsed.edns.is_some());
            message.pop();
            assert!(matches!(parse(&message), Err(Unanswerable::Error(_, Rcode::NotImp))), "{opcode}");
        }
    }
}
