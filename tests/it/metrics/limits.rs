//! Series have names up to a limit, and sums hold whatever is counted where.

use std::collections::BTreeSet;
use std::net::IpAddr;

use pooldns::dns::engine::Transport;
use pooldns::telemetry::Registry;
use proptest::prelude::*;

use super::exposition::Scraped;
use crate::query::{IN, OPT, client, query};
use crate::subject::{NOW, Subject, paused_runtime};
use crate::twin::plan::{BalancerPlan, Data, OriginPlan, PoolPlan, RecordPlan, World, ZonePlan};

/// So many zones, each with a load balancer, which has a pool of one origin.
fn world(count: usize) -> World {
    let numbers = 0..u8::try_from(count).unwrap();
    let zone = |number| ZonePlan {
        apex: format!("z{number}.test"),
        soa_ttl: 300,
        minimum: 60,
        records: vec![RecordPlan {
            owner: format!("static.z{number}.test"),
            ttl: 60,
            data: Data::Address([192, 0, 2, 99].into()),
        }],
    };
    let pool = |number| PoolPlan {
        enabled: true,
        monitor: Some(number % 2),
        minimum: 1,
        origins: vec![OriginPlan { address: address(number), enabled: true, weight: 100 }],
    };
    let balancer = |number: u8| BalancerPlan {
        id: usize::from(number),
        name: format!("www.z{number}.test"),
        enabled: true,
        pools: vec![usize::from(number)],
        fallback: 0,
        ttl: 30,
        answers: None,
    };
    World {
        zones: numbers.clone().map(zone).collect(),
        pools: numbers.clone().map(pool).collect(),
        balancers: numbers.map(balancer).collect(),
    }
}

/// The address of a pool's origin.
fn address(number: u8) -> IpAddr {
    [192, 0, 2, number].into()
}

/// Labels that hold the name of an object.
const OBJECTS: [&str; 4] = ["zone", "load_balancer", "pool", "monitor"];

/// How many series have the name of an object.
fn named_series(seen: &Scraped) -> usize {
    let samples = seen.families.values().flat_map(|family| &family.samples);
    let has_name = |label: &str, value: &str| OBJECTS.contains(&label) && value != "other" && value != "none";
    samples.filter(|(_, labels, _)| labels.iter().any(|(label, value)| has_name(label, value))).count()
}

/// A count as metrics have it.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap())
}

/// Names of one kind of object.
fn names<'s>(seen: &'s Scraped, metric: &str, label: &str) -> BTreeSet<&'s str> {
    let labels = seen.samples(metric).map(|(_, labels, _)| labels[label].as_str());
    labels.filter(|name| *name != "other" && *name != "none").collect()
}

/// A subject that counts at most so many series by name; odd origins are down.
async fn subject(count: usize, series_max: usize) -> Subject {
    let mut subject = Subject::counting(Registry::with_series_max(series_max));
    subject.script.set((0..u8::try_from(count).unwrap()).map(|number| (address(number), number % 2 == 0)));
    subject.declare(world(count).declared());
    subject.settle().await;
    subject
}

#[test]
fn beyond_the_limit_everything_is_counted_as_other() {
    paused_runtime().block_on(async {
        let (count, limit) = (100, 640);
        let mut subject = subject(count, limit).await;
        let mut out = [0; 1232];
        for number in 0..count {
            let question = query(&format!("www.z{number}.test"), 1, IN, OPT);
            subject.face.worker().answer(&question, &client(Transport::Udp), NOW, 1, &mut out);
        }
        let seen = Scraped::read(&subject.metrics()).unwrap();
        let series = named_series(&seen);
        assert!(series <= limit && series > limit / 3, "{series}");
        let zones = names(&seen, "pooldns_zone_responses_total", "zone");
        let balancers = names(&seen, "pooldns_load_balancer_answers_total", "load_balancer");
        let pools = names(&seen, "pooldns_pool_answers_total", "pool");
        // Every kind got some, there is no room for all, and whoever has a name has all of its series.
        assert!(zones.len() + balancers.len() + pools.len() < 2 * count, "{zones:?} {balancers:?} {pools:?}");
        for (kind, named) in [("zone", &zones), ("load_balancer", &balancers), ("pool", &pools)] {
            assert!(!named.is_empty(), "{kind}");
            let left_out = seen.value("pooldns_objects_without_series", &[("object", kind)]);
            assert_eq!(left_out, number(count - named.len()), "{kind}");
        }
        assert_eq!(names(&seen, "pooldns_zone_serial", "zone"), zones);
        assert_eq!(names(&seen, "pooldns_load_balancer_condition", "load_balancer"), balancers);
        assert_eq!(names(&seen, "pooldns_pool_state", "pool"), pools);
        for zone in &zones {
            assert_eq!(seen.sum("pooldns_zone_responses_total", &[("zone", zone)]), 1.0);
        }
        let other = seen.sum("pooldns_zone_responses_total", &[("zone", "other")]);
        assert_eq!(other, number(count - zones.len()));
        // Totals are of all, named or not.
        assert_eq!(seen.sum("pooldns_origins", &[]), 100.0);
        assert_eq!(seen.value("pooldns_origins", &[("verdict", "down")]), 50.0);

        // With room for all, all have names.
        subject.declare(world(0).declared());
        subject.declare(world(6).declared());
        let seen = Scraped::read(&subject.metrics()).unwrap();
        assert_eq!(names(&seen, "pooldns_zone_responses_total", "zone").len(), 6);
        assert_eq!(names(&seen, "pooldns_pool_answers_total", "pool").len(), 6);
        assert_eq!(seen.sum("pooldns_objects_without_series", &[]), 0.0);
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sums_over_names_are_the_totals(
        limit in prop_oneof![Just(0_usize), 200_usize..900, Just(10_000)],
        asked in proptest::collection::vec((0_usize..12, 0_usize..6, any::<bool>()), 0..200),
    ) {
        paused_runtime().block_on(async {
            let mut subject = subject(10, limit).await;
            let mut out = [0; 1232];
            for (zone, kind, is_tcp) in asked {
                // Zones 10 and 11 are not ours.
                let (label, qtype) =
                    [("www.", 1), ("www.", 28), ("www.", 255), ("static.", 1), ("nobody.", 1), ("", 6)][kind];
                let octets = query(&format!("{label}z{zone}.test"), qtype, IN, if is_tcp { OPT } else { b"" });
                let octets = if kind == 4 && zone == 11 { octets[..20].to_vec() } else { octets };
                let transport = if is_tcp { Transport::Tcp } else { Transport::Udp };
                subject.face.worker().answer(&octets, &client(transport), NOW, 1, &mut out);
            }
            let seen = Scraped::read(&subject.metrics()).map_err(TestCaseError::fail)?;
            prop_assert!(named_series(&seen) <= limit);
            let sum = |name: &str| seen.sum(name, &[]);
            prop_assert_eq!(sum("pooldns_zone_responses_total"), sum("pooldns_responses_total"));
            let live = sum("pooldns_live_answers_total");
            prop_assert_eq!(sum("pooldns_pool_answers_total"), live);
            let not_ready = seen.value("pooldns_live_answers_degraded_total", &[("source", "not ready")]);
            prop_assert_eq!(sum("pooldns_load_balancer_answers_total"), live + not_ready);
            for source in ["fallback", "last resort", "exhausted", "not ready"] {
                let of_names = seen.sum("pooldns_load_balancer_answers_total", &[("source", source)]);
                let total = seen.value("pooldns_live_answers_degraded_total", &[("source", source)]);
                prop_assert_eq!(of_names, total, "{}", source);
            }
            Ok(())
        })?;
    }
}
