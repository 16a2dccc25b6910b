//! For tests of handlers: the API over a store in memory, called without any socket.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt as _;

use crate::api::v4::caller::Caller;
use crate::api::v4::context::{Context, Store};
use crate::api::v4::{BASE, router};
use crate::config::Policy;
use crate::health::probe::Prober;
use crate::health::schedule::Assigned;
use crate::model::id::{PoolId, TokenId};
use crate::model::stamp::UnixMicros;
use crate::model::token::{Access, Token};
use crate::steering::publish::Live;
use crate::steering::table::RecordTable;

/// The API with nothing in it.
pub(crate) struct Fixture {
    /// The store.
    pub(crate) store: Arc<Store>,
    /// Says what is live.
    pub(crate) live: watch::Sender<Live>,
    /// Says what is probed.
    pub(crate) assigned: watch::Sender<Arc<Assigned>>,
    /// What handlers work with.
    pub(crate) context: Arc<Context>,
    /// The router, without a caller.
    router: Router,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Response {
    /// Its status.
    pub(crate) status: StatusCode,
    /// Its header.
    pub(crate) headers: HeaderMap,
    /// Its body; null if there is none.
    pub(crate) body: Value,
}

impl Fixture {
    /// The API with nothing in it.
    pub(crate) fn new() -> Self {
        let store = Arc::new(Store::in_memory().unwrap());
        let (assigned, assigned_now) = watch::channel(Arc::new(Assigned::default()));
        let (live, live_now) = watch::channel(Live::default());
        let context = Arc::new(Context {
            store: Arc::clone(&store),
            assigned: assigned_now,
            live: live_now,
            table: Arc::new(ArcSwap::from_pointee(RecordTable::new(1))),
            policy: Arc::new(ArcSwap::from_pointee(Policy::default())),
            prober: Prober::new(rustls::RootCertStore::empty()),
        });
        let router = router(Arc::clone(&context));
        Self { store, live, assigned, context, router }
    }

    /// Calls through the control socket. `path` is below the base; `body` is JSON, or empty.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Response {
        self.call_as(Caller::control(), method, path, &[], body).await
    }

    /// Calls as somebody, with fields of the header.
    pub(crate) async fn call_as(
        &self,
        caller: Caller,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response {
        let mut request = Request::builder().method(method).uri(format!("{BASE}{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.router.clone().layer(Extension(caller)).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
        Response { status: parts.status, headers: parts.headers, body }
    }
}

/// A caller with a token.
pub(crate) fn bearer(access: Access, pool: Option<PoolId>) -> Caller {
    let token = Token {
        id: TokenId::declared("test"),
        name: "test".to_owned(),
        digest: [0; 32],
        access,
        pool,
        created: UnixMicros(0),
        expires: None,
    };
    Caller { token: Some(Arc::new(token)), address: Some(IpAddr::from([192, 0, 2, 1])) }
}
