//! The HTTP client of one attempt, for HTTP and gRPC: it connects to one address only, without a proxy, a resolver, or
//! redirects. Making one takes 2 µs, because what is costly about TLS is shared.

use std::net::{IpAddr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder, Url};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::health::probe::Attempt;
use crate::health::table::TargetKey;
use crate::model::limits::{PROBE_HEADER_OCTETS_MAX, PROBE_HEADERS_MAX, PROBE_WINDOW_OCTETS};
use crate::model::monitor::Scheme;
use crate::model::verdict::FailReason;

/// Who we say we are. Operators find us in their logs by it, so a monitor cannot change it.
pub(super) const PRODUCT: &str = concat!("pooldns/", env!("CARGO_PKG_VERSION"), " (health monitor)");

/// A client that connects to `address`.
pub(super) fn builder(attempt: &Attempt<'_>, address: IpAddr, tls: ClientConfig) -> ClientBuilder {
    Client::builder()
        .tls_backend_preconfigured(tls)
        .dns_resolver(OneAddress(address))
        .local_address(attempt.source.filter(|source| source.is_ipv4() == address.is_ipv4()))
        .no_proxy()
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_max_headers(PROBE_HEADERS_MAX)
        .http2_max_header_list_size(PROBE_HEADER_OCTETS_MAX)
        .http2_initial_stream_window_size(PROBE_WINDOW_OCTETS)
        .http2_initial_connection_window_size(PROBE_WINDOW_OCTETS)
        .pool_max_idle_per_host(0)
        .connect_timeout(attempt.timeout)
}

/// Does an exchange in time.
pub(super) async fn unless_late(
    attempt: &Attempt<'_>,
    exchange: impl Future<Output = Result<(), FailReason>>,
) -> Result<(), FailReason> {
    tokio::select! {
        // The exchange is asked first, and this timer starts after its first poll, in which the client starts its own for
        // the connection. So when no connection is made, the client gets to say so.
        biased;
        result = exchange => result,
        () = async { tokio::time::sleep(attempt.timeout).await } => Err(FailReason::HttpTimeout),
    }
}

/// The URL, whose host is the name in the TLS handshake: the host in force without its port, else the address.
pub(super) fn url(scheme: Scheme, port: u16, path: &str, key: &TargetKey) -> Option<Url> {
    let word = scheme.word();
    let with_host = |host: &str| Url::parse(&format!("{word}://{host}:{port}{path}")).ok();
    let address = match key.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    if !path.starts_with('/') {
        return None;
    }
    let Some(host) = key.host.as_deref() else { return with_host(&address) };
    let url = match name_of(host)? {
        HostName::Address => return with_host(&address),
        HostName::Name(name) => with_host(name)?,
    };
    // Numbers in strange forms are addresses to a URL, and the connection would go there.
    let Some(name) = url.domain() else { return with_host(&address) };
    let usable = scheme == Scheme::Http || ServerName::try_from(name).is_ok();
    usable.then_some(url)
}

/// What a handshake asks for: the host in force, else the address.
pub(super) fn server_name(key: &TargetKey) -> Option<ServerName<'static>> {
    match key.host.as_deref().map(name_of) {
        None | Some(Some(HostName::Address)) => Some(ServerName::from(key.address)),
        Some(Some(HostName::Name(name))) => ServerName::try_from(name.to_owned()).ok(),
        Some(None) => None,
    }
}

/// What a `Host` value is, without its port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum HostName<'a> {
    /// An IP address: sent as it is, but neither connected to nor asked for in the handshake.
    Address,
    /// A name.
    Name(&'a str),
}

/// Reads a `Host` value; none if it is neither a name nor an address.
fn name_of(host: &str) -> Option<HostName<'_>> {
    if host.parse::<IpAddr>().is_ok() || host.parse::<SocketAddr>().is_ok() {
        return Some(HostName::Address);
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if bracketed.is_some_and(|inner| inner.parse::<IpAddr>().is_ok()) {
        return Some(HostName::Address);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let letters = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
    let legal = !name.is_empty() && name.bytes().all(letters) && port.bytes().all(|octet| octet.is_ascii_digit());
    legal.then_some(HostName::Name(name))
}

/// Resolves every name to one address: the name of a URL is only a name to ask for.
#[derive(Clone, Copy, Debug)]
struct OneAddress(IpAddr);

impl Resolve for OneAddress {
    fn resolve(&self, _: Name) -> Resolving {
        // The port is the URL's.
        let addresses: Addrs = Box::new(std::iter::once(SocketAddr::new(self.0, 0)));
        Box::pin(std::future::ready(Ok(addresses)))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::id::MonitorId;

    #[test]
    fn urls_from_address_host_and_port() {
        use Scheme::{Http, Https};
        for (scheme, port, address, host, url) in [
            (Http, None, "192.0.2.1", None, "http://192.0.2.1/health?full=1"),
            (Http, Some(8080), "2001:db8::1", None, "http://[2001:db8::1]:8080/health?full=1"),
            (Https, None, "192.0.2.1", Some("www.example.com"), "https://www.example.com/health?full=1"),
            (Https, Some(8443), "192.0.2.1", Some("WWW.example.com:443"), "https://www.example.com:8443/health?full=1"),
            // A Host that is an address does not move the probe.
            (Http, None, "192.0.2.1", Some("198.51.100.1"), "http://192.0.2.1/health?full=1"),
            (Http, None, "192.0.2.1", Some("198.51.100.1:81"), "http://192.0.2.1/health?full=1"),
            (Http, None, "192.0.2.1", Some("[2001:db8::2]"), "http://192.0.2.1/health?full=1"),
            (Http, None, "192.0.2.1", Some("[2001:db8::2]:80"), "http://192.0.2.1/health?full=1"),
            (Http, None, "192.0.2.1", Some("2001:db8::2"), "http://192.0.2.1/health?full=1"),
            (Http, None, "192.0.2.1", Some("0x7f.1"), "http://192.0.2.1/health?full=1"),
        ] {
            let key = TargetKey {
                address: address.parse().unwrap(),
                monitor: MonitorId::declared("m"),
                host: host.map(Arc::from),
            };
            let found = super::url(scheme, port.unwrap_or_else(|| scheme.port()), "/health?full=1", &key);
            assert_eq!(found.unwrap().as_str(), url);
        }
    }
}
