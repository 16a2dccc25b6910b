//! CPU time of a query over UDP, ours against a minimal `hickory-server`, on one core each, in turns.
//!
//! The server is this executable again, pinned to one CPU; dnsperf has the other. What is compared is the server's
//! user and system time from `/proc`, since the rate depends on what else the machine does. Both answer with two A
//! records and OPT; ours looks one of 10,000 live names up, the baseline does not look at the name at all.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench prints its results and may stop anywhere"
)]

mod support;
#[path = "support/hickory_baseline.rs"]
mod hickory_baseline;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use pooldns::dns::udp::UdpSockets;

use support::inventory::{Sharing, Size, declared, live_name};
use support::stack::{Stack, script};
use support::{Random, quantile};

/// Tells a process which server it is.
const ROLE: &str = "POOLDNS_BENCH_ROLE";
/// The servers, ours first.
const ROLES: [&str; 2] = ["pooldns", "hickory"];
/// Names that dnsperf asks for.
const NAMES: usize = 10_000;
/// Rounds for each server.
const ROUNDS: usize = 7;
/// Seconds of a round.
const SECONDS: &str = "5";
/// The server's CPU, and dnsperf's.
const CPUS: [&str; 2] = ["0", "1"];
/// Ticks a second in `/proc/<pid>/stat`: `USER_HZ`, the same on every Linux.
const TICKS: f64 = 100.0;

fn main() {
    match std::env::var(ROLE).as_deref() {
        Ok("pooldns") => serve_pooldns(),
        Ok(_) => serve_hickory(),
        Err(_) => compare(),
    }
}

/// Serves 10,000 live names until standard input ends.
fn serve_pooldns() {
    let size = Size { names: NAMES, pools: 1_000, origins: 2, fixed: 0, steering: Sharing::Equal };
    let stack = Stack::start(declared(size), script(size).0);
    stack.wait_ready(NAMES, 2);
    let sockets = UdpSockets::bind((Ipv4Addr::LOCALHOST, 0).into(), NonZeroUsize::MIN).unwrap();
    let address = sockets.address();
    let counters = stack.registry.worker();
    let workers = sockets.spawn(|| (stack.engine.worker(counters.clone()), counters.clone())).unwrap();
    println!("{address}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    workers.stop();
    workers.join();
}

/// Serves the baseline until standard input ends.
fn serve_hickory() {
    let (socket, address) = hickory_baseline::bind();
    std::thread::spawn(move || hickory_baseline::serve(socket));
    println!("{address}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// What a round showed.
struct Round {
    /// Queries answered a second.
    rate: f64,
    /// Microseconds of the server's CPU for each, user and system.
    cpu: [f64; 2],
}

/// Runs both servers in turns and prints what they needed.
fn compare() {
    for tool in ["dnsperf", "taskset"] {
        if Command::new(tool).arg("-h").output().is_err() {
            println!("skipped: {tool} is not installed (Debian: dnsperf, util-linux)");
            return;
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let questions = folder.path().join("questions");
    let mut numbers: Vec<usize> = (0..NAMES).collect();
    Random(3).shuffle(&mut numbers);
    let lines: Vec<String> = numbers.into_iter().map(|number| format!("{} A", live_name(number))).collect();
    std::fs::write(&questions, lines.join("\n") + "\n").unwrap();

    println!("{:<6} {:<8} {:>10} {:>14} {:>8} {:>8}", "round", "server", "queries/s", "CPU us/query", "user", "system");
    let mut ratios = Vec::new();
    let mut all = [const { Vec::new() }; 2];
    for number in 1..=ROUNDS {
        let cpu = ROLES.map(|role| {
            let Round { rate, cpu: [user, system] } = run(role, &questions);
            println!("{number:<6} {role:<8} {rate:>10.0} {:>14.2} {user:>8.2} {system:>8.2}", user + system);
            user + system
        });
        let [ours, theirs] = cpu;
        ratios.push(ours / theirs);
        all.iter_mut().zip(cpu).for_each(|(all, cpu)| all.push(cpu));
    }
    let [ours, theirs] = all.map(|mut all| quantile(&mut all, 0.5));
    let ratio = quantile(&mut ratios, 0.5);
    println!("median CPU us/query: pooldns {ours:.2}, hickory {theirs:.2}; median ratio of a round {ratio:.2}");
}

/// One round: starts a server, loads it, stops it.
fn run(role: &str, questions: &Path) -> Round {
    let [server_cpu, client_cpu] = CPUS;
    let exe = std::env::current_exe().unwrap();
    let mut server = Command::new("taskset")
        .args(["-c", server_cpu])
        .arg(exe)
        .env(ROLE, role)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let address: SocketAddr = line.trim().parse().unwrap();
    load(client_cpu, address, questions, "1");
    let before = cpu_times(&server);
    let [completed, rate] = load(client_cpu, address, questions, SECONDS);
    let after = cpu_times(&server);
    // Its standard input ends.
    server.stdin.take().unwrap().flush().unwrap();
    server.wait().unwrap();
    let [user, system] = [0, 1].map(|part: usize| {
        let ticks = |times: &[f64; 2]| times.get(part).copied().unwrap();
        (ticks(&after) - ticks(&before)) / TICKS * 1e6 / completed
    });
    Round { rate, cpu: [user, system] }
}

/// Has dnsperf ask for `seconds`; gives how many queries were answered, and how many a second.
fn load(cpu: &str, address: SocketAddr, questions: &Path, seconds: &str) -> [f64; 2] {
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let output = Command::new("taskset")
        .args(["-c", cpu, "dnsperf", "-s", &host, "-p", &port, "-e", "-c", "20", "-q", "200", "-l", seconds, "-d"])
        .arg(questions)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let codes = number_after(&text, "Response codes:       NOERROR ");
    let completed = number_after(&text, "Queries completed:");
    assert!((codes - completed).abs() < 0.5, "not all answers are NOERROR:\n{text}");
    [completed, number_after(&text, "Queries per second:")]
}

/// The number behind a label of dnsperf's report.
fn number_after(text: &str, label: &str) -> f64 {
    let rest = text.split(label).nth(1).unwrap_or_else(|| unreachable!("dnsperf says nothing of {label}:\n{text}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// User and system time of a process, in ticks.
fn cpu_times(server: &Child) -> [f64; 2] {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    // The fields behind the name, which ends in a parenthesis, start with the third; the times are 14 and 15.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    [11, 12].map(|index: usize| fields[index].parse().unwrap())
}
