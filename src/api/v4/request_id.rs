//! `X-Request-Id`: what ties a response to a line in somebody's log.

use axum::extract::Request;
use axum::http::header::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Instrument as _, info_span};

use crate::api::v4::context::random_bits;
use crate::model::limits::REQUEST_ID_OCTETS_MAX;

/// The field's name.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives a request's id back, or one of ours where it has none that we would repeat.
pub(in crate::api) async fn give_back(mut request: Request, next: Next) -> Response {
    let theirs = request.headers().get(X_REQUEST_ID).filter(|id| {
        let is_plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-_.:=+/".contains(octet);
        (1..=REQUEST_ID_OCTETS_MAX).contains(&id.len()) && id.as_bytes().iter().all(is_plain)
    });
    let ours = || HeaderValue::try_from(format!("{:032x}", random_bits().ok()?)).ok();
    let Some(id) = theirs.cloned().or_else(ours) else { return next.run(request).await };
    // Whoever comes next finds it there, be it this function again.
    request.headers_mut().insert(X_REQUEST_ID, id.clone());
    // What is logged meanwhile has it too.
    let span = info_span!("request", id = id.to_str().unwrap_or_default());
    let mut response = next.run(request).instrument(span).await;
    response.headers_mut().insert(X_REQUEST_ID, id);
    response
}
