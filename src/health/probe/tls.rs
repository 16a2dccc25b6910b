//! What probes over TLS believe, and the TLS probe: a handshake succeeds.
//!
//! One configuration is shared by all probes of a kind; a probe that built its own would take 64 KiB and 3 ms. Files of
//! certificates are read when they are first needed and then again every minute, so that renewed ones come into use; when
//! that fails, what was read before stands.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tracing::warn;
use x509_parser::parse_x509_certificate;

use crate::config::pem_files;
use crate::health::probe::{Attempt, client, failure, tcp};
use crate::model::monitor::{TlsCheck, TlsFiles, TlsTerms};
use crate::model::verdict::FailReason;

/// How long files of certificates are taken as they were read.
const FRESH: Duration = Duration::from_mins(1);
/// How long what was read is kept without use: more than the longest interval.
const KEPT: Duration = Duration::from_hours(2);
/// How long to listen, after a handshake, for an origin that does not agree.
const QUIET: Duration = Duration::from_millis(250);

/// Does a handshake.
pub(super) async fn shake_hands(
    check: &TlsCheck,
    attempt: &Attempt<'_>,
    policies: &Policies,
) -> Result<(), FailReason> {
    let name = client::server_name(attempt.key).ok_or(FailReason::MonitorConfig)?;
    let config = attempt.within(FailReason::LocalResource, policies.config(&check.terms)).await?;
    let stream = tcp::connect(attempt).await?;
    let handshake = async {
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await.map_err(|error| failure::of_tls_stream(&error))
    };
    let stream = attempt.within(FailReason::ResponseTimeout, handshake).await?;
    let until = attempt.deadline.min(Instant::now() + QUIET);
    tokio::time::timeout_at(until, farewell(stream)).await.unwrap_or(Ok(()))
}

/// Says goodbye and listens to the answer. With TLS 1.3 our side of the handshake is over before the origin has seen our
/// certificate, or that we have none (RFC 8446 §4.4.2.4), so this is where it says what it thinks of that.
async fn farewell(mut stream: TlsStream<TcpStream>) -> Result<(), FailReason> {
    // An origin that hangs up first has agreed.
    if stream.shutdown().await.is_err() {
        return Ok(());
    }
    match stream.read(&mut [0; 1]).await {
        Err(error) if failure::is_tls(&error) => Err(failure::of_tls_stream(&error)),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The configurations.
#[derive(Debug)]
pub(super) struct Policies {
    /// Without files of a monitor's own.
    system: Trust,
    /// With them.
    of_files: Mutex<HashMap<TlsFiles, Loaded>>,
}

/// Whom we trust, and who we are.
#[derive(Clone, Debug)]
struct Trust {
    /// The configuration; it verifies issuer, time and name.
    config: ClientConfig,
    /// What verifies.
    verifier: Verifier,
}

/// What was made of files.
#[derive(Debug)]
struct Loaded {
    /// The configuration; none if they could not be read.
    trust: Option<Trust>,
    /// When they were read.
    read: Instant,
    /// When it was last used.
    used: Instant,
}

impl Policies {
    /// Policies of which `roots` are who is trusted where a monitor names nobody.
    pub(super) fn new(roots: RootCertStore) -> Self {
        let verifier = Verifier::new(roots, Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
        let config = verifier.builder().with_no_client_auth();
        Self { system: Trust::new(config, verifier), of_files: Mutex::default() }
    }

    /// The configuration for some terms, without application protocols.
    pub(super) async fn config(&self, terms: &TlsTerms) -> Result<ClientConfig, FailReason> {
        let TlsTerms { allow_insecure, certificate_days_min, files } = terms;
        let trust = if files.is_empty() { self.system.clone() } else { self.of(files).await? };
        let Trust { mut config, verifier } = trust;
        if *allow_insecure || *certificate_days_min > 0 {
            let is_strict = !allow_insecure;
            let verifier = Verifier { is_strict, days_min: *certificate_days_min, ..verifier };
            config.dangerous().set_certificate_verifier(Arc::new(verifier));
        }
        Ok(config)
    }

    /// The configuration with files. Whoever comes while they are being read waits for that.
    async fn of(&self, files: &TlsFiles) -> Result<Trust, FailReason> {
        let now = Instant::now();
        let mut of_files = self.of_files.lock().await;
        of_files.retain(|_, loaded| now.saturating_duration_since(loaded.used) < KEPT);
        let known = of_files.get(files);
        if let Some(loaded) = known.filter(|loaded| now.saturating_duration_since(loaded.read) < FRESH) {
            let trust = loaded.trust.clone();
            of_files.entry(files.clone()).and_modify(|loaded| loaded.used = now);
            return trust.ok_or(FailReason::MonitorConfig);
        }
        let before = known.and_then(|loaded| loaded.trust.clone());
        let (system, wanted) = (self.system.verifier.clone(), files.clone());
        let read = tokio::task::spawn_blocking(move || Trust::read(&system, &wanted)).await;
        let trust = match read {
            Ok(Ok(trust)) => Some(trust),
            Ok(Err(why)) => {
                warn!(why, kept = before.is_some(), "files of certificates for probes cannot be read");
                before
            }
            Err(_) => before,
        };
        of_files.insert(files.clone(), Loaded { trust: trust.clone(), read: now, used: now });
        trust.ok_or(FailReason::MonitorConfig)
    }
}

impl Trust {
    /// What all configurations have in common.
    fn new(mut config: ClientConfig, verifier: Verifier) -> Self {
        // A resumed session shows no certificate, so one that has expired would go unseen; and sessions are kept by name,
        // which many origins share.
        config.resumption = Resumption::disabled();
        Self { config, verifier }
    }

    /// Reads files; an error says what is wrong with which.
    fn read(system: &Verifier, files: &TlsFiles) -> Result<Self, String> {
        let verifier = match &files.authorities {
            Some(path) => Verifier::new(pem_files::authorities(path)?, Arc::clone(&system.provider)),
            None => system.clone(),
        };
        let builder = verifier.builder();
        let config = match &files.client {
            Some(client) => {
                let (chain, key) = pem_files::client(client)?;
                builder.with_client_auth_cert(chain, key).map_err(|error| error.to_string())?
            }
            None => builder.with_no_client_auth(),
        };
        Ok(Self::new(config, verifier))
    }
}

/// The system's trust store. Without it every verified probe fails, so that is worth a warning.
pub fn system_roots() -> RootCertStore {
    let loaded = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (added, ignored) = roots.add_parsable_certificates(loaded.certs);
    if added == 0 {
        let errors = loaded.errors.len();
        warn!(ignored, errors, "no trusted certificates found; HTTPS probes that verify certificates will fail");
    }
    roots
}

/// Verifies certificates.
#[derive(Clone, Debug)]
struct Verifier {
    /// Whether issuer, time and name matter.
    is_strict: bool,
    /// Days that a certificate must still be valid; 0 means just now.
    days_min: u16,
    /// Verifies issuer, time and name; none if nobody is trusted.
    webpki: Option<Arc<WebPkiServerVerifier>>,
    /// Does the cryptography.
    provider: Arc<CryptoProvider>,
}

/// A certificate expires before a monitor would have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ExpiresSoon;

impl fmt::Display for ExpiresSoon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(FailReason::CertificateExpiresSoon.words())
    }
}

impl std::error::Error for ExpiresSoon {}

impl Verifier {
    /// A strict verifier that trusts `roots`.
    fn new(roots: RootCertStore, provider: Arc<CryptoProvider>) -> Self {
        let webpki = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().ok();
        Self { is_strict: true, days_min: 0, webpki, provider }
    }

    /// The beginning of a configuration that verifies so.
    fn builder(&self) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_safe_default_protocol_versions()
            .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(self.clone()))
    }

    /// A certificate is valid for as long as is wanted.
    fn check_days(&self, certificate: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
        if self.days_min == 0 {
            return Ok(());
        }
        let (_, parsed) = parse_x509_certificate(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let wanted = Duration::from_hours(24) * u32::from(self.days_min);
        let end = i64::try_from(now.as_secs().saturating_add(wanted.as_secs())).unwrap_or(i64::MAX);
        if parsed.validity().not_after.timestamp() < end {
            return Err(Error::Other(OtherError(Arc::new(ExpiresSoon))));
        }
        Ok(())
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.is_strict {
            let webpki = self.webpki.as_ref().ok_or(CertificateError::UnknownIssuer)?;
            webpki.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        }
        self.check_days(end_entity, now)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_strict {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if !self.is_strict {
            return Ok(HandshakeSignatureValid::assertion());
        }
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
