//! The table as zones and live names come and go.

use super::*;
use crate::model::id::ZoneId;
use crate::model::rrset::Record;
use crate::steering::lookup::{Found, lookup};

fn name(text: &str) -> Name {
    Name::parse(text, Some(&Name::parse("example.com", None).unwrap())).unwrap()
}

fn table() -> RecordTable {
    let record =
        |owner: &str, rtype, rdata: &[u8]| Record { owner: name(owner), rtype, ttl: 60, rdata: rdata.to_vec() };
    let records =
        vec![record("@", Rtype::SOA, &[0; 22]), record("@", Rtype::NS, b"\0"), record("static.ent", Rtype::A, &[0; 4])];
    let zone = Zone::try_new(ZoneId::declared("example.com"), name("@"), records).unwrap();
    let mut table = RecordTable::new(1);
    table.put_zone(Arc::new(zone));
    table
}

fn exists(table: &RecordTable, text: &str) -> bool {
    matches!(lookup(table, &table.hashed_name(&name(text)), Rtype::A), Found::Node { .. })
}

#[test]
fn live_names_bring_their_ancestors_and_take_them_along() {
    let mut table = table();
    let before = table.clone();
    let slot = Arc::new(Slot::new(LiveAnswer::NotReady, 30));
    for live in ["a.b.c", "x.b.c", "live.static.ent", "static.ent"] {
        table.set_slot(&name("@"), &name(live), Some(Arc::clone(&slot)));
    }
    for there in ["a.b.c", "b.c", "c", "ent", "static.ent", "live.static.ent", "@"] {
        assert!(exists(&table, there), "{there}");
    }
    assert!(!exists(&before, "c") && !exists(&before, "live.static.ent"));

    table.set_slot(&name("@"), &name("a.b.c"), None);
    assert!(!exists(&table, "a.b.c") && exists(&table, "b.c"));
    for live in ["x.b.c", "live.static.ent", "static.ent"] {
        table.set_slot(&name("@"), &name(live), None);
    }
    for (text, there) in
        [("x.b.c", false), ("b.c", false), ("c", false), ("static.ent", true), ("ent", true), ("@", true)]
    {
        assert_eq!(exists(&table, text), there, "{text}");
    }
    assert_eq!(Arc::strong_count(&slot), 1, "nothing keeps a slot that no name has");
}

#[test]
fn a_zone_that_follows_is_as_one_that_is_built_anew() {
    let record =
        |owner: &str, rtype, rdata: &[u8]| Record { owner: name(owner), rtype, ttl: 60, rdata: rdata.to_vec() };
    let zone = |serial: u8, owners: &[&str]| {
        let mut soa = [0; 22];
        soa[5] = serial;
        let mut records = vec![record("@", Rtype::SOA, &soa), record("@", Rtype::NS, b"\0")];
        records.extend(owners.iter().map(|owner| record(owner, Rtype::A, &[0, 0, 0, serial])));
        Arc::new(Zone::try_new(ZoneId::declared("example.com"), name("@"), records).unwrap())
    };
    let versions: [&[&str]; 5] = [&["a", "b.ent"], &["a", "c.ent", "x"], &[], &["z.y.x"], &["a.z.y.x", "live"]];
    let mut following = RecordTable::new(1);
    let slot = Arc::new(Slot::new(LiveAnswer::NotReady, 30));
    for (serial, owners) in (1..).zip(versions) {
        assert_eq!(following.follow_zone(zone(serial, owners)), serial > 1, "nothing to follow at first");
        following.set_slot(&name("@"), &name("live"), Some(Arc::clone(&slot)));
        let mut anew = RecordTable::new(1);
        anew.put_zone(zone(serial, owners));
        anew.set_slot(&name("@"), &name("live"), Some(Arc::clone(&slot)));
        let shown = |table: &RecordTable| {
            let apex = table.hashing().wire(name("@").wire());
            let zone = table.zone(apex, name("@").wire()).unwrap();
            let node = |node: &Node| (node.owner.clone(), node.children, node.slot.is_some());
            let mut nodes: Vec<_> = zone.nodes.iter().map(node).collect();
            nodes.sort_by_key(|(owner, _, _)| owner.name());
            (nodes, zone.serial(), zone.negative_soa().to_vec())
        };
        assert_eq!(shown(&following), shown(&anew), "version {serial}");
    }
}

#[test]
fn zones_come_and_go() {
    let mut table = table();
    assert!(table.has_apex_of(2) && !table.has_apex_of(1));
    table.remove_zone(&name("@"));
    assert!(!table.has_apex_of(2));
    assert!(matches!(lookup(&table, &table.hashed_name(&name("@")), Rtype::A), Found::NotOurs));
}
