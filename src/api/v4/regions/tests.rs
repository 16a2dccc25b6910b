use std::collections::BTreeSet;

use serde_json::json;

use super::*;
use crate::api::v4::fixture::Fixture;

/// Where the regions are.
fn regions() -> String {
    format!("/accounts/{}/load_balancers/regions", crate::api::v4::accounts::id())
}

#[test]
fn every_country_has_a_region_and_every_region_a_country() {
    // ISO 3166-1 has 249 codes.
    let codes: BTreeSet<&str> = COUNTRIES.iter().map(|(code, ..)| *code).collect();
    assert_eq!((codes.len(), COUNTRIES.len()), (249, 249));
    assert!(
        COUNTRIES.is_sorted_by(|one, next| one.0 < next.0) && SUBDIVISIONS.is_sorted_by(|a, b| (a.0, a.2) < (b.0, b.2))
    );
    let used: BTreeSet<&str> = COUNTRIES.iter().flat_map(|(.., regions)| regions.iter().copied()).collect();
    assert_eq!(used, REGIONS.iter().copied().collect());
    for (country, _, code, region) in SUBDIVISIONS {
        let (.., of_country) = COUNTRIES.iter().find(|(code, ..)| code == country).unwrap();
        assert!(of_country.contains(region), "{country}-{code}");
    }
    // 50 states and the District of Columbia; 10 provinces and 3 territories.
    let count = |country: &str| SUBDIVISIONS.iter().filter(|(of, ..)| *of == country).count();
    assert_eq!((count("US"), count("CA"), SUBDIVISIONS.len()), (51, 13, 64));
}

#[tokio::test]
async fn western_north_america_has_what_is_known_of_it() {
    let api = Fixture::new();
    let body = api.call("GET", &format!("{}/WNAM", regions()), "").await.body;
    let region = &body["result"]["regions"][0];
    let parts = |code: &str| -> BTreeSet<&str> {
        let countries = region["countries"].as_array().unwrap();
        let country = countries.iter().find(|country| country["country_code_a2"] == code).unwrap();
        let parts = country["country_subdivisions"].as_array().unwrap().iter();
        parts.map(|part| part["subdivision_code_a2"].as_str().unwrap()).collect()
    };
    assert!(
        parts("US").is_superset(&BTreeSet::from(["AZ", "CA", "CO", "HI", "MN", "MO", "NV", "OR", "TX", "UT", "WA"]))
    );
    assert!(parts("CA").is_superset(&BTreeSet::from(["AB", "BC"])));
    for (code, name) in [("HT", "Haiti"), ("MX", "Mexico")] {
        let expected = json!({"country_code_a2": code, "country_name": name});
        assert!(region["countries"].as_array().unwrap().contains(&expected), "{code}");
    }
    assert_eq!(
        body["result"]["iso_standard"],
        "Country and subdivision codes follow ISO 3166-1 alpha-2 and ISO 3166-2"
    );
}

#[tokio::test]
async fn a_country_and_a_part_of_it_have_their_regions() {
    let api = Fixture::new();
    for (query, expected) in [
        ("", json!(["EEU", "ENAM", "ME", "NAF", "NEAS", "NSAM", "OC", "SAF", "SAS", "SEAS", "SSAM", "WEU", "WNAM"])),
        ("?country_code_a2=DE", json!(["WEU"])),
        ("?country_code_a2=us", json!(["ENAM", "WNAM"])),
        ("?country_code_a2=US&subdivision_code_a2=NY", json!(["ENAM"])),
        ("?subdivision_code=US-CA", json!(["WNAM"])),
        ("?subdivision_code=BC", json!(["WNAM"])),
        ("?country_code_a2=CA&subdivision_code=CA", json!([])),
        ("?country_code_a2=XX", json!([])),
    ] {
        let body = api.call("GET", &format!("{}{query}", regions()), "").await.body;
        let codes = body["result"]["regions"].as_array().unwrap().iter().map(|region| &region["region_code"]);
        assert_eq!(json!(codes.collect::<Vec<_>>()), expected, "{query}");
        if !query.is_empty() {
            let countries = body["result"]["regions"].as_array().unwrap().iter();
            assert!(countries.flat_map(|region| region["countries"].as_array()).all(|countries| countries.len() == 1));
        }
    }
    let unknown = api.call("GET", &format!("{}/XX", regions()), "").await;
    assert_eq!((unknown.status.as_u16(), &unknown.body["errors"][0]["code"]), (404, &json!(1001)));
    let user = api.call("GET", "/user/load_balancers/regions", "").await;
    assert_eq!(user.status, 404, "there is none at user level");
}
