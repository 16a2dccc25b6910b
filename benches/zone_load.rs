//! A zone file of 1,000,000 A records: how long until the zone is answered, and how much memory stays in use. Ours,
//! NSD and Knot in turns, each a process of its own on one core.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its results and may stop anywhere")]
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "there is no runtime: the time on the wall counts"
)]

mod support;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use pooldns::model::rrset::Rtype;

use support::query::{Edns, query, rcode};
use support::{address, quantile};

/// A records of the zone.
const RECORDS: usize = 1_000_000;
/// Rounds for each server.
const ROUNDS: usize = 5;
/// The servers' CPU; whoever waits uses the others.
const CPU: &str = "0";
/// How often it is looked whether a server answers.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a server may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// The servers: what they are called, and how one is made to serve the zone at an address from a folder.
const SERVERS: [(&str, Start); 3] = [("pooldns", start_pooldns), ("nsd", start_nsd), ("knotd", start_knot)];

/// Starts a server.
type Start = fn(&Path, SocketAddr) -> Command;

/// What a start showed.
struct Round {
    /// Seconds until it answered.
    ready: f64,
    /// Resident memory then, MB.
    resident: f64,
    /// The most that it has been, MB.
    peak: f64,
}

fn main() {
    let missing = |program: &&str| Command::new(program).arg("-h").output().is_err();
    if let Some(program) = ["nsd", "knotd", "taskset"].iter().find(|program| missing(program)) {
        println!("skipped: {program} is not installed (Debian: nsd, knot, util-linux)");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    write_zone(&folder.path().join("example.com.zone"));
    println!("{:<6} {:<8} {:>9} {:>12} {:>9}", "round", "server", "ready, s", "resident, MB", "peak, MB");
    let mut all = SERVERS.map(|_| [const { Vec::new() }; 3]);
    for number in 1..=ROUNDS {
        for ((name, start), figures) in SERVERS.iter().zip(&mut all) {
            let Round { ready, resident, peak } = run(folder.path(), *start);
            println!("{number:<6} {name:<8} {ready:>9.2} {resident:>12.0} {peak:>9.0}");
            figures.iter_mut().zip([ready, resident, peak]).for_each(|(figures, figure)| figures.push(figure));
        }
    }
    for ((name, _), figures) in SERVERS.iter().zip(&mut all) {
        let [ready, resident, peak] = figures.each_mut().map(|figures| quantile(figures, 0.5));
        println!("median {name:<8} {ready:>9.2} {resident:>12.0} {peak:>9.0}");
    }
}

/// The owner of a record.
fn owner(number: usize) -> String {
    format!("host{number}.example.com.")
}

/// Writes the zone file.
fn write_zone(path: &Path) {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
    file.write_all(b"$ORIGIN example.com.\n$TTL 3600\n@ SOA ns1 hostmaster 1 7200 900 1209600 300\n@ NS ns1\n")
        .unwrap();
    file.write_all(b"ns1 A 192.0.2.53\n").unwrap();
    for number in 0..RECORDS {
        writeln!(file, "host{number} A {}", address(number)).unwrap();
    }
    file.flush().unwrap();
}

/// Starts a server, waits until it answers, and stops it.
fn run(folder: &Path, start: Start) -> Round {
    // The port is free now; whoever takes it before the server does makes this bench fail, and nothing worse.
    let listen = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let mut command = start(folder, listen);
    let begun = Instant::now();
    let mut server = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !answers(listen) {
        assert!(begun.elapsed() < PATIENCE && server.try_wait().unwrap().is_none(), "{command:?} does not serve");
        std::thread::sleep(LOOK_EVERY);
    }
    let ready = begun.elapsed().as_secs_f64();
    let [resident, peak] = memory(&server);
    server.kill().unwrap();
    server.wait().unwrap();
    Round { ready, resident, peak }
}

/// Whether the last name of the zone is answered.
fn answers(server: SocketAddr) -> bool {
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    client.connect(server).unwrap();
    let mut answer = [0; 512];
    let sent = client.send(&query(&owner(RECORDS - 1), Rtype::A, Edns::Without));
    sent.is_ok() && client.recv(&mut answer).is_ok_and(|len| len > 0 && rcode(&answer) == 0)
}

/// Resident memory of a process and its children now, and the most that the process has used, MB.
fn memory(server: &Child) -> [f64; 2] {
    let figure = |pid: &str, field: &str| -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.split_whitespace().next().map_or(0.0, |kilobytes| kilobytes.parse::<f64>().unwrap() / 1e3)
    };
    let pid = server.id().to_string();
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    // Processes that share the zone count it once: the largest stands for all.
    let all = children.split_whitespace().chain([pid.as_str()]);
    let largest = |field: &'static str| all.clone().map(|pid| figure(pid, field)).fold(0.0, f64::max);
    [largest("VmRSS:"), largest("VmHWM:")]
}

/// A program on the servers' CPU.
fn pinned(program: &str) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", CPU, program]);
    command
}

/// Ours.
fn start_pooldns(folder: &Path, listen: SocketAddr) -> Command {
    let config = folder.join("pooldns.toml");
    let control = folder.join("control.sock");
    let text = format!(
        "version = 1\n[server]\nlisten = [\"{listen}\"]\ncontrol = \"{}\"\n\
         [[zones]]\nname = \"example.com\"\nfile = \"example.com.zone\"\n",
        control.display()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = pinned(env!("CARGO_BIN_EXE_pooldns"));
    command.arg("serve").arg("--config").arg(config);
    command
}

/// NSD in the foreground, one process, nothing written.
fn start_nsd(folder: &Path, listen: SocketAddr) -> Command {
    let config = folder.join("nsd.conf");
    let path = folder.display();
    let text = format!(
        "server:\n  ip-address: {}@{}\n  server-count: 1\n  username: \"\"\n  chroot: \"\"\n  zonesdir: \"{path}\"\n  \
         database: \"\"\n  pidfile: \"{path}/nsd.pid\"\n  xfrdfile: \"{path}/xfrd.state\"\n  xfrdir: \"{path}\"\n  \
         zonelistfile: \"{path}/zone.list\"\nremote-control:\n  control-enable: no\n\
         zone:\n  name: example.com\n  zonefile: example.com.zone\n",
        listen.ip(),
        listen.port()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = pinned("nsd");
    command.arg("-d").arg("-c").arg(config);
    command
}

/// Knot in the foreground, a thread of each kind, nothing written.
fn start_knot(folder: &Path, listen: SocketAddr) -> Command {
    let config = folder.join("knot.conf");
    let path = folder.display();
    let text = format!(
        "server:\n  rundir: \"{path}\"\n  listen: {}@{}\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
         database:\n  storage: \"{path}\"\n\
         template:\n  - id: default\n    storage: \"{path}\"\n    zonefile-sync: -1\n    journal-content: none\n\
         zone:\n  - domain: example.com\n    file: example.com.zone\n",
        listen.ip(),
        listen.port()
    );
    std::fs::write(&config, text).unwrap();
    let mut command = pinned("knotd");
    command.arg("-c").arg(config);
    command
}
