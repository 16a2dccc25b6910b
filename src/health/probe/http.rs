//! The HTTP and HTTPS probe: a request gets an expected response.
//!
//! Each attempt has a client of its own, which takes 2 µs because the TLS configuration is shared. It can connect to
//! the origin's address only: no proxy, no resolver, and redirects just within the same host.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, Method, Request, Url};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::time::Instant;

use crate::health::probe::body::Search;
use crate::health::probe::failure;
use crate::health::table::TargetKey;
use crate::model::limits::{PROBE_BODY_OCTETS_MAX, PROBE_REDIRECTS_MAX};
use crate::model::monitor::{HttpCheck, Scheme};
use crate::model::verdict::{FailReason, Outcome};

/// Who we say we are. Operators find us in their logs by it, so a monitor cannot change it.
const PRODUCT: &str = concat!("pooldns/", env!("CARGO_PKG_VERSION"), " (health monitor)");
/// Header fields of a response that are taken, as hyper's default; its read buffer ends at about 400 KiB.
const HEADERS_MAX: usize = 100;

/// One attempt.
pub(super) async fn attempt(check: &HttpCheck, key: &TargetKey, tls: &ClientConfig, timeout: Duration) -> Outcome {
    let began = Instant::now();
    let plan = client(check, key, tls, timeout).zip(request(check, key));
    let Some((client, request)) = plan else {
        return Outcome { failure: Some(FailReason::MonitorConfig), rtt: Duration::ZERO, code: None };
    };
    let mut code = None;
    let failure = tokio::select! {
        // The exchange is asked first, and this timer starts after its first poll, in which the client starts its own
        // for the connection. So when no connection is made, the client gets to say so.
        biased;
        result = exchange(&client, request, check, &mut code) => result.err(),
        () = async { tokio::time::sleep(timeout).await } => Some(FailReason::HttpTimeout),
    };
    Outcome { failure, rtt: began.elapsed(), code }
}

/// Sends the request and judges the response, whose status code is left in `code`.
async fn exchange(
    client: &Client,
    request: Request,
    check: &HttpCheck,
    code: &mut Option<u16>,
) -> Result<(), FailReason> {
    let reason = |error: reqwest::Error| failure::of_request(&error, Scheme::of(check.tls.as_ref()));
    let mut response = client.execute(request).await.map_err(reason)?;
    let status = response.status().as_u16();
    *code = Some(status);
    if !check.expected_codes.contains(status) {
        return Err(FailReason::ResponseCodeMismatch);
    }
    if check.expected_body.is_empty() {
        return Ok(());
    }
    let mut search = Search::new(&check.expected_body);
    let mut octets_left = PROBE_BODY_OCTETS_MAX;
    while octets_left > 0 {
        let Some(chunk) = response.chunk().await.map_err(reason)? else { break };
        let window = chunk.get(..octets_left).unwrap_or(&chunk);
        if search.feed(window) {
            return Ok(());
        }
        octets_left -= window.len();
    }
    Err(FailReason::ResponseBodyMismatch)
}

/// A client for one attempt at `key`.
fn client(check: &HttpCheck, key: &TargetKey, tls: &ClientConfig, timeout: Duration) -> Option<Client> {
    let redirects = if check.follow_redirects { Policy::custom(redirect) } else { Policy::none() };
    Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .dns_resolver(OneAddress(key.address))
        .no_proxy()
        .redirect(redirects)
        .referer(false)
        .retry(reqwest::retry::never())
        .http1_only()
        .http1_max_headers(HEADERS_MAX)
        .pool_max_idle_per_host(0)
        .connect_timeout(timeout)
        .build()
        .ok()
}

/// The request, if monitor and origin make one.
fn request(check: &HttpCheck, key: &TargetKey) -> Option<Request> {
    let method = Method::from_bytes(check.method.as_bytes()).ok()?;
    // CONNECT asks for a tunnel and has no path (RFC 9110 §9.3.6).
    let method = Some(method).filter(|method| *method != Method::CONNECT)?;
    let mut request = Request::new(method, url(check, key)?);
    let headers = request.headers_mut();
    for (name, values) in &check.headers {
        append(headers, name, values)?;
    }
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    // As given, with its port or without. Otherwise the URL's, which is the address.
    if let Some(host) = &key.host {
        headers.insert(HOST, HeaderValue::from_str(host).ok()?);
    }
    Some(request)
}

/// Adds one of the monitor's header fields, unless its value is decided elsewhere.
fn append(headers: &mut HeaderMap, name: &str, values: &[String]) -> Option<()> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    if name == HOST || name == USER_AGENT {
        return Some(());
    }
    for value in values {
        headers.append(&name, HeaderValue::from_str(value).ok()?);
    }
    Some(())
}

/// The URL, whose host is the name in the TLS handshake: the `Host` in force without its port, else the address.
fn url(check: &HttpCheck, key: &TargetKey) -> Option<Url> {
    let scheme = Scheme::of(check.tls.as_ref());
    let port = check.port.unwrap_or_else(|| scheme.port());
    let word = scheme.word();
    let with_host = |host: &str| Url::parse(&format!("{word}://{host}:{port}{}", check.path)).ok();
    let address = match key.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    if !check.path.starts_with('/') {
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

/// Follows a redirect within the same host. To another one the response itself counts: what is probed is this origin.
fn redirect(attempt: Attempt<'_>) -> Action {
    let host = attempt.previous().first().and_then(Url::host_str);
    if attempt.url().host_str() != host || !matches!(attempt.url().scheme(), "http" | "https") {
        attempt.stop()
    } else if attempt.previous().len() > PROBE_REDIRECTS_MAX {
        attempt.error("too many redirects")
    } else {
        attempt.follow()
    }
}

/// Resolves every name to the origin's address. Redirects elsewhere are not followed, so there is one name only.
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
    use crate::model::monitor::{ExpectedCodes, TlsTerms};

    fn check(scheme: Scheme, port: Option<u16>, headers: &[(&str, &str)]) -> HttpCheck {
        HttpCheck {
            tls: (scheme == Scheme::Https).then(TlsTerms::default),
            method: "GET".into(),
            path: "/health?full=1".into(),
            port,
            headers: headers.iter().map(|(name, value)| ((*name).into(), vec![(*value).into()])).collect(),
            expected_codes: ExpectedCodes::parse("200").unwrap(),
            expected_body: String::new(),
            follow_redirects: false,
        }
    }

    fn key(address: &str, host: Option<&str>) -> TargetKey {
        let host = host.map(Arc::from);
        TargetKey { address: address.parse().unwrap(), monitor: MonitorId::declared("m"), host }
    }

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
            let found = super::url(&check(scheme, port, &[]), &key(address, host));
            assert_eq!(found.unwrap().as_str(), url);
        }
    }

    #[test]
    fn no_request_from_what_makes_none() {
        let plain = check(Scheme::Http, None, &[]);
        for host in ["", ":80", "a/b", "a@b", "a b", "a#b", "a%41", "[::1", "a:b", "a:1:2", "ü.example"] {
            assert!(request(&plain, &key("192.0.2.1", Some(host))).is_none(), "{host}");
        }
        let key = key("192.0.2.1", Some("www.example.com"));
        assert!(request(&plain, &key).is_some());
        for (name, value) in [("na me", "v"), ("", "v"), ("Name", "line\r\nline"), ("Name", "\0")] {
            assert!(request(&check(Scheme::Http, None, &[(name, value)]), &key).is_none(), "{name} {value}");
        }
        for method in ["", "CONNECT", "GET /"] {
            let odd = HttpCheck { method: method.into(), ..plain.clone() };
            assert!(request(&odd, &key).is_none(), "{method}");
        }
        assert!(request(&HttpCheck { path: "health".into(), ..plain }, &key).is_none());
        let long = TargetKey { host: Some("a".repeat(64).into()), ..key };
        assert!(request(&check(Scheme::Https, None, &[]), &long).is_none(), "no name for a handshake");
    }

    #[test]
    fn header_fields_of_the_monitor_but_not_host_and_user_agent() {
        let headers = [("X-Probe", "1"), ("host", "monitor.example"), ("user-agent", "other")];
        let request = request(&check(Scheme::Http, None, &headers), &key("192.0.2.1", Some("a.example:81"))).unwrap();
        let headers = request.headers();
        assert_eq!(headers.get("x-probe").unwrap(), "1");
        assert_eq!(headers.get(HOST).unwrap(), "a.example:81");
        assert_eq!(headers.get_all(USER_AGENT).iter().collect::<Vec<_>>(), [PRODUCT]);
    }
}
