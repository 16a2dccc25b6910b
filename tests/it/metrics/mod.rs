//! Metrics: what is asked is counted once and in the right place, names have their limit, and what is written is what
//! Prometheus reads.

#![allow(clippy::float_cmp, reason = "counts are whole numbers, and times are only compared with bounds")]

mod exposition;
mod limits;

use std::collections::BTreeSet;
use std::path::Path;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use pooldns::api::observe::Readiness;
use pooldns::health::schedule::Assigned;
use pooldns::steering::publish::Live;

use self::exposition::Scraped;
use crate::harness::origin::load_balancer;
use crate::harness::server::Options;
use crate::harness::{Behaviour, Site, TestServer, ZONE, question, wait, wait_some};

/// What a server tells, read strictly.
#[track_caller]
fn scrape(server: &TestServer) -> Scraped {
    let text = server.metrics();
    Scraped::read(&text).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"))
}

/// A load balancer of one pool, with another to fall back to.
fn falling_back(name: &str, pool: &str, fallback: &str) -> String {
    load_balancer(name, &[pool])
        .replace(&format!("fallback_pool = \"{pool}\""), &format!("fallback_pool = \"{fallback}\""))
}

/// A pool of one of a site's origins.
fn pool_of(site: &Site, name: &str, index: usize) -> String {
    crate::harness::origin::pool(name, "web", &site.addresses()[index..=index])
}

/// Two zones; `www` is answered from a healthy pool, `fb` from its fallback, and `last` from what is down.
fn objects(site: &Site) -> String {
    [
        ZONE.to_owned(),
        ZONE.replace("example.test", "second.test"),
        site.monitor("web", "tcp", "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0"),
        pool_of(site, "web", 0),
        pool_of(site, "dead", 1),
        load_balancer("www.example.test", &["web"]),
        falling_back("fb.example.test", "dead", "web"),
        load_balancer("last.example.test", &["dead"]),
    ]
    .concat()
}

#[test]
fn known_queries_lead_to_known_counts() {
    let site = Site::http(2);
    site.origins[1].set(Behaviour::Refuse);
    let server = TestServer::start(&objects(&site));
    wait("the fallback", || server.condition("fb.example.test") == "fallback");
    let dns = server.dns();
    let ask = |count: usize, name: &str, rtype| (0..count).for_each(|_| drop(dns.get(name, rtype)));
    ask(5, "www.example.test.", RecordType::A);
    ask(1, "www.example.test.", RecordType::AAAA);
    ask(3, "fb.example.test.", RecordType::A);
    ask(2, "last.example.test.", RecordType::A);
    ask(2, "static.example.test.", RecordType::A);
    ask(1, "static.example.test.", RecordType::AAAA);
    ask(4, "nobody.example.test.", RecordType::A);
    ask(6, "second.test.", RecordType::SOA);
    let refused = dns.get("example.org.", RecordType::A);
    assert_eq!(refused.metadata.response_code, ResponseCode::Refused);
    for name in ["www.example.test.", "www.example.test.", "nobody.example.test."] {
        dns.ask_tcp(&question(name, RecordType::A));
    }
    let seen = scrape(&server);
    let expect = |name: &str, labels: &[(&str, &str)], count: u32| {
        assert_eq!(seen.find(name, labels), Some(f64::from(count)), "{name} {labels:?}");
    };
    for (protocol, rcode, count) in [
        ("udp", "NOERROR", 20),
        ("udp", "NXDOMAIN", 4),
        ("udp", "REFUSED", 1),
        ("udp", "SERVFAIL", 0),
        ("tcp", "NOERROR", 2),
        ("tcp", "NXDOMAIN", 1),
    ] {
        expect("pooldns_responses_total", &[("protocol", protocol), ("rcode", rcode)], count);
    }
    expect("pooldns_messages_received_total", &[("protocol", "udp")], 25);
    expect("pooldns_messages_received_total", &[("protocol", "tcp")], 3);
    for (qtype, count) in [("A", 20), ("AAAA", 2), ("SOA", 6), ("other", 0)] {
        expect("pooldns_questions_total", &[("type", qtype)], count);
    }
    for (zone, outcome, count) in [
        ("example.test", "answer", 14),
        ("example.test", "nodata", 2),
        ("example.test", "nxdomain", 5),
        ("example.test", "error", 0),
        ("second.test", "answer", 6),
        ("none", "error", 1),
        ("other", "answer", 0),
    ] {
        expect("pooldns_zone_responses_total", &[("zone", zone), ("outcome", outcome)], count);
    }
    let all = seen.sum("pooldns_responses_total", &[]);
    assert_eq!((all, seen.sum("pooldns_zone_responses_total", &[])), (28.0, 28.0));
    for (name, source, count) in [
        ("www.example.test", "pool", 8),
        ("www.example.test", "fallback", 0),
        ("fb.example.test", "fallback", 3),
        ("fb.example.test", "pool", 0),
        ("last.example.test", "last resort", 2),
    ] {
        expect("pooldns_load_balancer_answers_total", &[("load_balancer", name), ("source", source)], count);
    }
    assert_eq!(seen.sum("pooldns_load_balancer_answers_total", &[("load_balancer", "other")]), 0.0);
    for (pool, count) in [("web", 11), ("dead", 2), ("none", 0), ("other", 0)] {
        expect("pooldns_pool_answers_total", &[("pool", pool)], count);
    }
    expect("pooldns_live_answers_total", &[], 13);
    for (source, count) in [("fallback", 3), ("last resort", 2), ("exhausted", 0)] {
        expect("pooldns_live_answers_degraded_total", &[("source", source)], count);
    }
    assert!(seen.value("pooldns_engine_duration_seconds_count", &[]) >= 1.0);
}

#[test]
fn the_state_of_things_is_told() {
    let site = Site::http(2);
    site.origins[1].set(Behaviour::Refuse);
    let server = TestServer::start(&objects(&site));
    wait("the fallback", || server.condition("fb.example.test") == "fallback");
    let held = server.dns().connect();
    let seen = wait_some("an open connection", || {
        Some(scrape(&server)).filter(|seen| seen.value("pooldns_tcp_connections", &[]) == 1.0)
    });
    drop(held);
    let addresses: Vec<String> = site.addresses().iter().map(ToString::to_string).collect();
    for (name, labels, value) in [
        ("pooldns_ready", &[][..], 1.0),
        ("pooldns_last_reload_successful", &[], 1.0),
        ("pooldns_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
        ("pooldns_zones", &[("state", "served")], 2.0),
        ("pooldns_zone_serial", &[("zone", "second.test")], 7.0),
        ("pooldns_load_balancers", &[("condition", "ok")], 1.0),
        ("pooldns_load_balancers", &[("condition", "exhausted")], 0.0),
        ("pooldns_load_balancer_condition", &[("load_balancer", "fb.example.test"), ("condition", "fallback")], 1.0),
        ("pooldns_pools", &[("state", "critical")], 1.0),
        ("pooldns_pool_state", &[("pool", "web"), ("state", "healthy")], 1.0),
        ("pooldns_origins", &[("verdict", "down")], 1.0),
        ("pooldns_origin_up", &[("pool", "web"), ("origin", "web-0"), ("address", &addresses[0])], 1.0),
        ("pooldns_origin_up", &[("pool", "dead"), ("origin", "dead-0"), ("address", &addresses[1])], 0.0),
        ("pooldns_objects_without_series", &[("object", "load_balancer")], 0.0),
    ] {
        assert_eq!(seen.find(name, labels), Some(value), "{name} {labels:?}");
    }
    for result in ["success", "TCP connection failed"] {
        assert!(seen.value("pooldns_probes_total", &[("monitor", "web"), ("result", result)]) >= 1.0, "{result}");
    }
    let probes = seen.sum("pooldns_probes_total", &[("monitor", "web")]);
    assert_eq!(seen.value("pooldns_probe_duration_seconds_count", &[("monitor", "web")]), probes);
    // A process has these, and by far no more.
    for (name, least, most) in [
        ("process_resident_memory_bytes", 1e6, 1e10),
        ("process_open_fds", 5.0, 1_000.0),
        ("process_max_fds", 100.0, 1e10),
        ("process_cpu_seconds_total", 0.0, 1_000.0),
        ("process_threads", 3.0, 100.0),
    ] {
        let value = seen.find(name, &[]).unwrap_or(-1.0);
        assert!(value >= least && value <= most, "{name} {value}");
    }
    let started = seen.value("process_start_time_seconds", &[]);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!(started <= now && started > now - 600.0);
}

#[test]
fn what_goes_takes_its_series_along_and_reloads_are_counted() {
    let site = Site::http(2);
    let server = TestServer::start(&objects(&site));
    server.dns().get("second.test.", RecordType::SOA);
    let zones = |seen: &Scraped| -> BTreeSet<String> {
        seen.samples("pooldns_zone_responses_total").map(|(_, labels, _)| labels["zone"].clone()).collect()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<String>>();
    assert_eq!(zones(&scrape(&server)), words(&["example.test", "none", "other", "second.test"]));
    server.dns().get("www.example.test.", RecordType::A);
    let generation = scrape(&server).value("pooldns_live_generation", &[]);
    server.reload(&objects(&site).replace("second.test", "third.test").replace("fb.example", "back.example"));
    let seen = scrape(&server);
    assert_eq!(zones(&seen), words(&["example.test", "none", "other", "third.test"]));
    assert_eq!(seen.sum("pooldns_zone_responses_total", &[("zone", "third.test")]), 0.0);
    assert_eq!(
        seen.sum("pooldns_zone_responses_total", &[("zone", "example.test")]),
        1.0,
        "who stays goes on counting"
    );
    let conditions = seen.samples("pooldns_load_balancer_condition");
    let names: BTreeSet<String> = conditions.map(|(_, labels, _)| labels["load_balancer"].clone()).collect();
    assert_eq!(names, words(&["back.example.test", "last.example.test", "www.example.test"]));
    assert!(seen.value("pooldns_live_generation", &[]) > generation);

    server.edit("[[pools]]\nname = 7\n");
    assert_eq!(server.command("reload").code, Some(2));
    let seen = scrape(&server);
    let reloads = ["done", "refused"].map(|result| seen.value("pooldns_reloads_total", &[("result", result)]));
    assert_eq!((reloads, seen.value("pooldns_last_reload_successful", &[])), ([1.0, 1.0], 0.0));
}

#[test]
fn who_is_not_ready_says_what_it_waits_for() {
    let site = Site::http(1);
    site.origins[0].set(Behaviour::Hang);
    let monitor = site.monitor("web", "http", "interval = 60\ntimeout = 50\nretries = 0");
    let objects = [ZONE, &monitor, &pool_of(&site, "web", 0), &load_balancer("www.example.test", &["web"])].concat();
    let options = Options { health: "first_verdict_timeout = 300".into(), ..Options::default() };
    let server = TestServer::start_with(&objects, options);
    let waits_for = server.waits_for().expect("it waits");
    let origin = format!("web: web-0 at {}", site.addresses()[0]);
    assert!(waits_for.starts_with("waiting for the first verdicts of 1 origins\n") && waits_for.contains(&origin));
    assert_eq!(scrape(&server).find("pooldns_ready", &[]), Some(0.0));
    server.dns().get("www.example.test.", RecordType::A);
    let labels = [("load_balancer", "www.example.test"), ("source", "not ready")];
    assert_eq!(scrape(&server).find("pooldns_load_balancer_answers_total", &labels), Some(1.0));
    server.reload(ZONE);
    assert_eq!(server.waits_for(), None);
    assert_eq!(Readiness::of(Live::default(), &Assigned::default()), Readiness::Ready { doubts: vec![] });
}

/// Names of metrics in a text.
fn names_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    words.filter(|word| word.starts_with("pooldns_") || word.starts_with("process_")).collect()
}

#[test]
fn dashboard_alerts_and_manual_name_metrics_that_exist() {
    let server = TestServer::start(ZONE);
    let seen = scrape(&server);
    let exists = |name: &str| seen.names().contains(name) || seen.families.contains_key(name);
    let read = |path: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let dashboard = read("config/grafana-dashboard.json");
    let parsed: serde_json::Value = serde_json::from_str(&dashboard).expect("a dashboard is JSON");
    let panels = parsed["panels"].as_array().expect("panels");
    let queries = panels.iter().filter(|panel| panel["type"] != "row").map(|panel| {
        let targets = panel["targets"].as_array().expect("targets");
        assert!(!targets.is_empty(), "{panel}");
        targets.iter().all(|target| !names_in(target["expr"].as_str().unwrap()).is_empty())
    });
    assert!(queries.fold(0, |count, has_names| count + usize::from(has_names)) >= 15);
    for (file, least) in [("config/grafana-dashboard.json", 20), ("config/prometheus-alerts.yml", 6), ("README.md", 10)]
    {
        let text = read(file);
        let names = names_in(&text);
        assert!(names.len() >= least, "{file}: {names:?}");
        for name in names {
            assert!(exists(name), "{file} names {name}, which no server has");
        }
    }
}
