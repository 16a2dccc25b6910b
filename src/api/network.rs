//! The network that an address belongs to, as far as sharing limits is concerned.

use std::net::IpAddr;

use ipnet::IpNet;

/// What one site has at least: a /24 of IPv4, a /56 of IPv6. IPv4-mapped addresses are IPv4.
pub(super) fn network_of(address: IpAddr) -> IpNet {
    let address = address.to_canonical();
    let bits = if address.is_ipv4() { 24 } else { 56 };
    // Both are lengths that such a prefix can have.
    IpNet::new(address, bits).map_or_else(|_| address.into(), |network| network.trunc())
}
