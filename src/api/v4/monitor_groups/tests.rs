//! Tests of monitor groups.

use std::net::IpAddr;

use serde_json::{Value as Json, json};

use crate::api::v4::accounts;
use crate::api::v4::fixture::{Fixture, odd_is_up};
use crate::api::v4::transcript::Transcript;
use crate::model::id::MonitorGroupId;

const MONITORS: &str = "/user/load_balancers/monitors";
const POOLS: &str = "/user/load_balancers/pools";

/// Where monitor groups are.
fn groups() -> String {
    format!("/accounts/{}/load_balancers/monitor_groups", accounts::id())
}

/// Makes monitors of these ports, and gives their ids.
async fn monitors<const N: usize>(api: &Fixture, ports: [u16; N]) -> Vec<String> {
    let mut ids = vec![];
    for port in ports {
        let body = json!({"type": "tcp", "port": port, "description": format!("Port {port}")});
        ids.push(api.made(MONITORS, &body.to_string()).await);
    }
    ids
}

/// A member with one vote.
fn member(monitor: &str) -> Json {
    json!({"monitor_id": monitor, "enabled": true, "must_be_healthy": false, "monitoring_only": false})
}

/// A member that is more or less than that.
fn member_but(monitor: &str, key: &str, value: bool) -> Json {
    let mut member = member(monitor);
    member[key] = value.into();
    member
}

#[tokio::test]
async fn golden_life_of_a_monitor_group() {
    let api = Fixture::declaring(
        "[[monitors]]\nname = \"fixed\"\ntype = \"tcp\"\nport = 80\n\
         [[monitor_groups]]\nname = \"both\"\nmembers = [{ monitor = \"fixed\" }]\n",
    )
    .await;
    let ids = monitors(&api, [80, 443]).await;
    let (all, mut calls) = (groups(), Transcript::of(&api));
    let body = json!({
        "description": "Web", "colour": "blue",
        "members": [member(&ids[0]), member_but(&ids[1], "must_be_healthy", true)],
    });
    let id = calls.call("POST", &all, &body.to_string()).await.body["result"]["id"].as_str().unwrap().to_owned();
    let one = format!("{all}/{id}");
    calls.call("GET", &one, "").await;
    calls.call("PATCH", &one, r#"{"description":"Web, both","name":"web"}"#).await;
    calls.call("PATCH", &one, &json!({"members": [member_but(&ids[0], "monitoring_only", true)]}).to_string()).await;
    calls.call("PUT", &one, &json!({"id": id, "description": "", "members": [member(&ids[1])]}).to_string()).await;
    calls.call("GET", &all, "").await;
    let pool = json!({"name": "web", "monitor_group": id, "origins": [{"name": "a", "address": "192.0.2.1"}]});
    let pool = calls.call("POST", POOLS, &pool.to_string()).await.body["result"]["id"].as_str().unwrap().to_owned();
    calls.call("GET", &format!("{one}/references"), "").await;
    calls.call("GET", &format!("{MONITORS}/{}/references", ids[1]), "").await;
    calls.call("GET", &format!("{POOLS}/{pool}/references"), "").await;
    calls.call("DELETE", &format!("{MONITORS}/{}", ids[1]), "").await;
    calls.call("DELETE", &one, "").await;
    calls.call("DELETE", &format!("{POOLS}/{pool}"), "").await;
    calls.call("DELETE", &one, "").await;
    calls.call("DELETE", &one, "").await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn golden_refusals() {
    let api = Fixture::declaring(
        "[[monitors]]\nname = \"fixed\"\ntype = \"tcp\"\nport = 80\n\
         [[monitor_groups]]\nname = \"both\"\nmembers = [{ monitor = \"fixed\" }]\n",
    )
    .await;
    let ids = monitors(&api, [80]).await;
    let (all, mut calls) = (groups(), Transcript::of(&api));
    let gone = MonitorGroupId::declared("gone").to_string();
    for members in [
        json!(null),
        json!([]),
        json!([member(&gone)]),
        json!([member(&ids[0]), member(&ids[0])]),
        json!([{"monitor": ids[0], "enabled": "yes"}]),
    ] {
        calls.call("POST", &all, &json!({"description": "", "members": members}).to_string()).await;
    }
    let fixed = format!("{all}/{}", MonitorGroupId::declared("both"));
    calls.call("PATCH", &fixed, r#"{"description":"x"}"#).await;
    calls.call("DELETE", &fixed, "").await;
    calls.call("GET", &format!("{all}/{gone}"), "").await;
    let group = api.made(&all, &json!({"description": "", "members": [member(&ids[0])]}).to_string()).await;
    let mut pool = json!({"name": "web", "monitor": ids[0], "monitor_group": group,
        "origins": [{"name": "a", "address": "192.0.2.1"}]});
    calls.call("POST", POOLS, &pool.to_string()).await;
    pool["monitor"] = json!(null);
    pool["monitor_group"] = gone.into();
    calls.call("POST", POOLS, &pool.to_string()).await;
    insta::assert_snapshot!(calls.redacted());
}

#[tokio::test]
async fn what_changes_nothing_is_no_commit_and_members_keep_their_times() {
    let api = Fixture::new();
    let ids = monitors(&api, [80, 443]).await;
    let body = json!({"description": "", "members": [member(&ids[0])]});
    let one = format!("{}/{}", groups(), api.made(&groups(), &body.to_string()).await);
    let before = api.call("GET", &one, "").await;
    for (method, body) in [("PUT", body), ("PATCH", json!({"members": [{"monitor_id": ids[0]}]}))] {
        let same = api.call(method, &one, &body.to_string()).await;
        assert_eq!((&same.body, &same.headers["etag"]), (&before.body, &before.headers["etag"]), "{method}");
    }
    let members = json!({"members": [member(&ids[1]), member_but(&ids[0], "enabled", false)]});
    let after = api.call("PATCH", &one, &members.to_string()).await.body["result"].clone();
    let old = &before.body["result"]["members"][0];
    let [new, edited] = [&after["members"][0], &after["members"][1]];
    assert_eq!(edited["created_at"], old["created_at"]);
    for later in [&edited["updated_at"], &new["created_at"], &new["updated_at"]] {
        assert_eq!(later, &after["modified_on"]);
        assert!(later.as_str() > old["updated_at"].as_str());
    }
    let stale = [("if-match", before.headers["etag"].to_str().unwrap())];
    let late = api.call_as(crate::api::v4::caller::Caller::control(), "DELETE", &one, &stale, "").await;
    assert_eq!((late.status.as_u16(), &late.body["errors"][0]["code"]), (412, &json!(1006)));
}

#[tokio::test]
async fn a_pool_turns_from_a_monitor_to_a_group_and_back() {
    let api = Fixture::new();
    let ids = monitors(&api, [80, 443]).await;
    let group = api.made(&groups(), &json!({"description": "", "members": [member(&ids[0])]}).to_string()).await;
    let pool = json!({"name": "web", "monitor": ids[0], "origins": [{"name": "a", "address": "192.0.2.1"}]});
    let pool = format!("{POOLS}/{}", api.made(POOLS, &pool.to_string()).await);
    for (body, monitor, of_group) in [
        (json!({"monitor": null, "monitor_group": group}), None, Some(&group)),
        (json!({"monitor": "", "monitor_group": group}), None, Some(&group)),
        (json!({"monitor": ids[1], "monitor_group": ""}), Some(&ids[1]), None),
    ] {
        let result = api.call("PATCH", &pool, &body.to_string()).await.body["result"].clone();
        let expected = json!([monitor, of_group]);
        assert_eq!(json!([result["monitor"], result["monitor_group"]]), expected, "{body}");
    }
    let found = format!("/accounts/{}/load_balancers/search?query=port&references=referrer", accounts::id());
    let found = api.call("GET", &found, "").await.body["result"]["resources"].clone();
    let kinds = |place: usize| -> Vec<&str> {
        let references = found[place]["references"].as_array().unwrap().iter();
        references.map(|reference| reference["resource_type"].as_str().unwrap()).collect()
    };
    assert_eq!((kinds(0), kinds(1)), (vec!["pool"], vec!["monitor_group"]), "{found}");
    let used = api.call("GET", &format!("/accounts/{}/load_balancers/usage", accounts::id()), "").await;
    assert_eq!(used.body["result"]["monitor_groups"]["used"], 1);
}

#[tokio::test]
async fn an_origin_is_as_healthy_as_its_members_vote() {
    let api = Fixture::new();
    let ids = monitors(&api, [80, 443]).await;
    let members = json!({"description": "", "members": [member(&ids[0]), member(&ids[1])]});
    let group = format!("{}/{}", groups(), api.made(&groups(), &members.to_string()).await);
    let pool = json!({"name": "web", "monitor_group": group.rsplit('/').next(), "origins": [
        {"name": "a", "address": "192.0.2.1"}, {"name": "b", "address": "192.0.2.2"}]});
    let pool = format!("{POOLS}/{}", api.made(POOLS, &pool.to_string()).await);
    let seen = async || {
        let answer = api.call("GET", &format!("{pool}/health"), "").await.body;
        let details = answer["result"]["pop_health"]["pooldns"].clone();
        let origins = details["origins"].as_array().unwrap().iter();
        let origins = origins.map(|origin| {
            let (_, details) = origin.as_object().unwrap().iter().next().unwrap();
            (details["healthy"].as_bool().unwrap(), details["failure_reason"].as_str().unwrap().to_owned())
        });
        (details["healthy"].as_bool().unwrap(), origins.collect::<Vec<_>>())
    };
    let both = |one: &str, other: (bool, &str)| vec![(true, one.to_owned()), (other.0, other.1.to_owned())];
    api.probe(odd_is_up).await;
    assert_eq!(seen().await, (true, both("No failures", (false, "TCP connection failed"))));
    api.probe(|address: IpAddr| odd_is_up(if address.is_ipv4() { [192, 0, 2, 2].into() } else { address })).await;
    assert!(!seen().await.0);
    // Where nobody has a vote, what probes see does not matter.
    let quiet = json!({"members": [member_but(&ids[0], "monitoring_only", true)]});
    let told = api.call("PATCH", &group, &quiet.to_string()).await;
    assert!(told.body["messages"][0]["message"].as_str().unwrap().contains("no member has a vote"), "{}", told.body);
    api.probe(odd_is_up).await;
    assert_eq!(seen().await, (true, both("No failures", (true, "No failures"))));
}
