//! What the kernel calls names: socket addresses and packet information, to and from Rust's types.

use std::ffi::c_int;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::ptr;

/// Room for one message of packet information: 40 octets for IPv6, 32 for IPv4.
const CONTROL_OCTETS: usize = 64;
const _: () = assert!(
    CONTROL_OCTETS >= size_of::<libc::cmsghdr>() + size_of::<libc::in6_pktinfo>() + size_of::<usize>(),
    "packet information fits"
);

/// The address that a query was sent to.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    /// Over IPv4.
    V4(Ipv4Addr),
    /// Over IPv6, and the interface index if the address means nothing without.
    V6(Ipv6Addr, u32),
}

/// A buffer for control messages, aligned as their header.
#[repr(C, align(8))]
pub(super) struct Control([u8; CONTROL_OCTETS]);
const _: () = assert!(align_of::<Control>() >= align_of::<libc::cmsghdr>(), "headers are aligned");

impl Control {
    /// An empty buffer.
    pub(super) const fn new() -> Self {
        Self([0; CONTROL_OCTETS])
    }

    /// Lets the kernel write control messages here.
    pub(super) fn lend(&mut self, header: &mut libc::msghdr) {
        header.msg_control = ptr::from_mut(self).cast();
        header.msg_controllen = CONTROL_OCTETS;
    }

    /// The packet information that `header`'s message came with, if this buffer was lent to it.
    pub(super) fn asked(&mut self, header: &mut libc::msghdr) -> Option<Asked> {
        // Again, so that what follows is sound whatever `header` pointed to.
        header.msg_control = ptr::from_mut(self).cast();
        header.msg_controllen = header.msg_controllen.min(CONTROL_OCTETS);
        // SAFETY: control points to this buffer, at least as long as the length says, aligned, and initialized.
        let mut next = unsafe { libc::CMSG_FIRSTHDR(header) };
        // SAFETY: CMSG_FIRSTHDR and CMSG_NXTHDR give null or an aligned pointer to a whole header in the buffer.
        while let Some(found) = unsafe { next.as_ref() } {
            let (level, kind, len) = (found.cmsg_level, found.cmsg_type, found.cmsg_len);
            if level == libc::IPPROTO_IP && kind == libc::IP_PKTINFO && len >= cmsg_len::<libc::in_pktinfo>() {
                // SAFETY: the kernel wrote a whole `in_pktinfo`, the length was checked; any bits are a valid one.
                let info: libc::in_pktinfo = unsafe { ptr::read_unaligned(libc::CMSG_DATA(next).cast()) };
                // `ipi_addr` is the destination in the query's header. For a broadcast that is no address to answer
                // from: sending will fail, and nobody gets to use us as an amplifier for a whole network.
                return Some(Asked::V4(Ipv4Addr::from(u32::from_be(info.ipi_addr.s_addr))));
            }
            if level == libc::IPPROTO_IPV6 && kind == libc::IPV6_PKTINFO && len >= cmsg_len::<libc::in6_pktinfo>() {
                // SAFETY: as above, for `in6_pktinfo`.
                let info: libc::in6_pktinfo = unsafe { ptr::read_unaligned(libc::CMSG_DATA(next).cast()) };
                let address = Ipv6Addr::from(info.ipi6_addr.s6_addr);
                // Routing picks the way back, except that a link-local address exists once on each link.
                let interface = if address.is_unicast_link_local() { info.ipi6_ifindex } else { 0 };
                return Some(Asked::V6(address, interface));
            }
            // SAFETY: `next` is a header in the buffer that `header` describes.
            next = unsafe { libc::CMSG_NXTHDR(header, next) };
        }
        None
    }

    /// Has `header`'s message leave from the address that was asked.
    pub(super) fn leave_from(&mut self, header: &mut libc::msghdr, asked: Asked) {
        match asked {
            Asked::V4(address) => {
                let address = libc::in_addr { s_addr: u32::from(address).to_be() };
                let any = libc::in_addr { s_addr: 0 };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: address, ipi_addr: any };
                self.put(header, libc::IPPROTO_IP, libc::IP_PKTINFO, info);
            }
            Asked::V6(address, interface) => {
                let address = libc::in6_addr { s6_addr: address.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: address, ipi6_ifindex: interface };
                self.put(header, libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
        }
    }

    /// Writes the one control message of `header`.
    fn put<T: Copy>(&mut self, header: &mut libc::msghdr, level: c_int, kind: c_int, value: T) {
        const { assert!(size_of::<T>() <= size_of::<libc::in6_pktinfo>(), "the buffer holds it") };
        self.lend(header);
        // The whole buffer counts as one message: CMSG_FIRSTHDR asks only for the room of a header.
        // SAFETY: control points to this buffer, longer than a header, aligned: the result is not null.
        let first = unsafe { libc::CMSG_FIRSTHDR(header) };
        // SAFETY: `first` points to a header in this buffer, which nothing else borrows; its data lies behind it, and a `T`
        // fits, as asserted above.
        unsafe {
            (*first).cmsg_level = level;
            (*first).cmsg_type = kind;
            (*first).cmsg_len = cmsg_len::<T>();
            ptr::write_unaligned(libc::CMSG_DATA(first).cast(), value);
        }
        header.msg_controllen = cmsg_len::<T>().next_multiple_of(align_of::<libc::cmsghdr>());
    }
}

/// What `cmsg_len` says for a message whose data is one `T`. The header's size is a multiple of its alignment.
const fn cmsg_len<T>() -> usize {
    size_of::<libc::cmsghdr>() + size_of::<T>()
}

/// The address that the kernel wrote into `storage`; `None` for a family that is not IP.
pub(super) fn socket_address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match c_int::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: `sockaddr_storage` is at least as large and as aligned as any address; any bits are a valid one.
            let v4 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in>() };
            let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
            Some(SocketAddrV4::new(address, u16::from_be(v4.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let v6 = unsafe { &*ptr::from_ref(storage).cast::<libc::sockaddr_in6>() };
            let address = Ipv6Addr::from(v6.sin6_addr.s6_addr);
            Some(SocketAddrV6::new(address, u16::from_be(v6.sin6_port), v6.sin6_flowinfo, v6.sin6_scope_id).into())
        }
        _ => None,
    }
}
