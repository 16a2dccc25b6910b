//! Load balancers through the router: their life, their zone, and what is refused.

use serde_json::{Value as Json, json};

use crate::api::v4::accounts;
use crate::api::v4::fixture::{Fixture, Response, bearer};
use crate::api::v4::transcript::Transcript;
use crate::model::id::ZoneId;
use crate::model::token::Access;

const POOLS: &str = "/user/load_balancers/pools";

/// Where the load balancers of `example.com` are.
fn all() -> String {
    format!("/zones/{}/load_balancers", ZoneId::declared("example.com"))
}

/// The API with a zone and two pools, and the pools' ids.
async fn with_pools(more: &str) -> (Fixture, String, String) {
    let api = Fixture::declaring(more).await;
    let pool = |name: &str| json!({"name": name, "origins": [{"name": "a", "address": "192.0.2.1"}]}).to_string();
    let one = api.made(POOLS, &pool("one")).await;
    let two = api.made(POOLS, &pool("two")).await;
    (api, one, two)
}

/// A load balancer as small as can be.
fn small(name: &str, pool: &str) -> String {
    json!({"name": name, "default_pools": [pool], "fallback_pool": pool}).to_string()
}

/// The code and the pointer of the only error.
fn error(response: &Response) -> (u16, Json, Json) {
    let error = &response.body["errors"][0];
    (response.status.as_u16(), error["code"].clone(), error["source"]["pointer"].clone())
}

#[tokio::test]
async fn golden_life_of_a_load_balancer() {
    let (api, one, two) = with_pools("").await;
    let mut calls = Transcript::of(&api);
    let body = json!({
        "name": "www.example.com", "default_pools": [one, two], "fallback_pool": two, "steering_policy": "random",
        "random_steering": {"default_weight": 0.5}, "ttl": 60, "description": "all", "answers": 1, "colour": "blue",
    });
    let made = calls.call("POST", &all(), &body.to_string()).await.body["result"]["id"].as_str().unwrap().to_owned();
    let www = format!("{}/{made}", all());
    calls.call("GET", &www, "").await;
    calls.call("GET", &all(), "").await;
    calls.call("PATCH", &www, r#"{"enabled":false,"random_steering":null}"#).await;
    calls.call("PUT", &www, &small("www.example.com", &one)).await;
    calls.call("DELETE", &www, "").await;
    calls.call("GET", &www, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_refusals() {
    let (api, one, _) = with_pools(
        "[[zones]]\nname = \"sub.example.com\"\nrecords = [\"@ SOA ns h 1 2 3 4 5\", \"@ NS ns\", \"ns A 192.0.2.1\"]\n\
         [[pools]]\nname = \"fixed\"\norigins = [{ name = \"a\", address = \"192.0.2.9\" }]\n\
         [[load_balancers]]\nname = \"fixed.example.com\"\ndefault_pools = [\"fixed\"]\nfallback_pool = \"fixed\"\n",
    )
    .await;
    let mut calls = Transcript::of(&api);
    calls.call("POST", &all(), "{}").await;
    calls.call("POST", &all(), &small("www.example.net", &one)).await;
    calls.call("POST", &all(), &small("www.sub.example.com", &one)).await;
    calls.call("POST", &all(), &small("fixed.example.com", &one)).await;
    calls.call("POST", &all(), &small("www.example.com", "00000000000000000000000000000000")).await;
    let fixed = crate::model::id::LoadBalancerId::declared("fixed.example.com");
    let path = format!("{}/{fixed}", all());
    calls.call("PUT", &path, &small("fixed.example.com", &one)).await;
    calls.call("DELETE", &path, "").await;
    calls.call("GET", &format!("/zones/{}/load_balancers", ZoneId::declared("nowhere")), "").await;
    calls.call("POST", &format!("/accounts/{}/load_balancers", accounts::id()), &small("x.example.net", &one)).await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn a_load_balancer_is_in_its_zone_only() {
    let other =
        "[[zones]]\nname = \"example.net\"\nrecords = [\"@ SOA ns h 1 2 3 4 5\", \"@ NS ns\", \"ns A 192.0.2.1\"]\n";
    let (api, one, _) = with_pools(other).await;
    let id = api.made(&all(), &small("www.example.com", &one)).await;
    let elsewhere = format!("/zones/{}/load_balancers", ZoneId::declared("example.net"));
    for method in ["GET", "DELETE"] {
        let found = api.call(method, &format!("{elsewhere}/{id}"), "").await;
        assert_eq!(error(&found), (404, json!(1001), Json::Null), "{method}");
    }
    assert_eq!(api.call("GET", &elsewhere, "").await.body["result"], json!([]));
    // It cannot move, either.
    let moved = api.call("PATCH", &format!("{}/{id}", all()), r#"{"name":"www.example.net"}"#).await;
    assert_eq!(error(&moved), (400, json!(1002), json!("/name")));
    // The account shows both zones' ones.
    let account = format!("/accounts/{}/load_balancers", accounts::id());
    api.made(&elsewhere, &small("www.example.net", &one)).await;
    let listed = api.call("GET", &account, "").await;
    let zones: Vec<&Json> = listed.body["result"].as_array().unwrap().iter().map(|one| &one["zone_name"]).collect();
    assert_eq!(zones, ["example.com", "example.net"]);
    assert_eq!(api.call("GET", &format!("{account}/{id}"), "").await.body["result"]["name"], "www.example.com");
}

#[tokio::test]
async fn what_changes_nothing_is_no_commit() {
    let (api, one, _) = with_pools("").await;
    let body = small("www.example.com", &one);
    let path = format!("{}/{}", all(), api.made(&all(), &body).await);
    let before = api.call("GET", &path, "").await;
    let generation = api.context.inventory().generation;
    for (method, body) in [("PUT", body.as_str()), ("PATCH", "{}"), ("PATCH", r#"{"ttl":30,"steering_policy":""}"#)] {
        let after = api.call(method, &path, body).await;
        assert_eq!((after.status.as_u16(), &after.body["result"]), (200, &before.body["result"]), "{method}");
        assert_eq!(after.headers["etag"], before.headers["etag"]);
    }
    assert_eq!(api.context.inventory().generation, generation);
    let after = api.call("PATCH", &path, r#"{"ttl":31}"#).await;
    assert_ne!(after.headers["etag"], before.headers["etag"]);
    assert_ne!(after.body["result"]["modified_on"], before.body["result"]["modified_on"]);
    assert_eq!(after.body["result"]["created_on"], before.body["result"]["created_on"]);
}

#[tokio::test]
async fn put_resets_and_patch_keeps() {
    let (api, one, two) = with_pools("").await;
    let body = json!({
        "name": "www.example.com", "default_pools": [one], "fallback_pool": one, "ttl": 60,
        "steering_policy": "geo", "region_pools": {"WEU": [two]},
    });
    let path = format!("{}/{}", all(), api.made(&all(), &body.to_string()).await);
    let patched = api.call("PATCH", &path, r#"{"description":"x"}"#).await.body["result"].clone();
    assert_eq!(
        (&patched["ttl"], &patched["region_pools"], &patched["steering_policy"]),
        (&json!(60), &json!({"WEU": [two]}), &json!("geo"))
    );
    let put = api.call("PUT", &path, &small("www.example.com", &one)).await.body["result"].clone();
    let reset = (&put["ttl"], &put["region_pools"], &put["steering_policy"], &put["description"]);
    assert_eq!(reset, (&json!(30), &json!({}), &json!("off"), &json!("")));
}

#[tokio::test]
async fn a_change_can_depend_on_a_revision() {
    let (api, one, _) = with_pools("").await;
    let path = format!("{}/{}", all(), api.made(&all(), &small("www.example.com", &one)).await);
    let tag = api.call("GET", &path, "").await.headers["etag"].to_str().unwrap().to_owned();
    let call = async |method, tag: &str, body| {
        let caller = bearer(Access::Edit, None);
        api.call_as(caller, method, &path, &[("if-match", tag)], body).await
    };
    assert_eq!(call("PATCH", &tag, r#"{"ttl":5}"#).await.status, 200);
    let stale = call("PATCH", &tag, r#"{"ttl":6}"#).await;
    assert_eq!(error(&stale), (412, json!(1006), Json::Null));
    assert_eq!(call("DELETE", &tag, "").await.status, 412);
    assert_eq!(api.call("GET", &path, "").await.body["result"]["ttl"], 5);
    assert_eq!(call("DELETE", "*", "").await.status, 200);
}

#[tokio::test]
async fn null_leaves_pool_sets_and_an_empty_list_clears_them() {
    let (api, one, _) = with_pools("").await;
    let path = format!("{}/{}", all(), api.made(&all(), &small("www.example.com", &one)).await);
    let sets = json!([{"name": "s", "match": {"default": true}, "overrides": {"pools": [one]}}]);
    api.call("PATCH", &path, &json!({"pool_sets": sets}).to_string()).await;
    let kept = async |body: &str| {
        let patched = api.call("PATCH", &path, body).await;
        assert_eq!(patched.status, 200, "{:#}", patched.body);
        patched.body["result"]["pool_sets"].as_array().map(Vec::len)
    };
    assert_eq!(kept(r#"{"pool_sets":null}"#).await, Some(1));
    assert_eq!(kept("{}").await, Some(1));
    assert_ne!(kept(r#"{"pool_sets":[]}"#).await, Some(1));
}

#[tokio::test]
async fn policies_that_are_not_built_are_told_of_once() {
    let (api, one, _) = with_pools("").await;
    let body = json!({
        "name": "www.example.com", "default_pools": [one], "fallback_pool": one, "steering_policy": "proximity",
    });
    let made = api.call("POST", &all(), &body.to_string()).await;
    let message = &made.body["messages"][0];
    assert!(message["message"].as_str().unwrap().contains("answers use `off`"), "{message}");
    assert_eq!(message["source"]["pointer"], "/steering_policy");
    let path = format!("{}/{}", all(), made.body["result"]["id"].as_str().unwrap());
    assert_eq!(api.call("PATCH", &path, r#"{"ttl":5}"#).await.body["messages"], json!([]));
}

#[tokio::test]
async fn below_the_account_the_name_decides_the_zone() {
    let (api, one, two) = with_pools("").await;
    let account = format!("/accounts/{}/load_balancers", accounts::id());
    let id = api.made(&account, &small("www.example.com", &one)).await;
    let in_zone = format!("{}/{id}", all());
    assert_eq!(api.call("GET", &in_zone, "").await.body["result"]["zone_name"], "example.com");
    let any = format!("{account}/{id}");
    let patched = api.call("PATCH", &any, &json!({"fallback_pool": two}).to_string()).await;
    assert_eq!(patched.body["result"]["fallback_pool"], two.as_str());
    let put = api.call("PUT", &any, &small("web.example.com", &one)).await;
    assert_eq!((put.status.as_u16(), &put.body["result"]["name"]), (200, &json!("web.example.com")));
    assert_eq!(api.call("DELETE", &any, "").await.status, 200);
    assert_eq!(api.call("GET", &in_zone, "").await.status, 404);
}
