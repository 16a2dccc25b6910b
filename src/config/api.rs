//! `[api]`: the API over TCP, and what zones have that are made through it.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use crate::config::pem_files;
use crate::config::settings::{Settings, read_addresses};
use crate::model::hosting::Sharing;
use crate::model::limits::{
    API_CONNECTIONS_MAX, API_REQUEST_TIMEOUT_MAX, NAME_SERVERS_MAX, STREAM_TIMEOUT_MAX, STREAM_TIMEOUT_MIN,
};
use crate::model::monitor::ClientFiles;
use crate::model::name::Name;
use crate::model::tree::Table;
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Path, Spot, defaulted, optional};
use crate::spec::hosting;
use crate::spec::value::{duration, integer, list};

use super::settings::set;

/// The API over TCP.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApiSettings {
    /// Where it is offered; nowhere if there is none, and then the control socket alone has it.
    pub listen: Vec<SocketAddr>,
    /// The certificate chain for TLS, a PEM file. Plain HTTP without.
    pub certificate: Option<PathBuf>,
    /// Its private key, a PEM file. There is one if there is a certificate.
    pub key: Option<PathBuf>,
    /// Connections at one time. One network has at most half of them.
    pub connections_max: usize,
    /// How long a connection may stay without the whole head of a request.
    pub idle_timeout: Duration,
    /// How long a request may take.
    pub request_timeout: Duration,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            // Whoever wants no API has none.
            listen: vec![],
            certificate: None,
            key: None,
            connections_max: 256,
            idle_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// What zones have that are made through the API.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ApiZones {
    /// Name servers of new zones: the NS records that they begin with. Who has to do with such zones is said in
    /// [`Declared`](crate::model::inventory::Declared), since it is about those that are there, too.
    pub name_servers: Vec<Name>,
}

/// The keys of `[api]`.
pub const API_KEYS: &[Key] = &[
    defaulted("listen"),
    defaulted("certificate"),
    defaulted("key"),
    defaulted("connections_max"),
    defaulted("idle_timeout"),
    defaulted("request_timeout"),
    optional("zones"),
];

/// The keys of `[api.zones]`.
pub const API_ZONES_KEYS: &[Key] =
    &[defaulted("name_servers"), defaulted("allow_query"), defaulted("allow_transfer"), defaulted("notify")];

/// Reads `[api]`, but for its zones; relative paths are relative to `folder`.
pub(super) fn read(spot: Spot<'_, '_>, folder: &FilePath, settings: &mut Settings, faults: &mut Faults) {
    let Some(mut fields) = Fields::open(spot, API_KEYS, faults) else { return };
    let api = &mut settings.api;
    set!(fields, "listen", |spot, faults| read_addresses(spot, 0, faults) => api.listen);
    let mut file = |key| {
        // An empty path is none, and a faulty one has its fault.
        let path = fields.read(key, |spot, faults| read_file(spot, folder, faults)).optional().flatten()?;
        (!path.as_os_str().is_empty()).then_some(path)
    };
    (api.certificate, api.key) = (file("certificate"), file("key"));
    set!(fields, "connections_max", integer(2, API_CONNECTIONS_MAX) => api.connections_max);
    set!(fields, "idle_timeout", duration(STREAM_TIMEOUT_MIN, STREAM_TIMEOUT_MAX) => api.idle_timeout);
    set!(fields, "request_timeout", duration(Duration::from_secs(1), API_REQUEST_TIMEOUT_MAX) => api.request_timeout);
    let alone = match (&api.certificate, &api.key) {
        (Some(_), None) => Some(("certificate", "a certificate needs its private key: set `key` too")),
        (None, Some(_)) => Some(("key", "a private key needs its certificate: set `certificate` too")),
        _ => None,
    };
    if let Some((key, why)) = alone {
        let fault = fields.fault_at(key, why);
        fields.faults.push(fault);
    }
    if let (Some(certificate), Some(key)) = (&api.certificate, &api.key)
        && !api.listen.is_empty()
        && let Err(why) = pem_files::client(&ClientFiles { certificate: certificate.clone(), key: key.clone() })
    {
        // No fault: DNS does not depend on it, and whoever checks may not be allowed to read the key.
        let warning = fields.fault_at("certificate", format!("{why}; with such files the API stays closed"));
        fields.faults.warn(warning);
    }
    let is_local = |address: &&SocketAddr| address.ip().to_canonical().is_loopback();
    if let Some(address) = api.listen.iter().find(|address| !is_local(address)).filter(|_| api.certificate.is_none()) {
        let why = format!(
            "tokens come to {address} unprotected, and whoever is on the way can use them: set `certificate` and `key`, or \
             listen on a loopback address behind a proxy that speaks TLS"
        );
        let warning = fields.fault_at("listen", why);
        fields.faults.warn(warning);
    }
}

/// Reads `[api.zones]` of the main file; `keys` are those of TSIG, none where some may not be known.
pub(super) fn read_zones(
    root: &Table,
    keys: Option<&HashSet<Name>>,
    (zones, sharing): (&mut ApiZones, &mut Sharing),
    faults: &mut Faults,
) {
    let Some(api) = root.entry("api") else { return };
    let path = Path::ROOT.key("api");
    let spot = Spot { source: 0, path: &path, node: &api.node };
    let crate::model::tree::Value::Table(table) = &api.node.value else { return };
    let Some(entry) = table.entry("zones") else { return };
    let path = path.key("zones");
    let Some(mut fields) = Fields::open(spot.inner(&path, &entry.node), API_ZONES_KEYS, faults) else { return };
    set!(fields, "name_servers", list(NAME_SERVERS_MAX, read_name) => zones.name_servers);
    if let Some(said) = hosting::parse_sharing(&mut fields, keys) {
        *sharing = said;
    }
}

/// Reads a name server's name.
fn read_name(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<Name> {
    let text = spot.text(faults)?;
    let parsed = Name::parse(text, None).ok();
    parsed.or_else(|| spot.refuse("the name of a name server, such as \"ns1.example.com\"", faults))
}

/// Reads the path of a file, relative to `folder`; an empty one stays empty.
fn read_file(spot: Spot<'_, '_>, folder: &FilePath, faults: &mut Faults) -> Option<PathBuf> {
    match spot.text(faults)? {
        "" => Some(PathBuf::new()),
        text if text.contains('\0') => spot.refuse("the path of a file", faults),
        text => Some(folder.join(text)),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{Configuration, Report, load_text};

    /// Loads a configuration with `[api]` in it.
    fn load(text: &str) -> Result<Configuration, Report> {
        load_text("x.toml", &format!("version = 1\n[api]\n{text}"))
    }

    #[test]
    fn a_certificate_and_its_key_come_together() {
        let faults = load("certificate = \"a.pem\"").unwrap_err().to_string();
        assert!(faults.contains("api.certificate: a certificate needs its private key"), "{faults}");
        let faults = load("key = \"a.pem\"").unwrap_err().to_string();
        assert!(faults.contains("api.key: a private key needs its certificate"), "{faults}");
        let both = load("certificate = \"a.pem\"\nkey = \"b.pem\"").unwrap();
        assert_eq!(both.settings.api.key.unwrap().to_str(), Some("b.pem"));
    }

    #[test]
    fn plain_http_beyond_this_machine_is_warned_of() {
        for (listen, tls, warned) in [
            ("127.0.0.1:1", "", false),
            ("[::1]:1", "", false),
            ("192.0.2.1:1", "", true),
            ("0.0.0.0:1", "", true),
            ("192.0.2.1:1", "certificate = \"a\"\nkey = \"b\"", false),
        ] {
            let loaded = load(&format!("listen = [\"{listen}\"]\n{tls}")).unwrap();
            let warnings = loaded.warnings.to_string();
            assert_eq!(warnings.contains("tokens come to"), warned, "{listen} {tls}: {warnings}");
            // There are no such files.
            assert_eq!(warnings.contains("api.certificate: a: there is no such file"), !tls.is_empty(), "{warnings}");
        }
    }

    #[test]
    fn zones_of_the_api_name_keys_that_there_are() {
        let zones =
            "[api.zones]\nname_servers = [\"ns1.example.com\"]\nnotify = [{ address = \"192.0.2.1\", key = \"k\" }]\n";
        let faults = load(zones).unwrap_err().to_string();
        assert!(faults.contains("api.zones.notify[0].key: "), "{faults}");
        let key = "[[keys]]\nname = \"k\"\nalgorithm = \"hmac-sha256\"\nsecret = \"ZXhhbXBsZSBzZWNyZXQ6IGRvIG5vdCB1c2UgdGhpcyE=\"";
        let Configuration { policy, declared, .. } = load(&format!("{zones}{key}")).unwrap();
        let name_server = policy.api_zones.name_servers[0].to_string();
        assert_eq!((name_server.as_str(), declared.sharing.notify.len()), ("ns1.example.com", 1));
    }
}
