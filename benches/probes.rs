//! What a probe of each type costs: CPU time of the prober's thread, and time until the outcome, against origins on
//! loopback that have a thread of their own. 64 probes run at one time.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a bench prints its results and may stop anywhere")]

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use pooldns::config::Policy;
use pooldns::health::probe::{Probe, Prober};
use pooldns::health::table::TargetKey;
use pooldns::model::id::MonitorId;
use pooldns::model::monitor::{Check, DnsCheck, ExpectedCodes, GrpcCheck, HttpCheck, Monitor, TlsCheck, TlsTerms};
use pooldns::model::name::Name;
use pooldns::model::rrset::Rtype;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

/// Probes of each type.
const PROBES: usize = 4_000;
/// Probes at one time.
const AT_ONCE: usize = 64;

/// Where the origins listen.
#[derive(Clone, Copy)]
struct Origins {
    /// HTTP/1.1 without TLS.
    plain: SocketAddr,
    /// SMTP.
    mail: SocketAddr,
    /// HTTPS by HTTP/1.1.
    tls: SocketAddr,
    /// HTTPS and gRPC by HTTP/2.
    http2: SocketAddr,
    /// DNS.
    dns: SocketAddr,
}

fn main() {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || runtime().block_on(serve(sender)));
    let origins = receiver.recv().unwrap();
    println!("{PROBES} probes of each type, {AT_ONCE} at one time; microseconds");
    println!("{:<24} {:>10} {:>10}", "", "CPU", "p50 rtt");
    let insecure = TlsTerms { allow_insecure: true, ..TlsTerms::default() };
    let days = TlsTerms { certificate_days_min: 14, ..insecure.clone() };
    let http = |address: SocketAddr, tls: Option<TlsTerms>| {
        let expected_codes = ExpectedCodes::parse("200").unwrap();
        Check::Http(HttpCheck {
            tls,
            method: "GET".into(),
            path: "/".into(),
            port: Some(address.port()),
            headers: vec![],
            expected_codes,
            expected_body: String::new(),
            follow_redirects: false,
        })
    };
    let grpc = |tls| {
        Check::Grpc(GrpcCheck { port: Some(origins.http2.port()), service: String::new(), server_name: None, tls })
    };
    let dns = DnsCheck {
        port: origins.dns.port(),
        query_name: Name::parse("www.example.com", None).unwrap(),
        query_type: Rtype::A,
        expected_rcode: 0,
        expected_answer: None,
    };
    for (what, check) in [
        ("tcp", Check::Tcp { port: origins.plain.port() }),
        ("icmp_ping", Check::IcmpPing),
        ("dns", Check::Dns(dns)),
        ("smtp", Check::Smtp { port: origins.mail.port() }),
        ("http", http(origins.plain, None)),
        ("tls", Check::Tls(TlsCheck { port: origins.tls.port(), server_name: None, terms: insecure.clone() })),
        ("tls, days", Check::Tls(TlsCheck { port: origins.tls.port(), server_name: None, terms: days })),
        ("https, HTTP/1.1", http(origins.tls, Some(insecure.clone()))),
        ("https, HTTP/2", http(origins.http2, Some(insecure.clone()))),
        ("grpc with TLS", grpc(Some(insecure))),
    ] {
        measure(what, check, origins);
    }
}

/// Probes by one check, and prints what it cost.
fn measure(what: &str, check: Check, origins: Origins) {
    let monitor = Arc::new(Monitor {
        id: MonitorId::declared("m"),
        name: "m".into(),
        description: String::new(),
        probe_zone: String::new(),
        check,
        source_address: None,
        timeout: Duration::from_secs(10),
        retries: 0,
        interval: Duration::from_mins(1),
        consecutive_up: 0,
        consecutive_down: 0,
        damping: None,
    });
    let prober = Prober::new(RootCertStore::empty(), Arc::new(ArcSwap::from_pointee(Policy::default())));
    let key = Arc::new(TargetKey { address: origins.plain.ip(), monitor: monitor.id, host: None });
    runtime().block_on(async {
        let before = cpu_ns();
        let mut running = JoinSet::new();
        let mut rtts = Vec::with_capacity(PROBES);
        for _ in 0..PROBES {
            if running.len() == AT_ONCE {
                rtts.push(running.join_next().await.unwrap().unwrap());
            }
            let (prober, monitor, key) = (prober.clone(), Arc::clone(&monitor), Arc::clone(&key));
            running.spawn(async move {
                let began = Instant::now();
                let outcome = prober.attempt(&monitor, &key).await;
                assert_eq!(outcome.failure, None);
                began.elapsed()
            });
        }
        rtts.extend(running.join_all().await);
        let cpu = Duration::from_nanos(cpu_ns() - before).as_secs_f64() * 1e6;
        rtts.sort_unstable();
        let count = f64::from(u32::try_from(PROBES).unwrap());
        let middle = rtts.into_iter().nth(PROBES / 2).unwrap().as_secs_f64() * 1e6;
        println!("{what:<24} {:>10.1} {middle:>10.0}", cpu / count);
    });
}

/// What this thread has had of a CPU.
fn cpu_ns() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// A runtime of this thread.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// Serves all origins, on one address.
async fn serve(ready: mpsc::Sender<Origins>) {
    let listener = async || TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (plain, mail, tls, http2) = (listener().await, listener().await, listener().await, listener().await);
    let dns = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let origins = Origins {
        plain: plain.local_addr().unwrap(),
        mail: mail.local_addr().unwrap(),
        tls: tls.local_addr().unwrap(),
        http2: http2.local_addr().unwrap(),
        dns: dns.local_addr().unwrap(),
    };
    ready.send(origins).unwrap();
    let (by_one, by_two) = (acceptor(b"http/1.1"), acceptor(b"h2"));
    tokio::join!(
        async {
            loop {
                let (stream, _) = plain.accept().await.unwrap();
                tokio::spawn(speak(stream, b""));
            }
        },
        async {
            loop {
                let (stream, _) = mail.accept().await.unwrap();
                tokio::spawn(speak(stream, b"220 mail.example\r\n"));
            }
        },
        async {
            loop {
                let (stream, _) = tls.accept().await.unwrap();
                let acceptor = by_one.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        speak(stream, b"").await;
                    }
                });
            }
        },
        async {
            loop {
                let (stream, _) = http2.accept().await.unwrap();
                let acceptor = by_two.clone();
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        health(stream).await;
                    }
                });
            }
        },
        async {
            let mut query = [0; 512];
            loop {
                let (length, from) = dns.recv_from(&mut query).await.unwrap();
                if let Some(flags) = query.get_mut(2) {
                    *flags |= 0x80;
                }
                dns.send_to(query.get(..length).unwrap_or_default(), from).await.unwrap();
            }
        },
    );
}

/// Greets, and says what a client waits for.
async fn speak(mut stream: impl AsyncRead + AsyncWrite + Unpin, greeting: &[u8]) {
    let mut said = [0; 1024];
    let mut reply = greeting;
    while stream.write_all(reply).await.is_ok() {
        let Ok(length @ 1..) = stream.read(&mut said).await else { return };
        reply = match said.get(..length).unwrap_or_default() {
            [b'H', b'E', ..] => b"250 hello\r\n",
            [b'Q', ..] => b"221 bye\r\n",
            _ => b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        };
    }
}

/// A response that HTTP takes for a page, and gRPC for SERVING.
async fn health(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let service = service_fn(|_| async {
        let response = hyper::Response::builder().header("content-type", "application/grpc").header("grpc-status", "0");
        Ok::<_, Infallible>(response.body(Full::new(Bytes::from_static(b"\0\0\0\0\x02\x08\x01"))).unwrap())
    });
    drop(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await);
}

/// TLS with a certificate of our own.
fn acceptor(protocol: &[u8]) -> TlsAcceptor {
    let certified = rcgen::generate_simple_self_signed(["www.example.com".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let chain = vec![certified.cert.der().clone()];
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![protocol.to_vec()];
    TlsAcceptor::from(Arc::new(config))
}
