//! The links of a chain: what is answered for one name.

use crate::dns::engine::{Client, Transport, extended_errors};
use crate::dns::respond::{hints, referral};
use crate::model::limits::CNAME_CHAIN_MAX;
use crate::model::name::NAME_OCTETS_MAX;
use crate::model::rrset::{Rrset, Rtype};
use crate::steering::compile::FamilyAnswer;
use crate::steering::lookup::{Found, lookup};
use crate::steering::select::{Family, Source};
use crate::steering::table::{Node, RecordTable, Slot, ZoneTable};
use crate::telemetry::Counters;
use crate::telemetry::series::LiveSource;
use crate::wire::message::{ExtendedError, Full, Message};
use crate::wire::name::HashedName;
use crate::wire::query::{HEADER_OCTETS, Rcode};

/// Where a chain of CNAME and DNAME records has got to.
pub(super) struct Chain<'w, 'b> {
    /// Where names are looked up.
    pub(super) table: &'w RecordTable,
    /// The answer under way.
    pub(super) message: &'w mut Message<'b>,
    /// What is asked for.
    pub(super) qtype: Rtype,
    /// Who asks, and over what.
    client: Client,
    /// Decides what is left to chance.
    pub(super) random: u64,
    /// Where live answers are counted.
    counters: &'w Counters,
    /// Offset in the message at which the current name stands uncompressed.
    pub(super) name_at: usize,
    /// Offset of the `RRset` that answers the question, if one does.
    pub(super) answer_at: Option<usize>,
    /// Names that have been left behind, in order.
    left: [Left; CNAME_CHAIN_MAX + 1],
    /// How many there are.
    links: usize,
    /// Whether we are an authority for the question's name.
    pub(super) authoritative: bool,
    /// What an Extended DNS Error has to say.
    pub(super) error: Option<ExtendedError>,
}

/// A name that a chain has left behind.
#[derive(Clone, Copy, Default)]
struct Left {
    /// Where it stands in the message.
    name_at: u16,
    /// Where the owner of the DNAME stands that led away from it; 0 if it was a CNAME.
    dname_at: u16,
}

/// What one link of a chain comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Link {
    /// The chain ends here.
    End(Rcode),
    /// The chain goes on at the name that has just been written.
    Alias,
}

impl<'w, 'b> Chain<'w, 'b> {
    /// A chain that begins at the question's name.
    pub(super) fn new(
        table: &'w RecordTable,
        message: &'w mut Message<'b>,
        qtype: Rtype,
        client: Client,
        random: u64,
        counters: &'w Counters,
    ) -> Self {
        Self {
            table,
            message,
            qtype,
            client,
            random,
            counters,
            name_at: HEADER_OCTETS,
            answer_at: None,
            left: [Left::default(); CNAME_CHAIN_MAX + 1],
            links: 0,
            authoritative: true,
            error: None,
        }
    }

    /// What a name leads to for this client: a zone that it may not ask is none of ours.
    pub(super) fn find(&self, name: &HashedName, qtype: Rtype) -> Found<'w> {
        let found = lookup(self.table, name, qtype);
        if found.allows(self.client.address) { found } else { Found::NotOurs }
    }

    /// Reads the name that the chain has got to; says whether to go on there: not where it has been before, and not
    /// without end.
    pub(super) fn read_name(&self, name: &mut HashedName) -> bool {
        let is_read = name.read(self.message.written_from(self.name_at), self.table.hashing()).is_ok();
        let been_there = |left: &Left| self.message.has_name_at(usize::from(left.name_at), name.wire());
        is_read && self.links <= CNAME_CHAIN_MAX && !self.left.iter().take(self.links).any(been_there)
    }

    /// Answers for one name of the chain. RFC 6604 §2.1: the last link decides the response code.
    pub(super) fn link(&mut self, found: Found<'_>, name: &HashedName) -> Result<Link, Full> {
        match found {
            Found::NotOurs | Found::Absent(_) => Ok(Link::End(Rcode::Refused)),
            Found::NxDomain { zone } => {
                self.negative(zone, name, u32::MAX)?;
                Ok(Link::End(Rcode::NxDomain))
            }
            Found::Node { zone, node } => match node.slot() {
                Some(slot) => self.live(zone, node, slot, name).map(Link::End),
                None => self.fixed(zone, node, name),
            },
            // RFC 4035 §3.1.4.1: DS is the only type that the parent has at a cut.
            Found::Cut { zone, cut, labels, .. } if self.qtype == Rtype::DS && labels == name.label_count() => {
                self.fixed(zone, cut, name)
            }
            Found::Cut { zone, cut, labels, .. } => {
                // RFC 1035 §4.1.1: AA speaks of the first owner name, which a chain has led away from.
                self.authoritative = self.links > 0;
                referral::refer(self, zone, cut, labels, name)?;
                Ok(Link::End(Rcode::NoError))
            }
            Found::Dname { dname, labels, .. } => self.dname(dname, labels, name),
        }
    }

    /// Answers from the static records of a node.
    fn fixed(&mut self, zone: &ZoneTable, node: &Node, name: &HashedName) -> Result<Link, Full> {
        if self.qtype == Rtype::ANY {
            return self.any(zone, node, None, name).map(Link::End);
        }
        if let Some(rrset) = node.owner().rrset(self.qtype) {
            self.rrset(rrset, name)?;
            return Ok(Link::End(Rcode::NoError));
        }
        // RFC 1034 §4.3.2 step 3a: follow a CNAME unless it is what was asked for.
        if let Some(cname) = node.owner().rrset(Rtype::CNAME)
            && let Some(rdata) = cname.rdatas().next()
        {
            self.message.answer(cname.rendered, cname.count, self.name_at)?;
            self.leave(0);
            self.name_at = self.message.len() - rdata.len();
            return Ok(Link::Alias);
        }
        self.negative(zone, name, u32::MAX)?;
        Ok(Link::End(Rcode::NoError))
    }

    /// RFC 6672 §3.2 step 3c: gives the DNAME above a name, and the CNAME that it comes to, which has the DNAME's TTL (§3.1).
    fn dname(&mut self, dname: &Node, labels: usize, name: &HashedName) -> Result<Link, Full> {
        let prefix = name.suffix_start(labels);
        let dname_at = self.name_at + prefix;
        let Some(rrset) = dname.owner().rrset(Rtype::DNAME) else { return Ok(Link::End(Rcode::ServFail)) };
        let target = rrset.rdatas().next().unwrap_or_default();
        // RFC 2181 §5: no record is given twice, and a DNAME whose target is below itself comes again.
        if !self.has_given_dname(name.suffix(labels)) {
            self.message.answer(rrset.rendered, rrset.count, dname_at)?;
        }
        if prefix + target.len() > NAME_OCTETS_MAX {
            return Ok(Link::End(Rcode::YxDomain));
        }
        let cname = self.message.begin_answer(self.name_at, Rtype::CNAME, rrset.ttl())?;
        let alias_at = self.message.len();
        // The client's letter case stays in the part that it asked for.
        self.message.repeat(self.name_at, prefix)?;
        self.message.answer_raw(target)?;
        self.message.end_answer(cname)?;
        if self.qtype == Rtype::CNAME {
            // RFC 1034 §4.3.2 step 3a: a CNAME that was asked for is the answer, and its target need not exist.
            return Ok(Link::End(Rcode::NoError));
        }
        self.leave(dname_at);
        self.name_at = alias_at;
        Ok(Link::Alias)
    }

    /// Whether the DNAME of an owner is in the answer.
    fn has_given_dname(&self, owner: &[u8]) -> bool {
        let mut left = self.left.iter().take(self.links).filter(|left| left.dname_at > 0);
        left.any(|left| self.message.has_name_at(usize::from(left.dname_at), owner))
    }

    /// Leaves the current name behind.
    fn leave(&mut self, dname_at: usize) {
        // Names stand where a compression pointer reaches them, which has 14 bits, or nothing was written.
        let [name_at, dname_at] = [self.name_at, dname_at].map(|at| u16::try_from(at).unwrap_or_default());
        if let Some(place) = self.left.get_mut(self.links) {
            *place = Left { name_at, dname_at };
        }
        self.links += 1;
    }

    /// Answers at a live name: pools give A and AAAA and outrank static A, AAAA and CNAME; other types are static.
    fn live(&mut self, zone: &ZoneTable, node: &Node, slot: &Slot, name: &HashedName) -> Result<Rcode, Full> {
        let family = match self.qtype {
            Rtype::A => Family::V4,
            Rtype::AAAA => Family::V6,
            Rtype::ANY => return self.any(zone, node, Some(slot), name),
            qtype => return self.beside_live(zone, node, slot, qtype, name),
        };
        let live = slot.load();
        let Some(answer) = live.family(family) else { return Ok(self.not_ready(node)) };
        self.note(node, answer);
        if answer.count == 0 {
            self.negative(zone, name, slot.ttl())?;
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
        slot: &Slot,
        qtype: Rtype,
        name: &HashedName,
    ) -> Result<Rcode, Full> {
        if let Some(rrset) = node.owner().rrset(qtype).filter(|rrset| !is_outranked(*rrset)) {
            self.rrset(rrset, name)?;
        } else {
            // A deviation from RFC 2308 §3: recovery must not hide behind a long negative TTL.
            self.negative(zone, name, slot.ttl())?;
        }
        Ok(Rcode::NoError)
    }

    /// RFC 8482 §4.1: over UDP one RRset is enough, so that ANY amplifies nothing; over TCP all are given that fit.
    fn any(&mut self, zone: &ZoneTable, node: &Node, slot: Option<&Slot>, name: &HashedName) -> Result<Rcode, Full> {
        let start = self.message.len();
        let mut is_nodata = true;
        let live = slot.map(Slot::load);
        for family in live.iter().flat_map(|_| [Family::V4, Family::V6]) {
            let Some(answer) = live.as_ref().and_then(|live| live.family(family)) else {
                return Ok(self.not_ready(node));
            };
            is_nodata &= answer.count == 0;
            if answer.count > 0 && !self.any_is_enough(start) {
                self.note(node, answer);
                self.message.answer(answer.draw(self.random), answer.count, self.name_at)?;
            }
        }
        let fixed = node.owner().rrsets().filter(|rrset| live.is_none() || !is_outranked(*rrset));
        for rrset in fixed {
            is_nodata = false;
            if self.any_is_enough(start) {
                break;
            }
            let (end, answers) = (self.message.len(), self.message.answer_count());
            if self.rrset(rrset, name).is_err() {
                // A client over TCP that is told to come again over TCP never gets anything.
                if end == start {
                    return Err(Full);
                }
                self.message.take_back(end, answers);
                break;
            }
        }
        if is_nodata {
            self.negative(zone, name, slot.map_or(u32::MAX, Slot::ttl))?;
        }
        Ok(Rcode::NoError)
    }

    /// Whether an answer to ANY, whose records begin at `start`, needs no more of them.
    fn any_is_enough(&self, start: usize) -> bool {
        self.client.transport == Transport::Udp && self.message.len() > start
    }

    /// A live name whose origins have not been probed.
    fn not_ready(&mut self, node: &Node) -> Rcode {
        self.counters.named.count_load_balancer(node.series(), LiveSource::NotReady);
        self.error = Some(extended_errors::NOT_READY);
        Rcode::ServFail
    }

    /// Counts a live answer, and says so when something is wrong.
    fn note(&mut self, node: &Node, answer: &FamilyAnswer) {
        let named = &self.counters.named;
        named.count_pool(answer.series);
        let (source, error) = match answer.source {
            // Nearly all, and so without a table of places to jump to.
            Source::Pool | Source::NoFamily => return named.count_load_balancer(node.series(), LiveSource::Pool),
            Source::Fallback => (LiveSource::Fallback, extended_errors::FALLBACK),
            Source::LastResort => (LiveSource::LastResort, extended_errors::LAST_RESORT),
            Source::Exhausted => (LiveSource::Exhausted, extended_errors::EXHAUSTED),
        };
        named.count_load_balancer(node.series(), source);
        self.error = Some(error);
    }

    /// Copies an `RRset` into the answer section.
    fn rrset(&mut self, rrset: Rrset<'_>, name: &HashedName) -> Result<(), Full> {
        let start = self.message.len();
        if rrset.rtype == self.qtype {
            self.answer_at = Some(start);
        }
        match rrset.rtype {
            Rtype::SVCB | Rtype::HTTPS => hints::answer(self, rrset, name),
            // RFC 2181 §5: no record is given twice; a chain may have passed this one on the way.
            Rtype::DNAME if self.has_given_dname(name.wire()) => Ok(()),
            _ => self.message.answer(rrset.rendered, rrset.count, self.name_at),
        }
    }

    /// RFC 2308 §3: the zone's SOA goes into the authority section.
    fn negative(&mut self, zone: &ZoneTable, name: &HashedName, ttl_max: u32) -> Result<(), Full> {
        let apex_at = self.name_at + name.suffix_start(zone.apex_labels());
        self.message.authority(zone.negative_soa(), apex_at, ttl_max)
    }
}

/// Whether pools answer in the place of these records.
fn is_outranked(rrset: Rrset<'_>) -> bool {
    matches!(rrset.rtype, Rtype::A | Rtype::AAAA | Rtype::CNAME)
}
