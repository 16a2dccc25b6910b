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
    /// HTTP status code, when a response came.
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
    /// The probe could not be built from the monitor and the origin; nothing was sent.
    MonitorConfig,
    /// This machine ran out of something that a probe needs: open files, ports, memory. Says nothing about the origin.
    LocalResource,
    /// Nothing of the above.
    Other,
}

impl FailReason {
    /// The words of the original, as its API gives them. `LocalResource` is ours; the original has no such words.
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
            Self::MonitorConfig => "Monitor Config Error",
            Self::LocalResource => "Monitor Out of Resources",
            Self::Other => "Other Failure",
        }
    }

    /// Whether the fault is this machine's own, so that no verdict may rest on it.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::LocalResource)
    }

    /// Whether the probe ran out of time, the one failure that is retried at once.
    pub const fn is_timeout(self) -> bool {
        matches!(self, Self::TcpTimeout | Self::HttpTimeout)
    }
}

impl fmt::Display for FailReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.words())
    }
}
