//! HTTPS: who is believed, which name is asked for, and which HTTP is spoken.

use std::convert::Infallible;

use http_body_util::Full;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// An authority, and what it signs.
pub(super) struct Authority {
    /// Signs.
    pub(super) issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    pub(super) certificate: CertificateDer<'static>,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A prober that trusts this authority only.
    pub(super) fn prober(&self) -> Prober {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        prober_with(roots, Reach::default())
    }

    /// A server's configuration with a certificate for `name`.
    pub(super) fn certify(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        self.certify_asking(name, edit, None)
    }

    /// The same, of a server that wants a certificate of its clients, issued by `clients`.
    pub(super) fn certify_asking(
        &self,
        name: &str,
        edit: impl FnOnce(&mut CertificateParams),
        clients: Option<&Self>,
    ) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.certificate.clone()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// Serves one connection of HTTP/2.
pub(super) async fn serve_http2<B: Body<Data = Bytes, Error = Infallible> + Send + 'static>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    answer: impl Fn(&Request<Incoming>) -> Response<B> + Send + Sync + 'static,
) {
    let service = service_fn(move |request| std::future::ready(Ok::<_, Infallible>(answer(&request))));
    let serving = http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service);
    // The prober may hang up at any time.
    drop(serving.await);
}

/// An origin that serves HTTPS; it notes server name, protocol, kind of handshake, and the head of each request.
pub(super) async fn https(config: Arc<ServerConfig>) -> (ScriptedOrigin, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let acceptor = TlsAcceptor::from(config);
    let origin = ScriptedOrigin::start(move |stream| {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let session = stream.get_ref().1;
            if session.alpn_protocol() == Some(b"h2") {
                let name =
                    format!("{} h2 {:?}", session.server_name().unwrap_or("-"), session.handshake_kind().unwrap());
                return serve_http2(stream, move |request| {
                    seen.push(format!("{name}\r\n{} {}\r\n{:?}", request.method(), request.uri(), request.headers()));
                    Response::new(Full::default())
                })
                .await;
            }
            let head = read_head(&mut stream).await;
            let session = stream.get_ref().1;
            let protocol = String::from_utf8(session.alpn_protocol().unwrap_or_default().to_vec()).unwrap();
            let handshake = session.handshake_kind().unwrap();
            seen.push(format!("{} {protocol} {handshake:?}\r\n{head}", session.server_name().unwrap_or("-")));
            if stream.write_all(OK).await.is_ok() {
                linger(stream).await;
            }
        }
    });
    (origin.await, heads)
}

/// Terms that any certificate meets.
pub(super) fn insecure() -> TlsTerms {
    TlsTerms { allow_insecure: true, ..TlsTerms::default() }
}

/// One attempt with and without verification.
async fn both(
    prober: &Prober,
    origin: &ScriptedOrigin,
    host: Option<&str>,
) -> (Option<FailReason>, Option<FailReason>) {
    let verified = check(Scheme::Https, origin.address.port());
    let insecure = HttpCheck { tls: Some(insecure()), ..verified.clone() };
    let key = key(origin.address, host);
    let verified = prober.attempt(&monitor(Check::Http(verified), AMPLE), &key).await;
    let insecure = prober.attempt(&monitor(Check::Http(insecure), AMPLE), &key).await;
    (verified.failure, insecure.failure)
}

#[tokio::test]
async fn certificates() {
    let authority = Authority::new();
    let other = Authority::new();
    let prober = authority.prober();
    let expired = |params: &mut CertificateParams| params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let early = |params: &mut CertificateParams| params.not_before = rcgen::date_time_ymd(4000, 1, 1);
    let host = Some("www.example.com");
    for (what, config, host, failure) in [
        ("good", authority.certify("www.example.com", |_| ()), host, None),
        ("good with a port", authority.certify("www.example.com", |_| ()), Some("www.example.com:9"), None),
        ("good wildcard", authority.certify("*.example.com", |_| ()), host, None),
        ("good address", authority.certify("127.0.0.1", |_| ()), None, None),
        ("other name", authority.certify("example.com", |_| ()), host, Some(FailReason::TlsNameMismatch)),
        ("name for an address", authority.certify("example.com", |_| ()), None, Some(FailReason::TlsNameMismatch)),
        ("expired", authority.certify("www.example.com", expired), host, Some(FailReason::TlsUntrustedCertificate)),
        ("not yet valid", authority.certify("www.example.com", early), host, Some(FailReason::TlsUntrustedCertificate)),
        ("other issuer", other.certify("www.example.com", |_| ()), host, Some(FailReason::TlsUntrustedCertificate)),
    ] {
        let (origin, _) = https(config).await;
        assert_eq!(both(&prober, &origin, host).await, (failure, None), "{what}");
    }
}

#[tokio::test]
async fn the_server_name_is_the_host_in_force() {
    let authority = Authority::new();
    let (origin, heads) = https(authority.certify("www.example.com", |_| ())).await;
    let port = origin.address.port();
    let own = format!("www.example.com:{port}");
    for (host, start, line) in [
        (Some("www.example.com"), "www.example.com http/1.1 Full", "host: www.example.com\r\n".to_owned()),
        (Some("WWW.Example.com:444"), "www.example.com http/1.1 Full", "host: WWW.Example.com:444\r\n".to_owned()),
        (Some("192.0.2.7"), "- http/1.1 Full", "host: 192.0.2.7\r\n".to_owned()),
        // HTTP/2, of which the URL is the host.
        (Some(&*own), "www.example.com h2 Full", format!("GET https://{own}/health\r\n")),
        (None, "- h2 Full", format!("GET https://127.0.0.1:{port}/health\r\n")),
    ] {
        let check = HttpCheck { tls: Some(insecure()), ..check(Scheme::Https, port) };
        let prober = authority.prober();
        let outcome = prober.attempt(&monitor(Check::Http(check), AMPLE), &key(origin.address, host)).await;
        assert_eq!((outcome.failure, outcome.code), (None, Some(200)));
        let head = heads.all().pop().unwrap();
        assert!(head.starts_with(start) && head.contains(&line), "{head}");
    }
}

#[tokio::test]
async fn handshakes_that_fail() {
    /// A fatal alert, as a TLS record (RFC 8446 §6).
    const fn alert(description: u8) -> [u8; 7] {
        [21, 3, 3, 0, 2, 2, description]
    }
    let prober = Authority::new().prober();
    for (what, answer, failure) in [
        ("unrecognized_name", alert(112).to_vec(), FailReason::TlsUnrecognizedName),
        ("handshake_failure", alert(40).to_vec(), FailReason::TlsProtocol),
        ("plain HTTP", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), FailReason::TlsProtocol),
        ("nothing", vec![], FailReason::ConnectionReset),
    ] {
        let answer: Arc<[u8]> = answer.into();
        let origin = ScriptedOrigin::start(move |mut stream: TcpStream| {
            let answer = Arc::clone(&answer);
            async move {
                // The whole ClientHello comes in one segment; the rest does not matter.
                let mut hello = [0; 4096];
                assert_ne!(stream.read(&mut hello).await.unwrap(), 0);
                stream.write_all(&answer).await.unwrap();
                linger(stream).await;
            }
        });
        let origin = origin.await;
        assert_eq!(both(&prober, &origin, Some("www.example.com")).await, (Some(failure), Some(failure)), "{what}");
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_no_tcp_time_out() {
    let origin = ScriptedOrigin::start(async |_stream: TcpStream| std::future::pending().await).await;
    let check = check(Scheme::Https, origin.address.port());
    let prober = Authority::new().prober();
    let outcome = prober.attempt(&monitor(Check::Http(check), SHORT), &key(origin.address, None)).await;
    assert_eq!(outcome.failure, Some(FailReason::HttpTimeout));
}

#[tokio::test]
async fn no_session_is_resumed_so_every_probe_sees_the_certificate() {
    let authority = Authority::new();
    let (origin, heads) = https(authority.certify("www.example.com", |_| ())).await;
    let prober = authority.prober();
    let host = Some("www.example.com");
    for _ in 0..2 {
        assert_eq!(both(&prober, &origin, host).await, (None, None));
    }
    assert_eq!((heads.all().len(), origin.connections()), (4, 4));
    assert!(heads.all().iter().all(|head| head.starts_with("www.example.com http/1.1 Full")));
}

#[tokio::test]
async fn http2_is_judged_like_http1() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(authority.certify("127.0.0.1", |_| ()));
    let origin = ScriptedOrigin::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            serve_http2(stream, |request| {
                let (status, size) = match request.uri().path() {
                    "/ready" => (200, 9),
                    "/large" => (200, 1 << 20),
                    "/heads" => (200, 0),
                    _ => (404, 0),
                };
                let mut response = Response::new(Full::from([vec![b'x'; size], b"ready".to_vec()].concat()));
                *response.status_mut() = status.try_into().unwrap();
                if request.uri().path() == "/heads" {
                    response.headers_mut().insert("x", "y".repeat(100_000).parse().unwrap());
                }
                response
            })
            .await;
        }
    });
    let origin = origin.await;
    let prober = authority.prober();
    for (path, body, failure, code) in [
        ("/ready", "READY", None, Some(200)),
        ("/ready", "well", Some(FailReason::ResponseBodyMismatch), Some(200)),
        ("/nowhere", "", Some(FailReason::ResponseCodeMismatch), Some(404)),
        ("/large", "ready", Some(FailReason::ResponseBodyMismatch), Some(200)),
        // More octets of header fields than are taken.
        ("/heads", "", Some(FailReason::HttpInvalidResponse), None),
    ] {
        let check = check(Scheme::Https, origin.address.port());
        let check = HttpCheck { path: path.into(), expected_body: body.into(), ..check };
        let outcome = prober.attempt(&monitor(Check::Http(check), AMPLE), &key(origin.address, None)).await;
        assert_eq!((outcome.failure, outcome.code), (failure, code), "{path} {body}");
    }
}

#[tokio::test]
async fn nothing_of_http2_outlives_its_probe() {
    let authority = Authority::new();
    let acceptor = TlsAcceptor::from(authority.certify("127.0.0.1", |_| ()));
    let (ended, mut endings) = tokio::sync::mpsc::channel(4);
    let origin = ScriptedOrigin::start(move |stream| {
        let (acceptor, ended) = (acceptor.clone(), ended.clone());
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            serve_http2(stream, |_| Response::new(Full::from(vec![b'x'; 1 << 20]))).await;
            ended.send(()).await.unwrap();
        }
    });
    let origin = origin.await;
    for body in ["", "ready"] {
        let check = HttpCheck { expected_body: body.into(), ..check(Scheme::Https, origin.address.port()) };
        let outcome = authority.prober().attempt(&monitor(Check::Http(check), AMPLE), &key(origin.address, None)).await;
        assert_eq!(outcome.code, Some(200));
        endings.recv().await.expect("the prober closes the connection");
    }
}
