//! How a zone is hosted: everything about it but its records, and the keys that servers prove themselves with.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::model::id::ZoneId;
use crate::model::name::Name;

/// How a zone is hosted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hosting {
    /// The zone's id.
    pub id: ZoneId,
    /// Its apex.
    pub apex: Name,
    /// Where its records come from.
    pub origin: ZoneOrigin,
    /// Who may ask: clients in one of these networks. Nobody if there is none.
    pub allow_query: Vec<IpNet>,
    /// Who may transfer the zone. Nobody if there is none.
    pub allow_transfer: Vec<TransferRule>,
    /// Servers that are told when the zone changes (RFC 1996).
    pub notify: Vec<Peer>,
    /// What a transferred copy has at live names.
    pub transfer_live: TransferLive,
}

/// Who has to do with a zone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sharing {
    /// Who may ask.
    pub allow_query: Vec<IpNet>,
    /// Who may transfer it.
    pub allow_transfer: Vec<TransferRule>,
    /// Who is told when it changes.
    pub notify: Vec<Peer>,
}

impl Default for Sharing {
    fn default() -> Self {
        Self { allow_query: Hosting::everybody(), allow_transfer: vec![], notify: vec![] }
    }
}

/// Where a zone's records come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ZoneOrigin {
    /// The configuration declares them: we are the primary.
    Declared(SerialSource),
    /// They are transferred from other servers, the first one that answers: we are a secondary.
    Primaries(Vec<Peer>),
}

/// Who counts a zone's serial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SerialSource {
    /// Whoever writes the records.
    Records,
    /// We do: it grows with every change, live answers included.
    Auto,
}

/// What a transferred copy has at live names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TransferLive {
    /// What is answered now; the serial has to grow with it.
    Follow,
    /// What was answered when the zone was transferred.
    Snapshot,
}

/// A server that we talk to about a zone.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    /// The key that both sign with.
    pub key: Option<Name>,
    /// The address of ours that it hears us from, of the same family; the system's choice if there is none.
    pub source: Option<IpAddr>,
}

/// Who may transfer a zone: whoever matches all that is given.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TransferRule {
    /// Its network.
    pub network: Option<IpNet>,
    /// The key that it signs with.
    pub key: Option<Name>,
}

/// A key of TSIG (RFC 8945).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TsigKey {
    /// Its name, which both ends use.
    pub name: Name,
    /// Its algorithm.
    pub algorithm: TsigAlgorithm,
    /// What both ends know.
    pub secret: Secret,
}

/// Algorithms of TSIG (RFC 8945 §6); older ones are broken or without use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the algorithms' own names")]
pub enum TsigAlgorithm {
    HmacSha256,
    HmacSha384,
    HmacSha512,
}

/// Octets that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} octets)", self.0.len())
    }
}

impl Hosting {
    /// The same, for those who are said to have to do with it.
    #[must_use]
    pub fn shared_with(self, sharing: &Sharing) -> Self {
        let Sharing { allow_query, allow_transfer, notify } = sharing.clone();
        Self { allow_query, allow_transfer, notify, ..self }
    }

    /// A zone whose records are declared, for everybody to ask and nobody to transfer.
    pub fn declared(id: ZoneId, apex: Name) -> Self {
        Self {
            id,
            apex,
            origin: ZoneOrigin::Declared(SerialSource::Records),
            allow_query: Self::everybody(),
            allow_transfer: vec![],
            notify: vec![],
            transfer_live: TransferLive::Follow,
        }
    }

    /// The networks of everybody.
    pub fn everybody() -> Vec<IpNet> {
        vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())]
    }

    /// The servers that we transfer it from; none if we are its primary.
    pub fn primaries(&self) -> Option<&[Peer]> {
        match &self.origin {
            ZoneOrigin::Primaries(primaries) => Some(primaries),
            ZoneOrigin::Declared(_) => None,
        }
    }

    /// Whether anybody may get a copy or is told of changes.
    pub fn is_shared(&self) -> bool {
        !self.allow_transfer.is_empty() || !self.notify.is_empty()
    }

    /// Whether we count its serial.
    pub fn has_auto_serial(&self) -> bool {
        self.origin == ZoneOrigin::Declared(SerialSource::Auto)
    }

    /// Keys that it names.
    pub fn keys(&self) -> impl Iterator<Item = &Name> {
        let peers = self.primaries().unwrap_or_default().iter().chain(&self.notify);
        let rules = self.allow_transfer.iter().filter_map(|rule| rule.key.as_ref());
        peers.filter_map(|peer| peer.key.as_ref()).chain(rules)
    }
}

impl TsigAlgorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::HmacSha256, Self::HmacSha384, Self::HmacSha512];

    /// Its name (RFC 8945 §6), which is also how configurations write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::HmacSha384 => "hmac-sha384",
            Self::HmacSha512 => "hmac-sha512",
        }
    }
}
