//! Objects of the API as rows: which row an object has, and what of an inventory stands in it.

use std::collections::BTreeSet;

use redb::{TableDefinition, WriteTransaction};

use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, ObjectId, PoolId, RecordId, TokenId, ZoneId};
use crate::model::inventory::{Change, Commit, Inventory, Stored, StoredObject};
use crate::model::stamp::{Provenance, Stamp};
use crate::spec::row;

/// A table of rows by key, by its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rows(pub(super) &'static str);

/// Zones by id, without their records.
pub(super) const ZONES: Rows = Rows("zones");
/// Records by their zone's id and their own.
pub(super) const RECORDS: Rows = Rows("records");
/// Monitors by id.
pub(super) const MONITORS: Rows = Rows("monitors");
/// Monitor groups by id.
pub(super) const MONITOR_GROUPS: Rows = Rows("monitor_groups");
/// Pools by id.
pub(super) const POOLS: Rows = Rows("pools");
/// Load balancers by id.
pub(super) const LOAD_BALANCERS: Rows = Rows("load_balancers");
/// Levers by pool.
pub(super) const LEVERS: Rows = Rows("levers");
/// Tokens by id.
pub(super) const TOKENS: Rows = Rows("tokens");

impl Rows {
    /// The table as redb has it.
    pub(super) const fn definition(self) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
        TableDefinition::new(self.0)
    }
}

/// The objects whose rows a commit may change.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    /// Objects.
    pub(super) objects: BTreeSet<ObjectId>,
    /// Zones of which every record is touched.
    pub(super) whole_zones: BTreeSet<ZoneId>,
    /// Tokens.
    pub(super) tokens: BTreeSet<TokenId>,
    /// Whether a pool goes, and with it what load balancers say of it beside their references.
    pool_goes: bool,
}

impl Touched {
    /// What a commit names.
    pub(super) fn by(commit: &Commit) -> Self {
        let mut touched = Self::default();
        for step in &commit.steps {
            touched.objects.extend(step.change.object());
            match &step.change {
                Change::CreateZone { hosting, .. } => {
                    touched.whole_zones.insert(hosting.id);
                }
                Change::Delete(ObjectId::Zone(id)) | Change::Forget(ObjectId::Zone(id)) => {
                    touched.whole_zones.insert(*id);
                }
                Change::Delete(ObjectId::Pool(_)) => touched.pool_goes = true,
                _ => {}
            }
        }
        touched
    }

    /// Objects, each as a whole.
    pub(super) fn of(objects: Vec<ObjectId>) -> Self {
        let whole_zones = objects.iter().filter_map(|object| match object {
            ObjectId::Zone(id) => Some(*id),
            _ => None,
        });
        Self { whole_zones: whole_zones.collect(), objects: objects.into_iter().collect(), ..Self::default() }
    }

    /// Adds what the commit changed without naming it.
    pub(super) fn follow(&mut self, before: &Inventory, after: &Inventory) {
        if self.pool_goes {
            let edited = after.load_balancers.differences(&before.load_balancers);
            self.objects.extend(edited.into_iter().map(ObjectId::LoadBalancer));
            let levers = after.levers.differences(&before.levers);
            self.objects.extend(levers.into_iter().map(ObjectId::Levers));
        }
    }

    /// Whether no row is touched.
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.whole_zones.is_empty() && self.tokens.is_empty()
    }

    /// Adds what others touch.
    pub(super) fn extend(&mut self, other: Self) {
        let Self { objects, whole_zones, tokens, pool_goes: _ } = other;
        self.objects.extend(objects);
        self.whole_zones.extend(whole_zones);
        self.tokens.extend(tokens);
    }

    /// Has the rows of everything touched but tokens say what `inventory` does.
    pub(super) fn write(&self, transaction: &WriteTransaction, inventory: &Inventory) -> Result<(), redb::Error> {
        for rows in [ZONES, RECORDS, MONITORS, MONITOR_GROUPS, POOLS, LOAD_BALANCERS, LEVERS] {
            let mut objects = self.objects.iter().filter(|object| table(**object) == rows).peekable();
            if objects.peek().is_none() {
                continue;
            }
            let mut table = transaction.open_table(rows.definition())?;
            for object in objects {
                match row(inventory, *object) {
                    Some(text) => drop(table.insert(key(*object).as_slice(), text.as_slice())?),
                    None => drop(table.remove(key(*object).as_slice())?),
                }
            }
        }
        self.whole_zones.iter().try_for_each(|zone| write_records(transaction, inventory, *zone))
    }
}

/// Has the rows of a zone's records say what `inventory` does.
fn write_records(transaction: &WriteTransaction, inventory: &Inventory, zone: ZoneId) -> Result<(), redb::Error> {
    let mut table = transaction.open_table(RECORDS.definition())?;
    let first = record_key(zone, RecordId::random(0));
    let last = record_key(zone, RecordId::random(u128::MAX));
    table.retain_in(first.as_slice()..=last.as_slice(), |_, _| false)?;
    let Some(Stored { object: StoredObject::Zone(_, records), .. }) = stored(inventory, ObjectId::Zone(zone)) else {
        return Ok(());
    };
    for record in records.records.iter() {
        table.insert(record_key(zone, record.id).as_slice(), row::build_record(record).as_slice())?;
    }
    Ok(())
}

/// The table that an object's row is in.
fn table(object: ObjectId) -> Rows {
    match object {
        ObjectId::Zone(_) => ZONES,
        ObjectId::Record(..) => RECORDS,
        ObjectId::Monitor(_) => MONITORS,
        ObjectId::MonitorGroup(_) => MONITOR_GROUPS,
        ObjectId::Pool(_) => POOLS,
        ObjectId::LoadBalancer(_) => LOAD_BALANCERS,
        ObjectId::Levers(_) => LEVERS,
    }
}

/// The key of an object's row: its id, big-endian, so that rows stand in the order of ids as text.
pub(super) fn key(object: ObjectId) -> Vec<u8> {
    match object {
        ObjectId::Zone(id) => id.bits().to_be_bytes().into(),
        ObjectId::Record(zone, id) => record_key(zone, id),
        ObjectId::Monitor(id) => id.bits().to_be_bytes().into(),
        ObjectId::MonitorGroup(id) => id.bits().to_be_bytes().into(),
        ObjectId::Pool(id) => id.bits().to_be_bytes().into(),
        ObjectId::LoadBalancer(id) => id.bits().to_be_bytes().into(),
        ObjectId::Levers(pool) => pool.bits().to_be_bytes().into(),
    }
}

/// The key of a record's row.
fn record_key(zone: ZoneId, id: RecordId) -> Vec<u8> {
    [zone.bits().to_be_bytes(), id.bits().to_be_bytes()].concat()
}

/// What the row of an object says in an inventory; none if it has none: because it is gone, or declared.
pub(super) fn row(inventory: &Inventory, object: ObjectId) -> Option<Vec<u8>> {
    if let ObjectId::Record(zone, id) = object {
        let Stored { object: StoredObject::Zone(_, records), .. } = stored(inventory, ObjectId::Zone(zone))? else {
            return None;
        };
        return records.records.find(id).map(|record| row::build_record(record));
    }
    stored(inventory, object).map(|stored| row::build(&stored))
}

/// The name of an object of the API; none if there is no such object.
pub(super) fn name(inventory: &Inventory, object: ObjectId) -> Option<String> {
    if let ObjectId::Record(zone, id) = object {
        let Stored { object: StoredObject::Zone(_, records), .. } = stored(inventory, ObjectId::Zone(zone))? else {
            return None;
        };
        return records.records.find(id).map(|record| record.owner.to_string());
    }
    stored(inventory, object).map(|stored| stored.object.name())
}

/// An object of the API, whether it is live or set aside; a record is its zone's.
fn stored(inventory: &Inventory, object: ObjectId) -> Option<Stored> {
    live(inventory, object).or_else(|| {
        let aside = inventory.set_aside.iter().find(|aside| aside.stored.object.id() == object);
        aside.map(|aside| aside.stored.clone())
    })
}

/// An object of the API that is live.
fn live(inventory: &Inventory, object: ObjectId) -> Option<Stored> {
    let stamps = &inventory.stamps;
    match object {
        ObjectId::Zone(id) => {
            let hosting = inventory.hostings.find(id)?.clone();
            let records = inventory.records.find(id)?.clone();
            stamped(StoredObject::Zone(hosting, records), stamps.zones.find(id)?)
        }
        ObjectId::Record(..) => None,
        ObjectId::Monitor(id) => {
            stamped(StoredObject::Monitor(inventory.monitors.find(id)?.clone()), stamps.monitors.find(id)?)
        }
        ObjectId::MonitorGroup(id) => {
            let object = StoredObject::MonitorGroup(inventory.monitor_groups.find(id)?.clone());
            stamped(object, stamps.monitor_groups.find(id)?)
        }
        ObjectId::Pool(id) => stamped(StoredObject::Pool(inventory.pools.find(id)?.clone()), stamps.pools.find(id)?),
        ObjectId::LoadBalancer(id) => {
            let object = StoredObject::LoadBalancer(inventory.load_balancers.find(id)?.clone());
            stamped(object, stamps.load_balancers.find(id)?)
        }
        ObjectId::Levers(id) => {
            stamped(StoredObject::Levers(inventory.levers.find(id)?.clone()), stamps.levers.find(id)?)
        }
    }
}

/// An object with its stamp, if the API made it.
fn stamped<I>(object: StoredObject, stamp: &Stamp<I>) -> Option<Stored> {
    let Stamp { id: _, provenance, created, modified, revision, disabled } = stamp;
    let (created, modified, revision) = (*created, *modified, *revision);
    let is_stored = *provenance == Provenance::Stored;
    is_stored.then(|| Stored { object, created, modified, revision, disabled: disabled.clone() })
}

/// An object that was given with its kind in words and its id as text.
pub(super) fn object(kind: &str, id: &str, zone: Option<&str>) -> Option<ObjectId> {
    match kind {
        "zone" => ZoneId::parse(id).map(ObjectId::Zone),
        "dns_record" => Some(ObjectId::Record(ZoneId::parse(zone?)?, RecordId::parse(id)?)),
        "monitor" => MonitorId::parse(id).map(ObjectId::Monitor),
        "monitor_group" => MonitorGroupId::parse(id).map(ObjectId::MonitorGroup),
        "pool" => PoolId::parse(id).map(ObjectId::Pool),
        "load_balancer" => LoadBalancerId::parse(id).map(ObjectId::LoadBalancer),
        "levers" => PoolId::parse(id).map(ObjectId::Levers),
        _ => None,
    }
}
