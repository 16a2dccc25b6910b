//! Knot DNS and NSD as processes on loopback, with the zones of all sets.

use std::fmt::Write as _;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;
use super::file::master_file;
use super::message::{Question, rtype};
use super::name::Name;
use super::zone::{Zone, ZoneSet};
use crate::harness::{PATIENCE, run};

/// Starts before we give up: each tries a port that was free a moment ago.
const STARTS: usize = 5;
/// Between two looks at a server that starts.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A zone file on disk.
pub struct ZoneFile {
    /// The zone's apex.
    pub apex: Name,
    /// The file's name in its folder.
    pub file: String,
}

/// Writes the zones of all sets into a folder.
pub fn write_files(folder: &Path, sets: &[ZoneSet]) -> Vec<ZoneFile> {
    let zones: Vec<&Zone> = sets.iter().flat_map(|set| &set.0).collect();
    let write = |(number, zone): (usize, &&Zone)| {
        let file = format!("{number}.zone");
        std::fs::write(folder.join(&file), master_file(zone)).unwrap();
        ZoneFile { apex: zone.apex.clone(), file }
    };
    zones.iter().enumerate().map(write).collect()
}

/// A server that is not ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// Knot DNS.
    Knot,
    /// NSD.
    Nsd,
}

impl Program {
    /// Its executable.
    pub const fn executable(self) -> &'static str {
        match self {
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
        }
    }

    /// What it says of its version.
    pub fn version(self) -> String {
        let ran = run(Command::new(self.executable()).arg(if self == Self::Knot { "--version" } else { "-v" }));
        let text = format!("{}{}", ran.stdout, ran.stderr);
        text.lines().next().unwrap_or_default().to_owned()
    }

    /// Its configuration.
    fn configuration(self, folder: &Path, port: u16, zones: &[ZoneFile]) -> String {
        let folder = folder.display();
        let mut text = match self {
            Self::Knot => format!(
                "server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  \
                 background-workers: 2\n  udp-max-payload: 1232\n  answer-rotation: off\n\
                 control:\n  listen: {folder}/knot.sock\n\
                 log:\n- target: stderr\n  any: warning\n\
                 database:\n  storage: {folder}/db\n\
                 template:\n- id: default\n  storage: {folder}\n  zonefile-sync: -1\n  zonefile-load: whole\n  \
                 journal-content: none\nzone:\n"
            ),
            Self::Nsd => format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  database: \"\"\n  \
                 zonesdir: \"{folder}\"\n  pidfile: \"{folder}/nsd.pid\"\n  xfrdfile: \"{folder}/xfrd.state\"\n  \
                 xfrdir: \"{folder}\"\n  zonelistfile: \"{folder}/zone.list\"\n  ipv4-edns-size: 1232\n  \
                 rrl-ratelimit: 0\n  rrl-whitelist-ratelimit: 0\n  answer-cookie: no\n  round-robin: no\n  \
                 tcp-timeout: 120\nremote-control:\n  control-enable: no\n"
            ),
        };
        for ZoneFile { apex, file } in zones {
            match self {
                Self::Knot => writeln!(text, "- domain: {apex}\n  file: {file}"),
                Self::Nsd => writeln!(text, "zone:\n  name: \"{apex}\"\n  zonefile: \"{file}\""),
            }
            .unwrap();
        }
        text
    }
}

/// A server of others that runs; it is killed when this is dropped.
pub struct Rival {
    /// Where it listens.
    pub address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Rival {
    /// Starts a server with zones that lie in `folder`, and waits until it answers for each.
    pub fn start(program: Program, folder: &Path, zones: &[ZoneFile]) -> Self {
        for _ in 0..STARTS {
            let mut rival = Self::spawn(program, folder, zones);
            if rival.becomes_ready(zones) {
                return rival;
            }
            eprintln!("{program:?} does not start on {}: {}", rival.address, rival.log());
        }
        panic!("{program:?} does not start");
    }

    /// Starts a server on a port that is free.
    fn spawn(program: Program, folder: &Path, zones: &[ZoneFile]) -> Self {
        let port = free_port();
        let own = folder.join(program.executable());
        std::fs::create_dir_all(own.join("db")).unwrap();
        for ZoneFile { file, .. } in zones {
            std::fs::copy(folder.join(file), own.join(file)).unwrap();
        }
        let config = own.join("server.conf");
        std::fs::write(&config, program.configuration(&own, port, zones)).unwrap();
        let log = own.join("log");
        let output = File::create(&log).unwrap();
        let mut command = Command::new(program.executable());
        if program == Program::Nsd {
            command.arg("-d");
        }
        command.arg("-c").arg(&config).stdin(Stdio::null());
        command.stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().unwrap();
        Self { address: (Ipv4Addr::LOCALHOST, port).into(), child, log }
    }

    /// Waits until every zone is served over both transports; false when the process ends before.
    fn becomes_ready(&mut self, zones: &[ZoneFile]) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let first = Question { tcp: true, ..start_of(&zones[0].apex) };
        // A closed port is an error, not a time-out; therefore this does not wait long for the first answer.
        while !has_soa(&mut Client::new(self.address), &first) {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < deadline, "no answer from {}: {}", self.address, self.log());
            std::thread::sleep(LOOK_EVERY);
        }
        let mut client = Client::new(self.address);
        for zone in zones {
            while !has_soa(&mut client, &start_of(&zone.apex)) {
                assert!(Instant::now() < deadline, "{} ({}) is not served: {}", zone.apex, zone.file, self.log());
                std::thread::sleep(LOOK_EVERY);
            }
        }
        true
    }

    /// What the server has said.
    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Rival {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port that is free for both transports now.
fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// The question for a zone's SOA.
fn start_of(apex: &Name) -> Question {
    Question {
        name: apex.clone(),
        rtype: rtype::SOA,
        class: 1,
        edns: None,
        dnssec_ok: false,
        recursion: false,
        tcp: false,
    }
}

/// Whether a server answers with a SOA.
fn has_soa(client: &mut Client, question: &Question) -> bool {
    let answer = client.ask(question);
    answer.is_ok_and(|answer| answer.rcode == 0 && answer.authoritative && answer.sections[0].len() == 1)
}
