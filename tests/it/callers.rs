//! The API over TCP, as any client sees it: who may do what, and who wins when two write at one time.

use std::sync::Barrier;

use serde_json::{Value, json};

use crate::clients::API;
use crate::harness::http::Http;
use crate::harness::{TestServer, ZONE, wait_for};

/// All pools.
const POOLS: &str = "/user/load_balancers/pools";

/// A server with a zone, and a token that may do everything.
fn start() -> (TestServer, String) {
    let server = TestServer::start(&format!("{API}{ZONE}"));
    let token = server.token("all", &[]);
    (server, token)
}

/// Makes a pool, and gives its id.
fn make_pool(http: &mut Http, name: &str) -> String {
    let body = json!({"name": name, "origins": [{"name": "a", "address": "192.0.2.1"}]});
    http.call("POST", POOLS, Some(&body)).result()["id"].as_str().unwrap().to_owned()
}

#[test]
fn of_two_writers_with_the_same_tag_exactly_one_wins() {
    let (server, token) = start();
    let mut http = Http::new(server.api(), &token);
    let path = format!("{POOLS}/{}", make_pool(&mut http, "web"));
    let both = Barrier::new(2);
    let mut clients = [Http::new(server.api(), &token), Http::new(server.api(), &token)];
    for round in 0..50 {
        let tag = http.call("GET", &path, None).etag.unwrap();
        let answers: Vec<(u16, String)> = std::thread::scope(|scope| {
            let writing = clients.iter_mut().enumerate().map(|(writer, http)| {
                let (path, tag, both) = (&path, &tag, &both);
                scope.spawn(move || {
                    let description = format!("{round} by {writer}");
                    let body = json!({"description": description});
                    both.wait();
                    let answer = http.try_call("PATCH", path, &format!("If-Match: {tag}\r\n"), Some(&body)).unwrap();
                    if answer.status != 200 {
                        assert_eq!(answer.error(), (412, Some(1006)));
                    }
                    (answer.status, description)
                })
            });
            let writing: Vec<_> = writing.collect();
            writing.into_iter().map(|writer| writer.join().unwrap()).collect()
        });
        let won: Vec<&String> = answers.iter().filter(|(status, _)| *status == 200).map(|(_, text)| text).collect();
        assert_eq!(won.len(), 1, "round {round}: {answers:?}");
        assert_eq!(http.call("GET", &path, None).result()["description"], json!(won[0]));
    }
}

#[test]
fn each_token_may_do_what_it_says_and_nothing_else() {
    let (server, all) = start();
    let mut http = Http::new(server.api(), &all);
    let (web, other) = (make_pool(&mut http, "web"), make_pool(&mut http, "other"));
    let reader = server.token("reader", &["--read"]);
    let limited = server.token("limited", &["--pool", "web"]);
    let account = http.call("GET", "/accounts", None).result()[0]["id"].as_str().unwrap().to_owned();
    let zone = http.call("GET", "/zones", None).result()[0]["id"].as_str().unwrap().to_owned();
    let pool = |id: &str, rest: &str| format!("{POOLS}/{id}{rest}");
    let edit = json!({"description": "edited"});
    let balancer = json!({"name": "www.example.test", "default_pools": [web], "fallback_pool": web});
    let origin = json!({"address": "192.0.2.2"});
    // Whether a reader may, and whether whoever is limited to `web` may. Who may do everything is asked last.
    let cases: Vec<(&str, String, Option<&Value>, bool, bool)> = vec![
        ("GET", POOLS.into(), None, true, false),
        ("GET", pool(&other, ""), None, true, false),
        ("GET", pool(&web, ""), None, true, true),
        ("GET", pool(&web, "/references"), None, true, true),
        ("GET", "/user/tokens/verify".into(), None, true, true),
        ("GET", "/zones".into(), None, true, false),
        ("GET", "/user/load_balancing_analytics/events".into(), None, true, true),
        ("GET", format!("/accounts/{account}/audit_logs"), None, true, false),
        ("PATCH", pool(&web, ""), Some(&edit), false, true),
        ("PUT", pool(&web, "/origins/b"), Some(&origin), false, true),
        ("DELETE", pool(&web, "/origins/b"), None, false, true),
        ("PATCH", pool(&other, ""), Some(&edit), false, false),
        ("PUT", pool(&other, "/origins/b"), Some(&origin), false, false),
        ("POST", format!("/zones/{zone}/load_balancers"), Some(&balancer), false, false),
        ("PATCH", POOLS.into(), Some(&edit), false, false),
        ("DELETE", pool(&other, ""), None, false, false),
    ];
    for (token, of_case) in
        [(&reader, (|case| case.3) as fn(&(_, _, _, bool, bool)) -> bool), (&limited, |case| case.4)]
    {
        let mut http = Http::new(server.api(), token);
        for case in &cases {
            let (method, path, body, ..) = case;
            let answer = http.call(method, path, *body);
            if of_case(case) {
                answer.result();
            } else {
                assert_eq!(answer.status, 403, "{method} {path}");
            }
        }
    }
    // Nothing of what was refused has happened.
    let seen = http.call("GET", &pool(&other, ""), None).result();
    assert_eq!((&seen["description"], seen["origins"].as_array().unwrap().len()), (&json!(""), 1));
    http.call("DELETE", &pool(&other, ""), None).result();

    // Who shows nothing, or what is not or no longer known, gets nothing.
    let brief = server.token("brief", &["--expires", "1s"]);
    wait_for(&false, || Http::new(server.api(), &brief).call("GET", POOLS, None).status == 200);
    server.revoke("reader");
    for token in ["", "wrong", &reader, &brief] {
        let status = Http::new(server.api(), token).call("GET", POOLS, None).status;
        assert!(matches!(status, 400 | 401 | 403), "{token}: {status}");
    }
}

#[test]
fn who_made_and_revoked_a_token_is_in_the_audit_log() {
    let (server, all) = start();
    let mut http = Http::new(server.api(), &all);
    let pool = make_pool(&mut http, "web");
    let secret = server.token("deploy", &["--pool", "web", "--expires", "90d"]);
    let id = Http::new(server.api(), &secret).call("GET", "/user/tokens/verify", None).result()["id"].take();
    let id = id.as_str().unwrap();
    server.revoke("deploy");
    let account = http.call("GET", "/accounts", None).result()[0]["id"].as_str().unwrap().to_owned();
    let mut found = |query: &str| {
        let listed = http.call("GET", &format!("/accounts/{account}/audit_logs?{query}"), None).result();
        listed.as_array().unwrap().clone()
    };
    let entries = found(&format!("resource.id={id}"));
    let [revoked, made] = entries.as_slice() else { panic!("{entries:#?}") };
    for (entry, action) in [(made, "create"), (revoked, "revoke")] {
        assert_eq!(entry["action"], json!({"type": action, "result": true}));
        assert_eq!(entry["actor"], json!({"email": "control socket", "ip": null, "type": "user"}));
        assert_eq!(entry["interface"], "control socket");
        assert_eq!(
            (&entry["resource"], &entry["metadata"]["name"]),
            (&json!({"type": "token", "id": id}), &json!("deploy"))
        );
    }
    let value = &made["newValueJson"];
    assert_eq!((&made["oldValueJson"], &revoked["newValueJson"]), (&Value::Null, &Value::Null));
    assert_eq!(value, &revoked["oldValueJson"]);
    let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["access", "created", "expires", "name", "pool"]);
    assert_eq!((&value["name"], &value["access"], &value["pool"]), (&json!("deploy"), &json!("edit"), &json!(pool)));
    let moment = |key: &str| value[key].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(moment("expires").duration_since(moment("created")), jiff::SignedDuration::from_hours(90 * 24));
    // Everything that came through the control socket is found by its name, and nothing of what the bearer showed.
    let by_socket = found("actor.email=control+socket");
    let names: Vec<&Value> = by_socket.iter().map(|entry| &entry["metadata"]["name"]).collect();
    assert_eq!(names, ["deploy", "deploy", "all"]);
    assert!(!json!(found("")).to_string().contains(&secret));
}
