//! Settings and policy: the tables of the main file that are not objects.

use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::config::api::{ApiSettings, ApiZones};
use crate::config::guard::{CookiePolicy, RrlPolicy};
use crate::config::health_guard::{self, HealthGuard};
use crate::config::reach::{self, Reach};
use crate::config::webhooks::Webhook;
use crate::model::limits::{
    CONNECTIONS_MAX, CONTROL_PATH_OCTETS_MAX, DRAIN_MAX, FIRST_VERDICT_MAX, IDENTITY_OCTETS_MAX, LISTEN_MAX,
    NSID_OCTETS_MAX, PROBER_THREADS_MAX, PROBES_IN_FLIGHT_MAX, RESOLVERS_MAX, STREAM_TIMEOUT_MAX, STREAM_TIMEOUT_MIN,
    THREADS_MAX, UDP_PAYLOAD_DEFAULT, UDP_PAYLOAD_MAX, UDP_PAYLOAD_MIN, VERDICT_LIFETIME_MAX,
};
use crate::model::tree::Node;
use crate::spec::fault::{Faults, Place};
use crate::spec::fields::{Fields, Key, Spot, defaulted, optional};
use crate::spec::value::{Word, boolean, duration, integer, list, octets, word};

/// What is fixed while the process runs: a reload says which of them changed and wait for a restart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Where queries are taken, UDP and TCP; never empty, no address twice.
    pub listen: Vec<SocketAddr>,
    /// The control socket.
    pub control: PathBuf,
    /// UDP threads of each listen address; 0 means one for each core.
    pub threads: usize,
    /// Whether the server reloads when a configuration file changes.
    pub watch: bool,
    /// How long a stopping server finishes what it began.
    pub drain_timeout: Duration,
    /// DNS over TCP.
    pub tcp: TcpSettings,
    /// Entries of the table of rate limits.
    pub rrl_table_size: usize,
    /// Probing.
    pub health: HealthSettings,
    /// The folder for everything that outlives a restart: copies of transferred zones.
    pub store: PathBuf,
    /// The API over TCP.
    pub api: ApiSettings,
    /// Logs.
    pub log: LogSettings,
}

/// DNS over TCP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TcpSettings {
    /// Connections at one time.
    pub connections_max: usize,
    /// Connections at one time from one client prefix: /24 for IPv4, /56 for IPv6.
    pub connections_per_prefix_max: usize,
    /// How long a connection may stay without a query.
    pub idle_timeout: Duration,
    /// How long a message may take to arrive once its first octet has.
    pub read_timeout: Duration,
    /// How long a client may take to accept an answer.
    pub write_timeout: Duration,
}

/// Probing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthSettings {
    /// Probes at one time.
    pub probes_in_flight_max: usize,
    /// Threads of the probers' runtime.
    pub threads: usize,
    /// How old a verdict of the process before may be to be answered from; none is if it is zero.
    pub verdict_lifetime: Duration,
    /// Who is asked for the names of hosts that are origins; this system's resolvers if it is empty.
    pub resolvers: Vec<SocketAddr>,
}

/// Logs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LogSettings {
    /// The least important level that is logged.
    pub level: LogLevel,
    /// The form of a line.
    pub format: LogFormat,
}

/// How important a log line is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum LogLevel {
    /// Something failed.
    Error,
    /// Something needs a look.
    Warn,
    /// What an operator would tell a colleague.
    Info,
    /// Detail of the control plane.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// The word for it, as log filters take it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// The form of a log line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a reload may change while the process runs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Octets of the largest UDP answer.
    pub udp_payload_max: u16,
    /// Answer to CH TXT `version.bind`; empty means none.
    pub version_bind: String,
    /// Answer to CH TXT `id.server`; empty means none.
    pub id_server: String,
    /// The name server identifier of RFC 5001; empty means none.
    pub nsid: String,
    /// DNS cookies.
    pub cookies: CookiePolicy,
    /// Response rate limiting.
    pub rrl: RrlPolicy,
    /// How long a live name waits for the first verdicts of its own targets.
    pub first_verdict_timeout: Duration,
    /// What zones have that are made through the API.
    pub api_zones: ApiZones,
    /// Which addresses may be probed, and told of changes.
    pub reach: Reach,
    /// When verdicts are doubted.
    pub guard: HealthGuard,
    /// Who is told of changes of health.
    pub webhooks: Vec<Arc<Webhook>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // A name server for everybody is something to decide, and port 53 takes privileges.
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5300)), SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 5300))],
            control: PathBuf::from("/run/pooldns/control.sock"),
            threads: 0,
            watch: false,
            drain_timeout: Duration::from_secs(5),
            tcp: TcpSettings {
                connections_max: 1000,
                connections_per_prefix_max: 100,
                idle_timeout: Duration::from_secs(10),
                read_timeout: Duration::from_secs(5),
                write_timeout: Duration::from_secs(5),
            },
            // 4 MB, for half a million networks at a time.
            rrl_table_size: 1 << 19,
            health: HealthSettings {
                probes_in_flight_max: 2000,
                threads: 1,
                // A restart, also of the machine, and not a night.
                verdict_lifetime: Duration::from_mins(1),
                resolvers: vec![],
            },
            store: PathBuf::from("/var/lib/pooldns"),
            api: ApiSettings::default(),
            log: LogSettings { level: LogLevel::Info, format: LogFormat::Text },
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            udp_payload_max: UDP_PAYLOAD_DEFAULT,
            version_bind: String::new(),
            id_server: String::new(),
            nsid: String::new(),
            cookies: CookiePolicy::default(),
            rrl: RrlPolicy::default(),
            first_verdict_timeout: Duration::from_secs(10),
            api_zones: ApiZones::default(),
            reach: Reach::default(),
            guard: HealthGuard::default(),
            webhooks: vec![],
        }
    }
}

impl Settings {
    /// The keys whose values differ: they wait for a restart.
    pub fn changed_keys(&self, other: &Self) -> Vec<&'static str> {
        let Self { listen, control, threads, watch, drain_timeout, tcp, rrl_table_size, health, store, api, log } =
            self;
        let TcpSettings { connections_max, connections_per_prefix_max, idle_timeout, read_timeout, write_timeout } =
            tcp;
        let HealthSettings { probes_in_flight_max, threads: prober_threads, verdict_lifetime, resolvers } = health;
        let LogSettings { level, format } = log;
        let same = [
            ("server.listen", *listen == other.listen),
            ("server.control", *control == other.control),
            ("server.threads", *threads == other.threads),
            ("server.watch", *watch == other.watch),
            ("server.drain_timeout", *drain_timeout == other.drain_timeout),
            ("tcp.connections_max", *connections_max == other.tcp.connections_max),
            ("tcp.connections_per_prefix_max", *connections_per_prefix_max == other.tcp.connections_per_prefix_max),
            ("tcp.idle_timeout", *idle_timeout == other.tcp.idle_timeout),
            ("tcp.read_timeout", *read_timeout == other.tcp.read_timeout),
            ("tcp.write_timeout", *write_timeout == other.tcp.write_timeout),
            ("rrl.table_size", *rrl_table_size == other.rrl_table_size),
            ("health.probes_in_flight_max", *probes_in_flight_max == other.health.probes_in_flight_max),
            ("health.resolvers", *resolvers == other.health.resolvers),
            ("health.threads", *prober_threads == other.health.threads),
            ("health.verdict_lifetime", *verdict_lifetime == other.health.verdict_lifetime),
            ("store.path", *store == other.store),
            ("api.listen", api.listen == other.api.listen),
            ("api.certificate", api.certificate == other.api.certificate),
            ("api.key", api.key == other.api.key),
            ("api.connections_max", api.connections_max == other.api.connections_max),
            ("api.idle_timeout", api.idle_timeout == other.api.idle_timeout),
            ("api.request_timeout", api.request_timeout == other.api.request_timeout),
            ("log.level", *level == other.log.level),
            ("log.format", *format == other.log.format),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(key, _)| key).collect()
    }
}

/// The keys of `[server]`.
pub const SERVER_KEYS: &[Key] = &[
    defaulted("listen"),
    defaulted("control"),
    defaulted("threads"),
    defaulted("udp_payload_max"),
    defaulted("version_bind"),
    defaulted("id_server"),
    defaulted("nsid"),
    defaulted("watch"),
    defaulted("drain_timeout"),
];

/// The keys of `[tcp]`.
pub const TCP_KEYS: &[Key] = &[
    defaulted("connections_max"),
    defaulted("connections_per_prefix_max"),
    defaulted("idle_timeout"),
    defaulted("read_timeout"),
    defaulted("write_timeout"),
];

/// The keys of `[health]`.
pub const HEALTH_KEYS: &[Key] = &[
    defaulted("first_verdict_timeout"),
    defaulted("probes_in_flight_max"),
    defaulted("threads"),
    defaulted("verdict_lifetime"),
    defaulted("resolvers"),
    defaulted("deny_addresses"),
    defaulted("allow_addresses"),
    defaulted("redirects_to_other_hosts"),
    optional("guard"),
];

/// The keys of `[store]`.
pub const STORE_KEYS: &[Key] = &[defaulted("path")];

/// The keys of `[log]`.
pub const LOG_KEYS: &[Key] = &[defaulted("level"), defaulted("format")];

/// The words for levels.
const LEVELS: &[Word<LogLevel>] = &[
    (LogLevel::Error.word(), Ok(LogLevel::Error)),
    (LogLevel::Warn.word(), Ok(LogLevel::Warn)),
    (LogLevel::Info.word(), Ok(LogLevel::Info)),
    (LogLevel::Debug.word(), Ok(LogLevel::Debug)),
    (LogLevel::Trace.word(), Ok(LogLevel::Trace)),
];

/// The words for forms.
const FORMATS: &[Word<LogFormat>] = &[("text", Ok(LogFormat::Text)), ("json", Ok(LogFormat::Json))];

/// Puts a value where it belongs, if it is given and sound; what is faulty has its fault and leaves the default.
macro_rules! set {
    ($fields:ident, $key:literal, $read:expr => $place:expr) => {
        if let Some(Some(value)) = $fields.read($key, $read).optional() {
            $place = value;
        }
    };
}
pub(super) use set;

/// Reads `[server]`; relative paths are relative to `folder`.
pub(super) fn read_server(
    spot: Spot<'_, '_>,
    folder: &FilePath,
    settings: &mut Settings,
    policy: &mut Policy,
    faults: &mut Faults,
) {
    let Some(mut fields) = Fields::open(spot, SERVER_KEYS, faults) else { return };
    set!(fields, "listen", read_listen => settings.listen);
    set!(fields, "control", |spot, faults| read_control(spot, folder, faults) => settings.control);
    set!(fields, "threads", integer(0, THREADS_MAX) => settings.threads);
    set!(fields, "udp_payload_max", integer(UDP_PAYLOAD_MIN, UDP_PAYLOAD_MAX) => policy.udp_payload_max);
    set!(fields, "version_bind", octets(0, IDENTITY_OCTETS_MAX) => policy.version_bind);
    set!(fields, "id_server", octets(0, IDENTITY_OCTETS_MAX) => policy.id_server);
    set!(fields, "nsid", octets(0, NSID_OCTETS_MAX) => policy.nsid);
    set!(fields, "watch", boolean => settings.watch);
    set!(fields, "drain_timeout", duration(Duration::ZERO, DRAIN_MAX) => settings.drain_timeout);
}

/// Reads `[tcp]`.
pub(super) fn read_tcp(spot: Spot<'_, '_>, settings: &mut Settings, faults: &mut Faults) {
    let Some(mut fields) = Fields::open(spot, TCP_KEYS, faults) else { return };
    let tcp = &mut settings.tcp;
    set!(fields, "connections_max", integer(1, CONNECTIONS_MAX) => tcp.connections_max);
    set!(fields, "connections_per_prefix_max", integer(1, CONNECTIONS_MAX) => tcp.connections_per_prefix_max);
    set!(fields, "idle_timeout", duration(STREAM_TIMEOUT_MIN, STREAM_TIMEOUT_MAX) => tcp.idle_timeout);
    set!(fields, "read_timeout", duration(STREAM_TIMEOUT_MIN, STREAM_TIMEOUT_MAX) => tcp.read_timeout);
    set!(fields, "write_timeout", duration(STREAM_TIMEOUT_MIN, STREAM_TIMEOUT_MAX) => tcp.write_timeout);
}

/// Reads `[health]`.
pub(super) fn read_health(spot: Spot<'_, '_>, settings: &mut Settings, policy: &mut Policy, faults: &mut Faults) {
    let Some(mut fields) = Fields::open(spot, HEALTH_KEYS, faults) else { return };
    let wait = duration(Duration::ZERO, FIRST_VERDICT_MAX);
    set!(fields, "first_verdict_timeout", wait => policy.first_verdict_timeout);
    set!(fields, "probes_in_flight_max", integer(1, PROBES_IN_FLIGHT_MAX) => settings.health.probes_in_flight_max);
    set!(fields, "threads", integer(1, PROBER_THREADS_MAX) => settings.health.threads);
    set!(fields, "verdict_lifetime", duration(Duration::ZERO, VERDICT_LIFETIME_MAX) => settings.health.verdict_lifetime);
    set!(fields, "resolvers", read_resolvers => settings.health.resolvers);
    reach::read(&mut fields, &mut policy.reach);
    set!(fields, "guard", |spot, faults| health_guard::read(spot, &policy.reach, faults) => policy.guard);
}

/// Reads `[store]`; a relative path is relative to `folder`.
pub(super) fn read_store(spot: Spot<'_, '_>, folder: &FilePath, settings: &mut Settings, faults: &mut Faults) {
    let Some(mut fields) = Fields::open(spot, STORE_KEYS, faults) else { return };
    set!(fields, "path", |spot, faults| read_folder(spot, folder, faults) => settings.store);
}

/// Reads `[log]`.
pub(super) fn read_log(spot: Spot<'_, '_>, settings: &mut Settings, faults: &mut Faults) {
    let Some(mut fields) = Fields::open(spot, LOG_KEYS, faults) else { return };
    set!(fields, "level", word(LEVELS) => settings.log.level);
    set!(fields, "format", word(FORMATS) => settings.log.format);
}

/// Reads the addresses for DNS.
fn read_listen(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Vec<SocketAddr>> {
    read_addresses(spot, 1, faults)
}

/// Reads addresses to listen on, at least `min` of them.
pub(super) fn read_addresses(spot: Spot<'_, '_>, min: usize, faults: &mut Faults) -> Option<Vec<SocketAddr>> {
    let items = spot.items(faults)?;
    if !(min..=LISTEN_MAX).contains(&items.len()) {
        faults.push(spot.fault(format!("{} addresses; allowed: {min} to {LISTEN_MAX}", items.len())));
        return None;
    }
    let mut firsts: Vec<(SocketAddr, &Node)> = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let path = spot.path.index(index);
        let item = spot.inner(&path, item);
        let Some(address) = read_socket_address(item, faults) else { continue };
        // Port 0 lets the system choose, so it may come again.
        if let Some((_, first)) = firsts.iter().find(|(other, _)| overlap(*other, address)) {
            let first = Place { source: spot.source, span: first.span.clone() };
            faults.push(item.fault("another in the list has it already").found(item.node.shown()).first(first));
        } else {
            firsts.push((address, item.node));
        }
    }
    (firsts.len() == items.len()).then(|| firsts.into_iter().map(|(address, _)| address).collect())
}

/// Reads the servers that are asked for names of hosts.
fn read_resolvers(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Vec<SocketAddr>> {
    let example = "an address with a port, such as \"127.0.0.1:53\" or \"[::1]:53\"";
    let server = |spot: Spot<'_, '_>, faults: &mut Faults| match spot.text(faults)?.parse::<SocketAddr>() {
        Ok(server) if server.port() > 0 && !server.ip().is_unspecified() => Some(server),
        _ => spot.refuse(example, faults),
    };
    list(RESOLVERS_MAX, server)(spot, faults)
}

/// Whether two listeners would want the same queries: the same address, or one of them has all addresses of the family.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    let same_family = one.is_ipv4() == other.is_ipv4();
    one.port() == other.port() && one.port() != 0 && (one.ip() == other.ip() || (all && same_family))
}

/// Reads an address with a port.
pub(super) fn read_socket_address(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<SocketAddr> {
    let text = spot.text(faults)?;
    let parsed = text.parse().ok();
    parsed.or_else(|| spot.refuse("an address with a port, such as \"127.0.0.1:53\" or \"[::1]:53\"", faults))
}

/// Reads the path of a folder, relative to `folder`.
fn read_folder(spot: Spot<'_, '_>, folder: &FilePath, faults: &mut Faults) -> Option<PathBuf> {
    match spot.text(faults)? {
        text if text.is_empty() || text.contains('\0') => {
            spot.refuse("the path of a folder, such as \"/var/lib/pooldns\"", faults)
        }
        text => Some(folder.join(text)),
    }
}

/// Reads the control socket's path, relative to `folder`.
fn read_control(spot: Spot<'_, '_>, folder: &FilePath, faults: &mut Faults) -> Option<PathBuf> {
    let text = spot.text(faults)?;
    if text.is_empty() || text.contains('\0') {
        return spot.refuse("a path, such as \"/run/pooldns/control.sock\"", faults);
    }
    let path = folder.join(text);
    let length = path.as_os_str().len();
    if length > CONTROL_PATH_OCTETS_MAX {
        let why = format!("its path has {length} octets; a socket's path has at most {CONTROL_PATH_OCTETS_MAX}");
        return spot.reject(why, faults);
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_keys_are_named() {
        let settings = Settings::default();
        assert_eq!(settings.changed_keys(&settings), Vec::<&str>::new());
        let mut other = Settings { threads: 2, ..settings.clone() };
        other.listen.pop();
        other.tcp.read_timeout = Duration::from_secs(9);
        other.log.format = LogFormat::Json;
        let expected = ["server.listen", "server.threads", "tcp.read_timeout", "log.format"];
        assert_eq!(settings.changed_keys(&other), expected);
    }
}
