//! Targets: what is probed, and what is kept of them over a restart.

use std::net::IpAddr;
use std::sync::Arc;

use crate::model::id::MonitorId;
use crate::model::monitor::Monitor;
use crate::model::pool::{Address, Origin};
use crate::model::stamp::UnixMicros;
use crate::model::verdict::FailReason;

/// What is probed: equal targets are probed once, however many pools share them. The port is the monitor's.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct TargetKey {
    /// Where.
    pub address: IpAddr,
    /// By which rule.
    pub monitor: MonitorId,
    /// The `Host` header field or server name in force: the origin's, else the monitor's. None means the address.
    pub host: Option<Arc<str>>,
}

/// A verdict that is kept over a restart. `Unknown` is nothing to keep.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// Whether it is `Up`; else it is `Down`.
    pub is_up: bool,
    /// Since when it stands; none if it always did.
    pub since: Option<UnixMicros>,
    /// Why it is `Down`, if it is.
    pub reason: Option<FailReason>,
}

/// A verdict that an earlier process left behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftVerdict {
    /// Of which target.
    pub key: TargetKey,
    /// The verdict.
    pub standing: Standing,
    /// When that process last said that it stood by it.
    pub alive: UnixMicros,
}

impl TargetKey {
    /// What `monitor` probes for `origin`, one of whose addresses is `address`.
    pub fn new(origin: &Origin, address: IpAddr, monitor: &Monitor) -> Self {
        let own = || origin.host.as_deref().or_else(|| monitor.host()).map(Arc::from);
        // What is asked for is what clients would ask for, also where it is probed under another address.
        let written = || match &origin.address {
            Address::Host(name) => Some(Arc::from(name.to_string())),
            Address::Ip(address) => origin.probe_address.map(|_| Arc::from(address.to_string())),
        };
        // A connection carries no header field, so origins that differ only in it are one target.
        let host = monitor.check.names_host().then(|| own().or_else(written)).flatten();
        Self { address: origin.probe_address.unwrap_or(address), monitor: monitor.id, host }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::kept::Kept;
    use crate::model::monitor::{Check, ExpectedCodes, HttpCheck};
    use crate::model::name::Name;
    use crate::model::pool::Weight;

    fn http() -> HttpCheck {
        HttpCheck {
            tls: None,
            method: "GET".into(),
            path: "/".into(),
            port: None,
            headers: vec![],
            expected_codes: ExpectedCodes::parse("200").unwrap(),
            expected_body: String::new(),
            follow_redirects: false,
        }
    }

    fn monitor(check: Check) -> Monitor {
        Monitor {
            id: MonitorId::declared("m"),
            name: "m".into(),
            description: String::new(),
            probe_zone: String::new(),
            check,
            source_address: None,
            timeout: Duration::from_secs(1),
            retries: 0,
            interval: Duration::from_secs(5),
            consecutive_up: 0,
            consecutive_down: 0,
            damping: None,
        }
    }

    #[test]
    fn what_is_asked_for_is_what_clients_ask_for() {
        let tcp = Check::Tcp { port: 80 };
        let address: IpAddr = [192, 0, 2, 1].into();
        let probe: IpAddr = [10, 0, 0, 1].into();
        let name = Address::Host(Name::parse("App.example.net", None).unwrap());
        // Where it is, where it is probed instead, its Host; then the address and the Host of the target.
        for (written, probe_address, own, at, host) in [
            (address.into(), None, None, address, None),
            (address.into(), Some(probe), None, probe, Some("192.0.2.1")),
            (name.clone(), None, None, address, Some("app.example.net")),
            (name.clone(), Some(probe), None, probe, Some("app.example.net")),
            (name, None, Some("www.example.com"), address, Some("www.example.com")),
        ] {
            let origin = Origin {
                name: "o".into(),
                address: written,
                probe_address,
                enabled: true,
                weight: Weight::ONE,
                host: own.map(str::to_owned),
                kept: Kept::default(),
            };
            let key = TargetKey::new(&origin, address, &monitor(Check::Http(http())));
            assert_eq!((key.address, key.host.as_deref()), (at, host), "{origin:?}");
            let key = TargetKey::new(&origin, address, &monitor(tcp.clone()));
            assert_eq!((key.address, key.host), (at, None), "a connection asks for nothing");
        }
    }
}
