//! The additional section: addresses of the hosts that an answer or referral names (RFC 1034 §4.3.2 step 6).

use crate::dns::respond::chain::Chain;
use crate::model::limits::ADDITIONAL_NAMES_MAX;
use crate::model::rrset::Rtype;
use crate::model::svcb::Svcb;
use crate::steering::lookup::Found;
use crate::steering::select::Family;
use crate::steering::table::Node;
use crate::wire::message::Full;
use crate::wire::name::HashedName;

/// Offsets of the host names whose addresses are in a message.
#[derive(Default)]
pub(super) struct Hosts {
    /// The offsets.
    at: [usize; ADDITIONAL_NAMES_MAX],
    /// How many there are.
    count: usize,
}

/// How much a message needs the addresses that are added to it.
#[derive(Clone, Copy)]
pub(super) enum Need<'n> {
    /// Those at or below a cut: a referral is useless without them.
    Glue {
        /// The cut's name.
        cut: &'n [u8],
        /// Its labels.
        labels: usize,
    },
    /// All: what does not fit is left out, and nobody is told (RFC 2181 §9).
    Courtesy,
}

/// Adds the addresses of the hosts that the answer names.
pub(super) fn of_answer(chain: &mut Chain<'_, '_>) {
    let Some(start) = chain.answer_at.filter(|_| chain.qtype.host_offset().is_some()) else { return };
    let mut hosts = Hosts::default();
    let added = add_hosts(chain, chain.qtype, start, chain.message.answer_count(), Need::Courtesy, &mut hosts);
    debug_assert_eq!(added, Ok(()), "a courtesy never fails");
}

/// Adds the addresses of the hosts that are named by the at most `count` records of type `rtype` that start at an offset.
/// No host is given twice.
pub(super) fn add_hosts(
    chain: &mut Chain<'_, '_>,
    rtype: Rtype,
    start: usize,
    count: u16,
    need: Need<'_>,
    hosts: &mut Hosts,
) -> Result<(), Full> {
    let Some(offset) = rtype.host_offset() else { return Ok(()) };
    let mut host = HashedName::default();
    let mut record = start;
    let end = chain.message.len();
    for _ in 0..count {
        let Some(data_at) = chain.message.rdata_at(record).filter(|_| record < end) else { break };
        let (rdata_at, octets) = data_at;
        record = rdata_at + octets;
        let rdata = chain.message.written_from(rdata_at).get(..octets).unwrap_or_default();
        let at = match rtype {
            Rtype::SVCB | Rtype::HTTPS => match Svcb::read(rdata) {
                // RFC 9460 §2.5: the owner itself, or, in AliasMode, no service at all.
                Some(Svcb { priority: 0, target: [0], .. }) => continue,
                Some(Svcb { target: [0], .. }) => chain.name_at,
                _ => rdata_at + offset,
            },
            _ => rdata_at + offset,
        };
        let is_read = host.read(chain.message.written_from(at), chain.table.hashing()).is_ok();
        if is_read && need.concerns(&host) && hosts.note(chain, &host, at, need) {
            add_addresses(chain, &host, at, need)?;
        }
    }
    Ok(())
}

/// Adds the addresses of one host, whose name stands at an offset.
fn add_addresses(chain: &mut Chain<'_, '_>, host: &HashedName, at: usize, need: Need<'_>) -> Result<(), Full> {
    let node = match chain.find(host, Rtype::A) {
        Found::Node { node, .. } => node,
        // Glue: what we hold below a cut is good for a referral and for nothing else (RFC 2181 §5.4.1).
        Found::Cut { exact: Some(node), .. } if chain.answer_at.is_none() => node,
        _ => return Ok(()),
    };
    for family in [Family::V4, Family::V6] {
        let added =
            with_addresses(node, family, chain.random, |rendered, count| chain.message.additional(rendered, count, at));
        // RFC 2181 §9: an RRset is there as a whole or not at all.
        if let (Some(Err(Full)), Need::Glue { .. }) = (added, need) {
            return Err(Full);
        }
    }
    Ok(())
}

/// Calls `give` with the rendered addresses of one family that a node has now, and their number; not if it has none.
pub(super) fn with_addresses<R>(
    node: &Node,
    family: Family,
    random: u64,
    give: impl FnOnce(&[u8], u16) -> R,
) -> Option<R> {
    let Some(slot) = node.slot() else {
        let rrset = node.owner().rrset(family.rtype())?;
        return Some(give(rrset.rendered, rrset.count));
    };
    let live = slot.load();
    let answer = live.family(family).filter(|answer| answer.count > 0)?;
    Some(give(answer.draw(random), answer.count))
}

impl Need<'_> {
    /// Whether a host is one of those that are added.
    fn concerns(self, host: &HashedName) -> bool {
        match self {
            Self::Glue { cut, labels } => host.label_count() >= labels && host.suffix(labels) == cut,
            Self::Courtesy => true,
        }
    }
}

impl Hosts {
    /// Notes a host; says whether it is new and its addresses are to be added.
    fn note(&mut self, chain: &Chain<'_, '_>, host: &HashedName, at: usize, need: Need<'_>) -> bool {
        let known = self.at.iter().take(self.count).any(|at| chain.message.has_name_at(*at, host.wire()));
        match self.at.get_mut(self.count) {
            Some(place) if !known => {
                *place = at;
                self.count += 1;
                true
            }
            // Glue has no limit but the message's own.
            None => !known && matches!(need, Need::Glue { .. }),
            Some(_) => false,
        }
    }
}
