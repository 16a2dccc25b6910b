//! The API over TCP: HTTP/1.1, perhaps within TLS, and bounds for whoever connects.
//!
//! A connection waits for nobody else's: each is a task, of bounded buffers. One that is slow to say what it wants, or to
//! take its answer, is closed; one network has at most half of all connections, so that it cannot shut others out.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::api::admission::{Admission, limit_requests};
use crate::api::authentication::{Authentication, authenticate};
use crate::api::bulk::at_length;
use crate::api::control::Server;
use crate::api::network::network_of;
use crate::api::observe;
use crate::api::patient::Patient;
use crate::api::shares::Shares;
use crate::api::tls::Certificate;
use crate::api::v4::code::Code;
use crate::api::v4::context::LIVE_WAIT_MAX;
use crate::api::v4::envelope::{Unsure, not_to_be_repeated};
use crate::api::v4::error::ApiError;
use crate::api::v4::request_id;
use crate::api::v4::{self, Context};
use crate::config::api::ApiSettings;
use crate::model::limits::{HEAD_OCTETS_MAX, HEADER_FIELDS_MAX};

/// How long a TLS handshake may take: two round trips around the world, with losses.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait when the system has no file descriptor for a connection: others have to be closed first.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is offered over TCP.
#[derive(Clone, Debug)]
pub struct ApiServer {
    /// What answers, behind authentication.
    router: Router,
    /// Within which bounds.
    settings: ApiSettings,
    /// For TLS.
    certificate: Option<Arc<Certificate>>,
    /// A permit for each connection at one time.
    connections: Arc<Semaphore>,
    /// How many of those each network has.
    of_networks: Arc<Shares<IpNet>>,
}

/// What a network is told that has too many connections.
const CROWDED: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 1\r\nConnection: close\r\n\r\n";

impl ApiServer {
    /// Offers the API and what watches `server` to bearers of tokens.
    pub fn new<S: Server>(
        context: Arc<Context>,
        server: Arc<S>,
        settings: ApiSettings,
        certificate: Option<Arc<Certificate>>,
    ) -> Self {
        let authentication = Arc::new(Authentication::new(Arc::clone(&context.store), Arc::clone(&context.refused)));
        let at_length = middleware::from_fn_with_state(Arc::clone(&context.bulk), at_length);
        let metrics = observe::metrics_route::<S>().route_layer(at_length).with_state(Arc::clone(&server));
        let router = v4::router(context).merge(metrics).fallback(async |uri: Uri| ApiError::no_route(uri.path()));
        let admission = Arc::new(Admission::default());
        // The last one is the first to see a request: nobody unknown takes up room. Whoever asks whether the server lives
        // gets an answer all the same.
        let router = router
            .layer(middleware::from_fn_with_state(admission, limit_requests))
            .merge(observe::signs::<S>().with_state(server))
            .layer(middleware::from_fn_with_state(authentication, authenticate))
            .layer(middleware::from_fn_with_state(settings.request_timeout, limit_time))
            .layer(middleware::from_fn(request_id::give_back));
        let connections = Arc::new(Semaphore::new(settings.connections_max));
        let of_networks = Shares::new((settings.connections_max / 2).max(1));
        Self { router, settings, certificate, connections, of_networks }
    }

    /// Serves a listening socket, which must not block, until `stop`; requests under way are finished.
    pub async fn serve(self, listener: std::net::TcpListener, stop: CancellationToken) -> io::Result<()> {
        let listener = TcpListener::from_std(listener)?;
        let mut tasks = JoinSet::new();
        loop {
            // Those that have ended.
            while tasks.try_join_next().is_some() {}
            let permit = tokio::select! {
                () = stop.cancelled() => break,
                permit = Arc::clone(&self.connections).acquire_owned() => permit.map_err(io::Error::other)?,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Some(share) = self.of_networks.take(network_of(peer.ip()), 1) else {
                debug!(%peer, "a connection to the API is closed: its network has too many");
                if self.certificate.is_none() {
                    // Whether it gets there or not: nothing is read or waited for.
                    drop(stream.try_write(CROWDED));
                }
                continue;
            };
            let (server, stop) = (self.clone(), stop.clone());
            tasks.spawn(async move {
                server.serve_connection(stream, peer, stop).await;
                drop((permit, share));
            });
        }
        drop(listener);
        while tasks.join_next().await.is_some() {}
        Ok(())
    }

    /// Serves one connection, TLS or not.
    async fn serve_connection(self, stream: TcpStream, peer: SocketAddr, stop: CancellationToken) {
        // Small answers go out at once. One that cannot be set is slower.
        drop(stream.set_nodelay(true));
        let Some(certificate) = &self.certificate else { return self.converse(stream, peer, stop).await };
        // Without a certificate the API is closed; the log has said so.
        let Some(acceptor) = certificate.acceptor() else { return };
        let handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream));
        let shaken = tokio::select! {
            () = stop.cancelled() => return,
            shaken = handshake => shaken,
        };
        match shaken {
            Ok(Ok(stream)) => self.converse(stream, peer, stop).await,
            Ok(Err(error)) => debug!(%peer, %error, "a TLS handshake with the API failed"),
            Err(_) => debug!(%peer, "a TLS handshake with the API took too long"),
        }
    }

    /// Speaks HTTP.
    async fn converse(
        self,
        stream: impl AsyncRead + AsyncWrite + Send + 'static,
        peer: SocketAddr,
        stop: CancellationToken,
    ) {
        let Self { router, settings, .. } = self;
        let service = TowerToHyperService::new(router.layer(Extension(ConnectInfo(peer))));
        let io = TokioIo::new(Patient::new(stream, settings.idle_timeout));
        let mut builder = http1::Builder::new();
        // Also how long a connection may be without a request.
        builder.timer(TokioTimer::new()).header_read_timeout(settings.idle_timeout);
        builder.max_headers(HEADER_FIELDS_MAX).max_buf_size(HEAD_OCTETS_MAX);
        let mut connection = pin!(builder.serve_connection(io, service));
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            debug!(%peer, %error, "a connection to the API broke off");
        }
    }
}

/// Answers for a request that takes too long. Its change may come about all the same; a client that knows no better is kept from
/// making the same thing twice.
async fn limit_time(State(timeout): State<Duration>, request: Request, next: Next) -> Response {
    // Whoever waits for DNS waits longer, by as much as that may take.
    let waits = request.uri().query().is_some_and(|query| query.contains("wait="));
    let timeout = if waits { timeout + LIVE_WAIT_MAX } else { timeout };
    let makes = *request.method() == Method::POST;
    let late = |_| {
        let text = format!("it takes more than {timeout:?}; what was asked for may still be done");
        ApiError::new(Code::Timeout, text).into_response()
    };
    let response = tokio::time::timeout(timeout, next.run(request)).await.unwrap_or_else(late);
    if makes && response.extensions().get::<Unsure>().is_some() { not_to_be_repeated(response) } else { response }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::any;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_made_is_not_made_again_by_itself() {
        let hangs = async || -> Result<(), ApiError> { std::future::pending().await };
        let fails = async || ApiError::new(Code::Unavailable, "the disk is full");
        let crowded = async || ApiError::new(Code::Overloaded, "come again");
        let router: Router = Router::new()
            .route("/hangs", any(hangs))
            .route("/fails", any(fails))
            .route("/crowded", any(crowded))
            .layer(middleware::from_fn_with_state(Duration::from_secs(1), limit_time));
        for (method, path, status, is_repeated) in [
            (Method::POST, "/hangs", StatusCode::GATEWAY_TIMEOUT, false),
            (Method::PUT, "/hangs", StatusCode::GATEWAY_TIMEOUT, true),
            (Method::POST, "/fails", StatusCode::SERVICE_UNAVAILABLE, false),
            (Method::GET, "/fails", StatusCode::SERVICE_UNAVAILABLE, true),
            (Method::POST, "/crowded", StatusCode::SERVICE_UNAVAILABLE, true),
        ] {
            let request = Request::builder().method(method.clone()).uri(path).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            let should_retry = response.headers().get("x-should-retry");
            assert_eq!((response.status(), should_retry.is_none()), (status, is_repeated), "{method} {path}");
        }
    }
}
