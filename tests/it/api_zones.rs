//! Zones, records and load balancers that are made through the API, as DNS answers them.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::{RData, RecordType};
use serde_json::{Value as Json, json};

use crate::harness::{Ran, TestServer, ZONE, records, run};

/// A server with a declared zone, whose API gives new zones a name server.
fn server() -> TestServer {
    TestServer::start(&format!("[api.zones]\nname_servers = [\"ns1.example.net\"]\n{ZONE}"))
}

/// What a call through the control socket gives, which waits until what it changes is in answers.
#[track_caller]
fn call(server: &TestServer, method: &str, path: &str, body: &Json) -> Json {
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "20", "-X", method, "--unix-socket"]).arg(server.control());
    if !body.is_null() {
        command.args(["--json", &body.to_string()]);
    }
    let Ran { code, stdout, stderr } = run(command.arg(format!("http://pooldns/client/v4{path}?wait=live")));
    assert_eq!(code, Some(0), "{stderr}");
    let answer: Json = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{error}: {stdout}"));
    // Nothing is told of, and so it was not too late either.
    assert_eq!((&answer["success"], &answer["messages"]), (&json!(true), &json!([])), "{method} {path}: {answer:#}");
    answer["result"].clone()
}

/// The id of an object that a call makes.
#[track_caller]
fn made(server: &TestServer, path: &str, body: &Json) -> String {
    call(server, "POST", path, body)["id"].as_str().unwrap().to_owned()
}

/// How a name is answered: with this code.
#[track_caller]
fn code(server: &TestServer, name: &str) -> ResponseCode {
    server.dns().get(name, RecordType::TXT).metadata.response_code
}

/// The serial of a zone.
#[track_caller]
fn serial(server: &TestServer, zone: &str) -> u32 {
    let answer = server.dns().get(zone, RecordType::SOA);
    match &answer.answers[0].data {
        RData::SOA(soa) => soa.serial,
        other => panic!("{other}"),
    }
}

#[test]
fn a_zone_and_its_records_are_answered_when_the_api_says_so() {
    let server = server();
    assert_eq!(code(&server, "made.test."), ResponseCode::Refused);
    let zone = format!("/zones/{}", made(&server, "/zones", &json!({"name": "made.test"})));
    let ns = records(&server.dns().get("made.test.", RecordType::NS).answers);
    assert_eq!(ns, ["made.test. 3600 IN NS ns1.example.net."]);

    // As those do who prove that a name is theirs.
    let first = serial(&server, "made.test.");
    let challenge = "_acme-challenge.www.made.test";
    let body = json!({"type": "TXT", "name": challenge, "content": "token", "ttl": 120});
    let record = made(&server, &format!("{zone}/dns_records"), &body);
    let txt = records(&server.dns().get(&format!("{challenge}."), RecordType::TXT).answers);
    assert_eq!(txt, [format!("{challenge}. 120 IN TXT token")]);
    assert!(serial(&server, "made.test.") > first, "secondaries see no change");
    call(&server, "PATCH", &format!("{zone}/dns_records/{record}"), &json!({"content": "other"}));
    let txt = records(&server.dns().get(&format!("{challenge}."), RecordType::TXT).answers);
    assert_eq!(txt, [format!("{challenge}. 120 IN TXT other")]);
    call(&server, "DELETE", &format!("{zone}/dns_records/{record}"), &Json::Null);
    assert_eq!(code(&server, &format!("{challenge}.")), ResponseCode::NXDomain);

    call(&server, "DELETE", &zone, &Json::Null);
    assert_eq!(code(&server, "made.test."), ResponseCode::Refused);
}

#[test]
fn a_load_balancer_over_pools_of_the_api_is_answered() {
    let server = server();
    let address = |last| IpAddr::V4(Ipv4Addr::new(192, 0, 2, last));
    let pools = "/user/load_balancers/pools";
    let origins = |last: u8| json!([{"name": "a", "address": address(last)}]);
    let pool = made(&server, pools, &json!({"name": "web", "origins": origins(1)}));
    let declared = call(&server, "GET", "/zones", &Json::Null);
    let all = format!("/zones/{}/load_balancers", declared[0]["id"].as_str().unwrap());
    let body = json!({"name": "www.example.test", "default_pools": [pool], "fallback_pool": pool, "ttl": 7});
    let one = format!("{all}/{}", made(&server, &all, &body));
    let answer = records(&server.dns().get("www.example.test.", RecordType::A).answers);
    assert_eq!(answer, ["www.example.test. 7 IN A 192.0.2.1"]);
    call(&server, "PATCH", &format!("{pools}/{pool}"), &json!({"origins": origins(2)}));
    assert_eq!(server.dns().addresses("www.example.test."), [address(2)]);
    call(&server, "PATCH", &one, &json!({"enabled": false}));
    assert_eq!(server.dns().addresses("www.example.test."), [] as [IpAddr; 0]);
    call(&server, "DELETE", &one, &Json::Null);
    assert_eq!(code(&server, "www.example.test."), ResponseCode::NXDomain);
}

#[test]
fn the_document_is_on_the_control_socket_too() {
    let server = server();
    let mut command = Command::new("curl");
    command.args(["-sS", "-m", "20", "--unix-socket"]).arg(server.control());
    let document: Json = serde_json::from_str(&run(command.arg("http://pooldns/openapi.json")).stdout).unwrap();
    assert!(document["paths"]["/client/v4/zones"]["post"].is_object());
}
