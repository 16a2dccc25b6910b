//! What probes found: one outcome, and the verdict that outcomes add up to.

use std::fmt;
use std::time::Duration;

/// What the counts of a tracker say of a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verdict {
    /// No probe has finished yet. Counts as not healthy, as in the original.
    #[default]
    Unknown,
    /// Probes succeed.
    Up,
    /// Probes fail.
    Down,
}

impl Verdict {
    /// The word for logs and status.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What one probe saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Why it failed; none when it succeeded.
    pub failure: Option<FailReason>,
    /// Time from the start of the (last) attempt to its end.
    pub rtt: Duration,
    /// The number that a response began with, when one came: HTTP status, SMTP reply code, DNS response code.
    pub code: Option<u16>,
}

impl Outcome {
    /// Whether the probe succeeded.
    pub const fn is_success(&self) -> bool {
        self.failure.is_none()
    }
}

/// Why a probe failed: stable words, never text that the origin chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum FailReason {
    /// Nobody listens: connection refused.
    TcpConnectionFailed,
    /// The connection was not made in time.
    TcpTimeout,
    /// No complete response in time.
    HttpTimeout,
    /// The status code is not an expected one.
    ResponseCodeMismatch,
    /// The expected text is not in the body.
    ResponseBodyMismatch,
    /// The certificate is expired, not yet valid, revoked, or from nobody we trust.
    TlsUntrustedCertificate,
    /// The certificate is for another name.
    TlsNameMismatch,
    /// The origin does not know the name that we asked for.
    TlsUnrecognizedName,
    /// The handshake failed in another way.
    TlsProtocol,
    /// No route to the host.
    NoRouteToHost,
    /// No route to its network.
    NetworkUnreachable,
    /// What came is not an HTTP response, or it redirected without end.
    HttpInvalidResponse,
    /// The origin reset or closed the connection.
    ConnectionReset,
    /// No complete response in time, of a protocol other than HTTP.
    ResponseTimeout,
    /// The certificate is valid for fewer days than the monitor wants.
    CertificateExpiresSoon,
    /// No reply to a ping in time.
    IcmpTimeout,
    /// The host says that nobody has the UDP port.
    IcmpPortUnreachable,
    /// What came is no SMTP reply, or not the expected one.
    SmtpMismatch,
    /// The response code is not the expected one, or the expected record is not in the answer.
    DnsMismatch,
    /// A gRPC server says that it, or the service, does not serve.
    GrpcNotServing,
    /// The call of the gRPC health service itself failed.
    GrpcCallFailed,
    /// A name that a redirect leads to has no address.
    UnknownHost,
    /// The probe could not be built from the monitor and the origin; nothing was sent.
    MonitorConfig,
    /// The policy of addresses that may be probed forbids this one; nothing was sent.
    AddressDenied,
    /// This machine ran out of something that a probe needs: open files, ports, memory. Says nothing about the origin.
    LocalResource,
    /// This process may not send what the probe needs to send. Says nothing about the origin.
    NoPrivilege,
    /// Nothing of the above.
    Other,
}

impl FailReason {
    /// Every reason.
    pub const ALL: [Self; 27] = [
        Self::TcpConnectionFailed,
        Self::TcpTimeout,
        Self::HttpTimeout,
        Self::ResponseCodeMismatch,
        Self::ResponseBodyMismatch,
        Self::TlsUntrustedCertificate,
        Self::TlsNameMismatch,
        Self::TlsUnrecognizedName,
        Self::TlsProtocol,
        Self::NoRouteToHost,
        Self::NetworkUnreachable,
        Self::HttpInvalidResponse,
        Self::ConnectionReset,
        Self::ResponseTimeout,
        Self::CertificateExpiresSoon,
        Self::IcmpTimeout,
        Self::IcmpPortUnreachable,
        Self::SmtpMismatch,
        Self::DnsMismatch,
        Self::GrpcNotServing,
        Self::GrpcCallFailed,
        Self::UnknownHost,
        Self::MonitorConfig,
        Self::AddressDenied,
        Self::LocalResource,
        Self::NoPrivilege,
        Self::Other,
    ];

    /// The words of the original, as its API gives them; ours for what it has no words for. They never change: people
    /// and programs compare them.
    pub const fn words(self) -> &'static str {
        match self {
            Self::TcpConnectionFailed => "TCP connection failed",
            Self::TcpTimeout => "TCP Timeout",
            Self::HttpTimeout => "HTTP timeout occurred",
            Self::ResponseCodeMismatch => "Response code mismatch error",
            Self::ResponseBodyMismatch => "Response body mismatch error",
            Self::TlsUntrustedCertificate => "TLS untrusted certificate error",
            Self::TlsNameMismatch => "TLS name mismatch error",
            Self::TlsUnrecognizedName => "TLS unrecognized name error",
            Self::TlsProtocol => "TLS protocol error",
            Self::NoRouteToHost => "No route to host error",
            Self::NetworkUnreachable => "Network Unreachable",
            Self::HttpInvalidResponse => "HTTP Invalid Response",
            Self::ConnectionReset => "Connection Reset by Peer",
            Self::ResponseTimeout => "Response timeout occurred",
            Self::CertificateExpiresSoon => "TLS certificate expires soon",
            Self::IcmpTimeout => "ICMP timeout",
            Self::IcmpPortUnreachable => "ICMP port unreachable",
            Self::SmtpMismatch => "SMTP response mismatch",
            Self::DnsMismatch => "DNS response mismatch",
            Self::GrpcNotServing => "gRPC not serving",
            Self::GrpcCallFailed => "gRPC call failed",
            Self::UnknownHost => "DNS Unknown Host",
            Self::MonitorConfig => "Monitor Config Error",
            Self::AddressDenied => "Address Denied by Policy",
            Self::LocalResource => "Monitor Out of Resources",
            Self::NoPrivilege => "Monitor Missing Privilege",
            Self::Other => "Other Failure",
        }
    }

    /// Whether the fault is this machine's own, so that no verdict may rest on it.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::LocalResource | Self::NoPrivilege)
    }

    /// Whether the probe ran out of time, the one failure that is retried at once.
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::TcpTimeout | Self::HttpTimeout | Self::ResponseTimeout | Self::IcmpTimeout)
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_reason_has_words_of_its_own() {
        let words: HashSet<&str> = FailReason::ALL.into_iter().map(FailReason::words).collect();
        assert_eq!(words.len(), FailReason::ALL.len());
        assert!(words.iter().all(|words| words.is_ascii() && words.trim() == *words));
    }
}
