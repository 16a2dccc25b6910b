//! Real clients of others against the real server: what people type has to work.

use std::process::Command;

use crate::harness::origin::load_balancer;
use crate::harness::tools::installed;
use crate::harness::{Ran, TestServer, big_zone, run};

/// Static names, a live one, and an `RRset` that needs TCP.
fn objects() -> String {
    let pool = r#"
[[pools]]
name = "web"
origins = [{ name = "a", address = "192.0.2.1" }, { name = "b", address = "192.0.2.2" }]
"#;
    let live = load_balancer("www.example.test", &["web"]);
    format!("{}{pool}{live}", big_zone())
}

/// Runs a client that is told the server as `dig` is. Extra arguments have spaces between them.
#[track_caller]
fn ask(server: &TestServer, program: &str, arguments: &str) -> String {
    let address = server.dns().0;
    let mut command = Command::new(program);
    command.arg(format!("@{}", address.ip())).args(["-p", &address.port().to_string()]);
    let Ran { code, stdout, stderr } = run(command.args(arguments.split_whitespace()));
    assert_eq!(code, Some(0), "{program} {arguments}: {stdout}{stderr}");
    // Everybody's default asks for recursion, which is not ours to give.
    let text = stdout.replace("WARNING: recursion requested but not available", "");
    assert!(!text.contains("WARNING") && !text.contains("malformed"), "{program} {arguments}: {stdout}");
    stdout
}

/// What is expected of a client's output.
pub(crate) type Case<'a> = (&'a str, &'a [&'a str], &'a [&'a str]);

/// Each case: arguments, what the output contains, and what it does not.
#[track_caller]
pub(crate) fn expect(server: &TestServer, program: &str, cases: &[Case<'_>]) {
    for (arguments, present, absent) in cases {
        let text = ask(server, program, arguments);
        for wanted in *present {
            assert!(text.contains(wanted), "{program} {arguments}: no {wanted:?} in\n{text}");
        }
        for unwanted in *absent {
            assert!(!text.contains(unwanted), "{program} {arguments}: {unwanted:?} in\n{text}");
        }
    }
}

#[test]
fn dig() {
    if !installed("dig") {
        return;
    }
    let server = TestServer::start(&objects());
    let soa = "hostmaster.example.test. 7 7200 900 1209600 300";
    expect(
        &server,
        "dig",
        &[
            (
                "+norec www.example.test",
                &["status: NOERROR", "flags: qr aa;", "ANSWER: 2", "192.0.2.1", "udp: 1232"],
                &[],
            ),
            ("+norec +noedns www.example.test", &["status: NOERROR", "ANSWER: 2"], &["OPT PSEUDOSECTION"]),
            ("+norec +tcp www.example.test", &["ANSWER: 2", "(TCP)"], &["(UDP)"]),
            ("+norec +dnssec www.example.test", &["ANSWER: 2", "flags: do"], &[]),
            ("+norec +edns=1 +noednsnegotiation www.example.test", &["status: BADVERS", "ANSWER: 0"], &[]),
            ("+norec +ednsopt=65001:cafe www.example.test", &["status: NOERROR", "ANSWER: 2"], &["OPT=65001"]),
            ("+norec +cookie +nsid www.example.test", &["status: NOERROR", "ANSWER: 2"], &[]),
            ("+norec +noedns +opcode=notify www.example.test", &["status: NOTIMP"], &[]),
            ("+norec +noedns +opcode=status www.example.test", &["status: NOTIMP"], &[]),
            ("+norec +noedns +opcode=update www.example.test", &["status: NOTIMP"], &[]),
            // Truncated, and dig comes again over TCP by itself.
            ("+norec big.example.test TXT", &["ANSWER: 40", "retrying in TCP mode", "(TCP)"], &[]),
            ("+norec +ignore big.example.test TXT", &["flags: qr aa tc", "ANSWER: 0", "udp: 1232"], &[]),
            ("+norec +ignore +bufsize=512 big.example.test TXT", &["flags: qr aa tc"], &[]),
            ("+norec +ignore +noedns big.example.test TXT", &["flags: qr aa tc"], &["OPT PSEUDOSECTION"]),
            ("+norec www.example.test AAAA", &["status: NOERROR", "ANSWER: 0", "\t5\tIN\tSOA", soa], &[]),
            ("+norec nobody.example.test", &["status: NXDOMAIN", "\t300\tIN\tSOA", soa], &[]),
            ("+norec www.example.net", &["status: REFUSED"], &["SOA"]),
            ("+norec ANY example.test", &["status: NOERROR", "ANSWER: 3", "(TCP)"], &[]),
            ("+norec +notcp ANY example.test", &["status: NOERROR", "ANSWER: 1", "(UDP)"], &[]),
            ("+norec CH TXT version.bind", &["status: REFUSED"], &[]),
            ("+norec AXFR example.test", &["Transfer failed"], &[]),
            ("+norec +noedns +header-only", &["status: FORMERR"], &[]),
            ("wWw.eXample.test", &["wWw.eXample.test.", "flags: qr aa rd;"], &["flags: qr aa rd ra"]),
            ("+short www.example.test", &["192.0.2.1\n", "192.0.2.2\n"], &[]),
            ("+norec +keepopen +tcp www.example.test static.example.test", &["192.0.2.1", "192.0.2.80"], &[]),
        ],
    );
}

#[test]
fn kdig() {
    if !installed("kdig") {
        return;
    }
    let server = TestServer::start(&objects());
    expect(
        &server,
        "kdig",
        &[
            ("+norec www.example.test", &["status: NOERROR", "ANSWER: 2", "192.0.2.2"], &[]),
            ("+norec +edns=1 www.example.test", &["status: BADVERS"], &[]),
            ("+norec +bufsize=4096 big.example.test TXT", &["ANSWER: 40", "(TCP)"], &[]),
            ("+norec +padding=64 www.example.test", &["status: NOERROR", "ANSWER: 2"], &[]),
            ("+norec +tcp +keepopen www.example.test static.example.test", &["192.0.2.1", "192.0.2.80"], &[]),
            ("+norec +notcp ANY example.test", &["ANSWER: 1"], &[]),
            ("+norec CH TXT id.server", &["status: REFUSED"], &[]),
        ],
    );
    let text = ask(&server, "kdig", "+norec +json www.example.test A");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let found = json.to_string();
    assert!(found.contains("192.0.2.1") && found.contains("192.0.2.2"), "{found}");
}

#[test]
fn drill() {
    if !installed("drill") {
        return;
    }
    let server = TestServer::start(&objects());
    let (host, port) = (server.dns().0.ip().to_string(), server.dns().0.port().to_string());
    for (arguments, wanted) in [
        ("www.example.test A", &["rcode: NOERROR", "ANSWER: 2", "192.0.2.1", "192.0.2.2"][..]),
        ("-t big.example.test TXT", &["ANSWER: 40", "flags: qr aa rd"]),
        // It leaves coming again over TCP to people.
        ("big.example.test TXT", &["ANSWER: 0", "flags: qr aa tc rd"]),
        ("-D -b 1232 www.example.test A", &["ANSWER: 2"]),
        ("missing.example.test A", &["rcode: NXDOMAIN", "hostmaster.example.test. 7 7200 900 1209600 300"]),
    ] {
        // It takes the server's port by its own option, and the server with an at sign.
        let mut command = Command::new("drill");
        command.args(arguments.split_whitespace()).args(["-p", &port, &format!("@{host}")]);
        let Ran { code, stdout, stderr } = run(&mut command);
        assert_eq!(code, Some(0), "drill {arguments}: {stdout}{stderr}");
        for wanted in wanted {
            assert!(stdout.contains(wanted), "drill {arguments}: no {wanted:?} in\n{stdout}");
        }
    }
}

#[test]
fn delv() {
    if !installed("delv") {
        return;
    }
    let server = TestServer::start(&objects());
    // Nothing is signed: it has to say so, and show the answer.
    expect(&server, "delv", &[("+noroot -i www.example.test A", &["192.0.2.1", "192.0.2.2"], &[])]);
}

#[test]
fn dnsperf_over_udp_and_tcp() {
    if !installed("dnsperf") {
        return;
    }
    let server = TestServer::start(&objects());
    let queries = server.folder.path().join("queries");
    std::fs::write(&queries, "www.example.test A\nwww.example.test AAAA\nbig.example.test TXT\nno.example.test A\n")
        .unwrap();
    for mode in ["udp", "tcp"] {
        let address = server.dns().0;
        let mut dnsperf = Command::new("dnsperf");
        dnsperf.args(["-s", &address.ip().to_string(), "-p", &address.port().to_string(), "-m", mode]);
        // So few at a time that no buffer overflows, however busy the machine is.
        dnsperf.args(["-n", "500", "-q", "20", "-t", "20", "-e", "-d"]).arg(&queries);
        let ran = run(&mut dnsperf);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let line = |word: &str| ran.stdout.lines().find(|line| line.contains(word)).unwrap_or_default().to_owned();
        assert!(line("Queries completed").contains(" 2000 (100.00%)"), "{mode}: {}", ran.stdout);
        let codes = line("Response codes");
        assert!(codes.contains("NOERROR 1500") && codes.contains("NXDOMAIN 500"), "{mode}: {codes}");
    }
}
