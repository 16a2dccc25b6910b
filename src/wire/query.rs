//! Reading a query: header, the one question, and EDNS.

use crate::model::rrset::Rtype;
/// Octets of a message's header (RFC 1035 §4.1.1).
pub const HEADER_OCTETS: usize = 12;
/// Opcode NOTIFY (RFC 1996 §3.1).
pub const OPCODE_NOTIFY: u8 = 4;
/// Class IN (RFC 1035 §3.2.4).
pub const CLASS_IN: u16 = 1;
/// Class CH, in which servers tell about themselves (RFC 4892).
pub const CLASS_CH: u16 = 3;

/// Response codes (RFC 1035 §4.1.1, RFC 2136 §2.2, RFC 6891 §9, RFC 7873 §8).
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
    BadCookie = 23,
}

/// Codes of EDNS options.
pub mod option {
    /// Name server identifier (RFC 5001 §2.3).
    pub const NSID: u16 = 3;
    /// DNS cookies (RFC 7873 §4).
    pub const COOKIE: u16 = 10;
    /// Idle time-out of a connection (RFC 7828 §3.1).
    pub const KEEPALIVE: u16 = 11;
    /// Extended DNS Errors (RFC 8914 §2).
    pub const EXTENDED_ERROR: u16 = 15;
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
    /// The question as it came, letter case and all. Empty if the client asks for nothing but a cookie (RFC 7873 §5.4).
    pub question: &'q [u8],
    /// QTYPE.
    pub qtype: Rtype,
    /// QCLASS.
    pub qclass: u16,
    /// What the OPT record says, if there is one.
    pub edns: Option<Edns<'q>>,
    /// Whether a TSIG record says that it is signed (RFC 8945).
    pub is_signed: bool,
}

/// What a query's OPT record says (RFC 6891 §6.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edns<'q> {
    /// Largest UDP payload that the client can take.
    pub udp_payload: u16,
    /// EDNS version.
    pub version: u8,
    /// The DO bit (RFC 3225).
    pub dnssec_ok: bool,
    /// Its options, as far as we know them. None are read if the version is not ours: it may have others.
    pub options: Options<'q>,
}

/// The options that we know (RFC 6891 §6.1.2); others are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Options<'q> {
    /// Whether the client wants to know which server it is (NSID, RFC 5001 §2.1).
    pub nsid: bool,
    /// The data of the COOKIE option, whatever its length (RFC 7873 §4).
    pub cookie: Option<&'q [u8]>,
    /// The data of the edns-tcp-keepalive option, which has to be empty (RFC 7828 §3.2.1).
    pub keepalive: Option<&'q [u8]>,
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
    /// Reads a message whose question's name has been read and takes so many octets; none if no name is at its place.
    pub fn parse(message: &'q [u8], name_octets: Option<usize>) -> Result<Self, Unanswerable> {
        let ([i0, i1, f0, _, q0, q1, a0, a1, n0, n1, r0, r1], body) =
            message.split_first_chunk::<HEADER_OCTETS>().ok_or(Unanswerable::Silent)?;
        if f0 & 0x80 != 0 {
            return Err(Unanswerable::Silent);
        }
        let header = Header { id: [*i0, *i1], opcode: f0 >> 3 & 0x0f, recursion_desired: f0 & 1 != 0 };
        // What other opcodes look like is not known; as far as they look like a query, the answer repeats the question
        // and OPT (RFC 6891 §6.1.1).
        let malformed = Unanswerable::Error(header, if header.opcode == 0 { Rcode::FormErr } else { Rcode::NotImp });
        let counts = [[*a0, *a1], [*n0, *n1], [*r0, *r1]].map(u16::from_be_bytes);
        if [*q0, *q1] != [0, 1] {
            return Self::parse_cookie_request(header, [*q0, *q1], body, counts).ok_or(malformed);
        }
        let name_octets = name_octets.ok_or(malformed)?;
        let (question, rest) = body.split_at_checked(name_octets + 4).ok_or(malformed)?;
        let [t0, t1, c0, c1] = question.last_chunk::<4>().ok_or(malformed)?;
        let Records { edns, is_signed } = parse_records(rest, counts).map_err(|Malformed| malformed)?;
        let qtype = Rtype(u16::from_be_bytes([*t0, *t1]));
        Ok(Self { header, question, qtype, qclass: u16::from_be_bytes([*c0, *c1]), edns, is_signed })
    }

    /// RFC 9619 §4: a query has exactly one question, or none if it asks for a cookie (RFC 7873 §5.4).
    #[cold]
    fn parse_cookie_request(header: Header, questions: [u8; 2], body: &'q [u8], counts: [u16; 3]) -> Option<Self> {
        if questions != [0, 0] || header.opcode != 0 {
            return None;
        }
        let Records { edns, is_signed } = parse_records(body, counts).ok()?;
        edns.filter(|edns| edns.options.cookie.is_some())?;
        Some(Self { header, question: &[], qtype: Rtype(0), qclass: 0, edns, is_signed })
    }
}

/// Where a message has its question, if it has one; empty in what is too short for any.
pub fn question(message: &[u8]) -> &[u8] {
    message.get(HEADER_OCTETS..).unwrap_or_default()
}

/// A record or option that does not fit, a second OPT, an OPT or TSIG at a wrong place, or octets left over.
struct Malformed;

/// What the records after the question say.
struct Records<'m> {
    /// What the OPT record says, if there is one.
    edns: Option<Edns<'m>>,
    /// Whether there is a TSIG record.
    is_signed: bool,
}

/// Walks the records after the question.
fn parse_records(mut rest: &[u8], [answers, authorities, additionals]: [u16; 3]) -> Result<Records<'_>, Malformed> {
    let (mut edns, mut is_signed) = (None, false);
    let before_additional = u32::from(answers) + u32::from(authorities);
    let count = before_additional + u32::from(additionals);
    for index in 0..count {
        let (is_root, after_name) = skip_name(rest).ok_or(Malformed)?;
        let ([t0, t1, c0, c1, ttl @ .., l0, l1], tail) = after_name.split_first_chunk::<10>().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (rdata, next) = tail.split_at_checked(length).ok_or(Malformed)?;
        rest = next;
        let rtype = Rtype(u16::from_be_bytes([*t0, *t1]));
        if rtype == Rtype::TSIG {
            // RFC 8945 §5.1: one TSIG, the last of the additional section; anything else is FORMERR.
            if index + 1 != count || index < before_additional {
                return Err(Malformed);
            }
            is_signed = true;
        }
        if rtype != Rtype::OPT {
            continue;
        }
        // RFC 6891 §6.1.1: one OPT, in the additional section, owned by the root; anything else is FORMERR.
        if edns.is_some() || !is_root || index < before_additional {
            return Err(Malformed);
        }
        let [_extended_rcode, version, flags, _] = *ttl;
        let udp_payload = u16::from_be_bytes([*c0, *c1]);
        let options = if version == 0 { parse_options(rdata)? } else { Options::default() };
        edns = Some(Edns { udp_payload, version, dnssec_ok: flags & 0x80 != 0, options });
    }
    if rest.is_empty() { Ok(Records { edns, is_signed }) } else { Err(Malformed) }
}

/// Skips a name that may end in a compression pointer; says whether it is the root, and gives what follows.
pub fn skip_name(mut rest: &[u8]) -> Option<(bool, &[u8])> {
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

/// Walks the options of an OPT record, which they fill exactly (RFC 6891 §6.1.2).
fn parse_options(mut rest: &[u8]) -> Result<Options<'_>, Malformed> {
    let mut options = Options::default();
    while !rest.is_empty() {
        let ([c0, c1, l0, l1], tail) = rest.split_first_chunk::<4>().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let (data, next) = tail.split_at_checked(length).ok_or(Malformed)?;
        rest = next;
        match u16::from_be_bytes([*c0, *c1]) {
            option::NSID => options.nsid = true,
            // RFC 7873 §5.2: of several, the first one counts.
            option::COOKIE => options.cookie = options.cookie.or(Some(data)),
            option::KEEPALIVE => options.keepalive = options.keepalive.or(Some(data)),
            // RFC 6891 §6.1.2: what is not known is ignored.
            _ => {}
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::name::LowerName;

    /// Header with one question and `additionals`, question for `a. IN A`, then `rest`.
    fn query(counts: [u8; 4], rest: &[u8]) -> Vec<u8> {
        let [qd, an, ns, ar] = counts;
        [&[0xab, 0xcd, 0x01, 0, 0, qd, 0, an, 0, ns, 0, ar], &b"\x01A\0\0\x01\0\x01"[..], rest].concat()
    }

    const OPT: &[u8] = b"\0\0\x29\x10\0\0\0\x80\0\0\0";

    const TSIG: &[u8] = b"\0\0\xfa\0\xff\0\0\0\0\0\0";

    fn parse(message: &[u8]) -> Result<Query<'_>, Unanswerable> {
        Query::parse(message, LowerName::default().read(question(message)).ok())
    }

    #[test]
    fn a_query_with_and_without_edns() {
        let message = query([1, 0, 0, 0], b"");
        let plain = parse(&message).unwrap();
        assert_eq!((plain.qtype, plain.qclass, plain.edns), (Rtype::A, CLASS_IN, None));
        assert_eq!(plain.question, b"\x01A\0\0\x01\0\x01");
        assert_eq!(plain.header, Header { id: [0xab, 0xcd], opcode: 0, recursion_desired: true });
        let edns = Edns { udp_payload: 4096, version: 0, dnssec_ok: true, options: Options::default() };
        assert_eq!(parse(&query([1, 0, 0, 1], OPT)).unwrap().edns, Some(edns));
    }

    /// An OPT record of a version with these options.
    fn opt(version: u8, options: &[u8]) -> Vec<u8> {
        let length = u8::try_from(options.len()).unwrap();
        [&[0, 0, 41, 4, 208, 0, version, 0, 0, 0, length], options].concat()
    }

    #[test]
    fn options_are_read_and_unknown_ones_ignored() {
        let read = |version, octets: &[u8]| {
            let message = query([1, 0, 0, 1], &opt(version, octets));
            let Options { nsid, cookie, keepalive } = parse(&message).unwrap().edns.unwrap().options;
            (nsid, cookie.map(<[u8]>::to_vec), keepalive.map(<[u8]>::to_vec))
        };
        assert_eq!(read(0, b"\0\x64\0\x02xx"), (false, None, None));
        let cookies = b"\0\x0a\0\x01a\0\x03\0\0\0\x0a\0\x01b\0\x0b\0\0";
        assert_eq!(read(0, cookies), (true, Some(b"a".to_vec()), Some(vec![])), "RFC 7873 §5.2: the first cookie");
        // What options look like in another version is not known (RFC 6891 §6.1.3).
        assert_eq!(read(1, b"\0\x0a\0\x09"), (false, None, None));
    }

    #[test]
    fn a_request_for_a_cookie_has_no_question() {
        let bare = |opcode: u8, rest: &[u8]| [&[0xab, 0xcd, opcode << 3, 0, 0, 0, 0, 0, 0, 0, 0, 1], rest].concat();
        let request = bare(0, &opt(0, b"\0\x0a\0\x0812345678"));
        let parsed = parse(&request).unwrap();
        assert_eq!((parsed.question, parsed.edns.unwrap().options.cookie), (&b""[..], Some(&b"12345678"[..])));
        for (what, message, rcode) in [
            ("no cookie", bare(0, &opt(0, b"")), Rcode::FormErr),
            ("another opcode", bare(2, &opt(0, b"\0\x0a\0\x0812345678")), Rcode::NotImp),
            ("octets left over", [request.clone(), vec![0]].concat(), Rcode::FormErr),
        ] {
            assert!(matches!(parse(&message), Err(Unanswerable::Error(_, found)) if found == rcode), "{what}");
        }
    }

    #[test]
    fn a_signed_query() {
        assert!(!parse(&query([1, 0, 0, 1], OPT)).unwrap().is_signed);
        let message = query([1, 0, 0, 2], &[OPT, TSIG].concat());
        let signed = parse(&message).unwrap();
        assert!(signed.is_signed && signed.edns.is_some());
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
            ("TSIG before another record (RFC 8945 §5.1)", query([1, 0, 0, 2], &[TSIG, OPT].concat())),
            ("TSIG as an answer", query([1, 1, 0, 0], TSIG)),
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
