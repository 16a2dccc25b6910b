//! Routes for whoever watches the server: metrics, whether it lives, and whether it is ready.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};

use crate::api::control::Server;
use crate::api::metrics::MEDIA_TYPE;
use crate::api::v4::caller::Caller;
use crate::health::schedule::Assigned;
use crate::model::verdict::Verdict;
use crate::steering::publish::Live;

/// Origins that `/readyz` tells; their number is told as well.
const TOLD: usize = 20;

/// Whether every live name is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Each has what it needs to answer, or has waited long enough.
    Ready,
    /// Some wait.
    Waiting {
        /// Origins without a verdict, some of them: pool, origin and address.
        origins: Vec<String>,
        /// How many there are.
        count: usize,
    },
}

impl Readiness {
    /// Whether what is live is decided, and what it waits for.
    pub fn of(live: Live, assigned: &Assigned) -> Self {
        if live.waiting == 0 {
            return Self::Ready;
        }
        let (mut origins, mut count) = (Vec::new(), 0);
        for probed in assigned.pools.iter() {
            for (origin, probed_origin) in probed.pool.origins.iter().zip(&probed.origins) {
                let is_in_use = probed.pool.enabled && origin.enabled;
                if is_in_use && probed_origin.verdict() == Some(Verdict::Unknown) {
                    count += 1;
                    if origins.len() < TOLD {
                        origins.push(format!("{}: {} at {}", probed.pool.name, origin.name, origin.address));
                    }
                }
            }
        }
        origins.sort_unstable();
        Self::Waiting { origins, count }
    }
}

/// The route of the metrics, for any router that shows them.
pub fn metrics_route<S: Server>() -> Router<Arc<S>> {
    Router::new().route("/metrics", get(metrics::<S>))
}

/// The routes that tell in a word whether the server lives, and whether it is ready.
pub fn signs<S: Server>() -> Router<Arc<S>> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready::<S>))
}

/// `GET /metrics`
async fn metrics<S: Server>(State(server): State<Arc<S>>) -> Response {
    // With a million names it takes its time, in which others have to be served.
    match tokio::task::spawn_blocking(move || server.metrics()).await {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response(),
    }
}

/// `GET /readyz`: which origins are waited for is for those whom we know.
async fn ready<S: Server>(State(server): State<Arc<S>>, caller: Option<Extension<Caller>>) -> Response {
    let Readiness::Waiting { origins, count } = server.readiness() else { return "ok\n".into_response() };
    let mut text = format!("waiting for the first verdicts of {count} origins\n");
    let told = caller.filter(|Extension(caller)| caller.limit().is_none());
    for origin in told.iter().flat_map(|_| &origins) {
        text.push_str(origin);
        text.push('\n');
    }
    (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
}
