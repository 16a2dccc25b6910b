//! Commits, what they refuse, and what they share.

mod made;

use super::*;
use crate::model::hosting::{Peer, ZoneOrigin};
use crate::model::kept::Kept;
use crate::model::load_balancer::{Answers, SteeringPolicy};
use crate::model::pool::{Origin, Weight};
use crate::model::rrset::{Record, Rtype};

fn pool(name: &str, address: [u8; 4]) -> Pool {
    let origin = Origin {
        name: "o".into(),
        address: address.into(),
        probe_address: None,
        enabled: true,
        weight: Weight::ONE,
        host: None,
        kept: Kept::default(),
    };
    Pool {
        id: PoolId::declared(name),
        name: name.into(),
        description: String::new(),
        enabled: true,
        minimum_origins: 1,
        slow_start: std::time::Duration::ZERO,
        monitor: None,
        monitor_group: None,
        origins: vec![origin],
        kept: Kept::default(),
    }
}

fn zone() -> Zone {
    zone_with(&[])
}

fn zone_with(cuts: &[&str]) -> Zone {
    let apex = Name::parse("example.com", None).unwrap();
    let record = |rtype, rdata: &[u8]| Record { owner: apex.clone(), rtype, ttl: 60, rdata: rdata.to_vec() };
    let mut records = vec![record(Rtype::SOA, &[0; 22]), record(Rtype::NS, b"\0")];
    let cut = |owner: &&str| Record { owner: Name::parse(owner, Some(&apex)).unwrap(), ..record(Rtype::NS, b"\0") };
    records.extend(cuts.iter().map(cut));
    Zone::try_new(ZoneId::declared("example.com"), apex.clone(), records).unwrap()
}

fn load_balancer(name: &str, pool: &str) -> LoadBalancer {
    LoadBalancer {
        id: LoadBalancerId::declared(name),
        name: Name::parse(name, None).unwrap(),
        description: String::new(),
        enabled: true,
        default_pools: vec![PoolId::declared(pool)],
        fallback_pool: PoolId::declared(pool),
        steering_policy: SteeringPolicy::Off,
        ttl: 30,
        answers: Answers::All,
        kept: Kept::default(),
    }
}

fn declared(pools: Vec<Pool>) -> Change {
    let load_balancers = vec![load_balancer("www.example.com", "p0")];
    Change::Declare(Declared { zones: vec![Arc::new(zone())], pools, load_balancers, ..Declared::default() })
}

#[test]
fn equal_objects_stay_the_same_value_and_differences_name_the_rest() {
    let pools: Vec<Pool> = (0..100).map(|i| pool(&format!("p{i}"), [192, 0, 2, i])).collect();
    let first = Inventory::default().apply(declared(pools.clone())).unwrap();
    let same = first.apply(declared(pools.clone())).unwrap();
    assert_eq!(same.generation, Generation(2));
    assert!(same.pools.differences(&first.pools).is_empty());
    assert!(same.zones.differences(&first.zones).is_empty());

    let mut edited = pools;
    edited.pop();
    edited[1] = pool("p1", [192, 0, 2, 200]);
    edited.push(pool("new", [192, 0, 2, 201]));
    let next = same.apply(declared(edited)).unwrap();
    let mut found = next.pools.differences(&same.pools);
    let mut expected = ["p1", "new", "p99"].map(PoolId::declared).to_vec();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn no_reference_leads_nowhere() {
    let empty = Inventory::default();
    assert!(matches!(empty.apply(declared(vec![])), Err(Contradiction::PoolMissing { .. })));
    let mut monitored = pool("p0", [192, 0, 2, 1]);
    monitored.monitor = Some(MonitorId::declared("m"));
    let missing = empty.apply(Change::PutPool(monitored));
    assert!(matches!(missing, Err(Contradiction::MonitorMissing { .. })));
    let twice = declared(vec![pool("p0", [192, 0, 2, 1]), pool("p0", [192, 0, 2, 2])]);
    assert!(matches!(empty.apply(twice), Err(Contradiction::NotUnique { .. })));
    let outside = Declared {
        pools: vec![pool("p0", [192, 0, 2, 1])],
        load_balancers: vec![load_balancer("www.example.net", "p0")],
        zones: vec![Arc::new(zone())],
        ..Declared::default()
    };
    assert!(matches!(empty.apply(Change::Declare(outside)), Err(Contradiction::OutsideZones(_))));
    let covered = Declared {
        pools: vec![pool("p0", [192, 0, 2, 1])],
        load_balancers: vec![load_balancer("www.sub.example.com", "p0")],
        zones: vec![Arc::new(zone_with(&["sub"]))],
        ..Declared::default()
    };
    assert!(matches!(empty.apply(Change::Declare(covered)), Err(Contradiction::Covered { .. })));
}

#[test]
fn a_transferred_zone_stays_as_long_as_we_are_its_secondary() {
    let zone = Arc::new(zone());
    let put = || Change::PutZone(Arc::clone(&zone));
    assert_eq!(Inventory::default().apply(put()).unwrap_err(), Contradiction::NotSecondary(zone.id));
    let peer = Peer { address: ([192, 0, 2, 1], 53).into(), key: None, source: None };
    let origin = ZoneOrigin::Primaries(vec![peer]);
    let secondary = Hosting { origin, ..Hosting::declared(zone.id, zone.apex().clone()) };
    let declare = |hostings| Change::Declare(Declared { hostings, ..Declared::default() });
    let empty = Inventory::default().apply(declare(vec![secondary.clone()])).unwrap();
    assert!(empty.zone_of(zone.apex()).is_none() && empty.hosting_of(zone.apex()).is_some());
    let transferred = empty.apply(put()).unwrap();
    let again = transferred.apply(declare(vec![secondary.clone()])).unwrap();
    assert!(Arc::ptr_eq(again.zone_of(zone.apex()).unwrap(), &zone));
    let www = Declared {
        hostings: vec![secondary],
        pools: vec![pool("p0", [192, 0, 2, 1])],
        load_balancers: vec![load_balancer("www.sub.example.com", "p0")],
        ..Declared::default()
    };
    // What a primary delegates is not refused: neither with the transfer, nor when the names are declared again.
    let with_www = again.apply(Change::Declare(www.clone())).unwrap();
    let covering = with_www.apply(Change::PutZone(Arc::new(zone_with(&["sub"])))).unwrap();
    assert!(covering.zone_of(zone.apex()).unwrap().has_covers());
    assert!(covering.apply(Change::Declare(www)).is_ok());
    assert!(again.apply(Change::DropZone(zone.id)).unwrap().zone_of(zone.apex()).is_none());
    assert!(again.apply(declare(vec![])).unwrap().zones.is_empty());
}

#[test]
fn what_was_declared_is_not_kept_as_if_it_had_been_transferred() {
    let zone = Arc::new(zone());
    let plain = Declared { zones: vec![Arc::clone(&zone)], ..Declared::default() };
    let peer = Peer { address: ([192, 0, 2, 1], 53).into(), key: None, source: None };
    let origin = ZoneOrigin::Primaries(vec![peer]);
    let hostings = vec![Hosting { origin, ..Hosting::declared(zone.id, zone.apex().clone()) }];
    let secondary = Declared { hostings, ..Declared::default() };
    let primary = Inventory::default().apply(Change::Declare(plain.clone())).unwrap();
    assert!(primary.zone_of(zone.apex()).is_some());
    let turned = primary.apply(Change::Declare(secondary.clone())).unwrap();
    assert!(turned.is_absent(zone.id) && turned.expired.is_empty());
    let transferred = turned.apply(Change::PutZone(Arc::new(zone_with(&["sub"])))).unwrap();
    let kept = transferred.apply(Change::Declare(secondary)).unwrap();
    assert!(kept.zone_of(zone.apex()).unwrap().has_covers());
    let back = kept.apply(Change::Declare(plain)).unwrap();
    assert_eq!(back.zone_of(zone.apex()), Some(&zone));
}

#[test]
fn what_is_made_anew_under_the_id_of_something_set_aside_takes_its_place() {
    let stored = |pool: Pool| Stored {
        object: StoredObject::Pool(Arc::new(pool)),
        created: UnixMicros(1),
        modified: UnixMicros(1),
        revision: crate::model::stamp::Revision(1),
        disabled: crate::model::stamp::Disabled::default(),
    };
    let waiting = vec![stored(pool("a", [192, 0, 2, 1])), stored(pool("b", [192, 0, 2, 2]))];
    let restored = Inventory::default().apply(Change::Restore { generation: Generation(7), objects: waiting }).unwrap();
    assert_eq!(restored.set_aside.len(), 2);
    let anew = restored.apply(Change::PutPool(pool("a", [192, 0, 2, 9]))).unwrap();
    assert_eq!(anew.set_aside.len(), 1);
    let declared = anew.apply(Change::Declare(Declared::default())).unwrap();
    assert_eq!(declared.set_aside.len(), 0);
    assert_eq!(**declared.pools.find(PoolId::declared("a")).unwrap(), pool("a", [192, 0, 2, 9]));
    assert_eq!(**declared.pools.find(PoolId::declared("b")).unwrap(), pool("b", [192, 0, 2, 2]));
}
