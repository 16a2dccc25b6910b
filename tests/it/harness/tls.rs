//! A certificate authority of our own, and certificates that are good, and bad in each way.

use std::sync::{Arc, LazyLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

/// The name that HTTPS probes ask for.
pub(crate) const HOST: &str = "www.example.test";

/// One authority for all tests of this process.
pub(crate) static AUTHORITY: LazyLock<Authority> = LazyLock::new(Authority::new);

/// Acceptors, one for each certificate.
pub(crate) struct Authority {
    /// Its own certificate, which servers under test trust.
    pub(crate) pem: String,
    /// Good.
    pub(crate) good: TlsAcceptor,
    /// Issued by nobody.
    pub(crate) self_signed: TlsAcceptor,
    /// Valid until long ago.
    pub(crate) expired: TlsAcceptor,
    /// For another name.
    pub(crate) wrong_name: TlsAcceptor,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        let issuer = Issuer::new(params, key);
        let issued = |name: &str, edit: fn(&mut CertificateParams)| {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            edit(&mut params);
            let key = KeyPair::generate().unwrap();
            acceptor(params.signed_by(&key, &issuer).unwrap().der().clone(), &key)
        };
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new([HOST.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self {
            pem,
            good: issued(HOST, |_| {}),
            self_signed: acceptor(own.der().clone(), &key),
            expired: issued(HOST, |params| params.not_after = date_time_ymd(2001, 1, 1)),
            wrong_name: issued("other.example.test", |_| {}),
        }
    }
}

/// What an origin with this certificate answers handshakes with.
fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    TlsAcceptor::from(Arc::new(config))
}
