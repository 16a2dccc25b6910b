//! Address hints of SVCB and HTTPS records that follow health: what `ipv4hint=auto` and `ipv6hint=auto` come to (RFC 9460
//! §7.3; see [`crate::model::svcb`]).

use crate::dns::respond::additional::with_addresses;
use crate::dns::respond::chain::Chain;
use crate::model::rrset::{RECORD_HEAD_OCTETS, Rrset, Rtype};
use crate::model::svcb::{IPV4HINT, Svcb};
use crate::steering::lookup::Found;
use crate::steering::select::Family;
use crate::steering::table::{Node, Slot};
use crate::wire::message::Full;
use crate::wire::name::HashedName;

/// Copies an `RRset` of SVCB or HTTPS records of the owner `name` into the answer section.
pub(super) fn answer(chain: &mut Chain<'_, '_>, rrset: Rrset<'_>, name: &HashedName) -> Result<(), Full> {
    let mut autos = rrset.rdatas().filter_map(Svcb::read).filter(|svcb| svcb.has_auto()).peekable();
    if autos.peek().is_none() {
        return chain.message.answer(rrset.rendered, rrset.count, chain.name_at);
    }
    // RFC 2181 §5.2: the records of an RRset have one TTL, so a hint that may change soon shortens all of them.
    let mut host = HashedName::default();
    let ttl = autos.fold(rrset.ttl(), |ttl, svcb| {
        let slot = node_of(chain, svcb, name, &mut host).and_then(Node::slot);
        ttl.min(slot.map_or(u32::MAX, Slot::ttl))
    });
    for rdata in rrset.rdatas() {
        let start = chain.message.begin_answer(chain.name_at, rrset.rtype, ttl)?;
        match Svcb::read(rdata).filter(|svcb| svcb.has_auto()) {
            None => chain.message.answer_raw(rdata)?,
            Some(svcb) => {
                let node = node_of(chain, svcb, name, &mut host);
                put_data(chain, svcb, node)?;
            }
        }
        chain.message.end_answer(start)?;
    }
    Ok(())
}

/// The node whose addresses are the hints of a record: its target's, or its owner's (RFC 9460 §2.5.2).
fn node_of<'w>(chain: &Chain<'w, '_>, svcb: Svcb<'_>, name: &HashedName, host: &mut HashedName) -> Option<&'w Node> {
    let found = match svcb.target {
        [0] => chain.find(name, Rtype::A),
        target => {
            host.read(target, chain.table.hashing()).ok()?;
            chain.find(host, Rtype::A)
        }
    };
    match found {
        Found::Node { node, .. } => Some(node),
        _ => None,
    }
}

/// Writes the data of a record, with the addresses of `node` for its hints. A hint without an address is left out.
fn put_data(chain: &mut Chain<'_, '_>, svcb: Svcb<'_>, node: Option<&Node>) -> Result<(), Full> {
    chain.message.answer_raw(&svcb.priority.to_be_bytes())?;
    chain.message.answer_raw(svcb.target)?;
    for param in svcb.params() {
        let [k0, k1] = param.key.to_be_bytes();
        if !param.is_auto() {
            let [l0, l1] = u16::try_from(param.value.len()).map_err(|_| Full)?.to_be_bytes();
            chain.message.answer_raw(&[k0, k1, l0, l1])?;
            chain.message.answer_raw(param.value)?;
            continue;
        }
        let (family, octets) = if param.key == IPV4HINT { (Family::V4, 4_u16) } else { (Family::V6, 16) };
        let random = chain.random;
        let written = node.and_then(|node| {
            with_addresses(node, family, random, |rendered, count| {
                let [l0, l1] = count.checked_mul(octets).ok_or(Full)?.to_be_bytes();
                chain.message.answer_raw(&[k0, k1, l0, l1])?;
                let mut records = rendered.chunks_exact(RECORD_HEAD_OCTETS + usize::from(octets));
                records.try_for_each(|record| {
                    chain.message.answer_raw(record.get(RECORD_HEAD_OCTETS..).unwrap_or_default())
                })
            })
        });
        written.unwrap_or(Ok(()))?;
    }
    Ok(())
}
