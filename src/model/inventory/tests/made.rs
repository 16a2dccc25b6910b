//! What the API makes: what is refused, what is set aside, and what stamps say.

use std::time::Duration;

use super::*;
use crate::model::dns_record::DnsRecord;
use crate::model::hosting::SerialSource;
use crate::model::id::{MonitorGroupId, ObjectId, RecordId};
use crate::model::monitor::Check;
use crate::model::monitor_group::{GroupMember, MonitorGroup};
use crate::model::pool::Address;
use crate::model::stamp::{Revision, UnixMicros};
use crate::model::tree::{Node, Table, Value};

/// A pool of the API with an id that its name does not give.
fn made(name: &str, id: u128) -> Pool {
    Pool { id: PoolId::random(id), ..pool(name, [192, 0, 2, 1]) }
}

/// A monitor of a file.
fn monitor(name: &str) -> Monitor {
    Monitor {
        id: MonitorId::declared(name),
        name: name.into(),
        description: String::new(),
        probe_zone: String::new(),
        check: Check::IcmpPing,
        source_address: None,
        timeout: Duration::from_secs(1),
        retries: 0,
        interval: Duration::from_secs(5),
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    }
}

/// A load balancer that uses one pool.
fn using(name: &str, pool: PoolId) -> LoadBalancer {
    LoadBalancer { default_pools: vec![pool], fallback_pool: pool, ..load_balancer(name, "unused") }
}

/// An inventory with the zone `example.com` and the pool `declared` in a file.
fn start() -> Inventory {
    start_with(zone())
}

/// The same with another zone.
fn start_with(zone: Zone) -> Inventory {
    let mut declared = Declared { zones: vec![Arc::new(zone)], ..Declared::default() };
    declared.pools.push(pool("declared", [192, 0, 2, 9]));
    declared.files.insert(ObjectId::Pool(PoolId::declared("declared")), "pools.toml".into());
    Inventory::default().apply(Change::Declare(declared)).unwrap()
}

/// A commit of one change.
fn step(change: Change, expected: Expected) -> Commit {
    Commit { steps: vec![Step { change, expected }], author: None }
}

#[test]
fn names_are_unique_across_what_is_declared_and_what_is_made() {
    let first = start().apply(Change::PutPool(made("web", 1))).unwrap();
    for (name, holder) in [("web", PoolId::random(1)), ("declared", PoolId::declared("declared"))] {
        let error = first.apply(Change::PutPool(made(name, 2))).unwrap_err();
        let expected = Contradiction::NotUnique { field: "name", value: name.into(), holder: ObjectId::Pool(holder) };
        assert_eq!(error, expected);
    }
    // A name is free again once its holder has another.
    let renamed = first.apply(Change::PutPool(made("other", 1))).unwrap();
    assert!(renamed.pool_named("web").is_none());
    let second = renamed.apply(Change::PutPool(made("web", 2))).unwrap();
    assert_eq!(second.pool_named("web").map(|pool| pool.id), Some(PoolId::random(2)));
}

#[test]
fn what_is_declared_is_changed_in_its_file_only() {
    let id = PoolId::declared("declared");
    let read_only =
        Contradiction::ReadOnly { object: ObjectId::Pool(id), name: "declared".into(), file: "pools.toml".into() };
    assert_eq!(start().apply(Change::PutPool(pool("declared", [192, 0, 2, 1]))).unwrap_err(), read_only);
    assert_eq!(start().apply(Change::Delete(ObjectId::Pool(id))).unwrap_err(), read_only);
}

#[test]
fn a_monitor_group_holds_its_monitors_and_pools_hold_it() {
    let [used, id] = [1, 2].map(MonitorId::random);
    let group = |monitor: MonitorId| MonitorGroup {
        id: MonitorGroupId::random(1),
        name: "g".into(),
        description: String::new(),
        members: vec![GroupMember {
            monitor,
            enabled: false,
            must_be_healthy: false,
            monitoring_only: false,
            created: UnixMicros(0),
            updated: UnixMicros(0),
        }],
    };
    let monitors = |inventory: Inventory, ids: &[MonitorId]| {
        ids.iter().fold(inventory, |inventory, id| {
            inventory.apply(Change::PutMonitor(Monitor { id: *id, name: id.to_string(), ..monitor("m") })).unwrap()
        })
    };
    let start = monitors(start(), &[used, id]);
    let missing = Contradiction::MemberMissing { group: "g".into(), monitor: MonitorId::random(3) };
    assert_eq!(start.apply(Change::PutMonitorGroup(group(MonitorId::random(3)))).unwrap_err(), missing);
    let pool = Pool { monitor_group: Some(MonitorGroupId::random(1)), ..made("web", 1) };
    let missing = Contradiction::GroupMissing { pool: "web".into(), group: MonitorGroupId::random(1) };
    assert_eq!(start.apply(Change::PutPool(pool.clone())).unwrap_err(), missing);

    let at = |inventory: &Inventory, change, now| inventory.commit(step(change, Expected::Anything), UnixMicros(now));
    let with = at(&start, Change::PutMonitorGroup(group(used)), 10).unwrap().apply(Change::PutPool(pool)).unwrap();
    assert_eq!(with.monitor_groups.find(MonitorGroupId::random(1)).unwrap().members[0].created, UnixMicros(10));
    let in_use = |inventory: &Inventory, object| match inventory.apply(Change::Delete(object)) {
        Err(Contradiction::InUse { referrers, .. }) => referrers.into_iter().map(|one| one.name).collect(),
        other => vec![format!("{other:?}")],
    };
    let all = ObjectId::MonitorGroup(MonitorGroupId::random(1));
    assert_eq!(in_use(&with, ObjectId::Monitor(used)), ["g"]);
    assert_eq!(in_use(&with, all), ["web"]);
    let with = with.apply(Change::Delete(ObjectId::Monitor(id))).unwrap();
    let without = with.apply(Change::Delete(ObjectId::Pool(PoolId::random(1)))).unwrap();
    let without = without.apply(Change::Delete(all)).unwrap();
    without.apply(Change::Delete(ObjectId::Monitor(used))).unwrap();

    // What a file declares may contradict it: then it waits with what needs it.
    let named = MonitorGroup { id: MonitorGroupId::declared("g"), ..group(MonitorId::declared("m")) };
    let declared = Declared { monitors: vec![monitor("m")], monitor_groups: vec![named], ..Declared::default() };
    assert!(matches!(with.apply(Change::Declare(declared.clone())), Err(Contradiction::WouldSetAside(_))));
    let aside = with.apply(Change::DeclareSettingAside(declared.clone())).unwrap();
    let kinds: Vec<_> = aside.set_aside.iter().map(|aside| aside.stored.object.id().kind()).collect();
    assert_eq!(kinds, ["monitor_group", "pool"]);
    assert_eq!(
        aside.declared_in(ObjectId::MonitorGroup(MonitorGroupId::declared("g"))).unwrap().as_ref(),
        "the configuration"
    );
    let again = aside.apply(Change::DeclareSettingAside(declared)).unwrap();
    let [one, two] = [&aside, &again].map(|inventory| inventory.monitor_groups.find(MonitorGroupId::declared("g")));
    assert!(Arc::ptr_eq(one.unwrap(), two.unwrap()), "what is equal stays the same value");
    let back = aside.apply(Change::DeclareSettingAside(Declared::default())).unwrap();
    assert_eq!((back.set_aside.len(), back.pools.len()), (0, 1));
}

#[test]
fn an_origin_is_no_host_that_a_load_balancer_answers_for() {
    let host = |id: u128, host: &str| {
        let mut pool = made(&format!("p{id}"), id);
        pool.origins[0].address = Address::Host(Name::parse(host, None).unwrap());
        Change::PutPool(pool)
    };
    let live = |name: &str| Change::PutLoadBalancer(using(name, PoolId::declared("declared")));
    let start = || start_with(zone_with(&["taken"]));
    let is_own = |refused: Result<Inventory, Contradiction>| matches!(refused, Err(Contradiction::OwnName { pool, origin, .. }) if pool == "p1" && origin == "o");
    // The load balancer, the host, and whether they exclude each other.
    for (name, origin, excludes) in [
        ("app.example.com", "app.example.com", true),
        ("app.example.com", "other.example.com", false),
        ("*.apps.example.com", "a.b.apps.example.com", true),
        ("*.apps.example.com", "apps.example.com", false),
        ("*.example.com", "taken.example.com", false),
        ("*.example.com", "a.example.org", false),
    ] {
        let first_live = start().apply(live(name)).unwrap().apply(host(1, origin));
        let with_host = start().apply(host(1, origin)).unwrap();
        let then_live = with_host.apply(live(name));
        assert_eq!((is_own(first_live), is_own(then_live)), (excludes, excludes), "{name} {origin}");
        // Once the pool names another host, or is gone, the name is free.
        let moved = with_host.apply(host(1, "elsewhere.example.org")).unwrap();
        assert!(moved.apply(live(name)).is_ok());
        let gone = with_host.apply(Change::Delete(ObjectId::Pool(PoolId::random(1)))).unwrap();
        assert!(gone.apply(live(name)).is_ok());
    }
}

#[test]
fn an_object_is_changed_in_the_revision_that_was_expected() {
    let put = |expected| step(Change::PutPool(made("web", 1)), expected);
    let id = ObjectId::Pool(PoolId::random(1));
    let first = start();
    assert_eq!(first.commit(put(Expected::Present), UnixMicros(1)).unwrap_err(), Contradiction::NotFound(id));
    let made = first.commit(put(Expected::Absent), UnixMicros(1)).unwrap();
    assert_eq!(made.commit(put(Expected::Absent), UnixMicros(2)).unwrap_err(), Contradiction::Exists(id));
    let revision = made.revision(id).unwrap();
    let edited = made.commit(put(Expected::At(revision)), UnixMicros(2)).unwrap();
    let found = edited.revision(id).unwrap();
    assert!(found > revision);
    let stale = Contradiction::Stale { object: id, expected: revision, found };
    assert_eq!(edited.commit(put(Expected::At(revision)), UnixMicros(3)).unwrap_err(), stale);
    let stamp = edited.stamps.pools.find(PoolId::random(1)).unwrap();
    assert_eq!((stamp.created, stamp.modified), (UnixMicros(1), UnixMicros(2)));
}

#[test]
fn a_commit_of_several_steps_is_made_whole_or_not_at_all() {
    let steps = |last: Change| {
        let changes = [
            Change::PutPool(made("web", 1)),
            Change::PutLoadBalancer(using("www.example.com", PoolId::random(1))),
            last,
        ];
        let steps = changes.into_iter().map(|change| Step { change, expected: Expected::Anything }).collect();
        Commit { steps, author: None }
    };
    let good = start().commit(steps(Change::PutPool(made("more", 2))), UnixMicros(1)).unwrap();
    assert_eq!((good.generation, good.pools.len()), (Generation(2), 3));
    let bad = start().commit(steps(Change::Delete(ObjectId::Pool(PoolId::random(1)))), UnixMicros(1));
    assert!(matches!(bad, Err(Contradiction::InUse { .. })));
}

#[test]
fn what_is_referred_to_stays_and_the_refusal_says_by_whom() {
    let id = PoolId::random(1);
    let inventory = start().apply(Change::PutPool(made("web", 1))).unwrap();
    let inventory = inventory.apply(Change::PutLoadBalancer(using("www.example.com", id))).unwrap();
    let error = inventory.apply(Change::Delete(ObjectId::Pool(id))).unwrap_err();
    assert!(error.to_string().ends_with("is referenced by load_balancer www.example.com"), "{error}");
    let id = LoadBalancerId::declared("www.example.com");
    let without = inventory.apply(Change::Delete(ObjectId::LoadBalancer(id))).unwrap();
    let gone = without.apply(Change::Delete(ObjectId::Pool(PoolId::random(1)))).unwrap();
    assert!(gone.pool_named("web").is_none() && gone.stamps.pools.find(PoolId::random(1)).is_none());
}

#[test]
fn a_mention_that_no_answer_depends_on_keeps_no_pool() {
    let [one, two] = [1, 2].map(PoolId::random);
    let pools = |id: PoolId| Node::built(Value::Array(vec![Node::text(id.to_string())]));
    let map = Table::default().with("WEU", pools(two)).with("EEU", pools(one));
    let kept = Kept::new(Table::default().with("region_pools", Node::built(Value::Table(map))));
    let mut inventory = start();
    for (name, id) in [("one", 1), ("two", 2)] {
        inventory = inventory.apply(Change::PutPool(made(name, id))).unwrap();
    }
    let load_balancer = LoadBalancer { kept, ..using("www.example.com", one) };
    let delete = || Change::Delete(ObjectId::Pool(two));
    let off = inventory.apply(Change::PutLoadBalancer(load_balancer.clone())).unwrap();
    let after = off.apply(delete()).unwrap();
    let kept = &after.load_balancers.find(load_balancer.id).unwrap().kept;
    assert!(!kept.mentions(&two.to_string()) && !kept.mentions("WEU") && kept.mentions("EEU"));
    let geo = LoadBalancer { steering_policy: SteeringPolicy::Geo, ..load_balancer };
    let geo = inventory.apply(Change::PutLoadBalancer(geo)).unwrap();
    assert!(matches!(geo.apply(delete()), Err(Contradiction::InUse { .. })));
}

#[test]
fn what_contradicts_a_declaration_is_set_aside_at_a_start_and_comes_back() {
    let stored: Vec<Stored> = {
        let inventory = start().apply(Change::PutPool(made("web", 1))).unwrap();
        let inventory = inventory.apply(Change::PutPool(made("free", 2))).unwrap();
        let inventory = inventory.apply(Change::PutLoadBalancer(using("www.example.com", PoolId::random(1)))).unwrap();
        inventory.stored().collect()
    };
    assert_eq!(stored.len(), 3);
    let restored = Inventory::default().apply(Change::Restore { generation: Generation(7), objects: stored }).unwrap();
    assert!(restored.generation == Generation(7) && restored.pools.is_empty());
    let clash =
        Declared { zones: vec![Arc::new(zone())], pools: vec![pool("web", [192, 0, 2, 8])], ..Declared::default() };
    let set_aside = restored.apply(Change::DeclareSettingAside(clash.clone())).unwrap();
    let names: Vec<String> = set_aside.set_aside.iter().map(|aside| aside.stored.object.name()).collect();
    assert_eq!(names, ["web", "www.example.com"], "the pool, and what refers to it");
    assert!(set_aside.pool_named("free").is_some());
    // Once the file lets go of the name, both are served again, as they were.
    let plain = Declared { zones: vec![Arc::new(zone())], ..Declared::default() };
    let back = set_aside.apply(Change::Declare(plain)).unwrap();
    assert!(back.set_aside.is_empty());
    assert_eq!(back.pool_named("web").map(|pool| pool.id), Some(PoolId::random(1)));
    assert_eq!(back.revision(ObjectId::Pool(PoolId::random(1))), Some(Revision(2)));
    // A reload that would set aside what is live is refused, and names it.
    let error = back.apply(Change::Declare(clash)).unwrap_err();
    assert!(error.to_string().contains("pool web (00000000000000000000000000000001), made through the API"), "{error}");
}

#[test]
fn a_declaration_that_did_not_change_keeps_its_stamp() {
    let declared = |address| Declared {
        zones: vec![Arc::new(zone())],
        pools: vec![pool("a", [192, 0, 2, 1]), pool("b", [192, 0, 2, address])],
        ..Declared::default()
    };
    let at = |inventory: &Inventory, address, time| {
        inventory.commit(Change::Declare(declared(address)).into(), UnixMicros(time)).unwrap()
    };
    let first = at(&Inventory::default(), 2, 1);
    let second = at(&first, 3, 2);
    let stamp = |inventory: &Inventory, name| {
        let stamp = inventory.stamps.pools.find(PoolId::declared(name)).unwrap();
        (stamp.created, stamp.modified, stamp.revision)
    };
    assert_eq!(stamp(&second, "a"), stamp(&first, "a"));
    assert_eq!(stamp(&second, "b"), (UnixMicros(1), UnixMicros(2), Revision(2)));
}

/// A zone of the API with its SOA and NS records, and one more record.
fn made_zone(more: Option<DnsRecord>) -> Change {
    let apex = Name::parse("example.net", None).unwrap();
    let id = ZoneId::random(5);
    let origin = ZoneOrigin::Declared(SerialSource::Auto);
    let hosting = Hosting { origin, ..Hosting::declared(id, apex) };
    let mut records = vec![record(1, "@", Rtype::SOA, &[0; 22]), record(2, "@", Rtype::NS, b"\0")];
    records.extend(more);
    Change::CreateZone { hosting, records }
}

/// A record of that zone.
fn record(id: u128, owner: &str, rtype: Rtype, rdata: &[u8]) -> DnsRecord {
    let apex = Name::parse("example.net", None).unwrap();
    DnsRecord {
        id: RecordId::random(id),
        zone: ZoneId::random(5),
        owner: Name::parse(owner, Some(&apex)).unwrap(),
        rtype,
        ttl: None,
        rdata: rdata.to_vec(),
        content: String::new(),
        comment: String::new(),
        tags: vec![],
        created: UnixMicros::default(),
        modified: UnixMicros::default(),
        revision: Revision::default(),
    }
}

#[test]
fn records_of_a_made_zone_come_move_and_go() {
    let count = |inventory: &Inventory, owner: &str| {
        let apex = Name::parse("example.net", None).unwrap();
        let zone = inventory.zone_of(&apex).unwrap();
        zone.owner(&Name::parse(owner, Some(&apex)).unwrap()).map_or(0, |owner| owner.records().count())
    };
    let first = start().apply(made_zone(None)).unwrap();
    let second = first.apply(Change::PutRecord(record(3, "a", Rtype::A, &[192, 0, 2, 1]))).unwrap();
    let third = second.apply(Change::PutRecord(record(4, "a", Rtype::A, &[192, 0, 2, 2]))).unwrap();
    assert_eq!((count(&second, "a"), count(&third, "a")), (1, 2));
    let twice = third.apply(Change::PutRecord(record(5, "a", Rtype::A, &[192, 0, 2, 2]))).unwrap_err();
    assert!(matches!(twice, Contradiction::NotUnique { field: "name, type and content", .. }));
    let moved = third.apply(Change::PutRecord(record(4, "b", Rtype::A, &[192, 0, 2, 2]))).unwrap();
    assert_eq!((count(&moved, "a"), count(&moved, "b")), (1, 1));
    let id = ObjectId::Record(ZoneId::random(5), RecordId::random(4));
    let gone = moved.apply(Change::Delete(id)).unwrap();
    assert_eq!((count(&gone, "a"), count(&gone, "b")), (1, 0));
    assert_eq!(gone.apply(Change::Delete(id)).unwrap_err(), Contradiction::NotFound(id));
    // What makes no zone changes nothing.
    let cname = gone.apply(Change::PutRecord(record(6, "a", Rtype::CNAME, b"\x01x\0"))).unwrap_err();
    assert!(cname.to_string().contains("CNAME"), "{cname}");
    let ns = ObjectId::Record(ZoneId::random(5), RecordId::random(2));
    assert!(matches!(gone.apply(Change::Delete(ns)), Err(Contradiction::Zone { .. })));
}

#[test]
fn a_live_name_is_neither_delegated_nor_left_without_its_zone() {
    let pool = PoolId::declared("declared");
    let inventory = start().apply(made_zone(None)).unwrap();
    let inventory = inventory.apply(Change::PutLoadBalancer(using("www.sub.example.net", pool))).unwrap();
    let delegating = inventory.apply(Change::PutRecord(record(3, "sub", Rtype::NS, b"\0"))).unwrap_err();
    assert!(matches!(delegating, Contradiction::Covered { .. }));
    let zone = ObjectId::Zone(ZoneId::random(5));
    assert!(matches!(inventory.apply(Change::Delete(zone)), Err(Contradiction::InUse { .. })));
    let id = LoadBalancerId::declared("www.sub.example.net");
    let gone = inventory.apply(Change::Delete(ObjectId::LoadBalancer(id))).unwrap();
    let gone = gone.apply(Change::Delete(zone)).unwrap();
    assert!(gone.hosting_at(&Name::parse("example.net", None).unwrap()).is_none());
    assert!(gone.apply(made_zone(None)).is_ok());
}

#[test]
fn what_a_file_declares_just_as_it_is_becomes_the_files() {
    let id = ObjectId::Pool(PoolId::random(1));
    let first = start().commit(step(Change::PutPool(made("web", 1)), Expected::Absent), UnixMicros(5)).unwrap();
    let declaring = |pools| Change::Declare(Declared { zones: vec![Arc::new(zone())], pools, ..Declared::default() });
    let second = first.commit(step(declaring(vec![made("web", 1)]), Expected::Anything), UnixMicros(9)).unwrap();
    assert!(second.declared_in(id).is_some() && second.set_aside.is_empty() && second.stored().next().is_none());
    assert_eq!(second.stamps.pools.find(PoolId::random(1)).unwrap().created, UnixMicros(5));
    assert_eq!(second.adopted_since(&first), [id]);
    // The file said that it is the file's, so it goes with it.
    let third = second.apply(declaring(vec![])).unwrap();
    assert!(third.pools.is_empty() && third.adopted_since(&second).is_empty());
    // One that says something else is another matter, and may be dropped.
    let other = Pool { description: "other".to_owned(), ..made("web", 1) };
    let refused = first.apply(declaring(vec![other.clone()])).unwrap_err();
    assert!(matches!(refused, Contradiction::WouldSetAside(_)), "{refused}");
    assert!(!refused.to_string().contains("change it there"), "{refused}");
    let Change::Declare(declared) = declaring(vec![other]) else { return };
    let aside = first.apply(Change::DeclareSettingAside(declared)).unwrap();
    assert_eq!((aside.set_aside.len(), aside.adopted_since(&first)), (1, vec![]));
    let dropped = aside.apply(Change::Forget(id)).unwrap();
    assert!(dropped.set_aside.is_empty() && dropped.declared_in(id).is_some());
    assert_eq!(dropped.apply(Change::Forget(id)).unwrap_err(), Contradiction::NotFound(id));
}
