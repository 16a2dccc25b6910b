//! Where the hints of a zone that follow health get their addresses from, if that is another zone: what changes there
//! changes copies of this one, so its serial has to grow as well.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::model::id::ZoneId;
use crate::model::inventory::Inventory;
use crate::model::name::Name;
use crate::model::svcb::autos;

/// Hosts in other zones whose addresses are hints, of the zones whose serial we count.
#[derive(Debug, Default)]
pub(super) struct HintHosts {
    /// The zones that have hints of a host. What is below a name follows it.
    zones: BTreeMap<Name, BTreeSet<ZoneId>>,
    /// The hosts of each zone that has any.
    hosts: HashMap<ZoneId, BTreeSet<Name>>,
}

impl HintHosts {
    /// Takes in a zone that is new, has changed or is gone.
    pub(super) fn renew(&mut self, inventory: &Inventory, id: ZoneId) {
        for host in self.hosts.remove(&id).into_iter().flatten() {
            if let Some(zones) = self.zones.get_mut(&host) {
                zones.remove(&id);
                if zones.is_empty() {
                    self.zones.remove(&host);
                }
            }
        }
        let is_counted = inventory.hostings.find(id).is_some_and(|hosting| hosting.has_auto_serial());
        let Some(zone) = inventory.zones.find(id).filter(|_| is_counted) else { return };
        let hosts = zone.owners().iter().flat_map(|owner| autos(owner).filter_map(|svcb| svcb.host(&owner.name())));
        let is_elsewhere = |host: &Name| inventory.hosting_of(host).is_none_or(|hosting| hosting.id != id);
        let hosts: BTreeSet<Name> = hosts.filter(is_elsewhere).collect();
        if hosts.is_empty() {
            return;
        }
        for host in &hosts {
            self.zones.entry(host.clone()).or_default().insert(id);
        }
        self.hosts.insert(id, hosts);
    }

    /// The zones that have hints of a live name, or of any that a live wildcard may stand in for.
    pub(super) fn zones_of(&self, live: &Name) -> impl Iterator<Item = ZoneId> {
        let parent = live.parent().filter(|_| live.is_wildcard());
        let own = self.zones.get(live).into_iter().flatten().copied();
        own.chain(parent.into_iter().flat_map(|parent| self.zones_below(&parent).collect::<Vec<_>>()))
    }

    /// The zones that have hints of hosts at or below a name.
    pub(super) fn zones_below<'h>(&'h self, top: &Name) -> impl Iterator<Item = ZoneId> + use<'h> {
        let top = top.clone();
        let below = self.zones.range(top.clone()..).take_while(move |(host, _)| host.is_at_or_below(&top));
        below.flat_map(|(_, zones)| zones).copied()
    }
}
