//! Counting by name: numbers, room, and names that come back.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;

use super::probes::RESULTS_MAX;
use super::series::{LiveSource, OTHER, ZoneOutcome};
use super::*;

/// The number under which something counts.
fn id(named: Option<&Named>) -> SeriesId {
    named.map_or(SeriesId::OTHER, Named::id)
}

/// The labels of a kind and the sums of their counts.
fn sums(registry: &Registry, kind: Kind) -> Vec<(String, u64)> {
    registry.rows(kind).into_iter().map(|row| (row.label.to_string(), row.counts.iter().sum())).collect()
}

/// Takes a name.
fn take(registry: &Registry, kind: Kind, label: &str) -> Option<Named> {
    registry.name(kind, || label.to_owned())
}

#[test]
fn totals_add_up_over_workers_and_protocols() {
    let registry = Registry::default();
    let (one, two) = (registry.worker(), registry.worker());
    one.udp_codes.count(Code::NoError);
    (0..2).for_each(|_| two.tcp_codes.count(Code::NoError));
    two.silent.increment_shared();
    let totals = registry.totals();
    assert_eq!((totals.noerror, totals.silent, totals.refused), (3, 1, 0));
    let snapshot = registry.snapshot();
    let counted: Vec<_> = snapshot.codes.iter().filter(|(_, _, count)| *count > 0).collect();
    assert_eq!(counted, [&("udp", "NOERROR", 1), &("tcp", "NOERROR", 2)]);
    assert_eq!(Registry::default().snapshot().codes.len(), 18, "all are there before anybody counts");
}

#[test]
fn live_answers_add_up_over_load_balancers_named_or_not() {
    let registry = Registry::default();
    let workers = [registry.worker(), registry.worker()];
    let name = take(&registry, Kind::LoadBalancer, "www.example.com");
    let sources = [LiveSource::Pool, LiveSource::Fallback, LiveSource::LastResort, LiveSource::Exhausted];
    for (count, source) in (1..).zip(sources.into_iter().chain([LiveSource::NotReady])) {
        for _ in 0..count {
            workers[0].named.count_load_balancer(id(name.as_ref()), source);
            workers[1].named.count_load_balancer(SeriesId::OTHER, source);
        }
    }
    // The name goes, and what was counted by it stays.
    drop(name);
    let Totals { live, live_fallback, live_last_resort, live_exhausted, live_not_ready, .. } = registry.totals();
    assert_eq!((live, live_fallback, live_last_resort, live_exhausted, live_not_ready), (20, 4, 6, 8, 10));
}

#[test]
fn a_number_that_is_given_again_starts_from_nothing() {
    let registry = Registry::with_series_max(160);
    let worker = registry.worker();
    let mut names = Vec::new();
    while let Some(name) = take(&registry, Kind::Pool, &format!("p{}", names.len())) {
        worker.named.count_pool(name.id());
        names.push(name);
    }
    // 160 less 10 for each other kind and 20 for origins, two series a pool.
    assert_eq!(names.len(), 55);
    // More names come and go than there are numbers.
    for round in 0..SERIES_MAX {
        let label = format!("later{round}");
        names.remove(0);
        let name = take(&registry, Kind::Pool, &label).expect("there is room");
        assert!(sums(&registry, Kind::Pool).contains(&(label, 0)));
        worker.named.count_pool(name.id());
        names.push(name);
    }
    let rows = sums(&registry, Kind::Pool);
    assert!(rows.iter().skip(2).all(|(_, count)| *count == 1), "{rows:?}");
    assert_eq!(rows.len(), 57);
}

#[test]
fn a_name_taken_twice_is_one_until_both_let_go() {
    let registry = Registry::default();
    let (one, two) = (take(&registry, Kind::Zone, "example.com"), take(&registry, Kind::Zone, "example.com"));
    assert_eq!(id(one.as_ref()), id(two.as_ref()));
    drop(one);
    assert!(sums(&registry, Kind::Zone).iter().any(|(label, _)| label == "example.com"));
    drop(two);
    assert_eq!(sums(&registry, Kind::Zone).len(), 2);
}

#[test]
fn an_object_called_other_is_counted_with_the_others() {
    let registry = Registry::default();
    assert!(take(&registry, Kind::Pool, "other").is_none() && take(&registry, Kind::Zone, "none").is_none());
}

#[test]
fn no_kind_takes_all_the_room() {
    let registry = Registry::default();
    let mut names = Vec::new();
    for kind in Kind::ALL {
        let before = names.len();
        while let Some(name) = take(&registry, kind, &names.len().to_string()) {
            names.push(name);
        }
        assert!((names.len() - before) * kind.series() >= SERIES_MAX / 16 - kind.series(), "{kind:?}");
    }
    assert!(registry.series_free() >= SERIES_MAX / 8);
}

#[test]
fn monitors_beyond_the_room_are_counted_together_and_series_die_with_their_monitor() {
    let registry = Registry::with_series_max(SERIES_MAX / 10);
    let monitors: Vec<_> = (0..100).map(|number| registry.monitors().of(&registry, &format!("m{number:02}"))).collect();
    for probes in &monitors {
        let flight = probes.begin(Duration::from_millis(1));
        probes.attempt();
        assert!(registry.monitors().counts().iter().any(|counts| counts.in_flight == 1));
        drop(flight);
        probes.end("success", Duration::from_millis(3));
    }
    let counts = registry.monitors().counts();
    assert!(counts.len() > 2 && counts.len() < 100, "{}", counts.len());
    assert_eq!((counts[0].monitor.as_str(), counts[1].monitor.as_str()), (OTHER, "m00"));
    assert_eq!(counts.iter().map(|counts| counts.results["success"]).sum::<u64>(), 100);
    assert!(counts.iter().all(|counts| counts.in_flight == 0 && counts.took.count == counts.lag.count));
    drop(monitors);
    assert_eq!(registry.monitors().counts().len(), 1);
    assert_eq!(registry.series_free(), SERIES_MAX / 10);
}

#[test]
fn results_that_are_too_many_are_one() {
    let registry = Registry::default();
    let probes = registry.monitors().of(&registry, "web");
    for result in 0..100_u8 {
        probes.end(Box::leak(format!("{result:03}").into_boxed_str()), Duration::ZERO);
    }
    let counts = probes.counts();
    assert!(counts.results.len() <= RESULTS_MAX);
    assert_eq!((counts.results["000"], counts.results.values().sum::<u64>()), (1, 100));
}

proptest! {
    #[test]
    fn whatever_is_named_when_everything_counted_is_in_a_row(
        steps in proptest::collection::vec((0_usize..40, 0_usize..3, 0_usize..5, any::<bool>()), 0..300),
    ) {
        let registry = Registry::with_series_max(320);
        let workers = [registry.worker(), registry.worker()];
        let mut held: HashMap<(Kind, usize), Option<Named>> = HashMap::new();
        let outcomes =
            [ZoneOutcome::Answer, ZoneOutcome::NoData, ZoneOutcome::NxDomain, ZoneOutcome::Referral, ZoneOutcome::Error];
        let sources = [
            LiveSource::Pool, LiveSource::Fallback, LiveSource::LastResort, LiveSource::Exhausted, LiveSource::NotReady,
        ];
        // What each name should show, and the rest.
        let mut expected: HashMap<(Kind, String), u64> = HashMap::new();
        for (object, kind, column, lets_go) in steps {
            let kind = Kind::ALL[kind];
            if lets_go {
                if let Some(Some(named)) = held.remove(&(kind, object)) {
                    expected.remove(&(kind, named.label().to_owned()));
                }
                continue;
            }
            let named = held.entry((kind, object)).or_insert_with(|| take(&registry, kind, &format!("n{object}")));
            let worker = &workers[column % 2].named;
            match kind {
                Kind::Zone => worker.count_zone(id(named.as_ref()), outcomes[column]),
                Kind::LoadBalancer => worker.count_load_balancer(id(named.as_ref()), sources[column]),
                Kind::Pool | Kind::Monitor => worker.count_pool(id(named.as_ref())),
            }
            let label = named.as_ref().map_or(OTHER, Named::label).to_owned();
            *expected.entry((kind, label)).or_default() += 1;
        }
        for kind in [Kind::Zone, Kind::LoadBalancer, Kind::Pool] {
            for (label, sum) in sums(&registry, kind) {
                let count = expected.remove(&(kind, label.clone())).unwrap_or_default();
                prop_assert_eq!(sum, count, "{:?} {}", kind, label);
            }
        }
        prop_assert!(expected.is_empty(), "{:?}", expected);
        prop_assert!(registry.series_free() >= 320 / 8);
    }
}
