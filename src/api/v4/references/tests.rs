use serde_json::json;

use crate::api::v4::fixture::Fixture;
use crate::api::v4::transcript::Transcript;
use crate::model::id::MonitorId;

#[tokio::test]
async fn golden_references_both_ways() {
    let api = Fixture::declaring("").await;
    let monitor = api.made("/user/load_balancers/monitors", r#"{"type":"tcp","port":80,"description":"Port"}"#).await;
    let origins = json!([{"name": "a", "address": "192.0.2.1"}]);
    let mut pools = vec![];
    for name in ["one", "two"] {
        let body = json!({"name": name, "monitor": monitor, "origins": origins});
        pools.push(api.made("/user/load_balancers/pools", &body.to_string()).await);
    }
    let (one, two) = (&pools[0], &pools[1]);
    api.balance(&json!({"name": "b.example.com", "default_pools": [one], "fallback_pool": one})).await;
    let map = json!({"name": "a.example.com", "default_pools": [two], "fallback_pool": two, "steering_policy": "off",
        "country_pools": {"DE": [one]}});
    api.balance(&map).await;
    let mut calls = Transcript::of(&api);
    calls.call("GET", &format!("/user/load_balancers/pools/{one}/references"), "").await;
    calls.call("GET", &format!("/user/load_balancers/monitors/{monitor}/references"), "").await;
    calls.call("GET", &format!("/user/load_balancers/monitors/{}/references", MonitorId::declared("gone")), "").await;
    insta::assert_snapshot!(calls.redacted());
}
