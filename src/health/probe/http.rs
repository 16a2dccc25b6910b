//! The HTTP and HTTPS probe: a request gets an expected response.
//!
//! Redirects are followed here and not by the client: each step has a client of its own, for an address that the policy
//! has been asked about after the name was looked up.

use std::net::IpAddr;

use reqwest::header::{HOST, HeaderMap, HeaderName, HeaderValue, LOCATION, USER_AGENT};
use reqwest::{Method, Request, Response, StatusCode, Url};

use crate::config::reach::Reach;
use crate::health::probe::body::Search;
use crate::health::probe::client::{self, PRODUCT};
use crate::health::probe::tls::Policies;
use crate::health::probe::{Attempt, failure};
use crate::health::table::TargetKey;
use crate::model::limits::{PROBE_BODY_OCTETS_MAX, PROBE_REDIRECTS_MAX};
use crate::model::monitor::{HttpCheck, Scheme};
use crate::model::verdict::FailReason;

/// Sends the request, follows redirects if the monitor says so, and judges the response, whose status code is left in
/// `code`.
pub(super) async fn request(
    check: &HttpCheck,
    attempt: &Attempt<'_>,
    policies: &Policies,
    reach: &Reach,
    code: &mut Option<u16>,
) -> Result<(), FailReason> {
    let first = first_request(check, attempt).ok_or(FailReason::MonitorConfig)?;
    client::unless_late(attempt, follow(first, check, attempt, policies, reach, code)).await
}

/// Sends a request and those that redirects ask for.
async fn follow(
    first: Request,
    check: &HttpCheck,
    attempt: &Attempt<'_>,
    policies: &Policies,
    reach: &Reach,
    code: &mut Option<u16>,
) -> Result<(), FailReason> {
    let origin = first.url().clone();
    // A redirect may lead to HTTPS from elsewhere, too.
    let mut terms = check.tls.clone().unwrap_or_default();
    let mut next = Step { request: first, address: attempt.key.address };
    for _ in 0..=PROBE_REDIRECTS_MAX {
        let scheme = if next.request.url().scheme() == "https" { Scheme::Https } else { Scheme::Http };
        let reason = |error: reqwest::Error| failure::of_request(&error, scheme);
        let method = next.request.method().clone();
        let mut tls = policies.config(&terms).await?;
        tls.alpn_protocols = protocols(&next.request);
        let client = client::builder(attempt, next.address, tls).build();
        let client = client.map_err(|_| FailReason::MonitorConfig)?;
        let response = client.execute(next.request).await.map_err(reason)?;
        let redirect = if check.follow_redirects { redirect(&response, &origin, reach) } else { None };
        let Some(url) = redirect else {
            *code = Some(response.status().as_u16());
            return judge(response, check, scheme).await;
        };
        if url.host_str() != origin.host_str() {
            // Who we are is for the origin only.
            terms.files.client = None;
        }
        let method = method_after(response.status(), method);
        next = Step::new(url, method, &origin, check, attempt, reach).await?;
    }
    // Redirects without end.
    Err(FailReason::HttpInvalidResponse)
}

/// One request, and where it goes.
struct Step {
    /// The request.
    request: Request,
    /// The address.
    address: IpAddr,
}

impl Step {
    /// The request that a redirect asks for.
    async fn new(
        url: Url,
        method: Method,
        origin: &Url,
        check: &HttpCheck,
        attempt: &Attempt<'_>,
        reach: &Reach,
    ) -> Result<Self, FailReason> {
        if url.host_str() == origin.host_str() {
            let request =
                with_headers(Request::new(method, url), check, attempt.key).ok_or(FailReason::MonitorConfig)?;
            return Ok(Self { request, address: attempt.key.address });
        }
        let address = look_up(&url, reach).await?;
        let mut request = Request::new(method, url);
        // The monitor's header fields may have secrets, which are for the origin only.
        request.headers_mut().insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        Ok(Self { request, address })
    }
}

/// The URL that a response redirects to, if that may be followed. If not, the response itself counts: what is probed is
/// this origin.
fn redirect(response: &Response, origin: &Url, reach: &Reach) -> Option<Url> {
    use StatusCode as Code;
    let is_redirect = matches!(
        response.status(),
        Code::MOVED_PERMANENTLY | Code::FOUND | Code::SEE_OTHER | Code::TEMPORARY_REDIRECT | Code::PERMANENT_REDIRECT
    );
    let location = response.headers().get(LOCATION).filter(|_| is_redirect)?;
    let url = response.url().join(location.to_str().ok()?).ok()?;
    let is_ours = url.host_str() == origin.host_str() || reach.redirects_to_other_hosts;
    (is_ours && matches!(url.scheme(), "http" | "https")).then_some(url)
}

/// The method after a redirect (RFC 9110 §15.4): what changed something is not done twice.
fn method_after(status: StatusCode, method: Method) -> Method {
    match status {
        StatusCode::SEE_OTHER if method != Method::HEAD => Method::GET,
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if method == Method::POST => Method::GET,
        _ => method,
    }
}

/// The address of another host that a redirect leads to: the first that may be reached.
async fn look_up(url: &Url, reach: &Reach) -> Result<IpAddr, FailReason> {
    let host = url.host_str().ok_or(FailReason::HttpInvalidResponse)?;
    // What a URL takes for an address would not be looked up by the client.
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let addresses: Vec<IpAddr> = if let Ok(address) = literal {
        vec![address]
    } else {
        let found = tokio::net::lookup_host((host, 0)).await.map_err(|_| FailReason::UnknownHost)?;
        found.map(|address| address.ip()).collect()
    };
    let allowed = addresses.iter().copied().find(|address| reach.allows_redirect(*address));
    allowed.ok_or(if addresses.is_empty() { FailReason::UnknownHost } else { FailReason::AddressDenied })
}

/// Judges a response.
async fn judge(mut response: Response, check: &HttpCheck, scheme: Scheme) -> Result<(), FailReason> {
    if !check.expected_codes.contains(response.status().as_u16()) {
        return Err(FailReason::ResponseCodeMismatch);
    }
    if check.expected_body.is_empty() {
        return Ok(());
    }
    let mut search = Search::new(&check.expected_body);
    let mut octets_left = PROBE_BODY_OCTETS_MAX;
    while octets_left > 0 {
        let chunk = response.chunk().await.map_err(|error| failure::of_request(&error, scheme))?;
        let Some(chunk) = chunk else { break };
        let window = chunk.get(..octets_left).unwrap_or(&chunk);
        if search.feed(window) {
            return Ok(());
        }
        octets_left -= window.len();
    }
    Err(FailReason::ResponseBodyMismatch)
}

/// The first request, if monitor and origin make one.
fn first_request(check: &HttpCheck, attempt: &Attempt<'_>) -> Option<Request> {
    let method = Method::from_bytes(check.method.as_bytes()).ok()?;
    // CONNECT asks for a tunnel and has no path (RFC 9110 §9.3.6).
    let method = Some(method).filter(|method| *method != Method::CONNECT)?;
    let url = client::url(Scheme::of(check.tls.as_ref()), attempt.port, &check.path, attempt.key)?;
    with_headers(Request::new(method, url), check, attempt.key)
}

/// A request to the origin with the monitor's header fields.
fn with_headers(mut request: Request, check: &HttpCheck, key: &TargetKey) -> Option<Request> {
    let headers = request.headers_mut();
    for (name, values) in &check.headers {
        append(headers, name, values)?;
    }
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    // As given, with its port or without. Otherwise the URL's, which is the address.
    if let Some(host) = &key.host {
        let value = HeaderValue::from_str(host).ok()?;
        if !says(request.url(), host) {
            request.headers_mut().insert(HOST, value);
        }
    }
    Some(request)
}

/// Whether the URL of an HTTPS request says the same host as a `Host` value, so that nothing has to be added to it.
fn says(url: &Url, host: &str) -> bool {
    let name = url.host_str().unwrap_or_default();
    let with_port = || url.port_or_known_default().map(|port| format!("{name}:{port}"));
    let is_alone = url.port().is_none() && host.eq_ignore_ascii_case(name);
    url.scheme() == "https" && (is_alone || with_port().is_some_and(|name| host.eq_ignore_ascii_case(&name)))
}

/// The application protocols that are offered for a request. In HTTP/2 it is the URL that names the host, and a `Host`
/// that says something else would contradict it (RFC 9113 §8.3.1).
fn protocols(request: &Request) -> Vec<Vec<u8>> {
    let all: &[&[u8]] = &[b"h2", b"http/1.1"];
    let offered = if request.headers().contains_key(HOST) { all.get(1..) } else { Some(all) };
    offered.unwrap_or_default().iter().map(|protocol| protocol.to_vec()).collect()
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::time::Instant;

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

    /// The first request of an attempt.
    fn request(check: &HttpCheck, key: &TargetKey) -> Option<Request> {
        let port = check.port.unwrap_or_else(|| Scheme::of(check.tls.as_ref()).port());
        let timeout = Duration::from_secs(1);
        let attempt = Attempt { key, port, source: None, timeout, deadline: Instant::now() + timeout };
        first_request(check, &attempt)
    }

    #[test]
    fn http2_is_offered_where_the_url_says_the_host() {
        use Scheme::{Http, Https};
        for (scheme, port, host, field) in [
            (Https, None, Some("www.example.com"), None),
            (Https, None, Some("WWW.example.com:443"), None),
            (Https, Some(8443), Some("www.example.com:8443"), None),
            (Https, None, None, None),
            (Https, Some(8443), Some("www.example.com"), Some("www.example.com")),
            (Https, None, Some("www.example.com:444"), Some("www.example.com:444")),
            (Https, None, Some("198.51.100.1"), Some("198.51.100.1")),
            (Http, None, Some("WWW.example.com"), Some("WWW.example.com")),
        ] {
            let request = request(&check(scheme, port, &[]), &key("192.0.2.1", host)).unwrap();
            let found = request.headers().get(HOST).map(|value| value.to_str().unwrap());
            assert_eq!((found, protocols(&request).len()), (field, if field.is_none() { 2 } else { 1 }), "{host:?}");
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
