//! Whatever is committed, the store that is opened again has what the one before had.

use proptest::prelude::*;

use super::backend::{Medium, Trouble};
use super::*;
use crate::model::id::{LoadBalancerId, MonitorGroupId, MonitorId, PoolId, RecordId};
use crate::model::inventory::{Author, Expected};
use crate::model::pool::Pool;
use crate::store::sample::{
    address_record, commit, create_zone, declared, load_balancer, monitor, monitor_group, pool,
};

/// Something that happens to a store.
#[derive(Clone, Debug)]
enum Event {
    /// Changes, all or none of them.
    Commit(Vec<Edit>),
    /// Pools are declared that have names of those of the API.
    Declare(Vec<u128>),
    /// Something goes wrong with the disk, or no longer.
    Trouble(Trouble),
    /// The process ends in order, and another one starts.
    Restart,
}

/// A change.
#[derive(Clone, Debug)]
enum Edit {
    Monitor(u8),
    Group(u8, u8),
    Pool(u128, u8, Option<u8>),
    LoadBalancer(u8, u128, u128),
    Zone(u8),
    Record(u8, u8, u8),
    Delete(ObjectId),
}

impl Edit {
    fn change(&self) -> Change {
        match self {
            Self::Monitor(number) => Change::PutMonitor(monitor(*number)),
            Self::Group(number, monitor) => Change::PutMonitorGroup(monitor_group(*number, *monitor)),
            Self::Pool(number, address, monitor) => {
                // Half of them by a group.
                let by_group = address.is_multiple_of(2);
                let group = monitor.filter(|_| by_group).map(|number| MonitorGroupId::random(number.into()));
                let monitor = monitor.filter(|_| !by_group).map(|number| MonitorId::random(number.into()));
                Change::PutPool(Pool { monitor, monitor_group: group, ..pool(*number, *address) })
            }
            Self::LoadBalancer(number, pool, other) => Change::PutLoadBalancer(load_balancer(*number, *pool, *other)),
            Self::Zone(number) => create_zone(*number),
            Self::Record(zone, number, address) => Change::PutRecord(address_record(*zone, *number, *address)),
            Self::Delete(object) => Change::Delete(*object),
        }
    }
}

fn objects() -> impl Strategy<Value = ObjectId> {
    prop_oneof![
        (0..2_u128).prop_map(|id| ObjectId::Zone(ZoneId::random(id))),
        (0..2_u128, 0..4_u128).prop_map(|(zone, id)| ObjectId::Record(ZoneId::random(zone), RecordId::random(id))),
        (0..2_u128).prop_map(|id| ObjectId::Monitor(MonitorId::random(id))),
        (0..2_u128).prop_map(|id| ObjectId::MonitorGroup(MonitorGroupId::random(id))),
        (0..4_u128).prop_map(|id| ObjectId::Pool(PoolId::random(id))),
        (0..3_u128).prop_map(|id| ObjectId::LoadBalancer(LoadBalancerId::random(id))),
    ]
}

fn edits() -> impl Strategy<Value = Edit> {
    prop_oneof![
        1 => (0..2_u8).prop_map(Edit::Monitor),
        2 => (0..2_u8, 0..2_u8).prop_map(|(number, monitor)| Edit::Group(number, monitor)),
        4 => (0..4_u128, 1..9_u8, proptest::option::of(0..2_u8)).prop_map(|(id, at, by)| Edit::Pool(id, at, by)),
        3 => (0..3_u8, 0..4_u128, 0..4_u128).prop_map(|(id, pool, other)| Edit::LoadBalancer(id, pool, other)),
        2 => (0..2_u8).prop_map(Edit::Zone),
        3 => (0..2_u8, 0..4_u8, 1..9_u8).prop_map(|(zone, id, at)| Edit::Record(zone, id, at)),
        4 => objects().prop_map(Edit::Delete),
    ]
}

fn events() -> impl Strategy<Value = Event> {
    let troubles = prop_oneof![2 => Just(Trouble::None), 1 => Just(Trouble::Full), 1 => Just(Trouble::Sync)];
    prop_oneof![
        16 => prop::collection::vec(edits(), 1..3).prop_map(Event::Commit),
        2 => prop::collection::vec(0..4_u128, 0..2).prop_map(Event::Declare),
        2 => troubles.prop_map(Event::Trouble),
        1 => Just(Event::Restart),
    ]
}

/// Ends a store and opens it again; it has the same.
fn restart(medium: &Medium, store: EmbeddedStore) -> EmbeddedStore {
    medium.set(Trouble::None);
    let live = store.load();
    drop(store);
    let again = medium.open().unwrap();
    assert_eq!(rows_of(&again.load()), rows_of(&live));
    assert_eq!(*again.unreadable(), []);
    // One that has not seen a commit yet has seen the first generation, its own.
    assert_eq!(again.load().generation.0, live.generation.0.max(1));
    again
}

proptest! {
    #[test]
    fn the_store_that_is_opened_again_has_what_the_one_before_had(
        events in prop::collection::vec(events(), 1..40)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let medium = Medium::default();
        let mut store = medium.open().unwrap();
        for event in &events {
            match event {
                Event::Commit(edits) => {
                    let steps = edits.iter().map(|edit| (edit.change(), Expected::Anything));
                    let author = Some(Author { name: "somebody".into(), address: None });
                    // Refused or not, what counts is that both agree.
                    drop(runtime.block_on(store.commit(Commit { author, ..commit(steps) })));
                }
                Event::Declare(pools) => {
                    drop(runtime.block_on(store.commit(Change::DeclareSettingAside(declared(pools)))));
                }
                Event::Trouble(trouble) => medium.set(*trouble),
                Event::Restart => {
                    store = restart(&medium, store);
                    runtime.block_on(store.commit(Change::Declare(declared(&[])))).unwrap();
                }
            }
        }
        restart(&medium, store);
    }
}
