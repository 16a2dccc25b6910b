//! Origins that are hosts: their addresses come and go with DNS, and each has its own health.

use std::net::IpAddr;

use serde_json::json;

use crate::harness::origin::load_balancer;
use crate::harness::server::Options;
use crate::harness::{Behaviour, Site, TestServer, ZONE, wait_for};

/// The live name of these tests.
const WWW: &str = "www.example.test.";
/// Often enough, and not before a busy machine could answer.
const QUICK: &str = "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0";

/// A zone in which `app.hosts.test` has these addresses for five seconds.
fn hosts(addresses: &[IpAddr]) -> String {
    let records: Vec<String> = addresses.iter().map(|address| format!("app 5 A {address}")).collect();
    format!(
        "\n[[zones]]\nname = \"hosts.test\"\nrecords = {}\n",
        json!(
            [
                vec!["@ SOA ns admin 1 60 60 60 60".to_owned(), "@ NS ns".to_owned(), "ns A 127.0.0.1".to_owned()],
                records
            ]
            .concat()
        )
    )
}

#[test]
fn a_hosts_addresses_are_followed_and_answered_as_far_as_they_are_healthy() {
    let site = Site::http(3);
    let [a, b, c] = [0, 1, 2].map(|index| site.addresses()[index]);
    let names = TestServer::start(&hosts(&[a, b]));
    let pool = "\n[[pools]]\nname = \"web\"\nmonitor = \"web\"\n\
                origins = [{ name = \"app\", address = \"app.hosts.test\" }]\n";
    let objects =
        format!("{ZONE}{}{pool}{}", site.monitor("web", "http", QUICK), load_balancer("www.example.test", &["web"]));
    let health = format!("resolvers = [\"{}\"]", names.addresses[0]);
    let server = TestServer::start_with(&objects, Options { health, ..Options::default() });
    server.wait_ready();
    wait_for(&vec![a, b], || server.dns().addresses(WWW));
    assert!(
        site.origins[0].heads()[0].to_lowercase().contains("host: app.hosts.test"),
        "{:?}",
        site.origins[0].heads()
    );

    site.origins[0].set(Behaviour::Error500);
    wait_for(&vec![b], || server.dns().addresses(WWW));
    let origin = server.origin("web", 0);
    assert_eq!((origin.address.as_str(), origin.verdict.as_str()), ("app.hosts.test", "up"));
    let verdicts: Vec<_> = origin.addresses.iter().map(|one| (one.address, one.verdict.as_str())).collect();
    assert_eq!(verdicts, [(a, "down"), (b, "up")]);

    // The host moves.
    names.reload(&hosts(&[b, c]));
    wait_for(&vec![b, c], || server.dns().addresses(WWW));
    // Its name server is gone: what was known of it stands, and its health goes on.
    drop(names);
    site.origins[1].set(Behaviour::Refuse);
    wait_for(&vec![c], || server.dns().addresses(WWW));
}
