//! The API over HTTP, the real server and a real disk: acknowledged changes a second with 32 connections, a list of 10,000
//! pools, how soon after its acknowledgement a change is in DNS answers, and what the API under full load costs queries.
//!
//! For the last of these the server's UDP thread has one CPU, and everything else has the other: the rest of the server,
//! dnsperf, and this executable. Queries come at a fixed rate, since their CPU time depends on how many come at once.
//! `API_FOLDER` names another place than the target folder for the store.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its results and may stop anywhere")]
#![expect(clippy::disallowed_types, clippy::disallowed_methods, reason = "whole processes run on the real clock")]
#![allow(clippy::expect_used, clippy::indexing_slicing, dead_code, reason = "a client that is shared with the tests")]

mod support;
#[path = "../tests/it/harness/http.rs"]
mod http;

use std::io::BufRead as _;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Scope, ScopedJoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use http::Http;
use support::{Random, quantile};

/// Pools that there are.
const POOLS: usize = 10_000;
/// Connections that write at one time.
const CONNECTIONS: usize = 32;
/// How long changes are counted.
const DURATION: Duration = Duration::from_secs(10);
/// Lists that are timed.
const LISTS: usize = 30;
/// Changes that are followed into DNS.
const FOLLOWED: usize = 500;
/// Rounds with and without load.
const ROUNDS: usize = 5;
/// Queries a second, far below what one CPU answers.
const QUERIES: usize = 20_000;
/// Seconds of a round.
const SECONDS: u64 = 5;
/// The CPU of DNS, and that of everything else.
const CPUS: [&str; 2] = ["0", "1"];
/// Ticks a second in `/proc/<pid>/stat`: `USER_HZ`, the same on every Linux.
const TICKS: f64 = 100.0;
/// All pools of the API.
const PATH: &str = "/user/load_balancers/pools";
/// The server's objects.
const CONFIG: &str = r#"
version = 1
[server]
listen = ["127.0.0.1:0"]
control = "control.sock"
threads = 1
[api]
listen = ["127.0.0.1:0"]
[store]
path = "store"
[log]
level = "warn"
[[zones]]
name = "example.test"
records = ["@ SOA ns1 hostmaster 1 7200 900 1209600 300", "@ NS ns1", "ns1 A 192.0.2.53"]
"#;

fn main() {
    let place =
        std::env::var_os("API_FOLDER").map_or_else(|| PathBuf::from(env!("CARGO_TARGET_TMPDIR")), PathBuf::from);
    let folder = tempfile::tempdir_in(place).unwrap();
    let server = Server::start(folder.path());
    let pools = fill(&server);
    let names = balancers(&server, &pools);
    let [rate, p50, p99, max] = change(&server, &pools, DURATION);
    println!(
        "{CONNECTIONS} connections: {rate:.0} changes/s acknowledged, p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.1} ms"
    );
    list(&server);
    follow(&server, &pools, "");
    follow(&server, &pools, "?wait=live");
    compare(&server, folder.path(), &pools, &names);
}

/// The real server.
struct Server {
    child: Child,
    dns: SocketAddr,
    api: SocketAddr,
    token: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Server {
    /// Starts it in a folder.
    fn start(folder: &Path) -> Self {
        std::fs::write(folder.join("pooldns.toml"), CONFIG).unwrap();
        let command = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_pooldns"));
            command.args(arguments).arg("--config").arg(folder.join("pooldns.toml"));
            command
        };
        let child = command(&["serve"]).stderr(Stdio::null()).spawn().unwrap();
        let status = loop {
            let output = command(&["status"]).stderr(Stdio::null()).output().unwrap();
            if output.status.success() {
                break output.stdout;
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let after = |words: &str| {
            let line = status.lines().map_while(Result::ok).find_map(|line| Some(line.split_once(words)?.1.to_owned()));
            let line = line.unwrap();
            line.split([';', ',']).next().unwrap().trim().parse().unwrap()
        };
        let token = command(&["token", "create", "bench"]).output().unwrap().stdout;
        let token = String::from_utf8(token).unwrap().trim().to_owned();
        Self { child, dns: after("listens on "), api: after("offers its API on "), token }
    }

    /// A client of its API.
    fn http(&self) -> Http {
        Http::new(self.api, &self.token)
    }
}

/// A pool with four addresses that follow from two numbers.
fn body(pool: usize, version: usize) -> Value {
    let [.., high, low] = version.to_be_bytes();
    let origin = |index: usize| json!({"name": format!("o{index}"), "address": format!("10.{index}.{high}.{low}")});
    let origins: Vec<Value> = (0..4).map(origin).collect();
    json!({"name": format!("pool-{pool}"), "origins": origins})
}

/// Makes the pools, and gives their ids.
fn fill(server: &Server) -> Vec<String> {
    let started = Instant::now();
    let mut made: Vec<(usize, String)> = std::thread::scope(|scope| {
        let writer = |first: usize| {
            scope.spawn(move || {
                let mut http = server.http();
                let make = |pool| {
                    let made = http.call("POST", PATH, Some(&body(pool, 0))).result();
                    (pool, made["id"].as_str().unwrap().to_owned())
                };
                (first..POOLS).step_by(CONNECTIONS).map(make).collect::<Vec<_>>()
            })
        };
        let writers: Vec<_> = (0..CONNECTIONS).map(writer).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    made.sort_unstable();
    #[expect(clippy::cast_precision_loss, reason = "a rate to four digits")]
    let rate = POOLS as f64 / started.elapsed().as_secs_f64();
    println!("{POOLS} pools made, {rate:.0} a second");
    made.into_iter().map(|(_, id)| id).collect()
}

/// Makes a load balancer for every tenth pool, and gives their names.
fn balancers(server: &Server, pools: &[String]) -> Vec<String> {
    let mut http = server.http();
    let zone = http.call("GET", "/zones", None).result()[0]["id"].as_str().unwrap().to_owned();
    let make = |(number, pool): (usize, &String)| {
        let name = format!("n{number}.example.test");
        let body = json!({"name": name, "default_pools": [pool], "fallback_pool": pool});
        http.call("POST", &format!("/zones/{zone}/load_balancers?wait=live"), Some(&body)).result();
        name
    };
    pools.iter().step_by(10).enumerate().map(make).collect()
}

/// Has all connections change pools; gives changes a second, and how many milliseconds they took.
fn change(server: &Server, pools: &[String], duration: Duration) -> [f64; 4] {
    let stop = AtomicBool::new(false);
    let mut latencies: Vec<f64> = std::thread::scope(|scope| {
        let writers = writers(scope, server, pools, &stop);
        std::thread::sleep(duration);
        stop.store(true, Ordering::Relaxed);
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    });
    #[expect(clippy::cast_precision_loss, reason = "a rate to four digits")]
    let rate = latencies.len() as f64 / duration.as_secs_f64();
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| quantile(&mut latencies, part));
    [rate, p50, p99, max]
}

/// Has all connections change pools until told to stop.
fn writers<'s>(
    scope: &'s Scope<'s, '_>,
    server: &'s Server,
    pools: &'s [String],
    stop: &'s AtomicBool,
) -> Vec<ScopedJoinHandle<'s, Vec<f64>>> {
    (0..CONNECTIONS).map(|writer| scope.spawn(move || write(server, pools, writer, stop))).collect()
}

/// Changes pools over one connection until told to stop; gives how many milliseconds each change took.
fn write(server: &Server, pools: &[String], writer: usize, stop: &AtomicBool) -> Vec<f64> {
    let (mut http, mut random) = (server.http(), Random(writer as u64));
    let mut latencies = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let pool = random.below(pools.len());
        let body = body(pool, 1 + random.below(60_000));
        let path = format!("{PATH}/{}", pools[pool]);
        let started = Instant::now();
        let answer = http.call("PUT", &path, Some(&body));
        latencies.push(started.elapsed().as_secs_f64() * 1e3);
        assert_eq!(answer.status, 200);
    }
    latencies
}

/// Lists all pools some times.
fn list(server: &Server) {
    let mut http = server.http();
    let mut octets = 0;
    let mut times: Vec<f64> = (0..LISTS)
        .map(|_| {
            let started = Instant::now();
            octets = http.call("GET", PATH, None).octets.len();
            started.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let [p50, max] = [0.5, 1.0].map(|part| quantile(&mut times, part));
    println!("list of {POOLS} pools, {octets} octets: p50 {p50:.1} ms, max {max:.1} ms until the last octet");
}

/// Changes a pool some times, and looks when DNS has the change: milliseconds after its acknowledgement.
fn follow(server: &Server, pools: &[String], parameters: &str) {
    let mut http = server.http();
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.dns).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let query =
        support::query::query("n0.example.test", pooldns::model::rrset::Rtype::A, support::query::Edns::Without);
    let path = format!("{PATH}/{}{parameters}", pools[0]);
    let mut answer = [0; 512];
    let mut at_once = 0;
    let mut times: Vec<f64> = (0..FOLLOWED)
        .map(|turn| {
            let version = 61_000 + turn;
            let [.., high, low] = version.to_be_bytes();
            http.call("PUT", &path, Some(&body(0, version))).result();
            let acknowledged = Instant::now();
            for attempt in 0.. {
                socket.send(&query).unwrap();
                let length = socket.recv(&mut answer).unwrap();
                if answer[..length].windows(4).any(|octets| octets == [10, 3, high, low]) {
                    at_once += usize::from(attempt == 0);
                    break;
                }
            }
            acknowledged.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let [p50, p99, max] = [0.5, 0.99, 1.0].map(|part| quantile(&mut times, part));
    println!(
        "from PUT{parameters}'s acknowledgement until DNS answers with it: p50 {p50:.2} ms, p99 {p99:.2} ms, max {max:.2} ms; \
         {at_once} of {FOLLOWED} in the first answer"
    );
}

/// CPU time of a query with and without load of the API.
fn compare(server: &Server, folder: &Path, pools: &[String], names: &[String]) {
    for tool in ["dnsperf", "taskset"] {
        if Command::new(tool).arg("-h").output().is_err() {
            println!("skipped: {tool} is not installed (Debian: dnsperf, util-linux)");
            return;
        }
    }
    let lines: Vec<String> = names.iter().map(|name| format!("{name} A")).collect();
    let questions = folder.join("questions");
    std::fs::write(&questions, lines.join("\n") + "\n").unwrap();
    let [dns_cpu, other_cpu] = CPUS;
    for process in [server.child.id(), std::process::id()] {
        pin(&["-a"], other_cpu, process);
    }
    let thread = udp_thread(server);
    pin(&[], dns_cpu, thread);
    let measure = || {
        let before = cpu_time(server, thread);
        let answered = ask(server.dns, &questions);
        (cpu_time(server, thread) - before) * 1e6 / answered
    };
    let mut ratios = Vec::new();
    println!("{:<6} {:>14} {:>20} {:>10}", "round", "CPU us/query", "with API under load", "changes/s");
    for round in 1..=ROUNDS {
        let idle = measure();
        let stop = AtomicBool::new(false);
        let (busy, changes) = std::thread::scope(|scope| {
            let writers = writers(scope, server, pools, &stop);
            let busy = measure();
            stop.store(true, Ordering::Relaxed);
            (busy, writers.into_iter().map(|writer| writer.join().unwrap().len()).sum::<usize>())
        });
        println!("{round:<6} {idle:>14.2} {busy:>20.2} {:>10}", changes as u64 / SECONDS);
        ratios.push(busy / idle);
    }
    println!("median ratio of a round {:.3}", quantile(&mut ratios, 0.5));
}

/// Pins a process, or a thread, to a CPU.
fn pin(options: &[&str], cpu: &str, id: u32) {
    let output = Command::new("taskset").args(options).args(["-c", "-p", cpu, &id.to_string()]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The server's thread that answers over UDP.
fn udp_thread(server: &Server) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", server.child.id())).unwrap();
    let mut threads = tasks
        .map(|task| task.unwrap().path())
        .filter(|task| std::fs::read_to_string(task.join("comm")).unwrap().starts_with("udp"));
    threads.next().unwrap().file_name().unwrap().to_str().unwrap().parse().unwrap()
}

/// User and system time of a thread, seconds.
fn cpu_time(server: &Server, thread: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/task/{thread}/stat", server.child.id())).unwrap();
    // The fields behind the name, which ends in a parenthesis, start with the third; the times are 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].map(|index: usize| fields[index].parse::<f64>().unwrap()).iter().sum::<f64>() / TICKS
}

/// Has dnsperf ask at the fixed rate; gives how many queries were answered.
fn ask(address: SocketAddr, questions: &Path) -> f64 {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let output = Command::new("dnsperf")
        .args(["-s", &host, "-p", &port, "-c", "20", "-q", "2000", "-Q", &QUERIES.to_string(), "-d"])
        .arg(questions)
        .args(["-l", &SECONDS.to_string()])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let rest = text.split("Queries completed:").nth(1).unwrap();
    rest.split_whitespace().next().unwrap().parse().unwrap()
}
