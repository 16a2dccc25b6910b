//! The resolver for names of hosts: this system's, or the ones that the configuration names. All it gives is asked anew, so that
//! the TTL is what the records say, and nothing is kept twice.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::rr::{Name as ProtoName, RData, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

use crate::health::hosts::{Found, Resolve};
use crate::model::limits::{LOOKUP_ATTEMPTS, LOOKUP_TIMEOUT};
use crate::model::name::Name;
use crate::model::verdict::FailReason;

/// A stub resolver.
pub struct StubResolver(TokioResolver);

impl StubResolver {
    /// Asks `servers`, or, if there are none, those that this system asks. The error says why there is nobody to ask.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, String> {
        let mut builder = if servers.is_empty() {
            Resolver::builder_tokio().map_err(|error| error.to_string())?
        } else {
            let servers = servers.iter().copied().map(name_server).collect();
            let config = ResolverConfig::from_parts(None, vec![], servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        options.cache_size = 0;
        options.timeout = LOOKUP_TIMEOUT;
        options.attempts = LOOKUP_ATTEMPTS;
        if !servers.is_empty() {
            options.use_hosts_file = ResolveHosts::Never;
        }
        builder.build().map(Self).map_err(|error| error.to_string())
    }
}

/// A server that is asked by UDP, and by TCP for what does not fit.
fn name_server(address: SocketAddr) -> NameServerConfig {
    let mut connections = vec![ConnectionConfig::udp(), ConnectionConfig::tcp()];
    for connection in &mut connections {
        connection.port = address.port();
    }
    NameServerConfig::new(address.ip(), true, connections)
}

impl Resolve for StubResolver {
    fn look_up<'r>(&'r self, name: &'r Name) -> Pin<Box<dyn Future<Output = Result<Found, FailReason>> + Send + 'r>> {
        Box::pin(async move {
            let name = ProtoName::from_ascii(format!("{name}.")).map_err(|_| FailReason::UnknownHost)?;
            let (v4, v6) = tokio::join!(
                self.0.lookup(name.clone(), RecordType::A),
                self.0.lookup(name.clone(), RecordType::AAAA),
            );
            let (v4, v6) = (family(v4), family(v6));
            let is_complete = v4.is_ok() && v6.is_ok();
            let found = v4.iter().chain(&v6).flatten().fold(
                Found { addresses: vec![], ttl: Duration::MAX, is_complete },
                |mut found, part| {
                    found.addresses.extend(&part.addresses);
                    found.ttl = found.ttl.min(part.ttl);
                    found
                },
            );
            let is_empty = found.addresses.is_empty();
            if is_empty { Err(v4.err().or_else(|| v6.err()).unwrap_or(FailReason::UnknownHost)) } else { Ok(found) }
        })
    }
}

/// What the look-up of one family gives; none if it says for certain that there are no addresses.
fn family(looked_up: Result<Lookup, NetError>) -> Result<Option<Found>, FailReason> {
    let lookup = match looked_up {
        Ok(lookup) => lookup,
        Err(NetError::Dns(DnsError::NoRecordsFound(_))) => return Ok(None),
        Err(NetError::Timeout) => return Err(FailReason::LookupTimeout),
        Err(_) => return Err(FailReason::LookupFailed),
    };
    let address = |rdata: &RData| rdata.ip_addr();
    let addresses = lookup.answers().iter().filter_map(|record| address(&record.data)).collect();
    // Of all records that led to the addresses.
    let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
    Ok(Some(Found { addresses, ttl: Duration::from_secs(ttl.into()), is_complete: true }))
}
