//! Data of SVCB and HTTPS records (RFC 9460 §2.2), read where it lies.
//!
//! **Hints that follow health.** A record asks for them by `ipv4hint=auto` or `ipv6hint=auto`. Inside the server that is
//! a parameter `ipv4hint` or `ipv6hint` with an empty value, which RFC 9460 §7.3 forbids on the wire, so nothing else
//! can be meant by it. Records that come in with an empty hint are refused, and none leaves: an answer has the
//! addresses of the moment in its place, or not the parameter.

use crate::model::name::Name;
use crate::model::rrset::{Owner, Rtype};

/// Key of `mandatory` (RFC 9460 §8).
pub const MANDATORY: u16 = 0;
/// Key of `ipv4hint` (RFC 9460 §7.3).
pub const IPV4HINT: u16 = 4;
/// Key of `ipv6hint` (RFC 9460 §7.3).
pub const IPV6HINT: u16 = 6;

/// The data of one record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Svcb<'r> {
    /// `SvcPriority`; 0 is `AliasMode`.
    pub priority: u16,
    /// `TargetName` in wire form.
    pub target: &'r [u8],
    /// The parameters, not yet read.
    params: &'r [u8],
}

/// One parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Param<'r> {
    /// Its key.
    pub key: u16,
    /// Its value.
    pub value: &'r [u8],
}

impl<'r> Svcb<'r> {
    /// Reads data; none if it has no priority and target.
    pub fn read(rdata: &'r [u8]) -> Option<Self> {
        let (priority, rest) = rdata.split_first_chunk()?;
        let mut end = 0;
        loop {
            let length = usize::from(*rest.get(end)?);
            end += 1 + length;
            if length == 0 {
                break;
            }
        }
        let (target, params) = rest.split_at_checked(end)?;
        Some(Self { priority: u16::from_be_bytes(*priority), target, params })
    }

    /// Its parameters, in order of their keys.
    pub fn params(self) -> impl Iterator<Item = Param<'r>> {
        let mut rest = self.params;
        std::iter::from_fn(move || {
            let ([k0, k1, l0, l1], tail) = rest.split_first_chunk()?;
            let (value, next) = tail.split_at_checked(usize::from(u16::from_be_bytes([*l0, *l1])))?;
            rest = next;
            Some(Param { key: u16::from_be_bytes([*k0, *k1]), value })
        })
    }

    /// The name whose addresses are its hints, for a record at `owner` (RFC 9460 §2.5.2: a target of `.` is the owner).
    pub fn host(self, owner: &Name) -> Option<Name> {
        if self.target == [0] { Some(owner.clone()) } else { Name::from_wire(self.target) }
    }

    /// Whether a hint follows health.
    pub fn has_auto(self) -> bool {
        self.params().any(Param::is_auto)
    }
}

/// The records of an owner that have hints that follow health.
pub fn autos(owner: &Owner) -> impl Iterator<Item = Svcb<'_>> {
    let rrsets = owner.rrsets().filter(|rrset| matches!(rrset.rtype, Rtype::SVCB | Rtype::HTTPS));
    rrsets.flat_map(|rrset| rrset.rdatas()).filter_map(Svcb::read).filter(|svcb| svcb.has_auto())
}

impl Param<'_> {
    /// Whether it is a hint that follows health.
    pub const fn is_auto(self) -> bool {
        matches!(self.key, IPV4HINT | IPV6HINT) && self.value.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_target_and_parameters() {
        let svcb = Svcb::read(b"\0\x01\x01a\0\0\x01\0\x03\x02h2\0\x04\0\0").unwrap();
        assert_eq!((svcb.priority, svcb.target), (1, &b"\x01a\0"[..]));
        let params: Vec<Param<'_>> = svcb.params().collect();
        assert_eq!(params, [Param { key: 1, value: b"\x02h2" }, Param { key: IPV4HINT, value: b"" }]);
        assert!(svcb.has_auto() && !Svcb::read(b"\0\0\0").unwrap().has_auto());
        for short in [&b""[..], b"\0\x01", b"\0\x01\x02a"] {
            assert_eq!(Svcb::read(short), None, "{short:?}");
        }
    }
}
