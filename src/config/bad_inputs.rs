//! Tests of bad configurations: every class of fault with its exact place.

use std::fs;
use std::path::Path as FilePath;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::config::{Report, load, load_text};
use crate::model::limits::CONFIG_FILE_OCTETS_MAX;

/// A configuration that is sound: cases add to it.
pub(super) const SOUND: &str = r#"version = 1
[[zones]]
name = "example.com"
records = ["@ SOA ns1 hostmaster 1 2 3 4 5", "@ NS ns1", "sub NS ns.example.net.", "d DNAME example.net."]
[[monitors]]
name = "m"
[[pools]]
name = "p"
origins = [{ name = "o", address = "192.0.2.1" }]
[[load_balancers]]
name = "www.example.com"
default_pools = ["p"]
fallback_pool = "p"
"#;
/// Lines of it: where what cases add begins, less one.
const SOUND_LINES: usize = 13;

/// Faults as `line:column path: message`, lines counted from the end of the sound part.
pub(super) fn faults(report: &Report, lines_before: usize) -> Vec<String> {
    let line = |line: usize| line.saturating_sub(lines_before);
    report.faults().map(|(_, at, fault)| format!("{}:{} {fault}", line(at.line), at.column)).collect()
}

/// The faults of what is added to the sound configuration.
pub(super) fn faults_of(added: &str) -> Vec<String> {
    let report = load_text("x.toml", &format!("{SOUND}{added}")).map(|_| ()).unwrap_err();
    faults(&report, SOUND_LINES)
}

/// Each case has one fault, which begins and ends so.
fn check(cases: &[(&str, &str, &str)]) {
    for (added, start, end) in cases {
        let faults = faults_of(added);
        assert_eq!(faults.len(), 1, "{added}: {faults:#?}");
        assert!(faults[0].starts_with(start) && faults[0].contains(end), "{added}\n{}\n{start} ... {end}", faults[0]);
    }
}

#[test]
fn what_cases_add_to_is_sound() {
    load_text("x.toml", SOUND).unwrap();
}

#[test]
fn roots_and_settings() {
    check(&[
        ("[serve]\n", "1:2 serve: unknown key; allowed: version, include, server, tcp,", "load_balancers"),
        ("[server]\nlisten = []", "2:10 server.listen: 0 addresses; allowed: 1 to 64", ""),
        (
            "[health]\ndeny_addresses = ['localhost']",
            "2:19 health.deny_addresses[0]: found \"localhost\"; allowed: a network",
            "",
        ),
        ("[health]\nallow_addresses = ['10.0.0.1/8']", "2:20 health.allow_addresses[0]: found", "beyond the length"),
        (
            "[server]\nlisten = ['127.0.0.1']",
            "2:11 server.listen[0]: found \"127.0.0.1\"; allowed: an address with a",
            "",
        ),
        (
            "[server]\nlisten = ['[::1]:53', '[0::1]:53']",
            "2:23 server.listen[1]: found \"[0::1]:53\"; another in the list",
            "",
        ),
        (
            "[server]\nlisten = ['0.0.0.0:53', '[::]:53', '127.0.0.1:53']",
            "2:36 server.listen[2]: found \"127.0.0.1:53\"; another in the list",
            "",
        ),
        ("[server]\ncontrol = ''", "2:11 server.control: found \"\"; allowed: a path", ""),
        ("[server]\nthreads = 257", "2:11 server.threads: found 257; allowed: a whole number from 0 to 256", ""),
        ("[server]\nudp_payload_max = 511", "2:19 server.udp_payload_max: found 511", "512 to 4096"),
        ("[cookies]\nsecrets = ['e5e9']", "2:12 cookies.secrets[0]: allowed: a secret of 32 hexadecimal digits", ""),
        ("[cookies]\nsecrets = ['', '', '', '', '']", "2:11 cookies.secrets: there are 5; allowed: at most 4", ""),
        ("[rrl]\nrate = 0", "2:8 rrl.rate: found 0; allowed: a whole number from 1 to 1000000", ""),
        ("[rrl]\nslip = 11", "2:8 rrl.slip: found 11; allowed: a whole number from 0 to 10", ""),
        ("[rrl]\nipv6_prefix = 65", "2:15 rrl.ipv6_prefix: found 65; allowed: a whole number from 1 to 64", ""),
        ("[rrl]\nexempt = ['here']", "2:11 rrl.exempt[0]: found \"here\"; allowed: a network", ""),
        ("[server]\nwatch = 1", "2:9 server.watch: found 1; allowed: true or false", ""),
        ("[server]\ndrain_timeout = '1.5s'", "2:17 server.drain_timeout: found \"1.5s\"; allowed: whole seconds", ""),
        ("[tcp]\nconnections_max = 0", "2:19 tcp.connections_max: found 0", ""),
        ("[health]\nprobes_in_flight_max = 100001", "2:24 health.probes_in_flight_max: found 100001", ""),
        ("[log]\nlevel = 'warning'", "2:9 log.level: found \"warning\"; allowed: \"error\", \"warn\", \"info\"", ""),
        ("[log]\nformat = 99999999999999999999", "2:10 log.format: found 99999999999999999999; allowed:", ""),
    ]);
    let long = format!("[server]\ncontrol = '/{}'", "x".repeat(107));
    check(&[(&long, "2:11 server.control: found", "108 octets; a socket's path has at most 107")]);
    for (text, expected) in [
        ("", "1:1 version: it is missing and required"),
        ("version = 2", "1:11 version: found 2; allowed: 1"),
        ("version = 1\npools = 3", "2:9 pools: found 3; allowed: tables with the header [[pools]]"),
        ("version = 1\nserver = 3", "2:10 server: found 3; allowed: a table"),
        ("version = 1\n[[pools]]\nname = ", "3:8 not TOML: "),
        ("version = 1\ninclude = ['x']", "2:1 include: a text that is no file cannot include files"),
    ] {
        let report = load_text("x.toml", text).map(|_| ()).unwrap_err();
        assert!(faults(&report, 0)[0].starts_with(expected), "{text}: {report}");
    }
}

#[test]
fn zones() {
    let zone = |records: &str| format!("[[zones]]\nname = 'z.example'\nrecords = {records}");
    let soa = "'@ SOA ns1 hostmaster 1 2 3 4 5'";
    let cases: Vec<(String, &str, &str)> = vec![
        ("[[zones]]\nname = 'z'\nrecords = []".into(), "2:8 zones[1].name: the zone has no SOA", ""),
        (
            "[[zones]]\nname = 'z'\nfile = 'z'\nrecords = []".into(),
            "4:11 zones[1].records: a zone has one of `file`, `records` and `primaries`, this one has `file` and `records`",
            "",
        ),
        ("[[zones]]\nname = 'z'\nfile = ''".into(), "3:8 zones[1].file: found \"\"; allowed: a path", ""),
        (zone(&format!("[{soa}]")), "2:8 zones[1].name: the zone has no NS", ""),
        (zone(&format!("[{soa}, '@ NS a', 'www 300 AX x']")), "3:65 zones[1].records[2]: a record type such as", ""),
        (zone(&format!("[{soa}, '@ NS a', \"w\\u0077 AX x\"]")), "3:56 zones[1].records[2]: a record type", ""),
        (
            zone(&format!("[{soa}, '@ NS a', 'a A 192.0.2.1', 'a CNAME b']")),
            "3:73 zones[1].records[3]: a.z.example has a CNAME",
            "",
        ),
        (
            zone(&format!("[{soa}, '@ NS a', 'a.example. A 192.0.2.1']")),
            "3:56 zones[1].records[2]: a.example is not in",
            "",
        ),
        (zone(&format!("[{soa}, '@ NS a', '*.sub NS b']")), "3:56 zones[1].records[2]: NS records at a wildcard", ""),
        (zone(&format!("[{soa}, '@ NS a', 7]")), "3:56 zones[1].records[2]: found 7; allowed: a text", ""),
        (
            "[[zones]]\nname = 'a..b'\nrecords = []".into(),
            "2:8 zones[1].name: found \"a..b\"; allowed: a domain",
            "empty label",
        ),
    ];
    for (added, start, end) in &cases[1..] {
        check(&[(added, start, end)]);
    }
    let twice = faults_of(&format!("[[zones]]\nname = 'EXAMPLE.com.'\nrecords = [{soa}, '@ NS a']"));
    assert_eq!(twice, ["2:8 zones[1].name: found \"EXAMPLE.com.\"; another of the zones has this name"]);
}

#[test]
fn monitors() {
    let cases = [
        ("name = 'm'", "2:8 monitors[1].name: found \"m\"; another of the monitors has this name", ""),
        ("name = ''", "2:8 monitors[1].name: found \"\"; allowed: a text of 1 to 255", ""),
        ("name = 'x'\nretry = 1", "3:1 monitors[1].retry: unknown key", ""),
        (
            "name = 'x'\ntype = 'ldap'",
            "3:8 monitors[1].type: found \"ldap\"; allowed: \"http\", \"https\", \"tcp\"",
            "",
        ),
        ("name = 'x'\ntype = 'tcp'", "1:1 monitors[1].port: it is missing and required for type \"tcp\"", ""),
        (
            "name = 'x'\ntype = 'tcp'\nport = 0",
            "4:8 monitors[1].port: found 0; allowed: a whole number from 1 to 65535",
            "",
        ),
        ("name = 'x'\nport = 65536", "3:8 monitors[1].port: found 65536", ""),
        (
            "name = 'x'\ntype = 'tcp'\nport = 1\npath = '/'",
            "5:8 monitors[1].path: it does not apply to type \"tcp\"",
            "",
        ),
        (
            "name = 'x'\nallow_insecure = true",
            "3:18 monitors[1].allow_insecure: it does not apply to type \"http\"",
            "",
        ),
        ("name = 'x'\npath = 'x'", "3:8 monitors[1].path: found \"x\"; allowed: a path that starts", ""),
        ("name = 'x'\nmethod = 'get'", "3:10 monitors[1].method: found \"get\"; allowed: an HTTP method", ""),
        ("name = 'x'\nexpected_codes = '200-299'", "3:18 monitors[1].expected_codes: found", ""),
        (
            "name = 'x'\ninterval = 14",
            "3:12 monitors[1].interval: interval 14s is shorter than (retries 2 + 1) × timeout 5s = 15s",
            "",
        ),
        ("name = 'x'\ntimeout = 30", "3:11 monitors[1].timeout: interval 60s is shorter than", "= 90s"),
        ("name = 'x'\ntimeout = 0", "3:11 monitors[1].timeout: found 0; allowed: whole seconds", "from 10ms to 60s"),
        (
            "name = 'x'\nheader = { user-agent = ['x'] }",
            "3:12 monitors[1].header.user-agent: found",
            "sets this header field itself",
        ),
        (
            "name = 'x'\nheader = { Host = ['a', 'b'] }",
            "3:19 monitors[1].header.Host: found an array; allowed: an array of 1 to 1",
            "",
        ),
        (
            "name = 'x'\nheader = { Host = ['a b'] }",
            "3:20 monitors[1].header.Host[0]: found \"a b\"; allowed: a host name",
            "",
        ),
        (
            "name = 'x'\nheader = { 'a b' = ['x'] }",
            "3:12 monitors[1].header.\"a b\": found \"a b\"; allowed: a header field's name",
            "",
        ),
        (
            "name = 'x'\nheader = { a = ['x'], A = ['y'] }",
            "3:23 monitors[1].header.A: found \"A\"; this header field is given twice",
            "",
        ),
        ("name = 'x'\nheader = { a = [\"x\\n\"] }", "3:17 monitors[1].header.a[0]: found \"x\\n\"", ""),
    ];
    for (rest, start, end) in cases {
        check(&[(&format!("[[monitors]]\n{rest}"), start, end)]);
    }
}

#[test]
fn pools() {
    let cases = [
        (
            "name = 'p'\norigins = [{ name = 'o', address = '192.0.2.1' }]",
            "2:8 pools[1].name: found \"p\"; another of the pools",
            "",
        ),
        (
            "name = 'a b'\norigins = [{ name = 'o', address = '192.0.2.1' }]",
            "2:8 pools[1].name: found \"a b\"; allowed: 1 to 255",
            "",
        ),
        ("name = 'q'", "1:1 pools[1].origins: it is missing and required", ""),
        ("name = 'q'\norigins = []", "3:11 pools[1].origins: a pool has at least one origin", ""),
        (
            "name = 'q'\nmonitor = 'n'\norigins = [{ name = 'o', address = '192.0.2.1' }]",
            "3:11 pools[1].monitor: found \"n\"; no monitor",
            "",
        ),
        (
            "name = 'q'\nmonitor_group = 'n'\norigins = [{ name = 'o', address = '192.0.2.1' }]",
            "3:17 pools[1].monitor_group: found \"n\"; no monitor group has this name",
            "",
        ),
        (
            "name = 'q'\nminimum_origins = 2\norigins = [{ name = 'o', address = '192.0.2.1' }]",
            "3:19 pools[1].minimum_origins: found 2;",
            "never be healthy",
        ),
    ];
    for (rest, start, end) in cases {
        check(&[(&format!("[[pools]]\n{rest}"), start, end)]);
    }
    let origins = [
        (
            "name = 'o', address = '192.0.2.1', weight = 1.5",
            "3:58 pools[1].origins[0].weight: found 1.5; allowed: a number from 0 to 1 in steps of 0.01",
        ),
        ("name = 'o', address = '192.0.2.1', weight = 0.005", "3:58 pools[1].origins[0].weight: found 0.005"),
        ("name = 'o', address = '192.0.2.1', weight = nan", "3:58 pools[1].origins[0].weight: found NaN"),
        ("name = 'o', address = '192.0.2.1', weight = 2", "3:58 pools[1].origins[0].weight: found 2"),
        (
            "name = 'o', address = 'www_.-example.com'",
            "3:36 pools[1].origins[0].address: found \"www_.-example.com\"; allowed: an IPv4 or IPv6 address, or the name",
        ),
        (
            "name = 'o', address = 'www.example.com'",
            "3:36 pools[1].origins[0].address: found \"www.example.com\"; a load balancer has this name",
        ),
        (
            "name = 'o', address = 'h.example.net', probe_address = 'i.example.net'",
            "3:69 pools[1].origins[0].probe_address: found \"i.example.net\"; allowed: an IPv4 or IPv6 address",
        ),
        (
            "name = 'o', address = 'h.example.net' }, { name = 'q', address = 'H.example.net.'",
            "3:79 pools[1].origins[1].address: found \"H.example.net.\"; another origin",
        ),
        (
            "name = 'o', address = '192.0.2.256'",
            "3:36 pools[1].origins[0].address: found \"192.0.2.256\"; allowed: an IPv4 or IPv6",
        ),
        (
            "name = 'o', address = '192.0.2.1:80'",
            "3:36 pools[1].origins[0].address: found \"192.0.2.1:80\"; allowed: an address without a port",
        ),
        ("name = 'o', address = '0.0.0.0'", "3:36 pools[1].origins[0].address: found \"0.0.0.0\"; the unspecified"),
        ("name = 'o', address = '::'", "3:36 pools[1].origins[0].address: found \"::\"; the unspecified"),
        ("name = 'o', address = 'ff02::1'", "3:36 pools[1].origins[0].address: found \"ff02::1\"; a multicast"),
        (
            "name = 'o', address = '255.255.255.255'",
            "3:36 pools[1].origins[0].address: found \"255.255.255.255\"; the broadcast",
        ),
        (
            "name = 'o', address = '::ffff:192.0.2.1'",
            "3:36 pools[1].origins[0].address: found \"::ffff:192.0.2.1\"; an IPv4-mapped address can never be answered; write it as IPv4: \"192.0.2.1\"",
        ),
        ("name = 'o', address = 'fe80::1'", "3:36 pools[1].origins[0].address: found \"fe80::1\"; a link-local"),
        (
            "name = 'o', address = 'fe80::1%eth0'",
            "3:36 pools[1].origins[0].address: found \"fe80::1%eth0\"; allowed: an address without a zone id",
        ),
        (
            "name = 'o', address = '192.0.2.1', header = { Host = ['a', 'b'] }",
            "3:67 pools[1].origins[0].header.Host: found an array; allowed: an array of at most one",
        ),
        (
            "name = 'o', address = '192.0.2.1', header = { X = ['a'] }",
            "3:60 pools[1].origins[0].header.X: unknown key; allowed: Host",
        ),
        ("name = 'o', address = '192.0.2.1', port = 65536", "3:56 pools[1].origins[0].port: found 65536; allowed"),
        (
            "name = 'o', address = '2001:db8::1' }, { name = 'o', address = '192.0.2.1'",
            "3:62 pools[1].origins[1].name: found \"o\"; another origin of the pool has this name",
        ),
        (
            "name = 'o', address = '2001:db8::1' }, { name = 'q', address = '2001:DB8:0::1'",
            "3:77 pools[1].origins[1].address: found \"2001:DB8:0::1\"; another origin",
        ),
    ];
    for (origin, start) in origins {
        let found = faults_of(&format!("[[pools]]\nname = 'q'\norigins = [{{ {origin} }}]"));
        assert_eq!(found.len(), 1, "{found:#?}");
        assert!(found[0].starts_with(start), "{start}\n{}", found[0]);
    }
}

#[test]
fn load_balancers() {
    let all = |name: &str, pools: &str, rest: &str| {
        format!("[[load_balancers]]\nname = '{name}'\ndefault_pools = {pools}\nfallback_pool = 'p'\n{rest}")
    };
    let cases = [
        (
            all("a.example.com", "['p']", "steering_policy = 'near'"),
            "5:19 load_balancers[1].steering_policy: found \"near\"; allowed: \"off\", \"geo\", \"random\", \"dynamic_latency\", ",
        ),
        (
            all("a.example.com", "['p']", "ttl = 86401"),
            "5:7 load_balancers[1].ttl: found 86401; allowed: a whole number from 0 to 86400",
        ),
        (
            all("a.example.com", "['p']", "answers = 0"),
            "5:11 load_balancers[1].answers: found 0; allowed: \"all\", or a whole number from 1 to 65535",
        ),
        (all("a.example.com", "['p']", "proxied = true"), "5:11 load_balancers[1].proxied: found true; this server"),
        (
            all("a.example.com", "[]", ""),
            "3:17 load_balancers[1].default_pools: a load balancer has at least one default pool",
        ),
        (
            all("a.example.com", "['p', 'p']", ""),
            "3:23 load_balancers[1].default_pools[1]: found \"p\"; this pool is in the list already",
        ),
        (
            all("a.example.com", "['p', 'q']", ""),
            "3:23 load_balancers[1].default_pools[1]: found \"q\"; no pool has this name",
        ),
        (
            all("WWW.example.com.", "['p']", ""),
            "2:8 load_balancers[1].name: found \"WWW.example.com.\"; another of the load balancers has this name",
        ),
        (
            all("a.example.net", "['p']", ""),
            "2:8 load_balancers[1].name: found \"a.example.net\"; it is in none of the zones; they are: example.com",
        ),
        (
            all("sub.example.com", "['p']", ""),
            "2:8 load_balancers[1].name: found \"sub.example.com\"; sub.example.com is delegated by its NS records",
        ),
        (
            all("a.b.d.example.com", "['p']", ""),
            "2:8 load_balancers[1].name: found \"a.b.d.example.com\"; names below d.example.com are redirected by its DNAME",
        ),
        (
            all("a.*.example.com", "['p']", ""),
            "2:8 load_balancers[1].name: found \"a.*.example.com\"; an asterisk is allowed only",
        ),
        (
            all("a b.example.com", "['p']", ""),
            "2:8 load_balancers[1].name: found \"a b.example.com\"; allowed: a host name; it has a space",
        ),
    ];
    for (added, start) in &cases {
        check(&[(added, start, "")]);
    }
}

#[test]
fn all_faults_at_once_with_suggestions_in_the_order_of_the_file() {
    let text = "version = 1\n[[pools]]\nname = \"web\"\nmonitr = \"m\"\norigins = [\n  { name = \"a\", address = \"192.0.2.1\", weight = 1.5 },\n]\n\
                [[load_balancers]]\nname = \"www.example.com\"\ndefault_pools = [\"wbe\"]\nfallback_pool = \"web\"\n\
                [[pools]]\nname = \"web\"\norigins = [{ name = \"a\", address = \"192.0.2.1\" }]\n";
    let report = load_text("config/x.toml", text).map(|_| ()).unwrap_err().to_string();
    let expected = r#"config/x.toml:4:1: pools[0].monitr: unknown key; allowed: name, description, enabled, minimum_origins, slow_start, monitor, monitor_group, origins, notification_filter; also taken: id, check_regions, health_sources, latitude, longitude, load_shedding, origin_steering, notification_email, networks
  | monitr = "m"
  | ^^^^^^
  help: did you mean "monitor"?
config/x.toml:6:49: pools[0].origins[0].weight: found 1.5; allowed: a number from 0 to 1 in steps of 0.01
  |   { name = "a", address = "192.0.2.1", weight = 1.5 },
  |                                                 ^^^
config/x.toml:9:8: load_balancers[0].name: found "www.example.com"; it is in no zone; none is declared in [[zones]]
  | name = "www.example.com"
  |        ^^^^^^^^^^^^^^^^^
config/x.toml:10:18: load_balancers[0].default_pools[0]: found "wbe"; no pool has this name
  | default_pools = ["wbe"]
  |                  ^^^^^
  help: did you mean "web"?
config/x.toml:13:8: pools[1].name: found "web"; another of the pools has this name
  | name = "web"
  |        ^^^^^
  first: config/x.toml:3:8
5 faults in 1 file"#;
    assert_eq!(report, expected);
}

/// Names and contents of files.
type Contents<'c> = &'c [(&'c str, &'c [u8])];

/// Writes files into a folder.
fn folder(files: Contents<'_>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

/// Loads `main.toml` of a folder; the report without the folder's name.
fn load_in(folder: &FilePath) -> Result<Vec<String>, String> {
    let prefix = format!("{}/", folder.display());
    let loaded = load(&folder.join("main.toml")).map_err(|report| report.to_string().replace(&prefix, ""))?;
    Ok(loaded.files.iter().map(|path| path.display().to_string().replace(&prefix, "")).collect())
}

#[test]
fn includes_are_read_in_order_and_may_refer_to_each_other() {
    let pool = b"version = 1\ninclude = ['sub/*.toml']\n[[pools]]\nname = 'p'\nmonitor = 'm'\norigins = [{name = 'o', address = '192.0.2.1'}]";
    let monitor = b"[[monitors]]\nname = 'm'";
    let folder = folder(&[
        ("main.toml", b"version = 1\ninclude = ['conf.d/*.toml', 'none/*.toml']\n[server]\ncontrol = 'c.sock'"),
        ("conf.d/a.toml", pool),
        ("conf.d/sub/b.toml", monitor),
    ]);
    assert_eq!(load_in(folder.path()).unwrap(), ["main.toml", "conf.d/a.toml", "conf.d/sub/b.toml"]);
    let settings = load(&folder.path().join("main.toml")).unwrap().settings;
    assert_eq!(settings.control, folder.path().join("c.sock"));
}

#[test]
fn includes_that_are_wrong() {
    let cases: [(Contents<'_>, &str); 9] = [
        (
            &[("main.toml", b"version = 1\ninclude = ['b.toml']")],
            "main.toml:2:12: include[0]: b.toml: there is no such file",
        ),
        (
            &[("main.toml", b"version = 1\ninclude = ['b.toml']"), ("b.toml", b"include = ['main.toml']")],
            "b.toml:1:12: include[0]: files include each other: main.toml -> b.toml -> main.toml",
        ),
        (
            &[("main.toml", b"version = 1\ninclude = ['b.toml', 'b.*']"), ("b.toml", b"")],
            "main.toml:2:22: include[1]: b.toml is included twice; the second time by main.toml",
        ),
        (
            &[("main.toml", b"version = 1\ninclude = ['b.toml']"), ("b.toml", b"[server]\nthreads = 1")],
            "b.toml:1:2: server: settings belong to the main file",
        ),
        (
            &[("main.toml", b"version = 1\ninclude = ['d']"), ("d/x", b"")],
            "main.toml:2:12: include[0]: d: it is a folder",
        ),
        (&[("main.toml", b"version = 1\ninclude = ['**/x']")], "main.toml:2:12: include[0]: \"**\" would walk"),
        (&[("main.toml", b"version = 1\ninclude = ['[']")], "main.toml:2:12: include[0]: \"[\" is not a pattern"),
        (&[("main.toml", b"version = 1\n\xc3\xa4 \xff = 1")], "main.toml:2:3: this is not UTF-8"),
        (&[("x", b"")], "main.toml: there is no such file; check the path"),
    ];
    for (files, expected) in cases {
        let folder = folder(files);
        let report = load_in(folder.path()).unwrap_err();
        assert!(report.starts_with(expected), "{expected}\n{report}");
        assert!(report.ends_with("1 fault in 1 file"), "{report}");
    }
}

#[test]
fn includes_end_at_a_depth() {
    let names: Vec<String> = (0..12).map(|i| if i == 0 { "main.toml".into() } else { format!("{i}.toml") }).collect();
    let texts: Vec<String> = (0..12).map(|i| format!("version = 1\ninclude = ['{}.toml']", i + 1)).collect();
    let files: Vec<(&str, &[u8])> = names.iter().zip(&texts).map(|(name, text)| (&**name, text.as_bytes())).collect();
    let report = load_in(folder(&files).path()).unwrap_err();
    assert!(
        report.starts_with("8.toml:2:12: include[0]: files are included more than 8 deep: main.toml -> 1.toml"),
        "{report}"
    );
}

#[test]
fn a_file_that_cannot_be_read_causes_no_other_faults() {
    let folder = folder(&[("main.toml", b"version = 1\ninclude = ['b.toml']\n[[pools]]\nname = 'p'\nmonitor = 'm'\norigins = [{name = 'o', address = '192.0.2.1'}]"), ("b.toml", b"[[monitors]\nname = 'm'")]);
    let report = load_in(folder.path()).unwrap_err();
    assert!(report.starts_with("b.toml:1:") && report.ends_with("1 fault in 1 file"), "{report}");
}

#[test]
fn a_file_that_is_too_large_is_not_read() {
    let folder = folder(&[]);
    let file = fs::File::create(folder.path().join("main.toml")).unwrap();
    file.set_len(CONFIG_FILE_OCTETS_MAX + 1).unwrap();
    let report = load_in(folder.path()).unwrap_err();
    assert!(report.starts_with("main.toml: it has 67108865 octets; allowed: at most 67108864"), "{report}");
}

#[test]
fn much_garbage_gives_a_short_report() {
    for garbage in ["=\n", "[[pools]]\n", "[[", "\"", "a.", "{", "\u{1b}[31m", "[[pools]]\nx = 1\ny = 2\n"] {
        let report = load_text("x.toml", &garbage.repeat(300_000 / garbage.len())).map(|_| ()).unwrap_err().to_string();
        assert!(report.len() < 1 << 20, "{garbage}: {}", report.len());
        assert!(!report.contains('\u{1b}'));
    }
}

proptest! {
    #[test]
    fn any_text_loads_or_is_reported(text in any::<String>()) {
        if let Err(report) = load_text("x.toml", &text) {
            prop_assert!(!report.to_string().is_empty());
        }
    }

    #[test]
    fn a_sound_text_with_a_piece_replaced_loads_or_is_reported(
        at in any::<prop::sample::Index>(),
        cut in 0_usize..30,
        piece in prop_oneof!["[\\[\\]{}'\"=,\\n0-9a-z.#-]{0,8}", ".{0,4}"],
    ) {
        let chars: Vec<char> = SOUND.chars().collect();
        let at = at.index(chars.len());
        let rest = chars.iter().skip(at + cut);
        let text: String = chars.iter().take(at).chain(piece.chars().collect::<Vec<_>>().iter()).chain(rest).collect();
        if let Err(report) = load_text("x.toml", &text) {
            prop_assert!(report.to_string().contains("fault"));
        }
    }
}

#[test]
fn one_fault_of_a_zone_does_not_hide_the_others() {
    let faults = faults_of(
        "[[zones]]\nname = 'x.test'\nttl = -1\nrecords = ['@ SOA a b 1 2 3 4 5', 'a AA 1', 'c CNAME d', 'c TXT e']",
    );
    let starts = ["3:7 zones[1].ttl:", "4:38 zones[1].records[1]:", "4:58 zones[1].records[3]: c.x.test has a CNAME"];
    assert_eq!(faults.len(), starts.len(), "{faults:#?}");
    for start in starts {
        assert!(faults.iter().any(|fault| fault.starts_with(start)), "{start} in {faults:#?}");
    }
}
