//! The real prober against real origins on loopback. Clocks run; time-outs are short only where one is expected.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::*;
use crate::config::reach::Reach;
use crate::model::id::MonitorId;
use crate::model::monitor::{ExpectedCodes, HttpCheck, Scheme, TlsTerms};

mod handshake;
mod https;
mod mail;
mod names;
mod pings;
mod plain;
mod reach;
mod rpc;

/// More than any loopback exchange takes on a busy machine.
const AMPLE: Duration = Duration::from_secs(20);
/// For probes that have to run out of time.
const SHORT: Duration = Duration::from_millis(400);

/// An origin that does one thing with each connection.
struct ScriptedOrigin {
    /// Where it listens.
    address: SocketAddr,
    /// How many connections it has taken.
    connections: Arc<AtomicUsize>,
    /// Its accept loop, which owns its connections.
    task: AbortHandle,
}

impl ScriptedOrigin {
    /// Listens on a free port.
    async fn start<F: Future<Output = ()> + Send + 'static>(
        script: impl Fn(TcpStream) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let accepting = async move {
            let mut open = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                open.spawn(script(stream));
            }
        };
        Self { address, connections, task: tokio::spawn(accepting).abort_handle() }
    }

    /// Answers each request with the same octets, and closes.
    async fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response: Arc<[u8]> = response.into().into();
        Self::start(move |mut stream| {
            let response = Arc::clone(&response);
            async move {
                read_head(&mut stream).await;
                // The prober may have seen enough before all is written.
                if stream.write_all(&response).await.is_ok() {
                    linger(stream).await;
                }
            }
        })
        .await
    }

    /// How many connections it has taken.
    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for ScriptedOrigin {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What requests an origin got.
#[derive(Clone, Default)]
struct Heads(Arc<Mutex<Vec<String>>>);

impl Heads {
    fn push(&self, head: String) {
        self.0.lock().unwrap().push(head);
    }

    /// All heads so far.
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Reads up to the empty line that ends a request's head.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(head).unwrap()
}

/// Ends our side, then waits for the other, so that no unread octet turns the close into a reset.
async fn linger(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut rest = [0; 4096];
    if stream.shutdown().await.is_ok() {
        while stream.read(&mut rest).await.is_ok_and(|octets| octets > 0) {}
    }
}

/// A GET that expects 200.
fn check(scheme: Scheme, port: u16) -> HttpCheck {
    HttpCheck {
        tls: (scheme == Scheme::Https).then(TlsTerms::default),
        method: "GET".into(),
        path: "/health".into(),
        port: Some(port),
        headers: vec![],
        expected_codes: ExpectedCodes::parse("200").unwrap(),
        expected_body: String::new(),
        follow_redirects: false,
    }
}

fn monitor(check: Check, timeout: Duration) -> Monitor {
    Monitor {
        id: MonitorId::declared("m"),
        name: "m".into(),
        description: String::new(),
        probe_zone: String::new(),
        check,
        source_address: None,
        timeout,
        retries: 0,
        interval: AMPLE * 2,
        consecutive_up: 1,
        consecutive_down: 1,
        damping: None,
    }
}

fn key(address: SocketAddr, host: Option<&str>) -> TargetKey {
    TargetKey { address: address.ip(), monitor: MonitorId::declared("m"), host: host.map(Arc::from) }
}

/// A prober that trusts nobody and may go anywhere that the default policy allows.
fn prober() -> Prober {
    prober_with(RootCertStore::empty(), Reach::default())
}

fn prober_with(roots: RootCertStore, reach: Reach) -> Prober {
    Prober::new(roots, Arc::new(ArcSwap::from_pointee(Policy { reach, ..Policy::default() })))
}

/// One HTTP attempt at an origin.
async fn attempt(check: HttpCheck, origin: &ScriptedOrigin, host: Option<&str>, timeout: Duration) -> Outcome {
    let prober = prober();
    prober.attempt(&monitor(Check::Http(check), timeout), &key(origin.address, host)).await
}
