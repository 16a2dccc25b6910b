//! Metrics of the state of things: zones, load balancers, pools and origins.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use tokio::time::Instant;

use super::Scrape;
use super::exposition::{Exposition, Type};
use crate::api::status::{self, ZoneStatus};
use crate::health::endpoint::{ProbedOrigin, ProbedPool};
use crate::model::id::MonitorId;
use crate::model::inventory::Inventory;
use crate::model::lever::LeverAction;
use crate::model::pool::Origin;
use crate::model::verdict::FailReason;
use crate::steering::judged::{Judged, Moment};
use crate::steering::state::PoolState;
use crate::store::now;
use crate::telemetry::Registry;
use crate::telemetry::series::Kind;

/// Objects by a word that says what is the case with them.
#[derive(Debug, Default)]
struct Tally(BTreeMap<&'static str, u64>);

impl Tally {
    /// No objects; all words are there, so that a series begins at 0.
    fn new(words: &[&'static str]) -> Self {
        Self(words.iter().map(|word| (*word, 0)).collect())
    }

    /// Counts an object.
    fn count(&mut self, word: &'static str) {
        *self.0.entry(word).or_default() += 1;
    }

    /// Writes how many objects there are for each word.
    fn write(&self, exposition: &mut Exposition, (name, help): (&'static str, &str), label: &str) {
        let mut family = exposition.family(name, Type::Gauge, help);
        for (word, count) in &self.0 {
            family.sample(&[(label, word)], count);
        }
    }
}

/// Writes all of them.
pub(super) fn write(exposition: &mut Exposition, scrape: &Scrape<'_>) {
    let left_out = [
        write_zones(exposition, scrape),
        write_load_balancers(exposition, scrape),
        write_pools(exposition, scrape),
        write_origins(exposition, scrape),
        write_monitors(exposition, scrape),
    ];
    let mut aside = Tally::new(&["zone", "monitor", "pool", "load_balancer"]);
    scrape.assigned.inventory.set_aside.iter().for_each(|one| aside.count(one.stored.object.id().kind()));
    let metric =
        ("pooldns_set_aside", "Objects of the API that are kept and not served: what is declared contradicts them.");
    aside.write(exposition, metric, "object");
    let help = "Objects without series of their own: there are more than 10,000 series.";
    let mut family = exposition.family("pooldns_objects_without_series", Type::Gauge, help);
    for (object, count) in left_out {
        family.sample(&[("object", object)], count);
    }
}

/// The names of a kind that have series.
fn labels(registry: &Registry, kind: Kind) -> HashSet<Arc<str>> {
    registry.rows(kind).into_iter().skip(2).map(|row| row.label).collect()
}

/// Zones, their serials, and what primaries say of them.
fn write_zones(exposition: &mut Exposition, scrape: &Scrape<'_>) -> (&'static str, usize) {
    let Inventory { hostings, zones, expired, .. } = &*scrape.assigned.inventory;
    let mut tally = Tally::new(&["served", "not transferred", "expired"]);
    for hosting in hostings.iter() {
        tally.count(match zones.find(hosting.id) {
            Some(_) => "served",
            None if expired.contains(&hosting.id) => "expired",
            None => "not transferred",
        });
    }
    tally.write(exposition, ("pooldns_zones", "Zones by whether they have records to answer from."), "state");
    let named = labels(scrape.registry, Kind::Zone);
    let all = status::zones(scrape.assigned, scrape.serials, scrape.secondary);
    let shown: Vec<&ZoneStatus> = all.iter().filter(|zone| named.contains(zone.name.as_str())).collect();
    let mut family =
        exposition.family("pooldns_zone_serial", Type::Gauge, "The serial that a zone's SOA record shows.");
    for zone in &shown {
        if let Some(serial) = zone.serial {
            family.sample(&[("zone", &zone.name)], serial);
        }
    }
    let help = "When a primary last confirmed a zone, since 1970.";
    let mut family = exposition.family("pooldns_zone_confirmed_timestamp_seconds", Type::Gauge, help);
    for zone in &shown {
        if let Some(at) = zone.secondary.as_ref().and_then(|secondary| secondary.confirmed) {
            family.sample(&[("zone", &zone.name)], at.as_second());
        }
    }
    let help = "When a zone is answered no longer unless a primary confirms it, since 1970.";
    let mut family = exposition.family("pooldns_zone_expires_timestamp_seconds", Type::Gauge, help);
    for zone in &shown {
        if let Some(at) = zone.secondary.as_ref().and_then(|secondary| secondary.expires) {
            family.sample(&[("zone", &zone.name)], at.as_second());
        }
    }
    ("zone", all.len() - shown.len())
}

/// Load balancers, and what they answer from.
fn write_load_balancers(exposition: &mut Exposition, scrape: &Scrape<'_>) -> (&'static str, usize) {
    let named = labels(scrape.registry, Kind::LoadBalancer);
    let mut tally = Tally::new(status::CONDITIONS);
    let (mut shown, mut enabled) = (Vec::new(), 0);
    for load_balancer in scrape.assigned.inventory.load_balancers.iter() {
        let (condition, _) = status::condition(load_balancer, scrape.table);
        tally.count(condition);
        enabled += usize::from(load_balancer.enabled);
        let name = load_balancer.name.to_string();
        if load_balancer.enabled && named.contains(name.as_str()) {
            shown.push((name, condition));
        }
    }
    shown.sort_unstable();
    let metric = ("pooldns_load_balancers", "Load balancers by what they answer from.");
    tally.write(exposition, metric, "condition");
    let help = "1 for the condition that a load balancer is in; there is no series for the others.";
    let mut family = exposition.family("pooldns_load_balancer_condition", Type::Gauge, help);
    for (name, condition) in &shown {
        family.sample(&[("load_balancer", name), ("condition", condition)], 1);
    }
    ("load_balancer", enabled - shown.len())
}

/// The pools with series, in order of name.
fn named_pools<'s>(scrape: &Scrape<'s>) -> Vec<&'s ProbedPool> {
    let named = labels(scrape.registry, Kind::Pool);
    let pools = scrape.assigned.pools.iter().map(Arc::as_ref);
    let mut shown: Vec<&ProbedPool> = pools.filter(|probed| named.contains(probed.pool.name.as_str())).collect();
    shown.sort_unstable_by(|one, other| one.pool.name.cmp(&other.pool.name));
    shown
}

/// The state of a pool now.
fn state(probed: &ProbedPool) -> PoolState {
    PoolState::of(&Judged::new(probed, Moment { instant: Instant::now(), unix: now() }))
}

/// Pools, and whether enough of their origins are healthy.
fn write_pools(exposition: &mut Exposition, scrape: &Scrape<'_>) -> (&'static str, usize) {
    let mut tally = Tally::new(PoolState::WORDS);
    for probed in scrape.assigned.pools.iter() {
        tally.count(state(probed).word());
    }
    tally.write(exposition, ("pooldns_pools", "Pools by state."), "state");
    write_levers(exposition, scrape);
    let shown = named_pools(scrape);
    let help = "1 for the state that a pool is in; there is no series for the others.";
    let mut family = exposition.family("pooldns_pool_state", Type::Gauge, help);
    for probed in &shown {
        family.sample(&[("pool", &probed.pool.name), ("state", state(probed).word())], 1);
    }
    ("pool", scrape.assigned.pools.iter().count() - shown.len())
}

/// Levers that operators have pulled.
fn write_levers(exposition: &mut Exposition, scrape: &Scrape<'_>) {
    let mut tally = Tally::new(&LeverAction::ALL.map(LeverAction::word));
    let now = now();
    for levers in scrape.assigned.inventory.levers.iter() {
        let in_force = levers.iter().filter(|(_, lever)| lever.is_in_force(now));
        in_force.for_each(|(_, lever)| tally.count(lever.action.word()));
    }
    tally.write(exposition, ("pooldns_levers", "Levers of pools and origins that are pulled."), "action");
}

/// The origins of a pool, each with its verdict.
fn verdicts(probed: &ProbedPool) -> impl Iterator<Item = (&Origin, &'static str)> {
    let ProbedPool { pool, origins, levers: _ } = probed;
    pool.origins.iter().zip(origins).map(|(origin, probed)| (origin, status::verdict(pool, origin, probed)))
}

/// Whether anything that is probed for an origin is held down.
fn is_held_down(origin: &ProbedOrigin) -> bool {
    let mut cells = origin.endpoints().iter().flat_map(|endpoint| endpoint.checks.cells());
    cells.any(|cell| cell.reason() == Some(FailReason::HeldDown))
}

/// Origins, and whether they are healthy. Those of pools with series, while there is room.
fn write_origins(exposition: &mut Exposition, scrape: &Scrape<'_>) -> (&'static str, usize) {
    let mut tally = Tally::new(status::VERDICTS);
    for probed in scrape.assigned.pools.iter() {
        verdicts(probed).for_each(|(_, verdict)| tally.count(verdict));
    }
    tally.write(exposition, ("pooldns_origins", "Origins by verdict; one in two pools counts twice."), "verdict");
    let help = "Origins with something down because it flapped, and not stable for long enough yet.";
    let origins = scrape.assigned.pools.iter().flat_map(|probed| &probed.origins);
    let held = origins.filter(|origin| is_held_down(origin)).count();
    exposition.single("pooldns_origins_held_down", Type::Gauge, help, held);
    let help = "1 if an origin is up, 0 if it is down; there is no series while nothing is known or probed.";
    let mut family = exposition.family("pooldns_origin_up", Type::Gauge, help);
    let decided: u64 = ["up", "down"].iter().filter_map(|word| tally.0.get(word)).sum();
    let (mut left, mut shown) = (scrape.registry.series_free(), 0);
    for probed in named_pools(scrape) {
        for (origin, verdict) in verdicts(probed) {
            let is_up = match verdict {
                "up" => 1,
                "down" => 0,
                _ => continue,
            };
            if left == 0 {
                break;
            }
            left -= 1;
            shown += 1;
            let address = origin.address.to_string();
            let labels: &[(&str, &str)] =
                &[("pool", &probed.pool.name), ("origin", &origin.name), ("address", &address)];
            family.sample(labels, is_up);
        }
    }
    ("origin", usize::try_from(decided).unwrap_or(usize::MAX).saturating_sub(shown))
}

/// Monitors that probe something.
fn write_monitors(exposition: &mut Exposition, scrape: &Scrape<'_>) -> (&'static str, usize) {
    let help = "Monitors, whether anything uses them or not.";
    let all = scrape.assigned.inventory.monitors.iter().count();
    exposition.single("pooldns_monitors", Type::Gauge, help, all);
    let pools = scrape.assigned.pools.iter();
    let probing = pools.flat_map(|probed| probed.cells()).map(|cell| cell.key().monitor);
    let probing: HashSet<MonitorId> = probing.collect();
    let named = scrape.registry.rows(Kind::Monitor).len() - 2;
    ("monitor", probing.len().saturating_sub(named))
}
