//! Zones through the router: their life, lists, and what is refused.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::api::v4::accounts;
use crate::api::v4::fixture::{Fixture, Response};
use crate::api::v4::transcript::Transcript;
use crate::config::{Policy, load_text};
use crate::model::id::ZoneId;
use crate::model::inventory::Change;
use crate::store::InventoryStore as _;

/// The API with a zone, and a configuration with name servers for others.
async fn serving() -> Fixture {
    let zones = "[api.zones]\nname_servers = [\"ns1.example.net\", \"ns2.example.net\"]\n\
                 allow_transfer = [\"192.0.2.0/24\"]\n";
    let api = Fixture::declaring(zones).await;
    let policy: Policy = load_text("pooldns.toml", &format!("version = 1\n{zones}")).unwrap().policy;
    api.context.policy.store(Arc::new(policy));
    api
}

/// Names in a list.
fn names(response: &Response) -> Vec<&str> {
    response.body["result"].as_array().unwrap().iter().map(|zone| zone["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn golden_life_of_a_zone() {
    let api = serving().await;
    let mut calls = Transcript::of(&api);
    let account = json!({"id": accounts::id().to_string()});
    let body = json!({"name": "Made.example", "account": account, "jump_start": true, "type": "full"});
    let made = calls.call("POST", "/zones", &body.to_string()).await.body["result"]["id"].as_str().unwrap().to_owned();
    calls.call("GET", &format!("/zones/{made}"), "").await;
    calls.call("GET", &format!("/zones/{made}/dns_records"), "").await;
    calls.call("GET", "/zones?name=example.com", "").await;
    calls.call("DELETE", &format!("/zones/{made}"), "").await;
    calls.call("GET", &format!("/zones/{made}"), "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_refusals() {
    let api = serving().await;
    let mut calls = Transcript::of(&api);
    calls.call("POST", "/zones", "{}").await;
    calls.call("POST", "/zones", r#"{"name":"example.com"}"#).await;
    calls.call("POST", "/zones", r#"{"name":"a..example"}"#).await;
    calls.call("POST", "/zones", r#"{"name":"a.example","type":"partial"}"#).await;
    calls.call("POST", "/zones", r#"{"name":"a.example","account":{"id":"00000000000000000000000000000000"}}"#).await;
    calls.call("DELETE", &format!("/zones/{}", ZoneId::declared("example.com")), "").await;
    calls.call("GET", "/zones?direction=up", "").await;
    api.context.policy.store(Arc::new(Policy::default()));
    calls.call("POST", "/zones", r#"{"name":"a.example"}"#).await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn a_zone_gets_what_the_configuration_says() {
    let api = serving().await;
    let id = api.made("/zones", r#"{"name":"a.example"}"#).await;
    let inventory = api.context.inventory();
    let hosting = inventory.hostings.find(ZoneId::parse(&id).unwrap()).unwrap();
    assert_eq!((hosting.allow_transfer.len(), hosting.has_auto_serial()), (1, true));
    // What it says later holds for zones that are there.
    let text = "version = 1\n[api.zones]\nnotify = [\"192.0.2.7\", \"192.0.2.8\"]\n";
    let declared = load_text("pooldns.toml", text).unwrap().declared;
    api.store.commit(Change::Declare(declared)).await.unwrap();
    let inventory = api.context.inventory();
    let hosting = inventory.hostings.find(ZoneId::parse(&id).unwrap()).unwrap();
    assert_eq!((hosting.allow_transfer.len(), hosting.notify.len()), (0, 2));
    let own = r#"{"name":"b.example","name_servers":["ns.b.example"]}"#;
    let made = api.call("POST", "/zones", own).await;
    assert_eq!(made.body["result"]["name_servers"], json!(["ns.b.example"]));
}

#[tokio::test]
async fn lists_are_what_was_asked_for() {
    let api = serving().await;
    for name in ["b.example", "a.example"] {
        api.made("/zones", &json!({"name": name}).to_string()).await;
    }
    let account = accounts::id();
    let ours = format!("account.id={account}");
    for (query, expected) in [
        ("", vec!["a.example", "b.example", "example.com"]),
        ("name=b.example", vec!["b.example"]),
        ("name=B.Example.&per_page=1", vec!["b.example"]),
        ("name=c.example", vec![]),
        ("name=..", vec![]),
        ("status=active&direction=desc", vec!["example.com", "b.example", "a.example"]),
        ("status=pending", vec![]),
        (&ours, vec!["a.example", "b.example", "example.com"]),
        ("account.id=1", vec![]),
        ("page=2&per_page=2", vec!["example.com"]),
    ] {
        let listed = api.call("GET", &format!("/zones?{query}"), "").await;
        assert_eq!(names(&listed), expected, "{query}");
    }
    let page = api.call("GET", "/zones?page=2&per_page=2", "").await;
    assert_eq!(page.body["result_info"]["total_count"], 3);
}

#[tokio::test]
async fn a_zone_with_load_balancers_stays() {
    let api = serving().await;
    let zone = format!("/zones/{}", api.made("/zones", r#"{"name":"a.example"}"#).await);
    let pool = r#"{"name":"p","origins":[{"name":"a","address":"192.0.2.1"}]}"#;
    let pool = api.made("/user/load_balancers/pools", pool).await;
    let body = json!({"name": "www.a.example", "default_pools": [pool], "fallback_pool": pool}).to_string();
    let load_balancer = api.made(&format!("{zone}/load_balancers"), &body).await;
    let refused = api.call("DELETE", &zone, "").await;
    let error = &refused.body["errors"][0];
    assert_eq!((refused.status.as_u16(), &error["code"]), (412, &json!(1005)));
    assert!(error["message"].as_str().unwrap().contains("load_balancer www.a.example"), "{error}");
    assert_eq!(api.call("DELETE", &format!("{zone}/load_balancers/{load_balancer}"), "").await.status, 200);
    assert_eq!(api.call("DELETE", &zone, "").await.status, 200);
    assert_eq!(api.call("GET", &format!("{zone}/dns_records"), "").await.body["result"], Json::Null);
}

#[tokio::test]
async fn a_zone_takes_no_load_balancer_out_of_another() {
    let api = serving().await;
    let pool = r#"{"name":"p","origins":[{"name":"a","address":"192.0.2.1"}]}"#;
    let pool = api.made("/user/load_balancers/pools", pool).await;
    let parent = format!("/zones/{}", ZoneId::declared("example.com"));
    let body = json!({"name": "www.example.com", "default_pools": [pool], "fallback_pool": pool}).to_string();
    let load_balancer = api.made(&format!("{parent}/load_balancers"), &body).await;
    let refused = api.call("POST", "/zones", r#"{"name":"www.example.com"}"#).await;
    let error = &refused.body["errors"][0];
    assert_eq!(
        (refused.status.as_u16(), &error["code"], &error["source"]["pointer"]),
        (400, &json!(1002), &json!("/name"))
    );
    let text = error["message"].as_str().unwrap();
    assert!(text.contains("load_balancer www.example.com, in our zone example.com: delete it first"), "{text}");
    // Beside it there is room, and somebody is told that nobody will find it.
    let made = api.call("POST", "/zones", r#"{"name":"sub.example.com"}"#).await;
    assert_eq!((made.status.as_u16(), &made.body["messages"][0]["code"]), (200, &json!(1101)), "{made:?}");
    let text = made.body["messages"][0]["message"].as_str().unwrap();
    assert!(text.starts_with("the zone example.com has no NS records at sub.example.com"), "{text}");
    let alone = api.call("POST", "/zones", r#"{"name":"a.example"}"#).await;
    assert_eq!(alone.body["messages"], json!([]));
    assert_eq!(api.call("DELETE", &format!("{parent}/load_balancers/{load_balancer}"), "").await.status, 200);
    assert_eq!(api.call("POST", "/zones", r#"{"name":"www.example.com"}"#).await.status, 200);
}

#[tokio::test]
async fn load_balancers_of_a_zone_that_goes_fall_back_to_the_one_around_it() {
    let api = serving().await;
    let pool = r#"{"name":"p","origins":[{"name":"a","address":"192.0.2.1"}]}"#;
    let pool = api.made("/user/load_balancers/pools", pool).await;
    let child = format!("/zones/{}", api.made("/zones", r#"{"name":"www.example.com"}"#).await);
    let body = json!({"name": "www.example.com", "default_pools": [pool], "fallback_pool": pool}).to_string();
    let load_balancer = api.made(&format!("{child}/load_balancers"), &body).await;
    let gone = api.call("DELETE", &child, "").await;
    assert_eq!(gone.status, 200, "{gone:?}");
    let text = gone.body["messages"][0]["message"].as_str().unwrap();
    assert_eq!(text, format!("load_balancer www.example.com ({load_balancer}) is in the zone example.com now"));
    let parent = format!("/zones/{}", ZoneId::declared("example.com"));
    assert_eq!(api.call("GET", &format!("{parent}/load_balancers/{load_balancer}"), "").await.status, 200);
}
