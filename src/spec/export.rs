//! Everything that the API made as one document of TOML: it is a part of a configuration as well, and goes back into an API
//! with the ids that it names.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::dns_record::DnsRecord;
use crate::model::id::RecordId;
use crate::model::inventory::{Change, Declared, Inventory, StoredObject};
use crate::model::name::Name;
use crate::model::rrset::{Record, Rtype};
use crate::model::tree::{Entry, Node, Table, Value};
use crate::model::zone::Zone;
use crate::spec::{declared, dns_record};

/// The form of documents.
const VERSION: u8 = 1;

/// Builds the document. Objects of the API come in order of their names; those that the configuration declares are named by
/// their ids, and not in it. Comments and tags of records have no place there, and an automatic TTL is a number. What there is
/// none of is left out: an empty array would belong to whatever table the document is put below.
pub fn build(inventory: &Inventory) -> Table {
    let mut made = Declared::default();
    for stored in inventory.stored() {
        match stored.object {
            StoredObject::Zone(hosting, _) => {
                made.zones.extend(inventory.zones.find(hosting.id).cloned());
                made.hostings.push(Arc::unwrap_or_clone(hosting));
            }
            StoredObject::Monitor(monitor) => made.monitors.push(Arc::unwrap_or_clone(monitor)),
            StoredObject::MonitorGroup(group) => made.monitor_groups.push(Arc::unwrap_or_clone(group)),
            StoredObject::Pool(pool) => made.pools.push(Arc::unwrap_or_clone(pool)),
            StoredObject::LoadBalancer(load_balancer) => made.load_balancers.push(Arc::unwrap_or_clone(load_balancer)),
            // They say how things are just now, not how they are meant.
            StoredObject::Levers(_) => {}
        }
    }
    made.hostings.sort_by(|a, b| a.apex.cmp(&b.apex));
    made.monitors.sort_by(|a, b| a.name.cmp(&b.name));
    made.monitor_groups.sort_by(|a, b| a.name.cmp(&b.name));
    made.pools.sort_by(|a, b| a.name.cmp(&b.name));
    made.load_balancers.sort_by(|a, b| a.name.cmp(&b.name));
    let version = Table::default().with("version", Node::int(VERSION));
    let arrays = declared::build(&made).without("keys");
    let is_filled = |entry: &&Entry| !matches!(&entry.node.value, Value::Array(items) if items.is_empty());
    arrays
        .entries()
        .iter()
        .filter(is_filled)
        .fold(version, |table, entry| table.with(entry.key.clone(), entry.node.clone()))
}

/// The changes that make the objects of a document in an API, in an order in which each comes after what it refers to.
/// Zones and their records are made over those of `before`; new records get ids of `random` bits. An error says what an API
/// cannot have.
pub fn changes(
    declared: Declared,
    before: &Inventory,
    random: &mut dyn FnMut() -> u128,
) -> Result<Vec<Change>, String> {
    let Declared {
        keys,
        hostings,
        zones,
        monitors,
        monitor_groups,
        pools,
        load_balancers,
        sharing: _,
        files: _,
        written: _,
    } = declared;
    if let Some(key) = keys.first() {
        return Err(format!("key {}: keys belong into the configuration", key.name));
    }
    let count = hostings.len() + monitors.len() + monitor_groups.len() + pools.len() + load_balancers.len();
    let mut changes = Vec::with_capacity(count);
    for hosting in hostings {
        let Some(zone) = zones.iter().find(|zone| zone.id == hosting.id) else {
            let apex = &hosting.apex;
            return Err(format!(
                "zone {apex}: a zone that is transferred from elsewhere belongs into the configuration"
            ));
        };
        let records = records(zone, before, random);
        // Who has to do with it is for the configuration to say.
        changes.push(Change::CreateZone { hosting: hosting.shared_with(&before.sharing), records });
    }
    changes.extend(monitors.into_iter().map(Change::PutMonitor));
    changes.extend(monitor_groups.into_iter().map(Change::PutMonitorGroup));
    changes.extend(pools.into_iter().map(Change::PutPool));
    changes.extend(load_balancers.into_iter().map(Change::PutLoadBalancer));
    Ok(changes)
}

/// The records of a zone. Where the API has a record already, it stays what it is, with all that no document says of it: its
/// id and stamps, comment, tags, and an automatic TTL.
fn records(zone: &Zone, before: &Inventory, random: &mut dyn FnMut() -> u128) -> Vec<DnsRecord> {
    let (made, served) = (before.records.find(zone.id), before.zones.find(zone.id));
    let mut there: HashMap<(Name, Rtype), Vec<&DnsRecord>> = HashMap::new();
    for record in made.into_iter().flat_map(|made| made.records.iter()) {
        there.entry((record.owner.clone(), record.rtype)).or_default().push(record);
    }
    let mut records = Vec::new();
    for owner in zone.owners() {
        let name = owner.name();
        for rrset in owner.rrsets() {
            let mut left = there.remove(&(name.clone(), rrset.rtype)).unwrap_or_default();
            left.sort_by_key(|record| record.id);
            let old = served.and_then(|zone| zone.owner(&name)?.rrset(rrset.rtype));
            let is_same_ttl = old.is_some_and(|old| old.ttl() == rrset.ttl());
            let mut changed = Vec::new();
            for rdata in rrset.rdatas() {
                match left.iter().position(|record| record.rdata == rdata) {
                    Some(index) => {
                        let old = left.remove(index);
                        let ttl = if is_same_ttl { old.ttl } else { Some(rrset.ttl()) };
                        records.push(DnsRecord { ttl, ..old.clone() });
                    }
                    None => changed.push(rdata),
                }
            }
            // What is left of one type has other data now; it is still the record that somebody knows.
            let mut left = left.into_iter();
            for rdata in changed {
                let record =
                    Record { owner: name.clone(), rtype: rrset.rtype, ttl: rrset.ttl(), rdata: rdata.to_vec() };
                records.push(match left.next() {
                    Some(old) => {
                        let DnsRecord { rdata, content, ttl, .. } = dns_record::of_record(record, old.id, zone.id);
                        let ttl = if is_same_ttl { old.ttl } else { ttl };
                        DnsRecord { ttl, rdata, content, ..old.clone() }
                    }
                    None => dns_record::of_record(record, RecordId::random(random()), zone.id),
                });
            }
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use proptest::prelude::*;

    use super::*;
    use crate::model::hosting::Hosting;
    use crate::model::monitor::ClientFiles;
    use crate::spec::declared::{Document, Extent, parse as declared_parse};
    use crate::spec::fault::Faults;
    use crate::spec::fields::Spot;
    use crate::spec::monitor::{KnownFiles, PemFiles};
    use crate::spec::zone_file::{Wanted, ZoneFiles};
    use crate::spec::{strategies, toml_text};

    /// No files at all.
    struct NoFiles;

    impl ZoneFiles for NoFiles {
        fn zone(&mut self, wanted: &Wanted<'_>, faults: &mut Faults) -> Option<Arc<Zone>> {
            Spot::reject(&wanted.spot, "no zone here names a file", faults)
        }
    }

    impl PemFiles for NoFiles {
        fn authorities(&mut self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<PathBuf> {
            KnownFiles::default().authorities(spot, faults)
        }

        fn client(&mut self, certificate: Spot<'_, '_>, key: Spot<'_, '_>, faults: &mut Faults) -> Option<ClientFiles> {
            KnownFiles::default().client(certificate, key, faults)
        }
    }

    /// Makes the objects of a document.
    fn import(declared: Declared) -> Inventory {
        let mut bits = 0;
        let mut random = || {
            bits += 1;
            bits
        };
        let changes = changes(declared, &Inventory::default(), &mut random).unwrap();
        changes.into_iter().fold(Inventory::default(), |inventory, change| inventory.apply(change).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn what_is_exported_comes_back_with_its_ids(declared in strategies::declared()) {
            // An API has no keys, no zones from elsewhere, and no files.
            let monitors = declared.monitors.into_iter().map(strategies::without_files).collect();
            let hostings = declared.hostings.into_iter().filter(|hosting| hosting.primaries().is_none());
            let hostings: Vec<_> = hostings.map(|hosting| Hosting {
                allow_transfer: vec![], notify: vec![], ..hosting
            }).collect();
            let zones = declared.zones.clone();
            let is_in = |name: &Name| hostings.iter().any(|one| name.is_at_or_below(&one.apex));
            let load_balancers = declared.load_balancers.into_iter().filter(|one| is_in(&one.name)).collect();
            let declared = Declared { keys: vec![], hostings: hostings.clone(), zones, monitors, load_balancers, ..declared };
            let first = import(declared);
            let text = toml_text::render(&build(&first));
            let root = toml_text::parse(&text).unwrap();
            let mut faults = Faults::default();
            let document = Document { source: 0, root: &root, name: "export.toml" };
            let parsed = declared_parse(&[document], Extent::Complete, &mut NoFiles, &mut faults);
            let parsed = parsed.ok_or_else(|| TestCaseError::fail(format!("{faults:?} in {text}")))?;
            let second = import(Declared { files: HashMap::new(), ..parsed });
            prop_assert_eq!(toml_text::render(&build(&second)), text);
            for zone in first.zones.iter() {
                prop_assert_eq!(second.zones.find(zone.id), Some(zone));
            }
            for load_balancer in first.load_balancers.iter() {
                prop_assert_eq!(second.load_balancers.find(load_balancer.id), Some(load_balancer));
            }
            for group in first.monitor_groups.iter() {
                prop_assert_eq!(second.monitor_groups.find(group.id), Some(group));
            }
            prop_assert_eq!(second.pools.len(), first.pools.len());
        }
    }
}
