//! Writing an answer into a buffer, section by section, never past its limit.

use crate::model::rrset::{QUESTION_POINTER, RECORD_HEAD_OCTETS, Rtype};
use crate::wire::query::{HEADER_OCTETS, Header, Rcode, option};

/// Octets of an OPT record without options.
pub const OPT_OCTETS: usize = 11;
/// Offsets that a compression pointer reaches are below this (RFC 1035 §4.1.4).
const POINTED_TO_MAX: usize = 0x4000;
/// Octets in front of an option's data.
const OPTION_HEAD_OCTETS: usize = 4;
/// Octets of the COOKIE option's data when both cookies are there, the server's being ours (RFC 9018 §4).
pub const COOKIE_OCTETS: usize = 24;

/// Extended DNS Errors that we send (RFC 8914 §4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ExtendedError {
    /// INFO-CODE.
    pub code: u16,
    /// EXTRA-TEXT, short.
    pub text: &'static str,
}

/// The answer does not fit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// An answer under way.
#[derive(Debug)]
pub struct Message<'b> {
    /// Where it is written.
    buffer: &'b mut [u8],
    /// Octets written.
    len: usize,
    /// Octets that records may fill; the rest is kept for OPT.
    limit: usize,
    /// Octets that the whole message may have.
    size: usize,
    /// Octets of header and question.
    question_end: usize,
    /// Records in the answer section.
    answers: u16,
    /// Records in the authority section.
    authorities: u16,
    /// Records in the additional section, OPT not counted.
    additionals: u16,
    /// Whether something had to be left out.
    truncated: bool,
}

/// An OPT record to be written (RFC 6891 §6.1.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Opt<'o> {
    /// Our own UDP payload size.
    pub udp_payload: u16,
    /// Repeats the query's DO bit (RFC 3225 §3).
    pub dnssec_ok: bool,
    /// Which server this is, if the client wants to know (RFC 5001 §2.2).
    pub nsid: Option<&'o [u8]>,
    /// The client's cookie and ours (RFC 7873 §5.2).
    pub cookie: Option<[u8; COOKIE_OCTETS]>,
    /// How long a connection may be idle, in units of 100 ms (RFC 7828 §3.1).
    pub keepalive: Option<u16>,
    /// What an Extended DNS Error has to say. The only option that is left out when it does not fit.
    pub error: Option<ExtendedError>,
}

impl Opt<'_> {
    /// Octets of the record, the Extended DNS Error not counted: what a message has to keep for it.
    pub fn octets(&self) -> usize {
        let nsid = self.nsid.map_or(0, |nsid| OPTION_HEAD_OCTETS + nsid.len());
        let cookie = self.cookie.map_or(0, |cookie| OPTION_HEAD_OCTETS + cookie.len());
        let keepalive = self.keepalive.map_or(0, |_| OPTION_HEAD_OCTETS + 2);
        OPT_OCTETS + nsid + cookie + keepalive
    }
}

impl<'b> Message<'b> {
    /// Starts an answer of at most `size` octets that repeats `question` and keeps `kept` octets for an OPT record
    /// ([`Opt::octets`]). None if not even that fits.
    pub fn start(buffer: &'b mut [u8], size: usize, question: &[u8], kept: usize) -> Option<Self> {
        let question_end = HEADER_OCTETS + question.len();
        let size = size.min(buffer.len());
        let limit = size.checked_sub(kept)?;
        if question_end > limit {
            return None;
        }
        buffer.get_mut(HEADER_OCTETS..question_end)?.copy_from_slice(question);
        Some(Self {
            buffer,
            len: question_end,
            limit,
            size,
            question_end,
            answers: 0,
            authorities: 0,
            additionals: 0,
            truncated: false,
        })
    }

    /// Octets written so far: where the next record will start.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing but the question has been written.
    pub const fn is_empty(&self) -> bool {
        self.len == self.question_end
    }

    /// Records in the answer section so far.
    pub const fn answer_count(&self) -> u16 {
        self.answers
    }

    /// Whether the uncompressed name at an offset is `lower`, in any letter case.
    pub fn has_name_at(&self, at: usize, lower: &[u8]) -> bool {
        self.buffer.get(at..at + lower.len()).is_some_and(|octets| octets.eq_ignore_ascii_case(lower))
    }

    /// Copies `count` rendered records into the answer section, their owner being the name at offset `owner`.
    pub fn answer(&mut self, rendered: &[u8], count: u16, owner: usize) -> Result<(), Full> {
        self.copy(rendered, owner)?;
        self.answers += count;
        Ok(())
    }

    /// Copies one rendered record into the authority section with a TTL of at most `ttl_max`.
    pub fn authority(&mut self, rendered: &[u8], owner: usize, ttl_max: u32) -> Result<(), Full> {
        let at = self.len;
        self.copy(rendered, owner)?;
        if let Some(place) = self.buffer.get_mut(at + 6..at + 10) {
            let ttl = place.first_chunk().map_or(0, |octets| u32::from_be_bytes(*octets));
            place.copy_from_slice(&ttl.min(ttl_max).to_be_bytes());
        }
        self.authorities += 1;
        Ok(())
    }

    /// Copies `count` rendered records of a referral into the authority section.
    pub fn referral(&mut self, rendered: &[u8], count: u16, owner: usize) -> Result<(), Full> {
        self.copy(rendered, owner)?;
        self.authorities += count;
        Ok(())
    }

    /// Copies `count` rendered records into the additional section. RFC 1035 §4.1.4: a pointer reaches 16 KiB; an owner
    /// whose name stands further behind is spelled out.
    pub fn additional(&mut self, rendered: &[u8], count: u16, owner: usize) -> Result<(), Full> {
        if owner < POINTED_TO_MAX { self.copy(rendered, owner) } else { self.copy_spelled(rendered, owner) }?;
        self.additionals += count;
        Ok(())
    }

    /// Copies rendered records and writes their owner's name, which stands at an offset, before each.
    fn copy_spelled(&mut self, mut rendered: &[u8], owner: usize) -> Result<(), Full> {
        let start = self.len;
        let octets = name_octets(self.written_from(owner)).ok_or(Full)?;
        while let Some([.., l0, l1]) = rendered.first_chunk::<RECORD_HEAD_OCTETS>() {
            let length = RECORD_HEAD_OCTETS + usize::from(u16::from_be_bytes([*l0, *l1]));
            let (record, rest) = rendered.split_at_checked(length).ok_or(Full)?;
            let body = record.get(QUESTION_POINTER.len()..).unwrap_or_default();
            if let Err(Full) = self.repeat(owner, octets).and_then(|()| self.answer_raw(body)) {
                // RFC 2181 §9: an RRset is there as a whole or not at all.
                self.len = start;
                return Err(Full);
            }
            rendered = rest;
        }
        Ok(())
    }

    /// Starts a record of the answer section whose data is put together piece by piece; gives its offset.
    pub fn begin_answer(&mut self, owner: usize, rtype: Rtype, ttl: u32) -> Result<usize, Full> {
        let start = self.len;
        let [p0, p1] = pointer_to(owner)?;
        let [t0, t1] = rtype.0.to_be_bytes();
        let [s0, s1, s2, s3] = ttl.to_be_bytes();
        self.answer_raw(&[p0, p1, t0, t1, 0, 1, s0, s1, s2, s3, 0, 0])?;
        Ok(start)
    }

    /// Ends the record that starts at an offset.
    pub fn end_answer(&mut self, start: usize) -> Result<(), Full> {
        let rdata = start + RECORD_HEAD_OCTETS;
        let length = self.len.checked_sub(rdata).and_then(|length| u16::try_from(length).ok()).ok_or(Full)?;
        self.buffer.get_mut(rdata - 2..rdata).ok_or(Full)?.copy_from_slice(&length.to_be_bytes());
        self.answers += 1;
        Ok(())
    }

    /// Copies octets that have been written before.
    pub fn repeat(&mut self, from: usize, octets: usize) -> Result<(), Full> {
        let end = self.len + octets;
        if end > self.limit || from + octets > self.len {
            return Err(Full);
        }
        self.buffer.copy_within(from..from + octets, self.len);
        self.len = end;
        Ok(())
    }

    /// The octets written from an offset on.
    pub fn written_from(&self, at: usize) -> &[u8] {
        self.buffer.get(at..self.len).unwrap_or_default()
    }

    /// Where the data of the record that starts at an offset stands, and how many octets it has.
    pub fn rdata_at(&self, start: usize) -> Option<(usize, usize)> {
        let [.., l0, l1] = self.written_from(start).first_chunk::<RECORD_HEAD_OCTETS>()?;
        Some((start + RECORD_HEAD_OCTETS, usize::from(u16::from_be_bytes([*l0, *l1]))))
    }

    /// Copies octets of a record that needs no owner patched.
    pub fn answer_raw(&mut self, octets: &[u8]) -> Result<(), Full> {
        let end = self.len + octets.len();
        if end > self.limit {
            return Err(Full);
        }
        self.buffer.get_mut(self.len..end).ok_or(Full)?.copy_from_slice(octets);
        self.len = end;
        Ok(())
    }

    /// Counts a record put together from raw octets.
    pub fn count_answer(&mut self) {
        self.answers += 1;
    }

    /// Takes back what the answer section has from an offset on, where it had so many records.
    pub fn take_back(&mut self, end: usize, answers: u16) {
        self.len = end;
        self.answers = answers;
    }

    /// Takes all records back; with `truncated` the client is told to come again over TCP (RFC 2181 §9).
    pub fn clear(&mut self, truncated: bool) {
        self.len = self.question_end;
        self.answers = 0;
        self.authorities = 0;
        self.additionals = 0;
        self.truncated = truncated;
    }

    /// Copies rendered records and gives them their owner.
    fn copy(&mut self, rendered: &[u8], owner: usize) -> Result<(), Full> {
        let start = self.len;
        if owner == HEADER_OCTETS {
            return self.answer_raw(rendered);
        }
        let pointer = pointer_to(owner)?;
        self.answer_raw(rendered)?;
        let mut rest = self.buffer.get_mut(start..self.len).unwrap_or_default();
        while let Some((head, tail)) = rest.split_first_chunk_mut::<RECORD_HEAD_OCTETS>() {
            let [p0, p1, .., l0, l1] = head;
            [*p0, *p1] = pointer;
            let rdata = usize::from(u16::from_be_bytes([*l0, *l1]));
            rest = tail.get_mut(rdata..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes header and OPT and returns the answer's length. `authoritative` sets AA.
    pub fn finish(mut self, header: Header, rcode: Rcode, authoritative: bool, opt: Option<Opt<'_>>) -> usize {
        let opt_end = opt.map_or(self.len, |opt| self.put_opt(opt, rcode));
        let questions = u8::from(self.question_end > HEADER_OCTETS);
        let [a0, a1] = self.answers.to_be_bytes();
        let [n0, n1] = self.authorities.to_be_bytes();
        let bits = flags(header, authoritative, self.truncated);
        let [i0, i1] = header.id;
        let low_rcode = rcode as u8 & 0x0f;
        let [r0, r1] = (self.additionals + u16::from(opt.is_some())).to_be_bytes();
        let head = [i0, i1, bits, low_rcode, 0, questions, a0, a1, n0, n1, r0, r1];
        if let Some(place) = self.buffer.first_chunk_mut::<HEADER_OCTETS>() {
            *place = head;
        }
        opt_end
    }

    /// Writes the OPT record behind everything else; its room has been kept. An Extended DNS Error is left out when it
    /// does not fit.
    fn put_opt(&mut self, opt: Opt<'_>, rcode: Rcode) -> usize {
        let octets = opt.octets();
        let room = self.size.saturating_sub(self.len + octets);
        let error = opt.error.filter(|error| OPTION_HEAD_OCTETS + 2 + error.text.len() <= room);
        let error_octets = error.map_or(0, |error| OPTION_HEAD_OCTETS + 2 + error.text.len());
        let end = self.len + octets + error_octets;
        let place = self.buffer.get_mut(self.len..end).unwrap_or_default();
        let Some((head, options)) = place.split_first_chunk_mut::<OPT_OCTETS>() else { return self.len };
        let [t0, t1] = Rtype::OPT.0.to_be_bytes();
        let [s0, s1] = opt.udp_payload.to_be_bytes();
        let [l0, l1] = u16::try_from(options.len()).unwrap_or(0).to_be_bytes();
        *head = [0, t0, t1, s0, s1, rcode as u8 >> 4, 0, u8::from(opt.dnssec_ok) << 7, 0, l0, l1];
        if !options.is_empty() {
            put_options(options, &opt, error);
        }
        end
    }
}

/// Octets of the uncompressed name that stands at the start of some.
fn name_octets(octets: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        match usize::from(*octets.get(at)?) {
            0 => return Some(at + 1),
            length => at += 1 + length,
        }
    }
}

/// The compression pointer to an offset. RFC 1035 §4.1.4: it has 14 bits, so a chain that gets further is cut.
fn pointer_to(owner: usize) -> Result<[u8; 2], Full> {
    let offset = u16::try_from(owner).ok().filter(|_| owner < POINTED_TO_MAX).ok_or(Full)?;
    Ok((offset | u16::from_be_bytes(QUESTION_POINTER) & 0xc000).to_be_bytes())
}

/// Writes options that fill `place` exactly.
fn put_options(mut place: &mut [u8], opt: &Opt<'_>, error: Option<ExtendedError>) {
    if let Some(nsid) = opt.nsid {
        place = put_option(place, option::NSID, [nsid, &[]]);
    }
    if let Some(cookie) = &opt.cookie {
        place = put_option(place, option::COOKIE, [cookie, &[]]);
    }
    if let Some(keepalive) = opt.keepalive {
        place = put_option(place, option::KEEPALIVE, [&keepalive.to_be_bytes(), &[]]);
    }
    if let Some(ExtendedError { code, text }) = error {
        put_option(place, option::EXTENDED_ERROR, [&code.to_be_bytes(), text.as_bytes()]);
    }
}

/// Writes an option with data of two parts at the start of `place`; gives the place behind it.
fn put_option<'p>(place: &'p mut [u8], code: u16, data: [&[u8]; 2]) -> &'p mut [u8] {
    let [c0, c1] = code.to_be_bytes();
    let [l0, l1] = u16::try_from(data.map(<[u8]>::len).iter().sum::<usize>()).unwrap_or(0).to_be_bytes();
    let mut rest = place;
    for part in [&[c0, c1, l0, l1], data[0], data[1]] {
        let Some((written, behind)) = rest.split_at_mut_checked(part.len()) else { return &mut [] };
        written.copy_from_slice(part);
        rest = behind;
    }
    rest
}

/// The third octet of the header: QR, OPCODE, AA, TC, RD. RA, AD and CD stay clear: we do not recurse, and RFC 4035
/// §3.1.6 has an authoritative server clear the other two.
fn flags(header: Header, authoritative: bool, truncated: bool) -> u8 {
    0x80 | header.opcode << 3
        | u8::from(authoritative) << 2
        | u8::from(truncated) << 1
        | u8::from(header.recursion_desired)
}

/// Writes an error of the header alone: what is left when a message cannot be read. Returns its length.
pub fn put_error(buffer: &mut [u8], header: Header, rcode: Rcode) -> usize {
    let Some(place) = buffer.first_chunk_mut::<HEADER_OCTETS>() else { return 0 };
    let [i0, i1] = header.id;
    *place = [i0, i1, flags(header, false, false), rcode as u8 & 0x0f, 0, 0, 0, 0, 0, 0, 0, 0];
    HEADER_OCTETS
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header { id: [1, 2], opcode: 0, recursion_desired: true };
    const QUESTION: &[u8] = b"\x01a\0\0\x01\0\x01";
    const RECORD: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\xc0\0\x02\x01";

    #[test]
    fn owners_are_patched_record_by_record() {
        let mut buffer = [0; 128];
        let mut message = Message::start(&mut buffer, 128, QUESTION, 0).unwrap();
        message.answer(&[RECORD, RECORD].concat(), 2, 0x123).unwrap();
        message.authority(RECORD, 12, 30).unwrap();
        let len = message.finish(HEADER, Rcode::NoError, true, None);
        let sent = &buffer[..len];
        assert_eq!(&sent[..12], b"\x01\x02\x85\0\0\x01\0\x02\0\x01\0\0");
        assert_eq!(
            (&sent[19..21], &sent[35..37], &sent[51..53]),
            (&b"\xc1\x23"[..], &b"\xc1\x23"[..], &b"\xc0\x0c"[..])
        );
        assert_eq!(&sent[57..61], &30_u32.to_be_bytes());
    }

    #[test]
    fn a_record_is_put_together_from_pieces() {
        let mut buffer = [0; 128];
        let mut message = Message::start(&mut buffer, 128, QUESTION, OPT_OCTETS).unwrap();
        let start = message.begin_answer(12, Rtype::CNAME, 60).unwrap();
        message.repeat(12, 2).unwrap();
        message.answer_raw(b"\x01b\0").unwrap();
        message.end_answer(start).unwrap();
        assert_eq!(message.rdata_at(start), Some((start + 12, 5)));
        assert_eq!(message.written_from(start + 12), b"\x01a\x01b\0");
        assert_eq!(message.repeat(message.len(), 1), Err(Full));
        message.additional(RECORD, 1, start + 12).unwrap();
        assert_eq!(message.additional(RECORD, 1, 0x4000), Err(Full), "and nothing is written");
        message.referral(RECORD, 1, 12).unwrap();
        let opt = Opt { udp_payload: 1232, ..Opt::default() };
        let len = message.finish(HEADER, Rcode::NoError, false, Some(opt));
        assert_eq!(&buffer[4..12], b"\0\x01\0\x01\0\x01\0\x02");
        assert_eq!(&buffer[19..36], b"\xc0\x0c\0\x05\0\x01\0\0\0\x3c\0\x05\x01a\x01b\0");
        assert_eq!(&buffer[36..38], b"\xc0\x1f");
        assert_eq!(len, 36 + 16 + 16 + OPT_OCTETS);
    }

    #[test]
    fn what_does_not_fit_leaves_room_for_opt() {
        let mut buffer = [0; 128];
        let size = 12 + QUESTION.len() + RECORD.len() + OPT_OCTETS - 1;
        let mut message = Message::start(&mut buffer, size, QUESTION, OPT_OCTETS).unwrap();
        assert_eq!(message.answer(RECORD, 1, 12), Err(Full));
        message.clear(true);
        let error = Some(ExtendedError { code: 14, text: "far too long to fit in here" });
        let opt = Opt { udp_payload: 1232, dnssec_ok: true, error, ..Opt::default() };
        let len = message.finish(HEADER, Rcode::BadVers, false, Some(opt));
        assert_eq!(&buffer[..12], b"\x01\x02\x83\0\0\x01\0\0\0\0\0\x01");
        assert_eq!(&buffer[19..len], b"\0\0\x29\x04\xd0\x01\0\x80\0\0\0");
    }

    #[test]
    fn an_extended_error_is_an_option() {
        let mut buffer = [0; 128];
        let message = Message::start(&mut buffer, 128, QUESTION, OPT_OCTETS).unwrap();
        let error = Some(ExtendedError { code: 14, text: "wait" });
        let opt = Opt { udp_payload: 1232, error, ..Opt::default() };
        let len = message.finish(HEADER, Rcode::ServFail, false, Some(opt));
        assert_eq!(&buffer[28..len], b"\0\x0a\0\x0f\0\x06\0\x0ewait");
    }

    #[test]
    fn options_that_must_be_there_have_their_room_kept() {
        let error = Some(ExtendedError { code: 14, text: "wait" });
        let cookie = Some([7; COOKIE_OCTETS]);
        let opt = Opt { udp_payload: 1232, dnssec_ok: false, nsid: Some(b"node"), cookie, keepalive: Some(100), error };
        assert_eq!(opt.octets(), OPT_OCTETS + 8 + 28 + 6);
        let all = [&b"\0\x03\0\x04node\0\x0a\0\x18"[..], &[7; 24], b"\0\x0b\0\x02\0\x64"].concat();
        // One octet less than everything, then everything: the error goes first, the record never comes in.
        for (missing, expected) in [(1, &b""[..]), (0, b"\0\x0f\0\x06\0\x0ewait")] {
            let size = 12 + QUESTION.len() + opt.octets() + 10 - missing;
            let mut buffer = [0; 256];
            let mut message = Message::start(&mut buffer, size, QUESTION, opt.octets()).unwrap();
            assert_eq!(message.answer(RECORD, 1, 12), Err(Full));
            let len = message.finish(HEADER, Rcode::BadCookie, true, Some(opt));
            let options = [&all, expected].concat();
            let [l0, l1] = u16::try_from(options.len()).unwrap().to_be_bytes();
            assert_eq!(buffer[19..30], [0, 0, 41, 4, 208, 1, 0, 0, 0, l0, l1]);
            assert_eq!(buffer[30..len], options);
            assert_eq!((buffer[3], len <= size), (7, true), "BADCOOKIE is 23: 7 here, 1 in OPT");
        }
    }

    #[test]
    fn no_question_is_none_in_the_header() {
        let mut buffer = [0; 64];
        let message = Message::start(&mut buffer, 64, b"", OPT_OCTETS).unwrap();
        assert_eq!(message.finish(HEADER, Rcode::NoError, false, Some(Opt::default())), 12 + OPT_OCTETS);
        assert_eq!(&buffer[4..12], b"\0\0\0\0\0\0\0\x01");
    }

    #[test]
    fn no_room_for_the_question_is_no_message() {
        assert!(Message::start(&mut [0; 16], 512, QUESTION, 0).is_none());
        assert!(Message::start(&mut [0; 128], 25, QUESTION, OPT_OCTETS).is_none());
        assert_eq!(put_error(&mut [0; 4], HEADER, Rcode::FormErr), 0);
    }
}
