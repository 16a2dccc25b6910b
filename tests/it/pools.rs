//! Pools and monitors of the API on the running server, called by curl through the control socket, whose owner may do
//! everything.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::tools::installed;
use crate::harness::{Behaviour, Site, TestServer, ZONE, run, wait, wait_some};

/// Where pools are.
const POOLS: &str = "/user/load_balancers/pools";

/// Calls the API, and gives the status and the body.
#[track_caller]
fn curl(server: &TestServer, method: &str, path: &str, headers: &[&str], body: Option<&Value>) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--write-out", "\n%{http_code}", "--request", method]);
    command.arg("--unix-socket").arg(server.control());
    for header in headers {
        command.args(["--header", header]);
    }
    if let Some(body) = body {
        command.args(["--header", "Content-Type: application/json", "--data", &body.to_string()]);
    }
    let ran = run(command.arg(format!("http://localhost/client/v4{path}")));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let (body, status) = ran.stdout.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {body}")))
}

/// Calls it where it has to go well, and gives the result.
#[track_caller]
fn result(server: &TestServer, method: &str, path: &str, body: Option<&Value>) -> Value {
    let (status, body) = curl(server, method, path, &[], body);
    assert_eq!(status, 200, "{method} {path}: {body:#}");
    assert_eq!((&body["success"], &body["errors"]), (&json!(true), &json!([])));
    body["result"].clone()
}

/// The text of a value.
fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn a_pool_made_by_curl_is_probed_and_tells_of_it() {
    if !installed("curl") {
        return;
    }
    let site = Site::http(2);
    let server = TestServer::start(ZONE);
    let check = json!({"type": "http", "port": site.port, "interval": 1, "timeout": 1, "retries": 0});
    let monitor = text(&result(&server, "POST", "/user/load_balancers/monitors", Some(&check))["id"]);
    let [up, down] = [0, 1].map(|index| site.addresses()[index].to_string());
    let body = json!({"name": "web", "monitor": monitor, "origins": [
        {"name": "one", "address": up}, {"name": "two", "address": down}]});
    let pool = format!("{POOLS}/{}", text(&result(&server, "POST", &format!("{POOLS}?wait=live"), Some(&body))["id"]));
    let health = |server: &TestServer, address: &str| {
        let result = result(server, "GET", &format!("{pool}/health"), None);
        let origins = result["pop_health"]["pooldns"]["origins"].as_array().unwrap().clone();
        origins.iter().find_map(|origin| origin.get(address).cloned()).unwrap()
    };
    wait("both origins are up", || [&up, &down].iter().all(|address| health(&server, address)["healthy"] == true));
    assert_eq!(health(&server, &up)["response_code"], 200);
    assert_eq!(result(&server, "GET", &pool, None)["healthy"], true);

    site.origins[1].set(Behaviour::Error500);
    wait("the second origin is down", || health(&server, &down)["healthy"] == false);
    assert_eq!(health(&server, &down)["failure_reason"], "Response code mismatch error");
    let seen = result(&server, "GET", &pool, None);
    assert_eq!((&seen["healthy"], &seen["origins"][1]["healthy"]), (&json!(true), &json!(false)));

    let preview = result(&server, "POST", &format!("{pool}/preview"), Some(&json!({"type": "tcp", "port": site.port})));
    let preview = format!("/user/load_balancers/preview/{}", text(&preview["preview_id"]));
    let id = pool.rsplit('/').next().unwrap();
    let found = wait_some("the preview's end", || {
        Some(result(&server, "GET", &preview, None)[id].clone()).filter(|found| !found.is_null())
    });
    assert_eq!(found["origins"][1][&down]["healthy"], true, "a connection is enough for this check");

    result(&server, "DELETE", &format!("{pool}/origins/two"), None);
    let (status, _) = curl(&server, "PATCH", &pool, &["If-Match: \"0\""], Some(&json!({"enabled": false})));
    assert_eq!(status, 412);
    let (status, body) = curl(&server, "DELETE", &format!("/user/load_balancers/monitors/{monitor}"), &[], None);
    assert_eq!((status, &body["errors"][0]["code"]), (412, &json!(1005)));
    result(&server, "DELETE", &pool, None);
    result(&server, "DELETE", &format!("/user/load_balancers/monitors/{monitor}"), None);
    assert_eq!(result(&server, "GET", POOLS, None), json!([]));
}
