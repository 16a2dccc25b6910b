use serde_json::{Value as Json, json};

use crate::api::v4::fixture::Fixture;
use crate::api::v4::transcript::Transcript;

/// Where to search.
fn search() -> String {
    format!("/accounts/{}/load_balancers/search", crate::api::v4::accounts::id())
}

/// The API with a load balancer, which names two pools, one of which names a monitor.
async fn api() -> Fixture {
    let api = Fixture::declaring("[[monitors]]\nname = \"web-check\"\ntype = \"tcp\"\nport = 80\n").await;
    let monitor = crate::model::id::MonitorId::declared("web-check").to_string();
    let origins = json!([{"name": "a", "address": "192.0.2.1"}]);
    let one = json!({"name": "web-one", "monitor": monitor, "origins": origins}).to_string();
    let one = api.made("/user/load_balancers/pools", &one).await;
    let two = json!({"name": "Two", "origins": origins}).to_string();
    let two = api.made("/user/load_balancers/pools", &two).await;
    let body = json!({"name": "web.example.com", "default_pools": [one], "fallback_pool": one, "steering_policy": "off",
        "country_pools": {"DE": [two]}});
    api.balance(&body).await;
    api
}

#[tokio::test]
async fn golden_search() {
    let api = api().await;
    let mut calls = Transcript::of(&api);
    for query in
        ["", "?references=*&query=web", "?references=referrer&query=tw", "?references=referral&page=2&per_page=1"]
    {
        calls.call("GET", &format!("{}{query}", search()), "").await;
    }
    calls.call("GET", &format!("{}?references=all", search()), "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn what_is_found_is_sorted_by_kind_and_name() {
    let api = api().await;
    let names = async |query: &str| {
        let body = api.call("GET", &format!("{}?{query}", search()), "").await.body;
        let resources = body["result"]["resources"].as_array().unwrap().clone();
        resources.iter().map(|resource| resource["resource_name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["web.example.com", "web-check", "Two", "web-one"]);
    assert_eq!(names("query=WEB-").await, ["web-check", "web-one"]);
    assert_eq!(names("query=tWO").await, ["Two"]);
    assert_eq!(names(&format!("query={}", crate::model::id::MonitorId::declared("web-check"))).await, ["web-check"]);
    assert_eq!(names("query=nothing").await, [""; 0]);
    assert_eq!(names("page=2&per_page=3").await, ["web-one"]);
}

#[tokio::test]
async fn references_are_the_same_as_those_of_the_object_itself() {
    let api = api().await;
    let body = api.call("GET", &format!("{}?references=*", search()), "").await.body;
    for resource in body["result"]["resources"].as_array().unwrap() {
        let (kind, id) = (resource["resource_type"].as_str().unwrap(), resource["resource_id"].as_str().unwrap());
        if kind != "load_balancer" {
            let path = format!("/user/load_balancers/{kind}s/{id}/references");
            let expected: Json = api.call("GET", &path, "").await.body["result"].clone();
            assert_eq!(resource["references"], expected, "{kind}");
        }
    }
}
