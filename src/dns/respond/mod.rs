//! What an answer says: RRsets, chains of CNAME and DNAME records, referrals, the negative answers of RFC 2308, and the
//! addresses that a client will ask for next.

mod additional;
mod chain;
mod hints;
mod referral;

use crate::dns::engine::{Client, extended_errors};
use crate::dns::respond::chain::{Chain, Link};
use crate::steering::lookup::{Found, lookup};
use crate::steering::table::{Absence, RecordTable};
use crate::telemetry::Counters;
use crate::telemetry::series::SeriesId;
use crate::wire::message::{ExtendedError, Full, Message};
use crate::wire::name::HashedName;
use crate::wire::query::{Query, Rcode};

/// What the header and OPT of an answer have to say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The response code.
    pub rcode: Rcode,
    /// Whether we are an authority for the name in question.
    pub authoritative: bool,
    /// Whether the records did not fit.
    pub truncated: bool,
    /// An Extended DNS Error for clients with EDNS.
    pub error: Option<ExtendedError>,
    /// What the zone's answers are counted by.
    pub zone: SeriesId,
}

impl Answer {
    /// An error without records.
    pub const fn error(rcode: Rcode) -> Self {
        Self { rcode, authoritative: false, truncated: false, error: None, zone: SeriesId::NONE }
    }

    /// An answer of an authority.
    pub const fn authoritative(rcode: Rcode) -> Self {
        Self { authoritative: true, ..Self::error(rcode) }
    }
}

/// Answers a question of class IN.
pub fn respond(
    table: &RecordTable,
    message: &mut Message<'_>,
    query: &Query<'_>,
    (qname, target): (&HashedName, &mut HashedName),
    client: &Client,
    random: u64,
    counters: &Counters,
) -> Answer {
    let Query { qtype, .. } = *query;
    let mut found = lookup(table, qname, qtype);
    // The question's zone, wherever a chain leads.
    let zone = found.series();
    if !found.allows(client.address) {
        counters.prohibited.increment();
        return Answer { error: Some(extended_errors::PROHIBITED), zone, ..Answer::error(Rcode::Refused) };
    }
    if let Found::Absent(absent) = found {
        let error = match absent.absence {
            Absence::NotTransferred => extended_errors::NOT_TRANSFERRED,
            Absence::Expired => extended_errors::EXPIRED,
        };
        return Answer { error: Some(error), zone, ..Answer::error(Rcode::ServFail) };
    }
    if found.zone().is_none() {
        return Answer::error(Rcode::Refused);
    }
    let mut chain = Chain::new(table, message, qtype, *client, random, counters);
    let mut name = qname;
    let rcode = loop {
        match chain.link(found, name) {
            Err(Full) => {
                let Chain { authoritative, .. } = chain;
                return Answer { authoritative, truncated: true, zone, ..Answer::error(Rcode::NoError) };
            }
            Ok(Link::End(rcode)) => break rcode,
            Ok(Link::Alias) => {
                // Resolvers notice a loop themselves; RFC 2181 §5: no record is given twice.
                if !chain.read_name(target) {
                    break Rcode::NoError;
                }
                name = target;
                found = chain.find(name, qtype);
                // RFC 1034 §4.3.2 step 3a: the resolver goes on where we are no authority.
                if matches!(found, Found::NotOurs | Found::Absent(_)) {
                    break Rcode::NoError;
                }
            }
        }
    };
    if rcode == Rcode::ServFail {
        chain.message.clear(false);
        return Answer { error: chain.error, zone, ..Answer::error(rcode) };
    }
    additional::of_answer(&mut chain);
    Answer { rcode, authoritative: chain.authoritative, truncated: false, error: chain.error, zone }
}

#[cfg(test)]
mod tests;
