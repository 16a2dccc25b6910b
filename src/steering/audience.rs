//! Who may ask for a zone.

use std::net::IpAddr;

use ipnet::IpNet;

/// Networks whose clients may ask; none stands for everybody, so that most zones compare nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Audience(Option<Box<[IpNet]>>);

impl Audience {
    /// Clients in these networks.
    pub fn of(networks: &[IpNet]) -> Self {
        let has_all_of = |is_ipv4: bool| {
            networks.iter().any(|network| network.prefix_len() == 0 && network.addr().is_ipv4() == is_ipv4)
        };
        let is_for_all = has_all_of(true) && has_all_of(false);
        Self((!is_for_all).then(|| networks.into()))
    }

    /// Whether it is everybody.
    pub const fn is_everybody(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a client is among them.
    pub fn has(&self, client: IpAddr) -> bool {
        self.0.as_deref().is_none_or(|networks| networks.iter().any(|network| network.contains(&client)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_for_everybody_unless_networks_are_named() {
        for (networks, client, expected) in [
            (&["0.0.0.0/0", "::/0"][..], "2001:db8::1", (false, true)),
            (&["0.0.0.0/0"], "2001:db8::1", (true, false)),
            (&["198.51.100.0/24", "2001:db8::/32"], "2001:db8::1", (true, true)),
            (&["198.51.100.0/24", "2001:db8::/32"], "198.51.100.7", (true, true)),
            (&["198.51.100.0/24", "2001:db8::/32"], "198.51.101.7", (true, false)),
            (&[], "127.0.0.1", (true, false)),
        ] {
            let parsed: Vec<IpNet> = networks.iter().map(|network| network.parse().unwrap()).collect();
            let audience = Audience::of(&parsed);
            assert_eq!(
                (!audience.is_everybody(), audience.has(client.parse().unwrap())),
                expected,
                "{networks:?} {client}"
            );
        }
        assert!(Audience::default().has("192.0.2.1".parse().unwrap()));
    }
}
