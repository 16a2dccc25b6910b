//! Zones that come, change and go: what of the record table that touches.

use std::collections::HashSet;
use std::sync::Arc;

use crate::health::schedule::Assigned;
use crate::model::id::ZoneId;
use crate::model::inventory::Inventory;
use crate::model::name::Name;
use crate::steering::table::{Absence, RecordTable};

/// Puts zones that changed, and those around a zone that came or went, into `table`. Gives those that lost their live
/// names by it; others keep them, so a transfer costs nothing for each load balancer.
pub(super) fn rebuild_zones(
    table: &mut RecordTable,
    after: &Assigned,
    before: &Assigned,
    changed: &[ZoneId],
) -> HashSet<ZoneId> {
    let (old, new) = (&before.inventory, &after.inventory);
    let (mut rebuilt, mut followed) = (HashSet::new(), HashSet::new());
    for id in changed {
        let (gone, there) = (old.zones.find(*id), new.zones.find(*id));
        let (was_ours, is_ours) = (old.hostings.find(*id), new.hostings.find(*id));
        let Some(apex) = is_ours.or(was_ours).map(|hosting| hosting.apex.clone()) else { continue };
        if gone.is_some() && there.is_none() {
            table.remove_zone(&apex);
        }
        let place = if gone.is_some() { &mut followed } else { &mut rebuilt };
        place.extend(there.map(|zone| zone.id));
        table.set_absence(&apex, absence(new, *id));
        // Names may have moved between this zone and the one around it.
        if was_ours.is_none() || is_ours.is_none() {
            rebuilt.extend(apex.parent().and_then(|parent| new.zone_of(&parent)).map(|zone| zone.id));
        }
    }
    for zone in rebuilt.iter().filter_map(|id| new.zones.find(*id)) {
        table.put_zone(Arc::clone(zone));
    }
    followed.retain(|id| !rebuilt.contains(id));
    for zone in followed.iter().filter_map(|id| new.zones.find(*id)) {
        if !table.follow_zone(Arc::clone(zone)) {
            rebuilt.insert(zone.id);
        }
    }
    rebuilt
}

/// Why a zone of ours has no records; none if it has, or is none of ours.
pub(super) fn absence(inventory: &Inventory, id: ZoneId) -> Option<Absence> {
    match inventory.is_absent(id) {
        true if inventory.expired.contains(&id) => Some(Absence::Expired),
        true => Some(Absence::NotTransferred),
        false => None,
    }
}

/// Makes a name static in its zone.
pub(super) fn set_static(table: &mut RecordTable, inventory: &Inventory, name: &Name) {
    if let Some(zone) = inventory.zone_of(name) {
        table.set_slot(zone.apex(), name, None);
    }
}
