//! Running it: checking, starting, refusing to start, stopping, and what it says meanwhile.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use hickory_proto::rr::RecordType;

use crate::harness::client::{receive_framed, send_framed};
use crate::harness::origin::load_balancer;
use crate::harness::server::{Options, PROGRAM, command, write_config};
use crate::harness::tools::{installed, skipped};
use crate::harness::{Behaviour, Dns, PATIENCE, Ran, Site, TestServer, ZONE, question, run, wait, wait_for};

/// A folder with a configuration.
fn folder(objects: &str, options: &Options) -> tempfile::TempDir {
    let folder = tempfile::Builder::new().prefix("pooldns").tempdir().unwrap();
    write_config(folder.path(), objects, options);
    folder
}

/// Options that listen at one address.
fn listening(address: SocketAddr) -> Options {
    Options { listen: vec![address.to_string()], ..Options::default() }
}

/// Runs a server that cannot start to its end, which has to come soon.
#[track_caller]
fn fail_to_start(folder: &Path) -> Ran {
    let began = Instant::now();
    let mut command = Command::new("timeout");
    command.arg(PATIENCE.as_secs().to_string()).arg(PROGRAM).arg("serve").arg("--config");
    let ran = run(command.arg(folder.join("pooldns.toml")));
    assert!(began.elapsed() < PATIENCE, "it started: {ran:?}");
    ran
}

#[test]
fn check_tells_good_from_bad() {
    let good = folder(&ZONE.replace("MX 10 mail", "MX 10 static"), &Options::default());
    let Ran { code, stdout, stderr } = run(&mut command(good.path(), "check"));
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(0), "good: 1 zone, 0 monitors, 0 pools, 0 load balancers in 1 file\n", "")
    );
    let bad = folder(&format!("{ZONE}{}", load_balancer("www.example.net", &["wb"])), &Options::default());
    let Ran { code, stdout, stderr } = run(&mut command(bad.path(), "check"));
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    let file = bad.path().join("pooldns.toml");
    for fault in ["\"wb\"", "www.example.net"] {
        assert!(stderr.contains(fault) && stderr.contains(&format!("{}:", file.display())), "{stderr}");
    }
    let Ran { code, stderr, .. } = run(&mut command(Path::new("/nowhere"), "check"));
    assert_eq!(code, Some(2));
    assert!(stderr.contains("/nowhere/pooldns.toml"), "{stderr}");
    // A server does not start with it either, and says the same.
    let Ran { code, stderr, .. } = fail_to_start(bad.path());
    assert_eq!(code, Some(2));
    assert!(stderr.contains("\"wb\""), "{stderr}");
    assert_eq!(run(Command::new(PROGRAM).args(["check", "--demo"])).code, Some(0));
}

#[test]
fn warnings_are_said_and_refuse_nothing() {
    let records: Vec<String> = (0..8).map(|number| format!("  \"mx{number} 60 MX 10 none{number}\",\n")).collect();
    let objects = ZONE
        .replace("MX 10 mail", "MX 10 static")
        .replace("  \"static 60", &format!("{}  \"static 60", records.concat()));
    let server = TestServer::start(&objects);
    let Ran { code, stdout, stderr } = server.command("check");
    let summary = "good: 1 zone, 0 monitors, 0 pools, 0 load balancers in 1 file; 8 warnings\n";
    assert_eq!((code, stdout.as_str()), (Some(0), summary), "{stderr}");
    let text = std::fs::read_to_string(server.config()).unwrap();
    let line_of = |word: &str| 1 + text.lines().position(|line| line.contains(word)).unwrap();
    for number in 0..8 {
        let place = format!("{}:{}:", server.config().display(), line_of(&format!("none{number}")));
        let said =
            stderr.lines().find(|line| line.starts_with(&place)).unwrap_or_else(|| panic!("{place} in {stderr}"));
        assert!(said.contains(": warning: ") && said.contains(&format!("none{number}.example.test")), "{said}");
    }
    assert!(stderr.ends_with("\n8 warnings in 1 file\n"), "{stderr}");

    // The log has the first of them, and how many more there are; a reload says so again.
    let logged = |word: &str| server.log().iter().filter(|line| line.contains("WARN") && line.contains(word)).count();
    assert_eq!((logged("which has no addresses"), logged("\"more\":3")), (5, 1));
    assert_eq!(logged(&format!("pooldns.toml:{}:", line_of("none0"))), 1);
    server.edit(&objects);
    let reloaded = server.command("reload");
    assert!(reloaded.code == Some(0) && reloaded.stdout.starts_with("reloaded: "), "{reloaded:?}");
    assert_eq!(reloaded.stderr, stderr, "whoever reloads sees what `check` says");
    wait("the warnings of the reload", || logged("\"more\":3") == 2);
    assert_eq!(logged("which has no addresses"), 10);
}

#[test]
fn the_command_line_explains_itself() {
    let help = run(Command::new(PROGRAM).arg("--help"));
    assert_eq!(help.code, Some(0));
    for word in ["serve", "check", "reload", "status", "--demo", "Exit status", "--version"] {
        assert!(help.stdout.contains(word), "{word} is not in\n{}", help.stdout);
    }
    for (name, words) in [
        ("serve", &["--config", "--demo", "config/pooldns.toml", "/etc/pooldns/pooldns.toml"][..]),
        ("check", &["--config"]),
        ("reload", &["--control"]),
        ("status", &["--control", "--json"]),
    ] {
        let help = run(Command::new(PROGRAM).args([name, "--help"]));
        assert!(help.code == Some(0) && words.iter().all(|word| help.stdout.contains(word)), "{}", help.stdout);
    }
    let typo = run(Command::new(PROGRAM).arg("statsu"));
    assert_eq!(typo.code, Some(2));
    assert!(typo.stderr.contains("status"), "{}", typo.stderr);
    let version = run(Command::new(PROGRAM).arg("--version"));
    assert_eq!(version.stdout, format!("pooldns {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn no_configuration_is_said_with_where_it_was_looked_for() {
    let service = Path::new("/etc/pooldns/pooldns.toml");
    if service.exists() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in ["serve", "check", "status"] {
        let Ran { code, stderr, .. } = run(Command::new(PROGRAM).arg(name).current_dir(folder.path()));
        assert_eq!(code, Some(2), "{stderr}");
        for word in ["config/pooldns.toml", "/etc/pooldns/pooldns.toml", "--config"] {
            assert!(stderr.contains(word), "{stderr}");
        }
    }
}

#[test]
fn nobody_there_is_said_with_the_socket() {
    let folder = folder(ZONE, &Options::default());
    for name in ["status", "reload"] {
        let Ran { code, stderr, .. } = run(&mut command(folder.path(), name));
        assert_eq!(code, Some(1));
        assert!(stderr.contains("control.sock") && stderr.contains("is it running"), "{stderr}");
    }
}

#[test]
fn a_port_that_is_taken() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    for (word, address) in [("UDP", udp.local_addr().unwrap()), ("TCP", tcp.local_addr().unwrap())] {
        let folder = folder(ZONE, &listening(address));
        let Ran { code, stderr, .. } = fail_to_start(folder.path());
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(&format!("{word} {address}: another process listens there")), "{stderr}");
        assert!(stderr.contains("help: ") && stderr.contains("systemd-resolved"), "{stderr}");
        assert!(!folder.path().join("control.sock").exists());
    }
}

#[test]
fn an_address_of_another_machine() {
    let folder = folder(ZONE, &listening(SocketAddr::from(([192, 0, 2, 1], 0))));
    let Ran { code, stderr, .. } = fail_to_start(folder.path());
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("192.0.2.1:0: this machine has no such address"), "{stderr}");
    assert!(stderr.contains("ip address"), "{stderr}");
}

/// A program start by somebody without privileges, as far as this machine lets us.
fn unprivileged() -> Option<Command> {
    let id = run(Command::new("id").arg("-u")).stdout;
    if id.trim() != "0" {
        return Some(Command::new("env"));
    }
    if !installed("setpriv") {
        return None;
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all", "--"]);
    Some(command)
}

/// Whether somebody without privileges can run our program: its folder may be closed to others.
fn can_run(folder: &Path) -> Option<Command> {
    let mut probe = unprivileged()?;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o777)).unwrap();
    // The build's folder is closed to others at times; a copy is not.
    let program = folder.join("pooldns");
    if !program.exists() {
        // By a process of its own: a file that we write cannot be run while another test's child still has it open.
        assert_eq!(run(Command::new("cp").arg(PROGRAM).arg(&program)).code, Some(0));
    }
    if run(probe.arg(&program).arg("--version")).code != Some(0) {
        skipped("nobody else can run the program here");
        return None;
    }
    let mut command = unprivileged()?;
    command.arg(program);
    Some(command)
}

#[test]
fn a_privileged_port_without_privileges() {
    let first_free = std::fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap_or_default();
    if first_free.trim().parse::<u16>().is_ok_and(|port| port <= 53) {
        return skipped("port 53 needs no privilege here");
    }
    let folder = folder(ZONE, &listening(SocketAddr::from(([127, 0, 53, 53], 53))));
    let Some(mut command) = can_run(folder.path()) else { return };
    let Ran { code, stderr, .. } = run(command.arg("serve").arg("--config").arg(folder.path().join("pooldns.toml")));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("127.0.53.53:53: not permitted to use this port"), "{stderr}");
    assert!(stderr.contains("CAP_NET_BIND_SERVICE"), "{stderr}");
}

#[test]
fn the_control_socket_is_private() {
    let server = TestServer::start(ZONE);
    let metadata = std::fs::metadata(server.control()).unwrap();
    assert_eq!(metadata.mode() & 0o777, 0o600);
    if run(Command::new("id").arg("-u")).stdout.trim() != "0" {
        return skipped("only root can be somebody else");
    }
    let Some(mut command) = can_run(server.folder.path()) else { return };
    // The mode keeps others out; with another mode the check of the peer still does.
    for mode in [0o600, 0o666] {
        std::fs::set_permissions(server.control(), std::fs::Permissions::from_mode(mode)).unwrap();
        let Ran { code, stderr, .. } = run(command.arg("status").arg("--control").arg(server.control()));
        assert_eq!(code, Some(1), "{mode:o}: {stderr}");
        assert!(stderr.contains("control socket"), "{stderr}");
        command = can_run(server.folder.path()).unwrap();
    }
    wait("a line in the log", || {
        server.log().iter().any(|line| line.contains("control connection of another user") && line.contains("65534"))
    });
    assert_eq!(server.command("status").code, Some(0));
}

#[test]
fn a_second_server_is_refused_and_a_dead_ones_socket_is_replaced() {
    let mut server = TestServer::start(ZONE);
    let Ran { code, stderr, .. } = fail_to_start(server.folder.path());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("another pooldns answers on the control socket"), "{stderr}");
    // The first one has taken no harm.
    assert_eq!(server.command("status").code, Some(0));

    // Killed, it leaves its socket behind; the next one starts all the same.
    server.signal("KILL");
    server.wait_end();
    assert!(server.control().exists());
    let mut next = command(server.folder.path(), "serve").stderr(Stdio::null()).spawn().unwrap();
    wait("the next server", || server.try_status().is_some());
    next.kill().unwrap();
    next.wait().unwrap();

    // What is no socket stays.
    let other = folder(ZONE, &Options::default());
    std::fs::write(other.path().join("control.sock"), "mine").unwrap();
    let Ran { code, stderr, .. } = fail_to_start(other.path());
    assert_eq!(code, Some(1));
    assert!(stderr.contains("is no socket"), "{stderr}");
    assert_eq!(std::fs::read_to_string(other.path().join("control.sock")).unwrap(), "mine");
}

#[test]
fn sigterm_and_sigint_drain_within_the_bound() {
    for signal in ["TERM", "INT"] {
        let drain = Options { server: "drain_timeout = 8".to_owned(), ..Options::default() };
        let mut server = TestServer::start_with(ZONE, drain);
        let query = question("static.example.test.", RecordType::A).to_vec().unwrap();
        // One connection has a query in flight, one is idle.
        let mut busy = server.dns().connect();
        let mut idle = server.dns().connect();
        send_framed(&mut busy, &query);
        assert!(receive_framed(&mut busy).is_some());
        send_framed(&mut idle, &query);
        assert!(receive_framed(&mut idle).is_some());
        for _ in 0..20 {
            send_framed(&mut busy, &query);
        }
        // Each of them is answered before the connection ends.
        wait("the queries are read", || server.status().counters.tcp_received >= 22);
        let began = Instant::now();
        server.signal(signal);
        let status = server.wait_end();
        assert_eq!(status.code(), Some(0), "{signal}: {:#?}", server.log());
        assert!(began.elapsed().as_secs() < 8, "{:?}", began.elapsed());
        let answers = std::iter::from_fn(|| receive_framed(&mut busy)).count();
        assert_eq!(answers, 20);
        assert!(!server.control().exists(), "the socket's file is gone");
        let log = server.log();
        assert!(log.iter().any(|line| line.contains("stopped")), "{log:#?}");
    }
}

#[test]
fn a_probe_that_hangs_does_not_hold_up_the_end() {
    let site = Site::http(1);
    site.origins[0].set(Behaviour::Hang);
    let text = format!(
        "{ZONE}{}{}{}",
        site.monitor("web", "http", "interval = 60\ntimeout = 55\nretries = 0"),
        site.pool("web", "web"),
        load_balancer("www.example.test", &["web"])
    );
    let mut server = TestServer::start_with(&text, Options::default());
    wait("a probe", || site.origins[0].connections() > 0);
    server.signal("TERM");
    assert_eq!(server.wait_end().code(), Some(0));
}

#[test]
fn logs_are_json_and_speak_on_transitions_only() {
    let site = Site::http(2);
    // Long enough for every probe on the busiest machine.
    let monitor = site.monitor("web", "http", "interval = 1\ntimeout = \"900ms\"\nretries = 0");
    let text = format!("{ZONE}{monitor}{}{}", site.pool("web", "web"), load_balancer("www.example.test", &["web"]));
    let server = TestServer::start(&text);
    wait_for(&site.addresses(), || server.dns().addresses("www.example.test."));
    wait("both are in the log", || server.log().iter().filter(|line| line.contains("target is up")).count() == 2);
    let before = server.log().len();
    let probes = site.origins[0].connections();
    for number in 0..200 {
        server.dns().get("www.example.test.", RecordType::A);
        server.dns().get(&format!("nobody{number}.example.test."), RecordType::A);
        server.dns().exchange(&[0; 12]);
    }
    wait("some more probes", || site.origins[0].connections() >= probes + 3);
    let quiet: Vec<String> = server.log().split_off(before);
    // A probe that came late for want of a processor is a transition, too.
    assert!(quiet.iter().all(|line| line.contains("target is") || line.contains("usable pool")), "{quiet:#?}");
    assert!(quiet.len() < 10, "{quiet:#?}");

    site.origins[0].set(Behaviour::Error500);
    let address = site.origins[0].address.to_string();
    let down =
        |line: &String| line.contains("target is down") && line.contains(&address) && line.contains("code mismatch");
    wait("a line on the transition", || server.log().iter().any(down));
    for line in server.log() {
        let json: serde_json::Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(["timestamp", "level", "message"].iter().all(|key| json[key].is_string()), "{line}");
        if down(&line) {
            let fields = ["monitor", "from", "to", "reason"].map(|key| json[key].as_str().unwrap_or("-").to_owned());
            assert_eq!(fields, ["web", "up", "down", "Response code mismatch error"]);
        }
    }
}

#[test]
fn status_is_a_table_for_people_and_json_for_programs() {
    let site = Site::http(2);
    site.origins[0].set(Behaviour::Refuse);
    let monitor = site.monitor("web", "http", "interval = 3600\ntimeout = 10\nretries = 0");
    let text = format!("{ZONE}{monitor}{}{}", site.pool("web", "web"), load_balancer("www.example.test", &["web"]));
    let server = TestServer::start(&text);
    let json = run(command(server.folder.path(), "status").arg("--json"));
    assert_eq!(json.code, Some(0));
    let json: serde_json::Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(json["listen"][0], server.addresses[0].to_string());
    assert_eq!(json["ready"], true);
    let pool = &json["pools"][0];
    assert_eq!((pool["name"].as_str(), pool["state"].as_str()), (Some("web"), Some("degraded")));
    let origins = &pool["origins"];
    assert_eq!(origins[0]["verdict"], "down");
    assert_eq!(origins[0]["last"]["reason"], "TCP connection failed");
    assert_eq!((&origins[1]["verdict"], &origins[1]["last"]["code"]), (&"up".into(), &200.into()));
    assert!(origins[0]["since"].is_string());

    let Ran { code, stdout, .. } = server.command("status");
    assert_eq!(code, Some(0));
    for word in ["zone example.test", "www.example.test", "web-0", "down", "TCP connection failed", "up", "ready"] {
        assert!(stdout.contains(word), "{word} is not in\n{stdout}");
    }
    // A reader that goes away early is no error.
    let mut child =
        command(server.folder.path(), "status").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut complaint = String::new();
    child.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert_eq!((child.wait().unwrap().code(), complaint.as_str()), (Some(0), ""));
}

#[test]
fn a_wildcard_listener_answers_from_the_address_that_was_asked() {
    let six = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    let mut listen = vec!["0.0.0.0:0".to_owned()];
    if six {
        listen.push("[::]:0".to_owned());
    } else {
        skipped("no IPv6 here");
    }
    let server = TestServer::start_with(ZONE, Options { listen, ..Options::default() });
    let port = server.addresses[0].port();
    let mut asked: Vec<SocketAddr> = [1, 2, 3].map(|host| SocketAddr::from(([127, 0, 0, host], port))).to_vec();
    asked.extend(server.addresses.get(1).map(|address| SocketAddr::from((Ipv6Addr::LOCALHOST, address.port()))));
    for address in asked {
        // A connected socket hears nothing from another address.
        let query = question("static.example.test.", RecordType::A);
        assert_eq!(Dns(address).ask(&query).answers.len(), 1, "{address}");
        assert_eq!(Dns(address).ask_tcp(&query).answers.len(), 1, "{address}");
    }
}

#[test]
fn many_listen_addresses_and_both_families() {
    let mut listen = vec!["127.0.0.1:0".to_owned(), "127.0.0.2:0".to_owned()];
    if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
        listen.push("[::1]:0".to_owned());
    } else {
        skipped("no IPv6 here");
    }
    let server = TestServer::start_with(ZONE, Options { listen: listen.clone(), ..Options::default() });
    assert_eq!(server.addresses.len(), listen.len());
    for address in &server.addresses {
        assert_eq!(Dns(*address).addresses("static.example.test.").len(), 1);
    }
}

#[test]
fn systemd_is_told_when_it_is_ready_and_when_it_stops() {
    let site = Site::http(1);
    site.origins[0].set(Behaviour::Hang);
    let text = format!(
        "{ZONE}{}{}{}",
        site.monitor("web", "http", "interval = 60\ntimeout = 50\nretries = 0"),
        site.pool("web", "web"),
        load_balancer("www.example.test", &["web"])
    );
    let health = "first_verdict_timeout = 2".to_owned();
    let folder = folder(&text, &Options { health, ..Options::default() });
    let path = folder.path().join("notify.sock");
    let socket = std::os::unix::net::UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let began = Instant::now();
    let mut child = command(folder.path(), "serve").env("NOTIFY_SOCKET", &path).stderr(Stdio::null()).spawn().unwrap();
    let mut octets = [0; 256];
    let mut told = || {
        let length = socket.recv(&mut octets).unwrap();
        String::from_utf8_lossy(&octets[..length]).into_owned()
    };
    assert!(told().contains("READY=1"));
    assert!(began.elapsed().as_secs_f64() > 1.9, "not before the live names are decided or past the deadline");
    run(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]));
    assert!(told().contains("STOPPING=1"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn strangers_on_the_control_socket_are_told_what_it_has() {
    let server = TestServer::start(ZONE);
    let ask = |request: &str| {
        let mut stream = std::os::unix::net::UnixStream::connect(server.control()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let close = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(ask(&format!("GET / {close}")).starts_with("HTTP/1.1 404 "));
    assert!(ask(&format!("GET /reload {close}")).starts_with("HTTP/1.1 405 "));
    assert!(ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
    assert!(ask(&format!("GET /status {close}")).contains("\"ready\":true"));
}

#[test]
fn a_socket_that_nobody_listens_on_any_more_is_replaced() {
    let folder = folder(ZONE, &Options::default());
    let path = folder.path().join("control.sock");
    drop(UnixListener::bind(&path).unwrap());
    let mut child = command(folder.path(), "serve").stderr(Stdio::null()).spawn().unwrap();
    wait("a server in its place", || run(&mut command(folder.path(), "status")).code == Some(0));
    child.kill().unwrap();
    child.wait().unwrap();
}
