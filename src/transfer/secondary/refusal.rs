//! Why what a primary says is not taken.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;

use crate::model::limits::{TRANSFER_MESSAGES_MAX, TRANSFER_OCTETS_MAX, TRANSFER_RECORDS_MAX, TRANSFERS_IN_OCTETS_MAX};
use crate::model::name::Name;
use crate::model::rrset::Rtype;
use crate::model::zone::{ZoneError, ZoneFault};
use crate::transfer::rcode;

/// Faults of a zone that are told; their number is told as well.
const TOLD: usize = 3;

/// Why an answer, or a whole transfer, is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refusal {
    /// Octets that are no message.
    #[error("an answer cannot be read: {0}")]
    Malformed(&'static str),
    /// An answer to something else.
    #[error("an answer does not belong to the query: {0}")]
    Unasked(&'static str),
    /// The primary says no.
    #[error("it answers {}", rcode::word(*.0))]
    Rcode(u8),
    /// A record that cannot be.
    #[error("it sends a record {rtype:?} of {owner} that is not taken: {why}")]
    Record {
        /// Its owner.
        owner: Name,
        /// Its type.
        rtype: Rtype,
        /// What is wrong.
        why: &'static str,
    },
    /// A primary that does not serve the zone itself.
    #[error("it is no authority for the zone")]
    NotAuthoritative,
    /// Records in an order that no transfer has.
    #[error("its transfer is out of order: {0}")]
    Order(&'static str),
    /// A zone that is older than ours.
    #[error("its serial {theirs} is older than ours, {ours}; raise it there")]
    Older {
        /// The primary's serial.
        theirs: u32,
        /// Our serial.
        ours: u32,
    },
    /// A difference to something that we do not hold.
    #[error("its difference does not fit what we hold: {why} at {owner}")]
    Difference {
        /// Where.
        owner: Name,
        /// What does not fit.
        why: &'static str,
    },
    /// More than we take.
    #[error(
        "it sends too much: allowed are {TRANSFER_RECORDS_MAX} records, {TRANSFER_OCTETS_MAX} octets and \
         {TRANSFER_MESSAGES_MAX} messages"
    )]
    TooMuch,
    /// Other transfers have taken what all of them may.
    #[error(
        "there is no room for its transfer beside the others, which may take {TRANSFERS_IN_OCTETS_MAX} octets together; \
         it is asked again later"
    )]
    NoRoom,
    /// A stream that ended, or a UDP answer without its record.
    #[error("its transfer ends before it is complete")]
    Cut,
    /// Records that make no zone.
    #[error("what it sends is no zone that can be served: {}", Told(.0))]
    Zone(Vec<ZoneFault>),
    /// A signature that is missing or wrong.
    #[error("its answer is not signed as agreed: {0}")]
    Signature(String),
    /// The network.
    #[error("{0}")]
    Network(String),
    /// Time is up.
    #[error("it takes too long to {0}")]
    Slow(&'static str),
}

impl Refusal {
    /// Whether another kind of transfer from the same primary may do better than an incremental one: it knows no such
    /// query (RFC 1995 §4), or it said something about the difference that does not fit.
    pub const fn suggests_whole(&self) -> bool {
        match self {
            Self::Rcode(_)
            | Self::Malformed(_)
            | Self::Unasked(_)
            | Self::Record { .. }
            | Self::Order(_)
            | Self::Difference { .. }
            | Self::Cut
            | Self::Zone(_)
            | Self::TooMuch => true,
            Self::NoRoom
            | Self::NotAuthoritative
            | Self::Older { .. }
            | Self::Signature(_)
            | Self::Network(_)
            | Self::Slow(_) => false,
        }
    }
}

/// A refusal and who caused it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{primary}: {why}")]
pub struct Refused {
    /// The primary.
    pub primary: SocketAddr,
    /// What is wrong.
    pub why: Refusal,
}

/// The first faults of a zone.
struct Told<'f>(&'f [ZoneFault]);

impl Display for Told<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (index, fault) in self.0.iter().take(TOLD).enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            match &fault.why {
                // The remedies for zone files do not help here.
                ZoneError::SoaMissing => f.write_str("it has no SOA record")?,
                ZoneError::NsMissing => f.write_str("it has no NS record at its apex")?,
                why => write!(f, "{why}")?,
            }
        }
        match self.0.len().checked_sub(TOLD) {
            None | Some(0) => Ok(()),
            Some(1) => f.write_str("; and 1 more fault"),
            Some(more) => write!(f, "; and {more} more faults"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_are_not_told_are_counted() {
        let fault = ZoneFault { record: None, why: ZoneError::NsMissing };
        for (count, end) in [(3, "at its apex"), (4, "; and 1 more fault"), (5, "; and 2 more faults")] {
            let text = Refusal::Zone(vec![fault.clone(); count]).to_string();
            assert!(text.ends_with(end), "{text}");
        }
    }
}
