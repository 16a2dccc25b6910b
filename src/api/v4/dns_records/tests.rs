//! Records through the router: their life, lists, and those of files.

use serde_json::{Value as Json, json};

use crate::api::v4::fixture::{Fixture, Response};
use crate::api::v4::transcript::Transcript;
use crate::model::id::ZoneId;

/// The API with a zone of a file and one that is made, and the records of both.
async fn with_zones() -> (Fixture, String, String) {
    let declared = "[[zones]]\nname = \"example.net\"\nrecords = [\n\
                    \"@ 60 SOA ns h 1 2 3 4 5\", \"@ 60 NS ns\", \"ns 60 A 192.0.2.1\", \"ns 60 A 192.0.2.2\",\n\
                    'txt 60 TXT \"v=1\" \"two\"', \"@ 60 MX 10 ns\",\n]\n";
    let api = Fixture::declaring(declared).await;
    let made = api.made("/zones", r#"{"name":"a.example","name_servers":["ns.example.net"]}"#).await;
    let records = format!("/zones/{made}/dns_records");
    (api, records, format!("/zones/{}/dns_records", ZoneId::declared("example.net")))
}

/// The record of an answer, in short.
fn short(record: &Json) -> String {
    let text = |key: &str| record[key].as_str().unwrap().to_owned();
    format!("{} {} {}", text("name"), text("type"), text("content"))
}

/// The records of a list, in short.
fn shorts(response: &Response) -> Vec<String> {
    response.body["result"].as_array().unwrap().iter().map(short).collect()
}

#[tokio::test]
async fn golden_life_of_a_record() {
    let (api, records, _) = with_zones().await;
    let mut calls = Transcript::of(&api);
    let body = r#"{"type":"TXT","name":"_acme-challenge.a.example","content":"token","ttl":120,"colour":"blue"}"#;
    let made = calls.call("POST", &records, body).await.body["result"]["id"].as_str().unwrap().to_owned();
    let one = format!("{records}/{made}");
    calls.call("GET", &one, "").await;
    calls.call("PATCH", &one, r#"{"content":"other","comment":"for a moment"}"#).await;
    calls.call("PUT", &one, r#"{"type":"MX","name":"@","content":"mail.example.net","priority":5}"#).await;
    calls.call("DELETE", &one, "").await;
    calls.call("DELETE", &one, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_refusals() {
    let (api, records, declared) = with_zones().await;
    let mut calls = Transcript::of(&api);
    let body = r#"{"type":"A","name":"www","content":"192.0.2.1"}"#;
    calls.call("POST", &records, body).await;
    calls.call("POST", &records, body).await;
    calls.call("POST", &records, r#"{"type":"CNAME","name":"www","content":"x.example.net"}"#).await;
    calls.call("POST", &records, r#"{"type":"A","name":"www.example.net.","content":"192.0.2.1"}"#).await;
    calls.call("POST", &records, r#"{"type":"A","name":"x","content":"2001:db8::1","proxied":true}"#).await;
    calls.call("POST", &records, r#"{"type":"SOA","name":"@","content":"ns h 1 2 3 4 5"}"#).await;
    calls.call("GET", &format!("{records}/00000000000000000000000000000000"), "").await;
    calls.call("GET", &format!("{records}/x"), "").await;
    calls.call("POST", &declared, body).await;
    calls.call("GET", &format!("{records}?match=some"), "").await;
    calls.call("GET", &format!("{records}?order=colour"), "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_records_of_a_file() {
    let (api, _, declared) = with_zones().await;
    let mut calls = Transcript::of(&api);
    calls.call("GET", &declared, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn records_of_a_file_have_stable_ids_and_are_only_shown() {
    let (api, _, declared) = with_zones().await;
    let listed = api.call("GET", &declared, "").await;
    let other = with_zones().await;
    assert_eq!(other.0.call("GET", &other.2, "").await.body["result"][0]["id"], listed.body["result"][0]["id"]);
    for record in listed.body["result"].as_array().unwrap() {
        let path = format!("{declared}/{}", record["id"].as_str().unwrap());
        let shown = api.call("GET", &path, "").await;
        assert_eq!(shown.body["result"], *record);
        assert!(!shown.headers.contains_key("etag"));
        for (method, body) in
            [("DELETE", ""), ("PATCH", "{}"), ("PUT", r#"{"type":"A","name":"x","content":"192.0.2.1"}"#)]
        {
            let refused = api.call(method, &path, body).await;
            assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["code"]), (403, &json!(1007)), "{method}");
        }
    }
}

#[tokio::test]
async fn lists_are_what_was_asked_for() {
    let (api, records, declared) = with_zones().await;
    for body in [
        r#"{"type":"A","name":"www","content":"192.0.2.7","ttl":60,"comment":"Web server"}"#,
        r#"{"type":"A","name":"www","content":"192.0.2.8"}"#,
        r#"{"type":"TXT","name":"_acme-challenge.www","content":"\"Token\""}"#,
        r#"{"type":"TXT","name":"_acme-challenge.www","content":"plain"}"#,
    ] {
        api.made(&records, body).await;
    }
    let (seven, eight) = ("www.a.example A 192.0.2.7", "www.a.example A 192.0.2.8");
    let (token, plain) = ("_acme-challenge.www.a.example TXT \"Token\"", "_acme-challenge.www.a.example TXT plain");
    let ns = "a.example NS ns.example.net";
    for (query, expected) in [
        ("type=A", vec![seven, eight]),
        ("type=a&name=WWW.a.example.", vec![seven, eight]),
        ("type=TXT&name=_acme-challenge.www.a.example&content=token&per_page=1", vec![token]),
        ("type=TXT&content=%22plain%22", vec![plain]),
        ("type=NONE", vec![]),
        ("name=nowhere.a.example", vec![]),
        ("content.endswith=.7", vec![seven]),
        ("name.startswith=www&content.contains=2.8", vec![eight]),
        ("match=any&content=plain&content.contains=2.8", vec![plain, eight]),
        ("match=any&name=www.a.example&type=NS", vec![ns, seven, eight]),
        ("search=web%20SERVER", vec![seven]),
        ("comment=web+server", vec![seven]),
        ("proxied=false&type=NS", vec![ns]),
        ("proxied=true", vec![]),
        ("order=type&direction=desc&content.contains=192", vec![eight, seven]),
        ("order=ttl&type=A", vec![seven, eight]),
        ("order=content&name.contains=www", vec![token, seven, eight, plain]),
        ("page=2&per_page=1&type=A", vec![eight]),
    ] {
        let listed = api.call("GET", &format!("{records}?{query}"), "").await;
        let mut found = shorts(&listed);
        if query.contains("any") {
            found.sort_by_key(|record| expected.iter().position(|one| one == record));
        }
        assert_eq!(found, expected, "{query}");
    }
    // Zones of files answer the same questions.
    for (query, expected) in [
        ("type=A&content=192.0.2.2", vec!["ns.example.net A 192.0.2.2"]),
        ("name=txt.example.net", vec!["txt.example.net TXT \"v=1\" \"two\""]),
        ("type=MX", vec!["example.net MX ns.example.net"]),
        ("type=SOA", vec![]),
    ] {
        assert_eq!(shorts(&api.call("GET", &format!("{declared}?{query}"), "").await), expected, "{query}");
    }
}

#[tokio::test]
async fn what_changes_nothing_is_no_commit() {
    let (api, records, _) = with_zones().await;
    let body = r#"{"type":"A","name":"www","content":"192.0.2.1","ttl":1}"#;
    let one = format!("{records}/{}", api.made(&records, body).await);
    let before = api.call("GET", &one, "").await;
    for (method, body) in [("PUT", body), ("PATCH", "{}"), ("PATCH", r#"{"proxied":false}"#)] {
        let after = api.call(method, &one, body).await;
        assert_eq!((&after.body["result"], &after.headers["etag"]), (&before.body["result"], &before.headers["etag"]));
    }
    let after = api.call("PATCH", &one, r#"{"ttl":60}"#).await;
    assert_eq!((&after.body["result"]["ttl"], &after.body["result"]["content"]), (&json!(60), &json!("192.0.2.1")));
    assert_ne!(after.headers["etag"], before.headers["etag"]);
}

#[tokio::test]
async fn the_zone_keeps_what_it_needs() {
    let (api, records, _) = with_zones().await;
    let all = api.call("GET", &records, "").await;
    assert_eq!(shorts(&all), ["a.example NS ns.example.net"]);
    let ns = format!("{records}/{}", all.body["result"][0]["id"].as_str().unwrap());
    let refused = api.call("DELETE", &ns, "").await;
    assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["code"]), (400, &json!(1002)));
}
