//! The keys about TLS: what a handshake has to show, and the files of certificates and keys.

use std::path::PathBuf;

use crate::model::limits::CERTIFICATE_DAYS_MAX;
use crate::model::monitor::{ClientFiles, TlsFiles, TlsTerms};
use crate::model::tree::{Node, Table, Value};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Given, Spot};
use crate::spec::header;
use crate::spec::value::{boolean, integer};

/// Who finds the files with certificates and keys that monitors name.
pub trait PemFiles {
    /// The path of a file with certificates of authorities; what is wrong with it goes to `faults`.
    fn authorities(&mut self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<PathBuf>;

    /// The paths of a certificate of ours and of its key; what is wrong with them goes to `faults`.
    fn client(&mut self, certificate: Spot<'_, '_>, key: Spot<'_, '_>, faults: &mut Faults) -> Option<ClientFiles>;
}

/// Why a file is refused where anybody but the configuration names it: whoever may use the API shall not have files of the
/// server read.
pub const FILE_REFUSED: &str = "a file of the server can be named in its configuration only";

/// No files, but for those that a monitor of the configuration has already, which comes back from a program.
#[derive(Clone, Copy, Default)]
pub struct KnownFiles<'m>(pub Option<&'m TlsFiles>);

impl PemFiles for KnownFiles<'_> {
    fn authorities(&mut self, spot: Spot<'_, '_>, faults: &mut Faults) -> Option<PathBuf> {
        let path = PathBuf::from(spot.text(faults)?);
        if self.0.is_some_and(|files| files.authorities.as_ref() == Some(&path)) {
            return Some(path);
        }
        spot.reject(FILE_REFUSED, faults)
    }

    fn client(&mut self, certificate: Spot<'_, '_>, key: Spot<'_, '_>, faults: &mut Faults) -> Option<ClientFiles> {
        let [certificate_path, key_path] = [certificate, key].map(|spot| spot.text(faults).map(PathBuf::from));
        let client = ClientFiles { certificate: certificate_path?, key: key_path? };
        if self.0.is_some_and(|files| files.client.as_ref() == Some(&client)) {
            return Some(client);
        }
        certificate.reject(FILE_REFUSED, faults)
    }
}

/// The keys of [`TlsTerms`].
pub(super) const KEYS: &[&str] =
    &["allow_insecure", "certificate_days_min", "ca_file", "client_certificate", "client_key"];

/// Reads what a handshake has to show.
pub(super) fn parse(fields: &mut Fields<'_, '_, '_>, files: &mut dyn PemFiles) -> Option<TlsTerms> {
    let allow_insecure = fields.read("allow_insecure", boolean).or(false);
    let certificate_days_min = fields.read("certificate_days_min", integer(0, CERTIFICATE_DAYS_MAX)).or(0);
    let authorities = fields.read("ca_file", |spot, faults| files.authorities(spot, faults)).optional();
    if allow_insecure == Some(true) && matches!(authorities, Some(Some(_))) {
        let why = "nobody has to be trusted for `allow_insecure = true`; leave one of them out";
        let fault = fields.fault_at("ca_file", why);
        fields.faults.push(fault);
    }
    let client = parse_client(fields, files).optional();
    let files = TlsFiles { authorities: authorities?, client: client? };
    Some(TlsTerms { allow_insecure: allow_insecure?, certificate_days_min: certificate_days_min?, files })
}

/// Reads certificate and key, which come together.
fn parse_client(fields: &mut Fields<'_, '_, '_>, files: &mut dyn PemFiles) -> Given<ClientFiles> {
    let missing = match (fields.node("client_certificate"), fields.node("client_key")) {
        (None, None) => return Given::Absent,
        (Some(_), None) => "client_key",
        (None, Some(_)) => "client_certificate",
        (Some(_), Some(key)) => {
            let read = |certificate: Spot<'_, '_>, faults: &mut Faults| {
                files.client(certificate, certificate.inner(certificate.path, key), faults)
            };
            return fields.read("client_certificate", read);
        }
    };
    let fault = fields.fault_at(missing, "it is missing; `client_certificate` and `client_key` come together");
    fields.faults.push(fault);
    Given::Faulty
}

/// Whether there is no key about TLS; each is a fault, because there will be none.
pub(super) fn check_absent(fields: &mut Fields<'_, '_, '_>) -> bool {
    let mut fine = true;
    for key in KEYS {
        let Some(node) = fields.node(key) else { continue };
        if !matches!(node.value, Value::Bool(false) | Value::Int(0)) {
            let fault = fields.fault_at(key, "it does not apply without `tls = true`");
            fields.faults.push(fault);
            fine = false;
        }
    }
    fine
}

/// Reads the name for a handshake.
pub(super) fn parse_server_name(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<String> {
    let text = spot.text(faults)?;
    let is_address = text.parse::<std::net::IpAddr>().is_ok();
    if header::is_host_name(text) && !is_address {
        return Some(text.to_owned());
    }
    spot.refuse("the name of a host, such as \"www.example.com\"", faults)
}

/// Builds what a handshake has to show.
pub(super) fn build(table: Table, terms: &TlsTerms) -> Table {
    let TlsTerms { allow_insecure, certificate_days_min, files: TlsFiles { authorities, client } } = terms;
    let path = |path: &PathBuf| Node::text(path.to_string_lossy());
    let mut table = table
        .with("allow_insecure", Node::built(Value::Bool(*allow_insecure)))
        .with("certificate_days_min", Node::int(*certificate_days_min));
    if let Some(authorities) = authorities {
        table = table.with("ca_file", path(authorities));
    }
    if let Some(ClientFiles { certificate, key }) = client {
        table = table.with("client_certificate", path(certificate)).with("client_key", path(key));
    }
    table
}
