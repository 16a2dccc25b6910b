//! Single objects that come, change and go, and what has to hold for them.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::model::dns_record::DnsRecord;
use crate::model::hosting::Hosting;
use crate::model::id::{ObjectId, PoolId, RecordId, ZoneId};
use crate::model::inventory::Inventory;
use crate::model::inventory::change::{Contradiction, Expected};
use crate::model::inventory::id_map::{IdMap, Identified};
use crate::model::inventory::name_index::{NameIndex, Named};
use crate::model::inventory::noun::Noun;
use crate::model::inventory::referrers::Referrer;
use crate::model::inventory::stored::ZoneRecords;
use crate::model::lever::Levers;
use crate::model::limits::{
    LOAD_BALANCERS_MAX, MONITOR_GROUPS_MAX, MONITORS_MAX, POOLS_MAX, RECORDS_PER_STORED_ZONE_MAX, ZONES_MAX,
};
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor::Monitor;
use crate::model::monitor_group::MonitorGroup;
use crate::model::name::Name;
use crate::model::pool::Pool;
use crate::model::rrset::Rtype;
use crate::model::stamp::{Provenance, Revision, Stamp, UnixMicros};
use crate::model::zone::{Zone, ZoneFault};

impl Inventory {
    /// What is expected of an object holds.
    pub(super) fn check_expected(&self, object: ObjectId, expected: Expected) -> Result<(), Contradiction> {
        let found = self.revision(object);
        match (expected, found) {
            (Expected::Anything, _) | (Expected::Absent, None) | (Expected::Present, Some(_)) => Ok(()),
            (Expected::Absent, Some(_)) => Err(Contradiction::Exists(object)),
            (Expected::Present | Expected::At(_), None) => Err(Contradiction::NotFound(object)),
            (Expected::At(expected), Some(found)) if expected == found => Ok(()),
            (Expected::At(expected), Some(found)) => Err(Contradiction::Stale { object, expected, found }),
        }
    }

    /// The version of an object; none if there is no such object.
    pub fn revision(&self, object: ObjectId) -> Option<Revision> {
        match object {
            ObjectId::Zone(id) => self.stamps.zones.find(id).map(|stamp| stamp.revision),
            ObjectId::Record(zone, id) => Some(self.records.find(zone)?.records.find(id)?.revision),
            ObjectId::Monitor(id) => self.stamps.monitors.find(id).map(|stamp| stamp.revision),
            ObjectId::MonitorGroup(id) => self.stamps.monitor_groups.find(id).map(|stamp| stamp.revision),
            ObjectId::Pool(id) => self.stamps.pools.find(id).map(|stamp| stamp.revision),
            ObjectId::LoadBalancer(id) => self.stamps.load_balancers.find(id).map(|stamp| stamp.revision),
            ObjectId::Levers(id) => self.stamps.levers.find(id).map(|stamp| stamp.revision),
        }
    }

    /// The file that declares an object; none if the API made it, or if there is no such object.
    pub fn declared_in(&self, object: ObjectId) -> Option<&Arc<str>> {
        match object {
            ObjectId::Zone(id) | ObjectId::Record(id, _) => self.stamps.zones.find(id)?.file(),
            ObjectId::Monitor(id) => self.stamps.monitors.find(id)?.file(),
            ObjectId::MonitorGroup(id) => self.stamps.monitor_groups.find(id)?.file(),
            ObjectId::Pool(id) => self.stamps.pools.find(id)?.file(),
            ObjectId::LoadBalancer(id) => self.stamps.load_balancers.find(id)?.file(),
            ObjectId::Levers(_) => None,
        }
    }

    /// The name of an object; of a record that of its zone, since only the zone can be declared. Empty if there is none.
    fn name_of(&self, object: ObjectId) -> String {
        let name = match object {
            ObjectId::Zone(id) | ObjectId::Record(id, _) => self.hostings.find(id).map(|one| one.shown_name()),
            ObjectId::Monitor(id) => self.monitors.find(id).map(|one| one.shown_name()),
            ObjectId::MonitorGroup(id) => self.monitor_groups.find(id).map(|one| one.shown_name()),
            ObjectId::Pool(id) => self.pools.find(id).map(|one| one.shown_name()),
            ObjectId::LoadBalancer(id) => self.load_balancers.find(id).map(|one| one.shown_name()),
            ObjectId::Levers(id) => self.pools.find(id).map(|one| one.shown_name()),
        };
        name.unwrap_or_default()
    }

    /// An object is not declared in a file, which would be the only place to change it.
    pub fn check_writable(&self, object: ObjectId) -> Result<(), Contradiction> {
        match self.declared_in(object) {
            Some(file) => Err(Contradiction::ReadOnly { object, name: self.name_of(object), file: Arc::clone(file) }),
            None => Ok(()),
        }
    }

    /// A monitor is new or edited.
    pub(super) fn put_monitor(&mut self, monitor: Monitor, now: UnixMicros) -> Result<(), Contradiction> {
        let stamp = self.restamp(&monitor, &self.stamps.monitors, now)?;
        self.place_monitor(Arc::new(monitor))?;
        self.stamps.monitors.put(stamp);
        Ok(())
    }

    /// A monitor group is new or edited.
    pub(super) fn put_monitor_group(&mut self, group: MonitorGroup, now: UnixMicros) -> Result<(), Contradiction> {
        let stamp = self.restamp(&group, &self.stamps.monitor_groups, now)?;
        let before = self.monitor_groups.find(group.id).cloned();
        self.place_monitor_group(Arc::new(group.dated(before.as_deref(), now)))?;
        self.stamps.monitor_groups.put(stamp);
        Ok(())
    }

    /// A pool is new or edited.
    pub(super) fn put_pool(&mut self, pool: Pool, now: UnixMicros) -> Result<(), Contradiction> {
        let stamp = self.restamp(&pool, &self.stamps.pools, now)?;
        self.place_pool(Arc::new(pool))?;
        self.stamps.pools.put(stamp);
        Ok(())
    }

    /// A load balancer is new or edited.
    pub(super) fn put_load_balancer(
        &mut self,
        load_balancer: LoadBalancer,
        now: UnixMicros,
    ) -> Result<(), Contradiction> {
        let stamp = self.restamp(&load_balancer, &self.stamps.load_balancers, now)?;
        self.place_load_balancer(Arc::new(load_balancer))?;
        self.stamps.load_balancers.put(stamp);
        Ok(())
    }

    /// Levers of a pool are pulled or released.
    pub(super) fn put_levers(&mut self, levers: Levers, now: UnixMicros) -> Result<(), Contradiction> {
        let stamp = self.restamp(&levers, &self.stamps.levers, now)?;
        self.place_levers(Arc::new(levers))?;
        self.stamps.levers.put(stamp);
        Ok(())
    }

    /// A zone is new, with its first records; or all of its records are these. What is as it was keeps its stamps.
    pub(super) fn create_zone(
        &mut self,
        hosting: Hosting,
        records: Vec<DnsRecord>,
        now: UnixMicros,
    ) -> Result<(), Contradiction> {
        let stamp = self.restamp(&hosting, &self.stamps.zones, now)?;
        self.check_takes_nothing_over(&hosting)?;
        let hosting = hosting.shared_with(&self.sharing);
        let revision = Revision(self.generation.0);
        let before = self.records.find(hosting.id);
        let mut all = IdMap::default();
        for record in records {
            match before.and_then(|before| before.records.find(record.id)) {
                Some(same) if **same == record => drop(all.put_shared(Arc::clone(same))),
                Some(old) => all.put(DnsRecord { created: old.created, modified: now, revision, ..record }),
                None => all.put(DnsRecord { created: now, modified: now, revision, ..record }),
            }
        }
        let records = Arc::new(ZoneRecords { id: hosting.id, records: all });
        self.place_zone(&Arc::new(hosting), &records)?;
        self.stamps.zones.put(stamp);
        Ok(())
    }

    /// No load balancer is in another zone of ours and would be in this one, were it there: it would be gone from the copies
    /// of the other, and whoever asks its servers would be told that there is no such name.
    fn check_takes_nothing_over(&self, hosting: &Hosting) -> Result<(), Contradiction> {
        let Some(from) = self.hosting_of(&hosting.apex).filter(|from| from.id != hosting.id) else { return Ok(()) };
        let below = |load_balancer: &&Arc<LoadBalancer>| load_balancer.name.is_at_or_below(&hosting.apex);
        let taken = self.load_balancers.iter().filter(below);
        let taken =
            taken.filter(|load_balancer| self.hosting_of(&load_balancer.name).is_some_and(|one| one.id == from.id));
        let mut load_balancers: Vec<Referrer> = taken.map(|one| Referrer::of(one, true)).collect();
        if load_balancers.is_empty() {
            return Ok(());
        }
        load_balancers.sort_by(|a, b| a.name.cmp(&b.name));
        Err(Contradiction::TakesOver { zone: hosting.apex.clone(), from: from.apex.clone(), load_balancers })
    }

    /// An object is gone.
    pub(super) fn delete(&mut self, object: ObjectId, now: UnixMicros) -> Result<(), Contradiction> {
        if self.revision(object).is_none() {
            return if self.forget_set_aside(object) { Ok(()) } else { Err(Contradiction::NotFound(object)) };
        }
        self.check_writable(object)?;
        let referrers = self.referrers(object);
        if referrers.iter().any(|referrer| referrer.active) {
            return Err(Contradiction::InUse { object, referrers });
        }
        match object {
            ObjectId::Zone(id) => {
                self.stamps.zones.remove(id);
                self.records.remove(id);
                self.zones.remove(id);
                remove(&mut self.hostings, &mut self.apexes, id);
                // Those that fall back to the zone around it may be delegated there.
                referrers.iter().try_for_each(|referrer| match referrer.object {
                    ObjectId::LoadBalancer(id) => {
                        self.load_balancers.find(id).map_or(Ok(()), |one| self.check_load_balancer(one))
                    }
                    _ => Ok(()),
                })?;
            }
            ObjectId::Record(zone, id) => self.delete_record(zone, id)?,
            ObjectId::Monitor(id) => {
                self.stamps.monitors.remove(id);
                remove(&mut self.monitors, &mut self.monitor_names, id);
            }
            ObjectId::MonitorGroup(id) => {
                self.stamps.monitor_groups.remove(id);
                remove(&mut self.monitor_groups, &mut self.monitor_group_names, id);
            }
            ObjectId::Pool(id) => {
                // No answer depends on these mentions, and they would lead nowhere.
                let mentioning = referrers.iter().filter_map(|referrer| match referrer.object {
                    ObjectId::LoadBalancer(id) => self.load_balancers.find(id).cloned(),
                    _ => None,
                });
                for load_balancer in mentioning.collect::<Vec<_>>() {
                    let kept = load_balancer.kept.without_pool(&id.to_string());
                    self.put_load_balancer(LoadBalancer { kept, ..LoadBalancer::clone(&load_balancer) }, now)?;
                }
                self.remove_levers(id);
                self.stamps.pools.remove(id);
                self.hosts.renew(self.pools.find(id).map(Arc::as_ref), None);
                remove(&mut self.pools, &mut self.pool_names, id);
            }
            ObjectId::LoadBalancer(id) => {
                self.stamps.load_balancers.remove(id);
                remove(&mut self.load_balancers, &mut self.load_balancer_names, id);
            }
            ObjectId::Levers(id) => self.remove_levers(id),
        }
        Ok(())
    }

    /// Takes out the levers of a pool.
    fn remove_levers(&mut self, id: PoolId) {
        self.stamps.levers.remove(id);
        self.levers.remove(id);
    }

    /// Forgets an object that is set aside; says whether there was one.
    pub(super) fn forget_set_aside(&mut self, object: ObjectId) -> bool {
        let kept: Vec<_> = self.set_aside.iter().filter(|aside| aside.stored.object.id() != object).cloned().collect();
        let found = kept.len() != self.set_aside.len();
        if found {
            self.set_aside = Arc::new(kept);
        }
        found
    }

    /// A record is new or edited.
    pub(super) fn put_record(&mut self, record: DnsRecord, now: UnixMicros) -> Result<(), Contradiction> {
        let zone = ObjectId::Zone(record.zone);
        self.check_writable(zone)?;
        let records = self.records.find(record.zone).ok_or(Contradiction::NotFound(zone))?;
        let before = records.records.find(record.id).map(Arc::clone);
        if before.is_none() && records.records.len() >= RECORDS_PER_STORED_ZONE_MAX {
            return Err(Contradiction::TooMany { kind: "dns_record", max: RECORDS_PER_STORED_ZONE_MAX });
        }
        let same = |other: &&Arc<DnsRecord>| {
            other.id != record.id
                && other.owner == record.owner
                && other.rtype == record.rtype
                && other.rdata == record.rdata
        };
        if let Some(holder) = records.records.iter().find(same) {
            let value = format!("{} {}", record.owner, record.content);
            let holder = ObjectId::Record(holder.zone, holder.id);
            return Err(Contradiction::NotUnique { field: "name, type and content", value, holder });
        }
        let owners = before.iter().map(|before| before.owner.clone()).chain([record.owner.clone()]).collect();
        let created = before.as_ref().map_or(now, |before| before.created);
        let covers = [Some(record.rtype), before.map(|before| before.rtype)].into_iter().flatten();
        let covers = covers.into_iter().any(|rtype| matches!(rtype, Rtype::NS | Rtype::DNAME));
        let id = record.zone;
        let mut records = ZoneRecords::clone(records);
        records.records.put(DnsRecord { created, modified: now, revision: Revision(self.generation.0), ..record });
        self.edit_zone(id, records, owners, covers)
    }

    /// A record is gone.
    fn delete_record(&mut self, zone: ZoneId, id: RecordId) -> Result<(), Contradiction> {
        let missing = || Contradiction::NotFound(ObjectId::Record(zone, id));
        let mut records = ZoneRecords::clone(self.records.find(zone).ok_or_else(missing)?);
        let record = records.records.remove(id).ok_or_else(missing)?;
        self.edit_zone(zone, records, [record.owner.clone()].into(), false)
    }

    /// Has a zone of the API follow its records at some owners. `covers` says whether more names may be delegated.
    fn edit_zone(
        &mut self,
        id: ZoneId,
        records: ZoneRecords,
        owners: BTreeSet<Name>,
        covers: bool,
    ) -> Result<(), Contradiction> {
        let zone = self.zones.find(id).ok_or(Contradiction::NotFound(ObjectId::Zone(id)))?;
        let at = |owner: Name| {
            let records = records.records.iter().filter(|record| record.owner == owner);
            let records = records.map(|record| record.resource_record()).collect();
            (owner, records)
        };
        let edited = zone.edited(owners.into_iter().map(at)).map_err(|faults| invalid(zone.apex(), &faults))?;
        self.zones.put(edited);
        self.records.put(records);
        if covers {
            self.load_balancers.iter().try_for_each(|load_balancer| self.check_load_balancer(load_balancer))?;
        }
        Ok(())
    }

    /// Puts a zone of the API in its place.
    pub(super) fn place_zone(
        &mut self,
        hosting: &Arc<Hosting>,
        records: &Arc<ZoneRecords>,
    ) -> Result<(), Contradiction> {
        self.check_hosting(hosting)?;
        let all = records.records.iter().map(|record| record.resource_record()).collect();
        let zone = Zone::try_new(hosting.id, hosting.apex.clone(), all);
        let zone = zone.map_err(|faults| invalid(&hosting.apex, &faults))?;
        place(&mut self.hostings, &mut self.apexes, Arc::clone(hosting), ZONES_MAX)?;
        self.zones.put(zone);
        self.records.put_shared(Arc::clone(records));
        // A zone below another may take names over, and delegate them.
        self.load_balancers.iter().try_for_each(|load_balancer| self.check_load_balancer(load_balancer))
    }

    /// Puts a monitor in its place.
    pub(super) fn place_monitor(&mut self, monitor: Arc<Monitor>) -> Result<(), Contradiction> {
        place(&mut self.monitors, &mut self.monitor_names, monitor, MONITORS_MAX)
    }

    /// Puts a monitor group in its place.
    pub(super) fn place_monitor_group(&mut self, group: Arc<MonitorGroup>) -> Result<(), Contradiction> {
        self.check_monitor_group(&group)?;
        place(&mut self.monitor_groups, &mut self.monitor_group_names, group, MONITOR_GROUPS_MAX)
    }

    /// Puts a pool in its place.
    pub(super) fn place_pool(&mut self, pool: Arc<Pool>) -> Result<(), Contradiction> {
        self.check_pool(&pool)?;
        let (id, before) = (pool.id, self.pools.find(pool.id).cloned());
        place(&mut self.pools, &mut self.pool_names, pool, POOLS_MAX)?;
        self.hosts.renew(before.as_deref(), self.pools.find(id).map(Arc::as_ref));
        Ok(())
    }

    /// Puts a load balancer in its place.
    pub(super) fn place_load_balancer(&mut self, load_balancer: Arc<LoadBalancer>) -> Result<(), Contradiction> {
        self.check_load_balancer(&load_balancer)?;
        place(&mut self.load_balancers, &mut self.load_balancer_names, load_balancer, LOAD_BALANCERS_MAX)
    }

    /// Puts the levers of a pool in their place.
    pub(super) fn place_levers(&mut self, levers: Arc<Levers>) -> Result<(), Contradiction> {
        if self.pools.find(levers.pool).is_none() {
            return Err(Contradiction::LeversWithoutPool(levers.pool));
        }
        self.levers.put_shared(levers);
        Ok(())
    }

    /// The stamp of an object that is put in its place at `now`.
    fn restamp<T: Noun>(
        &self,
        object: &T,
        stamps: &IdMap<Stamp<T::Id>>,
        now: UnixMicros,
    ) -> Result<Stamp<T::Id>, Contradiction>
    where
        Stamp<T::Id>: Identified<Id = T::Id>,
    {
        self.check_writable(object.object())?;
        let before = stamps.find(object.id());
        let disabled = object.disabled(before.map(|before| &before.disabled), now);
        Ok(Stamp {
            id: object.id(),
            provenance: Provenance::Stored,
            created: before.map_or(now, |before| before.created),
            modified: now,
            revision: Revision(self.generation.0),
            disabled,
        })
    }

    /// Takes in the names of everything that differs from `before`.
    pub(super) fn index_names(&mut self, before: &Self) -> Result<(), Contradiction> {
        follow(&mut self.apexes, &before.hostings, &self.hostings)?;
        follow(&mut self.monitor_names, &before.monitors, &self.monitors)?;
        follow(&mut self.monitor_group_names, &before.monitor_groups, &self.monitor_groups)?;
        follow(&mut self.pool_names, &before.pools, &self.pools)?;
        self.hosts.follow(&before.pools, &self.pools);
        follow(&mut self.load_balancer_names, &before.load_balancers, &self.load_balancers)
    }
}

/// Why records make no zone.
fn invalid(apex: &Name, faults: &[ZoneFault]) -> Contradiction {
    let why = faults.iter().map(|fault| fault.why.to_string()).collect::<Vec<_>>().join("; ");
    Contradiction::Zone { zone: apex.clone(), why }
}

/// Puts an object in its place, if its name is free, and there are not too many.
fn place<T: Noun + Named>(
    objects: &mut IdMap<T>,
    names: &mut NameIndex<T::Id>,
    object: Arc<T>,
    max: usize,
) -> Result<(), Contradiction> {
    let before = objects.find(object.id()).cloned();
    if before.is_none() && objects.len() >= max {
        return Err(Contradiction::TooMany { kind: object.object().kind(), max });
    }
    match names.find(object.name_octets(), objects) {
        Some(id) if id == object.id() => {}
        Some(id) => return Err(not_unique(&*object, objects, id)),
        None => names.rename(before.as_deref(), &*object),
    }
    objects.put_shared(object);
    Ok(())
}

/// Takes an object out, and its name.
fn remove<T: Noun + Named>(objects: &mut IdMap<T>, names: &mut NameIndex<T::Id>, id: T::Id) {
    if let Some(object) = objects.remove(id) {
        names.forget(&*object);
    }
}

/// Takes in the names of what differs.
fn follow<T: Noun + Named>(
    names: &mut NameIndex<T::Id>,
    before: &IdMap<T>,
    after: &IdMap<T>,
) -> Result<(), Contradiction> {
    names.follow(before, after).map_err(|(new, holder)| not_unique(&*new, after, holder))
}

/// Two objects of one kind have one name.
fn not_unique<T: Noun + Named>(object: &T, objects: &IdMap<T>, holder: T::Id) -> Contradiction {
    let holder = objects.find(holder).map_or_else(|| object.object(), |holder| holder.object());
    Contradiction::NotUnique { field: "name", value: object.shown_name(), holder }
}
