use serde_json::json;

use super::*;
use crate::api::v4::fixture::{Fixture, odd_is_up};
use crate::api::v4::transcript::Transcript;

const POOLS: &str = "/user/load_balancers/pools";

/// A pool with three origins, of which one ends in an odd number and is in use.
async fn pool(api: &Fixture, monitor: Option<&str>) -> String {
    let body = json!({"name": "web", "monitor": monitor, "origins": [
        {"name": "a", "address": "192.0.2.1"},
        {"name": "b", "address": "2001:db8::2"},
        {"name": "c", "address": "192.0.2.3", "enabled": false},
    ]});
    format!("{POOLS}/{}", api.made(POOLS, &body.to_string()).await)
}

#[tokio::test]
async fn golden_health() {
    let api = Fixture::new();
    let pool = pool(&api, None).await;
    let mut calls = Transcript::of(&api);
    calls.call("GET", &format!("{pool}/health"), "").await;
    let monitor = api.made("/user/load_balancers/monitors", r#"{"type":"tcp","port":80}"#).await;
    api.call("PATCH", &pool, &json!({"monitor": monitor}).to_string()).await;
    calls.call("GET", &format!("{pool}/health"), "").await;
    api.probe(odd_is_up).await;
    let policy = crate::config::Policy { id_server: "fra1".into(), ..Default::default() };
    api.context.policy.store(Arc::new(policy));
    calls.call("GET", &format!("{pool}/health"), "").await;
    calls.call("GET", &format!("{POOLS}/{}/health", PoolId::declared("gone")), "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn a_pool_is_healthy_when_enough_of_its_origins_are() {
    let api = Fixture::new();
    let path = pool(&api, None).await;
    let healthy = async || {
        let result = api.call("GET", &path, "").await.body["result"].clone();
        let origins = result["origins"].as_array().unwrap().iter();
        let origins: Vec<_> = origins.map(|origin| origin["healthy"].as_bool().unwrap()).collect();
        (result["healthy"].as_bool().unwrap(), origins)
    };
    assert_eq!(healthy().await, (true, vec![true, true, true]), "not monitored");
    let monitor = api.made("/user/load_balancers/monitors", r#"{"type":"tcp","port":80}"#).await;
    api.call("PATCH", &path, &json!({"monitor": monitor}).to_string()).await;
    assert_eq!(healthy().await, (false, vec![false, false, false]), "no result yet");
    api.probe(odd_is_up).await;
    assert_eq!(healthy().await, (true, vec![true, false, false]));
    api.call("PATCH", &path, r#"{"minimum_origins":2}"#).await;
    assert_eq!(healthy().await, (false, vec![true, false, false]), "the schedule has not seen the last change");
    api.call("PATCH", &path, r#"{"minimum_origins":0}"#).await;
    assert_eq!(healthy().await, (true, vec![true, false, false]));
    api.call("PATCH", &path, r#"{"enabled":false}"#).await;
    assert_eq!(healthy().await, (false, vec![false, false, false]), "not probed");
}

#[test]
fn durations_are_written_as_go_reads_them() {
    for (duration, text) in [
        (Duration::ZERO, "0s"),
        (Duration::from_nanos(900), "0s"),
        (Duration::from_micros(350), "350µs"),
        (Duration::from_micros(1_000), "1ms"),
        (Duration::from_micros(12_143), "12.1ms"),
        (Duration::from_micros(999_999), "999.9ms"),
        (Duration::from_millis(2_004), "2.004s"),
        (Duration::from_secs(60), "60s"),
    ] {
        assert_eq!(go_duration(duration), text);
    }
}
