//! All declared objects of some documents: which there are, that names are unique and references lead somewhere.
//!
//! Objects may stand in any order and any document, so names are collected first; what refers is read after what it
//! refers to.

use std::collections::hash_map::Entry as MapEntry;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use crate::model::hosting::{Hosting, Sharing, TransferLive};
use crate::model::id::{MonitorGroupId, MonitorId, ObjectId, PoolId};
use crate::model::inventory::{Declared, Inventory};
use crate::model::limits::{LOAD_BALANCERS_MAX, MONITOR_GROUPS_MAX, MONITORS_MAX, POOLS_MAX, TSIG_KEYS_MAX, ZONES_MAX};
use crate::model::load_balancer::LoadBalancer;
use crate::model::monitor_group::MonitorGroup;
use crate::model::name::Name;
use crate::model::pool::Pool;
use crate::model::svcb::autos;
use crate::model::tree::{Node, Table, Value};
use crate::model::zone::Zone;
use crate::spec::fault::{Fault, Faults, Place};
use crate::spec::fields::{Path, Spot};
use crate::spec::identity::{Id, Identity};
use crate::spec::monitor::PemFiles;
use crate::spec::references::Names;
use crate::spec::warnings::{self, Surroundings};
use crate::spec::zone_file::ZoneFiles;
use crate::spec::{key, load_balancer, monitor, monitor_group, pool, zone};

/// The arrays of objects that every document may have.
pub const ARRAYS: [&str; 6] = ["keys", "zones", "monitors", "monitor_groups", "pools", "load_balancers"];

/// Who finds the files that objects name.
pub trait Files: ZoneFiles + PemFiles {}

impl<T: ZoneFiles + PemFiles> Files for T {}

/// One of the documents that are parsed together; its index is the `source` of every [`Place`] in it.
#[derive(Clone, Copy)]
pub struct Document<'t> {
    /// Its index.
    pub source: usize,
    /// Its root.
    pub root: &'t Table,
    /// What messages call it.
    pub name: &'t str,
}

/// Whether all documents are at hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All are: a name that nothing has is a fault.
    Complete,
    /// Some could not be read: a name that nothing has may be in one of them.
    Partial,
}

/// An object that stands in an array of a document.
#[derive(Clone, Copy)]
struct Item<'t> {
    /// Index of the document.
    source: usize,
    /// Index in the array.
    index: usize,
    /// The object.
    node: &'t Node,
}

impl<'t> Item<'t> {
    /// Calls `read` with the object's place; `array` is its array's name.
    fn read<R>(&self, array: &str, read: impl FnOnce(Spot<'_, 't>) -> R) -> R {
        let path = Path::ROOT.key(array);
        read(Spot { source: self.source, path: &path.index(self.index), node: self.node })
    }

    /// The node of its name.
    fn name(&self) -> Option<&'t Node> {
        self.value("name")
    }

    /// The node of one of its keys.
    fn value(&self, key: &str) -> Option<&'t Node> {
        match &self.node.value {
            Value::Table(table) => table.entry(key).map(|entry| &entry.node),
            _ => None,
        }
    }

    /// The id that it says, if it says one.
    fn said_id<I: Id>(&self) -> Option<I> {
        match &self.value("id")?.value {
            Value::String(text) => I::of_text(text),
            _ => None,
        }
    }
}

/// Parses the objects of documents; what else stands in them is not looked at. None if there is any fault.
pub fn parse(
    documents: &[Document<'_>],
    extent: Extent,
    files: &mut dyn Files,
    faults: &mut Faults,
) -> Option<Declared> {
    parse_all(documents, (extent, None), files, faults)
}

/// Parses the objects of documents that are to come beside those of an inventory, which they may name.
pub fn parse_beside(
    documents: &[Document<'_>],
    inventory: &Inventory,
    files: &mut dyn Files,
    faults: &mut Faults,
) -> Option<Declared> {
    parse_all(documents, (Extent::Partial, Some(inventory)), files, faults)
}

/// Parses the objects of documents, which may name those of an inventory, if there is one.
fn parse_all<'t>(
    documents: &[Document<'t>],
    (extent, beside): (Extent, Option<&'t Inventory>),
    files: &mut dyn Files,
    faults: &mut Faults,
) -> Option<Declared> {
    let before = faults.len();
    let [keys, zones, monitors, groups, pools, load_balancers] = ARRAYS;
    let key_items = items(documents, keys, TSIG_KEYS_MAX, faults);
    let zone_items = items(documents, zones, ZONES_MAX, faults);
    let monitor_items = items(documents, monitors, MONITORS_MAX, faults);
    let group_items = items(documents, groups, MONITOR_GROUPS_MAX, faults);
    let pool_items = items(documents, pools, POOLS_MAX, faults);
    let load_balancer_items = items(documents, load_balancers, LOAD_BALANCERS_MAX, faults);

    let key_names: HashSet<Name> = unique_names(&key_items, keys, Name::parse, faults);
    let apexes: HashSet<Name> = unique_names(&zone_items, zones, Name::parse, faults);
    let live: HashSet<Name> = unique_names(&load_balancer_items, load_balancers, Name::parse, faults);
    // A name that nothing has is a fault where all are known.
    let named = if beside.is_some() { Extent::Complete } else { extent };
    let there = beside.into_iter().flat_map(|inventory| inventory.monitors.iter());
    let there = there.map(|monitor| (monitor.name.as_str(), monitor.id));
    let monitor_names: Names<'_, MonitorId> = names(&monitor_items, monitors, ("monitor", named), there, faults);
    let there = beside.into_iter().flat_map(|inventory| inventory.monitor_groups.iter());
    let there = there.map(|group| (group.name.as_str(), group.id));
    let group_names: Names<'_, MonitorGroupId> = names(&group_items, groups, ("monitor group", named), there, faults);
    let there = beside.into_iter().flat_map(|inventory| inventory.pools.iter());
    let there = there.map(|pool| (pool.name.as_str(), pool.id));
    let pool_names: Names<'_, PoolId> = names(&pool_items, pools, ("pool", named), there, faults);

    let key_names = (extent == Extent::Complete).then_some(&key_names);

    let sources: Vec<(usize, Arc<str>)> = documents.iter().map(|one| (one.source, Arc::from(one.name))).collect();
    let keys = each(&key_items, |item| item.read(keys, |spot| key::parse(spot, faults)));
    let surroundings = Surroundings { extent, live: &live, apexes: &apexes };
    let zones =
        each(&zone_items, |item| item.read(zones, |spot| zone::parse(spot, key_names, &surroundings, files, faults)));
    let monitors = each(&monitor_items, |item| {
        item.read(monitors, |spot| monitor::parse(spot, Identity::Declared, files, faults))
    });
    let monitor_groups = each(&group_items, |item| {
        item.read(groups, |spot| monitor_group::parse(spot, Identity::Declared, &monitor_names, faults))
    });
    let pools = each(&pool_items, |item| {
        item.read(pools, |spot| pool::parse(spot, Identity::Declared, &monitor_names, &group_names, faults))
    });
    for item in &pool_items {
        item.read(ARRAYS[4], |spot| pool::check_hosts(&spot, &live, faults));
    }
    let (hostings, zones): (Vec<_>, Vec<_>) = zones.into_iter().unzip();
    let zones: Vec<Arc<Zone>> = zones.into_iter().flatten().collect();
    let mut by_apex: load_balancer::Zones<'_> = HashMap::new();
    if let Some(inventory) = beside {
        let there = inventory.hostings.iter();
        by_apex.extend(there.map(|one| (&one.apex, inventory.zones.find(one.id).map(|zone| &**zone))));
    }
    by_apex.extend(apexes.iter().map(|apex| (apex, None)));
    by_apex.extend(zones.iter().map(|zone| (zone.apex(), Some(zone.as_ref()))));
    let by_apex = (named == Extent::Complete).then_some(&by_apex);
    let disabled: HashSet<PoolId> = pools.iter().filter(|pool| !pool.enabled).map(|pool| pool.id).collect();
    let around =
        load_balancer::Surroundings { zones: by_apex, pools: &pool_names, is_disabled: &|id| disabled.contains(&id) };
    let load_balancers = each(&load_balancer_items, |item| {
        item.read(load_balancers, |spot| load_balancer::parse(spot, Identity::Declared, &around, faults))
    });
    if faults.len() == before {
        let [_, zones, monitors_, groups_, pools_, load_balancers_] = ARRAYS;
        check_ids(&zone_items, zones, hostings.iter().map(|one| one.id), faults);
        check_ids(&monitor_items, monitors_, monitors.iter().map(|one| one.id), faults);
        check_ids(&group_items, groups_, monitor_groups.iter().map(|one| one.id), faults);
        check_ids(&pool_items, pools_, pools.iter().map(|one| one.id), faults);
        check_ids(&load_balancer_items, load_balancers_, load_balancers.iter().map(|one| one.id), faults);
    }
    if let Some(by_apex) = by_apex {
        warn_across(&zone_items, by_apex, &live, faults);
        warn_undelegated(&zone_items, by_apex, faults);
    }
    if extent == Extent::Complete && hostings.len() == zone_items.len() {
        check_copies(&zone_items, &hostings, &zones, &load_balancers, faults);
    }
    (faults.len() == before).then(|| {
        let file = |item: &Item<'_>| sources.iter().find(|(source, _)| *source == item.source).map(|(_, name)| name);
        let mut all = HashMap::new();
        // Without a fault, there is an object for each item.
        let mut add = |items: &[Item<'_>], ids: &mut dyn Iterator<Item = ObjectId>| {
            all.extend(items.iter().zip(ids).filter_map(|(item, id)| Some((id, Arc::clone(file(item)?)))));
        };
        add(&zone_items, &mut hostings.iter().map(|one| ObjectId::Zone(one.id)));
        add(&monitor_items, &mut monitors.iter().map(|one| ObjectId::Monitor(one.id)));
        add(&group_items, &mut monitor_groups.iter().map(|one| ObjectId::MonitorGroup(one.id)));
        add(&pool_items, &mut pools.iter().map(|one| ObjectId::Pool(one.id)));
        add(&load_balancer_items, &mut load_balancers.iter().map(|one| ObjectId::LoadBalancer(one.id)));
        Declared {
            keys,
            hostings,
            zones,
            monitors,
            monitor_groups,
            pools,
            load_balancers,
            sharing: Sharing::default(),
            files: all,
            written: HashMap::new(),
        }
    })
}

/// Warns, at the name of a zone, where it is within another of ours that does not delegate it.
fn warn_undelegated(items: &[Item<'_>], zones: &load_balancer::Zones<'_>, faults: &mut Faults) {
    if zones.len() < 2 {
        return;
    }
    for item in items {
        let Some(node) = item.name() else { continue };
        let Value::String(text) = &node.value else { continue };
        let Ok(apex) = Name::parse(text, None) else { continue };
        let around = std::iter::successors(apex.parent(), Name::parent).find_map(|name| zones.get(&name).copied());
        // The records of a zone that is transferred are not known here.
        let Some(why) = around.flatten().and_then(|parent| warnings::undelegated(parent, &apex)) else { continue };
        item.read("zones", |spot| faults.warn(spot.inner(&spot.path.key("name"), node).fault(why)));
    }
}

/// Warns, at the name of a zone, of hosts that it names in others of our zones.
fn warn_across(items: &[Item<'_>], zones: &load_balancer::Zones<'_>, live: &HashSet<Name>, faults: &mut Faults) {
    let zone_of = |item: &Item<'_>| {
        let Value::String(text) = &item.name()?.value else { return None };
        *zones.get(&Name::parse(text, None).ok()?)?
    };
    for (item, zone) in items.iter().filter_map(|item| Some((item, zone_of(item)?))) {
        for warning in warnings::across(zone, zones, live) {
            let node = item.name().unwrap_or(item.node);
            item.read("zones", |spot| {
                faults.warn(spot.inner(&spot.path.key("name"), node).fault(warning.why));
            });
        }
    }
}

/// The objects that could be read; a fault says why others could not.
fn each<'t, R>(items: &[Item<'t>], read: impl FnMut(&Item<'t>) -> Option<R>) -> Vec<R> {
    let mut all = Vec::with_capacity(items.len());
    all.extend(items.iter().filter_map(read));
    all
}

/// The objects of an array of all documents, at most `max`.
fn items<'t>(documents: &[Document<'t>], array: &str, max: usize, faults: &mut Faults) -> Vec<Item<'t>> {
    let mut items = Vec::new();
    for document in documents {
        let Some(entry) = document.root.entry(array) else { continue };
        let path = Path::ROOT.key(array);
        let spot = Spot { source: document.source, path: &path, node: &entry.node };
        match &entry.node.value {
            Value::Null => {}
            Value::Array(nodes) if items.len() + nodes.len() > max => {
                let at = Place { source: document.source, span: entry.key_span.clone() };
                faults.push(Fault::new(at, path, format!("there are too many; allowed: at most {max}")));
            }
            Value::Array(nodes) => {
                let of_document = nodes.iter().enumerate();
                items.extend(of_document.map(|(index, node)| Item { source: document.source, index, node }));
            }
            _ => faults.push(spot.not_allowed(format_args!("tables with the header [[{array}]]"))),
        }
    }
    items
}

/// The domain names of objects; one that occurs twice is a fault. What is no name gets its fault where it is read.
fn unique_names<E>(
    items: &[Item<'_>],
    array: &str,
    parse: fn(&str, Option<&Name>) -> Result<Name, E>,
    faults: &mut Faults,
) -> HashSet<Name> {
    let key = |text| parse(text, None).ok();
    first_places(items, array, key, faults).into_keys().collect()
}

/// The names of objects with their ids, and those that are there beside; one that occurs twice among the first is a fault.
fn names<'t, I: Id>(
    items: &[Item<'t>],
    array: &str,
    (kind, extent): (&'static str, Extent),
    there: impl Iterator<Item = (&'t str, I)>,
    faults: &mut Faults,
) -> Names<'t, I> {
    let said = |item: &Item<'t>| match &item.name()?.value {
        Value::String(name) => Some((name.as_str(), item.said_id()?)),
        _ => None,
    };
    let said: HashMap<&str, I> = items.iter().filter_map(said).collect();
    let firsts = first_places(items, array, Some, faults);
    let id = |name: &str| said.get(name).copied().unwrap_or_else(|| I::of_name(name));
    let here = firsts.into_keys().map(|name| (name, id(name)));
    Names::new(kind, there.chain(here).collect(), extent)
}

/// Adds a fault for each object whose id another has; `ids` are those of `items`. Names are different, so this can only
/// be where some object says its id.
fn check_ids<I: Id>(items: &[Item<'_>], array: &str, ids: impl Iterator<Item = I>, faults: &mut Faults) {
    if items.iter().all(|item| item.value("id").is_none()) {
        return;
    }
    let mut firsts: HashMap<I, Place> = HashMap::new();
    for (item, id) in items.iter().zip(ids) {
        let node = item.value("id").or_else(|| item.name()).unwrap_or(item.node);
        let place = Place { source: item.source, span: node.span.clone() };
        match firsts.entry(id) {
            MapEntry::Vacant(entry) => {
                entry.insert(place);
            }
            MapEntry::Occupied(entry) => item.read(array, |spot| {
                let why = format!("another of the {} has this id", array.replace('_', " "));
                let fault = Fault::new(place, spot.path.key("id"), why).found(id.to_string());
                faults.push(fault.first(entry.get().clone()));
            }),
        }
    }
}

/// Where each name is first; a fault for each that occurs again.
fn first_places<'t, K: Hash + Eq>(
    items: &[Item<'t>],
    array: &str,
    key: impl Fn(&'t str) -> Option<K>,
    faults: &mut Faults,
) -> HashMap<K, Place> {
    let mut firsts: HashMap<K, Place> = HashMap::with_capacity(items.len());
    for item in items {
        let Some(node) = item.name() else { continue };
        let Value::String(text) = &node.value else { continue };
        let Some(name) = key(text) else { continue };
        let place = Place { source: item.source, span: node.span.clone() };
        match firsts.entry(name) {
            MapEntry::Vacant(entry) => {
                entry.insert(place);
            }
            MapEntry::Occupied(entry) => item.read(array, |spot| {
                let why = format!("another of the {} has this name", array.replace('_', " "));
                let fault = Fault::new(place, spot.path.key("name"), why).found(node.shown());
                faults.push(fault.first(entry.get().clone()));
            }),
        }
    }
    firsts
}

/// A zone that is copied while its live names, or hints that it has of live names anywhere, follow health needs a serial
/// that does as well: otherwise secondaries would keep whatever they happened to get, under a serial that says they are
/// up to date.
fn check_copies(
    items: &[Item<'_>],
    hostings: &[Hosting],
    zones: &[Arc<Zone>],
    load_balancers: &[LoadBalancer],
    faults: &mut Faults,
) {
    let live: HashSet<&Name> =
        load_balancers.iter().filter(|load_balancer| load_balancer.enabled).map(|one| &one.name).collect();
    let by_apex: HashMap<&Name, usize> = hostings.iter().zip(0..).map(|(one, index)| (&one.apex, index)).collect();
    // The first live name of each zone.
    let mut firsts: HashMap<usize, &Name> = HashMap::new();
    for name in load_balancers.iter().map(|load_balancer| &load_balancer.name).filter(|name| live.contains(name)) {
        let mut ancestors = std::iter::successors(Some(name.clone()), Name::parent);
        if let Some(index) = ancestors.find_map(|apex| by_apex.get(&apex).copied()) {
            firsts.entry(index).or_insert(name);
        }
    }
    let zones: HashMap<_, &Zone> = zones.iter().map(|zone| (zone.id, &**zone)).collect();
    for (index, hosting) in hostings.iter().enumerate() {
        let is_frozen = hosting.transfer_live == TransferLive::Snapshot;
        if !hosting.is_shared() || hosting.has_auto_serial() || is_frozen {
            continue;
        }
        let hinted = || zones.get(&hosting.id).and_then(|zone| live_hint(zone, &live));
        let Some(name) = firsts.get(&index).map(|name| (*name).clone()).or_else(hinted) else { continue };
        let apex = &hosting.apex;
        let serial = match hosting.primaries() {
            None => "its serial does not change; set serial = \"auto\" so that copies follow, or",
            Some(_) => "its primary's serial does not change;",
        };
        let why = format!(
            "copies of the zone {apex} are allowed, but when load balancer {name} changes its answer, {serial} set \
             transfer_live = \"snapshot\" if copies may keep the answer of the moment they were made"
        );
        if let Some(item) = items.get(index) {
            item.read("zones", |spot| faults.push(spot.fault(why)));
        }
    }
}

/// The first live name whose addresses are hints in a zone: of hosts that it is, or as a wildcard stands in for.
fn live_hint(zone: &Zone, live: &HashSet<&Name>) -> Option<Name> {
    let hosts = zone.owners().iter().flat_map(|owner| autos(owner).filter_map(|svcb| svcb.host(&owner.name())));
    let wildcard = |parent: Name| Name::parse("*", Some(&parent)).ok();
    let mut names = hosts.flat_map(|host| {
        let ancestors = std::iter::successors(host.parent(), Name::parent);
        std::iter::once(host).chain(ancestors.filter_map(wildcard))
    });
    names.find(|name| live.contains(name))
}

/// Builds the root of a document that declares `declared`.
pub fn build(declared: &Declared) -> Table {
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
    let zones: HashMap<_, &Zone> = zones.iter().map(|zone| (zone.id, &**zone)).collect();
    let build_zone = |hosting: &Hosting| zone::build(hosting, zones.get(&hosting.id).copied());
    let monitor_names: HashMap<_, &str> = monitors.iter().map(|monitor| (monitor.id, &*monitor.name)).collect();
    let pool_names: HashMap<_, &str> = pools.iter().map(|pool| (pool.id, &*pool.name)).collect();
    let pool_name = |id: PoolId| pool_names.get(&id).copied();
    let monitor_name = |id: MonitorId| monitor_names.get(&id).map_or_else(|| id.to_string(), |name| (*name).to_owned());
    let array = |tables: Vec<Table>| {
        Node::built(Value::Array(tables.into_iter().map(|table| Node::built(Value::Table(table))).collect()))
    };
    let group_names: HashMap<_, &str> = monitor_groups.iter().map(|group| (group.id, &*group.name)).collect();
    let group_name =
        |id: MonitorGroupId| group_names.get(&id).map_or_else(|| id.to_string(), |name| (*name).to_owned());
    let build_group = |group: &MonitorGroup| monitor_group::build(group, monitor_name);
    let build_pool = |pool: &Pool| {
        let (monitor, group) = (pool.monitor.map(monitor_name), pool.monitor_group.map(group_name));
        pool::build(pool, monitor.as_deref(), group.as_deref())
    };
    let build_load_balancer = |load_balancer| load_balancer::build(load_balancer, pool_name);
    Table::default()
        .with("keys", array(keys.iter().map(key::build).collect()))
        .with("zones", array(hostings.iter().map(build_zone).collect()))
        .with("monitors", array(monitors.iter().map(monitor::build).collect()))
        .with("monitor_groups", array(monitor_groups.iter().map(build_group).collect()))
        .with("pools", array(pools.iter().map(build_pool).collect()))
        .with("load_balancers", array(load_balancers.iter().map(build_load_balancer).collect()))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::model::monitor::ClientFiles;
    use crate::spec::zone_file::Wanted;
    use crate::spec::{strategies, toml_text};

    /// No zone files at all, and paths as they are written.
    struct NoFiles;

    impl ZoneFiles for NoFiles {
        fn zone(&mut self, _: &Wanted<'_>, _: &mut Faults) -> Option<Arc<Zone>> {
            panic!("no zone here names a file");
        }
    }

    impl PemFiles for NoFiles {
        fn authorities(&mut self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<PathBuf> {
            spot.text(faults).map(PathBuf::from)
        }

        fn client(&mut self, certificate: Spot<'_, '_>, key: Spot<'_, '_>, faults: &mut Faults) -> Option<ClientFiles> {
            let [certificate, key] = [certificate, key].map(|spot| spot.text(faults).map(PathBuf::from));
            Some(ClientFiles { certificate: certificate?, key: key? })
        }
    }

    /// Parses one document.
    fn parse_text(text: &str) -> Result<Declared, Vec<Fault>> {
        let root = toml_text::parse(text).unwrap();
        let mut faults = Faults::default();
        let declared =
            parse(&[Document { source: 0, root: &root, name: "a.toml" }], Extent::Complete, &mut NoFiles, &mut faults);
        assert_eq!(declared.is_none(), !faults.is_empty());
        declared.ok_or_else(|| faults.kept().to_vec())
    }

    #[test]
    fn references_may_point_ahead_and_into_other_documents() {
        let first =
            toml_text::parse("[[pools]]\nname = 'p'\nmonitor = 'm'\norigins = [{name='o',address='192.0.2.1'}]")
                .unwrap();
        let second = toml_text::parse("[[monitors]]\nname = 'm'").unwrap();
        let documents = [
            Document { source: 0, root: &first, name: "a.toml" },
            Document { source: 1, root: &second, name: "b.toml" },
        ];
        let mut faults = Faults::default();
        let declared = parse(&documents, Extent::Complete, &mut NoFiles, &mut faults).unwrap();
        assert_eq!(declared.pools[0].monitor, Some(declared.monitors[0].id));
        assert!(parse(&documents[..1], Extent::Complete, &mut NoFiles, &mut faults).is_none());
        let mut faults = Faults::default();
        assert!(parse(&documents[..1], Extent::Partial, &mut NoFiles, &mut faults).is_some(), "{faults:?}");
    }

    #[test]
    fn ids_that_objects_say_are_theirs_alone_and_name_them() {
        let pool = |name: &str, id: &str| {
            format!(
                "[[pools]]\nname = '{name}'\nid = '{id}'\nmonitor = 'm'\norigins = [{{name='o',address='192.0.2.1'}}]\n"
            )
        };
        let [one, two] = [1, 2].map(|bits| MonitorId::random(bits).to_string());
        let monitors = format!("[[monitors]]\nname = 'm'\nid = '{two}'\n");
        let declared = parse_text(&format!("{monitors}{}", pool("a", &one))).unwrap();
        assert_eq!((declared.pools[0].id, declared.pools[0].monitor), (PoolId::random(1), Some(MonitorId::random(2))));
        // By its id, as an export names what it has not; a name goes before an id.
        let by_id = format!("{monitors}{}", pool("a", &one)).replace("monitor = 'm'", &format!("monitor = '{two}'"));
        assert_eq!(parse_text(&by_id).unwrap().pools[0].monitor, Some(MonitorId::random(2)));
        let by_name = format!("{by_id}[[monitors]]\nname = '{two}'\n");
        assert_eq!(parse_text(&by_name).unwrap().pools[0].monitor, Some(MonitorId::declared(&two)));
        for text in [
            format!("{monitors}{}{}", pool("a", &one), pool("b", &one)),
            format!(
                "{monitors}{}{}",
                pool("a", &PoolId::declared("b").to_string()),
                pool("b", "").replace("id = ''", "")
            ),
        ] {
            let faults = parse_text(&text).unwrap_err();
            assert_eq!(faults.len(), 1, "{faults:?}");
            assert!(faults[0].to_string().starts_with("pools[1].id: found "), "{}", faults[0]);
            assert!(faults[0].to_string().ends_with("; another of the pools has this id"), "{}", faults[0]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]
        #[test]
        fn parse_of_build_is_the_same(declared in strategies::declared()) {
            let text = toml_text::render(&build(&declared));
            let back = parse_text(&text).map_err(|faults| TestCaseError::fail(format!("{faults:?} in {text}")))?;
            prop_assert!(back.files.values().all(|file| &**file == "a.toml"));
            prop_assert_eq!(Declared { files: HashMap::new(), ..back }, declared, "{}", text);
        }
    }
}
