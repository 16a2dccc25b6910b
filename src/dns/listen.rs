//! Binds UDP and TCP to one address and port, and says what is wrong when that fails.
//!
//! Everything is bound before anything is spawned, so that a server either has all its sockets or does not start.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

use crate::dns::engine::Transport;
use crate::dns::udp::UdpSockets;

/// Connections that wait to be accepted: more than a burst between two turns of a busy runtime.
const BACKLOG: i32 = 1024;
/// How often another UDP port is tried when the kernel's choice is taken for TCP.
const PORT_TRIES: usize = 16;

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another socket has the port, here or on the wildcard address.
    #[error("{} {address}: another process listens there", Name(*transport))]
    Taken {
        /// What was to be bound.
        address: SocketAddr,
        /// Over what.
        transport: Transport,
    },
    /// The port needs a privilege that the process lacks.
    #[error("{} {address}: not permitted to use this port", Name(*transport))]
    Privileged {
        /// What was to be bound.
        address: SocketAddr,
        /// Over what.
        transport: Transport,
    },
    /// No interface has the address.
    #[error("{} {address}: this machine has no such address", Name(*transport))]
    NotLocal {
        /// What was to be bound.
        address: SocketAddr,
        /// Over what.
        transport: Transport,
    },
    /// Anything else.
    #[error("{} {address}: {source}", Name(*transport))]
    Other {
        /// What was to be bound.
        address: SocketAddr,
        /// Over what.
        transport: Transport,
        /// What the kernel says.
        source: io::Error,
    },
}

impl BindError {
    /// Sorts an error of the kernel.
    pub(super) fn new(address: SocketAddr, transport: Transport, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::Taken { address, transport },
            io::ErrorKind::PermissionDenied => Self::Privileged { address, transport },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { address, transport },
            _ => Self::Other { address, transport, source },
        }
    }
}

/// A transport as people write it.
struct Name(Transport);

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Transport::Udp => "UDP",
            Transport::Tcp => "TCP",
        })
    }
}

/// The sockets of one listen address.
#[derive(Debug)]
pub struct Listeners {
    /// The address in fact: if port 0 was asked for, the port that the kernel chose.
    pub address: SocketAddr,
    /// For `UdpSockets::spawn`.
    pub udp: UdpSockets,
    /// For `TcpServer::serve`.
    pub tcp: TcpListener,
}

/// Binds UDP, for `threads` threads, and TCP on the same port.
pub fn bind(listen: SocketAddr, threads: NonZeroUsize) -> Result<Listeners, BindError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let udp = UdpSockets::bind(listen, threads)?;
        let address = udp.address();
        match bind_tcp(address) {
            Ok(tcp) => return Ok(Listeners { address, udp, tcp }),
            // The kernel chose a port for UDP without a look at TCP's.
            Err(BindError::Taken { .. }) if listen.port() == 0 && tries < PORT_TRIES => {}
            Err(error) => return Err(error),
        }
    }
}

/// Binds TCP.
pub fn bind_tcp(listen: SocketAddr) -> Result<TcpListener, BindError> {
    open_tcp(listen).map_err(|source| BindError::new(listen, Transport::Tcp, source))
}

/// A listening socket, not blocking, as tokio wants it.
fn open_tcp(listen: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(listen), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of a former process in TIME_WAIT must not hold up a restart. On Linux this shares with no listener.
    socket.set_reuse_address(true)?;
    if listen.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&listen.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;

    /// Two threads.
    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    /// A port of the kernel's choice on the loopback interface.
    fn anywhere() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 0).into()
    }

    #[test]
    fn both_transports_get_the_same_port() {
        let listeners = bind(anywhere(), TWO).unwrap();
        assert_ne!(listeners.address.port(), 0);
        assert_eq!(listeners.tcp.local_addr().unwrap(), listeners.address);
        assert_eq!(listeners.udp.address(), listeners.address);
    }

    #[test]
    fn a_second_server_is_told_that_the_port_is_taken() {
        let first = bind(anywhere(), TWO).unwrap();
        let error = bind(first.address, TWO).unwrap_err();
        assert!(matches!(error, BindError::Taken { transport: Transport::Udp, .. }), "{error:?}");
        assert_eq!(error.to_string(), format!("UDP {}: another process listens there", first.address));
        let address = first.address;
        drop(first);
        bind(address, TWO).unwrap();
    }

    #[test]
    fn a_port_is_taken_also_by_a_wildcard_and_by_a_socket_that_would_share_it() {
        let holder = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
        holder.set_reuse_port(true).unwrap();
        holder.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)).into()).unwrap();
        let port = UdpSocket::from(holder.try_clone().unwrap()).local_addr().unwrap().port();
        for listen in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST] {
            let error = bind((listen, port).into(), TWO).unwrap_err();
            assert!(matches!(error, BindError::Taken { transport: Transport::Udp, .. }), "{error:?}");
        }
    }

    #[test]
    fn a_tcp_port_is_taken_by_a_listener() {
        let holder = TcpListener::bind(anywhere()).unwrap();
        let error = bind_tcp(holder.local_addr().unwrap()).unwrap_err();
        assert!(matches!(error, BindError::Taken { transport: Transport::Tcp, .. }), "{error:?}");
    }

    #[test]
    fn an_address_of_somebody_else_is_not_local() {
        let error = bind("192.0.2.1:0".parse().unwrap(), TWO).unwrap_err();
        assert!(matches!(error, BindError::NotLocal { transport: Transport::Udp, .. }), "{error:?}");
        assert_eq!(error.to_string(), "UDP 192.0.2.1:0: this machine has no such address");
    }

    #[test]
    fn kernel_errors_are_sorted() {
        let error = |kind: io::ErrorKind| BindError::new(anywhere(), Transport::Tcp, kind.into());
        assert!(matches!(error(io::ErrorKind::PermissionDenied), BindError::Privileged { .. }));
        assert!(matches!(error(io::ErrorKind::Unsupported), BindError::Other { .. }));
    }
}
