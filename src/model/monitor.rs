//! A monitor: the declared rule by which origins are probed.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::model::id::MonitorId;
use crate::model::name::Name;
use crate::model::rrset::Rtype;

/// How to probe the origins of every pool that names this monitor.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Monitor {
    /// Its id.
    pub id: MonitorId,
    /// Its name in the configuration file.
    pub name: String,
    /// Free text.
    pub description: String,
    /// The original's zone to simulate: kept for whoever reads it back, without effect.
    pub probe_zone: String,
    /// What one probe does.
    pub check: Check,
    /// The address that probes come from; none is the system's choice, and so is the other family's.
    pub source_address: Option<IpAddr>,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// Immediate further attempts after a time-out.
    pub retries: u32,
    /// From the start of one probe to the start of the next.
    pub interval: Duration,
    /// Successes in a row that turn a target up; 0 means 1.
    pub consecutive_up: u32,
    /// Failures in a row that turn a target down; 0 means 1.
    pub consecutive_down: u32,
    /// What holds a target down that flaps; none by default.
    pub damping: Option<Damping>,
}

/// When a target flaps, and how long it is held down then.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damping {
    /// So many changes between up and down,
    pub changes: u32,
    /// in a span of this length, are too many.
    pub within: Duration,
    /// How long probes have to succeed without a failure before the target is up again.
    pub hold: Duration,
}

/// What one probe does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Check {
    /// A connection is established.
    Tcp {
        /// The port to connect to.
        port: u16,
    },
    /// A ping is answered, and then no ICMP message says that a UDP port is unreachable.
    UdpIcmp {
        /// The port that gets a datagram.
        port: u16,
    },
    /// A ping is answered.
    IcmpPing,
    /// A mail server greets, and answers HELO and QUIT.
    Smtp {
        /// The port to connect to.
        port: u16,
    },
    /// A name server gives an expected answer.
    Dns(DnsCheck),
    /// A TLS handshake succeeds.
    Tls(TlsCheck),
    /// A gRPC server says that it serves.
    Grpc(GrpcCheck),
    /// An HTTP or HTTPS request gets an expected response.
    Http(HttpCheck),
}

/// A DNS query, and what its response has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsCheck {
    /// The port.
    pub port: u16,
    /// The name that is asked for.
    pub query_name: Name,
    /// The type that is asked for.
    pub query_type: Rtype,
    /// The response code (RFC 1035 §4.1.1) that means healthy.
    pub expected_rcode: u8,
    /// What one of the records of the answer must be; none means that the response code is enough.
    pub expected_answer: Option<ExpectedAnswer>,
}

/// The data of a record that an answer must have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedAnswer {
    /// As written, for whoever reads it back.
    pub text: String,
    /// In uncompressed wire form.
    pub rdata: Vec<u8>,
}

/// A TLS handshake.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsCheck {
    /// The port.
    pub port: u16,
    /// The name that is asked for and that the certificate must have; an origin's own `Host` wins over it. Without
    /// either it is the address.
    pub server_name: Option<String>,
    /// What the handshake has to show.
    pub terms: TlsTerms,
}

/// A call of `grpc.health.v1.Health/Check`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GrpcCheck {
    /// The port; none is that of HTTP or HTTPS.
    pub port: Option<u16>,
    /// The service that is asked about; empty means the server as a whole.
    pub service: String,
    /// The authority of the request and the name for TLS; an origin's own `Host` wins over it. Without either it is the
    /// address.
    pub server_name: Option<String>,
    /// What the TLS handshake has to show; none means without TLS.
    pub tls: Option<TlsTerms>,
}

/// An HTTP or HTTPS request, and what its response has to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HttpCheck {
    /// What the TLS handshake has to show, for `https`; none means `http`.
    pub tls: Option<TlsTerms>,
    /// The request method, upper case.
    pub method: String,
    /// Path and query, starting with `/`.
    pub path: String,
    /// The port; none is the scheme's.
    pub port: Option<u16>,
    /// Header fields in order, names as written. `Host` is here too; an origin's own wins over it.
    pub headers: Vec<(String, Vec<String>)>,
    /// Status codes that mean healthy.
    pub expected_codes: ExpectedCodes,
    /// Text that the body must contain, compared without regard to ASCII case; empty means no check.
    pub expected_body: String,
    /// Whether redirects are followed.
    pub follow_redirects: bool,
}

/// What a TLS handshake has to show, and what is shown to the origin.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TlsTerms {
    /// Whether any issuer and any name will do.
    pub allow_insecure: bool,
    /// Days that the certificate must still be valid; 0 means just now.
    pub certificate_days_min: u16,
    /// Who else is trusted, and who may present what.
    pub files: TlsFiles,
}

/// Files with certificates and keys, in PEM.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct TlsFiles {
    /// Certificates of the only authorities that are trusted; none means the system's.
    pub authorities: Option<PathBuf>,
    /// What we show to an origin that asks who we are.
    pub client: Option<ClientFiles>,
}

/// A certificate of ours and its key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct ClientFiles {
    /// The certificate, followed by those of its issuers.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.authorities.is_none() && self.client.is_none()
    }
}

/// The scheme of an HTTP check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

impl Scheme {
    /// The scheme of what has these terms, or none.
    pub const fn of(tls: Option<&TlsTerms>) -> Self {
        if tls.is_some() { Self::Https } else { Self::Http }
    }

    /// The port of URLs that name none.
    pub const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// As URLs have it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
/// Status codes as the original writes them: `200`, `2xx`, `20x`, and lists with commas.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpectedCodes {
    /// The text as written, for whoever reads it back.
    text: String,
    /// Inclusive ranges of codes.
    ranges: Vec<(u16, u16)>,
}

impl ExpectedCodes {
    /// Parses comma-separated items of three characters whose trailing one or two may be `x`.
    pub fn parse(text: &str) -> Option<Self> {
        let ranges = text.split(',').map(|item| parse_code_item(item.trim())).collect::<Option<_>>()?;
        Some(Self { text: text.to_owned(), ranges })
    }

    /// The text as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether `code` means healthy.
    pub fn contains(&self, code: u16) -> bool {
        self.ranges.iter().any(|(low, high)| (*low..=*high).contains(&code))
    }
}

/// Parses `200`, `20x` or `2xx` into an inclusive range.
fn parse_code_item(item: &str) -> Option<(u16, u16)> {
    let digits = item.trim_end_matches(['x', 'X']);
    let wild = item.len() - digits.len();
    let starts_well = digits.starts_with(|c: char| ('1'..='5').contains(&c));
    if item.len() != 3 || wild > 2 || !starts_well || !digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let span = if wild == 0 { 1 } else { 10_u16.pow(u32::try_from(wild).ok()?) };
    let low = digits.parse::<u16>().ok()? * span;
    Some((low, low + span - 1))
}

impl Check {
    /// The original's word for its type, or ours.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Tcp { .. } => "tcp",
            Self::UdpIcmp { .. } => "udp_icmp",
            Self::IcmpPing => "icmp_ping",
            Self::Smtp { .. } => "smtp",
            Self::Dns(_) => "dns",
            Self::Tls(_) => "tls",
            Self::Grpc(_) => "grpc",
            Self::Http(http) => Scheme::of(http.tls.as_ref()).word(),
        }
    }

    /// What a TLS handshake has to show, if there is one.
    pub const fn tls(&self) -> Option<&TlsTerms> {
        match self {
            Self::Tls(tls) => Some(&tls.terms),
            Self::Grpc(grpc) => grpc.tls.as_ref(),
            Self::Http(http) => http.tls.as_ref(),
            Self::Tcp { .. } | Self::UdpIcmp { .. } | Self::IcmpPing | Self::Smtp { .. } | Self::Dns(_) => None,
        }
    }

    /// Whether a probe says the name of a host, so that origins of one address can differ.
    pub const fn names_host(&self) -> bool {
        match self {
            Self::Tls(_) | Self::Grpc(_) | Self::Http(_) => true,
            Self::Tcp { .. } | Self::UdpIcmp { .. } | Self::IcmpPing | Self::Smtp { .. } | Self::Dns(_) => false,
        }
    }
}

impl Monitor {
    /// Successes in a row that turn a target up, at least 1.
    pub fn up_count(&self) -> u32 {
        self.consecutive_up.max(1)
    }

    /// Failures in a row that turn a target down, at least 1.
    pub fn down_count(&self) -> u32 {
        self.consecutive_down.max(1)
    }

    /// The port that is probed; 0 where there is none.
    pub fn port(&self) -> u16 {
        let of_scheme = |port: Option<u16>, tls| port.unwrap_or_else(|| Scheme::of(tls).port());
        match &self.check {
            Check::Tcp { port } | Check::UdpIcmp { port } | Check::Smtp { port } => *port,
            Check::IcmpPing => 0,
            Check::Dns(dns) => dns.port,
            Check::Tls(tls) => tls.port,
            Check::Grpc(grpc) => of_scheme(grpc.port, grpc.tls.as_ref()),
            Check::Http(http) => of_scheme(http.port, http.tls.as_ref()),
        }
    }

    /// The host that a probe names unless an origin has its own: the `Host` header field, or the server name.
    pub fn host(&self) -> Option<&str> {
        match &self.check {
            Check::Tls(tls) => tls.server_name.as_deref(),
            Check::Grpc(grpc) => grpc.server_name.as_deref(),
            Check::Http(http) => {
                let host = http.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"))?;
                host.1.first().map(String::as_str)
            }
            Check::Tcp { .. } | Check::UdpIcmp { .. } | Check::IcmpPing | Check::Smtp { .. } | Check::Dns(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expected_codes() {
        for (text, yes, no) in [
            ("200", vec![200], vec![201, 199]),
            ("2xx", vec![200, 299], vec![199, 300]),
            ("20x", vec![200, 209], vec![210]),
            ("200, 302,5xx", vec![200, 302, 500, 599], vec![201, 301, 499]),
        ] {
            let codes = ExpectedCodes::parse(text).unwrap();
            assert!(yes.iter().all(|code| codes.contains(*code)), "{text}");
            assert!(!no.iter().any(|code| codes.contains(*code)), "{text}");
        }
        for bad in ["", "2", "2x", "xxx", "x00", "2x0", "200-299", "600", "099", "200,", "2000", "２００"] {
            assert_eq!(ExpectedCodes::parse(bad), None, "{bad}");
        }
    }
}
