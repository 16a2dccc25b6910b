//! The embedded store: what it keeps and gives back, what it refuses to open, and what crashes and full disks do to it.

mod backend;
mod faults;
mod kept;
mod kill;
mod opening;
mod reopen;
mod verdicts;

use std::collections::BTreeMap;

use super::*;
use crate::model::id::ObjectId;
use crate::model::inventory::StoredObject;

crate::store::battery::battery!(EmbeddedStore::in_memory().unwrap());

/// Every row that an inventory should have, by key.
fn rows_of(inventory: &Inventory) -> BTreeMap<(&'static str, Vec<u8>), String> {
    let aside = inventory.set_aside.iter().map(|aside| aside.stored.clone());
    let mut all = BTreeMap::new();
    for stored in inventory.stored().chain(aside) {
        let id = stored.object.id();
        let mut put = |id: ObjectId, row: Vec<u8>| {
            let before = all.insert((id.kind(), rows::key(id)), String::from_utf8(row).unwrap());
            assert_eq!(before, None, "{id} is there twice");
        };
        put(id, rows::row(inventory, id).unwrap());
        if let StoredObject::Zone(hosting, records) = &stored.object {
            for record in records.records.iter() {
                let id = ObjectId::Record(hosting.id, record.id);
                put(id, rows::row(inventory, id).unwrap());
            }
        }
    }
    all
}
