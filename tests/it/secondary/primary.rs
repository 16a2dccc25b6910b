//! Primaries of others: Knot DNS and NSD, unprivileged, in a folder of their own, each with a key.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hickory_proto::rr::RecordType;

use crate::harness::{Dns, question, run, wait};

/// The zone that they serve.
pub(super) const APEX: &str = "example.org";
/// The secret of their key, and ours.
pub(super) const SECRET: &str = "dGhpcyBpcyBhIHNlY3JldCBmb3IgdGVzdHMgb25seSE=";

/// Which server it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Make {
    /// Knot DNS.
    Knot,
    /// NSD.
    Nsd,
}

/// A primary that runs; it is killed when this is dropped.
pub(super) struct Primary {
    folder: tempfile::TempDir,
    make: Make,
    algorithm: &'static str,
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Whom it tells of changes.
    notify: Option<SocketAddr>,
    child: Option<Child>,
}

/// A port that is free for UDP and TCP at this moment; these servers cannot be told to choose one.
fn free_port() -> u16 {
    loop {
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = tcp.local_addr().unwrap().port();
        if UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A zone file: a SOA record with these numbers, then these lines.
pub(super) fn zone_file(serial: u32, times: &str, lines: &str) -> String {
    format!("$ORIGIN {APEX}.\n$TTL 300\n@ SOA ns1 hostmaster {serial} {times} 300\n@ NS ns1\nns1 A 192.0.2.53\n{lines}")
}

impl Primary {
    /// Starts a server with a zone; `algorithm` is that of its key.
    #[track_caller]
    pub(super) fn start(make: Make, algorithm: &'static str, zone: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("primary").tempdir().unwrap();
        let address = (Ipv4Addr::LOCALHOST, free_port()).into();
        let mut primary = Self { folder, make, algorithm, address, notify: None, child: None };
        std::fs::write(primary.zone_path(), zone).unwrap();
        primary.run();
        primary
    }

    /// Starts the process again after [`Primary::stop`].
    #[track_caller]
    pub(super) fn run(&mut self) {
        let config = self.folder.path().join("config");
        std::fs::write(&config, self.config()).unwrap();
        let mut command = match self.make {
            Make::Knot => Command::new("knotd"),
            Make::Nsd => Command::new("nsd"),
        };
        command.arg("-c").arg(config);
        if self.make == Make::Nsd {
            command.arg("-d");
        }
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        wait("the primary", || self.answers());
    }

    /// Whether it answers for the zone.
    fn answers(&self) -> bool {
        let socket = Dns(self.address).socket();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut answer = [0; 512];
        let sent = socket.send(&question(&format!("{APEX}."), RecordType::SOA).to_vec().unwrap());
        // Refused as long as nobody listens; SERVFAIL as long as the zone is being read.
        sent.and_then(|_| socket.recv(&mut answer)).is_ok() && answer[3] % 16 == 0
    }

    /// Stops the process.
    pub(super) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            run(Command::new("kill").args(["-s", "TERM", &child.id().to_string()]));
            child.wait().unwrap();
        }
    }

    /// Has it tell a server of changes from the next start on.
    pub(super) fn tell(&mut self, server: SocketAddr) {
        self.stop();
        self.notify = Some(server);
        self.run();
    }

    /// Replaces its zone.
    #[track_caller]
    pub(super) fn edit(&self, zone: &str) {
        std::fs::write(self.zone_path(), zone).unwrap();
        match self.make {
            Make::Knot => {
                let socket = self.folder.path().join("knot.sock");
                let ran = run(Command::new("knotc").arg("-s").arg(socket).args(["zone-reload", APEX]));
                assert_eq!(ran.code, Some(0), "{ran:?}");
            }
            Make::Nsd => {
                let pid = self.child.as_ref().unwrap().id().to_string();
                run(Command::new("kill").args(["-s", "HUP", &pid]));
            }
        }
    }

    /// Its zone file.
    pub(super) fn zone_path(&self) -> std::path::PathBuf {
        self.folder.path().join("zone")
    }

    fn config(&self) -> String {
        let folder = self.folder.path();
        match self.make {
            Make::Knot => self.knot_config(folder),
            Make::Nsd => self.nsd_config(folder),
        }
    }

    fn knot_config(&self, folder: &Path) -> String {
        let (folder, port, algorithm) = (folder.display(), self.address.port(), self.algorithm);
        let (remote, notify) = self.notify.map_or_else(Default::default, |server| {
            let remote =
                format!("remote:\n  - id: us\n    address: {}@{}\n    key: transfer\n", server.ip(), server.port());
            (remote, "    notify: us\n")
        });
        format!(
            "server:\n    listen: 127.0.0.1@{port}\n    rundir: {folder}\n    udp-workers: 1\n    tcp-workers: 1\n\
             database:\n    storage: {folder}\n\
             log:\n  - target: stderr\n    any: info\n\
             key:\n  - id: transfer\n    algorithm: {algorithm}\n    secret: {SECRET}\n\
             {remote}acl:\n  - id: out\n    key: transfer\n    action: transfer\n\
             zone:\n  - domain: {APEX}\n    file: {folder}/zone\n    acl: out\n{notify}    zonefile-load: difference\n    \
             zonefile-sync: -1\n    journal-content: changes\n"
        )
    }

    fn nsd_config(&self, folder: &Path) -> String {
        let (folder, port, algorithm) = (folder.display(), self.address.port(), self.algorithm);
        let notify = self
            .notify
            .map_or_else(String::new, |server| format!("    notify: {}@{} transfer\n", server.ip(), server.port()));
        format!(
            "server:\n    ip-address: 127.0.0.1@{port}\n    username: \"\"\n    database: \"\"\n    zonesdir: {folder}\n    \
             pidfile: {folder}/pid\n    xfrdfile: {folder}/xfrd\n    xfrdir: {folder}\n    zonelistfile: {folder}/zones\n    \
             server-count: 1\n    verbosity: 2\n\
             remote-control:\n    control-enable: no\n\
             key:\n    name: transfer\n    algorithm: {algorithm}\n    secret: \"{SECRET}\"\n\
             zone:\n    name: {APEX}\n    zonefile: zone\n    provide-xfr: 127.0.0.1 transfer\n{notify}    \
             store-ixfr: yes\n    create-ixfr: yes\n"
        )
    }
}

impl Drop for Primary {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!("the primary's log:\n{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap());
        }
    }
}
