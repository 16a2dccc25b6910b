//! Reads files with certificates and keys. The configuration looks whether they are sound; who probes reads them again,
//! because certificates are renewed while the server runs.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path as FilePath, PathBuf};

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use crate::config::files::open_regular;
use crate::config::zone_files::ZoneFileReader;
use crate::model::limits::PEM_FILE_OCTETS_MAX;
use crate::model::monitor::ClientFiles;
use crate::spec::fault::Faults;
use crate::spec::fields::Spot;
use crate::spec::monitor::{FILE_REFUSED, PemFiles};

/// What is wrong with files that one load has looked at, so that a file that all monitors name is read once.
#[derive(Debug, Default)]
pub(super) struct Checked {
    /// Files with certificates of authorities.
    authorities: HashMap<PathBuf, Option<String>>,
    /// Certificates and keys of ours.
    clients: HashMap<ClientFiles, Option<String>>,
}

impl PemFiles for ZoneFileReader<'_> {
    fn authorities(&mut self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<PathBuf> {
        let path = self.path(&spot, faults)?;
        let Some(pems) = &mut self.pems else { return spot.reject(FILE_REFUSED, faults) };
        let checked = pems.authorities.entry(path.clone());
        match checked.or_insert_with(|| authorities(&path).err()) {
            None => Some(path),
            Some(why) => spot.reject(why.as_str(), faults),
        }
    }

    fn client(&mut self, certificate: Spot<'_, '_>, key: Spot<'_, '_>, faults: &mut Faults) -> Option<ClientFiles> {
        let files = (self.path(&certificate, faults), self.path(&key, faults));
        let (Some(certificate_path), Some(key_path)) = files else { return None };
        let files = ClientFiles { certificate: certificate_path, key: key_path };
        let Some(pems) = &mut self.pems else { return certificate.reject(FILE_REFUSED, faults) };
        match pems.clients.entry(files.clone()).or_insert_with(|| client(&files).err()) {
            None => Some(files),
            Some(why) => certificate.reject(why.as_str(), faults),
        }
    }
}

impl ZoneFileReader<'_> {
    /// The path that a value names.
    fn path(&self, spot: &Spot<'_, '_>, faults: &mut Faults) -> Option<PathBuf> {
        match spot.text(faults)? {
            text if text.is_empty() || text.contains('\0') => spot.refuse("the path of a file in PEM", faults),
            text => Some(self.folder_of(spot.source).join(text)),
        }
    }
}

/// Reads certificates of authorities; an error says what is wrong, and with which file.
pub fn authorities(path: &FilePath) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(|_| explained(path, "it has a certificate that cannot be read"))?;
    }
    Ok(roots)
}

/// Reads a certificate of ours, with those of its issuers, and its key.
pub fn client(files: &ClientFiles) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), String> {
    let chain = certificates(&files.certificate)?;
    let read = PrivateKeyDer::from_pem_slice(&octets(&files.key)?);
    // What stands in the file of a key is repeated nowhere.
    let key = read.map_err(|_| explained(&files.key, "it has no private key in PEM"))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    match CertifiedKey::from_der(chain.clone(), key.clone_key(), &provider) {
        Ok(_) => Ok((chain, key)),
        Err(rustls::Error::InconsistentKeys(_)) => Err(explained(&files.key, "its key is not that of the certificate")),
        Err(rustls::Error::InvalidCertificate(_)) => {
            let why = "its certificate cannot be read; it has to be of version 3 of X.509, as `openssl req -x509 -addext` makes it";
            Err(explained(&files.certificate, why))
        }
        Err(_) => Err(explained(&files.key, "its key is of a kind that we do not know")),
    }
}

/// Reads the certificates of a file, at least one.
fn certificates(path: &FilePath) -> Result<Vec<CertificateDer<'static>>, String> {
    let octets = octets(path)?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&octets).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        _ => Err(explained(path, "it has no certificate in PEM")),
    }
}

/// Reads a file.
fn octets(path: &FilePath) -> Result<Vec<u8>, String> {
    let (file, _) = open_regular(path).map_err(|why| explained(path, &why))?;
    let mut octets = Vec::new();
    let read = file.take(PEM_FILE_OCTETS_MAX + 1).read_to_end(&mut octets);
    match read {
        Err(error) => Err(explained(path, &format!("it cannot be read: {error}"))),
        Ok(length) if u64::try_from(length).is_ok_and(|length| length <= PEM_FILE_OCTETS_MAX) => Ok(octets),
        Ok(_) => Err(explained(path, &format!("it is larger than {PEM_FILE_OCTETS_MAX} octets"))),
    }
}

/// What is wrong with a file.
fn explained(path: &FilePath, why: &str) -> String {
    format!("{}: {why}", path.display())
}
