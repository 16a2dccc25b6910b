//! Tests of events: their form, filters and bounds.

use serde_json::json;

use crate::api::v4::fixture::Fixture;
use crate::api::v4::transcript::Transcript;
use crate::model::event::{OriginEvent, PoolEvent};
use crate::model::id::PoolId;
use crate::model::stamp::UnixMicros;
use crate::model::verdict::{FailReason, Verdict};

const EVENTS: &str = "/user/load_balancing_analytics/events";
/// `date -u -d 2026-01-31T12:00:00Z +%s`
const NOON: u64 = 1_769_860_800;

/// An event of a pool with one origin, at some seconds after noon.
fn event(pool: &str, seconds: u64, healthy: bool) -> PoolEvent {
    let (from, verdict) = if healthy { (Verdict::Down, Verdict::Up) } else { (Verdict::Up, Verdict::Down) };
    PoolEvent {
        at: UnixMicros((NOON + seconds) * 1_000_000),
        pool: PoolId::declared(pool),
        name: pool.to_owned(),
        from,
        verdict,
        minimum_origins: 1,
        origins: vec![OriginEvent {
            name: format!("{pool}-1"),
            address: [192, 0, 2, 1].into(),
            ip: Some([192, 0, 2, 1].into()),
            enabled: true,
            from,
            verdict,
            reason: (!healthy).then_some(FailReason::TcpTimeout),
            count: 1,
            latency: None,
        }],
    }
}

/// The API with events in its journal.
async fn api(events: Vec<PoolEvent>) -> Fixture {
    let api = Fixture::new();
    let mut last = api.store.last_event();
    let count = events.len() as u64;
    api.store.append_events(events);
    last.wait_for(|last| *last >= count).await.unwrap();
    api
}

#[tokio::test]
async fn golden_events() {
    let api = api(vec![event("web", 0, false), event("mail", 1, true), event("web", 2, true)]).await;
    let mut calls = Transcript::of(&api);
    calls.call("GET", EVENTS, "").await;
    calls.call("GET", &format!("{EVENTS}?limit=1"), "").await;
    for query in ["since=yesterday", "pool_id=web", "pool_healthy=1", "limit=0"] {
        calls.call("GET", &format!("{EVENTS}?{query}"), "").await;
    }
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn events_are_filtered() {
    let api = api(vec![event("web", 0, false), event("mail", 1, true), event("web", 2, true)]).await;
    let web = PoolId::declared("web");
    for (query, expected) in [
        ("", vec![1, 2, 3]),
        ("since=2026-01-31T12:00:01Z", vec![2, 3]),
        ("since=2026-01-31T13:00:01+01:00", vec![2, 3]),
        ("until=2026-01-31T12:00:00.5Z", vec![1]),
        ("since=1900-01-01T00:00:00Z", vec![1, 2, 3]),
        (&format!("pool_id={web}"), vec![1, 3]),
        ("pool_name=mail", vec![2]),
        ("pool_healthy=False", vec![1]),
        ("pool_healthy=true&pool_name=web", vec![3]),
        ("origin_name=web-1&origin_healthy=TRUE", vec![3]),
        ("after=1", vec![2, 3]),
        ("after=1&limit=1", vec![2]),
        ("limit=2", vec![2, 3]),
        ("per_page=2", vec![2, 3]),
        ("page=2&per_page=2", vec![1]),
        ("page=3&per_page=2", vec![]),
        ("page=1", vec![1, 2, 3]),
    ] {
        let body = api.call("GET", &format!("{EVENTS}?{query}"), "").await.body;
        let found: Vec<u64> =
            body["result"].as_array().unwrap().iter().map(|event| event["id"].as_u64().unwrap()).collect();
        assert_eq!(found, expected, "{query}");
    }
    let account = format!("/accounts/{}/load_balancing_analytics/events", crate::api::v4::accounts::id());
    assert_eq!(api.call("GET", &account, "").await.body, api.call("GET", EVENTS, "").await.body);
}

#[tokio::test]
async fn events_of_an_origin_are_those_in_which_it_changed() {
    let unchanged = |mut event: PoolEvent| {
        let first = event.origins[0].clone();
        let origin = OriginEvent { name: "other".into(), from: first.verdict, ..first };
        event.origins.push(origin);
        event
    };
    let api = api(vec![unchanged(event("web", 0, false)), event("other", 1, false)]).await;
    for (query, count) in [("origin_name=other", 0), ("origin_name=web-1", 1), ("origin_healthy=false", 2)] {
        let body = api.call("GET", &format!("{EVENTS}?{query}"), "").await.body;
        assert_eq!(body["result"].as_array().unwrap().len(), count, "{query}");
    }
    for query in ["page=1&limit=1", "page=1&after=1", "page=99999999"] {
        assert_eq!(api.call("GET", &format!("{EVENTS}?{query}"), "").await.status, 400, "{query}");
    }
}

#[tokio::test]
async fn more_events_than_are_shown_are_told_of() {
    let api = api(vec![event("web", 0, false), event("web", 1, true)]).await;
    for (query, told) in [("limit=1", true), ("limit=2", false), ("limit=1&after=0", true), ("limit=1&after=1", false)]
    {
        let body = api.call("GET", &format!("{EVENTS}?{query}"), "").await.body;
        assert_eq!(body["messages"] != json!([]), told, "{query}");
    }
}
