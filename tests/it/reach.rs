//! Where probes may not go, and what they may not do: policy, and rights that the process has not.

use std::process::Command;

use crate::harness::origin::load_balancer;
use crate::harness::server::Options;
use crate::harness::{TestServer, ZONE, run, wait, wait_for};

/// Pings, often.
const PINGS: &str = r#"
[[monitors]]
name = "ping"
type = "icmp_ping"
interval = "500ms"
timeout = "100ms"
[[pools]]
name = "web"
monitor = "ping"
origins = [{ name = "one", address = "127.0.0.1" }]
"#;

/// Whether pings are a matter of `CAP_NET_RAW` here, which we have and can take away; says why not.
fn can_tell() -> bool {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ping_group_range").unwrap_or_default();
    let groups: Vec<u32> = range.split_whitespace().filter_map(|group| group.parse().ok()).collect();
    let is_closed = matches!(groups.as_slice(), [first, last] if first > last);
    let is_root = run(Command::new("id").arg("-u")).stdout.trim() == "0";
    let has_tool = Command::new("setpriv").arg("--version").output().is_ok();
    if !(is_closed && is_root && has_tool) {
        eprintln!("skipped: needs root, setpriv and a closed net.ipv4.ping_group_range");
    }
    is_closed && is_root && has_tool
}

#[test]
fn without_the_right_to_ping_no_origin_is_down() {
    if !can_tell() {
        return;
    }
    let objects = format!("{ZONE}{PINGS}{}", load_balancer("www.example.test", &["web"]));
    let health = "first_verdict_timeout = 1".to_owned();
    let options = Options { health, without: Some("net_raw"), ..Options::default() };
    let server = TestServer::start_with(&objects, options);
    let reason = || server.origin("web", 0).last.map(|last| last.reason);
    wait_for(&Some("Monitor Missing Privilege".to_owned()), reason);
    let first = server.origin("web", 0).last.unwrap().at;
    wait("another probe", || server.origin("web", 0).last.is_some_and(|last| last.at > first));
    assert_eq!(server.origin("web", 0).verdict, "unknown");
    let told = |word: &str| server.log().iter().filter(|line| line.contains(word)).count();
    assert_eq!((told("CAP_NET_RAW"), told("target is down")), (1, 0), "{:#?}", server.log());
}

#[test]
fn a_reload_brings_a_new_policy_into_force() {
    let origin = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = origin.local_addr().unwrap().port();
    let objects = format!(
        "{ZONE}{}\n[[monitors]]\nname = \"tcp\"\ntype = \"tcp\"\nport = {port}\ninterval = \"500ms\"\n\
         timeout = \"400ms\"\nretries = 0\n[[pools]]\nname = \"web\"\nmonitor = \"tcp\"\n\
         origins = [{{ name = \"one\", address = \"127.0.0.1\" }}]",
        load_balancer("www.example.test", &["web"])
    );
    let of = |health: &str| Options { health: health.to_owned(), ..Options::default() };
    let server = TestServer::start_with(&objects, of("deny_addresses = [\"127.0.0.0/8\"]"));
    wait_for(&"down".to_owned(), || server.origin("web", 0).verdict);
    assert_eq!(server.origin("web", 0).last.unwrap().reason, "Address Denied by Policy");

    server.edit_with(&objects, &of("deny_addresses = [\"127.0.0.0/8\"]\nallow_addresses = [\"127.0.0.1\"]"));
    assert_eq!(server.command("reload").code, Some(0));
    wait_for(&"up".to_owned(), || server.origin("web", 0).verdict);
}
