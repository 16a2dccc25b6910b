//! The ping: an ICMP echo request gets its reply.
//!
//! The kernel lends a datagram socket for it to groups within `net.ipv4.ping_group_range`, and a raw one to processes
//! with `CAP_NET_RAW`. A process that has neither is no fault of any origin, and is said once.

use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket as StdUdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tracing::warn;

use crate::health::probe::Attempt;
use crate::health::probe::failure::{self, Phase};
use crate::model::limits::PROBE_PING_MESSAGES_MAX;
use crate::model::verdict::FailReason;

/// Whether pings can be sent.
#[derive(Debug, Default)]
pub(super) struct Pings {
    /// Whether it has been said that they cannot.
    is_told: AtomicBool,
}

/// Octets that nobody else sends back.
type Token = [u8; 16];

/// Octets of the header of an echo (RFC 4443 §4.1 draws what ICMP for IPv4 has, too).
const HEADER_OCTETS: usize = 8;
/// Octets of the largest datagram that matters: an IPv4 header with all options, and our echo.
const DATAGRAM_OCTETS: usize = 60 + HEADER_OCTETS + size_of::<Token>();

/// Sends an echo request and waits for the reply.
pub(super) async fn ping(attempt: &Attempt<'_>, pings: &Pings) -> Result<(), FailReason> {
    let socket = open(attempt).map_err(|error| pings.reason(&error))?;
    let reason = |error: io::Error| failure::of_io(&error, Phase::Connect).unwrap_or(FailReason::Other);
    let exchange = async {
        let random = RandomState::new();
        let token: Token = (u128::from(random.hash_one(0)) << 64 | u128::from(random.hash_one(1))).to_be_bytes();
        socket.send(&request(attempt.key.address, &token)).await.map_err(reason)?;
        let mut buffer = [0; DATAGRAM_OCTETS];
        // Others of this host ping too, and a raw socket hears all of it.
        for _ in 0..PROBE_PING_MESSAGES_MAX {
            let length = socket.recv(&mut buffer).await.map_err(reason)?;
            if is_reply(attempt.key.address, buffer.get(..length).unwrap_or_default(), &token) {
                return Ok(());
            }
        }
        Err(FailReason::IcmpTimeout)
    };
    attempt.within(FailReason::IcmpTimeout, exchange).await
}

impl Pings {
    /// Why there is no socket for a ping.
    fn reason(&self, error: &io::Error) -> FailReason {
        if error.kind() != io::ErrorKind::PermissionDenied {
            return failure::of_io(error, Phase::Connect).unwrap_or(FailReason::Other);
        }
        if !self.is_told.swap(true, Ordering::Relaxed) {
            warn!(
                "this process may not send pings, so icmp_ping and udp_icmp monitors tell nothing; give it CAP_NET_RAW \
                 (AmbientCapabilities= in its unit), or its group a place in net.ipv4.ping_group_range"
            );
        }
        FailReason::NoPrivilege
    }
}

/// A socket for ICMP messages to and from the target.
fn open(attempt: &Attempt<'_>) -> io::Result<UdpSocket> {
    let address = attempt.key.address;
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol)).or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => Socket::new(domain, Type::RAW, Some(protocol)),
        _ => Err(error),
    })?;
    socket.set_nonblocking(true)?;
    // From here on a refusal is about this address, not about pings.
    let settle = || {
        if let Some(source) = attempt.source {
            socket.bind(&SocketAddr::new(source, 0).into())?;
        }
        socket.connect(&SocketAddr::new(address, 0).into())
    };
    settle().map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => io::Error::other(error),
        _ => error,
    })?;
    // Once it is connected it sends and receives as any other datagram socket does.
    UdpSocket::from_std(StdUdpSocket::from(socket))
}

/// An echo request: type, code, checksum, identifier, sequence number, data (RFC 1122 §3.2.2.6, RFC 4443 §4.1).
fn request(address: IpAddr, token: &Token) -> Vec<u8> {
    let kind = if address.is_ipv4() { 8 } else { 128 };
    // The token identifies it; a datagram socket has an identifier of its own.
    let mut octets = vec![kind, 0, 0, 0, 0, 0, 0, 1];
    octets.extend_from_slice(token);
    // The kernel computes that of ICMPv6, which covers the addresses.
    if address.is_ipv4() {
        let checksum = checksum(&octets).to_be_bytes();
        if let Some(place) = octets.get_mut(2..4) {
            place.copy_from_slice(&checksum);
        }
    }
    octets
}

/// The Internet checksum of an even number of octets (RFC 1071).
fn checksum(octets: &[u8]) -> u16 {
    let words = octets.chunks_exact(2).map(|pair| pair.iter().fold(0, |word, octet| word << 8 | u32::from(*octet)));
    let mut sum: u32 = words.sum();
    while let high @ 1.. = sum >> 16 {
        sum = (sum & 0xffff) + high;
    }
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

/// Whether a datagram is the echo reply with this token. Raw sockets of IPv4 give its header too.
fn is_reply(address: IpAddr, datagram: &[u8], token: &Token) -> bool {
    let message = match (address, datagram.first()) {
        (IpAddr::V4(_), Some(first)) if first >> 4 == 4 => datagram.get(usize::from(first & 0xf) * 4..),
        _ => Some(datagram),
    };
    let kind = if address.is_ipv4() { 0 } else { 129 };
    message.is_some_and(|message| message.starts_with(&[kind, 0]) && message.get(HEADER_OCTETS..) == Some(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies() {
        let token: Token = *b"0123456789abcdef";
        let [v4, v6]: [IpAddr; 2] = ["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let sent = request(v4, &token);
        // RFC 1071 §1: what is sent with its checksum sums up to all ones.
        assert_eq!((sent[0], checksum(&sent), checksum(&[0xff, 0xfe, 0, 3])), (8, 0, 0xfffd));
        assert_eq!(request(v6, &token)[..4], [128, 0, 0, 0]);

        let reply = |kind: u8| [&[kind, 0, 9, 9, 9, 9, 9, 9][..], &token].concat();
        let with_header = |words: u8, rest: &[u8]| [vec![0x40 | words; usize::from(words) * 4], rest.to_vec()].concat();
        for (address, datagram, is) in [
            (v4, reply(0), true),
            (v4, with_header(5, &reply(0)), true),
            (v4, with_header(15, &reply(0)), true),
            (v6, reply(129), true),
            (v4, reply(8), false), // our own request, on loopback
            (v6, reply(128), false),
            (v4, reply(129), false),
            (v4, with_header(5, &reply(3)), false),
            (v4, with_header(15, &[]), false),
            (v4, vec![0x4f], false),
            (v4, vec![], false),
            (v4, reply(0)[..23].to_vec(), false),
            (v4, [reply(0), vec![0]].concat(), false),
            (v4, [&[0, 0, 0, 0, 0, 0, 0, 0][..], b"another token..."].concat(), false),
        ] {
            assert_eq!(is_reply(address, &datagram, &token), is, "{address} {datagram:?}");
        }
    }

    #[test]
    fn what_this_process_may_not_do_is_no_fault_of_an_origin() {
        let pings = Pings::default();
        for (number, reason) in [
            (1, FailReason::NoPrivilege),
            (13, FailReason::NoPrivilege),
            (24, FailReason::LocalResource),
            (99, FailReason::LocalResource),
            (97, FailReason::Other),
        ] {
            assert_eq!(pings.reason(&io::Error::from_raw_os_error(number)), reason, "{number}");
        }
        assert!(pings.is_told.load(Ordering::Relaxed));
    }
}
