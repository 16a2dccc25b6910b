//! A real resolver in front: unbound follows a delegation from servers of ours for the root and a top-level zone to one
//! for the zone itself, and gets names of every kind. All of it in a network namespace, where port 53 is free.

use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::harness::origin::load_balancer;
use crate::harness::server::Options;
use crate::harness::tools::{installed, skipped};
use crate::harness::{Behaviour, Ran, Site, TestServer, run, wait, wait_for};

/// Tells a process that it is in the namespace.
const INSIDE: &str = "POOLDNS_TEST_NAMESPACE";
/// Where the parents' server, ours and unbound listen.
const PARENT: &str = "127.0.0.1:53";
const OURS: &str = "127.0.0.2:53";
const RESOLVER: &str = "127.0.0.3:53";

/// The root and `test`.
const PARENT_ZONES: &str = r#"
[[zones]]
name = "."
records = [". SOA ns.root. h.root. 1 7200 900 1209600 60", ". NS ns.root.", "ns.root. A 127.0.0.1", "test. NS ns.test.", "ns.test. A 127.0.0.1"]
[[zones]]
name = "test"
records = ["@ SOA ns h 1 7200 900 1209600 60", "@ NS ns", "ns A 127.0.0.1", "example NS ns1.example", "ns1.example A 127.0.0.2"]
"#;

/// Names of every kind.
const ZONE: &str = r#"
[[zones]]
name = "example.test"
records = [
  "@ SOA ns1 hostmaster 7 7200 900 1209600 1",
  "@ NS ns1",
  "ns1 A 127.0.0.2",
  "@ MX 10 mail",
  "mail A 192.0.2.25",
  "a.deep.er A 192.0.2.7",
  "*.wild TXT \"grown\"",
  "alias CNAME www",
  "old DNAME new",
  "host.new A 192.0.2.8",
  "big TXT \"BIG\"",
]
"#;

#[test]
fn unbound_resolves_through_a_delegation() {
    for tool in ["unbound", "dig", "ip", "unshare"] {
        if !installed(tool) {
            return;
        }
    }
    if std::env::var_os(INSIDE).is_some() {
        return resolve();
    }
    // A namespace of one's own takes root, or a kernel that lets everybody be root in a namespace of users.
    let namespace = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--", program]);
        command
    };
    if run(&mut namespace("true")).code != Some(0) {
        return skipped("this machine gives no network namespaces");
    }
    let exe = std::env::current_exe().unwrap();
    let mut command = namespace("sh");
    command.args(["-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(exe);
    command.args(["--exact", "resolver::unbound_resolves_through_a_delegation", "--nocapture"]).env(INSIDE, "1");
    let Ran { code, stdout, stderr } = run(&mut command);
    assert!(code == Some(0) && stdout.contains("1 passed"), "{stdout}{stderr}");
}

/// What happens in the namespace.
fn resolve() {
    let site = Site::http(2);
    let monitor = site.monitor("web", "http", "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0");
    let live = load_balancer("www.example.test", &["web"]).replace("ttl = 5", "ttl = 1");
    let texts: Vec<String> = (0..40).map(|number| format!("  \"big TXT {number:0>60}\",\n")).collect();
    let zone = ZONE.replace("  \"big TXT \\\"BIG\\\"\",\n", &texts.concat());
    let objects = format!("{zone}{monitor}{}{live}", site.pool("web", "web"));
    let listen = |address: &str| Options { listen: vec![address.to_owned()], ..Options::default() };
    let parent = TestServer::start_with(PARENT_ZONES, listen(PARENT));
    let ours = TestServer::start_with(&objects, listen(OURS));
    parent.wait_ready();
    ours.wait_ready();
    let _unbound = Unbound::start(ours.folder.path());

    for (question, wanted) in [
        ("a.deep.er.example.test A", vec!["192.0.2.7"]),
        ("x.y.wild.example.test TXT", vec!["\"grown\""]),
        ("host.old.example.test A", vec!["new.example.test.", "host.new.example.test.", "192.0.2.8"]),
        ("example.test MX", vec!["10 mail.example.test."]),
        ("deep.er.example.test A", vec![]),
    ] {
        assert_eq!(
            ask(question),
            ("NOERROR".to_owned(), wanted.into_iter().map(str::to_owned).collect()),
            "{question}"
        );
    }
    assert_eq!(ask("missing.example.test A").0, "NXDOMAIN");
    let (rcode, big) = ask("big.example.test TXT");
    assert_eq!((rcode.as_str(), big.len()), ("NOERROR", 40), "over TCP");

    // Health comes through: the resolver keeps an answer for a second.
    let both = site.addresses();
    let addresses = || -> Vec<IpAddr> {
        let mut addresses: Vec<IpAddr> =
            ask("www.example.test A").1.iter().map(|address| address.parse().unwrap()).collect();
        addresses.sort_unstable();
        addresses
    };
    wait_for(&both, addresses);
    site.origins[0].set(Behaviour::Refuse);
    wait_for(&both[1..].to_vec(), addresses);
    site.origins[0].set(Behaviour::Ok);
    wait_for(&both, addresses);
    wait("the alias follows", || ask("alias.example.test A").1.len() == 3);
}

/// Asks the resolver as people do; gives the response code, and the data of the answer in order.
#[track_caller]
fn ask(question: &str) -> (String, Vec<String>) {
    let mut command = Command::new("dig");
    command.args(["@127.0.0.3", "+noall", "+comments", "+answer", "+time=10"]).args(question.split_whitespace());
    let Ran { stdout, stderr, .. } = run(&mut command);
    let status = stdout.split("status: ").nth(1).and_then(|rest| rest.split(',').next());
    let status = status.unwrap_or_else(|| panic!("{question}: {stdout}{stderr}")).to_owned();
    let records = stdout.lines().filter(|line| !line.starts_with(';') && !line.is_empty());
    // unbound asks in random letter case, and what a DNAME makes has it.
    let data = |line: &str| line.split_whitespace().skip(4).collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    (status, records.map(data).collect())
}

/// An unbound that runs.
struct Unbound(Child);

impl Unbound {
    /// Starts it with our root.
    fn start(folder: &Path) -> Self {
        let hints = folder.join("root.hints");
        std::fs::write(&hints, ". 3600 NS ns.root.\nns.root. 3600 A 127.0.0.1\n").unwrap();
        let config = folder.join("unbound.conf");
        let text = format!(
            "server:\n  interface: 127.0.0.3\n  do-daemonize: no\n  use-syslog: no\n  username: \"\"\n  chroot: \"\"\n  \
             directory: \"{folder}\"\n  pidfile: \"\"\n  root-hints: \"{hints}\"\n  module-config: \"validator iterator\"\n  \
             do-not-query-localhost: no\n  do-ip6: no\n  use-caps-for-id: yes\n  qname-minimisation-strict: yes\n  \
             harden-below-nxdomain: yes\n  local-zone: \"test.\" nodefault\n  access-control: 127.0.0.0/8 allow\n\
             remote-control:\n  control-enable: no\n",
            folder = folder.display(),
            hints = hints.display(),
        );
        std::fs::write(&config, text).unwrap();
        let unbound = Command::new("unbound").arg("-dd").arg("-c").arg(config).stdin(Stdio::null()).spawn().unwrap();
        wait("unbound", || TcpStream::connect(RESOLVER).is_ok());
        Self(unbound)
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
