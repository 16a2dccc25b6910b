//! `pooldns events`: what happened, and what happens, over restarts of the server.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::harness::origin::load_balancer;
use crate::harness::server::command;
use crate::harness::{Behaviour, Ran, Site, TestServer, ZONE, run, wait, wait_some};

/// What is kept of a process that writes lines.
type Lines = Arc<Mutex<Vec<String>>>;

/// A command that follows; it is killed when this is dropped.
struct Following {
    child: Child,
    stdout: Lines,
    stderr: Lines,
}

/// Collects lines as they come.
fn collect(from: impl Read + Send + 'static) -> Lines {
    let lines = Lines::default();
    let into = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            into.lock().unwrap().push(line);
        }
    });
    lines
}

impl Following {
    /// Follows a server's events.
    fn new(server: &TestServer, more: &[&str]) -> Self {
        let mut command = command(server.folder.path(), "events");
        command.arg("--follow").args(more).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (stdout, stderr) = (collect(child.stdout.take().unwrap()), collect(child.stderr.take().unwrap()));
        Self { child, stdout, stderr }
    }

    /// What it has printed, as JSON.
    fn changes(&self) -> Vec<Value> {
        self.stdout.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits until it has printed so many changes.
    #[track_caller]
    fn wait_changes(&self, count: usize) -> Vec<Value> {
        let changes = wait_some("changes", || Some(self.changes()).filter(|changes| changes.len() >= count));
        assert_eq!(changes.len(), count, "{changes:#?}");
        changes
    }

    /// Whether it has complained of something.
    fn complained(&self, word: &str) -> bool {
        self.stderr.lock().unwrap().iter().any(|line| line.contains(word))
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("printed {:#?}\ncomplained {:#?}", self.stdout.lock().unwrap(), self.stderr.lock().unwrap());
        }
    }
}

/// A pool of two origins that needs both, probed often.
fn objects(site: &Site) -> String {
    [
        ZONE.to_owned(),
        site.monitor("web", "tcp", "interval = \"500ms\"\ntimeout = \"400ms\"\nretries = 0"),
        site.pool("web", "web").replace("origins = [", "minimum_origins = 2\norigins = ["),
        load_balancer("www.example.test", &["web"]),
    ]
    .concat()
}

/// Kind, origin, and from what to what.
fn told(change: &Value) -> [&str; 4] {
    ["kind", "origin", "from", "to"].map(|key| change[key].as_str().unwrap_or_default())
}

#[test]
fn following_goes_on_over_a_restart() {
    let site = Site::http(2);
    let mut server = TestServer::start(&objects(&site));
    let mut following = Following::new(&server, &["--json", "--since", "1h"]);
    let first = following.wait_changes(3);
    assert_eq!(first.iter().filter(|change| told(change)[0] == "origin").count(), 2);
    assert!(first.iter().all(|change| change["from"] == "unknown" && change["to"] == "up"), "{first:#?}");

    site.origins[1].set(Behaviour::Refuse);
    let down = following.wait_changes(5);
    assert_eq!(told(&down[3]), ["origin", "web-1", "up", "down"]);
    assert_eq!(told(&down[4]), ["pool", "", "up", "down"]);
    assert_eq!((&down[3]["reason"], &down[3]["count"]), (&"TCP connection failed".into(), &1.into()));
    assert!(down[3]["latency_ms"].as_f64().is_some_and(|latency| latency < 400.0), "{}", down[3]);
    assert_eq!((&down[4]["healthy_origins"], &down[4]["minimum_origins"]), (&1.into(), &2.into()));
    assert_eq!(down[3]["id"], down[4]["id"], "one event");

    // Stopping waits for no follower.
    server.signal("TERM");
    let began = std::time::Instant::now();
    assert!(server.wait_end().success());
    assert!(began.elapsed().as_secs() < 4, "{:?}", began.elapsed());
    wait("the complaint", || following.complained("trying again"));
    server.start_again();
    wait("the answer", || following.complained("answers again"));
    site.origins[1].set(Behaviour::Ok);
    wait("the recovery", || {
        following.changes().last().is_some_and(|change| told(change) == ["pool", "", "down", "up"])
    });
    // Nothing twice, nothing left out.
    let mut ids: Vec<u64> = following.changes().iter().map(|change| change["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted(), "{ids:?}");
    ids.dedup();
    let all: Vec<u64> = (1..=*ids.last().unwrap()).collect();
    assert_eq!(ids, all);
    assert!(!following.complained("GAP"));

    run(Command::new("kill").args(["-s", "INT", &following.child.id().to_string()]));
    let ended = wait_some("its end", || following.child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn what_happened_is_listed() {
    let site = Site::http(2);
    let server = TestServer::start(&objects(&site));
    let events = |more: &[&str]| run(command(server.folder.path(), "events").args(more));
    site.origins[1].set(Behaviour::Refuse);
    let line = wait_some("the event", || {
        let Ran { stdout, .. } = events(&["--pool", "web"]);
        stdout.lines().find(|line| line.contains("web-1") && line.contains("up -> down")).map(str::to_owned)
    });
    let address = site.addresses()[1];
    let expected = format!("Z  web  web-1 {address}  up -> down  TCP connection failed  (1 probe, ");
    assert!(line.contains(&expected) && line.ends_with(" ms)"), "{line}");
    let Ran { code, stdout, stderr } = events(&["--pool", "other"]);
    assert_eq!((code, stdout.as_str(), stderr.as_str()), (Some(0), "", ""));
    assert_eq!(events(&["--since", "0s"]).stdout, "");
    let last = events(&["--limit", "1", "--json"]).stdout;
    let ids: Vec<Value> = last.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].take()).collect();
    assert!(!ids.is_empty() && ids.iter().all(|id| *id == ids[0]), "{last}");
    assert_eq!(events(&["--since", "tomorrow"]).code, Some(2));
}
