//! Tests of single origins.

use serde_json::json;

use crate::api::v4::caller::Caller;
use crate::api::v4::fixture::{Fixture, odd_is_up};
use crate::api::v4::transcript::Transcript;
use crate::model::id::PoolId;

const POOLS: &str = "/user/load_balancers/pools";

/// A pool with two origins, the second of which has a name that paths have to encode.
async fn pool(api: &Fixture) -> String {
    let monitor = api.made("/user/load_balancers/monitors", r#"{"type":"tcp","port":80}"#).await;
    let body = json!({"name": "web", "monitor": monitor, "check_regions": ["WEU"], "minimum_origins": 2, "origins": [
        {"name": "a", "address": "192.0.2.1", "weight": 0.5}, {"name": "b/ü c", "address": "192.0.2.2"}]});
    format!("{POOLS}/{}", api.made(POOLS, &body.to_string()).await)
}

#[tokio::test]
async fn golden_life_of_an_origin() {
    let api =
        Fixture::declaring("[[pools]]\nname = \"fixed\"\norigins = [{ name = \"a\", address = \"192.0.2.9\" }]\n")
            .await;
    let pool = pool(&api).await;
    api.probe(odd_is_up).await;
    let mut calls = Transcript::of(&api);
    let origins = format!("{pool}/origins");
    calls.call("GET", &format!("{origins}/b%2F%C3%BC%20c"), "").await;
    calls.call("PUT", &format!("{origins}/c"), r#"{"address":"2001:db8::3","colour":"blue"}"#).await;
    calls.call("PUT", &format!("{origins}/a"), r#"{"name":"a","address":"192.0.2.3"}"#).await;
    calls.call("PATCH", &format!("{origins}/a"), r#"{"name":"first","enabled":false}"#).await;
    calls.call("PUT", &format!("{origins}/first"), r#"{"name":"other","address":"192.0.2.3"}"#).await;
    calls.call("PUT", &format!("{origins}/d"), r#"{"address":"192.0.2.2","weight":7}"#).await;
    calls.call("PATCH", &format!("{origins}/first"), r#"{"address":"192.0.2.2"}"#).await;
    calls.call("PATCH", &format!("{origins}/first"), r#"{"address":null}"#).await;
    calls.call("PATCH", &format!("{origins}/first"), "[]").await;
    calls.call("GET", &format!("{origins}/a"), "").await;
    calls.call("DELETE", &format!("{origins}/a"), "").await;
    calls.call("DELETE", &format!("{origins}/first"), "").await;
    calls.call("DELETE", &format!("{origins}/c"), "").await;
    calls.call("PATCH", &pool, r#"{"minimum_origins":1}"#).await;
    calls.call("DELETE", &format!("{origins}/c"), "").await;
    calls.call("DELETE", &format!("{origins}/b%2F%C3%BC%20c"), "").await;
    let fixed = format!("{POOLS}/{}", PoolId::declared("fixed"));
    calls.call("GET", &format!("{fixed}/origins/a"), "").await;
    calls.call("DELETE", &format!("{fixed}/origins/a"), "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn whoever_would_make_an_origin_overwrites_none() {
    let api = Fixture::new();
    let pool = pool(&api).await;
    let put = async |path: &str| {
        let headers = [("if-none-match", "*")];
        api.call_as(Caller::control(), "PUT", path, &headers, r#"{"address":"192.0.2.9"}"#).await
    };
    let new = format!("{pool}/origins/new");
    assert_eq!(put(&new).await.status, 200);
    let again = put(&new).await;
    assert_eq!((again.status.as_u16(), &again.body["errors"][0]["code"]), (412, &json!(1006)));
    assert_eq!(put(&pool).await.status, 412);
}

#[tokio::test]
async fn an_origin_has_its_pools_tag_and_keeps_its_place() {
    let api = Fixture::new();
    let pool = pool(&api).await;
    let a = format!("{pool}/origins/a");
    let whole = api.call("GET", &pool, "").await;
    let tag = whole.headers["etag"].to_str().unwrap().to_owned();
    let one = api.call("GET", &a, "").await;
    assert_eq!(
        (one.headers["etag"].to_str().unwrap(), &one.body["result"]),
        (&*tag, &whole.body["result"]["origins"][0])
    );

    let same = api.call("PUT", &a, r#"{"address":"192.0.2.1","weight":0.5}"#).await;
    assert_eq!(same.headers["etag"], *tag, "nothing has changed");
    let write = async |body: &str| api.call_as(Caller::control(), "PUT", &a, &[("if-match", &tag)], body).await.status;
    assert_eq!(write(r#"{"address":"192.0.2.7"}"#).await, 200);
    assert_eq!(write(r#"{"address":"192.0.2.8"}"#).await, 412);
    let origins = api.call("GET", &pool, "").await.body["result"]["origins"].clone();
    let origins: Vec<_> =
        origins.as_array().unwrap().iter().map(|origin| (&origin["name"], &origin["address"])).collect();
    assert_eq!(origins, [(&json!("a"), &json!("192.0.2.7")), (&json!("b/ü c"), &json!("192.0.2.2"))]);
}
