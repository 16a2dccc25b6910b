//! TLS: handshakes without HTTP, days of validity, and certificates of a monitor's own.

use std::path::Path;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

use super::https::{Authority, https, insecure};
use super::*;
use crate::model::monitor::{ClientFiles, TlsCheck, TlsFiles};

/// An origin that shakes hands and hangs up.
async fn shaking(config: Arc<rustls::ServerConfig>) -> ScriptedOrigin {
    let acceptor = TlsAcceptor::from(config);
    ScriptedOrigin::start(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                linger(stream).await;
            }
        }
    })
    .await
}

/// A check with some terms.
fn tls(origin: &ScriptedOrigin, terms: TlsTerms) -> Check {
    Check::Tls(TlsCheck { port: origin.address.port(), server_name: None, terms })
}

/// What comes of one attempt.
async fn failure(prober: &Prober, check: Check, origin: &ScriptedOrigin, host: Option<&str>) -> Option<FailReason> {
    prober.attempt(&monitor(check, AMPLE), &key(origin.address, host)).await.failure
}

/// Ends the validity of a certificate so many days from now.
fn lasting(days: i64) -> impl Fn(&mut CertificateParams) {
    let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
    let end = end.to_zoned(jiff::tz::TimeZone::UTC).date();
    let number = |part: i8| u8::try_from(part).unwrap();
    move |params| {
        params.not_after = rcgen::date_time_ymd(end.year().into(), number(end.month()), number(end.day()));
    }
}

#[tokio::test]
async fn handshakes() {
    let (authority, other) = (Authority::new(), Authority::new());
    let prober = authority.prober();
    let host = Some("www.example.com:8443");
    for (what, config, host, strict, lenient) in [
        ("good", authority.certify("www.example.com", |_| ()), host, None, None),
        ("good address", authority.certify("127.0.0.1", |_| ()), None, None, None),
        (
            "expired",
            authority.certify("www.example.com", lasting(-1)),
            host,
            Some(FailReason::TlsUntrustedCertificate),
            None,
        ),
        ("other name", authority.certify("example.com", |_| ()), host, Some(FailReason::TlsNameMismatch), None),
        (
            "other issuer",
            other.certify("www.example.com", |_| ()),
            host,
            Some(FailReason::TlsUntrustedCertificate),
            None,
        ),
    ] {
        let origin = shaking(config).await;
        assert_eq!(failure(&prober, tls(&origin, TlsTerms::default()), &origin, host).await, strict, "{what}");
        assert_eq!(failure(&prober, tls(&origin, insecure()), &origin, host).await, lenient, "{what}");
    }
    let origin = shaking(authority.certify("www.example.com", |_| ())).await;
    let odd = failure(&prober, tls(&origin, insecure()), &origin, Some("a b")).await;
    assert_eq!((odd, origin.connections()), (Some(FailReason::MonitorConfig), 0));
}

#[tokio::test]
async fn handshakes_that_fail() {
    let prober = Authority::new().prober();
    for (what, answer, expected) in [
        ("unrecognized_name", vec![21, 3, 3, 0, 2, 2, 112], FailReason::TlsUnrecognizedName),
        ("handshake_failure", vec![21, 3, 3, 0, 2, 2, 40], FailReason::TlsProtocol),
        ("another protocol", b"220 mail.example ESMTP\r\n".to_vec(), FailReason::TlsProtocol),
        ("nothing", vec![], FailReason::ConnectionReset),
    ] {
        let origin = ScriptedOrigin::start(move |mut stream: TcpStream| {
            let answer = answer.clone();
            async move {
                assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
                stream.write_all(&answer).await.unwrap();
                linger(stream).await;
            }
        });
        let origin = origin.await;
        let found = failure(&prober, tls(&origin, TlsTerms::default()), &origin, Some("www.example.com")).await;
        assert_eq!(found, Some(expected), "{what}");
    }
    let silent = ScriptedOrigin::start(async |_stream: TcpStream| std::future::pending().await).await;
    let outcome = prober.attempt(&monitor(tls(&silent, insecure()), SHORT), &key(silent.address, None)).await;
    assert_eq!(outcome.failure, Some(FailReason::ResponseTimeout));
    assert!(outcome.rtt >= SHORT);
}

#[tokio::test]
async fn days_of_validity() {
    let authority = Authority::new();
    let prober = authority.prober();
    let host = Some("www.example.com");
    let soon = Some(FailReason::CertificateExpiresSoon);
    for (days, days_min, allow_insecure, expected) in [
        (20, 0, false, None),
        (20, 19, false, None),
        (20, 21, false, soon),
        (20, 21, true, soon),
        (-2, 21, false, Some(FailReason::TlsUntrustedCertificate)),
        (-2, 1, true, soon),
        (-2, 0, true, None),
    ] {
        let terms = TlsTerms { allow_insecure, certificate_days_min: days_min, ..TlsTerms::default() };
        let origin = shaking(authority.certify("www.example.com", lasting(days))).await;
        assert_eq!(failure(&prober, tls(&origin, terms.clone()), &origin, host).await, expected, "{days} {days_min}");
        // The same condition on a request.
        let (origin, heads) = https(authority.certify("www.example.com", lasting(days))).await;
        let https = HttpCheck { tls: Some(terms), ..check(Scheme::Https, origin.address.port()) };
        assert_eq!(failure(&prober, Check::Http(https), &origin, host).await, expected, "{days} {days_min}");
        assert_eq!(heads.all().len(), usize::from(expected.is_none()), "nothing is said to whom we do not believe");
    }
}

/// Writes a text that is the only file of that name.
fn write(folder: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// DER as PEM.
fn pem(certificate: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// A certificate and its key for a client, in files.
fn client_files(folder: &TempDir, authority: &Authority, name: &str) -> ClientFiles {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let certificate = params.signed_by(&key, &authority.issuer).unwrap();
    let certificate = write(folder, &format!("{name}.pem"), &certificate.pem());
    ClientFiles { certificate, key: write(folder, &format!("{name}.key"), &key.serialize_pem()) }
}

#[tokio::test]
async fn an_authority_of_a_monitors_own_is_the_only_one() {
    let (system, own) = (Authority::new(), Authority::new());
    let prober = system.prober();
    let folder = TempDir::new().unwrap();
    let files = TlsFiles { authorities: Some(write(&folder, "ca.pem", &pem(&own.certificate))), client: None };
    let terms = TlsTerms { files, ..TlsTerms::default() };
    let host = Some("www.example.com");
    let untrusted = Some(FailReason::TlsUntrustedCertificate);
    for (authority, with_file, without) in [(&own, None, untrusted), (&system, untrusted, None)] {
        let origin = shaking(authority.certify("www.example.com", |_| ())).await;
        assert_eq!(failure(&prober, tls(&origin, terms.clone()), &origin, host).await, with_file);
        assert_eq!(failure(&prober, tls(&origin, TlsTerms::default()), &origin, host).await, without);
    }
}

#[tokio::test]
async fn clients_show_their_certificate() {
    let (authority, clients, strangers) = (Authority::new(), Authority::new(), Authority::new());
    let prober = authority.prober();
    let folder = TempDir::new().unwrap();
    let files = |client| TlsFiles { authorities: None, client };
    let config = || authority.certify_asking("www.example.com", |_| (), Some(&clients));
    let host = Some("www.example.com");
    for (what, client, expected) in [
        ("known", Some(client_files(&folder, &clients, "known")), None),
        ("stranger", Some(client_files(&folder, &strangers, "stranger")), Some(FailReason::TlsProtocol)),
        ("none", None, Some(FailReason::TlsProtocol)),
    ] {
        let terms = TlsTerms { files: files(client), ..TlsTerms::default() };
        let origin = shaking(config()).await;
        assert_eq!(failure(&prober, tls(&origin, terms.clone()), &origin, host).await, expected, "{what}");
        let (origin, heads) = https(config()).await;
        let https = HttpCheck { tls: Some(terms), ..check(Scheme::Https, origin.address.port()) };
        assert_eq!(failure(&prober, Check::Http(https), &origin, host).await.is_none(), expected.is_none(), "{what}");
        assert_eq!(heads.all().len(), usize::from(expected.is_none()), "{what}");
    }
}

#[tokio::test]
async fn files_that_cannot_be_read_are_no_probe() {
    let authority = Authority::new();
    let origin = shaking(authority.certify("www.example.com", |_| ())).await;
    let files = TlsFiles { authorities: Some(Path::new("/nowhere/ca.pem").to_owned()), client: None };
    let terms = TlsTerms { files, ..TlsTerms::default() };
    let found = failure(&authority.prober(), tls(&origin, terms), &origin, None).await;
    assert_eq!((found, origin.connections()), (Some(FailReason::MonitorConfig), 0));
}
