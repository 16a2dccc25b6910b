//! Tests of previews, with probers that are told what to see.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::api::v4::fixture::{Fixture, Seeing, bearer, odd_is_up};
use crate::api::v4::transcript::Transcript;
use crate::model::token::Access;
use crate::model::verdict::{FailReason, Outcome};
use crate::store::InventoryStore as _;

const POOLS: &str = "/user/load_balancers/pools";
const MONITORS: &str = "/user/load_balancers/monitors";

/// A pool at one address.
fn at(name: &str, address: &str, monitor: Option<&str>) -> String {
    json!({"name": name, "monitor": monitor, "origins": [{"name": "a", "address": address}]}).to_string()
}

/// An id for tests.
fn id(number: u128) -> PreviewId {
    PreviewId::random(number)
}

/// What a preview has found, once it has found that many pools.
async fn finished(previews: &Previews, id: PreviewId, pools: usize) -> Found {
    loop {
        match previews.find(id) {
            Some(found) if found.len() == pools => return found,
            Some(_) => tokio::task::yield_now().await,
            None => panic!("it is gone"),
        }
    }
}

/// Two pools and a monitor of an inventory.
async fn pools() -> (Monitor, Vec<Seen>) {
    let api = Fixture::new();
    let monitor = api.made(MONITORS, r#"{"type":"tcp","port":80,"retries":2,"timeout":1}"#).await;
    api.made(POOLS, &at("a", "192.0.2.1", None)).await;
    api.made(POOLS, &at("b", "192.0.2.2", None)).await;
    let inventory = api.store.load();
    let monitor = inventory.monitors.find(MonitorId::parse(&monitor).unwrap()).unwrap();
    let seen = |pool: &Arc<Pool>| Seen { pool: Arc::clone(pool), probed: None };
    (Monitor::clone(monitor), inventory.pools.iter().map(seen).collect())
}

#[tokio::test]
async fn a_preview_shows_each_pool_once_it_is_finished() {
    let (monitor, pools) = pools().await;
    let previews = Previews::default();
    previews.start(id(1), &Caller::control(), &Seeing(odd_is_up), monitor, pools.clone()).unwrap();
    assert_eq!(previews.find(id(1)), Some(Found::default()), "nothing has run yet");
    let found = finished(&previews, id(1), 2).await;
    for Seen { pool, .. } in pools {
        let address = pool.origins[0].address.ip().unwrap();
        let healthy = pool.name == "a";
        let details = &found[&pool.id.to_string()];
        assert_eq!(details.healthy, healthy);
        assert_eq!(details.origins[0][&address.to_string()], OriginDetails::of_outcome(&odd_is_up(address)));
    }
}

/// A prober that never ends.
#[derive(Clone)]
struct Hanging;

impl Probe for Hanging {
    async fn attempt(&self, _: &Monitor, _: &TargetKey) -> Outcome {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn previews_are_bounded_and_forgotten() {
    let (monitor, pools) = pools().await;
    let previews = Previews::default();
    let start = |number: usize| {
        previews.start(id(number as u128), &Caller::control(), &Hanging, monitor.clone(), pools.clone())
    };
    for number in 0..PREVIEWS_AT_ONCE_MAX {
        start(number).unwrap();
    }
    let refused = start(99).unwrap_err();
    assert_eq!(refused.code(), Code::Overloaded);
    assert!(previews.find(id(99)).is_none());
    // What it says of when to come again holds.
    tokio::time::advance(Duration::from_mins(1)).await;
    let after = PREVIEW_RUN_MAX.saturating_sub(Duration::from_mins(1));
    assert_eq!(start(99).unwrap_err(), refused.retry_after(after));
    tokio::time::advance(after).await;
    while previews.places.available_permits() < PREVIEWS_AT_ONCE_MAX {
        tokio::task::yield_now().await;
    }
    start(99).unwrap();
    let rest = PREVIEW_LIFETIME.saturating_sub(PREVIEW_RUN_MAX + Duration::from_secs(1));
    tokio::time::advance(rest).await;
    assert!(previews.find(id(0)).is_some());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(previews.find(id(0)).is_none(), "forgotten");
    assert!(previews.find(id(99)).is_some());
}

#[tokio::test]
async fn one_token_leaves_places_to_others() {
    let (monitor, pools) = pools().await;
    let previews = Previews::default();
    let one = bearer(Access::Edit, None);
    let start = |number: usize, caller: &Caller| {
        previews.start(id(number as u128), caller, &Hanging, monitor.clone(), pools.clone())
    };
    for number in 0..PREVIEWS_PER_TOKEN_MAX {
        start(number, &one).unwrap();
    }
    assert_eq!(start(98, &one).unwrap_err().code(), Code::Overloaded);
    start(99, &Caller::control()).unwrap();
}

#[tokio::test]
async fn whoever_is_limited_to_a_pool_tries_it_with_its_own_monitor() {
    let api = Fixture::new();
    let own = r#"{"type":"http","header":{"Authorization":["secret"]}}"#;
    let monitor = api.made(MONITORS, own).await;
    let pool = api.made(POOLS, &at("a", "127.0.0.1", Some(&monitor))).await;
    let bare = api.made(POOLS, &at("b", "127.0.0.1", None)).await;
    let path = |pool: &str| format!("{POOLS}/{pool}/preview");
    let call = async |pool: &str, body: &str| {
        let caller = bearer(Access::Edit, PoolId::parse(pool));
        api.call_as(caller, "POST", &path(pool), &[], body).await.status.as_u16()
    };
    let hidden = own.replace("secret", "(hidden)");
    for (body, status) in [
        ("", 200),
        (own, 200),
        (hidden.as_str(), 200),
        (r#"{"type":"http","method":"POST"}"#, 403),
        (r#"{"type":"http","header":{"X":["y"]}}"#, 403),
        (r#"{"type":"tcp","port":22}"#, 403),
    ] {
        assert_eq!(call(&pool, body).await, status, "{body}");
    }
    assert_eq!(call(&bare, r#"{"type":"tcp","port":22}"#).await, 400);
    let anything = api.call("POST", &path(&bare), r#"{"type":"tcp","port":22}"#).await;
    assert_eq!(anything.status, 200);
}

#[tokio::test]
async fn the_oldest_preview_makes_place_for_a_new_one() {
    let (monitor, pools) = pools().await;
    let previews = Previews::default();
    for number in 0..=PREVIEWS_KEPT_MAX {
        let id = id(number as u128);
        previews.start(id, &Caller::control(), &Seeing(odd_is_up), monitor.clone(), pools.clone()).unwrap();
        finished(&previews, id, 2).await;
    }
    assert!(previews.find(id(0)).is_none());
    assert!(previews.find(id(1)).is_some());
}

/// Times out twice, then is up.
#[derive(Clone, Default)]
struct Slow(Arc<Mutex<u32>>);

impl Probe for Slow {
    async fn attempt(&self, _: &Monitor, _: &TargetKey) -> Outcome {
        let mut attempts = self.0.lock().unwrap();
        *attempts += 1;
        let failure = (*attempts <= 2).then_some(FailReason::TcpTimeout);
        Outcome { failure, rtt: Duration::from_millis(1), code: None }
    }
}

#[tokio::test]
async fn a_preview_retries_as_its_monitor_says() {
    let (monitor, mut pools) = pools().await;
    pools.truncate(1);
    for (retries, healthy) in [(2, true), (1, false)] {
        let previews = Previews::default();
        previews
            .start(id(1), &Caller::control(), &Slow::default(), Monitor { retries, ..monitor.clone() }, pools.clone())
            .unwrap();
        let found = finished(&previews, id(1), 1).await;
        assert_eq!(found.values().next().unwrap().healthy, healthy, "{retries}");
    }
}

#[test]
fn a_preview_looks_at_so_many_origins_and_tells_of_the_rest() {
    let pool = |number: u8| {
        let origin = |last: u8| Origin {
            name: last.to_string(),
            address: [192, 0, 2, last].into(),
            probe_address: None,
            enabled: true,
            weight: crate::model::pool::Weight::ONE,
            host: None,
            kept: crate::model::kept::Kept::default(),
        };
        Arc::new(Pool {
            id: PoolId::random(number.into()),
            name: number.to_string(),
            description: String::new(),
            enabled: true,
            minimum_origins: 1,
            slow_start: std::time::Duration::ZERO,
            monitor: None,
            monitor_group: None,
            origins: (1..=200).map(origin).collect(),
            kept: crate::model::kept::Kept::default(),
        })
    };
    for (count, kept, told) in [(5, 5, false), (6, 5, true), (0, 0, false)] {
        let mut pools: Vec<_> = (0..count).map(pool).collect();
        assert_eq!(cut(&mut pools).is_some(), told, "{count}");
        assert_eq!(pools.len(), kept, "{count}");
    }
}

#[tokio::test]
async fn golden_previews_of_pools_and_monitors() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let api = Fixture::new();
    let monitor = api.made(MONITORS, r#"{"type":"tcp","port":1}"#).await;
    let pool = api.made(POOLS, &at("web", "127.0.0.1", Some(&monitor))).await;
    let generation = api.store.load().generation;
    let preview = async |path: &str, body: &str| {
        let started = api.call("POST", path, body).await;
        assert_eq!(started.status, 200, "{:#}", started.body);
        assert_eq!(started.body["result"]["pools"], json!({ &pool: "web" }));
        let path = format!("/user/load_balancers/preview/{}", started.body["result"]["preview_id"].as_str().unwrap());
        loop {
            let result = api.call("GET", &path, "").await;
            assert_eq!(result.status, 200);
            if result.body["result"] != json!({}) {
                break result.body["result"][&pool].clone();
            }
            tokio::task::yield_now().await;
        }
    };
    let up = json!({"type": "tcp", "port": port, "colour": "blue"}).to_string();
    let down: Json = preview(&format!("{MONITORS}/{monitor}/preview"), "").await;
    assert_eq!(
        (&down["healthy"], &down["origins"][0]["127.0.0.1"]["failure_reason"]),
        (&json!(false), &json!("TCP connection failed"))
    );
    for path in [format!("{MONITORS}/{monitor}/preview"), format!("{POOLS}/{pool}/preview")] {
        let seen = preview(&path, &up).await;
        assert_eq!(
            (&seen["healthy"], &seen["origins"][0]["127.0.0.1"]["failure_reason"]),
            (&json!(true), &json!("No failures"))
        );
    }
    assert_eq!(api.store.load().generation, generation, "nothing is kept");

    let mut calls = Transcript::of(&api);
    calls.call("POST", &format!("{MONITORS}/{monitor}/preview"), r#"{"interval":1}"#).await;
    calls.call("POST", &format!("{POOLS}/{pool}/preview"), "").await;
    calls.call("POST", &format!("{POOLS}/{pool}/preview"), r#"{"type":"tcp","port":1,"colour":"blue"}"#).await;
    calls.call("GET", &format!("/user/load_balancers/preview/{}", id(7)), "").await;
    insta::assert_snapshot!(calls.redacted());
}
