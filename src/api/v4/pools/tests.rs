//! Tests of pools.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::task::Poll;

use serde_json::{Value as Json, json};

use super::*;
use crate::api::v4::caller::Caller;
use crate::api::v4::fixture::{Fixture, bearer, odd_is_up};
use crate::api::v4::transcript::Transcript;
use crate::model::inventory::Generation;
use crate::model::token::Access;
use crate::steering::publish::Live;
use crate::store::InventoryStore as _;

const POOLS: &str = "/user/load_balancers/pools";
const MONITORS: &str = "/user/load_balancers/monitors";

/// A pool as small as can be.
fn small(name: &str) -> String {
    json!({"name": name, "origins": [{"name": "a", "address": "192.0.2.1"}]}).to_string()
}

/// Names in a list.
fn names(body: &Json) -> Vec<&str> {
    body["result"].as_array().unwrap().iter().map(|pool| pool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn golden_life_of_a_pool() {
    let api = Fixture::declaring("").await;
    let mut calls = Transcript::of(&api);
    let monitor = calls.call("POST", MONITORS, r#"{"type":"tcp","port":80}"#).await.body["result"]["id"].clone();
    let body = json!({
        "name": "web", "monitor": monitor, "description": "all", "notification_email": "a@example.com",
        "origins": [
            {"name": "b", "address": "192.0.2.2", "weight": 0.5, "header": {"Host": ["www.example.com"]}},
            {"name": "a", "address": "2001:db8::1", "enabled": false},
        ],
        "check_regions": ["WEU"], "colour": "blue",
    });
    let web = calls.call("POST", POOLS, &body.to_string()).await.body["result"]["id"].as_str().unwrap().to_owned();
    let web = format!("{POOLS}/{web}");
    api.probe(odd_is_up).await;
    calls.call("GET", &web, "").await;
    calls.call("GET", POOLS, "").await;
    calls.call("PATCH", &web, r#"{"enabled":false,"check_regions":null}"#).await;
    calls.call("PATCH", POOLS, r#"{"notification_email":""}"#).await;
    calls.call("PUT", &web, &small("web")).await;
    calls.call("DELETE", &web, "").await;
    calls.call("GET", &web, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_refusals() {
    let api = Fixture::declaring(
        "[[pools]]\nname = \"fixed\"\nnotification_email = \"a@example.com\"\n\
         origins = [{ name = \"a\", address = \"192.0.2.9\" }]\n",
    )
    .await;
    let taken = api.made(POOLS, &small("taken")).await;
    let one = format!("{POOLS}/{taken}");
    let mut calls = Transcript::of(&api);
    for body in [
        "",
        "{",
        "[]",
        "{}",
        &small("taken"),
        r#"{"name":"a b","minimum_origins":3,"monitor":"00000000000000000000000000000000",
            "origins":[{"name":"a","address":"192.0.2.1","weight":2},{"name":"a","address":"192.0.2.1"}]}"#,
        r#"{"name":"x","latitude":1,"origins":[]}"#,
        r#"{"name":"x","name":"y"}"#,
    ] {
        calls.call("POST", POOLS, body).await;
    }
    calls.call_with("POST", POOLS, &[("content-type", "text/plain")], &small("x")).await;
    calls.call_with("POST", POOLS, &[("if-match", "*")], &small("x")).await;
    calls.call_with("PUT", &one, &[("if-match", "\"0\"")], &small("taken")).await;
    calls.call_with("PUT", &one, &[("if-match", "0")], &small("taken")).await;
    calls.call("PUT", &format!("{one}?wait=long"), &small("taken")).await;
    calls.call("PATCH", &one, r#"{"origins":[{"name":"a","address":"192.0.2.300"}]}"#).await;
    calls.call("PATCH", POOLS, r#"{"notification_email":"b@example.com"}"#).await;
    calls.call("PATCH", POOLS, r#"{"notification_email":""}"#).await;
    calls.call("GET", &format!("{POOLS}?page=0"), "").await;
    calls.call("GET", &format!("{POOLS}/web"), "").await;
    calls.call("DELETE", &format!("{POOLS}/{}", PoolId::declared("gone")), "").await;
    let fixed = format!("{POOLS}/{}", PoolId::declared("fixed"));
    calls.call("GET", &fixed, "").await;
    calls.call("PUT", &fixed, &small("fixed")).await;
    calls.call("DELETE", &fixed, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn put_resets_what_it_leaves_out_and_patch_keeps_it() {
    let api = Fixture::new();
    let body = json!({
        "name": "web", "description": "all", "check_regions": ["WEU"], "minimum_origins": 2,
        "origins": [{"name": "z", "address": "192.0.2.2"}, {"name": "a", "address": "192.0.2.1", "weight": 0.5}],
    });
    let path = format!("{POOLS}/{}", api.made(POOLS, &body.to_string()).await);
    let created = api.call("GET", &path, "").await.body["result"]["created_on"].clone();

    let patched = api.call("PATCH", &path, r#"{"enabled":false}"#).await.body;
    let result = &patched["result"];
    assert_eq!((&result["description"], &result["enabled"]), (&json!("all"), &json!(false)));
    assert_eq!(result["origins"][0]["name"], "z", "origins stay in their order");
    assert_eq!(result["origins"][1]["weight"], 0.5);
    assert!(result["disabled_at"].is_string());
    assert_eq!(patched["messages"], json!([]), "what the body does not say is not told again");

    let put = api.call("PUT", &path, &small("web")).await.body["result"].clone();
    for (key, value) in [
        ("description", json!("")),
        ("enabled", json!(true)),
        ("check_regions", Json::Null),
        ("minimum_origins", json!(1)),
        ("disabled_at", Json::Null),
    ] {
        assert_eq!(put[key], value, "{key}");
    }
    assert_eq!(put["origins"].as_array().unwrap().len(), 1);
    assert_eq!(put["created_on"], created);
}

#[tokio::test]
async fn what_changes_nothing_is_no_commit() {
    let api = Fixture::new();
    let path = format!("{POOLS}/{}", api.made(POOLS, &small("web")).await);
    let before = api.call("GET", &path, "").await;
    let generation = api.store.load().generation;
    for (method, body) in [("PUT", small("web")), ("PATCH", "{}".into()), ("PATCH", r#"{"enabled":true}"#.into())] {
        let after = api.call(method, &path, &body).await;
        assert_eq!(after.body, before.body, "{method} {body}");
        assert_eq!(after.headers["etag"], before.headers["etag"]);
    }
    assert_eq!(api.store.load().generation, generation);
    let changed = api.call("PATCH", &path, r#"{"description":"x"}"#).await;
    assert_ne!(changed.headers["etag"], before.headers["etag"]);
    assert!(changed.body["result"]["modified_on"].as_str() > before.body["result"]["modified_on"].as_str());
}

#[tokio::test]
async fn what_the_client_has_already_is_not_sent_again() {
    let api = Fixture::new();
    let path = format!("{POOLS}/{}", api.made(POOLS, &small("web")).await);
    let tag = api.call("GET", &path, "").await.headers["etag"].to_str().unwrap().to_owned();
    let ask = async || api.call_as(Caller::control(), "GET", &path, &[("if-none-match", &tag)], "").await;
    assert_eq!(ask().await.status, 304);
    api.call("PATCH", &path, r#"{"description":"x"}"#).await;
    assert_eq!(ask().await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_with_one_tag_exactly_one_wins() {
    let api = Arc::new(Fixture::new());
    let path = format!("{POOLS}/{}", api.made(POOLS, &small("web")).await);
    let tag = api.call("GET", &path, "").await.headers["etag"].to_str().unwrap().to_owned();
    let writers = (0..32).map(|number| {
        let (api, path, tag) = (Arc::clone(&api), path.clone(), tag.clone());
        tokio::spawn(async move {
            let body = format!(r#"{{"description":"{number}"}}"#);
            let response = api.call_as(Caller::control(), "PATCH", &path, &[("if-match", &tag)], &body).await;
            (number, response)
        })
    });
    let mut winners = Vec::new();
    for writer in writers.collect::<Vec<_>>() {
        let (number, response) = writer.await.unwrap();
        match response.status.as_u16() {
            200 => winners.push(number),
            412 => assert_eq!(response.body["errors"][0]["code"], 1006),
            other => panic!("{other}: {:#}", response.body),
        }
    }
    assert_eq!(winners.len(), 1);
    let kept = api.call("GET", &path, "").await.body["result"]["description"].clone();
    assert_eq!(kept, winners[0].to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_without_a_tag_all_get_their_part() {
    let api = Arc::new(Fixture::new());
    let path = format!("{POOLS}/{}", api.made(POOLS, &small("web")).await);
    let keys = ["description", "notification_email", "enabled", "minimum_origins"];
    let values = [json!("x"), json!("a@example.com"), json!(false), json!(0)];
    let writers = keys.iter().zip(&values).map(|(key, value)| {
        let (api, path, body) = (Arc::clone(&api), path.clone(), json!({*key: value}).to_string());
        tokio::spawn(async move { api.call("PATCH", &path, &body).await.status })
    });
    for writer in writers.collect::<Vec<_>>() {
        assert_eq!(writer.await.unwrap(), 200);
    }
    let kept = api.call("GET", &path, "").await.body["result"].clone();
    for (key, value) in keys.iter().zip(&values) {
        assert_eq!(kept[key], *value, "{key}");
    }
}

#[tokio::test]
async fn lists_have_the_oldest_first_and_are_filtered() {
    let api =
        Fixture::declaring("[[pools]]\nname = \"fixed\"\norigins = [{ name = \"a\", address = \"192.0.2.9\" }]\n")
            .await;
    let monitor = api.made(MONITORS, r#"{"type":"tcp","port":80}"#).await;
    let with = json!({"name": "c", "monitor": monitor, "origins": [{"name": "a", "address": "192.0.2.1"}]});
    api.made(POOLS, &with.to_string()).await;
    api.made(POOLS, &small("b")).await;
    api.made(POOLS, &small("a")).await;
    for (query, expected) in [
        ("", vec!["fixed", "c", "b", "a"]),
        ("?page=2&per_page=3", vec!["a"]),
        (&format!("?monitor={monitor}"), vec!["c"]),
        ("?monitor=x", vec![]),
        ("?name=b", vec!["b"]),
    ] {
        let list = api.call("GET", &format!("{POOLS}{query}"), "").await;
        assert_eq!(names(&list.body), expected, "{query}");
    }
    let account = format!("/accounts/{}/load_balancers/pools", crate::api::v4::accounts::id());
    assert_eq!(api.call("GET", &account, "").await.body, api.call("GET", POOLS, "").await.body);
}

#[tokio::test]
async fn addresses_are_taken_from_many_pools_by_name() {
    let api = Fixture::new();
    for number in (0..30).rev() {
        let mut pool: Json = serde_json::from_str(&small(&format!("p{number:02}"))).unwrap();
        pool["notification_email"] = json!("a@example.com");
        api.made(POOLS, &pool.to_string()).await;
    }
    let reset = api.call("PATCH", POOLS, r#"{"notification_email":""}"#).await;
    let expected: Vec<String> = (0..25).map(|number| format!("p{number:02}")).collect();
    assert_eq!(names(&reset.body), expected);
    let all = api.call("GET", POOLS, "").await.body;
    let told = all["result"].as_array().unwrap().iter().filter(|pool| pool["notification_email"] != "");
    assert_eq!(told.count(), 5);
    let generation = api.store.load().generation;
    let rest = api.call("PATCH", &format!("{POOLS}?limit=10&offset=20"), r#"{"notification_email":""}"#).await;
    assert_eq!(rest.body["result"].as_array().unwrap().len(), 10);
    assert_eq!(api.store.load().generation, Generation(generation.0 + 1), "in one commit");
}

#[tokio::test]
async fn a_pool_in_use_says_who_uses_it_and_can_be_detached() {
    let api = Fixture::declaring("").await;
    let (one, two) = (api.made(POOLS, &small("one")).await, api.made(POOLS, &small("two")).await);
    let both = json!({"name": "a.example.com", "default_pools": [one, two], "fallback_pool": one,
        "country_pools": {"DE": [one], "FR": [two, one]}});
    let both = api.balance(&both).await;
    let fallback = json!({"name": "b.example.com", "default_pools": [one], "fallback_pool": two});
    let fallback = api.balance(&fallback).await;

    let path = format!("{POOLS}/{one}");
    let mut calls = Transcript::of(&api);
    calls.call("DELETE", &path, "").await;
    calls.call_with("DELETE", &format!("{path}?detach=true"), &[("if-match", "\"0\"")], "").await;
    calls.call("DELETE", &format!("{path}?detach=true"), "").await;
    let inventory = api.store.load();
    let two_id = PoolId::parse(&two).unwrap();
    for id in [both, fallback] {
        let load_balancer = inventory.load_balancers.find(id).unwrap();
        assert_eq!((&load_balancer.default_pools[..], load_balancer.fallback_pool), (&[two_id][..], two_id));
        assert!(!load_balancer.kept.mentions(&one));
    }
    assert!(inventory.load_balancers.find(both).unwrap().kept.mentions(&two));
    calls.call("DELETE", &format!("{POOLS}/{two}?detach=true"), "").await;
    assert_eq!(api.store.load().generation, inventory.generation, "nothing is done if one would have no pool left");
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn what_only_an_inactive_map_mentions_can_go() {
    let api = Fixture::declaring("").await;
    let (one, two) = (api.made(POOLS, &small("one")).await, api.made(POOLS, &small("two")).await);
    let body = json!({"name": "a.example.com", "default_pools": [two], "fallback_pool": two,
        "steering_policy": "off", "country_pools": {"DE": [one, two]}});
    let id = api.balance(&body).await;
    let gone = api.call("DELETE", &format!("{POOLS}/{one}"), "").await;
    let message = "taken out of load balancer a.example.com, where no answer depended on it";
    assert_eq!((gone.status.as_u16(), &gone.body["messages"]), (200, &json!([{"code": 1105, "message": message}])));
    let kept = &api.store.load().load_balancers.find(id).unwrap().kept.clone();
    assert_eq!((kept.mentions(&one), kept.mentions(&two)), (false, true));
}

#[tokio::test]
async fn a_pool_in_rules_and_pool_sets_is_not_detached() {
    let api = Fixture::declaring("").await;
    let (one, two) = (api.made(POOLS, &small("one")).await, api.made(POOLS, &small("two")).await);
    for (name, more) in [
        (
            "a.example.com",
            json!({"pool_sets": [{"name": "s", "match": {"default": true}, "overrides": {"pools": [one]}}]}),
        ),
        ("b.example.com", json!({"rules": [{"name": "r", "overrides": {"default_pools": [one]}}]})),
    ] {
        let mut body = json!({"name": name, "default_pools": [two], "fallback_pool": two});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        api.balance(&body).await;
    }
    let before = api.store.load().generation;
    let refused = api.call("DELETE", &format!("{POOLS}/{one}?detach=true"), "").await;
    let text = refused.body["errors"][0]["message"].as_str().unwrap();
    assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["code"]), (412, &json!(1005)));
    assert!(
        text.contains("a.example.com, whose pool_sets name it") && text.contains("b.example.com, whose rules name"),
        "{text}"
    );
    assert_eq!(api.store.load().generation, before);
}

#[tokio::test]
async fn declared_pools_keep_their_addresses_and_that_is_told() {
    let declared = "[[pools]]\nname = \"declared\"\nnotification_email = \"a@example.com\"\n\
                    origins = [{ name = \"a\", address = \"192.0.2.1\" }]\n";
    let api = Fixture::declaring(declared).await;
    let mut pool: Json = serde_json::from_str(&small("made")).unwrap();
    pool["notification_email"] = json!("a@example.com");
    api.made(POOLS, &pool.to_string()).await;
    let reset = api.call("PATCH", POOLS, r#"{"notification_email":""}"#).await;
    let emails: Vec<&Json> =
        reset.body["result"].as_array().unwrap().iter().map(|pool| &pool["notification_email"]).collect();
    assert_eq!((reset.status.as_u16(), emails), (200, vec![&json!("a@example.com"), &json!("")]));
    assert_eq!(reset.body["messages"][0]["code"], 1101);
}

#[tokio::test]
async fn who_has_a_name_already_is_told_of_origins_too() {
    let api = Fixture::new();
    let twins = json!({"name": "web", "origins": [
        {"name": "a", "address": "192.0.2.1"}, {"name": "a", "address": "192.0.2.2"}]});
    let refused = api.call("POST", POOLS, &twins.to_string()).await;
    let error = &refused.body["errors"][0];
    assert_eq!((refused.status.as_u16(), &error["code"]), (400, &json!(1003)));
    assert_eq!(error["source"]["pointer"], "/origins/1/name");
}

#[tokio::test]
async fn a_token_for_one_pool_changes_that_pool_alone() {
    let api = Fixture::new();
    let (ours, other) = (api.made(POOLS, &small("ours")).await, api.made(POOLS, &small("other")).await);
    let caller = bearer(Access::Edit, PoolId::parse(&ours));
    for (method, path, status) in [
        ("GET", format!("{POOLS}/{ours}"), 200),
        ("GET", format!("{POOLS}/{other}"), 403),
        ("PATCH", format!("{POOLS}/{ours}"), 200),
        ("PATCH", format!("{POOLS}/{ours}/origins/a"), 200),
        ("PATCH", format!("{POOLS}/{other}"), 403),
        ("PATCH", format!("{POOLS}/{other}/origins/a"), 403),
        ("PATCH", POOLS.to_owned(), 403),
        ("POST", POOLS.to_owned(), 403),
        ("DELETE", format!("{POOLS}/{ours}"), 403),
    ] {
        let response = api.call_as(caller.clone(), method, &path, &[], "{}").await;
        assert_eq!(response.status, status, "{method} {path}: {:#}", response.body);
    }
}

#[tokio::test]
async fn a_response_can_wait_until_its_change_is_answered() {
    let api = Fixture::new();
    let path = format!("{POOLS}?wait=live");
    let body = small("web");
    let mut call = pin!(api.call("POST", &path, &body));
    let mut committed = api.store.subscribe();
    let generation = loop {
        tokio::select! {
            biased;
            _ = &mut call => panic!("answered before it is live"),
            changed = committed.changed() => changed.unwrap(),
        }
        let generation = committed.borrow_and_update().generation;
        if generation > Generation(0) {
            break generation;
        }
    };
    let is_pending = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_pending())).await;
    assert!(is_pending);
    api.live.send_replace(Live { generation, ..Live::default() });
    let response = call.await;
    assert_eq!((response.status.as_u16(), &response.body["messages"]), (200, &json!([])));
}

#[tokio::test(start_paused = true)]
async fn a_response_does_not_wait_for_ever() {
    let api = Fixture::new();
    let response = api.call("POST", &format!("{POOLS}?wait=live"), &small("web")).await;
    assert_eq!((response.status.as_u16(), &response.body["messages"][0]["code"]), (200, &json!(1103)));
}
