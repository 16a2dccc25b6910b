//! A server that seems to have lost its network doubts what it sees, and says so.

use crate::harness::origin::load_balancer;
use crate::harness::server::Options;
use crate::harness::{Behaviour, Site, TestServer, ZONE, wait, wait_for};

/// Quick, and not before all origins have been made to fail.
const MONITOR: &str = "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0\nconsecutive_down = 2";
/// The live name of these tests.
const WWW: &str = "www.example.test.";

fn objects(site: &Site) -> String {
    let monitor = site.monitor("web", "http", MONITOR);
    format!("{ZONE}{monitor}{}{}", site.pool("web", "web"), load_balancer("www.example.test", &["web"]))
}

/// All origins do the same.
fn set(site: &Site, behaviour: Behaviour) {
    site.origins.iter().for_each(|origin| origin.set(behaviour));
}

#[test]
fn verdicts_freeze_when_all_fall_silent_and_thaw_with_the_first_who_is_heard() {
    let site = Site::http(10);
    let server = TestServer::start(&objects(&site));
    wait_for(&10, || server.dns().addresses(WWW).len());
    set(&site, Behaviour::Refuse);
    wait("verdicts are frozen", || server.status().guard.frozen_since.is_some());
    wait_for(&"ok", || if server.condition("www.example.test") == "ok" { "ok" } else { "no" });
    wait_for(&10, || server.dns().addresses(WWW).len());
    let guard = server.status().guard;
    assert_eq!((guard.freezes, guard.fallen >= 8, guard.references), (1, true, vec![]));
    assert!(server.metrics().contains("\npooldns_verdicts_frozen 1\n"));
    assert!(server.command("status").stdout.contains("VERDICTS ARE FROZEN for "));
    assert!(server.log().iter().any(|line| line.contains("ERROR") && line.contains("VERDICTS ARE FROZEN")));
    assert_eq!(server.waits_for(), None, "ready all the same");

    site.origins[0].set(Behaviour::Ok);
    wait("the others are down for themselves", || server.dns().addresses(WWW) == site.addresses()[..1]);
    assert_eq!(server.status().guard.frozen_since, None);
}

#[test]
fn a_reload_brings_references_into_force() {
    // The reference is well while all origins fail: it is no matter of the network.
    let (site, reference) = (Site::http(10), Site::http(1));
    let server = TestServer::start(&objects(&site));
    let address = format!("{}:{}", reference.addresses()[0], reference.port);
    let health = format!("\n[health.guard]\nreferences = [\"{address}\"]");
    server.edit_with(&objects(&site), &Options { health, ..Options::default() });
    assert_eq!(server.command("reload").code, Some(0));
    wait("the reference is asked", || server.status().guard.references.iter().any(|it| it.answers == Some(true)));
    set(&site, Behaviour::Refuse);
    wait("all are down", || server.condition("www.example.test") == "last resort");
    assert_eq!(server.status().guard.freezes, 0);
    assert!(server.metrics().contains(&format!("\npooldns_reference_up{{reference=\"{address}\"}} 1\n")));
}
