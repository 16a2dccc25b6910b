//! The official clients of the original's API against the real server, in the versions that `tests/clients` pins, and its
//! answers against the original's description and our own. `.ci/clients` installs them into `target/clients`.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::json;

use crate::harness::http::Http;
use crate::harness::tools::{required, skipped};
use crate::harness::{Behaviour, Ran, Site, TestServer, ZONE, run};

/// The server, before its zone: the API on a port that is free, and a name server for zones that are made.
pub(crate) const API: &str = "[api]\nlisten = [\"127.0.0.1:0\"]\n[api.zones]\nname_servers = [\"ns1.example.test\"]\n";
/// Tells the test that it is in its namespace already.
const INSIDE: &str = "POOLDNS_TEST_IN_NAMESPACE_OF_SCHEMATHESIS";

/// What `.ci/clients` installs, if it is there.
fn installed() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients");
    let marks = ["checks/installed.txt", "current/installed.txt", "legacy/installed.txt", "node/installed.json"];
    if marks.iter().all(|mark| folder.join(mark).exists()) {
        return Some(folder);
    }
    required("no official clients are in target/clients, where .ci/clients installs them");
    None
}

/// A script of `tests/clients`.
fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(name)
}

/// What writes down every answer that comes through it.
struct Recorder {
    child: Child,
    port: u16,
    records: PathBuf,
}

impl Recorder {
    /// A recorder before a server.
    fn start(python: &Path, server: &TestServer) -> Self {
        let records = server.folder.path().join("records");
        let mut command = Command::new(python);
        command.arg(script("recorder.py")).arg(server.api().to_string()).arg(&records);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap(), records }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn official_clients_do_all_they_can_and_every_answer_fits_the_reference() {
    let Some(folder) = installed() else { return };
    let site = Site::http(4);
    site.origins[3].set(Behaviour::Refuse);
    let server = TestServer::start(&format!("{API}{ZONE}"));
    let token = server.token("clients", &[]);
    let python = |environment: &str| folder.join(environment).join("bin/python");
    let recorder = Recorder::start(&python("checks"), &server);
    let origins: Vec<String> = site.addresses().iter().map(ToString::to_string).collect();
    let perform = |program: &Path, name: &str, argument: Option<&Path>| {
        let mut command = Command::new(program);
        command.arg(script(name)).args(argument).env("PYTHONDONTWRITEBYTECODE", "1").env("POOLDNS_TOKEN", &token);
        command.env("POOLDNS_API", format!("http://127.0.0.1:{}/client/v4", recorder.port));
        command.env("POOLDNS_DNS", server.dns().0.to_string()).env("POOLDNS_ZONE", "example.test");
        command.env("POOLDNS_ORIGINS", origins.join(",")).env("POOLDNS_ORIGIN_PORT", site.port.to_string());
        command.env("NODE_MODULES", folder.join("node"));
        let Ran { code, stdout, stderr } = run(&mut command);
        assert_eq!(code, Some(0), "{name}: {stdout}{stderr}");
        stdout
    };
    perform(&python("current"), "current.py", None);
    perform(&python("legacy"), "legacy.py", None);
    perform(Path::new("node"), "current.mjs", None);
    perform(&python("checks"), "failures.py", None);
    eprint!("{}", perform(&python("checks"), "validate.py", Some(&recorder.records)));
}

#[test]
fn schemathesis_finds_nothing_that_our_own_document_does_not_say() {
    let Some(folder) = installed() else { return };
    if std::env::var_os(INSIDE).is_some() {
        return explore(&folder);
    }
    // What it makes up has addresses of others, and is probed: nothing leaves a namespace that has no way out. That takes
    // root, or a kernel that lets everybody be root in a namespace of users.
    let namespace = |program: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--", program]);
        command
    };
    if run(&mut namespace("true")).code != Some(0) {
        return skipped("this machine gives no network namespaces");
    }
    let mut command = namespace("sh");
    command.args(["-c", "ip link set lo up && exec \"$0\" \"$@\""]).arg(std::env::current_exe().unwrap());
    let name = "clients::schemathesis_finds_nothing_that_our_own_document_does_not_say";
    command.args(["--exact", name, "--nocapture"]).env(INSIDE, "1");
    let Ran { code, stdout, stderr } = run(&mut command);
    assert!(code == Some(0) && stdout.contains("1 passed"), "{stdout}{stderr}");
}

/// What happens in the namespace: objects of every kind, and requests of every kind about them.
fn explore(folder: &Path) {
    let server = TestServer::start(&format!("{API}{ZONE}"));
    let token = server.token("schemathesis", &[]);
    let mut http = Http::new(server.api(), &token);
    let mut make = |path: &str, body: serde_json::Value| {
        http.call("POST", path, Some(&body)).result()["id"].as_str().unwrap().to_owned()
    };
    let monitor = make("/user/load_balancers/monitors", json!({"type": "tcp", "port": 1}));
    let origins = json!([{"name": "one", "address": "127.0.0.1"}, {"name": "two", "address": "127.0.0.2"}]);
    let pool = make("/user/load_balancers/pools", json!({"name": "web", "origins": origins, "monitor": monitor}));
    let zone = make("/zones", json!({"name": "made.test"}));
    let balancer = json!({"name": "www.made.test", "default_pools": [pool], "fallback_pool": pool});
    let balancer = make(&format!("/zones/{zone}/load_balancers"), balancer);
    let record = json!({"type": "A", "name": "a.made.test", "content": "192.0.2.1"});
    let record = make(&format!("/zones/{zone}/dns_records"), record);
    let accounts = http.call("GET", "/accounts", None).result();
    // Nothing is deleted, since all the rest is to be about what is there.
    let settings = format!(
        "[parameters]\n\"path.account_id\" = {}\n\"path.monitor_id\" = \"{monitor}\"\n\"path.pool_id\" = \"{pool}\"\n\
         \"path.zone_id\" = \"{zone}\"\n\"path.load_balancer_id\" = \"{balancer}\"\n\"path.dns_record_id\" = \"{record}\"\n\
         \"path.origin_name\" = \"one\"\n[[operations]]\ninclude-method = \"DELETE\"\nenabled = false\n",
        accounts[0]["id"]
    );
    std::fs::write(server.folder.path().join("schemathesis.toml"), settings).unwrap();
    let mut command = Command::new(folder.join("checks/bin/schemathesis"));
    command.arg("run").arg(format!("http://{}/openapi.json", server.api())).current_dir(server.folder.path());
    command.args(["--header", &format!("Authorization: Bearer {token}"), "--seed", "1", "--max-examples", "10"]);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,\
                  response_schema_conformance";
    command.args(["--checks", checks, "--phases", "coverage,fuzzing", "--continue-on-failure", "--max-failures", "20"]);
    let Ran { code, stdout, stderr } = run(&mut command);
    assert_eq!(code, Some(0), "{stdout}{stderr}");
    // Few of them would be no proof.
    let summary = stdout.lines().find(|line| line.contains(" generated, ")).unwrap_or_default();
    let generated = summary.split_whitespace().next().and_then(|number| number.parse().ok());
    assert!(generated.is_some_and(|generated: usize| generated > 5_000), "{stdout}");
    eprintln!("{}", summary.trim());
}
