//! The API over TCP: HTTP/1.1, perhaps within TLS, and bounds for whoever connects.
//!
//! A connection waits for nobody else's: each is a task, of bounded buffers. One that is slow to say what it wants, or to
//! take its answer, is closed; one network has at most half of all connections, so that it cannot shut others out.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::Uri;
use axum::middleware::{self, Next};
use axum::response::Response;
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

use crate::api::authentication::{Authentication, authenticate};
use crate::api::control::Server;
use crate::api::network::network_of;
use crate::api::observe;
use crate::api::patient::Patient;
use crate::api::tls::Certificate;
use crate::api::v4::code::Code;
use crate::api::v4::context::LIVE_WAIT_MAX;
use crate::api::v4::error::ApiError;
use crate::api::v4::{self, Context};
use crate::config::api::ApiSettings;
use crate::model::limits::{API_REQUESTS_MAX, HEAD_OCTETS_MAX, HEADER_FIELDS_MAX};

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
    /// Connections at one time.
    connections: Arc<Connections>,
}

/// Open connections by network. None is 0.
#[derive(Debug)]
struct Connections {
    /// Most in all.
    total: Arc<Semaphore>,
    /// Most of one network.
    network_max: usize,
    /// Of each. Held for a few instructions only.
    open: Mutex<HashMap<IpNet, usize>>,
}

/// A connection that counts.
struct Counted {
    /// Where.
    connections: Arc<Connections>,
    /// Whose it is.
    network: IpNet,
}

impl ApiServer {
    /// Offers the API and what watches `server` to bearers of tokens.
    pub fn new<S: Server>(
        context: Arc<Context>,
        server: Arc<S>,
        settings: ApiSettings,
        certificate: Option<Arc<Certificate>>,
    ) -> Self {
        let authentication = Arc::new(Authentication::new(Arc::clone(&context.store)));
        let router = v4::router(context).merge(observe::routes::<S>().with_state(server));
        let router = router.fallback(async |uri: Uri| ApiError::no_route(uri.path()));
        let room = Arc::new(Semaphore::new(API_REQUESTS_MAX));
        // The last one is the first to see a request: nobody unknown takes up room.
        let router = router
            .layer(middleware::from_fn_with_state(room, limit_requests))
            .layer(middleware::from_fn_with_state(authentication, authenticate))
            .layer(middleware::from_fn_with_state(settings.request_timeout, limit_time));
        let connections = Arc::new(Connections {
            total: Arc::new(Semaphore::new(settings.connections_max)),
            network_max: (settings.connections_max / 2).max(1),
            open: Mutex::default(),
        });
        Self { router, settings, certificate, connections }
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
                permit = Arc::clone(&self.connections.total).acquire_owned() => permit.map_err(io::Error::other)?,
            };
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Some(counted) = Connections::count(&self.connections, network_of(peer.ip())) else {
                debug!(%peer, "a connection to the API is closed: its network has too many");
                continue;
            };
            let (server, stop) = (self.clone(), stop.clone());
            tasks.spawn(async move {
                server.serve_connection(stream, peer, stop).await;
                drop((permit, counted));
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
        let Self { router, settings, certificate: _, connections: _ } = self;
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

impl Connections {
    /// Counts a connection of a network, if it may have another.
    fn count(connections: &Arc<Self>, network: IpNet) -> Option<Counted> {
        let mut open = connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_default();
        if *count >= connections.network_max {
            return None;
        }
        *count += 1;
        Some(Counted { connections: Arc::clone(connections), network })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut open = self.connections.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                open.remove(&self.network);
            }
        }
    }
}

/// Answers for a request that takes too long. Its change may come about all the same.
async fn limit_time(State(timeout): State<Duration>, request: Request, next: Next) -> Result<Response, ApiError> {
    // Whoever waits for DNS waits longer, by as much as that may take.
    let waits = request.uri().query().is_some_and(|query| query.contains("wait="));
    let timeout = if waits { timeout + LIVE_WAIT_MAX } else { timeout };
    let late = |_| {
        ApiError::new(Code::Timeout, format!("it takes more than {timeout:?}; what was asked for may still be done"))
    };
    tokio::time::timeout(timeout, next.run(request)).await.map_err(late)
}

/// Lets so many requests through at one time.
async fn limit_requests(
    State(room): State<Arc<Semaphore>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    match room.try_acquire() {
        Ok(_permit) => Ok(next.run(request).await),
        Err(_) => Err(ApiError::new(Code::Overloaded, format!("more than {API_REQUESTS_MAX} requests at one time"))),
    }
}
