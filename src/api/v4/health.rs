//! Whether pools and origins are healthy, as the API tells it, and `pools/{pool_id}/health` with the details.
//!
//! Without a monitor health is not considered: everything counts as healthy. With one, an origin is healthy when its
//! verdict is up; without a result yet, and while it or its pool is disabled and thus not probed, it is not.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;

use crate::api::v4::code::Code;
use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::request::PathId;
use crate::api::v4::route::{Route, in_both_views};
use crate::health::endpoint::{Endpoint, ProbedOrigin, ProbedPool};
use crate::model::id::PoolId;
use crate::model::lever::{LeverAction, Levers};
use crate::model::pool::{Address, Origin, Pool};
use crate::model::verdict::{FailReason, Outcome, Verdict};
use crate::store::now;

/// The original's words for a target that is up.
const NO_FAILURES: &str = "No failures";
/// Our words for a target without a verdict.
const NO_RESULT: &str = "No result yet";
/// Our words for what operators force.
const FORCED_UP: &str = "Forced Up by Lever";
/// The same.
const FORCED_DOWN: &str = "Forced Down by Lever";
/// Our words for what is not probed.
const DISABLED: &str = "Disabled";
/// How this server is called as a vantage point, unless it has an identity.
const VANTAGE_POINT: &str = "pooldns";

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[Route::get("/load_balancers/pools/{pool_id}/health", details).for_its_pool()])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let health =
        schema::object([("pool_id", schema::id()), ("pop_health", schema::map(schema::of("HealthDetails")))], []);
    let origin = schema::object(
        [
            ("healthy", schema::boolean()),
            ("rtt", schema::text_about("A duration, such as `12.1ms`.")),
            ("failure_reason", schema::text()),
            ("response_code", schema::integer(0, u16::MAX.into())),
        ],
        [],
    );
    let details = schema::object(
        [("healthy", schema::boolean()), ("origins", schema::list(schema::map(schema::of("OriginDetails"))))],
        [],
    );
    let path = "/load_balancers/pools/{pool_id}/health";
    let operation = Operation::new(Method::GET, path, "Shows what each vantage point sees of a pool.").gives(health);
    let schemas = vec![("HealthDetails", details), ("OriginDetails", origin)];
    Description { tag: "Health", operations: vec![operation], schemas }
}

/// Whether a pool and its origins are healthy.
#[derive(Debug)]
pub struct PoolStanding {
    /// Whether enough of its origins are.
    pub healthy: bool,
    /// Its origins, in its order.
    pub origins: Vec<OriginStanding>,
}

/// Whether an origin is healthy.
#[derive(Debug)]
pub struct OriginStanding {
    /// Whether it is.
    pub healthy: bool,
    /// Why it is not, in the original's words where it has some.
    pub reason: &'static str,
    /// Its addresses; for a host without one, its name.
    places: Vec<Place>,
}

/// An address of an origin, and what is known of it.
#[derive(Debug)]
struct Place {
    /// The address, or the name of a host with a dot at its end.
    address: String,
    /// What its last probe saw.
    details: OriginDetails,
}

impl PoolStanding {
    /// What probes say of a pool. `probed` may be an older version of it, or none if it is quite new.
    pub fn of(pool: &Arc<Pool>, probed: Option<&ProbedPool>, levers: Option<&Levers>) -> Self {
        let now = now();
        let in_force = |origin| levers.and_then(|levers| levers.in_force(origin, now)).map(|lever| lever.action);
        // Forcing a pool down takes it out of answers, and says nothing of its origins.
        let whole = in_force(None).filter(|action| *action == LeverAction::Up);
        let origins: Vec<OriginStanding> = pool
            .origins
            .iter()
            .enumerate()
            .map(|(index, origin)| {
                let probed_origin = probed.and_then(|probed| probed_origin(pool, index, origin, probed));
                OriginStanding::of(pool, origin, probed_origin).forced(in_force(Some(&origin.name)).or(whole))
            })
            .collect();
        let up = origins.iter().filter(|origin| origin.healthy).count();
        let healthy = match in_force(None) {
            Some(LeverAction::Up) => true,
            Some(LeverAction::Down) => false,
            Some(LeverAction::Drain) | None => !pool.is_monitored() || pool.enabled && is_enough(up, pool),
        };
        Self { healthy, origins }
    }

    /// A number that differs when what is shown of it does; none while health is not considered.
    pub fn digest(&self, pool: &Pool, levers: Option<&Levers>) -> Option<u32> {
        if !pool.is_monitored() && levers.is_none() {
            return None;
        }
        let now = now();
        let levers = levers.into_iter().flat_map(Levers::iter).filter(|(_, lever)| lever.is_in_force(now));
        let levers: Vec<_> = levers.map(|(_, lever)| (lever.since, lever.until)).collect();
        let shown: Vec<_> = self.origins.iter().map(|origin| (origin.healthy, origin.reason)).collect();
        let hash = foldhash::quality::FixedState::default().hash_one((self.healthy, shown, levers));
        // The upper half is as good as the lower.
        u32::try_from(hash >> 32).ok()
    }
}

/// Whether so many healthy origins are enough for a pool.
pub fn is_enough(up: usize, pool: &Pool) -> bool {
    u32::try_from(up).unwrap_or(u32::MAX) >= pool.minimum_origins
}

/// What an origin comes to.
fn probed_origin<'p>(
    pool: &Arc<Pool>,
    index: usize,
    origin: &Origin,
    probed: &'p ProbedPool,
) -> Option<&'p ProbedOrigin> {
    let index = if Arc::ptr_eq(&probed.pool, pool) {
        Some(index)
    } else {
        // The schedule has not seen the pool's last change yet; what it knows of the same address is true all the same.
        let is_monitored_alike = probed.pool.monitor == pool.monitor && probed.pool.monitor_group == pool.monitor_group;
        let mut origins = probed.pool.origins.iter();
        is_monitored_alike.then(|| origins.position(|other| other.address == origin.address)).flatten()
    };
    probed.origins.get(index?)
}

impl OriginStanding {
    /// What probes say of an origin.
    fn of(pool: &Pool, origin: &Origin, probed: Option<&ProbedOrigin>) -> Self {
        let is_enabled = pool.enabled && origin.enabled;
        let standing = |verdict: Option<Verdict>, reason: Option<FailReason>| {
            let verdict = verdict.unwrap_or_default();
            (is_enabled && verdict == Verdict::Up, reason_words(is_enabled, verdict, reason))
        };
        let endpoints = probed.map_or(&[][..], ProbedOrigin::endpoints);
        let (healthy, reason) = if pool.is_monitored() && !probed.is_some_and(ProbedOrigin::has_no_vote) {
            standing(probed.and_then(ProbedOrigin::verdict), probed.and_then(ProbedOrigin::reason))
        } else {
            (true, NO_FAILURES)
        };
        let place = |endpoint: &Endpoint| {
            let (healthy, reason) = if endpoint.checks.has_no_vote() {
                (true, NO_FAILURES)
            } else {
                standing(endpoint.checks.verdict(), endpoint.checks.reason())
            };
            let last = endpoint.checks.telling().and_then(|cell| cell.last()).map(|(outcome, _)| outcome);
            Place { address: endpoint.address.to_string(), details: OriginDetails::new(healthy, reason, last.as_ref()) }
        };
        let mut places: Vec<Place> = endpoints.iter().map(place).collect();
        if places.is_empty() {
            let address = match &origin.address {
                Address::Ip(address) => address.to_string(),
                Address::Host(name) => format!("{name}."),
            };
            places.push(Place { address, details: OriginDetails::new(healthy, reason, None) });
        }
        Self { healthy, reason, places }
    }

    /// The same with a lever, which outranks probes.
    fn forced(self, lever: Option<LeverAction>) -> Self {
        match lever {
            Some(LeverAction::Up) => Self { healthy: true, reason: FORCED_UP, ..self },
            Some(LeverAction::Down) => Self { healthy: false, reason: FORCED_DOWN, ..self },
            Some(LeverAction::Drain) | None => self,
        }
    }
}

/// Why an origin of a pool with a monitor is not healthy, in the original's words where it has some.
pub fn reason_words(is_enabled: bool, verdict: Verdict, reason: Option<FailReason>) -> &'static str {
    match verdict {
        _ if !is_enabled => DISABLED,
        Verdict::Up => NO_FAILURES,
        Verdict::Unknown => NO_RESULT,
        Verdict::Down => reason.unwrap_or(FailReason::Other).words(),
    }
}

/// A pool's health, seen from each vantage point.
#[derive(Debug, Serialize)]
struct PoolHealth {
    /// The pool.
    pool_id: String,
    /// What each vantage point sees; there is one.
    pop_health: BTreeMap<String, HealthDetails>,
}

/// What is seen of a pool from one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct HealthDetails {
    /// Whether it is healthy.
    pub healthy: bool,
    /// The addresses of its origins in its order, each an object with one key, itself.
    pub origins: Vec<BTreeMap<String, OriginDetails>>,
}

/// What is seen of an origin from one place.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct OriginDetails {
    /// Whether it is healthy.
    healthy: bool,
    /// How long its last probe took, as Go writes durations; the original's client for Go reads it so.
    rtt: String,
    /// Why it is not healthy.
    failure_reason: &'static str,
    /// The status of its last response; 0 if there was none.
    response_code: u16,
}

impl OriginDetails {
    /// What a single probe saw.
    pub fn of_outcome(outcome: &Outcome) -> Self {
        let reason = outcome.failure.map_or(NO_FAILURES, FailReason::words);
        Self::new(outcome.is_success(), reason, Some(outcome))
    }

    /// Whether it is healthy.
    pub const fn is_healthy(&self) -> bool {
        self.healthy
    }

    /// A verdict with what the last probe saw.
    fn new(healthy: bool, failure_reason: &'static str, last: Option<&Outcome>) -> Self {
        Self {
            healthy,
            rtt: go_duration(last.map_or(Duration::ZERO, |last| last.rtt)),
            failure_reason,
            response_code: last.and_then(|last| last.code).unwrap_or(0),
        }
    }
}

/// A duration as Go writes it, to four digits or so: `0s`, `350µs`, `12.1ms`, `2.004s`.
fn go_duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    // A number of thousandths without the zeros at its end.
    let decimal = |whole: u128, thousandths: u128| {
        let text = format!("{whole}.{thousandths:03}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match micros {
        0 => "0s".to_owned(),
        1..1_000 => format!("{micros}µs"),
        1_000..1_000_000 => {
            let tenths = micros / 100;
            format!("{}ms", decimal(tenths / 10, tenths % 10 * 100))
        }
        _ => {
            let millis = micros / 1_000;
            format!("{}s", decimal(millis / 1_000, millis % 1_000))
        }
    }
}

/// `GET .../pools/{pool_id}/health`
async fn details(State(context): State<Arc<Context>>, PathId(id): PathId<PoolId>) -> Answer<impl Serialize> {
    let inventory = context.inventory();
    let pool = inventory.pools.find(id).ok_or_else(|| ApiError::not_found("pool", id))?;
    if !pool.is_monitored() {
        // The original's words; its number is not known.
        let text = "Health info unavailable: the pool has no monitor, so its health is not considered";
        return Err(ApiError::new(Code::NotFound, text));
    }
    let assigned = Arc::clone(&context.assigned.borrow());
    let PoolStanding { healthy, origins } =
        PoolStanding::of(pool, assigned.pools.find(id).map(Arc::as_ref), inventory.levers.find(id).map(Arc::as_ref));
    let places = origins.into_iter().flat_map(|standing| standing.places);
    let shown = places.map(|Place { address, details }| BTreeMap::from([(address, details)]));
    let details = HealthDetails { healthy, origins: shown.collect() };
    let policy = context.policy.load();
    let label = if policy.id_server.is_empty() { VANTAGE_POINT } else { &policy.id_server };
    let pop_health = BTreeMap::from([(label.to_owned(), details)]);
    Ok(Reply::new(PoolHealth { pool_id: id.to_string(), pop_health }))
}

#[cfg(test)]
mod tests;
