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

/// What the verdict of one member of a monitor group counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Vote {
    /// Nothing: it is probed for people.
    None,
    /// As much as any other.
    One,
    /// As much as any other, and alone it decides that something is down (`must_be_healthy`).
    Veto,
}

impl Vote {
    /// The word for status.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::One => "one",
            Self::Veto => "veto",
        }
    }
}

/// What votes add up to: down if one with a veto says so, or more than half of all; none if nobody has a vote. What is not
/// known yet may be either, and matters only where it could still change the result.
pub fn elect(votes: impl Iterator<Item = (Vote, Verdict)>) -> Option<Verdict> {
    let (mut all, mut down, mut unknown) = (0_u32, 0_u32, 0_u32);
    let (mut vetoed, mut may_be_vetoed) = (false, false);
    for (vote, verdict) in votes.filter(|(vote, _)| *vote != Vote::None) {
        all += 1;
        down += u32::from(verdict == Verdict::Down);
        unknown += u32::from(verdict == Verdict::Unknown);
        vetoed |= vote == Vote::Veto && verdict == Verdict::Down;
        may_be_vetoed |= vote == Vote::Veto && verdict == Verdict::Unknown;
    }
    let more_than_half = |count: u32| count * 2 > all;
    let verdict = if vetoed || more_than_half(down) {
        Verdict::Down
    } else if may_be_vetoed || more_than_half(down + unknown) {
        Verdict::Unknown
    } else {
        Verdict::Up
    };
    (all > 0).then_some(verdict)
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
    /// A name has no address: that of the origin's host, or one that a redirect leads to.
    UnknownHost,
    /// The servers that were asked for the name of the origin's host did not answer in time.
    LookupTimeout,
    /// They answered, or could be asked, only with an error.
    LookupFailed,
    /// The probe could not be built from the monitor and the origin; nothing was sent.
    MonitorConfig,
    /// The policy of addresses that may be probed forbids this one; nothing was sent.
    AddressDenied,
    /// This machine ran out of something that a probe needs: open files, ports, memory. Says nothing about the origin.
    LocalResource,
    /// This process may not send what the probe needs to send. Says nothing about the origin.
    NoPrivilege,
    /// It flapped, and has not been stable since for as long as its monitor asks. A verdict's reason, never a probe's.
    HeldDown,
    /// Nothing of the above.
    Other,
}

impl FailReason {
    /// Every reason.
    pub const ALL: [Self; 30] = [
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
        Self::LookupTimeout,
        Self::LookupFailed,
        Self::MonitorConfig,
        Self::AddressDenied,
        Self::LocalResource,
        Self::NoPrivilege,
        Self::HeldDown,
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
            Self::LookupTimeout => "DNS Timeout",
            Self::LookupFailed => "DNS Failure",
            Self::MonitorConfig => "Monitor Config Error",
            Self::AddressDenied => "Address Denied by Policy",
            Self::LocalResource => "Monitor Out of Resources",
            Self::NoPrivilege => "Monitor Missing Privilege",
            Self::HeldDown => "Held Down After Flapping",
            Self::Other => "Other Failure",
        }
    }

    /// Whether the fault is this machine's own, so that no verdict may rest on it.
    pub const fn is_ours(self) -> bool {
        matches!(self, Self::LocalResource | Self::NoPrivilege)
    }

    /// Whether nothing was heard from the origin itself, so that the fault may be the way to it. A firewall in between can
    /// refuse and reset connections too.
    pub const fn is_silence(self) -> bool {
        match self {
            Self::TcpConnectionFailed
            | Self::TcpTimeout
            | Self::HttpTimeout
            | Self::NoRouteToHost
            | Self::NetworkUnreachable
            | Self::ConnectionReset
            | Self::ResponseTimeout
            | Self::IcmpTimeout
            | Self::UnknownHost
            | Self::Other => true,
            Self::ResponseCodeMismatch
            | Self::ResponseBodyMismatch
            | Self::TlsUntrustedCertificate
            | Self::TlsNameMismatch
            | Self::TlsUnrecognizedName
            | Self::TlsProtocol
            | Self::HttpInvalidResponse
            | Self::CertificateExpiresSoon
            // The host has answered a ping before.
            | Self::IcmpPortUnreachable
            | Self::SmtpMismatch
            | Self::DnsMismatch
            | Self::GrpcNotServing
            | Self::GrpcCallFailed
            // Of a name: no target sees them.
            | Self::LookupTimeout
            | Self::LookupFailed
            // Nothing was sent.
            | Self::MonitorConfig
            | Self::AddressDenied
            | Self::LocalResource
            | Self::NoPrivilege
            | Self::HeldDown => false,
        }
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

    use proptest::prelude::*;

    use super::*;

    /// A verdict by its letter.
    fn verdict(letter: char) -> Verdict {
        match letter {
            '+' => Verdict::Up,
            '-' => Verdict::Down,
            _ => Verdict::Unknown,
        }
    }

    #[test]
    fn more_than_half_or_a_veto_decides() {
        // Votes as words: + up, - down, ? unknown; then ! for a veto, 0 for no vote.
        for (votes, elected) in [
            ("", None),
            ("-0 +0", None),
            ("+", Some('+')),
            ("-", Some('-')),
            ("+ -", Some('+')),
            ("+ - -", Some('-')),
            ("+ + -!", Some('-')),
            ("+! + -", Some('+')),
            ("+ -0 -0", Some('+')),
            ("+ ?", Some('+')),
            ("+ ? ?", Some('?')),
            ("+ ? -", Some('?')),
            ("- - ?", Some('-')),
            ("+ + + ?!", Some('?')),
            ("-! ?", Some('-')),
        ] {
            let parsed = votes.split_whitespace().map(|word| {
                let vote = match word.get(1..) {
                    Some("!") => Vote::Veto,
                    Some("0") => Vote::None,
                    _ => Vote::One,
                };
                (vote, verdict(word.chars().next().unwrap()))
            });
            assert_eq!(elect(parsed), elected.map(verdict), "{votes}");
        }
    }

    proptest! {
        /// What is not known yet can only become what is known: an elected verdict stands whatever it turns out to be.
        #[test]
        fn what_is_elected_stands_whatever_the_unknown_turn_out_to_be(
            votes in prop::collection::vec((prop::sample::select(vec![Vote::None, Vote::One, Vote::Veto]),
                prop::sample::select(vec!['+', '-', '?'])), 0..8),
        ) {
            let elected = elect(votes.iter().map(|(vote, letter)| (*vote, verdict(*letter))));
            let with = |turn: &dyn Fn(usize) -> char| {
                let known = |(index, (vote, letter)): (usize, &(Vote, char))| {
                    (*vote, verdict(if *letter == '?' { turn(index) } else { *letter }))
                };
                elect(votes.iter().enumerate().map(known))
            };
            let all: Vec<_> = (0..256_usize)
                .map(|bits| with(&|index| if bits >> index & 1 == 1 { '+' } else { '-' }))
                .collect();
            match elected {
                Some(Verdict::Unknown) => {
                    prop_assert!(all.contains(&Some(Verdict::Up)) && all.contains(&Some(Verdict::Down)));
                }
                known => prop_assert!(all.iter().all(|other| *other == known)),
            }
        }
    }

    #[test]
    fn each_reason_has_words_of_its_own() {
        let words: HashSet<&str> = FailReason::ALL.into_iter().map(FailReason::words).collect();
        assert_eq!(words.len(), FailReason::ALL.len());
        assert!(words.iter().all(|words| words.is_ascii() && words.trim() == *words));
    }
}
