//! The way to another server: its address, and the address of ours that it hears us from.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use crate::model::hosting::Peer;

/// A way to a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// The server.
    pub to: SocketAddr,
    /// Our address; the system's choice if there is none.
    pub from: Option<IpAddr>,
}

impl Route {
    /// The way to a server as the inventory names it.
    pub const fn new(peer: &Peer) -> Self {
        Self { to: peer.address, from: peer.source }
    }

    /// A UDP socket with a port of its own, which hears nobody else.
    pub(super) async fn udp(&self) -> io::Result<UdpSocket> {
        let socket = UdpSocket::bind(self.local()).await.map_err(|error| self.unbound(error))?;
        socket.connect(self.to).await?;
        Ok(socket)
    }

    /// A TCP connection.
    pub(super) async fn tcp(&self) -> io::Result<TcpStream> {
        let socket = if self.to.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        if self.from.is_some() {
            socket.bind(self.local()).map_err(|error| self.unbound(error))?;
        }
        socket.connect(self.to).await
    }

    /// Where a socket is bound. A link-local address is on the link that the server's is on.
    fn local(&self) -> SocketAddr {
        match (self.from, self.to) {
            (Some(IpAddr::V6(from)), SocketAddr::V6(to)) => SocketAddrV6::new(from, 0, 0, to.scope_id()).into(),
            (Some(from), _) => (from, 0).into(),
            (None, SocketAddr::V4(_)) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            (None, SocketAddr::V6(_)) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        }
    }

    /// The same error, with the address that is to blame.
    fn unbound(&self, error: io::Error) -> io::Error {
        match self.from {
            Some(from) => {
                let why = format!("cannot send from {from}, its `source`: {error}; is it an address of this machine?");
                io::Error::new(error.kind(), why)
            }
            None => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// An address of this machine that the system would not choose.
    const OURS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));

    #[tokio::test]
    async fn both_transports_come_from_the_source() {
        let (udp, tcp) =
            (UdpSocket::bind("127.0.0.1:0").await.unwrap(), TcpListener::bind("127.0.0.1:0").await.unwrap());
        for (from, expected) in [(Some(OURS), OURS), (None, Ipv4Addr::LOCALHOST.into())] {
            let socket = Route { to: udp.local_addr().unwrap(), from }.udp().await.unwrap();
            socket.send(b"x").await.unwrap();
            assert_eq!(udp.recv_from(&mut [0; 1]).await.unwrap().1.ip(), expected);
            let _stream = Route { to: tcp.local_addr().unwrap(), from }.tcp().await.unwrap();
            assert_eq!(tcp.accept().await.unwrap().1.ip(), expected);
        }
    }

    #[tokio::test]
    async fn an_address_of_another_machine_is_named() {
        let route = Route { to: ([127, 0, 0, 1], 53).into(), from: Some([192, 0, 2, 1].into()) };
        for error in [route.udp().await.map(drop), route.tcp().await.map(drop)].map(Result::unwrap_err) {
            assert!(error.to_string().starts_with("cannot send from 192.0.2.1, its `source`: "), "{error}");
        }
    }

    #[test]
    fn a_link_local_source_is_on_the_servers_link() {
        let to = SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, 7).into();
        let local = Route { to, from: Some("fe80::2".parse().unwrap()) }.local();
        assert_eq!(local, SocketAddrV6::new("fe80::2".parse().unwrap(), 0, 0, 7).into());
    }
}
