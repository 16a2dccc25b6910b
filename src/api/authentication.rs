//! Who calls over TCP: whoever shows a token. Loopback addresses are no exception, and there is no token to begin with.
//!
//! A bearer is known by the digest of what they show. Comparing digests needs no constant time: to learn anything from the
//! time that it takes, somebody would have to choose digests, which takes inverting SHA-256.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{AUTHORIZATION, HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::warn;

use crate::api::network::network_of;
use crate::api::tokens::{digest, is_expired};
use crate::api::v4::Store;
use crate::api::v4::caller::Caller;
use crate::api::v4::code::Code;
use crate::api::v4::error::ApiError;
use crate::model::limits::{AUTH_FAILURES_MAX, AUTH_NETWORKS_MAX, CREDENTIAL_OCTETS_MAX};
use crate::model::token::Token;
use crate::store::now;

/// Where old clients put what is the token here.
const X_AUTH_KEY: HeaderName = HeaderName::from_static("x-auth-key");
/// What goes with it. It is nobody's business here, and only logged.
const X_AUTH_EMAIL: HeaderName = HeaderName::from_static("x-auth-email");
/// Paths that need no token: they tell whether the server lives and is ready, in a word, and what the API is. With a token they
/// may tell more.
const OPEN: [&str; 3] = ["/healthz", "/readyz", crate::api::v4::openapi::PATH];
/// How long failures of a network count.
const WINDOW: Duration = Duration::from_mins(1);
/// Characters of an e-mail address that a log line shows.
const SHOWN_EMAIL_CHARS_MAX: usize = 60;

/// Knows bearers, and counts failures.
#[derive(Debug)]
pub struct Authentication {
    /// Has the tokens.
    store: Arc<Store>,
    /// Failures by network.
    failures: Mutex<Failures>,
    /// All failures since the start.
    failed: Arc<AtomicU64>,
}

/// Failures by network. A network that has none is not here.
#[derive(Debug, Default)]
struct Failures(HashMap<ipnet::IpNet, Failing>);

/// Failures of one network.
#[derive(Clone, Copy, Debug)]
struct Failing {
    /// Since when they are counted.
    since: Instant,
    /// How many there are.
    count: u32,
    /// Why: a bit for each reason that has been logged.
    logged: u8,
}

/// What a failure comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// The first of its network for this reason and for a while: worth a log line.
    First,
    /// One of a few.
    Another,
    /// The first that is one too many: worth a log line, and another with how many there were when the time is over.
    Last(Duration),
    /// One too many; there are none too many any more after this time.
    TooMany(Duration),
}

impl Failures {
    /// Counts a failure.
    fn count(&mut self, network: ipnet::IpNet, failure: &Failure, now: Instant) -> Verdict {
        let is_old = |failing: &Failing| now.duration_since(failing.since) >= WINDOW;
        if self.0.len() >= AUTH_NETWORKS_MAX && !self.0.contains_key(&network) {
            self.0.retain(|_, failing| !is_old(failing));
            if self.0.len() >= AUTH_NETWORKS_MAX {
                // So many networks fail at one time that nobody can be told from another.
                return Verdict::TooMany(WINDOW);
            }
        }
        let failing = self.0.entry(network).or_insert(Failing { since: now, count: 0, logged: 0 });
        if is_old(failing) {
            *failing = Failing { since: now, count: 0, logged: 0 };
        }
        failing.count = failing.count.saturating_add(1);
        let after = WINDOW.saturating_sub(now.duration_since(failing.since));
        let is_logged = failing.logged & failure.bit() != 0;
        match failing.count.checked_sub(AUTH_FAILURES_MAX) {
            Some(1) => Verdict::Last(after),
            Some(2..) => Verdict::TooMany(after),
            _ if is_logged => Verdict::Another,
            _ => {
                failing.logged |= failure.bit();
                Verdict::First
            }
        }
    }

    /// How many failures of a network there are.
    fn of(&self, network: ipnet::IpNet) -> u32 {
        self.0.get(&network).map_or(0, |failing| failing.count)
    }
}

/// Why a bearer is not known.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Failure {
    /// They show nothing.
    Nothing,
    /// What they show is in no form that we take.
    Form,
    /// It is no token's, or no longer.
    Unknown,
    /// It is that of a token which has expired, the one with this name.
    Expired(String),
}

impl Failure {
    /// A bit of its own.
    const fn bit(&self) -> u8 {
        match self {
            Self::Nothing => 1,
            Self::Form => 2,
            Self::Unknown => 4,
            Self::Expired(_) => 8,
        }
    }

    /// In words, for the log.
    fn words(&self) -> String {
        match self {
            Self::Nothing => "no token".to_owned(),
            Self::Form => "no Bearer token".to_owned(),
            Self::Unknown => "an unknown or revoked token".to_owned(),
            Self::Expired(name) => format!("the token {name:?}, which has expired"),
        }
    }
}

impl Authentication {
    /// Knows the bearers of the store's tokens, and counts failures in `failed`.
    pub fn new(store: Arc<Store>, failed: Arc<AtomicU64>) -> Self {
        Self { store, failures: Mutex::default(), failed }
    }

    /// Failures by network.
    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Logs how many failures of a network there were in its time, when that is over.
    async fn log_later(self: Arc<Self>, network: ipnet::IpNet, after: Duration) {
        tokio::time::sleep(after).await;
        let count = self.failures().of(network);
        warn!(%network, count, "so many requests of a network to the API were refused in a minute");
    }

    /// The token that a request shows.
    fn token(&self, headers: &HeaderMap) -> Result<Token, Failure> {
        let secret = secret(headers)?;
        let digest = digest(secret);
        let tokens = self.store.tokens();
        let token = tokens.iter().find(|token| token.digest == digest).ok_or(Failure::Unknown)?;
        if is_expired(token, now()) { Err(Failure::Expired(token.name.clone())) } else { Ok(token.clone()) }
    }

    /// Refuses a request of nobody whom we know. A bearer of a good token is never refused because of others in the same
    /// network: behind a proxy all have one address, and 256 bits are not guessed.
    fn refuse(self: &Arc<Self>, failure: &Failure, address: IpAddr, headers: &HeaderMap) -> ApiError {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let network = network_of(address);
        let verdict = self.failures().count(network, failure, Instant::now());
        match verdict {
            Verdict::Last(after) | Verdict::TooMany(after) => {
                if matches!(verdict, Verdict::Last(_)) {
                    warn!(%network, "requests to the API keep being refused; those of this network are not logged until the minute is over");
                    // At most one of them for each network that is counted.
                    drop(tokio::spawn(Arc::clone(self).log_later(network, after)));
                }
                let text = "too many failed authentications from your network; come again later";
                return ApiError::new(Code::RateLimited, text).retry_after(after);
            }
            Verdict::First => {
                let email = headers.get(X_AUTH_EMAIL).and_then(|email| email.to_str().ok()).unwrap_or_default();
                let email: String = email.chars().take(SHOWN_EMAIL_CHARS_MAX).collect();
                let shown = failure.words();
                warn!(%address, shown, ?email, "a request to the API is refused; more for this reason, of its network and in this minute, are not logged");
            }
            Verdict::Another => {}
        }
        let text = match failure {
            Failure::Nothing => "Authentication error: send a token, as Authorization: Bearer TOKEN",
            Failure::Form => "Authentication error: the token goes into Authorization: Bearer TOKEN",
            // Whoever shows the secret of an expired token may know that.
            Failure::Expired(_) => "Authentication error: the token has expired",
            Failure::Unknown => "Authentication error: no such token",
        };
        ApiError::new(Code::Unauthorized, text)
    }
}

/// What a request shows.
fn secret(headers: &HeaderMap) -> Result<&str, Failure> {
    let shown = match (headers.get(AUTHORIZATION), headers.get(X_AUTH_KEY)) {
        (Some(value), _) => {
            let text = value.to_str().map_err(|_| Failure::Form)?;
            let (scheme, secret) = text.split_once(' ').ok_or(Failure::Form)?;
            // RFC 9110 §11.1: the scheme's letter case does not matter.
            scheme.eq_ignore_ascii_case("Bearer").then(|| secret.trim()).ok_or(Failure::Form)?
        }
        (None, Some(value)) => value.to_str().map_err(|_| Failure::Form)?.trim(),
        (None, None) => return Err(Failure::Nothing),
    };
    if shown.is_empty() || shown.len() > CREDENTIAL_OCTETS_MAX { Err(Failure::Form) } else { Ok(shown) }
}

/// Lets requests through whose bearer we know, with their [`Caller`].
pub(super) async fn authenticate(
    State(authentication): State<Arc<Authentication>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let address = peer.ip().to_canonical();
    let is_open = OPEN.contains(&request.uri().path());
    match authentication.token(request.headers()) {
        Ok(token) => {
            request.extensions_mut().insert(Caller { token: Some(Arc::new(token)), address: Some(address) });
            Ok(next.run(request).await)
        }
        Err(_) if is_open => Ok(next.run(request).await),
        Err(failure) => Err(authentication.refuse(&failure, address, request.headers())),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn failures_are_limited_by_network_and_minute() {
        let mut failures = Failures::default();
        let (here, there) = (network_of([192, 0, 2, 1].into()), network_of([198, 51, 100, 1].into()));
        let mut count = |network, failure| failures.count(network, &failure, Instant::now());
        assert_eq!(count(here, Failure::Unknown), Verdict::First);
        assert_eq!(count(here, Failure::Nothing), Verdict::First, "for another reason");
        for _ in 2..AUTH_FAILURES_MAX {
            assert_eq!(count(here, Failure::Unknown), Verdict::Another);
        }
        tokio::time::advance(Duration::from_secs(20)).await;
        let rest = Duration::from_secs(40);
        assert_eq!(count(here, Failure::Unknown), Verdict::Last(rest));
        assert_eq!(count(network_of([192, 0, 2, 9].into()), Failure::Form), Verdict::TooMany(rest));
        assert_eq!(count(there, Failure::Unknown), Verdict::First);
        tokio::time::advance(rest).await;
        assert_eq!(count(here, Failure::Unknown), Verdict::First);
        assert_eq!(failures.of(here), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_of_failures_is_bounded_and_empties_by_itself() {
        let mut failures = Failures::default();
        let network = |index: usize| network_of(IpAddr::from(u32::try_from(index << 8).unwrap().to_be_bytes()));
        let unknown = Failure::Unknown;
        for index in 0..AUTH_NETWORKS_MAX {
            assert_eq!(failures.count(network(index), &unknown, Instant::now()), Verdict::First);
        }
        let one_more = network(AUTH_NETWORKS_MAX);
        assert_eq!(failures.count(one_more, &unknown, Instant::now()), Verdict::TooMany(WINDOW));
        assert_eq!(failures.0.len(), AUTH_NETWORKS_MAX);
        tokio::time::advance(WINDOW).await;
        assert_eq!(failures.count(one_more, &unknown, Instant::now()), Verdict::First);
        assert_eq!(failures.0.len(), 1);
    }

    #[test]
    fn a_token_is_taken_from_either_header() {
        for (name, value, expected) in [
            ("authorization", "Bearer abc", Ok("abc")),
            ("authorization", "bearer  abc ", Ok("abc")),
            ("authorization", "Basic abc", Err(Failure::Form)),
            ("authorization", "abc", Err(Failure::Form)),
            ("authorization", "Bearer ", Err(Failure::Form)),
            ("x-auth-key", "abc", Ok("abc")),
            ("x-auth-email", "me@example.com", Err(Failure::Nothing)),
        ] {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_static(value))]);
            assert_eq!(secret(&headers), expected, "{name}: {value}");
        }
        // Who sends both means the first.
        let both = [("authorization", "Bearer a"), ("x-auth-key", "b")];
        let both = both.map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        assert_eq!(secret(&HeaderMap::from_iter(both)), Ok("a"));
        let long = HeaderValue::try_from(format!("Bearer {}", "a".repeat(2000))).unwrap();
        assert_eq!(secret(&HeaderMap::from_iter([(AUTHORIZATION, long)])), Err(Failure::Form));
    }
}
