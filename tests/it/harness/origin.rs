//! Origins that do what they are told, switched while they run. All live on one runtime of their own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinHandle, JoinSet};

use super::tls::AUTHORITY;
use super::wait_some;

/// Where all origins live.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// What an origin does with each connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Behaviour {
    /// 200 and the body `all is well`.
    Ok,
    /// Nobody listens.
    Refuse,
    /// Accepts and says nothing.
    Hang,
    /// Accepts, and resets instead of an answer.
    Reset,
    /// 500.
    Error500,
    /// 200 and a body without the expected text.
    WrongBody,
    /// 200 and a body that comes octet by octet, without end.
    SlowBody,
    /// Redirects to itself.
    RedirectLoop,
    /// 200 and a body without end, as fast as it is read.
    HugeBody,
    /// No HTTP at all.
    Garbage,
    /// With TLS: a certificate of its own making.
    SelfSigned,
    /// With TLS: one that has expired.
    Expired,
    /// With TLS: one for another name.
    WrongName,
}

/// Plain, or with TLS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    Http,
    Https,
}

/// Origins on one port, each at an address that no other test uses.
pub(crate) struct Site {
    /// The port of all.
    pub(crate) port: u16,
    /// The origins.
    pub(crate) origins: Vec<Origin>,
}

impl Site {
    /// `count` plain origins that are well.
    pub(crate) fn http(count: usize) -> Self {
        Self::new(count, Scheme::Http)
    }

    /// `count` origins with TLS that are well.
    pub(crate) fn https(count: usize) -> Self {
        Self::new(count, Scheme::Https)
    }

    fn new(count: usize, scheme: Scheme) -> Self {
        wait_some("a port that is free on all addresses", || {
            let first = Origin::start((fresh_address(), 0).into(), scheme)?;
            let port = first.address.port();
            let rest = (1..count).map(|_| Origin::start((fresh_address(), port).into(), scheme));
            let origins = [Some(first)].into_iter().chain(rest).collect::<Option<Vec<_>>>()?;
            Some(Self { port, origins })
        })
    }

    /// The origins' addresses.
    pub(crate) fn addresses(&self) -> Vec<IpAddr> {
        self.origins.iter().map(|origin| origin.address.ip()).collect()
    }

    /// A monitor `name` on this port, quick to notice; `more` are further settings, which come last.
    pub(crate) fn monitor(&self, name: &str, kind: &str, more: &str) -> String {
        format!("\n[[monitors]]\nname = \"{name}\"\ntype = \"{kind}\"\nport = {}\n{more}\n", self.port)
    }

    /// A pool `name` of the origins, under a monitor.
    pub(crate) fn pool(&self, name: &str, monitor: &str) -> String {
        pool(name, monitor, &self.addresses())
    }
}

/// A pool of addresses.
pub(crate) fn pool(name: &str, monitor: &str, addresses: &[IpAddr]) -> String {
    let origin = |(index, address)| format!("  {{ name = \"{name}-{index}\", address = \"{address}\" }},\n");
    let origins: Vec<String> = addresses.iter().enumerate().map(origin).collect();
    let origins = origins.concat();
    format!("\n[[pools]]\nname = \"{name}\"\nmonitor = \"{monitor}\"\norigins = [\n{origins}]\n")
}

/// A load balancer with a TTL of 5 that falls back to the last of its pools.
pub(crate) fn load_balancer(name: &str, pools: &[&str]) -> String {
    let fallback = pools[pools.len() - 1];
    let pools = format!("{pools:?}");
    format!(
        "\n[[load_balancers]]\nname = \"{name}\"\ndefault_pools = {pools}\nfallback_pool = \"{fallback}\"\nttl = 5\n"
    )
}

/// A loopback address that this process has not used, and others most likely neither.
pub(crate) fn fresh_address() -> IpAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let [.., high, low] = (number / 250).to_be_bytes();
    assert_eq!(high, 0, "more addresses than expected");
    let process = u8::try_from(std::process::id() % 200).unwrap() + 20;
    Ipv4Addr::new(127, process, low, u8::try_from(number % 250).unwrap() + 2).into()
}

/// One origin.
pub(crate) struct Origin {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What all its connections share.
    script: Arc<Script>,
    /// Its accept loop, unless it refuses.
    accepting: Mutex<Option<JoinHandle<()>>>,
}

/// What an origin's connections share.
struct Script {
    scheme: Scheme,
    behaviour: Mutex<Behaviour>,
    connections: AtomicUsize,
    heads: Mutex<Vec<String>>,
}

impl Origin {
    /// Listens; none if the port is taken.
    fn start(address: SocketAddr, scheme: Scheme) -> Option<Self> {
        let script = Arc::new(Script {
            scheme,
            behaviour: Mutex::new(Behaviour::Ok),
            connections: AtomicUsize::new(0),
            heads: Mutex::default(),
        });
        let listener = listen(address)?;
        let address = listener.local_addr().unwrap();
        let accepting = RUNTIME.spawn(accept(listener, Arc::clone(&script)));
        Some(Self { address, script, accepting: Mutex::new(Some(accepting)) })
    }

    /// How many connections it has taken.
    pub(crate) fn connections(&self) -> usize {
        self.script.connections.load(Ordering::SeqCst)
    }

    /// The heads of the requests it got.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.script.heads.lock().unwrap().clone()
    }

    /// Behaves like this from now on.
    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.script.behaviour.lock().unwrap() = behaviour;
        let mut accepting = self.accepting.lock().unwrap();
        match (behaviour, accepting.take()) {
            (Behaviour::Refuse, Some(task)) => {
                task.abort();
                RUNTIME.block_on(task).ok();
            }
            (Behaviour::Refuse, None) => {}
            (_, Some(task)) => *accepting = Some(task),
            (_, None) => {
                let listener = wait_some("the origin's port again", || listen(self.address));
                *accepting = Some(RUNTIME.spawn(accept(listener, Arc::clone(&self.script))));
            }
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(task) = self.accepting.lock().unwrap().take() {
            task.abort();
        }
    }
}

/// Binds.
fn listen(address: SocketAddr) -> Option<TcpListener> {
    RUNTIME.block_on(TcpListener::bind(address)).ok()
}

/// Accepts until aborted; its connections go with it.
async fn accept(listener: TcpListener, script: Arc<Script>) {
    let mut open = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        script.connections.fetch_add(1, Ordering::SeqCst);
        while open.try_join_next().is_some() {}
        open.spawn(converse(stream, Arc::clone(&script)));
    }
}

/// One connection.
async fn converse(stream: TcpStream, script: Arc<Script>) {
    let behaviour = *script.behaviour.lock().unwrap();
    let authority = &*AUTHORITY;
    let acceptor = match behaviour {
        Behaviour::Hang => return hang(stream).await,
        Behaviour::Reset => {
            // Closing with nothing to linger for sends RST.
            stream.set_zero_linger().ok();
            return;
        }
        Behaviour::SelfSigned => &authority.self_signed,
        Behaviour::Expired => &authority.expired,
        Behaviour::WrongName => &authority.wrong_name,
        _ => &authority.good,
    };
    match script.scheme {
        Scheme::Http => respond(stream, behaviour, &script).await,
        // The prober may not like the certificate: nothing more to do.
        Scheme::Https => {
            if let Ok(stream) = acceptor.accept(stream).await {
                respond(stream, behaviour, &script).await;
            }
        }
    }
}

/// Keeps a connection until the other side ends it.
async fn hang(mut stream: impl AsyncRead + Unpin) {
    let mut octets = [0; 1024];
    while stream.read(&mut octets).await.is_ok_and(|count| count > 0) {}
}

/// Reads a request and answers it as told. Every error is the prober's leave.
async fn respond(mut stream: impl AsyncRead + AsyncWrite + Unpin, behaviour: Behaviour, script: &Script) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(octet) = stream.read_u8().await else { return };
        head.push(octet);
    }
    script.heads.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
    let answer: &[u8] = match behaviour {
        Behaviour::Error500 => b"HTTP/1.1 500 No\r\nContent-Length: 4\r\nConnection: close\r\n\r\nno!\n",
        Behaviour::WrongBody => b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nmaybe\n",
        Behaviour::RedirectLoop => b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n",
        Behaviour::Garbage => b"\x00\x01\x02 SSH-2.0-no http here\r\n\r\n",
        Behaviour::SlowBody | Behaviour::HugeBody => b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\nall is well",
    };
    if stream.write_all(answer).await.is_err() {
        return;
    }
    let (chunk, pause) = match behaviour {
        Behaviour::SlowBody => (1, Duration::from_millis(20)),
        Behaviour::HugeBody => (64 << 10, Duration::ZERO),
        _ => {
            stream.shutdown().await.ok();
            return hang(stream).await;
        }
    };
    let octets = vec![b'x'; chunk];
    while stream.write_all(&octets).await.is_ok() {
        stream.flush().await.ok();
        tokio::time::sleep(pause).await;
    }
}
