//! What probes may reach: the policy that keeps them from being turned against the network that they run in.
//!
//! Whoever may declare pools, or answers a probe with a redirect, chooses addresses that this machine connects to. The
//! policy is asked with the address itself, after every look-up of a name and for every step of a redirect.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use crate::config::settings::set;
use crate::model::limits::REACH_NETWORKS_MAX;
use crate::spec::fields::Fields;
use crate::spec::value::{boolean, list, network};

/// Which addresses may be probed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reach {
    /// Networks that no probe goes to.
    pub deny: Vec<IpNet>,
    /// Networks that it may go to all the same.
    pub allow: Vec<IpNet>,
    /// Whether a redirect may lead to another host.
    pub redirects_to_other_hosts: bool,
}

/// What is denied by default: addresses that are nobody's, everybody's or this link's, and those at which clouds hand out
/// credentials to whoever asks from within.
const DENIED: &[&str] = &[
    // "This network" (RFC 1122 §3.2.1.3); Linux connects to itself there.
    "0.0.0.0/8",
    "::/128",
    // Link-local (RFC 3927, RFC 4291 §2.5.6); 169.254.169.254 is the metadata service of nearly every cloud.
    "169.254.0.0/16",
    "fe80::/10",
    // Multicast (RFC 5771, RFC 4291 §2.7) and broadcast (RFC 1122 §3.2.1.3).
    "224.0.0.0/4",
    "ff00::/8",
    "255.255.255.255/32",
    // Metadata services elsewhere: Amazon's and Google's over IPv6, Alibaba's, Oracle's, and Azure's agent.
    "fd00:ec2::254/128",
    "fd20:ce::254/128",
    "100.100.100.200/32",
    "192.0.0.192/32",
    "168.63.129.16/32",
];

/// The prefix of addresses that a translator makes of IPv4 ones (RFC 6052 §2.1).
const TRANSLATED: u128 = 0x64_ff9b << 64;

impl Default for Reach {
    fn default() -> Self {
        let deny = DENIED.iter().filter_map(|network| network.parse().ok()).collect();
        Self { deny, allow: vec![], redirects_to_other_hosts: false }
    }
}

impl Reach {
    /// Whether an origin's address may be probed.
    pub fn allows(&self, address: IpAddr) -> bool {
        // What arrives at an IPv4 address counts as that, however it is written.
        let address = plain(address);
        contains(&self.allow, address) || !contains(&self.deny, address)
    }

    /// Whether a redirect of some origin may lead to an address. Nobody declared it, so this machine itself is off limits
    /// unless it is allowed by name.
    pub fn allows_redirect(&self, address: IpAddr) -> bool {
        let address = plain(address);
        contains(&self.allow, address) || (!address.is_loopback() && !contains(&self.deny, address))
    }
}

/// Whether one of some networks has an address.
fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// The address at which packets for an address arrive.
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if v6.to_bits() >> 32 == TRANSLATED {
        let [.., a, b, c, d] = v6.octets();
        return Ipv4Addr::new(a, b, c, d).into();
    }
    v6.to_canonical()
}

/// Reads it from `[health]`.
pub(super) fn read(fields: &mut Fields<'_, '_, '_>, reach: &mut Reach) {
    set!(fields, "deny_addresses", list(REACH_NETWORKS_MAX, network) => reach.deny);
    set!(fields, "allow_addresses", list(REACH_NETWORKS_MAX, network) => reach.allow);
    set!(fields, "redirects_to_other_hosts", boolean => reach.redirects_to_other_hosts);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an address.
    fn at(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn what_is_denied_by_default() {
        let reach = Reach::default();
        assert_eq!(reach.deny.len(), DENIED.len(), "each of them is a network");
        for denied in [
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "239.255.255.255",
            "255.255.255.255",
            "::",
            "fe80::1",
            "febf::1",
            "ff02::1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "100.100.100.200",
            "168.63.129.16",
            // The same in other clothes.
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(!reach.allows(at(denied)) && !reach.allows_redirect(at(denied)), "{denied}");
        }
        for allowed in ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "192.0.2.1", "fd00::1", "2001:db8::1"] {
            assert!(reach.allows(at(allowed)), "{allowed}");
        }
        for (address, allowed) in
            [("127.0.0.1", false), ("::1", false), ("::ffff:127.0.0.1", false), ("10.0.0.1", true)]
        {
            assert_eq!(reach.allows_redirect(at(address)), allowed, "{address}");
        }
    }

    #[test]
    fn allow_beats_deny() {
        let networks = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpNet>>();
        let deny = networks(&["0.0.0.0/0", "::/0"]);
        let reach = Reach { deny, allow: networks(&["127.0.0.0/8", "2001:db8::/32"]), redirects_to_other_hosts: true };
        for (address, allowed) in [
            ("127.0.0.1", true),
            ("2001:db8::1", true),
            ("::1", false),
            ("192.0.2.1", false),
            ("::ffff:127.0.0.1", true),
        ] {
            assert_eq!(
                (reach.allows(at(address)), reach.allows_redirect(at(address))),
                (allowed, allowed),
                "{address}"
            );
        }
    }
}
