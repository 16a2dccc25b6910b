//! What an object that a file declares says otherwise than the one of the API with its id.

use std::collections::HashMap;

use crate::model::hosting::Hosting;
use crate::model::id::ObjectId;
use crate::model::inventory::{Declared, Inventory};
use crate::model::stamp::Disabled;
use crate::model::tree::Table;
use crate::spec::{hosting, json_text, load_balancer, monitor, monitor_group, pool};

/// The keys in which declared objects differ from live ones of the API with the same ids, by id; none where all are equal.
pub fn differences(inventory: &Inventory, declared: &Declared) -> HashMap<ObjectId, String> {
    let Declared {
        keys: _,
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
    let mut all = HashMap::new();
    let mut add = |object: ObjectId, keys: Vec<String>| {
        if !keys.is_empty() && inventory.declared_in(object).is_none() {
            all.insert(object, keys.join(", "));
        }
    };
    for one in hostings {
        let Some(there) = inventory.hostings.find(one.id) else { continue };
        let table = |hosting: &Hosting| hosting::build(hosting, Table::default());
        let mut keys = differing(&table(there), &table(one));
        // Who has to do with a zone is no part of what the API made.
        keys.retain(|key| matches!(key.as_str(), "serial" | "primaries" | "transfer_live"));
        let zone = zones.iter().find(|zone| zone.id == one.id);
        if inventory.zones.find(one.id) != zone {
            keys.push("records".to_owned());
        }
        add(ObjectId::Zone(one.id), keys);
    }
    for one in monitors {
        let Some(there) = inventory.monitors.find(one.id) else { continue };
        add(ObjectId::Monitor(one.id), differing(&monitor::build(there), &monitor::build(one)));
    }
    for one in monitor_groups {
        let Some(there) = inventory.monitor_groups.find(one.id) else { continue };
        let table = |one| monitor_group::build(one, |monitor| monitor.to_string());
        add(ObjectId::MonitorGroup(one.id), differing(&table(there), &table(one)));
    }
    for one in pools {
        let Some(there) = inventory.pools.find(one.id) else { continue };
        let table = |one| pool::build_fields(Table::default(), one, &Disabled::default());
        add(ObjectId::Pool(one.id), differing(&table(there), &table(one)));
    }
    for one in load_balancers {
        let Some(there) = inventory.load_balancers.find(one.id) else { continue };
        let table = |one| load_balancer::build_fields(Table::default(), one);
        add(ObjectId::LoadBalancer(one.id), differing(&table(there), &table(one)));
    }
    all
}

/// The keys whose values differ in two tables.
fn differing(one: &Table, other: &Table) -> Vec<String> {
    let text = |table: &Table, key: &str| table.entry(key).map(|entry| json_text::render(&entry.node));
    let entries = one.entries().iter().chain(other.entries().iter().filter(|entry| one.entry(&entry.key).is_none()));
    let keys = entries.map(|entry| entry.key.as_ref());
    keys.filter(|key| text(one, key) != text(other, key)).map(str::to_owned).collect()
}
