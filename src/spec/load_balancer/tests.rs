//! Tests of load balancers in JSON, and of what they keep.

use super::*;
use crate::model::inventory::{Change, Inventory};
use crate::model::pool::{Origin, Pool, Weight};
use crate::model::stamp::{Disabled, Provenance, Revision, Stamp, UnixMicros};
use crate::spec::dialect::Dialect;
use crate::spec::fault::Severity;
use crate::spec::json_text;

/// The id of all tests.
const ID: LoadBalancerId = LoadBalancerId::random(0xab);
/// The pools.
const POOLS: [PoolId; 2] = [PoolId::random(1), PoolId::random(2)];
/// The least there can be; the rest of the body goes in front.
const LEAST: &str = r#""name":"www.example.com","default_pools":["P"],"fallback_pool":"Q"}"#;

/// A text with the ids of pools.
fn with_ids(text: &str) -> String {
    text.replace("\"P\"", &format!("\"{}\"", POOLS[0])).replace("\"Q\"", &format!("\"{}\"", POOLS[1]))
}

/// An inventory with the pools, the second one disabled.
fn inventory() -> Inventory {
    POOLS.into_iter().enumerate().fold(Inventory::default(), |inventory, (index, id)| {
        let origin = Origin {
            name: "o".to_owned(),
            address: [192, 0, 2, 1].into(),
            probe_address: None,
            enabled: true,
            weight: Weight::ONE,
            host: None,
            kept: Kept::default(),
        };
        let pool = Pool {
            id,
            name: format!("p{index}"),
            description: String::new(),
            enabled: index == 0,
            minimum_origins: 1,
            slow_start: std::time::Duration::ZERO,
            monitor: None,
            monitor_group: None,
            origins: vec![origin],
            kept: Kept::default(),
        };
        inventory.apply(Change::PutPool(pool)).unwrap()
    })
}

/// Parses a body; what it is warned of comes with it.
fn parsed(text: &str) -> Result<(LoadBalancer, Vec<String>), Vec<String>> {
    let mut faults = Faults::of(Dialect::Json);
    let body = json_text::parse(with_ids(text).as_bytes()).unwrap();
    let load_balancer = parse_json(&body, ID, &inventory(), &mut faults);
    let [wrong, warned] = [Severity::Fault, Severity::Warning]
        .map(|severity| faults.listed(severity).kept().iter().map(ToString::to_string).collect::<Vec<_>>());
    load_balancer.map(|load_balancer| (load_balancer, warned)).ok_or(wrong)
}

/// A response.
fn shown(load_balancer: &LoadBalancer) -> String {
    let (created, modified, revision) = (UnixMicros(1), UnixMicros(2), Revision(1));
    let disabled = Disabled::default();
    let stamp = Stamp { id: ID, provenance: Provenance::Stored, created, modified, revision, disabled };
    let table = build_json(load_balancer, &stamp, "example.com");
    String::from_utf8(json_text::render(&Node::built(Value::Table(table)))).unwrap()
}

#[test]
fn a_bare_load_balancer_is_given_back_complete() {
    let (load_balancer, warned) = parsed(&format!("{{{LEAST}")).unwrap();
    assert_eq!(warned, ["fallback_pool: this pool is disabled, so there is no address when no default pool is usable"]);
    let expected = with_ids(concat!(
        r#"{"id":"000000000000000000000000000000ab","created_on":"1970-01-01T00:00:00.000001Z","#,
        r#""modified_on":"1970-01-01T00:00:00.000002Z","zone_name":"example.com","name":"www.example.com","#,
        r#""description":"","enabled":true,"proxied":false,"ttl":30,"answers":"all","steering_policy":"off","#,
        r#""default_pools":["P"],"fallback_pool":"Q","region_pools":{},"country_pools":{},"pop_pools":{},"#,
        r#""random_steering":{"default_weight":1},"location_strategy":{"mode":"pop","prefer_ecs":"proximity"},"#,
        r#""rules":[],"networks":[],"adaptive_routing":{"failover_across_pools":false},"session_affinity":"none","#,
        r#""session_affinity_ttl":82800,"session_affinity_attributes":{"drain_duration":0,"samesite":"Auto","#,
        r#""secure":"Auto","zero_downtime_failover":"none"}}"#
    ));
    assert_eq!(shown(&load_balancer), expected);
    assert_eq!(parsed(&expected).unwrap().0, load_balancer);
}

#[test]
fn an_empty_policy_is_geo_where_there_are_maps() {
    for (body, word, warnings) in [
        (r#"{"steering_policy":"","#, "off", 0),
        (r#"{"steering_policy":"","country_pools":{"DE":["P"]},"#, "geo", 1),
        (r#"{"pop_pools":{"FRA":["P","Q"]},"#, "geo", 1),
        (r#"{"pop_pools":{},"#, "off", 0),
        (r#"{"steering_policy":"off","region_pools":{"WEU":["P"]},"#, "off", 1),
        (r#"{"steering_policy":"random","#, "random", 1),
    ] {
        let (load_balancer, warned) = parsed(&format!("{body}{LEAST}")).unwrap();
        assert_eq!(load_balancer.steering_policy.word(), word, "{body}");
        // The fallback pool is disabled, which is told too.
        let told = warned.iter().filter(|warning| warning.contains("answers use `off` until")).count();
        assert_eq!((told, warned.len()), (warnings, warnings + 1), "{body}: {warned:?}");
    }
}

#[test]
fn what_is_kept_is_given_back_as_it_was_given() {
    for part in [
        r#""region_pools":{"WEU":["P","Q"],"OC":["Q"]}"#,
        r#""random_steering":{"default_weight":0.5,"pool_weights":{"P":0.1}}"#,
        r#""rules":[{"name":"r","condition":"dns.qry.type == 28","disabled":false,"priority":0,"terminates":true,"overrides":{"default_pools":["Q"],"fallback_pool":"P","ttl":0}}]"#,
        r#""pool_sets":[{"name":"s","disabled":false,"match":{"default":true},"overrides":{"pools":["Q"]}}]"#,
        r#""networks":["n"]"#,
        r#""adaptive_routing":{"failover_across_pools":true}"#,
        r#""session_affinity":"cookie""#,
    ] {
        let (load_balancer, warned) = parsed(&format!("{{{part},{LEAST}")).unwrap();
        assert!(warned.iter().any(|warning| warning.contains("kept, and without effect")), "{warned:?}");
        let shown = shown(&load_balancer);
        assert!(shown.contains(&with_ids(part)), "{part}: {shown}");
        assert_eq!(parsed(&shown).unwrap().0, load_balancer);
        // Pools by name in TOML.
        let name = |id: PoolId| POOLS.iter().position(|pool| *pool == id).map(|index| ["one", "two"][index]);
        let toml = crate::spec::toml_text::render(&build(&load_balancer, name));
        assert!(!part.contains("\"Q\"") || toml.contains("[\"two\"]") || toml.contains("\"one\", \"two\""), "{toml}");
    }
}

#[test]
fn faults_have_their_paths() {
    for (body, why) in [
        (r#"{"proxied":true,"#, "proxied: found true; this server answers DNS and is no proxy; allowed: false"),
        (r#"{"region_pools":{"XX":["P"]},"#, "region_pools.XX: found \"XX\"; allowed: \"WNAM\""),
        (r#"{"country_pools":{"de":["P"]},"#, "country_pools.de: found \"de\"; allowed: the code of a country"),
        (r#"{"country_pools":{"DE":[]},"#, "country_pools.DE: there are 0; allowed: 1 to 256"),
        (r#"{"pop_pools":{"FRA":["p0"]},"#, "pop_pools.FRA[0]: found \"p0\"; no pool has this id"),
        (
            r#"{"random_steering":{"pool_weights":{"P":2}},"#,
            "random_steering.pool_weights.00000000000000000000000000000001: ",
        ),
        (
            r#"{"rules":[{"overrides":{"fallback_pool":"x"}}],"#,
            "rules[0].overrides.fallback_pool: found \"x\"; no pool",
        ),
        (r#"{"steering_policy":"near","#, "steering_policy: found \"near\"; allowed: \"off\", \"geo\""),
        (r#"{"ttl":86401,"#, "ttl: found 86401; allowed: a whole number from 0 to 86400"),
    ] {
        let found = parsed(&format!("{body}{LEAST}")).unwrap_err();
        assert!(found[0].starts_with(why), "{body}: {found:?}");
    }
}
