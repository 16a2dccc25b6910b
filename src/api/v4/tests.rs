//! The frame: envelope, bodies, preconditions, and what is waited for.

use std::sync::Arc;

use axum::http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use super::fixture::{Fixture, Response, bearer};
use super::{accounts, router};
use crate::model::inventory::Generation;
use crate::model::limits::BODY_OCTETS_MAX;
use crate::model::token::Access;
use crate::steering::publish::Live;

mod access;
mod limited;

/// Pools at user level.
const POOLS: &str = "/user/load_balancers/pools";
/// A pool.
const POOL: &str = r#"{"name":"web","origins":[{"name":"a","address":"192.0.2.1"}]}"#;

/// The status and the number of the first error.
fn refusal(response: &Response) -> (StatusCode, Option<u64>) {
    (response.status, response.body["errors"][0]["code"].as_u64())
}

#[tokio::test]
async fn the_account_is_found_by_its_id_and_no_other() {
    let api = Fixture::new();
    let list = api.call("GET", "/accounts", "").await;
    assert_eq!(list.status, 200);
    // `printf 'account\0pooldns' | sha256sum | cut -c 1-32`
    assert_eq!(list.body["result"][0]["id"], "7a1d2a5b0ee994d2e07d8b4b16194166");
    let info = json!({"page": 1, "per_page": 1, "count": 1, "total_count": 1, "total_pages": 1});
    assert_eq!(list.body["result_info"], info);
    let details = api.call("GET", &format!("/accounts/{}", accounts::id()), "").await;
    assert_eq!(details.body["result"]["name"], "pooldns");
    let other = api.call("GET", "/accounts/00000000000000000000000000000000", "").await;
    assert_eq!((other.status.as_u16(), &other.body["errors"][0]["code"]), (404, &json!(1001)));
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_same_form() {
    let api = Fixture::new();
    let missing = api.call("GET", "/nothing", "").await;
    assert_eq!(missing.status, 404);
    let expected = json!({
        "success": false,
        "errors": [{"code": 7003, "message": "No route for the URI \"/client/v4/nothing\""}],
        "messages": [],
        "result": null,
    });
    assert_eq!(missing.body, expected);
    assert_eq!(missing.headers["x-should-retry"], "false");
    let method = api.call("POST", "/accounts", "{}").await;
    assert_eq!((method.status.as_u16(), &method.body["errors"][0]["code"]), (405, &json!(10405)));
    assert_eq!(method.headers["allow"], "GET,HEAD");
    let head = api.call("HEAD", "/accounts", "").await;
    assert_eq!((head.status.as_u16(), head.body), (200, json!(null)));
}

#[tokio::test]
async fn nobody_may_do_anything_unless_somebody_says_who_calls() {
    let api = Fixture::new();
    let request = axum::http::Request::get("/client/v4/accounts").body(axum::body::Body::empty()).unwrap();
    let response = tower::ServiceExt::oneshot(router(api.context), request).await.unwrap();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["www-authenticate"], "Bearer");
}

#[tokio::test]
async fn a_token_tells_what_it_is() {
    let api = Fixture::new();
    let caller = bearer(Access::Read, None);
    let verified = api.call_as(caller, "GET", "/user/tokens/verify", &[], "").await;
    assert_eq!(verified.body["result"]["status"], "active");
}

#[tokio::test]
async fn a_body_is_json_and_of_bounded_size_and_depth() {
    let api = Fixture::new();
    let deep = "[".repeat(100_000);
    let large = format!("{{\"name\":\"{}\"}}", "a".repeat(BODY_OCTETS_MAX));
    for (headers, body, status, code) in [
        (vec![], "", 400, 6007),
        (vec![], "{", 400, 6007),
        (vec![], "{} {}", 400, 6007),
        (vec![], &deep, 400, 6007),
        (vec![], &large, 413, 1011),
        (vec![("content-type", "application/x-www-form-urlencoded")], POOL, 415, 1012),
        (vec![("content-type", "text/plain; charset=utf-8")], POOL, 415, 1012),
        (vec![], "[]", 400, 1002),
    ] {
        let response = api.call_as(bearer(Access::Edit, None), "POST", POOLS, &headers, body).await;
        assert_eq!(refusal(&response), (StatusCode::from_u16(status).unwrap(), Some(code)), "{headers:?} {body:.40}");
        assert_eq!(response.headers["x-should-retry"], "false");
    }
    for kind in ["application/json", "APPLICATION/JSON; charset=latin1", "application/merge-patch+json"] {
        let headers = [("content-type", kind)];
        let body = POOL.replace("web", &format!("web-{}", kind.len()));
        let response = api.call_as(bearer(Access::Edit, None), "POST", POOLS, &headers, &body).await;
        assert_eq!(response.status, 200, "{kind}: {response:?}");
    }
}

#[tokio::test]
async fn of_two_who_edit_different_fields_at_once_neither_is_lost() {
    let api = Fixture::new();
    let made = api.call("POST", POOLS, POOL).await;
    let path = format!("{POOLS}/{}", made.body["result"]["id"].as_str().unwrap());
    for round in 0..20 {
        let (description, longitude) =
            (format!("{{\"description\":\"{round}\"}}"), format!("{{\"latitude\":1,\"longitude\":{round}}}"));
        let both = tokio::join!(api.call("PATCH", &path, &description), api.call("PATCH", &path, &longitude));
        assert_eq!((both.0.status, both.1.status), (StatusCode::OK, StatusCode::OK));
        let pool = api.call("GET", &path, "").await.body;
        let found = (&pool["result"]["description"], &pool["result"]["longitude"]);
        assert_eq!(found, (&json!(round.to_string()), &json!(round)));
    }
}

#[tokio::test]
async fn of_a_hundred_who_edit_one_pool_at_once_nobodys_edit_is_lost() {
    let api = Arc::new(Fixture::new());
    let path = format!("{POOLS}/{}", api.made(POOLS, POOL).await);
    let mut writers = JoinSet::new();
    for writer in 0..100 {
        let (api, path) = (Arc::clone(&api), format!("{path}/origins/w{writer}"));
        let body = format!("{{\"address\":\"198.51.100.{writer}\"}}");
        writers.spawn(async move { api.call("PUT", &path, &body).await });
    }
    while let Some(response) = writers.join_next().await {
        let response = response.unwrap();
        assert_eq!(response.status, 200, "{:#}", response.body);
    }
    let pool = api.call("GET", &path, "").await.body;
    assert_eq!(pool["result"]["origins"].as_array().unwrap().len(), 101);
}

#[tokio::test]
async fn of_two_with_the_same_tag_one_wins() {
    let api = Fixture::new();
    let made = api.call("POST", POOLS, POOL).await;
    let path = format!("{POOLS}/{}", made.body["result"]["id"].as_str().unwrap());
    let tag = made.headers["etag"].to_str().unwrap().to_owned();
    let headers = [("if-match", tag.as_str())];
    let edit = |text: &'static str| api.call_as(bearer(Access::Edit, None), "PATCH", &path, &headers, text);
    let (one, other) = tokio::join!(edit("{\"description\":\"one\"}"), edit("{\"description\":\"other\"}"));
    let mut statuses = [one.status.as_u16(), other.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412]);
    let late = [one, other].into_iter().find(|response| response.status == 412).unwrap();
    assert_eq!(refusal(&late).1, Some(1006));
    // Whoever has it already need not get it again.
    let now = api.call("GET", &path, "").await.headers["etag"].to_str().unwrap().to_owned();
    for (known, status) in [(now.clone(), 304), (format!("W/{now}"), 304), ("*".to_owned(), 304), (tag.clone(), 200)] {
        let headers = [("if-none-match", known.as_str())];
        let again = api.call_as(bearer(Access::Read, None), "GET", &path, &headers, "").await;
        assert_eq!((again.status.as_u16(), again.body.is_null()), (status, status == 304), "{known}");
        assert_eq!(again.headers["etag"], now.as_str());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waits_for_dns_is_told_when_it_takes_too_long() {
    let api = Fixture::new();
    let path = format!("{POOLS}?wait=live");
    let late = api.call("POST", &path, POOL).await;
    assert_eq!((late.status, &late.body["messages"][0]["code"]), (StatusCode::OK, &json!(1103)));
    api.live.send_replace(Live { generation: Generation(u64::MAX), waiting: 0 });
    let live = api.call("POST", &path, &POOL.replace("web", "other")).await;
    assert_eq!((live.status, &live.body["messages"]), (StatusCode::OK, &json!([])));
    // What changes nothing may have been made a moment ago, by a request whose answer was lost.
    api.live.send_replace(Live::default());
    let again = format!("{POOLS}/{}?wait=live", live.body["result"]["id"].as_str().unwrap());
    let again = api.call("PATCH", &again, "{}").await;
    assert_eq!((again.status, &again.body["messages"][0]["code"]), (StatusCode::OK, &json!(1103)));
    let wrong = api.call("POST", &format!("{POOLS}?wait=dead"), POOL).await;
    assert_eq!(refusal(&wrong), (StatusCode::BAD_REQUEST, Some(1002)));
}

#[tokio::test]
async fn a_request_has_an_id() {
    let api = Fixture::new();
    let call = async |id: &'static str| {
        api.call_as(bearer(Access::Read, None), "GET", "/accounts", &[("x-request-id", id)], "").await
    };
    let id = |response: Response| response.headers["x-request-id"].to_str().unwrap().to_owned();
    assert_eq!(id(call("3f2a-77").await), "3f2a-77");
    for odd in ["", "<script>", "a b"] {
        let ours = id(call(odd).await);
        assert_eq!(ours.len(), 32, "{ours}");
    }
    let (one, other) = (id(api.call("GET", "/accounts", "").await), id(api.call("GET", "/nothing", "").await));
    assert!(one != other && one.len() == 32, "{one} {other}");
}
