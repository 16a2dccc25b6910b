//! For tests of handlers: the API over a store in memory, called without any socket.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::{Extension, Router};
use http_body_util::BodyExt as _;
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tower::ServiceExt as _;

use crate::api::v4::caller::Caller;
use crate::api::v4::context::{Context, Store};
use crate::api::v4::preview::Previews;
use crate::api::v4::turns::Turns;
use crate::api::v4::{BASE, router};
use crate::config::Policy;
use crate::health::probe::{Probe, Prober};
use crate::health::schedule::{Assigned, Schedule};
use crate::health::table::TargetKey;
use crate::model::id::{LoadBalancerId, PoolId, TokenId};
use crate::model::inventory::Change;
use crate::model::monitor::Monitor;
use crate::model::stamp::UnixMicros;
use crate::model::token::{Access, Token};
use crate::model::verdict::{FailReason, Outcome};
use crate::spec;
use crate::spec::dialect::Dialect;
use crate::spec::fault::Faults;
use crate::spec::json_text;
use crate::steering::publish::Live;
use crate::steering::table::RecordTable;
use crate::store::InventoryStore as _;

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
        let policy = Arc::new(ArcSwap::from_pointee(Policy::default()));
        let context = Arc::new(Context {
            store: Arc::clone(&store),
            assigned: assigned_now,
            live: live_now,
            table: Arc::new(ArcSwap::from_pointee(RecordTable::new(1))),
            policy: Arc::clone(&policy),
            prober: Prober::new(rustls::RootCertStore::empty(), policy),
            previews: Previews::default(),
            bulk: Arc::default(),
            refused: Arc::default(),
            turns: Turns::default(),
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

/// What a test has in its file: a zone, and with `more` what it needs besides.
const FILE: &str = r#"
version = 1
[[zones]]
name = "example.com"
records = ["@ SOA ns1 hostmaster 1 7200 900 1209600 300", "@ NS ns1", "ns1 A 192.0.2.53"]
"#;

impl Fixture {
    /// The API with a zone `example.com` and whatever else a file declares.
    pub(crate) async fn declaring(more: &str) -> Self {
        let api = Self::new();
        let configuration = crate::config::load_text("pooldns.toml", &format!("{FILE}{more}")).unwrap();
        api.store.commit(Change::Declare(configuration.declared)).await.unwrap();
        api
    }

    /// Creates an object and gives its id.
    pub(crate) async fn made(&self, path: &str, body: &str) -> String {
        let response = self.call("POST", path, body).await;
        assert_eq!(response.status, 200, "{:#}", response.body);
        response.body["result"]["id"].as_str().unwrap().to_owned()
    }

    /// Keeps a load balancer, written as in requests, and gives its id.
    pub(crate) async fn balance(&self, body: &Value) -> LoadBalancerId {
        let id = LoadBalancerId::declared(body["name"].as_str().unwrap());
        let node = json_text::parse(body.to_string().as_bytes()).unwrap();
        let mut faults = Faults::of(Dialect::Json);
        let parsed = spec::load_balancer::parse_json(&node, id, &self.store.load(), &mut faults);
        let change = Change::PutLoadBalancer(parsed.unwrap_or_else(|| panic!("{faults:?}")));
        self.store.commit(change).await.unwrap();
        id
    }

    /// Probes everything once; `seen` says what is seen at an address.
    pub(crate) async fn probe(&self, seen: fn(IpAddr) -> Outcome) {
        let (flips, mut flipped) = mpsc::channel(64);
        let mut schedule = Schedule::new(Seeing(seen), flips, 64, Handle::current());
        let assigned = schedule.reconcile(self.store.load());
        for _ in 0..schedule.targets() {
            flipped.recv().await.unwrap();
        }
        schedule.shutdown().await;
        self.assigned.send_replace(assigned);
    }
}

/// A prober that makes outcomes up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seeing(pub(crate) fn(IpAddr) -> Outcome);

impl Probe for Seeing {
    async fn attempt(&self, _: &Monitor, key: &TargetKey) -> Outcome {
        (self.0)(key.address)
    }
}

/// Sees what ends in an odd number up, with a status, and all else down.
pub(crate) fn odd_is_up(address: IpAddr) -> Outcome {
    let last = match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    match last % 2 {
        1 => Outcome { failure: None, rtt: Duration::from_micros(12_143), code: Some(200) },
        _ => Outcome { failure: Some(FailReason::TcpConnectionFailed), rtt: Duration::from_micros(350), code: None },
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
