//! Socket options that `socket2` does not know.

use std::ffi::c_int;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Never sets DF, and sends whatever the path MTU is said to be.
///
/// RFC 9715 §3.1: a forged ICMP "too big" must not make us fragment answers; their size is bounded below any path's
/// MTU anyway.
pub fn ignore_path_mtu(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, libc::IP_PMTUDISC_OMIT),
        SocketAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, libc::IPV6_PMTUDISC_OMIT),
    }
}

/// Has the kernel tell the address that each query was sent to.
///
/// RFC 2181 §4.1: the answer leaves from the address that was asked. A socket bound to one address does so by itself;
/// a wildcard socket needs this.
pub fn answer_from_asked_address(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1),
        SocketAddr::V6(_) => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1),
    }
}

/// Sets an option that is an integer.
fn set(socket: &UdpSocket, level: c_int, name: c_int, value: c_int) -> io::Result<()> {
    let size = libc::socklen_t::try_from(size_of::<c_int>()).map_err(io::Error::other)?;
    // SAFETY: the descriptor is open for as long as `socket` is borrowed; the value is a live `c_int` of the given size,
    // which the kernel only reads during the call.
    let code = unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), size) };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
