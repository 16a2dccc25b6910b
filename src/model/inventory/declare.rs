//! What a configuration declares, put under what the API made.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::hosting::{Hosting, Sharing};
use crate::model::id::{ObjectId, ZoneId};
use crate::model::inventory::change::{Contradiction, Declared};
use crate::model::inventory::id_map::{IdMap, Identified};
use crate::model::inventory::noun::Noun;
use crate::model::inventory::stored::{SetAside, Stored, StoredObject, ZoneRecords};
use crate::model::inventory::{Generation, Inventory, Stamps};
use crate::model::monitor_group::MonitorGroup;
use crate::model::stamp::{Provenance, Revision, Stamp, UnixMicros};
use crate::model::zone::Zone;

/// What becomes of objects of the API that contradict what is declared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Conflicts {
    /// What is live stays live, or nothing is declared.
    Refused,
    /// They are set aside.
    SetAside,
}

/// What names an object whose file is not known.
const SOME_FILE: &str = "the configuration";

impl Inventory {
    /// Takes in what a store has kept. It waits until something is declared.
    pub(super) fn restore(&mut self, generation: Generation, objects: Vec<Stored>) {
        self.generation = self.generation.max(generation);
        let waiting = objects.into_iter().map(|stored| SetAside { stored, why: "nothing is declared yet".to_owned() });
        let mut all = self.set_aside.to_vec();
        all.extend(waiting);
        self.set_aside = Arc::new(all);
    }

    /// Replaces everything that is declared, and puts what the API made over it, as far as that goes.
    pub(super) fn declare(
        &mut self,
        declared: Declared,
        conflicts: Conflicts,
        now: UnixMicros,
    ) -> Result<(), Contradiction> {
        let before = self.clone();
        let live: HashSet<ObjectId> = before.stored().map(|stored| stored.object.id()).collect();
        let mut stored: Vec<Stored> = before.stored().collect();
        stored.extend(before.set_aside.iter().map(|aside| aside.stored.clone()));
        stored.sort_by_key(|stored| stored.object.rank());
        self.declare_alone(declared, now)?;
        let mut set_aside = Vec::new();
        for one in stored {
            if self.adopt(&one) {
                continue;
            }
            if let Err(why) = self.put_stored(&one) {
                let why = match why {
                    Contradiction::ReadOnly { file, .. } => format!("{file} declares it too, and says something else"),
                    why => why.to_string(),
                };
                set_aside.push(SetAside { stored: one, why });
            }
        }
        if conflicts == Conflicts::Refused {
            let refused = set_aside.iter().filter(|aside| live.contains(&aside.stored.object.id()));
            let refused: Vec<_> = refused
                .map(|aside| (aside.stored.object.id(), aside.stored.object.name(), aside.why.clone()))
                .collect();
            if !refused.is_empty() {
                return Err(Contradiction::WouldSetAside(refused));
            }
        }
        self.set_aside = Arc::new(set_aside);
        Ok(())
    }

    /// What the API made and is live, in order of kind.
    pub fn stored(&self) -> impl Iterator<Item = Stored> {
        /// An object with its stamp.
        fn with<I>(object: StoredObject, stamp: &Stamp<I>) -> Stored {
            let Stamp { id: _, provenance: _, created, modified, revision, disabled } = stamp;
            Stored { object, created: *created, modified: *modified, revision: *revision, disabled: disabled.clone() }
        }
        let zones = stored_stamps(&self.stamps.zones).filter_map(|stamp| {
            let object =
                StoredObject::Zone(self.hostings.find(stamp.id)?.clone(), self.records.find(stamp.id)?.clone());
            Some(with(object, stamp))
        });
        let monitors = stored_stamps(&self.stamps.monitors)
            .filter_map(|stamp| Some(with(StoredObject::Monitor(self.monitors.find(stamp.id)?.clone()), stamp)));
        let groups = stored_stamps(&self.stamps.monitor_groups).filter_map(|stamp| {
            Some(with(StoredObject::MonitorGroup(self.monitor_groups.find(stamp.id)?.clone()), stamp))
        });
        let pools = stored_stamps(&self.stamps.pools)
            .filter_map(|stamp| Some(with(StoredObject::Pool(self.pools.find(stamp.id)?.clone()), stamp)));
        let load_balancers = stored_stamps(&self.stamps.load_balancers).filter_map(|stamp| {
            let object = StoredObject::LoadBalancer(self.load_balancers.find(stamp.id)?.clone());
            Some(with(object, stamp))
        });
        let levers = stored_stamps(&self.stamps.levers)
            .filter_map(|stamp| Some(with(StoredObject::Levers(self.levers.find(stamp.id)?.clone()), stamp)));
        zones.chain(monitors).chain(groups).chain(pools).chain(load_balancers).chain(levers)
    }

    /// Objects that the API made in `before`, and that files declare now.
    pub fn adopted_since(&self, before: &Self) -> Vec<ObjectId> {
        let was_made = before.stored().map(|stored| stored.object.id());
        let was_aside = before.set_aside.iter().map(|aside| aside.stored.object.id());
        let is_aside: HashSet<ObjectId> = self.set_aside.iter().map(|aside| aside.stored.object.id()).collect();
        let is_adopted = |object: &ObjectId| self.declared_in(*object).is_some() && !is_aside.contains(object);
        was_made.chain(was_aside).filter(is_adopted).collect()
    }

    /// Leaves an object of the API to the file that declares it just as it is; says whether one does. It was made when it
    /// was made, whoever says so now.
    fn adopt(&mut self, stored: &Stored) -> bool {
        /// Has a stamp say since when its object is there.
        macro_rules! inherit {
            ($stamps:ident, $id:expr) => {
                if let Some(stamp) = self.stamps.$stamps.find($id).cloned() {
                    let (created, disabled) = (stored.created, stored.disabled.clone());
                    self.stamps.$stamps.put(Stamp { created, disabled, ..Stamp::clone(&stamp) });
                }
            };
        }
        if self.declared_in(stored.object.id()).is_none() {
            return false;
        }
        let is_same = match &stored.object {
            StoredObject::Zone(hosting, records) => self.says_zone(hosting, records),
            StoredObject::Monitor(one) => self.monitors.find(one.id) == Some(one),
            StoredObject::MonitorGroup(one) => {
                let is_same = self.monitor_groups.find(one.id).is_some_and(|there| there.says(one));
                if is_same {
                    // With the times of its members.
                    self.monitor_groups.put_shared(Arc::clone(one));
                }
                is_same
            }
            StoredObject::Pool(one) => self.pools.find(one.id) == Some(one),
            StoredObject::LoadBalancer(one) => self.load_balancers.find(one.id) == Some(one),
            StoredObject::Levers(_) => false,
        };
        match (is_same, stored.object.id()) {
            (true, ObjectId::Zone(id)) => inherit!(zones, id),
            (true, ObjectId::Monitor(id)) => inherit!(monitors, id),
            (true, ObjectId::MonitorGroup(id)) => inherit!(monitor_groups, id),
            (true, ObjectId::Pool(id)) => inherit!(pools, id),
            (true, ObjectId::LoadBalancer(id)) => inherit!(load_balancers, id),
            (true, ObjectId::Record(..) | ObjectId::Levers(_)) | (false, _) => {}
        }
        is_same
    }

    /// Whether a zone is declared with just these records. Who has to do with it is no part of what the API made.
    fn says_zone(&self, hosting: &Hosting, records: &ZoneRecords) -> bool {
        let (Some(there), Some(zone)) = (self.hostings.find(hosting.id), self.zones.find(hosting.id)) else {
            return false;
        };
        let Hosting { allow_query, allow_transfer, notify, .. } = Hosting::clone(there);
        let sharing = Sharing { allow_query, allow_transfer, notify };
        let all = records.records.iter().map(|record| record.resource_record()).collect();
        hosting.clone().shared_with(&sharing) == **there
            && Zone::try_new(hosting.id, hosting.apex.clone(), all).is_ok_and(|made| made == **zone)
    }

    /// Makes the inventory what is declared and nothing else.
    fn declare_alone(&mut self, declared: Declared, now: UnixMicros) -> Result<(), Contradiction> {
        let Declared {
            keys,
            mut hostings,
            mut zones,
            monitors,
            monitor_groups,
            pools,
            load_balancers,
            sharing,
            files,
            written,
        } = declared;
        let before = self.clone();
        let hosted: HashSet<ZoneId> = hostings.iter().map(|hosting| hosting.id).collect();
        let plain = zones.iter().filter(|zone| !hosted.contains(&zone.id));
        hostings.extend(plain.map(|zone| Hosting::declared(zone.id, zone.apex().clone())));
        // What has been transferred stays as long as we are a secondary of it. What was declared was never its primaries'
        // word: such a zone is not there until it has been transferred.
        let stays = |hosting: &&Hosting| hosting.primaries().is_some() && self.check_secondary(hosting.id).is_ok();
        zones.extend(hostings.iter().filter(stays).filter_map(|hosting| self.zones.find(hosting.id)).cloned());
        self.sharing = Arc::new(sharing);
        self.keys = Arc::new(keys.into_iter().map(|key| (key.name.clone(), key)).collect());
        self.hostings = replaced(&self.hostings, hostings.into_iter().map(Arc::new), ObjectId::Zone)?;
        self.zones = replaced(&self.zones, zones.into_iter(), ObjectId::Zone)?;
        self.records = IdMap::<ZoneRecords>::default();
        let is_secondary = |id: &&ZoneId| self.check_secondary(**id).is_ok();
        self.expired = Arc::new(self.expired.iter().filter(is_secondary).copied().collect());
        self.monitors = replaced(&self.monitors, monitors.into_iter().map(Arc::new), ObjectId::Monitor)?;
        let declaring = Declaring {
            files: &files,
            written: &written,
            some_file: SOME_FILE.into(),
            now,
            revision: Revision(self.generation.0),
        };
        // Members keep their times, so that a group that says the same is the same.
        let dated = |group: MonitorGroup| {
            let old = before.monitor_groups.find(group.id).map(Arc::as_ref);
            let since = declaring.since(ObjectId::MonitorGroup(group.id));
            Arc::new(group.dated(old, since))
        };
        self.monitor_groups =
            replaced(&self.monitor_groups, monitor_groups.into_iter().map(dated), ObjectId::MonitorGroup)?;
        self.pools = replaced(&self.pools, pools.into_iter().map(Arc::new), ObjectId::Pool)?;
        self.load_balancers =
            replaced(&self.load_balancers, load_balancers.into_iter().map(Arc::new), ObjectId::LoadBalancer)?;
        self.levers = IdMap::default();
        self.index_names(&before)?;
        self.hostings.iter().try_for_each(|hosting| self.check_hosting(hosting))?;
        self.monitor_groups.iter().try_for_each(|group| self.check_monitor_group(group))?;
        self.pools.iter().try_for_each(|pool| self.check_pool(pool))?;
        self.load_balancers.iter().try_for_each(|load_balancer| self.check_load_balancer(load_balancer))?;

        let stamps = &before.stamps;
        let same_zone = |hosting: &Hosting| {
            let zones = [&before.zones, &self.zones].map(|zones| zones.find(hosting.id).map(Arc::as_ptr));
            zones.first() == zones.last()
        };
        self.stamps = Stamps {
            zones: declaring.stamps(&self.hostings, &before.hostings, &stamps.zones, same_zone),
            monitors: declaring.stamps(&self.monitors, &before.monitors, &stamps.monitors, |_| true),
            monitor_groups: {
                let before_stamps = &stamps.monitor_groups;
                declaring.stamps(&self.monitor_groups, &before.monitor_groups, before_stamps, |_| true)
            },
            pools: declaring.stamps(&self.pools, &before.pools, &stamps.pools, |_| true),
            load_balancers: {
                let before_stamps = &stamps.load_balancers;
                declaring.stamps(&self.load_balancers, &before.load_balancers, before_stamps, |_| true)
            },
            levers: IdMap::default(),
        };
        Ok(())
    }

    /// Puts an object of the API where it was, with its stamp, or says why it cannot be.
    fn put_stored(&mut self, stored: &Stored) -> Result<(), Contradiction> {
        let Stored { object, created, modified, revision, disabled } = stored;
        /// A stamp with what is kept.
        macro_rules! stamp {
            ($id:expr) => {
                Stamp {
                    id: $id,
                    provenance: Provenance::Stored,
                    created: *created,
                    modified: *modified,
                    revision: *revision,
                    disabled: disabled.clone(),
                }
            };
        }
        self.check_writable(object.id())?;
        match object {
            StoredObject::Zone(hosting, records) => {
                // What the configuration says of such zones holds now, whenever they were made.
                let shared = Hosting::clone(hosting).shared_with(&self.sharing);
                let hosting = if shared == **hosting { Arc::clone(hosting) } else { Arc::new(shared) };
                self.place_zone(&hosting, records)?;
                self.stamps.zones.put(stamp!(hosting.id));
            }
            StoredObject::Monitor(monitor) => {
                self.place_monitor(Arc::clone(monitor))?;
                self.stamps.monitors.put(stamp!(monitor.id));
            }
            StoredObject::MonitorGroup(group) => {
                self.place_monitor_group(Arc::clone(group))?;
                self.stamps.monitor_groups.put(stamp!(group.id));
            }
            StoredObject::Pool(pool) => {
                self.place_pool(Arc::clone(pool))?;
                self.stamps.pools.put(stamp!(pool.id));
            }
            StoredObject::LoadBalancer(load_balancer) => {
                self.place_load_balancer(Arc::clone(load_balancer))?;
                self.stamps.load_balancers.put(stamp!(load_balancer.id));
            }
            StoredObject::Levers(levers) => {
                self.place_levers(Arc::clone(levers))?;
                self.stamps.levers.put(stamp!(levers.pool));
            }
        }
        Ok(())
    }
}

/// What declared objects are stamped with.
struct Declaring<'d> {
    /// The file of each.
    files: &'d HashMap<ObjectId, Arc<str>>,
    /// When files were written.
    written: &'d HashMap<Arc<str>, UnixMicros>,
    /// The file of others.
    some_file: Arc<str>,
    /// When they are declared.
    now: UnixMicros,
    /// The revision of those that are new or changed.
    revision: Revision,
}

impl Declaring<'_> {
    /// The file of an object.
    fn file(&self, object: ObjectId) -> &Arc<str> {
        self.files.get(&object).unwrap_or(&self.some_file)
    }

    /// Since when an object is declared that is new or another: not at each start anew. A file of tomorrow is one whose clock
    /// was wrong.
    fn since(&self, object: ObjectId) -> UnixMicros {
        self.written.get(self.file(object)).map_or(self.now, |written| *written.min(&self.now))
    }

    /// Stamps for `objects`: those of objects that have not changed stay, but for their file.
    fn stamps<T: Noun>(
        &self,
        objects: &IdMap<T>,
        before: &IdMap<T>,
        stamps: &IdMap<Stamp<T::Id>>,
        is_same: impl Fn(&T) -> bool,
    ) -> IdMap<Stamp<T::Id>>
    where
        Stamp<T::Id>: Identified<Id = T::Id> + PartialEq,
    {
        let mut all = IdMap::default();
        for object in objects.iter() {
            let id = object.id();
            let since = self.since(object.object());
            let provenance = Provenance::Declared { file: Arc::clone(self.file(object.object())) };
            let old = stamps.find(id).filter(|old| old.file().is_some());
            let stays = before.find(id).is_some_and(|before| Arc::ptr_eq(before, object)) && is_same(object);
            match old {
                Some(old) if stays && old.provenance == provenance => {
                    all.put_shared(Arc::clone(old));
                }
                Some(old) if stays => all.put(Stamp { provenance, ..Stamp::clone(old) }),
                _ => {
                    let created = old.map_or(since, |old| old.created);
                    let disabled = object.disabled(old.map(|old| &old.disabled), self.now);
                    all.put(Stamp {
                        id,
                        provenance,
                        created,
                        modified: since.max(created),
                        revision: self.revision,
                        disabled,
                    });
                }
            }
        }
        all
    }
}

/// The stamps of what the API made.
fn stored_stamps<I>(stamps: &IdMap<Stamp<I>>) -> impl Iterator<Item = &Arc<Stamp<I>>>
where
    Stamp<I>: Identified,
{
    stamps.iter().filter(|stamp| stamp.file().is_none())
}

/// `objects` in place of those of `before`, which keep what is equal.
fn replaced<T: Noun + PartialEq>(
    before: &IdMap<T>,
    objects: impl ExactSizeIterator<Item = Arc<T>>,
    object: fn(T::Id) -> ObjectId,
) -> Result<IdMap<T>, Contradiction> {
    let twice = |id: T::Id| Contradiction::NotUnique { field: "id", value: id.to_string(), holder: object(id) };
    before.replaced(objects).map_err(twice)
}
