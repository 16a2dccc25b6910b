//! The API's own certificate: read from files, and read again when they change.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::model::limits::PEM_OCTETS_MAX;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_mins(1);

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read.
    #[error("cannot read {}: {cause}; the server's user has to be allowed to", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// A file with something else in it.
    #[error("{} has no {what} in PEM form", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What was looked for.
        what: &'static str,
    },
    /// A pair that cannot be used.
    #[error("the certificate in {} and the key in {} cannot be used: {cause}", certificate.display(), key.display())]
    Pair {
        /// The certificate's file.
        certificate: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why.
        cause: rustls::Error,
    },
}

/// A certificate with its key, as it is on disk; the last good pair is in force.
#[derive(Debug)]
pub struct Certificate {
    /// The chain's file.
    certificate: PathBuf,
    /// The key's file.
    key: PathBuf,
    /// What connections begin with.
    config: ArcSwap<ServerConfig>,
    /// What the files were when they were last read, good or not.
    seen: Mutex<Seen>,
}

/// What tells one state of both files from another: their times and lengths, none for a file that is not there.
type Seen = [Option<(SystemTime, u64)>; 2];

impl Certificate {
    /// Reads both files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let seen = state(certificate, key);
        let config = ArcSwap::from_pointee(read(certificate, key)?);
        Ok(Self { certificate: certificate.to_owned(), key: key.to_owned(), config, seen: Mutex::new(seen) })
    }

    /// For the next connection.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.config.load_full())
    }

    /// Reads the files again if they have changed. A pair that is no good is told of, and the one before stays.
    pub fn refresh(&self) {
        let Self { certificate, key, config, seen } = self;
        let found = state(certificate, key);
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == found {
            return;
        }
        *seen = found;
        match read(certificate, key) {
            Ok(new) => {
                config.store(Arc::new(new));
                info!(certificate = %certificate.display(), "the API's certificate has changed and is in force");
            }
            Err(error) => warn!(%error, "the API's certificate has changed and is no good; the one before stays"),
        }
    }

    /// Looks at the files from time to time, until `stop`.
    pub async fn watch(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let certificate = Arc::clone(&self);
            // A panic has been told of; the next look is another chance.
            drop(tokio::task::spawn_blocking(move || certificate.refresh()).await);
        }
    }
}

/// What the files are now.
fn state(certificate: &Path, key: &Path) -> Seen {
    [certificate, key].map(|path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

/// Reads a pair.
fn read(certificate: &Path, key: &Path) -> Result<ServerConfig, TlsError> {
    let missing = |path: &Path, what| TlsError::Content { path: path.to_owned(), what };
    let chain = CertificateDer::pem_slice_iter(&octets(certificate)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or_else(|| missing(certificate, "certificate"))?;
    let private = PrivateKeyDer::from_pem_slice(&octets(key)?).map_err(|_| missing(key, "private key"))?;
    let wrong = |cause| TlsError::Pair { certificate: certificate.to_owned(), key: key.to_owned(), cause };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(wrong)?;
    // Refuses a key that is not the certificate's.
    let mut config = builder.with_no_client_auth().with_single_cert(chain, private).map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// A file, if it is not too large.
fn octets(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |cause| TlsError::Read { path: path.to_owned(), cause };
    let mut octets = Vec::new();
    fs::File::open(path).map_err(failed)?.take(PEM_OCTETS_MAX).read_to_end(&mut octets).map_err(failed)?;
    Ok(octets)
}
