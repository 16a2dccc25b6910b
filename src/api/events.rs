//! What happened to pools, for `pooldns events`: from the store's journal, by number, so that whoever follows misses nothing
//! that is kept, and hears of what is not.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::api::exchange::Refusal;
use crate::api::v4::Store;
use crate::model::limits::{EVENTS_ANSWERED_MAX, EVENTS_WAIT_MAX};
use crate::model::stamp::UnixMicros;
use crate::spec::told::ToldChange;
use crate::store::embedded::{EventQuery, KeptEvent, ReadError};

/// Which events are asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsAsked {
    /// Those after the one with this number, the oldest first; without it, the last ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Only from this moment on, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
    /// Only of the pool with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pool: Option<String>,
    /// How many events at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// How many seconds to wait for one if there is none yet; needs `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<u64>,
}

/// The events, and what one has to know to go on.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct EventsTold {
    /// What changed, in order; several changes may be of one event.
    pub changes: Vec<ToldChange>,
    /// Whoever goes on asks for what comes after this number.
    pub next: u64,
    /// The number of the last event that is kept. If it is lower than what was asked for, this is another journal.
    pub last: u64,
    /// How many events after the number that was asked for are no longer kept.
    pub missed: u64,
    /// How many events the server has lost since it started, because there was no room for them.
    pub lost: u64,
}

/// What the route needs.
#[derive(Clone)]
struct Journal {
    /// Where events are kept.
    store: Arc<Store>,
    /// Ends all waiting.
    stop: CancellationToken,
}

/// The route, for the control socket only. Nobody waits beyond `stop`.
pub(super) fn routes(store: Arc<Store>, stop: CancellationToken) -> Router {
    Router::new().route("/events", get(list)).with_state(Journal { store, stop })
}

/// `GET /events`
async fn list(
    State(journal): State<Journal>,
    Query(asked): Query<EventsAsked>,
) -> Result<Json<EventsTold>, (StatusCode, Json<Refusal>)> {
    if let Some((after, wait)) = asked.after.zip(asked.wait) {
        journal.wait_beyond(after, Duration::from_secs(wait).min(EVENTS_WAIT_MAX)).await;
    }
    let told = journal.tell(asked).await;
    told.map(Json).map_err(|error| (StatusCode::SERVICE_UNAVAILABLE, Json(Refusal { error: error.to_string() })))
}

impl Journal {
    /// Waits until the last event is another one than that with a number, or the time is over.
    async fn wait_beyond(&self, number: u64, time: Duration) {
        let mut last = self.store.last_event();
        tokio::select! {
            // An error means that the store has ended; whoever asks it next is told so.
            _ = timeout(time, last.wait_for(|last| *last != number)) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Looks for the events.
    async fn tell(&self, asked: EventsAsked) -> Result<EventsTold, ReadError> {
        let EventsAsked { after, since, pool, limit, wait: _ } = asked;
        let limit = limit.unwrap_or(EVENTS_ANSWERED_MAX).min(EVENTS_ANSWERED_MAX);
        // Asked for first: what comes meanwhile may be among the events, and is then the last.
        let last = *self.store.last_event().borrow();
        let missed = match after {
            Some(after) if after < last => {
                self.store.oldest_event().await?.map_or(0, |oldest| oldest.saturating_sub(after + 1))
            }
            _ => 0,
        };
        let since = since.map(UnixMicros);
        let events = self.store.events(EventQuery { after, since, pool_name: pool, ..EventQuery::last(limit) }).await?;
        let last = events.last().map_or(last, |event| event.number.max(last));
        // With fewer than could be told, all have been looked at.
        let next = if after.is_some() && events.len() == limit { events.last() } else { None };
        let next = next.map_or(last, |event| event.number);
        let told = |KeptEvent { number, event }: &KeptEvent| -> Vec<ToldChange> {
            event.changes().map(|change| ToldChange::new(Some(*number), change)).collect()
        };
        let changes = events.iter().flat_map(told).collect();
        Ok(EventsTold { changes, next, last, missed, lost: self.store.lost_events() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{OriginEvent, PoolEvent};
    use crate::model::id::PoolId;
    use crate::model::verdict::Verdict;
    use crate::store::embedded::EmbeddedStore;

    /// An event of a pool whose only origin went down.
    fn event(pool: &str, at: u64) -> PoolEvent {
        let origin = OriginEvent {
            name: "o".to_owned(),
            address: [192, 0, 2, 1].into(),
            ip: Some([192, 0, 2, 1].into()),
            enabled: true,
            from: Verdict::Up,
            verdict: Verdict::Down,
            reason: None,
            count: 1,
            latency: None,
        };
        PoolEvent {
            at: UnixMicros(at),
            pool: PoolId::declared(pool),
            name: pool.to_owned(),
            from: Verdict::Up,
            verdict: Verdict::Down,
            minimum_origins: 1,
            origins: vec![origin],
        }
    }

    /// A journal with these events on disk.
    async fn journal(events: Vec<PoolEvent>) -> Journal {
        let store = Arc::new(EmbeddedStore::in_memory().unwrap());
        let (mut last, count) = (store.last_event(), events.len() as u64);
        store.append_events(events);
        last.wait_for(|last| *last == count).await.unwrap();
        Journal { store, stop: CancellationToken::new() }
    }

    #[tokio::test]
    async fn whoever_asks_after_what_is_next_sees_each_event_once() {
        let journal = journal(vec![event("a", 1), event("b", 2), event("a", 3), event("b", 4)]).await;
        let asked = |after, pool: Option<&str>, limit| EventsAsked {
            after,
            pool: pool.map(str::to_owned),
            limit: Some(limit),
            ..EventsAsked::default()
        };
        for (asked, ids, next) in [
            (asked(None, None, 2), vec![3, 4], 4),
            (asked(None, Some("a"), 1), vec![3], 4),
            (asked(Some(0), None, 3), vec![1, 2, 3], 3),
            (asked(Some(3), None, 3), vec![4], 4),
            (asked(Some(4), None, 3), vec![], 4),
            // What the filter leaves out is not looked at again.
            (asked(Some(0), Some("a"), 2), vec![1, 3], 3),
            (asked(Some(3), Some("a"), 2), vec![], 4),
            (EventsAsked { since: Some(3), ..asked(Some(0), None, 9) }, vec![3, 4], 4),
            // Another journal, whose numbers begin anew.
            (asked(Some(99), None, 9), vec![], 4),
        ] {
            let told = journal.tell(asked.clone()).await.unwrap();
            let mut found: Vec<u64> = told.changes.iter().map(|change| change.id.unwrap()).collect();
            assert_eq!(found.len(), 2 * ids.len(), "an origin and its pool: {asked:?}");
            found.dedup();
            assert_eq!((found, told.next, told.last), (ids, next, 4), "{asked:?}");
        }
    }

    #[tokio::test]
    async fn waiting_ends_with_an_event_or_with_the_server() {
        let journal = journal(vec![event("a", 1)]).await;
        let long = Duration::from_hours(1);
        // What is there already is not waited for, nor is another journal.
        journal.wait_beyond(0, long).await;
        journal.wait_beyond(99, long).await;
        let (waiting, store) = (journal.clone(), Arc::clone(&journal.store));
        let waiter = tokio::spawn(async move { waiting.wait_beyond(1, long).await });
        store.append_events(vec![event("a", 2)]);
        waiter.await.unwrap();
        let waiting = journal.clone();
        let waiter = tokio::spawn(async move { waiting.wait_beyond(2, long).await });
        journal.stop.cancel();
        waiter.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_lost_is_told() {
        let journal = journal(vec![event("a", 1)]).await;
        journal.store.lose_events(3);
        assert_eq!(journal.tell(EventsAsked::default()).await.unwrap().lost, 3);
        let none = EmbeddedStore::unavailable("there is no folder".into());
        let journal = Journal { store: Arc::new(none), stop: CancellationToken::new() };
        assert!(journal.tell(EventsAsked::default()).await.is_err());
    }
}
