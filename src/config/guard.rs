//! What guards against clients that hide behind others' addresses: `[cookies]` and `[rrl]`.

use std::fmt;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::config::settings::Settings;
use crate::model::limits::{
    COOKIE_SECRETS_MAX, EXEMPT_MAX, RRL_IPV6_PREFIX_MAX, RRL_RATE_MAX, RRL_SLIP_MAX, RRL_TABLE_MAX, RRL_TABLE_MIN,
};
use crate::spec::fault::Faults;
use crate::spec::fields::{Fields, Key, Spot, defaulted};
use crate::spec::value::{boolean, integer, list, network};

use super::settings::set;

/// Octets of a cookie secret: a key of `SipHash` (RFC 9018 §4.4).
const SECRET_OCTETS: usize = 16;

/// DNS cookies (RFC 7873).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CookiePolicy {
    /// Whether cookies are given and checked; otherwise the option is ignored.
    pub enabled: bool,
    /// The first one signs, all are accepted. Without any, the process has one of its own.
    pub secrets: Vec<CookieSecret>,
}

/// What server cookies are made with. Servers that share an address have to share it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct CookieSecret(pub [u8; SECRET_OCTETS]);

impl fmt::Debug for CookieSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CookieSecret(..)")
    }
}

/// Response rate limiting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RrlPolicy {
    /// Whether answers are counted and limited.
    pub enabled: bool,
    /// Answers a second for one client prefix and one class of answers; as many may come at once.
    pub rate: u32,
    /// One in so many limited answers is sent truncated, the others not at all; 0 sends none.
    pub slip: u8,
    /// Only count and log what would be limited.
    pub log_only: bool,
    /// Bits of an IPv4 address that make a client.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that make a client.
    pub ipv6_prefix: u8,
    /// Clients that are not limited.
    pub exempt: Vec<IpNet>,
}

impl Default for CookiePolicy {
    fn default() -> Self {
        Self { enabled: true, secrets: vec![] }
    }
}

impl Default for RrlPolicy {
    fn default() -> Self {
        let loopback = [
            Ipv4Net::new([127, 0, 0, 0].into(), 8).map(IpNet::V4),
            Ipv6Net::new(std::net::Ipv6Addr::LOCALHOST, 128).map(IpNet::V6),
        ];
        Self {
            enabled: true,
            // The busiest resolvers ask for ten thousand names with a TTL of 30 s 333 times a second; and what a victim
            // gets, answers of 1232 octets at the worst, stays at 10 Mbit/s.
            rate: 1000,
            // Half of what is limited tells real clients to come over TCP.
            slip: 2,
            log_only: false,
            ipv4_prefix: 24,
            ipv6_prefix: 56,
            exempt: loopback.into_iter().flatten().collect(),
        }
    }
}

/// The keys of `[cookies]`.
pub const COOKIES_KEYS: &[Key] = &[defaulted("enabled"), defaulted("secrets")];

/// The keys of `[rrl]`.
pub const RRL_KEYS: &[Key] = &[
    defaulted("enabled"),
    defaulted("rate"),
    defaulted("slip"),
    defaulted("log_only"),
    defaulted("ipv4_prefix"),
    defaulted("ipv6_prefix"),
    defaulted("exempt"),
    defaulted("table_size"),
];

/// Reads `[cookies]`.
pub(super) fn read_cookies(spot: Spot<'_, '_>, policy: &mut CookiePolicy, faults: &mut Faults) {
    let Some(mut fields) = Fields::open(spot, COOKIES_KEYS, faults) else { return };
    set!(fields, "enabled", boolean => policy.enabled);
    set!(fields, "secrets", list(COOKIE_SECRETS_MAX, read_secret) => policy.secrets);
}

/// Reads `[rrl]`.
pub(super) fn read_rrl(spot: Spot<'_, '_>, settings: &mut Settings, policy: &mut RrlPolicy, faults: &mut Faults) {
    let Some(mut fields) = Fields::open(spot, RRL_KEYS, faults) else { return };
    set!(fields, "enabled", boolean => policy.enabled);
    set!(fields, "rate", integer(1, RRL_RATE_MAX) => policy.rate);
    set!(fields, "slip", integer(0, RRL_SLIP_MAX) => policy.slip);
    set!(fields, "log_only", boolean => policy.log_only);
    set!(fields, "ipv4_prefix", integer(1, 32) => policy.ipv4_prefix);
    set!(fields, "ipv6_prefix", integer(1, RRL_IPV6_PREFIX_MAX) => policy.ipv6_prefix);
    set!(fields, "exempt", list(EXEMPT_MAX, network) => policy.exempt);
    set!(fields, "table_size", integer(RRL_TABLE_MIN, RRL_TABLE_MAX) => settings.rrl_table_size);
}

/// Reads a secret. Faults do not repeat it: it may differ from the real one in a single letter.
fn read_secret(spot: Spot<'_, '_>, faults: &mut Faults) -> Option<CookieSecret> {
    let text = spot.text(faults)?;
    let secret = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok();
    let secret = secret.and_then(|octets| <[u8; SECRET_OCTETS]>::try_from(octets).ok());
    if secret.is_none() {
        faults.push(spot.fault("allowed: a secret of 32 hexadecimal digits, such as `openssl rand -hex 16` prints"));
    }
    secret.map(CookieSecret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        let policy = CookiePolicy { secrets: vec![CookieSecret([0xab; 16])], ..CookiePolicy::default() };
        assert_eq!(format!("{policy:?}"), "CookiePolicy { enabled: true, secrets: [CookieSecret(..)] }");
    }
}
