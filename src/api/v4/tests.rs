use serde_json::json;

use super::accounts;
use super::fixture::{Fixture, bearer};
use crate::model::token::Access;

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
        "errors": [{"code": 7003, "message": "No route for the URI"}],
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
    let response = tower::ServiceExt::oneshot(super::router(api.context), request).await.unwrap();
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
