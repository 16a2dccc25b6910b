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
use crate::health::standstill::Standstill;
use crate::health::watchdog::Watchdog;
use crate::model::verdict::Verdict;
use crate::steering::publish::Live;

/// Origins that `/readyz` tells; their number is told as well.
const TOLD: usize = 20;

/// Whether every live name is decided.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Readiness {
    /// Each has what it needs to answer, or has waited long enough.
    Ready {
        /// What is wrong with verdicts all the same, in a sentence each.
        doubts: Vec<String>,
    },
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
            return Self::Ready { doubts: vec![] };
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

    /// The same with what is wrong with verdicts. A server stays ready by it: elsewhere it may be no better.
    #[must_use]
    pub fn with_doubts(mut self, standstill: &Standstill, watchdog: &Watchdog) -> Self {
        if let Self::Ready { doubts } = &mut self {
            let frozen = standstill.state().since;
            doubts
                .extend(frozen.map(|_| "verdicts are frozen: this machine seems to have lost its network".to_owned()));
            let stalled = watchdog.state();
            let targets = stalled.targets;
            doubts.extend(stalled.since.map(|_| format!("probes are stalled: {targets} targets make no progress")));
        }
        self
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
    let is_known = caller.is_some_and(|Extension(caller)| caller.limit().is_none());
    let (code, mut text, lines) = match server.readiness() {
        Readiness::Ready { doubts } => (StatusCode::OK, "ok\n".to_owned(), doubts),
        Readiness::Waiting { origins, count } => {
            let text = format!("waiting for the first verdicts of {count} origins\n");
            (StatusCode::SERVICE_UNAVAILABLE, text, if is_known { origins } else { vec![] })
        }
    };
    for line in &lines {
        text.push_str(line);
        text.push('\n');
    }
    (code, text).into_response()
}
