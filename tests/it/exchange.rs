//! What the API made: taken out and in by commands, over crashes, and against what files declare.

use std::process::Command;

use hickory_proto::rr::RecordType;
use serde_json::{Value, json};

use crate::harness::http::Http;
use crate::harness::server::{Options, PROGRAM, command, write_config};
use crate::harness::{Ran, TestServer, ZONE, run, wait};

/// Objects as somebody writes them by hand: without ids, and one of them refers to a declared zone.
const OBJECTS: &str = "\
[[monitors]]
name = \"quick\"
type = \"tcp\"
port = 9
timeout = 1
retries = 0
interval = 60

[[pools]]
name = \"made\"
origins = [{ name = \"a\", address = \"127.0.0.77\" }, { name = \"b\", address = \"127.0.0.78\", enabled = false }]

[[load_balancers]]
name = \"made.example.test\"
default_pools = [\"made\"]
fallback_pool = \"made\"

[[zones]]
name = \"made.test\"
serial = \"auto\"
records = [\"@ SOA ns1 h 1 2 3 4 5\", \"@ NS ns1\", \"txt TXT kept\"]
";

/// What is exported where the API has made nothing: without arrays, which would belong to whatever table they come below.
const NOTHING: &str = "version = 1\n";

/// Runs a command of the program for a server's configuration, with more arguments.
fn told(server: &TestServer, name: &str, more: &[&str]) -> Ran {
    run(command(server.config().parent().unwrap(), name).args(more))
}

/// Writes the objects into a file beside the server's configuration.
fn written(server: &TestServer, text: &str) -> String {
    let file = server.config().with_file_name("objects.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn what_is_imported_is_answered_and_goes_out_and_in_again() {
    let server = TestServer::start(ZONE);
    let file = written(&server, OBJECTS);
    let dry = told(&server, "import", &[&file, "--dry-run"]);
    assert_eq!((dry.code, dry.stdout.lines().last()), (Some(0), Some("4 created, 0 updated, 0 would be as they were")));
    assert_eq!(told(&server, "export", &[]).stdout, NOTHING);
    let ran = told(&server, "import", &[&file]);
    assert!(ran.code == Some(0) && ran.stdout.contains("create pool made\n"), "{ran:?}");
    wait("its address", || {
        server.dns().addresses("made.example.test.") == ["127.0.0.77".parse::<std::net::IpAddr>().unwrap()]
    });
    let txt = server.dns().get("txt.made.test.", RecordType::TXT);
    assert_eq!(txt.answers.len(), 1);

    let out = told(&server, "export", &[]).stdout;
    let again = told(&server, "import", &[&written(&server, &out)]);
    assert_eq!(again.stdout, "0 created, 0 updated, 4 are as they were\n");
    let edited = out.replace("127.0.0.77", "127.0.0.79");
    let ran = told(&server, "import", &[&written(&server, &edited)]);
    assert_eq!(ran.stdout, "update pool made\n0 created, 1 updated, 3 are as they were\n");
    // It is all or nothing, and says where it is wrong.
    let faulty = edited.replace("127.0.0.79", "127.0.0.80") + "[[pools]]\nname = \"x\"\norigins = []\n";
    let ran = told(&server, "import", &[&written(&server, &faulty)]);
    assert_eq!((ran.code, ran.stderr.contains("pools[1].origins")), (Some(2), true), "{ran:?}");
    assert!(told(&server, "export", &[]).stdout.contains("127.0.0.79"));
}

#[test]
fn what_the_api_made_is_there_after_a_crash_and_without_a_server() {
    let mut server = TestServer::start(ZONE);
    let file = written(&server, OBJECTS);
    assert_eq!(told(&server, "import", &[&file]).code, Some(0));
    let out = told(&server, "export", &[]).stdout;
    let backup = server.config().with_file_name("backup.redb");
    let backup = backup.to_str().unwrap();
    assert_eq!(told(&server, "backup", &[backup]).code, Some(0));
    let twice = told(&server, "backup", &[backup]);
    assert!(twice.code == Some(1) && twice.stderr.contains("exists already"), "{twice:?}");
    // A second server on the same store is refused, whatever its control socket.
    let folder = server.config().parent().unwrap().to_owned();
    let text = std::fs::read_to_string(server.config()).unwrap().replace("control.sock", "other.sock");
    let other = folder.join("other.toml");
    std::fs::write(&other, text).unwrap();
    let alone = run(Command::new(PROGRAM).args(["export", "--config", other.to_str().unwrap()]));
    assert!(alone.code == Some(1) && alone.stderr.contains("another"), "{alone:?}");

    server.signal("KILL");
    server.wait_end();
    assert_eq!(told(&server, "export", &[]).stdout, out);
    // An import while nobody serves is kept as well.
    let more = out.replace("127.0.0.77", "127.0.0.70");
    assert_eq!(told(&server, "import", &[&written(&server, &more)]).code, Some(0));
    assert_eq!(told(&server, "export", &[]).stdout, more);
}

#[test]
fn what_a_file_contradicts_is_set_aside_and_comes_back() {
    let server = TestServer::start(ZONE);
    let file = written(&server, OBJECTS);
    assert_eq!(told(&server, "import", &[&file]).code, Some(0));
    let folder = server.config().parent().unwrap().to_owned();
    let declared = "[[pools]]\nname = \"made\"\nid = \"0123456789abcdef0123456789abcdef\"\norigins = [{ name = \"a\", address = \"127.0.0.90\" }]\n";
    write_config(&folder, &format!("{ZONE}{declared}"), &Options::default());
    let refused = told(&server, "reload", &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("pool made (") && refused.stderr.contains("made through the API"), "{refused:?}");
    let taken = told(&server, "reload", &["--set-aside"]);
    assert_eq!(taken.code, Some(0), "{taken:?}");
    let names: Vec<String> = server.status().set_aside.iter().map(|aside| aside.name.clone()).collect();
    assert_eq!(names, ["made", "made.example.test"]);
    assert!(told(&server, "status", &[]).stdout.contains("SET ASIDE"));
    write_config(&folder, ZONE, &Options::default());
    assert_eq!(told(&server, "reload", &[]).code, Some(0));
    assert!(server.status().set_aside.is_empty());
    wait("its address", || server.dns().addresses("made.example.test.").len() == 1);
}

#[test]
fn an_import_touches_no_record_that_is_as_it_was() {
    let server = TestServer::start(&format!("[api]\nlisten = [\"127.0.0.1:0\"]\n{ZONE}"));
    let file = written(&server, OBJECTS);
    assert_eq!(told(&server, "import", &[&file]).code, Some(0));
    let mut api = Http::new(server.api(), &server.token("test", &[]));
    let mut call = |method: &str, path: &str, body: Option<Value>| api.call(method, path, body.as_ref()).result();
    let zones = call("GET", "/zones?name=made.test", None);
    let records = format!("/zones/{}/dns_records", zones[0]["id"].as_str().unwrap());
    let txt = json!({"type": "TXT", "name": "auto", "content": "\"a\"", "ttl": 1, "comment": "why", "tags": ["x:y"]});
    let made = call("POST", &records, Some(txt));
    let ns = json!({"type": "A", "name": "ns1", "content": "192.0.2.1", "ttl": 60, "comment": "old"});
    let address = call("POST", &records, Some(ns));
    let before = call("GET", &records, None);
    let out = told(&server, "export", &[]).stdout;
    let again = told(&server, "import", &[&written(&server, &out)]);
    assert_eq!(again.stdout, "0 created, 0 updated, 4 are as they were\n");
    assert_eq!(call("GET", &records, None), before);
    // One other record, and all others stay.
    let edited = out.replace("192.0.2.1", "192.0.2.2");
    let again = told(&server, "import", &[&written(&server, &edited)]);
    assert_eq!(again.stdout, "update zone made.test\n0 created, 1 updated, 3 are as they were\n");
    let path = |record: &Value| format!("{records}/{}", record["id"].as_str().unwrap());
    assert_eq!(call("GET", &path(&made), None), made);
    let changed = call("GET", &path(&address), None);
    for (key, expected) in
        [("content", "192.0.2.2"), ("comment", "old"), ("created_on", address["created_on"].as_str().unwrap())]
    {
        assert_eq!(changed[key], expected, "{key}");
    }
    assert_ne!(changed["modified_on"], address["modified_on"]);
    // The audit log has the record, as the API shows it, and nothing of a zone that is as it was.
    let account = call("GET", "/accounts", None)[0]["id"].as_str().unwrap().to_owned();
    let log = call("GET", &format!("/accounts/{account}/audit_logs?actor.email=import&per_page=2"), None);
    let last = &log[0];
    assert_eq!((&last["action"]["type"], &last["resource"]["id"]), (&json!("update"), &address["id"]), "{last:#}");
    for (value, content) in [("oldValueJson", "192.0.2.1"), ("newValueJson", "192.0.2.2")] {
        let shown = [&last[value]["type"], &last[value]["name"], &last[value]["content"]];
        assert_eq!(shown, [&json!("A"), &json!("ns1.made.test"), &json!(content)], "{last:#}");
    }
    assert_eq!(log[1]["action"]["type"], "create", "{:#}", log[1]);
}

#[test]
fn faults_of_an_import_say_the_file_the_line_and_the_name() {
    let server = TestServer::start(ZONE);
    let text = "[[pools]]\nname = \"p\"\nmonitor = \"nobody\"\norigins = [{ name = \"a\", address = \"127.0.0.77\" }]\n\
                [[load_balancers]]\nname = \"www.elsewhere.test\"\ndefault_pools = [\"q\"]\nfallback_pool = \"p\"\n";
    let file = written(&server, text);
    let ran = told(&server, "import", &[&file]);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    for fault in [
        format!("{file}:3:11: pools[0].monitor: found \"nobody\"; no monitor has this name"),
        format!("{file}:7:18: load_balancers[0].default_pools[0]: found \"q\"; no pool has this name"),
        format!("{file}:6:8: load_balancers[0].name"),
    ] {
        assert!(ran.stderr.contains(&fault), "{fault} in {}", ran.stderr);
    }
}

#[test]
fn who_only_looks_makes_no_store() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("pooldns.toml");
    let text = "version = 1\n[server]\ncontrol = \"control.sock\"\n[store]\npath = \"kept\"\n";
    std::fs::write(&config, text).unwrap();
    let objects = folder.path().join("objects.toml");
    std::fs::write(&objects, "[[zones]]\nname = \"made.test\"\nrecords = [\"@ SOA ns1 h 1 2 3 4 5\", \"@ NS ns1\"]\n")
        .unwrap();
    let ran = run(command(folder.path(), "export").args([""; 0]));
    assert!(ran.code == Some(0) && ran.stdout == NOTHING, "{ran:?}");
    let ran = run(command(folder.path(), "import").args([objects.to_str().unwrap(), "--dry-run"]));
    assert_eq!(ran.stdout, "create zone made.test\n1 created, 0 updated, 0 would be as they were\n", "{ran:?}");
    assert!(!folder.path().join("kept").exists());
    let ran = run(command(folder.path(), "import").args([objects.to_str().unwrap()]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(folder.path().join("kept").exists());
}

#[test]
fn an_export_that_moves_into_the_configuration_is_the_files_from_then_on() {
    let mut server = TestServer::start(ZONE);
    let file = written(&server, OBJECTS);
    assert_eq!(told(&server, "import", &[&file]).code, Some(0));
    let out = told(&server, "export", &[]).stdout.replace("version = 1\n", "");
    server.edit(&format!("{ZONE}{out}"));
    let taken = told(&server, "reload", &[]);
    assert_eq!(taken.code, Some(0), "{taken:?}");
    assert_eq!(told(&server, "export", &[]).stdout, NOTHING);
    assert!(server.status().set_aside.is_empty());
    assert_eq!(server.log().iter().filter(|line| line.contains("is the file's from now on")).count(), 4);
    // It goes with the file, over a restart too.
    server.signal("KILL");
    server.wait_end();
    server.edit(ZONE);
    server.start_again();
    assert!(server.status().pools.iter().all(|pool| pool.name != "made"));
    assert_eq!(told(&server, "export", &[]).stdout, NOTHING);
}

#[test]
fn what_is_set_aside_is_told_of_and_can_be_dropped() {
    let server = TestServer::start(ZONE);
    let file = written(&server, OBJECTS);
    assert_eq!(told(&server, "import", &[&file]).code, Some(0));
    let out = told(&server, "export", &[]).stdout.replace("version = 1\n", "");
    server.edit(&format!("{ZONE}{}", out.replace("127.0.0.77", "127.0.0.79")));
    let refused = told(&server, "reload", &[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("says something else: origins") && refused.stderr.contains("--set-aside"),
        "{refused:?}"
    );
    assert_eq!(told(&server, "reload", &["--set-aside"]).code, Some(0));
    assert!(server.log().iter().any(|line| line.contains("SET ASIDE") && line.contains("made")));
    assert!(server.metrics().contains("pooldns_set_aside{object=\"pool\"} 1\n"));
    let asked = |arguments: &[&str]| {
        run(Command::new(PROGRAM).arg("set-aside").args(arguments).arg("--config").arg(server.config()))
    };
    let listed = asked(&["list"]).stdout;
    assert!(listed.starts_with("pool made (") && listed.lines().count() == 1, "{listed}");
    assert!(told(&server, "export", &[]).stdout.contains("# set aside, and not in this document: pool made ("));
    let id = listed.split(['(', ')']).nth(1).unwrap();
    let dropped = asked(&["drop", id]);
    assert_eq!((dropped.code, &*dropped.stdout), (Some(0), "dropped pool made\n"), "{dropped:?}");
    assert!(server.status().set_aside.is_empty());
    assert_eq!(asked(&["drop", id]).code, Some(1));
    // It is not there again when the file lets go of it.
    server.edit(ZONE);
    assert_eq!(told(&server, "reload", &[]).code, Some(0));
    assert!(server.status().pools.iter().all(|pool| pool.name != "made"));
}
