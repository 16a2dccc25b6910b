//! Previews: a monitor tried on pools now, from here, before it decides anything. Nothing of it reaches the inventory.
//!
//! A preview is started by `POST .../preview` of a pool or a monitor and runs by itself; `GET preview/{preview_id}` shows
//! the pools that are finished so far. It probes what is enabled: each origin as the schedule would, retries too. It ends five
//! minutes after its start at the latest, and is forgotten after ten; before that if many others follow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::State;
use axum::http::Method;
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::Instant;
use tracing::info;

use crate::api::shares::{Share, Shares};
use crate::api::v4::body::{self, Edit, Parsed, parsed};
use crate::api::v4::caller::{Caller, forbidden};
use crate::api::v4::code::{Code, Note};
use crate::api::v4::context::{Context, random_bits};
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::health::{HealthDetails, OriginDetails, is_enough};
use crate::api::v4::monitors;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::pools;
use crate::api::v4::request::{OptionalJsonBody, PathId};
use crate::api::v4::route::{Route, in_both_views};
use crate::api::v4::secrets;
use crate::health::endpoint::ProbedPool;
use crate::health::probe::Probe;
use crate::health::table::TargetKey;
use crate::health::target::look;
use crate::model::id::{MonitorId, PoolId, PreviewId, TokenId};
use crate::model::inventory::Inventory;
use crate::model::limits::{
    PREVIEW_LIFETIME, PREVIEW_ORIGINS_MAX, PREVIEW_PROBES_MAX, PREVIEW_RUN_MAX, PREVIEWS_AT_ONCE_MAX,
    PREVIEWS_KEPT_MAX, PREVIEWS_PER_TOKEN_MAX,
};
use crate::model::monitor::Monitor;
use crate::model::pool::{Address, Origin, Pool};
use crate::model::tree::Node;
use crate::model::verdict::{FailReason, Outcome};
use crate::spec::monitor::parse_json;

/// The previews of one server.
#[derive(Debug)]
pub struct Previews {
    /// Those that are kept, and what runs for them.
    kept: Mutex<Kept>,
    /// A place for each that may run.
    places: Arc<Semaphore>,
    /// A permit for each probe in flight.
    probes: Arc<Semaphore>,
    /// How many places each token has.
    of_tokens: Arc<Shares<TokenId>>,
}

/// Previews that are kept.
#[derive(Debug, Default)]
struct Kept {
    /// The oldest first.
    previews: VecDeque<Preview>,
    /// Their tasks, which end when this goes.
    tasks: JoinSet<()>,
}

/// A preview.
#[derive(Debug)]
struct Preview {
    /// Its id.
    id: PreviewId,
    /// When it is forgotten.
    end: Instant,
    /// Until when it runs at most.
    deadline: Instant,
    /// Whether it runs.
    task: AbortHandle,
    /// What is finished.
    found: Arc<Mutex<Found>>,
}

/// Names of pools that a log line shows.
const SHOWN_POOLS: usize = 5;

/// What previews find, by pool.
type Found = BTreeMap<String, HealthDetails>;

impl Default for Previews {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            places: Arc::new(Semaphore::new(PREVIEWS_AT_ONCE_MAX)),
            probes: Arc::new(Semaphore::new(PREVIEW_PROBES_MAX)),
            of_tokens: Shares::new(PREVIEWS_PER_TOKEN_MAX),
        }
    }
}

impl Previews {
    /// Starts a preview of a monitor on pools.
    fn start<P: Probe + Clone>(
        &self,
        id: PreviewId,
        caller: &Caller,
        probe: &P,
        monitor: Monitor,
        pools: Vec<Seen>,
    ) -> Result<(), ApiError> {
        let now = Instant::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget_past(now);
        let full = |most: usize, whose: &str| {
            let text = format!("{most} previews{whose} run already; try again when one has ended");
            ApiError::new(Code::Overloaded, text).retry_after(kept.next_end(now))
        };
        let share = match &caller.token {
            Some(token) => {
                let share = self.of_tokens.take(token.id, 1);
                Some(share.ok_or_else(|| full(PREVIEWS_PER_TOKEN_MAX, " of this token"))?)
            }
            None => None,
        };
        let place = Arc::clone(&self.places).try_acquire_owned().map_err(|_| full(PREVIEWS_AT_ONCE_MAX, ""))?;
        let (end, deadline, found) = (now + PREVIEW_LIFETIME, now + PREVIEW_RUN_MAX, Arc::default());
        let look = Look { probe: probe.clone(), monitor: Arc::new(monitor), permits: Arc::clone(&self.probes) };
        if kept.previews.len() >= PREVIEWS_KEPT_MAX {
            kept.previews.pop_front();
        }
        let task = kept.tasks.spawn(run(look, pools, Arc::clone(&found), deadline, (place, share)));
        kept.previews.push_back(Preview { id, end, deadline, task, found });
        Ok(())
    }

    /// What a preview has found so far; none if it is not there, or no longer.
    fn find(&self, id: PreviewId) -> Option<Found> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.forget_past(Instant::now());
        let preview = kept.previews.iter().find(|preview| preview.id == id)?;
        let found = preview.found.lock().unwrap_or_else(PoisonError::into_inner);
        Some(found.clone())
    }
}

impl Kept {
    /// Forgets what has ended.
    fn forget_past(&mut self, now: Instant) {
        while self.tasks.try_join_next().is_some() {}
        while self.previews.front().is_some_and(|preview| preview.end <= now) {
            self.previews.pop_front();
        }
    }

    /// How long it is at most until one of those that run has ended.
    fn next_end(&self, now: Instant) -> Duration {
        let running = self.previews.iter().filter(|preview| !preview.task.is_finished());
        let ends = running.map(|preview| preview.deadline.saturating_duration_since(now));
        ends.min().unwrap_or_default()
    }
}

/// How a preview looks.
#[derive(Clone, Debug)]
struct Look<P> {
    /// Probes.
    probe: P,
    /// The rule.
    monitor: Arc<Monitor>,
    /// One for each probe in flight.
    permits: Arc<Semaphore>,
}

impl<P: Probe + Clone> Look<P> {
    /// Looks at one address of an origin; none for a host that has none.
    async fn at(self, origin: Origin, address: Option<IpAddr>) -> OriginDetails {
        let Some(address) = address else { return OriginDetails::of_outcome(&LOST) };
        // Nobody closes the semaphore.
        let _permit = self.permits.acquire().await;
        let key = TargetKey::new(&origin, address, &self.monitor);
        OriginDetails::of_outcome(&look(&self.probe, &self.monitor, &key, || {}).await)
    }

    /// Looks at the enabled origins of a pool; none if a probe panicked, which is a fault of ours.
    async fn at_pool(self, seen: Seen) -> Option<HealthDetails> {
        let Seen { pool, probed } = seen;
        let mut looks = JoinSet::new();
        for (index, origin) in pool.origins.iter().enumerate().filter(|(_, origin)| origin.enabled) {
            for (address, written) in addresses(origin, probed.as_deref()) {
                let (look, origin) = (self.clone(), origin.clone());
                looks.spawn(async move { (index, written, look.at(origin, address).await) });
            }
        }
        let mut found = Vec::with_capacity(looks.len());
        while let Some(joined) = looks.join_next().await {
            found.push(joined.ok()?);
        }
        found.sort_unstable_by(|(one, this, _), (other, that, _)| (one, this).cmp(&(other, that)));
        let up: BTreeSet<usize> =
            found.iter().filter(|(_, _, details)| details.is_healthy()).map(|(index, _, _)| *index).collect();
        let origins = found.into_iter().map(|(_, address, details)| BTreeMap::from([(address, details)]));
        Some(HealthDetails { healthy: is_enough(up.len(), &pool), origins: origins.collect() })
    }
}

/// A pool, and what its hosts are known to have.
#[derive(Clone, Debug)]
struct Seen {
    /// The pool.
    pool: Arc<Pool>,
    /// The same, as it is probed; none if it is quite new.
    probed: Option<Arc<ProbedPool>>,
}

/// What a host has that has no address.
const LOST: Outcome = Outcome { failure: Some(FailReason::UnknownHost), rtt: Duration::ZERO, code: None };

/// The addresses of an origin, and how each is shown. A host without one is shown by its name, with a dot at its end.
fn addresses(origin: &Origin, probed: Option<&ProbedPool>) -> Vec<(Option<IpAddr>, String)> {
    let name = match &origin.address {
        Address::Ip(address) => return vec![(Some(*address), address.to_string())],
        Address::Host(name) => name,
    };
    let pairs = probed.into_iter().flat_map(|probed| probed.pool.origins.iter().zip(&probed.origins));
    let found = pairs.into_iter().find(|(other, _)| other.address == origin.address);
    let endpoints = found.map_or(&[][..], |(_, probed)| probed.endpoints());
    match endpoints {
        [] => vec![(None, format!("{name}."))],
        known => known.iter().map(|endpoint| (Some(endpoint.address), endpoint.address.to_string())).collect(),
    }
}

/// Runs a preview to its end, in one of the places.
async fn run<P: Probe + Clone>(
    look: Look<P>,
    pools: Vec<Seen>,
    found: Arc<Mutex<Found>>,
    deadline: Instant,
    place: (OwnedSemaphorePermit, Option<Share<TokenId>>),
) {
    let mut looks = JoinSet::new();
    for seen in pools {
        let (id, look) = (seen.pool.id, look.clone());
        looks.spawn(async move { (id, look.at_pool(seen).await) });
    }
    let all = async {
        while let Some(joined) = looks.join_next().await {
            if let Ok((id, Some(details))) = joined {
                found.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_string(), details);
            }
        }
    };
    // What is not finished by then is left out.
    drop(tokio::time::timeout_at(deadline, all).await);
    drop(place);
}

/// A preview that has been started.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Started {
    /// Its id.
    preview_id: String,
    /// Names of its pools, by their ids.
    pools: BTreeMap<String, String>,
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[
        Route::post("/load_balancers/pools/{pool_id}/preview", of_pool).for_its_pool(),
        Route::post("/load_balancers/monitors/{monitor_id}/preview", of_monitor),
        Route::get("/load_balancers/preview/{preview_id}", result).for_all(),
    ])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let started = schema::object([("preview_id", schema::id()), ("pools", schema::map(schema::text()))], []);
    let found = schema::map(schema::of("HealthDetails"));
    let monitor = || schema::of("Monitor");
    let operations = vec![
        Operation::new(
            Method::POST,
            "/load_balancers/pools/{pool_id}/preview",
            "Probes a pool once with this monitor, or with its own.",
        )
        .may_take(monitor())
        .gives(started.clone()),
        Operation::new(
            Method::POST,
            "/load_balancers/monitors/{monitor_id}/preview",
            "Probes the pools of a monitor once, perhaps with a change of it.",
        )
        .may_take(monitor())
        .gives(started),
        Operation::new(Method::GET, "/load_balancers/preview/{preview_id}", "Shows what a preview has found so far.")
            .gives(found),
    ];
    Description { tag: "Previews", operations, schemas: vec![] }
}

/// `POST .../pools/{pool_id}/preview`: the body is a monitor. Without one it is the pool's own, and so it has to be for those
/// who are limited to the pool: else they could send anything to wherever probes come.
async fn of_pool(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<PoolId>,
    caller: Caller,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Answer<Started> {
    let inventory = context.inventory();
    let (pool, _) = pools::find(&inventory, id)?;
    let (monitor, messages) = match body {
        Some(body) if caller.limit().is_none() => {
            secrets::check_whole(&body)?;
            let monitor_id = MonitorId::random(random_bits()?);
            let Parsed { object, messages } = parsed(|faults| parse_json(&body, monitor_id, &inventory, faults))?;
            (object, messages)
        }
        body => (own_monitor(&inventory, pool, body)?, vec![]),
    };
    start(&context, &caller, monitor, vec![Arc::clone(pool)], messages)
}

/// The monitor of a pool, if a body, should there be one, says the same.
fn own_monitor(inventory: &Inventory, pool: &Pool, body: Option<Node>) -> Result<Monitor, ApiError> {
    let none = || ApiError::invalid("the pool has no monitor of its own that could be tried");
    let (monitor, stamp) = monitors::find(inventory, pool.monitor.ok_or_else(none)?)?;
    if let Some(body) = body {
        let said = secrets::without_hidden(body::table(&body)?.clone());
        let Parsed { object, .. } = monitors::edited(inventory, monitor, stamp, &Edit::Part(said))?;
        if object != **monitor {
            return Err(forbidden(
                "it is limited to a pool, and tries that with the pool's own monitor only; send no body",
            ));
        }
    }
    Ok(Monitor::clone(monitor))
}

/// `POST .../monitors/{monitor_id}/preview`: the body says what is to be another way, on all pools that name
/// the monitor or a group with it.
async fn of_monitor(
    State(context): State<Arc<Context>>,
    PathId(id): PathId<MonitorId>,
    caller: Caller,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Answer<Started> {
    let inventory = context.inventory();
    let (monitor, stamp) = monitors::find(&inventory, id)?;
    let (monitor, mut messages) = match body {
        None => (Monitor::clone(monitor), vec![]),
        Some(body) => {
            let Parsed { object, messages } = monitors::edited(&inventory, monitor, stamp, &Edit::part(body)?)?;
            (object, messages)
        }
    };
    let groups = inventory.monitor_groups.iter().filter(|group| group.names(id));
    let groups: BTreeSet<_> = groups.map(|group| Some(group.id)).collect();
    let uses = |pool: &Pool| pool.monitor == Some(id) || groups.contains(&pool.monitor_group);
    let mut pools: Vec<Arc<Pool>> = inventory.pools.iter().filter(|pool| uses(pool)).map(Arc::clone).collect();
    pools.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    messages.extend(cut(&mut pools));
    start(&context, &caller, monitor, pools, messages)
}

/// Leaves as many pools as one preview may look at, and tells of the others.
fn cut(pools: &mut Vec<Arc<Pool>>) -> Option<Message> {
    let mut origins = 0;
    let mut fits = |pool: &Arc<Pool>| {
        origins += pool.origins.len();
        origins <= PREVIEW_ORIGINS_MAX
    };
    let (all, few) = (pools.len(), pools.iter().take_while(|pool| fits(pool)).count());
    pools.truncate(few);
    let text = || format!("of {all} pools the first {few} by name: a preview looks at {PREVIEW_ORIGINS_MAX} origins");
    (few < all).then(|| Message::of(Note::Warning, text()))
}

/// Starts a preview and tells of it.
fn start(
    context: &Context,
    caller: &Caller,
    monitor: Monitor,
    pools: Vec<Arc<Pool>>,
    messages: Vec<Message>,
) -> Answer<Started> {
    let id = PreviewId::random(random_bits()?);
    let names: BTreeMap<String, String> = pools.iter().map(|pool| (pool.id.to_string(), pool.name.clone())).collect();
    let (by, shown) = (caller.author(), names.values().take(SHOWN_POOLS).collect::<Vec<_>>());
    info!(%by, monitor = %monitor.id, pools = names.len(), ?shown, "a preview is started");
    let assigned = Arc::clone(&context.assigned.borrow());
    let seen = |pool: Arc<Pool>| Seen { probed: assigned.pools.find(pool.id).cloned(), pool };
    let pools = pools.into_iter().map(seen).collect();
    context.previews.start(id, caller, &context.prober, monitor, pools)?;
    Ok(Reply::new(Started { preview_id: id.to_string(), pools: names }).with_messages(messages))
}

/// `GET .../preview/{preview_id}`
async fn result(State(context): State<Arc<Context>>, PathId(id): PathId<PreviewId>) -> Answer<Found> {
    context.previews.find(id).map(Reply::new).ok_or_else(|| ApiError::not_found("preview", id))
}

#[cfg(test)]
mod tests;
