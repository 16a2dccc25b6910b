//! What tokens see that may not do everything: no secrets, and, if they are limited to a pool, little else than that.

use serde_json::json;

use super::super::fixture::{Fixture, bearer};
use super::POOLS;
use crate::model::id::PoolId;
use crate::model::token::Access;

/// Monitors at user level.
const MONITORS: &str = "/user/load_balancers/monitors";
/// A monitor with a secret.
const MONITOR: &str = r#"{"type":"http","header":{"Host":["a.example"],"Authorization":["Bearer x"]}}"#;

/// A pool with a monitor.
fn pool(name: &str, monitor: &str) -> String {
    json!({"name": name, "monitor": monitor, "origins": [{"name": "a", "address": "192.0.2.1"}]}).to_string()
}

#[tokio::test]
async fn secrets_of_monitors_are_shown_to_those_who_could_write_them() {
    let api = Fixture::new();
    let monitor = api.made(MONITORS, MONITOR).await;
    let web = api.made(POOLS, &pool("web", &monitor)).await;
    let path = format!("{MONITORS}/{monitor}");
    let log = format!("/accounts/{}/audit_logs?resource.id={monitor}", super::accounts::id());
    let (own, other) = (PoolId::parse(&web), Some(PoolId::declared("other")));
    let shown = json!({"Host": ["a.example"], "Authorization": ["Bearer x"]});
    let hidden = json!({"Host": ["a.example"], "Authorization": ["(hidden)"]});
    for (access, limit, header) in [
        (Access::Edit, None, &shown),
        (Access::Read, None, &hidden),
        (Access::Read, own, &hidden),
        (Access::Edit, own, &hidden),
    ] {
        let get = async |path: &str| api.call_as(bearer(access, limit), "GET", path, &[], "").await.body;
        assert_eq!(get(&path).await["result"]["header"], *header, "{access:?} {limit:?}");
        if limit.is_none() {
            assert_eq!(get(MONITORS).await["result"][0]["header"], *header);
            assert_eq!(get(&log).await["result"][0]["newValueJson"]["header"], *header);
        }
    }
    let refused = api.call_as(bearer(Access::Read, other), "GET", &path, &[], "").await;
    assert_eq!(refused.status, 403);

    // Whoever writes back what a reader saw does not lose the secret.
    let body = MONITOR.replace("Bearer x", "(hidden)");
    for (method, path) in [("PUT", &*path), ("PATCH", &path), ("POST", MONITORS)] {
        let refused = api.call(method, path, &body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["errors"][0]["source"]["pointer"]),
            (400, &json!("/header"))
        );
    }
    assert_eq!(api.call("GET", &path, "").await.body["result"]["header"], shown);
}

#[tokio::test]
async fn whoever_is_limited_to_a_pool_gives_it_no_monitor_that_it_has_not() {
    let api = Fixture::new();
    let (monitor, other) = (api.made(MONITORS, MONITOR).await, api.made(MONITORS, MONITOR).await);
    let web = api.made(POOLS, &pool("web", &monitor)).await;
    let path = format!("{POOLS}/{web}");
    let edit = async |body: String| {
        api.call_as(bearer(Access::Edit, PoolId::parse(&web)), "PATCH", &path, &[], &body).await.status.as_u16()
    };
    assert_eq!(edit(json!({"monitor": other}).to_string()).await, 403);
    assert_eq!(edit(json!({"monitor": monitor, "description": "same"}).to_string()).await, 200);
    assert_eq!(edit(json!({"monitor": ""}).to_string()).await, 200);
    assert_eq!(edit(json!({"monitor": monitor}).to_string()).await, 403, "it has it no longer");
}

#[tokio::test]
async fn whoever_is_limited_to_a_pool_gives_it_no_monitor_group_that_it_has_not() {
    let api = Fixture::new();
    let monitor = api.made(MONITORS, MONITOR).await;
    let groups = format!("/accounts/{}/load_balancers/monitor_groups", super::accounts::id());
    let group = async |name: &str| {
        let body = json!({"name": name, "members": [{"monitor_id": monitor}]}).to_string();
        api.made(&groups, &body).await
    };
    let (own, other) = (group("own").await, group("other").await);
    let origins = json!([{"name": "a", "address": "192.0.2.1"}]);
    let web = api.made(POOLS, &json!({"name": "web", "monitor_group": own, "origins": origins}).to_string()).await;
    let path = format!("{POOLS}/{web}");
    let edit = async |body: String| {
        api.call_as(bearer(Access::Edit, PoolId::parse(&web)), "PATCH", &path, &[], &body).await.status.as_u16()
    };
    assert_eq!(edit(json!({"monitor_group": other}).to_string()).await, 403);
    assert_eq!(
        edit(json!({"monitor_group": "", "monitor": monitor}).to_string()).await,
        403,
        "a member is no monitor of it"
    );
    assert_eq!(edit(json!({"monitor_group": own, "description": "same"}).to_string()).await, 200);
    assert_eq!(edit(json!({"monitor_group": ""}).to_string()).await, 200);
    assert_eq!(edit(json!({"monitor_group": own}).to_string()).await, 403, "it has it no longer");
}
