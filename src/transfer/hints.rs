//! Address hints of SVCB and HTTPS records that follow health, as a copy has them: addresses, never the request for
//! them (see [`crate::model::svcb`]).

use crate::model::name::Name;
use crate::model::rrset::{Owner, Rrset, Rtype};
use crate::model::svcb::{IPV4HINT, Svcb};
use crate::steering::compile::LiveAnswer;
use crate::steering::lookup::{Found, lookup};
use crate::steering::table::{Node, RecordTable, Slot, lower_name};
use crate::transfer::version::NoVersion;

/// Whether an owner has hints that follow health.
pub(super) fn has_auto(owner: &Owner) -> bool {
    let mut svcb = owner.rrsets().filter(|rrset| matches!(rrset.rtype, Rtype::SVCB | Rtype::HTTPS));
    svcb.any(|rrset| rrset.rdatas().filter_map(Svcb::read).any(Svcb::has_auto))
}

/// TTL and data of the records of an `RRset` at `owner`, with addresses for hints that follow health.
pub(super) fn resolved(table: &RecordTable, owner: &Name, rrset: Rrset<'_>) -> Result<(u32, Vec<Vec<u8>>), NoVersion> {
    let mut ttl = rrset.ttl();
    let is_svcb = matches!(rrset.rtype, Rtype::SVCB | Rtype::HTTPS);
    let mut datas = Vec::new();
    for rdata in rrset.rdatas() {
        let Some(svcb) = Svcb::read(rdata).filter(|svcb| is_svcb && svcb.has_auto()) else {
            datas.push(rdata.to_vec());
            continue;
        };
        // RFC 9460 §2.5.2: a target of "." is the owner.
        let target = if svcb.target == [0] { Some(owner.clone()) } else { Name::from_wire(svcb.target) };
        let found = target.map(|target| lookup(table, &lower_name(&target), Rtype::A));
        let node = if let Some(Found::Node { node, .. }) = found { Some(node) } else { None };
        // RFC 2181 §5.2: the records of an RRset have one TTL.
        ttl = ttl.min(node.and_then(Node::slot).map_or(u32::MAX, Slot::ttl));
        datas.push(data(svcb, node)?);
    }
    Ok((ttl, datas))
}

/// The data of a record, with the addresses of `node` for its hints. A hint without an address is left out.
fn data(svcb: Svcb<'_>, node: Option<&Node>) -> Result<Vec<u8>, NoVersion> {
    let mut data = [&svcb.priority.to_be_bytes(), svcb.target].concat();
    for param in svcb.params() {
        let hint = if param.is_auto() { Some(addresses(node, param.key)?) } else { None };
        if hint.as_ref().is_some_and(Vec::is_empty) {
            continue;
        }
        let value = hint.as_deref().unwrap_or(param.value);
        data.extend_from_slice(&param.key.to_be_bytes());
        data.extend_from_slice(&u16::try_from(value.len()).map_err(|_| NoVersion::TooLarge)?.to_be_bytes());
        data.extend_from_slice(value);
    }
    Ok(data)
}

/// The addresses that a hint has: those that answers are drawn from, or those of static records.
fn addresses(node: Option<&Node>, key: u16) -> Result<Vec<u8>, NoVersion> {
    let Some(node) = node else { return Ok(Vec::new()) };
    let is_v4 = key == IPV4HINT;
    let Some(slot) = node.slot() else {
        let rrset = node.owner().rrset(if is_v4 { Rtype::A } else { Rtype::AAAA });
        return Ok(rrset.into_iter().flat_map(|rrset| rrset.rdatas()).flatten().copied().collect());
    };
    let LiveAnswer::Ready(live) = &**slot.load() else { return Err(NoVersion::NotReady) };
    let family = if is_v4 { &live.v4 } else { &live.v6 };
    Ok(family.addresses().flat_map(|(_, address)| address).copied().collect())
}
