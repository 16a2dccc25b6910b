//! The courier: one delivery of one message over HTTP, to an address that the policy allows.
//!
//! Redirects are not followed, nothing of the answer counts but its code, and no connection is kept.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::redirect::Policy as Redirects;
use reqwest::{Client, Method, Request, Url};
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::{Instant, timeout};

use crate::config::Policy;
use crate::config::reach::Reach;
use crate::config::webhooks::Webhook;
use crate::health::probe::failure;
use crate::model::limits::WEBHOOK_HEADERS_MAX;
use crate::model::monitor::Scheme;
use crate::model::verdict::FailReason;
use crate::notify::message::Message;
use crate::store::now;

/// Who we say we are.
const PRODUCT: &str = concat!("pooldns/", env!("CARGO_PKG_VERSION"), " (webhook)");
/// The message's id.
const ID: HeaderName = HeaderName::from_static("webhook-id");
/// When it is delivered, in seconds of Unix time.
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signature.
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// Delivers messages.
#[derive(Debug)]
pub(super) struct Courier {
    /// Whom it trusts; none if TLS cannot be set up at all.
    tls: Option<ClientConfig>,
    /// Where it may go.
    policy: Arc<ArcSwap<Policy>>,
}

/// How a delivery went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Delivery {
    /// The code of the answer, if there was one.
    pub code: Option<u16>,
    /// Why it failed; none if it did not.
    pub failure: Option<FailReason>,
    /// How long it took.
    pub took: Duration,
}

impl Courier {
    /// A courier that trusts `roots` and goes where `policy` allows.
    pub(super) fn new(roots: RootCertStore, policy: Arc<ArcSwap<Policy>>) -> Self {
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let tls = builder.with_safe_default_protocol_versions().ok();
        let tls = tls.map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
        Self { tls, policy }
    }

    /// Delivers a message once.
    pub(super) async fn deliver(&self, webhook: &Webhook, message: &Message, time: Duration) -> Delivery {
        let began = Instant::now();
        let answer = timeout(time, self.send(webhook, message, time)).await.unwrap_or(Err(FailReason::HttpTimeout));
        let took = began.elapsed();
        match answer {
            Ok(code) => {
                let failure = (!(200..300).contains(&code)).then_some(FailReason::ResponseCodeMismatch);
                Delivery { code: Some(code), failure, took }
            }
            Err(failure) => Delivery { code: None, failure: Some(failure), took },
        }
    }

    /// Sends the request and gives the code of its answer.
    async fn send(&self, webhook: &Webhook, message: &Message, time: Duration) -> Result<u16, FailReason> {
        let url = Url::parse(webhook.url.secret_text()).map_err(|_| FailReason::MonitorConfig)?;
        let scheme = if url.scheme() == "https" { Scheme::Https } else { Scheme::Http };
        let host = url.host_str().ok_or(FailReason::MonitorConfig)?.to_owned();
        let addresses = look_up(&host, &self.policy.load_full().reach).await?;
        let tls = self.tls.clone().ok_or(FailReason::TlsProtocol)?;
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            // What a URL takes for an address is connected to as it is; it has been judged like the others.
            .resolve_to_addrs(&host, &addresses)
            .no_proxy()
            .redirect(Redirects::none())
            .referer(false)
            .retry(reqwest::retry::never())
            .http1_max_headers(WEBHOOK_HEADERS_MAX)
            .pool_max_idle_per_host(0)
            .connect_timeout(time)
            .build()
            .map_err(|_| FailReason::Other)?;
        let mut request = Request::new(Method::POST, url);
        *request.headers_mut() = headers(webhook, message).ok_or(FailReason::MonitorConfig)?;
        *request.body_mut() = Some(message.body.clone().into());
        let response = client.execute(request).await.map_err(|error| failure::of_request(&error, scheme))?;
        Ok(response.status().as_u16())
    }
}

/// The header of a delivery.
fn headers(webhook: &Webhook, message: &Message) -> Option<HeaderMap> {
    let timestamp = now().0 / 1_000_000;
    let value = |text: &str| HeaderValue::from_str(text).ok();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
    headers.insert(ID, value(&message.id)?);
    headers.insert(TIMESTAMP, HeaderValue::from(timestamp));
    headers.insert(SIGNATURE, value(&message.signature(&webhook.secret, timestamp))?);
    Some(headers)
}

/// The addresses of a host that may be reached.
async fn look_up(host: &str, reach: &Reach) -> Result<Vec<SocketAddr>, FailReason> {
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let addresses: Vec<SocketAddr> = if let Ok(address) = literal {
        vec![(address, 0).into()]
    } else {
        // The port is the URL's.
        tokio::net::lookup_host((host, 0)).await.map_err(|_| FailReason::UnknownHost)?.collect()
    };
    let allowed: Vec<SocketAddr> = addresses.iter().copied().filter(|address| reach.allows(address.ip())).collect();
    match (addresses.is_empty(), allowed.is_empty()) {
        (true, _) => Err(FailReason::UnknownHost),
        (false, true) => Err(FailReason::AddressDenied),
        (false, false) => Ok(allowed),
    }
}
