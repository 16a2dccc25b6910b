//! What an answer says: RRsets, CNAME chains, and the negative answers of RFC 2308.

use crate::dns::engine::{Client, Transport, extended_errors};
use crate::model::limits::CNAME_CHAIN_MAX;
use crate::model::rrset::{Rrset, Rtype};
use crate::steering::compile::LiveAnswer;
use crate::steering::lookup::{Found, lookup};
use crate::steering::select::{Family, Source};
use crate::steering::table::{Node, RecordTable, ZoneTable};
use crate::telemetry::Counters;
use crate::wire::message::{ExtendedError, Full, Message};
use crate::wire::name::LowerName;
use crate::wire::query::{HEADER_OCTETS, Query, Rcode};

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
}

impl Answer {
    /// An error without records.
    pub const fn error(rcode: Rcode) -> Self {
        Self { rcode, authoritative: false, truncated: false, error: None }
    }

    /// An answer of an authority.
    pub const fn authoritative(rcode: Rcode) -> Self {
        Self { authoritative: true, ..Self::error(rcode) }
    }
}

/// Where a CNAME chain has got to.
struct Chain<'w, 'b> {
    /// The answer under way.
    message: &'w mut Message<'b>,
    /// What is asked for.
    qtype: Rtype,
    /// How it was asked.
    transport: Transport,
    /// Decides what is left to chance.
    random: u64,
    /// Where live answers are counted.
    counters: &'w Counters,
    /// Offset in the message at which the current name stands uncompressed.
    name_at: usize,
    /// Offsets of the names whose CNAME has been given, in order.
    aliases: [usize; CNAME_CHAIN_MAX + 1],
    /// How many there are.
    links: usize,
    /// What an Extended DNS Error has to say.
    error: Option<ExtendedError>,
}

/// What one link of a chain comes to.
enum Link<'t> {
    /// The chain ends here.
    End(Rcode),
    /// The chain goes on at the target of this record's data.
    Alias(&'t [u8]),
}

/// Answers a question of class IN.
pub fn respond(
    table: &RecordTable,
    message: &mut Message<'_>,
    query: &Query<'_>,
    (qname, target): (&mut LowerName, &mut LowerName),
    client: &Client,
    random: u64,
    counters: &Counters,
) -> Answer {
    let Query { qtype, .. } = *query;
    let mut chain = Chain {
        message,
        qtype,
        transport: client.transport,
        random,
        counters,
        name_at: HEADER_OCTETS,
        aliases: [0; CNAME_CHAIN_MAX + 1],
        links: 0,
        error: None,
    };
    let mut found = lookup(table, qname);
    let Some(zone) = found.zone() else { return Answer::error(Rcode::Refused) };
    if !zone.allows(client.address) {
        counters.prohibited.increment();
        return Answer { error: Some(extended_errors::PROHIBITED), ..Answer::error(Rcode::Refused) };
    }
    let mut name: &LowerName = qname;
    let rcode = loop {
        match chain.link(found, name) {
            Err(Full) => return Answer { truncated: true, ..Answer::authoritative(Rcode::NoError) },
            Ok(Link::End(rcode)) => break rcode,
            Ok(Link::Alias(rdata)) => {
                // Resolvers notice a loop themselves; RFC 2181 §5: no record is given twice.
                if chain.links > CNAME_CHAIN_MAX || target.read(rdata).is_err() || chain.has_followed(target) {
                    break Rcode::NoError;
                }
                name = target;
                found = lookup(table, name);
                // RFC 1034 §4.3.2 step 3a: the resolver goes on where we are no authority. A zone that this client may
                // not ask is none of ours for it.
                if !found.zone().is_some_and(|zone| zone.allows(client.address)) {
                    break Rcode::NoError;
                }
            }
        }
    };
    if rcode == Rcode::ServFail {
        chain.message.clear(false);
    }
    Answer { rcode, authoritative: rcode != Rcode::ServFail, truncated: false, error: chain.error }
}

impl Chain<'_, '_> {
    /// Answers for one name of the chain. RFC 6604 §2.1: the last link decides the response code.
    fn link<'t>(&mut self, found: Found<'t>, name: &LowerName) -> Result<Link<'t>, Full> {
        match found {
            Found::NotOurs => Ok(Link::End(Rcode::Refused)),
            Found::NxDomain { zone } => {
                self.negative(zone, name, u32::MAX)?;
                Ok(Link::End(Rcode::NxDomain))
            }
            Found::Node { zone, node } => match node.slot() {
                Some(slot) => self.live(zone, node, &slot.load(), name).map(Link::End),
                None => self.fixed(zone, node, name),
            },
        }
    }

    /// Whether the chain has been at `name` before.
    fn has_followed(&self, name: &LowerName) -> bool {
        self.aliases.iter().take(self.links).any(|at| self.message.has_name_at(*at, name.wire()))
    }

    /// Answers from the static records of a node.
    fn fixed<'t>(&mut self, zone: &ZoneTable, node: &'t Node, name: &LowerName) -> Result<Link<'t>, Full> {
        if self.qtype == Rtype::ANY {
            return self.any(zone, node, None, name).map(Link::End);
        }
        if let Some(rrset) = node.owner().rrset(self.qtype) {
            self.rrset(rrset)?;
            return Ok(Link::End(Rcode::NoError));
        }
        // RFC 1034 §4.3.2 step 3a: follow a CNAME unless it is what was asked for.
        if let Some(cname) = node.owner().rrset(Rtype::CNAME)
            && let Some(rdata) = cname.rdatas().next()
        {
            self.rrset(cname)?;
            if let Some(place) = self.aliases.get_mut(self.links) {
                *place = self.name_at;
            }
            self.links += 1;
            self.name_at = self.message.len() - rdata.len();
            return Ok(Link::Alias(rdata));
        }
        self.negative(zone, name, u32::MAX)?;
        Ok(Link::End(Rcode::NoError))
    }

    /// Answers at a live name: pools give A and AAAA and outrank static A, AAAA and CNAME; other types are static.
    fn live(&mut self, zone: &ZoneTable, node: &Node, live: &LiveAnswer, name: &LowerName) -> Result<Rcode, Full> {
        let family = match self.qtype {
            Rtype::A => Family::V4,
            Rtype::AAAA => Family::V6,
            Rtype::ANY => return self.any(zone, node, Some(live), name),
            qtype => return self.beside_live(zone, node, live, qtype, name),
        };
        let Some(answer) = live.family(family) else { return Ok(self.not_ready()) };
        self.note(answer.source);
        if answer.count == 0 {
            self.negative(zone, name, live.negative_ttl())?;
        } else {
            self.message.answer(answer.draw(self.random), answer.count, self.name_at)?;
        }
        Ok(Rcode::NoError)
    }

    /// Answers for a type that pools do not give.
    fn beside_live(
        &mut self,
        zone: &ZoneTable,
        node: &Node,
        live: &LiveAnswer,
        qtype: Rtype,
        name: &LowerName,
    ) -> Result<Rcode, Full> {
        if let Some(rrset) = node.owner().rrset(qtype).filter(|rrset| !is_outranked(*rrset)) {
            self.rrset(rrset)?;
        } else {
            // A deviation from RFC 2308 §3: recovery must not hide behind a long negative TTL.
            self.negative(zone, name, live.negative_ttl())?;
        }
        Ok(Rcode::NoError)
    }

    /// RFC 8482: over UDP one RRset is enough, so that ANY amplifies nothing; over TCP all are given.
    fn any(
        &mut self,
        zone: &ZoneTable,
        node: &Node,
        live: Option<&LiveAnswer>,
        name: &LowerName,
    ) -> Result<Rcode, Full> {
        let start = self.message.len();
        for answer in live.iter().flat_map(|live| [Family::V4, Family::V6].map(|family| live.family(family))) {
            let Some(answer) = answer else { return Ok(self.not_ready()) };
            if answer.count > 0 && !self.any_is_enough(start) {
                self.note(answer.source);
                self.message.answer(answer.draw(self.random), answer.count, self.name_at)?;
            }
        }
        let fixed = node.owner().rrsets().filter(|rrset| live.is_none() || !is_outranked(*rrset));
        for rrset in fixed {
            if !self.any_is_enough(start) {
                self.rrset(rrset)?;
            }
        }
        if self.message.len() == start {
            self.negative(zone, name, live.map_or(u32::MAX, LiveAnswer::negative_ttl))?;
        }
        Ok(Rcode::NoError)
    }

    /// Whether an answer to ANY, whose records begin at `start`, needs no more of them.
    fn any_is_enough(&self, start: usize) -> bool {
        self.transport == Transport::Udp && self.message.len() > start
    }

    /// A live name whose origins have not been probed.
    fn not_ready(&mut self) -> Rcode {
        self.counters.live_not_ready.increment();
        self.error = Some(extended_errors::NOT_READY);
        Rcode::ServFail
    }

    /// Counts a live answer, and says so when something is wrong.
    fn note(&mut self, source: Source) {
        self.counters.live.increment();
        let (counter, error) = match source {
            Source::Pool | Source::NoFamily => return,
            Source::Fallback => (&self.counters.live_fallback, extended_errors::FALLBACK),
            Source::LastResort => (&self.counters.live_last_resort, extended_errors::LAST_RESORT),
            Source::Exhausted => (&self.counters.live_exhausted, extended_errors::EXHAUSTED),
        };
        counter.increment();
        self.error = Some(error);
    }

    /// Copies an `RRset` into the answer section.
    fn rrset(&mut self, rrset: Rrset<'_>) -> Result<(), Full> {
        self.message.answer(rrset.rendered, rrset.count, self.name_at)
    }

    /// RFC 2308 §3: the zone's SOA goes into the authority section.
    fn negative(&mut self, zone: &ZoneTable, name: &LowerName, ttl_max: u32) -> Result<(), Full> {
        let apex_at = self.name_at + name.suffix_start(zone.apex_labels());
        self.message.authority(zone.negative_soa(), apex_at, ttl_max)
    }
}

/// Whether pools answer in the place of these records.
fn is_outranked(rrset: Rrset<'_>) -> bool {
    matches!(rrset.rtype, Rtype::A | Rtype::AAAA | Rtype::CNAME)
}
