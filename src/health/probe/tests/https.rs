//! HTTPS: who is believed, and which name is asked for.

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use super::*;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// An authority, and what it signs.
struct Authority {
    /// Signs.
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate.
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    /// A prober that trusts this authority only.
    fn prober(&self) -> Prober {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        prober_with(roots, Reach::default())
    }

    /// A server's configuration with a certificate for `name`.
    fn certify(&self, name: &str, edit: impl FnOnce(&mut CertificateParams)) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        edit(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let mut config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// An origin that serves HTTPS; it notes server name, protocol, kind of handshake, and the head of each request.
async fn https(config: Arc<ServerConfig>) -> (ScriptedOrigin, Heads) {
    let heads = Heads::default();
    let seen = heads.clone();
    let acceptor = TlsAcceptor::from(config);
    let origin = ScriptedOrigin::start(move |stream| {
        let (acceptor, seen) = (acceptor.clone(), seen.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
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
fn insecure() -> TlsTerms {
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
    for (host, server_name, line) in [
        (Some("www.example.com"), "www.example.com", "host: www.example.com\r\n".to_owned()),
        (Some("WWW.Example.com:444"), "www.example.com", "host: WWW.Example.com:444\r\n".to_owned()),
        (Some("192.0.2.7"), "-", "host: 192.0.2.7\r\n".to_owned()),
        (None, "-", format!("host: 127.0.0.1:{port}\r\n")),
    ] {
        let check = HttpCheck { tls: Some(insecure()), ..check(Scheme::Https, port) };
        let prober = authority.prober();
        let outcome = prober.attempt(&monitor(Check::Http(check), AMPLE), &key(origin.address, host)).await;
        assert_eq!((outcome.failure, outcome.code), (None, Some(200)));
        let head = heads.all().pop().unwrap();
        assert!(head.starts_with(&format!("{server_name} http/1.1 Full")), "{head}");
        assert!(head.contains(&line), "{head}");
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
