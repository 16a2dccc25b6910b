//! From the errors of the libraries to our words. Their texts are never read or kept: part of them may be the peer's.

use std::error::Error;
use std::io::{self, ErrorKind};

use rustls::{AlertDescription, CertificateError};

use crate::health::probe::tls::ExpiresSoon;
use crate::model::monitor::Scheme;
use crate::model::verdict::FailReason;

/// Numbers of Linux for what this machine may run out of: ENOMEM, ENFILE, EMFILE, EADDRNOTAVAIL (no free port, or no
/// address of ours to come from) and ENOBUFS. Not EPERM and EACCES: a local firewall's rule is a decision about this
/// destination that somebody made, and it does not pass by itself.
const LOCAL_RESOURCES: &[i32] = &[12, 23, 24, 99, 105];

/// How far a probe came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    /// No connection yet.
    Connect,
    /// There is one, and HTTP is spoken.
    Request,
    /// There is one, and something else is spoken.
    Exchange,
}

/// Why a request failed. Errors wrap errors; the innermost that has a meaning for us knows best.
pub fn of_request(error: &reqwest::Error, scheme: Scheme) -> FailReason {
    // Redirects without end, or to something that is no URL.
    if error.is_redirect() || error.is_builder() {
        return FailReason::HttpInvalidResponse;
    }
    let phase = if error.is_connect() { Phase::Connect } else { Phase::Request };
    let mut found = None;
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = next {
        found = of_one(error, phase).or(found);
        next = match error.downcast_ref::<io::Error>() {
            // The source of an io::Error is that of the error inside; the one inside itself would be left out.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    match (found, phase) {
        (Some(reason), _) => reason,
        // The time to connect covers the TLS handshake. When the connection itself took it all, the connector's own
        // time-out shows as an io::Error above; else it was the handshake.
        (None, Phase::Connect) if error.is_timeout() && scheme == Scheme::Http => FailReason::TcpTimeout,
        (None, _) if error.is_timeout() => FailReason::HttpTimeout,
        (None, Phase::Connect) => FailReason::Other,
        (None, Phase::Request | Phase::Exchange) => FailReason::HttpInvalidResponse,
    }
}

/// Why input or output failed, if its number or kind tells.
pub(super) fn of_io(error: &io::Error, phase: Phase) -> Option<FailReason> {
    if error.raw_os_error().is_some_and(|number| LOCAL_RESOURCES.contains(&number)) {
        return Some(FailReason::LocalResource);
    }
    Some(match error.kind() {
        ErrorKind::ConnectionRefused => FailReason::TcpConnectionFailed,
        ErrorKind::HostUnreachable => FailReason::NoRouteToHost,
        ErrorKind::NetworkUnreachable => FailReason::NetworkUnreachable,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::UnexpectedEof => FailReason::ConnectionReset,
        ErrorKind::TimedOut => match phase {
            Phase::Connect => FailReason::TcpTimeout,
            Phase::Request => FailReason::HttpTimeout,
            Phase::Exchange => FailReason::ResponseTimeout,
        },
        _ => return None,
    })
}

/// What one error in the chain says by itself.
fn of_one(error: &(dyn Error + 'static), phase: Phase) -> Option<FailReason> {
    if let Some(io) = error.downcast_ref::<io::Error>() {
        return of_io(io, phase);
    }
    if let Some(tls) = error.downcast_ref::<rustls::Error>() {
        return Some(of_tls(tls));
    }
    let http = error.downcast_ref::<hyper::Error>()?;
    if http.is_parse() {
        Some(FailReason::HttpInvalidResponse)
    } else if http.is_incomplete_message() || http.is_closed() {
        Some(FailReason::ConnectionReset)
    } else {
        None
    }
}

/// Whether it is TLS that failed, and not what carries it.
pub(super) fn is_tls(error: &io::Error) -> bool {
    tls_of(error).is_some()
}

/// Why a TLS stream failed.
pub(super) fn of_tls_stream(error: &io::Error) -> FailReason {
    match tls_of(error) {
        Some(tls) => of_tls(tls),
        None => of_io(error, Phase::Exchange).unwrap_or(FailReason::Other),
    }
}

/// The error of TLS in an error of a stream.
fn tls_of(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

/// Why TLS failed.
fn of_tls(error: &rustls::Error) -> FailReason {
    use rustls::Error::{AlertReceived, InvalidCertificate, Other};

    match error {
        InvalidCertificate(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }) => {
            FailReason::TlsNameMismatch
        }
        InvalidCertificate(_) => FailReason::TlsUntrustedCertificate,
        Other(other) if other.0.is::<ExpiresSoon>() => FailReason::CertificateExpiresSoon,
        AlertReceived(AlertDescription::UnrecognisedName) => FailReason::TlsUnrecognizedName,
        _ => FailReason::TlsProtocol,
    }
}

#[cfg(test)]
mod tests;
