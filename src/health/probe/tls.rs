//! What HTTPS probes believe: one TLS configuration for each policy, shared by all probes. A probe that built its own
//! would take 64 KiB and 3 ms.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption, WantsClientCert};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ConfigBuilder, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tracing::warn;

use crate::model::monitor::HttpCheck;

/// The configurations.
#[derive(Clone, Debug)]
pub(super) struct Policies {
    /// Certificates are verified: issuer, time and name.
    verified: ClientConfig,
    /// Any certificate will do.
    insecure: ClientConfig,
}

impl Policies {
    /// Both policies; `roots` are who the verified one trusts.
    pub(super) fn new(roots: RootCertStore) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = || {
            ClientConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .expect("aws-lc-rs has cipher suites for TLS 1.2 and 1.3")
        };
        let anything = Arc::new(Anything(Arc::clone(&provider)));
        Self {
            verified: finished(builder().with_root_certificates(roots)),
            insecure: finished(builder().dangerous().with_custom_certificate_verifier(anything)),
        }
    }

    /// The policy of a check.
    pub(super) fn of(&self, check: &HttpCheck) -> &ClientConfig {
        if check.tls.as_ref().is_some_and(|tls| tls.allow_insecure) { &self.insecure } else { &self.verified }
    }
}

/// What both policies have in common.
fn finished(builder: ConfigBuilder<ClientConfig, WantsClientCert>) -> ClientConfig {
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A resumed session shows no certificate, so one that has expired would go unseen; and sessions are kept by name,
    // which many origins share.
    config.resumption = Resumption::disabled();
    config
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

/// Accepts any certificate from anybody.
#[derive(Debug)]
struct Anything(Arc<CryptoProvider>);

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
