//! Which requests are worked on: so many at one time, and only those that have arrived.
//!
//! A body comes before its request takes up room, so that clients who trickle hold up nobody. What is on its way has a bound of
//! its own, and one token has at most half of that.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::api::shares::Shares;
use crate::api::v4::caller::Caller;
use crate::api::v4::code::Code;
use crate::api::v4::error::ApiError;
use crate::api::v4::request::octets;
use crate::model::id::TokenId;
use crate::model::limits::{API_REQUESTS_MAX, BODIES_KIBIBYTES_MAX, BODY_OCTETS_MAX};

/// Room for requests.
#[derive(Debug)]
pub(super) struct Admission {
    /// A permit for each that is worked on.
    requests: Semaphore,
    /// A permit for each kibibyte that is on its way.
    arriving: Semaphore,
    /// How many of those each token has.
    of_tokens: Arc<Shares<Option<TokenId>>>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            requests: Semaphore::new(API_REQUESTS_MAX),
            arriving: Semaphore::new(BODIES_KIBIBYTES_MAX as usize),
            of_tokens: Shares::new(BODIES_KIBIBYTES_MAX as usize / 2),
        }
    }
}

impl Admission {
    /// A request whose body has arrived.
    async fn arrived(&self, request: Request) -> Result<Request, ApiError> {
        let size = request.body().size_hint();
        if matches!(*request.method(), Method::GET | Method::HEAD) || size.exact() == Some(0) {
            // What a body of a GET says matters to nobody.
            return Ok(request);
        }
        let most = size.upper().unwrap_or(u64::MAX).min(BODY_OCTETS_MAX as u64).div_ceil(1 << 10);
        let kibibytes = u32::try_from(most).unwrap_or(u32::MAX);
        let token = request.extensions().get::<Caller>().and_then(|caller| caller.token.as_ref()).map(|token| token.id);
        let full = || ApiError::new(Code::Overloaded, "too many bodies are on their way at one time");
        let _share = self.of_tokens.take(token, kibibytes as usize).ok_or_else(full)?;
        let _room = self.arriving.try_acquire_many(kibibytes).map_err(|_| full())?;
        let (parts, body) = request.into_parts();
        let body = octets(body).await?;
        Ok(Request::from_parts(parts, Body::from(body)))
    }
}

/// Lets so many requests through at one time.
pub(super) async fn limit_requests(
    State(admission): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let request = admission.arrived(request).await?;
    match admission.requests.try_acquire() {
        Ok(_permit) => Ok(next.run(request).await),
        Err(_) => Err(ApiError::new(Code::Overloaded, format!("more than {API_REQUESTS_MAX} requests at one time"))),
    }
}
