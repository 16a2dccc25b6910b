//! Tokens as rows, what has to hold for a new one, and what others may see of one.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::model::id::{PoolId, TokenId};
use crate::model::limits::TOKENS_MAX;
use crate::model::stamp::UnixMicros;
use crate::model::token::{Access, Token};
use crate::spec::time;

/// Why tokens stay as they are.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenError {
    /// Another token has the name.
    #[error("another token has the name {0}")]
    NameTaken(String),
    /// There are too many.
    #[error("there are {0} tokens already; more are not taken")]
    TooMany(usize),
    /// No token has the id.
    #[error("there is no token {0}")]
    NotFound(TokenId),
    /// They cannot be kept.
    #[error("the store cannot keep the change: {0}")]
    Unavailable(String),
}

/// A token as it is kept, under its id.
#[derive(Serialize, Deserialize)]
struct TokenRow {
    /// Its name.
    name: String,
    /// The digest, in hexadecimal digits.
    digest: String,
    /// What its bearer may do.
    access: AccessRow,
    /// The only pool that it may edit.
    pool: Option<String>,
    /// When it was made.
    created: u64,
    /// When it expires.
    expires: Option<u64>,
}

/// A token as the audit log shows it.
#[derive(Serialize)]
struct ShownToken<'a> {
    /// Its name.
    name: &'a str,
    /// What its bearer may do.
    access: AccessRow,
    /// The only pool that it may edit.
    pool: Option<String>,
    /// When it was made.
    created: String,
    /// When it expires.
    expires: Option<String>,
}

/// [`Access`], in a word.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AccessRow {
    /// Look.
    Read,
    /// And change.
    Edit,
}

impl AccessRow {
    /// The word for it.
    const fn of(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Edit => Self::Edit,
        }
    }
}

/// `tokens` with a new one, or with another in the place of the one with its id.
pub(super) fn put(tokens: &[Token], token: Token) -> Result<Arc<[Token]>, TokenError> {
    if tokens.iter().any(|other| other.id != token.id && other.name == token.name) {
        return Err(TokenError::NameTaken(token.name));
    }
    let others = tokens.iter().filter(|other| other.id != token.id);
    let all: Arc<[Token]> = others.cloned().chain([token.clone()]).collect();
    if all.len() > TOKENS_MAX { Err(TokenError::TooMany(TOKENS_MAX)) } else { Ok(all) }
}

/// `tokens` without one.
pub(super) fn remove(tokens: &[Token], id: TokenId) -> Result<Arc<[Token]>, TokenError> {
    let others: Arc<[Token]> = tokens.iter().filter(|token| token.id != id).cloned().collect();
    if others.len() == tokens.len() { Err(TokenError::NotFound(id)) } else { Ok(others) }
}

/// A token's row.
pub(super) fn build(token: &Token) -> Vec<u8> {
    let Token { id: _, name, digest, access, pool, created, expires } = token;
    let row = TokenRow {
        name: name.clone(),
        digest: HEXLOWER.encode(digest),
        access: AccessRow::of(*access),
        pool: pool.map(|pool| pool.to_string()),
        created: created.0,
        expires: expires.map(|expires| expires.0),
    };
    serde_json::to_vec(&row).unwrap_or_default()
}

/// A token for everybody's eyes, as JSON: nothing by which its bearer is known.
pub(super) fn shown(token: &Token) -> String {
    let Token { id: _, name, digest: _, access, pool, created, expires } = token;
    let shown = ShownToken {
        name,
        access: AccessRow::of(*access),
        pool: pool.map(|pool| pool.to_string()),
        created: time::text(*created),
        expires: expires.map(time::text),
    };
    serde_json::to_string(&shown).unwrap_or_default()
}

/// Reads a token's row, or says why it is none.
pub(super) fn parse(id: TokenId, text: &[u8]) -> Result<Token, String> {
    let row: TokenRow = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let TokenRow { name, digest, access, pool, created, expires } = row;
    let digest = HEXLOWER.decode(digest.as_bytes()).ok().and_then(|digest| digest.try_into().ok());
    let access = match access {
        AccessRow::Read => Access::Read,
        AccessRow::Edit => Access::Edit,
    };
    // A limit that cannot be read is not the same as none.
    let pool = pool.map(|id| PoolId::parse(&id).ok_or_else(|| format!("pool: {id} is no id"))).transpose()?;
    let digest = digest.ok_or_else(|| "digest: not 64 hexadecimal digits".to_owned())?;
    Ok(Token { id, name, digest, access, pool, created: UnixMicros(created), expires: expires.map(UnixMicros) })
}
