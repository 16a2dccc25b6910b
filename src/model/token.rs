//! Tokens of the API: what a bearer may do, and how a bearer is known.

use crate::model::id::{PoolId, TokenId};
use crate::model::stamp::UnixMicros;

/// One token. What its bearer shows is not here, only the digest of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it is for, in the words of whoever made it; unique among tokens.
    pub name: String,
    /// SHA-256 of what its bearer shows, which is 256 random bits: nothing that a slower digest would protect better.
    pub digest: [u8; 32],
    /// What its bearer may do.
    pub access: Access,
    /// The only pool that it may edit; none if there is no such limit.
    pub pool: Option<PoolId>,
    /// When it was made.
    pub created: UnixMicros,
    /// From when on it is worth nothing; none if it does not expire.
    pub expires: Option<UnixMicros>,
}

/// What a bearer may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Access {
    /// Look at everything but the list of tokens.
    Read,
    /// And change it.
    Edit,
}
