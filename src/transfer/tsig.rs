//! Transaction signatures (RFC 8945), for both ends: requests are verified and answers signed, queries are signed and
//! answers verified. Streams of messages are one chain of digests.
//!
//! Everything is done on octets, because a digest is over octets; `hickory-proto` has the digests and compares them in
//! constant time. Time is an argument, in seconds since 1970.

mod record;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use hickory_proto::rr::{Name as WireName, TSigner, rdata::tsig::TsigAlgorithm as Algorithm};

pub use self::record::{Malformed, TSIG};
use self::record::{Tsig, split};
use crate::model::hosting::{TsigAlgorithm, TsigKey};
use crate::model::name::Name;
use crate::transfer::rcode;

/// Seconds by which clocks may differ (RFC 8945 §10 recommends 300).
pub const FUDGE: u16 = 300;
/// Messages of a stream between two signed ones, at the most (RFC 8945 §5.3.1).
pub const UNSIGNED_MAX: usize = 99;

/// Octets that a digest has at the least, whatever the algorithm (RFC 8945 §5.2.2.1).
const DIGEST_OCTETS_MIN: usize = 10;

/// Error codes of TSIG (RFC 8945 §3), with their numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TsigError {
    /// The digest is wrong, or the message is.
    #[error("the signature is wrong (BADSIG)")]
    BadSig = 16,
    /// The key or its algorithm is not known.
    #[error("the key is not known (BADKEY)")]
    BadKey = 17,
    /// The message is too old or from the future.
    #[error("the clocks differ by more than the signature allows (BADTIME)")]
    BadTime = 18,
    /// The digest is right as far as it goes, and too short for us.
    #[error("the signature is cut short (BADTRUNC)")]
    BadTrunc = 22,
}

/// What an error code of TSIG that the other end sends asks people to look at (RFC 8945 §5.3.2).
fn explained(code: u16) -> String {
    let cure = match code {
        16 => "BADSIG, the secrets differ",
        17 => "BADKEY, it has no key of this name and algorithm",
        18 => "BADTIME, the clocks differ by more than five minutes",
        22 => "BADTRUNC, it wants a longer digest",
        _ => return format!("error {code}"),
    };
    cure.to_owned()
}

/// Why an answer is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unverified {
    /// It is no message, or its TSIG record is not the last one.
    #[error("the message is malformed")]
    Malformed,
    /// It has no signature where there has to be one.
    #[error("the message is not signed")]
    Unsigned,
    /// Its signature does not hold.
    #[error(transparent)]
    Broken(#[from] TsigError),
    /// The other end refuses our signature; the number is its error code.
    #[error("the server refuses our signature: {}", explained(*.0))]
    Refused(u16),
}

impl Unverified {
    /// What is wrong with an answer, for a person. A server that refuses us often does so without a signature: then it
    /// is told what it says.
    pub(super) fn of(self, answer: &[u8]) -> String {
        match (self, answer.get(3).map_or(0, |octet| octet & 0x0f)) {
            (Self::Unsigned, code @ 1..) => format!("{self}, and says {}", rcode::word(code)),
            _ => self.to_string(),
        }
    }
}

/// A key, ready for use.
#[derive(Clone)]
pub struct Key {
    /// Its name.
    name: Arc<Name>,
    /// The algorithm's name in wire form (RFC 8945 §6).
    algorithm: &'static [u8],
    /// Octets of a digest.
    digest_octets: usize,
    /// Makes and compares digests.
    signer: TSigner,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Key").field(&self.name).finish()
    }
}

impl Key {
    /// A key; none if the library lacks its algorithm.
    pub fn new(key: &TsigKey) -> Option<Self> {
        let TsigKey { name, algorithm, secret } = key;
        let (wire, digest_octets, word) = match algorithm {
            TsigAlgorithm::HmacSha256 => (&b"\x0bhmac-sha256\0"[..], 32, Algorithm::HmacSha256),
            TsigAlgorithm::HmacSha384 => (&b"\x0bhmac-sha384\0"[..], 48, Algorithm::HmacSha384),
            TsigAlgorithm::HmacSha512 => (&b"\x0bhmac-sha512\0"[..], 64, Algorithm::HmacSha512),
        };
        // The signer's own name is never used: digests are made over octets of ours.
        let signer = TSigner::new(secret.0.clone(), word, WireName::root(), FUDGE).ok()?;
        Some(Self { name: Arc::new(name.clone()), algorithm: wire, digest_octets, signer })
    }

    /// Its name.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Octets that a signature adds to a message, at the most: with the server's time, as BADTIME has it.
    pub fn octets(&self) -> usize {
        self.name.wire().len() + record::FIXED_OCTETS + self.algorithm.len() + self.digest_octets + record::TIME_OCTETS
    }

    /// Signs a query in place; what comes back verifies the answer.
    pub fn sign_query(&self, message: &mut Vec<u8>, now: u64) -> Verifier {
        let mut signer = Signer { key: self.clone(), prior: Vec::new(), is_first: true };
        signer.sign(message, now);
        Verifier { key: self.clone(), prior: signer.prior, is_first: true, pending: Vec::new(), unsigned: 0 }
    }

    /// A record of this key over `message`, its digest not yet made.
    fn record(&self, message: &[u8], now: u64) -> Tsig {
        Tsig {
            key: self.name.wire().to_vec(),
            algorithm: self.algorithm.to_vec(),
            time: now,
            fudge: FUDGE,
            mac: Vec::new(),
            original_id: message.first_chunk().map_or(0, |id| u16::from_be_bytes(*id)),
            error: 0,
            other: Vec::new(),
        }
    }

    /// The digest of `octets`.
    fn digest(&self, octets: &[u8]) -> Vec<u8> {
        // It fails for unknown algorithms only; an empty digest is refused by everybody.
        self.signer.sign(octets).unwrap_or_default()
    }

    /// How long a digest may be (RFC 8945 §5.2.2.1): ten octets and half of it at the least.
    fn digest_lengths(&self) -> std::ops::RangeInclusive<usize> {
        (self.digest_octets / 2).max(DIGEST_OCTETS_MIN)..=self.digest_octets
    }

    /// Compares a digest with that of `octets` (RFC 8945 §5.2.2).
    fn compare(&self, octets: &[u8], mac: &[u8]) -> Result<(), TsigError> {
        if mac.len() == self.digest_octets {
            return self.signer.verify(octets, mac).map_err(|_| TsigError::BadSig);
        }
        // RFC 8945 §5.2.2.1: shorter ones are allowed down to half; we want all of it, but say so only to those that
        // have the key. The comparison takes the same time wherever the difference is.
        if !self.digest_lengths().contains(&mac.len()) {
            return Err(TsigError::BadSig);
        }
        let differences = self.digest(octets).iter().zip(mac).fold(0, |all, (a, b)| all | (a ^ b));
        Err(if std::hint::black_box(differences) == 0 { TsigError::BadTrunc } else { TsigError::BadSig })
    }
}

/// Whether a message has a TSIG record, or is too malformed to say.
pub fn is_signed(message: &[u8]) -> bool {
    !matches!(split(message), Ok(None))
}

/// Verifies a request signed with a key that `find` finds (RFC 8945 §5.2).
pub fn verify<'k>(
    find: impl FnOnce(&Name) -> Option<&'k TsigKey>,
    request: &[u8],
    now: u64,
) -> Result<Verified, Rejected> {
    let (message, tsig) = split(request).ok().flatten().ok_or(Rejected::Malformed)?;
    let refused = |error, signer| Rejected::Refused(Box::new(Refusal { tsig: tsig.clone(), error, signer }));
    let key = Name::from_wire(&tsig.key).and_then(|name| Key::new(find(&name)?));
    let Some(key) = key.filter(|key| tsig.algorithm.eq_ignore_ascii_case(key.algorithm)) else {
        return Err(refused(TsigError::BadKey, None));
    };
    // RFC 8945 §5.2.2.1: a digest that is longer than there are, or shorter than may be, is a malformed message.
    if !key.digest_lengths().contains(&tsig.mac.len()) {
        return Err(Rejected::Malformed);
    }
    let mut digested = tsig.digested(&message);
    tsig.put_variables(&mut digested);
    let signer = || Some(Signer { key: key.clone(), prior: tsig.mac.clone(), is_first: true });
    match key.compare(&digested, &tsig.mac) {
        Ok(()) if tsig.is_timely(now) => {}
        Ok(()) => return Err(refused(TsigError::BadTime, signer())),
        // RFC 8945 §5.2.3: the time is checked before the length.
        Err(TsigError::BadTrunc) if !tsig.is_timely(now) => return Err(refused(TsigError::BadTime, signer())),
        Err(TsigError::BadTrunc) => return Err(refused(TsigError::BadTrunc, signer())),
        Err(error) => return Err(refused(error, None)),
    }
    Ok(Verified { message, signer: Signer { key: key.clone(), prior: tsig.mac, is_first: true } })
}

/// A request whose signature holds.
#[derive(Debug)]
pub struct Verified {
    /// The request without its signature.
    pub message: Vec<u8>,
    /// Signs the answer.
    pub signer: Signer,
}

/// Why a request is not taken.
#[derive(Debug)]
pub enum Rejected {
    /// FORMERR.
    Malformed,
    /// NOTAUTH, and a TSIG record that says why.
    Refused(Box<Refusal>),
}

/// A request whose signature does not hold.
#[derive(Debug)]
pub struct Refusal {
    /// Its signature.
    tsig: Tsig,
    /// What is wrong.
    pub error: TsigError,
    /// Signs the answer, if the other end can be trusted with that (RFC 8945 §5.2).
    signer: Option<Signer>,
}

impl Refusal {
    /// Appends the TSIG record to an answer with response code NOTAUTH.
    pub fn put(self, answer: &mut Vec<u8>, now: u64) {
        let Self { tsig, error, signer } = self;
        // RFC 8945 §5.2.3: BADTIME says what time it is here.
        let is_late = error == TsigError::BadTime;
        let other = if is_late { record::time_octets(now).to_vec() } else { Vec::new() };
        let code = error as u16;
        // RFC 8945 §5.2.3: the client's own time, so that it can verify the answer.
        let time = if is_late { tsig.time } else { now };
        let unsigned = Tsig { time, fudge: FUDGE, mac: Vec::new(), error: code, other, ..tsig };
        match signer {
            Some(signer) => signer.put(answer, unsigned),
            None => unsigned.put(answer),
        }
    }
}

/// Signs the answer to one request: a message, or a stream of them.
#[derive(Clone, Debug)]
pub struct Signer {
    /// The key.
    key: Key,
    /// The digest of the message before.
    prior: Vec<u8>,
    /// Whether the next message is the first one.
    is_first: bool,
}

impl Signer {
    /// The key.
    pub const fn key(&self) -> &Key {
        &self.key
    }

    /// Signs the next message in place.
    pub fn sign(&mut self, message: &mut Vec<u8>, now: u64) {
        let mut tsig = self.key.record(message, now);
        let mut digested = chained(&self.prior, message.len() + 256);
        digested.extend_from_slice(message);
        // RFC 8945 §5.3.1: later messages have the time only.
        if self.is_first {
            tsig.put_variables(&mut digested);
        } else {
            tsig.put_timers(&mut digested);
        }
        tsig.mac = self.key.digest(&digested);
        tsig.put(message);
        self.prior = tsig.mac;
        self.is_first = false;
    }

    /// Signs an answer that reports an error.
    fn put(self, message: &mut Vec<u8>, mut tsig: Tsig) {
        let mut digested = chained(&self.prior, message.len() + 256);
        digested.extend_from_slice(message);
        tsig.put_variables(&mut digested);
        tsig.mac = self.key.digest(&digested);
        tsig.put(message);
    }
}

/// Verifies the answer to a query of ours: a message, or a stream of them.
#[derive(Debug)]
pub struct Verifier {
    /// The key.
    key: Key,
    /// The digest of the last signed message, ours or theirs.
    prior: Vec<u8>,
    /// Whether the next message is the first one.
    is_first: bool,
    /// Messages since the last signed one.
    pending: Vec<u8>,
    /// How many these are.
    unsigned: usize,
}

impl Verifier {
    /// Takes the next message; gives it without its signature. What it says can be believed only when
    /// [`Verifier::is_settled`].
    pub fn take(&mut self, message: &[u8], now: u64) -> Result<Vec<u8>, Unverified> {
        let Some((message, tsig)) = split(message).map_err(|Malformed| Unverified::Malformed)? else {
            // RFC 8945 §5.3.1: the first message is signed, and so is one in a hundred.
            if self.is_first || self.unsigned == UNSIGNED_MAX {
                return Err(Unverified::Unsigned);
            }
            self.unsigned += 1;
            self.pending.extend_from_slice(message);
            return Ok(message.to_vec());
        };
        // RFC 8945 §5.3.2: BADKEY and BADSIG come unsigned; there is nothing to verify.
        if tsig.error != 0 && tsig.mac.is_empty() {
            return Err(Unverified::Refused(tsig.error));
        }
        if tsig.key != self.key.name.wire() || !tsig.algorithm.eq_ignore_ascii_case(self.key.algorithm) {
            return Err(TsigError::BadKey.into());
        }
        let mut digested = chained(&self.prior, self.pending.len() + message.len() + 256);
        digested.append(&mut self.pending);
        digested.extend_from_slice(&tsig.digested(&message));
        if self.is_first {
            tsig.put_variables(&mut digested);
        } else {
            tsig.put_timers(&mut digested);
        }
        self.key.compare(&digested, &tsig.mac)?;
        if tsig.error != 0 {
            return Err(Unverified::Refused(tsig.error));
        }
        if !tsig.is_timely(now) {
            return Err(TsigError::BadTime.into());
        }
        self.prior = tsig.mac;
        self.is_first = false;
        self.unsigned = 0;
        Ok(message)
    }

    /// Whether the last message was signed: everything up to here is what the other end sent (RFC 8945 §5.3.1 has the
    /// last message signed).
    pub const fn is_settled(&self) -> bool {
        !self.is_first && self.unsigned == 0
    }
}

/// What a digest begins with: the digest before, with its length; nothing for a query (RFC 8945 §4.3.1).
fn chained(prior: &[u8], room: usize) -> Vec<u8> {
    let mut digested = Vec::with_capacity(prior.len() + 2 + room);
    if let Ok(length @ 1..) = u16::try_from(prior.len()) {
        digested.extend_from_slice(&length.to_be_bytes());
        digested.extend_from_slice(prior);
    }
    digested
}
