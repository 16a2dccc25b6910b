//! The document against the table of routes, the tables of keys, and itself.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt as _;
use serde_json::Value as Json;
use tower::ServiceExt as _;

use super::*;
use crate::api::v4::fixture::Fixture;
use crate::spec::fields::{Key, Need};
use crate::spec::{dns_record, load_balancer, monitor, pool, zone_json};

/// The document as JSON.
fn json() -> Json {
    serde_json::to_value(document()).unwrap()
}

/// Every operation: its method, its path and what the document says of it.
fn operations(document: &Json) -> Vec<(String, String, &Json)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &'_ Json)| {
        let path = path.clone();
        let methods: Vec<String> = item.as_object().unwrap().keys().cloned().collect();
        methods.into_iter().map(move |method| (method, path.clone()))
    };
    let names = paths.iter().flat_map(of_path);
    names.map(|(method, path)| (method.to_uppercase(), path.clone(), &paths[&path][&method])).collect()
}

#[test]
fn the_document_has_every_route_and_nothing_else() {
    let document = json();
    let described: BTreeSet<(String, String)> =
        operations(&document).into_iter().map(|(method, path, _)| (method, path)).collect();
    let routed = routes().into_iter().map(|route| (route.method.to_string(), format!("{BASE}{}", route.path)));
    let signs = SIGNS.map(|(path, ..)| ("GET".to_owned(), path.to_owned()));
    assert_eq!(described, routed.chain(signs).collect());
}

#[test]
fn every_operation_is_described_once_and_every_description_has_a_route() {
    let document = json();
    let mut ids = BTreeSet::new();
    for (method, path, operation) in operations(&document) {
        assert!(operation["summary"].is_string(), "{method} {path} is not described");
        assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}: {operation}");
        let declared = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice).iter();
        let declared: BTreeSet<&str> =
            declared.filter(|one| one["in"] == "path").map(|one| one["name"].as_str().unwrap()).collect();
        let parts: BTreeSet<&str> =
            path.split(['{', '}']).enumerate().filter(|(index, _)| index % 2 == 1).map(|(_, part)| part).collect();
        assert_eq!(declared, parts, "{method} {path}");
    }
    let routes = routes();
    for description in descriptions() {
        for operation in &description.operations {
            let has_route = routes.iter().any(|route| {
                let is_of = |path: &str| operation.is_of(&route.method, path);
                is_of(&route.path) || below_view(&route.path).is_some_and(is_of)
            });
            assert!(has_route, "an operation of {} has no route", description.tag);
        }
    }
}

#[test]
fn schemas_have_the_keys_that_bodies_are_checked_by() {
    let document = json();
    let schemas = &document["components"]["schemas"];
    for (name, keys) in [
        ("Pool", pool::KEYS),
        ("Origin", pool::ORIGIN_KEYS),
        ("Monitor", monitor::KEYS),
        ("LoadBalancer", load_balancer::KEYS),
        ("Record", dns_record::KEYS),
        ("NewZone", zone_json::KEYS),
    ] {
        let properties = schemas[name]["properties"].as_object().unwrap();
        let known = keys.iter().filter(|key| !matches!(key.need, Need::Unsupported(_)));
        for Key { name: key, .. } in known.clone() {
            // What is there at account level only, or not here.
            assert!(properties.contains_key(*key) || *key == "tunnel_id", "{name} has no {key}");
        }
        assert!(properties.keys().all(|property| known.clone().any(|key| key.name == property)), "{name}");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_schema_is_used() {
    let document = json();
    let text = document.to_string();
    let used: BTreeSet<&str> =
        text.split("#/components/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    let mut there = BTreeSet::new();
    for kind in ["schemas", "responses"] {
        for name in document["components"][kind].as_object().unwrap().keys() {
            there.insert(format!("{kind}/{name}"));
        }
    }
    assert_eq!(used, there.iter().map(String::as_str).collect());
}

#[test]
fn golden_document() {
    insta::assert_snapshot!("openapi", document().to_pretty_json().unwrap());
}

#[tokio::test]
async fn the_document_is_for_everybody() {
    let api = Fixture::new();
    let request = Request::get(PATH).body(Body::empty()).unwrap();
    let response = crate::api::v4::router(api.context).oneshot(request).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["content-type"]),
        (200, &HeaderValue::from_static("application/json"))
    );
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(serde_json::from_slice::<Json>(&body).unwrap()["openapi"], "3.1.0");
}
