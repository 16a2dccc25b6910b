//! Reloads: all or nothing, without forgetting a verdict or losing a query.

use std::collections::HashSet;
use std::net::UdpSocket;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hickory_proto::rr::RecordType;

use crate::harness::origin::{load_balancer, pool};
use crate::harness::server::{Options, PROGRAM, command};
use crate::harness::tools::installed;
use crate::harness::{Behaviour, Dns, Ran, Site, TestServer, ZONE, question, run, wait, wait_for};

/// Two pools without monitors, of which `pool` answers for `www`.
fn objects(pool: &str) -> String {
    let pools = r#"
[[pools]]
name = "blue"
origins = [{ name = "b", address = "192.0.2.1" }]
[[pools]]
name = "green"
origins = [{ name = "g", address = "192.0.2.2" }]
"#;
    format!("{ZONE}{pools}{}", load_balancer("www.example.test", &[pool]))
}

/// The addresses of `www` as text.
fn www(server: &TestServer) -> Vec<String> {
    server.dns().addresses("www.example.test.").iter().map(ToString::to_string).collect()
}

#[test]
fn a_good_file_changes_answers() {
    let server = TestServer::start(&objects("blue"));
    assert_eq!(www(&server), ["192.0.2.1"]);
    server.reload(&objects("green"));
    assert_eq!(www(&server), ["192.0.2.2"]);
    // Names come and go, static ones and live ones.
    let more = ZONE.replace("  \"static 60", "  \"new 60 A 192.0.2.90\",\n  \"static 60");
    server.reload(&objects("green").replace(ZONE, &more).replace("www.example.test", "web.example.test"));
    let count = |name| server.dns().addresses(name).len();
    assert_eq!((count("new.example.test."), count("web.example.test."), count("www.example.test.")), (1, 1, 0));
    let Ran { code, stdout, .. } = server.command("reload");
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("reloaded: generation "), "{stdout}");
}

#[test]
fn a_bad_file_is_refused_with_all_its_faults_and_changes_nothing() {
    let server = TestServer::start(&objects("blue"));
    let generation = server.status().generation;
    let bad = objects("green")
        .replace("fallback_pool = \"green\"", "fallback_pool = \"gren\"\nttl = 99999999")
        .replace("name = \"b\"", "nam = \"b\"")
        .replacen("\nttl = 5", "", 1);
    server.edit(&bad);
    let Ran { code, stderr, .. } = server.command("reload");
    assert_eq!(code, Some(2), "{stderr}");
    let text = std::fs::read_to_string(server.config()).unwrap();
    for wrong in ["\"gren\"", "99999999", "nam ="] {
        let (number, line) = text.lines().enumerate().find(|(_, line)| line.contains(wrong)).unwrap();
        let column = line.find(wrong).unwrap() + 1;
        let place = format!("{}:{}:{column}: ", server.config().display(), number + 1);
        assert!(stderr.contains(&place), "{place} is not in\n{stderr}");
    }
    assert!(stderr.contains("help: ") && stderr.contains("green"), "{stderr}");
    assert!(stderr.contains("The server keeps the configuration that it has."), "{stderr}");
    assert_eq!((www(&server), server.status().generation), (vec!["192.0.2.1".to_owned()], generation));

    // Without `--control`, too, whoever has broken the file can ask the server.
    assert_eq!(server.command("status").code, Some(0));
    server.edit(&format!("{}\n[nonsense]\n", objects("green")));
    let Ran { code, stderr, .. } = server.command("reload");
    assert_eq!(code, Some(2));
    assert!(stderr.contains("[nonsense]") && stderr.contains("--control SOCKET"), "{stderr}");

    std::fs::remove_file(server.config()).unwrap();
    let ran = run(command(server.folder.path(), "reload").arg("--control").arg(server.control()));
    assert_eq!(ran.code, Some(2), "{ran:?}");
    assert_eq!(www(&server), ["192.0.2.1"]);
    server.reload(&objects("green"));
    assert_eq!(www(&server), ["192.0.2.2"]);
}

#[test]
fn unchanged_targets_keep_their_verdicts_and_are_not_probed_anew() {
    let site = Site::http(2);
    site.origins[0].set(Behaviour::Error500);
    let monitor = site.monitor("web", "http", "interval = 3600\ntimeout = 10\nretries = 0");
    let old = format!("{ZONE}{monitor}{}{}", site.pool("web", "web"), load_balancer("www.example.test", &["web"]));
    let server = TestServer::start(&old);
    let verdicts = |server: &TestServer| [0, 1].map(|index| server.origin("web", index).verdict);
    assert_eq!(verdicts(&server), ["down", "up"]);
    // Another pool with the same targets, other names, a new description, another order of the file.
    let more = format!(
        "{ZONE}{}{}{}{monitor}",
        load_balancer("www.example.test", &["web"]) + &load_balancer("two.example.test", &["two"]),
        site.pool("web", "web").replace("name = \"web\"", "name = \"web\"\ndescription = \"new\""),
        pool("two", "web", &site.addresses()),
    );
    for text in [&more, &old, &more] {
        server.reload(text);
        assert_eq!(server.dns().addresses("www.example.test."), site.addresses()[1..]);
        assert_eq!(verdicts(&server), ["down", "up"]);
    }
    // The new name answers at once: all it needs is known.
    assert_eq!(server.dns().addresses("two.example.test."), site.addresses()[1..]);
    // A new origin is probed, the others are not.
    let third = Site::http(1);
    let mixed = more
        .replace(&monitor, &format!("{monitor}{}{}", third.monitor("third", "http", ""), third.pool("third", "third")));
    server.reload(&mixed);
    wait("the new origin's verdict", || server.origin("third", 0).verdict == "up");
    assert_eq!(site.origins.iter().map(crate::harness::Origin::connections).collect::<Vec<_>>(), [1, 1]);
}

#[test]
fn editing_a_shared_monitor_changes_no_answer() {
    let site = Site::http(3);
    site.origins[0].set(Behaviour::Error500);
    let with = |path: &str| {
        // Three failures in a row take longer than this test: what is up is probed by its phase, not at once.
        let keys = format!("interval = 5\ntimeout = 4\nretries = 0\nconsecutive_down = 3\npath = \"{path}\"");
        let monitor = site.monitor("web", "http", &keys);
        let mut text = format!("{ZONE}{monitor}{}", site.pool("web", "web"));
        text += &pool("two", "web", &site.addresses()[..2]);
        text += &load_balancer("www.example.test", &["web"]);
        text + &load_balancer("two.example.test", &["two"])
    };
    let server = TestServer::start(&with("/old"));
    let expected = (site.addresses()[1..].to_vec(), site.addresses()[1..2].to_vec());
    let answers = || (server.dns().addresses("www.example.test."), server.dns().addresses("two.example.test."));
    assert_eq!(answers(), expected);
    // The probes by the new definition hang, so that nothing is decided for long: what was known has to do.
    site.origins[1].set(Behaviour::Hang);
    let unchanged = AtomicBool::new(true);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                if answers() != expected {
                    unchanged.store(false, Ordering::Relaxed);
                }
            }
        });
        server.reload(&with("/new"));
        wait("a probe by the new definition", || site.origins[2].heads().iter().any(|head| head.contains("/new")));
        site.origins[1].set(Behaviour::Ok);
        done.store(true, Ordering::Relaxed);
    });
    assert!(unchanged.load(Ordering::Relaxed), "an answer changed");
}

#[test]
fn sighup_reloads() {
    let server = TestServer::start(&objects("blue"));
    server.edit(&objects("green"));
    server.signal("HUP");
    wait_for(&vec!["192.0.2.2".to_owned()], || www(&server));
    server.edit("[[nonsense]]");
    server.signal("HUP");
    wait("the log says what is wrong", || {
        server.log().iter().any(|line| line.contains("the configuration is faulty") && line.contains("nonsense"))
    });
    assert_eq!(www(&server), ["192.0.2.2"]);
}

#[test]
fn a_watched_file_is_reloaded_when_it_changes() {
    let options = Options { server: "watch = true".to_owned(), ..Options::default() };
    let server = TestServer::start_with(&objects("blue"), options);
    server.wait_ready();
    // The watch begins soon after the start; edits are repeated until one is seen.
    let mut edits = 0;
    wait("the new file", || {
        edits += 1;
        if edits % 200 == 1 {
            server.edit(&objects("green"));
        }
        www(&server) == ["192.0.2.2"]
    });
    // Written in place this time, and faulty.
    std::fs::write(server.config(), "version = 1\n[[nonsense]]").unwrap();
    wait("the fault", || server.log().iter().any(|line| line.contains("the configuration is faulty")));
    assert_eq!(www(&server), ["192.0.2.2"]);
    server.edit(&objects("blue"));
    wait_for(&vec!["192.0.2.1".to_owned()], || www(&server));
}

#[test]
fn an_unwatched_file_is_left_alone() {
    let server = TestServer::start(&objects("blue"));
    let generation = server.status().generation;
    server.edit(&objects("green"));
    server.reload(&objects("blue"));
    assert_eq!(www(&server), ["192.0.2.1"]);
    assert!(server.status().generation <= generation + 1, "one reload at the most");
}

#[test]
fn what_waits_for_a_restart_is_named() {
    let server = TestServer::start(&objects("blue"));
    let listen = vec!["127.0.0.1:0".to_owned(), "127.0.0.2:0".to_owned()];
    let tcp = "idle_timeout = 3".to_owned();
    let changed = Options { listen, tcp, server: "udp_payload_max = 600".to_owned(), ..Options::default() };
    server.edit_with(&objects("green"), &changed);
    let Ran { code, stdout, .. } = server.command("reload");
    assert_eq!(code, Some(0));
    let line = stdout.lines().find(|line| line.contains("restart")).unwrap();
    assert!(line.ends_with(": server.listen, tcp.idle_timeout"), "{line}");
    // The rest is in force.
    wait_for(&vec!["192.0.2.2".to_owned()], || www(&server));
    assert_eq!(server.dns().get("www.example.test.", RecordType::A).edns.unwrap().max_payload(), 600);
    assert_eq!(server.status().listen.len(), 1);
}

/// Keeps `window` queries outstanding on one socket until told to stop. Returns how many were answered; each has to
/// be, with an address of either configuration.
fn steady_load(dns: Dns, window: u16, done: &AtomicBool) -> usize {
    let socket = dns.socket();
    socket.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    let template = question("www.example.test.", RecordType::A).to_vec().unwrap();
    let mut outstanding = HashSet::new();
    let mut next = 0_u16;
    let mut send = |socket: &UdpSocket, outstanding: &mut HashSet<[u8; 2]>| {
        let mut octets = template.clone();
        octets[..2].copy_from_slice(&next.to_be_bytes());
        outstanding.insert(next.to_be_bytes());
        next = next.wrapping_add(1);
        socket.send(&octets).unwrap();
    };
    for _ in 0..window {
        send(&socket, &mut outstanding);
    }
    let (mut answered, mut answer) = (0, [0; 512]);
    while !outstanding.is_empty() {
        let length =
            socket.recv(&mut answer).unwrap_or_else(|error| panic!("{} unanswered: {error}", outstanding.len()));
        assert!(outstanding.remove(&[answer[0], answer[1]]), "an answer that nobody waits for");
        assert_eq!((answer[3] & 0x0f, answer[7]), (0, 1), "one address");
        assert!(matches!(answer[length - 4..length], [192, 0, 2, 1 | 2]));
        answered += 1;
        if !done.load(Ordering::Relaxed) {
            send(&socket, &mut outstanding);
        }
    }
    answered
}

#[test]
fn no_query_is_lost_in_twenty_reloads() {
    let server = TestServer::start(&objects("blue"));
    let done = Arc::new(AtomicBool::new(false));
    let loads: Vec<_> = (0..6)
        .map(|_| {
            let (dns, done) = (server.dns(), Arc::clone(&done));
            std::thread::spawn(move || steady_load(dns, 16, &done))
        })
        .collect();
    for round in 0..20 {
        server.reload(&objects(if round % 2 == 0 { "green" } else { "blue" }));
    }
    done.store(true, Ordering::Relaxed);
    let answered: usize = loads.into_iter().map(|load| load.join().unwrap()).sum();
    assert!(answered > 1_000, "{answered} queries are no load");
    let counters = server.status().counters;
    assert_eq!((counters.udp_send_failed, counters.servfail), (0, 0));
}

#[test]
fn dnsperf_loses_no_query_in_twenty_reloads() {
    if !installed("dnsperf") {
        return;
    }
    let server = TestServer::start(&objects("blue"));
    let queries = server.folder.path().join("queries");
    std::fs::write(&queries, "www.example.test A\nstatic.example.test A\nnobody.example.test A\n").unwrap();
    let mut dnsperf = Command::new("dnsperf");
    let dns = server.dns().0;
    dnsperf.args(["-s", &dns.ip().to_string(), "-p", &dns.port().to_string(), "-l", "4", "-q", "50", "-Q", "4000"]);
    dnsperf.args(["-t", "20", "-d"]).arg(&queries);
    let ran = std::thread::scope(|scope| {
        let load = scope.spawn(|| run(&mut dnsperf));
        for round in 0..20 {
            server.reload(&objects(if round % 2 == 0 { "green" } else { "blue" }));
        }
        load.join().unwrap()
    });
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lost = ran.stdout.lines().find(|line| line.contains("Queries lost")).unwrap();
    assert!(lost.contains(" 0 (0.00%)"), "{}", ran.stdout);
}

#[test]
fn a_reload_of_another_file_is_refused() {
    let server = TestServer::start(ZONE);
    let other = server.config().with_file_name("other.toml");
    std::fs::copy(server.config(), &other).unwrap();
    let reload = |file: &Path| run(Command::new(PROGRAM).args(["reload", "--config"]).arg(file));
    let refused = reload(&other);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for file in [&other, &server.config()] {
        let file = file.canonicalize().unwrap();
        assert!(refused.stderr.contains(&file.display().to_string()), "{refused:?}");
    }
    // The same file by another name is the same file.
    let link = server.config().with_file_name("link.toml");
    std::os::unix::fs::symlink(server.config(), &link).unwrap();
    assert_eq!(reload(&link).code, Some(0));
}
