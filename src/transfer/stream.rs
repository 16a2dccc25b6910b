//! Writes answers that may take many messages.
//!
//! A message has at most 16 KiB: every place in it can then be pointed to (RFC 1035 §4.1.4 has 14 bits), a slow reader
//! holds little, and each is sent while the next one is made. Each repeats the question, so that owner names can end in
//! a pointer to it.

use crate::model::limits::UDP_PAYLOAD_DEFAULT;
use crate::model::rrset::{QUESTION_POINTER, Rtype};
use crate::transfer::exchange::{Exchange, Gone};
use crate::wire::message::COOKIE_OCTETS;
use crate::wire::name::LowerName;
use crate::wire::query::{HEADER_OCTETS, option};

/// Octets of one message, signature included; a single record may have more.
const MESSAGE_OCTETS: usize = 16_384;
/// What the COOKIE option of an answer says (RFC 7873 §4).
pub(super) type Cookie = [u8; COOKIE_OCTETS];

/// Our own OPT record (RFC 6891 §6.1.2), with a cookie for who has sent one.
pub(super) fn opt_record(cookie: Option<Cookie>) -> Vec<u8> {
    let ([t0, t1], [s0, s1]) = (Rtype::OPT.0.to_be_bytes(), UDP_PAYLOAD_DEFAULT.to_be_bytes());
    let mut record = vec![0, t0, t1, s0, s1, 0, 0, 0, 0, 0, 0];
    if let Some(cookie) = cookie {
        let length = u16::try_from(cookie.len()).unwrap_or(0);
        let option = [&option::COOKIE.to_be_bytes(), &length.to_be_bytes(), cookie.as_slice()].concat();
        if let Some(octets) = record.last_chunk_mut::<2>() {
            *octets = u16::try_from(option.len()).unwrap_or(0).to_be_bytes();
        }
        record.extend_from_slice(&option);
    }
    record
}

/// An answer under way.
pub(super) struct Stream<'e> {
    /// Where it goes.
    exchange: &'e Exchange,
    /// Header and question, which all messages begin with.
    head: Vec<u8>,
    /// Octets of the question's name.
    apex_octets: usize,
    /// The OPT record of each message, if the client has EDNS.
    opt: Option<Vec<u8>>,
    /// The message under way.
    message: Vec<u8>,
    /// Its records.
    count: u16,
    /// The last owner's name, and where it stands in the message.
    last: (Vec<u8>, usize),
    /// Octets that records of a message may end at.
    limit: usize,
    /// Messages sent.
    pub(super) messages: u64,
    /// Records sent.
    pub(super) records: u64,
    /// Octets sent.
    pub(super) octets: u64,
}

impl<'e> Stream<'e> {
    /// Begins the answer to a request; none if it has no question.
    pub(super) fn new(exchange: &'e Exchange, request: &[u8], opt: Option<Vec<u8>>) -> Option<Self> {
        let mut name = LowerName::default();
        let apex_octets = name.read(request.get(HEADER_OCTETS..)?).ok()?;
        let mut head = request.get(..HEADER_OCTETS + apex_octets + 4)?.to_vec();
        // RFC 5936 §2.2.1: QR and AA; RD as it came, no code, one question, and the rest is counted later.
        if let Some([_, _, f0, rest @ ..]) = head.first_chunk_mut::<HEADER_OCTETS>() {
            *f0 = *f0 & 0x01 | 0x84;
            *rest = [0, 0, 1, 0, 0, 0, 0, 0, u8::from(opt.is_some())];
        }
        let kept = exchange.signature_octets() + opt.as_ref().map_or(0, Vec::len);
        let limit = MESSAGE_OCTETS.min(exchange.octets_max()).saturating_sub(kept);
        let message = head.clone();
        let last = (Vec::new(), 0);
        Some(Self {
            exchange,
            head,
            apex_octets,
            opt,
            message,
            count: 0,
            last,
            limit,
            messages: 0,
            records: 0,
            octets: 0,
        })
    }

    /// Adds rendered records, all of one owner.
    pub(super) async fn put(&mut self, owner: &[u8], mut rendered: &[u8]) -> Result<(), Gone> {
        while let Some((record, rest)) = split_record(rendered) {
            let (owner_octets, body) = (self.owner_octets(owner), record.get(2..).unwrap_or_default());
            if self.count > 0 && self.message.len() + owner_octets + body.len() > self.limit {
                self.flush().await?;
            }
            self.put_owner(owner);
            self.message.extend_from_slice(body);
            self.count += 1;
            rendered = rest;
        }
        Ok(())
    }

    /// Octets that an owner's name takes in the message under way.
    fn owner_octets(&self, owner: &[u8]) -> usize {
        if self.last.0 == owner { 2 } else { owner.len().saturating_sub(self.apex_octets) + 2 }
    }

    /// Writes an owner's name: labels up to the question's name, and a pointer.
    fn put_owner(&mut self, owner: &[u8]) {
        let place = u16::try_from(self.last.1).ok().filter(|place| *place < 0x4000);
        if let Some(place) = place.filter(|_| self.last.0 == owner) {
            self.message.extend_from_slice(&(0xc000 | place).to_be_bytes());
            return;
        }
        let labels = owner.len().saturating_sub(self.apex_octets);
        self.last = if labels == 0 { (owner.to_vec(), HEADER_OCTETS) } else { (owner.to_vec(), self.message.len()) };
        self.message.extend_from_slice(owner.get(..labels).unwrap_or_default());
        self.message.extend_from_slice(&QUESTION_POINTER);
    }

    /// Sends the message under way and begins the next one.
    async fn flush(&mut self) -> Result<(), Gone> {
        let mut message = std::mem::replace(&mut self.message, Vec::with_capacity(MESSAGE_OCTETS));
        self.message.extend_from_slice(&self.head);
        self.last = (Vec::new(), 0);
        let count = std::mem::take(&mut self.count);
        if let Some([_, _, _, _, _, _, a0, a1, ..]) = message.first_chunk_mut::<HEADER_OCTETS>() {
            [*a0, *a1] = count.to_be_bytes();
        }
        if let Some(opt) = &self.opt {
            message.extend_from_slice(opt);
        }
        self.messages += 1;
        self.records += u64::from(count);
        self.octets += message.len() as u64;
        self.exchange.send(message).await
    }

    /// Sends what is left.
    pub(super) async fn finish(&mut self) -> Result<(), Gone> {
        self.flush().await
    }
}

/// The first of rendered records, and the rest.
fn split_record(rendered: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = rendered.get(10..12)?.first_chunk().map(|octets| u16::from_be_bytes(*octets))?;
    rendered.split_at_checked(12 + usize::from(length))
}
