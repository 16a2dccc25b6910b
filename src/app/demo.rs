//! Origins for the demonstration: three small HTTP servers that fail and recover when told to.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Where the origins of `config/demo.toml` are.
pub const ORIGINS: [SocketAddr; 3] = [address(11), address(12), address(13)];

/// An origin's address.
const fn address(host: u8) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, host)), 8081)
}

/// An origin that is bound and does not serve yet.
#[derive(Debug)]
pub struct DemoOrigin(TcpListener);

impl DemoOrigin {
    /// Binds an origin.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// Where it is.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until `token` is cancelled.
    pub async fn serve(self, token: CancellationToken) {
        let healthy = Arc::new(AtomicBool::new(true));
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = token.cancelled() => return,
                accepted = self.0.accept() => {
                    if let Ok((stream, _)) = accepted {
                        connections.spawn(serve_connection(stream, Arc::clone(&healthy)));
                    }
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Serves one connection. How it ends is the client's business.
async fn serve_connection(stream: TcpStream, healthy: Arc<AtomicBool>) {
    let service = service_fn(move |request| {
        let response = respond(&request, &healthy);
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(5))
        .serve_connection(TokioIo::new(stream), service);
    drop(connection.await);
}

/// `GET` tells whether the origin is healthy; `POST /fail` and `POST /recover` change it.
fn respond(request: &Request<Incoming>, healthy: &AtomicBool) -> Response<Full<Bytes>> {
    let (code, text) = match (request.method(), request.uri().path()) {
        (&Method::POST, "/fail") => {
            healthy.store(false, Ordering::Relaxed);
            (StatusCode::OK, "failing from now on; POST /recover ends it\n")
        }
        (&Method::POST, "/recover") => {
            healthy.store(true, Ordering::Relaxed);
            (StatusCode::OK, "healthy again\n")
        }
        (&Method::GET | &Method::HEAD, _) if healthy.load(Ordering::Relaxed) => (StatusCode::OK, "healthy\n"),
        (&Method::GET | &Method::HEAD, _) => (StatusCode::SERVICE_UNAVAILABLE, "failing\n"),
        _ => (StatusCode::METHOD_NOT_ALLOWED, "GET /, POST /fail or POST /recover\n"),
    };
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = code;
    response
}
