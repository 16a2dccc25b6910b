//! Tests of levers.

use serde_json::json;

use crate::api::v4::fixture::{Fixture, odd_is_up};
use crate::model::id::PoolId;
use crate::store::InventoryStore as _;

const POOLS: &str = "/user/load_balancers/pools";
/// A declared pool: it has levers like any other.
const FIXED: &str = "[[pools]]\nname = \"fixed\"\norigins = [{ name = \"a/b\", address = \"192.0.2.9\" }]\n";

#[tokio::test]
async fn levers_are_pulled_shown_and_released() {
    let api = Fixture::declaring(FIXED).await;
    let pool = format!("{POOLS}/{}", PoolId::declared("fixed"));
    let (whole, origin) = (format!("{pool}/lever"), format!("{pool}/origins/a%2Fb/lever"));
    let none = json!({"origins": {}});
    assert_eq!(api.call("GET", &format!("{pool}/levers"), "").await.body["result"], none);
    let drained = api.call("PUT", &whole, r#"{"action":"drain","reason":"moving house","for":"1h"}"#).await;
    let shown = &drained.body["result"]["pool"];
    assert_eq!((&shown["action"], &shown["reason"]), (&json!("drain"), &json!("moving house")));
    assert!(shown["until"].as_str().unwrap() > shown["since"].as_str().unwrap());
    let both = api.call("PUT", &origin, r#"{"action":"down"}"#).await.body["result"].clone();
    assert_eq!((&both["pool"]["action"], &both["origins"]["a/b"]["action"]), (&json!("drain"), &json!("down")));
    assert_eq!(both["origins"]["a/b"].get("until"), None, "until it is released");
    // Shown wherever the pool is.
    let seen = api.call("GET", &pool, "").await.body["result"].clone();
    assert_eq!((&seen["lever"]["action"], &seen["origins"][0]["lever"]["action"]), (&json!("drain"), &json!("down")));

    let released = api.call("DELETE", &whole, "").await.body["result"].clone();
    assert_eq!((released.get("pool"), &released["origins"]["a/b"]["action"]), (None, &json!("down")));
    assert_eq!(api.call("DELETE", &origin, "").await.body["result"], none);
    assert!(api.store.load().levers.is_empty());
    let gone = api.call("DELETE", &origin, "").await;
    assert_eq!(gone.status, 404);
    assert!(gone.body["errors"][0]["message"].as_str().unwrap().contains("none is pulled"), "{:#}", gone.body);
}

#[tokio::test]
async fn what_is_no_lever_is_refused() {
    let api = Fixture::declaring(FIXED).await;
    let pool = format!("{POOLS}/{}", PoolId::declared("fixed"));
    for (path, body, status, pointer) in [
        ("lever", r#"{"action":"off"}"#, 400, "/action"),
        ("lever", "{}", 400, "/action"),
        ("lever", r#"{"action":"up","for":-1}"#, 400, "/for"),
        ("origins/a/lever", r#"{"action":"up"}"#, 404, ""),
    ] {
        let refused = api.call("PUT", &format!("{pool}/{path}"), body).await;
        assert_eq!(refused.status, status, "{path} {body}");
        let found = refused.body["errors"][0]["source"]["pointer"].as_str().unwrap_or_default().to_owned();
        assert_eq!(found, pointer);
    }
    let missing = format!("{POOLS}/{}/lever", PoolId::declared("gone"));
    assert_eq!(api.call("PUT", &missing, r#"{"action":"up"}"#).await.status, 404);
}

#[tokio::test]
async fn levers_go_with_their_pool_and_force_what_is_shown() {
    let api = Fixture::new();
    let monitor = api.made("/user/load_balancers/monitors", r#"{"type":"tcp","port":80}"#).await;
    let body = json!({"name": "web", "monitor": monitor, "origins": [
        {"name": "a", "address": "192.0.2.1"}, {"name": "b", "address": "192.0.2.2"}]});
    let pool = format!("{POOLS}/{}", api.made(POOLS, &body.to_string()).await);
    api.call("PUT", &format!("{pool}/origins/a/lever"), r#"{"action":"down","reason":"disk"}"#).await;
    api.call("PUT", &format!("{pool}/origins/b/lever"), r#"{"action":"up"}"#).await;
    api.probe(odd_is_up).await;
    let seen = api.call("GET", &pool, "").await.body["result"]["origins"].clone();
    let standing = |index: usize| (seen[index]["healthy"].clone(), seen[index]["failure_reason"].clone());
    assert_eq!(standing(0), (json!(false), json!("Forced Down by Lever")));
    assert_eq!(standing(1), (json!(true), json!("Forced Up by Lever")));
    // What was read goes back as it is.
    let whole = api.call("GET", &pool, "").await.body["result"].to_string();
    let written = api.call("PUT", &pool, &whole).await;
    assert_eq!((written.status.as_u16(), &written.body["messages"]), (200, &json!([])));
    api.call("DELETE", &pool, "").await;
    assert!(api.store.load().levers.is_empty());
}
