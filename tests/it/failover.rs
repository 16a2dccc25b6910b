//! Origins fail in every way, and their addresses leave the answers; they recover, and come back.

use std::net::IpAddr;
use std::process::Command;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;

use crate::harness::origin::{load_balancer, pool};
use crate::harness::server::{Options, PROGRAM};
use crate::harness::tls::HOST;
use crate::harness::{
    Behaviour, Site, TestServer, ZONE, addresses, extended_error, question, records, run, wait, wait_for,
};

/// A monitor that probes often, and waits no longer than it must on a busy machine.
const QUICK: &str = "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0";
/// The same for HTTP: it sees wrong bodies, redirects and codes.
const QUICK_HTTP: &str = "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0\nexpected_body = \"all is WELL\"";

/// The live name of these tests.
const WWW: &str = "www.example.test.";

/// Two origins under one monitor answer for [`WWW`].
fn objects(site: &Site, monitor: &str) -> String {
    format!("{ZONE}{monitor}{}{}", site.pool("web", "web"), load_balancer("www.example.test", &["web"]))
}

/// The first of two origins misbehaves in each way in turn, and recovers.
#[track_caller]
fn expect_reasons(site: &Site, objects: &str, cases: &[(Behaviour, &[&str])]) {
    let server = TestServer::start(objects);
    let both = site.addresses();
    wait_for(&both, || server.dns().addresses(WWW));
    for (behaviour, reasons) in cases {
        site.origins[0].set(*behaviour);
        wait_for(&both[1..].to_vec(), || server.dns().addresses(WWW));
        let origin = server.origin("web", 0);
        assert_eq!(origin.verdict, "down", "{behaviour:?}");
        // A load so high that even a prompt answer is late shows as a time-out now and then: a later probe tells.
        wait(&format!("{behaviour:?} shows as {reasons:?}"), || {
            server.origin("web", 0).last.is_some_and(|last| reasons.contains(&last.reason.as_str()))
        });
        // The transition's own words are in the log.
        assert!(server.log().iter().any(|line| line.contains("target is down")), "{:#?}", server.log());
        site.origins[0].set(Behaviour::Ok);
        wait_for(&both, || server.dns().addresses(WWW));
        assert_eq!(server.origin("web", 0).last.unwrap().reason, "No failures");
    }
}

#[test]
fn every_way_to_fail_over_http() {
    let site = Site::http(2);
    expect_reasons(
        &site,
        &objects(&site, &site.monitor("web", "http", QUICK_HTTP)),
        &[
            (Behaviour::Refuse, &["TCP connection failed"]),
            (Behaviour::Hang, &["HTTP timeout occurred"]),
            (Behaviour::Reset, &["Connection Reset by Peer"]),
            (Behaviour::Error500, &["Response code mismatch error"]),
            (Behaviour::WrongBody, &["Response body mismatch error"]),
            (Behaviour::SlowBody, &["HTTP timeout occurred"]),
            (Behaviour::RedirectLoop, &["Response code mismatch error"]),
            (Behaviour::HugeBody, &["Response body mismatch error"]),
            (Behaviour::Garbage, &["HTTP Invalid Response"]),
        ],
    );
}

#[test]
fn redirects_that_are_followed_end() {
    let site = Site::http(2);
    let monitor = site.monitor("web", "http", &format!("{QUICK_HTTP}\nfollow_redirects = true"));
    expect_reasons(&site, &objects(&site, &monitor), &[(Behaviour::RedirectLoop, &["HTTP Invalid Response"])]);
}

#[test]
fn every_way_to_fail_over_tcp() {
    let site = Site::http(2);
    let monitor = site.monitor("web", "tcp", QUICK);
    expect_reasons(&site, &objects(&site, &monitor), &[(Behaviour::Refuse, &["TCP connection failed"])]);
}

/// A monitor for HTTPS.
fn https(site: &Site, more: &str) -> String {
    // Handshakes take long on a busy machine, in a build without optimization more so.
    let quick = "interval = 1\ntimeout = \"900ms\"\nretries = 0";
    site.monitor("web", "https", &format!("{quick}\nheader = {{ Host = [\"{HOST}\"] }}\n{more}"))
}

#[test]
fn every_way_to_fail_over_https() {
    let site = Site::https(2);
    expect_reasons(
        &site,
        &objects(&site, &https(&site, "")),
        &[
            (Behaviour::SelfSigned, &["TLS untrusted certificate error"]),
            (Behaviour::Expired, &["TLS untrusted certificate error"]),
            (Behaviour::WrongName, &["TLS name mismatch error"]),
            (Behaviour::Error500, &["Response code mismatch error"]),
            (Behaviour::Hang, &["HTTP timeout occurred"]),
            (Behaviour::Reset, &["Connection Reset by Peer"]),
        ],
    );
}

#[test]
fn a_bad_certificate_will_do_where_that_is_allowed() {
    let site = Site::https(3);
    for (origin, behaviour) in
        site.origins.iter().zip([Behaviour::SelfSigned, Behaviour::Expired, Behaviour::WrongName])
    {
        origin.set(behaviour);
    }
    let server = TestServer::start(&objects(&site, &https(&site, "allow_insecure = true")));
    wait_for(&site.addresses(), || server.dns().addresses(WWW));
}

#[test]
fn the_origins_host_outranks_the_monitors() {
    let site = Site::http(2);
    let monitor = site.monitor("web", "http", &format!("{QUICK}\nheader = {{ Host = [\"of-monitor.example.test\"] }}"));
    let all = objects(&site, &monitor);
    let own = format!("\"{}\", header = {{ Host = [\"of-origin.example.test\"] }}", site.origins[1].address.ip());
    let _server = TestServer::start(&all.replace(&format!("\"{}\"", site.origins[1].address.ip()), &own));
    for (origin, host) in site.origins.iter().zip(["of-monitor.example.test", "of-origin.example.test"]) {
        wait("a probe", || !origin.heads().is_empty());
        let head = origin.heads()[0].to_ascii_lowercase();
        assert!(head.contains(&format!("\r\nhost: {host}\r\n")), "{head}");
    }
}

#[test]
fn everything_down_is_the_last_resort_and_says_so() {
    let site = Site::http(2);
    let server = TestServer::start(&objects(&site, &site.monitor("web", "http", QUICK)));
    let both = site.addresses();
    wait_for(&both, || server.dns().addresses(WWW));
    assert_eq!(extended_error(&server.dns().get(WWW, RecordType::A)), None);
    for origin in &site.origins {
        origin.set(Behaviour::Error500);
    }
    wait("last resort", || server.condition("www.example.test") == "last resort");
    let answer = server.dns().get(WWW, RecordType::A);
    assert_eq!((addresses(&answer), extended_error(&answer)), (both, Some(0)), "{answer}");
    let plain = server.dns().ask(&question(WWW, RecordType::A));
    assert!(plain.edns.is_none() && plain.answers.len() == 2);
    assert_eq!(server.pool("web").state, "critical");
    assert!(server.status().counters.live_last_resort >= 2);
    let entered = |log: &[String]| log.iter().filter(|line| line.contains("not from a usable pool")).count();
    wait("a line in the log", || entered(&server.log()) == 1);

    site.origins[1].set(Behaviour::Ok);
    wait_for(&site.addresses()[1..].to_vec(), || server.dns().addresses(WWW));
    assert_eq!(extended_error(&server.dns().get(WWW, RecordType::A)), None);
    wait("a line in the log", || server.log().iter().any(|line| line.contains("from a usable pool again")));
    assert_eq!(entered(&server.log()), 1);
}

#[test]
fn pools_in_order_then_the_fallback() {
    let (first, second, last) = (Site::http(2), Site::http(1), Site::http(1));
    let mut text = String::from(ZONE);
    for (name, site) in [("first", &first), ("second", &second), ("last", &last)] {
        text += &site.monitor(name, "http", QUICK);
        text += &site.pool(name, name);
    }
    text = text.replace("name = \"first\"\nmonitor", "name = \"first\"\nminimum_origins = 2\nmonitor");
    text += &load_balancer("www.example.test", &["first", "second", "last"])
        .replace("\"second\", \"last\"]", "\"second\"]");
    let server = TestServer::start(&text);
    wait_for(&first.addresses(), || server.dns().addresses(WWW));

    // One of two is fewer than the minimum: the next pool.
    first.origins[0].set(Behaviour::Refuse);
    wait_for(&second.addresses(), || server.dns().addresses(WWW));
    assert_eq!(extended_error(&server.dns().get(WWW, RecordType::A)), None);
    // No pool is usable: the fallback's healthy origins, and an Extended DNS Error.
    second.origins[0].set(Behaviour::Refuse);
    wait_for(&last.addresses(), || server.dns().addresses(WWW));
    assert_eq!(extended_error(&server.dns().get(WWW, RecordType::A)), Some(0));
    assert_eq!(server.condition("www.example.test"), "fallback");
    // And back.
    first.origins[0].set(Behaviour::Ok);
    wait_for(&first.addresses(), || server.dns().addresses(WWW));
    assert_eq!(server.condition("www.example.test"), "ok");
}

#[test]
fn families_are_judged_each_by_itself() {
    // No IPv6 origin can be reached by this port's monitor: documentation addresses have no route, or nobody there.
    let site = Site::http(1);
    let six: IpAddr = "2001:db8::6".parse().unwrap();
    let mixed = [site.addresses(), vec![six]].concat();
    let text = format!(
        "{ZONE}{}{}{}{}",
        site.monitor("web", "http", QUICK),
        pool("mixed", "web", &mixed),
        site.pool("four", "web"),
        load_balancer("www.example.test", &["mixed"]) + &load_balancer("four.example.test", &["four"]),
    );
    let server = TestServer::start(&text);
    let six_of = |name: &str| server.dns().get(name, RecordType::AAAA);
    wait("the IPv6 origin is down", || server.origin("mixed", 1).verdict == "down");
    wait_for(&site.addresses(), || server.dns().addresses(WWW));
    // A is healthy, so there is no last resort for AAAA.
    wait("NODATA", || six_of(WWW).answers.is_empty());
    let soa = "example.test. 5 IN SOA ns1.example.test. hostmaster.example.test. 7 7200 900 1209600 300";
    assert_eq!(records(&six_of(WWW).authorities), [soa]);
    assert_eq!(records(&six_of("four.example.test.").authorities), [soa]);
    // With A down as well, both families get theirs.
    site.origins[0].set(Behaviour::Refuse);
    wait("last resort", || server.condition("www.example.test") == "last resort");
    assert_eq!(addresses(&six_of(WWW)), [six]);
    assert_eq!(server.dns().addresses(WWW), site.addresses());
    assert!(six_of("four.example.test.").answers.is_empty(), "none of this family at all");
}

#[test]
fn a_live_name_waits_for_its_first_verdicts_and_static_names_do_not() {
    let (site, quick) = (Site::http(2), Site::http(1));
    site.origins[0].set(Behaviour::Hang);
    let text = format!(
        "{ZONE}{}{}{}{}{}{}",
        site.monitor("web", "http", "interval = 60\ntimeout = 50\nretries = 0"),
        site.pool("web", "web"),
        quick.monitor("quick", "http", QUICK),
        quick.pool("quick", "quick"),
        load_balancer("www.example.test", &["web"]),
        load_balancer("quick.example.test", &["quick"]),
    );
    let health = "first_verdict_timeout = 8".to_owned();
    let server = TestServer::start_with(&text, Options { health, ..Options::default() });
    let dns = server.dns();
    // Another name's origins are its own business.
    wait_for(&quick.addresses(), || dns.addresses("quick.example.test."));
    assert_eq!(dns.addresses("static.example.test.").len(), 1);
    let answer = dns.get(WWW, RecordType::A);
    assert_eq!(answer.metadata.response_code, ResponseCode::ServFail, "{answer}");
    assert_eq!((extended_error(&answer), answer.answers.len()), (Some(14), 0));
    assert_eq!(dns.get(WWW, RecordType::AAAA).metadata.response_code, ResponseCode::ServFail);
    let status = server.status();
    assert!(!status.ready);
    assert_eq!((status.pools[1].name.as_str(), status.pools[1].origins[0].verdict.as_str()), ("web", "unknown"));
    assert_eq!(server.condition("www.example.test"), "not ready");
    assert!(server.log().iter().all(|line| !line.contains("ready: ")));
    // After the deadline what is known has to do, and what hangs does not count as healthy.
    wait_for(&site.addresses()[1..].to_vec(), || dns.addresses(WWW));
    server.wait_ready();
    wait("the log says so", || server.log().iter().any(|line| line.contains("ready: ")));
}

#[test]
fn time_outs_are_retried_and_other_failures_are_not() {
    let site = Site::http(2);
    site.origins[0].set(Behaviour::Hang);
    site.origins[1].set(Behaviour::Error500);
    let monitor = site.monitor("web", "http", "interval = 3600\ntimeout = 1\nretries = 2");
    // The live name makes the start wait for both verdicts.
    let server = TestServer::start(&objects(&site, &monitor));
    assert_eq!(server.origin("web", 0).last.unwrap().reason, "HTTP timeout occurred");
    assert_eq!(server.origin("web", 1).last.unwrap().reason, "Response code mismatch error");
    assert_eq!((site.origins[0].connections(), site.origins[1].connections()), (3, 1));
}

#[test]
fn consecutive_failures_and_successes_are_counted() {
    let site = Site::http(2);
    let more = format!("{QUICK}\nconsecutive_down = 4\nconsecutive_up = 3");
    let server = TestServer::start(&objects(&site, &site.monitor("web", "http", &more)));
    let (both, one) = (site.addresses(), site.addresses()[1..].to_vec());
    wait_for(&both, || server.dns().addresses(WWW));
    // The origin counts: the verdict has not changed before the fourth failure has been sent, nor the third success.
    for (behaviour, after, count) in [(Behaviour::Error500, &one, 4), (Behaviour::Ok, &both, 3)] {
        let before = site.origins[0].connections();
        site.origins[0].set(behaviour);
        let mut probes = 0;
        wait("the verdict", || {
            let flipped = server.dns().addresses(WWW) == *after;
            probes = site.origins[0].connections() - before;
            flipped
        });
        assert!(probes >= count, "{probes} probes");
        // One probe may have been under way at the switch, and some may have come before we looked.
        let lines = server.log();
        let line = lines.iter().rev().find(|line| line.contains("target is")).unwrap();
        assert!(line.contains(&format!("\"count\":{count}")), "{line}");
    }
}

#[test]
fn one_target_in_many_pools_is_probed_once() {
    let site = Site::http(1);
    let mut text = format!("{ZONE}{}", site.monitor("web", "http", "interval = 3600\ntimeout = 5\nretries = 0"));
    for name in ["one", "two", "three"] {
        text += &site.pool(name, "web");
        text += &load_balancer(&format!("{name}.example.test"), &[name]);
    }
    let server = TestServer::start(&text);
    for name in ["one", "two", "three"] {
        assert_eq!(server.dns().addresses(&format!("{name}.example.test.")), site.addresses());
    }
    assert_eq!(site.origins[0].connections(), 1);
}

#[test]
fn an_unhealthy_address_is_never_answered_while_another_is_well() {
    let site = Site::http(4);
    let server = TestServer::start(&objects(&site, &site.monitor("web", "http", QUICK)));
    wait_for(&site.addresses(), || server.dns().addresses(WWW));
    for round in 0..3 {
        let victim = &site.origins[round];
        victim.set(Behaviour::Refuse);
        let rest: Vec<IpAddr> = site.addresses()[round + 1..].to_vec();
        wait_for(&rest, || server.dns().addresses(WWW));
        for _ in 0..100 {
            let found = server.dns().addresses(WWW);
            // On a machine that is busy enough a healthy origin may be late; the dead never come back.
            assert!(!found.is_empty() && found.iter().all(|address| rest.contains(address)), "{found:?}");
        }
    }
}

#[test]
fn monitors_of_a_group_decide_together() {
    let site = Site::http(2);
    let more = "[[monitors]]\nname = \"spare\"\ntype = \"icmp_ping\"\n";
    let monitors = site.monitor("page", "http", QUICK_HTTP) + &site.monitor("port", "tcp", QUICK) + more;
    let pool = site.pool("web", "").replace("monitor = \"\"", "monitor_group = \"both\"");
    let balanced = load_balancer("www.example.test", &["web"]);
    let objects = |veto: bool| {
        let members = format!(
            "{{ monitor = \"page\", must_be_healthy = {veto} }}, {{ monitor = \"port\" }}, \
             {{ monitor = \"spare\", enabled = false }}"
        );
        format!("{ZONE}{monitors}[[monitor_groups]]\nname = \"both\"\nmembers = [{members}]\n{pool}{balanced}")
    };
    let server = TestServer::start(&objects(false));
    wait_for(&site.addresses(), || server.dns().addresses(WWW));
    let said = || -> Vec<String> {
        let members = server.origin("web", 0).members.into_iter();
        members.map(|member| format!("{} {} {}", member.monitor, member.vote, member.verdict)).collect()
    };
    // One of two is not more than half.
    site.origins[0].set(Behaviour::WrongBody);
    wait_for(&vec!["page one down".to_owned(), "port one up".to_owned()], said);
    assert_eq!((server.origin("web", 0).verdict.as_str(), server.dns().addresses(WWW)), ("up", site.addresses()));
    // An edit of the group alone takes it out: it needs no further probe.
    server.reload(&objects(true));
    wait_for(&site.addresses()[1..].to_vec(), || server.dns().addresses(WWW));
    assert_eq!(said(), ["page veto down", "port one up"]);
    let status = server.command("status").stdout;
    assert!(status.contains("page (must be healthy)"), "{status}");
    let web = server.pool("web");
    assert_eq!((web.state.as_str(), web.monitor, web.monitor_group.as_deref()), ("degraded", None, Some("both")));
    site.origins[0].set(Behaviour::Ok);
    wait_for(&site.addresses(), || server.dns().addresses(WWW));
}

#[test]
fn levers_outrank_probes_and_outlive_a_restart() {
    let site = Site::http(2);
    let mut server = TestServer::start(&objects(&site, &site.monitor("web", "http", QUICK)));
    let both = site.addresses();
    wait_for(&both, || server.dns().addresses(WWW));
    let lever = |server: &TestServer, args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        let ran = run(command.arg("lever").args(args).arg("--config").arg(server.config()));
        (ran.code, ran.stdout + &ran.stderr)
    };
    assert_eq!(lever(&server, &["down", "web/web-0", "--reason", "disk swap", "--for", "1h"]).0, Some(0));
    wait_for(&both[1..].to_vec(), || server.dns().addresses(WWW));
    let explain = |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        let ran = run(command.arg("explain").args(args).arg("--config").arg(server.config()));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.stdout
    };
    let told = explain(&["www.example.test"]);
    assert!(told.contains("addresses of the first usable pool") && told.contains("pool web: answers"), "{told}");
    assert!(told.contains("left out: the origin is forced down (lever)"), "{told}");
    let told: serde_json::Value = serde_json::from_str(&explain(&["www.example.test", "A", "--json"])).unwrap();
    assert_eq!(told["addresses"], serde_json::json!([both[1].to_string()]));
    assert!(explain(&["www.example.test", "AAAA"]).contains("no origin of this family"));
    assert!(explain(&["nobody.example.test"]).contains("NXDOMAIN"));
    assert!(explain(&["www.example.net"]).contains("none of the zones"));
    let origin = server.origin("web", 0);
    assert_eq!((origin.verdict.as_str(), origin.lever.unwrap().reason.as_str()), ("up", "disk swap"));
    let shown = server.command("status").stdout;
    assert!(shown.contains("LEVER web/web-0 down") && shown.contains("disk swap"), "{shown}");

    server.signal("KILL");
    server.wait_end();
    server.start_again();
    server.wait_ready();
    wait_for(&both[1..].to_vec(), || server.dns().addresses(WWW));
    // It is on disk before it is acknowledged, and the audit log knows of it.
    assert_eq!(lever(&server, &["release", "web/web-0"]).0, Some(0));
    wait_for(&both, || server.dns().addresses(WWW));
    assert_eq!(lever(&server, &["drain", "web"]).0, Some(0));
    assert_eq!(server.condition("www.example.test"), "fallback", "the only pool is drained, and the fallback as well");
    for (args, why) in [
        (["release", "web/web-0"], "none is pulled"),
        (["drain", "wep"], "no pool has the name"),
        (["up", "web/nobody"], "there is no origin"),
    ] {
        let (code, told) = lever(&server, &args);
        assert!(code == Some(1) && told.contains(why), "{args:?}: {told}");
    }
}
