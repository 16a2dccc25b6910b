//! Address hints of SVCB and HTTPS records that follow health, as a copy has them: addresses, never the request for
//! them (see [`crate::model::svcb`]).

use crate::model::name::Name;
use crate::model::rrset::{Rrset, Rtype};
use crate::model::svcb::{IPV4HINT, Svcb};
use crate::steering::compile::LiveAnswer;
use crate::steering::lookup::{Found, lookup};
use crate::steering::table::{Node, RecordTable, Slot, ZoneTable};
use crate::transfer::version::NoVersion;

/// TTL and data of the records of an `RRset` at `owner` in a zone, with addresses for hints that follow health.
pub(super) fn resolved(
    table: &RecordTable,
    copied: &ZoneTable,
    owner: &Name,
    rrset: Rrset<'_>,
) -> Result<(u32, Vec<Vec<u8>>), NoVersion> {
    let mut ttl = rrset.ttl();
    let is_svcb = matches!(rrset.rtype, Rtype::SVCB | Rtype::HTTPS);
    let mut datas = Vec::new();
    for rdata in rrset.rdatas() {
        let Some(svcb) = Svcb::read(rdata).filter(|svcb| is_svcb && svcb.has_auto()) else {
            datas.push(rdata.to_vec());
            continue;
        };
        let found = svcb.host(owner).map(|host| lookup(table, &table.hashed_name(&host), Rtype::A));
        let node = match found {
            // Nobody knows who will ask for the copy: what not everybody may ask for stays out of other zones' copies.
            Some(Found::Node { zone, node }) if zone.is_for_all() || zone.is_same(copied) => Some(node),
            _ => None,
        };
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::id::ZoneId;
    use crate::model::rrset::Record;
    use crate::model::zone::Zone;

    fn name(text: &str) -> Name {
        Name::parse(text, None).unwrap()
    }

    #[test]
    fn addresses_of_a_zone_that_is_not_for_everybody_stay_out_of_copies_of_others() {
        let record = |owner: &str, rtype, rdata: Vec<u8>| Record { owner: name(owner), rtype, ttl: 60, rdata };
        let https = |host: &str| [b"\0\x01", name(host).wire(), b"\0\x04\0\0"].concat();
        let mut table = RecordTable::new(1);
        for (apex, host) in [("a.test", "www.b.test"), ("b.test", "www.b.test")] {
            let mut records = vec![record(apex, Rtype::SOA, vec![0; 22]), record(apex, Rtype::NS, vec![0])];
            records.push(record(&format!("svc.{apex}"), Rtype::HTTPS, https(host)));
            records.push(record(&format!("www.{apex}"), Rtype::A, vec![192, 0, 2, 1]));
            table.put_zone(Arc::new(Zone::try_new(ZoneId::declared(apex), name(apex), records).unwrap()));
        }
        let hinted = |table: &RecordTable, apex: &str| {
            let zone = table.zone_at(&name(apex)).unwrap();
            let owner = name(&format!("svc.{apex}"));
            let rrset = zone.node_at(&owner).unwrap().owner().rrset(Rtype::HTTPS).unwrap();
            let (_, datas) = resolved(table, zone, &owner, rrset).unwrap();
            datas.concat().ends_with(b"\0\x04\0\x04\xc0\0\x02\x01")
        };
        for (networks, in_others) in
            [(&["0.0.0.0/0", "::/0"][..], true), (&["198.51.100.0/24"], false), (&["0.0.0.0/0"], false), (&[], false)]
        {
            let networks: Vec<_> = networks.iter().map(|network| network.parse().unwrap()).collect();
            table.set_allow_query(&name("b.test"), &networks);
            assert_eq!(hinted(&table, "a.test"), in_others, "{networks:?}");
            assert!(hinted(&table, "b.test"), "its own copies have them: {networks:?}");
        }
    }
}
