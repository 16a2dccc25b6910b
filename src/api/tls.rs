//! The API's own certificate: read from files, and read again when they change.
//!
//! Without a good pair of files the API is closed, and everything else goes on: DNS does not depend on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use x509_parser::parse_x509_certificate;

use crate::api::status::CertificateStatus;
use crate::config::pem_files;
use crate::model::monitor::ClientFiles;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A certificate with its key, as it is on disk; the last good pair is in force.
#[derive(Debug)]
pub struct Certificate {
    /// Where both are.
    files: ClientFiles,
    /// What connections begin with; none before the first good pair.
    config: ArcSwapOption<ServerConfig>,
    /// What is known of the files.
    seen: Mutex<Seen>,
}

/// What is known of the files of a certificate.
#[derive(Debug, Default)]
struct Seen {
    /// What they were when they were last read, good or not.
    state: State,
    /// When the certificate in force expires.
    expires: Option<Timestamp>,
    /// What is wrong with the files as they are.
    fault: Option<String>,
}

/// What tells one state of both files from another: their times and lengths, none for a file that is not there.
type State = [Option<(SystemTime, u64)>; 2];

impl Certificate {
    /// Reads both files. If they are no good, it says so, and takes them in when they are.
    pub fn open(certificate: &Path, key: &Path) -> Self {
        let files = ClientFiles { certificate: certificate.to_owned(), key: key.to_owned() };
        let state = state(&files);
        let opened =
            Self { files, config: ArcSwapOption::empty(), seen: Mutex::new(Seen { state, ..Seen::default() }) };
        if let Err(why) = opened.read() {
            error!(%why, "THE API IS CLOSED: it has no good certificate; it opens when the files are good. DNS is served");
        }
        opened
    }

    /// For the next connection; none while there has not been a good pair.
    pub(super) fn acceptor(&self) -> Option<TlsAcceptor> {
        self.config.load_full().map(TlsAcceptor::from)
    }

    /// What is known of it.
    pub fn status(&self) -> CertificateStatus {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let is_open = self.config.load().is_some();
        CertificateStatus {
            file: self.files.certificate.clone(),
            open: is_open,
            expires: seen.expires,
            fault: seen.fault.clone(),
        }
    }

    /// Reads the files again if they have changed. A pair that is no good is told of, and the one before stays.
    pub fn refresh(&self) {
        let found = state(&self.files);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.state == found {
                return;
            }
            seen.state = found;
        }
        let certificate = self.files.certificate.display();
        match self.read() {
            Ok(()) => info!(%certificate, "the API's certificate has changed and is in force"),
            Err(why) if self.config.load().is_some() => {
                warn!(%why, "the API's certificate has changed and is no good; the one before stays");
            }
            Err(why) => error!(%why, "THE API IS CLOSED: it still has no good certificate"),
        }
    }

    /// Reads the files, and puts a good pair in force; an error says what is wrong with them.
    fn read(&self) -> Result<(), String> {
        let read = read(&self.files);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok((config, expires)) => {
                (seen.expires, seen.fault) = (expires, None);
                self.config.store(Some(Arc::new(config)));
                Ok(())
            }
            Err(why) => {
                seen.fault = Some(why.clone());
                Err(why)
            }
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
fn state(files: &ClientFiles) -> State {
    [&files.certificate, &files.key].map(|path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}

/// Reads a pair: what connections begin with, and when the certificate expires.
fn read(files: &ClientFiles) -> Result<(ServerConfig, Option<Timestamp>), String> {
    let (chain, key) = pem_files::client(files)?;
    let expires = chain.first().and_then(|certificate| parse_x509_certificate(certificate).ok());
    let expires = expires.map(|(_, certificate)| certificate.validity().not_after.timestamp());
    let wrong = |error| format!("{}: {error}", files.certificate.display());
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(wrong)?;
    let mut config = builder.with_no_client_auth().with_single_cert(chain, key).map_err(wrong)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((config, expires.and_then(|seconds| Timestamp::from_second(seconds).ok())))
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use rustls::pki_types::{CertificateDer, ServerName};
    use rustls::{ClientConfig, RootCertStore};
    use tokio_rustls::TlsConnector;

    use super::*;

    /// A new pair for a name, in two files; gives the certificate.
    fn write_pair(folder: &Path) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(["api.example.com".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(folder.join("cert.pem"), certificate.pem()).unwrap();
        fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    /// Whether a client that trusts only `expected` gets through a handshake.
    async fn is_served(certificate: &Certificate, expected: &CertificateDer<'static>) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(expected.clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
        let config = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
        let connector = TlsConnector::from(Arc::new(config.with_no_client_auth()));
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let name = ServerName::try_from("api.example.com").unwrap();
        let (_, connected) =
            tokio::join!(certificate.acceptor().unwrap().accept(ours), connector.connect(name, theirs));
        connected.is_ok()
    }

    #[tokio::test]
    async fn a_changed_pair_is_taken_in_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let first = write_pair(folder.path());
        let certificate = Certificate::open(&folder.path().join("cert.pem"), &folder.path().join("key.pem"));
        assert!(is_served(&certificate, &first).await);

        // Written by half: the certificate is another's.
        let halves = tempfile::tempdir().unwrap();
        let second = write_pair(halves.path());
        fs::copy(halves.path().join("cert.pem"), folder.path().join("cert.pem")).unwrap();
        certificate.refresh();
        assert!(is_served(&certificate, &first).await && !is_served(&certificate, &second).await);
        fs::copy(halves.path().join("key.pem"), folder.path().join("key.pem")).unwrap();
        certificate.refresh();
        assert!(is_served(&certificate, &second).await && !is_served(&certificate, &first).await);

        fs::remove_file(folder.path().join("key.pem")).unwrap();
        certificate.refresh();
        assert!(is_served(&certificate, &second).await);
    }

    #[tokio::test]
    async fn what_is_no_pair_is_told_by_its_file_and_taken_in_when_it_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let (certificate, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
        let opened = Certificate::open(&certificate, &key);
        let refused = |file: &Path, why: &str| {
            opened.refresh();
            let status = opened.status();
            let expected = format!("{}: {why}", file.display());
            assert!(
                status.fault.as_ref().is_some_and(|fault| fault.starts_with(&expected)),
                "{status:?}, not {expected}"
            );
            assert!(!status.open && opened.acceptor().is_none() && status.expires.is_none());
        };
        refused(&certificate, "there is no such file");
        fs::write(&certificate, "nothing").unwrap();
        fs::write(&key, "nothing").unwrap();
        refused(&certificate, "it has no certificate in PEM");
        write_pair(folder.path());
        fs::write(&key, "nothing here either").unwrap();
        refused(&key, "it has no private key in PEM");
        fs::write(&key, KeyPair::generate().unwrap().serialize_pem()).unwrap();
        refused(&key, "its key is not that of the certificate");
        // Other lengths, in case the clock of the files is coarse.
        fs::remove_file(&key).unwrap();
        opened.refresh();
        let made = write_pair(folder.path());
        opened.refresh();
        assert!(is_served(&opened, &made).await);
        let status = opened.status();
        assert_eq!((status.open, status.fault), (true, None));
        assert!(status.expires.is_some_and(|expires| expires > Timestamp::now()));
    }
}
