//! The TSIG record: taken off a message, and put onto one (RFC 8945 §4.2).

use hickory_proto::rr::Name as WireName;
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};

use crate::wire::query::{HEADER_OCTETS, skip_name};

/// The type of TSIG records.
pub const TSIG: u16 = 250;
/// Class ANY, which TSIG records have.
const CLASS_ANY: u16 = 255;
/// Octets of a TSIG record besides names, digest and other data: type, class, TTL, length; time, fudge, length of the
/// digest, original id, error, length of the other data.
pub(super) const FIXED_OCTETS: usize = 10 + 16;
/// Octets of a time (RFC 8945 §4.2).
pub(super) const TIME_OCTETS: usize = 6;

/// No message, or one whose TSIG record is not its last record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed;

/// A TSIG record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tsig {
    /// The key's name, in lower-case wire form.
    pub(super) key: Vec<u8>,
    /// The algorithm's name, in lower-case wire form.
    pub(super) algorithm: Vec<u8>,
    /// When it was signed, in seconds since 1970.
    pub(super) time: u64,
    /// By how much clocks may differ.
    pub(super) fudge: u16,
    /// The digest.
    pub(super) mac: Vec<u8>,
    /// The message's id when it was signed.
    pub(super) original_id: u16,
    /// The error code.
    pub(super) error: u16,
    /// The server's time, if the error is BADTIME.
    pub(super) other: Vec<u8>,
}

impl Tsig {
    /// Whether the message is of this time (RFC 8945 §5.2.3).
    pub(super) const fn is_timely(&self, now: u64) -> bool {
        now.abs_diff(self.time) <= self.fudge as u64
    }

    /// The message as it was when it was signed, without a digest before it: with its original id.
    pub(super) fn digested(&self, message: &[u8]) -> Vec<u8> {
        let mut digested = message.to_vec();
        if let Some(id) = digested.first_chunk_mut() {
            *id = self.original_id.to_be_bytes();
        }
        digested
    }

    /// Appends what is digested of the record itself (RFC 8945 §4.3.3).
    pub(super) fn put_variables(&self, digested: &mut Vec<u8>) {
        digested.extend_from_slice(&self.key);
        digested.extend_from_slice(&CLASS_ANY.to_be_bytes());
        digested.extend_from_slice(&[0; 4]);
        digested.extend_from_slice(&self.algorithm);
        self.put_timers(digested);
        digested.extend_from_slice(&self.error.to_be_bytes());
        digested.extend_from_slice(&length(&self.other));
        digested.extend_from_slice(&self.other);
    }

    /// Appends what is digested of the record in later messages of a stream (RFC 8945 §4.3.3.1).
    pub(super) fn put_timers(&self, digested: &mut Vec<u8>) {
        digested.extend_from_slice(&time_octets(self.time));
        digested.extend_from_slice(&self.fudge.to_be_bytes());
    }

    /// Appends the record to a message.
    pub(super) fn put(&self, message: &mut Vec<u8>) {
        let mut rdata = Vec::with_capacity(self.algorithm.len() + self.mac.len() + self.other.len() + 16);
        rdata.extend_from_slice(&self.algorithm);
        self.put_timers(&mut rdata);
        rdata.extend_from_slice(&length(&self.mac));
        rdata.extend_from_slice(&self.mac);
        rdata.extend_from_slice(&self.original_id.to_be_bytes());
        rdata.extend_from_slice(&self.error.to_be_bytes());
        rdata.extend_from_slice(&length(&self.other));
        rdata.extend_from_slice(&self.other);
        message.extend_from_slice(&self.key);
        for number in [TSIG, CLASS_ANY, 0, 0] {
            message.extend_from_slice(&number.to_be_bytes());
        }
        message.extend_from_slice(&length(&rdata));
        message.extend_from_slice(&rdata);
        add_additional(message, 1);
    }
}

/// A length of two octets.
fn length(octets: &[u8]) -> [u8; 2] {
    u16::try_from(octets.len()).unwrap_or(0).to_be_bytes()
}

/// A time as TSIG records have it: 48 bits.
pub(super) fn time_octets(time: u64) -> [u8; TIME_OCTETS] {
    let [_, _, octets @ ..] = time.to_be_bytes();
    octets
}

/// Changes the number of additional records.
fn add_additional(message: &mut [u8], change: i16) {
    if let Some([.., a0, a1]) = message.first_chunk_mut::<HEADER_OCTETS>() {
        [*a0, *a1] = u16::from_be_bytes([*a0, *a1]).wrapping_add_signed(change).to_be_bytes();
    }
}

/// Takes the TSIG record off a message; none if it has none. Every other record is walked over, and no more than that.
pub(super) fn split(message: &[u8]) -> Result<Option<(Vec<u8>, Tsig)>, Malformed> {
    let header = message.first_chunk::<HEADER_OCTETS>().ok_or(Malformed)?;
    let [_, _, _, _, q0, q1, a0, a1, n0, n1, r0, r1] = *header;
    let mut rest = message.get(HEADER_OCTETS..).ok_or(Malformed)?;
    for _ in 0..u16::from_be_bytes([q0, q1]) {
        rest = skip_name(rest).and_then(|(_, rest)| rest.get(4..)).ok_or(Malformed)?;
    }
    let before_additional = u32::from(u16::from_be_bytes([a0, a1])) + u32::from(u16::from_be_bytes([n0, n1]));
    let count = before_additional + u32::from(u16::from_be_bytes([r0, r1]));
    for index in 0..count {
        let start = message.len() - rest.len();
        let (_, head) = skip_name(rest).ok_or(Malformed)?;
        let ([t0, t1, c0, c1, ttl @ .., l0, l1], tail) = head.split_first_chunk::<10>().ok_or(Malformed)?;
        let (rdata, next) = tail.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1]))).ok_or(Malformed)?;
        rest = next;
        if u16::from_be_bytes([*t0, *t1]) != TSIG {
            continue;
        }
        // RFC 8945 §5.1: it is the last additional record, and there is one. §4.2: of class ANY, with TTL 0.
        let is_whole = *ttl == [0; 4] && u16::from_be_bytes([*c0, *c1]) == CLASS_ANY && rest.is_empty();
        if !is_whole || index + 1 != count || index < before_additional {
            return Err(Malformed);
        }
        let tsig = read(message, start, rdata).ok_or(Malformed)?;
        let mut unsigned = message.get(..start).ok_or(Malformed)?.to_vec();
        add_additional(&mut unsigned, -1);
        return Ok(Some((unsigned, tsig)));
    }
    if rest.is_empty() { Ok(None) } else { Err(Malformed) }
}

/// Reads the TSIG record at an offset.
fn read(message: &[u8], at: usize, rdata: &[u8]) -> Option<Tsig> {
    let key = lower_wire(&WireName::read(&mut BinDecoder::new(message).clone(u16::try_from(at).ok()?)).ok()?)?;
    let mut decoder = BinDecoder::new(rdata);
    // RFC 8945 §4.2 has no compression in the data; a pointer would lead out of it, or nowhere.
    let algorithm = lower_wire(&WireName::read(&mut decoder).ok()?)?;
    let rest = rdata.get(rdata.len() - decoder.len()..)?;
    let ([t0, t1, t2, t3, t4, t5, f0, f1, l0, l1], rest) = rest.split_first_chunk::<10>()?;
    let (mac, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
    let ([i0, i1, e0, e1, l0, l1], other) = rest.split_first_chunk::<6>()?;
    (other.len() == usize::from(u16::from_be_bytes([*l0, *l1]))).then(|| Tsig {
        key,
        algorithm,
        time: u64::from_be_bytes([0, 0, *t0, *t1, *t2, *t3, *t4, *t5]),
        fudge: u16::from_be_bytes([*f0, *f1]),
        mac: mac.to_vec(),
        original_id: u16::from_be_bytes([*i0, *i1]),
        error: u16::from_be_bytes([*e0, *e1]),
        other: other.to_vec(),
    })
}

/// A name's wire form in lower case.
fn lower_wire(name: &WireName) -> Option<Vec<u8>> {
    use hickory_proto::serialize::binary::BinEncodable;
    name.to_lowercase().to_bytes().ok()
}
