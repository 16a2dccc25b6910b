//! Ids: 128 bits, written as 32 lower-case hexadecimal digits, as in the original.

use std::fmt;

use sha2::{Digest, Sha256};

/// An id whose kind is part of its type.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// The id of a declared object: the first 128 bits of SHA-256 of kind and name, so that it outlives restarts.
            pub fn declared(name: &str) -> Self {
                Self(digest($kind, name))
            }

            /// The id of an object that was made at run time, of 128 random bits.
            pub const fn random(bits: u128) -> Self {
                Self(bits)
            }

            /// Parses 32 lower-case hexadecimal digits.
            pub fn parse(text: &str) -> Option<Self> {
                parse_hex(text).map(Self)
            }

            /// Its 128 bits, which [`Self::random`] makes the same id of.
            pub const fn bits(self) -> u128 {
                self.0
            }

            /// 64 bits that are already well distributed: digests and random numbers both are.
            pub const fn hash64(self) -> u64 {
                let [a, b, c, d, e, f, g, h, ..] = self.0.to_le_bytes();
                u64::from_le_bytes([a, b, c, d, e, f, g, h])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }
    };
}

id!(
    /// Names a zone.
    ZoneId,
    "zone"
);
id!(
    /// Names a monitor.
    MonitorId,
    "monitor"
);
id!(
    /// Names a monitor group.
    MonitorGroupId,
    "monitor_group"
);
id!(
    /// Names a pool.
    PoolId,
    "pool"
);
id!(
    /// Names a load balancer.
    LoadBalancerId,
    "load_balancer"
);

id!(
    /// Names a record of a zone that is managed through the API.
    RecordId,
    "record"
);

id!(
    /// Names a token of the API.
    TokenId,
    "token"
);

id!(
    /// Names a preview: probes that somebody asked for.
    PreviewId,
    "preview"
);

id!(
    /// Names the account of the API.
    AccountId,
    "account"
);

/// Names an object of any kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum ObjectId {
    /// A zone.
    Zone(ZoneId),
    /// A record of a zone.
    Record(ZoneId, RecordId),
    /// A monitor.
    Monitor(MonitorId),
    /// A monitor group.
    MonitorGroup(MonitorGroupId),
    /// A pool.
    Pool(PoolId),
    /// A load balancer.
    LoadBalancer(LoadBalancerId),
    /// The levers of a pool.
    Levers(PoolId),
}

impl ObjectId {
    /// The word for its kind, as the original's references have it.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::Zone(_) => "zone",
            Self::Record(..) => "dns_record",
            Self::Monitor(_) => "monitor",
            Self::MonitorGroup(_) => "monitor_group",
            Self::Pool(_) => "pool",
            Self::LoadBalancer(_) => "load_balancer",
            Self::Levers(_) => "levers",
        }
    }
}

/// The id alone: 32 digits. Levers have that of their pool.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(id) => id.fmt(f),
            Self::Record(_, id) => id.fmt(f),
            Self::Monitor(id) => id.fmt(f),
            Self::MonitorGroup(id) => id.fmt(f),
            Self::Pool(id) => id.fmt(f),
            Self::LoadBalancer(id) => id.fmt(f),
            Self::Levers(pool) => pool.fmt(f),
        }
    }
}

/// First 128 bits of SHA-256 over kind, a zero octet, and name.
fn digest(kind: &str, name: &str) -> u128 {
    let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(name).finalize();
    hash.iter().take(16).fold(0, |id, octet| id << 8 | u128::from(*octet))
}

/// Reads exactly 32 lower-case hexadecimal digits.
fn parse_hex(text: &str) -> Option<u128> {
    let lower = |octet: u8| octet.is_ascii_digit() || (b'a'..=b'f').contains(&octet);
    (text.len() == 32 && text.bytes().all(lower)).then(|| u128::from_str_radix(text, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declared_id_is_stable_and_differs_by_kind() {
        // `printf 'pool\0web' | sha256sum | cut -c 1-32`
        assert_eq!(PoolId::declared("web").to_string(), "59c3591bea92402782b4ceda5d0344e0");
        assert_ne!(PoolId::declared("web").to_string(), MonitorId::declared("web").to_string());
    }

    #[test]
    fn text_form_round_trips_and_is_strict() {
        let id = PoolId::declared("web");
        assert_eq!(PoolId::parse(&id.to_string()), Some(id));
        for bad in ["", "59", "59C3591BEA92402782B4CEDA5D0344E0", "+9c3591bea92402782b4ceda5d0344e0"] {
            assert_eq!(PoolId::parse(bad), None, "{bad}");
        }
    }
}
