//! Tests of monitors.

use serde_json::json;

use crate::api::v4::fixture::Fixture;
use crate::api::v4::transcript::Transcript;
use crate::model::id::MonitorId;

const MONITORS: &str = "/user/load_balancers/monitors";

#[tokio::test]
async fn golden_life_of_a_monitor() {
    let api = Fixture::declaring("[[monitors]]\nname = \"fixed\"\ntype = \"tcp\"\nport = 80\n").await;
    let mut calls = Transcript::of(&api);
    let body = json!({
        "type": "https", "description": "Login page", "path": "/health", "expected_codes": "2xx", "expected_body": "ok",
        "header": {"Host": ["example.com"], "X-App-ID": ["abc123"]}, "interval": 30, "timeout": 3, "retries": 0,
        "consecutive_down": 2, "allow_insecure": true, "probe_zone": "example.com", "colour": "blue",
    });
    let id = calls.call("POST", MONITORS, &body.to_string()).await.body["result"]["id"].as_str().unwrap().to_owned();
    let one = format!("{MONITORS}/{id}");
    calls.call("GET", &one, "").await;
    calls.call("PATCH", &one, r#"{"type":"tcp","port":25,"header":null,"path":""}"#).await;
    calls.call("PATCH", &one, r#"{"type":"http","port":0,"consecutive_down":null}"#).await;
    calls.call("PUT", &one, "{}").await;
    calls.call("GET", MONITORS, "").await;
    let pool = json!({"name": "web", "monitor": id, "origins": [{"name": "a", "address": "192.0.2.1"}]});
    let pool = calls.call("POST", "/user/load_balancers/pools", &pool.to_string()).await;
    calls.call("DELETE", &one, "").await;
    let pool = pool.body["result"]["id"].as_str().unwrap().to_owned();
    calls.call("DELETE", &format!("/user/load_balancers/pools/{pool}"), "").await;
    calls.call("DELETE", &one, "").await;
    calls.call("DELETE", &one, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_refusals() {
    let api = Fixture::declaring("[[monitors]]\nname = \"fixed\"\ntype = \"tcp\"\nport = 80\n").await;
    let mut calls = Transcript::of(&api);
    for body in [
        "[]",
        r#"{"type":"ldap"}"#,
        r#"{"type":"tcp"}"#,
        r#"{"type":"tls","ca_file":"/etc/ssl/private.pem"}"#,
        r#"{"interval":1,"timeout":5}"#,
        r#"{"path":"health","expected_codes":"200-299","method":"get","port":70000,"retries":9}"#,
    ] {
        calls.call("POST", MONITORS, body).await;
    }
    let fixed = format!("{MONITORS}/{}", MonitorId::declared("fixed"));
    calls.call("PATCH", &fixed, "{}").await;
    calls.call("DELETE", &fixed, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn put_resets_and_what_changes_nothing_is_no_commit() {
    let api = Fixture::new();
    let body = r#"{"type":"https","path":"/x","expected_codes":"2xx","consecutive_up":3}"#;
    let one = format!("{MONITORS}/{}", api.made(MONITORS, body).await);
    let before = api.call("GET", &one, "").await;
    for (method, body) in [("PUT", body), ("PATCH", r#"{"path":"/x"}"#)] {
        let same = api.call(method, &one, body).await;
        assert_eq!((&same.body, &same.headers["etag"]), (&before.body, &before.headers["etag"]));
    }
    let after = api.call("PUT", &one, r#"{"type":"http"}"#).await.body["result"].clone();
    for (key, value) in [("path", json!("/")), ("expected_codes", json!("200")), ("consecutive_up", json!(null))] {
        assert_eq!(after[key], value, "{key}");
    }
    assert_eq!(after["created_on"], before.body["result"]["created_on"]);
    assert!(after["modified_on"].as_str() > before.body["result"]["modified_on"].as_str());
}

#[tokio::test]
async fn damping_is_off_until_it_is_asked_for_and_after_a_put_without_it() {
    let api = Fixture::new();
    let one = format!("{MONITORS}/{}", api.made(MONITORS, r#"{"type":"tcp","port":25}"#).await);
    let defaults = json!({"changes": 4, "within": 600, "hold": 300});
    for (method, body, damping) in [
        ("PATCH", r#"{"retries":1}"#, json!(null)),
        ("PATCH", r#"{"damping":{}}"#, defaults),
        (
            "PATCH",
            r#"{"damping":{"changes":3,"within":600,"hold":"90s"}}"#,
            json!({"changes": 3, "within": 600, "hold": 90}),
        ),
        ("PATCH", r#"{"retries":2}"#, json!({"changes": 3, "within": 600, "hold": 90})),
        ("PATCH", r#"{"damping":null}"#, json!(null)),
        (
            "PUT",
            r#"{"type":"tcp","port":25,"damping":{"within":700}}"#,
            json!({"changes": 4, "within": 700, "hold": 300}),
        ),
        ("PUT", r#"{"type":"tcp","port":25}"#, json!(null)),
    ] {
        let answer = api.call(method, &one, body).await;
        assert_eq!((answer.status.as_u16(), &answer.body["result"]["damping"]), (200, &damping), "{method} {body}");
    }
}

#[tokio::test]
async fn monitors_turn_from_any_type_into_any_other() {
    let api = Fixture::new();
    let one = format!("{MONITORS}/{}", api.made(MONITORS, r#"{"type":"tcp","port":25}"#).await);
    for (body, present, absent) in [
        (r#"{"type":"smtp"}"#, ("port", json!(25)), "service"),
        (r#"{"type":"udp_icmp","probe_zone":"example.com"}"#, ("probe_zone", json!("example.com")), "service"),
        (r#"{"type":"icmp_ping"}"#, ("type", json!("icmp_ping")), "port"),
        (r#"{"type":"dns","query_name":"a.example"}"#, ("port", json!(53)), "tls"),
        (r#"{"type":"grpc","tls":true,"allow_insecure":true}"#, ("service", json!("")), "query_name"),
        (r#"{"tls":false}"#, ("allow_insecure", json!(false)), "certificate_days_min"),
        (r#"{"type":"tls","server_name":"a.example"}"#, ("certificate_days_min", json!(0)), "service"),
        (r#"{"type":"https"}"#, ("method", json!("GET")), "server_name"),
        (r#"{"type":"tcp"}"#, ("method", json!("connection_established")), "certificate_days_min"),
    ] {
        let answer = api.call("PATCH", &one, body).await;
        let result = &answer.body["result"];
        assert_eq!((&result[present.0], &result[absent]), (&present.1, &json!(null)), "{body}: {}", answer.body);
        assert_eq!(answer.body["messages"], json!([]), "{body}");
    }
}
