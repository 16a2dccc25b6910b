//! Knot DNS and NSD as secondaries of ours, as processes on loopback.

use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hickory_proto::rr::{RData, RecordType};

use crate::harness::{Dns, PATIENCE, question};

/// The key that all of these tests sign with: its name, algorithm and secret.
pub(super) const KEY: (&str, &str, &str) =
    ("transfer.example.test", "hmac-sha256", "3Q2+78r+ur4AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhc=");

/// A program that can be a secondary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    Knot,
    Nsd,
}

impl Program {
    /// Its executable.
    pub(super) const fn executable(self) -> &'static str {
        match self {
            Self::Knot => "knotd",
            Self::Nsd => "nsd",
        }
    }

    /// Its configuration: a secondary of `primary` for `zone`.
    fn configuration(self, folder: &str, port: u16, zone: &str, primary: SocketAddr) -> String {
        let (key, algorithm, secret) = KEY;
        let (ip, primary_port) = (primary.ip(), primary.port());
        match self {
            Self::Knot => format!(
                "server:\n  rundir: {folder}\n  listen: 127.0.0.1@{port}\n  udp-workers: 1\n  tcp-workers: 1\n  \
                 background-workers: 2\ncontrol:\n  listen: {folder}/knot.sock\nlog:\n- target: stderr\n  any: info\n\
                 database:\n  storage: {folder}/db\nkey:\n- id: {key}\n  algorithm: {algorithm}\n  secret: {secret}\n\
                 remote:\n- id: ours\n  address: {ip}@{primary_port}\n  key: {key}\n\
                 acl:\n- id: notify\n  address: {ip}\n  key: {key}\n  action: notify\n\
                 zone:\n- domain: {zone}\n  storage: {folder}\n  file: copy.zone\n  master: ours\n  acl: notify\n  \
                 zonefile-sync: -1\n  zonefile-load: none\n"
            ),
            Self::Nsd => format!(
                "server:\n  ip-address: 127.0.0.1@{port}\n  server-count: 1\n  username: \"\"\n  database: \"\"\n  \
                 zonesdir: \"{folder}\"\n  pidfile: \"{folder}/nsd.pid\"\n  xfrdfile: \"{folder}/xfrd.state\"\n  \
                 xfrdir: \"{folder}\"\n  zonelistfile: \"{folder}/zone.list\"\n  rrl-ratelimit: 0\n  verbosity: 2\n\
                 remote-control:\n  control-enable: no\n\
                 key:\n  name: \"{key}\"\n  algorithm: {algorithm}\n  secret: \"{secret}\"\n\
                 zone:\n  name: \"{zone}\"\n  zonefile: \"copy.zone\"\n  allow-notify: {ip} {key}\n  \
                 request-xfr: {ip}@{primary_port} {key}\n"
            ),
        }
    }
}

/// A secondary that runs; it is killed when this is dropped.
pub(super) struct Secondary {
    /// Where it listens.
    pub(super) address: SocketAddr,
    program: Program,
    child: Child,
    folder: tempfile::TempDir,
}

impl Secondary {
    /// Starts a secondary of `primary` on a port, which was free a moment ago.
    pub(super) fn start(program: Program, port: u16, zone: &str, primary: SocketAddr) -> Self {
        let folder = tempfile::Builder::new().prefix(program.executable()).tempdir().unwrap();
        let path = folder.path().to_str().unwrap();
        std::fs::create_dir(folder.path().join("db")).unwrap();
        let config = folder.path().join("server.conf");
        std::fs::write(&config, program.configuration(path, port, zone, primary)).unwrap();
        let output = File::create(folder.path().join("log")).unwrap();
        let mut command = Command::new(program.executable());
        if program == Program::Nsd {
            command.arg("-d");
        }
        command.arg("-c").arg(&config).stdin(Stdio::null());
        let child = command.stdout(output.try_clone().unwrap()).stderr(output).spawn().unwrap();
        Self { address: (Ipv4Addr::LOCALHOST, port).into(), program, child, folder }
    }

    /// What it has said.
    pub(super) fn log(&self) -> String {
        let path: PathBuf = self.folder.path().join("log");
        std::fs::read_to_string(path).unwrap_or_default()
    }

    /// The serial of its copy; none while it has none.
    pub(super) fn serial(&self, zone: &str) -> Option<u32> {
        let socket = Dns(self.address).socket();
        socket.send(&question(zone, RecordType::SOA).to_vec().unwrap()).ok()?;
        socket.set_read_timeout(Some(PATIENCE / 10)).unwrap();
        let mut answer = [0; 1232];
        let length = socket.recv(&mut answer).ok()?;
        let answer = hickory_proto::op::Message::from_vec(&answer[..length]).ok()?;
        answer.answers.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some(soa.serial),
            _ => None,
        })
    }
}

impl Drop for Secondary {
    fn drop(&mut self) {
        // NSD has children, which end when it is asked to.
        Command::new("kill").arg(self.child.id().to_string()).status().ok();
        self.child.wait().ok();
        if std::thread::panicking() {
            eprintln!("{:?} said:\n{}", self.program, self.log());
        }
    }
}

/// A port that is free for both transports now.
pub(super) fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
