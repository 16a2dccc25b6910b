//! Tests of bad monitors of each type, and of the files with certificates and keys that they name.

use std::fs;

use rcgen::{CertificateParams, KeyPair};
use tempfile::TempDir;

use crate::config::{load, load_objects, load_text};
use crate::model::inventory::Inventory;
use crate::model::monitor::{Check, ClientFiles, TlsFiles};

/// The faults of a configuration with one monitor more than `name`.
fn faults(monitor: &str) -> Vec<String> {
    let text = format!("version = 1\n[[monitors]]\nname = 'x'\n{monitor}");
    let report = load_text("x.toml", &text).map(|_| ()).unwrap_err();
    report.faults().map(|(_, at, fault)| format!("{}:{} {fault}", at.line.saturating_sub(3), at.column)).collect()
}

#[test]
fn keys_of_other_types() {
    for (monitor, starts) in [
        ("type = 'tcp'\nport = 1\npath = '/'", "3:8 monitors[0].path: it does not apply to type \"tcp\""),
        ("type = 'icmp_ping'\nport = 1", "2:8 monitors[0].port: it does not apply to type \"icmp_ping\""),
        ("type = 'smtp'\nport = 1\nheader = {X=['y']}", "3:10 monitors[0].header: it does not apply to type \"smtp\""),
        (
            "type = 'udp_icmp'\nport = 1\nservice = 'x'",
            "3:11 monitors[0].service: it does not apply to type \"udp_icmp\"",
        ),
        ("query_name = 'x'", "1:14 monitors[0].query_name: it does not apply to type \"http\""),
        ("certificate_days_min = 1", "1:24 monitors[0].certificate_days_min: it does not apply to type \"http\""),
        ("type = 'https'\nserver_name = 'x'", "2:15 monitors[0].server_name: it does not apply to type \"https\""),
        ("type = 'tls'\ntls = true", "2:7 monitors[0].tls: it does not apply to type \"tls\""),
        (
            "type = 'tls'\nmethod = 'connection_established'",
            "2:10 monitors[0].method: it does not apply to type \"tls\"",
        ),
        (
            "type = 'grpc'\nallow_insecure = true",
            "2:18 monitors[0].allow_insecure: it does not apply without `tls = true`",
        ),
    ] {
        let faults = faults(monitor);
        assert_eq!(faults.len(), 1, "{monitor}: {faults:#?}");
        assert!(faults[0].starts_with(starts), "{monitor}: {}", faults[0]);
    }
}

#[test]
fn what_clients_of_the_original_write_for_every_type_is_let_through() {
    for check in ["type = 'tcp'\nmethod = 'connection_established'", "type = 'udp_icmp'\nmethod = ''", "type = 'smtp'"]
    {
        let text = format!(
            "version = 1\n[[monitors]]\nname = 'x'\n{check}\nport = 25\npath = ''\nheader = {{}}\n\
             expected_codes = ''\nexpected_body = ''\nfollow_redirects = false\nallow_insecure = false\nprobe_zone = 'z'"
        );
        let declared = load_text("x.toml", &text).unwrap().declared;
        assert_eq!((declared.monitors[0].port(), &*declared.monitors[0].probe_zone), (25, "z"), "{check}");
    }
    let text = "version = 1\n[[monitors]]\nname = 'x'\nport = 0\nexpected_codes = ''";
    let declared = load_text("x.toml", text).unwrap().declared;
    assert_eq!(declared.monitors[0].port(), 80);
    assert!(matches!(&declared.monitors[0].check, Check::Http(http) if http.expected_codes.text() == "200"));
}

#[test]
fn values() {
    for (monitor, starts) in [
        ("type = 'dns'", "0:1 monitors[0].query_name: it is missing and required for type \"dns\""),
        ("type = 'smtp'", "0:1 monitors[0].port: it is missing and required for type \"smtp\""),
        ("type = 'udp_icmp'", "0:1 monitors[0].port: it is missing and required for type \"udp_icmp\""),
        ("type = 'dns'\nquery_name = 'a..b'", "2:14 monitors[0].query_name: found \"a..b\"; it has an empty label"),
        (
            "type = 'dns'\nquery_name = 'a'\nquery_type = 'ANY'",
            "3:14 monitors[0].query_type: found \"ANY\"; allowed: a record",
        ),
        (
            "type = 'dns'\nquery_name = 'a'\nexpected_rcode = 'NXRRSET'",
            "3:18 monitors[0].expected_rcode: found \"NXRRSET\"",
        ),
        (
            "type = 'dns'\nquery_name = 'a'\nexpected_answer = '2001:db8::1'",
            "3:19 monitors[0].expected_answer: found \"2001:db8::1\"; no data of type A:",
        ),
        (
            "type = 'dns'\nquery_name = 'a'\nexpected_answer = \"192.0.2.1\\na A 192.0.2.2\"",
            "3:19 monitors[0].expected_answer: found",
        ),
        (
            "type = 'tls'\nserver_name = '192.0.2.1'",
            "2:15 monitors[0].server_name: found \"192.0.2.1\"; allowed: the name",
        ),
        ("type = 'tls'\ncertificate_days_min = 9999", "2:24 monitors[0].certificate_days_min: found 9999; allowed"),
        ("damping = 4", "1:11 monitors[0].damping: found 4; allowed: a table"),
        ("damping = { change = 4 }", "1:13 monitors[0].damping.change: unknown key"),
        (
            "damping = { changes = 1 }",
            "1:23 monitors[0].damping.changes: found 1; allowed: a whole number from 2 to 20",
        ),
        ("damping = { within = '2d' }", "1:22 monitors[0].damping.within: found \"2d\"; allowed: whole seconds"),
        ("damping = { hold = 0 }", "1:20 monitors[0].damping.hold: found 0; allowed: whole seconds"),
        (
            "interval = 300\ndamping = { changes = 4 }",
            "2:11 monitors[0].damping: within 600s is shorter than (changes 4 - 1) × interval 300s = 900s;",
        ),
        ("source_address = '0.0.0.0'", "1:18 monitors[0].source_address: found \"0.0.0.0\"; allowed: an IPv4"),
        ("source_address = '192.0.2.1:1'", "1:18 monitors[0].source_address: found \"192.0.2.1:1\"; allowed: an IPv4"),
        ("type = 'tls'\nclient_key = 'x'", "0:1 monitors[0].client_certificate: it is missing; `client_certificate`"),
        ("type = 'tls'\nca_file = ''", "2:11 monitors[0].ca_file: found \"\"; allowed: the path of a file in PEM"),
        (
            "type = 'tls'\nca_file = '/nowhere/ca.pem'",
            "2:11 monitors[0].ca_file: found \"/nowhere/ca.pem\"; /nowhere/ca.pem: there is",
        ),
    ] {
        let faults = faults(monitor);
        assert_eq!(faults.len(), 1, "{monitor}: {faults:#?}");
        assert!(faults[0].starts_with(starts), "{monitor}: {}", faults[0]);
    }
}

#[test]
fn files_are_relative_to_the_file_that_names_them_and_have_to_be_sound() {
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join("conf.d").join(name);
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    let [key, other] = [KeyPair::generate().unwrap(), KeyPair::generate().unwrap()];
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    fs::write(at("ca.pem"), certificate.pem()).unwrap();
    fs::write(at("key.pem"), key.serialize_pem()).unwrap();
    fs::write(at("other.pem"), other.serialize_pem()).unwrap();
    fs::write(folder.path().join("main.toml"), "version = 1\ninclude = ['conf.d/*.toml']").unwrap();
    let monitor = |keys: &str| {
        fs::write(at("m.toml"), format!("[[monitors]]\nname = 'm'\ntype = 'https'\n{keys}")).unwrap();
        load(&folder.path().join("main.toml"))
    };
    let sound = "ca_file = 'ca.pem'\nclient_certificate = 'ca.pem'\nclient_key = 'key.pem'";
    let declared = monitor(sound).unwrap().declared;
    let client = ClientFiles { certificate: at("ca.pem"), key: at("key.pem") };
    let files = TlsFiles { authorities: Some(at("ca.pem")), client: Some(client) };
    assert_eq!(declared.monitors[0].check.tls().unwrap().files, files);
    for (keys, why) in [
        ("ca_file = 'key.pem'", "it has no certificate in PEM"),
        ("ca_file = '.'", "it is a folder"),
        ("ca_file = 'ca.pem'\nallow_insecure = true", "nobody has to be trusted"),
        ("client_certificate = 'ca.pem'\nclient_key = 'ca.pem'", "it has no private key in PEM"),
        ("client_certificate = 'ca.pem'\nclient_key = 'other.pem'", "its key is not that of the certificate"),
    ] {
        let report = monitor(keys).map(|_| ()).unwrap_err().to_string();
        assert!(report.contains(why), "{keys}: {report}");
        assert!(!report.contains("BEGIN"), "{report}");
    }
}

#[test]
fn an_import_names_no_files() {
    for keys in ["ca_file = '/etc/ssl/a.pem'", "client_certificate = '/a.pem'\nclient_key = '/a.key'"] {
        let text = format!("[[monitors]]\nname = 'm'\ntype = 'tls'\n{keys}");
        let report = load_objects("import", &text, &Inventory::default()).map(|_| ()).unwrap_err().to_string();
        assert!(report.contains("a file of the server can be named in its configuration only"), "{keys}: {report}");
    }
}

#[test]
fn monitor_groups() {
    let start = "[[monitors]]\nname = 'a'\n[[monitors]]\nname = 'b'\n[[monitor_groups]]\nname = 'g'\n";
    let faults = |group: &str| {
        let report = load_text("x.toml", &format!("version = 1\n{start}{group}")).map(|_| ()).unwrap_err();
        super::bad_inputs::faults(&report, 7)
    };
    let pool =
        "members = [{ monitor = 'a' }]\n[[pools]]\nname = 'p'\norigins = [{ name = 'o', address = '192.0.2.1' }]\n";
    for (group, starts) in [
        (String::new(), "0:1 monitor_groups[0].members: it is missing and required"),
        ("members = []".into(), "1:11 monitor_groups[0].members: there are 0; allowed: 1 to 16 members"),
        (format!("members = [{}]", "{ monitor = 'a' }, ".repeat(17)), "1:11 monitor_groups[0].members: there are 17;"),
        (
            "members = [{ monitor = 'c' }]".into(),
            "1:24 monitor_groups[0].members[0].monitor: found \"c\"; no monitor has",
        ),
        ("members = [{ enabled = true }]".into(), "1:12 monitor_groups[0].members[0].monitor: it is missing"),
        ("members = [{ monitor_id = 'a' }]".into(), "1:12 monitor_groups[0].members[0].monitor: it is missing"),
        (
            "members = [{ monitor = 'a' }, { monitor = 'a', enabled = false }]".into(),
            "1:31 monitor_groups[0].members[1]: another member of the group is this monitor",
        ),
        (
            "members = [{ monitor = 'a', must_be_healthy = 1 }]".into(),
            "1:47 monitor_groups[0].members[0].must_be_healthy: found 1; allowed: true or false",
        ),
        (
            "members = [{ monitor = 'a', updated_at = '' }]".into(),
            "1:29 monitor_groups[0].members[0].updated_at: the server sets this key",
        ),
        (
            "members = [{ monitor = 'a' }]\n[[monitor_groups]]\nname = 'g'\nmembers = [{ monitor = 'b' }]".into(),
            "3:8 monitor_groups[1].name: found \"g\"; another of the monitor groups has this name",
        ),
        (
            format!("{pool}monitor_group = 'f'"),
            "5:17 pools[0].monitor_group: found \"f\"; no monitor group has this name",
        ),
        (
            format!("{pool}monitor = 'a'\nmonitor_group = 'g'"),
            "6:17 pools[0].monitor_group: a pool has a monitor or a monitor group; leave one of them out",
        ),
    ] {
        let faults = faults(&group);
        let lacking = if group.contains("monitor_id") { 2 } else { 1 };
        assert_eq!(faults.len(), lacking, "{group}: {faults:#?}");
        assert!(faults[0].starts_with(starts), "{group}: {}", faults[0]);
    }
    let quiet = format!("version = 1\n{start}members = [{{ monitor = 'a', monitoring_only = true }}]");
    let warnings = load_text("x.toml", &quiet).unwrap().warnings.to_string();
    assert!(warnings.contains("monitor_groups[0].members: no member has a vote"), "{warnings}");
}
