//! The audit log through the router: what is in it, and who finds what.

use serde_json::{Value as Json, json};

use crate::api::v4::accounts;
use crate::api::v4::caller::Caller;
use crate::api::v4::fixture::{Fixture, bearer};
use crate::api::v4::transcript::Transcript;
use crate::model::id::{PoolId, TokenId};
use crate::model::stamp::UnixMicros;
use crate::model::token::{Access, Token};

const POOLS: &str = "/user/load_balancers/pools";

/// The log.
fn log() -> String {
    format!("/accounts/{}/audit_logs", accounts::id())
}

/// A pool as small as can be.
fn pool(name: &str) -> String {
    json!({"name": name, "origins": [{"name": "a", "address": "192.0.2.1"}]}).to_string()
}

/// Ids of the entries that a query finds.
async fn found(api: &Fixture, query: &str) -> Vec<String> {
    let listed = api.call("GET", &format!("{}?{query}", log()), "").await;
    let entries = listed.body["result"].as_array().unwrap_or_else(|| panic!("{query}: {:#}", listed.body));
    entries.iter().map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn golden_log_of_a_pool() {
    let api = Fixture::declaring("").await;
    let made = api.call_as(bearer(Access::Edit, None), "POST", POOLS, &[], &pool("web")).await;
    let path = format!("{POOLS}/{}", made.body["result"]["id"].as_str().unwrap());
    api.call("PATCH", &path, r#"{"enabled":false}"#).await;
    api.call("PATCH", &path, "{}").await;
    api.call("DELETE", &path, "").await;
    let mut calls = Transcript::of(&api);
    calls.call("GET", &log(), "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_log_of_a_token() {
    let api = Fixture::declaring("").await;
    let pool = PoolId::parse(&api.made(POOLS, &pool("web")).await).unwrap();
    let token = Token {
        id: TokenId::random(7),
        name: "deploy".to_owned(),
        digest: [0xab; 32],
        access: Access::Edit,
        pool: Some(pool),
        created: UnixMicros(1_000_000),
        expires: Some(UnixMicros(2_000_000)),
    };
    let by = || Caller::control().author();
    api.store.put_token(token.clone(), by()).await.unwrap();
    api.store.put_token(Token { access: Access::Read, pool: None, expires: None, ..token }, by()).await.unwrap();
    api.store.remove_token(TokenId::random(7), by()).await.unwrap();
    let mut calls = Transcript::of(&api);
    calls.call("GET", &format!("{}?resource.id={}", log(), TokenId::random(7)), "").await;
    let text = calls.redacted();
    assert!(!text.contains("abab"));
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn entries_are_found_by_who_what_and_when() {
    let api = Fixture::declaring("").await;
    let one = api.made(POOLS, &pool("one")).await;
    api.call_as(bearer(Access::Edit, None), "POST", POOLS, &[], &pool("two")).await;
    let zone = api.made("/zones", r#"{"name":"a.example","name_servers":["ns.example.net"]}"#).await;
    let record = r#"{"type":"A","name":"www","content":"192.0.2.1"}"#;
    let record = api.made(&format!("/zones/{zone}/dns_records"), record).await;
    let all = found(&api, "").await;
    assert!(all.iter().map(|id| id.parse::<u64>().unwrap()).rev().is_sorted());
    let last = |count: usize| all[all.len() - count..].to_vec();
    assert_eq!(found(&api, &format!("resource.id={one}")).await, last(1));
    assert_eq!(found(&api, "actor.email=test").await, last(2)[..1]);
    assert_eq!(found(&api, &format!("resource.id={record}")).await, all[..1]);
    assert_eq!(found(&api, "since=2000-01-01&before=2001-01-01T00:00:00Z").await, Vec::<String>::new());
    assert_eq!(found(&api, "since=2000-01-01").await, all);
    assert_eq!(found(&api, "page=2&per_page=1").await, all[1..2]);
    assert_eq!(found(&api, &format!("cursor={}", all[0])).await, all[1..]);
    assert_eq!(found(&api, &format!("id={}", all[1])).await, all[1..2]);
    assert_eq!(found(&api, "id=999999").await, Vec::<String>::new());
    for query in ["direction=asc", "since=yesterday", "page=2000&per_page=1000"] {
        let refused = api.call("GET", &format!("{}?{query}", log()), "").await;
        assert_eq!(refused.body["errors"][0]["code"], 1002, "{query}");
    }
}

#[tokio::test]
async fn a_large_value_is_shown_with_its_entry_alone() {
    let api = Fixture::declaring("").await;
    let origin = |index: usize| json!({"name": format!("origin-{index}"), "address": format!("192.0.2.{index}")});
    let body = json!({"name": "large", "origins": (1..250).map(origin).collect::<Vec<_>>()}).to_string();
    api.made(POOLS, &body).await;
    let listed = api.call("GET", &log(), "").await.body["result"][0].clone();
    assert_eq!((&listed["newValueJson"], &listed["metadata"]["shortened"]), (&Json::Null, &json!(true)));
    let id = listed["id"].as_str().unwrap();
    let whole = api.call("GET", &format!("{}?id={id}", log()), "").await.body["result"][0].clone();
    assert!(whole["newValueJson"].is_object() && whole["metadata"]["shortened"].is_null(), "{whole:#}");
}

#[tokio::test]
async fn a_token_of_one_pool_does_not_see_it() {
    let api = Fixture::declaring("").await;
    for (caller, status) in [
        (bearer(Access::Read, None), 200),
        (bearer(Access::Read, Some(PoolId::declared("web"))), 403),
        (bearer(Access::Edit, Some(PoolId::declared("web"))), 403),
    ] {
        assert_eq!(api.call_as(caller, "GET", &log(), &[], "").await.status, status);
    }
}
