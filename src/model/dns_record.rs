//! A record of a zone that is managed through the API: one resource record with an id, a comment and tags.

use crate::model::id::{RecordId, ZoneId};
use crate::model::name::Name;
use crate::model::rrset::{Record, Rtype};
use crate::model::stamp::{Revision, UnixMicros};

/// Seconds that the TTL `1`, the original's word for "automatic", stands for.
pub const TTL_AUTOMATIC: u32 = 300;

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DnsRecord {
    /// Its id.
    pub id: RecordId,
    /// The zone that it is in.
    pub zone: ZoneId,
    /// Its owner name.
    pub owner: Name,
    /// Its type.
    pub rtype: Rtype,
    /// Its TTL in seconds; none for the automatic one.
    pub ttl: Option<u32>,
    /// Its data in wire form.
    pub rdata: Vec<u8>,
    /// Its data as it was written, which is how it is given back.
    pub content: String,
    /// What somebody wants to remember.
    pub comment: String,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// When it was made.
    pub created: UnixMicros,
    /// When it last changed.
    pub modified: UnixMicros,
    /// Its version.
    pub revision: Revision,
}

impl DnsRecord {
    /// The resource record that answers have.
    pub fn resource_record(&self) -> Record {
        let ttl = self.ttl.unwrap_or(TTL_AUTOMATIC);
        Record { owner: self.owner.clone(), rtype: self.rtype, ttl, rdata: self.rdata.clone() }
    }
}
