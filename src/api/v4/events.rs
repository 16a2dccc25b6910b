//! `load_balancing_analytics/events`: what happened to pools, from the store's journal. The original has it at user level
//! only.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::Method;
use jiff::Timestamp;
use serde::Serialize;

use crate::api::v4::caller::{Caller, forbidden};
use crate::api::v4::code::{Code, Note};
use crate::api::v4::context::Context;
use crate::api::v4::envelope::{Answer, Message, Reply};
use crate::api::v4::error::ApiError;
use crate::api::v4::health::reason_words;
use crate::api::v4::openapi::description::{Description, Operation};
use crate::api::v4::openapi::schema;
use crate::api::v4::request::Parameters;
use crate::api::v4::route::{Route, in_both_views};
use crate::api::v4::times::Time;
use crate::model::event::{OriginEvent, PoolEvent};
use crate::model::id::PoolId;
use crate::model::limits::{AUDIT_REACH_MAX, EVENTS_SHOWN_MAX};
use crate::model::stamp::UnixMicros;
use crate::model::verdict::Verdict;
use crate::store::embedded::{EventQuery, KeptEvent};

/// Events of a page where nobody says how many: as in other lists.
const EVENTS_PER_PAGE: usize = 25;

/// An event as it is shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct Event {
    /// Its number.
    id: u64,
    /// When.
    timestamp: Time,
    /// The pool then.
    pool: EventPool,
    /// Its origins then, in its order.
    origins: Vec<EventOrigin>,
}

/// The pool of an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct EventPool {
    /// Its id.
    id: String,
    /// Its name then.
    name: String,
    /// Whether it had as many healthy origins as it needs.
    healthy: bool,
    /// Whether that is what changed.
    changed: bool,
    /// How many healthy origins it needs.
    minimum_origins: u32,
}

/// An origin of an event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
struct EventOrigin {
    /// Its name.
    name: String,
    /// Its address as it is written.
    address: String,
    /// The address that changed, or the first; none while a host has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    /// Whether it was enabled.
    enabled: bool,
    /// Whether it was healthy.
    healthy: bool,
    /// Whether that is what changed.
    changed: bool,
    /// Why it was not healthy.
    failure_reason: &'static str,
}

impl From<KeptEvent> for Event {
    fn from(kept: KeptEvent) -> Self {
        let KeptEvent { number, event } = kept;
        let (healthy, changed) = (event.is_healthy(), event.health_changed());
        let PoolEvent { at, pool, name, from: _, verdict: _, minimum_origins, origins } = event;
        let pool = EventPool { id: pool.to_string(), name, healthy, changed, minimum_origins };
        Self { id: number, timestamp: Time(at), pool, origins: origins.into_iter().map(EventOrigin::from).collect() }
    }
}

impl From<OriginEvent> for EventOrigin {
    fn from(event: OriginEvent) -> Self {
        let changed = event.has_changed();
        let OriginEvent { name, address, ip, enabled, from: _, verdict, reason, count: _, latency: _ } = event;
        let failure_reason = reason_words(enabled, verdict, reason);
        Self {
            name,
            address: address.to_string(),
            ip,
            enabled,
            healthy: verdict == Verdict::Up,
            changed,
            failure_reason,
        }
    }
}

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    in_both_views(&[Route::get("/load_balancing_analytics/events", list).at_length().for_all()])
}

/// What the document says of them.
pub(super) fn describe() -> Description {
    let pool = schema::object(
        [
            ("id", schema::id()),
            ("name", schema::text()),
            ("healthy", schema::boolean()),
            ("changed", schema::boolean()),
            ("minimum_origins", schema::integer(0, i64::MAX)),
        ],
        [],
    );
    let origin = schema::object(
        [
            ("name", schema::text()),
            ("address", schema::text()),
            ("ip", schema::text()),
            ("enabled", schema::boolean()),
            ("healthy", schema::boolean()),
            ("changed", schema::boolean()),
            ("failure_reason", schema::text()),
        ],
        [],
    );
    let event = schema::object(
        [
            ("id", schema::integer(0, i64::MAX)),
            ("timestamp", schema::time()),
            ("pool", pool),
            ("origins", schema::list(origin)),
        ],
        [],
    );
    let number = || schema::integer(0, i64::MAX);
    let list = Operation::new(Method::GET, "/load_balancing_analytics/events", "Lists what happened to pools.")
        .gives(schema::list(schema::of("Event")))
        .query("since", schema::text(), "From this time on.")
        .query("until", schema::text(), "Until this time.")
        .query("pool_id", schema::id(), "Only of this pool.")
        .query("pool_name", schema::text(), "Only of the pool with this name.")
        .query("pool_healthy", schema::boolean(), "Only of pools that were healthy, or not.")
        .query("origin_name", schema::text(), "Only where an origin with this name changed.")
        .query("origin_healthy", schema::boolean(), "Only where an origin changed that was healthy, or not.")
        .query("after", number(), "Only events after the one with this number, the oldest of them first.")
        .query("limit", number(), "How many events at most.")
        .query("page", schema::integer(1, i64::MAX), "Which page; the first one has the newest events.")
        .query("per_page", schema::integer(1, i64::MAX), "How many events a page has.");
    Description { tag: "Events", operations: vec![list], schemas: vec![("Event", event)] }
}

/// `GET .../load_balancing_analytics/events`: the last of those that fit, the newest last. Whoever follows gives the number
/// of the last one that they have as `after`, and gets those that came next.
async fn list(State(context): State<Arc<Context>>, caller: Caller, parameters: Parameters) -> Answer<Vec<Event>> {
    let (offset, limit) = part(&parameters)?;
    let mut query = query(&parameters, offset, limit)?;
    if let Some(limit) = caller.limit() {
        if query.pool.is_some_and(|pool| pool != limit) {
            return Err(forbidden("it is limited to another pool"));
        }
        query.pool = Some(limit);
    }
    let follows = query.after.is_some();
    let found = context.store.events(query).await;
    let mut events = found.map_err(|error| ApiError::new(Code::Unavailable, error.to_string()))?;
    let more = events.len() > limit;
    match (more, follows) {
        (false, _) => {}
        (true, true) => events.truncate(limit),
        (true, false) => drop(events.remove(0)),
    }
    let message = more.then(|| {
        let which = if follows { "next" } else { "last" };
        let help =
            if follows { "ask again after the last of them" } else { "until and the other parameters reach them" };
        Message::of(Note::Warning, format!("these are the {which} {limit} events, and there are more: {help}"))
    });
    Ok(Reply::new(events.into_iter().map(Event::from).collect()).with_messages(message))
}

/// How many of the newest events to pass over, and how many to show.
fn part(parameters: &Parameters) -> Result<(usize, usize), ApiError> {
    let page = parameters.number("page", 1, usize::MAX)?;
    let per_page = parameters.number("per_page", 1, usize::MAX)?.map(|count| count.min(EVENTS_SHOWN_MAX));
    let limit = parameters.number("limit", 1, EVENTS_SHOWN_MAX)?;
    if page.or(per_page).is_none() {
        return Ok((0, limit.unwrap_or(EVENTS_SHOWN_MAX)));
    }
    if limit.is_some() || parameters.text("after")?.is_some() {
        return Err(ApiError::invalid("page and per_page, or after and limit, but not both"));
    }
    let count = per_page.unwrap_or(EVENTS_PER_PAGE);
    let offset = (page.unwrap_or(1) - 1).saturating_mul(count);
    if offset > AUDIT_REACH_MAX {
        let text = format!("pages reach {AUDIT_REACH_MAX} events; for older ones say until which time");
        return Err(ApiError::invalid(text));
    }
    Ok((offset, count))
}

/// What is asked for; one more than is shown, so that it is known whether there is more.
fn query(parameters: &Parameters, skip: usize, limit: usize) -> Result<EventQuery, ApiError> {
    let text = |name: &str| Ok::<_, ApiError>(parameters.text(name)?.map(str::to_owned));
    let pool = parameters.text("pool_id")?.map(|id| {
        let wrong = || ApiError::invalid("the parameter pool_id is an id of 32 hexadecimal digits, the letters small");
        PoolId::parse(id).ok_or_else(wrong)
    });
    let after = parameters.number("after", 0, usize::MAX)?;
    Ok(EventQuery {
        since: moment(parameters, "since")?,
        until: moment(parameters, "until")?,
        pool: pool.transpose()?,
        pool_name: text("pool_name")?,
        pool_healthy: parameters.boolean("pool_healthy")?,
        origin_name: text("origin_name")?,
        origin_healthy: parameters.boolean("origin_healthy")?,
        after: after.and_then(|after| u64::try_from(after).ok()),
        skip,
        limit: limit + 1,
    })
}

/// A moment among the parameters (RFC 3339), or the beginning of a day. What lies before 1970 is before everything.
pub(super) fn moment(parameters: &Parameters, name: &str) -> Result<Option<UnixMicros>, ApiError> {
    let Some(text) = parameters.text(name)? else { return Ok(None) };
    // A plus sign that nobody encoded arrives as a space.
    let text = text.replace(' ', "+");
    let time = text.parse::<Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
    let wrong = |_| ApiError::invalid(format_args!("the parameter {name} is a time such as 2026-01-31T12:00:00Z"));
    let micros = time.map_err(wrong)?.as_microsecond();
    Ok(Some(UnixMicros(u64::try_from(micros).unwrap_or(0))))
}

#[cfg(test)]
mod tests;
